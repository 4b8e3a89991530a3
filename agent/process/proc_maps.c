/* SPDX-License-Identifier: Apache-2.0 */
#include "process/proc_maps.h"

#include "process/text_line.h"

/* "r-xp" */
static bool read_rights(struct bytes_reader *line, bool *ret_executable)
{
	struct bytes_reader word = text_word(line);

	if (bytes_left(&word) != 4)
		return false;
	*ret_executable = word.at[2] == 'x';
	return true;
}

/* "fe:00 247476", then blanks up to the path */
static bool read_file(struct bytes_reader *line, struct proc_maps_row *ret_row)
{
	uint64_t major, minor;

	if (!text_hex(line, &major) || !text_skip(line, ':') || !text_hex(line, &minor) ||
	    !text_skip(line, ' ') || !text_decimal(line, &ret_row->inode))
		return false;
	if (major > UINT32_MAX || minor > UINT32_MAX)
		return false;
	ret_row->device_major = (uint32_t)major;
	ret_row->device_minor = (uint32_t)minor;
	if (bytes_left(line) && !text_skip(line, ' '))
		return false;
	text_skip_blanks(line);
	ret_row->path = (const char *)line->at;
	ret_row->path_size = bytes_left(line);
	return true;
}

int proc_maps_next(struct bytes_reader *text, struct proc_maps_row *ret_row)
{
	struct proc_maps_row row = { 0 };
	struct bytes_reader line;

	if (!text_line_next(text, &line))
		return PROC_MAPS_END;
	if (!text_hex(&line, &row.start) || !text_skip(&line, '-') || !text_hex(&line, &row.end) ||
	    !text_skip(&line, ' ') || !read_rights(&line, &row.executable) ||
	    !text_skip(&line, ' ') || !text_hex(&line, &row.file_offset) ||
	    !text_skip(&line, ' ') || !read_file(&line, &row))
		return PROC_MAPS_BAD_LINE;
	if (row.end <= row.start)
		return PROC_MAPS_BAD_LINE;
	*ret_row = row;
	return 0;
}
