/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/chunk.h"

#include <malloc.h>
#include <stdlib.h>

struct chunk *chunk_new(uint32_t size, uint32_t late_names_size)
{
	struct chunk *chunk = malloc(sizeof(*chunk) + size + late_names_size);

	if (!chunk)
		return NULL;
	*chunk = (struct chunk){
		.references = 1,
		.size = size,
		.late_names_size = late_names_size,
	};
	chunk->late_names = chunk->bytes + size;
	return chunk;
}

struct chunk *chunk_ref(struct chunk *chunk)
{
	__atomic_fetch_add(&chunk->references, 1, __ATOMIC_RELAXED);
	return chunk;
}

void chunk_unref(struct chunk *chunk)
{
	/* Acquire and release: whoever frees sees all that others did with it before. */
	if (chunk && __atomic_sub_fetch(&chunk->references, 1, __ATOMIC_ACQ_REL) == 0)
		free(chunk);
}

size_t chunk_memory(const struct chunk *chunk)
{
	return malloc_usable_size((void *)chunk) + sizeof(size_t);
}
