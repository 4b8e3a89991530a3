/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stretches of time with a name, one inside the other on each thread, as trace events have them; and
 * the samples that a profiler would have taken of them: one at each whole step of time, of what the
 * thread was in then.
 *
 * The step is 1 ms; it is shorter where the trace is, and longer where there would be more than
 * TRACE_SAMPLES_MAX samples. Slices may be added in any order. Owned by one thread.
 */
#ifndef FLICKERSCOPE_TRACE_SLICES_H
#define FLICKERSCOPE_TRACE_SLICES_H

#include <stdint.h>

#include "base/bytes.h"

struct foreign_profile;

enum trace_slices_limits {
	TRACE_SLICES_MAX = 16777216,
	TRACE_SAMPLES_MAX = 8388608,
};

struct trace_slice {
	int64_t begin_us;
	int64_t end_us;
	uint32_t thread; /* any number for those that go together; looked up by the caller */
	uint32_t frame;	 /* of the foreign profile */
};

struct trace_slices {
	struct bytes_writer slices; /* struct trace_slice each */
	uint32_t step_us;	    /* that was taken */
	/* While they are gone through. */
	struct foreign_profile *profile;
	uint32_t event;
	uint64_t busy_us;
};

struct trace_slices trace_slices_open(void);
void trace_slices_close(struct trace_slices *slices);

/* Adds one; failures are in slices->slices.failed. */
void trace_slices_add(struct trace_slices *slices, const struct trace_slice *slice);

/*
 * Hands the samples over, as @event; the thread of each is that of its slice.
 *
 * Returns what foreign_profile_sample() does.
 */
int trace_slices_emit(struct trace_slices *slices, struct foreign_profile *profile, uint32_t event);

#endif
