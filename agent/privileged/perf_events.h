/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens the perf events of one CPU (perf_event_open(2)): the timer that samples it, and the dummy
 * event that reports forks, execs, exits and mappings. Needs CAP_PERFMON; what is opened stays
 * usable without it.
 */
#ifndef FLICKERSCOPE_PERF_EVENTS_H
#define FLICKERSCOPE_PERF_EVENTS_H

#include <stdint.h>

/*
 * Opens a cpu-clock event of a fixed period on @cpu, not running yet, that runs @program_fd at each
 * tick. Ticks go on while the CPU is idle. The program stays attached until the fd is closed.
 *
 * Returns 0 or -errno; not logged, see perf_events_log().
 */
int perf_events_open_timer(uint32_t cpu, uint64_t period_ns, int program_fd, int *ret_fd);

/*
 * Opens a dummy event on @cpu, not running yet, whose ring receives PERF_RECORD_FORK, _EXIT, _COMM,
 * _MMAP2 of executable mappings (with the build id where the kernel gives it, from 5.12) and _LOST,
 * each with its time of CLOCK_MONOTONIC as its last 8 bytes (sample_id_all with PERF_SAMPLE_TIME).
 */
int perf_events_open_process_events(uint32_t cpu, uint32_t wakeup_size, int *ret_fd);

int perf_events_start(int fd);

/* The timer's period from now on; its ticks begin anew. Needs no privileges. Returns 0 or -errno. */
int perf_events_set_period(int fd, uint64_t period_ns);

/* Says once, in words, why a perf event could not be opened and what to do; returns @error. */
int perf_events_log(int error, uint32_t cpu);

/*
 * Says in a warning when the kernel would throttle events of @frequency_hz
 * (kernel.perf_event_max_sample_rate).
 */
void perf_events_warn_throttle(uint32_t frequency_hz);

/* How many frames the kernel's own walks may take (kernel.perf_event_max_stack). */
uint32_t perf_events_frames_max(void);

#endif
