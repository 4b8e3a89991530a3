/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/symbol_table.h"

#include <errno.h>

#include "base/cleanup.h"
#include "check.h"
#include "elf/symbol_table_builder.h"

/* A builder and, once built, its table. */
struct fixture {
	struct symbol_table_builder *builder;
	struct bytes_writer table;
	struct symbol_table_view view;
};

static void setup(struct fixture *fixture)
{
	if (symbol_table_builder_new(&fixture->builder) < 0)
		check_give_up();
	fixture->table = bytes_writer_with_max(1 << 28);
}

static void cleanup_teardown(struct fixture *fixture)
{
	symbol_table_builder_free(fixture->builder);
	bytes_writer_free(&fixture->table);
}

static void add_full(struct fixture *fixture, uint64_t start, uint64_t size, const char *name,
		     enum symbol_binding binding, bool is_label)
{
	CHECK_EQ(symbol_table_builder_add(fixture->builder,
					  &(struct symbol_source){ .start = start,
								   .size = size,
								   .limit = UINT64_MAX,
								   .name = name,
								   .name_size = strlen(name),
								   .binding = binding,
								   .is_label = is_label }),
		 0);
}

static void add(struct fixture *fixture, uint64_t start, uint64_t size, const char *name)
{
	add_full(fixture, start, size, name, SYMBOL_GLOBAL, false);
}

static void build(struct fixture *fixture)
{
	CHECK_EQ(symbol_table_builder_finish(fixture->builder, NULL, &fixture->table), 0);
	CHECK_EQ(symbol_table_view_open(fixture->table.bytes, fixture->table.size, &fixture->view),
		 0);
}

/* @name: NULL when nothing may be found. */
static void check_found(const struct fixture *fixture, uint64_t address, const char *name,
			uint64_t start)
{
	struct symbol symbol = { 0 };
	char text[256];
	bool found = symbol_table_find(&fixture->view, address, &symbol);

	CHECK_EQ(found, name != NULL);
	if (!found || !name)
		return;
	snprintf(text, sizeof(text), "%.*s", (int)symbol.name_size, symbol.name);
	CHECK_STR_EQ(text, name);
	CHECK_EQ(symbol.start, start);
	CHECK(address - symbol.start < symbol.size);
}

static void an_empty_table_finds_nothing(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	build(&fixture);
	CHECK_EQ(fixture.view.header->row_count, 0);
	CHECK_EQ(fixture.view.header->address_end, 0);
	check_found(&fixture, 0, NULL, 0);
	check_found(&fixture, UINT64_MAX, NULL, 0);
}

static void symbols_are_found_from_their_first_byte_to_their_last(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, 0x300, 0x10, "third");
	add(&fixture, 0x100, 0x80, "first");
	add(&fixture, 0x180, 0x40, "second");
	build(&fixture);
	check_found(&fixture, 0xff, NULL, 0);
	check_found(&fixture, 0x100, "first", 0x100);
	check_found(&fixture, 0x17f, "first", 0x100);
	check_found(&fixture, 0x180, "second", 0x180);
	check_found(&fixture, 0x1bf, "second", 0x180);
	check_found(&fixture, 0x1c0, NULL, 0);
	check_found(&fixture, 0x30f, "third", 0x300);
	check_found(&fixture, 0x310, NULL, 0);
	CHECK_EQ(fixture.view.header->address_min, 0x100);
	CHECK_EQ(fixture.view.header->address_end, 0x310);
}

static void every_row_of_a_large_table_is_found(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	static char names[5000][8];

	setup(&fixture);
	for (uint64_t i = 0; i < 5000; i++) {
		/* In an order that is neither up nor down. */
		uint64_t number = i * 1777 % 5000;

		snprintf(names[number], sizeof(names[number]), "f%d", (int)number);
		add(&fixture, 16 * number, 16, names[number]);
	}
	build(&fixture);
	for (uint64_t i = 0; i < 5000; i++)
		check_found(&fixture, 16 * i + i % 16, names[i], 16 * i);
}

static void of_names_at_one_address_the_stated_one_wins(void)
{
	static const struct {
		struct {
			const char *name;
			enum symbol_binding binding;
			uint64_t size;
			bool is_label;
		} aliases[3];
		const char *winner;
	} cases[] = {
		{ { { "weak", SYMBOL_WEAK, 8, false },
		    { "local", SYMBOL_LOCAL, 8, false },
		    { "global", SYMBOL_GLOBAL, 8, false } },
		  "global" },
		{ { { "a", SYMBOL_LOCAL, 8, false },
		    { "b", SYMBOL_WEAK, 8, false },
		    { "c", SYMBOL_LOCAL, 8, false } },
		  "b" },
		{ { { "__read", SYMBOL_GLOBAL, 8, false },
		    { "_read", SYMBOL_GLOBAL, 8, false },
		    { "read_it", SYMBOL_GLOBAL, 8, false } },
		  "read_it" },
		{ { { "longer", SYMBOL_GLOBAL, 8, false },
		    { "long", SYMBOL_GLOBAL, 8, false },
		    { "longest", SYMBOL_GLOBAL, 8, false } },
		  "long" },
		{ { { "bb", SYMBOL_GLOBAL, 8, false },
		    { "aa", SYMBOL_GLOBAL, 8, false },
		    { "cc", SYMBOL_GLOBAL, 8, false } },
		  "aa" },
		{ { { "l", SYMBOL_GLOBAL, 8, true },
		    { "function", SYMBOL_LOCAL, 8, false },
		    { "m", SYMBOL_GLOBAL, 8, true } },
		  "function" },
		{ { { "unsized", SYMBOL_GLOBAL, 0, false },
		    { "with_size", SYMBOL_LOCAL, 8, false },
		    { "u", SYMBOL_GLOBAL, 0, false } },
		  "with_size" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(teardown) struct fixture fixture = { 0 };

		setup(&fixture);
		for (size_t k = 0; k < 3; k++)
			add_full(&fixture, 0x100, cases[i].aliases[k].size,
				 cases[i].aliases[k].name, cases[i].aliases[k].binding,
				 cases[i].aliases[k].is_label);
		build(&fixture);
		CHECK_EQ(fixture.view.header->row_count, 1);
		check_found(&fixture, 0x107, cases[i].winner, 0x100);
		check_found(&fixture, 0x108, NULL, 0);
	}
}

static void the_longest_size_of_aliases_counts(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, 0x100, 0x10, "a");
	add(&fixture, 0x100, 0x40, "ab");
	add_full(&fixture, 0x200, 0, "f", SYMBOL_GLOBAL, false);
	add_full(&fixture, 0x200, 0x20, "label", SYMBOL_LOCAL, true);
	build(&fixture);
	check_found(&fixture, 0x13f, "a", 0x100);
	check_found(&fixture, 0x140, NULL, 0);
	check_found(&fixture, 0x21f, "f", 0x200);
	check_found(&fixture, 0x220, NULL, 0);
}

static void a_function_inside_another_interrupts_it(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, 0x100, 0x100, "outer");
	add(&fixture, 0x140, 0x20, "inner");
	add(&fixture, 0x148, 0x08, "innermost");
	build(&fixture);
	check_found(&fixture, 0x13f, "outer", 0x100);
	check_found(&fixture, 0x140, "inner", 0x140);
	check_found(&fixture, 0x14f, "innermost", 0x148);
	check_found(&fixture, 0x150, "inner", 0x140);
	check_found(&fixture, 0x160, "outer", 0x100);
	check_found(&fixture, 0x1ff, "outer", 0x100);
	check_found(&fixture, 0x200, NULL, 0);
	CHECK_EQ(fixture.view.header->row_count, 5);
}

static void of_overlapping_functions_the_later_has_the_common_part(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, 0x100, 0x80, "first");
	add(&fixture, 0x140, 0x80, "second");
	add(&fixture, 0x160, 0x10, "third");
	build(&fixture);
	check_found(&fixture, 0x13f, "first", 0x100);
	check_found(&fixture, 0x15f, "second", 0x140);
	check_found(&fixture, 0x16f, "third", 0x160);
	check_found(&fixture, 0x170, "second", 0x140);
	check_found(&fixture, 0x1bf, "second", 0x140);
	check_found(&fixture, 0x1c0, NULL, 0);
}

static void a_symbol_without_size_reaches_to_the_next_or_to_its_limit(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, 0x100, 0, "first");
	add(&fixture, 0x200, 0, "second");
	symbol_table_builder_add(fixture.builder, &(struct symbol_source){ .start = 0x240 });
	symbol_table_builder_add(fixture.builder, &(struct symbol_source){ .start = 0x300,
									   .limit = 0x320,
									   .name = "third",
									   .name_size = 5 });
	build(&fixture);
	check_found(&fixture, 0x1ff, "first", 0x100);
	check_found(&fixture, 0x23f, "second", 0x200);
	check_found(&fixture, 0x240, NULL, 0); /* a boundary without a name */
	check_found(&fixture, 0x31f, "third", 0x300);
	check_found(&fixture, 0x320, NULL, 0);
}

static void a_symbol_without_size_inside_a_function_is_left_out(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, 0x100, 0x100, "function");
	add(&fixture, 0x180, 0, "label");
	add(&fixture, 0x200, 0, "behind");
	build(&fixture);
	check_found(&fixture, 0x190, "function", 0x100);
	check_found(&fixture, 0x200, "behind", 0x200);
	CHECK_EQ(fixture.view.header->row_count, 2);
}

static void a_label_behind_an_inner_function_is_left_out_too(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, 0x100, 0x100, "outer");
	add(&fixture, 0x110, 0x10, "inner");
	add(&fixture, 0x150, 0, "label");
	build(&fixture);
	check_found(&fixture, 0x160, "outer", 0x100);
	CHECK_EQ(fixture.view.header->row_count, 3);
}

/* A function that nobody named is found with an empty name, wherever no named one is. */
static void functions_without_a_name_fill_what_is_left(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, 0x100, 0x40, ""); /* alone */
	add(&fixture, 0x140, 0x40, ""); /* beside it */
	add(&fixture, 0x200, 0x80, ""); /* around a named one, with a label in it */
	add(&fixture, 0x220, 0x10, "named");
	add(&fixture, 0x260, 0, "label");
	add(&fixture, 0x300, 0x80, ""); /* longer than the named one at its start */
	add(&fixture, 0x300, 0x20, "start");
	add(&fixture, 0x400, 0x20, "whole"); /* all named: adds nothing */
	add(&fixture, 0x400, 0x20, "");
	add(&fixture, 0x410, 0x08, "");
	build(&fixture);
	check_found(&fixture, 0xff, NULL, 0);
	check_found(&fixture, 0x13f, "", 0x100);
	check_found(&fixture, 0x140, "", 0x140);
	check_found(&fixture, 0x180, NULL, 0);
	check_found(&fixture, 0x21f, "", 0x200);
	check_found(&fixture, 0x220, "named", 0x220);
	check_found(&fixture, 0x230, "", 0x200);
	check_found(&fixture, 0x260, "label", 0x260);
	check_found(&fixture, 0x31f, "start", 0x300);
	check_found(&fixture, 0x320, "", 0x300);
	check_found(&fixture, 0x380, NULL, 0);
	check_found(&fixture, 0x418, "whole", 0x400);
	check_found(&fixture, 0x420, NULL, 0);
}

static void a_name_of_a_megabyte_is_cut_and_counted(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	CLEANUP(memory_free) char *name = malloc(1 << 20);
	struct symbol symbol;

	memset(name, 'n', 1 << 20);
	setup(&fixture);
	symbol_table_builder_add(fixture.builder, &(struct symbol_source){ .start = 16,
									   .size = 16,
									   .name = name,
									   .name_size = 1 << 20 });
	build(&fixture);
	CHECK_EQ(fixture.view.header->cut_name_count, 1);
	CHECK_OR_RETURN(symbol_table_find(&fixture.view, 16, &symbol));
	CHECK_EQ(symbol.name_size, SYMBOL_NAME_SIZE_MAX);
}

static void names_beyond_the_tables_room_are_left_out_and_counted(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	CLEANUP(memory_free) char *name = malloc(SYMBOL_NAME_SIZE_MAX);
	uint32_t fitting = SYMBOL_TABLE_STRINGS_SIZE_MAX / SYMBOL_NAME_SIZE_MAX;

	memset(name, 'n', SYMBOL_NAME_SIZE_MAX);
	setup(&fixture);
	for (uint32_t i = 0; i < fitting + 3; i++)
		symbol_table_builder_add(
			fixture.builder,
			&(struct symbol_source){ .start = 16 * i,
						 .size = 16,
						 .name = name,
						 .name_size = SYMBOL_NAME_SIZE_MAX });
	build(&fixture);
	CHECK_EQ(fixture.view.header->row_count, fitting);
	CHECK_EQ(fixture.view.header->left_out_count, 3);
}

static void a_table_that_does_not_fit_the_writer_is_an_error(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	fixture.table = bytes_writer_with_max(70);
	add(&fixture, 16, 16, "name");
	CHECK_EQ(symbol_table_builder_finish(fixture.builder, NULL, &fixture.table), -EFBIG);
}

static void addresses_at_the_end_of_the_range_do_not_wrap(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	add(&fixture, UINT64_MAX - 16, UINT64_MAX, "last");
	add(&fixture, 0, UINT64_MAX, "all");
	add(&fixture, UINT64_MAX, 1, "beyond");
	build(&fixture);
	check_found(&fixture, 0, "all", 0);
	check_found(&fixture, UINT64_MAX - 16, "last", UINT64_MAX - 16);
	check_found(&fixture, UINT64_MAX - 1, "last", UINT64_MAX - 16);
}

/* The view must refuse every table whose lookups could read outside; the others may be wrong. */
static void damaged_tables_are_refused(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	struct symbol_table_header *header;
	struct symbol_table_view view;
	struct symbol_table_row *rows;
	uint64_t *starts;

	setup(&fixture);
	add(&fixture, 0x100, 0x10, "first");
	add(&fixture, 0x200, 0x10, "second");
	build(&fixture);
	for (size_t size = 0; size < fixture.table.size; size++)
		CHECK_EQ(symbol_table_view_open(fixture.table.bytes, size, &view), -EBADMSG);
	header = (void *)fixture.table.bytes;
	starts = (void *)(header + 1);
	rows = (void *)(starts + 2);
#define CHECK_DAMAGE(place, value)                                                                 \
	do {                                                                                       \
		__typeof__(place) kept = (place);                                                  \
		(place) = (value);                                                                 \
		CHECK_EQ(symbol_table_view_open(fixture.table.bytes, fixture.table.size, &view),   \
			 -EBADMSG);                                                                \
		(place) = kept;                                                                    \
	} while (0)
	CHECK_DAMAGE(header->magic, 0);
	CHECK_DAMAGE(header->row_count, 3);
	CHECK_DAMAGE(header->row_count, UINT32_MAX);
	CHECK_DAMAGE(header->strings_size, 1);
	CHECK_DAMAGE(header->build_id.size, 21);
	CHECK_DAMAGE(starts[1], 0x100);
	CHECK_DAMAGE(starts[0], 0x201);
	CHECK_DAMAGE(rows[0].length, 0x101);
	CHECK_DAMAGE(rows[0].lead, 0x101);
	CHECK_DAMAGE(rows[1].name, header->strings_size + 1);
	CHECK_DAMAGE(rows[1].name_size, 100);
#undef CHECK_DAMAGE
	CHECK_EQ(symbol_table_view_open(fixture.table.bytes, fixture.table.size, &view), 0);
}

TESTS(TEST(an_empty_table_finds_nothing),
      TEST(symbols_are_found_from_their_first_byte_to_their_last),
      TEST(every_row_of_a_large_table_is_found), TEST(of_names_at_one_address_the_stated_one_wins),
      TEST(the_longest_size_of_aliases_counts), TEST(a_function_inside_another_interrupts_it),
      TEST(of_overlapping_functions_the_later_has_the_common_part),
      TEST(a_symbol_without_size_reaches_to_the_next_or_to_its_limit),
      TEST(a_symbol_without_size_inside_a_function_is_left_out),
      TEST(a_label_behind_an_inner_function_is_left_out_too),
      TEST(functions_without_a_name_fill_what_is_left),
      TEST(a_name_of_a_megabyte_is_cut_and_counted),
      TEST(names_beyond_the_tables_room_are_left_out_and_counted),
      TEST(a_table_that_does_not_fit_the_writer_is_an_error),
      TEST(addresses_at_the_end_of_the_range_do_not_wrap), TEST(damaged_tables_are_refused))
