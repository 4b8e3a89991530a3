/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/sample_ring.h"

#include "check.h"
#include "fake_rings.h"

static void gather_all(struct sample_ring *ring)
{
	sample_ring_begin(ring);
	CHECK_EQ(sample_ring_gather(ring), 0);
}

static void empty_ring_has_nothing(void)
{
	struct fake_bpf_ring fake = fake_bpf_ring_new();
	CLEANUP(sample_ring_free) struct sample_ring *ring = NULL;

	CHECK_EQ(sample_ring_open(fake.fd, FAKE_RING_SIZE, &ring), 0);
	gather_all(ring);
	CHECK(sample_ring_next_time(ring) == UINT64_MAX);
	sample_ring_release(ring);
	CHECK_EQ(*fake_bpf_ring_consumer(&fake), 0);
	fake_bpf_ring_free(&fake);
}

static void samples_come_in_order_of_time_and_free_their_room(void)
{
	static const uint64_t times[] = { 30, 10, 20, 50, 40 };
	struct fake_bpf_ring fake = fake_bpf_ring_new();
	CLEANUP(sample_ring_free) struct sample_ring *ring = NULL;

	CHECK_EQ(sample_ring_open(fake.fd, FAKE_RING_SIZE, &ring), 0);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		fake_bpf_ring_append_sample(&fake, times[i], 0, 3);
	gather_all(ring);
	for (uint64_t time_ns = 10; time_ns <= 50; time_ns += 10) {
		const struct sample_event *sample;

		CHECK_EQ(sample_ring_next_time(ring), time_ns);
		sample = sample_ring_pop(ring);
		CHECK_EQ(sample->time_ns, time_ns);
		CHECK_EQ(sample->frames[2], 3);
	}
	CHECK(sample_ring_next_time(ring) == UINT64_MAX);
	sample_ring_release(ring);
	CHECK_EQ(*fake_bpf_ring_consumer(&fake), *fake_bpf_ring_producer(&fake));
	CHECK_EQ(sample_ring_last_time(ring), 50);
	fake_bpf_ring_free(&fake);
}

/* Room is freed only up to the first record that still waits, wherever its time put it. */
static void waiting_record_keeps_its_room(void)
{
	struct fake_bpf_ring fake = fake_bpf_ring_new();
	CLEANUP(sample_ring_free) struct sample_ring *ring = NULL;
	uint64_t second;

	CHECK_EQ(sample_ring_open(fake.fd, FAKE_RING_SIZE, &ring), 0);
	fake_bpf_ring_append_sample(&fake, 5, 0, 1);
	second = *fake_bpf_ring_producer(&fake);
	fake_bpf_ring_append_sample(&fake, 30, 0, 1);
	fake_bpf_ring_append_sample(&fake, 20, 1, 1);
	gather_all(ring);
	sample_ring_pop(ring);
	CHECK_EQ(sample_ring_pop(ring)->time_ns, 20);
	sample_ring_release(ring);
	CHECK_EQ(*fake_bpf_ring_consumer(&fake), second);
	gather_all(ring);
	CHECK_EQ(sample_ring_pop(ring)->time_ns, 30);
	sample_ring_release(ring);
	CHECK_EQ(*fake_bpf_ring_consumer(&fake), *fake_bpf_ring_producer(&fake));
	fake_bpf_ring_free(&fake);
}

/* Many times around: records that begin at a ring's end go on in the second copy. */
static void ring_goes_round(void)
{
	struct fake_bpf_ring fake = fake_bpf_ring_new();
	CLEANUP(sample_ring_free) struct sample_ring *ring = NULL;
	uint64_t seen = 0;

	CHECK_EQ(sample_ring_open(fake.fd, FAKE_RING_SIZE, &ring), 0);
	for (uint64_t i = 1; i <= 5000; i++) {
		fake_bpf_ring_append_sample(&fake, i, 0, (uint8_t)(i % 100));
		gather_all(ring);
		if (sample_ring_pop(ring)->time_ns == i)
			seen++;
		sample_ring_release(ring);
	}
	CHECK_EQ(seen, 5000);
	CHECK(*fake_bpf_ring_producer(&fake) > 10 * FAKE_RING_SIZE);
	CHECK_EQ(sample_ring_malformed(ring), 0);
	fake_bpf_ring_free(&fake);
}

static void record_being_written_blocks_those_behind(void)
{
	struct fake_bpf_ring fake = fake_bpf_ring_new();
	CLEANUP(sample_ring_free) struct sample_ring *ring = NULL;
	const uint8_t bytes[64] = { 0 };
	const uint32_t committed = 64 | BPF_RINGBUF_DISCARD_BIT;
	uint64_t position;

	CHECK_EQ(sample_ring_open(fake.fd, FAKE_RING_SIZE, &ring), 0);
	fake_bpf_ring_append_sample(&fake, 1, 0, 1);
	position = *fake_bpf_ring_producer(&fake);
	fake_bpf_ring_append(&fake, 64 | BPF_RINGBUF_BUSY_BIT, bytes, 64);
	fake_bpf_ring_append_sample(&fake, 2, 0, 1);
	sample_ring_begin(ring);
	CHECK_EQ(sample_ring_gather(ring), SAMPLE_RING_BLOCKED);
	CHECK_EQ(sample_ring_pop(ring)->time_ns, 1);
	CHECK(sample_ring_next_time(ring) == UINT64_MAX);
	sample_ring_release(ring);
	CHECK_EQ(*fake_bpf_ring_consumer(&fake), position);

	fake_bpf_ring_put(&fake, position, &committed, sizeof(committed));
	gather_all(ring);
	CHECK_EQ(sample_ring_pop(ring)->time_ns, 2); /* the discarded one is passed over */
	CHECK_EQ(sample_ring_malformed(ring), 0);
	fake_bpf_ring_free(&fake);
}

static void gather_stops_when_its_table_is_full(void)
{
	struct fake_bpf_ring fake = fake_bpf_ring_new();
	CLEANUP(sample_ring_free) struct sample_ring *ring = NULL;

	CHECK_EQ(sample_ring_open(fake.fd, FAKE_RING_SIZE, &ring), 0);
	/* The ring goes round on what nobody released, which the kernel's would not. */
	for (uint64_t i = 0; i < SAMPLE_RING_GATHERED_MAX; i++) {
		fake_bpf_ring_append_sample(&fake, i + 1, 0, 0);
		gather_all(ring);
	}
	fake_bpf_ring_append_sample(&fake, SAMPLE_RING_GATHERED_MAX + 1, 0, 0);
	sample_ring_begin(ring);
	CHECK_EQ(sample_ring_gather(ring), SAMPLE_RING_MORE);
	CHECK_EQ(sample_ring_last_time(ring), SAMPLE_RING_GATHERED_MAX);
	sample_ring_pop(ring);
	CHECK_EQ(sample_ring_gather(ring), 0);
	CHECK_EQ(sample_ring_last_time(ring), SAMPLE_RING_GATHERED_MAX + 1);
	fake_bpf_ring_free(&fake);
}

static void nonsense_is_counted_and_passed_over(void)
{
	struct fake_bpf_ring fake = fake_bpf_ring_new();
	CLEANUP(sample_ring_free) struct sample_ring *ring = NULL;
	const uint8_t bytes[200] = { 0xff };

	CHECK_EQ(sample_ring_open(fake.fd, FAKE_RING_SIZE, &ring), 0);
	fake_bpf_ring_append(&fake, 8, bytes, 8); /* too short for a sample */
	fake_bpf_ring_append_sample(&fake, 7, 0, 2);
	fake_bpf_ring_append(&fake, 200, bytes, 200); /* longer than its frames */
	fake_bpf_ring_append(&fake, 60000, bytes, 8); /* beyond what was written */
	gather_all(ring);
	CHECK_EQ(sample_ring_pop(ring)->time_ns, 7);
	CHECK(sample_ring_next_time(ring) == UINT64_MAX);
	CHECK_EQ(sample_ring_malformed(ring), 3);
	sample_ring_release(ring);
	CHECK_EQ(*fake_bpf_ring_consumer(&fake), *fake_bpf_ring_producer(&fake));
	fake_bpf_ring_free(&fake);
}

/* Each field that others index with is checked. */
static void insane_samples_are_refused(void)
{
	uint64_t words[sizeof(struct sample_event) / 8 + 200] = { 0 };
	struct sample_event *sample = (struct sample_event *)words, sane;

	sample->user_frame_count = 4;
	CHECK(sample_event_check(sample, sizeof(*sample) + 32) == sample);
	CHECK(!sample_event_check(sample, sizeof(*sample) + 24));
	CHECK(!sample_event_check(sample, sizeof(*sample) - 1));
	CHECK(!sample_event_check(sample, 0));
	sane = *sample;
	sample->cpu = SAMPLE_CPUS_MAX;
	CHECK(!sample_event_check(sample, sizeof(*sample) + 32));
	*sample = sane;
	sample->user_status = STACK_STATUS_COUNT;
	CHECK(!sample_event_check(sample, sizeof(*sample) + 32));
	*sample = sane;
	sample->kernel_status = STACK_STATUS_COUNT;
	CHECK(!sample_event_check(sample, sizeof(*sample) + 32));
	*sample = sane;
	memset(sample->comm, 'x', sizeof(sample->comm));
	CHECK(!sample_event_check(sample, sizeof(*sample) + 32));
	*sample = sane;
	sample->time_ns = UINT64_MAX;
	CHECK(!sample_event_check(sample, sizeof(*sample) + 32));
	*sample = sane;
	sample->user_frame_count = SAMPLE_USER_FRAMES_MAX + 1;
	CHECK(!sample_event_check(sample, sizeof(*sample) +
						  (SAMPLE_USER_FRAMES_MAX + 1) * sizeof(uint64_t)));
}

TESTS(TEST(empty_ring_has_nothing), TEST(samples_come_in_order_of_time_and_free_their_room),
      TEST(waiting_record_keeps_its_room), TEST(ring_goes_round),
      TEST(record_being_written_blocks_those_behind), TEST(gather_stops_when_its_table_is_full),
      TEST(nonsense_is_counted_and_passed_over), TEST(insane_samples_are_refused))
