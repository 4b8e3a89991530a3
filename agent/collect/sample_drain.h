/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merges the samples of all rings and the side band into one order of time.
 *
 * That order is what the meaning of a sample hangs on: a fork, exec or mapping counts for the
 * samples after it and not for those before. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_SAMPLE_DRAIN_H
#define FLICKERSCOPE_SAMPLE_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/sampler_sink.h"

struct sample_ring;
struct side_band;

enum sample_drain_limits {
	/* What is younger is held back, since something older may still come from another CPU: far
	 * above the few us between taking a time and taking a place in a ring. */
	SAMPLE_DRAIN_REORDER_NS = 500000,
	SAMPLE_DRAIN_TURN_NS = 10000000, /* then pages and workers want a turn */
};

struct sample_drain {
	struct sample_ring *const *rings; /* borrowed */
	size_t ring_count;
	struct side_band *side_band; /* borrowed */
	uint64_t turn_ns;	     /* for handing over in one call; 0: to the end */
	uint64_t handed_over_ns;     /* the time of the last thing that was handed over */
	uint64_t complete_ns;	     /* what the last call returned: it never goes back */
	uint64_t turn_end_ns;	     /* on the clock of ticks */
	bool is_behind;		     /* the turn was over before all was handed over */
	struct sampler_session_statistics statistics;
};

/*
 * Hands over what is in the rings now and happened up to @horizon_ns, as far as the turn goes.
 *
 * Returns the time up to which everything was handed over: @horizon_ns, or an earlier one when the
 * turn was over (then it is behind) or a CPU is in the middle of writing its sample.
 */
uint64_t sample_drain_until(struct sample_drain *drain, uint64_t horizon_ns,
			    const struct sampler_sink *sink);

/* Whether samples were held back. */
bool sample_drain_waits(const struct sample_drain *drain);

#endif
