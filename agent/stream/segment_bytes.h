/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chunks of one segment, inflated at once: by libdeflate, which takes half of zlib's time and wants
 * the whole of a stream.
 *
 * Chunks that were checked are added in order; a stream that was cut is ended behind the last of them,
 * where it was flushed. Bounded by SEGMENT_BYTES_RAW_MAX, whatever the chunks say: what does not fit is
 * for chunk_reader_inflate(), chunk by chunk. Owned by one thread.
 */
#ifndef FLICKERSCOPE_SEGMENT_BYTES_H
#define FLICKERSCOPE_SEGMENT_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct file_chunk;
struct segment_bytes;

enum segment_bytes_limits {
	SEGMENT_BYTES_RAW_MAX = 33554432, /* inflated; a segment has 1 to 8 MiB deflated */
	SEGMENT_BYTES_CHUNKS_MAX = 8192,
};

enum segment_bytes_outcome {
	SEGMENT_BYTES_BAD = 1, /* the stream does not inflate to what its chunks say */
};

/* Where a chunk's content is. */
struct segment_chunk {
	uint64_t end_offset; /* of the chunk, in the file */
	uint64_t end_us;
	uint32_t raw_offset;
	uint32_t raw_size;
};

int segment_bytes_new(struct segment_bytes **ret_bytes);
void segment_bytes_free(struct segment_bytes *bytes); /* NULL is fine */
DEFINE_CLEANUP(struct segment_bytes *, segment_bytes_free);

/* Forgets the chunks; keeps the memory. */
void segment_bytes_clear(struct segment_bytes *bytes);

/* Copies the next chunk's payload. False when it does not fit, or there is no memory. */
bool segment_bytes_add(struct segment_bytes *bytes, const struct file_chunk *chunk);

/*
 * Inflates what was added.
 *
 * @is_whole: the last chunk ends the stream.
 *
 * Returns 0, SEGMENT_BYTES_BAD or -ENOMEM.
 */
int segment_bytes_inflate(struct segment_bytes *bytes, bool is_whole);

/* What it inflated to, and the chunks that it came in; borrowed until the next clear. */
const uint8_t *segment_bytes_raw(const struct segment_bytes *bytes);
const struct segment_chunk *segment_bytes_chunks(const struct segment_bytes *bytes,
						 uint32_t *ret_count);

#endif
