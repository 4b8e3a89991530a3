/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads MS: the main thread ends at once; another one goes through thread_main and thread_step twice to
 * burn_leaf, and forks a child there that does not exec and burns in child_burns.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chain.h"

static int milliseconds;

CALLED static void child_burns(void)
{
	burn_leaf(milliseconds);
	NOT_LAST;
}

CALLED static void thread_step(int left)
{
	pid_t child;

	if (left > 1) {
		thread_step(left - 1);
		NOT_LAST;
		return;
	}
	burn_leaf(milliseconds);
	child = fork();
	if (child == 0) {
		child_burns();
		_exit(0);
	}
	waitpid(child, NULL, 0);
	NOT_LAST;
}

static void *thread_main(void *argument)
{
	thread_step(2);
	NOT_LAST;
	exit(0);
}

int main(int argument_count, char **arguments)
{
	pthread_t thread;

	milliseconds = argument_count > 1 ? atoi(arguments[1]) : 1000;
	if (pthread_create(&thread, NULL, thread_main, NULL))
		return 1;
	pthread_exit(NULL);
}
