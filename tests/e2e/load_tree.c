/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process, its child and its grandchild, each burning in a function of its own, in turns of 10 ms
 * of one CPU's time each: tree_parent_function, tree_child_function, tree_grandchild_function.
 *
 *	load_tree [-s SECONDS] [-o]
 *
 * First prints "parent PID child PID grandchild PID" on one line. With -o the child ends at once,
 * before its own child has burnt anything: an orphan, which /proc no longer shows as a descendant.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum {
	BURN_ITERATIONS = 2000,
	TURN_NS = 10000000,
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t burn_once(uint64_t value)
{
	for (int i = 0; i < BURN_ITERATIONS; i++)
		value = value * 6364136223846793005u + 1442695040888963407u;
	return value;
}

/* One turn of three, until @end_ns. */
static uint64_t burn_in_turns(uint64_t end_ns, uint64_t turn)
{
	volatile uint64_t value = turn;

	for (uint64_t now = now_ns(); now < end_ns; now = now_ns()) {
		if (now / TURN_NS % 3 == turn)
			value = burn_once(value);
		else
			usleep(1000);
	}
	return value;
}

uint64_t tree_parent_function(uint64_t end_ns)
{
	return burn_in_turns(end_ns, 0) + 1;
}

uint64_t tree_child_function(uint64_t end_ns)
{
	return burn_in_turns(end_ns, 1) + 2;
}

uint64_t tree_grandchild_function(uint64_t end_ns)
{
	return burn_in_turns(end_ns, 2) + 3;
}

/* Runs as the child: makes the grandchild, tells the parent its pid, then burns. */
static void run_child(uint64_t end_ns, bool orphan, int pid_fd)
{
	pid_t child = getpid(), grandchild = fork();

	if (grandchild == 0) {
		close(pid_fd);
		while (orphan && getppid() == child)
			usleep(1000);
		tree_grandchild_function(end_ns);
		_exit(0);
	}
	if (grandchild < 0 || write(pid_fd, &grandchild, sizeof(grandchild)) < 0)
		_exit(1);
	close(pid_fd);
	if (!orphan) {
		tree_child_function(end_ns);
		waitpid(grandchild, NULL, 0);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	pid_t child, grandchild = 0;
	double seconds = 10;
	bool orphan = false;
	int option, pid_fds[2];
	uint64_t end_ns;

	while ((option = getopt(argc, argv, "s:o")) != -1) {
		if (option == 's')
			seconds = atof(optarg);
		else if (option == 'o')
			orphan = true;
		else
			return 2;
	}
	end_ns = now_ns() + (uint64_t)(seconds * 1e9);
	if (pipe(pid_fds) < 0 || (child = fork()) < 0) {
		perror("load_tree");
		return 1;
	}
	if (child == 0) {
		close(pid_fds[0]);
		run_child(end_ns, orphan, pid_fds[1]);
	}
	close(pid_fds[1]);
	if (read(pid_fds[0], &grandchild, sizeof(grandchild)) != sizeof(grandchild)) {
		fprintf(stderr, "load_tree: no word from the child\n");
		return 1;
	}
	printf("parent %d child %d grandchild %d\n", getpid(), child, grandchild);
	fflush(stdout);
	tree_parent_function(end_ns);
	waitpid(child, NULL, 0);
	return 0;
}
