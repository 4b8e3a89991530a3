/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `live` and `record` share: a loop that signals end, the pipeline from the command line's
 * options, and the capture file beside it.
 */
#ifndef FLICKERSCOPE_SAMPLING_H
#define FLICKERSCOPE_SAMPLING_H

#include <sys/types.h>

#include "base/cleanup.h"

struct capture_writer;
struct loop;
struct options;
struct pipeline;
struct sampling;

/* A loop that SIGINT, SIGTERM and SIGHUP stop, with their number. Logs. */
int sampling_loop_new(struct loop **ret_loop);

/*
 * Starts the pipeline and, with -o, makes the capture's file.
 *
 * @title: of the capture, or NULL.
 * @command_pid: of the command that is recorded; 0: none.
 *
 * Returns 0 or -errno; logged in one line.
 */
int sampling_start(const struct options *options, struct loop *loop, const char *title,
		   pid_t command_pid, struct sampling **ret_sampling);

/*
 * All is open: gives up what sampling does not need, and starts to write the file. Before the loop runs.
 * Returns 0 or -errno; logged.
 */
int sampling_confine(struct sampling *sampling);

/* Takes the last samples and completes the file. Returns 0 or -errno; logged. */
int sampling_finish(struct sampling *sampling);

/* Removes the file that was made, before sampling_stop(): there was nothing to record. */
void sampling_discard(struct sampling *sampling);

/* Ends without completing anything; after sampling_finish() it only frees. NULL is fine. */
void sampling_stop(struct sampling *sampling);
DEFINE_CLEANUP(struct sampling *, sampling_stop);

struct pipeline *sampling_pipeline(struct sampling *sampling);	   /* borrowed */
struct capture_writer *sampling_writer(struct sampling *sampling); /* borrowed; NULL: none */

#endif
