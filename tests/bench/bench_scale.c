/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How costs grow with the CPUs of a host and with the length of the window, on a synthetic feed.
 *
 *	bench_scale                     a table, from 1 to 1,024 CPUs
 *	bench_scale SECONDS TOKEN_PATH  a window as long as that, full; then serves it until SIGTERM
 *
 * The second prints the cells of a row, "samples | segments | ...", then the page's address; scale/window.mjs
 * looks at it as a page does.
 */
#include <signal.h>

#include "base/loop.h"
#include "collect/perf_ring.h"
#include "collect/sample_drain.h"
#include "collect/sample_ring.h"
#include "collect/sampler_session.h"
#include "collect/side_band.h"
#include "fake_rings.h"
#include "serve/control.h"
#include "serve/server.h"
#include "synthetic_feed.h"

enum {
	FREQUENCY_HZ = 99,
	SAMPLES_MAX = 1500000, /* of a row */
	SECONDS_LEAST = 10,
	SECONDS_MOST = 600,
	DRAINS = 40,
	DRAIN_SAMPLES = 5, /* of a CPU: 20 drains a second */
	FRAMES = 36,
	WINDOW_CPUS = 8,
	FULL_SECONDS = 600, /* fed after the window is full */
};

#define MIB 1048576.0

/* A host with so many CPUs, all busy: threads and programs grow with them. */
static struct synthetic_options host_of(uint32_t cpus)
{
	struct synthetic_options options = busy_host;

	options.cpu_count = cpus;
	options.thread_count = 8 + 6 * cpus;
	options.program_count = 2 + cpus / 3;
	return options;
}

/* --- from the rings, in order of time ------------------------------------------------------------ */

static void count_sample(void *context, const struct sample_event *sample)
{
	*(uint64_t *)context += sample->user_frame_count > 0;
}

struct rings {
	struct fake_bpf_ring kernel[SAMPLE_RINGS_MAX];
	struct sample_ring *rings[SAMPLE_RINGS_MAX];
	struct fake_perf_ring events;
	struct side_band *side_band;
	struct sample_drain drain;
};

static void rings_open(struct rings *rings, uint32_t cpus)
{
	struct perf_ring *events = NULL;
	size_t count = (cpus + SAMPLE_RING_CPUS - 1) / SAMPLE_RING_CPUS;

	*rings = (struct rings){ .events = fake_perf_ring_new() };
	for (size_t i = 0; i < count; i++) {
		rings->kernel[i] = fake_bpf_ring_new();
		if (sample_ring_open(rings->kernel[i].fd, FAKE_RING_SIZE, &rings->rings[i]) < 0)
			fail("no memory for a ring");
	}
	if (perf_ring_open(rings->events.fd, FAKE_RING_SIZE, &events) < 0 ||
	    side_band_new(&rings->side_band) < 0)
		fail("no memory for the side band");
	side_band_add_ring(rings->side_band, 0, events);
	rings->drain = (struct sample_drain){
		.rings = rings->rings,
		.ring_count = count,
		.side_band = rings->side_band,
	};
}

static void rings_close(struct rings *rings)
{
	for (size_t i = 0; i < rings->drain.ring_count; i++) {
		sample_ring_free(rings->rings[i]);
		fake_bpf_ring_free(&rings->kernel[i]);
	}
	side_band_free(rings->side_band);
	fake_perf_ring_free(&rings->events);
}

static double drain_ns(uint32_t cpus)
{
	const uint64_t period_ns = 1000000000 / FREQUENCY_HZ;
	uint64_t count = 0, start_ns = START_MONO_NS;
	const struct sampler_sink sink = { .context = &count, .sample = count_sample };
	struct rings rings;
	double drained_s = 0;

	rings_open(&rings, cpus);
	for (int drain = 0; drain < DRAINS; drain++, start_ns += DRAIN_SAMPLES * period_ns) {
		double begin;

		for (uint32_t i = 0; i < DRAIN_SAMPLES * cpus; i++)
			fake_bpf_ring_append_sample(&rings.kernel[i % cpus / SAMPLE_RING_CPUS],
						    start_ns + i / cpus * period_ns +
							    period_ns / cpus * (i % cpus),
						    i % cpus, FRAMES);
		begin = cpu_s();
		sample_drain_until(&rings.drain, start_ns + DRAIN_SAMPLES * period_ns, &sink);
		drained_s += cpu_s() - begin;
	}
	rings_close(&rings);
	if (count != (uint64_t)DRAINS * DRAIN_SAMPLES * cpus)
		fail("samples got lost in the rings");
	return drained_s * 1e9 / (double)count;
}

/* --- from the ids to the window ------------------------------------------------------------------ */

struct cost {
	double encode_ns; /* a sample, deflating included */
	double window_ns;
	double bytes;
	double segment_s; /* how long a segment gets */
	double table_mib;
	double window_mib; /* a minute */
};

static struct cost cost_of(uint32_t cpus, uint64_t interval_ns)
{
	const struct synthetic_options options = host_of(cpus);
	uint64_t seconds = SAMPLES_MAX / (cpus * FREQUENCY_HZ), count;
	struct sample_window_options window = { .bytes_max = UINT64_C(1) << 32 };
	struct feed feed = { 0 };
	struct cost cost;

	if (seconds < SECONDS_LEAST)
		seconds = SECONDS_LEAST;
	if (seconds > SECONDS_MOST)
		seconds = SECONDS_MOST;
	count = seconds * cpus * FREQUENCY_HZ;
	if (sample_window_new(&window, &feed.window) < 0)
		fail("no memory for the window");
	feed_open(&feed, &options);
	feed_run(&feed, count, interval_ns);
	record_encoder_flush(feed.encoder, feed.last_time_ns);
	cost = (struct cost){
		.encode_ns = (feed.encode_s - feed.window_s) * 1e9 / (double)count,
		.window_ns = feed.window_s * 1e9 / (double)count,
		.bytes = (double)record_encoder_counters(feed.encoder).stored_bytes / (double)count,
		.segment_s = (double)seconds / feed.segments,
		.table_mib = (double)profile_memory(feed.profile) / MIB,
		.window_mib = (double)sample_window_bytes(feed.window) / MIB * 60 / (double)seconds,
	};
	feed_close(&feed);
	sample_window_free(feed.window);
	return cost;
}

static void print_cpus(void)
{
	puts("| CPUs | from the rings, ns a sample | encode and deflate, ns a sample "
	     "| the same with a page, ns a sample | into the window, ns a sample "
	     "| in the window, B a sample | the same with a page, B a sample "
	     "| tables of the open segment, MiB | rings, MiB | a minute of window, MiB "
	     "| a segment, s |\n"
	     "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
	for (uint32_t cpus = 1; cpus <= SAMPLE_CPUS_MAX; cpus *= 2) {
		struct cost alone = cost_of(cpus, 1000000000), page = cost_of(cpus, 50000000);

		printf("| %u | %.0f | %.0f | %.0f | %.1f | %.2f | %.2f | %.1f | %.0f | %.2f | %.1f "
		       "|\n",
		       cpus, drain_ns(cpus), alone.encode_ns, page.encode_ns, alone.window_ns,
		       alone.bytes, page.bytes, alone.table_mib,
		       (double)sampler_ring_size(FREQUENCY_HZ, cpus) / MIB, alone.window_mib,
		       alone.segment_s);
		fflush(stdout);
	}
}

/* --- a long window ------------------------------------------------------------------------------- */

static double resident_mib(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (!file || fscanf(file, "%*u %lu", &pages) != 1)
		fail("cannot read /proc/self/statm");
	fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / MIB;
}

static void on_end(int signal, void *context)
{
	loop_stop(context, 0);
}

static void serve(const struct sample_window *window, const char *token_path)
{
	CLEANUP(loop_free) struct loop *loop = NULL;
	CLEANUP(server_free) struct server *server = NULL;
	CLEANUP(control_free) struct control *control = NULL;
	struct server_options options = {
		.window = window,
		.listen = "127.0.0.1:0",
		.token_path = token_path,
		.source = WIRE_SOURCE_LIVE,
		.instance_id = 1,
	};
	struct control_options control_options = { .window = window, .instance_id = 1 };

	if (loop_new(&loop) < 0 || loop_add_signal(loop, SIGTERM, on_end, loop) < 0)
		fail("no loop");
	options.loop = control_options.loop = loop;
	if (server_new(&options, &server) < 0)
		fail("no server");
	control_options.port = server_port(server);
	if (control_new(&control_options, &control) < 0)
		fail("no control socket");
	puts(server_url(server));
	fflush(stdout);
	server_run(server);
}

static void print_window(uint64_t seconds, const char *token_path)
{
	const struct synthetic_options options = host_of(WINDOW_CPUS);
	const struct sample_window_options window_options = { .span_us = seconds * 1000000,
							      .bytes_max = UINT64_C(1) << 34 };
	const uint64_t a_second = WINDOW_CPUS * FREQUENCY_HZ;
	struct sample_window *window;
	struct feed feed = { 0 };
	uint64_t evicted;
	double before_s, before_window_s;

	if (sample_window_new(&window_options, &window) < 0)
		fail("no memory for the window");
	feed.window = window;
	feed_open(&feed, &options);
	/* Two segments more, so that the oldest goes with each further one. */
	feed_run(&feed, (seconds + 120) * a_second, 1000000000);
	before_s = feed.encode_s;
	before_window_s = feed.window_s;
	evicted = sample_window_evicted_segments(window);
	feed_run(&feed, (seconds + 120 + FULL_SECONDS) * a_second, 1000000000);
	if (sample_window_evicted_segments(window) == evicted)
		fail("the window is not full");
	before_window_s = feed.window_s - before_window_s;
	before_s = feed.encode_s - before_s - before_window_s;
	printf("%" PRIu64 " | %u | %.1f | %.1f | %.0f | %.1f\n", seconds * a_second,
	       sample_window_newest(window) - sample_window_oldest(window) + 1,
	       (double)sample_window_bytes(window) / MIB, resident_mib(),
	       before_s * 1e9 / (double)(FULL_SECONDS * a_second),
	       before_window_s * 1e9 / (double)(FULL_SECONDS * a_second));
	serve(window, token_path);
	feed_close(&feed);
	sample_window_free(window);
}

int main(int argc, char **argv)
{
	if (argc == 3)
		print_window(strtoul(argv[1], NULL, 10), argv[2]);
	else
		print_cpus();
	return 0;
}
