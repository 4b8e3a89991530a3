/* SPDX-License-Identifier: Apache-2.0 */
#include "base/confined_child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confinement.h"
#include "base/log.h"
#include "base/own_process.h"

enum { EXIT_CODE_MAX = 255 };

static int run(int (*work)(void *context), void *context, pid_t parent_pid)
{
	int r = own_process_die_with(parent_pid);
	sigset_t none;

	if (r < 0)
		return r; /* nobody waits for it any more */
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		r = -errno;
	if (r == 0)
		r = confine_process(CONFINED_TO_READING, -1);
	return r < 0 ? log_errno(r, "give up what is not needed to read a file") : work(context);
}

int confined_child_start(int (*work)(void *context), void *context, const char *name,
			 pid_t *ret_pid)
{
	pid_t own_pid = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return log_errno(-errno, "start a process that reads %s", name);
	if (pid == 0) {
		int r = run(work, context, own_pid);

		fflush(NULL);
		_exit(r < 0 && r >= -EXIT_CODE_MAX ? -r : r ? EIO : 0);
	}
	*ret_pid = pid;
	return 0;
}

int confined_child_wait(pid_t pid, const char *name)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return log_errno(-errno, "wait for the process that reads %s", name);
	if (WIFEXITED(status))
		return -WEXITSTATUS(status);
	log_error("%s: reading it ended the process that did so, by signal %d (%s)", name,
		  WTERMSIG(status), strsignal(WTERMSIG(status)));
	return -EIO;
}
