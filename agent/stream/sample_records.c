/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/sample_records.h"

#include <errno.h>
#include <string.h>

#include "profile/profile.h"
#include "stream/chunk_builder.h"
#include "stream/varint.h"

enum {
	/* Most that a row takes: time, CPU, thread, stack, and a run each of the four last columns. */
	ROW_SIZE_MAX = VARINT_SIZE_MAX + 4 * VARINT32_SIZE_MAX + 3 * (2 + 1),
	HEAD_SIZE_MAX = VARINT32_SIZE_MAX + VARINT_SIZE_MAX + VARINT32_SIZE_MAX + 1,
	ROWS_MAX = (CHUNK_BUILDER_RECORD_MAX - HEAD_SIZE_MAX) / ROW_SIZE_MAX,
};

_Static_assert((int)ROWS_MAX <= (int)WIRE_SAMPLES_MAX, "readers have room for a record");

struct sample_records {
	uint32_t order[PROFILE_PENDING_MAX]; /* rows of the profile, those of a CPU together */
	uint32_t first_of_cpu[PROFILE_CPUS_MAX + 1];
	uint8_t payload[CHUNK_BUILDER_RECORD_MAX];
};

int sample_records_new(struct sample_records **ret_records)
{
	struct sample_records *records = malloc(sizeof(*records));

	if (!records)
		return -ENOMEM;
	*ret_records = records;
	return 0;
}

void sample_records_free(struct sample_records *records)
{
	free(records);
}

/* Counts the rows of each CPU, then gives each row its place: the order within a CPU stays. */
static void sort_by_cpu(struct sample_records *records, const struct profile_pending *pending)
{
	uint32_t *first = records->first_of_cpu;
	uint32_t cpu_count = 0;

	for (uint32_t i = 0; i < pending->sample_count; i++)
		if (pending->cpu[i] >= cpu_count)
			cpu_count = pending->cpu[i] + 1u;
	memset(first, 0, (cpu_count + 1) * sizeof(*first));
	for (uint32_t i = 0; i < pending->sample_count; i++)
		first[pending->cpu[i] + 1]++;
	for (uint32_t cpu = 0; cpu < cpu_count; cpu++)
		first[cpu + 1] += first[cpu];
	for (uint32_t i = 0; i < pending->sample_count; i++)
		records->order[first[pending->cpu[i]]++] = i;
}

static uint8_t *put_runs(uint8_t *at, const uint8_t *values, const uint32_t *order, uint32_t count)
{
	for (uint32_t i = 0; i < count;) {
		uint8_t value = values[order[i]];
		uint32_t begin = i;

		while (i < count && values[order[i]] == value)
			i++;
		at = varint_put(at, value);
		at = varint_put(at, i - begin);
	}
	return at;
}

static uint8_t *put_times(uint8_t *at, const int64_t *times, const uint32_t *order, uint32_t count,
			  int64_t base, uint32_t period_us)
{
	at = zigzag_put(at, times[order[0]] - base);
	for (uint32_t i = 1; i < count; i++)
		at = zigzag_put(at, times[order[i]] - times[order[i - 1]] - period_us);
	return at;
}

static uint8_t *put_stacks(uint8_t *at, const uint32_t *stacks, const uint32_t *order,
			   uint32_t count)
{
	uint32_t previous = 0;

	for (uint32_t i = 0; i < count; i++) {
		at = zigzag_put(at, (int64_t)stacks[order[i]] - previous);
		previous = stacks[order[i]];
	}
	return at;
}

static uint32_t put_record(uint8_t *payload, const struct profile_pending *pending,
			   const uint32_t *order, uint32_t count, uint32_t period_us)
{
	/* The record's time is unsigned; a sample before the segment is a difference below 0. */
	int64_t first_us = pending->time_us[order[0]] > 0 ? pending->time_us[order[0]] : 0;
	uint8_t *at = varint_put(payload, count);

	at = varint_put(at, (uint64_t)first_us);
	at = put_times(at, pending->time_us, order, count, first_us, period_us);
	for (uint32_t i = 0; i < count; i++)
		at = varint_put(at, pending->cpu[order[i]]);
	for (uint32_t i = 0; i < count; i++)
		at = varint_put(at, pending->thread_id[order[i]]);
	at = put_stacks(at, pending->stack_id, order, count);
	at = put_runs(at, pending->user_status, order, count);
	at = put_runs(at, pending->kernel_status, order, count);
	/* All samples are of the segment's first event. */
	at = varint_put(at, 0);
	at = varint_put(at, count);
	at = put_runs(at, pending->busy, order, count);
	return (uint32_t)(at - payload);
}

static int64_t earliest(const struct profile_pending *pending, const uint32_t *order,
			uint32_t count)
{
	int64_t time_us = pending->time_us[order[0]];

	for (uint32_t i = 1; i < count; i++)
		if (pending->time_us[order[i]] < time_us)
			time_us = pending->time_us[order[i]];
	return time_us;
}

int sample_records_write(struct sample_records *records, struct chunk_builder *builder,
			 const struct profile_pending *pending, uint64_t start_us,
			 uint32_t period_us)
{
	sort_by_cpu(records, pending);
	for (uint32_t begin = 0; begin < pending->sample_count; begin += ROWS_MAX) {
		const uint32_t *order = records->order + begin;
		uint32_t left = pending->sample_count - begin;
		uint32_t count = left < ROWS_MAX ? left : ROWS_MAX;
		uint32_t size = put_record(records->payload, pending, order, count, period_us);
		int r = chunk_builder_add(builder, WIRE_RECORD_SAMPLES, records->payload, size);

		if (r < 0)
			return r;
		chunk_builder_count(builder, count,
				    start_us + (uint64_t)earliest(pending, order, count));
	}
	return 0;
}
