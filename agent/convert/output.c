/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/output.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/escape.h"

enum {
	NUMBER_SIZE_MAX = 20,
	BASE64_PIECE = 48, /* bytes at a time */
};

struct output {
	int fd; /* borrowed */
	uint64_t written;
	size_t used;
	int error;
	uint8_t buffer[OUTPUT_BUFFER_SIZE];
};

int output_new(int fd, struct output **ret_output)
{
	struct output *output = malloc(sizeof(*output));

	if (!output)
		return -ENOMEM;
	memset(output, 0, offsetof(struct output, buffer));
	output->fd = fd;
	*ret_output = output;
	return 0;
}

void output_free(struct output *output)
{
	free(output);
}

static void flush(struct output *output)
{
	const uint8_t *at = output->buffer;
	size_t left = output->used;

	while (left && !output->error) {
		ssize_t written = write(output->fd, at, left);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			output->error = written < 0 ? -errno : -EIO;
			break;
		}
		at += written;
		left -= (size_t)written;
	}
	output->written += output->used;
	output->used = 0;
}

void output_bytes(struct output *output, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size > sizeof(output->buffer) - output->used) {
		size_t part = sizeof(output->buffer) - output->used;

		memcpy(output->buffer + output->used, at, part);
		output->used += part;
		at += part;
		size -= part;
		flush(output);
	}
	if (!size)
		return;
	memcpy(output->buffer + output->used, at, size);
	output->used += size;
}

void output_u64(struct output *output, uint64_t value)
{
	char text[NUMBER_SIZE_MAX];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	output_bytes(output, text + at, sizeof(text) - at);
}

void output_hex(struct output *output, uint64_t value)
{
	char text[NUMBER_SIZE_MAX];
	size_t at = sizeof(text);

	do {
		text[--at] = "0123456789abcdef"[value % 16];
		value /= 16;
	} while (value);
	output_bytes(output, text + at, sizeof(text) - at);
}

void output_json_string(struct output *output, const char *text, size_t size)
{
	char *escaped = malloc(6 * size + 1);
	size_t escaped_size;

	if (!escaped) {
		output_fail(output, -ENOMEM);
		return;
	}
	escaped_size = escape_json(text, size, escaped, 6 * size);
	output_bytes(output, "\"", 1);
	output_bytes(output, escaped, escaped_size);
	output_bytes(output, "\"", 1);
	free(escaped);
}

void output_base64(struct output *output, const void *bytes, size_t size)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *at = bytes;
	char text[4 * BASE64_PIECE / 3];
	size_t used = 0;

	for (; size; size -= size < 3 ? size : 3, at += 3) {
		uint32_t group = (uint32_t)at[0] << 16 | (uint32_t)(size > 1 ? at[1] : 0) << 8 |
				 (uint32_t)(size > 2 ? at[2] : 0);

		text[used++] = letters[group >> 18];
		text[used++] = letters[group >> 12 & 63];
		text[used++] = size > 1 ? letters[group >> 6 & 63] : '=';
		text[used++] = size > 2 ? letters[group & 63] : '=';
		if (used == sizeof(text)) {
			output_bytes(output, text, used);
			used = 0;
		}
	}
	output_bytes(output, text, used);
}

int output_finish(struct output *output)
{
	flush(output);
	return output->error;
}

void output_fail(struct output *output, int error)
{
	if (!output->error)
		output->error = error;
}

int output_error(const struct output *output)
{
	return output->error;
}

uint64_t output_size(const struct output *output)
{
	return output->written + output->used;
}
