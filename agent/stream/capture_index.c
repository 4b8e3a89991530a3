/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/capture_index.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "profile/chunk.h"
#include "stream/chunk_builder.h"
#include "stream/record_decoder.h"

enum {
	/* A record is ended when it has this much, so that one more row of any size fits. */
	RECORD_SIZE_FULL = 32768,
};

_Static_assert(RECORD_SIZE_FULL + WIRE_STRING_SIZE_MAX + 16 < CHUNK_BUILDER_RECORD_MAX,
	       "the longest name fits behind a record that is not full yet");

struct capture_index {
	struct bytes_writer
		rows; /* struct record_index each; span_us holds the end until written */
	struct bytes_writer names; /* as struct chunk has them */
	bool incomplete;
};

int capture_index_new(struct capture_index **ret_index)
{
	struct capture_index *index = calloc(1, sizeof(*index));

	if (!index)
		return -ENOMEM;
	index->rows =
		bytes_writer_with_max(CAPTURE_INDEX_SEGMENTS_MAX * sizeof(struct record_index));
	index->names = bytes_writer_with_max(CAPTURE_INDEX_NAMES_MAX);
	*ret_index = index;
	return 0;
}

void capture_index_free(struct capture_index *index)
{
	if (!index)
		return;
	bytes_writer_free(&index->rows);
	bytes_writer_free(&index->names);
	free(index);
}

void capture_index_add(struct capture_index *index, const struct chunk *chunk, uint64_t offset)
{
	struct record_index *row;

	if (chunk->late_names_size <= index->names.size_max - index->names.size)
		bytes_write(&index->names, chunk->late_names, chunk->late_names_size);
	if (index->incomplete)
		return;
	if (chunk->sequence == 0) {
		row = bytes_writer_extend(&index->rows, sizeof(*row));
		if (!row) {
			index->incomplete = true;
			return;
		}
		*row = (struct record_index){
			.segment = chunk->segment,
			.offset = offset,
			.start_us = chunk->start_us,
		};
	}
	if (!index->rows.size)
		return;
	row = (struct record_index *)(index->rows.bytes + index->rows.size) - 1;
	row->size += chunk->size;
	row->sample_count += chunk->sample_count;
	row->span_us = chunk->end_us;
	if (chunk->start_us < row->start_us)
		row->start_us = chunk->start_us;
}

/* Adds a record of @row_count rows, and empties @rows. */
static int add_record(struct chunk_builder *builder, enum wire_record_kind kind, uint32_t row_count,
		      struct bytes_writer *rows)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer payload = bytes_writer_with_max(CHUNK_BUILDER_RECORD_MAX);

	bytes_write_uleb128(&payload, row_count);
	bytes_write(&payload, rows->bytes, rows->size);
	if (payload.failed || rows->failed)
		return -ENOMEM;
	bytes_writer_clear(rows);
	return chunk_builder_add(builder, kind, payload.bytes, (uint32_t)payload.size);
}

static int write_names(const struct capture_index *index, struct chunk_builder *builder)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer strings = bytes_writer_with_max(CHUNK_BUILDER_RECORD_MAX);
	CLEANUP(bytes_writer_free)
	struct bytes_writer late_names = bytes_writer_with_max(CHUNK_BUILDER_RECORD_MAX);
	struct bytes_reader names = bytes_reader_of(index->names.bytes, index->names.size);
	uint32_t string_id = 0;
	int r = 0;

	while (bytes_left(&names) && !r) {
		uint32_t row_count = 0;

		while (bytes_left(&names) && strings.size < RECORD_SIZE_FULL &&
		       late_names.size < RECORD_SIZE_FULL) {
			uint64_t size;

			bytes_write(&late_names, bytes_read(&names, 2 * sizeof(uint64_t)),
				    2 * sizeof(uint64_t));
			bytes_write_uleb128(&late_names, ++string_id);
			size = bytes_read_uleb128(&names);
			bytes_write_uleb128(&strings, size);
			bytes_write(&strings, bytes_read(&names, size), size);
			row_count++;
		}
		r = add_record(builder, WIRE_RECORD_STRINGS, row_count, &strings);
		if (!r)
			r = add_record(builder, WIRE_RECORD_LATE_NAMES, row_count, &late_names);
	}
	return r;
}

static int write_rows(const struct capture_index *index, struct chunk_builder *builder)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer rows = bytes_writer_with_max(CHUNK_BUILDER_RECORD_MAX);
	const struct record_index *all = (const struct record_index *)index->rows.bytes;
	size_t count = index->rows.size / sizeof(*all);
	uint32_t row_count = 0;
	int r = 0;

	for (size_t i = 0; i < count && !r; i++) {
		const struct record_index *row = &all[i];

		bytes_write_uleb128(&rows, row->segment);
		bytes_write_uleb128(&rows, row->offset);
		bytes_write_uleb128(&rows, row->size);
		bytes_write_uleb128(&rows, row->start_us);
		bytes_write_uleb128(
			&rows, row->span_us > row->start_us ? row->span_us - row->start_us : 0);
		bytes_write_uleb128(&rows, row->sample_count);
		row_count++;
		if (rows.size >= RECORD_SIZE_FULL || i == count - 1) {
			r = add_record(builder, WIRE_RECORD_INDEX, row_count, &rows);
			row_count = 0;
		}
	}
	return r;
}

int capture_index_write(const struct capture_index *index,
			void (*sink)(struct chunk *chunk, void *context), void *context)
{
	CLEANUP(chunk_builder_free) struct chunk_builder *builder = NULL;
	struct chunk_builder_options options = {
		.kind = WIRE_CHUNK_INDEX,
		.sink = sink,
		.context = context,
	};
	int r;

	if (index->incomplete)
		return CAPTURE_INDEX_INCOMPLETE;
	r = chunk_builder_new(&options, &builder);
	if (r < 0)
		return r;
	chunk_builder_open(builder, 0, 0);
	r = write_names(index, builder);
	if (!r)
		r = write_rows(index, builder);
	return r ? r : chunk_builder_flush(builder, 0, true);
}
