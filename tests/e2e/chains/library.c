/* SPDX-License-Identifier: Apache-2.0 */
/* The library of loader.c: library_enter, library_step twice, then the program's own function. */
#include "chain.h"

CALLED static void library_step(int left, void (*back)(void))
{
	if (left > 1)
		library_step(left - 1, back);
	else
		back();
	NOT_LAST;
}

void library_enter(void (*back)(void))
{
	library_step(2, back);
	NOT_LAST;
}
