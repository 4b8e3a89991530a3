/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals MS [alternate]: main, then 30 calls of step_down, then wait_for_signal, which a timer
 * interrupts: on_signal and burn_leaf on top of it, on the same stack or on an alternate one.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "chain.h"

static int milliseconds;
static volatile sig_atomic_t handled;
static char alternate_stack[65536];

static void on_signal(int signal)
{
	burn_leaf(milliseconds);
	handled = 1;
	NOT_LAST;
}

CALLED static void wait_for_signal(void)
{
	while (!handled)
		chain_value++;
	NOT_LAST;
}

CALLED static void step_down(int left)
{
	if (left > 1)
		step_down(left - 1);
	else
		wait_for_signal();
	NOT_LAST;
}

int main(int argument_count, char **arguments)
{
	struct itimerval timer = { .it_value.tv_usec = 20000 };
	struct sigaction action;
	stack_t stack;

	memset(&action, 0, sizeof(action));
	memset(&stack, 0, sizeof(stack));
	milliseconds = argument_count > 1 ? atoi(arguments[1]) : 1000;
	action.sa_handler = on_signal;
	if (argument_count > 2) {
		stack.ss_sp = alternate_stack;
		stack.ss_size = sizeof(alternate_stack);
		action.sa_flags = SA_ONSTACK;
		if (sigaltstack(&stack, NULL) < 0)
			return 1;
	}
	if (sigaction(SIGALRM, &action, NULL) < 0 || setitimer(ITIMER_REAL, &timer, NULL) < 0)
		return 1;
	step_down(30);
	NOT_LAST;
	return 0;
}
