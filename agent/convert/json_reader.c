/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/json_reader.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "convert/input_bytes.h"

/* What may stand where the reader is. */
enum json_expect {
	EXPECT_VALUE,	     /* after a key, after a comma in an array, at the start */
	EXPECT_VALUE_OR_END, /* behind "[" */
	EXPECT_KEY,	     /* after a comma in an object */
	EXPECT_KEY_OR_END,   /* behind "{" */
	EXPECT_COMMA_OR_END, /* behind a value */
	EXPECT_NOTHING,	     /* behind the whole */
};

void json_reader_open(struct json_reader *reader, struct input_bytes *input)
{
	reader->input = input;
	reader->depth = 0;
	reader->expect = EXPECT_VALUE;
}

int json_bad(const struct json_reader *reader, const char *problem)
{
	return input_bytes_bad_offset(reader->input, input_bytes_offset(reader->input), "%s",
				      problem);
}

/* --- bytes --------------------------------------------------------------------------------------- */

/* The next byte, which stays; -1 at the end. */
static int peek(struct input_bytes *input, int *ret_byte)
{
	int r;

	if (input->at == input->end) {
		r = input_bytes_need(input, 1);
		if (r) {
			*ret_byte = -1;
			return r < 0 ? r : 0;
		}
	}
	*ret_byte = *input->at;
	return 0;
}

static int next_byte(struct json_reader *reader, int *ret_byte)
{
	int r = peek(reader->input, ret_byte);

	if (r < 0)
		return r;
	if (*ret_byte < 0)
		return json_bad(reader, "it ends in the middle: the file was cut");
	reader->input->at++;
	return 0;
}

static int peek_past_blanks(struct json_reader *reader, int *ret_byte)
{
	for (;;) {
		int r = peek(reader->input, ret_byte);

		if (r < 0 || (*ret_byte != ' ' && *ret_byte != '\n' && *ret_byte != '\r' &&
			      *ret_byte != '\t'))
			return r;
		reader->input->at++;
	}
}

/* --- strings ------------------------------------------------------------------------------------- */

static void put_byte(struct json_reader *reader, size_t *size, unsigned int byte)
{
	if (*size < JSON_STRING_MAX)
		reader->text[(*size)++] = (char)byte;
}

/* As UTF-8 (RFC 3629). */
static void put_character(struct json_reader *reader, size_t *size, uint32_t code)
{
	if (code < 0x80) {
		put_byte(reader, size, code);
	} else if (code < 0x800) {
		put_byte(reader, size, 0xc0 | code >> 6);
		put_byte(reader, size, 0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		put_byte(reader, size, 0xe0 | code >> 12);
		put_byte(reader, size, 0x80 | (code >> 6 & 0x3f));
		put_byte(reader, size, 0x80 | (code & 0x3f));
	} else {
		put_byte(reader, size, 0xf0 | code >> 18);
		put_byte(reader, size, 0x80 | (code >> 12 & 0x3f));
		put_byte(reader, size, 0x80 | (code >> 6 & 0x3f));
		put_byte(reader, size, 0x80 | (code & 0x3f));
	}
}

static int read_hex4(struct json_reader *reader, uint32_t *ret_code)
{
	uint32_t code = 0;

	for (int i = 0; i < 4; i++) {
		int byte, digit, r = next_byte(reader, &byte);

		if (r < 0)
			return r;
		if (byte >= '0' && byte <= '9')
			digit = byte - '0';
		else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
			digit = (byte | 0x20) - 'a' + 10;
		else
			return json_bad(reader, "no JSON: four hexadecimal digits belong here");
		code = code << 4 | (uint32_t)digit;
	}
	*ret_code = code;
	return 0;
}

/* Behind "\u". The second half of a pair is an escape too; a half alone becomes U+FFFD. */
static int read_unicode(struct json_reader *reader, size_t *size)
{
	uint32_t code, low;
	int byte, r = read_hex4(reader, &code);

	if (r < 0)
		return r;
	if (code >= 0xd800 && code < 0xdc00) {
		r = peek(reader->input, &byte);
		if (r < 0)
			return r;
		if (byte != '\\') {
			put_character(reader, size, 0xfffd);
			return 0;
		}
		r = next_byte(reader, &byte);
		if (!r)
			r = next_byte(reader, &byte);
		if (r < 0)
			return r;
		if (byte != 'u')
			return json_bad(reader, "no JSON: half of a character");
		r = read_hex4(reader, &low);
		if (r < 0)
			return r;
		code = low >= 0xdc00 && low < 0xe000
			       ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
			       : 0xfffd;
	} else if (code >= 0xdc00 && code < 0xe000) {
		code = 0xfffd;
	}
	put_character(reader, size, code);
	return 0;
}

static int read_escape(struct json_reader *reader, size_t *size)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *name;
	int byte, r = next_byte(reader, &byte);

	if (r < 0)
		return r;
	if (byte == 'u')
		return read_unicode(reader, size);
	name = byte ? strchr(names, byte) : NULL;
	if (!name)
		return json_bad(reader, "no JSON: no such escape");
	put_byte(reader, size, (uint8_t)bytes[name - names]);
	return 0;
}

/* Behind the quote that opens it. */
static int read_string(struct json_reader *reader, struct foreign_text *ret_text)
{
	struct input_bytes *input = reader->input;
	size_t size = 0;
	int byte, r = 0;

	while (!r) {
		/* What needs no care, in one go. */
		while (input->at < input->end && *input->at != '"' && *input->at != '\\')
			put_byte(reader, &size, *input->at++);
		r = next_byte(reader, &byte);
		if (r < 0)
			return r;
		if (byte == '"')
			break;
		if (byte == '\\')
			r = read_escape(reader, &size);
		else
			put_byte(reader, &size, (unsigned int)byte);
	}
	ret_text->bytes = reader->text;
	ret_text->size = size;
	return r;
}

/* --- other values -------------------------------------------------------------------------------- */

static bool is_of_number(int byte)
{
	return (byte >= '0' && byte <= '9') || byte == '-' || byte == '+' || byte == '.' ||
	       byte == 'e' || byte == 'E';
}

static int64_t integer_of(double number)
{
	if (!(number > -9.2e18))
		return isnan(number) ? 0 : INT64_MIN;
	return number < 9.2e18 ? (int64_t)number : INT64_MAX;
}

static int read_number(struct json_reader *reader, struct json_token *token)
{
	char text[JSON_NUMBER_MAX + 1], *end;
	size_t size = 0;
	bool is_integer = true;
	int byte, r;

	for (;;) {
		r = peek(reader->input, &byte);
		if (r < 0)
			return r;
		if (!is_of_number(byte))
			break;
		if (size == JSON_NUMBER_MAX)
			return json_bad(reader, "no JSON: too long a number");
		is_integer = is_integer && ((byte >= '0' && byte <= '9') || (byte == '-' && !size));
		text[size++] = (char)byte;
		reader->input->at++;
	}
	text[size] = '\0';
	token->kind = JSON_NUMBER;
	if (is_integer && size < 19) {
		token->integer = strtoll(text, &end, 10);
		token->number = (double)token->integer;
	} else {
		token->number = strtod(text, &end);
		token->integer = integer_of(token->number);
	}
	return end == text + size && size ? 0 : json_bad(reader, "no JSON: this is no number");
}

static int read_literal(struct json_reader *reader, struct json_token *token)
{
	static const char *const literals[] = { "true", "false", "null" };
	int byte, r = peek(reader->input, &byte);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(literals); i++) {
		if (byte != literals[i][0])
			continue;
		for (const char *at = literals[i]; *at; at++) {
			r = next_byte(reader, &byte);
			if (r < 0)
				return r;
			if (byte != *at)
				return json_bad(reader, "no JSON: no such word");
		}
		token->kind = JSON_LITERAL;
		return 0;
	}
	return json_bad(reader, byte < 0 ? "it ends in the middle: the file was cut"
					 : "no JSON: a value belongs here");
}

/* --- structure ----------------------------------------------------------------------------------- */

static int open_level(struct json_reader *reader, bool is_object, struct json_token *token)
{
	if (reader->depth == JSON_DEPTH_MAX)
		return json_bad(reader, "nested too deeply for a profile");
	reader->is_object[reader->depth++] = is_object;
	reader->expect = is_object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
	token->kind = is_object ? JSON_OBJECT : JSON_ARRAY;
	return 0;
}

static int close_level(struct json_reader *reader, struct json_token *token)
{
	token->kind = reader->is_object[--reader->depth] ? JSON_OBJECT_END : JSON_ARRAY_END;
	reader->expect = reader->depth ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
	return 0;
}

static int read_key(struct json_reader *reader, struct json_token *token)
{
	int byte, r = next_byte(reader, &byte);

	if (r < 0)
		return r;
	if (byte != '"')
		return json_bad(reader, "no JSON: a name in quotes belongs here");
	r = read_string(reader, &token->text);
	if (!r)
		r = peek_past_blanks(reader, &byte);
	if (!r)
		r = next_byte(reader, &byte);
	if (r < 0)
		return r;
	token->kind = JSON_KEY;
	reader->expect = EXPECT_VALUE;
	return byte == ':' ? 0 : json_bad(reader, "no JSON: a colon belongs here");
}

static int read_value(struct json_reader *reader, int byte, struct json_token *token)
{
	int r;

	if (byte == '{' || byte == '[') {
		reader->input->at++;
		return open_level(reader, byte == '{', token);
	}
	reader->expect = reader->depth ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
	if (byte == '"') {
		reader->input->at++;
		r = read_string(reader, &token->text);
		token->kind = JSON_STRING;
		return r;
	}
	if (byte == '-' || (byte >= '0' && byte <= '9'))
		return read_number(reader, token);
	return read_literal(reader, token);
}

int json_next(struct json_reader *reader, struct json_token *ret_token)
{
	int byte, r = peek_past_blanks(reader, &byte);

	if (r < 0)
		return r;
	ret_token->text = (struct foreign_text){ 0 };
	if (reader->expect == EXPECT_NOTHING) {
		ret_token->kind = JSON_END;
		return byte < 0 ? 0 : json_bad(reader, "no JSON: more behind its end");
	}
	if (byte < 0 && reader->depth == 1 && !reader->is_object[0])
		return close_level(reader, ret_token);
	if (reader->expect == EXPECT_COMMA_OR_END) {
		if (byte == (reader->is_object[reader->depth - 1] ? '}' : ']')) {
			reader->input->at++;
			return close_level(reader, ret_token);
		}
		if (byte != ',')
			return json_bad(reader, byte < 0 ? "it ends in the middle: the file was cut"
							 : "no JSON: a comma belongs here");
		reader->input->at++;
		reader->expect = reader->is_object[reader->depth - 1] ? EXPECT_KEY : EXPECT_VALUE;
		r = peek_past_blanks(reader, &byte);
		if (r < 0)
			return r;
		if (byte < 0 && reader->depth == 1 && !reader->is_object[0])
			return close_level(reader, ret_token);
	} else if ((reader->expect == EXPECT_KEY_OR_END && byte == '}') ||
		   (reader->expect == EXPECT_VALUE_OR_END && byte == ']')) {
		reader->input->at++;
		return close_level(reader, ret_token);
	}
	if (reader->expect == EXPECT_KEY || reader->expect == EXPECT_KEY_OR_END)
		return read_key(reader, ret_token);
	return read_value(reader, byte, ret_token);
}

int json_skip(struct json_reader *reader, const struct json_token *token)
{
	uint32_t depth = reader->depth;
	struct json_token inner;
	int r = 0;

	if (token->kind != JSON_OBJECT && token->kind != JSON_ARRAY)
		return 0;
	while (!r && reader->depth >= depth)
		r = json_next(reader, &inner);
	return r;
}
