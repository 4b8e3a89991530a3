/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the records of one segment after another into a merged profile: the visitor behind
 * merged_profile_load().
 *
 * A segment's rows are kept as they came; one is merged when the first sample within the range uses
 * it. Memory: the rows of one segment. Owned by one thread.
 */
#ifndef FLICKERSCOPE_SEGMENT_MERGER_H
#define FLICKERSCOPE_SEGMENT_MERGER_H

#include <stdint.h>

#include "base/cleanup.h"

struct merged_profile;
struct record_visitor;
struct segment_merger;
struct time_range;

/* @profile, @range: borrowed for the merger's life; the profile's zero_us must be known already. */
int segment_merger_new(struct merged_profile *profile, const struct time_range *range,
		       struct segment_merger **ret_merger);
void segment_merger_free(struct segment_merger *merger); /* NULL is fine */
DEFINE_CLEANUP(struct segment_merger *, segment_merger_free);

/* For capture_reader_visit(), with the merger as its context. */
extern const struct record_visitor segment_merger_visitor;

/* Call before each segment, and before the index: forgets all ids. */
void segment_merger_begin(struct segment_merger *merger);

/* Call after each. Returns 0, -ENOMEM, or -E2BIG when a limit was reached. */
int segment_merger_finish(struct segment_merger *merger);

#endif
