/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source lines and inlined functions of the files that are sampled, from their debug information.
 *
 * An address that is asked for the first time has none; it waits with others of its file, and the
 * worker answers for the whole unit that each is in. The next time the answer is there. A file is
 * read again only after a pause, twice as long each time that nothing was left over: code that runs all
 * the time is known soon, and what comes later is rare. Reading a file takes a small share of the CPU time
 * that was seen in it, and all files together the same share of one CPU.
 *
 * Bounded by bytes: the tables of the file used longest ago make room; a file that needs more than
 * all of it gets no more. Files that cannot be read go without. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_SOURCE_LINES_H
#define FLICKERSCOPE_SOURCE_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "elf/source_table.h"

struct debug_files;
struct executable;
struct executable_table;
struct mapping;
struct source_lines;
struct worker;

enum source_lines_limits {
	SOURCE_LINES_BUILDING_MAX = 4,	  /* searches and jobs at a time */
	SOURCE_LINES_TABLES_MAX = 4096,	  /* of one file: each is a mapping of the agent's memory */
	SOURCE_LINES_KNOWN_MAX = 1 << 20, /* ranges of one file */
	SOURCE_LINES_PAUSE_LEAST_MS = 100,
	SOURCE_LINES_PAUSE_MOST_MS = 5000, /* less than the worker keeps the file open */
	SOURCE_LINES_FIRST_MS = 20, /* what opening a file is taken to cost, before it is known */
	SOURCE_LINES_SHARE = 20,    /* reading takes 1/20 of one CPU in the long run, and ... */
	SOURCE_LINES_CREDIT_MS =
		1000, /* ... so much beyond it, saved while there was nothing to read */
	SOURCE_LINES_EVICTED_PAUSE_MS = 10000,
	SOURCE_LINES_CHANGES_MAX = 10,	 /* jobs during which the file may change */
	SOURCE_LINES_CRASHES_MAX = 2,	 /* tries that may end with the worker's death */
	SOURCE_LINES_TRIES_MAX = 10,	 /* to open the file for what waits */
	SOURCE_LINES_FDS_MAX = 64,	 /* debug files that stay open ... */
	SOURCE_LINES_FD_KEPT_MS = 10000, /* ... so long after they were read last */
};

struct source_lines_counters {
	uint64_t files;	 /* now, with tables */
	uint64_t tables; /* now */
	uint64_t bytes;	 /* now */
	uint64_t built;
	uint64_t evicted;   /* files that made room */
	uint64_t failed;    /* files that could not be read */
	uint64_t changed;   /* while they were read */
	uint64_t deferred;  /* to be read again, since there was no memory for them */
	uint64_t refused;   /* files that got no more: they need more than there is */
	uint64_t left_out;  /* units of files beyond the limits of their reader */
	uint64_t forgotten; /* addresses that found no room to wait */
};

/*
 * @worker: borrowed; @job_type: of inline_frames_job() among its types.
 * @executables, @debug_files: borrowed.
 */
struct source_lines_options {
	struct worker *worker;
	uint32_t job_type;
	struct executable_table *executables;
	struct debug_files *debug_files;
	size_t bytes_max;
};

struct source_address {
	uint64_t offset;	       /* in the file */
	const struct mapping *mapping; /* of the file ... */
	uint32_t pid;		       /* ... in this process: for opening it */
};

int source_lines_new(const struct source_lines_options *options, struct source_lines **ret_lines);
void source_lines_free(struct source_lines *lines); /* NULL is fine */
DEFINE_CLEANUP(struct source_lines *, source_lines_free);

/*
 * The frames of an address, innermost first; the last one is the function that was not inlined, of
 * which only the place is told. Strings are borrowed until the next tick.
 *
 * Returns their number; 0 when nothing is known, or not yet.
 */
unsigned int source_lines_find(struct source_lines *lines, const struct source_address *address,
			       struct source_frame ret_frames[SOURCE_FRAMES_MAX]);

/* CPU time seen in a file: only then is reading it worth its cost. */
void source_lines_see(struct source_lines *lines, const struct executable *executable,
		      uint64_t cpu_ns);

/* @now_ns: CLOCK_MONOTONIC; pauses count from it. */
void source_lines_tick(struct source_lines *lines, uint64_t now_ns);

/* Changes when something that was asked for has come. */
uint64_t source_lines_generation(const struct source_lines *lines);

const struct source_lines_counters *source_lines_counters(const struct source_lines *lines);

#endif
