/* SPDX-License-Identifier: Apache-2.0 */
/*
 * throwing MS: main, catch_all, step_down eight times, throw_up, which throws up to catch_all, over and
 * over: most of the time an exception is on its way.
 */
#include <cstdlib>

#include "chain.h"

static int depth = 8; /* no constant to the compiler */

CALLED static int throw_up(int value)
{
	throw value;
}

CALLED static int step_down(int left)
{
	int result = left > 1 ? step_down(left - 1) : throw_up(left);

	NOT_LAST;
	return result;
}

CALLED static int catch_all(int times)
{
	int caught = 0;

	for (int i = 0; i < times; i++) {
		try {
			caught += step_down(depth);
		} catch (int value) {
			caught += value;
		}
	}
	return caught;
}

int main(int argument_count, char **arguments)
{
	int milliseconds = argument_count > 1 ? atoi(arguments[1]) : 1000;
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		depth = catch_all(1000) ? 8 : 9;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 <
		 milliseconds);
	return 0;
}
