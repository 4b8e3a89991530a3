/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/range_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = 64 };

struct range_pool {
	uint32_t unit_count;
	uint32_t boundary;
	uint32_t used_count;
	uint32_t lowest_word; /* no word below has a free unit */
	uint64_t *used;	      /* a bit for each unit, resting ones included */
	uint64_t *given;      /* ... that was given back since the last turn */
	uint64_t *resting;    /* ... or before it */
};

int range_pool_new(uint32_t unit_count, uint32_t boundary, struct range_pool **ret_pool)
{
	CLEANUP(range_pool_free) struct range_pool *pool = calloc(1, sizeof(*pool));
	size_t word_count = unit_count / WORD_BITS;

	if (!pool)
		return -ENOMEM;
	pool->unit_count = unit_count;
	pool->boundary = boundary;
	pool->used = calloc(word_count, sizeof(*pool->used));
	pool->given = calloc(word_count, sizeof(*pool->given));
	pool->resting = calloc(word_count, sizeof(*pool->resting));
	if (!pool->used || !pool->given || !pool->resting)
		return -ENOMEM;
	*ret_pool = TAKE(pool);
	return 0;
}

void range_pool_free(struct range_pool *pool)
{
	if (!pool)
		return;
	free(pool->used);
	free(pool->given);
	free(pool->resting);
	free(pool);
}

static bool get_bit(const uint64_t *bits, uint32_t unit)
{
	return bits[unit / WORD_BITS] >> unit % WORD_BITS & 1;
}

static void set_bits(uint64_t *bits, uint32_t first, uint32_t count)
{
	for (uint32_t unit = first; unit < first + count; unit++)
		bits[unit / WORD_BITS] |= UINT64_C(1) << unit % WORD_BITS;
}

/* The first free unit from @unit on; unit_count when there is none. */
static uint32_t next_free(const struct range_pool *pool, uint32_t unit)
{
	while (unit < pool->unit_count) {
		if (unit % WORD_BITS == 0 && !~pool->used[unit / WORD_BITS])
			unit += WORD_BITS;
		else if (get_bit(pool->used, unit))
			unit++;
		else
			return unit;
	}
	return pool->unit_count;
}

/* Free units from the free one @unit on, up to @wanted or the boundary. */
static uint32_t run_length(const struct range_pool *pool, uint32_t unit, uint32_t wanted)
{
	uint32_t end = unit - unit % pool->boundary + pool->boundary, length = 1;

	while (length < wanted && unit + length < end && !get_bit(pool->used, unit + length))
		length++;
	return length;
}

int range_pool_take(struct range_pool *pool, uint32_t count, uint32_t *ret_first)
{
	uint32_t unit = next_free(pool, pool->lowest_word * WORD_BITS);

	pool->lowest_word = unit / WORD_BITS;
	while (unit < pool->unit_count) {
		uint32_t length = run_length(pool, unit, count);

		if (length == count) {
			set_bits(pool->used, unit, count);
			pool->used_count += count;
			*ret_first = unit;
			return 0;
		}
		unit = next_free(pool, unit + length);
	}
	return RANGE_POOL_FULL;
}

void range_pool_give(struct range_pool *pool, uint32_t first, uint32_t count)
{
	set_bits(pool->given, first, count);
}

void range_pool_turn(struct range_pool *pool)
{
	for (uint32_t i = 0; i < pool->unit_count / WORD_BITS; i++) {
		if (pool->resting[i]) {
			pool->used[i] &= ~pool->resting[i];
			pool->used_count -= (uint32_t)__builtin_popcountll(pool->resting[i]);
			if (i < pool->lowest_word)
				pool->lowest_word = i;
		}
		pool->resting[i] = pool->given[i];
		pool->given[i] = 0;
	}
}

bool range_pool_is_empty(const struct range_pool *pool, uint32_t first)
{
	for (uint32_t i = first / WORD_BITS; i < (first + pool->boundary) / WORD_BITS; i++)
		if (pool->used[i])
			return false;
	return true;
}

uint32_t range_pool_used(const struct range_pool *pool)
{
	return pool->used_count;
}
