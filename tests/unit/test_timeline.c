/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/timeline.h"

#include "check.h"

#define MONO_NS UINT64_C(5000000000)
#define WALL_NS UINT64_C(1700000000250000000)
#define S UINT64_C(1000000000)

/* Time advances with the monotonic clock from the wall clock's time at the start. */
static void time_starts_at_the_wall_clock(void)
{
	struct timeline timeline = timeline_start(MONO_NS, WALL_NS);

	CHECK_EQ(timeline_us(&timeline, MONO_NS), WALL_NS / 1000);
	CHECK_EQ(timeline_us(&timeline, MONO_NS + S), WALL_NS / 1000 + 1000000);
	CHECK_EQ(timeline.wall_shift_s, 0);
}

/* The noise of reading two clocks is no step. */
static void noise_is_no_step(void)
{
	struct timeline timeline = timeline_start(MONO_NS, WALL_NS);

	CHECK(!timeline_follow(&timeline, MONO_NS + S, WALL_NS + S + 9000000));
	CHECK(!timeline_follow(&timeline, MONO_NS + S, WALL_NS + S - 9000000));
	CHECK_EQ(timeline_us(&timeline, MONO_NS + S), (WALL_NS + S) / 1000);
}

/* A step forward, or a suspend, takes the timeline with it. */
static void step_forward_is_followed(void)
{
	struct timeline timeline = timeline_start(MONO_NS, WALL_NS);

	CHECK(timeline_follow(&timeline, MONO_NS + S, WALL_NS + 3601 * S));
	CHECK_EQ(timeline_us(&timeline, MONO_NS + S), (WALL_NS + 3601 * S) / 1000);
	CHECK_EQ(timeline.wall_shift_s, 0);
}

/* A step back leaves the timeline ahead by whole seconds, and never takes it back. */
static void step_back_becomes_whole_seconds_ahead(void)
{
	struct timeline timeline = timeline_start(MONO_NS, WALL_NS);
	uint64_t before_us = timeline_us(&timeline, MONO_NS + S);
	uint64_t wall_ns = WALL_NS + S - 10 * S - 300000000;

	CHECK(timeline_follow(&timeline, MONO_NS + S, wall_ns));
	CHECK_EQ(timeline.wall_shift_s, 11);
	CHECK_EQ(timeline_us(&timeline, MONO_NS + S), wall_ns / 1000 + 11 * 1000000);
	CHECK(timeline_us(&timeline, MONO_NS + S) >= before_us);
	CHECK(timeline_us(&timeline, MONO_NS + S) < before_us + 1000000);
}

/* When the wall clock catches up, the shift shrinks; time still never goes back. */
static void shift_shrinks_when_the_clock_is_set_right(void)
{
	struct timeline timeline = timeline_start(MONO_NS, WALL_NS);
	uint64_t before_us;

	CHECK(timeline_follow(&timeline, MONO_NS + S, WALL_NS - 3600 * S));
	CHECK_EQ(timeline.wall_shift_s, 3601);
	before_us = timeline_us(&timeline, MONO_NS + 2 * S);
	CHECK(timeline_follow(&timeline, MONO_NS + 2 * S, WALL_NS + 2 * S + 50000000));
	CHECK_EQ(timeline.wall_shift_s, 0);
	CHECK(timeline_us(&timeline, MONO_NS + 2 * S) >= before_us);
	CHECK(!timeline_follow(&timeline, MONO_NS + 3 * S, WALL_NS + 3 * S + 50000000));
}

TESTS(TEST(time_starts_at_the_wall_clock), TEST(noise_is_no_step), TEST(step_forward_is_followed),
      TEST(step_back_becomes_whole_seconds_ahead), TEST(shift_shrinks_when_the_clock_is_set_right))
