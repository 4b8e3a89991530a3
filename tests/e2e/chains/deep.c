/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deep MS [DEPTH]: main, then DEPTH calls of step_fixed, step_alloca and step_many in turn, then burn_leaf:
 * frames of a fixed size, of odd sizes known at run time alone, and with many saved registers.
 */
#include <alloca.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"

static int milliseconds;

static void next(int left);

CALLED static void step_fixed(int left)
{
	char frame[104];

	memset(frame, left, sizeof(frame));
	next(left - 1);
	chain_value += (uint64_t)frame[left % 104];
	NOT_LAST;
}

CALLED static void step_alloca(int left)
{
	size_t size = 17 + (size_t)left * 37;
	char *frame = alloca(size);

	memset(frame, left, size);
	next(left - 1);
	chain_value += (uint64_t)frame[size / 2];
	NOT_LAST;
}

CALLED static void step_many(int left)
{
	uint64_t a = chain_value, b = a * 3, c = a ^ 5, d = a + b, e = b + c, f = c + d;

	next(left - 1);
	NOT_LAST;
	chain_value += a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6;
}

__attribute__((always_inline)) static inline void next(int left)
{
	if (left == 0)
		burn_leaf(milliseconds);
	else if (left % 3 == 0)
		step_fixed(left);
	else if (left % 3 == 1)
		step_alloca(left);
	else
		step_many(left);
}

int main(int argument_count, char **arguments)
{
	milliseconds = argument_count > 1 ? atoi(arguments[1]) : 1000;
	next(argument_count > 2 ? atoi(arguments[2]) : 96);
	NOT_LAST;
	return 0;
}
