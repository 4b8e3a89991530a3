/* SPDX-License-Identifier: Apache-2.0 */
/* A function's name that became known after its key went out. */
#ifndef FLICKERSCOPE_LATE_NAME_H
#define FLICKERSCOPE_LATE_NAME_H

#include <stdint.h>

/* The function with @key is @canonical_key (often the same), and its name is this. */
struct late_name {
	uint64_t key;
	uint64_t canonical_key;
	const char
		*name; /* not zero-terminated; borrowed until the next call; NULL: nobody knows it,
			     and only what the key is a part of is told */
	uint32_t name_size;
};

#endif
