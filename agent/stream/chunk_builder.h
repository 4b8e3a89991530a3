/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deflates whole records and cuts the stream into chunks with their headers (include/wire.h): for
 * segments and for a file's index.
 *
 * Memory is bounded: one chunk inflated and deflated, the deflate state (about 270 KiB), and
 * CHUNK_BUILDER_LATE_NAMES_MAX. Owned by one thread.
 */
#ifndef FLICKERSCOPE_CHUNK_BUILDER_H
#define FLICKERSCOPE_CHUNK_BUILDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "wire.h"

struct chunk;
struct chunk_builder;

enum chunk_builder_limits {
	CHUNK_BUILDER_RECORD_MAX =
		WIRE_CHUNK_RAW_MAX - 4,		/* payload; kind and size need the rest */
	CHUNK_BUILDER_LATE_NAMES_MAX = 1048576, /* bytes of a chunk's late names for the index */
};

struct chunk_builder_options {
	enum wire_chunk_kind kind;
	/* Gets each chunk, borrowed for the call. */
	void (*sink)(struct chunk *chunk, void *context);
	void *context;
};

int chunk_builder_new(const struct chunk_builder_options *options,
		      struct chunk_builder **ret_builder);
void chunk_builder_free(struct chunk_builder *builder); /* NULL is fine */
DEFINE_CLEANUP(struct chunk_builder *, chunk_builder_free);

/* Starts a new deflate stream; what was not flushed of the last one is dropped. */
void chunk_builder_open(struct chunk_builder *builder, uint32_t segment, uint64_t start_us);

/*
 * Adds a record, copied. What stands before it becomes a chunk when it no longer fits.
 *
 * Returns 0 or -ENOMEM; then the stream is broken and every later call returns the same until the
 * next open.
 */
int chunk_builder_add(struct chunk_builder *builder, enum wire_record_kind kind,
		      const void *payload, uint32_t size);

/* Counts samples into the chunk that holds the last record; @first_us is the earliest of them. */
void chunk_builder_count(struct chunk_builder *builder, uint32_t sample_count, uint64_t first_us);

/* Remembers a late name in that chunk, for a capture's index. */
void chunk_builder_late_name(struct chunk_builder *builder, uint64_t key, uint64_t function_key,
			     const void *name, uint32_t name_size);

/* Makes a chunk of what was added. @last: the stream ends with it. Returns 0 or -ENOMEM. */
int chunk_builder_flush(struct chunk_builder *builder, uint64_t end_us, bool last);

/* Of the stream so far: chunks made, their bytes, and bytes before deflating. */
uint32_t chunk_builder_chunk_count(const struct chunk_builder *builder);
uint64_t chunk_builder_stored_bytes(const struct chunk_builder *builder);
uint64_t chunk_builder_raw_bytes(const struct chunk_builder *builder);

/* Of all streams so far: samples that were counted, and of these those whose chunk found no memory. */
uint64_t chunk_builder_samples(const struct chunk_builder *builder);
uint64_t chunk_builder_samples_lost(const struct chunk_builder *builder);

#endif
