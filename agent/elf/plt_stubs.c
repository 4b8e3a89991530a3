/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/plt_stubs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf/symbol_table.h"

static const char suffix[] = "@plt";

/* A slot of the global offset table, and the symbol whose address is put into it. */
struct slot {
	uint64_t address;
	uint32_t symbol; /* index in .dynsym */
};

struct plt_stubs {
	Elf64_Sym *symbols;
	size_t symbol_count;
	char *names; /* .dynstr, zero-terminated */
	size_t names_size;
	struct slot *slots; /* by address */
	size_t slot_count;
	size_t slot_capacity;
	char *made_names; /* reserved whole: the builder borrows from it */
	size_t made_names_size;
	size_t made_names_capacity;
};

void plt_stubs_free(struct plt_stubs *stubs)
{
	if (!stubs)
		return;
	free(stubs->symbols);
	free(stubs->names);
	free(stubs->slots);
	free(stubs->made_names);
	free(stubs);
}

static bool read_symbols(struct plt_stubs *stubs, const struct executable_file *file)
{
	const Elf64_Shdr *section = executable_file_find_section(file, ".dynsym", SHT_DYNSYM);
	const Elf64_Shdr *names = executable_file_find_section(file, ".dynstr", SHT_STRTAB);
	size_t size;

	if (!section || !names ||
	    executable_file_read_section(file, section, PLT_STUBS_SYMBOLS_SIZE_MAX,
					 (uint8_t **)&stubs->symbols, &size))
		return false;
	stubs->symbol_count = size / sizeof(*stubs->symbols);
	return !executable_file_read_section(file, names, PLT_STUBS_NAMES_SIZE_MAX,
					     (uint8_t **)&stubs->names, &stubs->names_size);
}

static int add_slot(struct plt_stubs *stubs, struct slot slot)
{
	if (stubs->slot_count == stubs->slot_capacity) {
		size_t capacity = stubs->slot_capacity ? 2 * stubs->slot_capacity : 256;
		struct slot *slots = reallocarray(stubs->slots, capacity, sizeof(*slots));

		if (!slots)
			return -ENOMEM;
		stubs->slots = slots;
		stubs->slot_capacity = capacity;
	}
	stubs->slots[stubs->slot_count++] = slot;
	return 0;
}

static int read_slots(struct plt_stubs *stubs, const struct executable_file *file, const char *name)
{
	const Elf64_Shdr *section = executable_file_find_section(file, name, SHT_RELA);
	CLEANUP(memory_free) uint8_t *bytes = NULL;
	struct bytes_reader reader;
	Elf64_Rela relocation;
	size_t size;
	int r;

	if (!section || executable_file_read_section(file, section, PLT_STUBS_RELOCATIONS_SIZE_MAX,
						     &bytes, &size))
		return 0;
	reader = bytes_reader_of(bytes, size);
	while (bytes_read_into(&reader, &relocation, sizeof(relocation))) {
		uint64_t type = ELF64_R_TYPE(relocation.r_info);

		if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT)
			continue;
		r = add_slot(stubs, (struct slot){ .address = relocation.r_offset,
						   .symbol = ELF64_R_SYM(relocation.r_info) });
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_slots(const void *left_pointer, const void *right_pointer)
{
	const struct slot *left = left_pointer, *right = right_pointer;

	return left->address < right->address ? -1 : left->address > right->address;
}

/* The name of the symbol in the slot at @address, or NULL. */
static const char *slot_name(const struct plt_stubs *stubs, uint64_t address)
{
	struct slot wanted = { .address = address };
	const struct slot *slot = stubs->slot_count
					  ? bsearch(&wanted, stubs->slots, stubs->slot_count,
						    sizeof(wanted), compare_slots)
					  : NULL;
	uint32_t name;

	if (!slot || slot->symbol >= stubs->symbol_count)
		return NULL;
	name = stubs->symbols[slot->symbol].st_name;
	return name && name < stubs->names_size ? stubs->names + name : NULL;
}

/*
 * The address of the slot that the stub at @code jumps through: [endbr64] [bnd] jmp *disp(%rip),
 * that is ff 25 and a signed distance from the instruction's end. 0 when it is no such stub.
 */
static uint64_t jump_slot(const uint8_t *code, size_t size, uint64_t address)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	size_t at = 0;
	int32_t distance;

	if (size >= sizeof(endbr64) && memcmp(code, endbr64, sizeof(endbr64)) == 0)
		at = sizeof(endbr64);
	if (at < size && code[at] == 0xf2)
		at++;
	if (size < at + 6 || code[at] != 0xff || code[at + 1] != 0x25)
		return 0;
	memcpy(&distance, code + at + 2, sizeof(distance));
	return address + at + 6 + (uint64_t)(int64_t)distance;
}

static int add_stub(struct plt_stubs *stubs, struct symbol_table_builder *builder, const char *name,
		    uint64_t offset, uint64_t size)
{
	size_t name_size = strnlen(name, SYMBOL_NAME_SIZE_MAX);
	char *made = stubs->made_names + stubs->made_names_size;

	if (!name_size ||
	    name_size + strlen(suffix) > stubs->made_names_capacity - stubs->made_names_size)
		return 0;
	memcpy(made, name, name_size);
	memcpy(made + name_size, suffix, strlen(suffix));
	stubs->made_names_size += name_size + strlen(suffix);
	return symbol_table_builder_add(
		builder, &(struct symbol_source){ .start = offset,
						  .size = size,
						  .name = made,
						  .name_size = name_size + strlen(suffix),
						  .binding = SYMBOL_LOCAL });
}

static int add_section(struct plt_stubs *stubs, const struct executable_file *file,
		       const Elf64_Shdr *section, struct symbol_table_builder *builder)
{
	CLEANUP(memory_free) uint8_t *code = NULL;
	size_t size, step;
	int r;

	if (executable_file_read_section(file, section, PLT_STUBS_CODE_SIZE_MAX, &code, &size))
		return 0;
	/* Some linkers leave sh_entsize 0; stubs are 8 or 16 bytes, and so are their addresses. */
	step = section->sh_entsize == 8 || section->sh_addr % 16 ? 8 : 16;
	for (size_t at = 0; at + step <= size; at += step) {
		uint64_t address = section->sh_addr + at, offset, slot;
		const char *name;

		slot = jump_slot(code + at, step, address);
		name = slot ? slot_name(stubs, slot) : NULL;
		if (!name || !executable_file_offset(file, address, &offset))
			continue;
		r = add_stub(stubs, builder, name, offset, step);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_sections(struct plt_stubs *stubs, const struct executable_file *file,
			struct symbol_table_builder *builder)
{
	static const char *const names[] = { ".plt", ".plt.sec", ".plt.got" };
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const Elf64_Shdr *section =
			executable_file_find_section(file, names[i], SHT_PROGBITS);

		r = section ? add_section(stubs, file, section, builder) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

int plt_stubs_add(const struct executable_file *file, struct symbol_table_builder *builder,
		  struct plt_stubs **ret_stubs)
{
	CLEANUP(plt_stubs_free) struct plt_stubs *stubs = calloc(1, sizeof(*stubs));
	int r;

	if (!stubs)
		return -ENOMEM;
#if defined(__x86_64__)
	if (read_symbols(stubs, file)) {
		r = read_slots(stubs, file, ".rela.plt");
		/* Slots of .plt.got: the table is large, and worth reading only then. */
		if (!r && executable_file_find_section(file, ".plt.got", SHT_PROGBITS))
			r = read_slots(stubs, file, ".rela.dyn");
		if (r < 0)
			return r;
		if (stubs->slot_count)
			qsort(stubs->slots, stubs->slot_count, sizeof(*stubs->slots),
			      compare_slots);
		/*
		 * Each slot has one stub, seldom two, and linkers share only the ends of names;
		 * what finds no room all the same goes without.
		 */
		stubs->made_names_capacity =
			2 * (stubs->names_size + stubs->slot_count * strlen(suffix));
		stubs->made_names = malloc(stubs->made_names_capacity + 1);
		if (!stubs->made_names)
			return -ENOMEM;
		r = add_sections(stubs, file, builder);
		if (r < 0)
			return r;
	}
#endif
	*ret_stubs = TAKE(stubs);
	return 0;
}
