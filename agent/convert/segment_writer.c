/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/segment_writer.h"

#include <errno.h>
#include <stdlib.h>

#include "profile/profile.h"
#include "stream/capture_file.h"
#include "stream/record_encoder.h"

enum {
	US_PER_S = 1000000,
	NS_PER_US = 1000,
};

/* The id that a row of the source has in the segment with that number. */
struct segment_id {
	uint32_t id;
	uint32_t segment; /* 0: in none yet */
};

struct segment_writer {
	struct segment_source source;
	struct capture_file *file;
	struct profile *profile;
	struct record_encoder *encoder;
	struct segment_id *frames; /* owned, by id */
	struct segment_id *stacks;
	struct segment_id *threads;
	struct segment_start start; /* of the open segment */
	uint32_t segment;	    /* its number */
	int64_t flush_us;	    /* timeline: when the next flush is due */
	int64_t last_us;	    /* of the last sample, or the segment's start */
	int error;		    /* of the file */
};

static void write_chunk(struct chunk *chunk, void *context)
{
	struct segment_writer *writer = context;

	if (!writer->error)
		writer->error = capture_file_add(writer->file, chunk);
}

void segment_writer_free(struct segment_writer *writer)
{
	if (!writer)
		return;
	record_encoder_free(writer->encoder);
	profile_free(writer->profile);
	capture_file_free(writer->file);
	free(writer->frames);
	free(writer->stacks);
	free(writer->threads);
	free(writer);
}

int segment_writer_new(const struct segment_source *source, uint64_t instance_id, int fd,
		       struct segment_writer **ret_writer)
{
	CLEANUP(segment_writer_free) struct segment_writer *writer = calloc(1, sizeof(*writer));
	struct record_encoder_options options = {
		.instance_id = instance_id,
		.sink = write_chunk,
		.context = writer,
	};
	int r;

	if (!writer)
		return -ENOMEM;
	writer->source = *source;
	writer->frames = calloc((size_t)source->frame_count + 1, sizeof(*writer->frames));
	writer->stacks = calloc((size_t)source->stack_count + 1, sizeof(*writer->stacks));
	writer->threads = calloc((size_t)source->thread_count + 1, sizeof(*writer->threads));
	if (!writer->frames || !writer->stacks || !writer->threads)
		return -ENOMEM;
	r = capture_file_new(fd, instance_id, &writer->file);
	if (!r)
		r = profile_new(&writer->profile);
	options.profile = writer->profile;
	if (!r)
		r = record_encoder_new(&options, &writer->encoder);
	if (!r)
		*ret_writer = TAKE(writer);
	return r;
}

struct record_encoder *segment_writer_encoder(const struct segment_writer *writer)
{
	return writer->encoder;
}

uint64_t segment_writer_mono_ns(const struct segment_writer *writer, int64_t time_us)
{
	return writer->start.start_mono_ns +
	       (uint64_t)(time_us - (int64_t)writer->start.start_us) * NS_PER_US;
}

/* --- rows, in the open segment ------------------------------------------------------------------- */

static int add_frame(struct segment_writer *writer, uint32_t id, uint32_t *ret_frame)
{
	struct segment_id *known = &writer->frames[id];
	struct profile_frame_row row = { 0 };
	int r = 0;

	if (known->segment != writer->segment) {
		writer->source.frame(writer->source.context, id, &row);
		r = profile_frame(writer->profile, &row, &known->id);
	}
	if (r)
		return r;
	known->segment = writer->segment;
	*ret_frame = known->id;
	return 0;
}

static int add_stack(struct segment_writer *writer, uint32_t id, uint32_t *ret_stack)
{
	struct {
		uint32_t id, frame;
	} way[WIRE_STACK_DEPTH_MAX];
	uint32_t depth = 0, parent = 0, frame;
	int r = 0;

	/* Up to the longest beginning that the segment has, then down again. */
	while (id && writer->stacks[id].segment != writer->segment &&
	       depth < WIRE_STACK_DEPTH_MAX) {
		way[depth].id = id;
		id = writer->source.stack(writer->source.context, id, &way[depth].frame);
		if (!way[depth].frame)
			break;
		depth++;
	}
	if (id && writer->stacks[id].segment == writer->segment)
		parent = writer->stacks[id].id;
	while (depth && !r) {
		depth--;
		r = add_frame(writer, way[depth].frame, &frame);
		if (!r)
			r = profile_stack(writer->profile, parent, frame, &parent);
		if (!r)
			writer->stacks[way[depth].id] =
				(struct segment_id){ parent, writer->segment };
	}
	*ret_stack = parent;
	return r;
}

static int add_thread(struct segment_writer *writer, uint32_t id, uint32_t *ret_thread)
{
	struct segment_id *known = &writer->threads[id];
	struct profile_thread_row row = { 0 };
	int r = 0;

	if (id && known->segment != writer->segment) {
		writer->source.thread(writer->source.context, id, &row);
		r = profile_thread(writer->profile, &row, &known->id);
	}
	if (r)
		return r;
	known->segment = writer->segment;
	*ret_thread = known->id;
	return 0;
}

static int add_sample(struct segment_writer *writer, int64_t time_us,
		      const struct profile_sample *sample)
{
	struct profile_sample row = *sample;
	int r = add_thread(writer, sample->thread_id, &row.thread_id);

	row.time_ns = segment_writer_mono_ns(writer, time_us);
	if (!r)
		r = add_stack(writer, sample->stack_id, &row.stack_id);
	return r ? r : profile_sample(writer->profile, &row);
}

/* --- segments ------------------------------------------------------------------------------------ */

int segment_writer_open(struct segment_writer *writer, const struct segment_start *start)
{
	int r = record_encoder_open(writer->encoder, start);

	if (r < 0)
		return r;
	writer->start = *start;
	writer->segment = record_encoder_segment(writer->encoder);
	writer->last_us = (int64_t)start->start_us;
	writer->flush_us = writer->last_us + US_PER_S;
	return 0;
}

int segment_writer_close(struct segment_writer *writer, int64_t time_us)
{
	int r = record_encoder_close(writer->encoder, segment_writer_mono_ns(writer, time_us));

	return r < 0 ? r : writer->error;
}

static int next_segment(struct segment_writer *writer, int64_t end_us, int64_t time_us)
{
	struct segment_start start = writer->start;
	int r = segment_writer_close(writer, end_us);

	start.start_us = (uint64_t)time_us;
	start.start_mono_ns = segment_writer_mono_ns(writer, time_us);
	return r < 0 ? r : segment_writer_open(writer, &start);
}

int segment_writer_advance(struct segment_writer *writer, int64_t time_us)
{
	uint64_t mono_ns = segment_writer_mono_ns(writer, time_us);
	int r;

	if (time_us - writer->last_us >= WIRE_SEGMENT_SPAN_MAX_US)
		return next_segment(writer, writer->flush_us, time_us);
	if (time_us < writer->flush_us && !profile_should_flush(writer->profile))
		return 0;
	r = record_encoder_flush(writer->encoder, mono_ns);
	writer->flush_us = time_us + US_PER_S;
	if (!r && record_encoder_should_close(writer->encoder, mono_ns))
		r = next_segment(writer, time_us, time_us);
	return r < 0 ? r : writer->error;
}

int segment_writer_sample(struct segment_writer *writer, int64_t time_us,
			  const struct profile_sample *sample)
{
	int r = segment_writer_advance(writer, time_us);

	if (!r)
		r = add_sample(writer, time_us, sample);
	if (r == PROFILE_FULL) {
		r = next_segment(writer, time_us, time_us);
		if (!r)
			r = add_sample(writer, time_us, sample);
	}
	writer->last_us = time_us;
	/* One sample always fits into an empty segment. */
	return r > 0 ? -EOVERFLOW : r;
}

int segment_writer_end(struct segment_writer *writer)
{
	return capture_file_end(writer->file);
}
