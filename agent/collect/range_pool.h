/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands out ranges of units, lowest first, for memory that somebody may still look at for a moment
 * after it was given back: such a range rests between one and two calls of range_pool_turn() before
 * it is handed out again. Memory: three bits for each unit. One thread.
 */
#ifndef FLICKERSCOPE_RANGE_POOL_H
#define FLICKERSCOPE_RANGE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct range_pool;

enum range_pool_outcome {
	RANGE_POOL_FULL = 1,
};

/*
 * @boundary: no range reaches over a multiple of this many units; a multiple of 64 that divides
 *	@unit_count.
 */
int range_pool_new(uint32_t unit_count, uint32_t boundary, struct range_pool **ret_pool);
void range_pool_free(struct range_pool *pool); /* NULL is fine */
DEFINE_CLEANUP(struct range_pool *, range_pool_free);

/* @count: 1 to the boundary. Returns 0 or RANGE_POOL_FULL. */
int range_pool_take(struct range_pool *pool, uint32_t count, uint32_t *ret_first);
void range_pool_give(struct range_pool *pool, uint32_t first, uint32_t count);

/* What was given back before the last call may be handed out from now on. */
void range_pool_turn(struct range_pool *pool);

/* Whether nothing between two boundaries is in use or resting; @first: the lower one. */
bool range_pool_is_empty(const struct range_pool *pool, uint32_t first);

/* Units in use, resting ones included. */
uint32_t range_pool_used(const struct range_pool *pool);

#endif
