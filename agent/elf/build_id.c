/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/build_id.h"

#include <elf.h>
#include <string.h>

/* Passes over @size bytes and what fills them up to a multiple of @alignment; the last one may
 * lack its filling. */
static const void *read_padded(struct bytes_reader *notes, uint32_t size, size_t alignment)
{
	const void *bytes = bytes_read(notes, size);
	size_t filling = -(size_t)size & (alignment - 1);

	if (bytes)
		bytes_read(notes, filling < bytes_left(notes) ? filling : bytes_left(notes));
	return bytes;
}

bool build_id_find(struct bytes_reader notes, uint64_t alignment, struct build_id *ret_build_id)
{
	alignment = alignment == 8 ? 8 : 4;
	while (bytes_left(&notes)) {
		uint32_t name_size = bytes_read_u32(&notes);
		uint32_t size = bytes_read_u32(&notes);
		uint32_t type = bytes_read_u32(&notes);
		const void *name = read_padded(&notes, name_size, alignment);
		const void *bytes = read_padded(&notes, size, alignment);

		if (notes.failed)
			return false;
		if (type != NT_GNU_BUILD_ID || name_size != sizeof(ELF_NOTE_GNU) ||
		    memcmp(name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) != 0)
			continue;
		if (!size || size > BUILD_ID_SIZE_MAX)
			continue;
		*ret_build_id = (struct build_id){ .size = size };
		memcpy(ret_build_id->bytes, bytes, size);
		return true;
	}
	return false;
}

void build_id_text(const struct build_id *build_id, char ret_text[BUILD_ID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (uint32_t i = 0; i < build_id->size; i++) {
		*ret_text++ = digits[build_id->bytes[i] >> 4];
		*ret_text++ = digits[build_id->bytes[i] & 15];
	}
	*ret_text = '\0';
}

bool build_id_equal(const struct build_id *left, const struct build_id *right)
{
	return left->size == right->size && memcmp(left->bytes, right->bytes, left->size) == 0;
}
