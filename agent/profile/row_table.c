/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/row_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_LEAST = 64 };

struct row_table row_table_of(uint32_t row_size, uint32_t key_size, uint32_t rows_max)
{
	return (struct row_table){
		.row_size = row_size,
		.key_size = key_size,
		.rows_max = rows_max,
		.index = hash_index_with_max(rows_max),
	};
}

void row_table_free(struct row_table *table)
{
	free(table->rows);
	hash_index_free(&table->index);
	*table = row_table_of(table->row_size, table->key_size, table->rows_max);
}

void row_table_clear(struct row_table *table)
{
	hash_index_clear(&table->index);
	table->row_count = 0;
}

static bool same_key(uint32_t id, const void *wanted, const void *owner)
{
	const struct row_table *table = owner;

	return memcmp(row_table_row(table, id), wanted, table->key_size) == 0;
}

static int make_room(struct row_table *table)
{
	uint32_t capacity = table->capacity ? table->capacity * 2 : ROWS_LEAST;
	uint8_t *rows;

	if (table->row_count < table->capacity)
		return 0;
	if (table->row_count >= table->rows_max)
		return ROW_TABLE_FULL;
	if (capacity > table->rows_max)
		capacity = table->rows_max;
	rows = realloc(table->rows, (size_t)capacity * table->row_size);
	if (!rows)
		return -ENOMEM;
	table->rows = rows;
	table->capacity = capacity;
	return 0;
}

uint32_t row_table_find(const struct row_table *table, const void *row)
{
	return hash_index_find(&table->index, hash_bytes(row, table->key_size), same_key, row,
			       table);
}

int row_table_add(struct row_table *table, const void *row, uint32_t *ret_id)
{
	uint64_t hash = hash_bytes(row, table->key_size);
	uint32_t id = hash_index_find(&table->index, hash, same_key, row, table);
	int r;

	if (id) {
		*ret_id = id;
		return 0;
	}
	r = make_room(table);
	if (r)
		return r;
	r = hash_index_add(&table->index, hash, table->row_count + 1);
	if (r < 0)
		return r;
	memcpy(table->rows + (size_t)table->row_count * table->row_size, row, table->row_size);
	table->row_count++;
	*ret_id = table->row_count;
	return 0;
}

void row_table_seal(struct row_table *table)
{
	size_t size = (size_t)table->row_count * table->row_size;
	uint8_t *rows = size ? realloc(table->rows, size) : NULL;

	hash_index_free(&table->index);
	/* Where less memory is refused the rows stay where they are. */
	if (!rows)
		return;
	table->rows = rows;
	table->capacity = table->row_count;
}

size_t row_table_memory(const struct row_table *table)
{
	return (size_t)table->capacity * table->row_size +
	       (size_t)table->index.slot_count * sizeof(*table->index.slots);
}
