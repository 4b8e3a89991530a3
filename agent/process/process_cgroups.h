/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroups of processes, each once. Bounded by PROCESS_CGROUPS_MAX: the one added longest ago
 * makes room, and is read again when it is asked for. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_PROCESS_CGROUPS_H
#define FLICKERSCOPE_PROCESS_CGROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct process_cgroups;

struct process_cgroup {
	const char *path;      /* in the hierarchy that names containers; "" when unknown */
	const char *container; /* its id (12 digits) or name; "" outside of any */
};

int process_cgroups_new(struct process_cgroups **ret_cgroups);
void process_cgroups_free(struct process_cgroups *cgroups); /* NULL is fine */
DEFINE_CLEANUP(struct process_cgroups *, process_cgroups_free);

/* The id of the cgroup that the text of /proc/PID/cgroup names; 0 when memory is short. */
uint64_t process_cgroups_add(struct process_cgroups *cgroups, const char *text, size_t size);

/* False when @id is 0 or has made room for others. Valid until the next addition. */
bool process_cgroups_get(const struct process_cgroups *cgroups, uint64_t id,
			 struct process_cgroup *ret_cgroup);

#endif
