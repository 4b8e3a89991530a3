/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind tables of made files, and of the machine's own with libdw as the judge. Every file of a
 * machine is compared by `bench_unwind_table --compare FILE...`.
 */
#include "elf/elf_unwind.h"

#include <glob.h>

#include "base/cleanup.h"
#include "check.h"
#include "elf/executable_file.h"
#include "elf_maker.h"
#include "frame_maker.h"
#include "unwind_judge.h"

/* CFA = SP + 8, the return address at CFA - 8; and one push after the first byte. */
static const uint8_t usual[] = { 0x0c, 7, 8, 0x90, 1 };
static const uint8_t one_push[] = { 0x41, 0x0e, 16 };

struct table {
	struct bytes_writer bytes;
	struct unwind_table_view view;
};

static void cleanup_table_free(struct table *table)
{
	bytes_writer_free(&table->bytes);
}

/* A file with @text_size of code at 0x80 and the given sections (NULL: without). */
static void make_file(struct elf_maker *maker, size_t text_size, const struct frame_maker *eh_frame,
		      const struct frame_maker *debug_frame)
{
	CLEANUP(memory_free) uint8_t *text = calloc(1, text_size);
	size_t index;

	elf_maker_start(maker);
	index = elf_maker_add(maker, ".text", SHT_PROGBITS, text, text_size);
	maker->sections[index].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
	if (eh_frame) {
		index = elf_maker_add(maker, ".eh_frame", SHT_PROGBITS, eh_frame->bytes.bytes,
				      eh_frame->bytes.size);
		maker->sections[index].sh_addr = eh_frame->address;
	}
	if (debug_frame)
		elf_maker_add(maker, ".debug_frame", SHT_PROGBITS, debug_frame->bytes.bytes,
			      debug_frame->bytes.size);
	elf_maker_finish(maker);
}

static int table_of_pair(const struct elf_maker *maker, const struct elf_maker *debug_maker,
			 struct table *table)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	CLEANUP(executable_file_free) struct executable_file *debug_file = NULL;
	int r = executable_file_open_bytes(maker->bytes, maker->size, &file);

	if (!r && debug_maker)
		r = executable_file_open_bytes(debug_maker->bytes, debug_maker->size, &debug_file);
	if (r)
		return r;
	bytes_writer_free(&table->bytes);
	table->bytes = bytes_writer_with_max(64 << 20);
	r = elf_unwind_table(file, debug_file, &table->bytes);
	if (!r && unwind_table_view_open(table->bytes.bytes, table->bytes.size, &table->view) < 0)
		check_give_up();
	return r;
}

static int table_of(const struct elf_maker *maker, struct table *table)
{
	return table_of_pair(maker, NULL, table);
}

static void check_rule(const struct table *table, uint64_t offset, enum unwind_cfa_kind kind,
		       int32_t cfa_offset)
{
	const struct unwind_row *row = unwind_table_find(&table->view, offset);
	struct unwind_row plain;

	CHECK_OR_RETURN(row != NULL);
	plain = unwind_row_at(row, (uint32_t)((offset & 0xffff) - row->pc_low));
	CHECK_EQ(unwind_row_cfa_kind(&plain), kind);
	CHECK_EQ(plain.cfa_offset, cfa_offset);
}

/* .text is the first section of each made file. */
enum { TEXT = 0x80, TEXT_ADDRESS = ELF_MAKER_BASE + TEXT };

static void functions_and_the_gaps_between_them(void)
{
	CLEANUP(frame_maker_free) struct frame_maker frames = frame_maker_start(false);
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	frame_maker_add_cie(&frames, "zR", usual, sizeof(usual));
	/* Out of order, with a filling of 8 bytes and a hole of 256. */
	frame_maker_add_fde(&frames, TEXT_ADDRESS + 0x200, 0x10, one_push, sizeof(one_push));
	frame_maker_add_fde(&frames, TEXT_ADDRESS, 0x78, one_push, sizeof(one_push));
	frame_maker_add_fde(&frames, TEXT_ADDRESS + 0x80, 0x80, NULL, 0);
	frame_maker_end(&frames);
	make_file(&maker, 0x1000, &frames, NULL);
	CHECK_OR_RETURN(table_of(&maker, &table) == 0);
	CHECK_EQ(table.view.header->function_count, 3);
	CHECK_EQ(table.view.header->covered_size, 0x78 + 0x80 + 0x10);
	check_rule(&table, TEXT - 1, UNWIND_CFA_INVALID, 0);
	check_rule(&table, TEXT, UNWIND_CFA_SP, 8);
	check_rule(&table, TEXT + 1, UNWIND_CFA_SP, 16);
	check_rule(&table, TEXT + 0x7f, UNWIND_CFA_SP, 16); /* filling: as before it */
	check_rule(&table, TEXT + 0x80, UNWIND_CFA_SP, 8);
	check_rule(&table, TEXT + 0x100, UNWIND_CFA_INVALID, 0);
	check_rule(&table, TEXT + 0x200, UNWIND_CFA_SP, 8);
	check_rule(&table, TEXT + 0x210, UNWIND_CFA_INVALID, 0);
}

static void debug_frame_fills_what_eh_frame_leaves(void)
{
	CLEANUP(frame_maker_free) struct frame_maker frames = frame_maker_start(false);
	CLEANUP(frame_maker_free) struct frame_maker debug = frame_maker_start(true);
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	frame_maker_add_cie(&frames, "zR", usual, sizeof(usual));
	frame_maker_add_fde(&frames, TEXT_ADDRESS, 0x80, NULL, 0);
	frame_maker_add_cie(&debug, "", usual, sizeof(usual));
	frame_maker_add_fde(&debug, TEXT_ADDRESS, 0x80, one_push, sizeof(one_push));
	frame_maker_add_fde(&debug, TEXT_ADDRESS + 0x80, 0x80, one_push, sizeof(one_push));
	make_file(&maker, 0x1000, &frames, &debug);
	CHECK_OR_RETURN(table_of(&maker, &table) == 0);
	CHECK_EQ(table.view.header->function_count, 2);
	CHECK_EQ(table.view.header->left_out_count, 0);
	check_rule(&table, TEXT + 1, UNWIND_CFA_SP, 8);
	check_rule(&table, TEXT + 0x80, UNWIND_CFA_SP, 8);
	check_rule(&table, TEXT + 0x81, UNWIND_CFA_SP, 16);
}

static void debug_frame_alone_is_enough(void)
{
	CLEANUP(frame_maker_free) struct frame_maker debug = frame_maker_start(true);
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	frame_maker_add_cie(&debug, "", usual, sizeof(usual));
	frame_maker_add_fde(&debug, TEXT_ADDRESS, 0x80, one_push, sizeof(one_push));
	make_file(&maker, 0x1000, NULL, &debug);
	CHECK_OR_RETURN(table_of(&maker, &table) == 0);
	check_rule(&table, TEXT + 1, UNWIND_CFA_SP, 16);
}

/* What the file itself says goes first, since the C library brings some of it into every program. */
static void a_debug_file_fills_what_the_file_leaves(void)
{
	CLEANUP(frame_maker_free) struct frame_maker frames = frame_maker_start(false);
	CLEANUP(frame_maker_free) struct frame_maker debug = frame_maker_start(true);
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(elf_maker_free) struct elf_maker debug_maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	frame_maker_add_cie(&frames, "zR", usual, sizeof(usual));
	frame_maker_add_fde(&frames, TEXT_ADDRESS, 0x80, NULL, 0);
	frame_maker_add_cie(&debug, "", usual, sizeof(usual));
	frame_maker_add_fde(&debug, TEXT_ADDRESS, 0x80, one_push, sizeof(one_push));
	frame_maker_add_fde(&debug, TEXT_ADDRESS + 0x80, 0x80, one_push, sizeof(one_push));
	make_file(&maker, 0x1000, &frames, NULL);
	make_file(&debug_maker, 0x1000, NULL, &debug);
	elf_maker_segment(&debug_maker)->p_filesz = 0;
	CHECK_OR_RETURN(table_of_pair(&maker, &debug_maker, &table) == 0);
	CHECK_EQ(table.view.header->function_count, 2);
	check_rule(&table, TEXT + 1, UNWIND_CFA_SP, 8);
	check_rule(&table, TEXT + 0x81, UNWIND_CFA_SP, 16);
}

/* This very program, with its section headers and as if it had none. */
static void without_section_headers_the_segment_leads_to_it(void)
{
	CLEANUP(file_close) FILE *own = fopen("/proc/self/exe", "re");
	CLEANUP(table_free) struct table whole = { 0 };
	CLEANUP(table_free) struct table bare = { 0 };
	struct elf_maker file = { 0 };
	CLEANUP(memory_free) uint8_t *bytes = malloc(256 << 20);

	CHECK_OR_RETURN(own && bytes);
	file.bytes = bytes;
	file.size = fread(bytes, 1, 256 << 20, own);
	CHECK_OR_RETURN(table_of(&file, &whole) == 0);
	elf_maker_header(&file)->e_shoff = 0;
	elf_maker_header(&file)->e_shnum = 0;
	elf_maker_header(&file)->e_shstrndx = 0;
	CHECK_OR_RETURN(table_of(&file, &bare) == 0);
	CHECK(whole.view.header->function_count > 100);
	CHECK_EQ(bare.bytes.size, whole.bytes.size);
	CHECK(memcmp(bare.bytes.bytes, whole.bytes.bytes, whole.bytes.size) == 0);
}

static void of_overlapping_functions_the_first_is_taken(void)
{
	CLEANUP(frame_maker_free) struct frame_maker frames = frame_maker_start(false);
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	frame_maker_add_cie(&frames, "zR", usual, sizeof(usual));
	frame_maker_add_fde(&frames, TEXT_ADDRESS, 0x80, NULL, 0);
	frame_maker_add_fde(&frames, TEXT_ADDRESS + 0x40, 0x80, one_push, sizeof(one_push));
	frame_maker_add_fde(&frames, TEXT_ADDRESS, 0x80, one_push, sizeof(one_push));
	make_file(&maker, 0x1000, &frames, NULL);
	CHECK_OR_RETURN(table_of(&maker, &table) == 0);
	CHECK_EQ(table.view.header->function_count, 1);
	CHECK_EQ(table.view.header->left_out_count, 2);
	check_rule(&table, TEXT + 0x7f, UNWIND_CFA_SP, 8);
}

static void functions_outside_the_files_code_are_left_out(void)
{
	CLEANUP(frame_maker_free) struct frame_maker frames = frame_maker_start(false);
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	frame_maker_add_cie(&frames, "zR", usual, sizeof(usual));
	frame_maker_add_fde(&frames, 0x10, 0x80, NULL, 0);
	frame_maker_add_fde(&frames, TEXT_ADDRESS, 0x10000000, NULL, 0);
	make_file(&maker, 0x1000, &frames, NULL);
	CHECK_OR_RETURN(table_of(&maker, &table) == 0);
	CHECK_EQ(table.view.header->function_count, 0);
	CHECK_EQ(table.view.header->left_out_count, 2);
	CHECK_EQ(table.view.header->page_count, 0);
	/* A segment that holds no code. */
	elf_maker_segment(&maker)->p_flags = PF_R;
	CHECK_EQ(table_of(&maker, &table), 0);
}

static void a_file_without_call_frame_information_says_so(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	make_file(&maker, 0x1000, NULL, NULL);
	CHECK_EQ(table_of(&maker, &table), EXECUTABLE_NO_SECTION);
}

static void a_section_of_gigabytes_is_refused(void)
{
	CLEANUP(frame_maker_free) struct frame_maker frames = frame_maker_start(false);
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	frame_maker_end(&frames);
	make_file(&maker, 0x1000, &frames, NULL);
	elf_maker_section(&maker, 2)->sh_size = (uint64_t)3 << 30;
	CHECK_EQ(table_of(&maker, &table), EXECUTABLE_TOO_LARGE);
	elf_maker_section(&maker, 2)->sh_size = 1 << 28;
	CHECK_EQ(table_of(&maker, &table), EXECUTABLE_MALFORMED);
}

/* Segments that claim a terabyte, and functions at both ends of it. */
static void a_file_that_claims_more_pages_than_fit_is_refused(void)
{
	CLEANUP(frame_maker_free) struct frame_maker debug = frame_maker_start(true);
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	frame_maker_add_cie(&debug, "", usual, sizeof(usual));
	frame_maker_add_fde(&debug, TEXT_ADDRESS, 0x80, NULL, 0);
	frame_maker_add_fde(&debug, TEXT_ADDRESS + ((uint64_t)1 << 39), 0x80, NULL, 0);
	make_file(&maker, 0x1000, NULL, &debug);
	elf_maker_segment(&maker)->p_filesz = (uint64_t)1 << 40;
	CHECK_EQ(table_of(&maker, &table), EXECUTABLE_TOO_LARGE);
}

static void many_functions_in_any_order_are_sorted(void)
{
	CLEANUP(frame_maker_free) struct frame_maker frames = frame_maker_start(false);
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	frame_maker_add_cie(&frames, "zR", usual, sizeof(usual));
	for (uint64_t i = 0; i < 5000; i++)
		frame_maker_add_fde(&frames, TEXT_ADDRESS + i * 1777 % 5000 * 64, 64, one_push,
				    sizeof(one_push));
	make_file(&maker, 5000 * 64, &frames, NULL);
	CHECK_OR_RETURN(table_of(&maker, &table) == 0);
	CHECK_EQ(table.view.header->function_count, 5000);
	CHECK_EQ(table.view.header->left_out_count, 0);
	for (uint64_t i = 0; i < 5000; i += 7) {
		check_rule(&table, TEXT + i * 64, UNWIND_CFA_SP, 8);
		check_rule(&table, TEXT + i * 64 + 63, UNWIND_CFA_SP, 16);
	}
}

static void libdw_agrees_about_the_files_of_this_machine(void)
{
	static const char *const patterns[] = {
		"/proc/self/exe",
		"/usr/lib/*/ld-linux-*.so.2",
		"/usr/lib/*/libc.so.6",
		"/usr/lib/*/libm.so.6",
		"/usr/lib/*/libstdc++.so.6",
		"/usr/lib/*/libcrypto.so.3",
		"/usr/lib/*/libgcrypt.so.20",
		"/usr/bin/perl",
		"/usr/bin/python3",
		"/usr/bin/[a-c]*",
	};
	struct unwind_judgement sum = { 0 };
	int files = 0;

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		glob_t found;

		if (glob(patterns[i], 0, NULL, &found))
			continue;
		for (size_t k = 0; k < found.gl_pathc && k < 40; k++) {
			struct unwind_judgement judgement = { 0 };

			files += unwind_judge_file(found.gl_pathv[k], &judgement);
			unwind_judgement_add(&sum, &judgement);
		}
		globfree(&found);
	}
	printf("# %d files, %" PRIu64 " functions, %" PRIu64 " rows, %" PRIu64 " unsupported\n",
	       files, sum.function_count, sum.row_count, sum.unsupported_count);
	CHECK(sum.row_count > 10000);
	CHECK_EQ(sum.differing_count, 0);
	CHECK_EQ(sum.missing_count, 0);
	/* Few rules cannot be held; many would be a mistake that libdw's side repeats. */
	CHECK(sum.unsupported_count * 100 < sum.row_count);
}

TESTS(TEST(functions_and_the_gaps_between_them), TEST(debug_frame_fills_what_eh_frame_leaves),
      TEST(debug_frame_alone_is_enough), TEST(a_debug_file_fills_what_the_file_leaves),
      TEST(without_section_headers_the_segment_leads_to_it),
      TEST(of_overlapping_functions_the_first_is_taken),
      TEST(functions_outside_the_files_code_are_left_out),
      TEST(a_file_without_call_frame_information_says_so), TEST(a_section_of_gigabytes_is_refused),
      TEST(a_file_that_claims_more_pages_than_fit_is_refused),
      TEST(many_functions_in_any_order_are_sorted),
      TEST(libdw_agrees_about_the_files_of_this_machine))
