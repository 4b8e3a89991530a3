/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/unwind_table.h"

#include <errno.h>

#include "base/cleanup.h"
#include "check.h"
#include "elf/unwind_table_builder.h"

struct fixture {
	struct bytes_writer table;
	struct unwind_table_builder builder;
	struct unwind_table_view view;
};

static void setup(struct fixture *fixture)
{
	fixture->table = bytes_writer_with_max((size_t)256 << 20);
	fixture->builder = unwind_table_builder_start(&fixture->table);
}

static void cleanup_teardown(struct fixture *fixture)
{
	unwind_table_builder_free(&fixture->builder);
	bytes_writer_free(&fixture->table);
}

static struct unwind_row sp_row(int32_t offset)
{
	return (struct unwind_row){ .kinds = UNWIND_CFA_SP, .cfa_offset = offset };
}

static struct unwind_row invalid_row(void)
{
	return (struct unwind_row){ .kinds = UNWIND_CFA_INVALID };
}

static void add(struct fixture *fixture, uint64_t offset, struct unwind_row row)
{
	unwind_table_builder_add(&fixture->builder, offset, row);
}

static void build(struct fixture *fixture)
{
	CHECK_EQ(unwind_table_builder_finish(&fixture->builder, (struct unwind_table_header){ 0 }),
		 0);
	CHECK_EQ(unwind_table_view_open(fixture->table.bytes, fixture->table.size, &fixture->view),
		 0);
}

/* The rule at @offset is SP + @cfa_offset, whether a row or a step in one says so. */
static void check_sp(const struct fixture *fixture, uint64_t offset, int32_t cfa_offset)
{
	const struct unwind_row *row = unwind_table_find(&fixture->view, offset);
	struct unwind_row plain;

	CHECK_OR_RETURN(row != NULL);
	plain = unwind_row_at(row, (uint32_t)((offset & 0xffff) - row->pc_low));
	CHECK_EQ(unwind_row_cfa_kind(&plain), UNWIND_CFA_SP);
	CHECK_EQ(plain.cfa_offset, cfa_offset);
}

static void check_kind(const struct fixture *fixture, uint64_t offset, enum unwind_cfa_kind kind)
{
	const struct unwind_row *row = unwind_table_find(&fixture->view, offset);

	CHECK_EQ(row ? unwind_row_cfa_kind(row) : UNWIND_CFA_NONE, kind);
}

static void an_empty_table_has_no_pages(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	build(&fixture);
	CHECK_EQ(fixture.view.header->page_count, 0);
	CHECK(!unwind_table_find(&fixture.view, 0));
	CHECK(!unwind_table_find(&fixture.view, UINT64_MAX));
}

static void rows_hold_until_the_next_one(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, 0x1000, sp_row(8));
	add(&fixture, 0x1010, sp_row(64));
	add(&fixture, 0x1020, sp_row(8));
	add(&fixture, 0x1030, invalid_row());
	build(&fixture);
	check_kind(&fixture, 0xfff, UNWIND_CFA_INVALID);
	check_sp(&fixture, 0x1000, 8);
	check_sp(&fixture, 0x100f, 8);
	check_sp(&fixture, 0x1010, 64);
	check_sp(&fixture, 0x102f, 8);
	check_kind(&fixture, 0x1030, UNWIND_CFA_INVALID);
	check_kind(&fixture, 0xffff, UNWIND_CFA_INVALID);
	CHECK(!unwind_table_find(&fixture.view, 0x10000));
}

static void rows_that_say_the_same_are_one(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, 0x1000, sp_row(8));
	add(&fixture, 0x2000, sp_row(8));
	add(&fixture, 0x3000, invalid_row());
	add(&fixture, 0x4000, invalid_row());
	build(&fixture);
	CHECK_EQ(fixture.view.header->row_count, 3);
	check_sp(&fixture, 0x2fff, 8);
}

static void each_page_carries_the_row_that_holds_where_it_begins(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, 0x1fff0, sp_row(8));
	add(&fixture, 0x50000, sp_row(32)); /* three pages on, at the first byte of one */
	add(&fixture, 0x60008, invalid_row());
	build(&fixture);
	CHECK_EQ(fixture.view.header->first_page, 1);
	CHECK_EQ(fixture.view.header->page_count, 6);
	CHECK_EQ(fixture.view.header->row_count, 8);
	CHECK(!unwind_table_find(&fixture.view, 0xffff));
	check_kind(&fixture, 0x10000, UNWIND_CFA_INVALID);
	check_sp(&fixture, 0x20000, 8);
	check_sp(&fixture, 0x3abcd, 8);
	check_sp(&fixture, 0x4ffff, 8);
	check_sp(&fixture, 0x50000, 32);
	check_sp(&fixture, 0x60007, 32);
	check_kind(&fixture, 0x60008, UNWIND_CFA_INVALID);
}

/* Six pushes, a subtraction; an addition, six pops; the whole function in four rows. */
static void runs_of_pushes_and_pops_are_one_row_each(void)
{
	static const uint8_t lengths[] = { 2, 2, 2, 2, 1, 1 };
	CLEANUP(teardown) struct fixture fixture = { 0 };
	uint64_t offset = 0x1000;
	int32_t words = 1;

	setup(&fixture);
	add(&fixture, offset, sp_row(8));
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		add(&fixture, offset += lengths[i], sp_row(8 * ++words));
	add(&fixture, 0x1010, sp_row(256));
	add(&fixture, 0x1100, sp_row(8 * words));
	offset = 0x1100;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		add(&fixture, offset += lengths[ARRAY_SIZE(lengths) - 1 - i], sp_row(8 * --words));
	add(&fixture, 0x110b, invalid_row());
	build(&fixture);
	CHECK_EQ(fixture.view.header->row_count, 5); /* and the invalid ones around it */
	check_sp(&fixture, 0x1000, 8);
	check_sp(&fixture, 0x1001, 8);
	check_sp(&fixture, 0x1002, 16);
	check_sp(&fixture, 0x1008, 40);
	check_sp(&fixture, 0x1009, 48);
	check_sp(&fixture, 0x100a, 56);
	check_sp(&fixture, 0x100f, 56);
	check_sp(&fixture, 0x1010, 256);
	check_sp(&fixture, 0x1100, 56);
	check_sp(&fixture, 0x1101, 48);
	check_sp(&fixture, 0x1102, 40);
	check_sp(&fixture, 0x1103, 40);
	check_sp(&fixture, 0x1104, 32);
	check_sp(&fixture, 0x110a, 8);
}

static void a_run_ends_where_a_row_cannot_hold_it(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	struct unwind_row with_fp = sp_row(40);

	with_fp.kinds |= UNWIND_FP_AT_CFA << 4;
	with_fp.fp_offset = -2;
	setup(&fixture);
	add(&fixture, 0x1000, sp_row(8));
	add(&fixture, 0x1010, sp_row(16)); /* 16 bytes on: the last bit */
	add(&fixture, 0x1011, sp_row(24)); /* 17 */
	add(&fixture, 0x1012, sp_row(32)); /* in line with the one before */
	add(&fixture, 0x1013, sp_row(24)); /* the other way */
	add(&fixture, 0x1014, sp_row(40)); /* two words */
	add(&fixture, 0x1015, with_fp);	   /* another rule of the frame pointer */
	with_fp.cfa_offset += 8;
	add(&fixture, 0x1016, with_fp);
	add(&fixture, 0x1020, sp_row(12)); /* no whole words */
	add(&fixture, 0x1021, sp_row(20));
	add(&fixture, 0x1030, sp_row(1 << 20)); /* too many words for half a number */
	add(&fixture, 0x1031, sp_row((1 << 20) + 8));
	build(&fixture);
	/* The invalid one, two runs of pushes, one that pops, 40, one with its step, and four. */
	CHECK_EQ(fixture.view.header->row_count, 1 + 2 + 1 + 1 + 1 + 4);
	check_sp(&fixture, 0x100f, 8);
	check_sp(&fixture, 0x1010, 16);
	check_sp(&fixture, 0x1011, 24);
	check_sp(&fixture, 0x1012, 32);
	check_sp(&fixture, 0x1013, 24);
	check_sp(&fixture, 0x1014, 40);
	check_sp(&fixture, 0x1015, 40);
	check_sp(&fixture, 0x1016, 48);
	CHECK_EQ(unwind_row_fp_kind(unwind_table_find(&fixture.view, 0x1014)), UNWIND_FP_SAME);
	CHECK_EQ(unwind_row_fp_kind(unwind_table_find(&fixture.view, 0x1016)), UNWIND_FP_AT_CFA);
	CHECK_EQ(unwind_table_find(&fixture.view, 0x1016)->fp_offset, -2);
	check_sp(&fixture, 0x1020, 12);
	check_sp(&fixture, 0x1021, 20);
	check_sp(&fixture, 0x1031, (1 << 20) + 8);
}

static void a_run_goes_on_over_a_pages_end(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, 0xfffc, sp_row(8));
	add(&fixture, 0xfffe, sp_row(16));
	add(&fixture, 0x10000, sp_row(24));
	add(&fixture, 0x10002, sp_row(32));
	add(&fixture, 0x2fffe, sp_row(40));
	add(&fixture, 0x30002, sp_row(48));
	build(&fixture);
	check_sp(&fixture, 0xfffd, 8);
	check_sp(&fixture, 0xffff, 16);
	check_sp(&fixture, 0x10000, 24);
	check_sp(&fixture, 0x10002, 32);
	check_sp(&fixture, 0x2fffe, 40);
	check_sp(&fixture, 0x30000, 40);
	check_sp(&fixture, 0x30002, 48);
}

static void a_table_of_too_many_pages_is_refused_at_once(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, 0x1000, sp_row(8));
	add(&fixture, (uint64_t)UNWIND_TABLE_PAGES_MAX << UNWIND_PAGE_BITS, sp_row(16));
	CHECK(fixture.builder.is_full);
	CHECK(fixture.table.size < 1000);
	CHECK_EQ(unwind_table_builder_finish(&fixture.builder, (struct unwind_table_header){ 0 }),
		 -EFBIG);
}

static void a_table_that_does_not_fit_the_writer_is_an_error(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	fixture.table = bytes_writer_with_max(80);
	fixture.builder = unwind_table_builder_start(&fixture.table);
	add(&fixture, 0x1000, sp_row(8));
	add(&fixture, 0x2000, sp_row(64));
	CHECK_EQ(unwind_table_builder_finish(&fixture.builder, (struct unwind_table_header){ 0 }),
		 -EFBIG);
}

static void damaged_tables_are_refused(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	struct unwind_table_header *header;
	struct unwind_table_view view;
	struct unwind_row *rows;
	struct unwind_page *pages;

	setup(&fixture);
	add(&fixture, 0x1000, sp_row(8));
	add(&fixture, 0x11000, sp_row(64));
	build(&fixture);
	for (size_t size = 0; size < fixture.table.size; size++)
		CHECK_EQ(unwind_table_view_open(fixture.table.bytes, size, &view), -EBADMSG);
	header = (void *)fixture.table.bytes;
	rows = (void *)(header + 1);
	pages = (void *)(rows + header->row_count);
#define CHECK_DAMAGE(place, value)                                                                 \
	do {                                                                                       \
		__typeof__(place) kept = (place);                                                  \
		(place) = (value);                                                                 \
		CHECK_EQ(unwind_table_view_open(fixture.table.bytes, fixture.table.size, &view),   \
			 -EBADMSG);                                                                \
		(place) = kept;                                                                    \
	} while (0)
	CHECK_DAMAGE(header->magic, 0);
	CHECK_DAMAGE(header->page_count, 1);
	CHECK_DAMAGE(header->page_count, UINT32_MAX);
	CHECK_DAMAGE(header->row_count, UINT32_MAX);
	CHECK_DAMAGE(header->first_page, UINT64_MAX);
	CHECK_DAMAGE(header->build_id.size, 21);
	CHECK_DAMAGE(pages[0].first, 1);
	CHECK_DAMAGE(pages[0].count, 0);
	CHECK_DAMAGE(pages[1].count, UINT32_MAX);
	CHECK_DAMAGE(rows[0].pc_low, 1);
	CHECK_DAMAGE(rows[1].pc_low, 0);
	CHECK_DAMAGE(rows[1].kinds, UNWIND_CFA_NONE);
	CHECK_DAMAGE(rows[1].kinds, UNWIND_CFA_KIND_COUNT);
	CHECK_DAMAGE(rows[1].kinds, UNWIND_CFA_SP | UNWIND_FP_KIND_COUNT << 4);
#undef CHECK_DAMAGE
	CHECK_EQ(unwind_table_view_open(fixture.table.bytes, fixture.table.size, &view), 0);
}

TESTS(TEST(an_empty_table_has_no_pages), TEST(rows_hold_until_the_next_one),
      TEST(rows_that_say_the_same_are_one),
      TEST(each_page_carries_the_row_that_holds_where_it_begins),
      TEST(runs_of_pushes_and_pops_are_one_row_each), TEST(a_run_ends_where_a_row_cannot_hold_it),
      TEST(a_run_goes_on_over_a_pages_end), TEST(a_table_of_too_many_pages_is_refused_at_once),
      TEST(a_table_that_does_not_fit_the_writer_is_an_error), TEST(damaged_tables_are_refused))
