/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the id of a thing by its hash: an open-addressing table of (hash, id), for all interners
 * and tables. The things themselves stay with the caller, who compares them.
 *
 * Ids are from 1 up; 0 means none. Grows by doubling; entries_max bounds it. Owned by one thread.
 */
#ifndef FLICKERSCOPE_HASH_INDEX_H
#define FLICKERSCOPE_HASH_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hash_index_outcome {
	HASH_INDEX_FULL = 1,
};

struct hash_index_slot {
	uint32_t hash;
	uint32_t id; /* 0: free */
};

struct hash_index {
	struct hash_index_slot *slots; /* owned; a power of two of them, or NULL */
	uint32_t slot_count;
	uint32_t entry_count;
	uint32_t entries_max;
};

/* Whether the thing with @id is the one that is looked for, described by @wanted. */
typedef bool (*hash_index_equal)(uint32_t id, const void *wanted, const void *owner);

struct hash_index hash_index_with_max(uint32_t entries_max);
void hash_index_free(struct hash_index *index);
void hash_index_clear(struct hash_index *index); /* keeps the memory */

/* The id of the entry with @hash for which @equal says yes, or 0. */
uint32_t hash_index_find(const struct hash_index *index, uint64_t hash, hash_index_equal equal,
			 const void *wanted, const void *owner);

/* Adds an entry that is not there yet. Returns 0, HASH_INDEX_FULL or -ENOMEM. */
int hash_index_add(struct hash_index *index, uint64_t hash, uint32_t id);

/* Removes the entry (@hash, @id); nothing happens when it is not there. */
void hash_index_remove(struct hash_index *index, uint64_t hash, uint32_t id);

/*
 * A hash for tables inside one process: seeded at start, so that names chosen by strangers cannot
 * be made to collide, and different in each run.
 */
uint64_t hash_bytes(const void *bytes, size_t size);
uint64_t hash_u64(uint64_t value);

/* The hash of a sequence, one more value at a time: hash_next(hash of what was before, value). */
uint64_t hash_next(uint64_t hash, uint64_t value);

/* A hash that is the same everywhere and always: for the wire's keys of modules and functions. */
uint64_t stable_key(const void *bytes, size_t size, uint64_t parent_key);

#endif
