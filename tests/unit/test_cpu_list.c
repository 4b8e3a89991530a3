/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/cpu_list.h"

#include <errno.h>

#include "check.h"

static void ranges_and_numbers_are_read_in_any_order(void)
{
	struct cpu_list list;

	CHECK_EQ(cpu_list_parse("5,0-2\n", &list), 0);
	CHECK_EQ(list.count, 4);
	CHECK_EQ(list.end, 6);
	for (uint32_t cpu = 0; cpu < SAMPLE_CPUS_MAX; cpu++)
		CHECK_EQ(list.has[cpu], cpu <= 2 || cpu == 5);
	CHECK_EQ(list.beyond_count, 0);
}

static void one_number_is_a_list(void)
{
	struct cpu_list list;

	CHECK_EQ(cpu_list_parse("0", &list), 0);
	CHECK_EQ(list.count, 1);
	CHECK_EQ(list.end, 1);
}

static void a_number_that_comes_twice_counts_once(void)
{
	struct cpu_list list;

	CHECK_EQ(cpu_list_parse("0-2,1,4", &list), 0);
	CHECK_EQ(list.count, 4);
	CHECK_EQ(list.end, 5);
}

static void cpus_beyond_the_limit_are_counted(void)
{
	struct cpu_list list;

	CHECK_EQ(cpu_list_parse("1022-1025", &list), 0);
	CHECK_EQ(list.count, 2);
	CHECK(list.has[1022] && list.has[1023]);
	CHECK_EQ(list.end, 1024);
	CHECK_EQ(list.beyond_count, 2);
}

static void nonsense_is_refused_and_leaves_the_list_alone(void)
{
	static const char *const wrong[] = { "",     "\n",   "a",  "1-",  "-1",
					     "3-1",  "1,,2", "1,", "1 2", "0-99999999999999999999",
					     "1\n\n" };
	struct cpu_list list = { .count = 7 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CHECK_EQ(cpu_list_parse(wrong[i], &list), -EINVAL);
		CHECK_EQ(list.count, 7);
	}
}

TESTS(TEST(ranges_and_numbers_are_read_in_any_order), TEST(one_number_is_a_list),
      TEST(a_number_that_comes_twice_counts_once), TEST(cpus_beyond_the_limit_are_counted),
      TEST(nonsense_is_refused_and_leaves_the_list_alone))
