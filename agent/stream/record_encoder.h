/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the open segment as records, deflates them and cuts them into chunks (include/wire.h).
 *
 * The profile holds what is to be written: each flush takes the rows and samples that are new in
 * it, rows before the samples that use them. Records with a time of their own (ticks, gaps, clocks,
 * rates, counters, late names) are added here and are written by the next flush. A chunk is handed
 * to the sink as soon as it is full; the sink takes references if it keeps it.
 *
 * Memory is bounded: one chunk inflated, the deflate state (about 270 KiB), NOTES_MAX bytes of
 * timed records (what does not fit there is lost and counted), an order of the pending samples. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_RECORD_ENCODER_H
#define FLICKERSCOPE_RECORD_ENCODER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "wire.h"

struct chunk;
struct profile;
struct record_encoder;

enum record_encoder_limits {
	RECORD_ENCODER_NOTES_MAX = 1048576, /* bytes of timed records between two flushes */
	RECORD_ENCODER_META_MAX = 16,	    /* kinds of meta in a segment */
};

struct record_encoder_options {
	uint64_t instance_id;
	struct profile *profile; /* borrowed for the encoder's life */
	/* Gets each chunk, borrowed for the call; chunk_ref() to keep it. */
	void (*sink)(struct chunk *chunk, void *context);
	void *context;
};

/* What a segment's head says. Strings are borrowed for the call. */
struct segment_start {
	uint64_t start_us;	/* timeline */
	uint64_t start_mono_ns; /* the same moment by CLOCK_MONOTONIC */
	uint32_t wall_shift_s;
	uint32_t frequency_mhz;
	uint32_t cpu_count;
	enum wire_event event;
	const char *meta[RECORD_ENCODER_META_MAX]; /* by enum wire_meta; NULL: left out */
};

int record_encoder_new(const struct record_encoder_options *options,
		       struct record_encoder **ret_encoder);
void record_encoder_free(struct record_encoder *encoder); /* NULL is fine */
DEFINE_CLEANUP(struct record_encoder *, record_encoder_free);

/*
 * Opens the next segment and empties the profile; the open one must have been closed. Numbers count
 * up from 1. Nothing is written before the first flush.
 */
int record_encoder_open(struct record_encoder *encoder, const struct segment_start *start);

/*
 * Writes everything that is pending, and a tick at @mono_ns: "everything before this has been
 * written", so it is the time up to which the caller has drained its sources, not the time now.
 *
 * Returns 0 or -ENOMEM; then the segment is closed as it stands and the caller opens the next.
 */
int record_encoder_flush(struct record_encoder *encoder, uint64_t mono_ns);

/* Flushes and ends the segment. */
int record_encoder_close(struct record_encoder *encoder, uint64_t mono_ns);

/* Number of the open segment; 0: none. */
uint32_t record_encoder_segment(const struct record_encoder *encoder);

/* Whether the open segment has reached its span, its bytes, its chunks or a table's limit. */
bool record_encoder_should_close(const struct record_encoder *encoder, uint64_t mono_ns);

/*
 * Records of the open segment. Times are CLOCK_MONOTONIC; those before the segment's start count as
 * its start, except for a gap's.
 */
void record_encoder_add_clock(struct record_encoder *encoder, uint64_t mono_ns, uint64_t wall_ns);

void record_encoder_add_gap(struct record_encoder *encoder, uint64_t start_ns, uint64_t end_ns,
			    enum wire_gap_reason reason, uint64_t lost_count);

/* The same with times of the timeline: for the gap that a step of the clock leaves. */
void record_encoder_add_gap_us(struct record_encoder *encoder, uint64_t start_us, uint64_t end_us,
			       enum wire_gap_reason reason, uint64_t lost_count);

struct record_rate {
	uint32_t cpu;
	uint32_t rate_mhz; /* reached while busy; 0: was not busy */
};

void record_encoder_add_rates(struct record_encoder *encoder, uint64_t mono_ns,
			      const struct record_rate *rates, uint32_t rate_count);

/* @counters: WIRE_COUNTER_COUNT values by enum wire_counter. */
void record_encoder_add_counters(struct record_encoder *encoder, uint64_t mono_ns,
				 const uint64_t *counters);

/*
 * The name of functions with @key that went out without, here or in earlier segments; @function_key
 * is the function they belong to (the same as @key when only the name is new).
 *
 * Returns 0, PROFILE_FULL (close, open, add again) or -ENOMEM.
 */
int record_encoder_add_late_name(struct record_encoder *encoder, uint64_t key,
				 uint64_t function_key, const char *name);

struct record_encoder_counters {
	uint64_t samples;      /* written */
	uint64_t samples_lost; /* there was no memory for a chunk */
	uint64_t raw_bytes;    /* before deflating */
	uint64_t stored_bytes; /* of chunks, their headers included */
	uint64_t chunks;
	uint64_t notes_lost; /* timed records that found no room */
};

struct record_encoder_counters record_encoder_counters(const struct record_encoder *encoder);

#endif
