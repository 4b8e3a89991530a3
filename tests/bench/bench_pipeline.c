/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sample of a known stack costs on its way through the agent: from the ring to the window, as
 * agent/pipeline.c passes it on, with the sampler's session and its BPF maps replaced by what stands below.
 *
 *	bench_pipeline [DRAINS]
 *
 * Instructions, which do not depend on what else runs:
 *
 *	valgrind --tool=callgrind --toggle-collect=pipeline_flush build/release/bin/bench_pipeline 200
 */
#include "pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "collect/perf_ring.h"
#include "collect/sample_drain.h"
#include "collect/sample_ring.h"
#include "collect/sampler_session.h"
#include "collect/side_band.h"
#include "fake_rings.h"
#include "privileged/unwind_maps.h"

enum {
	CPUS = 2,
	FREQUENCY_HZ = 999,
	FRAMES = 36,
	LEAVES = 48, /* distinct addresses at which the same calls were interrupted */
	DRAINS_DEFAULT = 400,
	DRAINS_FIRST = 20, /* in which stacks become known */
	OTHERS_SIZE = 64 << 20,
	CACHE_LINE_SIZE = 64,
	DRAIN_SAMPLES = 100, /* those of two CPUs in 50 ms; a ring holds 180 */
};

static void fail(const char *what)
{
	fprintf(stderr, "bench_pipeline: %s\n", what);
	exit(1);
}

/* --- in the place of the kernel ---------------------------------------------------------------- */

struct sampler_session {
	struct fake_bpf_ring kernel_ring;
	struct fake_perf_ring kernel_events;
	struct sample_ring *rings[1];
	struct side_band *side_band;
	struct sample_drain drain;
	uint32_t cpus[CPUS];
	uint64_t time_ns; /* of the last sample */
	uint32_t sample_count;
	int fd;
};

static struct sampler_session fake;

uint64_t sampler_ring_size(uint32_t frequency_hz, uint32_t cpu_count)
{
	return FAKE_RING_SIZE;
}

int sampler_session_open(const struct sampler_options *options,
			 struct sampler_session **ret_session)
{
	struct perf_ring *events = NULL;

	fake.kernel_ring = fake_bpf_ring_new();
	fake.kernel_events = fake_perf_ring_new();
	fake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fake.fd < 0 ||
	    sample_ring_open(fake.kernel_ring.fd, FAKE_RING_SIZE, &fake.rings[0]) < 0 ||
	    perf_ring_open(fake.kernel_events.fd, FAKE_RING_SIZE, &events) < 0 ||
	    side_band_new(&fake.side_band) < 0)
		fail("no memory for the rings");
	side_band_add_ring(fake.side_band, 0, events);
	fake.drain = (struct sample_drain){
		.rings = fake.rings,
		.ring_count = 1,
		.side_band = fake.side_band,
		.turn_ns = SAMPLE_DRAIN_TURN_NS,
	};
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		fake.cpus[cpu] = cpu;
	fake.time_ns = monotonic_ns();
	*ret_session = &fake;
	return 0;
}

void sampler_session_free(struct sampler_session *session)
{
	if (!session)
		return;
	sample_ring_free(session->rings[0]);
	side_band_free(session->side_band);
	fake_bpf_ring_free(&session->kernel_ring);
	fake_perf_ring_free(&session->kernel_events);
	close(session->fd);
}

uint64_t sampler_session_drain(struct sampler_session *session, const struct sampler_sink *sink)
{
	return sample_drain_until(&session->drain, session->time_ns, sink);
}

uint64_t sampler_session_drain_all(struct sampler_session *session, const struct sampler_sink *sink)
{
	return sampler_session_drain(session, sink);
}

size_t sampler_session_cpus(const struct sampler_session *session, const uint32_t **ret_cpus)
{
	*ret_cpus = session->cpus;
	return CPUS;
}

int sampler_session_fd(const struct sampler_session *session)
{
	return session->fd;
}

uint32_t sampler_session_rate(struct sampler_session *session, uint32_t cpu)
{
	return FREQUENCY_HZ * 1000;
}

const char *sampler_session_kernel_name(const struct sampler_session *session, uint64_t address)
{
	return "vfs_read";
}

void sampler_session_counters(const struct sampler_session *session,
			      uint64_t ret_values[SAMPLER_COUNTER_COUNT])
{
	memset(ret_values, 0, SAMPLER_COUNTER_COUNT * sizeof(*ret_values));
}

void sampler_session_statistics(const struct sampler_session *session,
				struct sampler_session_statistics *ret_statistics)
{
	*ret_statistics = session->drain.statistics;
}

int sampler_session_run_time(const struct sampler_session *session, uint64_t *ret_time_ns,
			     uint64_t *ret_runs)
{
	return -EOPNOTSUPP;
}

int sampler_session_follow_cpus(struct sampler_session *session)
{
	return 0;
}

int sampler_session_set_rate(struct sampler_session *session, uint32_t frequency_hz)
{
	return 0;
}

void sampler_session_ask(struct sampler_session *session, struct privileged_process *privileged)
{
}

void sampler_session_stop(struct sampler_session *session)
{
}

/* Maps of the walks, which nobody walks by. */
struct unwind_maps {
	struct unwind_page_rows *pages;
	struct unwind_mapping *mappings;
};

int sampler_session_unwind_maps(const struct sampler_session *session,
				struct privileged_process *privileged,
				struct unwind_maps **ret_maps)
{
	static struct unwind_maps maps;

	maps.pages = calloc(UNWIND_PAGES_MAX, sizeof(*maps.pages));
	maps.mappings = calloc(UNWIND_MAPPINGS_MAX, sizeof(*maps.mappings));
	if (!maps.pages || !maps.mappings)
		return -ENOMEM;
	*ret_maps = &maps;
	return 0;
}

void unwind_maps_free(struct unwind_maps *maps)
{
	if (!maps)
		return;
	free(maps->pages);
	free(maps->mappings);
}

struct unwind_page_rows *unwind_maps_pages(struct unwind_maps *maps)
{
	return maps->pages;
}

struct unwind_mapping *unwind_maps_mappings(struct unwind_maps *maps)
{
	return maps->mappings;
}

struct unwind_row *unwind_maps_slab(const struct unwind_maps *maps, uint32_t index)
{
	return NULL;
}

int unwind_maps_add_slabs(struct unwind_maps *maps, uint32_t first, uint32_t count)
{
	return -ENOMEM;
}

int unwind_maps_create_slab(int *ret_fd)
{
	return -EOPNOTSUPP;
}

void unwind_maps_remove_slab(struct unwind_maps *maps, uint32_t index)
{
}

int unwind_maps_set_process(struct unwind_maps *maps, const struct unwind_process *process)
{
	return 0;
}

bool unwind_maps_teach_file(const struct unwind_maps *maps, int fd,
			    const struct unwind_file_table *table)
{
	return true;
}

void unwind_maps_remove_process(struct unwind_maps *maps, uint32_t pid, uint32_t generation)
{
}

/* --- samples ----------------------------------------------------------------------------------- */

/* Two threads that are busy, each on a CPU, in a loop at the end of the same calls. */
static void append_sample(void)
{
	uint64_t words[sizeof(struct sample_event) / 8 + FRAMES] = { 0 };
	struct sample_event *sample = (struct sample_event *)words;
	uint32_t number = fake.sample_count++;

	fake.time_ns += NS_PER_S / FREQUENCY_HZ / CPUS;
	sample->time_ns = fake.time_ns;
	sample->cpu = (uint16_t)(number % CPUS);
	sample->pid = (uint32_t)getpid();
	sample->tid = sample->pid + sample->cpu;
	sample->busy = SAMPLE_BUSY_THROUGHOUT;
	sample->user_frame_count = FRAMES;
	sample->user_status = STACK_COMPLETE;
	memcpy(sample->comm, "busy", 5);
	sample->frames[0] = (uint64_t)(uintptr_t)append_sample + number * 7 % LEAVES * 4;
	for (uint64_t i = 1; i < FRAMES; i++)
		sample->frames[i] = (uint64_t)(uintptr_t)append_sample + i * 16;
	fake_bpf_ring_append(&fake.kernel_ring, sizeof(words), words, sizeof(words));
}

static void append_samples(uint32_t count)
{
	while (count--)
		append_sample();
}

static double cpu_ns(void)
{
	return (double)clock_now_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* What others do between two drains: caches hold nothing of ours any more. */
static void empty_caches(void)
{
	static uint8_t others[OTHERS_SIZE];

	for (size_t i = 0; i < sizeof(others); i += CACHE_LINE_SIZE)
		others[i]++;
}

/* Returns the CPU time of the drains and flushes. */
static double run(struct pipeline *pipeline, struct loop *loop, uint32_t drains, bool cold)
{
	double spent_ns = 0;

	for (uint32_t drain = 0; drain < drains; drain++) {
		double begin;

		append_samples(DRAIN_SAMPLES);
		if (cold)
			empty_caches();
		begin = cpu_ns();
		pipeline_flush(pipeline);
		spent_ns += cpu_ns() - begin;
		loop_dispatch(loop, 0);
	}
	return spent_ns;
}

static void print(const char *what, double spent_ns, uint32_t drains)
{
	printf("known stack of %d frames, ring to window, %d a flush, %s  %7.1f ns a sample\n",
	       FRAMES, DRAIN_SAMPLES, what, spent_ns / drains / DRAIN_SAMPLES);
}

int main(int argc, char **argv)
{
	CLEANUP(loop_free) struct loop *loop = NULL;
	CLEANUP(pipeline_free) struct pipeline *pipeline = NULL;
	const struct pipeline_options options = {
		.sampler = { .frequency_hz = FREQUENCY_HZ, .user_frames = true, .unwind = true },
		.window_us = 600000000,
		.memory_bytes = 256 << 20,
	};
	uint32_t drains = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : DRAINS_DEFAULT;
	struct pipeline_options with_loop = options;
	struct pipeline_progress progress;

	if (loop_new(&loop) < 0)
		fail("no loop");
	with_loop.loop = loop;
	if (pipeline_new(&with_loop, &pipeline) < 0)
		fail("the pipeline does not start");
	run(pipeline, loop, DRAINS_FIRST, false);
	print("warm caches", run(pipeline, loop, drains, false), drains);
	print("cold caches", run(pipeline, loop, drains, true), drains);
	progress = pipeline_progress(pipeline);
	if (progress.samples != (uint64_t)(DRAINS_FIRST + 2 * drains) * DRAIN_SAMPLES ||
	    progress.samples_lost)
		fail("samples got lost");
	return 0;
}
