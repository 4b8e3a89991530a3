/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The side band: forks, execs, exits and mappings of all processes, from one perf ring for each
 * CPU, in one order of time. Owned by the loop thread.
 *
 * Nobody is woken by it: whoever drains the samples gathers here first, and every event that
 * happened before a sample is then in its ring, since the kernel writes it before the process goes
 * on.
 */
#ifndef FLICKERSCOPE_SIDE_BAND_H
#define FLICKERSCOPE_SIDE_BAND_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "collect/side_band_record.h"

struct side_band;
struct perf_ring;

enum side_band_sizes {
	SIDE_BAND_RING_SIZE = 256 << 10, /* bytes for each CPU */
	SIDE_BAND_QUEUE_EVENTS_MAX = 65536,
	SIDE_BAND_QUEUE_NAMES_SIZE_MAX = 8 << 20,
};

/* Of no CPU yet. Returns 0 or -ENOMEM. */
int side_band_new(struct side_band **ret_side_band);
void side_band_free(struct side_band *side_band); /* NULL is fine */
DEFINE_CLEANUP(struct side_band *, side_band_free);

/*
 * Adds a CPU, of which there must be nothing yet, and starts its events.
 *
 * @process_fd: of perf_events_open(); taken, whatever is returned.
 *
 * Logs; returns 0 or -errno.
 */
int side_band_add_cpu(struct side_band *side_band, uint32_t cpu, int process_fd);

/* The same with the ring of a started event, taken. */
void side_band_add_ring(struct side_band *side_band, uint32_t cpu, struct perf_ring *ring);

/* Lets go of a CPU that has gone offline, if it has one of it; what its ring still held is gathered. */
void side_band_remove_cpu(struct side_band *side_band, uint32_t cpu);

/*
 * Empties the rings into the queue. What the queue has no room for is lost: an event of the kind
 * SIDE_BAND_LOST stands for it.
 */
void side_band_gather(struct side_band *side_band);

/* The time of the earliest event in the queue; UINT64_MAX: it is empty. */
uint64_t side_band_next_time(const struct side_band *side_band);

/* Takes that event, of which there must be one; borrowed until the next gather. */
const struct side_band_event *side_band_pop(struct side_band *side_band);

/* Records that could not be parsed. */
uint64_t side_band_malformed(const struct side_band *side_band);

#endif
