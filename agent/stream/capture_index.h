/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index at the end of a capture, in the making: where each segment stands, and the late names
 * of all of them, so that a part of a long file can be read with its names without the rest.
 *
 * Bounded by CAPTURE_INDEX_SEGMENTS_MAX and CAPTURE_INDEX_NAMES_MAX bytes; names beyond are in
 * their segments only, and a capture of more segments has no index. Owned by the writer's thread.
 */
#ifndef FLICKERSCOPE_CAPTURE_INDEX_H
#define FLICKERSCOPE_CAPTURE_INDEX_H

#include <stdint.h>

#include "base/cleanup.h"

struct capture_index;
struct chunk;

enum capture_index_limits {
	CAPTURE_INDEX_SEGMENTS_MAX = 1048576,
	CAPTURE_INDEX_NAMES_MAX = 8388608,
};

enum capture_index_outcome {
	CAPTURE_INDEX_INCOMPLETE = 1, /* a segment is missing in it: better none */
};

int capture_index_new(struct capture_index **ret_index);
void capture_index_free(struct capture_index *index); /* NULL is fine */
DEFINE_CLEANUP(struct capture_index *, capture_index_free);

/* Notes a chunk that was written at @offset, in the order of the file. */
void capture_index_add(struct capture_index *index, const struct chunk *chunk, uint64_t offset);

/*
 * Makes the index chunks and hands each to @sink, borrowed for the call.
 *
 * Returns 0, CAPTURE_INDEX_INCOMPLETE or -ENOMEM.
 */
int capture_index_write(const struct capture_index *index,
			void (*sink)(struct chunk *chunk, void *context), void *context);

#endif
