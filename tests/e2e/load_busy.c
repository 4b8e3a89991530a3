/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps CPUs busy with a known stack, and says how much work they got done: the yardstick for what
 * a profiler takes away.
 *
 *	load_busy [-s SECONDS] [-t THREADS] [-d DEPTH] [-c]
 *
 * Each thread burns in busy_leaf, called through DEPTH frames of busy_level. With -c thread N stays
 * on CPU N. Prints "iterations N", the work of all threads.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	THREADS_MAX = 256,
	LEAF_ITERATIONS = 100000, /* between two looks at the clock: well under a millisecond */
};

struct worker {
	pthread_t thread;
	int index;
	uint64_t iterations;
};

static int depth = 30;
static bool pinned;
static uint64_t end_ns;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Arithmetic alone: nothing here waits for memory. */
uint64_t busy_leaf(uint64_t value)
{
	for (int i = 0; i < LEAF_ITERATIONS; i++)
		value = value * 6364136223846793005u + 1442695040888963407u;
	return value;
}

uint64_t busy_level(struct worker *worker, int levels_left)
{
	volatile uint64_t value = (uint64_t)levels_left; /* keeps the call from becoming a jump */

	if (levels_left > 0)
		return busy_level(worker, levels_left - 1) + value;
	while (now_ns() < end_ns) {
		value = busy_leaf(value);
		worker->iterations += LEAF_ITERATIONS;
	}
	return value;
}

static void *work(void *context)
{
	struct worker *worker = context;
	cpu_set_t cpus;

	if (pinned) {
		CPU_ZERO(&cpus);
		CPU_SET((size_t)worker->index, &cpus);
		sched_setaffinity(0, sizeof(cpus), &cpus);
	}
	busy_level(worker, depth);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS_MAX];
	double seconds = 1;
	int threads = 1, option;
	uint64_t iterations = 0;

	while ((option = getopt(argc, argv, "s:t:d:c")) != -1) {
		if (option == 's')
			seconds = atof(optarg);
		else if (option == 't')
			threads = atoi(optarg);
		else if (option == 'd')
			depth = atoi(optarg);
		else if (option == 'c')
			pinned = true;
		else
			return 2;
	}
	if (seconds <= 0 || threads < 1 || threads > THREADS_MAX || depth < 0 || depth > 1000) {
		fprintf(stderr, "load_busy: a value is out of range\n");
		return 2;
	}
	end_ns = now_ns() + (uint64_t)(seconds * 1e9);
	for (int i = 0; i < threads; i++) {
		workers[i].index = i;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
			perror("load_busy: pthread_create");
			return 1;
		}
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		iterations += workers[i].iterations;
	}
	printf("iterations %llu\n", (unsigned long long)iterations);
	return 0;
}
