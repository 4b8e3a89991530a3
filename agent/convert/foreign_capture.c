/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/foreign_capture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash_index.h"
#include "convert/foreign_profile.h"
#include "convert/foreign_timing.h"
#include "profile/chunk.h"
#include "profile/profile.h"
#include "sample_abi.h"
#include "stream/capture_file.h"
#include "stream/record_encoder.h"

enum {
	US_PER_S = 1000000,
	EVENTS_TEXT_MAX = 4096,
};

/* The id that a row of the foreign profile has in the open segment. */
struct segment_id {
	uint32_t id;
	uint32_t segment; /* that it is valid in */
};

struct making {
	struct foreign_profile *foreign; /* borrowed */
	struct foreign_timing timing;
	struct segment_start start;
	char events[EVENTS_TEXT_MAX];
	struct capture_file *file;
	int error;
	struct profile *profile;
	struct record_encoder *encoder;
	struct segment_id *frames; /* by id - 1 */
	struct segment_id *stacks;
	struct segment_id *threads;
	uint32_t segment;  /* number of the open one, or of the last */
	uint64_t flush_us; /* the second that is being written ends here; 0: no segment is open */
	uint64_t idle_count;
	size_t loss; /* the next one to be written */
};

static void making_close(struct making *making)
{
	record_encoder_free(making->encoder);
	profile_free(making->profile);
	capture_file_free(making->file);
	foreign_timing_close(&making->timing);
	free(making->frames);
	free(making->stacks);
	free(making->threads);
}

static inline void cleanup_making_close(struct making *making)
{
	making_close(making);
}

static void write_chunk(struct chunk *chunk, void *context)
{
	struct making *making = context;

	if (!making->error)
		making->error = capture_file_add(making->file, chunk);
}

/* --- rows of the foreign profile, in the open segment ------------------------------------------ */

/* The string with @id, zero-terminated: a zero inside becomes a space. */
static const char *text_of(const struct foreign_profile *foreign, uint32_t id,
			   char buffer[WIRE_STRING_SIZE_MAX + 1])
{
	const char *bytes;
	size_t size;

	if (!id)
		return NULL;
	bytes = string_table_string(&foreign->strings, id, &size);
	memcpy(buffer, bytes, size);
	for (char *zero = memchr(buffer, '\0', size); zero;
	     zero = memchr(zero, '\0', size - (size_t)(zero - buffer)))
		*zero = ' ';
	buffer[size] = '\0';
	return buffer;
}

static int add_frame(struct making *making, uint32_t frame, uint32_t *ret_id)
{
	static const char none[] = "";
	const struct foreign_frame_row *row = row_table_row(&making->foreign->frames, frame);
	struct segment_id *known = &making->frames[frame - 1];
	char name[WIRE_STRING_SIZE_MAX + 1], module[WIRE_STRING_SIZE_MAX + 1];
	char file[WIRE_STRING_SIZE_MAX + 1];
	struct profile_frame_row frame_row = {
		.kind = row->kinds & 0xff,
		.module_kind = row->kinds >> 8,
		.line = row->line,
	};
	const char *key_name;
	int r;

	if (known->segment == making->segment) {
		*ret_id = known->id;
		return 0;
	}
	frame_row.name = text_of(making->foreign, row->name, name);
	frame_row.module_name = text_of(making->foreign, row->module, module);
	frame_row.file = text_of(making->foreign, row->file, file);
	if (frame_row.module_name)
		frame_row.module_key =
			stable_key(frame_row.module_name, strlen(frame_row.module_name), 0);
	key_name = frame_row.name ? frame_row.name : none;
	frame_row.function_key = stable_key(key_name, strlen(key_name), frame_row.module_key);
	r = profile_frame(making->profile, &frame_row, &known->id);
	if (r)
		return r;
	known->segment = making->segment;
	*ret_id = known->id;
	return 0;
}

static int add_stack(struct making *making, uint32_t stack, uint32_t *ret_id)
{
	uint32_t path[WIRE_STACK_DEPTH_MAX], count = 0, parent = 0, frame;
	int r = 0;

	/* Up to the longest beginning that the segment has, then down again. */
	while (stack && making->stacks[stack - 1].segment != making->segment) {
		const struct foreign_stack_row *row =
			row_table_row(&making->foreign->stacks, stack);

		path[count++] = stack;
		stack = row->parent;
	}
	if (stack)
		parent = making->stacks[stack - 1].id;
	while (count && !r) {
		const struct foreign_stack_row *row =
			row_table_row(&making->foreign->stacks, path[--count]);

		r = add_frame(making, row->frame, &frame);
		if (!r)
			r = profile_stack(making->profile, parent, frame, &parent);
		if (!r)
			making->stacks[path[count] - 1] =
				(struct segment_id){ .id = parent, .segment = making->segment };
	}
	if (!r)
		*ret_id = parent;
	return r;
}

static int add_thread(struct making *making, uint32_t thread, uint32_t *ret_id)
{
	const struct foreign_thread_row *row = row_table_row(&making->foreign->threads, thread);
	struct segment_id *known = &making->threads[thread - 1];
	char comm[WIRE_STRING_SIZE_MAX + 1];
	struct profile_thread_row thread_row = { .tid = row->tid, .pid = row->pid };
	int r;

	if (known->segment == making->segment) {
		*ret_id = known->id;
		return 0;
	}
	/* Nobody says which process a thread is of by name; its own name is what people know. */
	thread_row.comm = thread_row.process_name = text_of(making->foreign, row->comm, comm);
	r = profile_thread(making->profile, &thread_row, &known->id);
	if (r)
		return r;
	known->segment = making->segment;
	*ret_id = known->id;
	return 0;
}

/* --- segments ---------------------------------------------------------------------------------- */

static int open_segment(struct making *making, uint64_t time_us)
{
	uint64_t second_us = time_us / US_PER_S * US_PER_S;

	making->start.start_us = second_us;
	making->start.start_mono_ns = second_us * 1000;
	making->segment++;
	making->flush_us = second_us + US_PER_S;
	return record_encoder_open(making->encoder, &making->start);
}

static int close_segment(struct making *making)
{
	int r = record_encoder_close(making->encoder, making->flush_us * 1000);

	making->flush_us = 0;
	return r < 0 ? r : making->error;
}

/* Ends what is before the second of @time_us: each second is a chunk at least. */
static int advance(struct making *making, uint64_t time_us)
{
	int r = 0;

	if (making->flush_us && time_us >= making->flush_us) {
		/* The span of the segment with the sample that is to come decides. */
		if (record_encoder_should_close(making->encoder, time_us * 1000))
			r = close_segment(making);
		else
			r = record_encoder_flush(making->encoder, making->flush_us * 1000);
		if (!r && making->flush_us)
			making->flush_us = time_us / US_PER_S * US_PER_S + US_PER_S;
	} else if (making->flush_us && profile_should_flush(making->profile)) {
		r = record_encoder_flush(making->encoder, time_us * 1000);
		if (!r && record_encoder_should_close(making->encoder, time_us * 1000))
			r = close_segment(making);
	}
	if (r < 0 || making->error)
		return r < 0 ? r : making->error;
	return making->flush_us ? 0 : open_segment(making, time_us);
}

static int try_sample(struct making *making, const struct foreign_sample *sample, uint64_t time_us)
{
	struct profile_sample row = {
		.time_ns = time_us * 1000,
		.cpu = sample->cpu,
		.user_status = STACK_NONE,
		.kernel_status = STACK_NONE,
		.busy = SAMPLE_BUSY_UNKNOWN,
	};
	int r = sample->thread ? add_thread(making, sample->thread, &row.thread_id) : 0;

	if (!r)
		r = add_stack(making, sample->stack, &row.stack_id);
	return r ? r : profile_sample(making->profile, &row);
}

static int write_sample(struct making *making, const struct foreign_sample *sample,
			uint64_t time_us)
{
	int r = advance(making, time_us);

	if (!r)
		r = try_sample(making, sample, time_us);
	if (r != PROFILE_FULL)
		return r;
	r = close_segment(making);
	if (!r)
		r = open_segment(making, time_us);
	if (!r)
		r = try_sample(making, sample, time_us);
	/* One sample always fits into an empty segment. */
	return r > 0 ? -EOVERFLOW : r;
}

/* Between the microsecond before it was noticed and that: how long it took nobody says. */
static void write_losses(struct making *making, uint64_t until_us)
{
	const struct foreign_loss *losses = (const void *)making->foreign->losses.bytes;
	size_t count = making->foreign->losses.size / sizeof(*losses);

	for (; making->loss < count; making->loss++) {
		const struct foreign_loss *loss = &losses[making->loss];
		uint64_t time_us = (uint64_t)(loss->time_us + making->timing.shift_us);

		if (time_us > until_us)
			break;
		record_encoder_add_gap_us(making->encoder, time_us ? time_us - 1 : 0, time_us,
					  WIRE_GAP_RING_FULL, loss->count);
	}
}

static int by_time(const void *left, const void *right)
{
	const struct foreign_loss *a = left, *b = right;

	return a->time_us < b->time_us ? -1 : a->time_us > b->time_us;
}

static void sort_losses(struct foreign_profile *profile)
{
	struct bytes_writer *losses = &profile->losses;

	if (losses->size)
		qsort(losses->bytes, losses->size / sizeof(struct foreign_loss),
		      sizeof(struct foreign_loss), by_time);
}

static int write_samples(struct making *making, uint32_t event)
{
	struct foreign_sample *samples = (struct foreign_sample *)making->foreign->samples.bytes;
	uint32_t count = foreign_profile_sample_count(making->foreign);
	uint32_t step_us = making->foreign->facts.step_us;
	int r = 0;

	for (uint32_t i = 0; i < count && !r; i++) {
		struct foreign_sample *sample = &samples[i];
		uint64_t time_us = (uint64_t)(sample->time_us + making->timing.shift_us);

		if (sample->event != event)
			continue;
		sample->cpu = foreign_timing_cpu(&making->timing, sample);
		for (uint32_t j = 0; j < sample->count && !r; j++, time_us += step_us)
			r = write_sample(making, sample, time_us);
		if (!r)
			write_losses(making, time_us);
	}
	return r;
}

/* What the file had beside its samples; told at the end, when all of it is known. */
static int write_end(struct making *making, uint64_t sample_count)
{
	uint64_t counters[WIRE_COUNTER_COUNT] = { 0 };
	int r = making->flush_us ? 0 : open_segment(making, making->timing.end_us);

	if (r < 0)
		return r;
	write_losses(making, UINT64_MAX);
	counters[WIRE_COUNTER_SAMPLES] = sample_count;
	counters[WIRE_COUNTER_IDLE] = making->idle_count;
	record_encoder_add_counters(making->encoder, making->flush_us * 1000, counters);
	r = close_segment(making);
	return r ? r : capture_file_end(making->file);
}

/* --- the whole ---------------------------------------------------------------------------------- */

static enum wire_event event_kind(const char *name)
{
	size_t size = strcspn(name, ":");

	/* The last is what we call the samples of V8: of a thread that had something to do. */
	if ((size == 9 && strncmp(name, "cpu-clock", size) == 0) ||
	    (size == 10 && strncmp(name, "task-clock", size) == 0) ||
	    (size == 11 && strncmp(name, "cpu-profile", size) == 0))
		return WIRE_EVENT_CPU_CLOCK;
	if ((size >= 6 && strncmp(name, "cycles", 6) == 0) || strstr(name, "cpu-cycles") ||
	    strstr(name, "cpu/cycles") || strstr(name, "cpu_core/cycles"))
		return WIRE_EVENT_CYCLES;
	return WIRE_EVENT_OTHER;
}

/* What tells about CPU time goes before what does not, then what has more samples. */
static uint32_t best_event(const struct foreign_profile *profile)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < profile->event_count; i++) {
		const struct foreign_event *one = &profile->events[i];
		const struct foreign_event *other = &profile->events[best];
		enum wire_event kind = event_kind(one->name);
		enum wire_event other_kind = event_kind(other->name);

		/* Comments name events of which no sample was taken. */
		if (!one->sample_count && !one->idle_count)
			continue;
		if (kind < other_kind || (!other->sample_count && !other->idle_count) ||
		    (kind == other_kind && one->sample_count > other->sample_count))
			best = i;
	}
	return best;
}

static int choose_event(const struct foreign_profile *profile, const char *wanted,
			uint32_t *ret_event)
{
	size_t size = wanted ? strlen(wanted) : 0;

	if (!wanted) {
		*ret_event = best_event(profile);
		return 0;
	}
	for (uint32_t i = 0; i < profile->event_count; i++) {
		const char *name = profile->events[i].name;

		if (strncmp(name, wanted, size) == 0 && (!name[size] || name[size] == ':')) {
			*ret_event = i;
			return 0;
		}
	}
	return FOREIGN_CAPTURE_NO_EVENT;
}

/* Those that were sampled; names of events have no newlines. */
static void list_events(const struct foreign_profile *profile, char text[EVENTS_TEXT_MAX])
{
	uint32_t count = 0;
	size_t at = 0;

	for (uint32_t i = 0; i < profile->event_count; i++) {
		const struct foreign_event *event = &profile->events[i];

		if (!event->sample_count && !event->idle_count)
			continue;
		if (at < EVENTS_TEXT_MAX)
			at += (size_t)snprintf(text + at, EVENTS_TEXT_MAX - at, "%s%" PRIu64 " %s",
					       count ? "\n" : "", event->sample_count, event->name);
		count++;
	}
	if (count < 2)
		text[0] = '\0';
}

static void describe(struct making *making, uint32_t event)
{
	const struct foreign_facts *facts = &making->foreign->facts;
	const char *name = making->foreign->events[event].name;
	struct segment_start *start = &making->start;

	start->frequency_mhz = making->timing.frequency_mhz;
	start->cpu_count = making->timing.cpu_count;
	start->event = event_kind(name);
	start->meta[WIRE_META_HOST] = facts->host;
	start->meta[WIRE_META_KERNEL] = facts->kernel;
	start->meta[WIRE_META_VERSION] = FLICKERSCOPE_VERSION;
	start->meta[WIRE_META_EVENT] = name;
	start->meta[WIRE_META_TITLE] = facts->title;
	start->meta[WIRE_META_NOTE] = facts->note;
	list_events(making->foreign, making->events);
	start->meta[WIRE_META_EVENTS] = making->events;
}

/* The same for the same samples; readers take it for the name of the recording. */
static uint64_t instance_of(const struct foreign_profile *profile, uint32_t event)
{
	return stable_key(profile->samples.bytes, profile->samples.size, event + 1);
}

static int making_open(struct making *making, uint32_t event, int fd)
{
	struct foreign_profile *foreign = making->foreign;
	struct record_encoder_options options = {
		.instance_id = instance_of(foreign, event),
		.sink = write_chunk,
		.context = making,
	};
	int r;

	making->frames = calloc(foreign->frames.row_count + 1, sizeof(*making->frames));
	making->stacks = calloc(foreign->stacks.row_count + 1, sizeof(*making->stacks));
	making->threads = calloc(foreign->threads.row_count + 1, sizeof(*making->threads));
	if (!making->frames || !making->stacks || !making->threads)
		return -ENOMEM;
	r = capture_file_new(fd, options.instance_id, &making->file);
	if (!r)
		r = profile_new(&making->profile);
	options.profile = making->profile;
	return r ? r : record_encoder_new(&options, &making->encoder);
}

int foreign_capture_write(struct foreign_profile *profile, const char *event, int fd)
{
	CLEANUP(making_close) struct making making = { .foreign = profile };
	uint32_t chosen = 0;
	int r = choose_event(profile, event, &chosen);

	if (r)
		return r;
	r = foreign_timing_open(profile, chosen, &making.timing);
	if (!r)
		r = making_open(&making, chosen, fd);
	if (r < 0)
		return r;
	sort_losses(profile);
	making.idle_count = profile->events[chosen].idle_count;
	describe(&making, chosen);
	r = write_samples(&making, chosen);
	return r ? r : write_end(&making, profile->events[chosen].sample_count);
}
