/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command that is run to be recorded: forked first, so that its process id is known, and let go
 * when sampling has begun. It has our standard streams, environment and signals, as they were when
 * we were started: fork before any signal is blocked.
 */
#ifndef FLICKERSCOPE_CHILD_H
#define FLICKERSCOPE_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct child;
struct loop;
struct privileged_process;

enum child_exit {
	CHILD_NOT_EXECUTABLE = 126, /* as shells say it */
	CHILD_NOT_FOUND = 127,
	CHILD_SIGNALLED = 128, /* and the signal's number */
};

/*
 * Forks; the command waits for child_start().
 *
 * @arguments: its name, looked for in PATH, and what follows, up to a NULL; borrowed.
 * @output_to_error: what it writes to standard output goes to standard error instead.
 *
 * Returns 0 or -errno; logged.
 */
int child_new(char **arguments, bool output_to_error, struct child **ret_child);

/* One that was never started ends; one that runs goes on. NULL is fine. */
void child_free(struct child *child);
DEFINE_CLEANUP(struct child *, child_free);

pid_t child_pid(const struct child *child);

/*
 * Lets the command go; the loop is stopped, with 0, when it ends.
 *
 * @privileged: borrowed until child_end(): it passes signals on.
 *
 * Returns 0, or -errno when it cannot be run; logged, and child_exit_code() tells what a shell would.
 */
int child_start(struct child *child, struct loop *loop, struct privileged_process *privileged);

/*
 * Passes @signal on to a command that still runs, unless its terminal has done so, and waits for
 * its end: @timeout_ms at most. Returns whether it has ended.
 */
bool child_end(struct child *child, int signal, int timeout_ms);

bool child_ended(const struct child *child);

/* Its exit code, or CHILD_SIGNALLED and what ended it; 0 while it runs. */
int child_exit_code(const struct child *child);

#endif
