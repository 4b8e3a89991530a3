/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker_child.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/confinement.h"
#include "base/own_process.h"
#include "worker/worker_message.h"
#include "worker/worker_reply.h"

enum {
	LARGE_ALLOCATION_SIZE = 256 << 10, /* mapped by itself, so that it is given back at once */
};

/* Sanitizers reserve terabytes of addresses for their own tables. */
#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SPACE_IS_LIMITED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SPACE_IS_LIMITED 0
#endif
#endif
#ifndef ADDRESS_SPACE_IS_LIMITED
#define ADDRESS_SPACE_IS_LIMITED 1
#endif

static int limit(int resource, rlim_t soft, rlim_t hard)
{
	return setrlimit(resource, &(struct rlimit){ soft, hard }) < 0 ? -errno : 0;
}

/* The most that any of the jobs may need. */
static rlim_t file_size_max(const struct worker_job_type *types, size_t type_count)
{
	rlim_t size = WORKER_RESULT_SIZE_MAX;

	for (size_t i = 0; i < type_count; i++)
		if (types[i].file_size_max > size)
			size = types[i].file_size_max;
	return size;
}

enum confinement worker_child_confinement(const struct worker_job_type *types, size_t type_count)
{
	for (size_t i = 0; i < type_count; i++)
		if (types[i].downloads)
			return CONFINED_TO_DOWNLOADING;
	return CONFINED_TO_PARSING;
}

static int limit_resources(const struct worker_job_type *types, size_t type_count)
{
	const struct {
		int resource;
		rlim_t value;
	} limits[] = {
		{ RLIMIT_STACK, WORKER_STACK_SIZE_MAX },
		{ RLIMIT_NOFILE, WORKER_DESCRIPTORS_MAX },
		{ RLIMIT_FSIZE, file_size_max(types, type_count) },
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
		/* It counts all processes of the user, so there is no number between. */
		{ RLIMIT_NPROC,
		  worker_child_confinement(types, type_count) == CONFINED_TO_DOWNLOADING
			  ? RLIM_INFINITY
			  : 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit now;
		rlim_t value = limits[i].value;

		if (getrlimit(limits[i].resource, &now) < 0)
			return -errno;
		/* A hard limit that is lower already, in a container, stays. */
		if (now.rlim_max < value)
			value = now.rlim_max;
		if (limit(limits[i].resource, value, value) < 0)
			return -errno;
	}
	return ADDRESS_SPACE_IS_LIMITED
		       ? limit(RLIMIT_AS, WORKER_MEMORY_SIZE_MAX, WORKER_MEMORY_SIZE_MAX)
		       : 0;
}

/* A second bound beside the agent's timer: processor time of this job, in whole seconds. */
static void limit_job(unsigned int time_limit_ms)
{
	struct timespec used;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) < 0)
		return;
	limit(RLIMIT_CPU, (rlim_t)used.tv_sec + 2 * (time_limit_ms / 1000) + 2, RLIM_INFINITY);
}

static int run_job(const struct worker_job_type *types, size_t type_count,
		   struct bytes_reader message, const struct worker_message_fds *inputs,
		   struct bytes_writer *ret_result, uint32_t *ret_job)
{
	struct worker_request request;
	const struct worker_job_type *type;
	struct bytes_reader argument;
	int outcome;

	if (!bytes_read_into(&message, &request, sizeof(request)) || request.type >= type_count ||
	    request.argument_size != bytes_left(&message))
		return -EINVAL;
	*ret_job = request.job;
	type = &types[request.type];
	limit_job(type->time_limit_ms);
	argument = bytes_read_part(&message, request.argument_size);
	outcome = type->run_pair
			  ? type->run_pair(inputs->at[0], inputs->at[1], argument, ret_result)
			  : type->run(inputs->at[0], argument, ret_result);
	/* A job may fail because its result did; then that is the reason. */
	if (ret_result->failed)
		return ret_result->is_at_cap ? WORKER_TOO_LARGE : -ENOMEM;
	return outcome;
}

static int send_reply(int socket, struct worker_reply reply, const struct bytes_writer *result)
{
	CLEANUP(fd_close) int result_fd = -1;

	if (!reply.outcome && result->size) {
		result_fd = worker_result_seal(result->bytes, result->size);
		if (result_fd < 0)
			reply.outcome = result_fd;
		else
			reply.result_size = result->size;
	}
	return worker_message_send(socket, &reply, sizeof(reply), NULL, 0,
				   worker_message_fds(result_fd, -1));
}

static int serve_job(int socket, const struct worker_job_type *types, size_t type_count,
		     uint8_t *message)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer result = bytes_writer_with_max(WORKER_RESULT_SIZE_MAX);
	CLEANUP(worker_message_fds_close)
	struct worker_message_fds inputs = worker_message_fds(-1, -1);
	struct worker_reply reply = { 0 };
	size_t size;
	int r;

	r = worker_message_receive(socket, message,
				   sizeof(struct worker_request) + WORKER_ARGUMENT_SIZE_MAX, &size,
				   &inputs);
	if (r < 0)
		return r;
	reply.outcome = run_job(types, type_count, bytes_reader_of(message, size), &inputs, &result,
				&reply.job);
	return send_reply(socket, reply, &result);
}

/* When no job has come for a while, what was kept for the next one is given back. */
static void forget_when_idle(int socket, const struct worker_job_type *types, size_t type_count)
{
	struct pollfd next = { .fd = socket, .events = POLLIN };

	if (poll(&next, 1, WORKER_IDLE_MS) != 0)
		return;
	for (size_t i = 0; i < type_count; i++)
		if (types[i].forget)
			types[i].forget();
	malloc_trim(0);
}

noreturn void worker_child_run(int socket, pid_t forker_pid, const struct worker_job_type *types,
			       size_t type_count)
{
	uint8_t *message = malloc(sizeof(struct worker_request) + WORKER_ARGUMENT_SIZE_MAX);

	if (!message || own_process_go_on(types[0].process_name, &socket, 1) < 0 ||
	    own_process_die_with(forker_pid) < 0 || limit_resources(types, type_count) < 0 ||
	    confine_system_calls(worker_child_confinement(types, type_count)) < 0)
		_exit(1);
	mallopt(M_MMAP_THRESHOLD, LARGE_ALLOCATION_SIZE);
	while (serve_job(socket, types, type_count, message) >= 0) {
		malloc_trim(0);
		forget_when_idle(socket, types, type_count);
	}
	_exit(0);
}
