/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwind tables of the files that sampled processes map.
 *
 * A table is asked of the worker when the first process wants it, and is put where the kernel reads it
 * when it comes. Files with one build id share one. A table that no process uses stays until room
 * gets short; a file that could not be read stays without. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_UNWIND_TABLES_H
#define FLICKERSCOPE_UNWIND_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct debug_files;
struct executable_table;
struct mapping;
struct unwind_tables;
struct unwind_upload;
struct unwind_upload_table;
struct worker;
struct worker_job_type;

enum unwind_tables_limits {
	UNWIND_TABLES_SMALL_FILE_MAX = 16 << 20, /* bytes: some milliseconds of work */
	UNWIND_TABLES_BUILDING_MAX = 64,	 /* jobs at a time: each holds a descriptor */
	UNWIND_TABLES_TRIES_MAX = 10,		 /* to open a file */
	UNWIND_TABLES_RETRY_MS = 100,		 /* after the file could not be opened */
	UNWIND_TABLES_REST_MS = 1100,	     /* after others made room: see UNWIND_UPLOAD_REST_MS */
	UNWIND_TABLES_FULL_PAUSE_MS = 10000, /* after there was no room */
	UNWIND_TABLES_CRASHES_MAX = 2,	     /* tries that may end with the worker's death */
	UNWIND_TABLES_START_CODE_MAX = 512,  /* bytes that the C library brings into each program */
};

/* What is known about a file's table. */
enum unwind_tables_answer {
	UNWIND_TABLES_READY,
	UNWIND_TABLES_PENDING, /* it may still come */
	UNWIND_TABLES_NONE,    /* it has none, or cannot be read */
};

/* A table in use: see unwind_tables_take(). */
struct unwind_table_use;

struct unwind_tables_counters {
	uint64_t tables;   /* now */
	uint64_t building; /* now */
	uint64_t built;
	uint64_t evicted;
	uint64_t failed; /* files that are bad, or lie outside the limits */
	uint64_t open_failed;
	uint64_t refused;  /* for want of room */
	uint64_t deferred; /* to be read again, since there was no memory for them */
};

/* What the workers have to be able to do. */
const struct worker_job_type *unwind_tables_job_type(void);

/*
 * @worker, @large_worker: with unwind_tables_job_type() alone. What is large takes the second one up
 *	to a second, and nobody waits for it but his own stacks.
 * All are borrowed.
 */
struct unwind_tables_options {
	struct worker *worker;
	struct worker *large_worker;
	struct executable_table *executables;
	struct unwind_upload *upload;
	struct debug_files
		*debug_files; /* for files that describe little of their code; may be NULL */
};

int unwind_tables_new(const struct unwind_tables_options *options,
		      struct unwind_tables **ret_tables);
void unwind_tables_free(struct unwind_tables *tables); /* NULL is fine */
DEFINE_CLEANUP(struct unwind_tables *, unwind_tables_free);

/*
 * The table of a mapping's file, kept until it is given back; asks for it when there is none.
 *
 * @pid: a process that maps it: for opening the file.
 * @ret_use: written when it is ready.
 */
enum unwind_tables_answer unwind_tables_take(struct unwind_tables *tables, uint32_t pid,
					     const struct mapping *mapping,
					     struct unwind_table_use **ret_use);
void unwind_tables_give(struct unwind_tables *tables, struct unwind_table_use *use);

const struct unwind_upload_table *unwind_table_use_place(const struct unwind_table_use *use);

/* @now_ns: CLOCK_MONOTONIC; pauses count from it. */
void unwind_tables_tick(struct unwind_tables *tables, uint64_t now_ns);

/* Changes when it is worth asking again for what was pending. */
uint64_t unwind_tables_generation(const struct unwind_tables *tables);

const struct unwind_tables_counters *unwind_tables_counters(struct unwind_tables *tables);

#endif
