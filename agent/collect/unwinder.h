/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has the stacks of the processes that are sampled walked by tables: at a process's first sample
 * its mappings, and the tables of their files, go to the kernel; again whenever they change, and
 * when a table comes that was not there. What a process used is taken back after its end.
 *
 * Until then, and where there is no room, the kernel side walks by frame pointers. Owned by the
 * loop thread.
 */
#ifndef FLICKERSCOPE_UNWINDER_H
#define FLICKERSCOPE_UNWINDER_H

#include <stdint.h>

#include "base/cleanup.h"
#include "collect/unwind_tables.h"
#include "collect/unwind_upload.h"

struct process;
struct process_table;
struct unwind_maps;
struct debug_files;
struct unwinder;

enum unwinder_limits {
	UNWINDER_ENDED_KEPT_MS =
		250, /* after the last sample of a process whose main thread ended */
	UNWINDER_EVICT_IDLE_MS = 5000, /* who was sampled since then does not make room */
};

struct unwinder_options {
	struct worker *worker; /* see struct unwind_tables_options; borrowed, as all but the maps */
	struct worker *large_worker;
	struct process_table *processes;
	struct unwind_maps *maps; /* taken, also on failure */
	uint64_t tables_bytes_max;
	struct debug_files *debug_files; /* borrowed; NULL: none are searched */
};

struct unwinder_counters {
	uint64_t processes; /* now */
	uint64_t uploads;   /* of a process's mappings */
	uint64_t evicted;   /* processes that made room */
	struct unwind_tables_counters tables;
	struct unwind_upload_counters upload;
};

int unwinder_new(const struct unwinder_options *options, struct unwinder **ret_unwinder);
void unwinder_free(struct unwinder *unwinder); /* NULL is fine */
DEFINE_CLEANUP(struct unwinder *, unwinder_free);

/* Call it for each sample; before it is named, as names can wait and the next stack cannot. */
void unwinder_see(struct unwinder *unwinder, const struct process *process, uint64_t time_ns);

/* Tells the kernel what has changed for the processes seen. Call it after each drain. */
void unwinder_update(struct unwinder *unwinder);

/* Takes back what is not used any more, and asks again for what was not to be had. */
void unwinder_tick(struct unwinder *unwinder, uint64_t now_ns);

const struct unwinder_counters *unwinder_counters(struct unwinder *unwinder);

#endif
