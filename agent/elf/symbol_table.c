/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/symbol_table.h"

#include <errno.h>

#include "base/bytes.h"

static bool string_is_inside(const struct symbol_table_header *header, uint32_t at, uint32_t size)
{
	return at <= header->strings_size && size <= header->strings_size - at;
}

static bool rows_are_right(const struct symbol_table_view *view)
{
	const struct symbol_table_header *header = view->header;

	for (uint32_t i = 0; i < header->row_count; i++) {
		const struct symbol_table_row *row = &view->rows[i];
		uint64_t start = view->starts[i];
		uint64_t next = i + 1 < header->row_count ? view->starts[i + 1] : UINT64_MAX;

		if (start >= next || row->length > next - start || row->lead > start)
			return false;
		if (!string_is_inside(header, row->name, row->name_size))
			return false;
	}
	return true;
}

int symbol_table_view_open(const void *bytes, size_t size, struct symbol_table_view *ret_view)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	struct symbol_table_view view = { 0 };
	const struct symbol_table_header *header;

	header = bytes_read(&reader, sizeof(*header));
	if (!header || header->magic != SYMBOL_TABLE_MAGIC)
		return -EBADMSG;
	if (header->row_count > SYMBOL_TABLE_ROWS_MAX || header->build_id.size > BUILD_ID_SIZE_MAX)
		return -EBADMSG;
	view.header = header;
	view.starts = bytes_read(&reader, header->row_count * sizeof(*view.starts));
	view.rows = bytes_read(&reader, header->row_count * sizeof(*view.rows));
	view.strings = bytes_read(&reader, header->strings_size);
	if (reader.failed || bytes_left(&reader) || !rows_are_right(&view))
		return -EBADMSG;
	*ret_view = view;
	return 0;
}

/* The last row that starts at or before @address. No branch depends on what is read, so that the
 * processor runs ahead instead of guessing wrong every second time. */
static uint32_t find_row(const struct symbol_table_view *view, uint64_t address)
{
	const uint64_t *starts = view->starts;
	uint32_t first = 0, count = view->header->row_count;

	while (count > 1) {
		uint32_t half = count / 2;

		first += starts[first + half] <= address ? half : 0;
		count -= half;
	}
	return first;
}

bool symbol_table_find(const struct symbol_table_view *view, uint64_t address,
		       struct symbol *ret_symbol)
{
	const struct symbol_table_row *row;
	uint64_t start;
	uint32_t index;

	if (!view->header->row_count)
		return false;
	index = find_row(view, address);
	row = &view->rows[index];
	start = view->starts[index];
	if (address < start || address - start >= row->length)
		return false;
	*ret_symbol = (struct symbol){
		.start = start - row->lead,
		.size = (uint64_t)row->lead + row->length,
		.name = view->strings + row->name,
		.name_size = row->name_size,
	};
	return true;
}
