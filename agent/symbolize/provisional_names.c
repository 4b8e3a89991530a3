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

static uint64_t hash_of(uint64_t place, uint64_t era)
{
	return hash_u64(place ^ hash_u64(era));
}

static bool row_is(uint32_t id, const void *wanted, const void *owner)
{
	const struct provisional_name *row =
		&((const struct provisional_names *)owner)->rows[id - 1];
	const struct provisional_name *name = wanted;

	return row->place == name->place && row->era == name->era;
}

uint64_t provisional_names_find(const struct provisional_names *names, uint64_t place)
{
	return provisional_names_find_in(names, place, 0);
}

uint64_t provisional_names_find_in(const struct provisional_names *names, uint64_t place,
				   uint64_t era)
{
	const struct provisional_name wanted = { .place = place, .era = era };
	uint32_t id = hash_index_find(&names->index, hash_of(place, era), row_is, &wanted, names);

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
	return provisional_names_put(names,
				     &(struct provisional_name){ .place = place, .key = key });
}

bool provisional_names_put(struct provisional_names *names, const struct provisional_name *name)
{
	if (!names->index.entries_max)
		names->index = hash_index_with_max(PROVISIONAL_NAMES_MAX);
	if (!reserve(names) ||
	    hash_index_add(&names->index, hash_of(name->place, name->era), names->count + 1) != 0)
		return false;
	names->rows[names->count++] = *name;
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
