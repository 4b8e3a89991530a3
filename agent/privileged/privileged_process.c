/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/privileged_process.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/packet.h"
#include "privileged/perf_events.h"
#include "privileged/privileged_server.h"

struct privileged_process {
	pid_t pid;
	int socket;
	bool is_gone;
};

static int open_folders(const struct privileged_options *options, int *ret_dump_folder_fd,
			int *ret_debug_folder_fd)
{
	int r = options->dump_folder ? dump_folder_open(options->dump_folder, ret_dump_folder_fd)
				     : 0;

	if (r == 0 && options->debug_folder)
		r = debug_folder_open(options->debug_folder, ret_debug_folder_fd);
	return r;
}

int privileged_process_new(const struct privileged_options *options,
			   struct privileged_process **ret_process)
{
	CLEANUP(privileged_process_free)
	struct privileged_process *process = calloc(1, sizeof(*process));
	CLEANUP(fd_close) int other_end = -1, dump_folder_fd = -1, debug_folder_fd = -1;
	struct privileged_server start = PRIVILEGED_SERVER_NONE;
	int ends[2], r;

	if (!process)
		return log_errno(-ENOMEM, "start the privileged process");
	process->socket = -1;
	r = open_folders(options, &dump_folder_fd, &debug_folder_fd);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return log_errno(-errno, "start the privileged process");
	process->socket = ends[0];
	other_end = ends[1];
	start.dump_folder_fd = dump_folder_fd;
	start.debug_folder_fd = debug_folder_fd;
	process->pid = fork();
	if (process->pid < 0)
		return log_errno(-errno, "start the privileged process");
	if (!process->pid)
		privileged_server_run(other_end, &start, options->command_pid);
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

int privileged_process_open_cpu(struct privileged_process *process, uint32_t cpu,
				uint64_t period_ns, struct perf_cpu_events *ret_events)
{
	const struct privileged_request request = { .kind = PRIVILEGED_OPEN_CPU,
						    .numbers = { cpu, period_ns } };
	CLEANUP(privileged_result_close) struct privileged_result result;
	int r = privileged_process_ask(process, &request, -1, NULL, 0, &result);

	if (r == 0) {
		ret_events->process_fd = TAKE_FD(result.fds[0]);
		ret_events->timer_fd = TAKE_FD(result.fds[1]);
	}
	return r;
}

int privileged_process_signal(struct privileged_process *process, int signal)
{
	return order(process, PRIVILEGED_SIGNAL, (uint64_t)signal, -1);
}

int privileged_process_remove_at_end(struct privileged_process *process, int socket)
{
	return socket < 0 ? 0 : order(process, PRIVILEGED_REMOVE_AT_END, 0, socket);
}

int privileged_process_remove_empty(struct privileged_process *process, int fd)
{
	return order(process, PRIVILEGED_REMOVE_EMPTY, 0, fd);
}

int privileged_process_create_dump(struct privileged_process *process,
				   char ret_name[DUMP_NAME_SIZE_MAX], int *ret_fd)
{
	const struct privileged_request request = { .kind = PRIVILEGED_CREATE_DUMP };
	CLEANUP(privileged_result_close) struct privileged_result result;
	int r = privileged_process_ask(process, &request, -1, NULL, 0, &result);

	if (r != 0)
		return r;
	if (result.fds[0] < 0 || !result.body_size || result.body_size > DUMP_NAME_SIZE_MAX)
		return -EPROTO;
	snprintf(ret_name, DUMP_NAME_SIZE_MAX, "%.*s", (int)result.body_size,
		 (const char *)result.packet.body);
	*ret_fd = TAKE_FD(result.fds[0]);
	return 0;
}

static int ask_for_debug_file(struct privileged_process *process, enum privileged_kind kind,
			      const char *id, int *ret_fd)
{
	const struct privileged_request request = { .kind = kind };
	CLEANUP(privileged_result_close) struct privileged_result result;
	int r = privileged_process_ask(process, &request, -1, id, strlen(id) + 1, &result);

	if (r == 0 && result.fds[0] < 0)
		return -EPROTO;
	if (r == 0)
		*ret_fd = TAKE_FD(result.fds[0]);
	return r;
}

int privileged_process_find_debug_file(struct privileged_process *process, const char *id,
				       int *ret_fd)
{
	return ask_for_debug_file(process, PRIVILEGED_FIND_DEBUG_FILE, id, ret_fd);
}

int privileged_process_begin_debug_file(struct privileged_process *process, const char *id,
					int *ret_fd)
{
	return ask_for_debug_file(process, PRIVILEGED_BEGIN_DEBUG_FILE, id, ret_fd);
}

int privileged_process_end_debug_file(struct privileged_process *process, const char *id,
				      enum debug_folder_end end)
{
	const struct privileged_request request = { .kind = PRIVILEGED_END_DEBUG_FILE,
						    .numbers = { end } };
	CLEANUP(privileged_result_close) struct privileged_result result;

	return privileged_process_ask(process, &request, -1, id, strlen(id) + 1, &result);
}

pid_t privileged_process_pid(const struct privileged_process *process)
{
	return process->pid;
}

uint64_t privileged_process_cpu_us(const struct privileged_process *process)
{
	return process_cpu_us(process->pid);
}
