/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/timeline.h"

#include <stdlib.h>

enum { US_PER_S = 1000000 };

static int64_t wall_offset_us(uint64_t mono_ns, uint64_t wall_ns)
{
	return (int64_t)(wall_ns / 1000) - (int64_t)(mono_ns / 1000);
}

struct timeline timeline_start(uint64_t mono_ns, uint64_t wall_ns)
{
	return (struct timeline){ .offset_us = wall_offset_us(mono_ns, wall_ns) };
}

bool timeline_follow(struct timeline *timeline, uint64_t mono_ns, uint64_t wall_ns)
{
	int64_t wall_offset = wall_offset_us(mono_ns, wall_ns), behind;

	if (llabs(wall_offset + (int64_t)timeline->wall_shift_s * US_PER_S - timeline->offset_us) <
	    TIMELINE_STEP_US)
		return false;
	behind = timeline->offset_us - wall_offset;
	timeline->wall_shift_s = behind > 0 ? (uint32_t)((behind + US_PER_S - 1) / US_PER_S) : 0;
	timeline->offset_us = wall_offset + (int64_t)timeline->wall_shift_s * US_PER_S;
	return true;
}
