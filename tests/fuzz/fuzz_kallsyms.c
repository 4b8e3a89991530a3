/* SPDX-License-Identifier: Apache-2.0 */
/* A kallsyms of any bytes: refused, or a table that is accepted. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "elf/symbol_table.h"
#include "symbolize/kernel_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { TABLE_SIZE_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer table = bytes_writer_with_max(TABLE_SIZE_MAX);
	struct symbol_table_view view;
	struct symbol symbol;
	int r = kernel_text_parse((const char *)bytes, size, &table);

	if (r == KERNEL_TEXT_HIDDEN || r == KERNEL_TEXT_EMPTY)
		return 0;
	if (r < 0 || symbol_table_view_open(table.bytes, table.size, &view) < 0)
		abort();
	for (uint32_t i = 0; i < view.header->row_count; i++)
		if (!symbol_table_find(&view, view.starts[i], &symbol) ||
		    symbol.size > KERNEL_FUNCTION_SIZE_MAX)
			abort();
	return 0;
}
