/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's clocks (clock_gettime(2)) in whole numbers. */
#ifndef FLICKERSCOPE_CLOCK_H
#define FLICKERSCOPE_CLOCK_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

static inline uint64_t clock_now_ns(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t monotonic_ns(void)
{
	return clock_now_ns(CLOCK_MONOTONIC);
}

static inline uint64_t monotonic_ms(void)
{
	return monotonic_ns() / NS_PER_MS;
}

/* Processor time of a process that lives, 0 of one that does not. */
static inline uint64_t process_cpu_us(pid_t pid)
{
	clockid_t clock;

	return pid <= 0 || clock_getcpuclockid(pid, &clock) ? 0 : clock_now_ns(clock) / 1000;
}

#endif
