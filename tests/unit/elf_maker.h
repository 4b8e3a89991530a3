/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes small ELF files in memory, for tests that then damage them.
 *
 * One segment maps the whole file: address = ELF_MAKER_BASE + offset. Sections are added in order;
 * the string table of section names is made by elf_maker_finish().
 */
#ifndef FLICKERSCOPE_ELF_MAKER_H
#define FLICKERSCOPE_ELF_MAKER_H

#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	ELF_MAKER_BASE = 0x400000,
	ELF_MAKER_SECTIONS_MAX = 16,
	ELF_MAKER_SIZE_MAX = 4 << 20,
#if defined(__x86_64__)
	ELF_MAKER_MACHINE = EM_X86_64,
#else
	ELF_MAKER_MACHINE = EM_AARCH64,
#endif
};

struct elf_maker {
	uint8_t *bytes; /* free() it; a valid file after elf_maker_finish() */
	size_t size;
	Elf64_Shdr sections[ELF_MAKER_SECTIONS_MAX];
	size_t section_count;
	char names[1024];
	size_t names_size;
};

static inline void cleanup_elf_maker_free(struct elf_maker *maker)
{
	free(maker->bytes);
}

static inline Elf64_Ehdr *elf_maker_header(struct elf_maker *maker)
{
	return (Elf64_Ehdr *)maker->bytes;
}

static inline Elf64_Phdr *elf_maker_segment(struct elf_maker *maker)
{
	return (Elf64_Phdr *)(maker->bytes + sizeof(Elf64_Ehdr));
}

static inline void elf_maker_start(struct elf_maker *maker)
{
	*maker = (struct elf_maker){ .section_count = 1, .names_size = 1 };
	maker->bytes = calloc(1, ELF_MAKER_SIZE_MAX);
	maker->size = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
	*elf_maker_header(maker) = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = ELF_MAKER_MACHINE,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
		.e_shentsize = sizeof(Elf64_Shdr),
	};
}

/* Returns the section's index; change its header by maker->sections[] before the finish. */
static inline size_t elf_maker_add(struct elf_maker *maker, const char *name, uint32_t type,
				   const void *bytes, size_t size)
{
	size_t index = maker->section_count++;

	maker->size = (maker->size + 15) & ~(size_t)15;
	maker->sections[index] = (Elf64_Shdr){
		.sh_name = (uint32_t)maker->names_size,
		.sh_type = type,
		.sh_addr = ELF_MAKER_BASE + maker->size,
		.sh_offset = maker->size,
		.sh_size = size,
	};
	if (size)
		memcpy(maker->bytes + maker->size, bytes, size);
	maker->size += size;
	strcpy(maker->names + maker->names_size, name);
	maker->names_size += strlen(name) + 1;
	return index;
}

static inline void elf_maker_finish(struct elf_maker *maker)
{
	size_t names = elf_maker_add(maker, ".shstrtab", SHT_STRTAB, NULL, 0);

	memcpy(maker->bytes + maker->size, maker->names, maker->names_size);
	maker->sections[names].sh_size = maker->names_size;
	maker->size = (maker->size + maker->names_size + 15) & ~(size_t)15;
	elf_maker_header(maker)->e_shoff = maker->size;
	elf_maker_header(maker)->e_shnum = (uint16_t)maker->section_count;
	elf_maker_header(maker)->e_shstrndx = (uint16_t)names;
	memcpy(maker->bytes + maker->size, maker->sections,
	       maker->section_count * sizeof(Elf64_Shdr));
	maker->size += maker->section_count * sizeof(Elf64_Shdr);
	*elf_maker_segment(maker) = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_vaddr = ELF_MAKER_BASE,
		.p_filesz = maker->size,
		.p_memsz = maker->size,
		.p_align = 4096,
	};
}

/* The section header in the finished file. */
static inline Elf64_Shdr *elf_maker_section(struct elf_maker *maker, size_t index)
{
	return (Elf64_Shdr *)(maker->bytes + elf_maker_header(maker)->e_shoff) + index;
}

#endif
