/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WRITER_CAPACITY_LEAST = 256, READ_SIZE = 64 << 10 };

bool bytes_read_into(struct bytes_reader *reader, void *target, size_t size)
{
	const void *bytes = bytes_read(reader, size);

	if (!bytes) {
		memset(target, 0, size);
		return false;
	}
	memcpy(target, bytes, size);
	return true;
}

uint64_t bytes_read_long_uleb128(struct bytes_reader *reader)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		uint8_t byte = bytes_read_u8(reader);

		if (reader->failed)
			return 0;
		if (shift == 63 && (byte & 0x7e))
			break; /* more than 64 bits */
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	reader->failed = true;
	return 0;
}

int64_t bytes_read_long_sleb128(struct bytes_reader *reader)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		uint8_t byte = bytes_read_u8(reader);

		if (reader->failed)
			return 0;
		if (shift == 63 && (byte & 0x7f) != 0 && (byte & 0x7f) != 0x7f)
			break; /* more than 64 bits */
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			if ((byte & 0x40) && shift + 7 < 64)
				value |= ~UINT64_C(0) << (shift + 7);
			return (int64_t)value;
		}
	}
	reader->failed = true;
	return 0;
}

int64_t bytes_read_zigzag(struct bytes_reader *reader)
{
	uint64_t value = bytes_read_uleb128(reader);

	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

const char *bytes_read_string(struct bytes_reader *reader)
{
	const uint8_t *zero;

	if (reader->failed || !bytes_left(reader)) {
		reader->failed = true;
		return NULL;
	}
	zero = memchr(reader->at, 0, bytes_left(reader));
	if (!zero) {
		reader->failed = true;
		return NULL;
	}
	return bytes_read(reader, (size_t)(zero - reader->at) + 1);
}

struct bytes_writer bytes_writer_with_max(size_t size_max)
{
	return (struct bytes_writer){ .size_max = size_max };
}

void bytes_writer_free(struct bytes_writer *writer)
{
	free(writer->bytes);
	*writer = (struct bytes_writer){ .size_max = writer->size_max };
}

void bytes_writer_clear(struct bytes_writer *writer)
{
	writer->size = 0;
	writer->failed = false;
	writer->is_at_cap = false;
}

bool bytes_writer_grow(struct bytes_writer *writer, size_t size)
{
	size_t capacity = writer->capacity ? writer->capacity : WRITER_CAPACITY_LEAST;
	uint8_t *bytes;

	writer->is_at_cap = size > writer->size_max - writer->size;
	if (writer->is_at_cap)
		return false;
	while (capacity < writer->size + size)
		capacity *= 2;
	if (capacity > writer->size_max)
		capacity = writer->size_max;
	bytes = realloc(writer->bytes, capacity);
	if (!bytes)
		return false;
	writer->bytes = bytes;
	writer->capacity = capacity;
	return true;
}

int bytes_writer_error(const struct bytes_writer *writer)
{
	if (!writer->failed)
		return 0;
	return writer->is_at_cap ? -EFBIG : -ENOMEM;
}

ssize_t bytes_writer_read_some(struct bytes_writer *writer, int fd)
{
	size_t size = writer->size;
	void *place = bytes_writer_extend(writer, READ_SIZE);
	ssize_t got;

	if (!place)
		return bytes_writer_error(writer);
	do
		got = read(fd, place, READ_SIZE);
	while (got < 0 && errno == EINTR);
	writer->size = size + (got > 0 ? (size_t)got : 0);
	return got < 0 ? -errno : got;
}

int bytes_writer_read(struct bytes_writer *writer, int fd)
{
	ssize_t got;

	do
		got = bytes_writer_read_some(writer, fd);
	while (got > 0);
	return (int)got;
}

int bytes_to_fd(int fd, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size) {
		ssize_t written = write(fd, at, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written < 0 ? -errno : -EIO;
		at += written;
		size -= (size_t)written;
	}
	return 0;
}

void bytes_write(struct bytes_writer *writer, const void *bytes, size_t size)
{
	void *room;

	if (!size)
		return;
	room = bytes_writer_extend(writer, size);
	if (room)
		memcpy(room, bytes, size);
}

void bytes_write_u8(struct bytes_writer *writer, uint8_t value)
{
	bytes_write(writer, &value, sizeof(value));
}

void bytes_write_u16(struct bytes_writer *writer, uint16_t value)
{
	value = htole16(value);
	bytes_write(writer, &value, sizeof(value));
}

void bytes_write_u32(struct bytes_writer *writer, uint32_t value)
{
	value = htole32(value);
	bytes_write(writer, &value, sizeof(value));
}

void bytes_write_u64(struct bytes_writer *writer, uint64_t value)
{
	value = htole64(value);
	bytes_write(writer, &value, sizeof(value));
}

void bytes_write_uleb128(struct bytes_writer *writer, uint64_t value)
{
	uint8_t encoded[10];
	size_t size = 0;

	do {
		encoded[size] = (value & 0x7f) | (value > 0x7f ? 0x80 : 0);
		value >>= 7;
		size++;
	} while (value);
	bytes_write(writer, encoded, size);
}

void bytes_write_zigzag(struct bytes_writer *writer, int64_t value)
{
	bytes_write_uleb128(writer, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}
