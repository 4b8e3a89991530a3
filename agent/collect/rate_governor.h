/* SPDX-License-Identifier: Apache-2.0 */
/*
 * At what rate to sample so that the agent takes no more CPU than it may: lower when it took more,
 * higher again when it takes much less. What does not depend on the rate, such as the tables of new
 * files, looks like samples for a while: so the rate is at most halved at a time.
 *
 * Pure arithmetic on what it is told; no clock, no kernel. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_RATE_GOVERNOR_H
#define FLICKERSCOPE_RATE_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

enum rate_governor_limit {
	RATE_GOVERNOR_START_S = 10,   /* files of what runs already are read: not held against it */
	RATE_GOVERNOR_LOWER_S = 3,    /* looked at before the rate is lowered ... */
	RATE_GOVERNOR_RAISE_S = 6,    /* ... and before it is raised again */
	RATE_GOVERNOR_AIM = 90,	      /* percent of what it may take, after a change */
	RATE_GOVERNOR_RAISE = 60,     /* percent of that below which it is raised ... */
	RATE_GOVERNOR_RAISE_BY = 140, /* ... by so much, in percent, at most */
};

struct rate_governor {
	uint32_t asked_hz;
	uint32_t rate_hz;      /* that holds now */
	uint64_t max_us_per_s; /* CPU time; 0: any */
	uint64_t since_ns;     /* of the present look: what was taken by then */
	uint64_t since_cpu_us;
	uint64_t usage_us_per_s; /* as last looked at */
};

/* @now_ns: of its start, from which RATE_GOVERNOR_START_S count. */
struct rate_governor rate_governor_of(uint32_t asked_hz, uint64_t max_us_per_s, uint64_t now_ns);

/*
 * To be told about once a second what the agent has taken in all, in microseconds of CPU. Returns
 * whether the rate is to be another from now on.
 */
bool rate_governor_tell(struct rate_governor *governor, uint64_t now_ns, uint64_t cpu_us);

#endif
