/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes what the window holds to a file, while sampling goes on: the loop only takes references
 * to the window's chunks, a thread writes them (stream/capture_writer.h). What is evicted meanwhile
 * stays in memory until it is written: as much as the window may hold, once for each dump.
 *
 * Whole segments are written, so a dump may begin up to a segment's length before the time asked
 * for; `dump --last` cuts what it gets. Loop thread.
 */
#ifndef FLICKERSCOPE_DUMP_H
#define FLICKERSCOPE_DUMP_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct dump;
struct loop;
struct sample_window;

struct dump_options {
	struct loop *loop;
	const struct sample_window *window;
	uint64_t instance_id;
	int fd;		  /* an empty file, open for writing; taken, also on failure */
	const char *name; /* for messages; copied */
	uint64_t last_us; /* only the newest part of the window; 0: all */
	/* It has ended; @error 0 or -errno. The dump may be freed in it. */
	void (*done)(struct dump *dump, int error, uint64_t bytes, void *context);
	void *context;
};

/* Returns 0 or -errno; logged. done() is never called from within. */
int dump_start(const struct dump_options *options, struct dump **ret_dump);

/* Ends it at once, whole or not. NULL is fine. */
void dump_free(struct dump *dump);
DEFINE_CLEANUP(struct dump *, dump_free);

#endif
