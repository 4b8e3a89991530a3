/* SPDX-License-Identifier: Apache-2.0 */
#include "base/own_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { SOCKET_FD = STDERR_FILENO + 1 };

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

int own_process_begin(const char *name, int socket)
{
	CLEANUP(fd_close) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return -errno;
	prctl(PR_SET_NAME, name);
	reset_signals();
	/* An agent that was started without standard input may have its socket in that place. */
	socket = fcntl(socket, F_DUPFD_CLOEXEC, SOCKET_FD);
	if (socket < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0 ||
	    dup2(socket, SOCKET_FD) < 0)
		return -errno;
	TAKE_FD(null_fd); /* closed here too, unless it has one of the numbers that are kept */
	if (syscall(SYS_close_range, SOCKET_FD + 1, ~0U, 0) < 0)
		return -errno;
	return SOCKET_FD;
}

int own_process_die_with(pid_t parent_pid)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	/* It may have died before. */
	return getppid() == parent_pid ? 0 : -ESRCH;
}
