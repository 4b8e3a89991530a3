/* SPDX-License-Identifier: Apache-2.0 */
#include "base/descriptors.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/clock.h"

uint32_t descriptors_share(uint32_t parts, uint32_t least, uint32_t most)
{
	struct rlimit limit;
	rlim_t share;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return least;
	share = limit.rlim_cur / parts; /* none (RLIM_INFINITY) is the largest number */
	return share < least ? least : share > most ? most : (uint32_t)share;
}

bool descriptors_are_short(int error)
{
	return error == -EMFILE || error == -ENFILE;
}

bool is_shortage(int error)
{
	return descriptors_are_short(error) || error == -ENOMEM;
}

uint64_t shortage_pause_ns(uint32_t *shortages, int error)
{
	if (!is_shortage(error) || ++*shortages >= SHORTAGES_MAX)
		return 0;
	return (SHORTAGE_PAUSE_MS << (*shortages - 1)) * NS_PER_MS;
}
