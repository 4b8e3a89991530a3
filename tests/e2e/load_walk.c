/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps CPUs busy with stacks that are hardly ever the same twice: walks to and fro among four
 * functions that call one another, each next one drawn by lot.
 *
 *	load_walk [-s SECONDS] [-t THREADS] [-d DEPTH]
 *
 * Ends by itself after SECONDS (10).
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	THREADS_MAX = 64,
	DEPTH_MAX = 100,
	STEP_ITERATIONS = 2000, /* some microseconds in each function */
};

struct walk {
	pthread_t thread;
	uint64_t random;
};

static int depth = 12;
static uint64_t end_ns;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void walk_north(struct walk *walk, int levels_left);
void walk_east(struct walk *walk, int levels_left);
void walk_south(struct walk *walk, int levels_left);
void walk_west(struct walk *walk, int levels_left);

/* Moves the dice, for a while: the time of each step is spent here. */
static void walk_linger(struct walk *walk)
{
	for (int i = 0; i < STEP_ITERATIONS; i++)
		walk->random = walk->random * 6364136223846793005u + 1442695040888963407u;
}

static void walk_on(struct walk *walk, int levels_left)
{
	static void (*const ways[])(struct walk *, int) = { walk_north, walk_east, walk_south,
							    walk_west };

	walk_linger(walk);
	if (levels_left > 0)
		ways[walk->random >> 62](walk, levels_left - 1);
}

/* What follows the call keeps it from becoming a jump. */
void walk_north(struct walk *walk, int levels_left)
{
	walk_on(walk, levels_left);
	walk->random += 1;
}

void walk_east(struct walk *walk, int levels_left)
{
	walk_on(walk, levels_left);
	walk->random += 2;
}

void walk_south(struct walk *walk, int levels_left)
{
	walk_on(walk, levels_left);
	walk->random += 3;
}

void walk_west(struct walk *walk, int levels_left)
{
	walk_on(walk, levels_left);
	walk->random += 4;
}

static void *work(void *context)
{
	while (now_ns() < end_ns)
		walk_on(context, depth);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct walk walks[THREADS_MAX];
	double seconds = 10;
	int threads = 1, option;

	while ((option = getopt(argc, argv, "s:t:d:")) != -1) {
		if (option == 's')
			seconds = atof(optarg);
		else if (option == 't')
			threads = atoi(optarg);
		else if (option == 'd')
			depth = atoi(optarg);
		else
			return 2;
	}
	if (threads < 1 || threads > THREADS_MAX || depth < 0 || depth > DEPTH_MAX) {
		fprintf(stderr, "load_walk: a value is out of range\n");
		return 2;
	}
	end_ns = now_ns() + (uint64_t)(seconds * 1e9);
	for (int i = 0; i < threads; i++) {
		walks[i].random = (uint64_t)i + 1;
		if (pthread_create(&walks[i].thread, NULL, work, &walks[i]) != 0) {
			perror("load_walk: pthread_create");
			return 1;
		}
	}
	for (int i = 0; i < threads; i++)
		pthread_join(walks[i].thread, NULL);
	return 0;
}
