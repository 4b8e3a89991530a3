/* SPDX-License-Identifier: Apache-2.0 */
/* The range on top of many, against the plain search through all of them. */
#include "base/covering.h"

#include "check.h"

enum { RANGES = 400, ADDRESSES = 1000, ROUNDS = 20 };

struct test_range {
	uint64_t start, end, rank;
};

static uint64_t random_below(uint64_t *state, uint64_t limit)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*state >> 33) % limit;
}

static void nothing_covers_nothing(void)
{
	CLEANUP(covering_close) struct covering covering = { 0 };

	CHECK_EQ(covering_open(0, &covering), 0);
	CHECK(!covering_top(&covering, 0));
	CHECK(!covering_top(&covering, UINT64_MAX));
}

static void the_inner_one_hides_the_outer_until_it_ends(void)
{
	CLEANUP(covering_close) struct covering covering = { 0 };

	CHECK_OR_RETURN(covering_open(2, &covering) == 0);
	covering_add(&covering, (struct covering_range){ .end = 20, .rank = 1 });
	CHECK_EQ(covering_top(&covering, 3)->rank, 1);
	covering_add(&covering, (struct covering_range){ .end = 10, .rank = 2 });
	CHECK_EQ(covering_top(&covering, 9)->rank, 2);
	CHECK_EQ(covering_top(&covering, 10)->rank, 1);
	CHECK(!covering_top(&covering, 20));
}

/* One that lies below another and ends first never comes to the top. */
static void what_ended_below_another_is_not_seen(void)
{
	CLEANUP(covering_close) struct covering covering = { 0 };

	CHECK_OR_RETURN(covering_open(2, &covering) == 0);
	covering_add(&covering, (struct covering_range){ .end = 5, .rank = 1 });
	covering_add(&covering, (struct covering_range){ .end = 10, .rank = 2 });
	CHECK(!covering_top(&covering, 10));
}

static uint64_t top_by_search(const struct test_range *ranges, uint64_t address)
{
	uint64_t rank = 0;

	for (size_t i = 0; i < RANGES; i++)
		if (address >= ranges[i].start && address < ranges[i].end && ranges[i].rank > rank)
			rank = ranges[i].rank;
	return rank;
}

static int compare_starts(const void *left, const void *right)
{
	const struct test_range *a = left, *b = right;

	return a->start < b->start ? -1 : a->start > b->start;
}

static void many_agree_with_the_plain_search(void)
{
	uint64_t state = 1;

	for (int round = 0; round < ROUNDS; round++) {
		CLEANUP(covering_close) struct covering covering = { 0 };
		struct test_range ranges[RANGES];
		size_t next = 0;

		for (size_t i = 0; i < RANGES; i++) {
			ranges[i].start = random_below(&state, ADDRESSES);
			ranges[i].end = ranges[i].start + random_below(&state, ADDRESSES / 4);
			ranges[i].rank = 1 + random_below(&state, RANGES);
		}
		qsort(ranges, RANGES, sizeof(ranges[0]), compare_starts);
		CHECK_OR_RETURN(covering_open(RANGES, &covering) == 0);
		for (uint64_t address = 0; address < ADDRESSES * 5 / 4; address++) {
			const struct covering_range *top;

			for (; next < RANGES && ranges[next].start == address; next++)
				covering_add(&covering,
					     (struct covering_range){ .end = ranges[next].end,
								      .rank = ranges[next].rank });
			top = covering_top(&covering, address);
			CHECK_EQ(top ? top->rank : 0, top_by_search(ranges, address));
		}
	}
}

TESTS(TEST(nothing_covers_nothing), TEST(the_inner_one_hides_the_outer_until_it_ends),
      TEST(what_ended_below_another_is_not_seen), TEST(many_agree_with_the_plain_search))
