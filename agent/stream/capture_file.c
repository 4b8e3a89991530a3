/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/capture_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "profile/chunk.h"
#include "stream/capture_index.h"
#include "wire.h"

struct capture_file {
	int fd; /* borrowed */
	uint64_t instance_id;
	bool is_stream; /* a pipe, or behind what others wrote: written once, from front to end */
	int error;	/* of a stream: it stays, since a part of a chunk is out */
	uint64_t size;	/* everything before it is whole */
	struct capture_index *index;
};

int capture_file_new(int fd, uint64_t instance_id, struct capture_file **ret_file)
{
	CLEANUP(capture_file_free) struct capture_file *file = calloc(1, sizeof(*file));
	int r;

	if (!file)
		return -ENOMEM;
	file->fd = fd;
	file->instance_id = instance_id;
	file->is_stream = lseek(fd, 0, SEEK_CUR) != 0 || fcntl(fd, F_GETFL) & O_APPEND;
	r = capture_index_new(&file->index);
	if (r < 0)
		return r;
	*ret_file = TAKE(file);
	return 0;
}

void capture_file_free(struct capture_file *file)
{
	if (!file)
		return;
	capture_index_free(file->index);
	free(file);
}

static int append_to_stream(struct capture_file *file, const uint8_t *bytes, size_t size)
{
	size_t left = size;

	while (left && !file->error) {
		ssize_t written = write(file->fd, bytes + (size - left), left);

		if (written > 0)
			left -= (size_t)written;
		else if (written == 0 || errno != EINTR)
			file->error = written < 0 ? -errno : -EIO;
	}
	if (!file->error)
		file->size += size;
	return file->error;
}

/* Writes all of @bytes at the end of the file, or nothing. */
static int append(struct capture_file *file, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	size_t left = size;

	if (file->is_stream)
		return append_to_stream(file, bytes, size);
	while (left) {
		ssize_t written = pwrite(file->fd, at, left, (off_t)(file->size + (size - left)));
		int error = written < 0 ? -errno : -EIO;

		if (written > 0) {
			at += written;
			left -= (size_t)written;
			continue;
		}
		if (error == -EINTR)
			continue;
		/* What stands behind the last whole chunk would only look like damage. */
		if (ftruncate(file->fd, (off_t)file->size) < 0 && error == 0)
			error = -errno;
		return error;
	}
	file->size += size;
	return 0;
}

struct wire_file_header capture_file_header(uint64_t instance_id)
{
	return (struct wire_file_header){
		.magic = { 0x89, 'F', 'L', 'K', '\r', '\n', 0x1a, '\n' },
		.version_major = htole16(WIRE_VERSION_MAJOR),
		.version_minor = htole16(WIRE_VERSION_MINOR),
		.header_size = htole32(sizeof(struct wire_file_header)),
		.instance_id = htole64(instance_id),
		.source = htole32(WIRE_SOURCE_CAPTURE),
	};
}

int capture_file_begin(struct capture_file *file)
{
	const struct wire_file_header header = capture_file_header(file->instance_id);

	return file->size ? 0 : append(file, &header, sizeof(header));
}

int capture_file_add(struct capture_file *file, const struct chunk *chunk)
{
	uint64_t offset;
	int r = capture_file_begin(file);

	if (r < 0)
		return r;
	offset = file->size;
	r = append(file, chunk->bytes, chunk->size);
	if (r < 0)
		return r;
	capture_index_add(file->index, chunk, offset);
	return 0;
}

struct index_target {
	struct capture_file *file;
	int error;
};

static void append_index_chunk(struct chunk *chunk, void *context)
{
	struct index_target *target = context;

	if (!target->error)
		target->error = append(target->file, chunk->bytes, chunk->size);
}

int capture_file_end(struct capture_file *file)
{
	struct index_target target = { .file = file };
	struct wire_file_trailer trailer = { .magic = htole32(WIRE_TRAILER_MAGIC) };
	uint64_t index_offset;
	int r = capture_file_begin(file);

	if (r < 0)
		return r;
	index_offset = file->size;
	trailer.index_offset = htole64(index_offset);
	r = capture_index_write(file->index, append_index_chunk, &target);
	if (r == CAPTURE_INDEX_INCOMPLETE)
		return 0;
	if (!r)
		r = target.error;
	if (!r)
		r = append(file, &trailer, sizeof(trailer));
	if (r < 0 && !file->is_stream) {
		file->size = index_offset;
		if (ftruncate(file->fd, (off_t)index_offset) < 0)
			return -errno;
	}
	return r;
}

uint64_t capture_file_size(const struct capture_file *file)
{
	return file->size;
}
