/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file says about its debug file, and whether another one is that: made files, good and bad.
 */
#include "elf/debug_reference.h"

#include <errno.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "check.h"
#include "elf/executable_file.h"
#include "elf_maker.h"

static const uint8_t text[64];

static void add_build_id(struct elf_maker *maker, uint8_t first)
{
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint8_t id[20];
	} note = { .head = { .n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID },
		   .name = "GNU",
		   .id = { first, 2, 3 } };

	elf_maker_add(maker, ".note.gnu.build-id", SHT_NOTE, &note, sizeof(note));
}

static void add_link(struct elf_maker *maker, const char *name, size_t name_size, uint32_t crc)
{
	uint8_t bytes[1024] = { 0 };
	size_t padded = (name_size + 3) & ~(size_t)3;

	memcpy(bytes, name, name_size);
	memcpy(bytes + padded, &crc, sizeof(crc));
	elf_maker_add(maker, ".gnu_debuglink", SHT_PROGBITS, bytes, padded + sizeof(crc));
}

/* A debug file: with symbols, or with nothing that anybody wants. */
static void make_debug_file(struct elf_maker *maker, uint8_t build_id, bool has_symbols)
{
	Elf64_Sym symbol = { 0 };

	elf_maker_start(maker);
	elf_maker_add(maker, ".text", SHT_PROGBITS, text, sizeof(text));
	if (build_id)
		add_build_id(maker, build_id);
	if (has_symbols)
		elf_maker_add(maker, ".symtab", SHT_SYMTAB, &symbol, sizeof(symbol));
	elf_maker_finish(maker);
}

static struct debug_reference reference_of(const struct elf_maker *maker, uint32_t wanted)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;

	if (executable_file_open_bytes(maker->bytes, maker->size, &file) != 0)
		check_give_up();
	return debug_reference_of(file, wanted);
}

static int check_pair(const struct elf_maker *maker, const struct elf_maker *debug_maker)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	CLEANUP(executable_file_free) struct executable_file *debug_file = NULL;

	if (executable_file_open_bytes(maker->bytes, maker->size, &file) != 0 ||
	    executable_file_open_bytes(debug_maker->bytes, debug_maker->size, &debug_file) != 0)
		check_give_up();
	return debug_file_check(file, debug_file, DEBUG_PART_SYMBOLS);
}

static void a_link_has_a_name_and_a_checksum(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	struct debug_reference reference;

	elf_maker_start(&maker);
	add_build_id(&maker, 7);
	add_link(&maker, "program.debug", sizeof("program.debug"), 0x12345678);
	elf_maker_finish(&maker);
	reference = reference_of(&maker, DEBUG_PART_SYMBOLS);
	CHECK_STR_EQ(reference.link, "program.debug");
	CHECK_EQ(reference.link_crc, 0x12345678);
	CHECK_EQ(reference.build_id.size, 20);
	CHECK_EQ(reference.build_id.bytes[0], 7);
	CHECK_EQ(reference.parts, 0);
}

static void a_link_that_leads_elsewhere_or_nowhere_is_none(void)
{
	static char endless[600];
	static const struct {
		const char *name;
		size_t size;
	} links[] = {
		{ "../../etc/shadow", sizeof("../../etc/shadow") },
		{ "/etc/shadow", sizeof("/etc/shadow") },
		{ "no endxx", 8 },
		{ endless, sizeof(endless) },
		{ endless, 301 },
		{ "", 0 },
	};

	memset(endless, 'x', sizeof(endless));
	endless[300] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };

		elf_maker_start(&maker);
		/* The checksum has no zero byte either: the name goes on to the section's end. */
		add_link(&maker, links[i].name, links[i].size, 0x11111111);
		elf_maker_finish(&maker);
		CHECK_STR_EQ(reference_of(&maker, 0).link, "");
	}
}

static void what_the_file_has_itself_is_told_if_it_is_asked_for(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };

	make_debug_file(&maker, 1, true);
	CHECK_EQ(reference_of(&maker, DEBUG_PART_SYMBOLS).parts, DEBUG_PART_SYMBOLS);
	CHECK_EQ(reference_of(&maker, DEBUG_PART_LINES).parts, 0);
	CHECK_EQ(reference_of(&maker, 0).parts, 0);
}

static void the_build_id_decides_where_both_have_one(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(elf_maker_free) struct elf_maker same = { 0 };
	CLEANUP(elf_maker_free) struct elf_maker other = { 0 };
	CLEANUP(elf_maker_free) struct elf_maker empty = { 0 };

	elf_maker_start(&maker);
	add_build_id(&maker, 7);
	add_link(&maker, "x", 2, 0); /* whatever the checksum says */
	elf_maker_finish(&maker);
	make_debug_file(&same, 7, true);
	make_debug_file(&other, 8, true);
	make_debug_file(&empty, 7, false);
	CHECK_EQ(check_pair(&maker, &same), 0);
	CHECK_EQ(check_pair(&maker, &other), EXECUTABLE_OTHER);
	CHECK_EQ(check_pair(&maker, &empty), EXECUTABLE_NO_SECTION);
}

static void else_the_checksum_of_the_whole_file_does(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(elf_maker_free) struct elf_maker debug = { 0 };
	CLEANUP(elf_maker_free) struct elf_maker unlinked = { 0 };

	make_debug_file(&debug, 0, true);
	elf_maker_start(&maker);
	add_link(&maker, "x", 2, (uint32_t)crc32(0, debug.bytes, (uInt)debug.size));
	elf_maker_finish(&maker);
	CHECK_EQ(check_pair(&maker, &debug), 0);
	debug.bytes[debug.size - 1] ^= 1;
	CHECK_EQ(check_pair(&maker, &debug), EXECUTABLE_OTHER);
	elf_maker_start(&unlinked);
	elf_maker_finish(&unlinked);
	CHECK_EQ(check_pair(&unlinked, &debug), EXECUTABLE_OTHER);
}

/* What comes from the worker may be anything. */
static void a_result_that_a_worker_may_not_send_is_refused(void)
{
	struct debug_reference reference = { .link = "a" }, copy = { 0 };

	CHECK_EQ(debug_reference_read(&reference, sizeof(reference), &copy), 0);
	CHECK_STR_EQ(copy.link, "a");
	CHECK_EQ(debug_reference_read(&reference, sizeof(reference) - 1, &copy), -EBADMSG);
	strcpy(reference.link, "a/b");
	CHECK_EQ(debug_reference_read(&reference, sizeof(reference), &copy), -EBADMSG);
	memset(reference.link, 'x', sizeof(reference.link));
	CHECK_EQ(debug_reference_read(&reference, sizeof(reference), &copy), -EBADMSG);
	reference = (struct debug_reference){ .build_id.size = BUILD_ID_SIZE_MAX + 1 };
	CHECK_EQ(debug_reference_read(&reference, sizeof(reference), &copy), -EBADMSG);
}

TESTS(TEST(a_link_has_a_name_and_a_checksum), TEST(a_link_that_leads_elsewhere_or_nowhere_is_none),
      TEST(what_the_file_has_itself_is_told_if_it_is_asked_for),
      TEST(the_build_id_decides_where_both_have_one),
      TEST(else_the_checksum_of_the_whole_file_does),
      TEST(a_result_that_a_worker_may_not_send_is_refused))
