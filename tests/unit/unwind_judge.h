/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares a file's unwind table with what libdw (elfutils) says about the same addresses: every
 * row of every function.
 *
 * The functions come from dwarf_next_cfi(), the rules from dwarf_cfi_addrframe(); both read the
 * file by themselves. libdw's rules are turned into rows here, by code that shares nothing with
 * agent/elf/.
 */
#ifndef FLICKERSCOPE_UNWIND_JUDGE_H
#define FLICKERSCOPE_UNWIND_JUDGE_H

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "elf/elf_unwind.h"
#include "elf/unwind_table.h"

enum {
	UNWIND_JUDGE_REPORTS_MAX = 5, /* differences printed for a file */
	UNWIND_JUDGE_FP = 6,
	UNWIND_JUDGE_SP = 7,
};

struct unwind_judgement {
	uint64_t function_count;
	uint64_t row_count;
	uint64_t agreeing_count;
	uint64_t differing_count;
	uint64_t unsupported_count; /* rows that no row of ours can hold, and are marked so */
	uint64_t missing_count;	    /* functions that the table knows nothing of */
	uint64_t not_judged_count;  /* functions whose address is encoded in a rare way */
	uint64_t refused_count;	    /* stretches whose rules libdw finds against the standard */
};

static inline void unwind_judgement_add(struct unwind_judgement *sum,
					const struct unwind_judgement *one)
{
	sum->function_count += one->function_count;
	sum->row_count += one->row_count;
	sum->agreeing_count += one->agreeing_count;
	sum->differing_count += one->differing_count;
	sum->unsupported_count += one->unsupported_count;
	sum->missing_count += one->missing_count;
	sum->not_judged_count += one->not_judged_count;
	sum->refused_count += one->refused_count;
}

/* What is compared: numbers instead of packed bits. */
struct unwind_judge_row {
	int cfa_kind, fp_kind;
	int64_t fp_offset, low, high;
};

static inline struct unwind_judge_row unwind_judge_unpack(const struct unwind_row *found,
							  uint16_t pc_low)
{
	struct unwind_row plain = unwind_row_at(found, (uint32_t)(pc_low - found->pc_low));
	const struct unwind_row *row = &plain;
	struct unwind_judge_row unpacked = { .cfa_kind = unwind_row_cfa_kind(row),
					     .fp_kind = unwind_row_fp_kind(row),
					     .fp_offset = row->fp_offset * UNWIND_WORD_SIZE,
					     .low = row->cfa_offset };

	if (unpacked.cfa_kind == UNWIND_CFA_PLT || unpacked.cfa_kind == UNWIND_CFA_FP_DEREF ||
	    unpacked.cfa_kind == UNWIND_CFA_SP_DEREF) {
		unpacked.low = unwind_row_low(row);
		unpacked.high = unwind_row_high(row);
	}
	return unpacked;
}

static inline bool unwind_judge_is_short(int64_t value)
{
	return value >= INT16_MIN && value <= INT16_MAX;
}

/* The register of breg0..31 and bregx with its offset; -1 for other operations. */
static inline int unwind_judge_base(const Dwarf_Op *op, int64_t *ret_offset)
{
	if (op->atom == DW_OP_bregx) {
		*ret_offset = (int64_t)op->number2;
		return (int)op->number;
	}
	if (op->atom < DW_OP_breg0 || op->atom > DW_OP_breg31)
		return -1;
	*ret_offset = (int64_t)op->number;
	return op->atom - DW_OP_breg0;
}

static inline bool unwind_judge_is_plt(const Dwarf_Op *ops, size_t count)
{
	static const uint8_t atoms[] = { DW_OP_breg16, DW_OP_lit15, DW_OP_and, 0,
					 DW_OP_ge,     DW_OP_lit3,  DW_OP_shl, DW_OP_plus };

	if (count != 1 + sizeof(atoms) || ops[1].number != 0)
		return false;
	for (size_t i = 0; i < sizeof(atoms); i++)
		if (atoms[i] && ops[1 + i].atom != atoms[i])
			return false;
	return ops[4].atom >= DW_OP_lit0 && ops[4].atom <= DW_OP_lit15;
}

static inline bool unwind_judge_cfa(const Dwarf_Op *ops, size_t count, struct unwind_judge_row *row)
{
	int64_t offset;
	int base = count ? unwind_judge_base(&ops[0], &offset) : -1;

	if (base != UNWIND_JUDGE_FP && base != UNWIND_JUDGE_SP)
		return false;
	row->low = offset;
	if (count == 1) {
		row->cfa_kind = base == UNWIND_JUDGE_SP ? UNWIND_CFA_SP : UNWIND_CFA_FP;
		return offset == (int32_t)offset;
	}
	if (!unwind_judge_is_short(offset))
		return false;
	if (ops[1].atom == DW_OP_deref && count <= 3) {
		if (count == 3 && (ops[2].atom != DW_OP_plus_uconst || ops[2].number > INT16_MAX))
			return false;
		row->high = count == 3 ? (int64_t)ops[2].number : 0;
		row->cfa_kind = base == UNWIND_JUDGE_SP ? UNWIND_CFA_SP_DEREF : UNWIND_CFA_FP_DEREF;
		return true;
	}
	if (base != UNWIND_JUDGE_SP || !unwind_judge_is_plt(ops, count))
		return false;
	row->cfa_kind = UNWIND_CFA_PLT;
	row->high = ops[4].atom - DW_OP_lit0;
	return true;
}

/* A place counted from the canonical frame address, or from a register's value. */
static inline bool unwind_judge_place(const Dwarf_Op *ops, size_t count, int *ret_base,
				      int64_t *ret_offset)
{
	if (!count || ops[0].atom != DW_OP_call_frame_cfa)
		return false;
	*ret_base = -1;
	*ret_offset = 0;
	if (count == 1)
		return true;
	if (count != 2)
		return false;
	if (ops[1].atom == DW_OP_plus_uconst) {
		*ret_offset = (int64_t)ops[1].number;
		return true;
	}
	*ret_base = unwind_judge_base(&ops[1], ret_offset);
	return *ret_base >= 0;
}

static inline void unwind_judge_fp(const Dwarf_Op *ops, size_t count, const Dwarf_Op *memory,
				   struct unwind_judge_row *row)
{
	int64_t offset;
	int base;

	row->fp_kind = UNWIND_FP_LOST;
	if (!count) {
		/* libdw: no operations and no array is "same value", with the array "undefined". */
		row->fp_kind = ops == memory ? UNWIND_FP_LOST : UNWIND_FP_SAME;
		return;
	}
	if (!unwind_judge_place(ops, count, &base, &offset) || offset % 8 || offset < -1024 ||
	    offset > 1016 || (base >= 0 && base != UNWIND_JUDGE_FP))
		return;
	row->fp_kind = base < 0 ? UNWIND_FP_AT_CFA : UNWIND_FP_AT_FP;
	row->fp_offset = offset;
}

/* In a signal's frame all is counted from the stack pointer; see UNWIND_CFA_SIGNAL. */
static inline bool unwind_judge_signal(Dwarf_Frame *frame, int return_register,
				       struct unwind_judge_row *row)
{
	Dwarf_Op memory[3], *ops;
	int64_t offset;
	size_t count;
	int base;

	if (row->cfa_kind != UNWIND_CFA_SP_DEREF || row->high)
		return false;
	if (dwarf_frame_register(frame, return_register, memory, &ops, &count) ||
	    !unwind_judge_place(ops, count, &base, &offset) || base != UNWIND_JUDGE_SP ||
	    offset != row->low + 8)
		return false;
	if (dwarf_frame_register(frame, UNWIND_JUDGE_FP, memory, &ops, &count) ||
	    !unwind_judge_place(ops, count, &base, &offset) || base != UNWIND_JUDGE_SP ||
	    offset != row->low - 40)
		return false;
	*row = (struct unwind_judge_row){ .cfa_kind = UNWIND_CFA_SIGNAL, .low = row->low };
	return true;
}

/* libdw's frame as a row. */
static inline struct unwind_judge_row unwind_judge_frame(Dwarf_Frame *frame)
{
	const struct unwind_judge_row unsupported = { .cfa_kind = UNWIND_CFA_UNSUPPORTED };
	struct unwind_judge_row row = { 0 };
	Dwarf_Op memory[3], *ops;
	bool is_signal = false;
	int64_t offset;
	size_t count;
	int return_register, base;

	return_register = dwarf_frame_info(frame, NULL, NULL, &is_signal);
	if (dwarf_frame_register(frame, return_register, memory, &ops, &count))
		return unsupported;
	if (!count && ops == memory)
		return (struct unwind_judge_row){ .cfa_kind = UNWIND_CFA_STOP };
	if (!unwind_judge_place(ops, count, &base, &offset))
		return unsupported;
	if (!is_signal && (base >= 0 || offset != -8))
		return unsupported;
	if (dwarf_frame_cfa(frame, &ops, &count) || !unwind_judge_cfa(ops, count, &row))
		return unsupported;
	if (is_signal)
		return unwind_judge_signal(frame, return_register, &row) ? row : unsupported;
	if (dwarf_frame_register(frame, UNWIND_JUDGE_FP, memory, &ops, &count))
		return unsupported;
	unwind_judge_fp(ops, count, memory, &row);
	return row;
}

struct unwind_judge {
	const char *path;
	const struct unwind_table_view *view;
	Dwarf_CFI *cfi;
	uint64_t bias; /* offset in the file minus address, of the present function */
	struct unwind_judgement *judgement;
};

static inline void unwind_judge_print(const char *who, const struct unwind_judge_row *row)
{
	printf("  %s: cfa kind %d %" PRId64 " %" PRId64 ", fp kind %d %" PRId64 "\n", who,
	       row->cfa_kind, row->low, row->high, row->fp_kind, row->fp_offset);
}

static inline void unwind_judge_compare(struct unwind_judge *judge, uint64_t address,
					const struct unwind_judge_row *expected)
{
	uint64_t offset = address + judge->bias;
	const struct unwind_row *found = unwind_table_find(judge->view, offset);
	struct unwind_judge_row row = { 0 };

	if (found)
		row = unwind_judge_unpack(found, (uint16_t)offset);
	judge->judgement->row_count++;
	if (memcmp(&row, expected, sizeof(row)) == 0) {
		judge->judgement->agreeing_count++;
		judge->judgement->unsupported_count += row.cfa_kind == UNWIND_CFA_UNSUPPORTED;
		return;
	}
	if (judge->judgement->differing_count++ < UNWIND_JUDGE_REPORTS_MAX) {
		printf("# %s: address 0x%" PRIx64 "\n", judge->path, address);
		unwind_judge_print("ours", &row);
		unwind_judge_print("libdw", expected);
	}
}

/* Every stretch that libdw sees in [@start, @end), at its first and its last byte. */
static inline void unwind_judge_function(struct unwind_judge *judge, uint64_t start, uint64_t end)
{
	const struct unwind_row *first = unwind_table_find(judge->view, start + judge->bias);

	judge->judgement->function_count++;
	if (!first || unwind_row_cfa_kind(first) == UNWIND_CFA_INVALID) {
		if (judge->judgement->missing_count++ < UNWIND_JUDGE_REPORTS_MAX)
			printf("# %s: function 0x%" PRIx64 " is missing\n", judge->path, start);
		return;
	}
	while (start < end) {
		CLEANUP(memory_free) Dwarf_Frame *frame = NULL;
		struct unwind_judge_row expected;
		Dwarf_Addr frame_start, frame_end;
		Dwarf_Op *ops;
		size_t count;

		if (dwarf_cfi_addrframe(judge->cfi, start, &frame))
			return; /* libdw itself cannot read it */
		dwarf_frame_info(frame, &frame_start, &frame_end, NULL);
		if (frame_end > end || frame_end <= start)
			frame_end = end;
		if (dwarf_frame_cfa(frame, &ops, &count)) {
			judge->judgement->refused_count++;
			start = frame_end;
			continue;
		}
		expected = unwind_judge_frame(frame);
		unwind_judge_compare(judge, start, &expected);
		if (frame_end - 1 > start)
			unwind_judge_compare(judge, frame_end - 1, &expected);
		start = frame_end;
	}
}

static inline bool unwind_judge_bias(Elf *elf, uint64_t address, uint64_t *ret_bias)
{
	size_t count = 0;

	elf_getphdrnum(elf, &count);
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr segment;

		if (!gelf_getphdr(elf, (int)i, &segment) || segment.p_type != PT_LOAD ||
		    !(segment.p_flags & PF_X) || address < segment.p_vaddr ||
		    address >= segment.p_vaddr + segment.p_filesz)
			continue;
		*ret_bias = segment.p_offset - segment.p_vaddr;
		return true;
	}
	return false;
}

/* The section's FDEs by dwarf_next_cfi(); their addresses in the two encodings that there are. */
static inline void unwind_judge_section(struct unwind_judge *judge, Elf *elf, Elf_Scn *section,
					bool is_eh_frame)
{
	const unsigned char *ident = (const unsigned char *)elf_getident(elf, NULL);
	Elf_Data *bytes = elf_rawdata(section, NULL);
	Dwarf_Off offset = 0, next;
	Dwarf_CFI_Entry entry;
	GElf_Shdr header;

	gelf_getshdr(section, &header);
	for (; bytes; offset = next) {
		int r = dwarf_next_cfi(ident, bytes, is_eh_frame, offset, &next, &entry);
		uint64_t start, size, place;
		Dwarf_CFI_Entry cie;
		Dwarf_Off unused;
		int32_t distance;
		uint32_t size32;

		if (r > 0 || next == offset)
			return;
		if (r < 0 || dwarf_cfi_cie_p(&entry) ||
		    dwarf_next_cfi(ident, bytes, is_eh_frame, entry.fde.CIE_pointer, &unused, &cie))
			continue;
		place = header.sh_addr + (uint64_t)(entry.fde.start - (uint8_t *)bytes->d_buf);
		if (strchr(cie.cie.augmentation, 'R') &&
		    cie.cie.augmentation_data[cie.cie.augmentation_data_size - 1] == 0x1b) {
			memcpy(&distance, entry.fde.start, 4);
			memcpy(&size32, entry.fde.start + 4, 4);
			start = place + (uint64_t)(int64_t)distance;
			size = size32;
		} else if (!cie.cie.augmentation[0]) {
			memcpy(&start, entry.fde.start, 8);
			memcpy(&size, entry.fde.start + 8, 8);
		} else {
			judge->judgement->not_judged_count++;
			continue;
		}
		if (size && unwind_judge_bias(elf, start, &judge->bias))
			unwind_judge_function(judge, start, start + size);
	}
}

/* Returns false when the file has no table of ours, and says nothing then. */
static inline bool unwind_judge_file(const char *path, struct unwind_judgement *ret_judgement)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer table = bytes_writer_with_max((size_t)256 << 20);
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct unwind_judge judge = { .path = path, .judgement = ret_judgement };
	struct unwind_table_view view;
	Elf_Scn *section = NULL;
	size_t names;
	Elf *elf;

	if (fd < 0 || unwind_table_job(fd, -1, bytes_reader_of("", 0), &table) ||
	    unwind_table_view_open(table.bytes, table.size, &view))
		return false;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	judge.view = &view;
	elf_getshdrstrndx(elf, &names);
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;

		gelf_getshdr(section, &header);
		if (strcmp(elf_strptr(elf, names, header.sh_name), ".eh_frame") != 0)
			continue;
		judge.cfi = dwarf_getcfi_elf(elf);
		if (judge.cfi)
			unwind_judge_section(&judge, elf, section, true);
		dwarf_cfi_end(judge.cfi);
	}
	elf_end(elf);
	return true;
}

#endif
