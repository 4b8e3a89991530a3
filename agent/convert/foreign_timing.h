/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the samples of a foreign file tell about how they were taken: in which order, at which rate,
 * on how many CPUs, and when. See foreign_capture.h for the rules.
 */
#ifndef FLICKERSCOPE_FOREIGN_TIMING_H
#define FLICKERSCOPE_FOREIGN_TIMING_H

#include <stdint.h>

struct foreign_profile;
struct foreign_sample;

enum foreign_timing_limits {
	FOREIGN_LANES_MAX = 1024, /* CPUs that are made up for samples without */
};

struct foreign_timing {
	uint32_t frequency_mhz;
	uint32_t cpu_count;
	int64_t shift_us; /* to be added to all times: whole seconds */
	uint64_t end_us;  /* of the last sample, with the shift */
	/* For samples without a CPU: the last sample of each, and each thread's last CPU. */
	int64_t *lane_us;
	uint32_t *lane_threads; /* whose it was */
	uint16_t *thread_lanes;
	uint32_t lane_count;
	int64_t apart_us; /* samples nearer than this are of different CPUs */
};

/* Puts the samples in order of time. Returns 0 or -ENOMEM; then nothing needs to be closed. */
int foreign_timing_open(struct foreign_profile *profile, uint32_t event,
			struct foreign_timing *ret_timing);
void foreign_timing_close(struct foreign_timing *timing);

/* The CPU of a sample; call for each sample of the event once, in order. */
uint16_t foreign_timing_cpu(struct foreign_timing *timing, const struct foreign_sample *sample);

#endif
