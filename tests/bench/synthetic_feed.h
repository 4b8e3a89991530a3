/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For benches: a synthetic load fed through the profile and the encoder into a window or a file, as the
 * pipeline does it.
 */
#ifndef FLICKERSCOPE_SYNTHETIC_FEED_H
#define FLICKERSCOPE_SYNTHETIC_FEED_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "profile/chunk.h"
#include "profile/profile.h"
#include "profile/sample_window.h"
#include "stream/capture_reader.h"
#include "stream/capture_writer.h"
#include "stream/record_encoder.h"
#include "synthetic_load.h"

#define START_US UINT64_C(1700000000000000)
#define START_MONO_NS UINT64_C(5000000000)

static inline double now_s(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static inline double cpu_s(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static inline void fail(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
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
	double encode_s; /* the window included */
	double window_s;
	uint64_t new_stacks;
	uint32_t segments;
};

static inline void keep_chunk(struct chunk *chunk, void *context)
{
	struct feed *feed = context;
	double begin = cpu_s();

	if (feed->window && sample_window_add(feed->window, chunk) < 0)
		fail("no memory for the window");
	feed->window_s += cpu_s() - begin;
	if (feed->writer)
		capture_writer_add(feed->writer, chunk);
}

static inline void open_segment(struct feed *feed, uint64_t mono_ns)
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

static inline void feed_open(struct feed *feed, const struct synthetic_options *options)
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

static inline void flush(struct feed *feed, uint64_t mono_ns)
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
static inline void feed_run(struct feed *feed, uint64_t count, uint64_t interval_ns)
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

static inline void feed_close(struct feed *feed)
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

/* A capture of @count samples, of a file that is gone already. */
static inline struct capture_reader *feed_capture(const struct synthetic_options *load,
						  uint64_t count)
{
	char path[] = "/tmp/flickerscope-bench-XXXXXX";
	struct capture_writer_options options = { .path = path, .fd = mkstemp(path) };
	struct capture_reader *reader;
	struct feed feed = { 0 };

	options.queue_max = UINT64_C(1) << 30;
	if (options.fd < 0 || capture_writer_open(&options, &feed.writer))
		fail("cannot write a capture to /tmp");
	feed_open(&feed, load);
	feed_run(&feed, count, 1000000000);
	feed_close(&feed);
	if (capture_writer_finish_wait(feed.writer, 60000) < 0)
		fail("the capture was not finished");
	capture_writer_free(feed.writer);
	if (capture_reader_open(path, &reader))
		fail("the capture does not open");
	unlink(path);
	return reader;
}

#endif
