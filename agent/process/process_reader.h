/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what /proc says about one process, as if events had told it. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_PROCESS_READER_H
#define FLICKERSCOPE_PROCESS_READER_H

#include <stdint.h>

#include "base/cleanup.h"
#include "process/mapping_table.h"

struct executable;
struct executable_table;
struct process_files;

enum process_reader_limits {
	PROCESS_SNAPSHOT_COMM_SIZE = 16, /* TASK_COMM_LEN, the terminating zero included */
	PROCESS_READER_TEXT_SIZE = 64
				   << 10, /* read at once; a line with a path is 17 KiB at most */
};

struct process_reader {
	struct process_files *files;	      /* borrowed */
	struct executable_table *executables; /* borrowed */
	struct mapping_budget *budget;	      /* borrowed */
	char text[PROCESS_READER_TEXT_SIZE];  /* in hand */
};

struct process_snapshot {
	struct mapping_table *mappings;	    /* owned; NULL: none */
	struct executable *main_executable; /* a reference; NULL: not known, or a kernel thread */
	char comm[PROCESS_SNAPSHOT_COMM_SIZE];
	uint64_t time_ns;      /* CLOCK_MONOTONIC, just before reading */
	uint32_t bad_lines;    /* of maps, passed over */
	uint32_t refused_rows; /* mappings beyond the limits */
};

void process_snapshot_release(struct process_snapshot *snapshot);

static inline void cleanup_process_snapshot_release(struct process_snapshot *snapshot)
{
	process_snapshot_release(snapshot);
}

/*
 * @start_ns: CLOCK_BOOTTIME at which the process started, 0: unknown. Another process with this
 *	pid is not read.
 * @known: what was known about the same process; its executables are used again. NULL is fine.
 *
 * Returns 0, or -errno: -ESRCH or -ENOENT when the process is gone, -EBADMSG when its text is bad.
 */
int process_reader_read(struct process_reader *reader, uint32_t pid, uint64_t start_ns,
			const struct mapping_table *known, struct process_snapshot *ret_snapshot);

#endif
