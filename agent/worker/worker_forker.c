/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confinement.h"
#include "base/own_process.h"
#include "worker/worker_message.h"

enum { SCORE_SIZE = 8 };

static const char worst_score[] = "1000";

struct forker {
	int socket;
	int score_fd;		/* its own /proc/PID/oom_score_adj; -1: it cannot be changed */
	char score[SCORE_SIZE]; /* what stands there */
	pid_t child_pid;	/* 0: none */
	int child_pidfd;
	const struct worker_job_type *types;
	size_t type_count;
};

static void tell(const struct forker *forker, struct worker_event event)
{
	if (worker_message_send(forker->socket, &event, sizeof(event), NULL, 0,
				worker_message_fds(-1, -1)) < 0)
		_exit(1); /* nobody listens any more */
}

/* Who is the first to go when memory runs out. As good as it gets. */
static void set_score(const struct forker *forker, const char *score)
{
	if (forker->score_fd >= 0 && write(forker->score_fd, score, strlen(score)) < 0)
		return;
}

/*
 * When memory runs out because of what a worker was given to read, that goes and no other. It has the
 * score that its parent has at the fork, and has no /proc to change it.
 */
static pid_t fork_worst(const struct forker *forker)
{
	pid_t pid;

	set_score(forker, worst_score);
	pid = fork();
	if (pid != 0)
		set_score(forker, forker->score);
	return pid;
}

static int start_child(struct forker *forker, int child_socket)
{
	pid_t pid, own_pid = getpid();
	int pidfd;

	if (child_socket < 0 || forker->child_pid)
		return -EBUSY;
	pid = fork_worst(forker);
	if (pid < 0)
		return -errno;
	if (!pid)
		worker_child_run(child_socket, own_pid, forker->types, forker->type_count);
	/* It is not waited for before this, so the number cannot be another process's. */
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		int r = -errno;

		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return r;
	}
	forker->child_pid = pid;
	forker->child_pidfd = pidfd;
	return 0;
}

static void handle_order(struct forker *forker)
{
	CLEANUP(worker_message_fds_close)
	struct worker_message_fds fds = worker_message_fds(-1, -1);
	char order[1];
	size_t size;
	int r;

	if (worker_message_receive(forker->socket, order, sizeof(order), &size, &fds) < 0)
		_exit(0);
	if (order[0] == WORKER_KILL) {
		if (forker->child_pid)
			kill(forker->child_pid, SIGKILL);
		return;
	}
	r = start_child(forker, fds.at[0]);
	if (r < 0)
		tell(forker, (struct worker_event){ .kind = WORKER_NOT_STARTED, .status = r });
	else
		tell(forker,
		     (struct worker_event){ .kind = WORKER_STARTED, .pid = forker->child_pid });
}

static uint64_t microseconds(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static void handle_end(struct forker *forker)
{
	struct rusage usage;
	int status;

	if (wait4(forker->child_pid, &status, 0, &usage) != forker->child_pid)
		_exit(1);
	tell(forker, (struct worker_event){ .kind = WORKER_ENDED,
					    .pid = forker->child_pid,
					    .status = status,
					    .cpu_us = microseconds(usage.ru_utime) +
						      microseconds(usage.ru_stime) });
	fd_close(TAKE_FD(forker->child_pidfd));
	forker->child_pid = 0;
}

static void open_score(struct forker *forker)
{
	ssize_t size;

	forker->score_fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (forker->score_fd < 0)
		return;
	size = read(forker->score_fd, forker->score, sizeof(forker->score) - 1);
	if (size <= 0)
		fd_close(TAKE_FD(forker->score_fd));
}

/* Its forks count among all processes of the user that it becomes. */
static void raise_process_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NPROC, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NPROC, &limit);
	}
}

static bool downloads(const struct worker_job_type *types, size_t type_count)
{
	return worker_child_confinement(types, type_count) == CONFINED_TO_DOWNLOADING;
}

noreturn void worker_forker_run(int socket, pid_t agent_pid, const struct worker_job_type *types,
				size_t type_count)
{
	struct forker forker = { .child_pidfd = -1, .types = types, .type_count = type_count };

	forker.socket = socket;
	if (own_process_begin("flickerscope-fk", &forker.socket, 1) < 0 ||
	    own_process_die_with(agent_pid) < 0)
		_exit(1);
	open_score(&forker);
	raise_process_limit();
	if (confine_process(downloads(types, type_count) ? CONFINED_TO_FORKING_TO_DOWNLOAD
							 : CONFINED_TO_FORKING,
			    -1) < 0)
		_exit(1);
	for (;;) {
		struct pollfd events[] = {
			{ .fd = forker.socket, .events = POLLIN },
			{ .fd = forker.child_pidfd, .events = POLLIN },
		};

		if (poll(events, ARRAY_SIZE(events), -1) < 0 && errno != EINTR)
			_exit(1);
		if (events[1].revents)
			handle_end(&forker);
		if (events[0].revents)
			handle_order(&forker);
	}
}
