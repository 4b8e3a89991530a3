/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	trampolines MILLISECONDS
 *
 * What CPython 3.12 and 3.13 do for each function with `-X perf`: code is made for it that calls evaluate(),
 * which calls the next one's. Neither keeps a frame pointer.
 *
 *	main, evaluate, py::outer, evaluate, py::middle, evaluate, py::inner, evaluate, burn_leaf
 *
 * x86-64 only. Leaves its map in /tmp, as CPython does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../perf_map.h"
#include "chain.h"

static const uint8_t code[] = {
	0x48, 0x83, 0xec, 0x08, /* sub $8,%rsp */
	0xff, 0xd1,		/* call *%rcx */
	0x48, 0x83, 0xc4, 0x08, /* add $8,%rsp */
	0xc3,			/* ret */
};
static const char *const names[] = { "inner", "middle", "outer" };

enum { COUNT = sizeof(names) / sizeof(names[0]) };

/* @self: evaluate(), which the code made calls. */
typedef uint64_t (*made_function)(const uint8_t *made, uint64_t left, int milliseconds, void *self);

CALLED static uint64_t evaluate(const uint8_t *made, uint64_t left, int milliseconds, void *self)
{
	uint64_t depth = 0;

	if (left) {
		made_function next = (made_function)(uintptr_t)(made + (left - 1) * sizeof(code));

		depth = next(made, left - 1, milliseconds, self) + 1;
	} else {
		burn_leaf(milliseconds);
	}
	NOT_LAST;
	return depth;
}

/* One behind the other, written first and executable after. */
static const uint8_t *make_code(void)
{
	uint8_t *made = mmap(NULL, COUNT * sizeof(code), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (made == MAP_FAILED)
		return NULL;
	for (int i = 0; i < COUNT; i++)
		memcpy(made + (size_t)i * sizeof(code), code, sizeof(code));
	return mprotect(made, COUNT * sizeof(code), PROT_READ | PROT_EXEC) == 0 ? made : NULL;
}

static int write_map(const uint8_t *made)
{
	char path[PERF_MAP_PATH_SIZE];
	FILE *map = perf_map_create(path);

	if (!map)
		return -1;
	for (int i = 0; i < COUNT; i++)
		fprintf(map, "%lx %zx py::%s:/srv/app/deep.py\n",
			(unsigned long)(uintptr_t)made + (unsigned long)i * sizeof(code),
			sizeof(code), names[i]);
	return fclose(map);
}

int main(int argument_count, char **arguments)
{
	const uint8_t *made = make_code();

	if (argument_count < 2 || !made || write_map(made) != 0)
		return 1;
	return evaluate(made, COUNT, atoi(arguments[1]), (void *)(uintptr_t)evaluate) == COUNT ? 0
											       : 1;
}
