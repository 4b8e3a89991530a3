/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF file of any bytes gives a table that its reader accepts, or an outcome.
 */
#include <stdlib.h>

#include "elf/elf_symbols.h"
#include "elf/symbol_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	CLEANUP(bytes_writer_free) struct bytes_writer table = bytes_writer_with_max(64 << 20);
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	struct symbol_table_view view;
	struct symbol symbol;

	if (executable_file_open_bytes(bytes, size, &file) || elf_symbols_table(file, NULL, &table))
		return 0;
	if (symbol_table_view_open(table.bytes, table.size, &view) < 0)
		abort();
	for (uint32_t i = 0; i < view.header->row_count; i++)
		if (view.rows[i].length && !symbol_table_find(&view, view.starts[i], &symbol))
			abort();
	return 0;
}
