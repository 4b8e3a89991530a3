/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/loop.h"
#include "worker/worker_child.h"
#include "worker/worker_message.h"
#include "worker/worker_reply.h"

enum { SOON_NS = 1 };

struct job {
	uint32_t type;
	struct worker_message_fds inputs; /* duplicates; those that were sent are gone */
	uint64_t due_ns;		  /* among those that are as urgent, the earliest is next */
	uint8_t *argument;
	size_t argument_size;
	worker_callback callback;
	void *context;
};

enum child_state {
	CHILD_NONE,  /* the timer runs until the next start */
	CHILD_READY, /* was ordered: jobs can be sent, they wait in its socket while it starts */
	CHILD_DYING, /* was given up: the forker will tell when it has ended */
};

struct worker {
	struct loop *loop;
	const struct worker_job_type *types;
	size_t type_count;

	pid_t forker_pid;
	int forker_socket;
	struct loop_source *forker_source;
	bool is_gone; /* the forker is: no child can be started any more */

	enum child_state child_state;
	int child_socket;
	struct loop_source *child_source;
	pid_t child_pid;      /* 0 until the forker has told */
	const char *lost_job; /* name of the job that the dying child had; NULL: none */
	bool is_cancelled;    /* the child dies because nobody wants its job's result any more */

	/* While a job runs: its time limit. Without a child: until the start of one. */
	struct loop_source *timer;
	uint64_t restart_delay_ms;

	struct job jobs[WORKER_QUEUE_MAX]; /* a ring; the first one is running, if one is */
	size_t first_job;
	size_t job_count;
	uint32_t fd_count; /* that the jobs hold */
	bool is_running;
	uint32_t running_number;

	struct worker_counters counters;
	uint64_t ended_cpu_us; /* of the children that have ended */
};

static void send_next_job(struct worker *worker);

static struct job *first_job(struct worker *worker)
{
	return &worker->jobs[worker->first_job];
}

static struct job take_first_job(struct worker *worker)
{
	struct job job = *first_job(worker);

	*first_job(worker) = (struct job){ .inputs = worker_message_fds(-1, -1) };
	worker->first_job = (worker->first_job + 1) % WORKER_QUEUE_MAX;
	worker->job_count--;
	worker->is_running = false;
	return job;
}

static uint32_t count_fds(const struct worker_message_fds *fds)
{
	return (uint32_t)(fds->at[0] >= 0) + (uint32_t)(fds->at[1] >= 0);
}

static void release_job(struct worker *worker, struct job *job)
{
	worker->fd_count -= count_fds(&job->inputs);
	worker_message_fds_close(&job->inputs);
	free(TAKE(job->argument));
}

static void count_outcome(struct worker_counters *counters, int outcome)
{
	switch (outcome) {
	case 0:
		counters->jobs_done++;
		break;
	case WORKER_TIMED_OUT:
		counters->jobs_timed_out++;
		break;
	case WORKER_CRASHED:
		counters->jobs_crashed++;
		break;
	case WORKER_TOO_LARGE:
		counters->jobs_too_large++;
		break;
	case WORKER_BAD_REPLY:
		counters->bad_replies++;
		break;
	default:
		counters->jobs_refused++;
	}
}

/* Tells the first job's owner. The callback may submit jobs, so everything is in order before it. */
static void finish_first_job(struct worker *worker, int outcome, struct worker_result result)
{
	struct job job = take_first_job(worker);

	count_outcome(&worker->counters, outcome);
	release_job(worker, &job);
	job.callback(outcome, result, job.context);
}

static void fail_all_jobs(struct worker *worker, int outcome)
{
	/* Not those that a callback submits: worker_submit() refuses them. */
	while (worker->job_count)
		finish_first_job(worker, outcome, (struct worker_result){ 0 });
}

/* By its parent, which may do so whatever we have become since. A fork that was ordered comes first. */
static void kill_child(struct worker *worker)
{
	const char order[] = { WORKER_KILL };

	worker_message_send(worker->forker_socket, order, sizeof(order), NULL, 0,
			    worker_message_fds(-1, -1));
}

/* Gives the child up, whatever it is doing; the job that it had ends with @outcome. */
static void lose_child(struct worker *worker, int outcome)
{
	loop_timer_set(worker->timer, 0);
	loop_remove(TAKE(worker->child_source));
	fd_close(TAKE_FD(worker->child_socket));
	worker->child_state = CHILD_DYING;
	kill_child(worker);
	worker->lost_job = NULL;
	if (!worker->is_running)
		return;
	worker->lost_job = worker->types[first_job(worker)->type].name;
	finish_first_job(worker, outcome, (struct worker_result){ 0 });
}

static void handle_reply(struct worker *worker, const void *bytes, size_t size, int fd)
{
	struct worker_result result = { 0 };
	int outcome = 0, r;

	if (!worker->is_running)
		r = WORKER_BAD_REPLY;
	else
		r = worker_reply_accept(bytes, size, fd, worker->running_number, &outcome, &result);
	if (r == WORKER_BAD_REPLY) {
		lose_child(worker, r);
		return;
	}
	loop_timer_set(worker->timer, 0);
	worker->restart_delay_ms /= 2;
	finish_first_job(worker, r ? r : outcome, result);
	send_next_job(worker);
}

static void on_child_event(uint32_t events, void *context)
{
	uint8_t bytes[sizeof(struct worker_reply)];
	struct worker *worker = context;
	CLEANUP(worker_message_fds_close)
	struct worker_message_fds fds = worker_message_fds(-1, -1);
	size_t size;
	int r;

	r = worker_message_receive(worker->child_socket, bytes, sizeof(bytes), &size, &fds);
	if (r == -EAGAIN)
		return;
	if (r < 0)
		lose_child(worker, r == -EMSGSIZE ? WORKER_BAD_REPLY : WORKER_CRASHED);
	else if (fds.at[1] >= 0)
		lose_child(worker, WORKER_BAD_REPLY);
	else
		handle_reply(worker, bytes, size, fds.at[0]);
}

static void send_next_job(struct worker *worker)
{
	struct worker_request request;
	struct job *job = first_job(worker);
	int r;

	if (worker->child_state != CHILD_READY || worker->is_running || !worker->job_count)
		return;
	request = (struct worker_request){
		.job = ++worker->running_number,
		.type = job->type,
		.argument_size = (uint32_t)job->argument_size,
	};
	r = worker_message_send(worker->child_socket, &request, sizeof(request), job->argument,
				job->argument_size, job->inputs);
	if (r == -EPIPE || r == -ECONNRESET) {
		/* The child is no more, and the job has no part in that: it keeps its place. */
		lose_child(worker, WORKER_CRASHED);
		return;
	}
	if (r < 0) {
		loop_timer_set(worker->timer, SOON_NS); /* for the job behind it */
		finish_first_job(worker, r, (struct worker_result){ 0 });
		return;
	}
	worker->is_running = true;
	release_job(worker, job);
	loop_timer_set(worker->timer, (uint64_t)worker->types[job->type].time_limit_ms * NS_PER_MS);
}

static int order_child(struct worker *worker)
{
	CLEANUP(fd_close) int own_end = -1;
	CLEANUP(fd_close) int child_end = -1;
	const char order[] = { WORKER_START };
	int ends[2], size = 4 * WORKER_ARGUMENT_SIZE_MAX, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	own_end = ends[0];
	child_end = ends[1];
	/* In case the host's default is too small for one message; as far as it lets us. */
	setsockopt(own_end, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (fcntl(own_end, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = worker_message_send(worker->forker_socket, order, sizeof(order), NULL, 0,
				worker_message_fds(child_end, -1));
	if (r < 0)
		return r;
	r = loop_add_fd(worker->loop, own_end, EPOLLIN, on_child_event, worker,
			&worker->child_source);
	if (r < 0)
		return r;
	worker->child_socket = TAKE_FD(own_end);
	worker->child_state = CHILD_READY;
	worker->counters.starts++;
	worker->counters.restarts += worker->counters.starts > 1;
	return 0;
}

/* At once after the first failure for long, later and later when they follow each other. */
static void start_child_later(struct worker *worker)
{
	uint64_t delay_ms = worker->restart_delay_ms;

	loop_timer_set(worker->timer, delay_ms ? delay_ms * NS_PER_MS : SOON_NS);
	delay_ms = delay_ms ? 2 * delay_ms : WORKER_RESTART_DELAY_LEAST_MS;
	worker->restart_delay_ms =
		delay_ms < WORKER_RESTART_DELAY_MOST_MS ? delay_ms : WORKER_RESTART_DELAY_MOST_MS;
}

static void on_timer(void *context)
{
	struct worker *worker = context;

	loop_timer_set(worker->timer, 0);
	if (worker->is_running)
		lose_child(worker, WORKER_TIMED_OUT);
	else if (worker->child_state == CHILD_NONE && order_child(worker) < 0)
		start_child_later(worker);
	else
		send_next_job(worker);
}

static void log_end(const struct worker *worker, int status)
{
	const char *job = worker->lost_job ? worker->lost_job : "none";

	if (worker->is_cancelled)
		return;
	if (WIFSIGNALED(status))
		log_warning("the worker process ended by signal %d (%s), its job: %s; another "
			    "takes over",
			    WTERMSIG(status), strsignal(WTERMSIG(status)), job);
	else
		log_warning(
			"the worker process ended with status %d, its job: %s; another takes over",
			WEXITSTATUS(status), job);
}

static void handle_end(struct worker *worker, const struct worker_event *event)
{
	/* What it sent before it died is still in the socket: a reply, perhaps, and then the end. */
	while (worker->child_state == CHILD_READY)
		on_child_event(EPOLLIN, worker);
	if (event->kind == WORKER_NOT_STARTED)
		log_errno(event->status, "start the worker process");
	else
		log_end(worker, event->status);
	worker->ended_cpu_us += event->cpu_us;
	worker->child_pid = 0;
	worker->is_cancelled = false;
	worker->child_state = CHILD_NONE;
	start_child_later(worker);
}

static void lose_forker(struct worker *worker)
{
	log_error("the process that starts workers is gone: new names will be missing; restart to "
		  "have them again");
	worker->is_gone = true;
	loop_remove(TAKE(worker->forker_source));
	if (worker->child_state == CHILD_READY)
		lose_child(worker, WORKER_CRASHED);
	loop_timer_set(worker->timer, 0);
	fail_all_jobs(worker, WORKER_GONE);
}

static void on_forker_event(uint32_t events, void *context)
{
	struct worker *worker = context;
	CLEANUP(worker_message_fds_close)
	struct worker_message_fds fds = worker_message_fds(-1, -1);
	struct worker_event event;
	size_t size;
	int r;

	r = worker_message_receive(worker->forker_socket, &event, sizeof(event), &size, &fds);
	if (r == -EAGAIN)
		return;
	if (r < 0 || size != sizeof(event)) {
		lose_forker(worker);
		return;
	}
	if (event.kind != WORKER_STARTED) {
		handle_end(worker, &event);
		return;
	}
	worker->child_pid = event.pid;
}

static int fork_forker(struct worker *worker)
{
	CLEANUP(fd_close) int own_end = -1;
	CLEANUP(fd_close) int forker_end = -1;
	pid_t own_pid = getpid(), pid;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	own_end = ends[0];
	forker_end = ends[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		worker_forker_run(forker_end, own_pid, worker->types, worker->type_count);
	worker->forker_pid = pid;
	worker->forker_socket = TAKE_FD(own_end);
	return fcntl(worker->forker_socket, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int worker_new(struct loop *loop, const struct worker_job_type *types, size_t type_count,
	       struct worker **ret_worker)
{
	CLEANUP(worker_free) struct worker *worker = calloc(1, sizeof(*worker));
	int r;

	if (!worker)
		return -ENOMEM;
	worker->loop = loop;
	worker->types = types;
	worker->type_count = type_count;
	worker->forker_socket = worker->child_socket = -1;
	for (size_t i = 0; i < WORKER_QUEUE_MAX; i++)
		worker->jobs[i].inputs = worker_message_fds(-1, -1);
	r = fork_forker(worker);
	if (r < 0)
		return log_errno(r, "fork the process that starts workers");
	r = loop_add_fd(loop, worker->forker_socket, EPOLLIN, on_forker_event, worker,
			&worker->forker_source);
	if (r < 0)
		return r;
	r = loop_add_timer(loop, 0, on_timer, worker, &worker->timer);
	if (r < 0)
		return r;
	r = order_child(worker);
	if (r < 0)
		return log_errno(r, "start the worker process");
	*ret_worker = TAKE(worker);
	return 0;
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	loop_remove(worker->timer);
	loop_remove(worker->child_source);
	loop_remove(worker->forker_source);
	fd_close(worker->child_socket);
	if (worker->forker_socket >= 0)
		shutdown(worker->forker_socket, SHUT_RDWR); /* its end, and that of its child */
	fd_close(worker->forker_socket);
	while (worker->job_count) {
		struct job job = take_first_job(worker);

		release_job(worker, &job);
	}
	if (worker->forker_pid > 0)
		waitpid(worker->forker_pid, NULL, 0);
	free(worker);
}

static struct job *job_at(struct worker *worker, size_t position)
{
	return &worker->jobs[(worker->first_job + position) % WORKER_QUEUE_MAX];
}

static bool comes_before(const struct worker *worker, const struct job *job,
			 const struct job *other)
{
	bool is_urgent = worker->types[job->type].is_urgent;

	if (is_urgent != worker->types[other->type].is_urgent)
		return is_urgent;
	return job->due_ns < other->due_ns;
}

/* Puts a job behind the one that runs and all that come before it. There is room. */
static void queue_job(struct worker *worker, struct job job)
{
	size_t position = worker->job_count++, first_waiting = worker->is_running ? 1 : 0;

	while (position > first_waiting &&
	       comes_before(worker, &job, job_at(worker, position - 1))) {
		*job_at(worker, position) = *job_at(worker, position - 1);
		position--;
	}
	*job_at(worker, position) = job;
}

static uint64_t size_of(int fd)
{
	struct stat status;

	return fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0 ? (uint64_t)status.st_size
									: 0;
}

static uint64_t due_ns(int first_fd, int second_fd)
{
	return monotonic_ns() + (size_of(first_fd) + size_of(second_fd)) * WORKER_DUE_NS_PER_BYTE;
}

static int duplicate(int fd, int *ret_fd)
{
	if (fd >= 0) {
		*ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (*ret_fd < 0)
			return -errno;
	}
	return 0;
}

/* Whether the jobs that wait would hold no more than they may with these as well. */
static bool has_room(const struct worker *worker, int first_fd, int second_fd)
{
	const struct worker_message_fds fds = worker_message_fds(first_fd, second_fd);

	return worker->job_count < WORKER_QUEUE_MAX &&
	       worker->fd_count + count_fds(&fds) <= descriptors_share(WORKER_QUEUE_FDS_PARTS,
								       WORKER_QUEUE_FDS_LEAST,
								       WORKER_QUEUE_FDS_MAX);
}

/* Copies what the job is given. Returns 0 or -errno, with nothing kept. */
static int fill_job(struct job *job, int first_fd, int second_fd, const void *argument)
{
	int r;

	if (job->argument_size) {
		job->argument = malloc(job->argument_size);
		if (!job->argument)
			return -ENOMEM;
		memcpy(job->argument, argument, job->argument_size);
	}
	r = duplicate(first_fd, &job->inputs.at[0]);
	if (r == 0)
		r = duplicate(second_fd, &job->inputs.at[1]);
	if (r < 0) {
		worker_message_fds_close(&job->inputs);
		free(TAKE(job->argument));
	}
	return r;
}

int worker_submit_pair(struct worker *worker, uint32_t type, int first_fd, int second_fd,
		       const void *argument, size_t argument_size, worker_callback callback,
		       void *context)
{
	struct job job = { .type = type,
			   .inputs = worker_message_fds(-1, -1),
			   .due_ns = due_ns(first_fd, second_fd),
			   .argument_size = argument_size,
			   .callback = callback,
			   .context = context };
	int r = WORKER_QUEUE_FULL;

	assert(type < worker->type_count);
	if (worker->is_gone)
		return WORKER_GONE;
	if (argument_size > WORKER_ARGUMENT_SIZE_MAX)
		return -E2BIG;
	if (has_room(worker, first_fd, second_fd))
		r = fill_job(&job, first_fd, second_fd, argument);
	if (r == WORKER_QUEUE_FULL || is_shortage(r)) {
		worker->counters.queue_full++;
		return WORKER_QUEUE_FULL;
	}
	if (r < 0)
		return r;
	worker->fd_count += count_fds(&job.inputs);
	queue_job(worker, job);
	/* Sent from the timer, so that no callback comes from in here. */
	if (worker->child_state == CHILD_READY && !worker->is_running)
		loop_timer_set(worker->timer, SOON_NS);
	return 0;
}

int worker_submit(struct worker *worker, uint32_t type, int input_fd, const void *argument,
		  size_t argument_size, worker_callback callback, void *context)
{
	return worker_submit_pair(worker, type, input_fd, -1, argument, argument_size, callback,
				  context);
}

static bool is_job_of(const struct job *job, worker_callback callback, const void *context)
{
	return job->callback == callback && job->context == context;
}

static void drop_waiting_job(struct worker *worker, size_t position)
{
	release_job(worker, job_at(worker, position));
	for (worker->job_count--; position < worker->job_count; position++)
		*job_at(worker, position) = *job_at(worker, position + 1);
	*job_at(worker, position) = (struct job){ .inputs = worker_message_fds(-1, -1) };
}

void worker_cancel(struct worker *worker, worker_callback callback, const void *context)
{
	for (size_t i = worker->job_count; i-- > (worker->is_running ? 1 : 0);)
		if (is_job_of(job_at(worker, i), callback, context))
			drop_waiting_job(worker, i);
	if (!worker->is_running || !is_job_of(first_job(worker), callback, context))
		return;
	take_first_job(worker);
	worker->is_cancelled = true;
	lose_child(worker, WORKER_CRASHED);
}

size_t worker_pending(const struct worker *worker)
{
	return worker->job_count;
}

const struct worker_counters *worker_counters(struct worker *worker)
{
	uint64_t cpu_us = worker->ended_cpu_us + process_cpu_us(worker->forker_pid) +
			  process_cpu_us(worker->child_pid);

	/* A child that has just ended is in neither number until the forker's word is read. */
	if (cpu_us > worker->counters.cpu_us)
		worker->counters.cpu_us = cpu_us;
	return &worker->counters;
}

pid_t worker_pid(const struct worker *worker)
{
	return worker->child_state == CHILD_READY ? worker->child_pid : 0;
}

const char *worker_outcome_text(int outcome)
{
	switch (outcome) {
	case WORKER_QUEUE_FULL:
		return "too many files wait to be read";
	case WORKER_TIMED_OUT:
		return "took too long to read";
	case WORKER_CRASHED:
		return "ended the process that read it";
	case WORKER_TOO_LARGE:
		return "has more in it than is kept";
	case WORKER_BAD_REPLY:
		return "was answered with nonsense";
	case WORKER_GONE:
		return "cannot be read: the process that starts workers is gone";
	default:
		return NULL;
	}
}
