/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a symbol_table from symbols that come in any order and overlap as they like.
 *
 * - Of several symbols at one start, one gives the name: a function rather than an untyped label, a
 *   sized one rather than one without size, global rather than weak rather than local; then the
 *   one with fewer leading underscores, then the shorter, then the first in byte order. The
 *   longest of their sizes counts.
 * - A symbol without size reaches to the next start or to its limit. Inside a sized symbol it is
 *   a label, and left out.
 * - Of overlapping functions the one that starts later has the bytes both claim.
 * - A function that nobody named (a size, but no name) fills only what the named ones leave.
 *
 * Bounded by SYMBOL_BUILDER_SYMBOLS_MAX and the limits of symbol_table.h: what does not fit is left
 * out and counted in the table's header. Takes O(n log n) and 48 bytes a symbol. One thread.
 */
#ifndef FLICKERSCOPE_SYMBOL_TABLE_BUILDER_H
#define FLICKERSCOPE_SYMBOL_TABLE_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "elf/build_id.h"

enum symbol_builder_limits {
	SYMBOL_BUILDER_SYMBOLS_MAX = 4 << 20,
	SYMBOL_BUILDER_NAMES_SIZE_MAX = 512 << 20, /* of all names added; bounds the sorting too */
};

enum symbol_binding {
	SYMBOL_LOCAL,
	SYMBOL_WEAK,
	SYMBOL_GLOBAL,
};

struct symbol_source {
	uint64_t start;
	uint64_t size;	  /* 0: to the next start */
	uint64_t limit;	  /* where one without size ends at the latest; UINT64_MAX: nowhere */
	const char *name; /* borrowed until the builder is freed; need not be zero-terminated */
	size_t name_size; /* 0 without a size: no function, but ends a symbol without size before it;
			     0 with a size: a function that is found, with an empty name */
	enum symbol_binding binding;
	bool is_label; /* untyped: may be no function at all */
};

struct symbol_table_builder;

int symbol_table_builder_new(struct symbol_table_builder **ret_builder);
void symbol_table_builder_free(struct symbol_table_builder *builder); /* NULL is fine */
DEFINE_CLEANUP(struct symbol_table_builder *, symbol_table_builder_free);

/* Makes room for @count more symbols at once, where the count is known. Returns 0 or -ENOMEM. */
int symbol_table_builder_reserve(struct symbol_table_builder *builder, size_t count);

/* Adds one symbol, or leaves it out and counts that. Returns 0 or -ENOMEM. */
int symbol_table_builder_add(struct symbol_table_builder *builder,
			     const struct symbol_source *source);

/*
 * Writes the table; the builder is then only good for being freed.
 *
 * @build_id: NULL when there is none.
 * @ret_table: must be empty, since the table is aligned to its start.
 *
 * Returns 0, -ENOMEM, or -EFBIG when it does not fit the writer.
 */
int symbol_table_builder_finish(struct symbol_table_builder *builder,
				const struct build_id *build_id, struct bytes_writer *ret_table);

#endif
