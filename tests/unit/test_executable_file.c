/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/executable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zlib.h>

#include "check.h"
#include "elf_maker.h"

static const char contents[] = "the contents";

static void make_file(struct elf_maker *maker)
{
	elf_maker_start(maker);
	elf_maker_add(maker, ".contents", SHT_PROGBITS, contents, sizeof(contents));
	elf_maker_finish(maker);
}

static int open_made(const struct elf_maker *maker, struct executable_file **ret_file)
{
	return executable_file_open_bytes(maker->bytes, maker->size, ret_file);
}

/* Opens what the maker has now, which must fail with @outcome. */
static void check_refused(const struct elf_maker *maker, int outcome)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;

	CHECK_EQ(open_made(maker, &file), outcome);
	CHECK(!file);
}

static void sections_are_found_and_read(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	CLEANUP(memory_free) uint8_t *bytes = NULL;
	const Elf64_Shdr *section;
	size_t size;

	make_file(&maker);
	CHECK_OR_RETURN(open_made(&maker, &file) == 0);
	section = executable_file_find_section(file, ".contents", SHT_PROGBITS);
	CHECK_OR_RETURN(section != NULL);
	CHECK_STR_EQ(executable_file_section_name(file, section), ".contents");
	CHECK(!executable_file_find_section(file, ".contents", SHT_NOTE));
	CHECK(executable_file_find_section(file, ".contents", SHT_NULL) == section);
	CHECK(!executable_file_find_section(file, ".content", SHT_NULL));
	CHECK_OR_RETURN(executable_file_read_section(file, section, 100, &bytes, &size) == 0);
	CHECK_EQ(size, sizeof(contents));
	CHECK_STR_EQ((char *)bytes, contents);
	CHECK_EQ(executable_file_read_section(file, section, sizeof(contents) - 1, &bytes, &size),
		 EXECUTABLE_TOO_LARGE);
}

static void addresses_become_offsets_within_segments_only(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	uint64_t offset = 77;

	make_file(&maker);
	elf_maker_segment(&maker)->p_offset = 0x10;
	elf_maker_segment(&maker)->p_filesz = 0x100;
	CHECK_OR_RETURN(open_made(&maker, &file) == 0);
	CHECK(!executable_file_offset(file, ELF_MAKER_BASE - 1, &offset));
	CHECK(!executable_file_offset(file, ELF_MAKER_BASE + 0x100, &offset));
	CHECK(!executable_file_offset(file, UINT64_MAX, &offset));
	CHECK_EQ(offset, 77);
	CHECK(executable_file_offset(file, ELF_MAKER_BASE, &offset));
	CHECK_EQ(offset, 0x10);
	CHECK(executable_file_offset(file, ELF_MAKER_BASE + 0xff, &offset));
	CHECK_EQ(offset, 0x10f);
}

static void files_of_another_kind_are_refused(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	Elf64_Ehdr *header;

	make_file(&maker);
	header = elf_maker_header(&maker);
	header->e_ident[EI_CLASS] = ELFCLASS32;
	check_refused(&maker, EXECUTABLE_UNSUPPORTED);
	header->e_ident[EI_CLASS] = ELFCLASS64;
	header->e_ident[EI_DATA] = ELFDATA2MSB;
	check_refused(&maker, EXECUTABLE_UNSUPPORTED);
	header->e_ident[EI_DATA] = ELFDATA2LSB;
	header->e_machine = EM_S390;
	check_refused(&maker, EXECUTABLE_UNSUPPORTED);
	header->e_machine = ELF_MAKER_MACHINE;
	header->e_type = ET_REL;
	check_refused(&maker, EXECUTABLE_UNSUPPORTED);
	header->e_type = ET_DYN;
	header->e_ident[EI_MAG1] = 'e';
	check_refused(&maker, EXECUTABLE_NOT_ELF);
}

static void what_is_no_file_is_no_elf_file(void)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	CLEANUP(fd_close) int folder = open("/", O_RDONLY | O_CLOEXEC);
	CLEANUP(fd_close) int device = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int pipe_ends[2];

	CHECK_EQ(executable_file_open(folder, &file), EXECUTABLE_NOT_ELF);
	CHECK_EQ(executable_file_open(device, &file), EXECUTABLE_NOT_ELF);
	CHECK_EQ(pipe(pipe_ends), 0);
	CHECK_EQ(executable_file_open(pipe_ends[0], &file), EXECUTABLE_NOT_ELF);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	CHECK_EQ(executable_file_open(-1, &file), -EBADF);
	CHECK_EQ(executable_file_open_bytes("", 0, &file), EXECUTABLE_NOT_ELF);
}

/* Cut at every byte, it is refused or (when only the last section's end is gone) still right. */
static void a_file_cut_anywhere_is_refused(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	size_t whole;

	make_file(&maker);
	whole = maker.size;
	for (maker.size = 0; maker.size < whole; maker.size++) {
		CLEANUP(memory_free) uint8_t *exact = malloc(maker.size + 1);
		CLEANUP(executable_file_free) struct executable_file *file = NULL;
		int r;

		memcpy(exact, maker.bytes, maker.size);
		r = executable_file_open_bytes(exact, maker.size, &file);
		CHECK(r == EXECUTABLE_MALFORMED || (r == EXECUTABLE_NOT_ELF && maker.size < 16));
	}
}

static void counts_and_offsets_beyond_the_limits_are_refused(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	Elf64_Ehdr *header, kept;

	make_file(&maker);
	header = elf_maker_header(&maker);
	kept = *header;
	header->e_phnum = EXECUTABLE_SEGMENTS_MAX + 1;
	check_refused(&maker, EXECUTABLE_TOO_LARGE);
	header->e_phnum = EXECUTABLE_SEGMENTS_MAX;
	check_refused(&maker, EXECUTABLE_MALFORMED);
	*header = kept;
	header->e_phnum = PN_XNUM;
	elf_maker_section(&maker, 0)->sh_info = UINT32_MAX;
	check_refused(&maker, EXECUTABLE_TOO_LARGE);
	*header = kept;
	header->e_shnum = 0;
	elf_maker_section(&maker, 0)->sh_size = UINT64_MAX;
	check_refused(&maker, EXECUTABLE_TOO_LARGE);
	elf_maker_section(&maker, 0)->sh_size = EXECUTABLE_SECTIONS_MAX;
	check_refused(&maker, EXECUTABLE_MALFORMED);
	*header = kept;
	header->e_shoff = UINT64_MAX;
	check_refused(&maker, EXECUTABLE_MALFORMED);
	*header = kept;
	header->e_phoff = UINT64_MAX - 8;
	check_refused(&maker, EXECUTABLE_MALFORMED);
	*header = kept;
	header->e_phentsize = 1;
	check_refused(&maker, EXECUTABLE_MALFORMED);
	*header = kept;
	header->e_shstrndx = 99;
	check_refused(&maker, EXECUTABLE_MALFORMED);
}

static void the_extended_counts_of_the_first_section_are_used(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	Elf64_Ehdr *header;
	size_t count;

	make_file(&maker);
	header = elf_maker_header(&maker);
	elf_maker_section(&maker, 0)->sh_size = header->e_shnum;
	elf_maker_section(&maker, 0)->sh_link = header->e_shstrndx;
	elf_maker_section(&maker, 0)->sh_info = header->e_phnum;
	header->e_shnum = 0;
	header->e_shstrndx = SHN_XINDEX;
	header->e_phnum = PN_XNUM;
	CHECK_OR_RETURN(open_made(&maker, &file) == 0);
	executable_file_sections(file, &count);
	CHECK_EQ(count, 3);
	executable_file_segments(file, &count);
	CHECK_EQ(count, 1);
	CHECK(executable_file_find_section(file, ".contents", SHT_NULL) != NULL);
}

static void a_section_beyond_the_end_is_refused(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	const Elf64_Shdr *section;
	uint8_t *bytes;
	size_t size;

	make_file(&maker);
	elf_maker_section(&maker, 1)->sh_offset = maker.size - 1;
	elf_maker_section(&maker, 1)->sh_name = UINT32_MAX;
	CHECK_OR_RETURN(open_made(&maker, &file) == 0);
	section = &executable_file_sections(file, &size)[1];
	CHECK_STR_EQ(executable_file_section_name(file, section), "");
	CHECK_EQ(executable_file_read_section(file, section, 1 << 20, &bytes, &size),
		 EXECUTABLE_MALFORMED);
}

static void a_section_of_gigabytes_is_refused_before_memory_is_taken(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	CLEANUP(fd_close) int fd = memfd_create("sparse", MFD_CLOEXEC);
	uint8_t *bytes;
	size_t size;

	make_file(&maker);
	elf_maker_section(&maker, 1)->sh_size = (uint64_t)9 << 30;
	CHECK_EQ(write(fd, maker.bytes, maker.size), (ssize_t)maker.size);
	CHECK_EQ(ftruncate(fd, (off_t)10 << 30), 0);
	CHECK_OR_RETURN(executable_file_open(fd, &file) == 0);
	CHECK_EQ(executable_file_read_section(file, executable_file_sections(file, &size) + 1,
					      1 << 20, &bytes, &size),
		 EXECUTABLE_TOO_LARGE);
}

static void a_file_that_shrinks_is_malformed(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	CLEANUP(fd_close) int fd = memfd_create("shrinking", MFD_CLOEXEC);
	uint8_t *bytes;
	size_t size;

	make_file(&maker);
	CHECK_EQ(write(fd, maker.bytes, maker.size), (ssize_t)maker.size);
	CHECK_OR_RETURN(executable_file_open(fd, &file) == 0);
	CHECK_EQ(ftruncate(fd, (off_t)elf_maker_section(&maker, 1)->sh_offset + 3), 0);
	CHECK_EQ(executable_file_read_section(file, executable_file_sections(file, &size) + 1,
					      1 << 20, &bytes, &size),
		 EXECUTABLE_MALFORMED);
}

/* Packs the contents as SHF_COMPRESSED has it, claiming @size bytes. */
static size_t pack(uint8_t *target, size_t target_size, uint32_t type, uint64_t size)
{
	Elf64_Chdr header = { .ch_type = type, .ch_size = size, .ch_addralign = 1 };
	uLongf packed_size = target_size - sizeof(header);

	memcpy(target, &header, sizeof(header));
	compress(target + sizeof(header), &packed_size, (const Bytef *)contents, sizeof(contents));
	return sizeof(header) + packed_size;
}

static void packed_sections_come_unpacked(void)
{
	static const struct {
		uint32_t type;
		uint64_t size;
		int outcome;
	} cases[] = {
		{ ELFCOMPRESS_ZLIB, sizeof(contents), 0 },
		{ ELFCOMPRESS_ZLIB, sizeof(contents) - 1, EXECUTABLE_MALFORMED },
		{ ELFCOMPRESS_ZLIB, sizeof(contents) + 1, EXECUTABLE_MALFORMED },
		{ ELFCOMPRESS_ZLIB, UINT64_MAX, EXECUTABLE_TOO_LARGE },
		{ 99, sizeof(contents), EXECUTABLE_UNSUPPORTED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
		CLEANUP(executable_file_free) struct executable_file *file = NULL;
		CLEANUP(memory_free) uint8_t *bytes = NULL;
		uint8_t packed[200];
		size_t size, index;

		elf_maker_start(&maker);
		size = pack(packed, sizeof(packed), cases[i].type, cases[i].size);
		index = elf_maker_add(&maker, ".packed", SHT_PROGBITS, packed, size);
		maker.sections[index].sh_flags = SHF_COMPRESSED;
		elf_maker_finish(&maker);
		CHECK_OR_RETURN(open_made(&maker, &file) == 0);
		CHECK_EQ(executable_file_read_section(
				 file, executable_file_find_section(file, ".packed", SHT_NULL),
				 1 << 20, &bytes, &size),
			 cases[i].outcome);
		if (!cases[i].outcome)
			CHECK_STR_EQ((char *)bytes, contents);
	}
}

static void this_very_program_has_a_build_id(void)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	CLEANUP(fd_close) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct build_id id;

	CHECK_OR_RETURN(executable_file_open(fd, &file) == 0);
	CHECK_OR_RETURN(executable_file_build_id(file, &id));
	CHECK_EQ(id.size, 20);
}

static void outcomes_have_words(void)
{
	CHECK_STR_EQ(executable_file_outcome_text(EXECUTABLE_NOT_ELF), "is not an ELF file");
	CHECK_STR_EQ(executable_file_outcome_text(EXECUTABLE_MALFORMED), "is a damaged ELF file");
	CHECK(executable_file_outcome_text(-EIO) != NULL);
}

TESTS(TEST(sections_are_found_and_read), TEST(addresses_become_offsets_within_segments_only),
      TEST(files_of_another_kind_are_refused), TEST(what_is_no_file_is_no_elf_file),
      TEST(a_file_cut_anywhere_is_refused), TEST(counts_and_offsets_beyond_the_limits_are_refused),
      TEST(the_extended_counts_of_the_first_section_are_used),
      TEST(a_section_beyond_the_end_is_refused),
      TEST(a_section_of_gigabytes_is_refused_before_memory_is_taken),
      TEST(a_file_that_shrinks_is_malformed), TEST(packed_sections_come_unpacked),
      TEST(this_very_program_has_a_build_id), TEST(outcomes_have_words))
