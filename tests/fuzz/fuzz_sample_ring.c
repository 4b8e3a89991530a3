/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the contents of a BPF ring: what comes out of it must be sane samples that lie
 * inside, and the reader must come to the ring's end.
 */
#include "collect/sample_ring.h"

#include <stdint.h>
#include <stdlib.h>

#include "../unit/fake_rings.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct fake_bpf_ring fake;
static struct sample_ring *ring;

static void open_anew(void)
{
	if (ring) {
		sample_ring_free(ring);
		fake_bpf_ring_free(&fake);
	}
	fake = fake_bpf_ring_new();
	if (sample_ring_open(fake.fd, FAKE_RING_SIZE, &ring) != 0)
		abort();
}

static void pop_all(void)
{
	uint64_t before_ns = 0;

	while (sample_ring_next_time(ring) != UINT64_MAX) {
		const struct sample_event *sample = sample_ring_pop(ring);
		volatile uint64_t last_frame;

		if (sample->time_ns < before_ns || sample->cpu >= SAMPLE_CPUS_MAX)
			abort();
		before_ns = sample->time_ns;
		for (int i = 0; i < sample->kernel_frame_count + sample->user_frame_count; i++)
			last_frame = sample->frames[i];
		(void)last_frame;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	int outcome;

	size &= ~(size_t)7;
	if (size > FAKE_RING_SIZE / 2)
		return 0;
	if (!ring)
		open_anew();
	fake_bpf_ring_put(&fake, *fake_bpf_ring_producer(&fake), bytes, size);
	*fake_bpf_ring_producer(&fake) += size;

	sample_ring_begin(ring);
	do {
		outcome = sample_ring_gather(ring);
		pop_all();
		sample_ring_release(ring);
	} while (outcome == SAMPLE_RING_MORE);
	if (outcome == SAMPLE_RING_BLOCKED)
		open_anew(); /* for ever, since nobody goes on writing that record */
	else if (*fake_bpf_ring_consumer(&fake) != *fake_bpf_ring_producer(&fake))
		abort();
	return 0;
}
