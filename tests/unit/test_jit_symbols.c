/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a perf map as a symbol table. */
#include "symbolize/perf_map_text.h"

#include "base/cleanup.h"
#include "check.h"
#include "elf/symbol_table.h"

enum { TABLE_SIZE_MAX = 64 << 20 };

struct parsed {
	struct bytes_writer bytes;
	struct symbol_table_view view;
	int outcome;
};

static struct parsed parse(const char *text)
{
	struct parsed parsed = { .bytes = bytes_writer_with_max(TABLE_SIZE_MAX) };

	parsed.outcome = perf_map_text_parse(text, strlen(text), &parsed.bytes);
	if (parsed.outcome == 0)
		parsed.outcome =
			symbol_table_view_open(parsed.bytes.bytes, parsed.bytes.size, &parsed.view);
	return parsed;
}

static void cleanup_parsed_free(struct parsed *parsed)
{
	bytes_writer_free(&parsed->bytes);
}

/* The name at @address, "" when there is none. */
static const char *name_at(const struct parsed *parsed, uint64_t address)
{
	static char name[256];
	struct symbol symbol;

	if (parsed->outcome != 0 || !symbol_table_find(&parsed->view, address, &symbol))
		return "";
	snprintf(name, sizeof(name), "%.*s", (int)symbol.name_size, symbol.name);
	return name;
}

static void each_line_names_its_range(void)
{
	CLEANUP(parsed_free)
	struct parsed parsed =
		parse("7f0010 20 LazyCompile:*add /srv/a b.js:1\n0x7f0100 0x8 stub\n");

	CHECK_STR_EQ(name_at(&parsed, 0x7f000f), "");
	CHECK_STR_EQ(name_at(&parsed, 0x7f0010), "LazyCompile:*add /srv/a b.js:1");
	CHECK_STR_EQ(name_at(&parsed, 0x7f002f), "LazyCompile:*add /srv/a b.js:1");
	CHECK_STR_EQ(name_at(&parsed, 0x7f0030), "");
	CHECK_STR_EQ(name_at(&parsed, 0x7f0107), "stub");
	CHECK_STR_EQ(name_at(&parsed, 0x7f0108), "");
}

static void the_last_line_for_an_address_counts(void)
{
	CLEANUP(parsed_free)
	struct parsed parsed = parse("1000 100 old_and_short_lived\n"
				     "2000 10 other\n"
				     "1000 100 new\n");

	CHECK_STR_EQ(name_at(&parsed, 0x1000), "new");
	CHECK_STR_EQ(name_at(&parsed, 0x10ff), "new");
	CHECK_STR_EQ(name_at(&parsed, 0x2000), "other");
}

static void a_newer_function_hides_part_of_an_older_one(void)
{
	CLEANUP(parsed_free) struct parsed parsed = parse("1000 100 old\n1040 20 new\n");

	CHECK_STR_EQ(name_at(&parsed, 0x1000), "old");
	CHECK_STR_EQ(name_at(&parsed, 0x103f), "old");
	CHECK_STR_EQ(name_at(&parsed, 0x1040), "new");
	CHECK_STR_EQ(name_at(&parsed, 0x105f), "new");
	CHECK_STR_EQ(name_at(&parsed, 0x1060), "old");
	CHECK_STR_EQ(name_at(&parsed, 0x10ff), "old");
	CHECK_STR_EQ(name_at(&parsed, 0x1100), "");
}

static void an_older_function_does_not_show_through(void)
{
	CLEANUP(parsed_free) struct parsed parsed = parse("1040 20 old\n1000 100 new\n");

	for (uint64_t address = 0x1000; address < 0x1100; address += 0x10)
		CHECK_STR_EQ(name_at(&parsed, address), "new");
}

static void the_older_end_shows_behind_a_newer_one(void)
{
	CLEANUP(parsed_free)
	struct parsed parsed = parse("1000 80 first\n1040 80 second\n1020 40 third\n");

	CHECK_STR_EQ(name_at(&parsed, 0x101f), "first");
	CHECK_STR_EQ(name_at(&parsed, 0x1020), "third");
	CHECK_STR_EQ(name_at(&parsed, 0x105f), "third");
	CHECK_STR_EQ(name_at(&parsed, 0x1060), "second");
	CHECK_STR_EQ(name_at(&parsed, 0x10bf), "second");
	CHECK_STR_EQ(name_at(&parsed, 0x10c0), "");
}

/* Every byte is named by the last of the lines that cover it, as a plain search finds it. */
static void any_overlaps_agree_with_a_plain_search(void)
{
	static char text[200 * 32];
	struct {
		unsigned int start, size;
	} lines[200];
	unsigned int random = 12345;
	size_t size = 0;

	for (int i = 0; i < 200; i++) {
		random = random * 1103515245 + 12345;
		lines[i].start = 0x1000 + (random >> 8) % 2000;
		lines[i].size = 1 + (random >> 20) % 300;
		size += (size_t)snprintf(text + size, sizeof(text) - size, "%x %x f%d\n",
					 lines[i].start, lines[i].size, i);
	}
	CLEANUP(parsed_free) struct parsed parsed = parse(text);

	CHECK_OR_RETURN(parsed.outcome == 0);
	for (unsigned int address = 0x0ff0; address < 0x1000 + 2400; address++) {
		char expected[16] = "";

		for (int i = 0; i < 200; i++)
			if (lines[i].start <= address && address < lines[i].start + lines[i].size)
				snprintf(expected, sizeof(expected), "f%d", i);
		CHECK_STR_EQ(name_at(&parsed, address), expected);
	}
}

static void bad_lines_and_a_cut_one_are_left_out(void)
{
	CLEANUP(parsed_free)
	struct parsed parsed = parse("\nx\n1000\n1000 10\n1000 10 \n1000 0 empty\n"
				     "ffffffffffffffff 10 beyond\n3000 10 good\n2000 10 cut");

	CHECK_EQ(parsed.outcome, 0);
	CHECK_STR_EQ(name_at(&parsed, 0x3000), "good");
	CHECK_STR_EQ(name_at(&parsed, 0x1000), "");
	CHECK_STR_EQ(name_at(&parsed, 0x2000), "");
}

static void an_empty_map_gives_an_empty_table(void)
{
	CLEANUP(parsed_free) struct parsed parsed = parse("");

	CHECK_EQ(parsed.outcome, 0);
	CHECK_STR_EQ(name_at(&parsed, 0), "");
}

static void a_very_long_name_is_cut(void)
{
	static char text[3 * SYMBOL_NAME_SIZE_MAX];
	struct symbol symbol;

	memset(text, 'n', sizeof(text));
	memcpy(text, "1000 10 ", 8);
	text[sizeof(text) - 2] = '\n';
	text[sizeof(text) - 1] = '\0';
	CLEANUP(parsed_free) struct parsed parsed = parse(text);

	CHECK_OR_RETURN(parsed.outcome == 0);
	CHECK_OR_RETURN(symbol_table_find(&parsed.view, 0x1000, &symbol));
	CHECK_EQ(symbol.name_size, SYMBOL_NAME_SIZE_MAX);
}

TESTS(TEST(each_line_names_its_range), TEST(the_last_line_for_an_address_counts),
      TEST(a_newer_function_hides_part_of_an_older_one),
      TEST(an_older_function_does_not_show_through), TEST(the_older_end_shows_behind_a_newer_one),
      TEST(any_overlaps_agree_with_a_plain_search), TEST(bad_lines_and_a_cut_one_are_left_out),
      TEST(an_empty_map_gives_an_empty_table), TEST(a_very_long_name_is_cut))
