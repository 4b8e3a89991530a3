/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading bytes from outside and building bytes, every bound checked.
 *
 * A reader never moves past its end: the first read that would fails, sets `failed`, and every
 * later one fails too, so that a parser may read a whole struct and check once. Values read after
 * a failure are 0. Numbers are little-endian unless the name says otherwise.
 */
#ifndef FLICKERSCOPE_BYTES_H
#define FLICKERSCOPE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

struct bytes_reader {
	const uint8_t *begin; /* borrowed */
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

/* NULL for @bytes makes it empty. */
static inline struct bytes_reader bytes_reader_of(const void *bytes, size_t size)
{
	const uint8_t *begin = bytes;

	return (struct bytes_reader){ .begin = begin,
				      .at = begin,
				      .end = begin ? begin + size : begin };
}

static inline size_t bytes_left(const struct bytes_reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

static inline size_t bytes_offset(const struct bytes_reader *reader)
{
	return (size_t)(reader->at - reader->begin);
}

/* The next @size bytes, borrowed; NULL on failure. */
static inline const void *bytes_read(struct bytes_reader *reader, size_t size)
{
	const uint8_t *at = reader->at;

	if (reader->failed || size > bytes_left(reader)) {
		reader->failed = true;
		return NULL;
	}
	reader->at += size;
	return at;
}

/* Copies the next sizeof(*target) bytes; on failure the target is zeroed. */
bool bytes_read_into(struct bytes_reader *reader, void *target, size_t size);

/* Inline, as all that is read often: some files have millions of small numbers. */
static inline uint8_t bytes_read_u8(struct bytes_reader *reader)
{
	if (reader->failed || reader->at == reader->end) {
		reader->failed = true;
		return 0;
	}
	return *reader->at++;
}

static inline uint16_t bytes_read_u16(struct bytes_reader *reader)
{
	uint16_t value = 0;

	if (reader->failed || bytes_left(reader) < sizeof(value)) {
		reader->failed = true;
		return 0;
	}
	memcpy(&value, reader->at, sizeof(value));
	reader->at += sizeof(value);
	return le16toh(value);
}

static inline uint32_t bytes_read_u32(struct bytes_reader *reader)
{
	uint32_t value = 0;

	if (reader->failed || bytes_left(reader) < sizeof(value)) {
		reader->failed = true;
		return 0;
	}
	memcpy(&value, reader->at, sizeof(value));
	reader->at += sizeof(value);
	return le32toh(value);
}

static inline uint64_t bytes_read_u64(struct bytes_reader *reader)
{
	uint64_t value = 0;

	if (reader->failed || bytes_left(reader) < sizeof(value)) {
		reader->failed = true;
		return 0;
	}
	memcpy(&value, reader->at, sizeof(value));
	reader->at += sizeof(value);
	return le64toh(value);
}

/* The rest of the next two, for more than one byte. */
uint64_t bytes_read_long_uleb128(struct bytes_reader *reader);
int64_t bytes_read_long_sleb128(struct bytes_reader *reader);

/* LEB128 of at most 64 bits (DWARF 5, 7.6); longer or overflowing ones fail. */
static inline uint64_t bytes_read_uleb128(struct bytes_reader *reader)
{
	if (!reader->failed && reader->at < reader->end && *reader->at < 0x80)
		return *reader->at++;
	return bytes_read_long_uleb128(reader);
}

static inline int64_t bytes_read_sleb128(struct bytes_reader *reader)
{
	/* Bit 6 is the sign. */
	if (!reader->failed && reader->at < reader->end && *reader->at < 0x80)
		return (*reader->at++ ^ 0x40) - 0x40;
	return bytes_read_long_sleb128(reader);
}

/* The zigzag form of a varint: (n << 1) ^ (n >> 63). */
int64_t bytes_read_zigzag(struct bytes_reader *reader);

/* A zero-terminated string; its end must come before the reader's. NULL on failure. */
const char *bytes_read_string(struct bytes_reader *reader);

/* A reader of the next @size bytes, which are passed over here. Failed when there are fewer. */
static inline struct bytes_reader bytes_read_part(struct bytes_reader *reader, size_t size)
{
	const void *bytes = bytes_read(reader, size);
	struct bytes_reader part = bytes_reader_of(bytes, bytes ? size : 0);

	part.failed = reader->failed;
	return part;
}

/*
 * A buffer that grows up to a cap. When the cap or the memory is reached, `failed` is set and
 * everything later is dropped whole: check once, at the end. Free with bytes_writer_free().
 */
struct bytes_writer {
	uint8_t *bytes; /* owned; NULL while empty */
	size_t size;
	size_t capacity;
	size_t size_max;
	bool failed;
	bool is_at_cap; /* why; else there was no memory */
};

struct bytes_writer bytes_writer_with_max(size_t size_max);
void bytes_writer_free(struct bytes_writer *writer);

/* Empties the buffer and keeps its memory. */
void bytes_writer_clear(struct bytes_writer *writer);

/* For bytes_writer_extend(): capacity for @size more bytes. False: there is none. */
bool bytes_writer_grow(struct bytes_writer *writer, size_t size);

/* Room for @size more bytes at the end, counted as written; NULL on failure. */
static inline void *bytes_writer_extend(struct bytes_writer *writer, size_t size)
{
	void *room;

	if (writer->failed)
		return NULL;
	if (size > writer->capacity - writer->size && !bytes_writer_grow(writer, size)) {
		writer->failed = true;
		return NULL;
	}
	room = writer->bytes + writer->size;
	writer->size += size;
	return room;
}

/* 0, or why it failed: -EFBIG at the cap, -ENOMEM. */
int bytes_writer_error(const struct bytes_writer *writer);

/*
 * Appends what a descriptor still gives, up to its end. Returns 0, -EFBIG beyond the cap, or -errno;
 * what came before that stays.
 */
int bytes_writer_read(struct bytes_writer *writer, int fd);

/* The same, by one read. Returns how many bytes it gave, 0 at the end, -EFBIG or -errno. */
ssize_t bytes_writer_read_some(struct bytes_writer *writer, int fd);

/* Writes all of @bytes to a descriptor that blocks. Returns 0 or -errno. */
int bytes_to_fd(int fd, const void *bytes, size_t size);

void bytes_write(struct bytes_writer *writer, const void *bytes, size_t size);
void bytes_write_u8(struct bytes_writer *writer, uint8_t value);
void bytes_write_u16(struct bytes_writer *writer, uint16_t value);
void bytes_write_u32(struct bytes_writer *writer, uint32_t value);
void bytes_write_u64(struct bytes_writer *writer, uint64_t value);
void bytes_write_uleb128(struct bytes_writer *writer, uint64_t value);
void bytes_write_zigzag(struct bytes_writer *writer, int64_t value);

static inline void cleanup_bytes_writer_free(struct bytes_writer *writer)
{
	bytes_writer_free(writer);
}

#endif
