/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader MS LIBRARY: main burns in burn_before, so that it is known before the library is; then
 * loads it and goes through library_enter and library_step twice back to come_back and burn_leaf.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "chain.h"

static int milliseconds;

CALLED static void burn_before(void)
{
	burn_leaf(200);
	NOT_LAST;
}

static void come_back(void)
{
	burn_leaf(milliseconds);
	NOT_LAST;
}

int main(int argument_count, char **arguments)
{
	void (*enter)(void (*)(void));
	void *library;

	if (argument_count < 3)
		return 1;
	milliseconds = atoi(arguments[1]);
	burn_before();
	library = dlopen(arguments[2], RTLD_NOW);
	if (!library)
		return 1;
	enter = (void (*)(void (*)(void)))dlsym(library, "library_enter");
	if (!enter)
		return 1;
	enter(come_back);
	dlclose(library);
	return 0;
}
