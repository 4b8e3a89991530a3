/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/source_table_builder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/covering.h"
#include "elf/source_table.h"

/* From @start on, @scope is the innermost one; 0: none. */
struct scope_change {
	uint64_t start;
	uint32_t scope;
};

static struct bytes_writer array_of(size_t count_max, size_t size)
{
	return bytes_writer_with_max(count_max * size);
}

struct source_table_builder source_table_builder_start(void)
{
	return (struct source_table_builder){
		.ranges = array_of(SOURCE_TABLE_RANGES_MAX, sizeof(struct source_table_range)),
		.rows = array_of(SOURCE_TABLE_ROWS_MAX, sizeof(struct source_table_row)),
		.scopes = array_of(SOURCE_TABLE_SCOPES_MAX, sizeof(struct source_table_scope)),
		.functions =
			array_of(SOURCE_TABLE_FUNCTIONS_MAX, sizeof(struct source_table_function)),
		.files = array_of(SOURCE_TABLE_FILES_MAX, sizeof(struct source_table_file)),
		.strings = array_of(SOURCE_TABLE_STRINGS_SIZE_MAX, 1),
		.functions_by_key = hash_index_with_max(SOURCE_TABLE_FUNCTIONS_MAX),
		.files_by_name = hash_index_with_max(SOURCE_TABLE_FILES_MAX),
	};
}

void source_table_builder_free(struct source_table_builder *builder)
{
	bytes_writer_free(&builder->ranges);
	bytes_writer_free(&builder->rows);
	bytes_writer_free(&builder->scopes);
	bytes_writer_free(&builder->functions);
	bytes_writer_free(&builder->files);
	bytes_writer_free(&builder->strings);
	hash_index_free(&builder->functions_by_key);
	hash_index_free(&builder->files_by_name);
}

/* --- names ----------------------------------------------------------------------------------- */

/* Appends a name; false, with nothing appended, when there is no room. */
static bool add_string(struct source_table_builder *builder, const char *name, size_t size,
		       uint32_t *ret_place)
{
	*ret_place = (uint32_t)builder->strings.size;
	bytes_write(&builder->strings, name, size);
	return !builder->strings.failed;
}

/* Who builds where is nobody's business, and the last two parts tell files apart well enough. */
static const char *last_parts(const char *path)
{
	const char *name = strrchr(path, '/');

	if (!name)
		return path;
	while (name > path && name[-1] != '/')
		name--;
	return name[0] == '/' ? name + 1 : name;
}

struct wanted_file {
	const char *name;
	size_t size;
};

static bool file_is(uint32_t id, const void *wanted, const void *owner)
{
	const struct source_table_builder *builder = owner;
	const struct source_table_file *file =
		(const struct source_table_file *)builder->files.bytes + id - 1;
	const struct wanted_file *other = wanted;

	return file->name_size == other->size &&
	       memcmp(builder->strings.bytes + file->name, other->name, other->size) == 0;
}

uint32_t source_table_builder_file(struct source_table_builder *builder, const char *path)
{
	struct wanted_file wanted = { .name = last_parts(path) };
	struct source_table_file file;
	uint64_t hash;
	uint32_t id;

	wanted.size = strnlen(wanted.name, SOURCE_NAME_SIZE_MAX);
	hash = hash_bytes(wanted.name, wanted.size);
	id = hash_index_find(&builder->files_by_name, hash, file_is, &wanted, builder);
	if (id || !wanted.size || !add_string(builder, wanted.name, wanted.size, &file.name))
		return id;
	file.name_size = (uint32_t)wanted.size;
	bytes_write(&builder->files, &file, sizeof(file));
	id = (uint32_t)(builder->files.size / sizeof(file));
	if (builder->files.failed || hash_index_add(&builder->files_by_name, hash, id) != 0)
		return 0;
	return id;
}

static bool function_is(uint32_t id, const void *wanted, const void *owner)
{
	const struct source_table_builder *builder = owner;
	const struct source_table_function *functions =
		(const struct source_table_function *)builder->functions.bytes;

	return functions[id - 1].key == *(const uint64_t *)wanted;
}

uint32_t source_table_builder_find_function(const struct source_table_builder *builder,
					    uint64_t key)
{
	return hash_index_find(&builder->functions_by_key, hash_u64(key), function_is, &key,
			       builder);
}

uint32_t source_table_builder_add_function(struct source_table_builder *builder, uint64_t key,
					   const char *name, size_t name_size)
{
	struct source_table_function function = { .key = key };
	uint32_t id;

	if (name_size > SOURCE_NAME_SIZE_MAX)
		name_size = SOURCE_NAME_SIZE_MAX;
	if (!add_string(builder, name, name_size, &function.name))
		return 0;
	function.name_size = (uint32_t)name_size;
	bytes_write(&builder->functions, &function, sizeof(function));
	id = (uint32_t)(builder->functions.size / sizeof(function));
	if (builder->functions.failed ||
	    hash_index_add(&builder->functions_by_key, hash_u64(key), id) != 0)
		return 0;
	return id;
}

uint32_t source_table_builder_add_scope(struct source_table_builder *builder, uint32_t parent,
					uint32_t function, uint32_t call_file, uint32_t call_line)
{
	const struct source_table_scope scope = {
		.parent = parent,
		.function = function,
		.call_file = call_file,
		.call_line = call_line,
	};

	bytes_write(&builder->scopes, &scope, sizeof(scope));
	return builder->scopes.failed ? 0 : (uint32_t)(builder->scopes.size / sizeof(scope));
}

/* --- the innermost scope of each address ----------------------------------------------------- */

static int compare_intervals(const void *left, const void *right)
{
	const struct source_interval *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->scope < b->scope ? -1 : a->scope > b->scope;
}

static void change_scope(struct bytes_writer *changes, uint64_t start, uint32_t scope)
{
	bytes_write(changes, &(struct scope_change){ start, scope }, sizeof(struct scope_change));
}

/* What is innermost from @at on up to @limit, the start of the next interval: the latest scope. */
static void sweep(struct covering *covering, struct bytes_writer *changes, uint64_t at,
		  uint64_t limit)
{
	const struct covering_range *top;

	while (at < limit && (top = covering_top(covering, at))) {
		change_scope(changes, at, (uint32_t)top->rank);
		at = top->end;
	}
	if (at < limit)
		change_scope(changes, at, 0);
}

static int find_changes(const struct source_unit *unit, struct bytes_writer *changes)
{
	CLEANUP(covering_close) struct covering covering = { 0 };
	int r = covering_open(unit->interval_count, &covering);

	if (r < 0)
		return r;
	if (unit->interval_count)
		qsort(unit->intervals, unit->interval_count, sizeof(*unit->intervals),
		      compare_intervals);
	for (size_t i = 0; i < unit->interval_count; i++) {
		const struct source_interval *interval = &unit->intervals[i];
		uint64_t limit = i + 1 < unit->interval_count ? unit->intervals[i + 1].start
							      : UINT64_MAX;

		covering_add(&covering, (struct covering_range){ .end = interval->end,
								 .rank = interval->scope });
		sweep(&covering, changes, interval->start, limit);
	}
	return changes->failed ? -ENOMEM : 0;
}

/* --- rows ------------------------------------------------------------------------------------ */

/* Where the merge of scopes and lines has come to. */
struct merge {
	const struct source_unit *unit;
	const struct scope_change *changes;
	size_t change_count;
	size_t next_change, next_line;
	struct source_table_row row; /* what holds there */
};

/* Takes all that starts at or before @address. */
static void merge_to(struct merge *merge, uint64_t address)
{
	while (merge->next_change < merge->change_count &&
	       merge->changes[merge->next_change].start <= address)
		merge->row.scope = merge->changes[merge->next_change++].scope;
	while (merge->next_line < merge->unit->line_count &&
	       merge->unit->lines[merge->next_line].address <= address) {
		const struct source_line *line = &merge->unit->lines[merge->next_line++];

		merge->row.file = line->file;
		merge->row.line = line->file ? line->line : 0;
	}
}

/* Where something changes next; UINT64_MAX: nowhere. */
static uint64_t merge_next(const struct merge *merge)
{
	uint64_t next = UINT64_MAX;

	if (merge->next_change < merge->change_count)
		next = merge->changes[merge->next_change].start;
	if (merge->next_line < merge->unit->line_count &&
	    merge->unit->lines[merge->next_line].address < next)
		next = merge->unit->lines[merge->next_line].address;
	return next;
}

static bool row_is_like(const struct source_table_row *a, const struct source_table_row *b)
{
	return a->scope == b->scope && a->file == b->file && a->line == b->line;
}

static void add_rows(struct source_table_builder *builder, struct merge *merge,
		     const struct source_span *span)
{
	struct source_table_range range = {
		.start = span->start,
		.end = span->end,
		.first_row = (uint32_t)(builder->rows.size / sizeof(merge->row)),
	};
	struct source_table_row last = { 0 };

	for (uint64_t at = span->start; at < span->end; at = merge_next(merge)) {
		merge_to(merge, at);
		merge->row.distance = (uint32_t)(at - span->start);
		if (range.row_count && row_is_like(&merge->row, &last))
			continue;
		bytes_write(&builder->rows, &merge->row, sizeof(merge->row));
		last = merge->row;
		range.row_count++;
	}
	bytes_write(&builder->ranges, &range, sizeof(range));
}

static int compare_spans(const void *left, const void *right)
{
	const struct source_span *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->end < b->end ? -1 : a->end > b->end;
}

static int fill_spans(struct source_table_builder *builder, const struct source_unit *unit,
		      struct merge *merge)
{
	CLEANUP(memory_free)
	struct source_span *spans = calloc(unit->span_count + 1, sizeof(*spans));
	uint64_t end = 0;

	if (!spans)
		return -ENOMEM;
	if (!unit->span_count)
		return 0;
	memcpy(spans, unit->spans, unit->span_count * sizeof(*spans));
	qsort(spans, unit->span_count, sizeof(*spans), compare_spans);
	for (size_t i = 0; i < unit->span_count; i++) {
		/* The merge goes forward only; and distances have 32 bits. */
		if (spans[i].start < end || spans[i].end - spans[i].start > UINT32_MAX)
			continue;
		end = spans[i].end;
		add_rows(builder, merge, &spans[i]);
	}
	return 0;
}

void source_table_builder_add_empty(struct source_table_builder *builder,
				    const struct source_span *span)
{
	const struct source_table_range range = { .start = span->start, .end = span->end };

	bytes_write(&builder->ranges, &range, sizeof(range));
}

int source_table_builder_add_unit(struct source_table_builder *builder,
				  const struct source_unit *unit)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer changes = bytes_writer_with_max(SIZE_MAX);
	const size_t range_size = builder->ranges.size, row_size = builder->rows.size;
	struct merge merge = { .unit = unit };
	int r = find_changes(unit, &changes);

	if (r < 0)
		return r;
	merge.changes = (const struct scope_change *)changes.bytes;
	merge.change_count = changes.size / sizeof(struct scope_change);
	r = fill_spans(builder, unit, &merge);
	if (r < 0)
		return r;
	if (!builder->rows.failed && !builder->scopes.failed && !builder->functions.failed &&
	    !builder->files.failed && !builder->strings.failed)
		return 0;
	builder->ranges.size = range_size;
	builder->rows.size = row_size;
	for (size_t i = 0; i < unit->span_count; i++)
		source_table_builder_add_empty(builder, &unit->spans[i]);
	builder->left_out_count++;
	return 0;
}

/* --- the table ------------------------------------------------------------------------------- */

static int compare_ranges(const void *left, const void *right)
{
	const struct source_table_range *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->first_row < b->first_row ? -1 : a->first_row > b->first_row;
}

/* Sorts the ranges and leaves those out that overlap one before. Returns how many are left. */
static uint32_t sort_ranges(struct source_table_builder *builder)
{
	struct source_table_range *ranges = (struct source_table_range *)builder->ranges.bytes;
	size_t count = builder->ranges.size / sizeof(*ranges);
	uint32_t kept = 0;

	if (!count)
		return 0;
	qsort(ranges, count, sizeof(*ranges), compare_ranges);
	for (size_t i = 0; i < count; i++) {
		uint64_t end = kept ? ranges[kept - 1].end : 0;

		if (ranges[i].start >= end && ranges[i].end > ranges[i].start)
			ranges[kept++] = ranges[i];
	}
	return kept;
}

int source_table_builder_finish(struct source_table_builder *builder,
				const struct build_id *build_id, struct bytes_writer *ret_table)
{
	struct source_table_header header = {
		.magic = SOURCE_TABLE_MAGIC,
		.range_count = sort_ranges(builder),
		.row_count = (uint32_t)(builder->rows.size / sizeof(struct source_table_row)),
		.scope_count = (uint32_t)(builder->scopes.size / sizeof(struct source_table_scope)),
		.function_count =
			(uint32_t)(builder->functions.size / sizeof(struct source_table_function)),
		.file_count = (uint32_t)(builder->files.size / sizeof(struct source_table_file)),
		.strings_size = (uint32_t)builder->strings.size,
		.left_out_count = builder->left_out_count,
		.build_id = *build_id,
	};

	bytes_write(ret_table, &header, sizeof(header));
	bytes_write(ret_table, builder->ranges.bytes,
		    header.range_count * sizeof(struct source_table_range));
	bytes_write(ret_table, builder->rows.bytes, builder->rows.size);
	bytes_write(ret_table, builder->scopes.bytes, builder->scopes.size);
	bytes_write(ret_table, builder->functions.bytes, builder->functions.size);
	bytes_write(ret_table, builder->files.bytes, builder->files.size);
	bytes_write(ret_table, builder->strings.bytes, builder->strings.size);
	return ret_table->failed ? -EFBIG : 0;
}
