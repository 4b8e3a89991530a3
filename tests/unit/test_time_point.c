/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "convert/time_point.h"

#define S INT64_C(1000000)

/* 2026-11-22 12:04:31 UTC, and the wall clock's own microseconds at the capture's start. */
#define ZERO_WALL_US (INT64_C(1795349071) * S)

static int64_t us_of(const char *text, int64_t zero_us, uint32_t zero_shift_s, uint32_t shift_s)
{
	struct time_point point;

	if (time_point_parse(text, &point))
		return -1;
	return time_point_us(&point, zero_us, zero_shift_s, shift_s, -2);
}

static int64_t us(const char *text)
{
	return us_of(text, ZERO_WALL_US, 0, 0);
}

static void seconds_from_the_start_are_exact(void)
{
	CHECK_EQ(us("0"), ZERO_WALL_US);
	CHECK_EQ(us("12.345"), ZERO_WALL_US + 12345000);
	CHECK_EQ(us("12.345s"), ZERO_WALL_US + 12345000);
	CHECK_EQ(us("0.000001"), ZERO_WALL_US + 1);
	/* No double has this number. */
	CHECK_EQ(us("9007199254.740993"), ZERO_WALL_US + INT64_C(9007199254740993));
}

static void a_time_of_day_is_on_the_day_of_the_start(void)
{
	CHECK_EQ(us("12:04"), ZERO_WALL_US - 31 * S);
	CHECK_EQ(us("12:04:31.250"), ZERO_WALL_US + 250000);
	CHECK_EQ(us("11:00"), ZERO_WALL_US - (3600 + 4 * 60 + 31) * S);
	CHECK_EQ(us("23:59:59.999999"), ZERO_WALL_US + (43200 - 4 * 60 - 31) * S - 1);
}

static void a_time_of_day_long_before_the_start_is_the_next_day(void)
{
	int64_t late = ZERO_WALL_US + (43200 - 4 * 60 - 31 - 10) * S; /* 23:59:50 */

	CHECK_EQ(us_of("00:00:05", late, 0, 0), late + 15 * S);
	CHECK_EQ(us_of("23:59:55", late, 0, 0), late + 5 * S);
}

static void dates_have_a_zone_or_that_of_the_process(void)
{
	CHECK_EQ(us("2026-11-22T12:04:31"), ZERO_WALL_US);
	CHECK_EQ(us("2026-11-22 12:04:31.5"), ZERO_WALL_US + 500000);
	CHECK_EQ(us("2026-11-22T12:04:31Z"), ZERO_WALL_US);
	CHECK_EQ(us("2026-11-22T13:04:31+01:00"), ZERO_WALL_US);
	CHECK_EQ(us("2026-11-22T07:34:31-0430"), ZERO_WALL_US);
	CHECK_EQ(us("2024-02-29T00:00Z"), INT64_C(1709164800) * S);
}

/* In New York, 2026-11-01 02:00 is 01:00 again. */
static void a_day_of_25_hours_has_its_own_times(void)
{
	int64_t begin = INT64_C(1793505600) * S; /* 2026-11-01 00:00 there */

	setenv("TZ", "America/New_York", 1);
	tzset();
	CHECK_EQ(us_of("2026-11-01T03:00", begin, 0, 0), begin + 4 * 3600 * S);
	CHECK_EQ(us_of("12:00", begin, 0, 0), begin + 13 * 3600 * S);
	setenv("TZ", "UTC", 1);
	tzset();
}

static void wall_times_follow_the_clock_of_each_segment(void)
{
	/* The clock was set back by 7 s; the timeline goes on. */
	CHECK_EQ(us_of("12:04:40", ZERO_WALL_US, 0, 7), ZERO_WALL_US + 16 * S);
	CHECK_EQ(us_of("2026-11-22T12:04:40Z", ZERO_WALL_US + 7 * S, 7, 7), ZERO_WALL_US + 16 * S);
	/* Seconds from the start do not. */
	CHECK_EQ(us_of("9", ZERO_WALL_US, 0, 7), ZERO_WALL_US + 9 * S);
}

static void what_is_no_time_is_refused(void)
{
	static const char *const wrong[] = {
		"",
		" ",
		"x",
		"1x",
		"-1",
		"1.",
		"1.2345678",
		".5",
		"1,5",
		"1e3",
		"0x10",
		"12:4",
		"12:60",
		"24:00",
		"12:04:60",
		"12:04:",
		"12:04:31.",
		"1:02:03",
		"12:04:31 ",
		"99999999999",
		"12:04s",
		"2026-13-01T00:00",
		"2026-02-29T00:00",
		"2026-11-22",
		"2026-11-22T",
		"2026-11-22T12:04+1",
		"2026-11-22T12:04Zx",
		"1969-12-31T23:00Z",
		"2026-11-22Q12:04",
		"inf",
		"nan",
	};
	struct time_point point = { .us = 77 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (time_point_parse(wrong[i], &point) != TIME_POINT_WRONG)
			printf("# %s is taken\n", wrong[i]);
		CHECK_EQ(time_point_parse(wrong[i], &point), TIME_POINT_WRONG);
	}
	CHECK_EQ(point.us, 77);
}

static void no_time_is_the_open_end(void)
{
	struct time_point none = { 0 };

	CHECK_EQ(time_point_us(&none, 5, 0, 0, 42), 42);
	CHECK_EQ(time_point_zero_us(ZERO_WALL_US + 999999), ZERO_WALL_US);
}

/* All times here are in UTC, but where a test says otherwise. */
__attribute__((constructor)) static void use_utc(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
}

TESTS(TEST(seconds_from_the_start_are_exact), TEST(a_time_of_day_is_on_the_day_of_the_start),
      TEST(a_time_of_day_long_before_the_start_is_the_next_day),
      TEST(dates_have_a_zone_or_that_of_the_process), TEST(a_day_of_25_hours_has_its_own_times),
      TEST(wall_times_follow_the_clock_of_each_segment), TEST(what_is_no_time_is_refused),
      TEST(no_time_is_the_open_end))
