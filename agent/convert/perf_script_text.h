/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of `perf script` text, taken apart (tools/perf/builtin-script.c of Linux, 3.2 to 6.18):
 *
 *	comm pid/tid [cpu] time: period event:
 *		address symbol+0xoffset (module)
 *		address symbol (inlined)
 *
 * Each field may be missing, as `-F` says: only the tid or only the pid, no CPU, no time, no
 * period, no event, no module. A sample without a chain of callers has its frame behind the event, in
 * the same line. Pure functions over one line; what they return points into it.
 */
#ifndef FLICKERSCOPE_PERF_SCRIPT_TEXT_H
#define FLICKERSCOPE_PERF_SCRIPT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "convert/foreign_profile.h"

struct perf_header {
	struct foreign_text comm;
	struct foreign_text who; /* comm, pid and tid as they stand: the same for the same thread */
	struct foreign_text
		event; /* without modifiers' colon at the end; empty where there is none */
	struct foreign_text rest;   /* behind the event; blanks at the ends removed */
	struct foreign_text before; /* all that stands before the time, and behind it ... */
	struct foreign_text behind; /* ... as it stands; empty where there is no time */
	int64_t time_us;	    /* -1: none */
	uint64_t period;	    /* 0: none */
	uint32_t pid;
	uint32_t tid;
	uint16_t cpu; /* or FOREIGN_CPU_UNKNOWN */
	bool has_ids;
};

/* The number that @text ends with, as in "PERF_RECORD_LOST lost 12". */
bool perf_last_number(struct foreign_text text, uint64_t *ret_number);

/*
 * Splits a line that begins a sample at its time: what stands before and behind is the same for many.
 * Only those fields and the time are set. Returns false when there is no time.
 */
bool perf_header_split(const char *line, size_t size, struct perf_header *ret_header);

/* Returns false when @line begins no sample. */
bool perf_header_parse(const char *line, size_t size, struct perf_header *ret_header);

/* What a frame's line says; what its code is follows from it: see perf_frame_of(). */
struct perf_frame {
	struct foreign_text name;   /* without its offset */
	struct foreign_text module; /* as it stands; empty where there is none */
	bool kernel_address;
	bool inlined;
};

/* Returns false when @line is no frame. */
bool perf_frame_parse(const char *line, size_t size, struct perf_frame *ret_frame);

/* Whose code it is, by the module's name, and by where the kernel lies on x86-64 and arm64. */
struct foreign_frame perf_frame_of(const struct perf_frame *frame);

/*
 * What a comment at the file's front says: host, kernel, number of CPUs, date, command, and the rate
 * of each event.
 */
void perf_comment_parse(struct foreign_profile *profile, const char *line, size_t size);

#endif
