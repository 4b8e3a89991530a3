/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_symbols.h"

#include <stdlib.h>
#include <string.h>

#include "elf/described_functions.h"
#include "elf/plt_stubs.h"
#include "elf/symbol_table.h"
#include "elf/xz_payload.h"

/* A table of symbols with its names, copied from a file. */
struct symbols {
	const struct executable_file *file; /* whose sections the symbols refer to; borrowed */
	uint8_t *bytes;
	size_t size;
	char *names; /* zero-terminated */
	size_t names_size;
};

static void cleanup_symbols_free(struct symbols *symbols)
{
	free(symbols->bytes);
	free(symbols->names);
}

/* Reads the first table of @type. Returns EXECUTABLE_NO_SECTION when there is none. */
static int read_symbols(const struct executable_file *file, uint32_t type,
			struct symbols *ret_symbols)
{
	CLEANUP(symbols_free) struct symbols symbols = { .file = file };
	size_t section_count;
	const Elf64_Shdr *sections = executable_file_sections(file, &section_count);
	size_t i = 0;
	int r;

	while (i < section_count && sections[i].sh_type != type)
		i++;
	if (i == section_count)
		return EXECUTABLE_NO_SECTION;
	if (sections[i].sh_link >= section_count)
		return EXECUTABLE_MALFORMED;
	r = executable_file_read_section(file, &sections[i], ELF_SYMBOLS_SIZE_MAX, &symbols.bytes,
					 &symbols.size);
	if (r)
		return r;
	r = executable_file_read_section(file, &sections[sections[i].sh_link],
					 ELF_SYMBOLS_NAMES_SIZE_MAX, (uint8_t **)&symbols.names,
					 &symbols.names_size);
	if (r)
		return r == EXECUTABLE_NO_SECTION ? EXECUTABLE_MALFORMED : r;
	*ret_symbols = symbols;
	symbols = (struct symbols){ 0 };
	return 0;
}

/* Without a version (memcpy@@GLIBC_2.14). 0 for names that mark a place and no function. */
static size_t name_size_of(const char *name)
{
	size_t size = strnlen(name, SYMBOL_NAME_SIZE_MAX + 1);
	const char *version;

	/* $x and the like tell code from data on ARM; .L and .annobin names are the tools' own. */
	if (!size || name[0] == '$' || name[0] == '.')
		return 0;
	version = memchr(name + 1, '@', size - 1);
	return version ? (size_t)(version - name) : size;
}

static enum symbol_binding binding_of(const Elf64_Sym *symbol)
{
	switch (ELF64_ST_BIND(symbol->st_info)) {
	case STB_LOCAL:
		return SYMBOL_LOCAL;
	case STB_WEAK:
		return SYMBOL_WEAK;
	default:
		return SYMBOL_GLOBAL;
	}
}

/* Adds the symbol if it is code; @code tells where that is. Returns 0 or -ENOMEM. */
static int add_symbol(const struct executable_file *code, const struct symbols *symbols,
		      const Elf64_Sym *symbol, struct symbol_table_builder *builder)
{
	size_t section_count;
	const Elf64_Shdr *sections = executable_file_sections(symbols->file, &section_count);
	const Elf64_Shdr *section = symbol->st_shndx < section_count ? &sections[symbol->st_shndx]
								     : NULL;
	unsigned int type = ELF64_ST_TYPE(symbol->st_info);
	struct symbol_source source = { .size = symbol->st_size, .limit = UINT64_MAX };

	if (symbol->st_shndx == SHN_UNDEF || symbol->st_name >= symbols->names_size)
		return 0;
	if (type == STT_NOTYPE) {
		if (!section || !(section->sh_flags & SHF_EXECINSTR))
			return 0;
		source.is_label = true;
	} else if (type != STT_FUNC && type != STT_GNU_IFUNC) {
		return 0;
	}
	source.name = symbols->names + symbol->st_name;
	source.name_size = name_size_of(source.name);
	if (!source.name_size || !executable_file_offset(code, symbol->st_value, &source.start))
		return 0;
	source.binding = binding_of(symbol);
	if (section && symbol->st_value - section->sh_addr <= section->sh_size)
		source.limit =
			source.start + section->sh_size - (symbol->st_value - section->sh_addr);
	return symbol_table_builder_add(builder, &source);
}

static int add_symbols(const struct executable_file *code, const struct symbols *symbols,
		       struct symbol_table_builder *builder)
{
	struct bytes_reader reader = bytes_reader_of(symbols->bytes, symbols->size);
	Elf64_Sym symbol;
	int r;

	while (bytes_left(&reader) >= sizeof(symbol)) {
		bytes_read_into(&reader, &symbol, sizeof(symbol));
		r = add_symbol(code, symbols, &symbol, builder);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Adds where functions are by the call frame information, which stripped files keep: what nobody
 * named has at least a start. A file whose information cannot be read goes without.
 */
static int add_described(const struct executable_file *file, struct symbol_table_builder *builder)
{
	CLEANUP(described_functions_free) struct described_functions functions = { 0 };
	int r = described_functions_read(file, file, false, &functions);

	if (r)
		return r < 0 ? r : 0;
	for (size_t i = 0; i < functions.count; i++) {
		r = symbol_table_builder_add(
			builder, &(struct symbol_source){ .start = functions.entries[i].offset,
							  .size = functions.entries[i].size });
		if (r < 0)
			return r;
	}
	return 0;
}

/* Where names come from. All of it has to live as long as the builder, which borrows the names. */
struct sources {
	struct symbols own;	 /* .symtab, else .dynsym */
	struct symbols mini;	 /* .symtab of .gnu_debugdata */
	struct symbols separate; /* .symtab of the debug file */
	struct bytes_writer mini_bytes;
	struct executable_file *mini_file; /* in these */
};

static void cleanup_sources_free(struct sources *sources)
{
	cleanup_symbols_free(&sources->own);
	cleanup_symbols_free(&sources->mini);
	cleanup_symbols_free(&sources->separate);
	executable_file_free(sources->mini_file);
	bytes_writer_free(&sources->mini_bytes);
}

/*
 * The ELF file packed in .gnu_debugdata, which names the functions that .dynsym does not ("MiniDebugInfo"
 * in GDB's manual). One that cannot be read costs these names only.
 */
static int read_mini(const struct executable_file *file, struct sources *sources)
{
	CLEANUP(memory_free) uint8_t *packed = NULL;
	const Elf64_Shdr *section =
		executable_file_find_section(file, ".gnu_debugdata", SHT_PROGBITS);
	size_t packed_size;
	int r;

	if (!section)
		return 0;
	r = executable_file_read_section(file, section, ELF_SYMBOLS_PACKED_SIZE_MAX, &packed,
					 &packed_size);
	if (!r)
		r = xz_payload_unpack(packed, packed_size, &sources->mini_bytes);
	if (!r)
		r = executable_file_open_bytes(sources->mini_bytes.bytes, sources->mini_bytes.size,
					       &sources->mini_file);
	if (!r)
		r = read_symbols(sources->mini_file, SHT_SYMTAB, &sources->mini);
	return r < 0 ? r : 0;
}

static int read_sources(const struct executable_file *file,
			const struct executable_file *debug_file, struct sources *sources)
{
	int r = read_symbols(file, SHT_SYMTAB, &sources->own);

	if (r == EXECUTABLE_NO_SECTION) {
		r = read_symbols(file, SHT_DYNSYM, &sources->own);
		if (r && r != EXECUTABLE_NO_SECTION)
			return r;
		r = read_mini(file, sources);
	}
	if (r)
		return r;
	r = debug_file ? read_symbols(debug_file, SHT_SYMTAB, &sources->separate) : 0;
	return r < 0 ? r : 0; /* as good as without */
}

static int add_sources(const struct executable_file *file, const struct sources *sources,
		       struct symbol_table_builder *builder)
{
	const struct symbols *const all[] = { &sources->own, &sources->mini, &sources->separate };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		int r = add_symbols(file, all[i], builder);

		if (r < 0)
			return r;
	}
	return 0;
}

int elf_symbols_table(const struct executable_file *file, const struct executable_file *debug_file,
		      struct bytes_writer *ret_table)
{
	CLEANUP(sources_free)
	struct sources sources = { .mini_bytes = bytes_writer_with_max(XZ_PAYLOAD_SIZE_MAX) };
	CLEANUP(plt_stubs_free) struct plt_stubs *stubs = NULL;
	CLEANUP(symbol_table_builder_free) struct symbol_table_builder *builder = NULL;
	struct build_id build_id;
	int r;

	r = read_sources(file, debug_file, &sources);
	if (r)
		return r;
	r = symbol_table_builder_new(&builder);
	if (r < 0)
		return r;
	r = add_sources(file, &sources, builder);
	if (r < 0)
		return r;
	r = plt_stubs_add(file, builder, &stubs);
	if (r < 0)
		return r;
	r = add_described(file, builder);
	if (r < 0)
		return r;
	return symbol_table_builder_finish(
		builder, executable_file_build_id(file, &build_id) ? &build_id : NULL, ret_table);
}

int elf_symbols_job(int file_fd, int debug_fd, struct bytes_reader argument,
		    struct bytes_writer *ret_result)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	CLEANUP(executable_file_free) struct executable_file *debug_file = NULL;
	int r = executable_file_open(file_fd, &file);

	if (!r && debug_fd >= 0)
		r = executable_file_open(debug_fd, &debug_file);
	return r ? r : elf_symbols_table(file, debug_file, ret_result);
}
