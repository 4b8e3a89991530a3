/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the instructions of call frame information and tells, address by address, how to find the
 * caller: as rows of an unwind table (struct unwind_row in sample_abi.h).
 *
 * Kept are the rules that a walk needs: those of the canonical frame address, the frame pointer and
 * the return address, of x86-64 (System V ABI for AMD64, figure 3.36). Expressions are
 * understood in the forms that compilers, linkers and assembly sources use; all else gives
 * UNWIND_CFA_UNSUPPORTED.
 *
 * Source: DWARF 5, 6.4.2 and 7.24; GCC's additions by its unwind-dw2.c.
 */
#ifndef FLICKERSCOPE_CFA_PROGRAM_H
#define FLICKERSCOPE_CFA_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "elf/eh_frame.h"
#include "sample_abi.h"

enum cfa_program_limits {
	CFA_PROGRAM_STATES_MAX = 16,	    /* remembered at one time */
	CFA_PROGRAM_COMMON_SIZE_MAX = 4096, /* instructions of a CIE: it runs for many FDEs */
};

enum cfa_return_kind {
	CFA_RETURN_UNKNOWN,
	CFA_RETURN_USUAL,     /* at CFA - 8 */
	CFA_RETURN_AT_SP,     /* at SP + return_offset: in signal frames */
	CFA_RETURN_UNDEFINED, /* there is no caller */
};

/* The rules at one address. */
struct cfa_state {
	int64_t cfa_offset; /* of the kinds SP and FP; kept while an expression takes their place */
	int64_t cfa_numbers;   /* of the other kinds: both halves */
	int64_t return_offset; /* in bytes */
	int64_t fp_sp_offset;  /* with fp_is_at_sp: where it was saved, in bytes from SP */
	uint8_t cfa_kind;      /* enum unwind_cfa_kind: SP, FP, PLT, ..._DEREF or UNSUPPORTED */
	uint8_t fp_kind;       /* enum unwind_fp_kind */
	int8_t fp_offset;      /* as in struct unwind_row */
	uint8_t return_kind;   /* enum cfa_return_kind */
	bool fp_is_at_sp;      /* in signal frames; UNWIND_FP_LOST to everybody else */
};

/* A CIE made ready for its FDEs. */
struct cfa_common {
	struct eh_frame_cie cie;
	struct cfa_state initial;
	bool is_usable; /* false: its instructions are wrong, and so are its FDEs' */
};

void cfa_common_prepare(const struct eh_frame_cie *cie, struct cfa_common *ret_common);

/*
 * Runs an FDE's instructions.
 *
 * @take_row: called in rising order of addresses, at least once, first for fde->start; each row
 *	holds up to the next. pc_low is left 0.
 */
void cfa_program_run(const struct eh_frame_section *section, const struct cfa_common *common,
		     const struct eh_frame_fde *fde,
		     void (*take_row)(uint64_t address, struct unwind_row row, void *context),
		     void *context);

#endif
