/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process says about the code that it made: loads, one after another in the order in which it
 * wrote them. The worker's jobs write them down from perf maps and jitdumps, a part of the file at
 * a time; here they are checked as any outside bytes before they are used.
 *
 *   header, rows, names
 */
#ifndef FLICKERSCOPE_JIT_LOADS_H
#define FLICKERSCOPE_JIT_LOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/*
 * How far a file has been read. What was before is known by a hash of its last bytes: a file that
 * was written anew is read from its start.
 */
struct jit_position {
	uint64_t offset;
	uint64_t tail_hash;
	uint32_t flags;
	uint32_t reserved;
};

enum jit_position_flag {
	JIT_POSITION_NO_TIMES = 1, /* the times in the file are of another clock */
};

struct jit_loads_header {
	struct jit_position position; /* where the next part starts */
	uint32_t count;
	uint32_t names_size;
	uint32_t flags;
	uint32_t reserved;
};

enum jit_loads_flag {
	JIT_LOADS_RESTARTED = 1, /* what was read before holds no more */
	JIT_LOADS_MORE = 2,	 /* there was more than one part may have */
	JIT_LOADS_CLOSED = 4,	 /* the process has said that nothing will follow */
	JIT_LOADS_DAMAGED = 8,	 /* what follows cannot be read */
};

enum jit_loads_limits {
	JIT_LOADS_MAX = 65536, /* of one part */
};

struct jit_load {
	uint64_t start;
	uint64_t size;	     /* never 0, start + size does not overflow */
	uint64_t time_ns;    /* CLOCK_MONOTONIC; 0: not told, from the beginning */
	uint64_t moved_from; /* not 0: the code that was there, under its name */
	uint32_t name_offset;
	uint32_t name_size;
};

struct jit_loads_view {
	const struct jit_loads_header *header;
	const struct jit_load *rows;
	const char *names;
};

/* Writes them, in the worker. Zero it before the first one; it owns memory until the end. */
struct jit_loads_writer {
	struct bytes_writer rows;
	struct bytes_writer names;
};

struct jit_loads_writer jit_loads_writer_new(void);
void jit_loads_writer_free(struct jit_loads_writer *writer);

/* No more may be added. */
static inline bool jit_loads_writer_is_full(const struct jit_loads_writer *writer)
{
	return writer->rows.size >= JIT_LOADS_MAX * sizeof(struct jit_load);
}

static inline void cleanup_jit_loads_writer_free(struct jit_loads_writer *writer)
{
	jit_loads_writer_free(writer);
}

/* Leaves out what is no code: no size, or beyond the last address. @load: its name is @name. */
void jit_loads_writer_add(struct jit_loads_writer *writer, struct jit_load load, const char *name,
			  size_t name_size);

/* Returns 0, -ENOMEM, or -EFBIG when it does not fit the result. */
int jit_loads_writer_finish(struct jit_loads_writer *writer, struct jit_position position,
			    uint32_t flags, struct bytes_writer *ret_result);

/* @bytes: aligned to 8. Returns 0 or -EBADMSG. */
int jit_loads_view_open(const void *bytes, size_t size, struct jit_loads_view *ret_view);

#endif
