/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other side of privileged_process.h: what the privileged process does with a request.
 */
#ifndef FLICKERSCOPE_PRIVILEGED_SERVER_H
#define FLICKERSCOPE_PRIVILEGED_SERVER_H

#include <stdint.h>
#include <stdnoreturn.h>
#include <stddef.h>
#include <sys/types.h>

#include "privileged/privileged_message.h"

struct process_file_rules;
struct process_files;

/*
 * Answers one packet of whatever bytes and descriptors.
 *
 * @files: that are opened here, not by asking.
 * @fds: what came along, borrowed.
 * @result: the caller's to close.
 */
void privileged_server_answer(struct process_files *files, const void *bytes, size_t size,
			      const int *fds, size_t fd_count, struct privileged_result *result);

/* In the fork: gives up what is not needed, and answers until the socket is closed. */
noreturn void privileged_server_run(int socket, pid_t agent_pid);

/* Rules as the first five numbers of a request. */
void privileged_rules_write(const struct process_file_rules *rules,
			    uint64_t ret_numbers[PRIVILEGED_NUMBERS_MAX]);

#endif
