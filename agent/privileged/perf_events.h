/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens the perf events of one CPU (perf_event_open(2)): the timer that samples it, and the dummy
 * event that reports forks, execs, exits and mappings. Needs CAP_PERFMON; what is opened stays
 * usable without it, until the CPU goes offline: then it is dead, also when the CPU comes back.
 */
#ifndef FLICKERSCOPE_PERF_EVENTS_H
#define FLICKERSCOPE_PERF_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

/* Not running yet. */
struct perf_cpu_events {
	/*
	 * A dummy event, whose ring receives PERF_RECORD_FORK, _EXIT, _COMM, _MMAP2 of executable mappings
	 * (with the build id where the kernel gives it, from 5.12) and _LOST, each with its time of
	 * CLOCK_MONOTONIC as its last 8 bytes (sample_id_all with PERF_SAMPLE_TIME). It wakes nobody.
	 */
	int process_fd;
	/* A cpu-clock event of a fixed period, whose ticks go on while the CPU is idle; -1: not wanted. */
	int timer_fd;
};

/*
 * @period_ns: of the timer; 0: none.
 *
 * Returns 0 or -errno, -ENODEV of a CPU that is offline; not logged, see perf_events_log().
 */
int perf_events_open(uint32_t cpu, uint64_t period_ns, struct perf_cpu_events *ret_events);

/* Needs no privileges. Runs a BPF program at each tick, until @timer_fd is closed. Returns 0 or -errno. */
int perf_events_attach(int timer_fd, int program_fd);

int perf_events_start(int fd);

/* For how long @process_fd has been running: it stands still when the CPU has been offline. 0 or -errno. */
int perf_events_enabled_ns(int process_fd, uint64_t *ret_ns);

/* The timer's period from now on; its ticks begin anew. Needs no privileges. Returns 0 or -errno. */
int perf_events_set_period(int fd, uint64_t period_ns);

/* Says once, in words, why a perf event could not be opened and what to do; returns @error. */
int perf_events_log(int error, uint32_t cpu);

/*
 * Says in a warning when the kernel would throttle events of @frequency_hz
 * (kernel.perf_event_max_sample_rate).
 */
void perf_events_warn_throttle(uint32_t frequency_hz);

/*
 * Whether CAP_PERFMON is not enough: kernels of Debian and Ubuntu have levels of kernel.perf_event_paranoid, which
 * others do not know, where CAP_SYS_ADMIN is asked for.
 */
bool perf_events_need_admin(void);

/* How many frames the kernel's own walks may take (kernel.perf_event_max_stack). */
uint32_t perf_events_frames_max(void);

#endif
