/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has work done by a child process that is confined (base/confinement.h): for what reads a stranger's
 * file while we keep what has to be done around it, as putting the result in its place. The child
 * has what is open, and the memory as it is at the fork; it is killed when we end.
 *
 * For a process with one thread. No signal is blocked in the child: Ctrl-C ends it, whatever we do then.
 */
#ifndef FLICKERSCOPE_CONFINED_CHILD_H
#define FLICKERSCOPE_CONFINED_CHILD_H

#include <sys/types.h>

/*
 * @work: returns 0 or -errno, having logged it.
 * @name: of what it reads, for messages.
 *
 * Returns 0 or -errno; logged.
 */
int confined_child_start(int (*work)(void *context), void *context, const char *name,
			 pid_t *ret_pid);

/* Waits for its end, which pidfd_open() tells as well. Returns what @work returned, or -errno; logged. */
int confined_child_wait(pid_t pid, const char *name);

#endif
