/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of CPU numbers as the kernel writes them: "0-3,5" (Linux, Documentation/admin-guide/cputopology.rst).
 */
#ifndef FLICKERSCOPE_CPU_LIST_H
#define FLICKERSCOPE_CPU_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "sample_abi.h"

struct cpu_list {
	bool has[SAMPLE_CPUS_MAX];
	uint32_t count;	       /* of them */
	uint32_t end;	       /* behind the last of them */
	uint32_t beyond_count; /* CPUs that have a number of SAMPLE_CPUS_MAX or more */
};

/* Parses @text, which may end with a newline. Returns 0 or -EINVAL. */
int cpu_list_parse(const char *text, struct cpu_list *ret_list);

/* Opens what tells which CPUs are online, to be read as often as is wanted. Logs; returns 0 or -errno. */
int cpu_list_open_online(int *ret_fd);

/* The CPUs that are online now. Returns 0 or -errno. */
int cpu_list_online(int online_fd, struct cpu_list *ret_list);

#endif
