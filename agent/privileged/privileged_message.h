/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent may ask of the privileged process (privileged_process.h): one packet each way. Both
 * run the same program: structs are in the machine's order. What is asked is checked as if it came from a
 * stranger, since the agent reads what strangers wrote.
 *
 * Nothing is remembered from one request to the next but what is removed at the end, and nothing is told of the
 * folders in which files are made, which are known from the start. Where one is about a process, the descriptor of its
 * folder comes along, or its pid stands in the last number.
 */
#ifndef FLICKERSCOPE_PRIVILEGED_MESSAGE_H
#define FLICKERSCOPE_PRIVILEGED_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

enum privileged_limits {
	PRIVILEGED_NUMBERS_MAX = 8,
	PRIVILEGED_NUMBER_PID = PRIVILEGED_NUMBERS_MAX - 1,
	PRIVILEGED_BODY_SIZE_MAX = 64 << 10, /* bytes of text or of structs behind the head ... */
	PRIVILEGED_REPLY_SIZE_MAX = 8 << 10, /* ... of a request and of a reply */
	PRIVILEGED_FDS_MAX = 16,	     /* in one packet */
	PRIVILEGED_SOCKETS_MAX = 2,	     /* that are removed at the end */
};

/* @: descriptors that come along; numbers in their order; body. -> what comes back. */
enum privileged_kind {
	PRIVILEGED_OPEN_PROCESS,    /* pid -> @process */
	PRIVILEGED_LOOK,	    /* pid -> @process, @maps; struct process_look_texts */
	PRIVILEGED_OPEN_TEXT,	    /* @process or pid; name -> @text */
	PRIVILEGED_TIMES_CHANGED,   /* @process or pid; ranges -> times */
	PRIVILEGED_SHARES_ROOT,	    /* @process or pid -> 0 or 1 */
	PRIVILEGED_OPEN_MAPPED,	    /* @process or pid; rules, start, end -> @file */
	PRIVILEGED_OPEN_EXECUTABLE, /* pid; rules, start, end; path -> @file */
	PRIVILEGED_OPEN_IN_ROOT,    /* @process or pid; rules; path -> @file */
	PRIVILEGED_OPEN_FIRST,	    /* @process or none; rules, first; paths -> @file; index */
	PRIVILEGED_OPEN_PATH,	    /* rules; path -> @file */
	PRIVILEGED_CREATE_SLABS,    /* count -> @empty slabs for unwind tables */
	PRIVILEGED_SIGNAL,	    /* signal: to the command that is recorded */
	PRIVILEGED_REMOVE_AT_END, /* @listening unix socket, whose path goes when the agent ends */
	PRIVILEGED_CREATE_DUMP,	  /* -> @new file; its name */
	PRIVILEGED_FIND_DEBUG_FILE,  /* build id as text -> @file */
	PRIVILEGED_BEGIN_DEBUG_FILE, /* build id as text -> @new file */
	PRIVILEGED_END_DEBUG_FILE,   /* build id as text; enum debug_folder_end */
	PRIVILEGED_OPEN_CPU,	     /* cpu, period of the timer or 0 -> @process events, @timer */
	PRIVILEGED_REMOVE_EMPTY,     /* @file, for writing: goes when the agent ends, if empty */
	PRIVILEGED_KINDS,
};

struct privileged_request {
	uint32_t kind;
	uint32_t body_size;
	uint64_t numbers[PRIVILEGED_NUMBERS_MAX];
};

_Static_assert(sizeof(struct privileged_request) == 72, "no padding");

struct privileged_reply {
	int32_t result; /* 0, an outcome of process_files.h or debug_folder.h, or -errno; nothing comes along unless 0 */
	uint32_t number;
};

_Static_assert(sizeof(struct privileged_reply) == 8, "no padding");

/* What goes back, and what comes in. */
struct privileged_result {
	struct {
		struct privileged_reply reply;
		uint8_t body[PRIVILEGED_REPLY_SIZE_MAX];
	} packet;
	size_t body_size;
	int fds[PRIVILEGED_FDS_MAX]; /* owned; -1: none */
};

static inline void privileged_result_init(struct privileged_result *result)
{
	result->packet.reply = (struct privileged_reply){ 0 };
	result->body_size = 0;
	for (size_t i = 0; i < PRIVILEGED_FDS_MAX; i++)
		result->fds[i] = -1;
}

static inline void privileged_result_close(struct privileged_result *result)
{
	for (size_t i = 0; i < PRIVILEGED_FDS_MAX; i++)
		fd_close(TAKE_FD(result->fds[i]));
}

static inline void cleanup_privileged_result_close(struct privileged_result *result)
{
	privileged_result_close(result);
}

#endif
