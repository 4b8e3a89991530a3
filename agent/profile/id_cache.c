/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/id_cache.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int id_cache_open(uint32_t entry_count, struct id_cache *ret_cache)
{
	struct id_cache_entry *entries;

	assert(entry_count >= 2 && (entry_count & (entry_count - 1)) == 0);
	entries = calloc(entry_count, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	*ret_cache = (struct id_cache){
		.entries = entries,
		.mask = entry_count - 1,
		.generation = 1,
	};
	return 0;
}

void id_cache_close(struct id_cache *cache)
{
	free(cache->entries);
	*cache = (struct id_cache){ 0 };
}

void id_cache_clear(struct id_cache *cache)
{
	cache->generation++;
	if (cache->generation)
		return;
	/* The numbers have come round: entries of the first generation would be found again. */
	memset(cache->entries, 0, (cache->mask + (size_t)1) * sizeof(*cache->entries));
	cache->generation = 1;
}

void id_cache_put(struct id_cache *cache, uint64_t hash, uint32_t id)
{
	struct id_cache_entry *pair = &cache->entries[(hash & cache->mask) & ~1u];

	/* The first place holds the newer one. */
	if (pair[0].hash != hash || pair[0].generation != cache->generation)
		pair[1] = pair[0];
	pair[0] = (struct id_cache_entry){
		.hash = hash,
		.id = id,
		.generation = cache->generation,
	};
}
