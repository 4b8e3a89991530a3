/* SPDX-License-Identifier: Apache-2.0 */
#include "base/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * Length of the UTF-8 sequence at @text and its code point, or 0 when it is invalid: overlong,
 * a surrogate, cut, or beyond U+10FFFF (RFC 3629).
 */
static size_t utf8_decode(const unsigned char *text, size_t size, uint32_t *ret_code_point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code_point;
	size_t length;

	if (text[0] < 0x80) {
		*ret_code_point = text[0];
		return 1;
	}
	if ((text[0] & 0xe0) == 0xc0)
		length = 2;
	else if ((text[0] & 0xf0) == 0xe0)
		length = 3;
	else if ((text[0] & 0xf8) == 0xf0)
		length = 4;
	else
		return 0;
	if (length > size)
		return 0;
	code_point = text[0] & (0x7f >> length);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code_point = code_point << 6 | (text[i] & 0x3f);
	}
	if (code_point < least[length] || code_point > 0x10ffff ||
	    (code_point >= 0xd800 && code_point <= 0xdfff))
		return 0;
	*ret_code_point = code_point;
	return length;
}

static bool changes_direction(uint32_t c)
{
	return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

static const char hex_digits[] = "0123456789abcdef";

size_t escape_terminal(const char *text, size_t size, char *ret_text, size_t size_max)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t written = 0;

	for (size_t i = 0; i < size;) {
		uint32_t code_point = 0;
		size_t length = utf8_decode(bytes + i, size - i, &code_point);

		if (length && !is_control(code_point) && !changes_direction(code_point)) {
			if (written + length > size_max)
				break;
			memcpy(ret_text + written, text + i, length);
			written += length;
			i += length;
			continue;
		}
		if (!length)
			length = 1;
		if (written + 4 * length > size_max)
			break;
		for (; length; length--, i++) {
			ret_text[written++] = '\\';
			ret_text[written++] = 'x';
			ret_text[written++] = hex_digits[bytes[i] >> 4];
			ret_text[written++] = hex_digits[bytes[i] & 15];
		}
	}
	return written;
}

size_t escape_json(const char *text, size_t size, char *ret_text, size_t size_max)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t written = 0;

	for (size_t i = 0; i < size;) {
		uint32_t code_point = 0;
		size_t length = utf8_decode(bytes + i, size - i, &code_point);
		char escaped[8];
		size_t escaped_size;

		if (!length) {
			memcpy(escaped, "\xef\xbf\xbd", 3);
			escaped_size = 3;
			length = 1;
		} else if (code_point == '"' || code_point == '\\') {
			escaped[0] = '\\';
			escaped[1] = (char)code_point;
			escaped_size = 2;
		} else if (code_point < 0x20 || code_point == 0x7f) {
			memcpy(escaped, "\\u00", 4);
			escaped[4] = hex_digits[code_point >> 4];
			escaped[5] = hex_digits[code_point & 15];
			escaped_size = 6;
		} else {
			memcpy(escaped, bytes + i, length);
			escaped_size = length;
		}
		if (written + escaped_size > size_max)
			break;
		memcpy(ret_text + written, escaped, escaped_size);
		written += escaped_size;
		i += length;
	}
	return written;
}

size_t escape_hex(const char *text, size_t size, char *ret_text, size_t size_max)
{
	static const char digits[] = "0123456789abcdef";
	size_t written = 0;

	for (size_t i = 0; i < size && written + 2 <= size_max; i++) {
		ret_text[written++] = digits[(uint8_t)text[i] >> 4];
		ret_text[written++] = digits[(uint8_t)text[i] & 15];
	}
	return written;
}

static int digit_of(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

bool unescape_hex(const char *digits, size_t size, char *ret_text, size_t size_max)
{
	if (size % 2 || size / 2 >= size_max)
		return false;
	for (size_t i = 0; i < size; i += 2) {
		int high = digit_of(digits[i]), low = digit_of(digits[i + 1]);

		if (high < 0 || low < 0 || high + low == 0)
			return false;
		ret_text[i / 2] = (char)(high * 16 + low);
	}
	ret_text[size / 2] = 0;
	return true;
}
