/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/capture_scan.h"

#include <errno.h>

#include "base/bytes.h"
#include "stream/capture_reader.h"
#include "stream/chunk_reader.h"

/* The walk's state: the segment that the next chunk may continue. */
struct walk {
	struct chunk_reader *reader;
	struct bytes_writer *segments;
	struct capture_segment *current; /* the last of `segments`, or NULL: nothing continues */
	uint32_t last_number;
	uint32_t next_sequence;
	uint32_t tries;
	struct capture_scan scan;
};

uint64_t capture_scan_segment_start(const uint8_t *raw, uint32_t size)
{
	struct bytes_reader reader = bytes_reader_of(raw, size);
	uint8_t kind = bytes_read_u8(&reader);
	uint64_t record_size = bytes_read_uleb128(&reader), start_us;

	bytes_read_u64(&reader); /* the instance */
	start_us = bytes_read_u64(&reader);
	if (reader.failed || kind != WIRE_RECORD_SEGMENT ||
	    record_size < sizeof(struct wire_segment_head))
		return 0;
	return start_us;
}

static uint64_t start_of(struct walk *walk, const struct file_chunk *chunk)
{
	const uint8_t *raw;

	chunk_reader_restart(walk->reader);
	if (chunk_reader_inflate(walk->reader, chunk, &raw))
		return 0;
	return capture_scan_segment_start(raw, chunk->header.raw_size);
}

static bool open_segment(struct walk *walk, const struct file_chunk *chunk)
{
	walk->current = bytes_writer_extend(walk->segments, sizeof(*walk->current));
	if (!walk->current)
		return false;
	walk->last_number = chunk->header.segment;
	walk->next_sequence = 0;
	*walk->current = (struct capture_segment){
		.number = chunk->header.segment,
		.offset = chunk->offset,
		.start_us = start_of(walk, chunk),
	};
	return true;
}

/* Returns false when there is no room for another segment. */
static bool take_chunk(struct walk *walk, const struct file_chunk *chunk)
{
	const struct wire_chunk_header *header = &chunk->header;
	struct capture_segment *current;

	if (header->kind != WIRE_CHUNK_SEGMENT)
		return true;
	if (header->sequence == 0 && header->segment > walk->last_number &&
	    !open_segment(walk, chunk))
		return false;
	current = walk->current;
	/* A chunk that does not follow cannot be inflated: what came before it is missing. */
	if (!current || header->segment != current->number ||
	    header->sequence != walk->next_sequence ||
	    chunk->offset != current->offset + current->size) {
		walk->current = NULL;
		return true;
	}
	current->size += chunk->size;
	current->end_us = header->end_us;
	walk->next_sequence++;
	return true;
}

/* The next place behind @offset where a whole chunk stands. Returns 0, CHUNK_READER_BAD or -errno. */
static int find_chunk(struct walk *walk, uint64_t offset, struct file_chunk *ret_chunk)
{
	while (walk->tries < CAPTURE_RESYNC_TRIES_MAX) {
		int r = chunk_reader_find(walk->reader, offset, &offset);

		if (r)
			return r;
		r = chunk_reader_read(walk->reader, offset, ret_chunk);
		if (r <= 0)
			return r;
		walk->tries++;
		offset++;
	}
	walk->scan.gave_up = true;
	return CHUNK_READER_BAD;
}

int capture_scan(struct chunk_reader *reader, uint64_t offset, struct bytes_writer *segments,
		 struct capture_scan *ret_scan)
{
	struct walk walk = {
		.reader = reader,
		.segments = segments,
		.scan = { .end_offset = offset },
	};

	for (;;) {
		struct file_chunk chunk;
		int r = chunk_reader_read(reader, offset, &chunk);

		if (r == CHUNK_READER_BAD) {
			r = find_chunk(&walk, offset + 1, &chunk);
			if (!r && !walk.scan.damage_count++)
				walk.scan.damage_offset = offset;
		}
		if (r == CHUNK_READER_BAD)
			break;
		if (r < 0)
			return r;
		if (!take_chunk(&walk, &chunk)) {
			walk.scan.gave_up = true;
			break;
		}
		offset = chunk.offset + chunk.size;
		walk.scan.end_offset = offset;
	}
	*ret_scan = walk.scan;
	return 0;
}
