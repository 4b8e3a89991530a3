/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For programs that make code: the file in which they name it, as the kernel's
 * tools/perf/Documentation/jit-interface.txt says.
 */
#ifndef FLICKERSCOPE_PERF_MAP_H
#define FLICKERSCOPE_PERF_MAP_H

#include <stdio.h>
#include <unistd.h>

enum { PERF_MAP_PATH_SIZE = 64 };

/* NULL when it cannot be made; @ret_path: where it is. */
static inline FILE *perf_map_create(char ret_path[PERF_MAP_PATH_SIZE])
{
	snprintf(ret_path, PERF_MAP_PATH_SIZE, "/tmp/perf-%d.map", getpid());
	return fopen(ret_path, "w");
}

#endif
