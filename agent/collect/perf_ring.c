/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/perf_ring.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	RECORD_SIZE_MAX = 65535, /* the header's size field has 16 bits */
};

struct perf_ring {
	int fd;
	struct perf_event_mmap_page *page; /* mapped; the data follows it */
	const uint8_t *records;
	size_t page_size;
	size_t size;
	uint64_t position;
	uint64_t stop;
	uint8_t unwrapped[RECORD_SIZE_MAX + 1];
};

int perf_ring_open(int fd, size_t size, struct perf_ring **ret_ring)
{
	CLEANUP(perf_ring_free) struct perf_ring *ring = calloc(1, sizeof(*ring));
	void *mapped;

	if (!ring)
		return -ENOMEM;
	ring->fd = -1;
	ring->page_size = (size_t)sysconf(_SC_PAGESIZE);
	ring->size = size;
	mapped = mmap(NULL, ring->page_size + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		return -errno;
	ring->page = mapped;
	ring->records = (const uint8_t *)mapped + ring->page_size;
	ring->fd = fd;
	*ret_ring = TAKE(ring);
	return 0;
}

void perf_ring_free(struct perf_ring *ring)
{
	if (!ring)
		return;
	if (ring->page)
		munmap(ring->page, ring->page_size + ring->size);
	fd_close(ring->fd);
	free(ring);
}

void perf_ring_begin(struct perf_ring *ring)
{
	ring->stop = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	/* Never with a kernel that writes no further than we have read. */
	if (ring->stop - ring->position > ring->size)
		ring->position = ring->stop;
}

/* The record at the position in one piece: in place, or copied when it wraps. */
static const void *whole_record(struct perf_ring *ring, size_t size)
{
	size_t offset = ring->position & (ring->size - 1);
	size_t before_end = ring->size - offset;

	if (size <= before_end)
		return ring->records + offset;
	memcpy(ring->unwrapped, ring->records + offset, before_end);
	memcpy(ring->unwrapped + before_end, ring->records, size - before_end);
	return ring->unwrapped;
}

int perf_ring_next(struct perf_ring *ring, const void **ret_record, size_t *ret_size)
{
	struct perf_event_header header;

	if (ring->position >= ring->stop)
		return PERF_RING_EMPTY;
	/* Records are multiples of 8 bytes: a header never wraps. */
	memcpy(&header, ring->records + (ring->position & (ring->size - 1)), sizeof(header));
	if (header.size < sizeof(header) || header.size % 8 ||
	    header.size > ring->stop - ring->position) {
		ring->position = ring->stop;
		return -EBADMSG;
	}
	*ret_record = whole_record(ring, header.size);
	*ret_size = header.size;
	ring->position += header.size;
	return 0;
}

void perf_ring_release(struct perf_ring *ring)
{
	__atomic_store_n(&ring->page->data_tail, ring->position, __ATOMIC_RELEASE);
}
