/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The build id of an executable: the note NT_GNU_BUILD_ID, which the linker makes from the
 * contents, so that two files with one id hold the same code.
 *
 * Ids longer than BUILD_ID_SIZE_MAX count as none, as they do in the kernel's own parser
 * (lib/buildid.c), so that all sources give one file one identity. Any thread.
 */
#ifndef FLICKERSCOPE_BUILD_ID_H
#define FLICKERSCOPE_BUILD_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum build_id_limits {
	BUILD_ID_SIZE_MAX = 20,
	BUILD_ID_TEXT_SIZE = 2 * BUILD_ID_SIZE_MAX + 1, /* lower-case hex and a zero */
};

struct build_id {
	uint8_t bytes[BUILD_ID_SIZE_MAX]; /* zero beyond size */
	uint32_t size;			  /* 0: none */
};

/*
 * Finds the build id in the bytes of one PT_NOTE segment or SHT_NOTE section.
 *
 * @alignment: of the notes' parts, 4 or 8 (p_align); anything else counts as 4.
 *
 * Returns whether there was one; *ret_build_id is written only then.
 */
bool build_id_find(struct bytes_reader notes, uint64_t alignment, struct build_id *ret_build_id);

/* Writes the id as hex, zero-terminated. */
void build_id_text(const struct build_id *build_id, char ret_text[BUILD_ID_TEXT_SIZE]);

bool build_id_equal(const struct build_id *left, const struct build_id *right);

#endif
