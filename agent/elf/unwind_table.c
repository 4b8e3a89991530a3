/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/unwind_table.h"

#include <errno.h>
#include <stdbool.h>

#include "base/bytes.h"

static bool row_is_right(const struct unwind_row *row)
{
	return unwind_row_cfa_kind(row) > UNWIND_CFA_NONE &&
	       unwind_row_cfa_kind(row) < UNWIND_CFA_KIND_COUNT &&
	       unwind_row_fp_kind(row) < UNWIND_FP_KIND_COUNT;
}

static bool page_is_right(const struct unwind_row *rows, uint32_t count)
{
	if (rows[0].pc_low != 0 || !row_is_right(&rows[0]))
		return false;
	for (uint32_t i = 1; i < count; i++)
		if (rows[i].pc_low <= rows[i - 1].pc_low || !row_is_right(&rows[i]))
			return false;
	return true;
}

int unwind_table_view_open(const void *bytes, size_t size, struct unwind_table_view *ret_view)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	const struct unwind_table_header *header = bytes_read(&reader, sizeof(*header));
	struct unwind_table_view view = { .header = header };
	uint32_t next = 0;

	if (!header || header->magic != UNWIND_TABLE_MAGIC)
		return -EBADMSG;
	if (header->page_count > UNWIND_TABLE_PAGES_MAX ||
	    header->row_count > UNWIND_TABLE_ROWS_MAX ||
	    header->first_page > UINT64_MAX >> UNWIND_PAGE_BITS ||
	    header->build_id.size > BUILD_ID_SIZE_MAX)
		return -EBADMSG;
	view.rows = bytes_read(&reader, header->row_count * sizeof(*view.rows));
	view.pages = bytes_read(&reader, header->page_count * sizeof(*view.pages));
	if (reader.failed || bytes_left(&reader))
		return -EBADMSG;
	for (uint32_t i = 0; i < header->page_count; i++) {
		const struct unwind_page *page = &view.pages[i];

		if (page->first != next || !page->count || page->count > header->row_count - next ||
		    !page_is_right(view.rows + page->first, page->count))
			return -EBADMSG;
		next += page->count;
	}
	if (next != header->row_count)
		return -EBADMSG;
	*ret_view = view;
	return 0;
}

const struct unwind_row *unwind_table_find(const struct unwind_table_view *view, uint64_t offset)
{
	uint64_t page = (offset >> UNWIND_PAGE_BITS) - view->header->first_page;
	uint16_t low = (uint16_t)offset;
	const struct unwind_row *rows;
	uint32_t count;

	if (page >= view->header->page_count)
		return NULL;
	rows = view->rows + view->pages[page].first;
	count = view->pages[page].count;
	while (count > 1) {
		uint32_t half = count / 2;

		rows += rows[half].pc_low <= low ? half : 0;
		count -= half;
	}
	return rows;
}

struct unwind_row unwind_row_at(const struct unwind_row *row, uint32_t distance)
{
	enum unwind_cfa_kind kind = unwind_row_cfa_kind(row);
	struct unwind_row plain = *row;
	uint32_t bits = (uint16_t)unwind_row_high(row);
	int32_t steps;

	if (kind != UNWIND_CFA_SP_PUSHES && kind != UNWIND_CFA_SP_POPS)
		return plain;
	if (distance < UNWIND_STEP_BYTES)
		bits &= (1U << distance) - 1;
	steps = __builtin_popcount(bits);
	plain.kinds = (uint8_t)(UNWIND_CFA_SP | (row->kinds & 0xf0));
	plain.cfa_offset = UNWIND_WORD_SIZE *
			   (unwind_row_low(row) + (kind == UNWIND_CFA_SP_PUSHES ? steps : -steps));
	return plain;
}
