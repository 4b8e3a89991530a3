/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call frame information as it stands in .eh_frame and .debug_frame: a sequence of records, each a
 * frame description entry (FDE: a range of code and the instructions for it) or the common
 * information entry (CIE) that FDEs refer to.
 *
 * A file without section headers still tells where .eh_frame begins, by the segment
 * PT_GNU_EH_FRAME, but not where it ends.
 *
 * Sources: DWARF 5, 6.4.1 and 7.24; Linux Standard Base 5.0 Core, 10.6 (.eh_frame,
 * .eh_frame_hdr); for the pointer encodings 10.5.1. Pure functions over the section's bytes, which are hostile.
 */
#ifndef FLICKERSCOPE_EH_FRAME_H
#define FLICKERSCOPE_EH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum eh_frame_outcome {
	EH_FRAME_END = 1,
};

struct eh_frame_section {
	const uint8_t *bytes; /* borrowed */
	size_t size;
	uint64_t address; /* of the first byte, as linked: pointers may count from themselves */
	bool is_debug_frame;
	bool ends_at_empty_record; /* its size is only a bound */
};

/* What a CIE says about its FDEs. */
struct eh_frame_cie {
	uint64_t code_alignment;
	int64_t data_alignment;
	uint64_t return_register;
	uint8_t pointer_encoding;
	bool is_signal_frame;
	bool has_augmentation_size;
	struct bytes_reader instructions;
};

struct eh_frame_fde {
	uint64_t start;	       /* address of the first byte of code, as linked */
	uint64_t size;	       /* of the code, in bytes; never 0 */
	uint32_t cie;	       /* offset of its CIE in the section */
	uint32_t instructions; /* offset of its own instructions in the section ... */
	uint32_t instructions_size;
};

/* A walk over a section's FDEs. Zero but for the section at the start. */
struct eh_frame_cursor {
	const struct eh_frame_section *section; /* borrowed */
	size_t offset;
	uint32_t cie_offset; /* of the last CIE seen, so that it is not parsed for every FDE */
	struct eh_frame_cie cie;
	bool has_cie;
	uint64_t skipped_count; /* FDEs that could not be read: bad or unknown CIE, empty, cut */
};

/*
 * Moves to the next FDE that can be read. A record whose size leads outside ends the walk.
 *
 * Returns 0 or EH_FRAME_END.
 */
int eh_frame_next(struct eh_frame_cursor *cursor, struct eh_frame_fde *ret_fde);

/* Parses the CIE at @offset. Returns false when there is none that this understands. */
bool eh_frame_read_cie(const struct eh_frame_section *section, size_t offset,
		       struct eh_frame_cie *ret_cie);

/*
 * Where .eh_frame begins, by the bytes of .eh_frame_hdr, whose first one is at @address. Returns
 * false when it does not say.
 */
bool eh_frame_find(struct bytes_reader header, uint64_t address, uint64_t *ret_address);

#endif
