/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/download.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "profile/chunk.h"
#include "profile/sample_window.h"
#include "stream/capture_file.h"
#include "stream/capture_index.h"
#include "wire.h"

enum {
	INDEX_SIZE_MAX = 16 << 20, /* of the names and rows of a window, deflated */
};

struct download {
	const struct sample_window *window; /* borrowed */
	uint64_t from_us;
	uint64_t to_us;
	struct capture_index *index;

	/* The chunk that comes next, and the last one of all: what there was at the start. */
	uint32_t segment;
	uint32_t sequence;
	uint32_t last_segment;
	uint32_t last_sequence;

	/* What is being sent: bytes of our own, or of a chunk. */
	struct bytes_writer own;
	struct chunk *chunk; /* owned; NULL: `own` */
	size_t sent;	     /* of either */
	uint64_t offset;     /* of the file: behind what is being sent */
	bool ended;	     /* the index is the last of it */
};

static void put(struct download *download, const void *bytes, size_t size)
{
	bytes_write(&download->own, bytes, size);
	download->offset += size;
}

int download_new(const struct sample_window *window, uint64_t instance_id, uint64_t from_us,
		 uint64_t to_us, struct download **ret_download)
{
	CLEANUP(download_free) struct download *download = calloc(1, sizeof(*download));
	const struct wire_file_header header = capture_file_header(instance_id);
	int r;

	if (!download)
		return -ENOMEM;
	download->window = window;
	download->from_us = from_us;
	download->to_us = to_us;
	download->own = bytes_writer_with_max(INDEX_SIZE_MAX);
	r = capture_index_new(&download->index);
	if (r < 0)
		return r;
	put(download, &header, sizeof(header));
	download->segment = sample_window_oldest(window);
	download->last_segment = sample_window_newest(window);
	download->last_sequence = sample_window_chunk_count(window, download->last_segment);
	if (download->own.failed)
		return -ENOMEM;
	*ret_download = TAKE(download);
	return 0;
}

void download_free(struct download *download)
{
	if (!download)
		return;
	chunk_unref(download->chunk);
	capture_index_free(download->index);
	bytes_writer_free(&download->own);
	free(download);
}

static bool is_asked_for(const struct download *download, uint32_t number)
{
	struct sample_window_segment segment;

	return sample_window_segment(download->window, number, &segment) &&
	       segment.end_us > download->from_us && segment.start_us < download->to_us;
}

/* Goes on to the next chunk that is asked for. Returns NULL behind the last one. */
static struct chunk *next_chunk(struct download *download)
{
	while (download->segment && download->segment <= download->last_segment) {
		struct chunk *chunk = NULL;

		if (download->segment == download->last_segment &&
		    download->sequence >= download->last_sequence)
			return NULL;
		if (download->sequence || is_asked_for(download, download->segment))
			chunk = sample_window_chunk(download->window, download->segment,
						    download->sequence);
		if (chunk) {
			download->sequence++;
			return chunk;
		}
		download->segment = sample_window_after(download->window, download->segment);
		download->sequence = 0;
	}
	return NULL;
}

static void put_index_chunk(struct chunk *chunk, void *context)
{
	put(context, chunk->bytes, chunk->size);
}

static int put_index(struct download *download)
{
	struct wire_file_trailer trailer = {
		.index_offset = htole64(download->offset),
		.magic = htole32(WIRE_TRAILER_MAGIC),
	};
	int r = capture_index_write(download->index, put_index_chunk, download);

	download->ended = true;
	if (r)
		return r < 0 ? r : 0; /* a file without index is read from its front */
	put(download, &trailer, sizeof(trailer));
	return download->own.failed ? -ENOMEM : 0;
}

/* Finds what is to be sent when all before it was. */
static int advance(struct download *download)
{
	download->sent = 0;
	bytes_writer_clear(&download->own);
	chunk_unref(TAKE(download->chunk));
	if (download->ended)
		return 0;
	download->chunk = next_chunk(download);
	if (!download->chunk)
		return put_index(download);
	chunk_ref(download->chunk);
	capture_index_add(download->index, download->chunk, download->offset);
	download->offset += download->chunk->size;
	return 0;
}

static size_t piece(const struct download *download, const uint8_t **ret_bytes)
{
	const struct chunk *chunk = download->chunk;

	*ret_bytes = (chunk ? chunk->bytes : download->own.bytes) + download->sent;
	return (chunk ? chunk->size : download->own.size) - download->sent;
}

int download_next(struct download *download, uint8_t *ret_bytes, size_t size_max, size_t *ret_size)
{
	size_t filled = 0;

	while (filled < size_max) {
		const uint8_t *bytes;
		size_t size = piece(download, &bytes);

		if (!size) {
			int r = advance(download);

			if (r < 0)
				return r;
			if (!piece(download, &bytes))
				break;
			continue;
		}
		if (size > size_max - filled)
			size = size_max - filled;
		memcpy(ret_bytes + filled, bytes, size);
		download->sent += size;
		filled += size;
	}
	*ret_size = filled;
	return 0;
}
