/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a capture file (include/wire.h) in a thread of its own: the loop never waits for a disk.
 *
 * The thread takes references to chunks from a queue, writes each at the end of the file and syncs
 * once a second. A chunk counts as written only when all of it is, so what stands in the file is
 * always whole chunks, whatever happens. While the disk is full or fails, the thread keeps trying
 * and the queue fills; when the queue is full, chunks are lost and counted, and with each the rest
 * of its segment, which could not be inflated without it. The file goes on with the next segment.
 *
 * the loop thread's.
 */
#ifndef FLICKERSCOPE_CAPTURE_WRITER_H
#define FLICKERSCOPE_CAPTURE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct chunk;
struct capture_writer;

enum capture_writer_limits {
	CAPTURE_WRITER_QUEUE_MAX = 16777216, /* bytes of chunks that wait, unless asked otherwise */
};

struct capture_writer_options {
	const char *path; /* for messages, and made (base/output_file.h) when fd is below 0 */
	int fd;		  /* an empty file, open for writing: taken; -1: open the path */
	bool force;	  /* replace a file that is there */
	uint64_t instance_id;
	uint64_t queue_max; /* bytes; 0: CAPTURE_WRITER_QUEUE_MAX */
};

/*
 * Opens the file and starts the thread. Start it after everything that forks.
 *
 * Returns 0 or -errno; logged.
 */
int capture_writer_open(const struct capture_writer_options *options,
			struct capture_writer **ret_writer);

/* Ends the thread at once: what is still queued is left out, and the index unless it was written. */
void capture_writer_free(struct capture_writer *writer); /* NULL is fine */
DEFINE_CLEANUP(struct capture_writer *, capture_writer_free);

/* Queues @chunk, taking a reference, or counts it as lost. Never waits. */
void capture_writer_add(struct capture_writer *writer, struct chunk *chunk);

/*
 * Whether the last chunk was lost, and there is room again: only the first chunk of another segment can be read
 * without it.
 */
bool capture_writer_wants_segment(struct capture_writer *writer);

/*
 * Asks the thread to write what waits, the index and the trailer, to sync, and to end. Does not
 * wait: the file is complete when the status says so.
 */
void capture_writer_finish(struct capture_writer *writer);

struct capture_writer_status {
	uint64_t written_bytes; /* of the file */
	uint64_t lost_bytes;	/* of chunks that did not get there */
	uint64_t queued_bytes;
	uint32_t lost_segments; /* not complete in the file */
	int error;		/* -errno of the last write or sync; 0 while all is well */
	bool finished;		/* the thread has ended: nothing changes any more */
};

struct capture_writer_status capture_writer_status(struct capture_writer *writer);

/*
 * Readable when the thread has ended: for the loop, which then calls capture_writer_free().
 * Borrowed.
 */
int capture_writer_fd(const struct capture_writer *writer);

/* capture_writer_finish(), and wait for the end: up to @timeout_ms. Returns the status's error. */
int capture_writer_finish_wait(struct capture_writer *writer, int timeout_ms);

#endif
