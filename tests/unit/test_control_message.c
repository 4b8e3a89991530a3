/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/control_message.h"

#include <errno.h>

#include "check.h"

static void request_is_read_as_it_was_written(void)
{
	const struct control_request request = { .last_us = 60000000123 };
	struct control_request read = { 0 };
	uint8_t bytes[CONTROL_REQUEST_SIZE];

	control_request_write(&request, bytes);
	CHECK(control_request_read(bytes, sizeof(bytes), &read));
	CHECK_EQ(read.last_us, request.last_us);
}

static void reply_is_read_as_it_was_written(void)
{
	const struct control_reply reply = { .error = -ENOSPC, .bytes = 1ull << 40 };
	struct control_reply read = { 0 };
	uint8_t bytes[CONTROL_REPLY_SIZE];

	control_reply_write(&reply, bytes);
	CHECK(control_reply_read(bytes, sizeof(bytes), &read));
	CHECK_EQ(read.error, -ENOSPC);
	CHECK_EQ(read.bytes, reply.bytes);
}

/* Each byte of the head changed, and every other size. */
static void anything_else_is_refused(void)
{
	const struct control_request request = { .last_us = 1 };
	const struct control_reply reply = { .bytes = 1 };
	struct control_request read_request;
	struct control_reply read_reply;
	uint8_t bytes[CONTROL_MESSAGE_SIZE_MAX] = { 0 };

	control_request_write(&request, bytes);
	CHECK(!control_reply_read(bytes, CONTROL_REPLY_SIZE, &read_reply));
	for (size_t size = 0; size <= sizeof(bytes); size++)
		CHECK_EQ(control_request_read(bytes, size, &read_request),
			 size == CONTROL_REQUEST_SIZE);
	for (size_t i = 0; i < 8; i++) {
		bytes[i] ^= 0x40;
		CHECK(!control_request_read(bytes, CONTROL_REQUEST_SIZE, &read_request));
		bytes[i] ^= 0x40;
	}
	control_reply_write(&reply, bytes);
	CHECK(!control_request_read(bytes, CONTROL_REQUEST_SIZE, &read_request));
	for (size_t size = 0; size <= sizeof(bytes); size++)
		CHECK_EQ(control_reply_read(bytes, size, &read_reply), size == CONTROL_REPLY_SIZE);
	bytes[11] = 0x80; /* no error is so large */
	CHECK(!control_reply_read(bytes, CONTROL_REPLY_SIZE, &read_reply));
}

TESTS(TEST(request_is_read_as_it_was_written), TEST(reply_is_read_as_it_was_written),
      TEST(anything_else_is_refused))
