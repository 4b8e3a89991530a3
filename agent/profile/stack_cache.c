/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/stack_cache.h"

#include <errno.h>
#include <string.h>

#include "base/hash_index.h"

enum {
	ENTRIES_PER_ADDRESS = 4, /* a table of stacks of four addresses or more fills both at once */
};

struct entry {
	uint64_t process_id;
	uint64_t generation;
	uint32_t first; /* index of the stack's first address */
	uint32_t stack_id;
	uint16_t kernel_count;
	uint16_t address_count;
};

struct stack_cache {
	struct hash_index index; /* of entries, by their position + 1 */
	struct entry *entries;
	uint64_t *addresses;
	uint32_t entry_count, entries_max;
	uint32_t address_count, addresses_max;
};

int stack_cache_new(uint32_t addresses_max, struct stack_cache **ret_cache)
{
	CLEANUP(stack_cache_free) struct stack_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	cache->addresses_max = addresses_max;
	cache->entries_max = addresses_max / ENTRIES_PER_ADDRESS + 1;
	cache->index = hash_index_with_max(cache->entries_max);
	/* Reserved whole: pages that are never touched cost nothing. */
	cache->addresses = malloc((size_t)addresses_max * sizeof(*cache->addresses));
	cache->entries = malloc((size_t)cache->entries_max * sizeof(*cache->entries));
	if (!cache->addresses || !cache->entries)
		return -ENOMEM;
	*ret_cache = TAKE(cache);
	return 0;
}

void stack_cache_free(struct stack_cache *cache)
{
	if (!cache)
		return;
	hash_index_free(&cache->index);
	free(cache->entries);
	free(cache->addresses);
	free(cache);
}

void stack_cache_clear(struct stack_cache *cache)
{
	hash_index_clear(&cache->index);
	cache->entry_count = 0;
	cache->address_count = 0;
}

static bool same_stack(uint32_t id, const void *wanted, const void *owner)
{
	const struct stack_cache *cache = owner;
	const struct stack_cache_key *key = wanted;
	const struct entry *entry = &cache->entries[id - 1];

	return entry->process_id == key->process_id && entry->generation == key->generation &&
	       entry->address_count == key->address_count &&
	       entry->kernel_count == key->kernel_count &&
	       memcmp(cache->addresses + entry->first, key->addresses,
		      key->address_count * sizeof(*key->addresses)) == 0;
}

uint32_t stack_cache_find(const struct stack_cache *cache, const struct stack_cache_key *key,
			  uint64_t *ret_hash)
{
	uint64_t hash = hash_bytes(key->addresses, key->address_count * sizeof(*key->addresses));
	uint32_t id;

	*ret_hash = hash ^ hash_u64(key->process_id ^ key->generation << 32);
	id = hash_index_find(&cache->index, *ret_hash, same_stack, key, cache);
	return id ? cache->entries[id - 1].stack_id : 0;
}

void stack_cache_add(struct stack_cache *cache, const struct stack_cache_key *key, uint64_t hash,
		     uint32_t stack_id)
{
	if (key->address_count > cache->addresses_max)
		return;
	if (cache->entry_count == cache->entries_max ||
	    key->address_count > cache->addresses_max - cache->address_count)
		stack_cache_clear(cache);
	if (hash_index_add(&cache->index, hash, cache->entry_count + 1) != 0)
		return;
	cache->entries[cache->entry_count++] = (struct entry){
		.process_id = key->process_id,
		.generation = key->generation,
		.first = cache->address_count,
		.stack_id = stack_id,
		.kernel_count = key->kernel_count,
		.address_count = key->address_count,
	};
	memcpy(cache->addresses + cache->address_count, key->addresses,
	       key->address_count * sizeof(*key->addresses));
	cache->address_count += key->address_count;
}
