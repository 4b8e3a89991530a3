/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/merged_capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "convert/merged_profile.h"
#include "convert/segment_writer.h"
#include "profile/profile.h"
#include "stream/record_encoder.h"

enum {
	TEXTS = 4, /* strings of one row, side by side */
};

struct writing {
	struct merged_profile *merged; /* borrowed */
	struct segment_writer *writer;
	char *texts; /* owned: TEXTS of WIRE_STRING_SIZE_MAX + 1 */
	char *meta;  /* owned: MERGED_META_MAX of them */
};

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

static uint32_t stack_of(void *context, uint32_t id, uint32_t *ret_frame)
{
	const struct writing *writing = context;
	const struct merged_stack *stack = merged_stack(writing->merged, id);

	*ret_frame = stack->frame & MERGED_PROCESS ? 0 : stack->frame;
	return stack->parent;
}

static void frame_of(void *context, uint32_t id, struct profile_frame_row *row)
{
	const struct writing *writing = context;
	const struct merged_frame *frame = merged_frame(writing->merged, id);
	const struct merged_function *function = merged_function(writing->merged, frame->function);
	const struct merged_module *module =
		function ? merged_module(writing->merged, function->module) : NULL;

	row->kind = frame->kind;
	row->file = text_of(writing, writing->texts, 0, frame->file);
	row->line = frame->line;
	if (function) {
		row->function_key = function->key;
		row->start = function->start;
		row->name = text_of(writing, writing->texts, 1, function->name);
	}
	if (module) {
		row->module_key = module->key;
		row->module_kind = module->kind;
		row->module_name = text_of(writing, writing->texts, 2, module->name);
	}
}

static void thread_of(void *context, uint32_t id, struct profile_thread_row *row)
{
	const struct writing *writing = context;
	const struct merged_thread *thread = merged_thread(writing->merged, id);

	row->tid = thread->tid;
	row->pid = thread->pid;
	row->process_start_ns = thread->process_start_ns;
	row->comm = text_of(writing, writing->texts, 0, thread->comm);
	row->process_name = text_of(writing, writing->texts, 1, thread->process_name);
	row->cgroup = text_of(writing, writing->texts, 2, thread->cgroup);
	row->container = text_of(writing, writing->texts, 3, thread->container);
}

/* --- segments ------------------------------------------------------------------------------------ */

static int open_segment(struct writing *writing, const struct wire_segment_head *head,
			int64_t time_us)
{
	struct segment_start start = {
		.start_us = (uint64_t)time_us,
		.start_mono_ns =
			head->start_mono_ns + (uint64_t)(time_us - (int64_t)head->start_us) * 1000,
		.wall_shift_s = head->wall_shift_s,
		.frequency_mhz = head->frequency_mhz,
		.cpu_count = head->cpu_count,
		.event = head->event,
	};

	for (unsigned int meta = 1; meta < MERGED_META_MAX; meta++)
		start.meta[meta] =
			text_of(writing, writing->meta, meta, writing->merged->meta[meta]);
	return segment_writer_open(writing->writer, &start);
}

static int write_sample(struct writing *writing, const struct merged_sample *sample)
{
	struct profile_sample row = {
		.cpu = sample->cpu,
		.thread_id = sample->thread,
		.stack_id = sample->stack,
		.user_status = sample->user_status,
		.kernel_status = sample->kernel_status,
		.busy = sample->busy,
	};

	return segment_writer_sample(writing->writer, sample->time_us, &row);
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

static void write_rates(struct segment_writer *writer, const struct merged_note *notes,
			size_t count)
{
	struct record_rate rates[WIRE_CPUS_MAX];

	for (size_t i = 0; i < count; i++)
		rates[i] = (struct record_rate){ notes[i].what, (uint32_t)notes[i].value };
	record_encoder_add_rates(segment_writer_encoder(writer),
				 segment_writer_mono_ns(writer, notes->time_us), rates,
				 (uint32_t)count);
}

static void write_counters(struct segment_writer *writer, const struct merged_note *notes,
			   size_t count)
{
	uint64_t counters[WIRE_COUNTER_COUNT] = { 0 };

	for (size_t i = 0; i < count; i++)
		if (notes[i].what < WIRE_COUNTER_COUNT)
			counters[notes[i].what] = (uint64_t)notes[i].value;
	record_encoder_add_counters(segment_writer_encoder(writer),
				    segment_writer_mono_ns(writer, notes->time_us), counters);
}

/* Writes the record that begins with @note. Returns how many notes it was. */
static size_t write_note(struct segment_writer *writer, const struct merged_note *note,
			 const struct merged_note *end)
{
	struct record_encoder *encoder = segment_writer_encoder(writer);
	size_t count = 1;

	switch (note->kind) {
	case WIRE_RECORD_CLOCK:
		record_encoder_add_clock(encoder, (uint64_t)note->value, note->second);
		break;
	case WIRE_RECORD_GAP:
		record_encoder_add_gap_us(encoder, (uint64_t)note->time_us, (uint64_t)note->value,
					  note->what, note->second);
		break;
	case WIRE_RECORD_RATE:
		count = same_record(note, end, WIRE_CPUS_MAX);
		write_rates(writer, note, count);
		break;
	default:
		count = same_record(note, end, WIRE_COUNTER_COUNT);
		write_counters(writer, note, count);
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
	const struct merged_note *notes = (const void *)writing->merged->notes.bytes;
	/* A segment without notes may be in a capture without any. */
	const struct merged_note *note = segment->note_count ? notes + segment->first_note : NULL;
	const struct merged_note *end_note = note ? note + segment->note_count : NULL;
	int64_t start_us = (int64_t)segment->head.start_us, end_us = segment->end_us;
	int r;

	if (start_us < segment->from_us)
		start_us = segment->from_us;
	if (end_us > segment->to_us)
		end_us = segment->to_us;
	if (part->first_sample == part->end_sample && start_us >= end_us)
		return 0;
	/* Samples may lie a little before their segment: here they lie in it. */
	if (part->end_sample > part->first_sample && samples[part->first_sample].time_us < start_us)
		start_us = samples[part->first_sample].time_us;
	r = open_segment(writing, &segment->head, start_us);
	for (uint64_t i = part->first_sample; i < part->end_sample && !r; i++) {
		while (note < end_note && note->time_us <= samples[i].time_us)
			note += write_note(writing->writer, note, end_note);
		r = write_sample(writing, &samples[i]);
		end_us = samples[i].time_us >= end_us ? samples[i].time_us + 1 : end_us;
	}
	while (note < end_note && !r) {
		r = segment_writer_advance(writing->writer, note->time_us);
		note += write_note(writing->writer, note, end_note);
	}
	return r ? r : segment_writer_close(writing->writer, end_us);
}

static int writing_open(struct writing *writing, int fd)
{
	const struct merged_profile *merged = writing->merged;
	const struct segment_source source = {
		.frame_count = merged->frames.row_count,
		.stack_count = merged->stacks.row_count,
		.thread_count = merged->threads.row_count,
		.stack = stack_of,
		.frame = frame_of,
		.thread = thread_of,
		.context = writing,
	};

	writing->texts = malloc((size_t)TEXTS * (WIRE_STRING_SIZE_MAX + 1));
	writing->meta = malloc((size_t)MERGED_META_MAX * (WIRE_STRING_SIZE_MAX + 1));
	if (!writing->texts || !writing->meta)
		return -ENOMEM;
	return segment_writer_new(&source, merged->instance_id, fd, &writing->writer);
}

static void writing_close(struct writing *writing)
{
	segment_writer_free(writing->writer);
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
		r = segment_writer_end(writing.writer);
	writing_close(&writing);
	return r;
}
