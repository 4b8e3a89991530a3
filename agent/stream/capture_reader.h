/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a capture file (include/wire.h): one that was closed in order, one that is being written,
 * one that was cut anywhere, one that is damaged.
 *
 * The file is hostile and may change or shrink while it is read, so it is read with pread() into
 * bounded buffers, never mapped. Every chunk is checked by its checksum before it is inflated. A
 * damaged chunk costs the rest of its segment: what is missing is said in one warning a segment,
 * and as a gap to the visitor. Memory is bounded by CAPTURE_SEGMENTS_MAX and two
 * segments: while segments are visited one after another, the next one is inflated in a thread that
 * touches nothing else. Owned by one thread.
 */
#ifndef FLICKERSCOPE_CAPTURE_READER_H
#define FLICKERSCOPE_CAPTURE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "wire.h"

struct capture_reader;
struct chunk;
struct record_visitor;

enum capture_reader_limits {
	CAPTURE_SEGMENTS_MAX = 1048576,
	CAPTURE_RESYNC_TRIES_MAX = 65536, /* places that look like a chunk and are none */
};

enum capture_reader_outcome {
	CAPTURE_NOT_ONE = 1, /* the file is no capture: another reader may know it; not logged */
	CAPTURE_DAMAGED = 2, /* a part could not be read: what came before was visited */
	CAPTURE_VERSION = 3, /* written in a newer major version; logged */
};

struct capture_segment {
	uint32_t number;
	uint64_t offset;   /* in the file */
	uint64_t size;	   /* in the file, headers included */
	uint64_t start_us; /* timeline; 0 when only the segment itself tells */
	uint64_t end_us;
	uint64_t sample_count; /* 0 when only the segment itself tells */
};

/*
 * Opens a capture and finds its segments: by the index, else by walking from chunk to chunk.
 *
 * @fd: taken; of a regular file.
 * @quiet: say nothing of damage; for fuzzers.
 *
 * Returns 0, CAPTURE_NOT_ONE, CAPTURE_VERSION or -errno (logged, with the path and the offset).
 */
int capture_reader_open(const char *path, struct capture_reader **ret_reader);
int capture_reader_open_fd(int fd, const char *name, bool quiet,
			   struct capture_reader **ret_reader); /* @fd: taken */

/* The same, quietly, and for what the index tells only: without one there are no segments. @fd: taken. */
int capture_reader_open_index(int fd, struct capture_reader **ret_reader);

void capture_reader_free(struct capture_reader *reader); /* NULL is fine */
DEFINE_CLEANUP(struct capture_reader *, capture_reader_free);

/* Whether damage is said; for a second look at the same segments. Returns how it was. */
bool capture_reader_set_quiet(struct capture_reader *reader, bool quiet);

const struct wire_file_header *capture_reader_header(const struct capture_reader *reader);

/* Whether the file was closed in order: it ends with an index that holds. */
bool capture_reader_ended(const struct capture_reader *reader);

uint64_t capture_reader_size(const struct capture_reader *reader);

/* The file itself; borrowed. */
int capture_reader_fd(const struct capture_reader *reader);
uint32_t capture_reader_segment_count(const struct capture_reader *reader);

/* @index: from 0, in the order of time. */
const struct capture_segment *capture_reader_segment(const struct capture_reader *reader,
						     uint32_t index);

/*
 * Visits the records of one segment, and, where it is damaged, a gap up to the next one. The last
 * segment may end anywhere: a window was written while it was open, or the file was cut.
 *
 * Returns 0, CAPTURE_DAMAGED, or -errno.
 */
int capture_reader_visit(struct capture_reader *reader, uint32_t index,
			 const struct record_visitor *visitor, void *context);

/* Visits the index: string(), late_name() and index(). Returns 0, also when there is no index. */
int capture_reader_visit_index(struct capture_reader *reader, const struct record_visitor *visitor,
			       void *context);

/*
 * Hands over the chunks of one segment as they are, checked, for a window: each borrowed for the
 * call, chunk_ref() to keep it.
 *
 * Returns 0, CAPTURE_DAMAGED or -errno.
 */
int capture_reader_chunks(struct capture_reader *reader, uint32_t index,
			  int (*each)(struct chunk *chunk, void *context), void *context);

#endif
