/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop of processes that live for less than 50 ms each: the program starts itself anew with exec,
 * and each of them burns in short_lived_function.
 *
 *	load_forks [-s SECONDS] [-n LIFE_MS] [-e]
 *
 * -n 0: they end at once. -e: without exec too, as many as the machine gives. Prints "processes N" at
 * its end, after SECONDS (10).
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	BURN_ITERATIONS = 2000,
	LIFE_MS_MAX = 49,
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t short_lived_function(uint64_t end_ns)
{
	volatile uint64_t value = 1;

	do {
		for (int i = 0; i < BURN_ITERATIONS; i++)
			value = value * 6364136223846793005u + 1442695040888963407u;
	} while (now_ns() < end_ns);
	return value;
}

static int run_child(const char *life_ms)
{
	short_lived_function(now_ns() + strtoull(life_ms, NULL, 10) * 1000000);
	return 0;
}

/* One process from its start to its exit. @program: NULL: none is executed. False when it could not be made. */
static bool start_child(char *program, char *life_ms)
{
	char *arguments[] = { program, "child", life_ms, NULL };
	pid_t pid = vfork();
	int status;

	if (pid < 0)
		return false;
	if (pid == 0) {
		if (!program)
			_exit(0);
		execv(program, arguments);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
	char *life_ms = "20", program[4096];
	ssize_t program_size = readlink("/proc/self/exe", program, sizeof(program) - 1);
	uint64_t end_ns, processes = 0;
	double seconds = 10;
	bool executes = true;
	int option;

	if (argc == 3 && strcmp(argv[1], "child") == 0)
		return run_child(argv[2]);
	while ((option = getopt(argc, argv, "s:n:e")) != -1) {
		if (option == 's')
			seconds = atof(optarg);
		else if (option == 'n')
			life_ms = optarg;
		else if (option == 'e')
			executes = false;
		else
			return 2;
	}
	if (atoi(life_ms) < 0 || atoi(life_ms) > LIFE_MS_MAX) {
		fprintf(stderr, "load_forks: processes live for 0 to %d ms\n", LIFE_MS_MAX);
		return 2;
	}
	if (program_size < 0) {
		perror("load_forks: find itself");
		return 1;
	}
	program[program_size] = '\0'; /* by its own name, which becomes the comm */
	end_ns = now_ns() + (uint64_t)(seconds * 1e9);
	while (now_ns() < end_ns) {
		if (!start_child(executes ? program : NULL, life_ms)) {
			perror("load_forks: start a process");
			return 1;
		}
		processes++;
	}
	printf("processes %llu\n", (unsigned long long)processes);
	return 0;
}
