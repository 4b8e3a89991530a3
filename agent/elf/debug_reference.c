/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/debug_reference.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "elf/described_functions.h"
#include "elf/executable_file.h"

enum {
	LINK_SIZE_MAX = DEBUG_LINK_NAME_SIZE_MAX + 1 + 3 + sizeof(uint32_t),
	CRC_PIECE_SIZE = 1 << 20,
};

static bool has_type(const struct executable_file *file, uint32_t type)
{
	size_t count;
	const Elf64_Shdr *sections = executable_file_sections(file, &count);

	for (size_t i = 0; i < count; i++)
		if (sections[i].sh_type == type && sections[i].sh_size)
			return true;
	return false;
}

static bool has_section(const struct executable_file *file, const char *name)
{
	const Elf64_Shdr *section = executable_file_find_section(file, name, SHT_NULL);

	return section && section->sh_type != SHT_NOBITS && section->sh_size;
}

/*
 * Whether .eh_frame describes most of the code. The C library's own parts bring some of it into
 * every program, also into one that was compiled without.
 */
static bool describes_code(const struct executable_file *file)
{
	CLEANUP(described_functions_free) struct described_functions functions = { 0 };
	uint64_t covered = 0;

	if (described_functions_read(file, file, false, &functions))
		return false;
	for (size_t i = 0; i < functions.count; i++)
		covered += functions.entries[i].size;
	return covered >= executable_file_code_size(file) / 2;
}

/* Which of @wanted parts a file has. */
static uint32_t parts_of(const struct executable_file *file, uint32_t wanted)
{
	uint32_t parts = 0;

	if ((wanted & DEBUG_PART_SYMBOLS) &&
	    (has_type(file, SHT_SYMTAB) || has_section(file, ".gnu_debugdata")))
		parts |= DEBUG_PART_SYMBOLS;
	if ((wanted & DEBUG_PART_FRAMES) &&
	    (has_section(file, ".debug_frame") || describes_code(file)))
		parts |= DEBUG_PART_FRAMES;
	if ((wanted & DEBUG_PART_LINES) && has_section(file, ".debug_info"))
		parts |= DEBUG_PART_LINES;
	return parts;
}

/* A name, filling up to four bytes, and the CRC in the file's byte order. */
static void read_link(const struct executable_file *file, struct debug_reference *reference)
{
	const Elf64_Shdr *section =
		executable_file_find_section(file, ".gnu_debuglink", SHT_PROGBITS);
	uint8_t bytes[LINK_SIZE_MAX]; /* that there is none is nothing that memory may decide */
	struct bytes_reader reader;
	const char *name;
	uint32_t crc;

	if (!section || section->sh_size > sizeof(bytes) || section->sh_flags & SHF_COMPRESSED ||
	    executable_file_read_into(file, section->sh_offset, section->sh_size, bytes) != 0)
		return;
	reader = bytes_reader_of(bytes, section->sh_size);
	name = bytes_read_string(&reader);
	bytes_read(&reader, -bytes_offset(&reader) % sizeof(crc));
	crc = bytes_read_u32(&reader);
	if (reader.failed || strlen(name) > DEBUG_LINK_NAME_SIZE_MAX || strchr(name, '/'))
		return;
	strcpy(reference->link, name);
	reference->link_crc = crc;
}

static void read_reference(const struct executable_file *file, struct debug_reference *reference)
{
	executable_file_build_id(file, &reference->build_id);
	read_link(file, reference);
}

struct debug_reference debug_reference_of(const struct executable_file *file, uint32_t wanted)
{
	struct debug_reference reference = { .parts = parts_of(file, wanted) };

	read_reference(file, &reference);
	return reference;
}

int debug_reference_job(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	uint32_t wanted = bytes_read_u32(&argument);
	struct debug_reference reference;
	int r = executable_file_open(input_fd, &file);

	if (r)
		return r;
	reference = debug_reference_of(file, wanted);
	bytes_write(ret_result, &reference, sizeof(reference));
	return 0;
}

static int crc_of(const struct executable_file *file, uint32_t *ret_crc)
{
	CLEANUP(memory_free) uint8_t *piece = malloc(CRC_PIECE_SIZE);
	uint64_t size = executable_file_size(file), offset = 0;
	uLong crc = crc32(0, NULL, 0);

	if (!piece)
		return -ENOMEM;
	while (offset < size) {
		size_t count = size - offset < CRC_PIECE_SIZE ? size - offset : CRC_PIECE_SIZE;
		int r = executable_file_read_into(file, offset, count, piece);

		if (r)
			return r;
		crc = crc32(crc, piece, (uInt)count);
		offset += count;
	}
	*ret_crc = (uint32_t)crc;
	return 0;
}

int debug_file_check(const struct executable_file *file, const struct executable_file *debug_file,
		     uint32_t wanted)
{
	struct debug_reference reference = { 0 };
	struct build_id build_id;
	uint32_t crc = 0;
	int r;

	read_reference(file, &reference);
	if (reference.build_id.size && executable_file_build_id(debug_file, &build_id)) {
		if (!build_id_equal(&reference.build_id, &build_id))
			return EXECUTABLE_OTHER;
	} else {
		r = reference.link[0] ? crc_of(debug_file, &crc) : EXECUTABLE_OTHER;
		if (r)
			return r;
		if (crc != reference.link_crc)
			return EXECUTABLE_OTHER;
	}
	return parts_of(debug_file, wanted) ? 0 : EXECUTABLE_NO_SECTION;
}

int debug_file_check_job(int file_fd, int debug_fd, struct bytes_reader argument,
			 struct bytes_writer *ret_result)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	CLEANUP(executable_file_free) struct executable_file *debug_file = NULL;
	uint32_t wanted = bytes_read_u32(&argument);
	int r = executable_file_open(file_fd, &file);

	if (!r)
		r = executable_file_open(debug_fd, &debug_file);
	return r ? r : debug_file_check(file, debug_file, wanted);
}

int debug_reference_read(const void *bytes, size_t size, struct debug_reference *ret_reference)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	struct debug_reference reference;

	if (!bytes_read_into(&reader, &reference, sizeof(reference)) || bytes_left(&reader) ||
	    reference.build_id.size > BUILD_ID_SIZE_MAX ||
	    !memchr(reference.link, 0, sizeof(reference.link)) || strchr(reference.link, '/'))
		return -EBADMSG;
	*ret_reference = reference;
	return 0;
}
