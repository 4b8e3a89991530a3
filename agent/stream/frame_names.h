/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How well the frames of a capture are named: every frame of every sample counts, under what is known of
 * its function in the end, since names may come late.
 *
 * Filled from the records of one segment after another. Bounded: functions beyond FRAME_NAMES_MAX are
 * counted as named by their module alone. One thread.
 */
#ifndef FLICKERSCOPE_FRAME_NAMES_H
#define FLICKERSCOPE_FRAME_NAMES_H

#include <stdint.h>

#include "base/cleanup.h"

struct frame_names;
struct record_function;
struct record_late_name;
struct record_samples;
struct record_stack;

enum frame_names_limits {
	FRAME_NAMES_MAX = 4194304, /* distinct functions */
};

enum frame_naming {
	FRAME_NAMED,
	FRAME_MODULE_ONLY, /* module+0xstart: the file names no function there */
	FRAME_ANONYMOUS, /* in memory without a file, of which nobody tells: code made at run time */
	FRAME_NO_MAPPING, /* in no memory that is known */
	FRAME_NAMING_COUNT,
};

struct frame_names_counts {
	uint64_t frames[FRAME_NAMING_COUNT];
};

int frame_names_new(struct frame_names **ret_names);
void frame_names_free(struct frame_names *names); /* NULL is fine */
DEFINE_CLEANUP(struct frame_names *, frame_names_free);

/* A segment begins; its rows are told in the order of their ids. */
void frame_names_segment(struct frame_names *names);
void frame_names_string(struct frame_names *names, const char *bytes, uint32_t size);
void frame_names_function(struct frame_names *names, const struct record_function *function);
void frame_names_frame(struct frame_names *names, uint32_t function);
void frame_names_stack(struct frame_names *names, const struct record_stack *stack);
void frame_names_samples(struct frame_names *names, const struct record_samples *samples);
void frame_names_late(struct frame_names *names, const struct record_late_name *late_name);

/* Once, at the end. Returns 0 or -ENOMEM. */
int frame_names_finish(struct frame_names *names, struct frame_names_counts *ret_counts);

#endif
