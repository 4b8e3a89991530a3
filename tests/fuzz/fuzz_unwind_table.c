/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three ways to an unwind table, by the first byte: an ELF file of any bytes, whose table its reader
 * must accept; a finished table, as a worker that was taken over may send one; and rows for the
 * builder, whose table must give back the rule of every offset.
 */
#include <stdlib.h>
#include <string.h>

#include "elf/elf_unwind.h"
#include "elf/executable_file.h"
#include "elf/unwind_table.h"
#include "elf/unwind_table_builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { ROWS_MAX = 512 };

static volatile unsigned int sink;

static void look_up(const struct unwind_table_view *view, uint64_t offset)
{
	const struct unwind_row *row = unwind_table_find(view, offset);

	if (row)
		sink += unwind_row_at(row, (uint32_t)((offset & 0xffff) - row->pc_low)).kinds;
}

static void read_table(const uint8_t *bytes, size_t size)
{
	struct unwind_table_view view;
	void *aligned = malloc(size + 1);

	memcpy(aligned, bytes, size);
	if (unwind_table_view_open(aligned, size, &view) == 0) {
		uint64_t first = view.header->first_page << UNWIND_PAGE_BITS;

		look_up(&view, 0);
		look_up(&view, UINT64_MAX);
		look_up(&view, first - 1);
		for (uint64_t page = 0; page < view.header->page_count; page++)
			for (uint64_t low = 0; low < 0x10000; low += 0xfff)
				look_up(&view, first + (page << UNWIND_PAGE_BITS) + low);
	}
	free(aligned);
}

static void read_file(const uint8_t *bytes, size_t size)
{
	CLEANUP(bytes_writer_free) struct bytes_writer table = bytes_writer_with_max(16 << 20);
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	struct unwind_table_view view;

	if (executable_file_open_bytes(bytes, size, &file) || elf_unwind_table(file, NULL, &table))
		return;
	if (unwind_table_view_open(table.bytes, table.size, &view) < 0)
		abort();
}

struct rule {
	uint64_t offset;
	struct unwind_row row;
};

/* Rows that a program may make, at rising offsets; small changes are the rule. */
static size_t read_rules(struct bytes_reader reader, struct rule *rules)
{
	uint64_t offset = 0;
	int32_t cfa_offset = 8;
	size_t count = 0;

	while (bytes_left(&reader) >= 2 && count < ROWS_MAX) {
		uint8_t distance = bytes_read_u8(&reader), kind = bytes_read_u8(&reader);
		struct rule *rule = &rules[count++];

		offset += distance < 250 ? 1 + distance % 32 : (uint64_t)distance * 0x101;
		if (kind & 0x80)
			cfa_offset = (int32_t)(bytes_read_u32(&reader) & 0xfffff);
		else
			cfa_offset += (kind % 3 - 1) * 8;
		*rule = (struct rule){ .offset = offset,
				       .row = { .kinds = kind & 0x40 ? UNWIND_CFA_FP
								     : UNWIND_CFA_SP,
						.cfa_offset = cfa_offset } };
		if (kind & 0x20)
			rule->row.kinds |= UNWIND_FP_AT_CFA << 4;
		if (kind & 0x10)
			rule->row.fp_offset = -2;
	}
	return count;
}

static void check_rule(const struct unwind_table_view *view, uint64_t offset,
		       const struct unwind_row *expected)
{
	const struct unwind_row *row = unwind_table_find(view, offset);
	struct unwind_row plain;

	if (!row)
		abort();
	plain = unwind_row_at(row, (uint32_t)((offset & 0xffff) - row->pc_low));
	if (plain.kinds != expected->kinds || plain.fp_offset != expected->fp_offset ||
	    plain.cfa_offset != expected->cfa_offset)
		abort();
}

static void build_table(struct bytes_reader reader)
{
	CLEANUP(bytes_writer_free) struct bytes_writer table = bytes_writer_with_max(16 << 20);
	CLEANUP(unwind_table_builder_free)
	struct unwind_table_builder builder = unwind_table_builder_start(&table);
	static struct rule rules[ROWS_MAX];
	size_t count = read_rules(reader, rules);
	struct unwind_table_view view;

	for (size_t i = 0; i < count; i++)
		unwind_table_builder_add(&builder, rules[i].offset, rules[i].row);
	/* As behind the last function: without it, a last rule like the one before adds no page. */
	if (count)
		unwind_table_builder_add(&builder, rules[count - 1].offset + 1,
					 (struct unwind_row){ .kinds = UNWIND_CFA_INVALID });
	if (unwind_table_builder_finish(&builder, (struct unwind_table_header){ 0 }) < 0 ||
	    unwind_table_view_open(table.bytes, table.size, &view) < 0)
		abort();
	for (size_t i = 0; i < count; i++) {
		check_rule(&view, rules[i].offset, &rules[i].row);
		if (i + 1 < count)
			check_rule(&view, rules[i + 1].offset - 1, &rules[i].row);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (!size)
		return 0;
	switch (bytes[0] % 3) {
	case 0:
		read_file(bytes + 1, size - 1);
		break;
	case 1:
		read_table(bytes + 1, size - 1);
		break;
	default:
		build_table(bytes_reader_of(bytes + 1, size - 1));
	}
	return 0;
}
