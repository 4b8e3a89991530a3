/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/executable_file.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#error "no processor that this was written for"
#endif

enum { HUGE_PAGE_SIZE = 2 << 20 };

#define OWN_ORDER (BYTE_ORDER == LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB)

struct executable_file {
	int fd;		      /* borrowed; -1 when the file is in memory */
	const uint8_t *bytes; /* borrowed; NULL when it is not */
	uint64_t size;
	Elf64_Ehdr header;
	Elf64_Phdr *segments; /* the PT_LOAD ones stand first */
	size_t segment_count;
	size_t load_count;
	Elf64_Shdr *sections;
	size_t section_count;
	char *names; /* of sections; zero-terminated */
	size_t names_size;
};

/* Copies a part of the file. A file that became shorter meanwhile is as malformed as a cut one. */
static int read_part(const struct executable_file *file, uint64_t offset, size_t size, void *target)
{
	uint8_t *at = target;

	if (offset > file->size || size > file->size - offset)
		return EXECUTABLE_MALFORMED;
	if (file->bytes) {
		memcpy(target, file->bytes + offset, size);
		return 0;
	}
	while (size) {
		ssize_t count = pread(file->fd, at, size, (off_t)offset);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		if (!count)
			return EXECUTABLE_MALFORMED;
		at += count;
		offset += (size_t)count;
		size -= (size_t)count;
	}
	return 0;
}

/*
 * Memory for @size bytes to be read into, and one more. Of huge pages where it is large, as far as there
 * are any: to hand out small ones takes the kernel six times as long as to read.
 */
static uint8_t *allocate(size_t size)
{
	void *bytes = NULL;

	if (size < HUGE_PAGE_SIZE)
		return malloc(size + 1);
	if (posix_memalign(&bytes, HUGE_PAGE_SIZE, size + 1) != 0)
		return NULL;
	madvise(bytes, size & ~(size_t)(HUGE_PAGE_SIZE - 1), MADV_HUGEPAGE); /* refused: then not */
	return bytes;
}

/* The same into new memory, with one zero byte behind; the caller has bounded @size. */
static int read_allocated(const struct executable_file *file, uint64_t offset, size_t size,
			  void *ret_pointer)
{
	CLEANUP(memory_free) uint8_t *bytes = NULL;
	int r;

	if (offset > file->size || size > file->size - offset)
		return EXECUTABLE_MALFORMED;
	bytes = allocate(size);
	if (!bytes)
		return -ENOMEM;
	r = read_part(file, offset, size, bytes);
	if (r)
		return r;
	bytes[size] = 0;
	*(void **)ret_pointer = TAKE(bytes);
	return 0;
}

static int read_header(struct executable_file *file)
{
	Elf64_Ehdr *header = &file->header;
	unsigned char ident[EI_NIDENT];
	int r;

	/* A file too small for a header may be anything: it is not called malformed. */
	if (file->size < sizeof(ident))
		return EXECUTABLE_NOT_ELF;
	r = read_part(file, 0, sizeof(ident), ident);
	if (r)
		return r;
	if (memcmp(ident, ELFMAG, SELFMAG) != 0)
		return EXECUTABLE_NOT_ELF;
	if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != OWN_ORDER)
		return EXECUTABLE_UNSUPPORTED;
	r = read_part(file, 0, sizeof(*header), header);
	if (r)
		return r;
	if (header->e_machine != OWN_MACHINE ||
	    (header->e_type != ET_EXEC && header->e_type != ET_DYN))
		return EXECUTABLE_UNSUPPORTED;
	if (header->e_phnum && header->e_phentsize != sizeof(Elf64_Phdr))
		return EXECUTABLE_MALFORMED;
	if (header->e_shoff && header->e_shentsize != sizeof(Elf64_Shdr))
		return EXECUTABLE_MALFORMED;
	return 0;
}

/* Counts that don't fit the header's 16 bits stand in the first section header (System V ABI). */
static int read_counts(const struct executable_file *file, uint64_t *ret_segment_count,
		       uint64_t *ret_section_count, uint32_t *ret_names_index)
{
	const Elf64_Ehdr *header = &file->header;
	Elf64_Shdr first = { 0 };
	int r;

	if (header->e_shoff) {
		r = read_part(file, header->e_shoff, sizeof(first), &first);
		if (r)
			return r;
	}
	*ret_segment_count = header->e_phnum == PN_XNUM ? first.sh_info : header->e_phnum;
	*ret_section_count = header->e_shoff && !header->e_shnum ? first.sh_size : header->e_shnum;
	if (!header->e_shoff)
		*ret_section_count = 0;
	*ret_names_index = header->e_shstrndx == SHN_XINDEX ? first.sh_link : header->e_shstrndx;
	if (*ret_segment_count > EXECUTABLE_SEGMENTS_MAX ||
	    *ret_section_count > EXECUTABLE_SECTIONS_MAX)
		return EXECUTABLE_TOO_LARGE;
	return 0;
}

static void move_loads_to_front(struct executable_file *file)
{
	for (size_t i = 0; i < file->segment_count; i++) {
		Elf64_Phdr segment = file->segments[i];

		if (segment.p_type != PT_LOAD)
			continue;
		memmove(file->segments + file->load_count + 1, file->segments + file->load_count,
			(i - file->load_count) * sizeof(segment));
		file->segments[file->load_count++] = segment;
	}
}

static int read_section_names(struct executable_file *file, uint32_t index)
{
	const Elf64_Shdr *section;
	int r;

	if (index == SHN_UNDEF)
		return 0;
	if (index >= file->section_count)
		return EXECUTABLE_MALFORMED;
	section = &file->sections[index];
	if (section->sh_type == SHT_NOBITS)
		return 0; /* as in some files that hold nothing but debug information */
	if (section->sh_size > EXECUTABLE_NAMES_SIZE_MAX)
		return EXECUTABLE_TOO_LARGE;
	r = read_allocated(file, section->sh_offset, section->sh_size, &file->names);
	if (r)
		return r;
	file->names_size = section->sh_size;
	return 0;
}

static int read_tables(struct executable_file *file)
{
	uint64_t segment_count, section_count;
	uint32_t names_index;
	int r;

	r = read_header(file);
	if (r)
		return r;
	r = read_counts(file, &segment_count, &section_count, &names_index);
	if (r)
		return r;
	r = read_allocated(file, file->header.e_phoff, segment_count * sizeof(Elf64_Phdr),
			   &file->segments);
	if (r)
		return r;
	file->segment_count = segment_count;
	move_loads_to_front(file);
	r = read_allocated(file, file->header.e_shoff, section_count * sizeof(Elf64_Shdr),
			   &file->sections);
	if (r)
		return r;
	file->section_count = section_count;
	return section_count ? read_section_names(file, names_index) : 0;
}

static int open_source(struct executable_file source, struct executable_file **ret_file)
{
	CLEANUP(executable_file_free) struct executable_file *file = malloc(sizeof(*file));
	int r;

	if (!file)
		return -ENOMEM;
	*file = source;
	r = read_tables(file);
	if (r)
		return r;
	*ret_file = TAKE(file);
	return 0;
}

int executable_file_open(int fd, struct executable_file **ret_file)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return EXECUTABLE_NOT_ELF;
	return open_source((struct executable_file){ .fd = fd, .size = (uint64_t)status.st_size },
			   ret_file);
}

int executable_file_open_bytes(const void *bytes, size_t size, struct executable_file **ret_file)
{
	return open_source((struct executable_file){ .fd = -1, .bytes = bytes, .size = size },
			   ret_file);
}

void executable_file_free(struct executable_file *file)
{
	if (!file)
		return;
	free(file->segments);
	free(file->sections);
	free(file->names);
	free(file);
}

const char *executable_file_outcome_text(int outcome)
{
	switch (outcome) {
	case EXECUTABLE_NOT_ELF:
		return "is not an ELF file";
	case EXECUTABLE_UNSUPPORTED:
		return "is an ELF file of another kind than this machine's 64-bit programs";
	case EXECUTABLE_MALFORMED:
		return "is a damaged ELF file";
	case EXECUTABLE_TOO_LARGE:
		return "is an ELF file with more in it than is read";
	case EXECUTABLE_NO_SECTION:
		return "lacks a section";
	case EXECUTABLE_OTHER:
		return "is another file's debug file";
	default:
		return "is an ELF file that could not be read";
	}
}

const Elf64_Phdr *executable_file_segments(const struct executable_file *file, size_t *ret_count)
{
	*ret_count = file->segment_count;
	return file->segments;
}

const Elf64_Shdr *executable_file_sections(const struct executable_file *file, size_t *ret_count)
{
	*ret_count = file->section_count;
	return file->sections;
}

const char *executable_file_section_name(const struct executable_file *file,
					 const Elf64_Shdr *section)
{
	/* read_allocated() put a zero behind the last name. */
	return section->sh_name < file->names_size ? file->names + section->sh_name : "";
}

const Elf64_Shdr *executable_file_find_section(const struct executable_file *file, const char *name,
					       uint32_t type)
{
	for (size_t i = 0; i < file->section_count; i++) {
		const Elf64_Shdr *section = &file->sections[i];

		if (type != SHT_NULL && section->sh_type != type)
			continue;
		if (strcmp(executable_file_section_name(file, section), name) == 0)
			return section;
	}
	return NULL;
}

bool executable_file_offset(const struct executable_file *file, uint64_t address,
			    uint64_t *ret_offset)
{
	for (size_t i = 0; i < file->load_count; i++) {
		const Elf64_Phdr *segment = &file->segments[i];

		/* Below the segment this wraps around to a number beyond any size. */
		if (address - segment->p_vaddr >= segment->p_filesz)
			continue;
		*ret_offset = segment->p_offset + (address - segment->p_vaddr);
		return true;
	}
	return false;
}

static int unpack(const uint8_t *packed, size_t packed_size, size_t size_max, uint8_t **ret_bytes,
		  size_t *ret_size)
{
	struct bytes_reader reader = bytes_reader_of(packed, packed_size);
	CLEANUP(memory_free) uint8_t *bytes = NULL;
	Elf64_Chdr header;
	uLongf size;

	if (!bytes_read_into(&reader, &header, sizeof(header)))
		return EXECUTABLE_MALFORMED;
	if (header.ch_type != ELFCOMPRESS_ZLIB)
		return EXECUTABLE_UNSUPPORTED;
	if (header.ch_size > size_max)
		return EXECUTABLE_TOO_LARGE;
	size = header.ch_size;
	bytes = malloc(size + 1);
	if (!bytes)
		return -ENOMEM;
	if (uncompress(bytes, &size, reader.at, bytes_left(&reader)) != Z_OK ||
	    size != header.ch_size)
		return EXECUTABLE_MALFORMED;
	bytes[size] = 0;
	*ret_bytes = TAKE(bytes);
	*ret_size = size;
	return 0;
}

int executable_file_read_section(const struct executable_file *file, const Elf64_Shdr *section,
				 size_t size_max, uint8_t **ret_bytes, size_t *ret_size)
{
	CLEANUP(memory_free) uint8_t *bytes = NULL;
	int r;

	if (section->sh_type == SHT_NOBITS)
		return EXECUTABLE_NO_SECTION;
	if (section->sh_size > size_max)
		return EXECUTABLE_TOO_LARGE;
	r = read_allocated(file, section->sh_offset, section->sh_size, &bytes);
	if (r)
		return r;
	if (section->sh_flags & SHF_COMPRESSED)
		return unpack(bytes, section->sh_size, size_max, ret_bytes, ret_size);
	*ret_bytes = TAKE(bytes);
	*ret_size = section->sh_size;
	return 0;
}

int executable_file_read(const struct executable_file *file, uint64_t offset, size_t size,
			 uint8_t **ret_bytes)
{
	return read_allocated(file, offset, size, ret_bytes);
}

int executable_file_read_into(const struct executable_file *file, uint64_t offset, size_t size,
			      void *target)
{
	return read_part(file, offset, size, target);
}

uint64_t executable_file_size(const struct executable_file *file)
{
	return file->size;
}

uint64_t executable_file_code_size(const struct executable_file *file)
{
	uint64_t size = 0;

	for (size_t i = 0; i < file->load_count; i++)
		if (file->segments[i].p_flags & PF_X)
			size += file->segments[i].p_filesz;
	return size;
}

static bool find_build_id(const struct executable_file *file, uint64_t offset, uint64_t size,
			  uint64_t alignment, struct build_id *ret_build_id)
{
	CLEANUP(memory_free) uint8_t *many = NULL;
	uint8_t few
		[EXECUTABLE_NOTES_SIZE_USUAL]; /* nobody is told that there was no memory to look */

	if (size > EXECUTABLE_NOTES_SIZE_MAX)
		return false;
	if (size > sizeof(few) ? read_allocated(file, offset, size, &many)
			       : executable_file_read_into(file, offset, size, few))
		return false;
	return build_id_find(bytes_reader_of(many ? many : few, size), alignment, ret_build_id);
}

bool executable_file_build_id(const struct executable_file *file, struct build_id *ret_build_id)
{
	unsigned int parts_left = EXECUTABLE_NOTE_PARTS_MAX;

	for (size_t i = file->load_count; i < file->segment_count && parts_left; i++) {
		const Elf64_Phdr *segment = &file->segments[i];

		if (segment->p_type != PT_NOTE)
			continue;
		parts_left--;
		if (find_build_id(file, segment->p_offset, segment->p_filesz, segment->p_align,
				  ret_build_id))
			return true;
	}
	for (size_t i = 0; i < file->section_count && parts_left; i++) {
		const Elf64_Shdr *section = &file->sections[i];

		if (section->sh_type != SHT_NOTE)
			continue;
		parts_left--;
		if (find_build_id(file, section->sh_offset, section->sh_size, section->sh_addralign,
				  ret_build_id))
			return true;
	}
	return false;
}
