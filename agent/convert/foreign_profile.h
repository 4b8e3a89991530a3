/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a foreign file holds: its names, stacks, threads and samples, whatever format it is in.
 *
 * An importer fills it from the front to the end of the file; foreign_capture.h then makes a capture
 * of it. All of it is held, because what a capture says first (which event, at which rate, on how
 * many CPUs, when it began) follows from all samples, and because files need not be in order of
 * time. That takes 24 bytes a sample, and names and stacks once.
 *
 * Bounded by the limits below. Names are any bytes, not zero-terminated, copied. Owned by one
 * thread.
 */
#ifndef FLICKERSCOPE_FOREIGN_PROFILE_H
#define FLICKERSCOPE_FOREIGN_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "profile/row_table.h"
#include "profile/string_table.h"
#include "wire.h"

enum foreign_profile_limits {
	FOREIGN_SAMPLES_MAX = 67108864,
	FOREIGN_LOSSES_MAX = 1048576, /* beyond, the last one stands for those that follow */
	FOREIGN_STRINGS_MAX = 4194304,
	FOREIGN_STRING_BYTES_MAX = 536870912,
	FOREIGN_FRAMES_MAX = 4194304,
	FOREIGN_STACKS_MAX = 16777216,
	FOREIGN_THREADS_MAX = 1048576,
	FOREIGN_EVENTS_MAX = 64,
	FOREIGN_TEXT_MAX = 1024, /* bytes kept of a fact, its terminating zero included */
};

enum foreign_profile_outcome {
	FOREIGN_PROFILE_FULL = 1, /* foreign_profile_full() says of what */
};

/* Times are from 0 up to here: what a capture can hold, and the year 2255. */
#define FOREIGN_TIME_MAX_US INT64_C(9000000000000000)

enum foreign_special {
	FOREIGN_CPU_UNKNOWN = UINT16_MAX,
	FOREIGN_PID_UNKNOWN = INT32_MAX, /* threads of one name are one then */
};

struct foreign_text {
	const char *bytes; /* borrowed; NULL where the size is 0 */
	size_t size;
};

struct foreign_frame {
	struct foreign_text name;   /* of the function */
	struct foreign_text module; /* file or kernel it is in; may be none */
	struct foreign_text file;   /* of the source; may be none */
	uint32_t line;
	enum wire_frame_kind kind;
	enum wire_module_kind module_kind;
};

struct foreign_sample {
	int64_t time_us; /* by the file's own clock; 0 to FOREIGN_TIME_MAX_US */
	uint32_t stack;	 /* 0: none */
	uint32_t thread;
	uint32_t count; /* that many samples, step_us of the facts apart; usually 1 */
	uint16_t cpu;	/* or FOREIGN_CPU_UNKNOWN */
	uint16_t event; /* index */
};

/* Samples that whoever wrote the file could not keep. */
struct foreign_loss {
	int64_t time_us; /* when it was noticed */
	uint64_t count;
};

struct foreign_event {
	char name[FOREIGN_TEXT_MAX];
	uint32_t frequency_mhz; /* asked for; 0: unknown */
	uint64_t sample_count;
	uint64_t idle_count;
};

/* What the file says beside its samples; empty and 0 where it does not. */
struct foreign_facts {
	char host[FOREIGN_TEXT_MAX];
	char kernel[FOREIGN_TEXT_MAX];
	char title[FOREIGN_TEXT_MAX];
	char note[FOREIGN_TEXT_MAX]; /* what one must know to read the picture */
	uint32_t frequency_mhz;	     /* of events that do not say */
	uint32_t cpu_count;
	uint32_t step_us;    /* between the samples of a row with a count above 1 */
	int64_t wall_end_us; /* wall clock at the last sample, since the epoch, roughly */
};

/* The tables' rows; numbers are ids, from 1; 0: none. */
struct foreign_frame_row {
	uint32_t name;
	uint32_t module;
	uint32_t file;
	uint32_t line;
	uint32_t kinds; /* enum wire_frame_kind, enum wire_module_kind << 8 */
};

struct foreign_stack_row {
	uint32_t parent;
	uint32_t frame;
	uint32_t depth;
};

struct foreign_thread_row {
	uint32_t pid;
	uint32_t tid;
	uint32_t comm;
};

struct foreign_profile {
	struct string_table strings;
	struct row_table frames;
	struct row_table stacks;
	struct row_table threads;
	struct foreign_event events[FOREIGN_EVENTS_MAX];
	uint32_t event_count;
	struct foreign_facts facts;
	struct bytes_writer samples; /* struct foreign_sample each */
	struct bytes_writer losses;  /* struct foreign_loss each */
	uint64_t out_of_order;	     /* samples that are earlier than the one before them */
	int64_t last_time_us;
	const char *full;
};

int foreign_profile_new(struct foreign_profile **ret_profile);
void foreign_profile_free(struct foreign_profile *profile); /* NULL is fine */
DEFINE_CLEANUP(struct foreign_profile *, foreign_profile_free);

/* Each finds or adds one. Returns 0, FOREIGN_PROFILE_FULL or -ENOMEM; the id on 0 only. */
int foreign_profile_string(struct foreign_profile *profile, struct foreign_text text,
			   uint32_t *ret_string); /* 0 for an empty one */
int foreign_profile_frame(struct foreign_profile *profile, const struct foreign_frame *frame,
			  uint32_t *ret_frame);
int foreign_profile_frame_row(struct foreign_profile *profile, const struct foreign_frame_row *row,
			      uint32_t *ret_frame);
int foreign_profile_thread(struct foreign_profile *profile, uint32_t pid, uint32_t tid,
			   struct foreign_text comm, uint32_t *ret_thread);
int foreign_profile_event(struct foreign_profile *profile, struct foreign_text name,
			  uint32_t *ret_index);

/* @parent: the stack of the caller's frames; 0: none. One of the greatest depth is its own child. */
int foreign_profile_stack(struct foreign_profile *profile, uint32_t parent, uint32_t frame,
			  uint32_t *ret_stack);

/* Returns 0, FOREIGN_PROFILE_FULL or -ENOMEM. */
int foreign_profile_sample(struct foreign_profile *profile, const struct foreign_sample *sample);

/* Of all events. Returns 0 or -ENOMEM. */
int foreign_profile_loss(struct foreign_profile *profile, int64_t time_us, uint64_t count);

/* Counts a sample of a CPU that had nothing to do; it is left out. */
void foreign_profile_idle(struct foreign_profile *profile, uint32_t event);

/* What there are too many of, in words; after FOREIGN_PROFILE_FULL. */
const char *foreign_profile_full(const struct foreign_profile *profile);

/* The string with @id, borrowed until the next is added; empty for 0. */
static inline struct foreign_text foreign_profile_text(const struct foreign_profile *profile,
						       uint32_t id)
{
	struct foreign_text text = { 0 };

	if (id)
		text.bytes = string_table_string(&profile->strings, id, &text.size);
	return text;
}

static inline uint32_t foreign_kinds(enum wire_frame_kind kind, enum wire_module_kind module_kind)
{
	return (uint32_t)kind | (uint32_t)module_kind << 8;
}

static inline uint32_t foreign_profile_sample_count(const struct foreign_profile *profile)
{
	return (uint32_t)(profile->samples.size / sizeof(struct foreign_sample));
}

static inline struct foreign_text foreign_text_of(const char *text)
{
	return (struct foreign_text){ .bytes = text, .size = strlen(text) };
}

static inline bool foreign_text_is(struct foreign_text text, const char *wanted)
{
	return text.size == strlen(wanted) && memcmp(text.bytes, wanted, text.size) == 0;
}

/* Copies what fits of a text, terminated. */
void foreign_text_keep(char target[FOREIGN_TEXT_MAX], struct foreign_text text);

#endif
