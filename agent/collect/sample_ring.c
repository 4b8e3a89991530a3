/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/sample_ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct gathered_record {
	uint64_t time_ns;
	uint64_t position; /* of the record's header; counts up for ever */
};

struct sample_ring {
	uint64_t *consumer_position; /* mapped, ours to write */
	uint8_t *producer_page;	     /* mapped read-only; the data follows it, twice */
	const uint8_t *records;
	size_t page_size;
	uint64_t size;
	uint64_t looked_at; /* position up to which records were gathered */
	uint64_t stop;	    /* position at which this drain stops */
	uint64_t last_time_ns;
	uint64_t malformed;
	size_t first, end; /* of what is gathered and not popped */
	struct gathered_record gathered[SAMPLE_RING_GATHERED_MAX];
};

const struct sample_event *sample_event_check(const void *record, size_t size)
{
	const struct sample_event *sample = record;
	size_t frame_count;

	if (size < sizeof(*sample))
		return NULL;
	frame_count = (size_t)sample->kernel_frame_count + sample->user_frame_count;
	if (size != sizeof(*sample) + frame_count * sizeof(sample->frames[0]))
		return NULL;
	if (sample->kernel_frame_count > SAMPLE_KERNEL_FRAMES_MAX ||
	    sample->user_frame_count > SAMPLE_USER_FRAMES_MAX ||
	    sample->kernel_status >= STACK_STATUS_COUNT ||
	    sample->user_status >= STACK_STATUS_COUNT || sample->busy >= SAMPLE_BUSY_COUNT ||
	    sample->cpu >= SAMPLE_CPUS_MAX || sample->comm[SAMPLE_COMM_SIZE - 1] != '\0' ||
	    sample->time_ns == UINT64_MAX) /* stands for "none waits" */
		return NULL;
	return sample;
}

void sample_ring_free(struct sample_ring *ring)
{
	if (!ring)
		return;
	if (ring->consumer_position)
		munmap(ring->consumer_position, ring->page_size);
	if (ring->producer_page)
		munmap(ring->producer_page, ring->page_size + 2 * ring->size);
	free(ring);
}

int sample_ring_open(int fd, uint64_t size, struct sample_ring **ret_ring)
{
	CLEANUP(sample_ring_free) struct sample_ring *ring = calloc(1, sizeof(*ring));
	void *mapped;

	if (!ring)
		return -ENOMEM;
	ring->page_size = (size_t)sysconf(_SC_PAGESIZE);
	ring->size = size;

	mapped = mmap(NULL, ring->page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		return -errno;
	ring->consumer_position = mapped;

	mapped = mmap(NULL, ring->page_size + 2 * size, PROT_READ, MAP_SHARED, fd,
		      (off_t)ring->page_size);
	if (mapped == MAP_FAILED)
		return -errno;
	ring->producer_page = mapped;
	ring->records = ring->producer_page + ring->page_size;

	*ret_ring = TAKE(ring);
	return 0;
}

void sample_ring_begin(struct sample_ring *ring)
{
	ring->stop = __atomic_load_n((const uint64_t *)ring->producer_page, __ATOMIC_ACQUIRE);
}

static const uint8_t *record_at(const struct sample_ring *ring, uint64_t position)
{
	return ring->records + (position & (ring->size - 1));
}

/* Records come almost sorted: the place is at the end, or a few before it. */
static void insert_by_time(struct sample_ring *ring, uint64_t time_ns, uint64_t position)
{
	size_t place = ring->end++;

	while (place > ring->first && ring->gathered[place - 1].time_ns > time_ns) {
		ring->gathered[place] = ring->gathered[place - 1];
		place--;
	}
	ring->gathered[place] = (struct gathered_record){ time_ns, position };
	if (time_ns > ring->last_time_ns)
		ring->last_time_ns = time_ns;
}

static void make_room(struct sample_ring *ring)
{
	memmove(ring->gathered, ring->gathered + ring->first,
		(ring->end - ring->first) * sizeof(ring->gathered[0]));
	ring->end -= ring->first;
	ring->first = 0;
}

int sample_ring_gather(struct sample_ring *ring)
{
	make_room(ring);
	while (ring->looked_at < ring->stop) {
		const uint8_t *header = record_at(ring, ring->looked_at);
		uint32_t length = __atomic_load_n((const uint32_t *)header, __ATOMIC_ACQUIRE);
		uint64_t room = ring->stop - ring->looked_at, size;

		if (length & BPF_RINGBUF_BUSY_BIT)
			return SAMPLE_RING_BLOCKED;
		if (ring->end == SAMPLE_RING_GATHERED_MAX)
			return SAMPLE_RING_MORE;
		size = length & ~(uint32_t)BPF_RINGBUF_DISCARD_BIT;
		if (((size + 7) & ~7ULL) + BPF_RINGBUF_HDR_SZ > room) {
			ring->malformed++;
			ring->looked_at = ring->stop; /* nothing after it can be trusted */
			return 0;
		}
		if (!(length & BPF_RINGBUF_DISCARD_BIT)) {
			const struct sample_event *sample =
				sample_event_check(header + BPF_RINGBUF_HDR_SZ, size);

			if (sample)
				insert_by_time(ring, sample->time_ns, ring->looked_at);
			else
				ring->malformed++;
		}
		ring->looked_at += ((size + 7) & ~7ULL) + BPF_RINGBUF_HDR_SZ;
	}
	return 0;
}

uint64_t sample_ring_last_time(const struct sample_ring *ring)
{
	return ring->last_time_ns;
}

uint64_t sample_ring_next_time(const struct sample_ring *ring)
{
	return ring->first < ring->end ? ring->gathered[ring->first].time_ns : UINT64_MAX;
}

const struct sample_event *sample_ring_pop(struct sample_ring *ring)
{
	uint64_t position = ring->gathered[ring->first++].position;

	return (const struct sample_event *)(record_at(ring, position) + BPF_RINGBUF_HDR_SZ);
}

void sample_ring_release(struct sample_ring *ring)
{
	uint64_t position = ring->looked_at;

	for (size_t i = ring->first; i < ring->end; i++)
		if (ring->gathered[i].position < position)
			position = ring->gathered[i].position;
	__atomic_store_n(ring->consumer_position, position, __ATOMIC_RELEASE);
}

uint64_t sample_ring_malformed(const struct sample_ring *ring)
{
	return ring->malformed;
}
