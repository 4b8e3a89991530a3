/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sampler on the real kernel: what it says about this process and its children, whose times and
 * functions are known. Skipped where the kernel does not let us sample.
 */
#include "collect/sampler_session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "privileged/cgroup_folder.h"
#include "check.h"

enum {
	FREQUENCY_HZ = 997,
	BURN_MS = 200,
	BURN_ITERATIONS = 2000,
	FUNCTION_SIZE_MAX = 4096, /* of burn_known_function, sanitizers included */
	CHILDREN = 5,
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The clock is read rarely: nearly all of the time is this function's own. */
__attribute__((noinline)) static uint64_t burn_known_function(uint64_t burn_ms)
{
	uint64_t end_ns = now_ns() + burn_ms * 1000000;
	volatile uint64_t value = 1;

	do {
		for (int i = 0; i < BURN_ITERATIONS; i++)
			value = value * 6364136223846793005u + 1442695040888963407u;
	} while (now_ns() < end_ns);
	return value;
}

struct seen {
	uint32_t pid, child_pids[CHILDREN];
	uint64_t samples, others, wrong_fields, in_function, of_child[CHILDREN], lost;
	uint64_t forks[CHILDREN], exits[CHILDREN], own_mappings;
	uint64_t last_ns, disorder;
	uint64_t sample_before_fork;
};

static int child_index(const struct seen *seen, uint32_t pid)
{
	for (int i = 0; i < CHILDREN; i++)
		if (seen->child_pids[i] == pid)
			return i;
	return -1;
}

static void note_time(struct seen *seen, uint64_t time_ns)
{
	seen->disorder += time_ns < seen->last_ns;
	seen->last_ns = time_ns;
}

static void see_sample(void *context, const struct sample_event *sample)
{
	struct seen *seen = context;
	uint64_t leaf = sample->user_frame_count ? sample->frames[sample->kernel_frame_count] : 0;
	uint64_t function = (uint64_t)(uintptr_t)burn_known_function;
	int child = child_index(seen, sample->pid);

	note_time(seen, sample->time_ns);
	seen->samples++;
	if (child >= 0) {
		seen->of_child[child]++;
		seen->sample_before_fork += !seen->forks[child];
	} else if (sample->pid != seen->pid) {
		seen->others++;
	}
	if (strcmp(sample->comm, "test_sampler_se") != 0 || !sample->process_start_ns)
		seen->wrong_fields++;
	seen->in_function += leaf >= function && leaf < function + FUNCTION_SIZE_MAX;
}

static void see_event(void *context, const struct side_band_event *event)
{
	struct seen *seen = context;
	int child = child_index(seen, event->pid);

	note_time(seen, event->time_ns);
	if (event->kind == SIDE_BAND_FORK && child >= 0 && event->parent_pid == seen->pid)
		seen->forks[child]++;
	if (event->kind == SIDE_BAND_EXIT && child >= 0)
		seen->exits[child]++;
	if (event->kind == SIDE_BAND_MMAP && event->pid == seen->pid)
		seen->own_mappings++;
}

static void see_loss(void *context, const struct sampler_loss *loss)
{
	((struct seen *)context)->lost += loss->count;
}

/* True when the session is open; false when the test is to be skipped or has failed. */
static bool open_or_skip(const struct sampler_options *options,
			 struct sampler_session **ret_session)
{
	int r = sampler_session_open(options, ret_session);

	if (r == -EPERM || r == -EACCES || r == -EXDEV || r == -ENOSYS) {
		check_skip_reason = "the kernel does not let this process sample";
		return false;
	}
	CHECK_EQ(r, 0);
	return r == 0;
}

static struct sampler_options options_for(const uint32_t *pid)
{
	return (struct sampler_options){
		.frequency_hz = FREQUENCY_HZ,
		.pids = pid,
		.pid_count = 1,
		.children = true,
		.kernel_frames = true,
		.user_frames = true,
	};
}

static void own_process_is_sampled_in_its_function(void)
{
	CLEANUP(sampler_session_free) struct sampler_session *session = NULL;
	uint32_t pid = (uint32_t)getpid();
	struct sampler_options options = options_for(&pid);
	struct seen seen = { .pid = pid };
	struct sampler_sink sink = { &seen, see_sample, see_event, see_loss };
	uint64_t counters[SAMPLER_COUNTER_COUNT];

	if (!open_or_skip(&options, &session))
		return;
	burn_known_function(BURN_MS);
	sampler_session_stop(session);
	sampler_session_drain_all(session, &sink);
	sampler_session_counters(session, counters);

	/* A busy machine gives us less than one CPU; a tenth of it must have come. */
	CHECK(seen.samples >= BURN_MS * FREQUENCY_HZ / 1000 / 10);
	CHECK(seen.in_function * 10 >= seen.samples * 8);
	CHECK_EQ(seen.others, 0);
	CHECK_EQ(seen.wrong_fields, 0);
	CHECK_EQ(seen.disorder, 0);
	CHECK_EQ(seen.lost, 0);
	CHECK_EQ(seen.samples, counters[SAMPLER_EMITTED]);
	CHECK(counters[SAMPLER_TICKS] >= counters[SAMPLER_EMITTED] + counters[SAMPLER_FILTERED]);
}

/* Each child burns before a drain could have told anybody of it. */
static void children_belong_to_the_filter_from_their_fork_on(void)
{
	CLEANUP(sampler_session_free) struct sampler_session *session = NULL;
	uint32_t pid = (uint32_t)getpid();
	struct sampler_options options = options_for(&pid);
	struct seen seen = { .pid = pid };
	struct sampler_sink sink = { &seen, see_sample, see_event, see_loss };

	if (!open_or_skip(&options, &session))
		return;
	for (int i = 0; i < CHILDREN; i++) {
		pid_t child = fork();

		if (child == 0) {
			burn_known_function(BURN_MS / 4);
			_exit(0);
		}
		CHECK_OR_RETURN(child > 0);
		seen.child_pids[i] = (uint32_t)child;
		CHECK_EQ(waitpid(child, NULL, 0), child);
	}
	sampler_session_stop(session);
	sampler_session_drain_all(session, &sink);
	for (int i = 0; i < CHILDREN; i++) {
		CHECK(seen.of_child[i] >= 1);
		CHECK_EQ(seen.forks[i], 1);
		CHECK_EQ(seen.exits[i], 1);
	}
	CHECK_EQ(seen.sample_before_fork, 0);
	CHECK_EQ(seen.others, 0);
	CHECK_EQ(seen.disorder, 0);
}

static void first_sample_of_a_process_makes_the_fd_readable(void)
{
	CLEANUP(sampler_session_free) struct sampler_session *session = NULL;
	uint32_t pid = (uint32_t)getpid();
	struct sampler_options options = options_for(&pid);
	struct seen seen = { .pid = pid };
	struct sampler_sink sink = { &seen, see_sample, see_event, see_loss };
	struct pollfd poll_fd = { .events = POLLIN };

	if (!open_or_skip(&options, &session))
		return;
	poll_fd.fd = sampler_session_fd(session);
	burn_known_function(BURN_MS / 4);
	CHECK_EQ(poll(&poll_fd, 1, 1000), 1);
	sampler_session_drain(session, &sink);
	CHECK(seen.samples >= 1);
	/* It may be readable once more, for what that drain held back; then it is not. */
	usleep(2000);
	sampler_session_drain(session, &sink);
	CHECK_EQ(poll(&poll_fd, 1, 0), 0);
}

/* A child that burns as @user, in the cgroup of @procs_path, until it is killed. */
static pid_t start_burning(uid_t user, const char *procs_path)
{
	pid_t child = fork();

	if (child)
		return child;
	if (procs_path) {
		FILE *procs = fopen(procs_path, "we");

		if (!procs || fprintf(procs, "0") < 0 || fclose(procs) != 0)
			_exit(1);
	}
	if (setresuid(user, user, user) != 0)
		_exit(1);
	for (;;)
		burn_known_function(BURN_MS);
}

/* Until a child was seen twenty times, or 5 s have passed, which a crowded machine may take. */
static void see_until(struct sampler_session *session, const struct sampler_sink *sink, int child)
{
	struct seen *seen = sink->context;
	uint64_t end_ns = now_ns() + 5000000000, wanted = seen->of_child[child] + 20;

	while (seen->of_child[child] < wanted && now_ns() < end_ns) {
		usleep(20000);
		sampler_session_drain(session, sink);
	}
	CHECK(seen->of_child[child] >= wanted);
}

static void end_children(const struct seen *seen)
{
	for (int i = 0; i < CHILDREN; i++) {
		if (!seen->child_pids[i])
			continue;
		kill((pid_t)seen->child_pids[i], SIGKILL);
		waitpid((pid_t)seen->child_pids[i], NULL, 0);
	}
}

static void only_processes_of_the_users_are_sampled(void)
{
	CLEANUP(sampler_session_free) struct sampler_session *session = NULL;
	const uint32_t users[] = { 54321, 54322 };
	struct sampler_options options = options_for(NULL);
	struct seen seen = { .pid = (uint32_t)getpid() };
	struct sampler_sink sink = { &seen, see_sample, see_event, see_loss };

	options.pid_count = 0;
	options.tasks = (struct task_filter_options){ .users = users, .user_count = 2 };
	if (!open_or_skip(&options, &session))
		return;
	for (uint32_t i = 0; i < 3; i++)
		seen.child_pids[i] = (uint32_t)start_burning(54320 + i, NULL);
	see_until(session, &sink, 1);
	see_until(session, &sink, 2);
	end_children(&seen);
	CHECK_EQ(seen.of_child[0], 0);
	CHECK_EQ(seen.others, 0);
}

/* A cgroup with a child in it, and one below with another; one beside it; and the same name made anew. */
static void a_cgroup_is_sampled_with_all_below_and_by_its_name(void)
{
	CLEANUP(sampler_session_free) struct sampler_session *session = NULL;
	struct cgroup_folder folder;
	char name[64], path[PATH_MAX + 96], beside[PATH_MAX + 128];
	char inner[PATH_MAX + 128], below[PATH_MAX + 160];
	const char *const cgroups[] = { name };
	struct sampler_options options = options_for(NULL);
	struct seen seen = { .pid = (uint32_t)getpid() };
	struct sampler_sink sink = { &seen, see_sample, see_event, see_loss };

	if (cgroup_folder_open(&folder) < 0)
		SKIP("there are no cgroups of version 2 here");
	snprintf(name, sizeof(name), "flickerscope-test-%d", getpid());
	snprintf(path, sizeof(path), "%s/%s", folder.path, name);
	snprintf(beside, sizeof(beside), "%s-2", path);
	snprintf(inner, sizeof(inner), "%s/in", path);
	fd_close(folder.fd);
	if (mkdir(path, 0755) < 0)
		SKIP("cgroups cannot be made here");
	CHECK_EQ(mkdir(beside, 0755), 0);
	CHECK_EQ(mkdir(inner, 0755), 0);
	options.pid_count = 0;
	options.tasks = (struct task_filter_options){ .cgroups = cgroups, .cgroup_count = 1 };
	if (open_or_skip(&options, &session)) {
		const char *const places[] = { path, inner, beside };

		for (int i = 0; i < 3; i++) {
			snprintf(below, sizeof(below), "%s/cgroup.procs", places[i]);
			seen.child_pids[i] = (uint32_t)start_burning(0, below);
		}
		see_until(session, &sink, 0);
		see_until(session, &sink, 1);
		end_children(&seen);
		/* As a service that is started again. */
		CHECK_EQ(rmdir(inner) | rmdir(path), 0);
		CHECK_EQ(mkdir(path, 0755), 0);
		snprintf(below, sizeof(below), "%s/cgroup.procs", path);
		memset(seen.child_pids, 0, sizeof(seen.child_pids));
		seen.child_pids[3] = (uint32_t)start_burning(0, below);
		see_until(session, &sink, 3);
		end_children(&seen);
		CHECK_EQ(seen.of_child[2], 0);
	}
	rmdir(inner);
	rmdir(path);
	rmdir(beside);
}

static void cgroups_that_are_not_there_are_refused(void)
{
	struct sampler_session *session = NULL;
	struct sampler_options options = options_for(NULL);
	const char *name = "flickerscope-not-there";
	int r;

	options.pid_count = 0;
	options.tasks = (struct task_filter_options){ .cgroups = &name, .cgroup_count = 1 };
	r = sampler_session_open(&options, &session);
	if (r == -EPERM || r == -EACCES || r == -EXDEV || r == -ENOSYS || r == -ENODEV)
		SKIP("the kernel does not let this process sample cgroups");
	CHECK_EQ(r, -ENOENT);
	name = "../unified";
	CHECK_EQ(sampler_session_open(&options, &session), -EINVAL);
	CHECK(!session);
}

static void rate_reached_is_at_most_the_rate_asked_for(void)
{
	CLEANUP(sampler_session_free) struct sampler_session *session = NULL;
	uint32_t pid = (uint32_t)getpid();
	struct sampler_options options = options_for(&pid);
	const uint32_t *cpus;
	uint32_t highest = 0;
	size_t count;

	if (!open_or_skip(&options, &session))
		return;
	burn_known_function(BURN_MS);
	count = sampler_session_cpus(session, &cpus);
	CHECK(count >= 1);
	for (size_t i = 0; i < count; i++) {
		uint32_t rate = sampler_session_rate(session, cpus[i]);

		CHECK(rate <= FREQUENCY_HZ * 1000);
		highest = rate > highest ? rate : highest;
	}
	CHECK(highest >= FREQUENCY_HZ * 1000 / 10);
	CHECK_EQ(sampler_session_rate(session, SAMPLE_CPUS_MAX), 0);
}

static void missing_process_and_offline_cpu_are_refused(void)
{
	static bool cpu_chosen[SAMPLE_CPUS_MAX];
	struct sampler_session *session = NULL;
	uint32_t pid = (uint32_t)fork();
	struct sampler_options options;
	int r;

	if (pid == 0)
		_exit(0);
	waitpid((pid_t)pid, NULL, 0); /* now it names nobody */
	options = options_for(&pid);
	r = sampler_session_open(&options, &session);
	if (r == -EPERM || r == -EACCES || r == -EXDEV || r == -ENOSYS)
		SKIP("the kernel does not let this process sample");
	CHECK_EQ(r, -ESRCH);
	cpu_chosen[SAMPLE_CPUS_MAX - 1] = true;
	options.cpu_chosen = cpu_chosen;
	CHECK_EQ(sampler_session_open(&options, &session), -EINVAL);
	options.frequency_hz = SAMPLE_FREQUENCY_MAX_HZ + 1;
	CHECK_EQ(sampler_session_open(&options, &session), -EINVAL);
	CHECK(!session);
}

/* "ffffffff81000000 T _text\t[module]": whether it is of a function that is there now. */
static bool parse_function(char *line, uint64_t *ret_address, char **ret_name)
{
	char *rest = NULL, *name;

	*ret_address = strtoull(line, &rest, 16);
	if (!*ret_address || rest[0] != ' ' || !strchr("tT", rest[1]) || rest[2] != ' ')
		return false;
	name = rest + 3;
	name[strcspn(name, " \t\n")] = 0;
	*ret_name = name;
	return true;
}

/* What the kernel calls functions is what /proc/kallsyms calls them, but for aliases. */
static void kernel_addresses_get_the_names_of_kallsyms(void)
{
	enum { EVERY = 97, RIGHT_LEAST_PERCENT = 90 };
	CLEANUP(file_close) FILE *file = fopen("/proc/kallsyms", "re");
	CLEANUP(sampler_session_free) struct sampler_session *session = NULL;
	struct sampler_options options = options_for(NULL);
	uint64_t count = 0, named = 0, right = 0, address;
	char line[1024], *name;
	int r;

	options.pid_count = 0;
	r = sampler_session_open(&options, &session);
	if (r == -EPERM || r == -EACCES || r == -EXDEV || r == -ENOSYS)
		SKIP("the kernel does not let this process sample");
	CHECK_OR_RETURN(r == 0 && file);
	for (uint64_t i = 0; fgets(line, sizeof(line), file); i++) {
		const char *told;

		if (i % EVERY || !parse_function(line, &address, &name))
			continue;
		count++;
		told = sampler_session_kernel_name(session, address);
		named += told != NULL;
		right += told && strncmp(told, name, strlen(name)) == 0;
	}
	if (!count)
		SKIP("the kernel shows no addresses to compare with");
	printf("# %llu functions, %llu named, %llu by the same name\n", (unsigned long long)count,
	       (unsigned long long)named, (unsigned long long)right);
	CHECK_EQ(named, count);
	CHECK(right * 100 >= count * RIGHT_LEAST_PERCENT);
	CHECK(!sampler_session_kernel_name(session, 0x1000));
	CHECK(!sampler_session_kernel_name(session, UINT64_MAX - 4095));
}

static void ring_sizes_follow_the_load_within_their_bounds(void)
{
	CHECK_EQ(sampler_ring_size(99, 2), 8 << 20);
	CHECK_EQ(sampler_ring_size(10000, 16), 16 << 20);
	CHECK_EQ(sampler_ring_size(10000, 1024), 256 << 20);
}

TESTS(TEST(own_process_is_sampled_in_its_function),
      TEST(children_belong_to_the_filter_from_their_fork_on),
      TEST(first_sample_of_a_process_makes_the_fd_readable),
      TEST(only_processes_of_the_users_are_sampled),
      TEST(a_cgroup_is_sampled_with_all_below_and_by_its_name),
      TEST(cgroups_that_are_not_there_are_refused),
      TEST(rate_reached_is_at_most_the_rate_asked_for),
      TEST(missing_process_and_offline_cpu_are_refused),
      TEST(kernel_addresses_get_the_names_of_kallsyms),
      TEST(ring_sizes_follow_the_load_within_their_bounds))
