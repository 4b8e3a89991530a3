/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Burns in burst_known_function at the same offset of every second of the wall clock, or of every Nth, and
 * sleeps for the rest of it.
 *
 *	load_burst [-m OFFSET_MS] [-n LENGTH_MS] [-e N] [-s SECONDS] [-N THREAD_NAME]
 *
 * Offset 400 and length 100 without options. Ends by itself after SECONDS (60).
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
	NS_PER_MS = 1000000,
	NS_PER_S = 1000000000,
	BURN_ITERATIONS = 2000, /* some microseconds between two looks at the clock */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t time_ns)
{
	struct timespec wake = { .tv_sec = (time_t)(time_ns / NS_PER_S),
				 .tv_nsec = (long)(time_ns % NS_PER_S) };

	while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &wake, NULL) == EINTR)
		;
}

/* The clock is read elsewhere and rarely: nearly all time is spent in this very function. */
uint64_t burst_known_function(uint64_t end_ns)
{
	volatile uint64_t value = 1;

	do {
		for (int i = 0; i < BURN_ITERATIONS; i++)
			value = value * 6364136223846793005u + 1442695040888963407u;
	} while (now_ns() < end_ns);
	return value;
}

int main(int argc, char **argv)
{
	uint64_t offset_ms = 400, length_ms = 100, seconds = 60, every = 1, second, end_ns;
	int option;

	while ((option = getopt(argc, argv, "m:n:e:s:N:")) != -1) {
		if (option == 'm')
			offset_ms = strtoull(optarg, NULL, 10);
		else if (option == 'n')
			length_ms = strtoull(optarg, NULL, 10);
		else if (option == 'e')
			every = strtoull(optarg, NULL, 10);
		else if (option == 's')
			seconds = strtoull(optarg, NULL, 10);
		else if (option == 'N')
			prctl(PR_SET_NAME, optarg);
		else
			return 2;
	}
	if (offset_ms >= 1000 || length_ms < 1 || offset_ms + length_ms > 1000 || every < 1) {
		fprintf(stderr, "load_burst: the burst must fit into a second\n");
		return 2;
	}
	end_ns = now_ns() + seconds * NS_PER_S;
	for (second = now_ns() / NS_PER_S; now_ns() < end_ns; second += every) {
		uint64_t start_ns = second * NS_PER_S + offset_ms * NS_PER_MS;

		if (now_ns() > start_ns)
			continue; /* this one has begun already */
		sleep_until(start_ns);
		burst_known_function(start_ns + length_ms * NS_PER_MS);
	}
	return 0;
}
