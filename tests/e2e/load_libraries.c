/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many processes with many libraries.
 *
 *	load_libraries [-s SECONDS] [-n PROCESSES] [-b MS] LIBRARY...
 *
 * Loads the libraries and forks PROCESSES children, which sleep; with -b each burns for so many
 * milliseconds of each 200 ones in burn_now_and_then. Prints "ready" when all are there.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD_MS = 200 };

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

__attribute__((noinline)) static void burn_now_and_then(uint64_t end_ms, unsigned int burn_ms)
{
	while (now_ms() < end_ms) {
		uint64_t burn_end_ms = now_ms() + burn_ms;

		while (burn_ms && now_ms() < burn_end_ms)
			;
		usleep((PERIOD_MS - burn_ms) * 1000);
	}
}

int main(int argc, char **argv)
{
	unsigned int seconds = 10, processes = 200, burn_ms = 0;
	int option;

	while ((option = getopt(argc, argv, "s:n:b:")) != -1) {
		if (option == 's')
			seconds = (unsigned int)atoi(optarg);
		else if (option == 'n')
			processes = (unsigned int)atoi(optarg);
		else if (option == 'b')
			burn_ms = (unsigned int)atoi(optarg);
		else
			return 2;
	}
	for (int i = optind; i < argc; i++)
		if (!dlopen(argv[i], RTLD_NOW))
			return 1;
	for (unsigned int i = 0; i < processes; i++) {
		if (fork() != 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (burn_ms)
			burn_now_and_then(now_ms() + seconds * 1000, burn_ms);
		else
			sleep(seconds);
		_exit(0);
	}
	puts("ready");
	fflush(stdout);
	sleep(seconds);
	return 0;
}
