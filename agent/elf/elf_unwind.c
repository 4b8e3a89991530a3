/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_unwind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf/cfa_program.h"
#include "elf/eh_frame.h"
#include "elf/executable_file.h"
#include "elf/unwind_table.h"
#include "elf/unwind_table_builder.h"

enum { FUNCTIONS_LEAST = 1024, SECTION_COUNT = 2, RADIX_BITS = 11 };

/* One described function. */
struct function {
	uint64_t offset; /* in the file */
	uint32_t size;
	uint32_t cie;
	uint32_t instructions;
	uint32_t instructions_size;
};

struct functions {
	struct function *entries;
	size_t count;
	size_t capacity;
};

/* One section, with what was found in it. */
struct source {
	struct eh_frame_section section;
	uint8_t *bytes; /* owned */
	struct functions functions;
	uint32_t common_offset; /* of the CIE that is prepared */
	struct cfa_common common;
	bool has_common;
};

struct build {
	const struct executable_file *file;
	struct source sources[SECTION_COUNT]; /* .eh_frame, .debug_frame */
	struct unwind_table_builder builder;
	uint64_t
		end; /* of the last function that was taken; an offset in the file, like all here */
	struct unwind_table_header header;
};

static void cleanup_build_free(struct build *build)
{
	for (size_t i = 0; i < SECTION_COUNT; i++) {
		free(build->sources[i].bytes);
		free(build->sources[i].functions.entries);
	}
	unwind_table_builder_free(&build->builder);
}

/* --- the list of functions ------------------------------------------------------------------- */

/* Where the code of an FDE stands in the file; false when it is not whole in one code segment. */
static bool find_code(const struct executable_file *file, const struct eh_frame_fde *fde,
		      uint64_t *ret_offset)
{
	size_t count;
	const Elf64_Phdr *segments = executable_file_segments(file, &count);

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

static int add_function(struct functions *functions, struct function function)
{
	if (functions->count == functions->capacity) {
		size_t capacity = functions->capacity ? 2 * functions->capacity : FUNCTIONS_LEAST;
		struct function *entries =
			reallocarray(functions->entries, capacity, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		functions->entries = entries;
		functions->capacity = capacity;
	}
	functions->entries[functions->count++] = function;
	return 0;
}

static int list_functions(struct build *build, struct source *source)
{
	struct eh_frame_cursor cursor = { .section = &source->section };
	struct eh_frame_fde fde;
	int r;

	while (eh_frame_next(&cursor, &fde) == 0) {
		uint64_t offset;

		if (source->functions.count == ELF_UNWIND_FUNCTIONS_MAX ||
		    !find_code(build->file, &fde, &offset)) {
			build->header.left_out_count++;
			continue;
		}
		r = add_function(&source->functions,
				 (struct function){ .offset = offset,
						    .size = (uint32_t)fde.size,
						    .cie = fde.cie,
						    .instructions = fde.instructions,
						    .instructions_size = fde.instructions_size });
		if (r < 0)
			return r;
	}
	build->header.left_out_count += (uint32_t)cursor.skipped_count;
	return 0;
}

static bool is_sorted(const struct functions *functions)
{
	for (size_t i = 1; i < functions->count; i++)
		if (functions->entries[i].offset < functions->entries[i - 1].offset)
			return false;
	return true;
}

/* One pass of the sort: by RADIX_BITS of the offset from @shift on, otherwise keeping the order. */
static void sort_by_digit(const struct function *from, struct function *to, size_t count,
			  unsigned int shift)
{
	size_t starts[1 << RADIX_BITS] = { 0 }, start = 0;

	for (size_t i = 0; i < count; i++)
		starts[from[i].offset >> shift & ((1 << RADIX_BITS) - 1)]++;
	for (size_t digit = 0; digit < ARRAY_SIZE(starts); digit++) {
		size_t digit_count = starts[digit];

		starts[digit] = start;
		start += digit_count;
	}
	for (size_t i = 0; i < count; i++)
		to[starts[from[i].offset >> shift & ((1 << RADIX_BITS) - 1)]++] = from[i];
}

/* A comparing sort would take as long as all the rest. */
static int sort_functions(struct functions *functions)
{
	struct function *other;
	uint64_t bits = 0;

	if (is_sorted(functions))
		return 0;
	other = reallocarray(NULL, functions->capacity, sizeof(*other));
	if (!other)
		return -ENOMEM;
	for (size_t i = 0; i < functions->count; i++)
		bits |= functions->entries[i].offset;
	for (unsigned int shift = 0; shift < 64 && bits >> shift; shift += RADIX_BITS) {
		struct function *sorted = other;

		sort_by_digit(functions->entries, sorted, functions->count, shift);
		other = functions->entries;
		functions->entries = sorted;
	}
	free(other);
	return 0;
}

/* --- rows ------------------------------------------------------------------------------------ */

static void take_row(uint64_t offset, struct unwind_row row, void *context)
{
	unwind_table_builder_add(context, offset, row);
}

static void mark_gap(struct build *build, uint64_t start)
{
	if (start - build->end >= ELF_UNWIND_GAP_MAX)
		unwind_table_builder_add(&build->builder, build->end,
					 (struct unwind_row){ .kinds = UNWIND_CFA_INVALID });
}

static void run_function(struct build *build, struct source *source,
			 const struct function *function)
{
	struct eh_frame_fde fde = {
		.start = function->offset, /* instructions count from there, wherever it is */
		.size = function->size,
		.instructions = function->instructions,
		.instructions_size = function->instructions_size,
	};

	if (!source->has_common || source->common_offset != function->cie) {
		struct eh_frame_cie cie;

		/* It was readable in the first pass, and nobody else has these bytes. */
		if (!eh_frame_read_cie(&source->section, function->cie, &cie))
			return;
		cfa_common_prepare(&cie, &source->common);
		source->common_offset = function->cie;
		source->has_common = true;
	}
	mark_gap(build, function->offset);
	cfa_program_run(&source->section, &source->common, &fde, take_row, &build->builder);
	build->end = function->offset + function->size;
	build->header.function_count++;
	build->header.covered_size += function->size;
}

/*
 * Merges the two lists. Of functions that overlap, the first is taken; at one offset the one from
 * .eh_frame, which is what the running program itself would use.
 */
static void run_functions(struct build *build)
{
	size_t next[SECTION_COUNT] = { 0 };

	while (!build->builder.is_full) {
		struct source *chosen = NULL;
		const struct function *function = NULL;

		for (size_t i = 0; i < SECTION_COUNT; i++) {
			struct source *source = &build->sources[i];

			if (next[i] == source->functions.count)
				continue;
			if (function &&
			    source->functions.entries[next[i]].offset >= function->offset)
				continue;
			chosen = source;
			function = &source->functions.entries[next[i]];
		}
		if (!function)
			return;
		next[chosen - build->sources]++;
		if (function->offset < build->end)
			build->header.left_out_count += chosen == &build->sources[0];
		else
			run_function(build, chosen, function);
	}
}

static int read_source(struct build *build, struct source *source, const char *name, uint32_t type)
{
	const Elf64_Shdr *section = executable_file_find_section(build->file, name, type);
	size_t size;
	int r;

	if (!section)
		return EXECUTABLE_NO_SECTION;
	r = executable_file_read_section(build->file, section, ELF_UNWIND_SECTION_SIZE_MAX,
					 &source->bytes, &size);
	if (r)
		return r;
	source->section.bytes = source->bytes;
	source->section.size = size;
	source->section.address = section->sh_addr;
	r = list_functions(build, source);
	return r < 0 ? r : sort_functions(&source->functions);
}

int elf_unwind_table(const struct executable_file *file, struct bytes_writer *ret_table)
{
	CLEANUP(build_free)
	struct build build = {
		.file = file,
		.builder = unwind_table_builder_start(ret_table),
		.sources[1].section.is_debug_frame = true,
	};
	int r, debug_r;

	/* Its type is SHT_PROGBITS or SHT_X86_64_UNWIND, as the linker likes. */
	r = read_source(&build, &build.sources[0], ".eh_frame", SHT_NULL);
	if (r && r != EXECUTABLE_NO_SECTION)
		return r;
	debug_r = read_source(&build, &build.sources[1], ".debug_frame", SHT_PROGBITS);
	if (debug_r < 0 || (r && debug_r))
		return debug_r;
	run_functions(&build);
	if (build.end)
		unwind_table_builder_add(&build.builder, build.end,
					 (struct unwind_row){ .kinds = UNWIND_CFA_INVALID });
	executable_file_build_id(file, &build.header.build_id);
	r = unwind_table_builder_finish(&build.builder, build.header);
	return r == -EFBIG ? EXECUTABLE_TOO_LARGE : r;
}

int unwind_table_job(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	int r = executable_file_open(input_fd, &file);

	return r ? r : elf_unwind_table(file, ret_result);
}
