/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/build_id.h"

#include <elf.h>

#include "base/cleanup.h"
#include "check.h"

/* Appends a note as System V has it. */
static void add_note(struct bytes_writer *notes, uint32_t type, const char *name,
		     uint32_t name_size, const void *bytes, uint32_t size, size_t alignment)
{
	static const char zeros[8];

	bytes_write_u32(notes, name_size);
	bytes_write_u32(notes, size);
	bytes_write_u32(notes, type);
	bytes_write(notes, name, name_size);
	bytes_write(notes, zeros, -(size_t)name_size & (alignment - 1));
	bytes_write(notes, bytes, size);
	bytes_write(notes, zeros, -(size_t)size & (alignment - 1));
}

static const char sha1[21] = "0123456789abcdefghij";

static void the_id_is_found_behind_other_notes(void)
{
	for (size_t alignment = 4; alignment <= 8; alignment += 4) {
		CLEANUP(bytes_writer_free)
		struct bytes_writer notes = bytes_writer_with_max(1024);
		char text[BUILD_ID_TEXT_SIZE];
		struct build_id id;

		add_note(&notes, NT_GNU_ABI_TAG, "GNU", 4, "12345", 5, alignment);
		add_note(&notes, NT_GNU_BUILD_ID, "stapsdt", 8, "x", 1, alignment);
		add_note(&notes, NT_GNU_BUILD_ID, "GNU", 4, sha1, 20, alignment);
		CHECK_OR_RETURN(
			build_id_find(bytes_reader_of(notes.bytes, notes.size), alignment, &id));
		CHECK_EQ(id.size, 20);
		build_id_text(&id, text);
		CHECK_STR_EQ(text, "303132333435363738396162636465666768696a");
	}
}

static void ids_that_are_empty_or_too_long_count_as_none(void)
{
	static const uint32_t sizes[] = { 0, 21, 32 };

	for (size_t i = 0; i < 3; i++) {
		CLEANUP(bytes_writer_free)
		struct bytes_writer notes = bytes_writer_with_max(1024);
		char bytes[32] = { 0 };
		struct build_id id;

		add_note(&notes, NT_GNU_BUILD_ID, "GNU", 4, bytes, sizes[i], 4);
		CHECK(!build_id_find(bytes_reader_of(notes.bytes, notes.size), 4, &id));
	}
}

static void notes_cut_anywhere_give_none(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer notes = bytes_writer_with_max(1024);
	struct build_id id;

	add_note(&notes, NT_GNU_ABI_TAG, "GNU", 4, "12345678", 8, 4);
	add_note(&notes, NT_GNU_BUILD_ID, "GNU", 4, sha1, 20, 4);
	for (size_t size = 0; size < notes.size; size++)
		CHECK(!build_id_find(bytes_reader_of(notes.bytes, size), 4, &id));
	CHECK(build_id_find(bytes_reader_of(notes.bytes, notes.size), 4, &id));
}

static void sizes_near_the_largest_number_are_refused(void)
{
	static const uint32_t sizes[] = { UINT32_MAX, UINT32_MAX - 3, 1U << 31 };
	struct build_id id;

	for (size_t i = 0; i < 3; i++) {
		uint32_t name_note[] = { sizes[i], 4, NT_GNU_BUILD_ID, 0 };
		uint32_t note[] = { 4, sizes[i], NT_GNU_BUILD_ID, 0x554e47, 0 };

		CHECK(!build_id_find(bytes_reader_of(name_note, sizeof(name_note)), 4, &id));
		CHECK(!build_id_find(bytes_reader_of(note, sizeof(note)), 4, &id));
	}
}

static void ids_are_equal_by_size_and_bytes(void)
{
	struct build_id left = { { 1, 2, 3 }, 3 }, longer = { { 1, 2, 3 }, 4 },
			other = { { 1, 2, 4 }, 3 };

	CHECK(build_id_equal(&left, &left));
	CHECK(!build_id_equal(&left, &longer));
	CHECK(!build_id_equal(&left, &other));
}

TESTS(TEST(the_id_is_found_behind_other_notes), TEST(ids_that_are_empty_or_too_long_count_as_none),
      TEST(notes_cut_anywhere_give_none), TEST(sizes_near_the_largest_number_are_refused),
      TEST(ids_are_equal_by_size_and_bytes))
