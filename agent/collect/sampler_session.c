/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/sampler_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "collect/cpu_list.h"
#include "collect/pid_filter.h"
#include "collect/sample_drain.h"
#include "collect/sample_ring.h"
#include "collect/side_band.h"
#include "privileged/perf_events.h"
#include "privileged/privileged_process.h"
#include "privileged/sampler_program.h"
#include "privileged/unwind_maps.h"

enum {
	SAMPLER_STAGGER_MAX_NS = 250000000, /* start-up waits no longer, however slow the rate */
	SAMPLER_SPIN_NS = 100000,	    /* a sleep wakes about this late */
	SAMPLE_SIZE_EXPECTED = 400,	    /* bytes of a record, about */
	RING_SIZE_LEAST = 8 << 20,
	RING_SIZE_MOST = 256 << 20,
	FDS_ELSEWHERE = 4096,	      /* with which no share of base/descriptors.h is short */
	FILTER_FOLLOW_NS = 500000000, /* between two looks at which cgroups there are */
};

/* One CPU, online or not, and what was seen of its counters at the last look. */
struct cpu_watch {
	bool is_chosen;	 /* to be sampled while it is online */
	bool is_refused; /* its events cannot be had: not before it comes again */
	int process_fd;	 /* the side band's; -1: it is not followed */
	int timer_fd;	 /* -1: it is not sampled */
	uint64_t ticks;
	uint64_t enabled_ns;
	uint64_t lost[SAMPLER_COUNTER_COUNT]; /* only the SAMPLER_LOST_… are used */
	uint64_t busy_intervals;
	uint64_t busy_interval_ns;
};

struct sampler_session {
	struct sampler_program *program;
	struct sampler_counters *counters; /* of the program, by CPU number */
	struct side_band *side_band;
	struct task_filter *task_filter; /* NULL: none */
	uint64_t filter_followed_ns;
	size_t ring_count;
	struct sample_ring *rings[SAMPLE_RINGS_MAX]; /* those that are wanted, without holes */
	struct privileged_process *privileged;	     /* borrowed; NULL: it opens events itself */
	int online_fd;				     /* tells which CPUs are online */
	uint32_t cpu_end;			     /* behind the last CPU that ever was */
	size_t cpu_count;
	uint32_t cpus[SAMPLE_CPUS_MAX]; /* that are sampled, ascending */
	struct cpu_watch watches[SAMPLE_CPUS_MAX];
	int epoll_fd;
	int resume_fd; /* a timer, for resume_ns */
	uint32_t frequency_hz;
	struct sample_drain drain;
	uint64_t resume_ns; /* when what the last drain left or held back is due; 0: nothing is */
	bool is_requested;  /* a ring asked for the next drain */
};

static uint64_t power_of_two_at_least(uint64_t size)
{
	uint64_t power = 1;

	while (power < size)
		power *= 2;
	return power;
}

uint64_t sampler_ring_size(uint32_t frequency_hz, uint32_t cpu_count)
{
	/* A quarter of a second: five drains. */
	uint64_t size = (uint64_t)frequency_hz * cpu_count * SAMPLE_SIZE_EXPECTED / 4;

	if (size > RING_SIZE_MOST)
		return RING_SIZE_MOST;
	return size < RING_SIZE_LEAST ? RING_SIZE_LEAST : power_of_two_at_least(size);
}

void sampler_session_free(struct sampler_session *session)
{
	if (!session)
		return;
	sampler_session_stop(session);
	for (size_t i = 0; i < session->ring_count; i++)
		sample_ring_free(session->rings[i]);
	side_band_free(session->side_band);
	task_filter_free(session->task_filter);
	sampler_program_free(session->program);
	fd_close(session->epoll_fd);
	fd_close(session->resume_fd);
	fd_close(session->online_fd);
	free(session);
}

/* --- opening --------------------------------------------------------------------------------- */

/* Pids in samples and events are the host's; in another namespace they would name others. */
static int check_pid_namespace(void)
{
	char name[64];
	ssize_t size = readlink("/proc/self/ns/pid", name, sizeof(name) - 1);

	if (size < 0)
		return log_errno(-errno, "read /proc/self/ns/pid");
	name[size] = '\0';
	if (strcmp(name, "pid:[4026531836]") == 0) /* PROC_PID_INIT_INO */
		return 0;
	log_error("started inside a container's pid namespace, where processes have other numbers: "
		  "start on the host, or with the host's (docker run --pid=host)");
	return -EXDEV;
}

static void raise_fd_limit(size_t cpu_count)
{
	struct rlimit limit;
	rlim_t wanted = 2 * cpu_count + FDS_ELSEWHERE;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit); /* if not, opening says what is missing */
}

/* The CPUs that are online now, all of them below cpu_end from now on. Returns 0 or -errno. */
static int look_at_cpus(struct sampler_session *session, struct cpu_list *ret_online)
{
	int r = cpu_list_online(session->online_fd, ret_online);

	if (r == 0 && session->cpu_end < ret_online->end)
		session->cpu_end = ret_online->end;
	return r;
}

static int find_cpus(struct sampler_session *session, struct cpu_list *ret_online)
{
	int r = cpu_list_open_online(&session->online_fd);

	if (r < 0)
		return r;
	r = look_at_cpus(session, ret_online);
	if (r < 0)
		return log_errno(r, "find the CPUs that are online");
	if (ret_online->beyond_count)
		log_warning("%u CPUs with numbers from %d up are not sampled",
			    ret_online->beyond_count, SAMPLE_CPUS_MAX);
	return 0;
}

static int choose_cpus(struct sampler_session *session, const struct sampler_options *options,
		       const struct cpu_list *online)
{
	for (uint32_t cpu = 0; cpu < SAMPLE_CPUS_MAX; cpu++) {
		bool is_chosen = !options->cpu_chosen || options->cpu_chosen[cpu];

		session->watches[cpu].is_chosen = is_chosen;
		if (is_chosen && online->has[cpu]) {
			session->cpus[session->cpu_count++] = cpu;
		} else if (is_chosen && options->cpu_chosen) {
			log_error("CPU %u is not online: see /sys/devices/system/cpu/online", cpu);
			return -EINVAL;
		}
	}
	if (session->cpu_count)
		return 0;
	log_error("no CPU was chosen");
	return -EINVAL;
}

static int load_program(struct sampler_session *session, const struct sampler_options *options)
{
	struct sampler_program_options program_options = {
		.pid_filter = options->pid_count > 0,
		.children = options->children,
		.cgroup_count = (uint32_t)options->tasks.cgroup_count,
		.user_count = (uint32_t)options->tasks.user_count,
		.kernel_frames = options->kernel_frames,
		.user_frames = options->user_frames,
		.unwind = options->unwind,
		.frames_max = perf_events_frames_max(),
	};
	uint64_t size = options->ring_size;
	size_t ring_count = 0;
	int r;

	for (size_t i = 0; i < session->cpu_count; i++) {
		bool *wanted = &program_options.ring_wanted[session->cpus[i] / SAMPLE_RING_CPUS];

		ring_count += !*wanted;
		*wanted = true;
	}
	if (!size)
		size = sampler_ring_size(options->frequency_hz, (uint32_t)session->cpu_count);
	if (size > RING_SIZE_MOST)
		size = RING_SIZE_MOST;
	size = power_of_two_at_least(size / ring_count);
	if (size < (uint64_t)sysconf(_SC_PAGESIZE))
		size = (uint64_t)sysconf(_SC_PAGESIZE);
	program_options.ring_size = size;

	r = sampler_program_load(&program_options, &session->program);
	if (r < 0)
		return r;
	session->counters = sampler_program_counters(session->program);
	for (uint32_t i = 0; i < SAMPLE_RINGS_MAX; i++) {
		if (!program_options.ring_wanted[i])
			continue;
		r = sample_ring_open(sampler_program_ring_fd(session->program, i), size,
				     &session->rings[session->ring_count]);
		if (r < 0)
			return log_errno(r, "map the ring of samples");
		session->ring_count++;
	}
	return 0;
}

static int watch_fd(struct sampler_session *session, int fd, uint32_t events, uint32_t tag)
{
	struct epoll_event event = { .events = events, .data.u32 = tag };

	return epoll_ctl(session->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

enum watched {
	WATCHED_RING,
	WATCHED_RESUME,
};

static int open_wakeups(struct sampler_session *session)
{
	int r;

	session->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (session->epoll_fd < 0)
		return log_errno(-errno, "epoll_create1");
	session->resume_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (session->resume_fd < 0)
		return log_errno(-errno, "timerfd_create");
	r = watch_fd(session, session->resume_fd, EPOLLIN, WATCHED_RESUME);
	for (uint32_t i = 0; r == 0 && i < SAMPLE_RINGS_MAX; i++) {
		int fd = sampler_program_ring_fd(session->program, i);

		/* Edge-triggered: what is held back in a ring must not keep it readable. */
		if (fd >= 0)
			r = watch_fd(session, fd, EPOLLIN | EPOLLET, WATCHED_RING);
	}
	return r < 0 ? log_errno(r, "watch the rings") : 0;
}

static int open_events(struct sampler_session *session, uint32_t cpu, uint64_t period_ns,
		       struct perf_cpu_events *ret_events)
{
	return session->privileged ? privileged_process_open_cpu(session->privileged, cpu,
								 period_ns, ret_events)
				   : perf_events_open(cpu, period_ns, ret_events);
}

/* Rings are made at the start. */
static bool has_ring(const struct sampler_session *session, uint32_t cpu)
{
	return sampler_program_ring_fd(session->program, cpu / SAMPLE_RING_CPUS) >= 0;
}

/*
 * Follows a CPU, and makes its timer, to be started, when it was chosen. Logs; returns 0 or -errno, 0
 * also when the CPU has gone offline meanwhile.
 */
static int open_cpu(struct sampler_session *session, uint32_t cpu)
{
	struct cpu_watch *watch = &session->watches[cpu];
	bool is_sampled = watch->is_chosen && has_ring(session, cpu);
	struct perf_cpu_events events;
	CLEANUP(fd_close) int timer_fd = -1;
	int r = open_events(session, cpu, is_sampled ? NS_PER_S / session->frequency_hz : 0,
			    &events);

	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return perf_events_log(r, cpu);
	timer_fd = events.timer_fd;
	r = side_band_add_cpu(session->side_band, cpu, events.process_fd); /* logs */
	if (r < 0)
		return r;
	watch->process_fd = events.process_fd;
	watch->enabled_ns = 0;
	if (!is_sampled)
		return 0;
	r = perf_events_attach(timer_fd, sampler_program_fd(session->program));
	if (r < 0)
		return perf_events_log(r, cpu);
	watch->timer_fd = TAKE_FD(timer_fd);
	return 0;
}

static void list_cpus(struct sampler_session *session)
{
	session->cpu_count = 0;
	for (uint32_t cpu = 0; cpu < session->cpu_end; cpu++)
		if (session->watches[cpu].timer_fd >= 0)
			session->cpus[session->cpu_count++] = cpu;
}

static int open_cpus(struct sampler_session *session, const struct cpu_list *online)
{
	for (uint32_t cpu = 0; cpu < session->cpu_end; cpu++) {
		int r = online->has[cpu] ? open_cpu(session, cpu) : 0;

		if (r < 0)
			return r;
	}
	list_cpus(session);
	return 0;
}

/* Sleeps up to shortly before @time_ns, then spins: sleeping alone would be too late. */
static void wait_until(uint64_t time_ns)
{
	if (time_ns > monotonic_ns() + SAMPLER_SPIN_NS) {
		uint64_t wake_ns = time_ns - SAMPLER_SPIN_NS;
		struct timespec wake = { .tv_sec = (time_t)(wake_ns / NS_PER_S),
					 .tv_nsec = (long)(wake_ns % NS_PER_S) };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
	}
	while (monotonic_ns() < time_ns)
		;
}

/*
 * A timer's ticks stay where its start put them, as multiples of the period: CPUs that were
 * started together would interrupt together for ever, and write into the ring together.
 *
 * Returns 0, or what @begin returned for *ret_cpu.
 */
static int stagger(struct sampler_session *session, uint64_t period_ns, uint64_t spread_max_ns,
		   int (*begin)(int fd, uint64_t period_ns), uint32_t *ret_cpu)
{
	uint64_t spread_ns = period_ns < spread_max_ns ? period_ns : spread_max_ns;
	uint64_t start_ns = monotonic_ns();

	for (size_t i = 0; i < session->cpu_count; i++) {
		int r;

		wait_until(start_ns + spread_ns * i / session->cpu_count);
		*ret_cpu = session->cpus[i];
		r = begin(session->watches[*ret_cpu].timer_fd, period_ns);
		if (r < 0)
			return r;
	}
	return 0;
}

static int begin_timer(int fd, uint64_t period_ns)
{
	return perf_events_start(fd);
}

static int start_timers(struct sampler_session *session, uint64_t period_ns)
{
	uint32_t cpu;
	int r = stagger(session, period_ns, SAMPLER_STAGGER_MAX_NS, begin_timer, &cpu);

	return r < 0 ? perf_events_log(r, cpu) : 0;
}

int sampler_session_set_rate(struct sampler_session *session, uint32_t frequency_hz)
{
	uint32_t cpu;

	session->frequency_hz = frequency_hz;
	return stagger(session, NS_PER_S / frequency_hz, SAMPLER_SESSION_RESTAGGER_NS,
		       perf_events_set_period, &cpu);
}

static int open_all(struct sampler_session *session, const struct sampler_options *options)
{
	struct cpu_list online;
	int r = find_cpus(session, &online);

	if (r == 0)
		r = choose_cpus(session, options, &online);
	if (r < 0)
		return r;
	raise_fd_limit(online.count);
	r = load_program(session, options);
	if (r < 0)
		return r;
	r = side_band_new(&session->side_band);
	if (r < 0)
		return log_errno(r, "open the side band");
	/* Before there are samples, so that the first of them find the mappings made by then. */
	r = open_cpus(session, &online);
	if (r < 0)
		return r;
	if (options->pid_count)
		r = pid_filter_fill(session->program, options->pids, options->pid_count,
				    options->children);
	if (r == 0 && (options->tasks.cgroup_count || options->tasks.user_count))
		r = task_filter_new(&options->tasks, sampler_program_filter(session->program),
				    &session->task_filter);
	if (r < 0)
		return r;
	r = open_wakeups(session);
	if (r < 0)
		return r;
	perf_events_warn_throttle(options->frequency_hz);
	return start_timers(session, NS_PER_S / options->frequency_hz);
}

int sampler_session_open(const struct sampler_options *options,
			 struct sampler_session **ret_session)
{
	CLEANUP(sampler_session_free) struct sampler_session *session = NULL;
	int r;

	if (!options->frequency_hz || options->frequency_hz > SAMPLE_FREQUENCY_MAX_HZ) {
		log_error("a rate of %u Hz is not between 1 and %d", options->frequency_hz,
			  SAMPLE_FREQUENCY_MAX_HZ);
		return -EINVAL;
	}
	r = check_pid_namespace();
	if (r < 0)
		return r;

	session = calloc(1, sizeof(*session));
	if (!session)
		return log_errno(-ENOMEM, "open the sampler");
	session->epoll_fd = session->resume_fd = session->online_fd = -1;
	for (uint32_t cpu = 0; cpu < SAMPLE_CPUS_MAX; cpu++)
		session->watches[cpu].process_fd = session->watches[cpu].timer_fd = -1;
	session->frequency_hz = options->frequency_hz;
	r = open_all(session, options);
	if (r < 0)
		return r;
	session->drain = (struct sample_drain){
		.rings = session->rings,
		.ring_count = session->ring_count,
		.side_band = session->side_band,
		.turn_ns = SAMPLE_DRAIN_TURN_NS,
	};
	*ret_session = TAKE(session);
	return 0;
}

static void stop_cpu(struct cpu_watch *watch)
{
	fd_close(watch->timer_fd);
	watch->timer_fd = -1;
}

void sampler_session_stop(struct sampler_session *session)
{
	for (uint32_t cpu = 0; cpu < session->cpu_end; cpu++)
		stop_cpu(&session->watches[cpu]);
}

/* --- CPUs that come and go -------------------------------------------------------------------- */

void sampler_session_ask(struct sampler_session *session, struct privileged_process *privileged)
{
	session->privileged = privileged;
}

/*
 * Whether the CPU went offline since the last look, if only for a moment, as at a suspend: its events do not
 * come back with it. Idle CPUs may have no ticks.
 */
static bool has_been_offline(struct sampler_session *session, uint32_t cpu)
{
	struct cpu_watch *watch = &session->watches[cpu];
	uint64_t ticks = session->counters[cpu].value[SAMPLER_TICKS], enabled_ns;
	bool has_ticked = ticks != watch->ticks;

	watch->ticks = ticks;
	if (has_ticked || perf_events_enabled_ns(watch->process_fd, &enabled_ns) < 0)
		return false;
	if (enabled_ns == watch->enabled_ns)
		return true;
	watch->enabled_ns = enabled_ns;
	return false;
}

static void remove_cpu(struct sampler_session *session, uint32_t cpu)
{
	stop_cpu(&session->watches[cpu]);
	side_band_remove_cpu(session->side_band, cpu);
	session->watches[cpu].process_fd = -1;
}

static void add_cpu(struct sampler_session *session, uint32_t cpu)
{
	struct cpu_watch *watch = &session->watches[cpu];
	int r = open_cpu(session, cpu);

	if (r == 0 && watch->timer_fd >= 0)
		r = perf_events_start(watch->timer_fd);
	else if (r == 0 && watch->is_chosen && !has_ring(session, cpu))
		log_warning("CPU %u is online now and will be sampled from the next start on: "
			    "there is no ring for it",
			    cpu);
	watch->is_refused = r < 0 && !is_shortage(r);
	if (r < 0)
		remove_cpu(session, cpu);
}

/* Returns whether anything changed. */
static bool follow_cpu(struct sampler_session *session, uint32_t cpu, bool online)
{
	struct cpu_watch *watch = &session->watches[cpu];
	bool was_followed = watch->process_fd >= 0;

	if (was_followed && (!online || has_been_offline(session, cpu)))
		remove_cpu(session, cpu);
	if (online && watch->process_fd < 0 && !watch->is_refused)
		add_cpu(session, cpu);
	else if (!online)
		watch->is_refused = false;
	return was_followed != (watch->process_fd >= 0);
}

int sampler_session_follow_cpus(struct sampler_session *session)
{
	struct cpu_list online;
	bool changed = false;

	if (look_at_cpus(session, &online) < 0)
		return 0;
	for (uint32_t cpu = 0; cpu < session->cpu_end; cpu++)
		changed |= follow_cpu(session, cpu, online.has[cpu]);
	if (!changed)
		return 0;
	list_cpus(session);
	log_info("%u CPUs are online now; %zu are sampled", online.count, session->cpu_count);
	return SAMPLER_SESSION_CPUS_CHANGED;
}

/* --- draining -------------------------------------------------------------------------------- */

int sampler_session_fd(const struct sampler_session *session)
{
	return session->epoll_fd;
}

/* Takes back what made the fd readable. */
static void take_requests(struct sampler_session *session)
{
	struct epoll_event events[16];
	int count = epoll_wait(session->epoll_fd, events, ARRAY_SIZE(events), 0);

	for (int i = 0; i < count; i++) {
		uint64_t expirations;

		if (events[i].data.u32 == WATCHED_RING)
			session->is_requested = true;
		else if (read(session->resume_fd, &expirations, sizeof(expirations)) < 0)
			continue; /* it was set anew in between */
	}
}

/* What is left is for another drain: pages and workers want a turn before, and time has to pass. */
static void resume_later(struct sampler_session *session)
{
	struct itimerspec later = { 0 };

	session->resume_ns = monotonic_ns() + SAMPLE_DRAIN_REORDER_NS;
	later.it_value.tv_sec = (time_t)(session->resume_ns / NS_PER_S);
	later.it_value.tv_nsec = (long)(session->resume_ns % NS_PER_S);
	timerfd_settime(session->resume_fd, TFD_TIMER_ABSTIME, &later, NULL);
}

/* Those that began up to @complete_ns: of what comes later even the samples around it are not told. */
static void report_losses(struct sampler_session *session, uint64_t complete_ns,
			  const struct sampler_sink *sink)
{
	static const enum sampler_counter reasons[] = {
		SAMPLER_LOST_RING_FULL,
		SAMPLER_LOST_RING_BUSY,
		SAMPLER_LOST_SCRATCH,
	};

	for (uint32_t cpu = 0; cpu < session->cpu_end; cpu++) {
		struct cpu_watch *watch = &session->watches[cpu];
		struct sampler_counters *counters = &session->counters[cpu];
		uint64_t start_ns, end_ns;

		start_ns = __atomic_load_n(&counters->loss_start_ns, __ATOMIC_ACQUIRE);
		if (!start_ns || start_ns > complete_ns)
			continue;
		/* What is lost from here on belongs to the next look, and starts anew. */
		start_ns = __atomic_exchange_n(&counters->loss_start_ns, 0, __ATOMIC_ACQ_REL);
		end_ns = __atomic_load_n(&counters->loss_end_ns, __ATOMIC_ACQUIRE);
		for (size_t j = 0; j < ARRAY_SIZE(reasons); j++) {
			uint64_t lost =
				__atomic_load_n(&counters->value[reasons[j]], __ATOMIC_RELAXED);
			struct sampler_loss loss = {
				.start_ns = start_ns,
				.end_ns = end_ns,
				.count = lost - watch->lost[reasons[j]],
				.cpu = cpu,
				.reason = reasons[j],
			};

			watch->lost[reasons[j]] = lost;
			if (loss.count)
				sink->lost(sink->context, &loss);
		}
	}
}

static void follow_filter(struct sampler_session *session, uint64_t now_ns)
{
	if (!session->task_filter || now_ns - session->filter_followed_ns < FILTER_FOLLOW_NS)
		return;
	session->filter_followed_ns = now_ns;
	task_filter_follow(session->task_filter);
}

uint64_t sampler_session_drain(struct sampler_session *session, const struct sampler_sink *sink)
{
	uint64_t now_ns = monotonic_ns(), complete_ns;

	take_requests(session);
	/* A timer, or a ring, in the round of the loop in which a turn was over already. */
	if (now_ns < session->resume_ns)
		return session->drain.complete_ns;
	session->resume_ns = 0;
	complete_ns = sample_drain_until(&session->drain, now_ns - SAMPLE_DRAIN_REORDER_NS, sink);

	follow_filter(session, now_ns);
	report_losses(session, complete_ns, sink);
	if (session->drain.is_behind ||
	    (session->is_requested && sample_drain_waits(&session->drain)))
		resume_later(session);
	session->is_requested = false;
	return complete_ns;
}

uint64_t sampler_session_drain_all(struct sampler_session *session, const struct sampler_sink *sink)
{
	uint64_t now_ns = monotonic_ns();

	take_requests(session);
	session->drain.turn_ns = 0;
	/* In the future, since samples go on until sampler_session_stop(). */
	sample_drain_until(&session->drain, now_ns + NS_PER_S, sink);
	report_losses(session, UINT64_MAX, sink);
	return now_ns;
}

/* --- what is known about it ------------------------------------------------------------------- */

void sampler_session_counters(const struct sampler_session *session,
			      uint64_t ret_values[SAMPLER_COUNTER_COUNT])
{
	memset(ret_values, 0, SAMPLER_COUNTER_COUNT * sizeof(*ret_values));
	/* All CPUs: forks are followed also where nothing is sampled. */
	for (size_t cpu = 0; cpu < session->cpu_end; cpu++)
		for (size_t i = 0; i < SAMPLER_COUNTER_COUNT; i++)
			ret_values[i] +=
				__atomic_load_n(&session->counters[cpu].value[i], __ATOMIC_RELAXED);
}

void sampler_session_statistics(const struct sampler_session *session,
				struct sampler_session_statistics *ret_statistics)
{
	*ret_statistics = session->drain.statistics;
	ret_statistics->malformed = side_band_malformed(session->side_band);
	for (size_t i = 0; i < session->ring_count; i++)
		ret_statistics->malformed += sample_ring_malformed(session->rings[i]);
}

size_t sampler_session_cpus(const struct sampler_session *session, const uint32_t **ret_cpus)
{
	*ret_cpus = session->cpus;
	return session->cpu_count;
}

static uint32_t rate_since_last_look(struct cpu_watch *watch,
				     const struct sampler_counters *counters)
{
	uint64_t count = counters->value[SAMPLER_BUSY_INTERVALS] - watch->busy_intervals;
	uint64_t time_ns = counters->value[SAMPLER_BUSY_INTERVAL_NS] - watch->busy_interval_ns;

	watch->busy_intervals += count;
	watch->busy_interval_ns += time_ns;
	return time_ns ? (uint32_t)((double)count * 1e12 / (double)time_ns) : 0;
}

uint32_t sampler_session_rate(struct sampler_session *session, uint32_t cpu)
{
	uint32_t asked_mhz = session->frequency_hz * 1000;
	uint32_t rate_mhz = rate_since_last_look(&session->watches[cpu], &session->counters[cpu]);

	/* Over few intervals one late tick at their start makes them look short. */
	return rate_mhz < asked_mhz ? rate_mhz : asked_mhz;
}

int sampler_session_unwind_maps(const struct sampler_session *session,
				struct privileged_process *privileged,
				struct unwind_maps **ret_maps)
{
	return unwind_maps_open(session->program, privileged, ret_maps);
}

int sampler_session_run_time(const struct sampler_session *session, uint64_t *ret_time_ns,
			     uint64_t *ret_runs)
{
	return sampler_program_run_time(session->program, ret_time_ns, ret_runs);
}

const char *sampler_session_kernel_name(const struct sampler_session *session, uint64_t address)
{
	return sampler_program_kernel_name(session->program, address);
}
