/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of code that processes make at run time, by what they publish:
 *
 *   perf map   /tmp/perf-PID.map as the process itself sees it, with the pid that it has in its own
 *              namespace
 *   jitdump    a file jit-PID.dump that the process maps for execution, which is how it says that it
 *              writes one; with the times at which code was made, so that it comes first
 *
 * Both are append-only: the worker reads what has been added. An address that is asked for while a
 * file has more than was read of it gets its name when that has been read. The files stay open, so
 * that what a process wrote last is read after its end. Bounded: the process asked for longest
 * ago makes room. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_JIT_SYMBOLS_H
#define FLICKERSCOPE_JIT_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "symbolize/late_name.h"

struct frame_description;
struct jit_symbols;
struct process;
struct process_files;
struct process_table;
struct worker;

enum jit_symbols_limits {
	JIT_PROCESSES_MAX = 1024,
	JIT_FILES_MAX = 256,		   /* open ones */
	JIT_FAILURES_MAX = 2,		   /* of the worker, over one file */
	JIT_CHECK_INTERVAL_LEAST_MS = 200, /* while there is a file; doubles ... */
	JIT_CHECK_INTERVAL_MOST_MS = 3000, /* ... up to this while there is none */
};

struct jit_symbols_counters {
	uint64_t reads; /* parts of files */
	uint64_t failed;
	uint64_t bytes; /* of all that is known, now */
	uint64_t evicted;
	uint64_t provisional_lost;
};

/* All borrowed. */
int jit_symbols_new(struct worker *worker, struct process_files *files,
		    struct process_table *processes, size_t bytes_max,
		    struct jit_symbols **ret_symbols);
void jit_symbols_free(struct jit_symbols *symbols); /* NULL is fine */
DEFINE_CLEANUP(struct jit_symbols *, jit_symbols_free);

/*
 * Describes @address (of the instruction itself) of @process at @time_ns (CLOCK_MONOTONIC) when the
 * process has named it or may soon. Returns false when neither is so.
 */
bool jit_symbols_describe(struct jit_symbols *symbols, const struct process *process,
			  uint64_t address, uint64_t time_ns, struct frame_description *ret_frame);

/* Describes an address in memory without a file of which nobody tells anything. */
void jit_symbols_describe_unknown(struct frame_description *ret_frame);

/* Reads what is due. */
void jit_symbols_tick(struct jit_symbols *symbols, uint64_t now_ns);

/* Lets ticks read whatever names are awaited from, as soon as nothing of it is being read. */
void jit_symbols_hurry(struct jit_symbols *symbols);

/* Whether some of that has not been looked at since. */
bool jit_symbols_is_behind(const struct jit_symbols *symbols);

bool jit_symbols_next(struct jit_symbols *symbols, struct late_name *ret_late_name);

const struct jit_symbols_counters *jit_symbols_counters(const struct jit_symbols *symbols);

#endif
