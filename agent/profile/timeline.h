/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time that a profile shows: the wall clock's microseconds at the start, advancing with
 * CLOCK_MONOTONIC, and never going back (include/wire.h).
 *
 * CLOCK_MONOTONIC is slewed together with the wall clock, so their difference changes only when
 * somebody sets the clock or the machine was suspended. A plain value; owned by one thread.
 */
#ifndef FLICKERSCOPE_TIMELINE_H
#define FLICKERSCOPE_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

enum timeline_limits {
	TIMELINE_STEP_US = 10000, /* a smaller difference is the noise of reading two clocks */
};

struct timeline {
	int64_t offset_us;     /* timeline - CLOCK_MONOTONIC */
	uint32_t wall_shift_s; /* wall clock = timeline - this */
};

/*
 * Whether a wall clock time is one: files without a date begin near 1970, at zero or at the time since
 * their host was started, and nobody sampled before this.
 */
#define TIMELINE_DATED_FROM_US INT64_C(946684800000000) /* 2000-01-01 */

static inline bool timeline_is_dated(int64_t wall_us)
{
	return wall_us >= TIMELINE_DATED_FROM_US;
}

struct timeline timeline_start(uint64_t mono_ns, uint64_t wall_ns);

static inline uint64_t timeline_us(const struct timeline *timeline, uint64_t mono_ns)
{
	return (uint64_t)((int64_t)(mono_ns / 1000) + timeline->offset_us);
}

/*
 * Compares with the clocks as they are now, read one right after the other.
 *
 * Returns true when the wall clock was set: the timeline has jumped forward, to the new wall time
 * or, where that lies back, to the next time after the old timeline that is whole seconds ahead of
 * it. The caller writes a gap from the old to the new time and opens a new segment.
 */
bool timeline_follow(struct timeline *timeline, uint64_t mono_ns, uint64_t wall_ns);

#endif
