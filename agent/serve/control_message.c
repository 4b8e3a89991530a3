/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/control_message.h"

#include "base/bytes.h"

enum {
	MAGIC = 0x434b4c46, /* "FLKC" */
	VERSION = 1,
	KIND_DUMP = 1,
	KIND_REPLY = 2,
	ERROR_MAX = 4095, /* the largest errno that the kernel gives */
};

static void write_head(uint8_t *bytes, uint16_t kind)
{
	const uint32_t magic = htole32(MAGIC);
	const uint16_t version = htole16(VERSION);

	kind = htole16(kind);
	memcpy(bytes, &magic, sizeof(magic));
	memcpy(bytes + 4, &version, sizeof(version));
	memcpy(bytes + 6, &kind, sizeof(kind));
}

static bool read_head(struct bytes_reader *reader, uint16_t kind)
{
	bool magic = bytes_read_u32(reader) == MAGIC;
	bool version = bytes_read_u16(reader) == VERSION;

	return bytes_read_u16(reader) == kind && magic && version;
}

void control_request_write(const struct control_request *request,
			   uint8_t ret_bytes[CONTROL_REQUEST_SIZE])
{
	const uint64_t last_us = htole64(request->last_us);

	write_head(ret_bytes, KIND_DUMP);
	memcpy(ret_bytes + 8, &last_us, sizeof(last_us));
}

bool control_request_read(const void *bytes, size_t size, struct control_request *ret_request)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);

	if (size != CONTROL_REQUEST_SIZE || !read_head(&reader, KIND_DUMP))
		return false;
	ret_request->last_us = bytes_read_u64(&reader);
	return true;
}

void control_reply_write(const struct control_reply *reply, uint8_t ret_bytes[CONTROL_REPLY_SIZE])
{
	const uint32_t error = htole32((uint32_t)-reply->error), reserved = 0;
	const uint64_t size = htole64(reply->bytes);

	write_head(ret_bytes, KIND_REPLY);
	memcpy(ret_bytes + 8, &error, sizeof(error));
	memcpy(ret_bytes + 12, &reserved, sizeof(reserved));
	memcpy(ret_bytes + 16, &size, sizeof(size));
}

bool control_reply_read(const void *bytes, size_t size, struct control_reply *ret_reply)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	uint32_t error;

	if (size != CONTROL_REPLY_SIZE || !read_head(&reader, KIND_REPLY))
		return false;
	error = bytes_read_u32(&reader);
	bytes_read_u32(&reader);
	if (error > ERROR_MAX)
		return false;
	ret_reply->error = -(int)error;
	ret_reply->bytes = bytes_read_u64(&reader);
	return true;
}
