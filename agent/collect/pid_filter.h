/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills the sampler's pid filter with the processes that were asked for.
 */
#ifndef FLICKERSCOPE_PID_FILTER_H
#define FLICKERSCOPE_PID_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sampler_program;

/*
 * @pids: processes, or threads standing for theirs.
 * @children: also their descendants. Forks must be followed by now (sampler_program_load).
 *
 * Logs why not, and returns 0 or -errno: -ESRCH when a process does not exist.
 */
int pid_filter_fill(const struct sampler_program *program, const uint32_t *pids, size_t pid_count,
		    bool children);

#endif
