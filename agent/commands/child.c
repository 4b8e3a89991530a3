/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/loop.h"
#include "privileged/privileged_process.h"

struct child {
	const char *name; /* borrowed */
	pid_t pid;
	int pid_fd;
	int release_fd;	 /* a byte written here lets it go */
	int error_fd;	 /* it says here why it could not be run; closed when it runs */
	int terminal_fd; /* -1: none */
	struct loop *loop;
	struct privileged_process *privileged;
	struct loop_source *source;
	bool ended;
	int exit_code;
};

/* In the forked process. */
static void run(char **arguments, bool output_to_error, int release_fd, int error_fd)
{
	char go;
	int error;

	if (read(release_fd, &go, 1) == 1) {
		if (output_to_error)
			dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(arguments[0], arguments);
		error = errno;
		if (write(error_fd, &error, sizeof(error)) < 0)
			_exit(CHILD_NOT_FOUND);
	}
	_exit(CHILD_NOT_FOUND);
}

int child_new(char **arguments, bool output_to_error, struct child **ret_child)
{
	CLEANUP(child_free) struct child *child = calloc(1, sizeof(*child));
	int release[2], error[2];

	if (!child)
		return log_errno(-ENOMEM, "start %s", arguments[0]);
	*child = (struct child){
		.name = arguments[0],
		.pid_fd = -1,
		.release_fd = -1,
		.error_fd = -1,
		.terminal_fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC),
	};
	if (pipe2(release, O_CLOEXEC) < 0)
		return log_errno(-errno, "start %s", arguments[0]);
	child->release_fd = release[1];
	if (pipe2(error, O_CLOEXEC) < 0) {
		close(release[0]);
		return log_errno(-errno, "start %s", arguments[0]);
	}
	child->error_fd = error[0];
	child->pid = fork();
	if (child->pid == 0) {
		close(release[1]);
		run(arguments, output_to_error, release[0], error[1]);
	}
	close(release[0]);
	close(error[1]);
	if (child->pid < 0)
		return log_errno(-errno, "start %s", arguments[0]);
	child->pid_fd = pidfd_open(child->pid, 0);
	if (child->pid_fd < 0)
		return log_errno(-errno, "watch %s", arguments[0]);
	*ret_child = TAKE(child);
	return 0;
}

void child_free(struct child *child)
{
	if (!child)
		return;
	loop_remove(child->source);
	fd_close(child->release_fd);
	fd_close(child->error_fd);
	fd_close(child->pid_fd);
	fd_close(child->terminal_fd);
	free(child);
}

pid_t child_pid(const struct child *child)
{
	return child->pid;
}

bool child_ended(const struct child *child)
{
	return child->ended;
}

int child_exit_code(const struct child *child)
{
	return child->exit_code;
}

static void take_end(struct child *child)
{
	siginfo_t info = { 0 };

	if (child->ended || waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG) < 0 ||
	    !info.si_pid)
		return;
	child->ended = true;
	child->exit_code = info.si_code == CLD_EXITED ? info.si_status
						      : CHILD_SIGNALLED + info.si_status;
	loop_remove(child->source);
	child->source = NULL;
}

static void on_end(uint32_t events, void *context)
{
	struct child *child = context;

	take_end(child);
	if (child->ended)
		loop_stop(child->loop, 0);
}

int child_start(struct child *child, struct loop *loop, struct privileged_process *privileged)
{
	int error = 0, r;

	child->loop = loop;
	child->privileged = privileged;
	r = loop_add_fd(loop, child->pid_fd, EPOLLIN, on_end, child, &child->source);
	if (r < 0)
		return log_errno(r, "watch %s", child->name);
	if (write(child->release_fd, "", 1) < 0)
		return log_errno(-errno, "start %s", child->name);
	/* Nothing comes, and the other end is closed, when it runs. */
	if (read(child->error_fd, &error, sizeof(error)) != sizeof(error))
		return 0;
	child_end(child, SIGTERM, 1000);
	child->exit_code = error == ENOENT ? CHILD_NOT_FOUND : CHILD_NOT_EXECUTABLE;
	return log_errno(-error, "run %s", child->name);
}

/* Whether Ctrl-C on our terminal reaches the command too: it is in our process group. */
static bool terminal_has_told(const struct child *child, int signal)
{
	return signal == SIGINT && child->terminal_fd >= 0 &&
	       tcgetpgrp(child->terminal_fd) == getpgrp();
}

bool child_end(struct child *child, int signal, int timeout_ms)
{
	struct pollfd end = { .fd = child->pid_fd, .events = POLLIN };

	take_end(child);
	if (child->ended)
		return true;
	if (child->privileged && !terminal_has_told(child, signal))
		privileged_process_signal(child->privileged, signal);
	poll(&end, 1, timeout_ms);
	take_end(child);
	return child->ended;
}
