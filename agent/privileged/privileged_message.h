/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent may ask of the privileged process (privileged_process.h): one packet each way. Both
 * run the same program: structs are in the machine's order. What is asked is checked as if it came from a
 * stranger, since the agent reads what strangers wrote.
 *
 * Nothing is remembered from one request to the next. Where one is about something that is open, as the
 * folder of a process or a BPF map, its descriptor comes along: who has no such descriptor cannot ask.
 */
#ifndef FLICKERSCOPE_PRIVILEGED_MESSAGE_H
#define FLICKERSCOPE_PRIVILEGED_MESSAGE_H

#include <stdint.h>

enum privileged_limits {
	PRIVILEGED_NUMBERS_MAX = 7,
	PRIVILEGED_BODY_SIZE_MAX = 64 << 10, /* bytes of text or of a struct behind the head */
	PRIVILEGED_FDS_MAX = 2,		     /* in one packet; one is of use */
};

/* @: descriptors that come along; numbers in their order; body. -> what comes back. */
enum privileged_kind {
	PRIVILEGED_OPEN_IN_ROOT, /* @process; rules; path -> @file */
	PRIVILEGED_OPEN_FIRST,	 /* @process or none; rules, first; paths -> @file; index */
	PRIVILEGED_OPEN_PATH,	 /* rules; path -> @file */
	PRIVILEGED_KINDS,
};

struct privileged_request {
	uint32_t kind;
	uint32_t body_size;
	uint64_t numbers[PRIVILEGED_NUMBERS_MAX];
};

_Static_assert(sizeof(struct privileged_request) == 64, "no padding");

struct privileged_reply {
	int32_t result; /* 0, an outcome of process_files.h, or -errno; nothing comes along unless 0 */
	uint32_t number;
};

_Static_assert(sizeof(struct privileged_reply) == 8, "no padding");

#endif
