/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job for the worker process: the next part of a perf map as loads of code.
 *
 * A JIT compiler appends "START SIZE NAME" (hexadecimal) for each function it makes, and uses memory
 * again: of several lines for one address the last one counts. The format:
 * tools/perf/Documentation/jit-interface.txt in the kernel's source.
 */
#ifndef FLICKERSCOPE_PERF_MAP_TEXT_H
#define FLICKERSCOPE_PERF_MAP_TEXT_H

#include <stddef.h>

#include "base/bytes.h"

struct jit_loads_writer;

enum perf_map_limits {
	PERF_MAP_SIZE_MAX = 100 << 20, /* of a larger one the end is read */
	PERF_MAP_TIME_LIMIT_MS = 10000,
};

/*
 * A line cut short by the end of the text is left for the next time, unless it is longer than any
 * part. Returns the bytes that are done with.
 */
size_t perf_map_text_parse(const char *text, size_t size, struct jit_loads_writer *loads);

/* @input_fd: the perf map. @argument: struct jit_position. The result: see jit_loads.h. */
int perf_map_text_job(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result);

#endif
