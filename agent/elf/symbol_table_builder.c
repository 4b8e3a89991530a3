/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/symbol_table_builder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf/symbol_table.h"

enum { SYMBOLS_LEAST = 1024 };

struct entry {
	uint64_t start;
	uint64_t end; /* for an unsized one: its limit */
	const char *name;
	uint32_t name_size;  /* 0: a boundary */
	uint8_t rank;	     /* the higher one names the address: enum rank */
	uint8_t underscores; /* in front of the name */
};

_Static_assert(sizeof(struct entry) == 32, "a large table is sorted in memory");

struct symbol_table_builder {
	struct entry *entries;
	size_t entry_count;
	size_t capacity;
	size_t names_size; /* of all entries */
	uint32_t left_out_count;
	uint32_t cut_name_count;
};

/* What is under construction in symbol_table_builder_finish(). */
struct output {
	struct bytes_writer starts;
	struct bytes_writer rows;
	struct bytes_writer strings;
	uint64_t address_end;
	uint32_t row_count;
	uint32_t left_out_count;
};

/* An entry whose end is not known yet is open; `name` is its place in the strings, once it has. */
struct open_entry {
	const struct entry *entry;
	uint32_t name;
	bool has_name;
};

int symbol_table_builder_new(struct symbol_table_builder **ret_builder)
{
	struct symbol_table_builder *builder = calloc(1, sizeof(*builder));

	if (!builder)
		return -ENOMEM;
	*ret_builder = builder;
	return 0;
}

void symbol_table_builder_free(struct symbol_table_builder *builder)
{
	if (!builder)
		return;
	free(builder->entries);
	free(builder);
}

int symbol_table_builder_reserve(struct symbol_table_builder *builder, size_t count)
{
	size_t capacity = builder->capacity ? builder->capacity : SYMBOLS_LEAST;
	struct entry *entries;

	if (count > SYMBOL_BUILDER_SYMBOLS_MAX - builder->entry_count)
		count = SYMBOL_BUILDER_SYMBOLS_MAX - builder->entry_count;
	if (count <= builder->capacity - builder->entry_count)
		return 0;
	while (capacity < builder->entry_count + count)
		capacity *= 2;
	entries = reallocarray(builder->entries, capacity, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	builder->entries = entries;
	builder->capacity = capacity;
	return 0;
}

/* Of entries at one start, those of the higher ranks come first. */
enum rank {
	RANK_BOUNDARY = 0, /* no size, no name */
	RANK_UNNAMED = 1,
	RANK_NAMED = 2, /* plus the binding, and ... */
	RANK_SIZED = 4,
	RANK_FUNCTION = 8,
};

static uint8_t rank_of(const struct symbol_source *source)
{
	if (!source->name_size)
		return source->size ? RANK_UNNAMED : RANK_BOUNDARY;
	return (uint8_t)(RANK_NAMED + source->binding + (source->size ? RANK_SIZED : 0) +
			 (source->is_label ? 0 : RANK_FUNCTION));
}

static bool is_named(const struct entry *entry)
{
	return entry->rank >= RANK_NAMED;
}

static bool is_unsized(const struct entry *entry)
{
	return entry->rank == RANK_BOUNDARY ||
	       (is_named(entry) && !((entry->rank - RANK_NAMED) & RANK_SIZED));
}

int symbol_table_builder_add(struct symbol_table_builder *builder,
			     const struct symbol_source *source)
{
	size_t name_size = source->name_size;
	struct entry entry = {
		.start = source->start,
		.end = source->start + source->size,
		.name = source->name,
		.rank = rank_of(source),
	};
	int r;

	if (name_size > SYMBOL_NAME_SIZE_MAX) {
		name_size = SYMBOL_NAME_SIZE_MAX;
		builder->cut_name_count++;
	}
	if (builder->entry_count == SYMBOL_BUILDER_SYMBOLS_MAX ||
	    name_size > SYMBOL_BUILDER_NAMES_SIZE_MAX - builder->names_size) {
		builder->left_out_count++;
		return 0;
	}
	r = symbol_table_builder_reserve(builder, 1);
	if (r < 0)
		return r;
	if (entry.end < entry.start)
		entry.end = UINT64_MAX;
	if (!source->size)
		entry.end = source->limit > source->start ? source->limit : source->start;
	entry.name_size = (uint32_t)name_size;
	while (entry.underscores < name_size && entry.underscores < UINT8_MAX &&
	       entry.name[entry.underscores] == '_')
		entry.underscores++;
	builder->names_size += name_size;
	builder->entries[builder->entry_count++] = entry;
	return 0;
}

/* By start; at one start the best name first. */
static int compare_entries(const void *left_pointer, const void *right_pointer)
{
	const struct entry *left = left_pointer, *right = right_pointer;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	if (left->rank != right->rank)
		return left->rank > right->rank ? -1 : 1;
	if (left->underscores != right->underscores)
		return left->underscores < right->underscores ? -1 : 1;
	if (left->name_size != right->name_size)
		return left->name_size < right->name_size ? -1 : 1;
	return left->name_size ? memcmp(left->name, right->name, left->name_size) : 0;
}

/* Adds what is known of @other, at the same start, to @entry. */
static void merge_alias(struct entry *entry, const struct entry *other)
{
	if (is_unsized(other) || (!is_unsized(entry) && other->end <= entry->end))
		return;
	entry->end = other->end;
	/* A function without size beside a label with one: the size is meant for both. */
	if (is_unsized(entry))
		entry->rank = (uint8_t)(entry->rank + RANK_SIZED);
}

/*
 * Leaves one named entry for each start, the first, with the longest of the sizes, and one without
 * a name behind it, which may be longer. Unsized ones end at the next start.
 */
static void resolve_aliases(struct symbol_table_builder *builder)
{
	struct entry *entries = builder->entries, *first = NULL, *kept = NULL;
	size_t kept_count = 0;

	for (size_t i = 0; i < builder->entry_count; i++) {
		struct entry entry = entries[i];
		bool is_new_start = !kept || kept->start != entry.start;

		if (is_new_start && first && is_unsized(first) && first->end > entry.start)
			first->end = entry.start;
		if (!is_new_start &&
		    (entry.rank == RANK_BOUNDARY || is_named(kept) == is_named(&entry))) {
			merge_alias(kept, &entry);
			continue;
		}
		kept = &entries[kept_count++];
		*kept = entry;
		if (is_new_start)
			first = kept;
	}
	builder->entry_count = kept_count;
}

/* Writes the row of the part [@from, @to) of an entry. */
static void write_row(struct output *output, struct open_entry *open, uint64_t from, uint64_t to)
{
	const struct entry *entry = open->entry;
	struct symbol_table_row row = { 0 };
	uint64_t lead = from - entry->start;

	if (from >= to)
		return;
	if (output->row_count == SYMBOL_TABLE_ROWS_MAX || lead > UINT32_MAX) {
		output->left_out_count++;
		return;
	}
	if (entry->name_size && !open->has_name) {
		void *name;

		if (entry->name_size > output->strings.size_max - output->strings.size) {
			output->left_out_count++;
			return;
		}
		open->name = (uint32_t)output->strings.size;
		name = bytes_writer_extend(&output->strings, entry->name_size);
		if (!name)
			return; /* out of memory: noticed at the end */
		memcpy(name, entry->name, entry->name_size);
		open->has_name = true;
	}
	row.length = to - from > UINT32_MAX ? UINT32_MAX : (uint32_t)(to - from);
	row.lead = (uint32_t)lead;
	row.name = open->name;
	row.name_size = (uint16_t)entry->name_size;
	bytes_write(&output->starts, &from, sizeof(from));
	bytes_write(&output->rows, &row, sizeof(row));
	output->row_count++;
	output->address_end = from + row.length;
}

/* What write_rows() is doing: everything below `position` has its rows. */
struct sweep {
	struct open_entry
		*open; /* a stack of entries, each inside or across the end of the one below */
	size_t open_count;
	struct open_entry unnamed; /* the last one that began; below all of those */
	uint64_t position;
};

/* Ends the entries that end at @start or before. */
static void end_entries(struct sweep *sweep, uint64_t start, struct output *output)
{
	for (; sweep->open_count; sweep->open_count--) {
		struct open_entry *top = &sweep->open[sweep->open_count - 1];

		if (top->entry->end > start)
			return;
		write_row(output, top, sweep->position, top->entry->end);
		if (sweep->position < top->entry->end)
			sweep->position = top->entry->end;
	}
}

/* Gives what is left up to @start to the entry that is open, or to the one without a name. */
static void fill_up_to(struct sweep *sweep, uint64_t start, struct output *output)
{
	if (sweep->open_count) {
		write_row(output, &sweep->open[sweep->open_count - 1], sweep->position, start);
	} else if (sweep->unnamed.entry) {
		uint64_t end = sweep->unnamed.entry->end;

		write_row(output, &sweep->unnamed, sweep->position, end < start ? end : start);
	}
	sweep->position = start;
}

/* Cuts overlapping entries into rows that don't overlap, from low to high addresses. */
static int write_rows(const struct symbol_table_builder *builder, struct output *output)
{
	CLEANUP(memory_free) struct open_entry *open = NULL;
	struct sweep sweep = { 0 };

	open = reallocarray(NULL, builder->entry_count + 1, sizeof(*open));
	if (!open)
		return -ENOMEM;
	sweep.open = open;
	for (size_t i = 0; i < builder->entry_count; i++) {
		const struct entry *entry = &builder->entries[i];

		end_entries(&sweep, entry->start, output);
		if (sweep.open_count && is_unsized(entry))
			continue; /* a label, or a boundary, inside a function */
		fill_up_to(&sweep, entry->start, output);
		if (entry->rank == RANK_UNNAMED)
			sweep.unnamed = (struct open_entry){ .entry = entry };
		else if (is_named(entry))
			open[sweep.open_count++] = (struct open_entry){ .entry = entry };
	}
	end_entries(&sweep, UINT64_MAX, output);
	fill_up_to(&sweep, UINT64_MAX, output);
	return 0;
}

static int write_table(const struct symbol_table_builder *builder, const struct build_id *build_id,
		       const struct output *output, struct bytes_writer *ret_table)
{
	struct symbol_table_header header = {
		.magic = SYMBOL_TABLE_MAGIC,
		.row_count = output->row_count,
		.strings_size = (uint32_t)output->strings.size,
		.left_out_count = builder->left_out_count + output->left_out_count,
		.cut_name_count = builder->cut_name_count,
		.address_end = output->address_end,
	};

	if (output->row_count)
		memcpy(&header.address_min, output->starts.bytes, sizeof(header.address_min));
	if (build_id)
		header.build_id = *build_id;
	bytes_write(ret_table, &header, sizeof(header));
	bytes_write(ret_table, output->starts.bytes, output->starts.size);
	bytes_write(ret_table, output->rows.bytes, output->rows.size);
	bytes_write(ret_table, output->strings.bytes, output->strings.size);
	return ret_table->failed ? -EFBIG : 0;
}

int symbol_table_builder_finish(struct symbol_table_builder *builder,
				const struct build_id *build_id, struct bytes_writer *ret_table)
{
	struct output output;
	int r;

	if (builder->entry_count)
		qsort(builder->entries, builder->entry_count, sizeof(struct entry),
		      compare_entries);
	resolve_aliases(builder);

	output = (struct output){
		.starts = bytes_writer_with_max(SYMBOL_TABLE_ROWS_MAX * sizeof(uint64_t)),
		.rows = bytes_writer_with_max(SYMBOL_TABLE_ROWS_MAX *
					      sizeof(struct symbol_table_row)),
		.strings = bytes_writer_with_max(SYMBOL_TABLE_STRINGS_SIZE_MAX),
	};
	r = write_rows(builder, &output);
	if (!r && (output.starts.failed || output.rows.failed || output.strings.failed))
		r = -ENOMEM;
	if (!r)
		r = write_table(builder, build_id, &output, ret_table);
	bytes_writer_free(&output.starts);
	bytes_writer_free(&output.rows);
	bytes_writer_free(&output.strings);
	return r;
}
