/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remembers ids of the open segment by a 64-bit hash (base/hash_index.h's hash_bytes): whole stacks
 * by their addresses, threads by what the kernel says of them. It may forget at any time, and then
 * the caller asks the profile again.
 *
 * Two-way, fixed memory of 16 bytes an entry; clearing takes no time. Owned by one thread.
 */
#ifndef FLICKERSCOPE_ID_CACHE_H
#define FLICKERSCOPE_ID_CACHE_H

#include <stdint.h>

#include "base/cleanup.h"

struct id_cache_entry {
	uint64_t hash;
	uint32_t id;
	uint32_t generation;
};

struct id_cache {
	struct id_cache_entry *entries; /* owned */
	uint32_t mask;
	uint32_t generation;
};

/* @entry_count: a power of two. Returns 0 or -ENOMEM. */
int id_cache_open(uint32_t entry_count, struct id_cache *ret_cache);
void id_cache_close(struct id_cache *cache);

/* Forgets everything: at each new segment, and when what the hashes stand for has changed. */
void id_cache_clear(struct id_cache *cache);

/* The id put under @hash, or 0. */
static inline uint32_t id_cache_find(const struct id_cache *cache, uint64_t hash)
{
	const struct id_cache_entry *pair = &cache->entries[(hash & cache->mask) & ~1u];

	if (pair[0].hash == hash && pair[0].generation == cache->generation)
		return pair[0].id;
	if (pair[1].hash == hash && pair[1].generation == cache->generation)
		return pair[1].id;
	return 0;
}

void id_cache_put(struct id_cache *cache, uint64_t hash, uint32_t id);

#endif
