/* SPDX-License-Identifier: Apache-2.0 */
#include "process/text_line.h"

#include <string.h>

bool text_line_next(struct bytes_reader *text, struct bytes_reader *ret_line)
{
	const uint8_t *newline;
	size_t size;

	if (!bytes_left(text))
		return false;
	newline = memchr(text->at, '\n', bytes_left(text));
	size = newline ? (size_t)(newline - text->at) : bytes_left(text);
	*ret_line = bytes_read_part(text, size);
	if (newline)
		text->at++;
	return true;
}

bool text_skip(struct bytes_reader *line, char character)
{
	if (!bytes_left(line) || *line->at != (uint8_t)character)
		return false;
	line->at++;
	return true;
}

void text_skip_blanks(struct bytes_reader *line)
{
	while (bytes_left(line) && (*line->at == ' ' || *line->at == '\t'))
		line->at++;
}

/* The value of a digit, or 16. */
static unsigned int digit_value(uint8_t character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	if (character >= 'a' && character <= 'f')
		return character - 'a' + 10u;
	if (character >= 'A' && character <= 'F')
		return character - 'A' + 10u;
	return 16;
}

static bool read_number(struct bytes_reader *line, unsigned int base, uint64_t *ret_number)
{
	const uint8_t *begin = line->at;
	uint64_t number = 0;

	for (; bytes_left(line); line->at++) {
		unsigned int digit = digit_value(*line->at);

		if (digit >= base)
			break;
		if (__builtin_mul_overflow(number, base, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			return false;
	}
	if (line->at == begin)
		return false;
	*ret_number = number;
	return true;
}

bool text_hex(struct bytes_reader *line, uint64_t *ret_number)
{
	return read_number(line, 16, ret_number);
}

bool text_decimal(struct bytes_reader *line, uint64_t *ret_number)
{
	return read_number(line, 10, ret_number);
}

struct bytes_reader text_word(struct bytes_reader *line)
{
	const uint8_t *at = line->at;

	while (at < line->end && *at != ' ' && *at != '\t')
		at++;
	return bytes_read_part(line, (size_t)(at - line->at));
}

bool text_skip_prefix(struct bytes_reader *line, const char *prefix)
{
	size_t size = strlen(prefix);

	if (bytes_left(line) < size || memcmp(line->at, prefix, size) != 0)
		return false;
	line->at += size;
	return true;
}
