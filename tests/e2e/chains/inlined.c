/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inlined MS: main, enter, which has inlined outer, which has inlined inner, which has inlined burn:
 * each is called from one line, and all of the time is spent in burn.
 */
#include <stdlib.h>

#include "chain.h"

#define INLINED static inline __attribute__((always_inline))

INLINED void burn(int milliseconds)
{
	struct timespec now;
	uint64_t end_ns = 0, now_ns;

	do {
		for (int i = 0; i < 200000; i++)
			chain_value = chain_value * 6364136223846793005u + 1442695040888963407u;
		clock_gettime(CLOCK_MONOTONIC, &now);
		now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
		if (!end_ns)
			end_ns = now_ns + (uint64_t)milliseconds * 1000000;
	} while (now_ns < end_ns);
}

INLINED void inner(int milliseconds)
{
	burn(milliseconds); /* from inner */
}

INLINED void outer(int milliseconds)
{
	inner(milliseconds); /* from outer */
}

CALLED static int enter(int milliseconds)
{
	outer(milliseconds); /* from enter */
	NOT_LAST;
	return milliseconds;
}

int main(int argument_count, char **arguments)
{
	return enter(argument_count > 1 ? atoi(arguments[1]) : 1000) < 0; /* from main */
}
