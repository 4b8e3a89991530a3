/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many processes with many libraries.
 *
 *	load_libraries [-s SECONDS] [-n PROCESSES] [-b MS [-t]] LIBRARY...
 *
 * Loads the libraries and forks PROCESSES children, which sleep; with -b each burns for so many
 * milliseconds of each 200 ones in burn_now_and_then; with -t too they take turns, one at a time, in burn_in_turn.
 * Prints "ready" when all are there.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
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

/* Each wakes the next one with a signal, and then waits for its own. */
__attribute__((noinline)) static void burn_in_turn(const sigset_t *turn, const pid_t *next,
						   unsigned int burn_ms)
{
	while (sigwaitinfo(turn, NULL) > 0) {
		uint64_t burn_end_ms = now_ms() + burn_ms;

		while (now_ms() < burn_end_ms)
			;
		kill(*next, SIGUSR1);
	}
}

int main(int argc, char **argv)
{
	unsigned int seconds = 10, processes = 200, burn_ms = 0;
	bool in_turn = false;
	sigset_t turn;
	pid_t *pids;
	int option;

	while ((option = getopt(argc, argv, "s:n:b:t")) != -1) {
		if (option == 's')
			seconds = (unsigned int)atoi(optarg);
		else if (option == 'n')
			processes = (unsigned int)atoi(optarg);
		else if (option == 'b')
			burn_ms = (unsigned int)atoi(optarg);
		else if (option == 't')
			in_turn = true;
		else
			return 2;
	}
	for (int i = optind; i < argc; i++)
		if (!dlopen(argv[i], RTLD_NOW))
			return 1;
	sigemptyset(&turn);
	sigaddset(&turn, SIGUSR1);
	sigprocmask(SIG_BLOCK, &turn, NULL);
	pids = mmap(NULL, (processes + 1) * sizeof(*pids), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pids == MAP_FAILED)
		return 1;
	for (unsigned int i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		/* By the parent alone: theirs is one memory. */
		if (pid > 0) {
			pids[i] = pid;
			continue;
		}
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (in_turn)
			burn_in_turn(&turn, &pids[(i + 1) % processes], burn_ms);
		else if (burn_ms)
			burn_now_and_then(now_ms() + seconds * 1000, burn_ms);
		else
			sleep(seconds);
		_exit(0);
	}
	if (in_turn && processes)
		kill(pids[0], SIGUSR1);
	puts("ready");
	fflush(stdout);
	sleep(seconds);
	return 0;
}
