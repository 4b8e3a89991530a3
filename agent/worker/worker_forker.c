/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker_child.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/worker_message.h"
#include "base/own_process.h"

struct forker {
	int socket;
	pid_t child_pid; /* 0: none */
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

static int start_child(struct forker *forker, int child_socket)
{
	pid_t pid, own_pid = getpid();
	int pidfd;

	if (child_socket < 0 || forker->child_pid)
		return -EBUSY;
	pid = fork();
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

noreturn void worker_forker_run(int socket, pid_t agent_pid, const struct worker_job_type *types,
				size_t type_count)
{
	struct forker forker = { .child_pidfd = -1, .types = types, .type_count = type_count };

	forker.socket = own_process_begin("flickerscope-fk", socket);
	if (forker.socket < 0 || own_process_die_with(agent_pid) < 0)
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
