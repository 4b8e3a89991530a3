/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step of the walk, as it runs in the kernel: the bytes are a row, code, where the registers point, and the
 * stack. Whatever they are, a step goes up the stack or ends the walk, but for signals.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "sample_abi.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { STACK_BASE = 0x10000, STEPS_MAX = 127 };

struct unwind_memory {
	const uint8_t *bytes;
	size_t size;
};

static bool unwind_read(struct unwind_memory *memory, __u64 address, __u64 *ret_word)
{
	uint64_t at = address - STACK_BASE;

	if (address % sizeof(*ret_word) || at >= memory->size ||
	    memory->size - at < sizeof(*ret_word))
		return false;
	memcpy(ret_word, memory->bytes + at, sizeof(*ret_word));
	return true;
}

#include "../../bpf/unwind_step.h"

static void check_code(uint64_t code)
{
	struct unwind_row row = unwind_row_of_code(code);

	if (row.kinds != UNWIND_CFA_NONE &&
	    (row.kinds != UNWIND_CFA_SP || row.cfa_offset < UNWIND_WORD_SIZE ||
	     row.cfa_offset > UNWIND_CODE_FRAME_MAX + UNWIND_WORD_SIZE ||
	     row.cfa_offset % UNWIND_WORD_SIZE))
		abort();
}

/* By the same row each time, or by frame pointers where it does not help. */
static void walk(struct unwind_row row, struct unwind_registers registers,
		 struct unwind_memory *memory)
{
	for (int i = 0; i < STEPS_MAX; i++) {
		struct unwind_row rule =
			unwind_row_for(row, unwind_lookup_pc(&registers), registers.pc & 31);
		bool is_signal = (rule.kinds & 15) == UNWIND_CFA_SIGNAL;
		uint64_t sp = registers.sp;
		enum stack_status status = unwind_step(rule, &registers, memory);

		if (status == STACK_NO_ROW || status == STACK_UNSUPPORTED)
			status = unwind_guess(&registers, memory);
		if (status != STACK_NONE)
			return;
		if (!is_signal && registers.sp <= sp)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	struct unwind_registers registers = { 0 };
	struct unwind_memory memory;
	struct unwind_row row = { 0 };

	row.pc_low = bytes_read_u16(&reader);
	row.kinds = bytes_read_u8(&reader);
	row.fp_offset = (__s8)bytes_read_u8(&reader);
	row.cfa_offset = (__s32)bytes_read_u32(&reader);
	check_code(bytes_read_u64(&reader));
	registers.pc = bytes_read_u64(&reader);
	registers.sp = STACK_BASE + bytes_read_u8(&reader) * UNWIND_WORD_SIZE;
	registers.fp = STACK_BASE + bytes_read_u8(&reader) * UNWIND_WORD_SIZE;
	registers.pc_is_return = bytes_read_u8(&reader) & 1;
	memory.size = bytes_left(&reader);
	memory.bytes = bytes_read(&reader, memory.size);
	if (!reader.failed)
		walk(row, registers, &memory);
	return 0;
}
