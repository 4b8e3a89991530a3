/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of agent/stream: an encoder whose chunks are kept, and their records as text.
 */
#ifndef FLICKERSCOPE_STREAM_FIXTURE_H
#define FLICKERSCOPE_STREAM_FIXTURE_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/hash_index.h"
#include "check.h"
#include "profile/chunk.h"
#include "profile/profile.h"
#include "stream/record_decoder.h"
#include "stream/record_encoder.h"

#define FIXTURE_START_US UINT64_C(1700000000250000)
#define FIXTURE_START_NS UINT64_C(5000000000)

enum { FIXTURE_CHUNKS_MAX = 8192 };

struct stream_fixture {
	struct profile *profile;
	struct record_encoder *encoder;
	struct chunk *chunks[FIXTURE_CHUNKS_MAX];
	uint32_t chunk_count;
};

static inline void fixture_keep(struct chunk *chunk, void *context)
{
	struct stream_fixture *fixture = context;

	if (fixture->chunk_count == FIXTURE_CHUNKS_MAX)
		check_give_up();
	fixture->chunks[fixture->chunk_count++] = chunk_ref(chunk);
}

/* Opens the next segment, @seconds after the start of the first. */
static inline void fixture_open_segment_at(struct stream_fixture *fixture, uint64_t seconds,
					   uint32_t frequency_mhz, uint32_t cpu_count)
{
	struct segment_start start = {
		.start_us = FIXTURE_START_US + seconds * 1000000,
		.start_mono_ns = FIXTURE_START_NS + seconds * 1000000000,
		.frequency_mhz = frequency_mhz,
		.cpu_count = cpu_count,
		.event = WIRE_EVENT_CPU_CLOCK,
		.meta = { [WIRE_META_HOST] = "example", [WIRE_META_KERNEL] = "Linux 6.1.0" },
	};

	if (record_encoder_open(fixture->encoder, &start))
		check_give_up();
}

static inline void fixture_open_segment(struct stream_fixture *fixture, uint64_t seconds)
{
	fixture_open_segment_at(fixture, seconds, 99000, 2);
}

/* Both up to @mono_ns. A segment that could not be written is over: it is not asked for again. */
static inline void fixture_flush(struct stream_fixture *fixture, uint64_t mono_ns)
{
	int r = record_encoder_flush(fixture->encoder, mono_ns);

	CHECK_EQ(r, 0);
}

static inline void fixture_close(struct stream_fixture *fixture, uint64_t mono_ns)
{
	int r = record_encoder_close(fixture->encoder, mono_ns);

	CHECK_EQ(r, 0);
}

static inline void fixture_init(struct stream_fixture *fixture)
{
	struct record_encoder_options options = {
		.instance_id = 0x1122334455667788,
		.sink = fixture_keep,
		.context = fixture,
	};

	memset(fixture, 0, sizeof(*fixture));
	if (profile_new(&fixture->profile))
		check_give_up();
	options.profile = fixture->profile;
	if (record_encoder_new(&options, &fixture->encoder))
		check_give_up();
	fixture_open_segment(fixture, 0);
}

static inline void fixture_free(struct stream_fixture *fixture)
{
	record_encoder_free(fixture->encoder);
	profile_free(fixture->profile);
	for (uint32_t i = 0; i < fixture->chunk_count; i++)
		chunk_unref(fixture->chunks[i]);
}

static inline void cleanup_fixture_free(struct stream_fixture *fixture)
{
	fixture_free(fixture);
}

/* Any number, the same for the same name; small, so that it can be read. */
static inline uint64_t fixture_key(const char *name)
{
	static const char *const known[] = { "main", "run", "work", "wait" };

	for (uint32_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(name, known[i]) == 0)
			return 0x11 + i;
	return stable_key(name, strlen(name), 1);
}

/* The stack of one thread, from the root: its frames' names; a sample of it at @time_ns. */
static inline void fixture_sample(struct stream_fixture *fixture, uint64_t time_ns, uint32_t cpu,
				  const char *comm, const char *const *names)
{
	struct profile_thread_row thread = {
		.tid = (uint32_t)strlen(comm) + 100,
		.pid = (uint32_t)strlen(comm) + 100,
		.process_start_ns = 77,
		.comm = comm,
		.process_name = comm,
	};
	struct profile_sample sample = { .time_ns = time_ns, .cpu = cpu, .user_status = 1 };

	if (profile_thread(fixture->profile, &thread, &sample.thread_id))
		check_give_up();
	for (; *names; names++) {
		struct profile_frame_row row = {
			.function_key = fixture_key(*names),
			.module_key = 0x4242,
			.kind = WIRE_FRAME_PROGRAM,
			.module_kind = WIRE_MODULE_FILE,
			.name = *names,
			.module_name = "/bin/program",
		};
		uint32_t frame_id;

		if (profile_frame(fixture->profile, &row, &frame_id) ||
		    profile_stack(fixture->profile, sample.stack_id, frame_id, &sample.stack_id))
			check_give_up();
	}
	if (profile_sample(fixture->profile, &sample))
		check_give_up();
}

/* --- records as text ------------------------------------------------------------------------ */

struct record_text {
	struct bytes_writer text;
};

static inline void __attribute__((format(printf, 2, 3)))
record_print(void *context, const char *format, ...)
{
	struct record_text *text = context;
	char line[20000];
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	bytes_write(&text->text, line, (size_t)size);
	if (text->text.failed)
		check_give_up();
}

static inline void text_segment(void *context, const struct wire_segment_head *head)
{
	record_print(context,
		     "segment %u instance %" PRIx64 " start %" PRIu64 " mono %" PRIu64
		     " shift %u rate %u cpus %u event %u\n",
		     head->segment, (uint64_t)head->instance_id, (uint64_t)head->start_us,
		     (uint64_t)head->start_mono_ns, head->wall_shift_s, head->frequency_mhz,
		     head->cpu_count, head->event);
}

static inline void text_meta(void *context, uint32_t meta, const char *text, uint32_t size)
{
	record_print(context, "meta %u %.*s\n", meta, (int)size, text);
}

static inline void text_string(void *context, uint32_t id, const char *bytes, uint32_t size)
{
	record_print(context, "string %u %.*s\n", id, (int)size, bytes);
}

static inline void text_module(void *context, uint32_t id, const struct record_module *module)
{
	record_print(context, "module %u key %" PRIx64 " name %u kind %u\n", id, module->key,
		     module->name, module->kind);
}

static inline void text_function(void *context, uint32_t id, const struct record_function *function)
{
	record_print(context, "function %u key %" PRIx64 " module %u name %u start %" PRIx64 "\n",
		     id, function->key, function->module, function->name, function->start);
}

static inline void text_frame(void *context, uint32_t id, const struct record_frame *frame)
{
	record_print(context, "frame %u function %u kind %u file %u line %u\n", id, frame->function,
		     frame->kind, frame->file, frame->line);
}

static inline void text_stack(void *context, uint32_t id, const struct record_stack *stack)
{
	record_print(context, "stack %u parent %u frame %u depth %u\n", id, stack->parent,
		     stack->frame, stack->depth);
}

static inline void text_thread(void *context, uint32_t id, const struct record_thread *thread)
{
	record_print(context,
		     "thread %u tid %u pid %u start %" PRIu64
		     " comm %u process %u cgroup %u container %u\n",
		     id, thread->tid, thread->pid, thread->process_start_ns, thread->comm,
		     thread->process_name, thread->cgroup, thread->container);
}

static inline void text_samples(void *context, const struct record_samples *samples)
{
	for (uint32_t i = 0; i < samples->count; i++)
		record_print(
			context,
			"sample %" PRId64 " cpu %u thread %u stack %u user %u kernel %u busy %u\n",
			samples->time_us[i], samples->cpu[i], samples->thread[i], samples->stack[i],
			samples->user_status[i], samples->kernel_status[i], samples->busy[i]);
}

static inline void text_tick(void *context, int64_t time_us)
{
	record_print(context, "tick %" PRId64 "\n", time_us);
}

static inline void text_clock(void *context, int64_t time_us, uint64_t mono_ns, uint64_t wall_ns)
{
	record_print(context, "clock %" PRId64 " mono %" PRIu64 " wall %" PRIu64 "\n", time_us,
		     mono_ns, wall_ns);
}

static inline void text_gap(void *context, const struct record_gap *gap)
{
	record_print(context, "gap %" PRId64 " to %" PRId64 " reason %u lost %" PRIu64 "\n",
		     gap->start_us, gap->end_us, gap->reason, gap->lost_count);
}

static inline void text_rate(void *context, int64_t time_us, uint32_t cpu, uint32_t rate_mhz)
{
	record_print(context, "rate %" PRId64 " cpu %u %u\n", time_us, cpu, rate_mhz);
}

static inline void text_counter(void *context, int64_t time_us, uint32_t counter, uint64_t value)
{
	/* Without those of nothing: a counter more is no other text. */
	if (value)
		record_print(context, "counter %" PRId64 " %u %" PRIu64 "\n", time_us, counter,
			     value);
}

static inline void text_late_name(void *context, const struct record_late_name *late_name)
{
	record_print(context, "late name key %" PRIx64 " function %" PRIx64 " name %u\n",
		     late_name->key, late_name->function_key, late_name->name);
}

static inline void text_index(void *context, const struct record_index *index)
{
	record_print(context,
		     "index %u offset %" PRIu64 " size %" PRIu64 " start %" PRIu64 " span %" PRIu64
		     " samples %" PRIu64 "\n",
		     index->segment, index->offset, index->size, index->start_us, index->span_us,
		     index->sample_count);
}

static const struct record_visitor record_text_visitor = {
	.segment = text_segment,
	.meta = text_meta,
	.string = text_string,
	.module = text_module,
	.function = text_function,
	.frame = text_frame,
	.stack = text_stack,
	.thread = text_thread,
	.samples = text_samples,
	.tick = text_tick,
	.clock = text_clock,
	.gap = text_gap,
	.rate = text_rate,
	.counter = text_counter,
	.late_name = text_late_name,
	.index = text_index,
};

/* Inflates the chunks from @first on, as one stream, and passes each to @each. */
static inline void fixture_inflate(const struct stream_fixture *fixture, uint32_t first,
				   uint32_t count,
				   void (*each)(const uint8_t *raw, uint32_t size, void *context),
				   void *context)
{
	static uint8_t raw[WIRE_CHUNK_RAW_MAX + 1];
	z_stream stream = { 0 };

	if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
		check_give_up();
	for (uint32_t i = first; i < first + count; i++) {
		const struct chunk *chunk = fixture->chunks[i];

		stream.next_in = (Bytef *)chunk->bytes + sizeof(struct wire_chunk_header);
		stream.avail_in = chunk->size - (uint32_t)sizeof(struct wire_chunk_header);
		stream.next_out = raw;
		stream.avail_out = sizeof(raw);
		if (inflate(&stream, Z_SYNC_FLUSH) < 0 || stream.avail_in)
			check_give_up();
		each(raw, (uint32_t)sizeof(raw) - stream.avail_out, context);
	}
	inflateEnd(&stream);
}

static inline void fixture_decode(const uint8_t *raw, uint32_t size, void *context)
{
	if (record_decoder_read(context, raw, size))
		check_give_up();
}

/* The records of the chunks from @first on, zero-terminated; the caller frees it. */
static inline char *fixture_text(const struct stream_fixture *fixture, uint32_t first,
				 uint32_t count)
{
	struct record_text text = { .text = bytes_writer_with_max(1 << 28) };
	CLEANUP(record_decoder_free) struct record_decoder *decoder = NULL;

	if (record_decoder_new(&record_text_visitor, &text, &decoder))
		check_give_up();
	fixture_inflate(fixture, first, count, fixture_decode, decoder);
	bytes_write_u8(&text.text, 0);
	return (char *)text.text.bytes;
}

#endif
