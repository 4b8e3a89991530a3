/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/unwind_table_builder.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "elf/unwind_table.h"

_Static_assert(BYTE_ORDER == LITTLE_ENDIAN, "x86-64 only, as the rows are");

/* One word more in cfa_offset, the last field of a row. */
#define WORD_MORE ((uint64_t)UNWIND_WORD_SIZE << 32)

/*
 * A row's rule as one number, all but pc_low: this runs for every instruction that moves the stack
 * pointer. Of two rules that differ by a multiple of WORD_MORE, cfa_offset differs and nothing else.
 */
static uint64_t rule_of(struct unwind_row row)
{
	uint64_t rule;

	row.pc_low = 0;
	memcpy(&rule, &row, sizeof(rule));
	return rule;
}

struct unwind_table_builder unwind_table_builder_start(struct bytes_writer *ret_table)
{
	bytes_writer_extend(ret_table, sizeof(struct unwind_table_header));
	return (struct unwind_table_builder){
		.table = ret_table,
		.pages = bytes_writer_with_max(UNWIND_TABLE_PAGES_MAX * sizeof(struct unwind_page)),
		.last_rule = rule_of((struct unwind_row){ .kinds = UNWIND_CFA_INVALID }),
		.is_full = ret_table->failed,
	};
}

void unwind_table_builder_free(struct unwind_table_builder *builder)
{
	bytes_writer_free(&builder->pages);
}

static struct unwind_row *last_written(const struct unwind_table_builder *builder)
{
	return (struct unwind_row *)(builder->table->bytes + builder->table->size) - 1;
}

/*
 * Makes the row that changes the rule by @change a step of the row written last, if it is one: a
 * push or a pop in a run of them.
 */
static bool add_step(struct unwind_table_builder *builder, uint16_t pc_low, uint64_t change)
{
	struct unwind_row *run = last_written(builder);
	uint32_t distance = (uint32_t)(pc_low - run->pc_low);
	uint8_t kind;

	if (change == WORD_MORE)
		kind = UNWIND_CFA_SP_PUSHES;
	else if (change == -WORD_MORE)
		kind = UNWIND_CFA_SP_POPS;
	else
		return false;
	if (distance > UNWIND_STEP_BYTES)
		return false;
	if (unwind_row_cfa_kind(run) == UNWIND_CFA_SP) {
		int32_t words = run->cfa_offset / UNWIND_WORD_SIZE;

		if (run->cfa_offset % UNWIND_WORD_SIZE || words != (int16_t)words)
			return false;
		run->kinds = (uint8_t)(kind | (run->kinds & 0xf0));
		run->cfa_offset = (uint16_t)words;
	}
	if (unwind_row_cfa_kind(run) != kind)
		return false;
	run->cfa_offset |= (int32_t)(1U << (16 + distance - 1));
	return true;
}

/* @word: a rule, with the low bits of its offset. */
static void write_row(struct unwind_table_builder *builder, uint64_t word)
{
	void *room = NULL;

	if (builder->row_count < UNWIND_TABLE_ROWS_MAX)
		room = bytes_writer_extend(builder->table, sizeof(word));
	if (!room) {
		builder->is_full = true;
		return;
	}
	memcpy(room, &word, sizeof(word));
	builder->row_count++;
}

static void close_page(struct unwind_table_builder *builder)
{
	struct unwind_page page = { .first = builder->page_first_row,
				    .count = builder->row_count - builder->page_first_row };

	bytes_write(&builder->pages, &page, sizeof(page));
	builder->page_first_row = builder->row_count;
}

/* Opens pages up to @page; those in between have the row that holds all through them. */
static void open_pages(struct unwind_table_builder *builder, uint64_t page)
{
	if (!builder->has_page) {
		builder->has_page = true;
		builder->first_page = builder->page = page;
		return;
	}
	close_page(builder);
	while (++builder->page < page) {
		write_row(builder, builder->last_rule);
		close_page(builder);
	}
}

/* The first row of a page. Apart from what every row needs, which is then a few instructions. */
static __attribute__((noinline)) void add_page(struct unwind_table_builder *builder, uint64_t page,
					       uint64_t word)
{
	/* Checked before the pages of a gap are written: the gap may be as long as a file can be. */
	if (builder->has_page && page - builder->first_page >= UNWIND_TABLE_PAGES_MAX) {
		builder->is_full = true;
		return;
	}
	open_pages(builder, page);
	if ((uint16_t)word)
		write_row(builder, builder->last_rule);
	write_row(builder, word);
}

void unwind_table_builder_add(struct unwind_table_builder *builder, uint64_t offset,
			      struct unwind_row row)
{
	uint64_t page = offset >> UNWIND_PAGE_BITS;
	uint64_t rule = rule_of(row), change = rule - builder->last_rule;

	if (!change || builder->is_full)
		return;
	if (page != builder->page || !builder->has_page)
		add_page(builder, page, rule | (uint16_t)offset);
	else if (!add_step(builder, (uint16_t)offset, change))
		write_row(builder, rule | (uint16_t)offset);
	builder->last_rule = rule;
}

static uint32_t count_unsupported(const struct unwind_row *rows, uint32_t count)
{
	uint32_t unsupported_count = 0;

	for (uint32_t i = 0; i < count; i++)
		unsupported_count += unwind_row_cfa_kind(&rows[i]) == UNWIND_CFA_UNSUPPORTED;
	return unsupported_count;
}

int unwind_table_builder_finish(struct unwind_table_builder *builder,
				struct unwind_table_header header)
{
	if (builder->has_page)
		close_page(builder);
	if (builder->is_full || builder->pages.failed)
		return -EFBIG;
	header.magic = UNWIND_TABLE_MAGIC;
	header.first_page = builder->first_page;
	header.page_count = (uint32_t)(builder->pages.size / sizeof(struct unwind_page));
	header.row_count = builder->row_count;
	header.unsupported_count = count_unsupported(
		(const struct unwind_row *)(builder->table->bytes + sizeof(header)),
		builder->row_count);
	bytes_write(builder->table, builder->pages.bytes, builder->pages.size);
	if (builder->table->failed)
		return -EFBIG;
	memcpy(builder->table->bytes, &header, sizeof(header));
	return 0;
}
