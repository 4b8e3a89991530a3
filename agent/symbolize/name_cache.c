/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/name_cache.h"

#include <errno.h>
#include <stdlib.h>

int name_cache_open(struct name_cache *ret_cache)
{
	struct name_cache cache = { 0 };

	for (int i = 0; i < 2; i++) {
		struct name_cache_half *half = &cache.halves[i];

		half->index = hash_index_with_max(NAME_CACHE_NAMES_MAX);
		half->text = bytes_writer_with_max(NAME_CACHE_BYTES_MAX);
		half->rows = calloc(NAME_CACHE_NAMES_MAX, sizeof(*half->rows));
		if (!half->rows) {
			name_cache_close(&cache);
			return -ENOMEM;
		}
	}
	*ret_cache = cache;
	return 0;
}

void name_cache_close(struct name_cache *cache)
{
	for (int i = 0; i < 2; i++) {
		hash_index_free(&cache->halves[i].index);
		bytes_writer_free(&cache->halves[i].text);
		free(cache->halves[i].rows);
	}
	*cache = (struct name_cache){ 0 };
}

static bool row_is(uint32_t id, const void *wanted, const void *owner)
{
	const struct name_cache_half *half = owner;

	return half->rows[id - 1].key == *(const uint64_t *)wanted;
}

static const struct name_cache_row *find_in(const struct name_cache_half *half, uint64_t key)
{
	uint32_t id = hash_index_find(&half->index, hash_u64(key), row_is, &key, half);

	return id ? &half->rows[id - 1] : NULL;
}

static const char *text_of(const struct name_cache_half *half, const struct name_cache_row *row)
{
	return row->size ? (const char *)half->text.bytes + row->place : "";
}

bool name_cache_find(struct name_cache *cache, uint64_t key, const char **ret_name,
		     uint32_t *ret_size)
{
	const struct name_cache_half *half = &cache->halves[cache->young];
	const struct name_cache_row *row = find_in(half, key);

	if (!row) {
		half = &cache->halves[!cache->young];
		row = find_in(half, key);
		if (!row)
			return false;
		/* Moving it may drop the half that it is in: only while there is room for it. */
		if (cache->halves[cache->young].count < NAME_CACHE_NAMES_MAX &&
		    cache->halves[cache->young].text.size + row->size <= NAME_CACHE_BYTES_MAX)
			name_cache_put(cache, key, text_of(half, row), row->size);
	}
	*ret_name = text_of(half, row);
	*ret_size = row->size;
	return true;
}

static void clear_half(struct name_cache_half *half)
{
	hash_index_clear(&half->index);
	bytes_writer_clear(&half->text);
	half->count = 0;
}

void name_cache_clear(struct name_cache *cache)
{
	clear_half(&cache->halves[0]);
	clear_half(&cache->halves[1]);
}

static void turn(struct name_cache *cache)
{
	cache->young = !cache->young;
	clear_half(&cache->halves[cache->young]);
}

void name_cache_put(struct name_cache *cache, uint64_t key, const char *name, uint32_t size)
{
	struct name_cache_half *half = &cache->halves[cache->young];

	if (size > NAME_CACHE_BYTES_MAX)
		return;
	if (half->count == NAME_CACHE_NAMES_MAX || half->text.size + size > NAME_CACHE_BYTES_MAX) {
		turn(cache);
		half = &cache->halves[cache->young];
	}
	half->rows[half->count] = (struct name_cache_row){
		.key = key,
		.place = (uint32_t)half->text.size,
		.size = size,
	};
	bytes_write(&half->text, name, size);
	if (half->text.failed) {
		turn(cache); /* no memory: begin anew with what there is */
		return;
	}
	if (hash_index_add(&half->index, hash_u64(key), half->count + 1) == 0)
		half->count++;
}
