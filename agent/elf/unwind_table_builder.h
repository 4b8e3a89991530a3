/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts rows into the pages of an unwind_table. Rows come in rising order of offsets; those that say
 * the same as the one before them are left out, and runs of pushes and pops become one. One thread.
 */
#ifndef FLICKERSCOPE_UNWIND_TABLE_BUILDER_H
#define FLICKERSCOPE_UNWIND_TABLE_BUILDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "sample_abi.h"

struct build_id;
struct unwind_table_header;

struct unwind_table_builder {
	struct bytes_writer *table; /* borrowed; rows are written where they stay */
	struct bytes_writer pages;
	uint64_t last_rule; /* the one that holds at present, without steps; see rule_of() */
	uint64_t first_page;
	uint64_t page; /* at present */
	uint32_t page_first_row;
	uint32_t row_count;
	bool has_page;
	bool is_full;
};

/*
 * @ret_table: must be empty, since the table is aligned to its start; borrowed until the builder is
 *	freed.
 */
struct unwind_table_builder unwind_table_builder_start(struct bytes_writer *ret_table);
void unwind_table_builder_free(struct unwind_table_builder *builder);

/*
 * From @offset on @row holds, whose pc_low is set here. Offsets rise strictly from call to call.
 * Beyond the limits of the table it is dropped: check is_full.
 */
void unwind_table_builder_add(struct unwind_table_builder *builder, uint64_t offset,
			      struct unwind_row row);

/*
 * Completes the table with its pages and @header, whose counts of pages and rows are set here.
 *
 * Returns 0, or -EFBIG when memory, the writer or the limits did not suffice.
 */
int unwind_table_builder_finish(struct unwind_table_builder *builder,
				struct unwind_table_header header);

static inline void cleanup_unwind_table_builder_free(struct unwind_table_builder *builder)
{
	unwind_table_builder_free(builder);
}

#endif
