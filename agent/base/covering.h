/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of many ranges that overlap is on top, while one goes through their addresses from low to
 * high: each range is added at its start, and the one of the highest rank is asked for.
 *
 * O(log n) for each range. Memory is asked for once, for as many as were said.
 */
#ifndef FLICKERSCOPE_COVERING_H
#define FLICKERSCOPE_COVERING_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct covering_range {
	uint64_t end;  /* the first address behind it */
	uint64_t rank; /* whatever the caller knows it by */
};

struct covering {
	struct covering_range *heap; /* owned; the highest rank is the first */
	size_t count;
	size_t count_max;
};

/* @count_max: of ranges that are added, ever. Returns 0 or -ENOMEM. */
int covering_open(size_t count_max, struct covering *ret_covering);
void covering_close(struct covering *covering); /* all zero is fine */

static inline void cleanup_covering_close(struct covering *covering)
{
	covering_close(covering);
}

void covering_add(struct covering *covering, struct covering_range range);

/*
 * The range on top at @address, NULL when none is there; valid until the next call. Addresses
 * must not fall from one call to the next: what ends before is forgotten.
 */
const struct covering_range *covering_top(struct covering *covering, uint64_t address);

#endif
