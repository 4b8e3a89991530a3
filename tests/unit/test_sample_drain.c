/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/sample_drain.h"

#include <time.h>

#include "check.h"
#include "collect/perf_ring.h"
#include "collect/sample_ring.h"
#include "collect/side_band.h"
#include "fake_rings.h"

enum { SEEN_MAX = 64, MANY_SAMPLES = 3 * SAMPLE_RING_GATHERED_MAX, CLOCK_TICK_MAX_NS = 10000000 };

/* What a sink was given: 'S' for samples, 'E' for process events, in order. */
struct seen {
	size_t count;
	size_t losses; /* of process events, among them */
	char kinds[SEEN_MAX + 1];
	uint64_t times[SEEN_MAX];
	char last_name[16];
	struct timespec pause; /* that each takes */
};

static void see(struct seen *seen, char kind, uint64_t time_ns)
{
	if (seen->pause.tv_nsec)
		nanosleep(&seen->pause, NULL);
	if (seen->count < SEEN_MAX) {
		seen->kinds[seen->count] = kind;
		seen->times[seen->count] = time_ns;
	}
	seen->count++;
}

static void see_sample(void *context, const struct sample_event *sample)
{
	see(context, 'S', sample->time_ns);
}

static void see_event(void *context, const struct side_band_event *event)
{
	struct seen *seen = context;

	see(seen, event->kind == SIDE_BAND_LOST ? 'L' : 'E', event->time_ns);
	seen->losses += event->kind == SIDE_BAND_LOST;
	snprintf(seen->last_name, sizeof(seen->last_name), "%s", event->name);
}

static void see_loss(void *context, const struct sampler_loss *loss)
{
	see(context, 'X', loss->start_ns);
}

/* Two BPF rings and one perf ring, read by one drain. */
struct stage {
	struct fake_bpf_ring fake_rings[2];
	struct fake_perf_ring fake_perf;
	struct sample_ring *rings[2];
	struct side_band *side_band;
	struct sample_drain drain;
	struct seen seen;
	struct sampler_sink sink;
};

static void stage_open(struct stage *stage)
{
	struct perf_ring *perf_ring = NULL;

	*stage = (struct stage){ 0 };
	for (size_t i = 0; i < 2; i++) {
		stage->fake_rings[i] = fake_bpf_ring_new();
		CHECK_EQ(
			sample_ring_open(stage->fake_rings[i].fd, FAKE_RING_SIZE, &stage->rings[i]),
			0);
	}
	stage->fake_perf = fake_perf_ring_new();
	CHECK_EQ(perf_ring_open(stage->fake_perf.fd, FAKE_RING_SIZE, &perf_ring), 0);
	CHECK_EQ(side_band_new(&stage->side_band), 0);
	side_band_add_ring(stage->side_band, 0, perf_ring);
	stage->drain = (struct sample_drain){
		.rings = stage->rings,
		.ring_count = 2,
		.side_band = stage->side_band,
	};
	stage->sink = (struct sampler_sink){ &stage->seen, see_sample, see_event, see_loss };
}

static void stage_close(struct stage *stage)
{
	for (size_t i = 0; i < 2; i++) {
		sample_ring_free(stage->rings[i]);
		fake_bpf_ring_free(&stage->fake_rings[i]);
	}
	side_band_free(stage->side_band);
	fake_perf_ring_free(&stage->fake_perf);
}

static void rings_and_side_band_are_merged_by_time(void)
{
	struct stage stage;

	stage_open(&stage);
	fake_bpf_ring_append_sample(&stage.fake_rings[0], 10, 0, 1);
	fake_bpf_ring_append_sample(&stage.fake_rings[0], 40, 0, 1);
	fake_bpf_ring_append_sample(&stage.fake_rings[1], 30, 16, 1);
	fake_perf_ring_append_comm(&stage.fake_perf, 20, 1, "first");
	fake_perf_ring_append_comm(&stage.fake_perf, 40, 1, "second");
	CHECK_EQ(sample_drain_until(&stage.drain, 100, &stage.sink), 100);
	/* At one time, the process event comes first. */
	CHECK_STR_EQ(stage.seen.kinds, "SESES");
	for (size_t i = 1; i < stage.seen.count; i++)
		CHECK(stage.seen.times[i - 1] <= stage.seen.times[i]);
	CHECK_STR_EQ(stage.seen.last_name, "second");
	CHECK_EQ(stage.drain.statistics.samples, 3);
	CHECK_EQ(stage.drain.statistics.process_events, 2);
	CHECK_EQ(stage.drain.statistics.out_of_order, 0);
	stage_close(&stage);
}

static void younger_ones_wait_for_older_ones(void)
{
	struct stage stage;

	stage_open(&stage);
	fake_bpf_ring_append_sample(&stage.fake_rings[0], 50, 0, 1);
	fake_perf_ring_append_comm(&stage.fake_perf, 60, 1, "kept");
	sample_drain_until(&stage.drain, 45, &stage.sink);
	CHECK_EQ(stage.seen.count, 0);
	CHECK(sample_drain_waits(&stage.drain));
	fake_bpf_ring_append_sample(&stage.fake_rings[1], 48, 16, 1);
	fake_perf_ring_append_comm(&stage.fake_perf, 49, 1, "older");
	sample_drain_until(&stage.drain, 100, &stage.sink);
	CHECK_STR_EQ(stage.seen.kinds, "SESE");
	CHECK_EQ(stage.seen.times[0], 48);
	CHECK_STR_EQ(stage.seen.last_name, "kept");
	CHECK(!sample_drain_waits(&stage.drain));
	stage_close(&stage);
}

static void what_comes_too_late_is_handed_over_and_counted(void)
{
	struct stage stage;

	stage_open(&stage);
	fake_bpf_ring_append_sample(&stage.fake_rings[0], 50, 0, 1);
	sample_drain_until(&stage.drain, 60, &stage.sink);
	fake_bpf_ring_append_sample(&stage.fake_rings[1], 40, 16, 1);
	sample_drain_until(&stage.drain, 70, &stage.sink);
	CHECK_STR_EQ(stage.seen.kinds, "SS");
	CHECK_EQ(stage.drain.statistics.out_of_order, 1);
	stage_close(&stage);
}

/* Nothing is said to be complete beyond a sample that is being written. */
static void sample_being_written_holds_back_what_may_follow_it(void)
{
	const uint64_t base_ns = 10 * SAMPLE_DRAIN_REORDER_NS;
	const uint8_t bytes[64] = { 0 };
	struct stage stage;

	stage_open(&stage);
	fake_bpf_ring_append_sample(&stage.fake_rings[0], base_ns, 0, 1);
	fake_bpf_ring_append(&stage.fake_rings[0], 64 | BPF_RINGBUF_BUSY_BIT, bytes, 64);
	fake_perf_ring_append_comm(&stage.fake_perf, base_ns + 1, 1, "after");
	CHECK_EQ(sample_drain_until(&stage.drain, 2 * base_ns, &stage.sink),
		 base_ns - SAMPLE_DRAIN_REORDER_NS);
	CHECK_EQ(stage.seen.count, 0);
	stage_close(&stage);
}

/* More samples than the table of a ring holds, all with times apart: several rounds, none lost. */
static void flood_is_handed_over_in_order(void)
{
	struct stage stage;
	uint64_t appended = 0;

	stage_open(&stage);
	while (appended < MANY_SAMPLES) {
		for (int i = 0; i < 500; i++, appended++)
			fake_bpf_ring_append_sample(&stage.fake_rings[appended % 2],
						    appended * 100000, 0, 2);
		sample_drain_until(&stage.drain, appended * 100000, &stage.sink);
	}
	CHECK_EQ(stage.seen.count, appended);
	CHECK_EQ(stage.drain.statistics.samples, appended);
	CHECK_EQ(stage.drain.statistics.out_of_order, 0);
	stage_close(&stage);
}

static void broken_side_band_is_told_as_a_loss(void)
{
	const struct perf_event_header nonsense = { .type = PERF_RECORD_COMM, .size = 3 };
	struct stage stage;

	stage_open(&stage);
	fake_perf_ring_append_comm(&stage.fake_perf, 20, 1, "before");
	fake_perf_ring_append(&stage.fake_perf, &nonsense, sizeof(nonsense));
	sample_drain_until(&stage.drain, 100, &stage.sink);
	CHECK_STR_EQ(stage.seen.kinds, "EL");
	CHECK_EQ(stage.drain.statistics.side_band_lost, 1);
	CHECK_EQ(side_band_malformed(stage.side_band), 1);
	fake_perf_ring_append_comm(&stage.fake_perf, 110, 1, "after");
	sample_drain_until(&stage.drain, 200, &stage.sink);
	CHECK_STR_EQ(stage.seen.last_name, "after");
	stage_close(&stage);
}

/* Events come without end and nothing is due: the queue stops growing and says what it lost. */
static void full_queue_is_told_as_a_loss(void)
{
	struct stage stage;

	stage_open(&stage);
	for (int round = 0; round < 80; round++) {
		for (int i = 0; i < 1000; i++)
			fake_perf_ring_append_comm(&stage.fake_perf, 1000, 1, "x");
		sample_drain_until(&stage.drain, 10, &stage.sink);
	}
	CHECK_EQ(stage.seen.count, 0);
	sample_drain_until(&stage.drain, 2000, &stage.sink);
	sample_drain_until(&stage.drain, 2000, &stage.sink);
	CHECK_EQ(stage.seen.losses, 2); /* the one that found room in the queue, and the rest */
	CHECK_EQ(stage.seen.count - stage.seen.losses + stage.drain.statistics.side_band_lost,
		 80 * 1000);
	CHECK(stage.seen.count <= SIDE_BAND_QUEUE_EVENTS_MAX + 1);
	stage_close(&stage);
}

/* However short a turn is, it gets on; the next goes on where it ended, in the same order. */
static void a_turn_that_is_over_leaves_the_rest_to_the_next(void)
{
	static const uint64_t until[] = { 10, 20, 30, 40 };
	struct stage stage;

	stage_open(&stage);
	stage.drain.turn_ns = 1;
	stage.seen.pause.tv_nsec = 2 * CLOCK_TICK_MAX_NS;
	fake_bpf_ring_append_sample(&stage.fake_rings[0], 10, 0, 1);
	fake_perf_ring_append_comm(&stage.fake_perf, 20, 1, "first");
	fake_bpf_ring_append_sample(&stage.fake_rings[1], 30, 16, 1);
	fake_bpf_ring_append_sample(&stage.fake_rings[0], 40, 0, 1);
	for (size_t i = 0; i < ARRAY_SIZE(until); i++) {
		CHECK_EQ(sample_drain_until(&stage.drain, 100, &stage.sink), until[i]);
		CHECK(stage.drain.is_behind);
		CHECK_EQ(stage.seen.count, i + 1);
	}
	CHECK_STR_EQ(stage.seen.kinds, "SESS");
	CHECK_EQ(sample_drain_until(&stage.drain, 100, &stage.sink), 100);
	CHECK(!stage.drain.is_behind);
	CHECK_EQ(stage.seen.count, 4);
	CHECK_EQ(stage.drain.statistics.out_of_order, 0);
	stage_close(&stage);
}

TESTS(TEST(a_turn_that_is_over_leaves_the_rest_to_the_next),
      TEST(rings_and_side_band_are_merged_by_time), TEST(younger_ones_wait_for_older_ones),
      TEST(what_comes_too_late_is_handed_over_and_counted),
      TEST(sample_being_written_holds_back_what_may_follow_it), TEST(flood_is_handed_over_in_order),
      TEST(broken_side_band_is_told_as_a_loss), TEST(full_queue_is_told_as_a_loss))
