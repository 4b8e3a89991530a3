/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sample costs behind its ids: nanoseconds in the profile and the encoder, bytes in the
 * window and the file, nanoseconds to read it back; and the memory of an hour of 64 busy CPUs.
 */
#include "stream/record_decoder.h"
#include "synthetic_feed.h"

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
	enum { ROUNDS = 5 };
	static const struct record_visitor visitor = { .samples = count_samples };
	struct capture_reader *reader = feed_capture(&busy_host, 1200000);
	double best_s = 1e9, best_cpu_s = 1e9;
	uint64_t count = 0;

	/* The best of several: what others do meanwhile is not ours. A thread reads ahead. */
	for (int round = 0; round < ROUNDS; round++) {
		double begin = now_s(), begin_cpu = cpu_s();

		count = 0;
		for (uint32_t i = 0; i < capture_reader_segment_count(reader); i++)
			if (capture_reader_visit(reader, i, &visitor, &count))
				fail("the capture is damaged");
		best_s = now_s() - begin < best_s ? now_s() - begin : best_s;
		best_cpu_s = cpu_s() - begin_cpu < best_cpu_s ? cpu_s() - begin_cpu : best_cpu_s;
	}
	printf("capture of %" PRIu64 " samples, %.1f MiB        %8.1f million samples a second "
	       "read, %.1f of its CPU time\n",
	       count, (double)capture_reader_size(reader) / 1048576, (double)count / best_s / 1e6,
	       (double)count / best_cpu_s / 1e6);
	capture_reader_free(reader);
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
