/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program and what is said to be its debug file, both of any bytes: what the program says of it, the
 * check, and the tables of both together. The first two bytes say where the second file begins.
 */
#include <stdlib.h>
#include <string.h>

#include "elf/debug_reference.h"
#include "elf/elf_symbols.h"
#include "elf/elf_unwind.h"
#include "elf/symbol_table.h"
#include "elf/unwind_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const uint32_t all_parts = DEBUG_PART_SYMBOLS | DEBUG_PART_FRAMES | DEBUG_PART_LINES;

static void check_reference(const struct executable_file *file)
{
	struct debug_reference reference = debug_reference_of(file, all_parts), copy;

	/* What the worker makes of any file, the agent takes. */
	if (debug_reference_read(&reference, sizeof(reference), &copy) < 0 ||
	    reference.parts & ~all_parts)
		abort();
}

static void make_tables(const struct executable_file *file,
			const struct executable_file *debug_file)
{
	CLEANUP(bytes_writer_free) struct bytes_writer symbols = bytes_writer_with_max(64 << 20);
	CLEANUP(bytes_writer_free) struct bytes_writer rows = bytes_writer_with_max(16 << 20);
	struct symbol_table_view symbol_view;
	struct unwind_table_view row_view;

	if (elf_symbols_table(file, debug_file, &symbols) == 0 &&
	    symbol_table_view_open(symbols.bytes, symbols.size, &symbol_view) < 0)
		abort();
	if (elf_unwind_table(file, debug_file, &rows) == 0 &&
	    unwind_table_view_open(rows.bytes, rows.size, &row_view) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	CLEANUP(executable_file_free) struct executable_file *debug_file = NULL;
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	size_t first_size = bytes_read_u16(&reader);
	struct debug_reference reference;

	debug_reference_read(bytes, size, &reference);
	if (first_size > bytes_left(&reader))
		return 0;
	if (executable_file_open_bytes(reader.at, first_size, &file))
		return 0;
	check_reference(file);
	if (executable_file_open_bytes(reader.at + first_size, bytes_left(&reader) - first_size,
				       &debug_file))
		return 0;
	debug_file_check(file, debug_file, all_parts);
	make_tables(file, debug_file);
	return 0;
}
