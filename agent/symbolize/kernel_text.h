/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job for the worker process: the text of /proc/kallsyms as a symbol table, with kernel modules and
 * BPF programs as its modules.
 *
 * The text has no sizes: a function ends where the next symbol of any kind starts, and after
 * KERNEL_FUNCTION_SIZE_MAX at the latest.
 */
#ifndef FLICKERSCOPE_KERNEL_TEXT_H
#define FLICKERSCOPE_KERNEL_TEXT_H

#include <stddef.h>

#include "base/bytes.h"

enum kernel_text_limits {
	KERNEL_TEXT_SIZE_MAX = 128 << 20,
	KERNEL_FUNCTION_SIZE_MAX = 1 << 20,
	KERNEL_TEXT_TIME_LIMIT_MS = 10000,
};

enum kernel_text_outcome {
	KERNEL_TEXT_HIDDEN = 1, /* all addresses are 0: kernel.kptr_restrict */
	KERNEL_TEXT_EMPTY = 2,	/* not one line could be understood */
};

/* Returns 0, an outcome or -errno. */
int kernel_text_parse(const char *text, size_t size, struct bytes_writer *ret_table);

/* @input_fd: /proc/kallsyms, opened by somebody who may see addresses. @argument: empty. */
int kernel_text_job(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result);

#endif
