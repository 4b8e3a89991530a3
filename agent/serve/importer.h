/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes captures in a child process: of files that other profilers wrote, and of a stretch of a capture.
 *
 * The child (worker/worker.h) has no privileges, IMPORTER_TIME_MAX_MS and a limit on memory; it is
 * killed when it fails, and when nobody waits for the result any more. One at a time, in the order
 * in which they were asked for. Loop thread.
 */
#ifndef FLICKERSCOPE_IMPORTER_H
#define FLICKERSCOPE_IMPORTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct import;
struct importer;
struct loop;

enum importer_limit {
	IMPORTER_TIME_MAX_MS = 120000,	     /* of the child for one of them */
	IMPORTER_CAPTURE_SIZE_MAX = 1 << 30, /* of what it makes */
	IMPORTER_NAME_SIZE_MAX = 1024,	     /* of a file, of an event */
	IMPORTER_TEXT_SIZE_MAX = 1024,
};

/* What is to be read, and what of it. */
struct import_order {
	int fd;		   /* a regular file or memfd, read from its start; borrowed */
	const char *name;  /* for messages, and the capture's title */
	const char *event; /* which one of several; NULL: see convert/input.h */
	bool is_cut;	   /* it is a capture; only what is from @from_us on and before @to_us */
	int64_t from_us;   /* timeline */
	int64_t to_us;
};

struct import_result {
	int error;	  /* 0, or -errno of what is wrong with the file or with us */
	int fd;		  /* of the capture, on 0; borrowed */
	const char *text; /* what is wrong, one line for people; of an error only */
};

/* Called once, on the loop thread, never from within import_new(). The import may be freed in it. */
typedef void (*import_callback)(const struct import_result *result, void *context);

/* To be called before any thread exists. Returns 0 or -errno; logged. */
int importer_new(struct loop *loop, struct importer **ret_importer);
void importer_free(struct importer *importer); /* NULL is fine; after all imports */
DEFINE_CLEANUP(struct importer *, importer_free);

/* Returns 0 or -errno. */
int import_new(struct importer *importer, const struct import_order *order,
	       import_callback callback, void *context, struct import **ret_import);

/* Ends it, also while it runs. NULL is fine. */
void import_free(struct import *import);
DEFINE_CLEANUP(struct import *, import_free);

#endif
