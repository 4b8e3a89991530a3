/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of real files, with libelf as the judge, and of files that were made to be bad.
 */
#include "elf/elf_symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <glob.h>
#include <lzma.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "check.h"
#include "elf/symbol_table.h"
#include "elf_maker.h"
#include "frame_maker.h"

static void check_name(const struct symbol_table_view *view, uint64_t address, const char *name)
{
	struct symbol symbol;
	char text[128] = "nothing";

	if (symbol_table_find(view, address, &symbol))
		snprintf(text, sizeof(text), "%.*s", (int)symbol.name_size, symbol.name);
	CHECK_STR_EQ(text, name);
}

/* --- made files --- */

static Elf64_Sym code_symbol(uint32_t name, uint8_t binding, uint8_t type, uint64_t offset,
			     uint64_t size)
{
	return (Elf64_Sym){ .st_name = name,
			    .st_info = ELF64_ST_INFO(binding, type),
			    .st_shndx = 1, /* .text is always first */
			    .st_value = offset,
			    .st_size = size };
}

/* A file with .text at 0x80 and the given symbols, whose values count from .text's start. */
static void make_file(struct elf_maker *maker, uint32_t type, Elf64_Sym *symbols, size_t count,
		      const char *names, size_t names_size)
{
	static const uint8_t text[4096];
	size_t index;

	elf_maker_start(maker);
	index = elf_maker_add(maker, ".text", SHT_PROGBITS, text, sizeof(text));
	maker->sections[index].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
	for (size_t i = 0; i < count; i++)
		symbols[i].st_value += maker->sections[index].sh_addr;
	index = elf_maker_add(maker, type == SHT_SYMTAB ? ".symtab" : ".dynsym", type, symbols,
			      count * sizeof(*symbols));
	maker->sections[index].sh_link = (uint32_t)index + 1;
	elf_maker_add(maker, type == SHT_SYMTAB ? ".strtab" : ".dynstr", SHT_STRTAB, names,
		      names_size);
	elf_maker_finish(maker);
}

struct table {
	struct bytes_writer bytes;
	struct symbol_table_view view;
};

static void cleanup_table_free(struct table *table)
{
	bytes_writer_free(&table->bytes);
}

static int table_of_fd(int fd, struct table *table)
{
	int r;

	bytes_writer_free(&table->bytes);
	table->bytes = bytes_writer_with_max((size_t)384 << 20);
	r = elf_symbols_job(fd, -1, bytes_reader_of("", 0), &table->bytes);
	if (!r && symbol_table_view_open(table->bytes.bytes, table->bytes.size, &table->view) < 0)
		r = -EBADMSG;
	return r;
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
	r = elf_symbols_table(file, debug_file, &table->bytes);
	if (!r && symbol_table_view_open(table->bytes.bytes, table->bytes.size, &table->view) < 0)
		r = -EBADMSG;
	return r;
}

static int table_of_made(const struct elf_maker *maker, struct table *table)
{
	return table_of_pair(maker, NULL, table);
}

static uint64_t text_offset(const struct elf_maker *maker)
{
	return maker->sections[1].sh_offset;
}

static void functions_are_taken_and_other_symbols_are_not(void)
{
	static const char names[] = "\0main\0data\0start\0file.c\0ifunc\0$x\0.L1";
	Elf64_Sym symbols[] = {
		{ 0 },
		code_symbol(1, STB_GLOBAL, STT_FUNC, 0x100, 0x10),
		code_symbol(6, STB_GLOBAL, STT_OBJECT, 0x200, 0x10),
		code_symbol(11, STB_GLOBAL, STT_NOTYPE, 0x300, 0),
		code_symbol(17, STB_LOCAL, STT_FILE, 0x310, 0),
		code_symbol(24, STB_GLOBAL, STT_GNU_IFUNC, 0x400, 0x20),
		code_symbol(30, STB_LOCAL, STT_NOTYPE, 0x500, 0),
		code_symbol(33, STB_LOCAL, STT_NOTYPE, 0x600, 0),
	};
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	make_file(&maker, SHT_SYMTAB, symbols, ARRAY_SIZE(symbols), names, sizeof(names));
	CHECK_OR_RETURN(table_of_made(&maker, &table) == 0);
	CHECK_EQ(table.view.header->row_count, 3);
	check_name(&table.view, text_offset(&maker) + 0x10f, "main");
	check_name(&table.view, text_offset(&maker) + 0x200, "nothing");
	check_name(&table.view, text_offset(&maker) + 0x3ff, "start");
	check_name(&table.view, text_offset(&maker) + 0x41f, "ifunc");
}

static void undefined_symbols_and_those_outside_the_file_are_left_out(void)
{
	static const char names[] = "\0f";
	Elf64_Sym symbols[] = {
		code_symbol(1, STB_GLOBAL, STT_FUNC, 0x100, 0x10),
		code_symbol(1, STB_GLOBAL, STT_FUNC, 0x10000000, 0x10),
		code_symbol(77, STB_GLOBAL, STT_FUNC, 0x200, 0x10),
		code_symbol(0, STB_GLOBAL, STT_FUNC, 0x300, 0x10),
	};
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	symbols[0].st_shndx = SHN_UNDEF;
	make_file(&maker, SHT_DYNSYM, symbols, ARRAY_SIZE(symbols), names, sizeof(names));
	CHECK_OR_RETURN(table_of_made(&maker, &table) == 0);
	CHECK_EQ(table.view.header->row_count, 0);
}

static void a_version_behind_a_name_is_cut_off(void)
{
	static const char names[] = "\0memcpy@@GLIBC_2.14\0@at";
	Elf64_Sym symbols[] = {
		code_symbol(1, STB_GLOBAL, STT_FUNC, 0x100, 0x10),
		code_symbol(20, STB_GLOBAL, STT_FUNC, 0x200, 0x10),
	};
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	make_file(&maker, SHT_SYMTAB, symbols, ARRAY_SIZE(symbols), names, sizeof(names));
	CHECK_OR_RETURN(table_of_made(&maker, &table) == 0);
	check_name(&table.view, text_offset(&maker) + 0x100, "memcpy");
	check_name(&table.view, text_offset(&maker) + 0x200, "@at");
}

static void a_symbol_without_size_ends_with_its_section(void)
{
	static const char names[] = "\0_init";
	Elf64_Sym symbols[] = { code_symbol(1, STB_GLOBAL, STT_FUNC, 0x100, 0) };
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	make_file(&maker, SHT_SYMTAB, symbols, ARRAY_SIZE(symbols), names, sizeof(names));
	CHECK_OR_RETURN(table_of_made(&maker, &table) == 0);
	check_name(&table.view, text_offset(&maker) + 4095, "_init");
	check_name(&table.view, text_offset(&maker) + 4096, "nothing");
}

static void a_file_without_symbols_gives_an_empty_table(void)
{
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	elf_maker_start(&maker);
	elf_maker_finish(&maker);
	CHECK_EQ(table_of_made(&maker, &table), 0);
	CHECK_EQ(table.view.header->row_count, 0);
}

/* As --only-keep-debug leaves it: the code's section without bytes, the segment without a place. */
static void make_debug_file(struct elf_maker *maker, Elf64_Sym *symbols, size_t count,
			    const char *names, size_t names_size)
{
	make_file(maker, SHT_SYMTAB, symbols, count, names, names_size);
	elf_maker_section(maker, 1)->sh_type = SHT_NOBITS;
	elf_maker_section(maker, 1)->sh_offset = 0;
	elf_maker_segment(maker)->p_offset = 0x1000;
	elf_maker_segment(maker)->p_filesz = 0;
}

static void a_debug_file_names_what_the_file_does_not(void)
{
	static const char names[] = "\0public", debug_names[] = "\0public\0hidden";
	Elf64_Sym symbols[] = { code_symbol(1, STB_GLOBAL, STT_FUNC, 0x100, 0x10) };
	Elf64_Sym debug_symbols[] = { code_symbol(1, STB_GLOBAL, STT_FUNC, 0x100, 0x10),
				      code_symbol(8, STB_LOCAL, STT_FUNC, 0x200, 0x10) };
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(elf_maker_free) struct elf_maker debug = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	make_file(&maker, SHT_DYNSYM, symbols, 1, names, sizeof(names));
	make_debug_file(&debug, debug_symbols, 2, debug_names, sizeof(debug_names));
	CHECK_OR_RETURN(table_of_made(&maker, &table) == 0);
	check_name(&table.view, text_offset(&maker) + 0x100, "public");
	check_name(&table.view, text_offset(&maker) + 0x200, "nothing");
	CHECK_OR_RETURN(table_of_pair(&maker, &debug, &table) == 0);
	check_name(&table.view, text_offset(&maker) + 0x100, "public");
	check_name(&table.view, text_offset(&maker) + 0x20f, "hidden");
	CHECK_EQ(table.view.header->row_count, 2);
	/* A damaged one costs its own names. */
	elf_maker_section(&debug, 2)->sh_offset = UINT64_MAX - 8;
	CHECK_OR_RETURN(table_of_pair(&maker, &debug, &table) == 0);
	check_name(&table.view, text_offset(&maker) + 0x100, "public");
}

/* .dynsym names what is public, the packed file the rest. */
static void a_packed_file_names_what_dynsym_does_not(void)
{
	static const char names[] = "\0public", mini_names[] = "\0hidden";
	static uint8_t packed[1 << 20];
	Elf64_Sym symbols[] = { code_symbol(1, STB_GLOBAL, STT_FUNC, 0x100, 0x10) };
	Elf64_Sym mini_symbols[] = { code_symbol(1, STB_LOCAL, STT_FUNC, 0x200, 0x10) };
	CLEANUP(elf_maker_free) struct elf_maker mini = { 0 };
	size_t packed_size = 0;

	make_debug_file(&mini, mini_symbols, 1, mini_names, sizeof(mini_names));
	CHECK_EQ(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, mini.bytes, mini.size, packed,
					 &packed_size, sizeof(packed)),
		 LZMA_OK);
	/* Cut in the middle, and whole. */
	for (int part = 1; part <= 2; part++) {
		CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
		CLEANUP(table_free) struct table table = { 0 };
		size_t index, size = part == 2 ? packed_size : packed_size / 2;

		elf_maker_start(&maker);
		elf_maker_add(&maker, ".text", SHT_PROGBITS, packed, 4096);
		symbols[0].st_value += maker.sections[1].sh_addr;
		index = elf_maker_add(&maker, ".dynsym", SHT_DYNSYM, symbols, sizeof(symbols));
		maker.sections[index].sh_link = (uint32_t)index + 1;
		elf_maker_add(&maker, ".dynstr", SHT_STRTAB, names, sizeof(names));
		elf_maker_add(&maker, ".gnu_debugdata", SHT_PROGBITS, packed, size);
		elf_maker_finish(&maker);
		symbols[0].st_value = 0x100;
		CHECK_OR_RETURN(table_of_made(&maker, &table) == 0);
		check_name(&table.view, text_offset(&maker) + 0x100, "public");
		check_name(&table.view, text_offset(&maker) + 0x200,
			   part == 2 ? "hidden" : "nothing");
	}
}

static void functions_of_a_stripped_file_have_a_start(void)
{
	static const char names[] = "\0main";
	Elf64_Sym symbols[] = { code_symbol(1, STB_GLOBAL, STT_FUNC, 0x100, 0x10) };
	CLEANUP(frame_maker_free) struct frame_maker frames = frame_maker_start(false);
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };
	static const uint8_t text[4096];
	struct symbol symbol;
	size_t index;

	elf_maker_start(&maker);
	index = elf_maker_add(&maker, ".text", SHT_PROGBITS, text, sizeof(text));
	maker.sections[index].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
	symbols[0].st_value += maker.sections[index].sh_addr;
	frame_maker_add_cie(&frames, "zR", NULL, 0);
	frame_maker_add_fde(&frames, maker.sections[index].sh_addr + 0x100, 0x40, NULL, 0);
	frame_maker_add_fde(&frames, maker.sections[index].sh_addr + 0x200, 0x40, NULL, 0);
	index = elf_maker_add(&maker, ".eh_frame", SHT_PROGBITS, frames.bytes.bytes,
			      frames.bytes.size);
	maker.sections[index].sh_addr = frames.address;
	index = elf_maker_add(&maker, ".dynsym", SHT_DYNSYM, symbols, sizeof(symbols));
	maker.sections[index].sh_link = (uint32_t)index + 1;
	elf_maker_add(&maker, ".dynstr", SHT_STRTAB, names, sizeof(names));
	elf_maker_finish(&maker);
	CHECK_OR_RETURN(table_of_made(&maker, &table) == 0);
	check_name(&table.view, text_offset(&maker) + 0x10f, "main");
	CHECK_OR_RETURN(symbol_table_find(&table.view, text_offset(&maker) + 0x23f, &symbol));
	CHECK_EQ(symbol.name_size, 0);
	CHECK_EQ(symbol.start, text_offset(&maker) + 0x200);
	check_name(&table.view, text_offset(&maker) + 0x1ff, "nothing");
}

static void a_name_of_a_megabyte_is_cut(void)
{
	CLEANUP(memory_free) char *names = malloc(1 << 20);
	Elf64_Sym symbols[] = { code_symbol(1, STB_GLOBAL, STT_FUNC, 0x100, 0x10) };
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	memset(names, 'n', 1 << 20);
	make_file(&maker, SHT_SYMTAB, symbols, 1, names, 1 << 20);
	CHECK_OR_RETURN(table_of_made(&maker, &table) == 0);
	CHECK_EQ(table.view.header->cut_name_count, 1);
}

static void string_tables_that_are_missing_or_without_end_are_survived(void)
{
	static const char names[] = { 'f', 'g', 'h' }; /* no zero at the end */
	Elf64_Sym symbols[] = { code_symbol(1, STB_GLOBAL, STT_FUNC, 0x100, 0x10) };
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };

	make_file(&maker, SHT_SYMTAB, symbols, 1, names, sizeof(names));
	CHECK_EQ(table_of_made(&maker, &table), 0);
	check_name(&table.view, text_offset(&maker) + 0x100, "gh");
	elf_maker_section(&maker, 2)->sh_link = 9999;
	CHECK_EQ(table_of_made(&maker, &table), EXECUTABLE_MALFORMED);
	elf_maker_section(&maker, 2)->sh_link = 3;
	elf_maker_section(&maker, 3)->sh_type = SHT_NOBITS;
	CHECK_EQ(table_of_made(&maker, &table), EXECUTABLE_MALFORMED);
	elf_maker_section(&maker, 2)->sh_size = ELF_SYMBOLS_SIZE_MAX + 1;
	CHECK_EQ(table_of_made(&maker, &table), EXECUTABLE_TOO_LARGE);
}

#if defined(__x86_64__)
static void stubs_of_the_linkage_table_are_named(void)
{
	static const char names[] = "\0malloc\0free";
	/* endbr64; bnd jmp *0x(slot); then a plain jmp. Distances are filled in below. */
	uint8_t stubs[32] = { 0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25 };
	Elf64_Sym symbols[] = {
		{ 0 },
		{ .st_name = 1, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC) },
		{ .st_name = 8, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC) },
	};
	Elf64_Rela slots[] = {
		{ .r_offset = 0x500008, .r_info = ELF64_R_INFO(2, R_X86_64_JUMP_SLOT) },
		{ .r_offset = 0x500000, .r_info = ELF64_R_INFO(1, R_X86_64_JUMP_SLOT) },
	};
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	CLEANUP(table_free) struct table table = { 0 };
	uint64_t address;
	int32_t distance;
	size_t index;

	stubs[16] = 0xff;
	stubs[17] = 0x25;
	elf_maker_start(&maker);
	index = elf_maker_add(&maker, ".plt", SHT_PROGBITS, stubs, sizeof(stubs));
	maker.sections[index].sh_entsize = 16;
	address = maker.sections[index].sh_addr;
	distance = (int32_t)(0x500000 - (address + 11));
	memcpy(maker.bytes + maker.sections[index].sh_offset + 7, &distance, 4);
	distance = (int32_t)(0x500008 - (address + 22));
	memcpy(maker.bytes + maker.sections[index].sh_offset + 18, &distance, 4);
	index = elf_maker_add(&maker, ".dynsym", SHT_DYNSYM, symbols, sizeof(symbols));
	maker.sections[index].sh_link = (uint32_t)index + 1;
	elf_maker_add(&maker, ".dynstr", SHT_STRTAB, names, sizeof(names));
	elf_maker_add(&maker, ".rela.plt", SHT_RELA, slots, sizeof(slots));
	elf_maker_finish(&maker);
	CHECK_OR_RETURN(table_of_made(&maker, &table) == 0);
	address = maker.sections[1].sh_offset;
	check_name(&table.view, address + 5, "malloc@plt");
	check_name(&table.view, address + 16, "free@plt");
}
#endif

/* While the job reads, another thread cuts the file and lets it grow again. */
static void *shake_file(void *context)
{
	struct {
		int fd;
		off_t size;
		atomic_bool stop;
	} *file = context;

	for (unsigned int i = 1; !atomic_load(&file->stop); i = i * 1664525 + 1013904223) {
		if (ftruncate(file->fd, (off_t)(i % (unsigned int)file->size)) < 0 ||
		    ftruncate(file->fd, file->size) < 0)
			break;
		if (pwrite(file->fd, &i, sizeof(i), (off_t)(i % 6000)) < 0)
			break;
	}
	return NULL;
}

static void a_file_that_changes_while_it_is_read_costs_only_its_names(void)
{
	static const char names[] = "\0main";
	struct {
		int fd;
		off_t size;
		atomic_bool stop;
	} file = { 0 };
	Elf64_Sym symbols[] = { code_symbol(1, STB_GLOBAL, STT_FUNC, 0x100, 0x10) };
	CLEANUP(elf_maker_free) struct elf_maker maker = { 0 };
	pthread_t thread;

	make_file(&maker, SHT_SYMTAB, symbols, 1, names, sizeof(names));
	file.fd = memfd_create("changing", MFD_CLOEXEC);
	file.size = (off_t)maker.size;
	CHECK_EQ(pwrite(file.fd, maker.bytes, maker.size, 0), (ssize_t)maker.size);
	CHECK_EQ(pthread_create(&thread, NULL, shake_file, &file), 0);
	for (int i = 0; i < 2000; i++) {
		CLEANUP(table_free) struct table table = { 0 };
		int r;

		if (pwrite(file.fd, maker.bytes, maker.size, 0) < 0)
			break;
		r = table_of_fd(file.fd, &table);
		CHECK(r == 0 || (r >= EXECUTABLE_NOT_ELF && r <= EXECUTABLE_NO_SECTION));
	}
	atomic_store(&file.stop, true);
	pthread_join(thread, NULL);
	close(file.fd);
}

/* --- real files --- */

/*
 * Whether a symbol that libelf sees can be expected in the table. The rules are those of
 * elf_symbols.h, told again in libelf's words.
 */
static bool is_expected(Elf *elf, const GElf_Sym *symbol, const char *name, uint64_t *ret_offset)
{
	size_t segment_count = 0;

	if (symbol->st_shndx == SHN_UNDEF || !name || !name[0] || name[0] == '.' ||
	    (GELF_ST_TYPE(symbol->st_info) != STT_FUNC &&
	     GELF_ST_TYPE(symbol->st_info) != STT_GNU_IFUNC) ||
	    !symbol->st_size)
		return false;
	elf_getphdrnum(elf, &segment_count);
	for (size_t i = 0; i < segment_count; i++) {
		GElf_Phdr segment;

		if (!gelf_getphdr(elf, (int)i, &segment) || segment.p_type != PT_LOAD ||
		    symbol->st_value < segment.p_vaddr ||
		    symbol->st_value >= segment.p_vaddr + segment.p_filesz)
			continue;
		*ret_offset = symbol->st_value - segment.p_vaddr + segment.p_offset;
		return true;
	}
	return false;
}

/* Every function of libelf's must be found at its first byte, under a name that stands there. */
static size_t check_symbols(Elf *elf, Elf_Scn *section, const GElf_Shdr *header,
			    const struct symbol_table_view *view, size_t *ret_named)
{
	Elf_Data *symbols = elf_getdata(section, NULL);
	size_t expected = 0;

	for (int i = 0; symbols && i < (int)(header->sh_size / header->sh_entsize); i++) {
		struct symbol found;
		const char *name;
		GElf_Sym symbol;
		uint64_t offset;

		gelf_getsym(symbols, i, &symbol);
		name = elf_strptr(elf, header->sh_link, symbol.st_name);
		if (!is_expected(elf, &symbol, name, &offset))
			continue;
		expected++;
		if (!symbol_table_find(view, offset, &found) || found.start != offset) {
			printf("# not found at its start: %s\n", name);
			CHECK(false);
			return expected;
		}
		*ret_named += found.name_size == strcspn(name, "@") &&
			      memcmp(found.name, name, found.name_size) == 0;
	}
	return expected;
}

static size_t check_file(const char *path)
{
	CLEANUP(table_free) struct table table = { 0 };
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t expected = 0, named = 0;
	Elf_Scn *section = NULL, *chosen = NULL;
	GElf_Shdr header, chosen_header;
	Elf *elf;

	if (fd < 0 || table_of_fd(fd, &table))
		return 0;
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	while ((section = elf_nextscn(elf, section))) {
		gelf_getshdr(section, &header);
		if (header.sh_type == SHT_SYMTAB || (header.sh_type == SHT_DYNSYM && !chosen)) {
			chosen = section;
			chosen_header = header;
		}
	}
	if (chosen)
		expected = check_symbols(elf, chosen, &chosen_header, &table.view, &named);
	elf_end(elf);
	/* Aliases share one row, so not every name is there; each row's name is one of libelf's. */
	CHECK(named <= expected);
	CHECK(expected == 0 || named > 0);
	return expected;
}

static void libelf_agrees_about_the_files_of_this_machine(void)
{
	static const char *const patterns[] = {
		"/proc/self/exe",	    "/usr/bin/[a-g]*",		 "/usr/lib/*/lib[a-d]*.so*",
		"/usr/lib/*/libLLVM*.so.1", "/usr/lib/*/libstdc++.so.6", "/usr/bin/node",
	};
	size_t expected = 0, files = 0;

	elf_version(EV_CURRENT);
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		glob_t found;

		if (glob(patterns[i], 0, NULL, &found))
			continue;
		for (size_t k = 0; k < found.gl_pathc && k < 150; k++, files++)
			expected += check_file(found.gl_pathv[k]);
		globfree(&found);
	}
	printf("# %zu functions in %zu files\n", expected, files);
	CHECK(expected > 1000);
}

static void this_programs_own_function_is_found(void)
{
	CLEANUP(table_free) struct table table = { 0 };
	CLEANUP(fd_close) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	bool found = false;

	CHECK_OR_RETURN(table_of_fd(fd, &table) == 0);
	CHECK_EQ(table.view.header->build_id.size, 20);
	for (uint32_t i = 0; i < table.view.header->row_count && !found; i++) {
		struct symbol symbol;

		found = symbol_table_find(&table.view, table.view.starts[i], &symbol) &&
			symbol.name_size == strlen(__func__) &&
			memcmp(symbol.name, __func__, symbol.name_size) == 0;
	}
	CHECK(found);
}

TESTS(TEST(functions_are_taken_and_other_symbols_are_not),
      TEST(undefined_symbols_and_those_outside_the_file_are_left_out),
      TEST(a_version_behind_a_name_is_cut_off), TEST(a_symbol_without_size_ends_with_its_section),
      TEST(a_file_without_symbols_gives_an_empty_table),
      TEST(a_debug_file_names_what_the_file_does_not),
      TEST(a_packed_file_names_what_dynsym_does_not),
      TEST(functions_of_a_stripped_file_have_a_start), TEST(a_name_of_a_megabyte_is_cut),
      TEST(string_tables_that_are_missing_or_without_end_are_survived),
#if defined(__x86_64__)
      TEST(stubs_of_the_linkage_table_are_named),
#endif
      TEST(a_file_that_changes_while_it_is_read_costs_only_its_names),
      TEST(libelf_agrees_about_the_files_of_this_machine),
      TEST(this_programs_own_function_is_found))
