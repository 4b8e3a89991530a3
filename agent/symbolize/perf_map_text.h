/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job for the worker process: the text of a perf map as a symbol table.
 *
 * A JIT compiler appends "START SIZE NAME" (hexadecimal) for each function it makes, and uses memory
 * again: of several lines for one address the last one counts. A piece that is left of an
 * older function starts where it is visible. The format: tools/perf/Documentation/jit-interface.txt
 * in the kernel's source.
 */
#ifndef FLICKERSCOPE_PERF_MAP_TEXT_H
#define FLICKERSCOPE_PERF_MAP_TEXT_H

#include <stddef.h>

#include "base/bytes.h"

enum perf_map_limits {
	PERF_MAP_TEXT_SIZE_MAX = 256 << 20,
	PERF_MAP_LINES_MAX = 2 << 20, /* the last ones count */
	PERF_MAP_TIME_LIMIT_MS = 10000,
};

/* A line cut short by the end of the text is left for the next time. Returns 0 or -errno. */
int perf_map_text_parse(const char *text, size_t size, struct bytes_writer *ret_table);

/* @input_fd: the perf map. @argument: empty. */
int perf_map_text_job(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result);

#endif
