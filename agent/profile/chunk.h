/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One encoded chunk of a segment (include/wire.h), shared by the window, the clients and the
 * writer thread: nobody changes it after it was made.
 *
 * Reference-counted; taking and dropping references is safe in any thread.
 */
#ifndef FLICKERSCOPE_CHUNK_H
#define FLICKERSCOPE_CHUNK_H

#include <stdint.h>

#include "base/cleanup.h"

struct chunk {
	uint32_t references; /* atomic */
	uint32_t size;	     /* bytes of `bytes`, the chunk's header included */
	uint32_t segment;
	uint32_t sequence;
	uint16_t flags;	       /* enum wire_chunk_flag */
	uint32_t sample_count; /* rows of samples in it */
	uint64_t start_us;     /* timeline: of its first sample, or of the segment */
	uint64_t end_us;       /* timeline: everything before has been written */
	uint32_t late_names_size;
	uint8_t *
		late_names; /* bytes of its late names, for a capture's index; see capture_writer.c */
	uint8_t bytes[];    /* struct wire_chunk_header, payload */
};

/* A chunk with one reference and room for @size bytes, the rest zero; NULL without memory. */
struct chunk *chunk_new(uint32_t size, uint32_t late_names_size);

struct chunk *chunk_ref(struct chunk *chunk);
void chunk_unref(struct chunk *chunk); /* NULL is fine */
DEFINE_CLEANUP(struct chunk *, chunk_unref);

/* Memory that it holds. */
size_t chunk_memory(const struct chunk *chunk);

#endif
