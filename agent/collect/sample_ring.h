/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads samples from one BPF ring buffer in order of time, without copying them.
 *
 * Several CPUs write into a ring, each taking its time before it takes its place: records are
 * almost in order. A gather looks at new records and sorts them; they stay in the ring until they
 * are popped, and the kernel gets room back with a release. Layout of the ring: Linux,
 * kernel/bpf/ringbuf.c (consumer page, producer page, then the data mapped twice in a row, so that
 * a record never wraps). Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_SAMPLE_RING_H
#define FLICKERSCOPE_SAMPLE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "sample_abi.h"

struct sample_ring;

enum sample_ring_limits {
	SAMPLE_RING_GATHERED_MAX = 4096, /* records that wait in order at a time */
};

enum sample_ring_outcome {
	SAMPLE_RING_MORE = 1, /* no room for further records: pop, then gather again */
	SAMPLE_RING_BLOCKED,  /* a CPU is in the middle of writing the next record */
};

/* Maps the ring of @fd, which is borrowed, of @size data bytes. Returns 0 or -errno. */
int sample_ring_open(int fd, uint64_t size, struct sample_ring **ret_ring);
void sample_ring_free(struct sample_ring *ring); /* NULL is fine */
DEFINE_CLEANUP(struct sample_ring *, sample_ring_free);

/* The following gathers stop at what is in the ring now: a drain ends, whoever writes. */
void sample_ring_begin(struct sample_ring *ring);

/*
 * Looks at new records. Returns 0 when all of them, SAMPLE_RING_MORE or SAMPLE_RING_BLOCKED.
 */
int sample_ring_gather(struct sample_ring *ring);

/* The time of the last record gathered so far; 0: there was none. */
uint64_t sample_ring_last_time(const struct sample_ring *ring);

/* The time of the earliest gathered record that was not popped; UINT64_MAX: there is none. */
uint64_t sample_ring_next_time(const struct sample_ring *ring);

/* That record; borrowed until the next release. There must be one. */
const struct sample_event *sample_ring_pop(struct sample_ring *ring);

/* Gives the room of all records before the first one that still waits back to the kernel. */
void sample_ring_release(struct sample_ring *ring);

/* Records that sample_event_check() refused, and lengths that make no sense. */
uint64_t sample_ring_malformed(const struct sample_ring *ring);

/* The sample in the @size bytes of a record, or NULL when they are not a whole, sane one. */
const struct sample_event *sample_event_check(const void *record, size_t size);

#endif
