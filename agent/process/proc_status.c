/* SPDX-License-Identifier: Apache-2.0 */
#include "process/proc_status.h"

#include <string.h>

#include "base/bytes.h"
#include "process/text_line.h"

enum { START_TICKS_FIELD = 22, FIRST_FIELD_AFTER_NAME = 3 };

bool proc_stat_parse(const char *text, size_t size, struct proc_stat *ret_stat)
{
	/* The name may hold blanks and parentheses itself; no other field can. */
	const char *name_end = size ? memrchr(text, ')', size) : NULL;
	struct proc_stat stat = { 0 };
	struct bytes_reader line, word;

	if (!name_end)
		return false;
	line = bytes_reader_of(name_end + 1, size - (size_t)(name_end + 1 - text));
	for (int field = FIRST_FIELD_AFTER_NAME; field < START_TICKS_FIELD; field++) {
		if (!text_skip(&line, ' '))
			return false;
		word = text_word(&line);
		if (field == FIRST_FIELD_AFTER_NAME && bytes_left(&word) == 1)
			stat.state = (char)*word.at;
	}
	if (!text_skip(&line, ' ') || !text_decimal(&line, &stat.start_ticks))
		return false;
	*ret_stat = stat;
	return true;
}

/* "Uid:\treal\teffective\t..." */
static bool read_effective(struct bytes_reader line, uint32_t *ret_user)
{
	uint64_t real, effective;

	text_skip_blanks(&line);
	if (!text_decimal(&line, &real))
		return false;
	text_skip_blanks(&line);
	if (!text_decimal(&line, &effective) || effective > UINT32_MAX)
		return false;
	*ret_user = (uint32_t)effective;
	return true;
}

/* "NSpid:\toutermost\t...\tinnermost" */
static uint32_t read_innermost(struct bytes_reader line)
{
	uint64_t pid = 0;

	do
		text_skip_blanks(&line);
	while (text_decimal(&line, &pid));
	return pid <= UINT32_MAX ? (uint32_t)pid : 0;
}

/* "Threads:\tnumber" */
static uint32_t read_count(struct bytes_reader line)
{
	uint64_t count = 0;

	text_skip_blanks(&line);
	text_decimal(&line, &count);
	return count <= UINT32_MAX ? (uint32_t)count : 0;
}

bool proc_status_parse(const char *text, size_t size, struct proc_status *ret_status)
{
	struct bytes_reader reader = bytes_reader_of(text, size), line;
	struct proc_status status = { 0 };
	bool has_user = false;

	/* "Name:" comes first and has its newlines escaped, so no line of it looks like these. */
	while (text_line_next(&reader, &line)) {
		if (text_skip_prefix(&line, "Uid:"))
			has_user = read_effective(line, &status.effective_user);
		else if (text_skip_prefix(&line, "NSpid:"))
			status.namespace_pid = read_innermost(line);
		else if (text_skip_prefix(&line, "Threads:"))
			status.thread_count = read_count(line);
	}
	if (!has_user)
		return false;
	*ret_status = status;
	return true;
}
