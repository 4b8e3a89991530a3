/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/pid_filter.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "privileged/process_tree.h"
#include "privileged/sampler_program.h"
#include "sample_abi.h"

enum {
	DESCENDANT_ROUNDS_MAX = 8,
};

static int add_process(const struct sampler_program *program, uint32_t pid,
		       uint32_t *ret_process_pid)
{
	int r = process_tree_process_of(pid, ret_process_pid);

	if (r == 0)
		r = sampler_program_add_pid(program, *ret_process_pid);
	if (r == -ESRCH)
		log_error("there is no process %u (it may have ended)", pid);
	else if (r < 0)
		log_errno(r, "sample only process %u", pid);
	return r;
}

/*
 * The child of a process that is in the filter belongs to it. What was forked before is looked up,
 * again and again, since it forks on until it is found.
 */
static int add_descendants(const struct sampler_program *program, uint32_t *pids, size_t pid_count)
{
	for (int round = 0; round < DESCENDANT_ROUNDS_MAX; round++) {
		size_t known_count = pid_count;
		int r = process_tree_add_descendants(pids, &pid_count, SAMPLE_PIDS_MAX);

		if (r < 0)
			return log_errno(r, "look for child processes");
		if (r == 0)
			return 0;
		for (size_t i = known_count; i < pid_count; i++) {
			r = sampler_program_add_pid(program, pids[i]);
			if (r < 0)
				return log_errno(r, "sample also process %u", pids[i]);
		}
	}
	return 0;
}

int pid_filter_fill(const struct sampler_program *program, const uint32_t *pids, size_t pid_count,
		    bool children)
{
	CLEANUP(memory_free) uint32_t *processes = NULL;

	if (pid_count > SAMPLE_PIDS_MAX) {
		log_error("more than %d processes were asked for", SAMPLE_PIDS_MAX);
		return -E2BIG;
	}
	processes = calloc(SAMPLE_PIDS_MAX, sizeof(*processes));
	if (!processes)
		return log_errno(-ENOMEM, "filter processes");
	for (size_t i = 0; i < pid_count; i++) {
		int r = add_process(program, pids[i], &processes[i]);

		if (r < 0)
			return r;
	}
	return children ? add_descendants(program, processes, pid_count) : 0;
}
