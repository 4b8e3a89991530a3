/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives times to what has none: stacks with counts, as folded stacks and pprof have them.
 *
 * The samples of each stack are laid out one after another, on one CPU, at a nominal rate, one for
 * each count. Where that would be more than TIMELESS_SAMPLES_MAX, one stands for several, and the
 * sum stays right. The note of the capture says so. Owned by one thread.
 */
#ifndef FLICKERSCOPE_TIMELESS_H
#define FLICKERSCOPE_TIMELESS_H

#include <stdint.h>

#include "convert/foreign_profile.h"

enum timeless_limits {
	TIMELESS_SAMPLES_MAX = 1048576, /* of each event */
	TIMELESS_HZ = 100,		/* where nothing tells a better rate */
};

enum timeless_outcome {
	TIMELESS_OVERFLOW = 1, /* the counts add up to more than can be counted */
};

struct timeless {
	struct foreign_profile *profile; /* borrowed */
	struct bytes_writer counts;	 /* uint64_t for each sample of the profile */
	uint64_t totals[FOREIGN_EVENTS_MAX];
};

struct timeless timeless_open(struct foreign_profile *profile);
void timeless_close(struct timeless *timeless);

/*
 * Adds @count samples like @sample; its count and time are ignored.
 *
 * Returns 0, TIMELESS_OVERFLOW, -EFBIG (more than the profile can hold), or -ENOMEM.
 */
int timeless_add(struct timeless *timeless, const struct foreign_sample *sample, uint64_t count);

/* When all have been added: gives each its place. @what: of the note, as in "Folded stacks". */
void timeless_lay_out(struct timeless *timeless, uint32_t frequency_mhz, const char *what);

#endif
