/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/trace_slices.h"

#include <stdlib.h>

#include "convert/foreign_profile.h"

enum {
	STEP_US = 1000,
	/* Traces that are busy for less than this are looked at more closely. */
	SHORT_US = 1000000,
	SHORT_STEP_US = 100,
};

/* What is open on a thread. */
struct open_slice {
	int64_t end_us;
	uint32_t stack;
};

struct open_slices {
	struct open_slice slices[WIRE_STACK_DEPTH_MAX];
	uint32_t count;
	int64_t at_us; /* everything before has been handed over */
	uint32_t thread;
};

struct trace_slices trace_slices_open(void)
{
	return (struct trace_slices){
		.slices = bytes_writer_with_max((size_t)TRACE_SLICES_MAX *
						sizeof(struct trace_slice)),
	};
}

void trace_slices_close(struct trace_slices *slices)
{
	bytes_writer_free(&slices->slices);
}

void trace_slices_add(struct trace_slices *slices, const struct trace_slice *slice)
{
	bytes_write(&slices->slices, slice, sizeof(*slice));
}

/* By thread and time; of those that begin together the longer one is the outer one. */
static int by_thread_and_time(const void *left, const void *right)
{
	const struct trace_slice *a = left, *b = right;

	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	if (a->begin_us != b->begin_us)
		return a->begin_us < b->begin_us ? -1 : 1;
	if (a->end_us != b->end_us)
		return a->end_us > b->end_us ? -1 : 1;
	return (a->frame > b->frame) - (a->frame < b->frame);
}

/* A stretch in which one stack was open: samples at each whole step in it. */
static int emit_stretch(struct trace_slices *slices, const struct open_slices *open, int64_t to_us)
{
	int64_t step_us = slices->step_us, first, end;
	struct foreign_sample sample = {
		.cpu = FOREIGN_CPU_UNKNOWN,
		.thread = open->thread,
		.event = (uint16_t)slices->event,
		.stack = open->slices[open->count - 1].stack,
	};

	if (to_us <= open->at_us)
		return 0;
	/* Measuring comes before sampling: then there is no step yet. */
	if (!step_us) {
		slices->busy_us += (uint64_t)(to_us - open->at_us);
		return 0;
	}
	first = (open->at_us + step_us - 1) / step_us;
	end = (to_us + step_us - 1) / step_us;
	if (first >= end)
		return 0;
	sample.time_us = first * step_us;
	sample.count = end - first < UINT32_MAX ? (uint32_t)(end - first) : UINT32_MAX;
	return foreign_profile_sample(slices->profile, &sample);
}

/* Ends what ends up to @to_us. */
static int pop_until(struct trace_slices *slices, struct open_slices *open, int64_t to_us)
{
	int r = 0;

	while (open->count && open->slices[open->count - 1].end_us <= to_us && !r) {
		int64_t end_us = open->slices[open->count - 1].end_us;

		r = emit_stretch(slices, open, end_us);
		if (end_us > open->at_us)
			open->at_us = end_us;
		open->count--;
	}
	if (open->count && !r) {
		r = emit_stretch(slices, open, to_us);
		if (to_us > open->at_us)
			open->at_us = to_us;
	}
	return r;
}

static int push(struct trace_slices *slices, struct open_slices *open,
		const struct trace_slice *slice)
{
	const struct open_slice *parent = open->count ? &open->slices[open->count - 1] : NULL;
	struct open_slice next = { .end_us = slice->end_us };
	int r;

	/* What does not fit into its caller is cut off with it. */
	if (parent && parent->end_us < next.end_us)
		next.end_us = parent->end_us;
	if (open->count == WIRE_STACK_DEPTH_MAX)
		return 0;
	r = foreign_profile_stack(slices->profile, parent ? parent->stack : 0, slice->frame,
				  &next.stack);
	if (!r)
		open->slices[open->count++] = next;
	return r;
}

static int go_through(struct trace_slices *slices)
{
	const struct trace_slice *all = (const struct trace_slice *)slices->slices.bytes;
	size_t count = slices->slices.size / sizeof(*all);
	struct open_slices open = { .count = 0 };
	int r = 0;

	for (size_t i = 0; i < count && !r; i++) {
		const struct trace_slice *slice = &all[i];

		if (!i || slice->thread != open.thread) {
			r = pop_until(slices, &open, INT64_MAX);
			open.count = 0;
			open.at_us = slice->begin_us;
			open.thread = slice->thread;
		}
		if (!r)
			r = pop_until(slices, &open, slice->begin_us);
		if (!open.count)
			open.at_us = slice->begin_us;
		if (!r)
			r = push(slices, &open, slice);
	}
	return r ? r : pop_until(slices, &open, INT64_MAX);
}

static uint32_t step_for(uint64_t busy_us)
{
	uint64_t step_us = busy_us < SHORT_US ? SHORT_STEP_US : STEP_US;

	while (busy_us / step_us > TRACE_SAMPLES_MAX && step_us < UINT32_MAX / 10)
		step_us *= 10;
	return (uint32_t)step_us;
}

int trace_slices_emit(struct trace_slices *slices, struct foreign_profile *profile, uint32_t event)
{
	size_t count = slices->slices.size / sizeof(struct trace_slice);
	int r;

	if (!count)
		return 0;
	slices->profile = profile;
	slices->event = event;
	slices->busy_us = 0;
	slices->step_us = 0;
	qsort(slices->slices.bytes, count, sizeof(struct trace_slice), by_thread_and_time);
	r = go_through(slices);
	if (r)
		return r;
	slices->step_us = step_for(slices->busy_us);
	profile->facts.step_us = slices->step_us;
	profile->events[event].frequency_mhz = 1000000000 / slices->step_us;
	return go_through(slices);
}
