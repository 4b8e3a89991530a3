/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library of rules.c, in two forms of one size, whose functions lie at the same offsets with other frames:
 * alpha_enter calls alpha_step; with BETA, beta_enter calls beta_first and that beta_second.
 */
#include "chain.h"

typedef void (*back_function)(void);

/* Frames of an odd size each, so that the rows of the one form lead nowhere in the other. */
#define STEP(name, size, next)                                                                     \
	CALLED static void name(back_function back)                                                \
	{                                                                                          \
		volatile char room[size];                                                          \
                                                                                                   \
		room[0] = 1;                                                                       \
		next;                                                                              \
		room[size - 1] = room[0];                                                          \
	}

#ifdef BETA
STEP(beta_second, 40, back())
STEP(beta_first, 1000, beta_second(back))

void beta_enter(back_function back)
{
	beta_first(back);
	NOT_LAST;
}
#else
STEP(alpha_step, 3000, back())

void alpha_enter(back_function back)
{
	volatile char room[500];

	room[0] = 1;
	alpha_step(back);
	room[499] = room[0];
}
#endif
