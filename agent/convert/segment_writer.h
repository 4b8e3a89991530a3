/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes samples as the segments of a capture file: for whatever holds names, stacks and threads in
 * tables of its own.
 *
 * Each row is written once a segment, when its first sample comes. What waits is flushed each second
 * of the timeline, and a segment that is full or has reached its span is followed by the next. A
 * pause of WIRE_SEGMENT_SPAN_MAX_US and more between two samples is a time that nothing is known of;
 * in a shorter one nothing ran. Memory is 8 bytes for each row of the source beside the open
 * segment. Owned by one thread.
 */
#ifndef FLICKERSCOPE_SEGMENT_WRITER_H
#define FLICKERSCOPE_SEGMENT_WRITER_H

#include <stdint.h>

#include "base/cleanup.h"

struct profile_frame_row;
struct profile_sample;
struct profile_thread_row;
struct record_encoder;
struct segment_start;
struct segment_writer;

/* Where rows come from. Ids are the source's, from 1 up; 0 means none. */
struct segment_source {
	uint32_t frame_count; /* the greatest ids */
	uint32_t stack_count;
	uint32_t thread_count;
	/* The stack of the callers; the frame in *ret_frame, 0: this is above all frames. */
	uint32_t (*stack)(void *context, uint32_t id, uint32_t *ret_frame);
	/* Fill a row of zeros; strings are valid until the next call of the same. */
	void (*frame)(void *context, uint32_t id, struct profile_frame_row *row);
	void (*thread)(void *context, uint32_t id, struct profile_thread_row *row);
	void *context;
};

/*
 * @source: copied; its context is borrowed.
 * @fd: an empty regular file or memfd; borrowed.
 */
int segment_writer_new(const struct segment_source *source, uint64_t instance_id, int fd,
		       struct segment_writer **ret_writer);
void segment_writer_free(struct segment_writer *writer); /* NULL is fine */
DEFINE_CLEANUP(struct segment_writer *, segment_writer_free);

/*
 * Opens a segment; none is open. Those that follow it until it is closed have the same head but for
 * the time.
 *
 * @start: copied; its strings are borrowed until segment_writer_close().
 */
int segment_writer_open(struct segment_writer *writer, const struct segment_start *start);

/*
 * @time_us: timeline; not before that of the sample before.
 * @sample: with the source's thread and stack; its time_ns is not read.
 *
 * Returns 0 or -errno.
 */
int segment_writer_sample(struct segment_writer *writer, int64_t time_us,
			  const struct profile_sample *sample);

/* Writes what is before @time_us, where a second has passed or much waits. */
int segment_writer_advance(struct segment_writer *writer, int64_t time_us);

/* For records with a time of their own, in the segment that is open. */
struct record_encoder *segment_writer_encoder(const struct segment_writer *writer);
uint64_t segment_writer_mono_ns(const struct segment_writer *writer, int64_t time_us);

/* Everything before @time_us has been told. Returns 0, or the first error that there was. */
int segment_writer_close(struct segment_writer *writer, int64_t time_us);

/* Writes what stands behind the segments. */
int segment_writer_end(struct segment_writer *writer);

#endif
