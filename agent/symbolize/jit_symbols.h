/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of code that processes make at run time, by the perf maps they write: /tmp/perf-PID.map as
 * the process itself sees it, with the pid that it has in its own namespace.
 *
 * A map is read when an address of the process is not in it and the file has changed; a process is
 * looked at once a second at most, less often while it has no map. Bounded: the map not used
 * for longest makes room. Owned by the loop thread.
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
struct worker;

enum jit_symbols_limits {
	JIT_PROCESSES_MAX = 1024,
	JIT_CHECK_INTERVAL_LEAST_MS = 1000,
	JIT_CHECK_INTERVAL_MOST_MS = 30000,
};

struct jit_symbols_counters {
	uint64_t reads;
	uint64_t failed;
	uint64_t bytes; /* of all tables, now */
	uint64_t evicted;
	uint64_t provisional_lost;
};

int jit_symbols_new(struct worker *worker, struct process_files *files, size_t bytes_max,
		    struct jit_symbols **ret_symbols);
void jit_symbols_free(struct jit_symbols *symbols); /* NULL is fine */
DEFINE_CLEANUP(struct jit_symbols *, jit_symbols_free);

/*
 * Describes @address (of the instruction itself) of @process when its map names it or may soon.
 * Returns false when neither is so.
 */
bool jit_symbols_describe(struct jit_symbols *symbols, const struct process *process,
			  uint64_t address, struct frame_description *ret_frame);

/* Describes an address in memory without a file of which nobody tells anything. */
void jit_symbols_describe_unknown(struct frame_description *ret_frame);

/* Reads the maps that are due. */
void jit_symbols_tick(struct jit_symbols *symbols, uint64_t now_ns);

bool jit_symbols_next(struct jit_symbols *symbols, struct late_name *ret_late_name);

const struct jit_symbols_counters *jit_symbols_counters(const struct jit_symbols *symbols);

#endif
