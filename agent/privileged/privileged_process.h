/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that does for the agent what that may not do itself once it is confined: it follows paths in
 * the roots of other processes, for which there is a system call whose arguments no filter can see, and
 * hands back descriptors of programs. Requests are fixed (privileged_message.h). process_files.h asks.
 *
 * It is a fork of the agent, made early, with nothing but its socket; of root's capabilities it keeps
 * those to look into other processes and to read their files; of system calls those of
 * CONFINED_TO_OPENING. It ends with the agent.
 *
 * Each call blocks until the answer is there. Loop thread.
 */
#ifndef FLICKERSCOPE_PRIVILEGED_PROCESS_H
#define FLICKERSCOPE_PRIVILEGED_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "privileged/privileged_message.h"

struct privileged_process;

/* Before any thread exists. Returns 0 or -errno. */
int privileged_process_new(struct privileged_process **ret_process);
void privileged_process_free(struct privileged_process *process); /* ends it; NULL is fine */
DEFINE_CLEANUP(struct privileged_process *, privileged_process_free);

/*
 * @request: all but body_size.
 * @fd: comes along, borrowed; -1: none.
 * @body: behind the request; at most PRIVILEGED_BODY_SIZE_MAX bytes.
 * @ret_number, @ret_fd: what comes back, of 0 only; NULL: not wanted. The descriptor is the caller's.
 *
 * Returns what was answered (0, an outcome of process_files.h, or -errno), -E2BIG, -EPROTO, or -EPIPE
 * when the process is gone, which is logged once.
 */
int privileged_process_ask(struct privileged_process *process, struct privileged_request request,
			   int fd, const void *body, size_t body_size, uint32_t *ret_number,
			   int *ret_fd);

pid_t privileged_process_pid(const struct privileged_process *process);

/* Processor time of its life so far. */
uint64_t privileged_process_cpu_us(const struct privileged_process *process);

#endif
