/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/range_pool.h"

#include "check.h"

enum { UNITS = 256, BOUNDARY = 64 };

static void ranges_are_taken_lowest_first(void)
{
	CLEANUP(range_pool_free) struct range_pool *pool = NULL;
	uint32_t first = 99;

	CHECK_EQ(range_pool_new(UNITS, BOUNDARY, &pool), 0);
	CHECK_EQ(range_pool_take(pool, 10, &first), 0);
	CHECK_EQ(first, 0);
	CHECK_EQ(range_pool_take(pool, 5, &first), 0);
	CHECK_EQ(first, 10);
	CHECK_EQ(range_pool_used(pool), 15);
}

static void no_range_reaches_over_a_boundary(void)
{
	CLEANUP(range_pool_free) struct range_pool *pool = NULL;
	uint32_t first;

	CHECK_EQ(range_pool_new(UNITS, BOUNDARY, &pool), 0);
	CHECK_EQ(range_pool_take(pool, 40, &first), 0);
	CHECK_EQ(range_pool_take(pool, 40, &first), 0);
	CHECK_EQ(first, BOUNDARY);
	CHECK_EQ(range_pool_take(pool, 20, &first), 0);
	CHECK_EQ(first, 40); /* what was left below */
	CHECK_EQ(range_pool_take(pool, BOUNDARY, &first), 0);
	CHECK_EQ(first, 2 * BOUNDARY);
}

static void a_full_pool_says_so_and_changes_nothing(void)
{
	CLEANUP(range_pool_free) struct range_pool *pool = NULL;
	uint32_t first = 99;

	CHECK_EQ(range_pool_new(UNITS, BOUNDARY, &pool), 0);
	for (int i = 0; i < UNITS / BOUNDARY; i++)
		CHECK_EQ(range_pool_take(pool, BOUNDARY - 1, &first), 0);
	first = 99;
	CHECK_EQ(range_pool_take(pool, 2, &first), RANGE_POOL_FULL);
	CHECK_EQ(first, 99);
	CHECK_EQ(range_pool_take(pool, 1, &first), 0);
	CHECK_EQ(first, BOUNDARY - 1);
}

static void what_is_given_back_rests_for_a_whole_turn(void)
{
	CLEANUP(range_pool_free) struct range_pool *pool = NULL;
	uint32_t first;

	CHECK_EQ(range_pool_new(UNITS, BOUNDARY, &pool), 0);
	CHECK_EQ(range_pool_take(pool, 8, &first), 0);
	range_pool_give(pool, 0, 8);
	CHECK_EQ(range_pool_take(pool, 8, &first), 0);
	CHECK_EQ(first, 8);
	range_pool_turn(pool); /* it may have been given back a moment ago */
	CHECK_EQ(range_pool_take(pool, 8, &first), 0);
	CHECK_EQ(first, 16);
	CHECK(!range_pool_is_empty(pool, 0));
	range_pool_turn(pool);
	CHECK_EQ(range_pool_used(pool), 16);
	CHECK_EQ(range_pool_take(pool, 8, &first), 0);
	CHECK_EQ(first, 0);
}

static void a_part_is_empty_when_all_of_it_has_rested(void)
{
	CLEANUP(range_pool_free) struct range_pool *pool = NULL;
	uint32_t first;

	CHECK_EQ(range_pool_new(UNITS, BOUNDARY, &pool), 0);
	CHECK_EQ(range_pool_take(pool, BOUNDARY, &first), 0);
	CHECK(!range_pool_is_empty(pool, 0));
	CHECK(range_pool_is_empty(pool, BOUNDARY));
	range_pool_give(pool, 0, BOUNDARY);
	range_pool_turn(pool);
	CHECK(!range_pool_is_empty(pool, 0));
	range_pool_turn(pool);
	CHECK(range_pool_is_empty(pool, 0));
}

/* Takes and gives by chance; a bit map beside it knows what may not be handed out. */
static void ranges_in_use_are_never_handed_out_again(void)
{
	CLEANUP(range_pool_free) struct range_pool *pool = NULL;
	bool used[UNITS] = { false };
	uint32_t firsts[UNITS], counts[UNITS], held = 0, taken = 0;
	uint32_t seed = 12345;

	CHECK_EQ(range_pool_new(UNITS, BOUNDARY, &pool), 0);
	for (int round = 0; round < 20000; round++) {
		uint32_t count, index;

		seed = seed * 1664525 + 1013904223;
		count = 1 + (seed >> 16) % 20;
		if ((seed >> 28) % 2 && range_pool_take(pool, count, &firsts[held]) == 0) {
			for (uint32_t i = 0; i < count; i++) {
				if (used[firsts[held] + i])
					CHECK(!"handed out twice");
				used[firsts[held] + i] = true;
			}
			counts[held++] = count;
			taken++;
		} else if (held) {
			index = (seed >> 8) % held;
			range_pool_give(pool, firsts[index], counts[index]);
			for (uint32_t i = 0; i < counts[index]; i++)
				used[firsts[index] + i] = false;
			firsts[index] = firsts[--held];
			counts[index] = counts[held];
		}
		if (round % 3 == 0)
			range_pool_turn(pool);
	}
	CHECK(taken > 1000);
}

TESTS(TEST(ranges_are_taken_lowest_first), TEST(no_range_reaches_over_a_boundary),
      TEST(a_full_pool_says_so_and_changes_nothing),
      TEST(what_is_given_back_rests_for_a_whole_turn),
      TEST(a_part_is_empty_when_all_of_it_has_rested),
      TEST(ranges_in_use_are_never_handed_out_again))
