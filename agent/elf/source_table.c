/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/source_table.h"

#include <errno.h>

#include "base/bytes.h"

_Static_assert(sizeof(struct source_table_header) == 56, "no padding");
_Static_assert(sizeof(struct source_table_range) == 24, "no padding");
_Static_assert(sizeof(struct source_table_row) == 16, "no padding");
_Static_assert(sizeof(struct source_table_scope) == 16, "no padding");
_Static_assert(sizeof(struct source_table_function) == 16, "no padding");
_Static_assert(sizeof(struct source_table_file) == 8, "no padding");

static bool string_is_inside(const struct source_table_header *header, uint32_t at, uint32_t size)
{
	return at <= header->strings_size && size <= header->strings_size - at;
}

static bool rows_are_right(const struct source_table_view *view,
			   const struct source_table_range *range)
{
	const struct source_table_header *header = view->header;
	const struct source_table_row *rows = view->rows + range->first_row;

	if (range->row_count && rows[0].distance)
		return false;
	for (uint32_t i = 0; i < range->row_count; i++) {
		if (i && rows[i].distance <= rows[i - 1].distance)
			return false;
		if (rows[i].scope > header->scope_count || rows[i].file > header->file_count)
			return false;
	}
	return true;
}

static bool ranges_are_right(const struct source_table_view *view)
{
	const struct source_table_header *header = view->header;
	uint64_t end = 0;

	for (uint32_t i = 0; i < header->range_count; i++) {
		const struct source_table_range *range = &view->ranges[i];

		if (range->start < end || range->end <= range->start ||
		    range->first_row > header->row_count ||
		    range->row_count > header->row_count - range->first_row ||
		    !rows_are_right(view, range))
			return false;
		end = range->end;
	}
	return true;
}

static bool scopes_are_right(const struct source_table_view *view)
{
	const struct source_table_header *header = view->header;

	for (uint32_t i = 0; i < header->scope_count; i++) {
		const struct source_table_scope *scope = &view->scopes[i];

		/* Parents come before: no way up is a circle. */
		if (scope->parent > i || scope->function > header->function_count ||
		    scope->call_file > header->file_count)
			return false;
	}
	return true;
}

static bool names_are_right(const struct source_table_view *view)
{
	const struct source_table_header *header = view->header;

	for (uint32_t i = 0; i < header->function_count; i++)
		if (!string_is_inside(header, view->functions[i].name,
				      view->functions[i].name_size))
			return false;
	for (uint32_t i = 0; i < header->file_count; i++)
		if (!string_is_inside(header, view->files[i].name, view->files[i].name_size))
			return false;
	return true;
}

int source_table_view_open(const void *bytes, size_t size, struct source_table_view *ret_view)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	const struct source_table_header *header = bytes_read(&reader, sizeof(*header));
	struct source_table_view view = { .header = header };

	if (!header || header->magic != SOURCE_TABLE_MAGIC ||
	    header->range_count > SOURCE_TABLE_RANGES_MAX ||
	    header->row_count > SOURCE_TABLE_ROWS_MAX ||
	    header->scope_count > SOURCE_TABLE_SCOPES_MAX ||
	    header->function_count > SOURCE_TABLE_FUNCTIONS_MAX ||
	    header->file_count > SOURCE_TABLE_FILES_MAX ||
	    header->build_id.size > BUILD_ID_SIZE_MAX)
		return -EBADMSG;
	view.ranges = bytes_read(&reader, header->range_count * sizeof(*view.ranges));
	view.rows = bytes_read(&reader, header->row_count * sizeof(*view.rows));
	view.scopes = bytes_read(&reader, header->scope_count * sizeof(*view.scopes));
	view.functions = bytes_read(&reader, header->function_count * sizeof(*view.functions));
	view.files = bytes_read(&reader, header->file_count * sizeof(*view.files));
	view.strings = bytes_read(&reader, header->strings_size);
	if (reader.failed || bytes_left(&reader) || !ranges_are_right(&view) ||
	    !scopes_are_right(&view) || !names_are_right(&view))
		return -EBADMSG;
	*ret_view = view;
	return 0;
}

static void set_place(const struct source_table_view *view, struct source_frame *frame,
		      uint32_t file, uint32_t line)
{
	if (!file)
		return;
	frame->file = view->strings + view->files[file - 1].name;
	frame->file_size = view->files[file - 1].name_size;
	frame->line = line;
}

static void set_frame(const struct source_table_view *view, struct source_frame *frame,
		      uint32_t function_id, uint32_t file, uint32_t line)
{
	const struct source_table_function *function = &view->functions[function_id - 1];

	*frame = (struct source_frame){
		.key = function->key,
		.name = view->strings + function->name,
		.name_size = function->name_size,
	};
	set_place(view, frame, file, line);
}

unsigned int source_table_frames(const struct source_table_view *view,
				 const struct source_table_range *range, uint64_t address,
				 struct source_frame ret_frames[SOURCE_FRAMES_MAX])
{
	const struct source_table_row *row = view->rows + range->first_row;
	uint32_t scope_id, file, line;
	unsigned int count = 0;

	if (!range->row_count)
		return 0;
	for (uint32_t left = range->row_count; left > 1;) {
		uint32_t half = left / 2;

		row += row[half].distance <= address - range->start ? half : 0;
		left -= half;
	}
	file = row->file;
	line = row->line;
	scope_id = row->scope;
	for (int depth = 1; scope_id && depth < SOURCE_FRAMES_MAX; depth++) {
		const struct source_table_scope *scope = &view->scopes[scope_id - 1];

		if (scope->function)
			set_frame(view, &ret_frames[count++], scope->function, file, line);
		file = scope->call_file;
		line = scope->call_line;
		scope_id = scope->parent;
	}
	if (!count && !file)
		return 0;
	ret_frames[count] = (struct source_frame){ 0 };
	set_place(view, &ret_frames[count++], file, line);
	return count;
}
