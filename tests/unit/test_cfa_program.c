/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/cfa_program.h"

#include "base/cleanup.h"
#include "check.h"
#include "elf/unwind_table.h"

enum { START = 0x1000, SIZE = 0x100, ROWS_MAX = 64 };

/* CFA = SP + 8, the return address at CFA - 8: what every x86-64 CIE begins with. */
#define USUAL 0x0c, 7, 8, 0x90, 1

struct rows {
	struct {
		uint64_t address;
		struct unwind_row row;
	} entries[ROWS_MAX];
	size_t count;
};

static void keep_row(uint64_t address, struct unwind_row row, void *context)
{
	struct rows *rows = context;

	if (rows->count == ROWS_MAX)
		return;
	rows->entries[rows->count].address = address;
	rows->entries[rows->count++].row = row;
}

static struct rows run(const uint8_t *common_bytes, size_t common_size, bool is_signal_frame,
		       const uint8_t *bytes, size_t size)
{
	struct eh_frame_cie cie = { .code_alignment = 1,
				    .data_alignment = -8,
				    .return_register = 16,
				    .is_signal_frame = is_signal_frame,
				    .instructions = bytes_reader_of(common_bytes, common_size) };
	struct eh_frame_section section = { .bytes = bytes, .size = size };
	struct eh_frame_fde fde = { .start = START,
				    .size = SIZE,
				    .instructions_size = (uint32_t)size };
	struct cfa_common common;
	struct rows rows = { 0 };

	cfa_common_prepare(&cie, &common);
	cfa_program_run(&section, &common, &fde, keep_row, &rows);
	return rows;
}

#define RUN(...)                                                                                   \
	run((const uint8_t[]){ USUAL }, sizeof((const uint8_t[]){ USUAL }), false,                 \
	    (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void check_row(const struct rows *rows, size_t index, uint64_t address,
		      enum unwind_cfa_kind cfa_kind, int32_t cfa_offset,
		      enum unwind_fp_kind fp_kind, int fp_offset)
{
	const struct unwind_row *row = &rows->entries[index].row;

	CHECK_OR_RETURN(index < rows->count);
	CHECK_EQ(rows->entries[index].address, address);
	CHECK_EQ(unwind_row_cfa_kind(row), cfa_kind);
	CHECK_EQ(row->cfa_offset, cfa_offset);
	CHECK_EQ(unwind_row_fp_kind(row), fp_kind);
	CHECK_EQ(row->fp_offset, fp_offset);
}

/* A rule that cannot be held, wherever it comes from. */
static void check_unsupported(struct rows rows)
{
	CHECK_EQ(rows.count, 1);
	check_row(&rows, 0, START, UNWIND_CFA_UNSUPPORTED, 0, UNWIND_FP_SAME, 0);
}

static void a_function_without_instructions_has_the_common_rules(void)
{
	struct rows rows = RUN(0, 0);

	CHECK_EQ(rows.count, 1);
	check_row(&rows, 0, START, UNWIND_CFA_SP, 8, UNWIND_FP_SAME, 0);
}

/* push %rbp; mov %rsp,%rbp; ...; leave; ret: what GCC emits without optimization. */
static void a_frame_with_a_frame_pointer(void)
{
	struct rows rows = RUN(0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x60, 0x0c, 7, 8);

	CHECK_EQ(rows.count, 4);
	check_row(&rows, 0, START, UNWIND_CFA_SP, 8, UNWIND_FP_SAME, 0);
	check_row(&rows, 1, START + 1, UNWIND_CFA_SP, 16, UNWIND_FP_AT_CFA, -2);
	check_row(&rows, 2, START + 4, UNWIND_CFA_FP, 16, UNWIND_FP_AT_CFA, -2);
	check_row(&rows, 3, START + 0x24, UNWIND_CFA_SP, 8, UNWIND_FP_AT_CFA, -2);
}

static void states_are_remembered_and_restored(void)
{
	struct rows rows = RUN(0x41, 0x0e, 16, 0x86, 2, 0x0a, 0x41, 0x0e, 8, 0xc6, 0x41, 0x0b);

	CHECK_EQ(rows.count, 4);
	check_row(&rows, 2, START + 2, UNWIND_CFA_SP, 8, UNWIND_FP_SAME, 0);
	check_row(&rows, 3, START + 3, UNWIND_CFA_SP, 16, UNWIND_FP_AT_CFA, -2);
}

static void all_lengths_of_advances_move_on(void)
{
	struct rows rows =
		RUN(0x02, 10, 0x0e, 16, 0x03, 20, 0, 0x0e, 24, 0x04, 30, 0, 0, 0, 0x0e, 32);

	CHECK_EQ(rows.count, 4);
	CHECK_EQ(rows.entries[1].address, START + 10);
	CHECK_EQ(rows.entries[2].address, START + 30);
	CHECK_EQ(rows.entries[3].address, START + 60);
}

static void an_undefined_return_address_stops(void)
{
	struct rows rows = RUN(0x07, 16);

	check_row(&rows, 0, START, UNWIND_CFA_STOP, 0, UNWIND_FP_SAME, 0);
}

/* .plt: CFA = SP + 8 + ((pc & 15) >= 11) * 8, and its push before that. */
static void the_linkage_tables_expression_is_known(void)
{
	struct rows rows =
		RUN(0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22);

	check_row(&rows, 0, START, UNWIND_CFA_PLT, 8 | 11 << 16, UNWIND_FP_SAME, 0);
	check_unsupported(
		RUN(0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x34, 0x24, 0x22));
	check_unsupported(RUN(0x0f, 10, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24));
	check_unsupported(
		RUN(0x0f, 12, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22, 0x22));
}

static void dereferenced_forms_are_known(void)
{
	/* A stack that was aligned: CFA = *(FP - 8), FP saved where FP points. */
	struct rows aligned = RUN(0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0);
	/* OpenSSL's assembly: CFA = *(SP + 272) + 8. */
	struct rows openssl = RUN(0x0f, 6, 0x77, 0x90, 0x02, 0x06, 0x23, 8);

	check_row(&aligned, 0, START, UNWIND_CFA_FP_DEREF, 0xfff8, UNWIND_FP_AT_FP, 0);
	CHECK_EQ(unwind_row_low(&aligned.entries[0].row), -8);
	CHECK_EQ(unwind_row_high(&aligned.entries[0].row), 0);
	check_row(&openssl, 0, START, UNWIND_CFA_SP_DEREF, 272 | 8 << 16, UNWIND_FP_SAME, 0);
	/* Offsets beyond 16 bits. */
	check_unsupported(RUN(0x0f, 5, 0x77, 0x80, 0x80, 0x04, 0x06));
	check_unsupported(RUN(0x0f, 6, 0x77, 0x08, 0x06, 0x23, 0x80, 0x80, 0x04));
}

static void a_register_behind_an_expression_has_the_offset_from_before_it(void)
{
	struct rows rows = RUN(0x0e, 56, 0x41, 0x0f, 3, 0x77, 16, 0x06, 0x41, 0x0d, 7);

	check_row(&rows, 1, START + 1, UNWIND_CFA_SP_DEREF, 16, UNWIND_FP_SAME, 0);
	check_row(&rows, 2, START + 2, UNWIND_CFA_SP, 56, UNWIND_FP_SAME, 0);
}

static void expressions_without_operations_are_plain_offsets(void)
{
	struct rows rows = RUN(0x0f, 2, 0x77, 24);

	check_row(&rows, 0, START, UNWIND_CFA_SP, 24, UNWIND_FP_SAME, 0);
}

/* As glibc describes __restore_rt for the Linux kernel's frame. */
static void a_signals_frame_is_known_in_the_kernels_layout(void)
{
	static const uint8_t kernel[] = { 0x0f, 4,    0x77, 0xa0, 0x01, 0x06, 0x10, 16,	  3,
					  0x77, 0xa8, 0x01, 0x10, 6,	3,    0x77, 0xf8, 0x00 };
	static const uint8_t other[] = { 0x0f, 4,    0x77, 0xa0, 0x01, 0x06, 0x10, 16,	 3,
					 0x77, 0xb0, 0x01, 0x10, 6,    3,    0x77, 0xf8, 0x00 };
	static const uint8_t usual[] = { USUAL };
	struct rows rows = run(NULL, 0, true, kernel, sizeof(kernel));

	check_row(&rows, 0, START, UNWIND_CFA_SIGNAL, 160, UNWIND_FP_SAME, 0);
	check_unsupported(run(NULL, 0, true, other, sizeof(other)));
	check_unsupported(run(usual, sizeof(usual), true, NULL, 0));
	/* The same rules without the flag: the return address is not where it must be. */
	check_unsupported(run(NULL, 0, false, kernel, sizeof(kernel)));
}

static void what_no_row_can_hold_is_unsupported(void)
{
	check_unsupported(RUN(0x0c, 10, 0)); /* CFA = r10 */
	check_unsupported(RUN(0x90, 2));     /* return address at CFA - 16 */
	check_unsupported(RUN(0x09, 16, 7)); /* ... in a register */
	check_unsupported(RUN(0x08, 16));    /* ... unchanged, wherever that is */
	check_unsupported(RUN(0x0e, 0x80, 0x80, 0x80, 0x80, 0x10)); /* CFA offset of 2^32 */
	check_unsupported(RUN(0x0f, 0));			    /* an empty expression */
}

static void a_frame_pointer_that_cannot_be_held_is_lost(void)
{
	struct rows far = RUN(0x86, 0x81, 0x01), odd, elsewhere = RUN(0x09, 6, 3), computed;

	check_row(&far, 0, START, UNWIND_CFA_SP, 8, UNWIND_FP_LOST, 0);
	far = RUN(0x86, 0x80, 0x01); /* CFA - 1,024 is the last one */
	check_row(&far, 0, START, UNWIND_CFA_SP, 8, UNWIND_FP_AT_CFA, -128);
	odd = RUN(0x10, 6, 2, 0x76, 4);
	check_row(&odd, 0, START, UNWIND_CFA_SP, 8, UNWIND_FP_LOST, 0);
	check_row(&elsewhere, 0, START, UNWIND_CFA_SP, 8, UNWIND_FP_LOST, 0);
	computed = RUN(0x14, 6, 2);
	check_row(&computed, 0, START, UNWIND_CFA_SP, 8, UNWIND_FP_LOST, 0);
	computed = RUN(0x16, 6, 1, 0x50);
	check_row(&computed, 0, START, UNWIND_CFA_SP, 8, UNWIND_FP_LOST, 0);
}

static void other_registers_do_not_matter(void)
{
	struct rows rows = RUN(0x83, 3, 0x8c, 4, 0x05, 13, 5, 0x11, 14, 0x7a, 0x10, 15, 2, 0x77, 8,
			       0x07, 3, 0x08, 12, 0x2e, 0x20, 0xc3, 0x06, 14);

	CHECK_EQ(rows.count, 1);
	check_row(&rows, 0, START, UNWIND_CFA_SP, 8, UNWIND_FP_SAME, 0);
}

static void signed_and_old_forms_count_the_other_way(void)
{
	struct rows rows = RUN(0x12, 7, 0x7e, 0x11, 6, 2, 0x41, 0x13, 0x7d, 0x2f, 6, 2);

	check_row(&rows, 0, START, UNWIND_CFA_SP, 16, UNWIND_FP_AT_CFA, -2);
	check_row(&rows, 1, START + 1, UNWIND_CFA_SP, 24, UNWIND_FP_AT_CFA, 2);
}

/* From the place on that could not be read; what stands before it is kept. */
static void instructions_that_nobody_knows_end_the_knowledge(void)
{
	static const uint8_t endings[][3] = {
		{ 0x3f, 0, 0 },	      /* unknown */
		{ 0x0b, 0, 0 },	      /* nothing was remembered */
		{ 0x0f, 200, 0 },     /* a block beyond the end */
		{ 0x01, 0, 0 },	      /* an address, as no compiler sets it */
		{ 0x0e, 0x80, 0x80 }, /* cut */
	};

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		struct rows rows =
			RUN(0x41, 0x0e, 16, 0x42, endings[i][0], endings[i][1], endings[i][2]);

		CHECK_EQ(rows.count, 3);
		check_row(&rows, 1, START + 1, UNWIND_CFA_SP, 16, UNWIND_FP_SAME, 0);
		check_row(&rows, 2, START + 3, UNWIND_CFA_UNSUPPORTED, 0, UNWIND_FP_SAME, 0);
	}
}

static void more_states_than_are_kept_end_the_knowledge(void)
{
	uint8_t bytes[CFA_PROGRAM_STATES_MAX + 1];
	static const uint8_t usual[] = { USUAL };
	struct rows rows;

	memset(bytes, 0x0a, sizeof(bytes));
	rows = run(usual, sizeof(usual), false, bytes, CFA_PROGRAM_STATES_MAX);
	check_row(&rows, 0, START, UNWIND_CFA_SP, 8, UNWIND_FP_SAME, 0);
	check_unsupported(run(usual, sizeof(usual), false, bytes, sizeof(bytes)));
}

static void rows_behind_the_functions_end_are_left_out(void)
{
	struct rows rows =
		RUN(0x02, 0xff, 0x0e, 16, 0x41, 0x0e, 24, 0x04, 0xff, 0xff, 0xff, 0xff, 0x0e, 32);

	CHECK_EQ(rows.count, 2);
	CHECK_EQ(rows.entries[1].address, START + 0xff);
}

static void common_instructions_that_are_wrong_cost_all_functions(void)
{
	static const uint8_t moving[] = { USUAL, 0x41 }, unknown[] = { 0x3f }, nop[] = { 0 };
	CLEANUP(memory_free) uint8_t *endless = calloc(1, CFA_PROGRAM_COMMON_SIZE_MAX + 1);

	check_unsupported(run(moving, sizeof(moving), false, nop, 1));
	check_unsupported(run(unknown, sizeof(unknown), false, nop, 1));
	check_unsupported(run(endless, CFA_PROGRAM_COMMON_SIZE_MAX + 1, false, nop, 1));
}

TESTS(TEST(a_function_without_instructions_has_the_common_rules),
      TEST(a_frame_with_a_frame_pointer), TEST(states_are_remembered_and_restored),
      TEST(all_lengths_of_advances_move_on), TEST(an_undefined_return_address_stops),
      TEST(the_linkage_tables_expression_is_known), TEST(dereferenced_forms_are_known),
      TEST(a_register_behind_an_expression_has_the_offset_from_before_it),
      TEST(expressions_without_operations_are_plain_offsets),
      TEST(a_signals_frame_is_known_in_the_kernels_layout),
      TEST(what_no_row_can_hold_is_unsupported), TEST(a_frame_pointer_that_cannot_be_held_is_lost),
      TEST(other_registers_do_not_matter), TEST(signed_and_old_forms_count_the_other_way),
      TEST(instructions_that_nobody_knows_end_the_knowledge),
      TEST(more_states_than_are_kept_end_the_knowledge),
      TEST(rows_behind_the_functions_end_are_left_out),
      TEST(common_instructions_that_are_wrong_cost_all_functions))
