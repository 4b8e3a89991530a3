/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture in memory, for reports and exports: the names, stacks and samples of all segments, or
 * of those within a range of time, merged.
 *
 * Modules and functions are merged by their keys, late names are applied, so what a segment called
 * lib.so+0x1234 has the name that a later one told. Ids count up from 1; 0 means none. Only what a
 * sample within the range uses is in the tables.
 *
 * A stack's first node is its process: stacks of two processes are two, as in the page. Calls are
 * stacks as they are shown: frames of one name, module and kind are one call, whatever their lines.
 *
 * Memory is bounded by the limits below, at 24 bytes a sample and as many a distinct stack, three
 * times that while loading. Owned by one thread; nothing changes once it is loaded but the order of
 * the samples.
 */
#ifndef FLICKERSCOPE_MERGED_PROFILE_H
#define FLICKERSCOPE_MERGED_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "convert/time_point.h"
#include "profile/row_table.h"
#include "profile/string_table.h"
#include "wire.h"

struct capture_reader;

enum merged_profile_limits {
	MERGED_STRINGS_MAX = 16777216,
	MERGED_STRING_BYTES_MAX = 1073741824,
	MERGED_ROWS_MAX = 33554432,	/* of each other kind */
	MERGED_SAMPLES_MAX = 268435456, /* 6.4 GB */
	MERGED_META_MAX = 16,
	MERGED_WEIGHTS_MAX = UINT16_MAX, /* different rates */
};

/* The frame of a stack's first node, and the label of a call's: this, or-ed with a string. */
#define MERGED_PROCESS (UINT32_C(1) << 31)

struct merged_module {
	uint64_t key;
	uint32_t name; /* string, as are all the names below */
	uint32_t kind; /* enum wire_module_kind */
};

struct merged_function {
	uint64_t key;
	uint64_t start; /* in the module's file */
	uint32_t module;
	uint32_t name;	/* 0: none is known; merged_label says what is shown */
	uint32_t owner; /* the function that it was found to be a part of; 0: it is one itself */
	uint32_t label; /* of struct merged_label */
};

struct merged_frame {
	uint32_t function;
	uint32_t kind; /* enum wire_frame_kind */
	uint32_t file;
	uint32_t line;
};

struct merged_stack {
	uint32_t parent; /* a smaller id */
	uint32_t frame;	 /* or MERGED_PROCESS | name */
};

struct merged_thread {
	uint64_t process_start_ns;
	uint32_t tid;
	uint32_t pid;
	uint32_t comm;
	uint32_t process_name;
	uint32_t cgroup;
	uint32_t container;
};

/* What people call a function: the same name in the same module is the same. */
struct merged_label {
	uint32_t name;	 /* "module+0xstart" where none is known */
	uint32_t module; /* string; 0: none is known */
};

struct merged_call {
	uint32_t parent; /* a smaller id */
	uint32_t label;	 /* or MERGED_PROCESS | name */
	uint32_t kind;	 /* enum wire_frame_kind; 0 of processes */
};

struct merged_sample {
	int64_t time_us; /* timeline */
	uint32_t stack;	 /* never 0: at least the process is known */
	uint32_t thread; /* 0: none is known */
	uint16_t cpu;
	uint8_t user_status; /* enum stack_status */
	uint8_t kernel_status;
	uint8_t event;
	uint8_t busy;	 /* enum wire_busy */
	uint16_t weight; /* see merged_weight() */
};

/* A record with a time of its own. */
struct merged_note {
	int64_t time_us; /* timeline */
	uint8_t kind;	 /* enum wire_record_kind: GAP, RATE, COUNTERS or CLOCK */
	uint32_t what;	 /* reason, CPU or counter */
	int64_t value;	 /* end of the gap in us, mHz, count, or CLOCK_MONOTONIC in ns */
	uint64_t second; /* samples lost, or wall clock in ns */
};

struct merged_segment {
	struct wire_segment_head head;
	int64_t from_us; /* timeline: what was taken of it */
	int64_t to_us;
	int64_t end_us;	     /* everything before has been written */
	uint64_t first_note; /* in notes */
	uint64_t note_count;
};

struct merged_profile {
	struct string_table strings;
	struct row_table modules;
	struct row_table functions;
	struct row_table frames;
	struct row_table stacks;
	struct row_table threads;
	struct row_table labels;
	struct row_table calls;
	uint32_t *call_of_stack;       /* owned; by stack, the first unused */
	struct merged_sample *samples; /* owned */
	uint64_t sample_count;
	uint64_t sample_capacity;
	struct row_table weights;  /* uint64_t: those of samples, by the rates of their segments */
	uint64_t least_weight;	   /* of any sample; 0: there is none */
	struct bytes_writer notes; /* struct merged_note */
	struct bytes_writer segments; /* struct merged_segment: those that overlap the range */
	uint32_t
		meta[MERGED_META_MAX]; /* strings by enum wire_meta: what the newest segment says */
	uint64_t instance_id;	       /* of the file */
	bool sorted;
	int64_t zero_us;       /* timeline at T = 0; 0: there is no sample in the whole capture */
	uint32_t zero_shift_s; /* the wall clock there = timeline - this */
	int64_t from_us;       /* the range on the timeline, cut to what was recorded */
	int64_t to_us;
	uint32_t from_shift_s;	/* the wall clock at from_us = timeline - this */
	uint64_t clock_step_us; /* of the range: time that never was, since the clock was set */
	uint64_t lost_count;	/* samples, in gaps within the range */
	uint32_t damaged_segments;
};

struct merged_profile_options {
	const char *name; /* of the file, for messages */
	struct time_range range;
	/* Called now and then with segments read and all; may be NULL. */
	void (*progress)(void *context, uint64_t done, uint64_t all);
	void *context;
};

/* Returns 0 or -errno; logged, as is damage, by the reader. */
int merged_profile_load(struct capture_reader *reader, const struct merged_profile_options *options,
			struct merged_profile **ret_profile);
void merged_profile_free(struct merged_profile *profile); /* NULL is fine */
DEFINE_CLEANUP(struct merged_profile *, merged_profile_free);

/* Puts the samples in the order of time; samples of one time in that of their CPUs. */
void merged_profile_sort(struct merged_profile *profile);

/* A string, not terminated, borrowed; "" of 0. */
const char *merged_string(const struct merged_profile *profile, uint32_t id, size_t *ret_size);

static inline const struct merged_stack *merged_stack(const struct merged_profile *profile,
						      uint32_t id)
{
	return row_table_row(&profile->stacks, id);
}

static inline const struct merged_call *merged_call(const struct merged_profile *profile,
						    uint32_t id)
{
	return row_table_row(&profile->calls, id);
}

static inline const struct merged_label *merged_label(const struct merged_profile *profile,
						      uint32_t id)
{
	return row_table_row(&profile->labels, id);
}

/* The thread with @id; the one of nothing known for 0. */
const struct merged_thread *merged_thread(const struct merged_profile *profile, uint32_t id);

/* The frame with @id; the one of nothing known for 0. */
const struct merged_frame *merged_frame(const struct merged_profile *profile, uint32_t id);

/* The function that @id was found to be, or NULL for 0. */
const struct merged_function *merged_function(const struct merged_profile *profile, uint32_t id);

/* The id of the function that @id was found to be a part of, or @id. */
uint32_t merged_function_id(const struct merged_profile *profile, uint32_t id);

/* The same while functions are still being found to be parts of others. */
uint32_t merged_function_find(struct merged_profile *profile, uint32_t id);

/* The module with @id, or NULL for 0. */
const struct merged_module *merged_module(const struct merged_profile *profile, uint32_t id);

/* The label of a frame: of its function. */
uint32_t merged_frame_label(const struct merged_profile *profile, uint32_t frame);

/* The name in a call or a stack's first node: of its process, else of its function. */
uint32_t merged_call_name(const struct merged_profile *profile, const struct merged_call *call);

/*
 * What a sample stands for: nanoseconds of CPU time by the rate of its segment, which `--max-cpu` changes; 1 where
 * samples are just counted.
 */
static inline uint64_t merged_weight(const struct merged_profile *profile,
				     const struct merged_sample *sample)
{
	return *(const uint64_t *)row_table_row(&profile->weights, sample->weight);
}

/* The least that a sample stands for, in nanoseconds of CPU time; 0 where samples are just counted. */
static inline uint64_t merged_profile_period_ns(const struct merged_profile *profile)
{
	return profile->least_weight > 1 ? profile->least_weight : 0;
}

/* How long the range took, in microseconds, and its start by the wall clock. */
static inline int64_t merged_profile_duration_us(const struct merged_profile *profile)
{
	const uint64_t span_us = (uint64_t)(profile->to_us - profile->from_us);

	return span_us > profile->clock_step_us ? (int64_t)(span_us - profile->clock_step_us) : 0;
}

static inline int64_t merged_profile_wall_us(const struct merged_profile *profile)
{
	return profile->from_us - profile->from_shift_s * INT64_C(1000000);
}

/*
 * How many samples of the highest rate a sum of weights stands for: where there is one rate, how many
 * samples it is the sum of.
 */
static inline uint64_t merged_samples(const struct merged_profile *profile, uint64_t weight)
{
	const uint64_t least = profile->least_weight;

	return least ? weight / least + (weight % least >= least - least / 2) : 0;
}

static inline const struct merged_segment *merged_segments(const struct merged_profile *profile,
							   size_t *ret_count)
{
	*ret_count = profile->segments.size / sizeof(struct merged_segment);
	return (const struct merged_segment *)profile->segments.bytes;
}

#endif
