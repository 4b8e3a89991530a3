/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/described_functions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/executable_file.h"

enum { FUNCTIONS_LEAST = 1024, RADIX_BITS = 14 };

void described_functions_free(struct described_functions *functions)
{
	free(functions->bytes);
	free(functions->entries);
	*functions = (struct described_functions){ 0 };
}

/* Where the code of an FDE stands in the file; false when it is not whole in one code segment. */
static bool find_code(const struct executable_file *code, const struct eh_frame_fde *fde,
		      uint64_t *ret_offset)
{
	size_t count;
	const Elf64_Phdr *segments = executable_file_segments(code, &count);

	for (size_t i = 0; i < count; i++) {
		uint64_t distance = fde->start - segments[i].p_vaddr;

		if (segments[i].p_type != PT_LOAD || !(segments[i].p_flags & PF_X) ||
		    distance >= segments[i].p_filesz || fde->size > segments[i].p_filesz - distance)
			continue;
		*ret_offset = segments[i].p_offset + distance;
		return fde->size <= UINT32_MAX && *ret_offset <= UINT64_MAX - fde->size;
	}
	return false;
}

static int add_function(struct described_functions *functions, struct described_function function)
{
	if (functions->count == functions->capacity) {
		size_t capacity = functions->capacity ? 2 * functions->capacity : FUNCTIONS_LEAST;
		struct described_function *entries =
			reallocarray(functions->entries, capacity, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		functions->entries = entries;
		functions->capacity = capacity;
	}
	functions->entries[functions->count++] = function;
	return 0;
}

static int list_functions(const struct executable_file *code, struct described_functions *functions)
{
	struct eh_frame_cursor cursor = { .section = &functions->section };
	struct eh_frame_fde fde;
	int r;

	while (eh_frame_next(&cursor, &fde) == 0) {
		uint64_t offset;

		if (functions->count == DESCRIBED_FUNCTIONS_MAX ||
		    !find_code(code, &fde, &offset)) {
			functions->left_out_count++;
			continue;
		}
		r = add_function(functions, (struct described_function){
						    .offset = offset,
						    .size = (uint32_t)fde.size,
						    .cie = fde.cie,
						    .instructions = fde.instructions,
						    .instructions_size = fde.instructions_size });
		if (r < 0)
			return r;
	}
	functions->left_out_count += cursor.skipped_count;
	return 0;
}

static bool is_sorted(const struct described_functions *functions)
{
	for (size_t i = 1; i < functions->count; i++)
		if (functions->entries[i].offset < functions->entries[i - 1].offset)
			return false;
	return true;
}

/* One pass of the sort: by RADIX_BITS of the offset from @shift on, otherwise keeping the order. */
static void sort_by_digit(const struct described_function *from, struct described_function *to,
			  size_t count, unsigned int shift)
{
	uint32_t starts[1 << RADIX_BITS] = { 0 }, start = 0;

	for (size_t i = 0; i < count; i++)
		starts[from[i].offset >> shift & ((1 << RADIX_BITS) - 1)]++;
	for (size_t digit = 0; digit < ARRAY_SIZE(starts); digit++) {
		uint32_t digit_count = starts[digit];

		starts[digit] = start;
		start += digit_count;
	}
	for (size_t i = 0; i < count; i++)
		to[starts[from[i].offset >> shift & ((1 << RADIX_BITS) - 1)]++] = from[i];
}

/* A comparing sort would take as long as all the rest. */
static int sort_functions(struct described_functions *functions)
{
	struct described_function *other;
	uint64_t bits = 0;

	if (is_sorted(functions))
		return 0;
	other = reallocarray(NULL, functions->capacity, sizeof(*other));
	if (!other)
		return -ENOMEM;
	for (size_t i = 0; i < functions->count; i++)
		bits |= functions->entries[i].offset;
	for (unsigned int shift = 0; shift < 64 && bits >> shift; shift += RADIX_BITS) {
		struct described_function *sorted = other;

		sort_by_digit(functions->entries, sorted, functions->count, shift);
		other = functions->entries;
		functions->entries = sorted;
	}
	free(other);
	return 0;
}

static int read_by_section(const struct executable_file *file, const Elf64_Shdr *section,
			   struct described_functions *functions)
{
	functions->section.address = section->sh_addr;
	return executable_file_read_section(file, section, DESCRIBED_FUNCTIONS_SECTION_SIZE_MAX,
					    &functions->bytes, &functions->section.size);
}

static const Elf64_Phdr *find_segment(const struct executable_file *file, uint32_t type,
				      uint64_t address)
{
	size_t count;
	const Elf64_Phdr *segments = executable_file_segments(file, &count);

	for (size_t i = 0; i < count; i++)
		if (segments[i].p_type == type &&
		    (type != PT_LOAD || address - segments[i].p_vaddr < segments[i].p_filesz))
			return &segments[i];
	return NULL;
}

/* As the running program finds it. Its end is not told: at the latest it is that of its segment. */
static int read_by_segment(const struct executable_file *file,
			   struct described_functions *functions)
{
	const Elf64_Phdr *head = find_segment(file, PT_GNU_EH_FRAME, 0), *load;
	uint8_t header[DESCRIBED_FUNCTIONS_HEADER_SIZE] = { 0 };
	size_t header_size = sizeof(header);
	uint64_t address, size;
	int r;

	if (!head)
		return EXECUTABLE_NO_SECTION;
	if (head->p_filesz < header_size)
		header_size = head->p_filesz;
	r = executable_file_read_into(file, head->p_offset, header_size, header);
	if (r)
		return r;
	if (!eh_frame_find(bytes_reader_of(header, header_size), head->p_vaddr, &address))
		return EXECUTABLE_MALFORMED;
	load = find_segment(file, PT_LOAD, address);
	if (!load)
		return EXECUTABLE_MALFORMED;
	size = load->p_filesz - (address - load->p_vaddr);
	if (size > DESCRIBED_FUNCTIONS_SECTION_SIZE_MAX)
		size = DESCRIBED_FUNCTIONS_SECTION_SIZE_MAX;
	functions->section.address = address;
	functions->section.size = size;
	functions->section.ends_at_empty_record = true;
	return executable_file_read(file, load->p_offset + (address - load->p_vaddr), size,
				    &functions->bytes);
}

int described_functions_read(const struct executable_file *file, const struct executable_file *code,
			     bool is_debug_frame, struct described_functions *ret_functions)
{
	CLEANUP(described_functions_free)
	struct described_functions functions = { .section.is_debug_frame = is_debug_frame };
	/* The type of .eh_frame is SHT_PROGBITS or SHT_X86_64_UNWIND, as the linker likes. */
	const Elf64_Shdr *section = executable_file_find_section(
		file, is_debug_frame ? ".debug_frame" : ".eh_frame", SHT_NULL);
	int r = EXECUTABLE_NO_SECTION;

	if (section)
		r = read_by_section(file, section, &functions);
	else if (!is_debug_frame)
		r = read_by_segment(file, &functions);
	if (r)
		return r;
	functions.section.bytes = functions.bytes;
	r = list_functions(code, &functions);
	if (!r)
		r = sort_functions(&functions);
	if (r < 0)
		return r;
	*ret_functions = functions;
	functions = (struct described_functions){ 0 };
	return 0;
}
