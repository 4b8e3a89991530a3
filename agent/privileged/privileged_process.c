/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/privileged_process.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/packet.h"
#include "privileged/privileged_server.h"

struct privileged_process {
	pid_t pid;
	int socket;
	bool is_gone;
};

int privileged_process_new(pid_t command_pid, struct privileged_process **ret_process)
{
	CLEANUP(privileged_process_free)
	struct privileged_process *process = calloc(1, sizeof(*process));
	CLEANUP(fd_close) int other_end = -1;
	int ends[2];

	if (!process)
		return -ENOMEM;
	process->socket = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	process->socket = ends[0];
	other_end = ends[1];
	process->pid = fork();
	if (process->pid < 0)
		return -errno;
	if (!process->pid)
		privileged_server_run(other_end, command_pid);
	*ret_process = TAKE(process);
	return 0;
}

void privileged_process_free(struct privileged_process *process)
{
	if (!process)
		return;
	if (process->socket >= 0)
		shutdown(process->socket, SHUT_RDWR); /* its end */
	fd_close(process->socket);
	if (process->pid > 0)
		waitpid(process->pid, NULL, 0);
	free(process);
}

static int lose(struct privileged_process *process)
{
	if (!process->is_gone)
		log_error("the privileged process is gone: nothing is known any more of processes "
			  "that are new; restart to have it again");
	process->is_gone = true;
	return -EPIPE;
}

int privileged_process_ask(struct privileged_process *process,
			   const struct privileged_request *request, int fd, const void *body,
			   size_t body_size, struct privileged_result *ret_result)
{
	struct privileged_request sent = *request;
	size_t size = 0;
	int r;

	privileged_result_init(ret_result);
	if (process->is_gone)
		return -EPIPE;
	if (body_size > PRIVILEGED_BODY_SIZE_MAX)
		return -E2BIG;
	sent.body_size = (uint32_t)body_size;
	r = packet_send(process->socket, &sent, sizeof(sent), body, body_size, &fd, fd >= 0);
	if (r == 0)
		r = packet_receive(process->socket, &ret_result->packet, sizeof(ret_result->packet),
				   &size, ret_result->fds, ARRAY_SIZE(ret_result->fds));
	/* No room for the descriptors: that answer is lost, the next is not. */
	if (r == -EMSGSIZE)
		return -EMFILE;
	if (r < 0)
		return lose(process);
	if (size < sizeof(ret_result->packet.reply))
		return -EPROTO;
	ret_result->body_size = size - sizeof(ret_result->packet.reply);
	return ret_result->packet.reply.result;
}

/* One that is about nothing but a number and a descriptor. */
static int order(struct privileged_process *process, enum privileged_kind kind, uint64_t number,
		 int fd)
{
	const struct privileged_request request = { .kind = kind, .numbers = { number } };
	CLEANUP(privileged_result_close) struct privileged_result result;

	return privileged_process_ask(process, &request, fd, NULL, 0, &result);
}

int privileged_process_signal(struct privileged_process *process, int signal)
{
	return order(process, PRIVILEGED_SIGNAL, (uint64_t)signal, -1);
}

int privileged_process_remove_at_end(struct privileged_process *process, int socket)
{
	return socket < 0 ? 0 : order(process, PRIVILEGED_REMOVE_AT_END, 0, socket);
}

pid_t privileged_process_pid(const struct privileged_process *process)
{
	return process->pid;
}

uint64_t privileged_process_cpu_us(const struct privileged_process *process)
{
	return process_cpu_us(process->pid);
}
