/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug files by build id from debuginfod servers, kept in a folder. Only made when the user named
 * servers: nothing is downloaded because of an environment variable.
 *
 * One request at a time, in a worker process of its own: debuginfod_fetch.h has its bounds. The folder is
 * the privileged process's: privileged/debug_folder.h. A build id that no server had is not asked for again
 * for DEBUG_FOLDER_NONE_KEPT_S. When no server can be reached, none is asked for
 * DEBUGINFOD_UNREACHABLE_PAUSE_S. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_DEBUGINFOD_H
#define FLICKERSCOPE_DEBUGINFOD_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "elf/build_id.h"

struct debuginfod;
struct privileged_process;
struct worker;
struct worker_job_type;

enum debuginfod_limits {
	DEBUGINFOD_WAITING_MAX = 256,
	DEBUGINFOD_REQUESTS_PER_HOUR_MAX = 500,
	DEBUGINFOD_UNREACHABLE_PAUSE_S = 60,
};

#define DEBUGINFOD_FILE_SIZE_MAX (UINT64_C(1) << 30)

struct debuginfod_options {
	struct worker *worker;	 /* borrowed; was made with debuginfod_job_type() alone */
	const char *const *urls; /* borrowed for the module's life */
	size_t url_count;
	struct privileged_process *privileged; /* borrowed; has the folder for the files */
	uint64_t size_max;		       /* of a file; 0: DEBUGINFOD_FILE_SIZE_MAX */
	uint32_t silence_max_s;		       /* of a server; 0: DEBUGINFOD_SILENCE_MAX_S */
};

struct debuginfod_counters {
	uint64_t requests;
	uint64_t fetched;
	uint64_t cached;
	uint64_t not_found;
	uint64_t refused; /* too large, or not what was asked for */
	uint64_t unreachable;
	uint64_t deferred; /* to be asked for again, since there was no memory or no descriptor */
};

const struct worker_job_type *debuginfod_job_type(void);

/* Returns 0 or -ENOMEM. */
int debuginfod_new(const struct debuginfod_options *options, struct debuginfod **ret_debuginfod);
void debuginfod_free(struct debuginfod *debuginfod); /* NULL is fine; nobody is called any more */
DEFINE_CLEANUP(struct debuginfod *, debuginfod_free);

/* @debug_fd: borrowed for the call, for reading; -1: there is none. */
typedef void (*debuginfod_callback)(int debug_fd, void *context);

/*
 * Asks for a file. The callback comes once, from debuginfod_tick() or the worker, perhaps minutes
 * later. Returns 0, or -EAGAIN when too many wait: nobody will call then.
 */
int debuginfod_find(struct debuginfod *debuginfod, const struct build_id *build_id,
		    debuginfod_callback callback, void *context);

/* @now_ns: CLOCK_MONOTONIC; pauses count from it. */
void debuginfod_tick(struct debuginfod *debuginfod, uint64_t now_ns);

const struct debuginfod_counters *debuginfod_counters(const struct debuginfod *debuginfod);

#endif
