/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_unwind.h"

#include <errno.h>

#include "elf/cfa_program.h"
#include "elf/described_functions.h"
#include "elf/executable_file.h"
#include "elf/unwind_table.h"
#include "elf/unwind_table_builder.h"

enum {
	SOURCE_COUNT = 2,
	PREFETCH_DISTANCE = 8, /* functions */
};

/* One section, and the CIE of it that was prepared last. */
struct source {
	struct described_functions functions;
	struct cfa_common common;
	uint32_t common_offset;
	bool has_common;
};

struct build {
	struct source sources[SOURCE_COUNT]; /* .eh_frame, .debug_frame */
	struct unwind_table_builder builder;
	uint64_t end; /* of the last function that was taken: its offset in the file */
	struct unwind_table_header header;
};

static void cleanup_build_free(struct build *build)
{
	for (size_t i = 0; i < SOURCE_COUNT; i++)
		described_functions_free(&build->sources[i].functions);
	unwind_table_builder_free(&build->builder);
}

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
			 const struct described_function *function)
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
		if (!eh_frame_read_cie(&source->functions.section, function->cie, &cie))
			return;
		cfa_common_prepare(&cie, &source->common);
		source->common_offset = function->cie;
		source->has_common = true;
	}
	mark_gap(build, function->offset);
	cfa_program_run(&source->functions.section, &source->common, &fde, take_row,
			&build->builder);
	build->end = function->offset + function->size;
	build->header.function_count++;
	build->header.covered_size += function->size;
}

/* Of functions that overlap, the first is taken. */
static void take_function(struct build *build, struct source *source,
			  const struct described_function *function)
{
	if (function->offset < build->end)
		build->header.left_out_count++;
	else
		run_function(build, source, function);
}

/*
 * Merges the two lists. What .eh_frame describes is what the running program itself would use:
 * .debug_frame only fills what it leaves.
 */
static void run_functions(struct build *build)
{
	const struct described_functions *first = &build->sources[0].functions;
	const struct described_functions *second = &build->sources[1].functions;
	size_t i = 0, k = 0;

	while ((i < first->count || k < second->count) && !build->builder.is_full) {
		const struct described_function *filler;

		/* In the order of addresses instructions stand anywhere: memory is asked in time. */
		if (i + PREFETCH_DISTANCE < first->count)
			__builtin_prefetch(first->section.bytes +
					   first->entries[i + PREFETCH_DISTANCE].instructions);
		if (k == second->count ||
		    (i < first->count && first->entries[i].offset <= second->entries[k].offset)) {
			take_function(build, &build->sources[0], &first->entries[i++]);
			continue;
		}
		filler = &second->entries[k++];
		if (filler->offset >= build->end &&
		    (i == first->count ||
		     first->entries[i].offset - filler->offset >= filler->size))
			run_function(build, &build->sources[1], filler);
	}
}

int elf_unwind_table(const struct executable_file *file, const struct executable_file *debug_file,
		     struct bytes_writer *ret_table)
{
	CLEANUP(build_free)
	struct build build = { .builder = unwind_table_builder_start(ret_table) };
	int r, debug_r;

	r = described_functions_read(file, file, false, &build.sources[0].functions);
	if (r && r != EXECUTABLE_NO_SECTION)
		return r;
	debug_r = described_functions_read(file, file, true, &build.sources[1].functions);
	if (debug_r == EXECUTABLE_NO_SECTION && debug_file)
		debug_r = described_functions_read(debug_file, file, true,
						   &build.sources[1].functions);
	if (debug_r < 0 || (r && debug_r))
		return debug_r;
	for (size_t i = 0; i < SOURCE_COUNT; i++)
		build.header.left_out_count += (uint32_t)build.sources[i].functions.left_out_count;
	run_functions(&build);
	if (build.end)
		unwind_table_builder_add(&build.builder, build.end,
					 (struct unwind_row){ .kinds = UNWIND_CFA_INVALID });
	build.header.code_size = executable_file_code_size(file);
	executable_file_build_id(file, &build.header.build_id);
	r = unwind_table_builder_finish(&build.builder, build.header);
	return r == -EFBIG ? EXECUTABLE_TOO_LARGE : r;
}

int unwind_table_job(int file_fd, int debug_fd, struct bytes_reader argument,
		     struct bytes_writer *ret_result)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	CLEANUP(executable_file_free) struct executable_file *debug_file = NULL;
	int r = executable_file_open(file_fd, &file);

	if (!r && debug_fd >= 0)
		r = executable_file_open(debug_fd, &debug_file);
	return r ? r : elf_unwind_table(file, debug_file, ret_result);
}
