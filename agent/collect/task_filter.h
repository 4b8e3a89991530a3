/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cgroups and users the sampler takes: told to the BPF program, and kept true while cgroups
 * come and go. A service that is started again has a new cgroup of the same name. Loop thread.
 */
#ifndef FLICKERSCOPE_TASK_FILTER_H
#define FLICKERSCOPE_TASK_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "sample_abi.h"

struct task_filter;

struct task_filter_options {
	const char *const *cgroups; /* names below the folder of cgroups; copied */
	size_t cgroup_count;	    /* 0: all */
	const uint32_t *users;	    /* real user ids */
	size_t user_count;	    /* 0: all */
};

/*
 * Fills @filter, which is shared with the program and must outlive this. Every cgroup must be there
 * now. Returns 0 or -errno; logged in one line.
 */
int task_filter_new(const struct task_filter_options *options, struct sample_filter *filter,
		    struct task_filter **ret_filter);
void task_filter_free(struct task_filter *filter); /* NULL is fine */
DEFINE_CLEANUP(struct task_filter *, task_filter_free);

/* Looks which cgroups have the names now: about once a second. Takes a system call for each. */
void task_filter_follow(struct task_filter *filter);

#endif
