/* SPDX-License-Identifier: Apache-2.0 */
/* The library of calls.cpp. */
#include "shapes.h"

#include <ctime>

__attribute__((noinline)) int draw_nothing(int value)
{
	return value + 1;
}

__attribute__((noinline)) int draw_all(int milliseconds)
{
	struct timespec start, now;
	int value = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (int i = 0; i < 100000; i++)
			value = draw_nothing(value);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 <
		 milliseconds);
	return value;
}
