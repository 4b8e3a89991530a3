/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a source_table of units: files, functions and scopes first, then the unit that uses them.
 *
 * Bounded by the limits of source_table.h. Of spans that overlap, the one that starts first is kept.
 * Takes O(n log n). One thread.
 */
#ifndef FLICKERSCOPE_SOURCE_TABLE_BUILDER_H
#define FLICKERSCOPE_SOURCE_TABLE_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/hash_index.h"
#include "elf/build_id.h"

struct source_span {
	uint64_t start;
	uint64_t end;
};

/* Addresses of a scope. Where scopes overlap, the one added later is inside the other. */
struct source_interval {
	uint64_t start;
	uint64_t end;
	uint32_t scope;
};

/* From here on, up to the next one; of several at one address the last one counts. */
struct source_line {
	uint64_t address;
	uint32_t file; /* 0: a sequence of lines ends here */
	uint32_t line;
};

/* Arrays of the table's structs, each with its limit; owned. */
struct source_table_builder {
	struct bytes_writer ranges;
	struct bytes_writer rows;
	struct bytes_writer scopes;
	struct bytes_writer functions;
	struct bytes_writer files;
	struct bytes_writer strings;
	struct hash_index functions_by_key;
	struct hash_index files_by_name;
	uint32_t left_out_count;
};

struct source_table_builder source_table_builder_start(void);
void source_table_builder_free(struct source_table_builder *builder);

static inline void cleanup_source_table_builder_free(struct source_table_builder *builder)
{
	source_table_builder_free(builder);
}

/* The id of a file by its name, of which the last two parts are kept; 0 when there is no room. */
uint32_t source_table_builder_file(struct source_table_builder *builder, const char *path);

/* The id of the function with @key; 0 when it was not added. */
uint32_t source_table_builder_find_function(const struct source_table_builder *builder,
					    uint64_t key);
uint32_t source_table_builder_add_function(struct source_table_builder *builder, uint64_t key,
					   const char *name, size_t name_size);

/* The id of a new scope; 0 when there is no room. */
uint32_t source_table_builder_add_scope(struct source_table_builder *builder, uint32_t parent,
					uint32_t function, uint32_t call_file, uint32_t call_line);

/* Ranges of addresses that belong together, and what is in them. */
struct source_unit {
	const struct source_span *spans; /* any order */
	size_t span_count;
	struct source_interval *intervals; /* sorted here */
	size_t interval_count;
	const struct source_line *lines; /* sorted by address */
	size_t line_count;
};

/*
 * Adds a unit. When it does not fit, its spans are added without anything in them, and it is
 * counted. Returns 0 or -ENOMEM.
 */
int source_table_builder_add_unit(struct source_table_builder *builder,
				  const struct source_unit *unit);

/* Adds a span in which there is nothing. */
void source_table_builder_add_empty(struct source_table_builder *builder,
				    const struct source_span *span);

/*
 * Writes the table; the builder is then only good for being freed.
 *
 * @ret_table: must be empty. Returns 0 or -EFBIG when it does not fit the writer.
 */
int source_table_builder_finish(struct source_table_builder *builder,
				const struct build_id *build_id, struct bytes_writer *ret_table);

#endif
