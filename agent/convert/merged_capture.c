/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/merged_capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "convert/merged_profile.h"
#include "profile/profile.h"
#include "stream/capture_file.h"
#include "stream/record_encoder.h"

enum {
	US_PER_S = 1000000,
	NS_PER_US = 1000,
	TEXTS = 4, /* strings of one row, side by side */
};

/* The id that a row of the merged profile has in the open segment. */
struct segment_id {
	uint32_t id;
	uint32_t segment; /* number of the one that it is valid in */
};

struct writing {
	struct merged_profile *merged; /* borrowed */
	struct capture_file *file;
	struct profile *profile;
	struct record_encoder *encoder;
	struct segment_id *stacks;	      /* owned, by id */
	struct segment_id *threads;	      /* owned, by id */
	char *texts;			      /* owned: TEXTS of WIRE_STRING_SIZE_MAX + 1 */
	char *meta;			      /* owned: MERGED_META_MAX of them */
	const struct wire_segment_head *head; /* of the segment that is being written */
	int64_t flush_us;		      /* timeline: when the next flush is due */
	int error;
};

static uint64_t mono_ns(const struct writing *writing, int64_t time_us)
{
	return writing->head->start_mono_ns +
	       (uint64_t)(time_us - (int64_t)writing->head->start_us) * NS_PER_US;
}

static void write_chunk(struct chunk *chunk, void *context)
{
	struct writing *writing = context;

	if (!writing->error)
		writing->error = capture_file_add(writing->file, chunk);
}

/* A string with a zero behind it, in the place with @number; NULL of none. */
static const char *text_of(const struct writing *writing, char *places, unsigned int number,
			   uint32_t string)
{
	size_t size;
	const char *bytes = merged_string(writing->merged, string, &size);
	char *place = places + (size_t)number * (WIRE_STRING_SIZE_MAX + 1);

	if (!string)
		return NULL;
	if (size > WIRE_STRING_SIZE_MAX)
		size = WIRE_STRING_SIZE_MAX;
	memcpy(place, bytes, size);
	place[size] = '\0';
	return place;
}

/* --- rows ---------------------------------------------------------------------------------------- */

static int add_frame(struct writing *writing, uint32_t id, uint32_t *ret_frame)
{
	const struct merged_frame *frame = merged_frame(writing->merged, id);
	const struct merged_function *function = merged_function(writing->merged, frame->function);
	const struct merged_module *module =
		function ? merged_module(writing->merged, function->module) : NULL;
	struct profile_frame_row row = {
		.kind = frame->kind,
		.file = text_of(writing, writing->texts, 0, frame->file),
		.line = frame->line,
	};

	if (function) {
		row.function_key = function->key;
		row.start = function->start;
		row.name = text_of(writing, writing->texts, 1, function->name);
	}
	if (module) {
		row.module_key = module->key;
		row.module_kind = module->kind;
		row.module_name = text_of(writing, writing->texts, 2, module->name);
	}
	return profile_frame(writing->profile, &row, ret_frame);
}

static int add_stack(struct writing *writing, uint32_t id, uint32_t *ret_stack)
{
	uint32_t segment = record_encoder_segment(writing->encoder), parent = 0;
	uint32_t way[WIRE_STACK_DEPTH_MAX];
	const struct merged_stack *stack = merged_stack(writing->merged, id);
	int depth = 0, r = 0;

	/* Up to the longest beginning that the segment has, then down again. */
	while (!(stack->frame & MERGED_PROCESS) && writing->stacks[id].segment != segment) {
		way[depth++] = id;
		id = stack->parent;
		stack = merged_stack(writing->merged, id);
	}
	if (!(stack->frame & MERGED_PROCESS))
		parent = writing->stacks[id].id;
	while (depth && !r) {
		uint32_t frame;

		id = way[--depth];
		r = add_frame(writing, merged_stack(writing->merged, id)->frame, &frame);
		if (!r)
			r = profile_stack(writing->profile, parent, frame, &parent);
		if (!r)
			writing->stacks[id] = (struct segment_id){ parent, segment };
	}
	*ret_stack = parent;
	return r;
}

static int add_thread(struct writing *writing, uint32_t id, uint32_t *ret_thread)
{
	const struct merged_thread *thread = merged_thread(writing->merged, id);
	struct segment_id *known = &writing->threads[id];
	struct profile_thread_row row = {
		.tid = thread->tid,
		.pid = thread->pid,
		.process_start_ns = thread->process_start_ns,
	};
	int r;

	*ret_thread = known->id;
	if (!id || known->segment == record_encoder_segment(writing->encoder))
		return 0;
	row.comm = text_of(writing, writing->texts, 0, thread->comm);
	row.process_name = text_of(writing, writing->texts, 1, thread->process_name);
	row.cgroup = text_of(writing, writing->texts, 2, thread->cgroup);
	row.container = text_of(writing, writing->texts, 3, thread->container);
	r = profile_thread(writing->profile, &row, ret_thread);
	if (!r)
		*known = (struct segment_id){ *ret_thread,
					      record_encoder_segment(writing->encoder) };
	return r;
}

/* --- segments ------------------------------------------------------------------------------------ */

static int open_segment(struct writing *writing, int64_t time_us)
{
	struct segment_start start = {
		.start_us = (uint64_t)time_us,
		.start_mono_ns = mono_ns(writing, time_us),
		.wall_shift_s = writing->head->wall_shift_s,
		.frequency_mhz = writing->head->frequency_mhz,
		.cpu_count = writing->head->cpu_count,
		.event = writing->head->event,
	};

	for (unsigned int meta = 1; meta < MERGED_META_MAX; meta++)
		start.meta[meta] =
			text_of(writing, writing->meta, meta, writing->merged->meta[meta]);
	writing->flush_us = time_us + US_PER_S;
	return record_encoder_open(writing->encoder, &start);
}

static int next_segment(struct writing *writing, int64_t time_us)
{
	int r = record_encoder_close(writing->encoder, mono_ns(writing, time_us));

	return r < 0 ? r : open_segment(writing, time_us);
}

static int try_sample(struct writing *writing, const struct merged_sample *sample)
{
	struct profile_sample row = {
		.time_ns = mono_ns(writing, sample->time_us),
		.cpu = sample->cpu,
		.user_status = sample->user_status,
		.kernel_status = sample->kernel_status,
		.busy = sample->busy,
	};
	int r = add_thread(writing, sample->thread, &row.thread_id);

	if (!r)
		r = add_stack(writing, sample->stack, &row.stack_id);
	return r ? r : profile_sample(writing->profile, &row);
}

/* Writes what is before @time_us, where a second has passed or much waits. */
static int advance(struct writing *writing, int64_t time_us)
{
	int r;

	if (time_us < writing->flush_us && !profile_should_flush(writing->profile))
		return 0;
	r = record_encoder_flush(writing->encoder, mono_ns(writing, time_us));
	writing->flush_us = time_us + US_PER_S;
	if (!r && record_encoder_should_close(writing->encoder, mono_ns(writing, time_us)))
		r = next_segment(writing, time_us);
	return r;
}

static int write_sample(struct writing *writing, const struct merged_sample *sample)
{
	int r = advance(writing, sample->time_us);

	if (!r)
		r = try_sample(writing, sample);
	if (r != PROFILE_FULL)
		return r;
	r = next_segment(writing, sample->time_us);
	if (!r)
		r = try_sample(writing, sample);
	/* One sample always fits into an empty segment. */
	return r > 0 ? -EOVERFLOW : r;
}

/* --- records with a time of their own ------------------------------------------------------------ */

/* Notes of one kind and time, from @note on: they came in one record. */
static size_t same_record(const struct merged_note *note, const struct merged_note *end,
			  size_t most)
{
	size_t count = 1;

	while (note + count < end && count < most && note[count].kind == note->kind &&
	       note[count].time_us == note->time_us)
		count++;
	return count;
}

static void write_rates(struct writing *writing, const struct merged_note *notes, size_t count)
{
	struct record_rate rates[WIRE_CPUS_MAX];

	for (size_t i = 0; i < count; i++)
		rates[i] = (struct record_rate){ notes[i].what, (uint32_t)notes[i].value };
	record_encoder_add_rates(writing->encoder, mono_ns(writing, notes->time_us), rates,
				 (uint32_t)count);
}

static void write_counters(struct writing *writing, const struct merged_note *notes, size_t count)
{
	uint64_t counters[WIRE_COUNTER_COUNT] = { 0 };

	for (size_t i = 0; i < count; i++)
		if (notes[i].what < WIRE_COUNTER_COUNT)
			counters[notes[i].what] = (uint64_t)notes[i].value;
	record_encoder_add_counters(writing->encoder, mono_ns(writing, notes->time_us), counters);
}

/* Writes the record that begins with @note. Returns how many notes it was. */
static size_t write_note(struct writing *writing, const struct merged_note *note,
			 const struct merged_note *end)
{
	size_t count = 1;

	switch (note->kind) {
	case WIRE_RECORD_CLOCK:
		record_encoder_add_clock(writing->encoder, (uint64_t)note->value, note->second);
		break;
	case WIRE_RECORD_GAP:
		record_encoder_add_gap_us(writing->encoder, (uint64_t)note->time_us,
					  (uint64_t)note->value, note->what, note->second);
		break;
	case WIRE_RECORD_RATE:
		count = same_record(note, end, WIRE_CPUS_MAX);
		write_rates(writing, note, count);
		break;
	default:
		count = same_record(note, end, WIRE_COUNTER_COUNT);
		write_counters(writing, note, count);
	}
	return count;
}

/* --- the whole ----------------------------------------------------------------------------------- */

static int by_start(const void *left, const void *right)
{
	const struct merged_segment *const *a = left, *const *b = right;

	return (*a)->head.start_us < (*b)->head.start_us
		       ? -1
		       : (*a)->head.start_us > (*b)->head.start_us;
}

/* Samples [first, end) are those until the next segment starts; the first one has all before it, too. */
struct part {
	const struct merged_segment *segment;
	uint64_t first_sample, end_sample;
};

static int write_part(struct writing *writing, const struct part *part)
{
	const struct merged_segment *segment = part->segment;
	const struct merged_sample *samples = writing->merged->samples;
	const struct merged_note *note =
		(const struct merged_note *)writing->merged->notes.bytes + segment->first_note;
	const struct merged_note *end_note = note + segment->note_count;
	int64_t start_us = (int64_t)segment->head.start_us, end_us = segment->end_us;
	int r;

	if (start_us < segment->from_us)
		start_us = segment->from_us;
	if (end_us > segment->to_us)
		end_us = segment->to_us;
	if (part->first_sample == part->end_sample && start_us >= end_us)
		return 0;
	writing->head = &segment->head;
	/* Samples may lie a little before their segment: here they lie in it. */
	if (part->end_sample > part->first_sample && samples[part->first_sample].time_us < start_us)
		start_us = samples[part->first_sample].time_us;
	r = open_segment(writing, start_us);
	for (uint64_t i = part->first_sample; i < part->end_sample && !r; i++) {
		while (note < end_note && note->time_us <= samples[i].time_us)
			note += write_note(writing, note, end_note);
		r = write_sample(writing, &samples[i]);
		end_us = samples[i].time_us >= end_us ? samples[i].time_us + 1 : end_us;
	}
	while (note < end_note && !r) {
		r = advance(writing, note->time_us);
		note += write_note(writing, note, end_note);
	}
	if (!r)
		r = record_encoder_close(writing->encoder, mono_ns(writing, end_us));
	return r ? r : writing->error;
}

static int writing_open(struct writing *writing, int fd)
{
	const struct merged_profile *merged = writing->merged;
	struct record_encoder_options options = {
		.instance_id = merged->instance_id,
		.sink = write_chunk,
		.context = writing,
	};
	int r;

	writing->stacks = calloc((size_t)merged->stacks.row_count + 1, sizeof(*writing->stacks));
	writing->threads = calloc((size_t)merged->threads.row_count + 1, sizeof(*writing->threads));
	writing->texts = malloc((size_t)TEXTS * (WIRE_STRING_SIZE_MAX + 1));
	writing->meta = malloc((size_t)MERGED_META_MAX * (WIRE_STRING_SIZE_MAX + 1));
	if (!writing->stacks || !writing->threads || !writing->texts || !writing->meta)
		return -ENOMEM;
	r = capture_file_new(fd, merged->instance_id, &writing->file);
	if (!r)
		r = profile_new(&writing->profile);
	options.profile = writing->profile;
	return r ? r : record_encoder_new(&options, &writing->encoder);
}

static void writing_close(struct writing *writing)
{
	record_encoder_free(writing->encoder);
	profile_free(writing->profile);
	capture_file_free(writing->file);
	free(writing->stacks);
	free(writing->threads);
	free(writing->texts);
	free(writing->meta);
}

/* Writes segment by segment, in the order of time. */
static int write_parts(struct writing *writing, const struct merged_segment **order, size_t count)
{
	const struct merged_profile *merged = writing->merged;
	struct part part = { 0 };
	int r = 0;

	for (size_t i = 0; i < count && !r; i++) {
		part.segment = order[i];
		while (part.end_sample < merged->sample_count &&
		       (i + 1 == count || merged->samples[part.end_sample].time_us <
						  (int64_t)order[i + 1]->head.start_us))
			part.end_sample++;
		r = write_part(writing, &part);
		part.first_sample = part.end_sample;
	}
	return r;
}

int merged_capture_write(struct merged_profile *profile, int fd)
{
	CLEANUP(memory_free) const struct merged_segment **order = NULL;
	struct writing writing = { .merged = profile };
	size_t count;
	const struct merged_segment *segments = merged_segments(profile, &count);
	int r = writing_open(&writing, fd);

	order = calloc(count + 1, sizeof(*order));
	if (!order)
		r = -ENOMEM;
	for (size_t i = 0; i < count && !r; i++)
		order[i] = &segments[i];
	if (!r) {
		qsort(order, count, sizeof(*order), by_start);
		merged_profile_sort(profile);
		r = write_parts(&writing, order, count);
	}
	if (!r)
		r = capture_file_end(writing.file);
	writing_close(&writing);
	return r;
}
