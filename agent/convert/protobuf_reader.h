/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), one field after
 * another, over bytes that were read before. Every bound is checked; groups, which nobody writes any
 * more, are refused.
 *
 * Not chosen: a library. What is needed of the format is this page; a generator, its runtime and its
 * generated code are thousands of lines that would see the bytes of strangers.
 */
#ifndef FLICKERSCOPE_PROTOBUF_READER_H
#define FLICKERSCOPE_PROTOBUF_READER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

enum protobuf_type {
	PROTOBUF_VARINT = 0,
	PROTOBUF_FIXED64 = 1,
	PROTOBUF_BYTES = 2, /* a string, a message, or packed numbers */
	PROTOBUF_FIXED32 = 5,
};

struct protobuf_field {
	uint32_t number;
	enum protobuf_type type;
	uint64_t value;		   /* of all but PROTOBUF_BYTES */
	struct bytes_reader bytes; /* of PROTOBUF_BYTES, borrowed */
};

/* False at the end, and where the bytes do not hold: then message->failed. */
static inline bool protobuf_next(struct bytes_reader *message, struct protobuf_field *ret_field)
{
	struct protobuf_field field = { 0 };
	uint64_t tag;

	if (message->failed || !bytes_left(message))
		return false;
	tag = bytes_read_uleb128(message);
	if (tag >> 3 == 0 || tag >> 3 > 536870911)
		message->failed = true;
	field.number = (uint32_t)(tag >> 3);
	field.type = tag & 7;
	if (field.type == PROTOBUF_VARINT)
		field.value = bytes_read_uleb128(message);
	else if (field.type == PROTOBUF_FIXED64)
		field.value = bytes_read_u64(message);
	else if (field.type == PROTOBUF_FIXED32)
		field.value = bytes_read_u32(message);
	else if (field.type == PROTOBUF_BYTES)
		field.bytes = bytes_read_part(message, bytes_read_uleb128(message));
	else
		message->failed = true;
	*ret_field = field;
	return !message->failed;
}

/*
 * The next number of a repeated field, which may be packed: call until it returns false. The field
 * is used up.
 */
static inline bool protobuf_next_varint(struct protobuf_field *field, uint64_t *ret_value)
{
	if (field->type == PROTOBUF_BYTES) {
		if (field->bytes.failed || !bytes_left(&field->bytes))
			return false;
		*ret_value = bytes_read_uleb128(&field->bytes);
		return !field->bytes.failed;
	}
	if (field->type != PROTOBUF_VARINT)
		return false;
	*ret_value = field->value;
	field->type = PROTOBUF_BYTES; /* of none */
	return true;
}

static inline double protobuf_double(uint64_t value)
{
	double number;

	memcpy(&number, &value, sizeof(number));
	return number;
}

#endif
