/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/eh_frame.h"

#include "base/cleanup.h"
#include "check.h"
#include "frame_maker.h"

/* Walks the made section; the FDEs go to @ret_fdes. Returns how many there were. */
static size_t walk(const struct frame_maker *maker, struct eh_frame_fde *ret_fdes, size_t fdes_max,
		   uint64_t *ret_skipped)
{
	struct eh_frame_section section = frame_maker_section(maker);
	struct eh_frame_cursor cursor = { .section = &section };
	struct eh_frame_fde fde;
	size_t count = 0;

	while (eh_frame_next(&cursor, &fde) == 0)
		if (count < fdes_max)
			ret_fdes[count++] = fde;
	*ret_skipped = cursor.skipped_count;
	return count;
}

static void functions_are_listed_with_their_ranges_and_instructions(void)
{
	static const uint8_t instructions[] = { 0x41, 0x0e, 0x10, 0x00 };
	CLEANUP(frame_maker_free) struct frame_maker maker = frame_maker_start(false);
	struct eh_frame_fde fdes[4];
	uint64_t skipped;

	frame_maker_add_cie(&maker, "zR", NULL, 0);
	frame_maker_add_fde(&maker, 0x1000, 0x20, instructions, sizeof(instructions));
	frame_maker_add_fde(&maker, 0x2000, 0x30, NULL, 0);
	frame_maker_end(&maker);
	CHECK_OR_RETURN(walk(&maker, fdes, 4, &skipped) == 2);
	CHECK_EQ(skipped, 0);
	CHECK_EQ(fdes[0].start, 0x1000);
	CHECK_EQ(fdes[0].size, 0x20);
	CHECK_EQ(fdes[0].instructions_size, sizeof(instructions));
	CHECK(memcmp(maker.bytes.bytes + fdes[0].instructions, instructions, 4) == 0);
	CHECK_EQ(fdes[1].start, 0x2000);
	CHECK_EQ(fdes[1].instructions_size, 0);
}

static void debug_frame_has_its_own_ids_and_references(void)
{
	CLEANUP(frame_maker_free) struct frame_maker maker = frame_maker_start(true);
	struct eh_frame_fde fdes[4];
	uint64_t skipped;

	frame_maker_add_cie(&maker, "", NULL, 0);
	frame_maker_add_fde(&maker, 0x1000, 0x20, NULL, 0);
	frame_maker_add_cie(&maker, "", NULL, 0);
	frame_maker_add_fde(&maker, 0x3000, 0x40, NULL, 0);
	CHECK_OR_RETURN(walk(&maker, fdes, 4, &skipped) == 2);
	CHECK_EQ(skipped, 0);
	CHECK_EQ(fdes[1].start, 0x3000);
	CHECK_EQ(fdes[1].size, 0x40);
	CHECK(fdes[0].cie != fdes[1].cie);
}

static void the_cie_tells_its_alignments_and_flags(void)
{
	static const uint8_t instructions[] = { 0x0c, 0x07, 0x08 };
	CLEANUP(frame_maker_free) struct frame_maker maker = frame_maker_start(false);
	struct eh_frame_section section;
	struct eh_frame_cie cie;

	frame_maker_add_cie(&maker, "zRS", instructions, sizeof(instructions));
	section = frame_maker_section(&maker);
	CHECK_OR_RETURN(eh_frame_read_cie(&section, 0, &cie));
	CHECK_EQ(cie.code_alignment, 1);
	CHECK_EQ(cie.data_alignment, -8);
	CHECK_EQ(cie.return_register, 16);
	CHECK(cie.is_signal_frame);
	CHECK_EQ(bytes_left(&cie.instructions), sizeof(instructions));
	CHECK(!eh_frame_read_cie(&section, 4, &cie));
	CHECK(!eh_frame_read_cie(&section, section.size, &cie));
	CHECK(!eh_frame_read_cie(&section, SIZE_MAX, &cie));
}

static void augmentations_that_nobody_knows_cost_their_functions(void)
{
	CLEANUP(frame_maker_free) struct frame_maker maker = frame_maker_start(false);
	struct eh_frame_fde fdes[4];
	uint64_t skipped;

	frame_maker_add_cie(&maker, "zRx", NULL, 0);
	frame_maker_add_fde(&maker, 0x1000, 0x20, NULL, 0);
	frame_maker_add_cie(&maker, "zR", NULL, 0);
	frame_maker_add_fde(&maker, 0x2000, 0x20, NULL, 0);
	CHECK_OR_RETURN(walk(&maker, fdes, 4, &skipped) == 1);
	CHECK_EQ(skipped, 1);
	CHECK_EQ(fdes[0].start, 0x2000);
}

static void empty_functions_and_those_without_a_cie_are_skipped(void)
{
	CLEANUP(frame_maker_free) struct frame_maker maker = frame_maker_start(false);
	struct eh_frame_fde fdes[4];
	uint64_t skipped;

	frame_maker_add_cie(&maker, "zR", NULL, 0);
	frame_maker_add_fde(&maker, 0x1000, 0, NULL, 0);
	maker.cie_offset = 12; /* points into the middle of it */
	frame_maker_add_fde(&maker, 0x2000, 0x20, NULL, 0);
	CHECK_EQ(walk(&maker, fdes, 4, &skipped), 0);
	CHECK_EQ(skipped, 2);
}

static void an_empty_record_does_not_end_the_walk(void)
{
	CLEANUP(frame_maker_free) struct frame_maker maker = frame_maker_start(false);
	struct eh_frame_fde fdes[4];
	uint64_t skipped;

	frame_maker_add_cie(&maker, "zR", NULL, 0);
	frame_maker_add_fde(&maker, 0x1000, 0x20, NULL, 0);
	frame_maker_end(&maker);
	frame_maker_add_fde(&maker, 0x2000, 0x20, NULL, 0);
	CHECK_EQ(walk(&maker, fdes, 4, &skipped), 2);
}

static void records_of_the_64_bit_form_are_read(void)
{
	for (int is_debug_frame = 0; is_debug_frame < 2; is_debug_frame++) {
		CLEANUP(frame_maker_free)
		struct frame_maker maker = frame_maker_start(is_debug_frame);
		struct eh_frame_fde fdes[4];
		uint64_t skipped;

		maker.is_64_bit = true;
		frame_maker_add_cie(&maker, is_debug_frame ? "" : "zR", NULL, 0);
		frame_maker_add_fde(&maker, 0x1000, 0x20, NULL, 0);
		CHECK_OR_RETURN(walk(&maker, fdes, 4, &skipped) == 1);
		CHECK_EQ(fdes[0].start, 0x1000);
		CHECK_EQ(fdes[0].size, 0x20);
	}
}

static void a_section_cut_anywhere_gives_what_is_whole(void)
{
	CLEANUP(frame_maker_free) struct frame_maker maker = frame_maker_start(false);
	size_t whole;

	frame_maker_add_cie(&maker, "zR", NULL, 0);
	frame_maker_add_fde(&maker, 0x1000, 0x20, NULL, 0);
	frame_maker_add_fde(&maker, 0x2000, 0x20, NULL, 0);
	whole = maker.bytes.size;
	for (size_t size = 0; size < whole; size++) {
		CLEANUP(memory_free) uint8_t *exact = malloc(size + 1);
		struct eh_frame_section section = frame_maker_section(&maker);
		struct eh_frame_cursor cursor = { .section = &section };
		struct eh_frame_fde fde;
		size_t count = 0;

		memcpy(exact, maker.bytes.bytes, size);
		section.bytes = exact;
		section.size = size;
		while (eh_frame_next(&cursor, &fde) == 0)
			count++;
		CHECK(count < 2);
	}
}

static void a_record_that_leads_outside_ends_the_walk(void)
{
	static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 0xf0, 0xff, 0xff, 0xff,
					0xff, 0xff, 0xff, 0xff, 0,    0,    0,	  0 };
	struct eh_frame_section section = { .bytes = huge, .size = sizeof(huge) };
	struct eh_frame_cursor cursor = { .section = &section };
	struct eh_frame_fde fde;

	CHECK_EQ(eh_frame_next(&cursor, &fde), EH_FRAME_END);
	CHECK_EQ(eh_frame_next(&cursor, &fde), EH_FRAME_END);
}

TESTS(TEST(functions_are_listed_with_their_ranges_and_instructions),
      TEST(debug_frame_has_its_own_ids_and_references),
      TEST(the_cie_tells_its_alignments_and_flags),
      TEST(augmentations_that_nobody_knows_cost_their_functions),
      TEST(empty_functions_and_those_without_a_cie_are_skipped),
      TEST(an_empty_record_does_not_end_the_walk), TEST(records_of_the_64_bit_form_are_read),
      TEST(a_section_cut_anywhere_gives_what_is_whole),
      TEST(a_record_that_leads_outside_ends_the_walk))
