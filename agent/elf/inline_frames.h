/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job for the worker process: what the debug information of a file, or of its separate debug file
 * (DWARF 2 to 5, through libdw), says of some addresses, as a source_table: functions that were
 * inlined there, with the lines of their calls, and the line of the address itself. An address here
 * is an offset in the file.
 *
 * Answered are whole units (the compiler's: mostly one source file) that hold the addresses, and gaps
 * between units: so each part of a large file is read once, when it is needed first, and no address
 * of it is asked for again. A job ends after the unit in which it passes INLINE_FRAMES_DIES_SOON; addresses
 * that the table does not cover then are to be asked for again.
 *
 * Other files, to which the debug information may lead (split and alternate ones), are not opened.
 */
#ifndef FLICKERSCOPE_INLINE_FRAMES_H
#define FLICKERSCOPE_INLINE_FRAMES_H

#include <stddef.h>

#include "base/bytes.h"

enum inline_frames_limits {
	INLINE_FRAMES_ADDRESSES_MAX = 8192,    /* of one job */
	INLINE_FRAMES_DIES_SOON = 1 << 19,     /* about 0.25 s; no further unit is begun then */
	INLINE_FRAMES_UNIT_DIES_MAX = 4 << 20, /* a larger unit is left out */
	INLINE_FRAMES_DEPTH_MAX = 128,	       /* blocks and functions in each other */
	INLINE_FRAMES_INTERVALS_MAX = 4 << 20, /* of one unit's scopes, and of its spans */
	INLINE_FRAMES_LINES_MAX = 8 << 20,     /* of one unit */
	INLINE_FRAMES_UNITS_MAX = 1 << 20,     /* of a file */
	INLINE_FRAMES_KEPT_MAX = 4,	       /* files that stay open between jobs ... */
	INLINE_FRAMES_KEPT_BYTES_MAX = 256
				       << 20, /* ... as long as all memory is no more than this */
	INLINE_FRAMES_TIME_LIMIT_MS = 10000,  /* for struct worker_job_type */
};

/* Outcomes beyond those of executable_file.h. */
enum inline_frames_outcome {
	INLINE_FRAMES_NONE = 100, /* no debug information, or nothing that can be read */
};

/*
 * The last files stay open for the next jobs, which mostly are about the same ones: unpacking their
 * sections and finding their units takes far longer than reading one unit. For a process with one thread.
 *
 * @file_fd, @debug_fd: the file, and its debug file or -1. Borrowed.
 * @argument: addresses, 8 bytes each, rising.
 *
 * Returns 0, INLINE_FRAMES_NONE, an outcome of executable_file.h, -EINVAL for a bad argument, or
 * -errno.
 */
int inline_frames_job(int file_fd, int debug_fd, struct bytes_reader argument,
		      struct bytes_writer *ret_result);

/* Closes the files that stayed open. */
void inline_frames_forget(void);

/* The same over a file in memory, borrowed, that has its debug information itself: for tests. */
int inline_frames_table(const void *bytes, size_t size, struct bytes_reader argument,
			struct bytes_writer *ret_table);

#endif
