/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job for the worker process: the next part of a jitdump as loads of code, with their times. The format:
 * tools/perf/Documentation/jitdump-specification.txt in the kernel's source, version 1,
 * little-endian.
 *
 * Code itself, lines and unwind information are passed over: names of functions carry their place
 * in the source with the JIT compilers that are around.
 */
#ifndef FLICKERSCOPE_JITDUMP_H
#define FLICKERSCOPE_JITDUMP_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct jit_loads_writer;

#define JITDUMP_SIZE_MAX (UINT64_C(4) << 30) /* code included; a larger one is not read */

enum jitdump_limits {
	JITDUMP_TIME_LIMIT_MS = 10000,
	JITDUMP_TIME_AHEAD_MAX_S = 10, /* beyond now: then it is another clock */
};

struct jitdump_part {
	bool is_start;	    /* of the file: its header comes first */
	bool no_times;	    /* the header has said that they are of another clock */
	uint64_t now_ns;    /* CLOCK_MONOTONIC */
	uint64_t file_left; /* bytes that the file has from here on */
	uint64_t
		size_max; /* of a record that has to be here whole; of a larger one its head is enough */

	/* Written by the parser. */
	uint64_t used; /* bytes that are done with; may be more than there were */
	bool closed;
	bool damaged; /* what comes next is no record: nothing more can be read */
};

/*
 * Takes whole records; one that is cut short is left for the next time. Returns 0 or -EBADMSG: this
 * is no jitdump.
 */
int jitdump_parse(const void *bytes, size_t size, struct jitdump_part *part,
		  struct jit_loads_writer *loads);

/* @input_fd: the jitdump. @argument: struct jit_position. The result: see jit_loads.h. */
int jitdump_job(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result);

#endif
