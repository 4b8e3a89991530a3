/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/sample_drain.h"

#include <assert.h>

#include "base/clock.h"
#include "collect/sample_ring.h"
#include "collect/side_band.h"
#include "sample_abi.h"

/* As of the last tick of 1 to 10 ms: asked for each sample, the time itself would cost 2% of all. */
static uint64_t coarse_ns(void)
{
	return clock_now_ns(CLOCK_MONOTONIC_COARSE);
}

/* Counts what comes after something later: the receiver is told too late. */
static void note_time(struct sample_drain *drain, uint64_t time_ns)
{
	if (time_ns < drain->handed_over_ns)
		drain->statistics.out_of_order++;
	else
		drain->handed_over_ns = time_ns;
}

static void hand_over_process_event(struct sample_drain *drain, const struct sampler_sink *sink)
{
	const struct side_band_event *event = side_band_pop(drain->side_band);

	note_time(drain, event->time_ns);
	drain->statistics.process_events++;
	drain->statistics.side_band_lost += event->lost_count;
	sink->process_event(sink->context, event);
}

static void hand_over_sample(struct sample_drain *drain, struct sample_ring *ring,
			     const struct sampler_sink *sink)
{
	const struct sample_event *sample = sample_ring_pop(ring);

	note_time(drain, sample->time_ns);
	drain->statistics.samples++;
	sink->sample(sink->context, sample);
}

/* Merges what was gathered, up to and with @limit_ns, until the turn is over. */
static void hand_over_until(struct sample_drain *drain, uint64_t limit_ns,
			    const struct sampler_sink *sink)
{
	/* All rings' in one place: to look each up for each sample would cost more than the sample. */
	uint64_t next_ns[SAMPLE_RINGS_MAX];

	assert(drain->ring_count <= SAMPLE_RINGS_MAX);
	for (size_t i = 0; i < drain->ring_count; i++)
		next_ns[i] = sample_ring_next_time(drain->rings[i]);
	while (!drain->is_behind) {
		uint64_t event_ns = side_band_next_time(drain->side_band), sample_ns = UINT64_MAX;
		size_t ring = 0;

		for (size_t i = 0; i < drain->ring_count; i++)
			if (next_ns[i] < sample_ns) {
				sample_ns = next_ns[i];
				ring = i;
			}
		if (event_ns <= sample_ns && event_ns <= limit_ns && event_ns != UINT64_MAX) {
			hand_over_process_event(drain, sink);
		} else if (sample_ns <= limit_ns && sample_ns != UINT64_MAX) {
			hand_over_sample(drain, drain->rings[ring], sink);
			next_ns[ring] = sample_ring_next_time(drain->rings[ring]);
		} else {
			return;
		}
		/* Each time, since a single one may read thousands of mappings from /proc. */
		drain->is_behind = drain->turn_ns && coarse_ns() >= drain->turn_end_ns;
	}
}

/*
 * Gathers from all rings. *limit_ns comes down to what is known to be complete: a ring with more
 * records than fit, or one in the middle of being written, may hold records about as old as its
 * last one.
 *
 * Returns whether there is more to gather.
 */
static bool gather(struct sample_drain *drain, uint64_t *limit_ns)
{
	bool more = false;

	for (size_t i = 0; i < drain->ring_count; i++) {
		int outcome = sample_ring_gather(drain->rings[i]);
		uint64_t last_ns = sample_ring_last_time(drain->rings[i]), complete_ns = 0;

		if (last_ns > SAMPLE_DRAIN_REORDER_NS)
			complete_ns = last_ns - SAMPLE_DRAIN_REORDER_NS;
		if (outcome == SAMPLE_RING_MORE)
			more = true;
		if (outcome != 0 && complete_ns < *limit_ns)
			*limit_ns = complete_ns;
	}
	return more;
}

uint64_t sample_drain_until(struct sample_drain *drain, uint64_t horizon_ns,
			    const struct sampler_sink *sink)
{
	uint64_t limit_ns;
	bool more;

	drain->statistics.drains++;
	/* The samples' ends first: what happened to a process before its samples is then there. */
	for (size_t i = 0; i < drain->ring_count; i++)
		sample_ring_begin(drain->rings[i]);
	side_band_gather(drain->side_band);
	drain->is_behind = false;
	drain->turn_end_ns = coarse_ns() + drain->turn_ns;
	do {
		uint64_t samples_before = drain->statistics.samples;

		limit_ns = horizon_ns;
		more = gather(drain, &limit_ns);
		hand_over_until(drain, limit_ns, sink);
		/* So many in so short a time: make room, whatever their order. */
		if (more && drain->statistics.samples == samples_before)
			hand_over_until(drain, horizon_ns, sink);
		/* Still none: all are younger than the horizon. */
		if (more && drain->statistics.samples == samples_before)
			more = false;
		for (size_t i = 0; i < drain->ring_count; i++)
			sample_ring_release(drain->rings[i]);
	} while (more && !drain->is_behind);
	if (drain->is_behind && drain->handed_over_ns < limit_ns)
		limit_ns = drain->handed_over_ns;
	if (drain->complete_ns < limit_ns)
		drain->complete_ns = limit_ns;
	return drain->complete_ns;
}

bool sample_drain_waits(const struct sample_drain *drain)
{
	for (size_t i = 0; i < drain->ring_count; i++)
		if (sample_ring_next_time(drain->rings[i]) != UINT64_MAX)
			return true;
	return false;
}
