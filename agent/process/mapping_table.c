/* SPDX-License-Identifier: Apache-2.0 */
#include "process/mapping_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "process/executable_table.h"

enum { CAPACITY_LEAST = 8, SPLIT_ROWS = 2 };

struct mapping_table {
	struct mapping_budget *budget;
	uint32_t reference_count;
	uint32_t count;
	uint32_t capacity;
	struct mapping *rows; /* owned, by start */
};

/* Index of the first mapping that ends above @address; count when there is none. */
static uint32_t find_index(const struct mapping_table *table, uint64_t address)
{
	uint32_t low = 0, high = table->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table->rows[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct mapping *mapping_table_find(const struct mapping_table *table, uint64_t address)
{
	uint32_t index;

	if (!table)
		return NULL;
	index = find_index(table, address);
	if (index == table->count || table->rows[index].start > address)
		return NULL;
	return &table->rows[index];
}

const struct mapping *mapping_table_rows(const struct mapping_table *table, uint32_t *ret_count)
{
	*ret_count = table ? table->count : 0;
	return table ? table->rows : NULL;
}

void mapping_table_release(struct mapping_table *table)
{
	if (!table || --table->reference_count)
		return;
	for (uint32_t i = 0; i < table->count; i++)
		executable_release(table->rows[i].executable);
	table->budget->rows -= table->capacity;
	free(table->rows);
	free(table);
}

static struct mapping_table *table_new(struct mapping_budget *budget, uint32_t capacity)
{
	struct mapping_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->rows = calloc(capacity, sizeof(*table->rows));
	if (!table->rows) {
		free(table);
		return NULL;
	}
	table->budget = budget;
	table->reference_count = 1;
	table->capacity = capacity;
	budget->rows += capacity;
	return table;
}

static struct mapping_table *table_copy(const struct mapping_table *table, uint32_t room)
{
	struct mapping_table *copy = table_new(table->budget, table->count + room);

	if (!copy)
		return NULL;
	copy->count = table->count;
	for (uint32_t i = 0; i < table->count; i++) {
		copy->rows[i] = table->rows[i];
		executable_take_again(copy->rows[i].executable);
	}
	return copy;
}

struct mapping_table *mapping_table_fork(struct mapping_table *table, uint64_t time_ns)
{
	struct mapping_table *copy;
	bool newer = false;

	for (uint32_t i = 0; table && i < table->count; i++)
		newer |= table->rows[i].time_ns > time_ns;
	if (!table || !newer) {
		if (table)
			table->reference_count++;
		return table;
	}
	copy = table_copy(table, 1);
	for (uint32_t i = 0; copy && i < copy->count; i++)
		if (copy->rows[i].time_ns > time_ns)
			copy->rows[i].time_ns = time_ns;
	return copy;
}

/* Makes *place a table of its own. */
static int make_private(struct mapping_table **place, struct mapping_budget *budget)
{
	struct mapping_table *table = *place;

	if (table && table->reference_count == 1)
		return 0;
	table = table ? table_copy(table, SPLIT_ROWS) : table_new(budget, CAPACITY_LEAST);
	if (!table)
		return -ENOMEM;
	mapping_table_release(*place);
	*place = table;
	return 0;
}

/* Room for a mapping and for the second half of one that it splits. */
static int reserve(struct mapping_table *table)
{
	uint32_t capacity = table->capacity * 2;
	struct mapping *rows;

	if (table->count + SPLIT_ROWS <= table->capacity)
		return 0;
	if (table->count + SPLIT_ROWS > MAPPINGS_MAX ||
	    table->budget->rows + table->capacity > table->budget->rows_max)
		return MAPPING_TABLE_FULL;
	if (capacity < CAPACITY_LEAST)
		capacity = CAPACITY_LEAST;
	rows = reallocarray(table->rows, capacity, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	table->budget->rows += capacity - table->capacity;
	table->rows = rows;
	table->capacity = capacity;
	return 0;
}

static void remove_rows(struct mapping_table *table, uint32_t index, uint32_t count)
{
	for (uint32_t i = index; i < index + count; i++)
		executable_release(table->rows[i].executable);
	memmove(&table->rows[index], &table->rows[index + count],
		(table->count - index - count) * sizeof(*table->rows));
	table->count -= count;
}

static void insert_row(struct mapping_table *table, uint32_t index, const struct mapping *mapping)
{
	memmove(&table->rows[index + 1], &table->rows[index],
		(table->count - index) * sizeof(*table->rows));
	table->rows[index] = *mapping;
	table->count++;
}

static void cut_front(struct mapping *row, uint64_t start)
{
	row->file_offset += start - row->start;
	row->start = start;
}

/* Frees the range @start to @end; reserve() was called. */
static void cut(struct mapping_table *table, uint64_t start, uint64_t end)
{
	uint32_t index = find_index(table, start), covered;
	struct mapping *row = &table->rows[index];

	if (index < table->count && row->start < start) {
		if (row->end > end) {
			struct mapping rest = *row;

			cut_front(&rest, end);
			row->end = start;
			executable_take_again(rest.executable);
			insert_row(table, index + 1, &rest);
			return;
		}
		row->end = start;
		index++;
	}
	covered = index;
	while (covered < table->count && table->rows[covered].end <= end)
		covered++;
	remove_rows(table, index, covered - index);
	if (index < table->count && table->rows[index].start < end)
		cut_front(&table->rows[index], end);
}

/* Whether what is there makes @mapping superfluous: the same, or anything newer. */
static bool is_superseded(const struct mapping_table *table, const struct mapping *mapping)
{
	if (!table)
		return false;
	for (uint32_t i = find_index(table, mapping->start);
	     i < table->count && table->rows[i].start < mapping->end; i++) {
		const struct mapping *row = &table->rows[i];

		if (row->time_ns > mapping->time_ns)
			return true;
		if (row->start == mapping->start && row->end == mapping->end &&
		    row->file_offset == mapping->file_offset &&
		    row->executable == mapping->executable &&
		    row->is_main_executable == mapping->is_main_executable)
			return true;
	}
	return false;
}

static int put(struct mapping_table **place, struct mapping_budget *budget,
	       const struct mapping *mapping)
{
	int r;

	if (is_superseded(*place, mapping))
		return MAPPING_UNCHANGED;
	r = make_private(place, budget);
	if (r == 0)
		r = reserve(*place);
	if (r != 0)
		return r;
	cut(*place, mapping->start, mapping->end);
	insert_row(*place, find_index(*place, mapping->start), mapping);
	return 0;
}

int mapping_table_put(struct mapping_table **place, struct mapping_budget *budget,
		      const struct mapping *mapping)
{
	int r = put(place, budget, mapping);

	if (r != 0)
		executable_release(mapping->executable);
	return r;
}

int mapping_table_clear_before(struct mapping_table **place, struct mapping_budget *budget,
			       uint64_t time_ns)
{
	struct mapping_table *table = *place;
	uint32_t kept = 0;
	int r;

	for (uint32_t i = 0; table && i < table->count; i++)
		kept += table->rows[i].time_ns >= time_ns;
	if (!table || kept == table->count)
		return 0;
	if (!kept) {
		mapping_table_release(table);
		*place = NULL;
		return 0;
	}
	r = make_private(place, budget);
	if (r < 0)
		return r;
	table = *place;
	kept = 0;
	for (uint32_t i = 0; i < table->count; i++) {
		if (table->rows[i].time_ns >= time_ns)
			table->rows[kept++] = table->rows[i];
		else
			executable_release(table->rows[i].executable);
	}
	table->count = kept;
	return 0;
}

int mapping_table_set_main(struct mapping_table **place, struct mapping_budget *budget,
			   const struct executable *executable)
{
	struct mapping_table *table = *place;
	bool same = true;
	int r;

	for (uint32_t i = 0; table && i < table->count; i++)
		same &= table->rows[i].is_main_executable ==
			(table->rows[i].executable == executable);
	if (!table || same)
		return 0;
	r = make_private(place, budget);
	if (r < 0)
		return r;
	table = *place;
	for (uint32_t i = 0; i < table->count; i++)
		table->rows[i].is_main_executable = table->rows[i].executable == executable;
	return 0;
}
