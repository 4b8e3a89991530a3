/* SPDX-License-Identifier: Apache-2.0 */
/* A function's name that became known after its key went out. */
#ifndef FLICKERSCOPE_LATE_NAME_H
#define FLICKERSCOPE_LATE_NAME_H

#include <stdint.h>

struct frame_description;

/* The function with @key is @canonical_key (often the same), and its name is this. */
struct late_name {
	uint64_t key;
	uint64_t canonical_key;
	const char
		*name; /* not zero-terminated; borrowed until the next call; NULL: nobody knows it,
			     and only what the key is a part of is told */
	uint32_t name_size;
	/*
	 * What is known of canonical_key instead of a name; borrowed likewise. It may never have been
	 * in a stack, and then nobody else tells where it starts. NULL: it needs no more than its name.
	 */
	const struct frame_description *function;
};

#endif
