/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads chunks of a file at given places, checks them, and inflates them (include/wire.h).
 *
 * The file is hostile and may change or shrink while it is read: everything is copied into buffers
 * of fixed size first. Owned by one thread.
 */
#ifndef FLICKERSCOPE_CHUNK_READER_H
#define FLICKERSCOPE_CHUNK_READER_H

#include <stdint.h>

#include "base/cleanup.h"
#include "wire.h"

struct chunk_reader;

enum chunk_reader_limits {
	CHUNK_READER_BUFFER_SIZE = 262144, /* bytes of the file that are held */
};

enum chunk_reader_outcome {
	CHUNK_READER_BAD = 1, /* chunk_reader_problem() has it in words */
};

/* A chunk that its checksum confirms. */
struct file_chunk {
	struct wire_chunk_header header; /* in the machine's byte order */
	uint64_t offset;
	uint32_t size;	      /* header included */
	const uint8_t *bytes; /* `size` of them; borrowed until the next read */
};

int chunk_reader_new(int fd, struct chunk_reader **ret_reader); /* @fd: taken */
void chunk_reader_free(struct chunk_reader *reader);		/* NULL is fine */
DEFINE_CLEANUP(struct chunk_reader *, chunk_reader_free);

int chunk_reader_fd(const struct chunk_reader *reader); /* borrowed */

/*
 * @size bytes at @offset, borrowed until the next call; at most CHUNK_READER_BUFFER_SIZE.
 *
 * Returns 0, CHUNK_READER_BAD when the file ends before, or -errno.
 */
int chunk_reader_bytes(struct chunk_reader *reader, uint64_t offset, uint32_t size,
		       const uint8_t **ret_bytes);

/* The chunk at @offset. Returns 0, CHUNK_READER_BAD or -errno. */
int chunk_reader_read(struct chunk_reader *reader, uint64_t offset, struct file_chunk *ret_chunk);

/* Starts a new deflate stream. */
void chunk_reader_restart(struct chunk_reader *reader);

/*
 * Inflates the next chunk of the stream.
 *
 * @ret_raw: header.raw_size bytes, borrowed until the next call.
 *
 * Returns 0 or CHUNK_READER_BAD; then only a restart helps.
 */
int chunk_reader_inflate(struct chunk_reader *reader, const struct file_chunk *chunk,
			 const uint8_t **ret_raw);

const char *chunk_reader_problem(const struct chunk_reader *reader);

/*
 * The next place from @offset on where a chunk may begin, for going on behind damage.
 *
 * Returns 0, CHUNK_READER_BAD when there is none before the file's end, or -errno.
 */
int chunk_reader_find(struct chunk_reader *reader, uint64_t offset, uint64_t *ret_offset);

#endif
