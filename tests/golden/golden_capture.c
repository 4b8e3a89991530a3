/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The captures of the golden tests:
 *
 *   golden_capture write-small FILE  the small capture of these tests, by the encoder and the writer
 *   golden_capture write-rates FILE  one whose rate sinks to a quarter when its clock is set back
 *   golden_capture text FILE    the records of a capture, in words
 *   golden_capture info FILE    what `flickerscope info` shows of it; with --json, as JSON
 *   golden_capture raw FILE     the records of its first segment, inflated: for the fuzzer's corpus
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "capture_fixture.h"
#include "sample_abi.h"
#include "stream/capture_summary.h"

/* --- write -------------------------------------------------------------------------------------- */

static const struct profile_frame_row frames[] = {
	{ .module_key = 0xaa01,
	  .kind = WIRE_FRAME_PROGRAM,
	  .module_kind = WIRE_MODULE_FILE,
	  .name = "main",
	  .module_name = "/usr/bin/program",
	  .file = "main.c",
	  .line = 42,
	  .start = 0x1040 },
	{ .module_key = 0xaa02,
	  .kind = WIRE_FRAME_LIBRARY,
	  .module_kind = WIRE_MODULE_FILE,
	  .name = "qsort_r",
	  .module_name = "/usr/lib/libc.so.6",
	  .start = 0x3f2a0 },
	{ .module_key = 0xaa01,
	  .kind = WIRE_FRAME_INLINED,
	  .module_kind = WIRE_MODULE_FILE,
	  .name = "compare<gr\xc3\xb6\xc3\x9f"
		  "e>(\"a\\b\")",
	  .module_name = "/usr/bin/program",
	  .file = "compare.h",
	  .line = 7,
	  .start = 0x2000 },
	{ .module_key = 0xaa03,
	  .kind = WIRE_FRAME_LIBRARY,
	  .module_kind = WIRE_MODULE_FILE,
	  .module_name = "/opt/stripped.so",
	  .start = 0x77770 },
	{ .function_key = 0xcc04,
	  .module_key = 0xaa04,
	  .kind = WIRE_FRAME_KERNEL,
	  .module_kind = WIRE_MODULE_KERNEL,
	  .name = "do_syscall_64",
	  .module_name = "vmlinux" },
	{ .function_key = 0xcc05,
	  .module_key = 0xaa05,
	  .kind = WIRE_FRAME_JIT,
	  .module_kind = WIRE_MODULE_JIT,
	  .name = "LazyCompile:~run app.js:1",
	  .module_name = "perf-1234.map" },
	{ .kind = WIRE_FRAME_UNRESOLVED },
};

/* Frames by index, root first; -1 ends. */
static const int stacks[][6] = {
	{ 0, 1, 2, -1 }, { 0, 1, 4, -1 }, { 0, 3, -1 }, { 0, 5, 5, 5, -1 }, { 6, -1 }, { -1 },
};

static uint32_t add_stack(struct profile *profile, const int *indices)
{
	uint32_t stack = 0, frame;

	for (; *indices >= 0; indices++) {
		struct profile_frame_row row = frames[*indices];
		uint64_t start = htole64(row.start);

		if (row.module_key && !row.function_key)
			row.function_key = stable_key(&start, sizeof(start), row.module_key);
		if (profile_frame(profile, &row, &frame) ||
		    profile_stack(profile, stack, frame, &stack))
			abort();
	}
	return stack;
}

static void add_samples(struct stream_fixture *stream, uint64_t begin_ns)
{
	static const struct profile_thread_row threads[] = {
		{ .tid = 101,
		  .pid = 100,
		  .process_start_ns = 12345678901,
		  .comm = "worker",
		  .process_name = "program",
		  .cgroup = "/system.slice/program.service" },
		{ .tid = 200,
		  .pid = 200,
		  .process_start_ns = 22345678901,
		  .comm = "evil\x1b[31m",
		  .process_name = "evil\x1b[31m",
		  .cgroup = "/docker/0123",
		  .container = "0123" },
		{ .tid = 2, .pid = 2, .comm = "kthreadd" },
	};

	for (uint32_t i = 0; i < 24; i++) {
		struct profile_sample sample = {
			.time_ns =
				begin_ns + i / 2 * 10101000 + i * 17 % 5 * 1000 + i % 2 * 5000000,
			.cpu = i % 2,
			.stack_id = add_stack(stream->profile, stacks[i * 7 % ARRAY_SIZE(stacks)]),
			.user_status = i % 9 == 8 ? STACK_NO_ROW : STACK_COMPLETE,
			.kernel_status = i % 6 == 1 ? STACK_COMPLETE : STACK_NONE,
			.busy = i < 8 ? SAMPLE_BUSY_THROUGHOUT : i % 3,
		};

		if (profile_thread(stream->profile, &threads[i % 5 % ARRAY_SIZE(threads)],
				   &sample.thread_id) ||
		    profile_sample(stream->profile, &sample))
			abort();
	}
}

static void add_second(struct stream_fixture *stream, uint64_t second)
{
	const struct record_rate rates[] = { { 0, 98990 }, { 1, 0 } };
	uint64_t begin_ns = FIXTURE_START_NS + second * 1000000000;
	uint64_t counters[WIRE_COUNTER_COUNT] = { 0 };

	add_samples(stream, second ? begin_ns : begin_ns - 3000);
	counters[WIRE_COUNTER_SAMPLES] = (second + 1) * 24;
	counters[WIRE_COUNTER_LOST_RING_FULL] = second * 5;
	counters[WIRE_COUNTER_AGENT_RSS_BYTES] = 23456789;
	/* Wall clock times that fit a double, so that the page prints the same digits. */
	record_encoder_add_clock(stream->encoder, begin_ns + 990000000,
				 1700000001024000000 + second * 1024000000);
	record_encoder_add_rates(stream->encoder, begin_ns + 990000000, rates, 2);
	record_encoder_add_counters(stream->encoder, begin_ns + 990000000, counters);
	if (second == 1)
		record_encoder_add_gap(stream->encoder, begin_ns + 500000000, begin_ns + 520000000,
				       WIRE_GAP_RING_FULL, 5);
	if (second == 2)
		record_encoder_add_gap_us(stream->encoder, FIXTURE_START_US + 1990000,
					  FIXTURE_START_US + 2000000, WIRE_GAP_CLOCK_STEP, 0);
	if (second == 1 &&
	    record_encoder_add_late_name(stream->encoder, 0xcc04, 0xcc04, "x64_sys_call"))
		abort();
}

static void fill_small(struct stream_fixture *stream)
{
	for (uint64_t second = 0; second < 4; second++) {
		uint64_t end_ns = FIXTURE_START_NS + (second + 1) * 1000000000;

		if (second == 2)
			fixture_open_segment(stream, 2);
		add_second(stream, second);
		if (second % 2)
			fixture_close(stream, end_ns);
		else
			fixture_flush(stream, end_ns);
	}
}

/* A second at 99 Hz, the clock set back by ten, a second at 24.75 Hz. */
static void fill_rates(struct stream_fixture *stream)
{
	struct segment_start later = {
		.start_us = FIXTURE_START_US + 2000000,
		.start_mono_ns = FIXTURE_START_NS + 1000000000,
		.wall_shift_s = 11,
		.frequency_mhz = 24750,
		.cpu_count = 2,
		.event = WIRE_EVENT_CPU_CLOCK,
	};

	add_samples(stream, FIXTURE_START_NS);
	fixture_close(stream, FIXTURE_START_NS + 1000000000);
	if (record_encoder_open(stream->encoder, &later))
		abort();
	record_encoder_add_gap_us(stream->encoder, FIXTURE_START_US + 1000000,
				  FIXTURE_START_US + 2000000, WIRE_GAP_CLOCK_STEP, 0);
	add_samples(stream, FIXTURE_START_NS + 1000000000);
	fixture_close(stream, FIXTURE_START_NS + 2000000000);
}

static int write_capture(const char *path, void (*fill)(struct stream_fixture *stream))
{
	struct capture_writer_options options = { .path = path, .fd = -1, .force = true };
	struct capture_writer *writer;
	struct stream_fixture stream;

	fixture_init(&stream);
	fill(&stream);
	options.instance_id = 0x1122334455667788;
	if (capture_writer_open(&options, &writer))
		return 1;
	for (uint32_t i = 0; i < stream.chunk_count; i++)
		capture_writer_add(writer, stream.chunks[i]);
	if (capture_writer_finish_wait(writer, CAPTURE_WAIT_MS) < 0)
		return 1;
	capture_writer_free(writer);
	fixture_free(&stream);
	return 0;
}

/* --- text: what the page's reader tells too, in the same words (records_text.mjs) --------------- */

/* Strings as in JSON, so that any byte can be seen. */
static void json_text(void *context, const char *what, uint32_t id, const char *text, uint32_t size)
{
	char escaped[WIRE_STRING_SIZE_MAX * 6];

	record_print(context, "%s %u \"%.*s\"\n", what, id,
		     (int)escape_json(text, size, escaped, sizeof(escaped)), escaped);
}

static void text_json_meta(void *context, uint32_t meta, const char *text, uint32_t size)
{
	json_text(context, "meta", meta, text, size);
}

static void text_json_string(void *context, uint32_t id, const char *bytes, uint32_t size)
{
	json_text(context, "string", id, bytes, size);
}

/* The page does not need the monotonic clock of the start. */
static void text_page_segment(void *context, const struct wire_segment_head *head)
{
	record_print(context,
		     "segment %u instance %" PRIx64 " start %" PRIu64
		     " shift %u rate %u cpus %u event %u\n",
		     head->segment, (uint64_t)head->instance_id, (uint64_t)head->start_us,
		     head->wall_shift_s, head->frequency_mhz, head->cpu_count, head->event);
}

static int print_capture(const char *path)
{
	struct record_visitor visitor = record_text_visitor;
	struct record_text text = { bytes_writer_with_max(1 << 24) };
	struct capture_reader *reader;
	int r = 0;

	visitor.segment = text_page_segment;
	visitor.meta = text_json_meta;
	visitor.string = text_json_string;
	if (capture_reader_open(path, &reader))
		return 1;
	for (uint32_t i = 0; i < capture_reader_segment_count(reader) && !r; i++)
		r = capture_reader_visit(reader, i, &visitor, &text);
	fwrite(text.text.bytes, 1, text.text.size, stdout);
	capture_reader_free(reader);
	bytes_writer_free(&text.text);
	return r ? 1 : 0;
}

/* --- info and raw ------------------------------------------------------------------------------- */

static int print_info(const char *path, bool as_json)
{
	struct capture_reader *reader;
	struct capture_summary summary;
	int r;

	if (capture_reader_open(path, &reader))
		return 1;
	r = capture_summary_read(reader, &summary);
	capture_reader_free(reader);
	if (r < 0)
		return 1;
	if (as_json)
		capture_summary_print_json(stdout, "capture", &summary);
	else
		capture_summary_print(stdout, "capture", &summary);
	return 0;
}

static int keep_chunk(struct chunk *chunk, void *context)
{
	fixture_keep(chunk, context);
	return 0;
}

static void write_raw(const uint8_t *raw, uint32_t size, void *context)
{
	fwrite(raw, 1, size, stdout);
}

static int print_raw(const char *path)
{
	struct capture_reader *reader;
	struct stream_fixture stream = { 0 };

	if (capture_reader_open(path, &reader) ||
	    capture_reader_chunks(reader, 0, keep_chunk, &stream))
		return 1;
	fixture_inflate(&stream, 0, stream.chunk_count, write_raw, NULL);
	capture_reader_free(reader);
	fixture_free(&stream);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";

	if (strcmp(verb, "write-small") == 0)
		return write_capture(argv[2], fill_small);
	if (strcmp(verb, "write-rates") == 0)
		return write_capture(argv[2], fill_rates);
	if (strcmp(verb, "text") == 0)
		return print_capture(argv[2]);
	if (strcmp(verb, "info") == 0)
		return print_info(argv[2], argc > 3 && strcmp(argv[3], "--json") == 0);
	if (strcmp(verb, "raw") == 0)
		return print_raw(argv[2]);
	fprintf(stderr, "golden_capture write-small|write-rates|text|info|raw FILE\n");
	return 2;
}
