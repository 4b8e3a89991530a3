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
#include "convert/segment_writer.h"
#include "profile/profile.h"
#include "sample_abi.h"
#include "stream/record_encoder.h"

enum {
	US_PER_S = 1000000,
	EVENTS_TEXT_MAX = 4096,
	TEXTS = 3, /* strings of one row */
};

struct making {
	struct foreign_profile *foreign; /* borrowed */
	struct foreign_timing timing;
	struct segment_start start;
	char events[EVENTS_TEXT_MAX];
	char texts[TEXTS][WIRE_STRING_SIZE_MAX + 1]; /* of one row, side by side */
	struct segment_writer *writer;
	uint64_t end_us; /* of the second of the last sample; 0: no segment is open yet */
	uint64_t idle_count;
	size_t loss; /* the next one to be written */
};

static void making_close(struct making *making)
{
	segment_writer_free(making->writer);
	foreign_timing_close(&making->timing);
}

static inline void cleanup_making_close(struct making *making)
{
	making_close(making);
}

/* --- rows of the foreign profile ---------------------------------------------------------------- */

/* The string with @id in the place with @number: a zero inside becomes a space. */
static const char *text_of(struct making *making, unsigned int number, uint32_t id)
{
	char *buffer = making->texts[number];
	const char *bytes;
	size_t size;

	if (!id)
		return NULL;
	bytes = string_table_string(&making->foreign->strings, id, &size);
	memcpy(buffer, bytes, size);
	for (char *zero = memchr(buffer, '\0', size); zero;
	     zero = memchr(zero, '\0', size - (size_t)(zero - buffer)))
		*zero = ' ';
	buffer[size] = '\0';
	return buffer;
}

static uint32_t stack_of(void *context, uint32_t id, uint32_t *ret_frame)
{
	const struct making *making = context;
	const struct foreign_stack_row *row = row_table_row(&making->foreign->stacks, id);

	*ret_frame = row->frame;
	return row->parent;
}

static void frame_of(void *context, uint32_t id, struct profile_frame_row *row)
{
	static const char none[] = "";
	struct making *making = context;
	const struct foreign_frame_row *frame = row_table_row(&making->foreign->frames, id);
	const char *key_name;

	row->kind = frame->kinds & 0xff;
	row->module_kind = frame->kinds >> 8;
	row->line = frame->line;
	row->name = text_of(making, 0, frame->name);
	row->module_name = text_of(making, 1, frame->module);
	row->file = text_of(making, 2, frame->file);
	if (row->module_name)
		row->module_key = stable_key(row->module_name, strlen(row->module_name), 0);
	key_name = row->name ? row->name : none;
	row->function_key = stable_key(key_name, strlen(key_name), row->module_key);
}

static void thread_of(void *context, uint32_t id, struct profile_thread_row *row)
{
	struct making *making = context;
	const struct foreign_thread_row *thread = row_table_row(&making->foreign->threads, id);

	row->tid = thread->tid;
	row->pid = thread->pid;
	/* Nobody says which process a thread is of by name; its own name is what people know. */
	row->comm = row->process_name = text_of(making, 0, thread->comm);
}

static uint64_t second_of(uint64_t time_us)
{
	return time_us / US_PER_S * US_PER_S;
}

/* The picture begins and ends with a whole second. */
static int reach(struct making *making, uint64_t time_us)
{
	bool is_open = making->end_us != 0;

	if (time_us >= making->end_us)
		making->end_us = second_of(time_us) + US_PER_S;
	if (is_open)
		return 0;
	making->start.start_us = second_of(time_us);
	making->start.start_mono_ns = making->start.start_us * 1000;
	return segment_writer_open(making->writer, &making->start);
}

/* --- samples ------------------------------------------------------------------------------------ */

static int write_sample(struct making *making, const struct foreign_sample *sample,
			uint64_t time_us)
{
	const struct profile_sample row = {
		.cpu = sample->cpu,
		.thread_id = sample->thread,
		.stack_id = sample->stack,
		.user_status = STACK_NONE,
		.kernel_status = STACK_NONE,
		.busy = SAMPLE_BUSY_UNKNOWN,
	};

	int r = reach(making, time_us);

	return r ? r : segment_writer_sample(making->writer, (int64_t)time_us, &row);
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
		record_encoder_add_gap_us(segment_writer_encoder(making->writer),
					  time_us ? time_us - 1 : 0, time_us, WIRE_GAP_RING_FULL,
					  loss->count);
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
	int64_t end_us;
	int r = making->end_us ? 0 : reach(making, making->timing.end_us);

	if (r)
		return r;
	end_us = (int64_t)making->end_us;
	write_losses(making, UINT64_MAX);
	counters[WIRE_COUNTER_SAMPLES] = sample_count;
	counters[WIRE_COUNTER_IDLE] = making->idle_count;
	record_encoder_add_counters(segment_writer_encoder(making->writer),
				    segment_writer_mono_ns(making->writer, end_us), counters);
	r = segment_writer_close(making->writer, end_us);
	return r ? r : segment_writer_end(making->writer);
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
	const struct foreign_profile *foreign = making->foreign;
	const struct segment_source source = {
		.frame_count = foreign->frames.row_count,
		.stack_count = foreign->stacks.row_count,
		.thread_count = foreign->threads.row_count,
		.stack = stack_of,
		.frame = frame_of,
		.thread = thread_of,
		.context = making,
	};

	return segment_writer_new(&source, instance_of(foreign, event), fd, &making->writer);
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
