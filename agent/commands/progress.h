/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a command has come, on a terminal, for what takes longer than a second: a line that is
 * written over and removed at last. Nothing in a pipe.
 */
#ifndef FLICKERSCOPE_PROGRESS_H
#define FLICKERSCOPE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "Reading" */
	uint64_t begin_ms;
	uint64_t shown_ms;
	bool is_terminal;
};

struct progress progress_begin(const char *what);

/*
 * Cheap: looks at the clock and writes at most four times a second.
 *
 * @context: struct progress.
 * @all: 0: not known; then @done are bytes.
 */
void progress_update(void *context, uint64_t done, uint64_t all);

/* Also of what a child process has shown. */
void progress_end(const struct progress *progress);

#endif
