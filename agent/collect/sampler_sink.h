/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a drain hands over, and what it counts.
 */
#ifndef FLICKERSCOPE_SAMPLER_SINK_H
#define FLICKERSCOPE_SAMPLER_SINK_H

#include <stdint.h>

#include "collect/side_band_record.h"
#include "sample_abi.h"

/* Samples that were lost on one CPU. */
struct sampler_loss {
	uint64_t start_ns; /* CLOCK_MONOTONIC, first and last one lost */
	uint64_t end_ns;
	uint64_t count;
	uint32_t cpu;
	enum sampler_counter reason; /* SAMPLER_LOST_… */
};

/*
 * Who receives what a drain finds. Samples and process events come in one order of time: when a
 * sample comes, all that happened to its process before has been told. What is borrowed is valid
 * during the call only. Losses come last, as they are found when looked for.
 */
struct sampler_sink {
	void *context;
	void (*sample)(void *context, const struct sample_event *sample);
	void (*process_event)(void *context, const struct side_band_event *event);
	void (*lost)(void *context, const struct sampler_loss *loss);
};

/* What the session itself counts. */
struct sampler_session_statistics {
	uint64_t samples;	 /* handed over */
	uint64_t process_events; /* handed over */
	uint64_t side_band_lost; /* events that the kernel or the queue had no room for */
	uint64_t out_of_order;	 /* handed over after a later one: told too late */
	uint64_t malformed;	 /* records that break their own layout */
	uint64_t drains;
};

#endif
