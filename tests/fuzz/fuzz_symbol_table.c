/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ways into a symbol table. An even first byte: the rest is a finished table, as a worker that
 * was taken over may send one; if it is accepted, no lookup may read outside. An odd one: the rest
 * is symbols for the builder, 8 bytes each; what comes out must be accepted and agree with a search
 * through all the symbols.
 */
#include <stdlib.h>
#include <string.h>

#include "elf/symbol_table.h"
#include "elf/symbol_table_builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { SYMBOLS_MAX = 512 };

static volatile unsigned char sink;

static void touch(const char *name, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sink = (unsigned char)name[i];
}

static void look_up(const struct symbol_table_view *view, uint64_t address)
{
	struct symbol symbol;

	if (!symbol_table_find(view, address, &symbol))
		return;
	if (address < symbol.start || address - symbol.start >= symbol.size)
		abort();
	touch(symbol.name, symbol.name_size);
}

static void read_table(const uint8_t *bytes, size_t size)
{
	struct symbol_table_view view;
	void *aligned = malloc(size + 1);

	memcpy(aligned, bytes, size);
	if (symbol_table_view_open(aligned, size, &view) == 0) {
		look_up(&view, 0);
		look_up(&view, UINT64_MAX);
		for (uint32_t i = 0; i < view.header->row_count; i++) {
			look_up(&view, view.starts[i]);
			look_up(&view, view.starts[i] - 1);
			look_up(&view, view.starts[i] + view.rows[i].length);
		}
	}
	free(aligned);
}

/* Whether any symbol covers @address; unsized ones reach to wherever the table lets them. */
static bool is_covered(const struct symbol_source *symbols, size_t count, uint64_t address)
{
	for (size_t i = 0; i < count; i++)
		if (symbols[i].name_size && address >= symbols[i].start &&
		    address - symbols[i].start < symbols[i].size)
			return true;
	return false;
}

static size_t read_symbols(struct bytes_reader reader, struct symbol_source *symbols)
{
	static const char names[] = "__underscored_names_of_all_lengths";
	size_t count = 0;

	while (bytes_left(&reader) >= 8 && count < SYMBOLS_MAX) {
		struct symbol_source *symbol = &symbols[count++];
		uint8_t kind;

		*symbol = (struct symbol_source){ .start = bytes_read_u16(&reader),
						  .size = bytes_read_u16(&reader) };
		symbol->limit = symbol->start + bytes_read_u8(&reader);
		symbol->name = names + bytes_read_u8(&reader) % 4;
		symbol->name_size = bytes_read_u8(&reader) % 30;
		kind = bytes_read_u8(&reader);
		symbol->binding = kind % 3;
		symbol->is_label = kind & 4;
		if (kind & 8) /* the far end, where sums wrap around */
			symbol->start += UINT64_MAX - 70000;
	}
	return count;
}

static void build_table(struct bytes_reader reader)
{
	CLEANUP(bytes_writer_free) struct bytes_writer table = bytes_writer_with_max(1 << 20);
	CLEANUP(symbol_table_builder_free) struct symbol_table_builder *builder = NULL;
	struct symbol_source symbols[SYMBOLS_MAX];
	size_t count = read_symbols(reader, symbols);
	struct symbol_table_view view;
	struct symbol symbol;

	if (symbol_table_builder_new(&builder) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		symbol_table_builder_add(builder, &symbols[i]);
	if (symbol_table_builder_finish(builder, NULL, &table) < 0 ||
	    symbol_table_view_open(table.bytes, table.size, &view) < 0)
		abort();
	for (size_t i = 0; i < count; i++) {
		uint64_t address = symbols[i].start;

		/* A boundary may stand at the same address and win nothing. */
		if (is_covered(symbols, count, address) !=
			    symbol_table_find(&view, address, &symbol) &&
		    is_covered(symbols, count, address))
			abort();
		look_up(&view, address);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (!size)
		return 0;
	if (bytes[0] & 1)
		build_table(bytes_reader_of(bytes + 1, size - 1));
	else
		read_table(bytes + 1, size - 1);
	return 0;
}
