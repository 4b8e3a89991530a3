/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names by key, the recently used ones: two halves, of which the older is dropped when the younger
 * is full; what is found in the older one moves over. Bounded. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_NAME_CACHE_H
#define FLICKERSCOPE_NAME_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/hash_index.h"

enum name_cache_limits {
	NAME_CACHE_NAMES_MAX = 32768,	/* in each half */
	NAME_CACHE_BYTES_MAX = 8 << 20, /* of text in each half */
};

struct name_cache_row {
	uint64_t key;
	uint32_t place; /* in the text */
	uint32_t size;
};

struct name_cache_half {
	struct hash_index index; /* by key; ids are indexes of rows, from 1 */
	struct name_cache_row *rows;
	uint32_t count;
	struct bytes_writer text;
};

struct name_cache {
	struct name_cache_half halves[2];
	uint32_t young; /* index of the half that is being filled */
};

int name_cache_open(struct name_cache *ret_cache); /* 0 or -ENOMEM */
void name_cache_close(struct name_cache *cache);

/* Forgets all names. */
void name_cache_clear(struct name_cache *cache);

/* The name is borrowed until the next call; it may be empty. */
bool name_cache_find(struct name_cache *cache, uint64_t key, const char **ret_name,
		     uint32_t *ret_size);

/* Copies the name. Without memory it is not remembered. */
void name_cache_put(struct name_cache *cache, uint64_t key, const char *name, uint32_t size);

#endif
