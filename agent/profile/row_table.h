/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives every distinct row of fixed size an id: modules, functions, frames, stacks and threads of a
 * segment are such tables.
 *
 * Ids count up from 1 in the order of adding; 0 means none. Rows are compared by their first
 * key_size bytes, which must have no padding. Bounded by rows_max. Owned by one thread.
 */
#ifndef FLICKERSCOPE_ROW_TABLE_H
#define FLICKERSCOPE_ROW_TABLE_H

#include <stdint.h>

#include "base/hash_index.h"

enum row_table_outcome {
	ROW_TABLE_FULL = 1,
};

struct row_table {
	uint8_t *rows; /* owned */
	uint32_t row_size;
	uint32_t key_size;
	uint32_t row_count;
	uint32_t capacity;
	uint32_t rows_max;
	struct hash_index index;
};

struct row_table row_table_of(uint32_t row_size, uint32_t key_size, uint32_t rows_max);
void row_table_free(struct row_table *table);
void row_table_clear(struct row_table *table); /* keeps the memory */

/*
 * Gives back what only adding and finding need, a half of the memory and more: from here on rows
 * are read by their ids until the table is freed.
 */
void row_table_seal(struct row_table *table);

/* The id of the row with @row's key, or 0. */
uint32_t row_table_find(const struct row_table *table, const void *row);

/*
 * Finds the row with @row's key, or adds a copy of @row.
 *
 * Returns 0, ROW_TABLE_FULL or -ENOMEM.
 */
int row_table_add(struct row_table *table, const void *row, uint32_t *ret_id);

/* The row with @id, from 1 to row_count; borrowed until the next row is added. */
static inline const void *row_table_row(const struct row_table *table, uint32_t id)
{
	return table->rows + (size_t)(id - 1) * table->row_size;
}

size_t row_table_memory(const struct row_table *table);

#endif
