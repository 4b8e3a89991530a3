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

/* By processor time instead, a program is sampled as often on a busy machine. */
#ifndef BURN_CLOCK
#define BURN_CLOCK CLOCK_MONOTONIC
#endif

static volatile uint64_t chain_value;

/* The leaf: reads the clock rarely, so that nearly all of the time is its own. */
CALLED static void burn_leaf(int milliseconds)
{
	struct timespec now;
	uint64_t end_ns = 0, now_ns;

	do {
		for (int i = 0; i < 200000; i++)
			chain_value = chain_value * 6364136223846793005u + 1442695040888963407u;
		clock_gettime(BURN_CLOCK, &now);
		now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
		if (!end_ns)
			end_ns = now_ns + (uint64_t)milliseconds * 1000000;
	} while (now_ns < end_ns);
	NOT_LAST;
}

#endif
