/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points in the time of a capture as people write them, for --from and --to.
 *
 *   12.345                       seconds from the start. 0 is the whole second, rounded down, of
 *                                the wall time of the first sample: the heat map's first column
 *   12:04:31.250  12:04          time of day here, where the capture began; one that lies more than
 *                                12 hours before the beginning is of the next day
 *   2026-11-22T12:04:31.250      a date and a time here; a blank may stand for the T
 *   2026-11-22T12:04:31Z  +01:00 the same in another zone (ISO 8601)
 *
 * Exact to the microsecond, no floating point. "Here" is the zone of this process. Any thread.
 */
#ifndef FLICKERSCOPE_TIME_POINT_H
#define FLICKERSCOPE_TIME_POINT_H

#include <stdbool.h>
#include <stdint.h>

enum time_point_outcome {
	TIME_POINT_WRONG = 1, /* not one of the above */
};

enum time_point_kind {
	TIME_POINT_NONE = 0, /* open: the beginning, or the end */
	TIME_POINT_TIMELINE, /* us is the timeline's own; nobody types it */
	TIME_POINT_OFFSET,   /* us is counted from the start */
	TIME_POINT_DAY_TIME, /* us is counted from midnight here */
	TIME_POINT_DATE,     /* us is counted from midnight here, of the date below */
	TIME_POINT_WALL,     /* us is counted from the Unix epoch */
};

struct time_point {
	enum time_point_kind kind;
	int64_t us;
	int32_t year; /* TIME_POINT_DATE */
	uint8_t month;
	uint8_t day;
};

/* What is from `from` on and before `to`. */
struct time_range {
	struct time_point from;
	struct time_point to;
};

/* Returns 0 or TIME_POINT_WRONG. */
int time_point_parse(const char *text, struct time_point *ret_point);

/*
 * The same on a capture's timeline, in microseconds.
 *
 * @zero_us: the timeline at T = 0.
 * @zero_shift_s, @shift_s: the timeline is ahead of the wall clock by so much, at T = 0 and in the
 *	segment that the point is asked for (struct wire_segment_head).
 * @open_us: what TIME_POINT_NONE is.
 */
int64_t time_point_us(const struct time_point *point, int64_t zero_us, uint32_t zero_shift_s,
		      uint32_t shift_s, int64_t open_us);

/* T = 0 of a capture whose first sample is at @first_us. */
static inline int64_t time_point_zero_us(int64_t first_us)
{
	/* The shift is whole seconds, and nobody's first sample was taken before 1970. */
	return first_us - first_us % 1000000;
}

static inline bool time_range_is_whole(const struct time_range *range)
{
	return range->from.kind == TIME_POINT_NONE && range->to.kind == TIME_POINT_NONE;
}

#endif
