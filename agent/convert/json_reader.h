/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259) one token after another, from the front: nothing of it is held but the token.
 *
 * An array that is the whole text may lack its end, as trace events may that a program was writing
 * when it died. Depth is bounded by JSON_DEPTH_MAX; strings are cut at JSON_STRING_MAX. Bytes of strings are not
 * checked for UTF-8: names are any bytes. What is wrong is said once, with its offset. Owned by one
 * thread.
 */
#ifndef FLICKERSCOPE_JSON_READER_H
#define FLICKERSCOPE_JSON_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "convert/foreign_profile.h"

struct input_bytes;

enum json_limits {
	JSON_DEPTH_MAX = 256,
	JSON_STRING_MAX = 16384, /* bytes that are kept */
	JSON_NUMBER_MAX = 64,	 /* characters */
};

enum json_kind {
	JSON_END, /* of the whole text */
	JSON_OBJECT,
	JSON_OBJECT_END,
	JSON_ARRAY,
	JSON_ARRAY_END,
	JSON_KEY, /* its value is the next token */
	JSON_STRING,
	JSON_NUMBER,
	JSON_LITERAL, /* true, false, null */
};

struct json_token {
	enum json_kind kind;
	struct foreign_text text; /* of KEY and STRING: until the next token */
	double number;
	int64_t integer; /* of NUMBER: cut off at the point, and at the limits of the type */
};

struct json_reader {
	struct input_bytes *input; /* borrowed */
	uint32_t depth;
	uint8_t is_object[JSON_DEPTH_MAX];
	uint8_t expect; /* what may stand here: see json_reader.c */
	char text[JSON_STRING_MAX];
};

void json_reader_open(struct json_reader *reader, struct input_bytes *input);

/* Returns 0 or -errno, logged. */
int json_next(struct json_reader *reader, struct json_token *ret_token);

/* Passes over the rest of a value that began with @token: of objects and arrays, all. */
int json_skip(struct json_reader *reader, const struct json_token *token);

/* Says that what was read is not as it should be. Returns -EBADMSG. */
int json_bad(const struct json_reader *reader, const char *problem);

static inline bool json_key_is(const struct json_token *token, const char *name)
{
	return token->kind == JSON_KEY && foreign_text_is(token->text, name);
}

#endif
