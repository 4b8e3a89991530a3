/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a fork becomes a process of its own: the forker, the worker and the privileged process.
 */
#ifndef FLICKERSCOPE_OWN_PROCESS_H
#define FLICKERSCOPE_OWN_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Cuts this fresh fork off from its parent: signals as at a program's start but for those that an
 * operator sends to the whole group (ignored: the agent decides when its children end); standard
 * input and output on /dev/null; no other descriptor but standard error and those in @fds.
 *
 * @name: of the process, at most 15 bytes.
 * @fds: their new numbers are put there; -1: none.
 *
 * Returns 0 or -errno.
 */
int own_process_begin(const char *name, int *fds, size_t fd_count);

/* The same for a fork of such a process, which has its signals and standard streams in order; it opens nothing. */
int own_process_go_on(const char *name, int *fds, size_t fd_count);

/* Makes the kernel kill this process when its parent, @parent_pid, ends. Returns 0 or -errno. */
int own_process_die_with(pid_t parent_pid);

#endif
