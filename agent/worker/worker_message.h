/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages between the agent, the forker and the worker: one packet each on a SOCK_SEQPACKET
 * socket, with at most two file descriptors (SCM_RIGHTS, unix(7)).
 *
 *   agent -> forker   a byte of enum worker_order; with the socket for a new child when it is to start
 *   forker -> agent   struct worker_event
 *   agent -> worker   struct worker_request, argument; with the inputs' descriptors
 *   worker -> agent   struct worker_reply; with the result's memfd
 *
 * All processes run the same program: structs are in the machine's order. What the worker sends is
 * checked all the same, since a hostile file may have taken it over: see worker_reply.h.
 */
#ifndef FLICKERSCOPE_WORKER_MESSAGE_H
#define FLICKERSCOPE_WORKER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

enum { WORKER_MESSAGE_FDS_MAX = 2 };

/* What comes along with a packet; -1 behind the last one. Made by worker_message_fds(). */
struct worker_message_fds {
	int at[WORKER_MESSAGE_FDS_MAX];
};

enum worker_order {
	WORKER_START = 1,
	WORKER_KILL, /* its child, if there is one */
};

enum worker_event_kind {
	WORKER_STARTED = 1, /* status is 0 */
	WORKER_NOT_STARTED, /* status is -errno */
	WORKER_ENDED,	    /* status is that of waitpid() */
};

struct worker_event {
	uint32_t kind;
	int32_t pid;
	int32_t status;
	uint32_t reserved;
	uint64_t cpu_us; /* on WORKER_ENDED: user and system time of its life */
};

_Static_assert(sizeof(struct worker_event) == 24, "no padding");

struct worker_request {
	uint32_t job;
	uint32_t type;
	uint32_t argument_size;
	uint32_t reserved;
};

_Static_assert(sizeof(struct worker_request) == 16, "no padding");

struct worker_reply {
	uint32_t job;
	int32_t outcome;
	uint64_t result_size; /* 0 unless the outcome is 0 */
};

_Static_assert(sizeof(struct worker_reply) == 16, "no padding");

/* -1: none. */
static inline struct worker_message_fds worker_message_fds(int first, int second)
{
	return (struct worker_message_fds){ { first, second } };
}

static inline void worker_message_fds_close(struct worker_message_fds *fds)
{
	for (size_t i = 0; i < WORKER_MESSAGE_FDS_MAX; i++)
		fd_close(TAKE_FD(fds->at[i]));
}

static inline void cleanup_worker_message_fds_close(struct worker_message_fds *fds)
{
	worker_message_fds_close(fds);
}

/*
 * Sends @head and, behind it, @body.
 *
 * @fds: sent along, borrowed.
 *
 * Returns 0 or -errno; -EAGAIN when the socket's buffer is full and it does not block.
 */
int worker_message_send(int socket, const void *head, size_t head_size, const void *body,
			size_t body_size, struct worker_message_fds fds);

/*
 * Receives one packet of at most @size_max bytes; a longer one, and one with more descriptors, is
 * refused whole.
 *
 * @ret_fds: close-on-exec; owned by the caller.
 *
 * Returns 0; -EPIPE when the other side is closed; -EMSGSIZE; or -errno, -EAGAIN among them.
 */
int worker_message_receive(int socket, void *bytes, size_t size_max, size_t *ret_size,
			   struct worker_message_fds *ret_fds);

#endif
