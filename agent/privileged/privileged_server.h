/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other side of privileged_process.h: what the privileged process does with a request.
 */
#ifndef FLICKERSCOPE_PRIVILEGED_SERVER_H
#define FLICKERSCOPE_PRIVILEGED_SERVER_H

#include <limits.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <stddef.h>
#include <sys/types.h>

#include "privileged/privileged_message.h"

enum { PRIVILEGED_SOCKET_PATH_SIZE = 108 }; /* unix(7) */

struct process_file_rules;
struct process_files;

/* A path that is removed at the end, if the same socket still is there. */
struct privileged_socket {
	uint64_t inode;
	char path[PRIVILEGED_SOCKET_PATH_SIZE];
};

/* A file that is removed at the end, if it still is there and nothing was written to it. */
struct privileged_file {
	uint64_t device, inode;
	int folder_fd; /* -1: there is none */
	char name[NAME_MAX + 1];
};

struct privileged_server {
	struct process_files *files; /* borrowed; that are opened here, not by asking */
	int command_fd;		     /* a pidfd of the command that is recorded; -1: none */
	int dump_folder_fd;	     /* where dumps are made; -1: nowhere */
	int debug_folder_fd;	     /* of debug files that are downloaded; -1: none are */
	size_t socket_count;
	struct privileged_socket sockets[PRIVILEGED_SOCKETS_MAX];
	struct privileged_file file;
};

/*
 * Answers one packet of whatever bytes and descriptors.
 *
 * @fds: what came along, borrowed.
 * @result: the caller's to close.
 */
void privileged_server_answer(struct privileged_server *server, const void *bytes, size_t size,
			      const int *fds, size_t fd_count, struct privileged_result *result);

/* One to which nothing is known. */
#define PRIVILEGED_SERVER_NONE                                                                     \
	{                                                                                          \
		.command_fd = -1, .dump_folder_fd = -1, .debug_folder_fd = -1, .file = {           \
			.folder_fd = -1                                                            \
		}                                                                                  \
	}

/*
 * In the fork: gives up what is not needed, and answers until the socket is closed.
 *
 * @start: its folders; of the rest nothing.
 * @command_pid: of the command that is recorded; 0: none.
 */
noreturn void privileged_server_run(int socket, const struct privileged_server *start,
				    pid_t command_pid);

/* Rules as the first five numbers of a request. */
void privileged_rules_write(const struct process_file_rules *rules,
			    uint64_t ret_numbers[PRIVILEGED_NUMBERS_MAX]);

#endif
