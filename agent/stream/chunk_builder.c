/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/chunk_builder.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "profile/chunk.h"
#include "stream/varint.h"

enum {
	/* Chosen by what a page costs; the figures are in this folder's README. */
	DEFLATE_LEVEL = 1,
	DEFLATE_WINDOW_BITS = -15, /* raw, 32 KiB */
	/* The default: above it, zlib's bound for incompressible bytes is no longer tight. */
	DEFLATE_MEMORY_LEVEL = 8,
};

struct chunk_builder {
	struct chunk_builder_options options;
	z_stream stream;
	bool broken;
	uint32_t segment;
	uint32_t chunk_count;
	uint64_t start_us;
	uint64_t end_us; /* of the last flush */
	uint64_t stored_bytes;
	uint64_t raw_bytes;
	uint64_t samples, samples_lost; /* of all streams */
	/* The chunk in the making. */
	uint32_t raw_size;
	uint32_t sample_count;
	uint64_t first_us;
	struct bytes_writer late_names;
	uint8_t raw[WIRE_CHUNK_RAW_MAX];
	uint8_t stored[WIRE_CHUNK_STORED_MAX];
};

int chunk_builder_new(const struct chunk_builder_options *options,
		      struct chunk_builder **ret_builder)
{
	struct chunk_builder *builder = calloc(1, sizeof(*builder));

	if (!builder)
		return -ENOMEM;
	builder->options = *options;
	builder->broken = true; /* until it is opened */
	builder->late_names = bytes_writer_with_max(CHUNK_BUILDER_LATE_NAMES_MAX);
	if (deflateInit2(&builder->stream, DEFLATE_LEVEL, Z_DEFLATED, DEFLATE_WINDOW_BITS,
			 DEFLATE_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(builder);
		return -ENOMEM;
	}
	*ret_builder = builder;
	return 0;
}

void chunk_builder_free(struct chunk_builder *builder)
{
	if (!builder)
		return;
	deflateEnd(&builder->stream);
	bytes_writer_free(&builder->late_names);
	free(builder);
}

void chunk_builder_open(struct chunk_builder *builder, uint32_t segment, uint64_t start_us)
{
	deflateReset(&builder->stream);
	builder->broken = false;
	builder->segment = segment;
	builder->chunk_count = 0;
	builder->start_us = builder->end_us = builder->first_us = start_us;
	builder->stored_bytes = builder->raw_bytes = 0;
	builder->raw_size = builder->sample_count = 0;
	bytes_writer_clear(&builder->late_names);
}

static uint32_t deflate_raw(struct chunk_builder *builder, bool last)
{
	z_stream *stream = &builder->stream;
	int r;

	stream->next_in = builder->raw;
	stream->avail_in = builder->raw_size;
	stream->next_out = builder->stored;
	stream->avail_out = sizeof(builder->stored);
	r = deflate(stream, last ? Z_FINISH : Z_SYNC_FLUSH);
	/* The room covers bytes that do not deflate at all, so zlib always gets to the end. */
	assert(r == (last ? Z_STREAM_END : Z_OK) && stream->avail_in == 0 && stream->avail_out > 0);
	(void)r;
	return (uint32_t)(sizeof(builder->stored) - stream->avail_out);
}

static void write_header(const struct chunk_builder *builder, struct chunk *chunk)
{
	struct wire_chunk_header header = {
		.magic = htole32(WIRE_CHUNK_MAGIC),
		.kind = htole16(builder->options.kind),
		.flags = htole16(chunk->flags),
		.segment = htole32(chunk->segment),
		.sequence = htole32(chunk->sequence),
		.stored_size = htole32(chunk->size - (uint32_t)sizeof(header)),
		.raw_size = htole32(builder->raw_size),
		.end_us = htole64(chunk->end_us),
	};

	memcpy(chunk->bytes, &header, sizeof(header));
	header.crc32c = htole32(crc32c(0, chunk->bytes, chunk->size));
	memcpy(chunk->bytes, &header, sizeof(header));
}

static int emit(struct chunk_builder *builder, bool last)
{
	const uint32_t header_size = sizeof(struct wire_chunk_header);
	uint32_t stored_size = deflate_raw(builder, last);
	struct chunk *chunk =
		chunk_new(header_size + stored_size, (uint32_t)builder->late_names.size);

	if (!chunk) {
		builder->broken = true;
		builder->samples_lost += builder->sample_count;
		return -ENOMEM;
	}
	chunk->segment = builder->segment;
	chunk->sequence = builder->chunk_count;
	chunk->flags = (builder->chunk_count ? 0 : WIRE_CHUNK_FIRST) | (last ? WIRE_CHUNK_LAST : 0);
	chunk->sample_count = builder->sample_count;
	chunk->start_us = builder->first_us;
	chunk->end_us = builder->end_us;
	memcpy(chunk->bytes + header_size, builder->stored, stored_size);
	if (builder->late_names.size)
		memcpy(chunk->late_names, builder->late_names.bytes, builder->late_names.size);
	write_header(builder, chunk);

	builder->chunk_count++;
	builder->stored_bytes += chunk->size;
	builder->raw_bytes += builder->raw_size;
	builder->raw_size = builder->sample_count = 0;
	builder->first_us = builder->end_us;
	bytes_writer_clear(&builder->late_names);
	builder->options.sink(chunk, builder->options.context);
	chunk_unref(chunk);
	return 0;
}

int chunk_builder_add(struct chunk_builder *builder, enum wire_record_kind kind,
		      const void *payload, uint32_t size)
{
	uint8_t head[1 + VARINT32_SIZE_MAX];
	uint32_t head_size;
	int r;

	assert(size <= CHUNK_BUILDER_RECORD_MAX);
	if (builder->broken)
		return -ENOMEM;
	head[0] = (uint8_t)kind;
	head_size = (uint32_t)(varint_put(head + 1, size) - head);
	if (head_size + size > sizeof(builder->raw) - builder->raw_size) {
		r = emit(builder, false);
		if (r < 0)
			return r;
	}
	memcpy(builder->raw + builder->raw_size, head, head_size);
	memcpy(builder->raw + builder->raw_size + head_size, payload, size);
	builder->raw_size += head_size + size;
	return 0;
}

void chunk_builder_count(struct chunk_builder *builder, uint32_t sample_count, uint64_t first_us)
{
	if (!builder->sample_count || first_us < builder->first_us)
		builder->first_us = first_us;
	builder->sample_count += sample_count;
	builder->samples += sample_count;
}

void chunk_builder_late_name(struct chunk_builder *builder, uint64_t key, uint64_t function_key,
			     const void *name, uint32_t name_size)
{
	struct bytes_writer *late_names = &builder->late_names;
	size_t size = late_names->size;

	/* Beyond the limit a name is in its segment only. */
	if (name_size + 2 * sizeof(uint64_t) + VARINT32_SIZE_MAX >
	    late_names->size_max - late_names->size)
		return;
	bytes_write_u64(late_names, key);
	bytes_write_u64(late_names, function_key);
	bytes_write_uleb128(late_names, name_size);
	bytes_write(late_names, name, name_size);
	/* Without memory as well: none of it, then. */
	if (late_names->failed) {
		late_names->size = size;
		late_names->failed = false;
	}
}

int chunk_builder_flush(struct chunk_builder *builder, uint64_t end_us, bool last)
{
	int r;

	if (builder->broken)
		return -ENOMEM;
	if (end_us > builder->end_us)
		builder->end_us = end_us;
	if (!builder->raw_size && !last)
		return 0;
	r = emit(builder, last);
	if (last)
		builder->broken = true; /* nothing fits behind the end */
	return r;
}

uint32_t chunk_builder_chunk_count(const struct chunk_builder *builder)
{
	return builder->chunk_count;
}

uint64_t chunk_builder_stored_bytes(const struct chunk_builder *builder)
{
	return builder->stored_bytes;
}

uint64_t chunk_builder_raw_bytes(const struct chunk_builder *builder)
{
	return builder->raw_bytes;
}

uint64_t chunk_builder_samples(const struct chunk_builder *builder)
{
	return builder->samples;
}

uint64_t chunk_builder_samples_lost(const struct chunk_builder *builder)
{
	return builder->samples_lost;
}
