/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker as the agent uses it, with jobs that behave as hostile files make real ones behave.
 */
#include "worker/worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/own_user.h"
#include "check.h"
#include "few_descriptors.h"
#include "worker/worker_message.h"

enum {
	ANSWERS_MAX = WORKER_QUEUE_MAX + 8,
	PATIENCE_MS = 20000, /* far beyond anything that is measured here */
	CHILD_SOCKET_FD = 3, /* where own_process_begin() puts it */
	OWN_OUTCOME = 7,
};

enum test_job {
	JOB_ECHO,
	JOB_READ,
	JOB_REFUSE,
	JOB_CRASH,
	JOB_SLEEP,
	JOB_TOO_LARGE,
	JOB_GARBAGE,
	JOB_FORGE,
	JOB_CONDITIONS,
	JOB_SPIN,
	JOB_ALLOCATE,
	JOB_CLOSE,
	JOB_URGENT,
	JOB_PAIR,
};

static int run_echo(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	bytes_write(ret_result, argument.at, bytes_left(&argument));
	return 0;
}

static int run_read(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	char bytes[64];
	ssize_t size = pread(input_fd, bytes, sizeof(bytes), 0);

	if (size < 0)
		return -errno;
	bytes_write(ret_result, bytes, (size_t)size);
	return 0;
}

static int run_pair(int first_fd, int second_fd, struct bytes_reader argument,
		    struct bytes_writer *ret_result)
{
	int r = run_read(first_fd, argument, ret_result);

	return r < 0 || second_fd < 0 ? r : run_read(second_fd, argument, ret_result);
}

static int run_refuse(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	bytes_write_u32(ret_result, 1);
	return OWN_OUTCOME;
}

static int run_crash(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	raise(SIGKILL); /* SIGSEGV would make the sanitizer print a report */
	return 0;
}

static int run_sleep(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	for (;;)
		pause();
	return 0;
}

static int run_too_large(int input_fd, struct bytes_reader argument,
			 struct bytes_writer *ret_result)
{
	bytes_writer_extend(ret_result, ret_result->size_max + 1);
	return 0;
}

/* A child that was taken over: it answers by itself. */
static int run_garbage(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	char garbage[1000] = { 1 };

	worker_message_send(CHILD_SOCKET_FD, garbage, sizeof(garbage), NULL, 0,
			    worker_message_fds(-1, -1));
	return 0;
}

/* ... and with a result that can still be changed. */
static int run_forge(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	struct worker_reply reply = { .job = bytes_read_u32(&argument), .result_size = 4096 };
	int fd = memfd_create("forged", 0);

	if (ftruncate(fd, 4096) < 0)
		return -errno;
	worker_message_send(CHILD_SOCKET_FD, &reply, sizeof(reply), NULL, 0,
			    worker_message_fds(fd, -1));
	return 0;
}

static uint32_t open_descriptors(void)
{
	uint32_t count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static int run_conditions(int input_fd, struct bytes_reader argument,
			  struct bytes_writer *ret_result)
{
	struct rlimit core, files;

	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_NOFILE, &files);
	bytes_write_u32(ret_result, open_descriptors());
	bytes_write_u32(ret_result, (uint32_t)core.rlim_max);
	bytes_write_u32(ret_result, (uint32_t)files.rlim_max);
	bytes_write_u32(ret_result, open("/etc/shadow", O_RDONLY) >= 0);
	bytes_write_u32(ret_result, fork() >= 0);
	return 0;
}

static int run_spin(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	struct timespec now = { 0 };

	while (now.tv_sec == 0 && now.tv_nsec < 50000000)
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return 0;
}

static int run_allocate(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	void *bytes = mmap(NULL, (size_t)4 << 30, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return bytes == MAP_FAILED ? -errno : 0;
}

static int run_close(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	close(CHILD_SOCKET_FD);
	for (;;)
		pause();
	return 0;
}

static const struct worker_job_type types[] = {
	[JOB_ECHO] = { .name = "echo",
		       .process_name = "flicker-test",
		       .time_limit_ms = PATIENCE_MS,
		       .run = run_echo },
	[JOB_READ] = { .name = "read", .time_limit_ms = PATIENCE_MS, .run = run_read },
	[JOB_REFUSE] = { .name = "refuse", .time_limit_ms = PATIENCE_MS, .run = run_refuse },
	[JOB_CRASH] = { .name = "crash", .time_limit_ms = PATIENCE_MS, .run = run_crash },
	[JOB_SLEEP] = { .name = "sleep", .time_limit_ms = 100, .run = run_sleep },
	[JOB_TOO_LARGE] = { .name = "too large",
			    .time_limit_ms = PATIENCE_MS,
			    .run = run_too_large },
	[JOB_GARBAGE] = { .name = "garbage", .time_limit_ms = PATIENCE_MS, .run = run_garbage },
	[JOB_FORGE] = { .name = "forge", .time_limit_ms = PATIENCE_MS, .run = run_forge },
	[JOB_CONDITIONS] = { .name = "conditions",
			     .time_limit_ms = PATIENCE_MS,
			     .run = run_conditions },
	[JOB_SPIN] = { .name = "spin", .time_limit_ms = PATIENCE_MS, .run = run_spin },
	[JOB_ALLOCATE] = { .name = "allocate", .time_limit_ms = PATIENCE_MS, .run = run_allocate },
	[JOB_CLOSE] = { .name = "close", .time_limit_ms = PATIENCE_MS, .run = run_close },
	[JOB_PAIR] = { .name = "pair", .time_limit_ms = PATIENCE_MS, .run_pair = run_pair },
	[JOB_URGENT] = { .name = "urgent",
			 .time_limit_ms = PATIENCE_MS,
			 .run = run_echo,
			 .is_urgent = true },
};

struct answer {
	int outcome;
	size_t size;
	uint8_t bytes[64];
	uintptr_t label;
};

static struct answer answers[ANSWERS_MAX];
static size_t answer_count;

struct fixture {
	struct loop *loop;
	struct worker *worker;
};

static void keep_answer(int outcome, struct worker_result result, void *context)
{
	struct answer *answer = &answers[answer_count++];

	*answer = (struct answer){ .outcome = outcome,
				   .size = result.size,
				   .label = (uintptr_t)context };
	if (result.size)
		memcpy(answer->bytes, result.bytes,
		       result.size < sizeof(answer->bytes) ? result.size : sizeof(answer->bytes));
	worker_result_free(&result);
}

static void setup(struct fixture *fixture)
{
	log_set_level(LOG_LEVEL_ERROR); /* lost children are the subject here, and no news */
	answer_count = 0;
	if (loop_new(&fixture->loop) < 0 ||
	    worker_new(fixture->loop, types, ARRAY_SIZE(types), &fixture->worker) < 0)
		check_give_up();
}

static void cleanup_teardown(struct fixture *fixture)
{
	worker_free(fixture->worker);
	loop_free(fixture->loop);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Runs the loop until there are @count answers; false when they don't come. */
static bool wait_for_answers(struct fixture *fixture, size_t count)
{
	uint64_t end = now_ms() + PATIENCE_MS;

	while (answer_count < count && now_ms() < end)
		loop_dispatch(fixture->loop, 100);
	return answer_count >= count;
}

static bool wait_for_child(struct fixture *fixture)
{
	uint64_t end = now_ms() + PATIENCE_MS;

	while (!worker_pid(fixture->worker) && now_ms() < end)
		loop_dispatch(fixture->loop, 100);
	return worker_pid(fixture->worker) != 0;
}

/* ... and its process is known as well: it may answer before its forker has told of it. */
static bool wait_for_answers_of_child(struct fixture *fixture, size_t count)
{
	return wait_for_answers(fixture, count) && wait_for_child(fixture);
}

static int submit(struct fixture *fixture, enum test_job job, const char *argument)
{
	return worker_submit(fixture->worker, job, -1, argument, argument ? strlen(argument) : 0,
			     keep_answer, NULL);
}

/* A job that ends badly gives @outcome, and the next one is done as if nothing had happened. */
static void check_job_and_next(enum test_job job, const char *argument, int outcome)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(submit(&fixture, job, argument), 0);
	CHECK_EQ(submit(&fixture, JOB_ECHO, "next"), 0);
	CHECK_OR_RETURN(wait_for_answers(&fixture, 2));
	CHECK_EQ(answers[0].outcome, outcome);
	CHECK_EQ(answers[0].size, 0);
	CHECK_EQ(answers[1].outcome, 0);
	CHECK_EQ(answers[1].size, 4);
	CHECK(memcmp(answers[1].bytes, "next", 4) == 0);
}

static void a_result_comes_back(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(submit(&fixture, JOB_ECHO, "hello"), 0);
	CHECK_EQ(worker_pending(fixture.worker), 1);
	CHECK_EQ(answer_count, 0);
	CHECK_OR_RETURN(wait_for_answers(&fixture, 1));
	CHECK_EQ(answers[0].outcome, 0);
	CHECK_EQ(answers[0].size, 5);
	CHECK(memcmp(answers[0].bytes, "hello", 5) == 0);
	CHECK_EQ(worker_pending(fixture.worker), 0);
	CHECK_EQ(worker_counters(fixture.worker)->jobs_done, 1);
}

static void an_empty_result_is_no_mapping(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(submit(&fixture, JOB_ECHO, NULL), 0);
	CHECK_OR_RETURN(wait_for_answers(&fixture, 1));
	CHECK_EQ(answers[0].outcome, 0);
	CHECK_EQ(answers[0].size, 0);
}

static void the_input_file_is_sent_along(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	CLEANUP(fd_close) int fd = memfd_create("input", MFD_CLOEXEC);

	setup(&fixture);
	CHECK_EQ(write(fd, "contents", 8), 8);
	CHECK_EQ(worker_submit(fixture.worker, JOB_READ, fd, NULL, 0, keep_answer, NULL), 0);
	fd_close(TAKE_FD(fd)); /* the worker has a duplicate */
	CHECK_OR_RETURN(wait_for_answers(&fixture, 1));
	CHECK_EQ(answers[0].outcome, 0);
	CHECK_EQ(answers[0].size, 8);
	CHECK(memcmp(answers[0].bytes, "contents", 8) == 0);
}

static void two_files_are_sent_along_in_order(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	CLEANUP(fd_close) int first = memfd_create("first", MFD_CLOEXEC);
	CLEANUP(fd_close) int second = memfd_create("second", MFD_CLOEXEC);

	setup(&fixture);
	CHECK_EQ(write(first, "one", 3), 3);
	CHECK_EQ(write(second, "two", 3), 3);
	CHECK_EQ(worker_submit_pair(fixture.worker, JOB_PAIR, first, second, NULL, 0, keep_answer,
				    NULL),
		 0);
	CHECK_OR_RETURN(wait_for_answers(&fixture, 1));
	CHECK_EQ(answers[0].size, 6);
	CHECK(memcmp(answers[0].bytes, "onetwo", 6) == 0);
}

static void the_largest_argument_passes_and_a_larger_one_is_refused(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	CLEANUP(memory_free) char *argument = calloc(1, WORKER_ARGUMENT_SIZE_MAX + 1);

	setup(&fixture);
	CHECK_EQ(worker_submit(fixture.worker, JOB_ECHO, -1, argument, WORKER_ARGUMENT_SIZE_MAX,
			       keep_answer, NULL),
		 0);
	CHECK_EQ(worker_submit(fixture.worker, JOB_ECHO, -1, argument, WORKER_ARGUMENT_SIZE_MAX + 1,
			       keep_answer, NULL),
		 -E2BIG);
	CHECK_OR_RETURN(wait_for_answers(&fixture, 1));
	CHECK_EQ(answers[0].outcome, 0);
	CHECK_EQ(answers[0].size, WORKER_ARGUMENT_SIZE_MAX);
}

static void a_jobs_own_outcome_is_passed_on_without_a_result(void)
{
	check_job_and_next(JOB_REFUSE, NULL, OWN_OUTCOME);
}

static void a_job_that_crashes_costs_only_itself(void)
{
	check_job_and_next(JOB_CRASH, NULL, WORKER_CRASHED);
}

static void a_job_that_hangs_is_ended_at_its_time_limit(void)
{
	check_job_and_next(JOB_SLEEP, NULL, WORKER_TIMED_OUT);
}

static void a_result_beyond_the_limit_is_refused(void)
{
	check_job_and_next(JOB_TOO_LARGE, NULL, WORKER_TOO_LARGE);
}

static void a_garbled_reply_ends_the_child(void)
{
	check_job_and_next(JOB_GARBAGE, NULL, WORKER_BAD_REPLY);
}

static void a_result_without_seals_ends_the_child(void)
{
	check_job_and_next(JOB_FORGE, "\x01\0\0\0", WORKER_BAD_REPLY);
}

static void a_child_that_hangs_up_and_lives_on_is_ended(void)
{
	check_job_and_next(JOB_CLOSE, NULL, WORKER_CRASHED);
}

/* One that runs and hangs, and one that waits: neither is answered, and those of others are. */
static void jobs_that_nobody_wants_any_more_are_ended(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	const uintptr_t other = 1;
	pid_t pid;

	setup(&fixture);
	CHECK_OR_RETURN(wait_for_child(&fixture));
	pid = worker_pid(fixture.worker);
	CHECK_EQ(submit(&fixture, JOB_CLOSE, NULL), 0);
	CHECK_EQ(worker_submit(fixture.worker, JOB_ECHO, -1, "a", 1, keep_answer, (void *)other),
		 0);
	CHECK_EQ(submit(&fixture, JOB_ECHO, "b"), 0);
	CHECK_EQ(worker_submit(fixture.worker, JOB_ECHO, -1, "c", 1, keep_answer, (void *)other),
		 0);
	loop_dispatch(fixture.loop, 100);
	worker_cancel(fixture.worker, keep_answer, NULL);
	CHECK_EQ(worker_pending(fixture.worker), 2);
	CHECK_OR_RETURN(wait_for_answers(&fixture, 2));
	CHECK_EQ(answers[0].label, other);
	CHECK_EQ(answers[0].bytes[0], 'a');
	CHECK_EQ(answers[1].bytes[0], 'c');
	CHECK(worker_pid(fixture.worker) != pid);
	worker_cancel(fixture.worker, keep_answer, NULL);
	CHECK_EQ(submit(&fixture, JOB_ECHO, "next"), 0);
	CHECK_OR_RETURN(wait_for_answers(&fixture, 3));
	CHECK_EQ(answers[2].outcome, 0);
}

/* What waits holds a sixteenth of the descriptors that there may be; what needs none is taken all the same. */
static void files_that_wait_keep_to_their_share_of_descriptors(void)
{
	enum { DESCRIPTORS = 16 * 12, SHARE = 12 };
	CLEANUP(teardown) struct fixture fixture = { 0 };
	CLEANUP(fd_close) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	rlim_t before;

	setup(&fixture);
	before = few_descriptors(DESCRIPTORS);
	for (int i = 0; i < SHARE - 1; i++)
		CHECK_EQ(worker_submit(fixture.worker, JOB_READ, fd, NULL, 0, keep_answer, NULL),
			 0);
	CHECK_EQ(worker_submit_pair(fixture.worker, JOB_PAIR, fd, fd, NULL, 0, keep_answer, NULL),
		 WORKER_QUEUE_FULL);
	CHECK_EQ(worker_submit(fixture.worker, JOB_READ, fd, NULL, 0, keep_answer, NULL), 0);
	CHECK_EQ(worker_submit(fixture.worker, JOB_READ, fd, NULL, 0, keep_answer, NULL),
		 WORKER_QUEUE_FULL);
	CHECK_EQ(submit(&fixture, JOB_ECHO, "no file"), 0);
	CHECK_EQ(worker_counters(fixture.worker)->queue_full, 2);
	CHECK_OR_RETURN(wait_for_answers(&fixture, SHARE + 1));
	for (int i = 0; i < SHARE / 2; i++)
		CHECK_EQ(worker_submit_pair(fixture.worker, JOB_PAIR, fd, fd, NULL, 0, keep_answer,
					    (void *)(uintptr_t)i),
			 0);
	CHECK_EQ(worker_submit(fixture.worker, JOB_READ, fd, NULL, 0, keep_answer, NULL),
		 WORKER_QUEUE_FULL);
	worker_cancel(fixture.worker, keep_answer, (void *)(uintptr_t)1);
	CHECK_EQ(worker_submit_pair(fixture.worker, JOB_PAIR, fd, fd, NULL, 0, keep_answer, NULL),
		 0);
	CHECK_OR_RETURN(wait_for_answers(&fixture, SHARE + 1 + SHARE / 2));
	few_descriptors(before);
}

static void a_file_for_which_no_descriptor_is_left_comes_again(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	CLEANUP(fd_close) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	rlim_t before;

	setup(&fixture);
	CHECK_OR_RETURN(wait_for_child(&fixture));
	before = no_descriptors();
	CHECK_EQ(worker_submit(fixture.worker, JOB_READ, fd, NULL, 0, keep_answer, NULL),
		 WORKER_QUEUE_FULL);
	few_descriptors(before);
	CHECK_EQ(worker_counters(fixture.worker)->queue_full, 1);
	CHECK_EQ(worker_submit(fixture.worker, JOB_READ, fd, NULL, 0, keep_answer, NULL), 0);
	CHECK(wait_for_answers(&fixture, 1));
}

static void jobs_are_done_in_order_and_the_queue_has_an_end(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	for (uintptr_t i = 0; i < WORKER_QUEUE_MAX; i++)
		CHECK_EQ(
			worker_submit(fixture.worker, JOB_ECHO, -1, "x", 1, keep_answer, (void *)i),
			0);
	CHECK_EQ(submit(&fixture, JOB_ECHO, "one too many"), WORKER_QUEUE_FULL);
	CHECK_EQ(worker_counters(fixture.worker)->queue_full, 1);
	CHECK_OR_RETURN(wait_for_answers(&fixture, WORKER_QUEUE_MAX));
	for (size_t i = 0; i < WORKER_QUEUE_MAX; i++)
		CHECK_EQ(answers[i].label, i);
	CHECK_EQ(submit(&fixture, JOB_ECHO, "room again"), 0);
}

/* Before those that wait, behind the one that runs and other urgent ones. */
static void urgent_jobs_go_first(void)
{
	static const struct {
		enum test_job job;
		uintptr_t place;
	} jobs[] = { { JOB_ECHO, 0 },
		     { JOB_ECHO, 3 },
		     { JOB_URGENT, 1 },
		     { JOB_ECHO, 4 },
		     { JOB_URGENT, 2 } };
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		CHECK_EQ(worker_submit(fixture.worker, jobs[i].job, -1, "x", 1, keep_answer,
				       (void *)jobs[i].place),
			 0);
		if (i == 0)
			loop_dispatch(fixture.loop, 1000); /* sends it: it runs now */
	}
	CHECK_OR_RETURN(wait_for_answers(&fixture, ARRAY_SIZE(jobs)));
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
		CHECK_EQ(answers[i].label, i);
}

/* With a file of such a size that it is due so much later; sparse, and nobody reads it. */
static int submit_due_in(struct fixture *fixture, uint64_t due_in_ms, uintptr_t label)
{
	CLEANUP(fd_close) int fd = memfd_create("large", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)(due_in_ms * 1000000 / WORKER_DUE_NS_PER_BYTE)) < 0)
		check_give_up();
	return worker_submit(fixture->worker, JOB_ECHO, fd, "x", 1, keep_answer, (void *)label);
}

static void small_files_pass_large_ones_for_a_while(void)
{
	const struct timespec longer_than_due = { .tv_nsec = 20000000 };
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(submit(&fixture, JOB_SLEEP, NULL), 0);
	loop_dispatch(fixture.loop, 1000); /* sends it: it runs now */
	CHECK_EQ(submit_due_in(&fixture, 60000, 4), 0);
	CHECK_EQ(submit_due_in(&fixture, 30000, 3), 0);
	CHECK_EQ(submit_due_in(&fixture, 10, 1), 0);
	nanosleep(&longer_than_due, NULL);
	CHECK_EQ(submit_due_in(&fixture, 0, 2), 0);
	CHECK_OR_RETURN(wait_for_answers(&fixture, 5));
	CHECK_EQ(answers[0].outcome, WORKER_TIMED_OUT);
	for (size_t i = 1; i < 5; i++)
		CHECK_EQ(answers[i].label, i);
}

static void a_child_killed_by_somebody_in_the_middle_of_a_job_is_replaced(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	pid_t pid;

	setup(&fixture);
	CHECK_OR_RETURN(wait_for_child(&fixture));
	pid = worker_pid(fixture.worker);
	CHECK_EQ(submit(&fixture, JOB_SLEEP, NULL), 0);
	CHECK_EQ(submit(&fixture, JOB_ECHO, "next"), 0);
	loop_dispatch(fixture.loop, 100); /* sends the job */
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_OR_RETURN(wait_for_answers(&fixture, 2));
	CHECK_EQ(answers[0].outcome, WORKER_CRASHED);
	CHECK_EQ(answers[1].outcome, 0);
	CHECK(worker_pid(fixture.worker) != pid);
	CHECK_EQ(worker_counters(fixture.worker)->restarts, 1);
}

static void an_idle_child_killed_by_somebody_is_replaced(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	pid_t pid;

	setup(&fixture);
	CHECK_OR_RETURN(wait_for_child(&fixture));
	pid = worker_pid(fixture.worker);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	while (worker_pid(fixture.worker) == pid)
		loop_dispatch(fixture.loop, 100);
	CHECK(wait_for_child(&fixture));
	CHECK_EQ(submit(&fixture, JOB_ECHO, "x"), 0);
	CHECK(wait_for_answers(&fixture, 1));
	CHECK_EQ(answers[0].outcome, 0);
}

/* Each failure in a row waits longer for its new child. */
static void a_crash_loop_starts_few_children(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	uint64_t start = now_ms();

	setup(&fixture);
	for (int i = 0; i < 6; i++)
		CHECK_EQ(submit(&fixture, JOB_CRASH, NULL), 0);
	CHECK_OR_RETURN(wait_for_answers(&fixture, 6));
	/* 0, 50, 100, 200, 400 ms between the six. */
	CHECK(now_ms() - start >= 700);
	CHECK_EQ(worker_counters(fixture.worker)->jobs_crashed, 6);
	CHECK_EQ(worker_counters(fixture.worker)->starts, 6);
}

/* Whether the kernel says a line of a process. */
static bool process_has_status(pid_t pid, const char *line)
{
	char path[64], text[8192];
	CLEANUP(file_close) FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	return strstr(text, line);
}

/* ... of the child. */
static bool has_status(const struct fixture *fixture, const char *line)
{
	return process_has_status(worker_pid(fixture->worker), line);
}

/* Names in a process's root directory; -1: it cannot be told. */
static int root_entries(pid_t pid)
{
	const struct dirent *entry;
	char path[64];
	int count = 0;
	DIR *root;

	snprintf(path, sizeof(path), "/proc/%d/root/", pid);
	root = opendir(path);
	if (!root)
		return errno == ESRCH ? 0 : -1; /* of a process that has ended */
	while ((entry = readdir(root)))
		count += entry->d_name[0] != '.';
	closedir(root);
	return count;
}

/* The forker is this process's only other child, besides the worker that is the forker's. */
static pid_t forker_pid(void)
{
	char path[64], line[64] = "";
	CLEANUP(file_close) FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	file = fopen(path, "re");
	if (!file || !fgets(line, sizeof(line), file))
		return 0;
	return atoi(line);
}

/* All four: real, effective, saved and of the file system. */
static void check_ids(pid_t pid, const char *name, unsigned int id)
{
	char line[64];

	snprintf(line, sizeof(line), "%s:\t%u\t%u\t%u\t%u\n", name, id, id, id, id);
	CHECK(process_has_status(pid, line));
}

/* Another user, with nothing. */
static void check_confined(pid_t pid)
{
	const struct own_user own = own_user_find(OWN_USER_FILE);
	static const char *const lines[] = {
		"NoNewPrivs:\t1\n",
		"Seccomp:\t2\n",
		"Groups:\t \n",
		"CapInh:\t0000000000000000\n",
		"CapPrm:\t0000000000000000\n",
		"CapEff:\t0000000000000000\n",
		"CapBnd:\t0000000000000000\n",
		"CapAmb:\t0000000000000000\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		CHECK(process_has_status(pid, lines[i]));
	check_ids(pid, "Uid", own.user);
	check_ids(pid, "Gid", own.group);
	CHECK_EQ(root_entries(pid), 0);
}

/* How soon a process goes when memory runs out; -1: it cannot be told. */
static int score(pid_t pid)
{
	CLEANUP(file_close) FILE *file = NULL;
	char path[64], text[16] = "-1";

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	file = fopen(path, "re");
	if (file && !fgets(text, sizeof(text), file))
		return -1;
	return atoi(text);
}

static void the_child_has_next_to_nothing(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	CLEANUP(fd_close) int extra = open("/etc/shadow", O_RDONLY);
	struct bytes_reader conditions;

	setup(&fixture);
	CHECK_EQ(submit(&fixture, JOB_CONDITIONS, NULL), 0);
	CHECK_OR_RETURN(wait_for_answers_of_child(&fixture, 1));
	conditions = bytes_reader_of(answers[0].bytes, answers[0].size);
	CHECK(has_status(&fixture, "Name:\tflicker-test\n"));
	CHECK_EQ(bytes_read_u32(&conditions), 4); /* standard ones and its socket */
	CHECK_EQ(bytes_read_u32(&conditions), 0); /* no core dumps */
	CHECK_EQ(bytes_read_u32(&conditions), WORKER_DESCRIPTORS_MAX);
	CHECK_EQ(bytes_read_u32(&conditions), 0); /* may not open files */
	CHECK_EQ(bytes_read_u32(&conditions), 0); /* may not fork */
	if (getuid())
		SKIP("what root gives up needs root");
	check_confined(worker_pid(fixture.worker));
	check_confined(forker_pid());
	/* The one goes first, the other when we do. */
	CHECK_EQ(score(worker_pid(fixture.worker)), 1000);
	CHECK_EQ(score(forker_pid()), score(getpid()));
}

#if !defined(__SANITIZE_ADDRESS__)
/* The address sanitizer needs terabytes of addresses: this one runs in the release build. */
static void the_childs_memory_is_limited(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(submit(&fixture, JOB_ALLOCATE, NULL), 0);
	CHECK_OR_RETURN(wait_for_answers(&fixture, 1));
	CHECK_EQ(answers[0].outcome, -ENOMEM);
}
#define TEST_OF_MEMORY TEST(the_childs_memory_is_limited),
#else
#define TEST_OF_MEMORY
#endif

static void processor_time_of_living_and_ended_children_is_counted(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	uint64_t living, ended;

	setup(&fixture);
	CHECK_EQ(submit(&fixture, JOB_SPIN, NULL), 0);
	CHECK_OR_RETURN(wait_for_answers_of_child(&fixture, 1));
	living = worker_counters(fixture.worker)->cpu_us;
	CHECK(living >= 50000);
	CHECK_EQ(submit(&fixture, JOB_CRASH, NULL), 0);
	CHECK_EQ(submit(&fixture, JOB_SPIN, NULL), 0);
	CHECK_OR_RETURN(wait_for_answers_of_child(&fixture, 3));
	ended = worker_counters(fixture.worker)->cpu_us;
	CHECK(ended >= living + 50000);
}

static void submit_another(int outcome, struct worker_result result, void *context)
{
	struct fixture *fixture = context;

	worker_result_free(&result);
	CHECK_EQ(submit(fixture, JOB_ECHO, "from the callback"), 0);
}

static void a_callback_may_submit_jobs(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(worker_submit(fixture.worker, JOB_CRASH, -1, NULL, 0, submit_another, &fixture),
		 0);
	CHECK_EQ(worker_submit(fixture.worker, JOB_ECHO, -1, NULL, 0, submit_another, &fixture), 0);
	CHECK_OR_RETURN(wait_for_answers(&fixture, 2));
	CHECK_EQ(answers[0].outcome, 0);
	CHECK_EQ(answers[1].outcome, 0);
}

static void without_the_forker_jobs_fail_and_nothing_hangs(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	pid_t pid;

	setup(&fixture);
	CHECK_OR_RETURN(wait_for_child(&fixture));
	pid = forker_pid();
	if (!pid)
		SKIP("the kernel does not list children");
	CHECK_EQ(submit(&fixture, JOB_SLEEP, NULL), 0);
	CHECK_EQ(submit(&fixture, JOB_ECHO, NULL), 0);
	loop_dispatch(fixture.loop, 100);
	log_set_level((enum log_level)(LOG_LEVEL_ERROR - 1));
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_OR_RETURN(wait_for_answers(&fixture, 2));
	CHECK_EQ(answers[0].outcome, WORKER_CRASHED);
	CHECK_EQ(answers[1].outcome, WORKER_GONE);
	CHECK_EQ(submit(&fixture, JOB_ECHO, NULL), WORKER_GONE);
	CHECK_EQ(worker_pid(fixture.worker), 0);
}

/* An agent in a process of its own: starts, tells its worker's pid, and waits to be killed. */
static void run_agent(int pipe_fd)
{
	struct fixture fixture = { 0 };
	pid_t pid;

	setup(&fixture);
	submit(&fixture, JOB_SLEEP, NULL);
	if (!wait_for_child(&fixture))
		_exit(1);
	pid = worker_pid(fixture.worker);
	if (write(pipe_fd, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	for (;;)
		pause();
}

static void killing_the_agent_ends_its_children(void)
{
	CLEANUP(fd_close) int worker_pidfd = -1;
	struct pollfd event = { .events = POLLIN };
	pid_t agent, worker = 0;
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	agent = fork();
	if (!agent)
		run_agent(ends[1]);
	close(ends[1]);
	CHECK_EQ(read(ends[0], &worker, sizeof(worker)), sizeof(worker));
	close(ends[0]);
	worker_pidfd = (int)syscall(SYS_pidfd_open, worker, 0);
	CHECK_OR_RETURN(worker_pidfd >= 0);
	kill(agent, SIGKILL);
	waitpid(agent, NULL, 0);
	event.fd = worker_pidfd;
	CHECK_EQ(poll(&event, 1, PATIENCE_MS), 1); /* readable: it has ended */
}

static void freeing_in_the_middle_of_jobs_is_clean(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	pid_t pid;

	setup(&fixture);
	CHECK_OR_RETURN(wait_for_child(&fixture));
	pid = worker_pid(fixture.worker);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(submit(&fixture, JOB_SLEEP, "argument"), 0);
	loop_dispatch(fixture.loop, 100);
	worker_free(TAKE(fixture.worker));
	CHECK_EQ(answer_count, 0);
	CHECK(pid > 0);
}

TESTS(TEST(a_result_comes_back), TEST(an_empty_result_is_no_mapping),
      TEST(the_input_file_is_sent_along), TEST(two_files_are_sent_along_in_order),
      TEST(the_largest_argument_passes_and_a_larger_one_is_refused),
      TEST(a_jobs_own_outcome_is_passed_on_without_a_result),
      TEST(a_job_that_crashes_costs_only_itself), TEST(a_job_that_hangs_is_ended_at_its_time_limit),
      TEST(jobs_that_nobody_wants_any_more_are_ended), TEST(a_result_beyond_the_limit_is_refused),
      TEST(a_garbled_reply_ends_the_child), TEST(a_result_without_seals_ends_the_child),
      TEST(a_child_that_hangs_up_and_lives_on_is_ended),
      TEST(jobs_are_done_in_order_and_the_queue_has_an_end), TEST(urgent_jobs_go_first),
      TEST(files_that_wait_keep_to_their_share_of_descriptors),
      TEST(a_file_for_which_no_descriptor_is_left_comes_again),
      TEST(small_files_pass_large_ones_for_a_while),
      TEST(a_child_killed_by_somebody_in_the_middle_of_a_job_is_replaced),
      TEST(an_idle_child_killed_by_somebody_is_replaced), TEST(a_crash_loop_starts_few_children),
      TEST(the_child_has_next_to_nothing),
      TEST_OF_MEMORY TEST(processor_time_of_living_and_ended_children_is_counted),
      TEST(a_callback_may_submit_jobs), TEST(without_the_forker_jobs_fail_and_nothing_hangs),
      TEST(killing_the_agent_ends_its_children), TEST(freeing_in_the_middle_of_jobs_is_clean))
