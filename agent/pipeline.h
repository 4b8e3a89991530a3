/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a sample: from the kernel's ring to the window, the page and the file.
 *
 *	collect -> process -> symbolize -> profile -> stream -> window -> serve
 *	                                                    \-> capture file
 *
 * The modules know nothing of each other; pipeline.c alone passes values on, so that the flow can
 * be read in one file. Everything runs on the loop thread.
 */
#ifndef FLICKERSCOPE_PIPELINE_H
#define FLICKERSCOPE_PIPELINE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "collect/sampler_session.h"

struct capture_writer;
struct loop;
struct pipeline;
struct privileged_process;
struct sample_window;
struct server;

enum pipeline_limits {
	PIPELINE_DRAIN_INTERVAL_MS = 66,      /* between two drains while somebody looks */
	PIPELINE_UNWATCHED_INTERVAL_MS = 200, /* ... while nobody does ... */
	PIPELINE_WRITE_INTERVAL_MS = 1000,    /* ... and between two chunks */
	PIPELINE_SEEN_SAMPLES = 8,     /* one of so many tells the symbolizer where CPU time goes */
	PIPELINE_NAMES_WAIT_MS = 6000, /* at the end of a recording, at most */
	PIPELINE_STACK_CACHE_ENTRIES = 131072,
	PIPELINE_THREAD_CACHE_ENTRIES = 16384,
	PIPELINE_FIXED_MEMORY = 12 << 20, /* the open segment, caches, the encoder */
	PIPELINE_WINDOW_LEAST = 8 << 20,
	PIPELINE_WINDOW_SEGMENTS = 10, /* a window that is full by time holds about so many */
	PIPELINE_SEGMENT_LEAST_MS = 1000,
	PIPELINE_CLOCK_TRIES = 10, /* to read two clocks at one moment */
};

struct pipeline_options {
	struct loop *loop;		/* borrowed */
	struct sampler_options sampler; /* copied; what it points to is borrowed for the call */
	const char *filter;	   /* what is sampled, in words, or NULL for everything; copied */
	pid_t command_pid;	   /* of the command that is recorded; 0: none */
	const char *title;	   /* of the capture, or NULL; copied */
	uint64_t window_us;	   /* how long the window reaches back; 0: the open segment */
	uint64_t segment_us;	   /* how long a segment may become; 0: a tenth of the window */
	uint64_t max_cpu_us_per_s; /* that the agent may take: else the rate is lowered; 0: any */
	uint64_t memory_bytes;	   /* for rings, tables and the window together */
	const char *const *debuginfod_urls; /* of servers that have debug files; borrowed */
	size_t debuginfod_url_count;	    /* 0: nothing is asked of the network */
	const char *debuginfod_cache;	    /* the folder for what they send */
	const char *dump_folder;	    /* where dumps are made; NULL: nowhere */
};

/*
 * Starts the worker, loads the BPF programs and begins to sample. Fork what must be forked before,
 * start threads after. Returns 0 or -errno; what went wrong has been logged in one line.
 */
int pipeline_new(const struct pipeline_options *options, struct pipeline **ret_pipeline);
void pipeline_free(struct pipeline *pipeline); /* NULL is fine; stops sampling */
DEFINE_CLEANUP(struct pipeline *, pipeline_free);

/* The sinks beside the window; both optional, borrowed until the pipeline is freed. */
void pipeline_set_server(struct pipeline *pipeline, struct server *server);
void pipeline_set_writer(struct pipeline *pipeline, struct capture_writer *writer);

/* Somebody looks from now on: drains come as often as that wants, until nobody does any more. */
void pipeline_watch(struct pipeline *pipeline);

/* Brings the sinks up to now: what has been sampled so far is written to them. */
void pipeline_flush(struct pipeline *pipeline);

/* Takes what the ring still holds and closes the open segment: before the writer is finished. */
void pipeline_finish(struct pipeline *pipeline);

const struct sample_window *pipeline_window(const struct pipeline *pipeline); /* borrowed */
struct privileged_process *pipeline_privileged(struct pipeline *pipeline);    /* borrowed */
uint64_t pipeline_instance_id(const struct pipeline *pipeline);

/* Fills WIRE_COUNTER_COUNT values by enum wire_counter, which start as 0. */
void pipeline_counters(const struct pipeline *pipeline, uint64_t *values);

struct pipeline_progress {
	uint64_t samples;
	uint64_t samples_lost;
	uint64_t span_us; /* since the start */
};

struct pipeline_progress pipeline_progress(const struct pipeline *pipeline);

#endif
