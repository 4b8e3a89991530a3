/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in a capture: the figures of `info`.
 *
 * Reads the whole file once. Distinct threads, processes and stacks are counted across segments;
 * beyond CAPTURE_SUMMARY_DISTINCT_MAX of a kind the count stops, and says so.
 */
#ifndef FLICKERSCOPE_CAPTURE_SUMMARY_H
#define FLICKERSCOPE_CAPTURE_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "sample_abi.h"
#include "stream/frame_names.h"
#include "wire.h"

struct capture_reader;

enum capture_summary_limits {
	CAPTURE_SUMMARY_DISTINCT_MAX = 4194304,
	CAPTURE_SUMMARY_PROCESSES = 10, /* the busiest ones, named */
	CAPTURE_SUMMARY_EVENTS_MAX = 4096,
	CAPTURE_SUMMARY_TEXT_MAX = 256, /* bytes kept of a name, its terminating zero included */
};

struct capture_summary_process {
	uint32_t pid;
	uint64_t sample_count;
	uint64_t weight; /* of these: nanoseconds by the rates of their segments, or 1 each */
	char name[CAPTURE_SUMMARY_TEXT_MAX];
};

struct capture_summary {
	char host[CAPTURE_SUMMARY_TEXT_MAX]; /* "" where the file does not say */
	char kernel[CAPTURE_SUMMARY_TEXT_MAX];
	char version[CAPTURE_SUMMARY_TEXT_MAX];
	char event_name[CAPTURE_SUMMARY_TEXT_MAX];
	char filter[CAPTURE_SUMMARY_TEXT_MAX];
	char title[CAPTURE_SUMMARY_TEXT_MAX];
	char note[CAPTURE_SUMMARY_TEXT_MAX];
	/* Of a foreign file with several: lines "samples name", the last perhaps cut. */
	char events[CAPTURE_SUMMARY_EVENTS_MAX];
	uint64_t file_size;
	uint64_t start_us; /* timeline; of the first sample, or of the first segment */
	uint64_t end_us;
	uint32_t wall_shift_s;	      /* wall clock at the start = timeline - this */
	uint32_t frequency_mhz;	      /* asked for; the highest where --max-cpu changed it ... */
	uint32_t frequency_least_mhz; /* ... and the lowest */
	uint32_t rate_mhz;	      /* mean reached on busy CPUs; 0: unknown */
	uint32_t cpu_count;
	uint32_t event; /* enum wire_event */
	uint32_t segment_count;
	uint32_t damaged_segments; /* cut or damaged */
	bool ended;		   /* closed in order */
	bool distinct_full;	   /* more threads, processes or stacks than are counted */
	uint64_t sample_count;
	uint64_t weight;     /* of all samples, see capture_summary_process */
	uint64_t lost_count; /* samples in gaps */
	uint64_t gap_count;
	uint64_t gap_us;
	/* The clock was set: time on the timeline that never was. Not among the gaps above. */
	uint64_t clock_step_count;
	uint64_t clock_step_us;
	uint64_t stack_count;
	uint64_t thread_count;
	uint64_t process_count;
	uint64_t late_name_count;
	uint64_t idle_count; /* samples of idle CPUs that a foreign file had: left out */
	/* What the agent left out since its start, by the last word of it in the file. */
	uint64_t names_left_out;
	uint64_t lines_left_out;
	uint64_t unwind_left_out;
	uint64_t names_evicted;
	uint64_t user_status[STACK_STATUS_COUNT]; /* samples by enum stack_status */
	uint64_t kernel_status[STACK_STATUS_COUNT];
	uint64_t depth_sum;		       /* frames of all samples' stacks */
	struct frame_names_counts frame_names; /* ... of these, by how they are named */
	struct capture_summary_process processes[CAPTURE_SUMMARY_PROCESSES];
	uint32_t process_rows; /* of these */
};

/* Returns 0 (damaged parts are counted, and warned of by the reader) or -errno. */
int capture_summary_read(struct capture_reader *reader, struct capture_summary *ret_summary);

/* For people, on a terminal: names pass its escaper. @name: of the file. */
void capture_summary_print(FILE *file, const char *name, const struct capture_summary *summary);

/* One JSON object on one line (RFC 8259), numbers in the units that the names say. */
void capture_summary_print_json(FILE *file, const char *name,
				const struct capture_summary *summary);

#endif
