/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The open segment: its dictionary (strings, modules, functions, frames, stacks, threads) and the
 * samples that have not been written yet. The encoder (stream/record_encoder.h) writes both.
 *
 * The order of things for one sample is: its frames, its stack from the root to the leaf, its
 * thread, then the sample, which takes well under 100 ns. Ids are of this segment only: when the
 * segment changes, every id that a caller has kept is void (profile/id_cache.h forgets them all at
 * once).
 *
 * Bounded for ever: each table by its limit below, the samples by PROFILE_PENDING_MAX. Where one is
 * reached, PROFILE_FULL says so: the caller closes the segment and opens the next. Owned by the
 * loop thread: no locks inside.
 */
#ifndef FLICKERSCOPE_PROFILE_H
#define FLICKERSCOPE_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "profile/row_table.h"
#include "profile/string_table.h"
#include "wire.h"

enum profile_limits {
	PROFILE_STRINGS_MAX = 131072,
	PROFILE_STRING_BYTES_MAX = 8388608,
	PROFILE_MODULES_MAX = 16384,
	PROFILE_FUNCTIONS_MAX = 131072,
	PROFILE_FRAMES_MAX = 262144,
	PROFILE_STACKS_MAX = 524288,
	PROFILE_THREADS_MAX = 65536,
	PROFILE_PENDING_MAX = 65536, /* samples that wait for a flush */
	PROFILE_CPUS_MAX = WIRE_CPUS_MAX,
};

enum profile_outcome {
	PROFILE_FULL = 1,	    /* close the segment, open the next, add again */
	PROFILE_STACK_TOO_DEEP = 2, /* the parent has WIRE_STACK_DEPTH_MAX frames already */
};

/* Strings are borrowed for the call, zero-terminated, any bytes; NULL or "" is none. */
struct profile_frame_row {
	uint64_t function_key; /* 0: no function is known */
	uint64_t module_key;   /* 0: no module is known */
	enum wire_frame_kind kind;
	enum wire_module_kind module_kind;
	const char *name; /* NULL: shown as module+0xstart */
	const char *module_name;
	const char *file; /* of the source, and line: 0 and NULL where unknown */
	uint32_t line;
	uint64_t start; /* of the function in the module's file; not for the kernel */
};

struct profile_thread_row {
	uint32_t tid;
	uint32_t pid;
	uint64_t process_start_ns; /* CLOCK_BOOTTIME */
	const char *comm;
	const char *process_name;
	const char *cgroup;
	const char *container;
};

struct profile_sample {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t cpu;
	uint32_t thread_id;
	uint32_t stack_id;   /* 0: no frame is known */
	uint8_t user_status; /* enum stack_status, include/sample_abi.h */
	uint8_t kernel_status;
	uint8_t busy; /* enum sample_busy */
};

/* The tables' rows, as the encoder reads them. Numbers are ids unless named otherwise. */
struct profile_module {
	uint64_t key;
	uint32_t name;
	uint32_t kind;
};

struct profile_function {
	uint64_t key;
	uint64_t start;
	uint32_t module;
	uint32_t name;
};

struct profile_frame {
	uint32_t function;
	uint32_t kind;
	uint32_t file;
	uint32_t line;
};

struct profile_stack {
	uint32_t parent;
	uint32_t frame;
	uint32_t depth; /* frames, this one included */
};

struct profile_thread {
	uint64_t process_start_ns;
	uint32_t tid;
	uint32_t pid;
	uint32_t comm;
	uint32_t process_name;
	uint32_t cgroup;
	uint32_t container;
};

/* A column each; rows in the order of profile_sample(). */
struct profile_pending {
	uint32_t sample_count;
	int64_t *time_us; /* since the segment's start */
	uint32_t *thread_id;
	uint32_t *stack_id;
	uint16_t *cpu;
	uint8_t *user_status;
	uint8_t *kernel_status;
	uint8_t *busy;
};

struct profile {
	struct string_table strings;
	struct row_table modules;
	struct row_table functions;
	struct row_table frames;
	struct row_table stacks;
	struct row_table threads;
	struct profile_pending pending;
	uint64_t start_mono_ns; /* of the segment */
	uint64_t sample_count;	/* since profile_new() */
};

int profile_new(struct profile **ret_profile);
void profile_free(struct profile *profile); /* NULL is fine */
DEFINE_CLEANUP(struct profile *, profile_free);

/* Empties everything for a new segment; called by record_encoder_open(). Keeps the memory. */
void profile_reset(struct profile *profile, uint64_t start_mono_ns);

/* Each finds or adds one row. Returns 0, an outcome named above, or -ENOMEM; the id on 0 only. */
int profile_string(struct profile *profile, const char *string, uint32_t *ret_string_id);
int profile_function(struct profile *profile, const struct profile_frame_row *row,
		     uint32_t *ret_function_id);
int profile_frame(struct profile *profile, const struct profile_frame_row *row,
		  uint32_t *ret_frame_id);
int profile_thread(struct profile *profile, const struct profile_thread_row *row,
		   uint32_t *ret_thread_id);

/* @parent_id: the stack of the caller's frames; 0 for the root, which is the outermost caller. */
int profile_stack(struct profile *profile, uint32_t parent_id, uint32_t frame_id,
		  uint32_t *ret_stack_id);

/* Adds a sample. Returns 0, or PROFILE_FULL: flush or close, then add again. */
int profile_sample(struct profile *profile, const struct profile_sample *sample);

/* Whether so many samples wait that it's time to flush before the timer says so. */
static inline bool profile_should_flush(const struct profile *profile)
{
	return profile->pending.sample_count >= PROFILE_PENDING_MAX / 2;
}

/* Whether a table is nearly full: close the segment before a sample meets PROFILE_FULL. */
bool profile_nearly_full(const struct profile *profile);

size_t profile_memory(const struct profile *profile);

#endif
