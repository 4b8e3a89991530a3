/* SPDX-License-Identifier: Apache-2.0 */
/* The text of kallsyms as a symbol table. */
#include "symbolize/kernel_text.h"

#include <fcntl.h>

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

	parsed.outcome = kernel_text_parse(text, strlen(text), &parsed.bytes);
	if (parsed.outcome == 0)
		parsed.outcome =
			symbol_table_view_open(parsed.bytes.bytes, parsed.bytes.size, &parsed.view);
	return parsed;
}

static void cleanup_parsed_free(struct parsed *parsed)
{
	bytes_writer_free(&parsed->bytes);
}

static bool name_is(const struct parsed *parsed, uint64_t address, const char *name)
{
	struct symbol symbol;

	return symbol_table_find(&parsed->view, address, &symbol) &&
	       symbol.name_size == strlen(name) && memcmp(symbol.name, name, symbol.name_size) == 0;
}

static const char lines[] = "ffffffff81000000 T _text\n"
			    "ffffffff81000100 t do_idle\n"
			    "ffffffff81000200 T vfs_read\n"
			    "ffffffff81000300 D some_data\n"
			    "ffffffffc0001000 t nft_do_chain\t[nf_tables]\n"
			    "ffffffffc0002000 t bpf_prog_6deef7357e7b4530_sample\t[bpf]\n"
			    "ffffffffc0003000 t ftrace_trampoline\t[__builtin__ftrace]\n";

static void functions_reach_to_the_next_symbol(void)
{
	CLEANUP(parsed_free) struct parsed parsed = parse(lines);
	struct symbol symbol;

	CHECK_OR_RETURN(parsed.outcome == 0);
	CHECK(name_is(&parsed, 0xffffffff81000100, "do_idle"));
	CHECK(name_is(&parsed, 0xffffffff810001ff, "do_idle"));
	CHECK(name_is(&parsed, 0xffffffff81000200, "vfs_read"));
	CHECK(!symbol_table_find(&parsed.view, 0xffffffff81000300, &symbol));
	CHECK(!symbol_table_find(&parsed.view, 0xffffffff80ffffff, &symbol));
	CHECK(!symbol_table_find(&parsed.view, 0, &symbol));
}

static void the_last_function_does_not_reach_for_ever(void)
{
	CLEANUP(parsed_free) struct parsed parsed = parse(lines);
	struct symbol symbol;

	CHECK_OR_RETURN(parsed.outcome == 0);
	CHECK(name_is(&parsed, 0xffffffffc0003000 + KERNEL_FUNCTION_SIZE_MAX - 1,
		      "ftrace_trampoline"));
	CHECK(!symbol_table_find(&parsed.view, 0xffffffffc0003000 + KERNEL_FUNCTION_SIZE_MAX,
				 &symbol));
}

static void modules_and_bpf_programs_are_told(void)
{
	CLEANUP(parsed_free) struct parsed parsed = parse(lines);
	struct symbol symbol;

	CHECK_OR_RETURN(parsed.outcome == 0);
	CHECK_OR_RETURN(symbol_table_find(&parsed.view, 0xffffffffc0001010, &symbol));
	CHECK(symbol.module && symbol.module_size == 9 &&
	      memcmp(symbol.module, "nf_tables", 9) == 0);
	CHECK_OR_RETURN(symbol_table_find(&parsed.view, 0xffffffffc0002010, &symbol));
	CHECK(symbol.module && symbol.module_size == 3 && memcmp(symbol.module, "bpf", 3) == 0);
	CHECK_OR_RETURN(symbol_table_find(&parsed.view, 0xffffffffc0003010, &symbol));
	CHECK(!symbol.module);
	CHECK_OR_RETURN(symbol_table_find(&parsed.view, 0xffffffff81000100, &symbol));
	CHECK(!symbol.module);
}

static void hidden_addresses_are_said_to_be_hidden(void)
{
	CLEANUP(parsed_free)
	struct parsed parsed = parse("0000000000000000 T _text\n0000000000000000 t do_idle\n");

	CHECK_EQ(parsed.outcome, KERNEL_TEXT_HIDDEN);
}

static void nonsense_gives_no_table(void)
{
	static const char *const texts[] = {
		"",	    "\n\n",	 "hello\n",	"ffff\n",
		"ffff T\n", "ffff T \n", "ffff TT x\n", "fffffffffffffffff T x\n"
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CLEANUP(parsed_free) struct parsed parsed = parse(texts[i]);

		CHECK_EQ(parsed.outcome, KERNEL_TEXT_EMPTY);
	}
}

static void a_bad_line_costs_only_itself(void)
{
	CLEANUP(parsed_free)
	struct parsed parsed = parse("ffffffff81000000 T good\nrubbish\nffffffff81000010 T better");

	CHECK_OR_RETURN(parsed.outcome == 0);
	CHECK(name_is(&parsed, 0xffffffff81000000, "good"));
	CHECK(name_is(&parsed, 0xffffffff81000010, "better"));
}

static void this_kernels_own_symbols_are_read(void)
{
	CLEANUP(fd_close) int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	CLEANUP(bytes_writer_free)
	struct bytes_writer table = bytes_writer_with_max(TABLE_SIZE_MAX);
	struct symbol_table_view view;
	int r;

	if (fd < 0)
		SKIP("there is no /proc/kallsyms");
	r = kernel_text_job(fd, bytes_reader_of(NULL, 0), &table);
	if (r == KERNEL_TEXT_HIDDEN)
		SKIP("the kernel hides its addresses");
	CHECK_OR_RETURN(r == 0);
	CHECK_OR_RETURN(symbol_table_view_open(table.bytes, table.size, &view) == 0);
	CHECK(view.header->row_count > 10000);
	CHECK(view.header->address_min >= UINT64_C(0xffff000000000000));
}

TESTS(TEST(functions_reach_to_the_next_symbol), TEST(the_last_function_does_not_reach_for_ever),
      TEST(modules_and_bpf_programs_are_told), TEST(hidden_addresses_are_said_to_be_hidden),
      TEST(nonsense_gives_no_table), TEST(a_bad_line_costs_only_itself),
      TEST(this_kernels_own_symbols_are_read))
