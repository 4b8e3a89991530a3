/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/eh_frame.h"

#include <string.h>

/* LSB 5.0 Core, table 10-3 and 10-4: the low half is the form, the high half what is added. */
enum {
	ENCODING_ABSOLUTE = 0x00,
	ENCODING_ULEB128 = 0x01,
	ENCODING_UDATA2 = 0x02,
	ENCODING_UDATA4 = 0x03,
	ENCODING_UDATA8 = 0x04,
	ENCODING_SLEB128 = 0x09,
	ENCODING_SDATA2 = 0x0a,
	ENCODING_SDATA4 = 0x0b,
	ENCODING_SDATA8 = 0x0c,
	ENCODING_FORM_MASK = 0x0f,
	ENCODING_FROM_HERE = 0x10,
	ENCODING_BASE_MASK = 0xf0,
};

#define CIE_ID_DEBUG_FRAME_32 UINT32_MAX
#define CIE_ID_DEBUG_FRAME_64 UINT64_MAX
#define LENGTH_IS_64_BITS UINT32_MAX

/* The head of a record: where it is, and what comes behind its id. */
struct record {
	struct bytes_reader contents; /* from behind the id to the record's end */
	uint64_t id;		      /* or the reference to a CIE */
	size_t id_offset;	      /* in the section */
	size_t next;		      /* offset of the next record */
	bool is_64_bit;
};

/* Reads the head at @offset. Returns false when the record does not lie inside the section. */
static bool read_record(const struct eh_frame_section *section, size_t offset,
			struct record *ret_record)
{
	struct bytes_reader reader = bytes_reader_of(section->bytes, section->size);
	struct record record = { 0 };
	uint64_t length;

	bytes_read(&reader, offset);
	length = bytes_read_u32(&reader);
	if (length == LENGTH_IS_64_BITS) {
		record.is_64_bit = true;
		length = bytes_read_u64(&reader);
	}
	if (reader.failed || length > bytes_left(&reader))
		return false;
	record.id_offset = bytes_offset(&reader);
	record.next = record.id_offset + length;
	record.contents = bytes_read_part(&reader, length);
	if (length) {
		/* In .eh_frame the id is 4 bytes in either form (LSB 10.6.1). */
		record.id = record.is_64_bit && section->is_debug_frame
				    ? bytes_read_u64(&record.contents)
				    : bytes_read_u32(&record.contents);
	}
	*ret_record = record;
	return true;
}

static bool is_cie(const struct eh_frame_section *section, const struct record *record)
{
	if (!section->is_debug_frame)
		return record->id == 0;
	return record->id == (record->is_64_bit ? CIE_ID_DEBUG_FRAME_64 : CIE_ID_DEBUG_FRAME_32);
}

/*
 * A pointer in @encoding; @address is that of the pointer itself. Bases other than that (text,
 * data, function) are not used for code addresses by any known linker: they fail the reader.
 */
static uint64_t read_pointer(struct bytes_reader *reader, uint8_t encoding, uint64_t address)
{
	uint64_t base = 0;

	if ((encoding & ENCODING_BASE_MASK) == ENCODING_FROM_HERE)
		base = address;
	else if (encoding & ENCODING_BASE_MASK)
		reader->failed = true;
	switch (encoding & ENCODING_FORM_MASK) {
	case ENCODING_ABSOLUTE:
	case ENCODING_UDATA8:
	case ENCODING_SDATA8:
		return base + bytes_read_u64(reader);
	case ENCODING_UDATA4:
		return base + bytes_read_u32(reader);
	case ENCODING_SDATA4:
		return base + (uint64_t)(int32_t)bytes_read_u32(reader);
	case ENCODING_UDATA2:
		return base + bytes_read_u16(reader);
	case ENCODING_SDATA2:
		return base + (uint64_t)(int16_t)bytes_read_u16(reader);
	case ENCODING_ULEB128:
		return base + bytes_read_uleb128(reader);
	case ENCODING_SLEB128:
		return base + (uint64_t)bytes_read_sleb128(reader);
	default:
		reader->failed = true;
		return 0;
	}
}

/* The letters behind 'z' tell what the augmentation holds; those that nobody knows fail. */
static bool read_augmentation(struct bytes_reader *reader, const char *letters,
			      struct eh_frame_cie *cie)
{
	uint64_t size = bytes_read_uleb128(reader);
	struct bytes_reader part = bytes_read_part(reader, size);

	for (; *letters; letters++) {
		switch (*letters) {
		case 'R':
			cie->pointer_encoding = bytes_read_u8(&part);
			break;
		case 'P': {
			uint8_t encoding = bytes_read_u8(&part);

			/* Only to be passed over: where it counts from does not matter. */
			read_pointer(&part, encoding & ENCODING_FORM_MASK, 0);
			break;
		}
		case 'L':
			bytes_read_u8(&part);
			break;
		case 'S':
			cie->is_signal_frame = true;
			break;
		case 'B': /* return addresses are signed with key B (ARM 64) */
			break;
		default:
			return false;
		}
	}
	return !part.failed;
}

bool eh_frame_read_cie(const struct eh_frame_section *section, size_t offset,
		       struct eh_frame_cie *ret_cie)
{
	struct eh_frame_cie cie = { .pointer_encoding = ENCODING_ABSOLUTE };
	const char *augmentation;
	struct record record;
	uint8_t version;

	if (!read_record(section, offset, &record) || !is_cie(section, &record))
		return false;
	version = bytes_read_u8(&record.contents);
	augmentation = bytes_read_string(&record.contents);
	if (!augmentation || (version != 1 && version != 3 && version != 4))
		return false;
	if (version == 4 && (bytes_read_u8(&record.contents) != sizeof(uint64_t) ||
			     bytes_read_u8(&record.contents) != 0))
		return false; /* other addresses than 8 bytes, or with segments */
	cie.code_alignment = bytes_read_uleb128(&record.contents);
	cie.data_alignment = bytes_read_sleb128(&record.contents);
	cie.return_register = version == 1 ? bytes_read_u8(&record.contents)
					   : bytes_read_uleb128(&record.contents);
	if (augmentation[0]) {
		cie.has_augmentation_size = true;
		if (augmentation[0] != 'z' ||
		    !read_augmentation(&record.contents, augmentation + 1, &cie))
			return false;
	}
	if (record.contents.failed)
		return false;
	cie.instructions = bytes_reader_of(record.contents.at, bytes_left(&record.contents));
	*ret_cie = cie;
	return true;
}

/* Where the CIE of an FDE is: before the reference by its value, or there in the section. */
static bool find_cie(struct eh_frame_cursor *cursor, const struct record *record)
{
	const struct eh_frame_section *section = cursor->section;
	uint64_t offset = section->is_debug_frame ? record->id : record->id_offset - record->id;

	if (offset >= section->size)
		return false;
	if (cursor->has_cie && cursor->cie_offset == offset)
		return true;
	cursor->has_cie = eh_frame_read_cie(section, offset, &cursor->cie);
	cursor->cie_offset = (uint32_t)offset;
	return cursor->has_cie;
}

static bool read_fde(struct eh_frame_cursor *cursor, struct record *record,
		     struct eh_frame_fde *ret_fde)
{
	const struct eh_frame_section *section = cursor->section;
	struct bytes_reader *contents = &record->contents;
	struct eh_frame_fde fde;

	if (!find_cie(cursor, record))
		return false;
	fde.cie = cursor->cie_offset;
	fde.start = read_pointer(contents, cursor->cie.pointer_encoding,
				 section->address + (uint64_t)(contents->at - section->bytes));
	/* The size has the form of a pointer and counts from nothing. */
	fde.size = read_pointer(contents, cursor->cie.pointer_encoding & ENCODING_FORM_MASK, 0);
	if (cursor->cie.has_augmentation_size)
		bytes_read(contents, bytes_read_uleb128(contents));
	if (contents->failed || !fde.size || fde.size > UINT64_MAX - fde.start)
		return false;
	fde.instructions = (uint32_t)(contents->at - section->bytes);
	fde.instructions_size = (uint32_t)bytes_left(contents);
	*ret_fde = fde;
	return true;
}

int eh_frame_next(struct eh_frame_cursor *cursor, struct eh_frame_fde *ret_fde)
{
	struct record record;

	while (cursor->offset < cursor->section->size &&
	       read_record(cursor->section, cursor->offset, &record)) {
		bool is_empty = record.next == record.id_offset;

		cursor->offset = record.next;
		/* An empty record ends the section for the runtime, but linkers join sections. */
		if (is_empty && cursor->section->ends_at_empty_record)
			cursor->offset = cursor->section->size;
		if (is_empty || is_cie(cursor->section, &record))
			continue;
		if (read_fde(cursor, &record, ret_fde))
			return 0;
		cursor->skipped_count++;
	}
	return EH_FRAME_END;
}

bool eh_frame_find(struct bytes_reader header, uint64_t address, uint64_t *ret_address)
{
	uint8_t version = bytes_read_u8(&header), encoding = bytes_read_u8(&header);
	uint64_t found;

	bytes_read(&header, 2); /* how its table of functions is encoded */
	found = read_pointer(&header, encoding, address + bytes_offset(&header));
	if (header.failed || version != 1)
		return false;
	*ret_address = found;
	return true;
}
