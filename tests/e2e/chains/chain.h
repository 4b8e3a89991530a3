/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs of known call chains have in common. Each is built by a test, without frame pointers,
 * and its functions say in which order they call each other.
 */
#ifndef CHAIN_H
#define CHAIN_H

#include <stdint.h>
#include <time.h>

/* A call that stays a call: not inlined, not cloned, not the last thing its caller does. */
#ifdef __clang__
#define CALLED __attribute__((noinline, used))
#else
#define CALLED __attribute__((noipa, used))
#endif
#define NOT_LAST __asm__ volatile("" ::: "memory")

static volatile uint64_t chain_value;

static uint64_t chain_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/*
 * The leaf: reads the clocks rarely, so that nearly all of the time is its own. On a machine where others
 * want the CPUs it goes on until it has had a fifth of the time itself: enough for some samples.
 */
CALLED static void burn_leaf(int milliseconds)
{
	uint64_t wanted_ns = (uint64_t)milliseconds * 1000000;
	uint64_t end_ns = chain_clock_ns(CLOCK_MONOTONIC) + wanted_ns;
	uint64_t own_end_ns = chain_clock_ns(CLOCK_THREAD_CPUTIME_ID) + wanted_ns / 5;

	do {
		for (int i = 0; i < 200000; i++)
			chain_value = chain_value * 6364136223846793005u + 1442695040888963407u;
	} while (chain_clock_ns(CLOCK_MONOTONIC) < end_ns ||
		 chain_clock_ns(CLOCK_THREAD_CPUTIME_ID) < own_end_ns);
	NOT_LAST;
}

#endif
