/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's control socket, /run/flickerscope/PORT.sock: root asks there for the window, and
 * SIGUSR1 writes it to a folder.
 *
 * Whoever asks brings the file: the agent opens nothing by a name from outside. Peers that are not
 * root are hung up on without a word. One request a connection, answered when the file is complete;
 * a peer that hangs up before ends its dump. At most CONTROL_PEERS_MAX at once, the oldest without a
 * dump makes room; CONTROL_DUMPS_MAX dumps, -EBUSY beyond. Loop thread.
 */
#ifndef FLICKERSCOPE_CONTROL_H
#define FLICKERSCOPE_CONTROL_H

#include <stdint.h>

#include "base/cleanup.h"

struct control;
struct loop;
struct privileged_process;
struct sample_window;

#define CONTROL_FOLDER "/run/flickerscope"

enum control_limit {
	CONTROL_PEERS_MAX = 8,
	CONTROL_DUMPS_MAX = 4,
	CONTROL_PATH_SIZE_MAX = 108, /* of an address of AF_UNIX */
};

struct control_options {
	struct loop *loop;
	const struct sample_window *window;
	uint64_t instance_id;
	uint16_t port;		 /* of the page, by which the agent is known */
	const char *dump_folder; /* of the privileged process, for control_dump(); NULL: none */
	struct privileged_process *privileged; /* borrowed; makes files there */
	/* Brings the window up to now, before a dump; may be NULL. */
	void (*flush)(void *context);
	void *context;
};

/*
 * Listens. A socket that nobody serves any more is replaced, and those of other ports are removed. Where one cannot be made, by a folder
 * that is read-only or is not root's, or because another agent has the same port at another
 * address, a warning says so, and the agent goes on without it.
 *
 * Returns 0 or -errno; logged.
 */
int control_new(const struct control_options *options, struct control **ret_control);

/* The socket that it listens on, borrowed; -1: none. */
int control_socket(const struct control *control);

/* Ends all dumps at once and removes the socket, if we still may. NULL is fine. */
void control_free(struct control *control);
DEFINE_CLEANUP(struct control *, control_free);

/* Writes the window to a new file in the dump folder, named by the time. Logs what comes of it. */
void control_dump(struct control *control);

/* The path of an agent's socket. */
void control_path(uint16_t port, char ret_path[CONTROL_PATH_SIZE_MAX]);

#endif
