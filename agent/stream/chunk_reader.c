/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/chunk_reader.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/crc32c.h"

/* Times beyond this are damage: nobody's sums overflow. */
#define END_US_MAX (UINT64_C(1) << 53)

struct chunk_reader {
	int fd;
	z_stream stream;
	const char *problem;
	uint64_t buffer_offset; /* in the file */
	uint32_t buffer_size;
	uint8_t buffer[CHUNK_READER_BUFFER_SIZE];
	uint8_t raw[WIRE_CHUNK_RAW_MAX];
};

int chunk_reader_new(int fd, struct chunk_reader **ret_reader)
{
	struct chunk_reader *reader = calloc(1, sizeof(*reader));

	if (!reader || inflateInit2(&reader->stream, -MAX_WBITS) != Z_OK) {
		free(reader);
		fd_close(fd);
		return -ENOMEM;
	}
	reader->fd = fd;
	*ret_reader = reader;
	return 0;
}

void chunk_reader_free(struct chunk_reader *reader)
{
	if (!reader)
		return;
	inflateEnd(&reader->stream);
	fd_close(reader->fd);
	free(reader);
}

int chunk_reader_fd(const struct chunk_reader *reader)
{
	return reader->fd;
}

const char *chunk_reader_problem(const struct chunk_reader *reader)
{
	return reader->problem ? reader->problem : "no problem";
}

static int bad(struct chunk_reader *reader, const char *problem)
{
	reader->problem = problem;
	return CHUNK_READER_BAD;
}

/* Fills the buffer from @offset on, as far as the file goes. */
static int fill(struct chunk_reader *reader, uint64_t offset)
{
	reader->buffer_offset = offset;
	reader->buffer_size = 0;
	if (offset > INT64_MAX - CHUNK_READER_BUFFER_SIZE)
		return 0;
	while (reader->buffer_size < sizeof(reader->buffer)) {
		ssize_t size = pread(reader->fd, reader->buffer + reader->buffer_size,
				     sizeof(reader->buffer) - reader->buffer_size,
				     (off_t)(offset + reader->buffer_size));

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		if (size == 0)
			break;
		reader->buffer_size += (uint32_t)size;
	}
	return 0;
}

static bool holds(const struct chunk_reader *reader, uint64_t offset, uint32_t size)
{
	return offset >= reader->buffer_offset &&
	       offset - reader->buffer_offset <= reader->buffer_size &&
	       size <= reader->buffer_size - (offset - reader->buffer_offset);
}

int chunk_reader_bytes(struct chunk_reader *reader, uint64_t offset, uint32_t size,
		       const uint8_t **ret_bytes)
{
	if (!holds(reader, offset, size)) {
		int r = fill(reader, offset);

		if (r < 0)
			return r;
		if (!holds(reader, offset, size))
			return bad(reader, "the file ends here");
	}
	*ret_bytes = reader->buffer + (offset - reader->buffer_offset);
	return 0;
}

static struct wire_chunk_header header_of(const uint8_t *bytes)
{
	struct wire_chunk_header header;

	memcpy(&header, bytes, sizeof(header));
	return (struct wire_chunk_header){
		.magic = le32toh(header.magic),
		.kind = le16toh(header.kind),
		.flags = le16toh(header.flags),
		.segment = le32toh(header.segment),
		.sequence = le32toh(header.sequence),
		.stored_size = le32toh(header.stored_size),
		.raw_size = le32toh(header.raw_size),
		.end_us = le64toh(header.end_us),
		.crc32c = le32toh(header.crc32c),
		.reserved = le32toh(header.reserved),
	};
}

static uint32_t checksum(const uint8_t *bytes, uint32_t size)
{
	const uint32_t at = offsetof(struct wire_chunk_header, crc32c);
	const uint8_t zeros[sizeof(uint32_t)] = { 0 };
	uint32_t crc = crc32c(0, bytes, at);

	crc = crc32c(crc, zeros, sizeof(zeros));
	return crc32c(crc, bytes + at + sizeof(zeros), size - at - (uint32_t)sizeof(zeros));
}

int chunk_reader_read(struct chunk_reader *reader, uint64_t offset, struct file_chunk *ret_chunk)
{
	struct file_chunk chunk = { .offset = offset };
	int r = chunk_reader_bytes(reader, offset, sizeof(chunk.header), &chunk.bytes);

	if (r)
		return r;
	chunk.header = header_of(chunk.bytes);
	if (chunk.header.magic != WIRE_CHUNK_MAGIC)
		return bad(reader, "no chunk begins here");
	if (chunk.header.stored_size > WIRE_CHUNK_STORED_MAX ||
	    chunk.header.raw_size > WIRE_CHUNK_RAW_MAX)
		return bad(reader, "a chunk is larger than chunks are");
	if (chunk.header.end_us > END_US_MAX)
		return bad(reader, "a chunk ends after the end of time");
	chunk.size = (uint32_t)sizeof(chunk.header) + chunk.header.stored_size;
	r = chunk_reader_bytes(reader, offset, chunk.size, &chunk.bytes);
	if (r)
		return r;
	if (checksum(chunk.bytes, chunk.size) != chunk.header.crc32c)
		return bad(reader, "a chunk's checksum is wrong");
	*ret_chunk = chunk;
	return 0;
}

void chunk_reader_restart(struct chunk_reader *reader)
{
	inflateReset(&reader->stream);
}

int chunk_reader_inflate(struct chunk_reader *reader, const struct file_chunk *chunk,
			 const uint8_t **ret_raw)
{
	z_stream *stream = &reader->stream;
	bool last = chunk->header.flags & WIRE_CHUNK_LAST;
	int r;

	stream->next_in = (Bytef *)chunk->bytes + sizeof(chunk->header);
	stream->avail_in = chunk->header.stored_size;
	stream->next_out = reader->raw;
	stream->avail_out = chunk->header.raw_size;
	r = inflate(stream, Z_SYNC_FLUSH);
	/* The end of the stream, and of a flush without more to come, is told when asked again. */
	if (r == Z_OK && stream->avail_in)
		r = inflate(stream, Z_SYNC_FLUSH);
	if (r == Z_BUF_ERROR)
		r = Z_OK;
	if (r != (last ? Z_STREAM_END : Z_OK) || stream->avail_in || stream->avail_out)
		return bad(reader, "a chunk does not inflate to what it says");
	*ret_raw = reader->raw;
	return 0;
}

int chunk_reader_find(struct chunk_reader *reader, uint64_t offset, uint64_t *ret_offset)
{
	const uint32_t magic = htole32(WIRE_CHUNK_MAGIC);

	for (;;) {
		const uint8_t *bytes, *found;
		uint32_t size;
		int r = chunk_reader_bytes(reader, offset, sizeof(magic), &bytes);

		if (r)
			return r;
		size = reader->buffer_size - (uint32_t)(offset - reader->buffer_offset);
		found = memmem(bytes, size, &magic, sizeof(magic));
		if (found) {
			*ret_offset = offset + (uint64_t)(found - bytes);
			return 0;
		}
		offset += size - (sizeof(magic) - 1);
	}
}
