/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/perf_events.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "sample_abi.h"

static int open_event(struct perf_event_attr *attributes, uint32_t cpu)
{
	long fd;

	attributes->size = sizeof(*attributes);
	fd = syscall(SYS_perf_event_open, attributes, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

static int open_timer(uint32_t cpu, uint64_t period_ns)
{
	/* A period, not a frequency: cpu-clock's period never adapts, and this way above
	 * perf_event_max_sample_rate it is throttled rather than refused. */
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = period_ns,
		.disabled = 1,
	};

	return open_event(&attributes, cpu);
}

static int open_process_events(uint32_t cpu)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TIME,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED,
		.sample_id_all = 1,
		.disabled = 1,
		.task = 1,
		.comm = 1,
		.comm_exec = 1,
		.mmap = 1,
		.mmap2 = 1,
		.build_id = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = UINT32_MAX, /* cut to the ring's size */
	};
	int fd = open_event(&attributes, cpu);

	if (fd == -EINVAL) { /* before 5.12 there are no build ids */
		attributes.build_id = 0;
		fd = open_event(&attributes, cpu);
	}
	return fd;
}

int perf_events_open(uint32_t cpu, uint64_t period_ns, struct perf_cpu_events *ret_events)
{
	CLEANUP(fd_close) int process_fd = open_process_events(cpu);
	int timer_fd = -1;

	if (process_fd < 0)
		return process_fd;
	if (period_ns) {
		timer_fd = open_timer(cpu, period_ns);
		if (timer_fd < 0)
			return timer_fd;
	}
	*ret_events =
		(struct perf_cpu_events){ .process_fd = TAKE_FD(process_fd), .timer_fd = timer_fd };
	return 0;
}

int perf_events_attach(int timer_fd, int program_fd)
{
	return ioctl(timer_fd, PERF_EVENT_IOC_SET_BPF, program_fd) < 0 ? -errno : 0;
}

int perf_events_start(int fd)
{
	return ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0 ? -errno : 0;
}

int perf_events_enabled_ns(int process_fd, uint64_t *ret_ns)
{
	struct {
		uint64_t value, enabled_ns;
	} counted;
	ssize_t size = read(process_fd, &counted, sizeof(counted));

	if (size != sizeof(counted))
		return size < 0 ? -errno : -EIO;
	*ret_ns = counted.enabled_ns;
	return 0;
}

int perf_events_set_period(int fd, uint64_t period_ns)
{
	return ioctl(fd, PERF_EVENT_IOC_PERIOD, &period_ns) < 0 ? -errno : 0;
}

/* A number from /proc/sys, or @fallback where there is none. */
static long read_setting(const char *path, long fallback)
{
	CLEANUP(file_close) FILE *file = fopen(path, "re");
	char text[32];

	if (!file || !fgets(text, sizeof(text), file))
		return fallback;
	return strtol(text, NULL, 10);
}

int perf_events_log(int error, uint32_t cpu)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		log_error("the kernel refuses perf events: run as root (CAP_PERFMON and CAP_BPF); "
			  "in a "
			  "container also allow perf_event_open in its seccomp profile");
		return error;
	case -ENOSYS:
		log_error("this kernel has no perf events: it needs CONFIG_PERF_EVENTS");
		return error;
	case -EMFILE:
	case -ENFILE:
		log_error("too many open files for a perf event on each CPU: raise the limit "
			  "(ulimit -n)");
		return error;
	default:
		return log_errno(error, "open a perf event on CPU %u", cpu);
	}
}

void perf_events_warn_throttle(uint32_t frequency_hz)
{
	long limit = read_setting("/proc/sys/kernel/perf_event_max_sample_rate", -1);

	if (limit >= 0 && limit < (long)frequency_hz)
		log_warning("the kernel throttles sampling at %u Hz to about %ld Hz: raise it with "
			    "sysctl kernel.perf_event_max_sample_rate=%u",
			    frequency_hz, limit, frequency_hz);
}

bool perf_events_need_admin(void)
{
	return read_setting("/proc/sys/kernel/perf_event_paranoid", 2) > 2;
}

uint32_t perf_events_frames_max(void)
{
	long limit = read_setting("/proc/sys/kernel/perf_event_max_stack", SAMPLE_USER_FRAMES_MAX);

	return limit > 0 && limit < SAMPLE_USER_FRAMES_MAX ? (uint32_t)limit
							   : SAMPLE_USER_FRAMES_MAX;
}
