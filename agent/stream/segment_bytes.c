/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/segment_bytes.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "stream/chunk_reader.h"

enum { STORED_MAX = 67108864 };

struct segment_bytes {
	struct libdeflate_decompressor *decompressor;
	struct bytes_writer stored; /* payloads, one after another */
	struct bytes_writer chunks; /* struct segment_chunk */
	uint32_t raw_size;	    /* of all chunks */
	uint8_t *raw;		    /* owned; room for raw_capacity */
	uint32_t raw_capacity;
};

int segment_bytes_new(struct segment_bytes **ret_bytes)
{
	CLEANUP(segment_bytes_free) struct segment_bytes *bytes = calloc(1, sizeof(*bytes));

	if (!bytes)
		return -ENOMEM;
	bytes->stored = bytes_writer_with_max(STORED_MAX);
	bytes->chunks =
		bytes_writer_with_max(SEGMENT_BYTES_CHUNKS_MAX * sizeof(struct segment_chunk));
	bytes->decompressor = libdeflate_alloc_decompressor();
	if (!bytes->decompressor)
		return -ENOMEM;
	*ret_bytes = TAKE(bytes);
	return 0;
}

void segment_bytes_free(struct segment_bytes *bytes)
{
	if (!bytes)
		return;
	libdeflate_free_decompressor(bytes->decompressor);
	bytes_writer_free(&bytes->stored);
	bytes_writer_free(&bytes->chunks);
	free(bytes->raw);
	free(bytes);
}

void segment_bytes_clear(struct segment_bytes *bytes)
{
	bytes_writer_clear(&bytes->stored);
	bytes_writer_clear(&bytes->chunks);
	bytes->raw_size = 0;
}

bool segment_bytes_add(struct segment_bytes *bytes, const struct file_chunk *chunk)
{
	struct segment_chunk row = {
		.end_offset = chunk->offset + chunk->size,
		.end_us = chunk->header.end_us,
		.raw_offset = bytes->raw_size,
		.raw_size = chunk->header.raw_size,
	};

	if (chunk->header.raw_size > SEGMENT_BYTES_RAW_MAX - bytes->raw_size)
		return false;
	bytes_write(&bytes->stored, chunk->bytes + sizeof(chunk->header),
		    chunk->header.stored_size);
	bytes_write(&bytes->chunks, &row, sizeof(row));
	bytes->raw_size += chunk->header.raw_size;
	return !bytes->stored.failed && !bytes->chunks.failed;
}

static bool make_room(struct segment_bytes *bytes)
{
	if (bytes->raw_size <= bytes->raw_capacity && bytes->raw)
		return true;
	free(bytes->raw);
	bytes->raw_capacity = bytes->raw_size;
	/* Never of nothing: libdeflate wants a place. */
	bytes->raw = malloc((size_t)bytes->raw_size + 1);
	return bytes->raw;
}

int segment_bytes_inflate(struct segment_bytes *bytes, bool is_whole)
{
	/* An empty last block (RFC 1951, 3.2.6), for a stream that was flushed but not finished. */
	static const uint8_t last_block[] = { 0x03, 0x00 };
	size_t taken, made;

	if (!is_whole)
		bytes_write(&bytes->stored, last_block, sizeof(last_block));
	if (bytes->stored.failed || !make_room(bytes))
		return -ENOMEM;
	if (libdeflate_deflate_decompress_ex(bytes->decompressor, bytes->stored.bytes,
					     bytes->stored.size, bytes->raw, bytes->raw_size,
					     &taken, &made) != LIBDEFLATE_SUCCESS ||
	    taken != bytes->stored.size || made != bytes->raw_size)
		return SEGMENT_BYTES_BAD;
	return 0;
}

const uint8_t *segment_bytes_raw(const struct segment_bytes *bytes)
{
	return bytes->raw;
}

const struct segment_chunk *segment_bytes_chunks(const struct segment_bytes *bytes,
						 uint32_t *ret_count)
{
	*ret_count = (uint32_t)(bytes->chunks.size / sizeof(struct segment_chunk));
	return (const struct segment_chunk *)bytes->chunks.bytes;
}
