/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job for the worker process: the unwind_table of an ELF file, from its .eh_frame and, for code
 * that this does not cover, its .debug_frame.
 *
 * Two passes: the first lists the functions that are described and sorts them by address, the
 * second runs their instructions in that order. x86-64 only.
 */
#ifndef FLICKERSCOPE_ELF_UNWIND_H
#define FLICKERSCOPE_ELF_UNWIND_H

#include "base/bytes.h"

struct executable_file;

enum elf_unwind_limits {
	ELF_UNWIND_GAP_MAX = 16, /* shorter gaps between functions are filling, and not marked */
	ELF_UNWIND_TIME_LIMIT_MS = 10000, /* for struct worker_job_type */
};

/*
 * @file_fd, @debug_fd: the file, and its debug file, whose .debug_frame stands for the file's own; -1:
 * none. Borrowed.
 * @argument: empty.
 *
 * Returns 0, one of enum executable_file_outcome (EXECUTABLE_NO_SECTION: it has neither section,
 * EXECUTABLE_TOO_LARGE: the table would be beyond its limits), or -errno.
 */
int unwind_table_job(int file_fd, int debug_fd, struct bytes_reader argument,
		     struct bytes_writer *ret_result);

/* The same for files that are open already. @debug_file: NULL: none. */
int elf_unwind_table(const struct executable_file *file, const struct executable_file *debug_file,
		     struct bytes_writer *ret_table);

#endif
