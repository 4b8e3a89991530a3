/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/sample_window.h"

#include <errno.h>
#include <stdlib.h>

#include "profile/chunk.h"
#include "wire.h"

enum {
	CHUNKS_LEAST = 16,
	CHUNKS_MAX =
		32768, /* of one segment, far above what the encoder makes; keeps sizes in 32 bits */
};

struct held_chunk {
	struct chunk *chunk;
	uint32_t offset; /* of its first byte within the segment */
};

struct held_segment {
	uint32_t number;
	uint32_t size;
	struct held_chunk *chunks; /* owned */
	uint32_t chunk_count;
	uint32_t chunk_capacity;
	bool closed;
	uint64_t start_us;
	uint64_t end_us;
	uint64_t sample_count;
	uint64_t memory; /* of its chunks, without the array above */
};

struct sample_window {
	struct sample_window_options options;
	struct held_segment segments[SAMPLE_WINDOW_SEGMENTS_MAX]; /* a ring */
	uint32_t first;
	uint32_t count;
	uint64_t memory; /* of all segments, arrays included */
	uint64_t lost_bytes;
	uint64_t evicted_segments;
};

int sample_window_new(const struct sample_window_options *options,
		      struct sample_window **ret_window)
{
	struct sample_window *window = calloc(1, sizeof(*window));

	if (!window)
		return -ENOMEM;
	window->options = *options;
	if (window->options.bytes_max < SAMPLE_WINDOW_BYTES_LEAST)
		window->options.bytes_max = SAMPLE_WINDOW_BYTES_LEAST;
	*ret_window = window;
	return 0;
}

/* The segment at @index, 0 being the oldest. */
static struct held_segment *segment_at(const struct sample_window *window, uint32_t index)
{
	return (struct held_segment *)&window
		->segments[(window->first + index) % SAMPLE_WINDOW_SEGMENTS_MAX];
}

static struct held_segment *newest(const struct sample_window *window)
{
	return window->count ? segment_at(window, window->count - 1) : NULL;
}

static uint64_t segment_memory(const struct held_segment *segment)
{
	return segment->memory + (uint64_t)segment->chunk_capacity * sizeof(*segment->chunks);
}

static void drop_oldest(struct sample_window *window)
{
	struct held_segment *segment = segment_at(window, 0);

	window->memory -= segment_memory(segment);
	for (uint32_t i = 0; i < segment->chunk_count; i++)
		chunk_unref(segment->chunks[i].chunk);
	free(segment->chunks);
	*segment = (struct held_segment){ 0 };
	window->first = (window->first + 1) % SAMPLE_WINDOW_SEGMENTS_MAX;
	window->count--;
}

void sample_window_free(struct sample_window *window)
{
	if (!window)
		return;
	while (window->count)
		drop_oldest(window);
	free(window);
}

static bool must_evict(const struct sample_window *window)
{
	const struct held_segment *oldest = segment_at(window, 0);

	if (window->count < 2)
		return false;
	if (sample_window_bytes(window) > window->options.bytes_max)
		return true;
	return window->options.span_us &&
	       newest(window)->end_us > oldest->end_us + window->options.span_us;
}

static void evict(struct sample_window *window)
{
	while (must_evict(window)) {
		drop_oldest(window);
		window->evicted_segments++;
	}
}

static struct held_segment *open_segment(struct sample_window *window, const struct chunk *chunk)
{
	struct held_segment *segment = newest(window);

	if (segment)
		segment->closed = true;
	if (window->count == SAMPLE_WINDOW_SEGMENTS_MAX) {
		drop_oldest(window);
		window->evicted_segments++;
	}
	window->count++;
	segment = newest(window);
	*segment = (struct held_segment){
		.number = chunk->segment,
		.start_us = chunk->start_us,
	};
	return segment;
}

/* The segment that @chunk continues or opens; NULL when it is neither: one before it was lost. */
static struct held_segment *segment_for(struct sample_window *window, const struct chunk *chunk)
{
	struct held_segment *segment = newest(window);

	if (chunk->sequence == 0 && (!segment || segment->number < chunk->segment))
		return open_segment(window, chunk);
	if (segment && segment->number == chunk->segment && !segment->closed &&
	    segment->chunk_count == chunk->sequence)
		return segment;
	return NULL;
}

static int make_room(struct sample_window *window, struct held_segment *segment)
{
	uint32_t capacity = segment->chunk_capacity ? segment->chunk_capacity * 2 : CHUNKS_LEAST;
	struct held_chunk *chunks;

	if (segment->chunk_count < segment->chunk_capacity)
		return 0;
	chunks = capacity <= CHUNKS_MAX ? reallocarray(segment->chunks, capacity, sizeof(*chunks))
					: NULL;
	if (!chunks)
		return -ENOMEM;
	window->memory += (uint64_t)(capacity - segment->chunk_capacity) * sizeof(*chunks);
	segment->chunks = chunks;
	segment->chunk_capacity = capacity;
	return 0;
}

int sample_window_add(struct sample_window *window, struct chunk *chunk)
{
	struct held_segment *segment = segment_for(window, chunk);
	int r = segment ? make_room(window, segment) : SAMPLE_WINDOW_CUT;

	if (r != 0) {
		if (segment)
			segment->closed = true;
		window->lost_bytes += chunk->size;
		return r;
	}
	segment->chunks[segment->chunk_count++] = (struct held_chunk){
		.chunk = chunk_ref(chunk),
		.offset = segment->size,
	};
	segment->size += chunk->size;
	segment->memory += chunk_memory(chunk);
	window->memory += chunk_memory(chunk);
	segment->sample_count += chunk->sample_count;
	segment->end_us = chunk->end_us;
	if (chunk->start_us < segment->start_us)
		segment->start_us = chunk->start_us;
	if (chunk->flags & WIRE_CHUNK_LAST)
		segment->closed = true;
	evict(window);
	return 0;
}

void sample_window_seal(struct sample_window *window)
{
	if (window->count)
		newest(window)->closed = true;
}

uint32_t sample_window_oldest(const struct sample_window *window)
{
	return window->count ? segment_at(window, 0)->number : 0;
}

uint32_t sample_window_newest(const struct sample_window *window)
{
	return window->count ? newest(window)->number : 0;
}

uint32_t sample_window_open(const struct sample_window *window)
{
	return window->count && !newest(window)->closed ? newest(window)->number : 0;
}

/* Index of the first segment with a number of at least @number; the count when there is none. */
static uint32_t lower_bound(const struct sample_window *window, uint32_t number)
{
	uint32_t low = 0, high = window->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (segment_at(window, middle)->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct held_segment *find(const struct sample_window *window, uint32_t number)
{
	uint32_t index = lower_bound(window, number);

	if (index == window->count || segment_at(window, index)->number != number)
		return NULL;
	return segment_at(window, index);
}

bool sample_window_segment(const struct sample_window *window, uint32_t number,
			   struct sample_window_segment *ret_segment)
{
	const struct held_segment *segment = find(window, number);

	if (!segment)
		return false;
	*ret_segment = (struct sample_window_segment){
		.number = segment->number,
		.size = segment->size,
		.closed = segment->closed,
		.start_us = segment->start_us,
		.end_us = segment->end_us,
		.sample_count = segment->sample_count,
	};
	return true;
}

uint32_t sample_window_before(const struct sample_window *window, uint32_t number)
{
	uint32_t index = lower_bound(window, number);

	return index ? segment_at(window, index - 1)->number : 0;
}

uint32_t sample_window_after(const struct sample_window *window, uint32_t number)
{
	uint32_t index = number == UINT32_MAX ? window->count : lower_bound(window, number + 1);

	return index < window->count ? segment_at(window, index)->number : 0;
}

uint32_t sample_window_read(const struct sample_window *window, uint32_t number, uint32_t offset,
			    const uint8_t **ret_bytes)
{
	const struct held_segment *segment = find(window, number);
	const struct held_chunk *held;
	uint32_t low = 0, high;

	if (!segment || offset >= segment->size)
		return 0;
	/* The last chunk that begins at or before the offset. */
	high = segment->chunk_count;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (segment->chunks[middle].offset <= offset)
			low = middle;
		else
			high = middle;
	}
	held = &segment->chunks[low];
	*ret_bytes = held->chunk->bytes + (offset - held->offset);
	return held->chunk->size - (offset - held->offset);
}

uint32_t sample_window_chunk_count(const struct sample_window *window, uint32_t number)
{
	const struct held_segment *segment = find(window, number);

	return segment ? segment->chunk_count : 0;
}

struct chunk *sample_window_chunk(const struct sample_window *window, uint32_t number,
				  uint32_t sequence)
{
	const struct held_segment *segment = find(window, number);

	return segment && sequence < segment->chunk_count ? segment->chunks[sequence].chunk : NULL;
}

void sample_window_each_chunk(const struct sample_window *window, uint64_t from_us,
			      void (*each)(struct chunk *chunk, void *context), void *context)
{
	for (uint32_t i = 0; i < window->count; i++) {
		const struct held_segment *segment = segment_at(window, i);

		if (segment->end_us <= from_us)
			continue;
		for (uint32_t j = 0; j < segment->chunk_count; j++)
			each(segment->chunks[j].chunk, context);
	}
}

uint64_t sample_window_bytes(const struct sample_window *window)
{
	return sizeof(*window) + window->memory;
}

uint64_t sample_window_lost_bytes(const struct sample_window *window)
{
	return window->lost_bytes;
}

uint64_t sample_window_evicted_segments(const struct sample_window *window)
{
	return window->evicted_segments;
}
