/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rolling window: the newest segments, encoded, the open one included. Clients and dumps read
 * from it; the oldest segments leave it, whole, by age and by bytes.
 *
 * Memory is bounded by bytes_max (the chunks' memory and the table of segments); only the open
 * segment itself is never dropped, and the encoder bounds that. Owned by the loop thread. The
 * chunks are shared with the writer thread; nobody changes them.
 *
 * A position is (segment number, offset): offset counts the bytes of the segment's chunks, headers
 * included, one after another, as they also stand in a file.
 */
#ifndef FLICKERSCOPE_SAMPLE_WINDOW_H
#define FLICKERSCOPE_SAMPLE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct chunk;
struct sample_window;

enum sample_window_limits {
	SAMPLE_WINDOW_SEGMENTS_MAX = 4090, /* WIRE_RESUME_SEGMENTS_MAX: a page can name them all */
	SAMPLE_WINDOW_BYTES_LEAST = 4194304,
};

struct sample_window_options {
	uint64_t span_us;   /* --window; 0: any */
	uint64_t bytes_max; /* --memory; raised to SAMPLE_WINDOW_BYTES_LEAST */
};

struct sample_window_segment {
	uint32_t number;
	uint32_t size;	   /* bytes so far */
	bool closed;	   /* nothing will be added */
	uint64_t start_us; /* timeline */
	uint64_t end_us;   /* timeline: everything before has been written */
	uint64_t sample_count;
};

int sample_window_new(const struct sample_window_options *options,
		      struct sample_window **ret_window);
void sample_window_free(struct sample_window *window); /* NULL is fine */
DEFINE_CLEANUP(struct sample_window *, sample_window_free);

enum sample_window_outcome {
	SAMPLE_WINDOW_CUT = 1,
};

/*
 * Adds the next chunk of the open segment, or the first of a new one, and evicts what no longer
 * fits. Takes a reference of its own.
 *
 * Returns 0; -ENOMEM, which closes the segment; or SAMPLE_WINDOW_CUT: a chunk before it is missing, without
 * which readers could not inflate it. What is refused is counted in sample_window_lost_bytes(); nothing is
 * taken until another segment begins.
 */
int sample_window_add(struct sample_window *window, struct chunk *chunk);

/* Nothing will be added any more: for a capture that ends in the middle of a segment. */
void sample_window_seal(struct sample_window *window);

/* Numbers of the oldest segment held, of the newest, and of the one that is open; 0: none. */
uint32_t sample_window_oldest(const struct sample_window *window);
uint32_t sample_window_newest(const struct sample_window *window);
uint32_t sample_window_open(const struct sample_window *window);

/*
 * The segment with @number; numbers may have holes. Returns false when it is not held (any more).
 * O(log segments).
 */
bool sample_window_segment(const struct sample_window *window, uint32_t number,
			   struct sample_window_segment *ret_segment);

/*
 * The newest segment held with a number below @number, or 0: for going from the newest to the
 * oldest. O(log segments).
 */
uint32_t sample_window_before(const struct sample_window *window, uint32_t number);

/* The oldest segment held with a number above @number, or 0. O(log segments). */
uint32_t sample_window_after(const struct sample_window *window, uint32_t number);

/*
 * The bytes at a position, as many as stand in one piece (to the end of a chunk).
 *
 * @ret_bytes: borrowed; valid until the next sample_window_add().
 *
 * Returns their number; 0 at the segment's present end and for a segment that is not held.
 * O(log segments + log chunks).
 */
uint32_t sample_window_read(const struct sample_window *window, uint32_t number, uint32_t offset,
			    const uint8_t **ret_bytes);

/* How many chunks of a segment are held so far. O(log segments). */
uint32_t sample_window_chunk_count(const struct sample_window *window, uint32_t number);

/* One of them, from 0; NULL when it is not held. Borrowed: chunk_ref() to keep it. O(log segments). */
struct chunk *sample_window_chunk(const struct sample_window *window, uint32_t number,
				  uint32_t sequence);

/*
 * Calls for each chunk of the segments that end after @from_us, oldest first: for a dump, which
 * takes references.
 */
void sample_window_each_chunk(const struct sample_window *window, uint64_t from_us,
			      void (*each)(struct chunk *chunk, void *context), void *context);

uint64_t sample_window_bytes(const struct sample_window *window); /* memory held */
uint64_t sample_window_lost_bytes(const struct sample_window *window);
uint64_t sample_window_evicted_segments(const struct sample_window *window);

#endif
