/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/provisional_names.h"

#include <stdlib.h>

enum { CAPACITY_LEAST = 16 };

void provisional_names_free(struct provisional_names *names)
{
	hash_index_free(&names->index);
	free(names->rows);
	*names = (struct provisional_names){ 0 };
}

static bool row_is(uint32_t id, const void *wanted, const void *owner)
{
	const struct provisional_names *names = owner;

	return names->rows[id - 1].place == *(const uint64_t *)wanted;
}

uint64_t provisional_names_find(const struct provisional_names *names, uint64_t place)
{
	uint32_t id = hash_index_find(&names->index, hash_u64(place), row_is, &place, names);

	return id ? names->rows[id - 1].key : 0;
}

static bool reserve(struct provisional_names *names)
{
	uint32_t capacity = names->capacity ? names->capacity * 2 : CAPACITY_LEAST;
	struct provisional_name *rows;

	if (names->count < names->capacity)
		return true;
	rows = reallocarray(names->rows, capacity, sizeof(*rows));
	if (!rows)
		return false;
	names->rows = rows;
	names->capacity = capacity;
	return true;
}

bool provisional_names_add(struct provisional_names *names, uint64_t place, uint64_t key)
{
	return provisional_names_add_at(names, place, key, 0);
}

bool provisional_names_add_at(struct provisional_names *names, uint64_t place, uint64_t key,
			      uint64_t time_ns)
{
	if (!names->index.entries_max)
		names->index = hash_index_with_max(PROVISIONAL_NAMES_MAX);
	if (!reserve(names) ||
	    hash_index_add(&names->index, hash_u64(place), names->count + 1) != 0)
		return false;
	names->rows[names->count++] = (struct provisional_name){
		.place = place,
		.key = key,
		.time_ns = time_ns,
	};
	return true;
}

bool provisional_names_take(struct provisional_names *names, struct provisional_name *ret_name)
{
	if (!names->count)
		return false;
	*ret_name = names->rows[--names->count];
	if (!names->count)
		provisional_names_free(names);
	return true;
}
