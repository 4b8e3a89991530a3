/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sample costs behind its ids: nanoseconds in the profile and the encoder, bytes in the
 * window and the file, nanoseconds to read it back; and the memory of an hour of 64 busy CPUs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "profile/chunk.h"
#include "profile/profile.h"
#include "profile/sample_window.h"
#include "stream/capture_reader.h"
#include "stream/capture_writer.h"
#include "stream/record_decoder.h"
#include "stream/record_encoder.h"
#include "synthetic_load.h"

#define START_US UINT64_C(1700000000000000)
#define START_MONO_NS UINT64_C(5000000000)

static double now_s(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu_s(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fail(const char *what)
{
	fprintf(stderr, "bench_stream: %s\n", what);
	exit(1);
}

struct feed {
	struct synthetic_load load;
	struct profile *profile;
	struct record_encoder *encoder;
	struct sample_window *window;
	struct capture_writer *writer;
	uint64_t last_flush_ns;
	uint64_t last_time_ns;
	double encode_s;
	uint64_t new_stacks;
	uint32_t segments;
};

static void keep_chunk(struct chunk *chunk, void *context)
{
	struct feed *feed = context;

	if (feed->window && sample_window_add(feed->window, chunk) < 0)
		fail("no memory for the window");
	if (feed->writer)
		capture_writer_add(feed->writer, chunk);
}

static void open_segment(struct feed *feed, uint64_t mono_ns)
{
	struct segment_start start = {
		.start_us = START_US + (mono_ns - START_MONO_NS) / 1000,
		.start_mono_ns = mono_ns,
		.frequency_mhz = feed->load.options.frequency_hz * 1000,
		.cpu_count = feed->load.options.cpu_count,
		.event = WIRE_EVENT_CPU_CLOCK,
		.meta = { [WIRE_META_HOST] = "synthetic" },
	};

	synthetic_new_segment(&feed->load);
	if (record_encoder_open(feed->encoder, &start) < 0)
		fail("no memory for a segment");
	feed->segments++;
}

static void feed_open(struct feed *feed, const struct synthetic_options *options)
{
	struct record_encoder_options encoder = {
		.instance_id = 1,
		.sink = keep_chunk,
		.context = feed,
	};

	synthetic_load_init(&feed->load, options, START_MONO_NS);
	if (profile_new(&feed->profile) < 0)
		fail("no memory for the profile");
	encoder.profile = feed->profile;
	if (record_encoder_new(&encoder, &feed->encoder) < 0)
		fail("no memory for the encoder");
	feed->last_flush_ns = feed->last_time_ns = START_MONO_NS;
	open_segment(feed, START_MONO_NS);
}

static void flush(struct feed *feed, uint64_t mono_ns)
{
	double begin = cpu_s();

	record_encoder_flush(feed->encoder, mono_ns);
	feed->last_flush_ns = mono_ns;
	if (record_encoder_should_close(feed->encoder, mono_ns)) {
		record_encoder_close(feed->encoder, mono_ns);
		feed->new_stacks += feed->profile->stacks.row_count;
		open_segment(feed, mono_ns);
	}
	feed->encode_s += cpu_s() - begin;
}

/* Adds samples up to @count in all, flushing each @interval_ns of their time. */
static void feed_run(struct feed *feed, uint64_t count, uint64_t interval_ns)
{
	while (feed->load.sample_count < count) {
		struct profile_sample sample;
		int r = synthetic_next(&feed->load, feed->profile, &sample);

		if (!r)
			r = profile_sample(feed->profile, &sample);
		if (r)
			fail("the profile is full: the load is not meant to do that");
		feed->last_time_ns = sample.time_ns;
		if (sample.time_ns - feed->last_flush_ns >= interval_ns ||
		    profile_should_flush(feed->profile))
			flush(feed, sample.time_ns);
	}
}

static void feed_close(struct feed *feed)
{
	record_encoder_close(feed->encoder, feed->last_time_ns);
	feed->new_stacks += feed->profile->stacks.row_count;
	record_encoder_free(feed->encoder);
	profile_free(feed->profile);
	synthetic_load_free(&feed->load);
}

static const struct synthetic_options varied = {
	.cpu_count = 2,
	.frequency_hz = 99,
	.program_count = 8,
	.functions_per_program = 1500,
	.thread_count = 24,
	.return_percent = 62,
	.switch_percent = 15,
};

static const struct synthetic_options busy_host = {
	.cpu_count = 64,
	.frequency_hz = 99,
	.program_count = 24,
	.functions_per_program = 500,
	.thread_count = 400,
	.return_percent = 40,
	.switch_percent = 15,
};

/* --- one sample of a known thread and stack ---------------------------------------------------- */

static void bench_known_stack(void)
{
	enum { COUNT = 60000, ROUNDS = 100 };
	static struct profile_sample samples[COUNT];
	struct feed feed = { 0 };
	double begin, add_s = 0;

	feed_open(&feed, &busy_host);
	for (uint32_t i = 0; i < COUNT; i++)
		if (synthetic_next(&feed.load, feed.profile, &samples[i]))
			fail("the profile is full");
	for (uint32_t round = 0; round < ROUNDS; round++) {
		begin = cpu_s();
		for (uint32_t i = 0; i < COUNT; i++)
			profile_sample(feed.profile, &samples[i]);
		add_s += cpu_s() - begin;
		feed.profile->pending.sample_count = 0;
	}
	printf("profile_sample, known thread and stack    %8.1f ns a sample\n",
	       add_s * 1e9 / COUNT / ROUNDS);
	feed_close(&feed);
}

/* --- encode and deflate ------------------------------------------------------------------------- */

static void bench_encode(const char *name, const struct synthetic_options *options,
			 uint64_t seconds, uint64_t interval_ns)
{
	struct feed feed = { 0 };
	uint64_t count = seconds * options->cpu_count * options->frequency_hz;
	struct record_encoder_counters counters;

	feed_open(&feed, options);
	feed_run(&feed, count, interval_ns);
	record_encoder_flush(feed.encoder, feed.last_time_ns);
	counters = record_encoder_counters(feed.encoder);
	printf("%-41s %8.1f ns a sample to encode and deflate\n", name,
	       feed.encode_s * 1e9 / (double)count);
	printf("%-41s %8.2f bytes a sample deflated, %.2f raw\n", "",
	       (double)counters.stored_bytes / (double)count,
	       (double)counters.raw_bytes / (double)count);
	feed.new_stacks += feed.profile->stacks.row_count;
	printf("%-41s %8.2f new rows of stacks a sample, %u segments\n", "",
	       (double)feed.new_stacks / (double)count, feed.segments);
	feed_close(&feed);
}

/* --- decode -------------------------------------------------------------------------------------- */

static void count_samples(void *context, const struct record_samples *samples)
{
	*(uint64_t *)context += samples->count;
}

static void bench_decode(void)
{
	static const struct record_visitor visitor = { .samples = count_samples };
	char path[] = "/tmp/bench_stream_XXXXXX";
	struct capture_writer_options options = { .path = path, .fd = mkstemp(path) };
	struct capture_reader *reader;
	struct feed feed = { 0 };
	uint64_t count = 0;
	double begin;

	options.queue_max = UINT64_C(1) << 30;
	if (options.fd < 0 || capture_writer_open(&options, &feed.writer))
		fail("cannot write a capture to /tmp");
	feed_open(&feed, &busy_host);
	feed_run(&feed, 1200000, 1000000000);
	feed_close(&feed);
	if (capture_writer_finish_wait(feed.writer, 20000) < 0)
		fail("the capture was not finished");
	capture_writer_free(feed.writer);
	if (capture_reader_open(path, &reader))
		fail("the capture does not open");
	begin = now_s();
	for (uint32_t i = 0; i < capture_reader_segment_count(reader); i++)
		if (capture_reader_visit(reader, i, &visitor, &count))
			fail("the capture is damaged");
	printf("capture of %" PRIu64
	       " samples, %.1f MiB        %8.1f million samples a second read\n",
	       count, (double)capture_reader_size(reader) / 1048576,
	       (double)count / (now_s() - begin) / 1e6);
	capture_reader_free(reader);
	unlink(path);
}

/* --- an hour in memory ---------------------------------------------------------------------------- */

static void bench_window(void)
{
	const uint64_t seconds = 3600;
	struct sample_window_options options = { .bytes_max = UINT64_C(1) << 32 };
	struct feed feed = { 0 };
	uint64_t count = seconds * busy_host.cpu_count * busy_host.frequency_hz;

	if (sample_window_new(&options, &feed.window) < 0)
		fail("no memory for the window");
	feed_open(&feed, &busy_host);
	feed_run(&feed, count, 1000000000);
	printf("window of %" PRIu64
	       " samples: 1 h, 64 CPUs    %8.1f MiB (target 256), %.2f bytes a sample\n",
	       count, (double)sample_window_bytes(feed.window) / 1048576,
	       (double)sample_window_bytes(feed.window) / (double)count);
	printf("%-41s %8.1f MiB of tables and buffers of the open segment\n", "",
	       (double)profile_memory(feed.profile) / 1048576);
	feed_close(&feed);
	sample_window_free(feed.window);
}

int main(void)
{
	bench_known_stack();
	bench_encode("64 busy CPUs, a flush a second", &busy_host, 120, 1000000000);
	bench_encode("64 busy CPUs, 20 flushes a second", &busy_host, 120, 50000000);
	bench_encode("2 CPUs of compilers, a flush a second", &varied, 600, 1000000000);
	bench_encode("2 CPUs of compilers, 20 a second", &varied, 600, 50000000);
	bench_decode();
	bench_window();
	return 0;
}
