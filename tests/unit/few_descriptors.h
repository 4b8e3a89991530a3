/* SPDX-License-Identifier: Apache-2.0 */
/* Lowers what a test may have open (RLIMIT_NOFILE, getrlimit(2)), and puts it back. */
#ifndef FLICKERSCOPE_FEW_DESCRIPTORS_H
#define FLICKERSCOPE_FEW_DESCRIPTORS_H

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* From now on descriptors have numbers below @count. Returns the limit before. */
static inline rlim_t few_descriptors(rlim_t count)
{
	struct rlimit limit;
	rlim_t before;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	before = limit.rlim_cur;
	limit.rlim_cur = count;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? 0 : before;
}

/* Those that are open, and none beside them. */
static inline rlim_t no_descriptors(void)
{
	int lowest_free = dup(STDERR_FILENO);

	close(lowest_free);
	return few_descriptors((rlim_t)lowest_free);
}

#endif
