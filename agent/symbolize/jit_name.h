/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of functions as JIT compilers write them, as people know them.
 *
 * V8 writes "JS:*add /srv/sum.js:3:14" for the third form of a function that it has compiled three
 * times; here all of them are "add /srv/sum.js:3:14", one function. Names of others stay as they
 * are, such as CPython's "py::add:/srv/sum.py" and HotSpot's "int Sum.add(int, int)".
 */
#ifndef FLICKERSCOPE_JIT_NAME_H
#define FLICKERSCOPE_JIT_NAME_H

#include <stddef.h>

enum jit_name_limits {
	JIT_NAME_ADDED_MAX = 16, /* bytes that a name may become longer by */
};

/* Writes the name to @target, which has room for @size + JIT_NAME_ADDED_MAX. Returns its size. */
size_t jit_name_write(char *target, const char *name, size_t size);

#endif
