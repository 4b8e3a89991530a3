/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places that were handed out under a key of their own because nobody could name them yet: a late
 * name is due for each. Bounded; owned by the loop thread.
 */
#ifndef FLICKERSCOPE_PROVISIONAL_NAMES_H
#define FLICKERSCOPE_PROVISIONAL_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash_index.h"

enum provisional_limits {
	PROVISIONAL_NAMES_MAX = 16384, /* of one file, one process or the kernel */
};

struct provisional_name {
	uint64_t place; /* an offset in the file, or an address */
	uint64_t key;
	uint64_t time_ns; /* CLOCK_MONOTONIC of the sample that asked; 0: it does not matter */
	uint64_t era; /* the same place in another era may have another name; 0: there is but one */
};

/* All zero is an empty one. */
struct provisional_names {
	struct hash_index index; /* by place and era; ids are indexes of rows, from 1 */
	struct provisional_name *rows;
	uint32_t count;
	uint32_t capacity;
};

void provisional_names_free(struct provisional_names *names); /* leaves it empty */

/* The key under which @place was handed out; 0: it was not. */
uint64_t provisional_names_find(const struct provisional_names *names, uint64_t place);
uint64_t provisional_names_find_in(const struct provisional_names *names, uint64_t place,
				   uint64_t era);

/* Remembers a place that is not there yet. False when it is full or memory is short. */
bool provisional_names_add(struct provisional_names *names, uint64_t place, uint64_t key);
bool provisional_names_put(struct provisional_names *names, const struct provisional_name *name);

/*
 * Takes out one of them; false when none is left. After the first one, until it is empty, nothing
 * may be looked up or added.
 */
bool provisional_names_take(struct provisional_names *names, struct provisional_name *ret_name);

#endif
