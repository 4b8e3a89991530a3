/* SPDX-License-Identifier: Apache-2.0 */
#include "base/own_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { FIRST_FD = STDERR_FILENO + 1 };

static void reset_signals(void)
{
	static const int ignored[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE
	};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL); /* refused for a few, which are right as they are */
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Away from the numbers that others are to have. */
static int move_out_of_the_way(int *fds, size_t fd_count)
{
	for (size_t i = 0; i < fd_count; i++) {
		if (fds[i] < 0)
			continue;
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FD + (int)fd_count);
		if (fds[i] < 0)
			return -errno;
	}
	return 0;
}

int own_process_go_on(const char *name, int *fds, size_t fd_count)
{
	int next = FIRST_FD, r = move_out_of_the_way(fds, fd_count);

	if (r < 0)
		return r;
	prctl(PR_SET_NAME, name);
	for (size_t i = 0; i < fd_count; i++) {
		if (fds[i] < 0)
			continue;
		if (dup2(fds[i], next) < 0)
			return -errno;
		fds[i] = next++;
	}
	return syscall(SYS_close_range, next, ~0U, 0) < 0 ? -errno : 0;
}

int own_process_begin(const char *name, int *fds, size_t fd_count)
{
	/* An agent that was started without standard input may have one of them in that place. */
	int null_fd, r = move_out_of_the_way(fds, fd_count);

	if (r < 0)
		return r;
	reset_signals();
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* Closed with the others, unless it has one of the numbers that are kept. */
	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0)
		return -errno;
	return own_process_go_on(name, fds, fd_count);
}

int own_process_die_with(pid_t parent_pid)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	/* It may have died before. */
	return getppid() == parent_pid ? 0 : -ESRCH;
}
