/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile's pending samples as records of columns (include/wire.h).
 *
 * Samples of one CPU are put together, in their order: then times are nearly a period apart,
 * threads repeat and stacks are near each other. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_SAMPLE_RECORDS_H
#define FLICKERSCOPE_SAMPLE_RECORDS_H

#include <stdint.h>

#include "base/cleanup.h"

struct chunk_builder;
struct profile_pending;
struct sample_records;

int sample_records_new(struct sample_records **ret_records);
void sample_records_free(struct sample_records *records); /* NULL is fine */
DEFINE_CLEANUP(struct sample_records *, sample_records_free);

/*
 * Writes all of @pending, which stays as it is.
 *
 * @start_us: of the segment; @period_us: between two samples of a busy CPU, 0 if unknown.
 *
 * Returns 0 or -ENOMEM.
 */
int sample_records_write(struct sample_records *records, struct chunk_builder *builder,
			 const struct profile_pending *pending, uint64_t start_us,
			 uint32_t period_us);

#endif
