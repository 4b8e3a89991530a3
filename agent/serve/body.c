/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/body.h"

#include <errno.h>
#include <stdlib.h>

#include "serve/download.h"

struct body {
	uint64_t size;
	uint64_t sent;
	const uint8_t *bytes;	   /* borrowed, or of `text`; NULL: not these */
	struct bytes_writer text;  /* owned */
	int fd;			   /* owned; -1: no file */
	uint64_t offset;	   /* in the file */
	struct download *download; /* owned; NULL: none */
};

static struct body *body_make(uint64_t size)
{
	struct body *body = calloc(1, sizeof(*body));

	if (body) {
		body->size = size;
		body->fd = -1;
	}
	return body;
}

int body_of_bytes(const uint8_t *bytes, size_t size, struct body **ret_body)
{
	struct body *body = body_make(size);

	if (!body)
		return -ENOMEM;
	body->bytes = bytes;
	*ret_body = body;
	return 0;
}

int body_of_text(struct bytes_writer text, struct body **ret_body)
{
	struct body *body = text.failed ? NULL : body_make(text.size);

	if (!body) {
		bytes_writer_free(&text);
		return -ENOMEM;
	}
	body->text = text;
	body->bytes = text.bytes;
	*ret_body = body;
	return 0;
}

int body_of_file(int fd, uint64_t offset, uint64_t size, struct body **ret_body)
{
	struct body *body = body_make(size);

	if (!body) {
		fd_close(fd);
		return -ENOMEM;
	}
	body->fd = fd;
	body->offset = offset;
	*ret_body = body;
	return 0;
}

int body_of_download(struct download *download, struct body **ret_body)
{
	struct body *body = body_make(BODY_SIZE_UNKNOWN);

	if (!body) {
		download_free(download);
		return -ENOMEM;
	}
	body->download = download;
	*ret_body = body;
	return 0;
}

void body_free(struct body *body)
{
	if (!body)
		return;
	bytes_writer_free(&body->text);
	fd_close(body->fd);
	download_free(body->download);
	free(body);
}

uint64_t body_size(const struct body *body)
{
	return body->size;
}

static int read_file(struct body *body, uint8_t *ret_bytes, size_t size)
{
	while (size) {
		ssize_t got = pread(body->fd, ret_bytes, size, (off_t)(body->offset + body->sent));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ENODATA;
		body->sent += (uint64_t)got;
		ret_bytes += got;
		size -= (size_t)got;
	}
	return 0;
}

int body_next(struct body *body, uint8_t *ret_bytes, size_t size_max, size_t *ret_size)
{
	uint64_t left = body->size - body->sent;
	size_t size = left < size_max ? (size_t)left : size_max;

	if (body->download)
		return download_next(body->download, ret_bytes, size_max, ret_size);
	if (body->fd >= 0) {
		int r = read_file(body, ret_bytes, size);

		if (r < 0)
			return r;
	} else if (size) {
		memcpy(ret_bytes, body->bytes + body->sent, size);
		body->sent += size;
	}
	*ret_size = size;
	return 0;
}
