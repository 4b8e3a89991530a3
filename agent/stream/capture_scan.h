/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the segments of a capture that has no index, by walking from chunk to chunk and past
 * damage. Reads the whole file.
 */
#ifndef FLICKERSCOPE_CAPTURE_SCAN_H
#define FLICKERSCOPE_CAPTURE_SCAN_H

#include <stdbool.h>
#include <stdint.h>

struct bytes_writer;
struct chunk_reader;

/* What was found. */
struct capture_scan {
	uint64_t end_offset;	/* behind the last whole chunk */
	uint32_t damage_count;	/* places that had to be passed over */
	uint64_t damage_offset; /* the first of them */
	bool gave_up;		/* CAPTURE_RESYNC_TRIES_MAX or CAPTURE_SEGMENTS_MAX was reached */
};

/*
 * @offset: of the first chunk.
 * @segments: gets a struct capture_segment each.
 *
 * Returns 0 or -errno.
 */
int capture_scan(struct chunk_reader *reader, uint64_t offset, struct bytes_writer *segments,
		 struct capture_scan *ret_scan);

/* The start of a segment, from the bytes of its first chunk inflated; 0 when they don't tell. */
uint64_t capture_scan_segment_start(const uint8_t *raw, uint32_t size);

#endif
