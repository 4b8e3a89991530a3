/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that a file's call frame information describes: where they are in the file, and
 * where their instructions are. Stripped files keep this, so it also tells where the functions
 * begin that nobody named.
 *
 * Bounded by DESCRIBED_FUNCTIONS_MAX; 24 bytes each. Owned by one thread.
 */
#ifndef FLICKERSCOPE_DESCRIBED_FUNCTIONS_H
#define FLICKERSCOPE_DESCRIBED_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/eh_frame.h"

struct executable_file;

enum described_functions_limits {
	DESCRIBED_FUNCTIONS_MAX = 4 << 20,
	DESCRIBED_FUNCTIONS_SECTION_SIZE_MAX = 256 << 20,
	DESCRIBED_FUNCTIONS_HEADER_SIZE = 16, /* of .eh_frame_hdr: what is read of it */
};

struct described_function {
	uint64_t offset; /* of its code in the file */
	uint32_t size;	 /* of its code */
	uint32_t cie;	 /* as in struct eh_frame_fde, like the next two */
	uint32_t instructions;
	uint32_t instructions_size;
};

struct described_functions {
	struct eh_frame_section section;
	uint8_t *bytes;			    /* owned; the section's */
	struct described_function *entries; /* owned; by rising offset, overlapping as they like */
	size_t count;
	size_t capacity;
	uint64_t left_out_count; /* could not be read, or are not whole in one segment of code */
};

/*
 * Reads .eh_frame, or .debug_frame.
 *
 * @file: has the section, or for .eh_frame the segment PT_GNU_EH_FRAME that leads to it.
 * @code: has the code, by its segments: the same file, unless @file is its debug file.
 *
 * Returns 0, EXECUTABLE_NO_SECTION, what executable_file_read_section() returns, or -ENOMEM.
 */
int described_functions_read(const struct executable_file *file, const struct executable_file *code,
			     bool is_debug_frame, struct described_functions *ret_functions);

void described_functions_free(struct described_functions *functions);

static inline void cleanup_described_functions_free(struct described_functions *functions)
{
	described_functions_free(functions);
}

#endif
