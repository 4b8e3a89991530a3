/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings laid out as the kernel's, in memory files that a test writes into.
 */
#ifndef FLICKERSCOPE_FAKE_RINGS_H
#define FLICKERSCOPE_FAKE_RINGS_H

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "sample_abi.h"

enum {
	FAKE_PAGE_SIZE = 4096,
	FAKE_RING_SIZE = 65536,
	FAKE_BPF_RING_FILE_SIZE = 2 * FAKE_PAGE_SIZE + 2 * FAKE_RING_SIZE,
};

/* A BPF ring: consumer page, producer page, the data twice. */
struct fake_bpf_ring {
	int fd;
	uint8_t *bytes; /* mapped, the whole file */
};

static inline struct fake_bpf_ring fake_bpf_ring_new(void)
{
	struct fake_bpf_ring ring = { .fd = memfd_create("ring", MFD_CLOEXEC) };

	if (ring.fd < 0 || ftruncate(ring.fd, FAKE_BPF_RING_FILE_SIZE) < 0)
		check_give_up();
	ring.bytes =
		mmap(NULL, FAKE_BPF_RING_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, 0);
	if (ring.bytes == MAP_FAILED)
		check_give_up();
	return ring;
}

static inline void fake_bpf_ring_free(struct fake_bpf_ring *ring)
{
	munmap(ring->bytes, FAKE_BPF_RING_FILE_SIZE);
	close(ring->fd);
}

static inline uint64_t *fake_bpf_ring_consumer(const struct fake_bpf_ring *ring)
{
	return (uint64_t *)ring->bytes;
}

static inline uint64_t *fake_bpf_ring_producer(const struct fake_bpf_ring *ring)
{
	return (uint64_t *)(ring->bytes + FAKE_PAGE_SIZE);
}

/* Bytes at a position; they show in both copies of the data, as in the kernel's double mapping. */
static inline void fake_bpf_ring_put(struct fake_bpf_ring *ring, uint64_t position,
				     const void *bytes, size_t size)
{
	uint8_t *first = ring->bytes + 2 * FAKE_PAGE_SIZE;

	for (size_t i = 0; i < size; i++) {
		size_t offset = (position + i) & (FAKE_RING_SIZE - 1);

		first[offset] = first[FAKE_RING_SIZE + offset] = ((const uint8_t *)bytes)[i];
	}
}

/* Appends a record with that header word; the reader sees it at once. */
static inline void fake_bpf_ring_append(struct fake_bpf_ring *ring, uint32_t length_and_flags,
					const void *bytes, size_t size)
{
	uint64_t position = *fake_bpf_ring_producer(ring);
	uint32_t header[2] = { length_and_flags, 0 };

	fake_bpf_ring_put(ring, position, header, sizeof(header));
	fake_bpf_ring_put(ring, position + sizeof(header), bytes, size);
	*fake_bpf_ring_producer(ring) += sizeof(header) + ((size + 7) & ~(size_t)7);
}

/* Appends a sane sample of @frame_count user frames, 1, 2, 3 and so on. */
static inline void fake_bpf_ring_append_sample(struct fake_bpf_ring *ring, uint64_t time_ns,
					       uint32_t cpu, uint8_t frame_count)
{
	uint64_t words[sizeof(struct sample_event) / 8 + 255] = { 0 };
	struct sample_event *sample = (struct sample_event *)words;
	size_t size = sizeof(*sample) + frame_count * sizeof(uint64_t);

	sample->time_ns = time_ns;
	sample->cpu = cpu;
	sample->pid = sample->tid = 1;
	sample->user_frame_count = frame_count;
	sample->user_status = STACK_FRAME_POINTERS;
	memcpy(sample->comm, "fake", 5);
	for (uint8_t i = 0; i < frame_count; i++)
		sample->frames[i] = i + 1u;
	fake_bpf_ring_append(ring, (uint32_t)size, sample, size);
}

/* A perf ring: its page, then the data once. The fd is given away with it. */
struct fake_perf_ring {
	int fd;
	struct perf_event_mmap_page *page;
	uint8_t *data;
};

static inline struct fake_perf_ring fake_perf_ring_new(void)
{
	struct fake_perf_ring ring = { .fd = memfd_create("ring", MFD_CLOEXEC) };
	uint8_t *bytes;

	if (ring.fd < 0 || ftruncate(ring.fd, FAKE_PAGE_SIZE + FAKE_RING_SIZE) < 0)
		check_give_up();
	bytes = mmap(NULL, FAKE_PAGE_SIZE + FAKE_RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		     ring.fd, 0);
	if (bytes == MAP_FAILED)
		check_give_up();
	ring.page = (struct perf_event_mmap_page *)bytes;
	ring.data = bytes + FAKE_PAGE_SIZE;
	return ring;
}

static inline void fake_perf_ring_free(struct fake_perf_ring *ring)
{
	munmap(ring->page, FAKE_PAGE_SIZE + FAKE_RING_SIZE);
}

static inline void fake_perf_ring_append(struct fake_perf_ring *ring, const void *bytes,
					 size_t size)
{
	for (size_t i = 0; i < size; i++)
		ring->data[(ring->page->data_head + i) & (FAKE_RING_SIZE - 1)] =
			((const uint8_t *)bytes)[i];
	ring->page->data_head += size;
}

/* Appends a PERF_RECORD_COMM. @name: 7 bytes at most. */
static inline void fake_perf_ring_append_comm(struct fake_perf_ring *ring, uint64_t time_ns,
					      uint32_t pid, const char *name)
{
	struct {
		struct perf_event_header header;
		uint32_t pid, tid;
		char name[8];
		uint64_t time_ns;
	} record = {
		.header = { .type = PERF_RECORD_COMM, .size = sizeof(record) },
		.pid = pid,
		.tid = pid,
		.time_ns = time_ns,
	};

	strncpy(record.name, name, sizeof(record.name) - 1);
	fake_perf_ring_append(ring, &record, sizeof(record));
}

#endif
