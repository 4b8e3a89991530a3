/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A section of call frame information of any bytes: each function's rows come in rising order,
 * inside the function, and are rows that a table may hold. The first byte chooses the kind.
 */
#include <stdlib.h>

#include "elf/cfa_program.h"
#include "elf/eh_frame.h"
#include "elf/unwind_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct check {
	uint64_t start, end; /* of the function */
	uint64_t last;
	bool has_row;
};

static void take_row(uint64_t address, struct unwind_row row, void *context)
{
	struct check *check = context;

	if (address < check->start || address >= check->end)
		abort();
	if (check->has_row ? address <= check->last : address != check->start)
		abort();
	if (unwind_row_cfa_kind(&row) <= UNWIND_CFA_NONE ||
	    unwind_row_cfa_kind(&row) > UNWIND_CFA_UNSUPPORTED ||
	    unwind_row_fp_kind(&row) >= UNWIND_FP_KIND_COUNT || row.pc_low)
		abort();
	check->last = address;
	check->has_row = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct eh_frame_section section = { .address = 0x1000 };
	struct eh_frame_cursor cursor = { .section = &section };
	struct eh_frame_fde fde;

	if (!size)
		return 0;
	section.bytes = bytes + 1;
	section.size = size - 1;
	section.is_debug_frame = bytes[0] & 1;
	while (eh_frame_next(&cursor, &fde) == 0) {
		struct check check = { .start = fde.start, .end = fde.start + fde.size };
		struct cfa_common common;
		struct eh_frame_cie cie;

		if (!eh_frame_read_cie(&section, fde.cie, &cie))
			abort();
		cfa_common_prepare(&cie, &common);
		cfa_program_run(&section, &common, &fde, take_row, &check);
		if (!check.has_row)
			abort();
	}
	return 0;
}
