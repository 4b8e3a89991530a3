/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the separate debug file of an executable, for whoever misses something in the file itself.
 *
 * Looked at in this order: /usr/lib/debug/.build-id/xx/yyy.debug; by the file's debug link, in its own
 * folder, in .debug there, and below /usr/lib/debug; each as a process sees it that maps the file,
 * then as we do; then debuginfod, when that was asked for. What is found must belong to root or to the
 * executable's owner, since names are shared by all who map the file, and the worker checks that it
 * is the right one.
 *
 * A search takes some jobs of the worker, or minutes with debuginfod, and never waits. A job for which memory
 * or descriptors are short is tried again, as base/descriptors.h says. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_DEBUG_FILES_H
#define FLICKERSCOPE_DEBUG_FILES_H

#include <stdint.h>

#include "base/cleanup.h"
#include "elf/debug_reference.h"

struct debug_files;
struct debuginfod;
struct executable;
struct process_files;
struct worker;

enum debug_files_limits {
	DEBUG_FILES_SEARCHES_MAX = 256, /* at a time: each holds up to three descriptors */
};

enum debug_files_outcome {
	DEBUG_FILES_BUSY = 1, /* too many searches, or no room in the worker's queue: later */
};

struct debug_files_counters {
	uint64_t searches; /* now */
	uint64_t found;
	uint64_t not_found;
	uint64_t refused;  /* files that were there, but not the right ones */
	uint64_t deferred; /* to be read again, since there was no memory for them */
};

/* @worker, @files: borrowed. @debuginfod: borrowed; NULL: nothing is asked of the network. */
int debug_files_new(struct worker *worker, struct process_files *files,
		    struct debuginfod *debuginfod, struct debug_files **ret_files);
void debug_files_free(struct debug_files *files); /* NULL is fine; searches end without a word */
DEFINE_CLEANUP(struct debug_files *, debug_files_free);

/*
 * Called on the loop thread, never from inside debug_files_find(), once for each search.
 *
 * @tag: as it was given.
 * @file_fd, @debug_fd: the executable and its debug file, borrowed for the call, as
 *	worker_submit_pair() takes them. @debug_fd is -1 when there is none, or none is needed.
 */
typedef void (*debug_files_callback)(uint64_t tag, int file_fd, int debug_fd, void *context);

/*
 * Begins a search, for a file that is open.
 *
 * @executable: borrowed for the call.
 * @pid: a process that maps it.
 * @file_fd: borrowed; a duplicate is kept.
 * @wanted: what the debug file is for. Nothing is searched when the file has it itself.
 *
 * Returns 0, DEBUG_FILES_BUSY, or -errno.
 */
int debug_files_find(struct debug_files *files, const struct executable *executable, uint32_t pid,
		     int file_fd, enum debug_part wanted, uint64_t tag,
		     debug_files_callback callback, void *context);

/* Goes on with what had to wait. @now_ns: CLOCK_MONOTONIC; pauses count from it. */
void debug_files_tick(struct debug_files *files, uint64_t now_ns);

const struct debug_files_counters *debug_files_counters(const struct debug_files *files);

#endif
