/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/symbol_table_builder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash_index.h"
#include "elf/symbol_table.h"

enum { SYMBOLS_LEAST = 1024 };

struct entry {
	uint64_t start;
	uint64_t end; /* for an unsized one: its limit */
	const char *name;
	uint32_t name_size; /* 0: a boundary */
	uint16_t module;
	uint8_t rank;	     /* the higher one names the address; see rank_of() */
	uint8_t underscores; /* in front of the name */
};

_Static_assert(sizeof(struct entry) == 32, "a large table is sorted in memory");

struct module {
	const char *name;
	size_t name_size;
};

struct symbol_table_builder {
	struct entry *entries;
	size_t entry_count;
	size_t capacity;
	size_t names_size; /* of all entries */
	uint32_t left_out_count;
	uint32_t cut_name_count;
	struct module *modules;
	uint16_t module_count;
	struct hash_index module_index;
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
	builder->module_index = hash_index_with_max(SYMBOL_TABLE_MODULES_MAX);
	*ret_builder = builder;
	return 0;
}

void symbol_table_builder_free(struct symbol_table_builder *builder)
{
	if (!builder)
		return;
	free(builder->entries);
	free(builder->modules);
	hash_index_free(&builder->module_index);
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

static bool module_equal(uint32_t id, const void *wanted, const void *owner)
{
	const struct module *module =
		&((const struct symbol_table_builder *)owner)->modules[id - 1];
	const struct module *other = wanted;

	return module->name_size == other->name_size &&
	       memcmp(module->name, other->name, other->name_size) == 0;
}

uint16_t symbol_table_builder_module(struct symbol_table_builder *builder, const char *name,
				     size_t name_size)
{
	struct module wanted = { .name = name, .name_size = name_size };
	struct module *modules = builder->modules;
	uint64_t hash = hash_bytes(name, name_size);
	uint32_t id = hash_index_find(&builder->module_index, hash, module_equal, &wanted, builder);

	if (id)
		return (uint16_t)id;
	if (builder->module_count == SYMBOL_TABLE_MODULES_MAX || name_size > SYMBOL_NAME_SIZE_MAX)
		return 0;
	/* Room for a power of two of them: it grows whenever that many are there. */
	if (!(builder->module_count & (builder->module_count - 1))) {
		size_t capacity = builder->module_count ? 2 * (size_t)builder->module_count : 1;

		modules = reallocarray(modules, capacity, sizeof(*modules));
		if (!modules)
			return 0;
		builder->modules = modules;
	}
	modules[builder->module_count] = wanted;
	if (hash_index_add(&builder->module_index, hash, builder->module_count + 1u))
		return 0;
	return ++builder->module_count;
}

static uint8_t rank_of(const struct symbol_source *source)
{
	if (!source->name_size)
		return 0;
	return (uint8_t)(1 + source->binding + (source->size ? 4 : 0) + (source->is_label ? 0 : 8));
}

static bool is_unsized(const struct entry *entry)
{
	return !entry->rank || !((entry->rank - 1) & 4);
}

int symbol_table_builder_add(struct symbol_table_builder *builder,
			     const struct symbol_source *source)
{
	size_t name_size = source->name_size;
	struct entry entry = {
		.start = source->start,
		.end = source->start + source->size,
		.name = source->name,
		.module = source->module,
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

/*
 * Leaves one entry for each start: the first, with the longest of the sizes. Unsized entries end at
 * the next start.
 */
static void resolve_aliases(struct symbol_table_builder *builder)
{
	struct entry *entries = builder->entries, *kept = NULL;
	bool kept_is_unsized = false;
	size_t kept_count = 0;

	for (size_t i = 0; i < builder->entry_count; i++) {
		struct entry entry = entries[i];

		if (!kept || kept->start != entry.start) {
			if (kept && kept_is_unsized && kept->end > entry.start)
				kept->end = entry.start;
			kept = &entries[kept_count++];
			*kept = entry;
			kept_is_unsized = is_unsized(&entry);
		} else if (!is_unsized(&entry) && (kept_is_unsized || entry.end > kept->end)) {
			/* A function without size beside a label with one: the size is meant for both. */
			kept->end = entry.end;
			kept->rank = (uint8_t)(((kept->rank - 1) | 4) + 1);
			kept_is_unsized = false;
		}
	}
	builder->entry_count = kept_count;
}

/* Writes the row of the part [@from, @to) of an entry. */
static void write_row(struct output *output, struct open_entry *open, uint64_t from, uint64_t to)
{
	const struct entry *entry = open->entry;
	struct symbol_table_row row = { .module = entry->module };
	uint64_t lead = from - entry->start;

	if (from >= to || !entry->name_size)
		return;
	if (output->row_count == SYMBOL_TABLE_ROWS_MAX || lead > UINT32_MAX) {
		output->left_out_count++;
		return;
	}
	if (!open->has_name) {
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

/*
 * Cuts overlapping entries into rows that don't overlap, from low to high addresses. `open` is a
 * stack of the entries that began before @position, each inside or across the end of the one below.
 */
static int write_rows(const struct symbol_table_builder *builder, struct output *output)
{
	CLEANUP(memory_free) struct open_entry *open = NULL;
	size_t open_count = 0;
	uint64_t position = 0;

	open = reallocarray(NULL, builder->entry_count + 1, sizeof(*open));
	if (!open)
		return -ENOMEM;
	for (size_t i = 0; i <= builder->entry_count; i++) {
		const struct entry *entry = i < builder->entry_count ? &builder->entries[i] : NULL;
		uint64_t start = entry ? entry->start : UINT64_MAX;

		for (; open_count && open[open_count - 1].entry->end <= start; open_count--) {
			write_row(output, &open[open_count - 1], position,
				  open[open_count - 1].entry->end);
			if (position < open[open_count - 1].entry->end)
				position = open[open_count - 1].entry->end;
		}
		if (!entry || (open_count && is_unsized(entry)))
			continue;
		if (open_count)
			write_row(output, &open[open_count - 1], position, start);
		position = start;
		open[open_count++] = (struct open_entry){ .entry = entry };
	}
	return 0;
}

static void write_modules(const struct symbol_table_builder *builder, struct bytes_writer *strings,
			  struct symbol_table_module *modules)
{
	for (uint16_t i = 0; i < builder->module_count; i++) {
		modules[i] = (struct symbol_table_module){
			.name = (uint32_t)strings->size,
			.name_size = (uint32_t)builder->modules[i].name_size,
		};
		bytes_write(strings, builder->modules[i].name, builder->modules[i].name_size);
	}
}

static int write_table(const struct symbol_table_builder *builder, const struct build_id *build_id,
		       const struct output *output, const struct symbol_table_module *modules,
		       struct bytes_writer *ret_table)
{
	struct symbol_table_header header = {
		.magic = SYMBOL_TABLE_MAGIC,
		.row_count = output->row_count,
		.module_count = builder->module_count,
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
	bytes_write(ret_table, modules, builder->module_count * sizeof(*modules));
	bytes_write(ret_table, output->strings.bytes, output->strings.size);
	return ret_table->failed ? -EFBIG : 0;
}

int symbol_table_builder_finish(struct symbol_table_builder *builder,
				const struct build_id *build_id, struct bytes_writer *ret_table)
{
	CLEANUP(memory_free) struct symbol_table_module *modules = NULL;
	size_t modules_size = 0;
	struct output output;
	int r;

	for (uint16_t i = 0; i < builder->module_count; i++)
		modules_size += builder->modules[i].name_size;
	if (modules_size > SYMBOL_TABLE_STRINGS_SIZE_MAX)
		return -EFBIG;
	modules = calloc(builder->module_count + 1u, sizeof(*modules));
	if (!modules)
		return -ENOMEM;
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
	write_modules(builder, &output.strings, modules);
	r = write_rows(builder, &output);
	if (!r && (output.starts.failed || output.rows.failed || output.strings.failed))
		r = -ENOMEM;
	if (!r)
		r = write_table(builder, build_id, &output, modules, ret_table);
	bytes_writer_free(&output.starts);
	bytes_writer_free(&output.rows);
	bytes_writer_free(&output.strings);
	return r;
}
