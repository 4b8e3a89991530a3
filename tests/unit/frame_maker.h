/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes sections of call frame information, as GNU as does for x86-64: .eh_frame with pointers
 * relative to themselves in 4 bytes, .debug_frame with addresses in 8.
 */
#ifndef FLICKERSCOPE_FRAME_MAKER_H
#define FLICKERSCOPE_FRAME_MAKER_H

#include <string.h>

#include "base/bytes.h"
#include "elf/eh_frame.h"

enum { FRAME_MAKER_ADDRESS = 0x100000, FRAME_MAKER_RELATIVE = 0x1b };

struct frame_maker {
	struct bytes_writer bytes;
	uint64_t address;  /* of the section */
	size_t cie_offset; /* of the last one: what FDEs refer to */
	bool is_debug_frame;
	bool is_64_bit;
	bool has_augmentation;
};

static inline struct frame_maker frame_maker_start(bool is_debug_frame)
{
	return (struct frame_maker){ .bytes = bytes_writer_with_max(1 << 20),
				     .address = FRAME_MAKER_ADDRESS,
				     .is_debug_frame = is_debug_frame };
}

static inline void cleanup_frame_maker_free(struct frame_maker *maker)
{
	bytes_writer_free(&maker->bytes);
}

static inline struct eh_frame_section frame_maker_section(const struct frame_maker *maker)
{
	return (struct eh_frame_section){ .bytes = maker->bytes.bytes,
					  .size = maker->bytes.size,
					  .address = maker->address,
					  .is_debug_frame = maker->is_debug_frame };
}

/* Appends a record of @contents behind its length and @id; the id is 8 bytes in one form only. */
static inline void frame_maker_add_record(struct frame_maker *maker, uint64_t id,
					  const struct bytes_writer *contents)
{
	bool has_long_id = maker->is_64_bit && maker->is_debug_frame;
	size_t size = contents->size + (has_long_id ? 8 : 4);

	if (maker->is_64_bit) {
		bytes_write_u32(&maker->bytes, UINT32_MAX);
		bytes_write_u64(&maker->bytes, size);
	} else {
		bytes_write_u32(&maker->bytes, (uint32_t)size);
	}
	if (has_long_id)
		bytes_write_u64(&maker->bytes, id);
	else
		bytes_write_u32(&maker->bytes, (uint32_t)id);
	bytes_write(&maker->bytes, contents->bytes, contents->size);
}

/* Code alignment 1, data alignment -8, return address in register 16. */
static inline void frame_maker_add_cie(struct frame_maker *maker, const char *augmentation,
				       const void *instructions, size_t size)
{
	struct bytes_writer contents = bytes_writer_with_max(1 << 16);

	maker->cie_offset = maker->bytes.size;
	maker->has_augmentation = augmentation[0] != '\0';
	bytes_write_u8(&contents, 1);
	bytes_write(&contents, augmentation, strlen(augmentation) + 1);
	bytes_write_u8(&contents, 1);
	bytes_write_u8(&contents, 0x78);
	bytes_write_u8(&contents, 16);
	if (maker->has_augmentation) {
		bytes_write_u8(&contents, 1);
		bytes_write_u8(&contents, FRAME_MAKER_RELATIVE);
	}
	bytes_write(&contents, instructions, size);
	frame_maker_add_record(maker, maker->is_debug_frame ? UINT64_MAX : 0, &contents);
	bytes_writer_free(&contents);
}

static inline void frame_maker_add_fde(struct frame_maker *maker, uint64_t start,
				       uint64_t code_size, const void *instructions, size_t size)
{
	struct bytes_writer contents = bytes_writer_with_max(1 << 16);
	size_t id_offset = maker->bytes.size + (maker->is_64_bit ? 12 : 4);

	if (maker->is_debug_frame) {
		bytes_write_u64(&contents, start);
		bytes_write_u64(&contents, code_size);
	} else {
		bytes_write_u32(&contents, (uint32_t)(start - (maker->address + id_offset + 4)));
		bytes_write_u32(&contents, (uint32_t)code_size);
	}
	if (maker->has_augmentation)
		bytes_write_u8(&contents, 0);
	bytes_write(&contents, instructions, size);
	frame_maker_add_record(
		maker, maker->is_debug_frame ? maker->cie_offset : id_offset - maker->cie_offset,
		&contents);
	bytes_writer_free(&contents);
}

/* The empty record at the end of .eh_frame. */
static inline void frame_maker_end(struct frame_maker *maker)
{
	bytes_write_u32(&maker->bytes, 0);
}

#endif
