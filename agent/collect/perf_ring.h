/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the records of a perf event from its ring (perf_event_open(2), "MMAP layout").
 *
 * Between begin and release records stay where they are; a record that wraps is copied. Owned by
 * the loop thread.
 */
#ifndef FLICKERSCOPE_PERF_RING_H
#define FLICKERSCOPE_PERF_RING_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct perf_ring;

enum perf_ring_outcome {
	PERF_RING_EMPTY = 1,
};

/*
 * Maps the ring of @fd with @size bytes of data, a power of two pages. @fd is taken on success
 * only, and stays open as long as the ring: closing it would end the event. Returns 0 or -errno.
 */
int perf_ring_open(int fd, size_t size, struct perf_ring **ret_ring);
void perf_ring_free(struct perf_ring *ring); /* NULL is fine */
DEFINE_CLEANUP(struct perf_ring *, perf_ring_free);

/* The following reads stop at what is in the ring now. */
void perf_ring_begin(struct perf_ring *ring);

/*
 * The next record, whole, its header included; borrowed until the next call.
 *
 * Returns 0, PERF_RING_EMPTY, or -EBADMSG when its length makes no sense: what was in the ring is
 * then dropped, since nothing tells where the next one begins.
 */
int perf_ring_next(struct perf_ring *ring, const void **ret_record, size_t *ret_size);

/* Gives the room of what was read back to the kernel. */
void perf_ring_release(struct perf_ring *ring);

#endif
