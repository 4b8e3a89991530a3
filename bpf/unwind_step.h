/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One step of a walk: from the registers of a frame to those of its caller, by a row of an unwind
 * table or by a guess. Arithmetic alone: the same code runs in the kernel and in tests.
 *
 * Whoever includes this defines before what memory is, and reads a word of the walked thread's,
 * without ever faulting; an address that is no multiple of a word's size cannot be read:
 *
 *	struct unwind_memory;
 *	static bool unwind_read(struct unwind_memory *memory, __u64 address, __u64 *ret_word)
 *
 * x86-64 only.
 */
#ifndef FLICKERSCOPE_UNWIND_STEP_H
#define FLICKERSCOPE_UNWIND_STEP_H

enum unwind_step_limits {
	UNWIND_GUESS_FRAME_SIZE_MAX = 1 << 20, /* of a frame that is believed without a table */
	UNWIND_PLT_ENTRY_MASK = 15,
	/* Of a signal's frame, in bytes from where the interrupted SP is. */
	UNWIND_SIGNAL_FP = -5 * UNWIND_WORD_SIZE,
	UNWIND_SIGNAL_PC = UNWIND_WORD_SIZE,
	UNWIND_CODE_FRAME_MAX = 0x78, /* that `add $n, %rsp` takes off: n is a signed byte */
};

/* Machine code as the 8 bytes from an address on read as a word: the first byte is the lowest. */
#define UNWIND_CODE_RET 0xc3ULL
#define UNWIND_CODE_CALL_RCX 0xd1ffULL
#define UNWIND_CODE_ADD_SP_RET 0xc300c48348ULL /* the byte in the middle is what is added */
#define UNWIND_CODE_ADD_SP_RET_MASK 0xff00ffffffULL
#define UNWIND_CODE_TRAMPOLINE                                                                     \
	0x8348d1ff08ec8348ULL /* sub $8, %rsp; call *%rcx; and what follows */

/* What a walk knows of one frame. */
struct unwind_registers {
	__u64 pc;
	__u64 sp;
	__u64 fp;
	__u32 pc_is_return;  /* it follows a call; 0: it was executed itself */
	__u32 fp_is_unknown; /* nobody saved it */
};

/* The address whose row counts: a call may be the last instruction of its function. */
static inline __u64 unwind_lookup_pc(const struct unwind_registers *registers)
{
	return registers->pc - (registers->pc_is_return ? 1 : 0);
}

/* How many words @distance bytes of code have moved the stack pointer by: see struct unwind_row. */
static inline __s32 unwind_row_steps(struct unwind_row row, __u32 distance)
{
	__u32 steps = ((__u32)row.cfa_offset) >> 16;

	if (distance < UNWIND_STEP_BYTES)
		steps &= (1U << distance) - 1;
	return __builtin_popcount(steps);
}

/*
 * The rule for @pc alone, from a row that holds for many: what depends on pc is a plain offset then.
 *
 * @distance: bytes from where the row begins to @pc.
 */
static inline struct unwind_row unwind_row_for(struct unwind_row row, __u64 pc, __u32 distance)
{
	__u32 kind = row.kinds & 15;
	__s32 low = (__s16)(row.cfa_offset & 0xffff), high = row.cfa_offset >> 16;

	if (kind == UNWIND_CFA_SP_PUSHES)
		row.cfa_offset = (low + unwind_row_steps(row, distance)) * UNWIND_WORD_SIZE;
	else if (kind == UNWIND_CFA_SP_POPS)
		row.cfa_offset = (low - unwind_row_steps(row, distance)) * UNWIND_WORD_SIZE;
	else if (kind == UNWIND_CFA_PLT)
		row.cfa_offset = low + ((__s32)(pc & UNWIND_PLT_ENTRY_MASK) >= high ? 8 : 0);
	else
		return row;
	row.kinds = (row.kinds & 0xf0) | UNWIND_CFA_SP;
	return row;
}

/* STACK_NONE and the CFA, or why there is none. */
static inline enum stack_status unwind_cfa(struct unwind_row row,
					   const struct unwind_registers *registers,
					   struct unwind_memory *memory, __u64 *ret_cfa)
{
	__u32 kind = row.kinds & 15;
	__s64 low = (__s16)(row.cfa_offset & 0xffff), high = row.cfa_offset >> 16;
	__u64 base = registers->sp;

	if (kind == UNWIND_CFA_SP) {
		*ret_cfa = base + (__u64)(__s64)row.cfa_offset;
		return STACK_NONE;
	}
	if (kind == UNWIND_CFA_FP || kind == UNWIND_CFA_FP_DEREF) {
		if (registers->fp_is_unknown)
			return STACK_UNSUPPORTED;
		base = registers->fp;
	}
	if (kind == UNWIND_CFA_FP) {
		*ret_cfa = base + (__u64)(__s64)row.cfa_offset;
		return STACK_NONE;
	}
	if (kind == UNWIND_CFA_SP_DEREF || kind == UNWIND_CFA_FP_DEREF) {
		if (!unwind_read(memory, base + (__u64)low, &base))
			return STACK_UNREADABLE;
		*ret_cfa = base + (__u64)high;
		return STACK_NONE;
	}
	if (kind == UNWIND_CFA_STOP)
		return STACK_COMPLETE;
	return kind == UNWIND_CFA_UNSUPPORTED ? STACK_UNSUPPORTED : STACK_NO_ROW;
}

/* Out of a signal's handler: to what it interrupted, on whatever stack that was. */
static inline enum stack_status unwind_signal(struct unwind_row row,
					      struct unwind_registers *registers,
					      struct unwind_memory *memory)
{
	__u64 place = registers->sp + (__u64)(__s64)row.cfa_offset, sp;

	if (!unwind_read(memory, place + (__u64)(__s64)UNWIND_SIGNAL_FP, &registers->fp) ||
	    !unwind_read(memory, place, &sp) ||
	    !unwind_read(memory, place + UNWIND_SIGNAL_PC, &registers->pc))
		return STACK_UNREADABLE;
	registers->sp = sp;
	registers->pc_is_return = 0;
	registers->fp_is_unknown = 0;
	return STACK_NONE;
}

/* The frame pointer that the frame which ends at @cfa has saved. */
static inline bool unwind_caller_fp(struct unwind_row row, __u64 cfa,
				    struct unwind_registers *registers,
				    struct unwind_memory *memory)
{
	__u32 kind = row.kinds >> 4;
	__u64 base = kind == UNWIND_FP_AT_CFA ? cfa : registers->fp;

	if (kind == UNWIND_FP_SAME)
		return true;
	registers->fp_is_unknown = kind == UNWIND_FP_LOST;
	return kind == UNWIND_FP_LOST ||
	       unwind_read(memory, base + (__u64)((__s64)row.fp_offset * UNWIND_WORD_SIZE),
			   &registers->fp);
}

/*
 * Moves to the caller, whose frame is always higher up the stack, but for signals.
 *
 * @row: as unwind_row_for() gives it for unwind_lookup_pc().
 *
 * Returns STACK_NONE when the registers are the caller's; STACK_COMPLETE when there is no caller;
 * STACK_NO_ROW or STACK_UNSUPPORTED when the row does not tell; STACK_UNREADABLE.
 */
static inline enum stack_status unwind_step(struct unwind_row row,
					    struct unwind_registers *registers,
					    struct unwind_memory *memory)
{
	enum stack_status status;
	__u64 cfa = 0;

	if ((row.kinds & 15) == UNWIND_CFA_SIGNAL)
		return unwind_signal(row, registers, memory);
	status = unwind_cfa(row, registers, memory, &cfa);
	if (status != STACK_NONE)
		return status;
	if (cfa <= registers->sp || !unwind_caller_fp(row, cfa, registers, memory) ||
	    !unwind_read(memory, cfa - UNWIND_WORD_SIZE, &registers->pc))
		return STACK_UNREADABLE;
	registers->sp = cfa;
	registers->pc_is_return = 1;
	return STACK_NONE;
}

/*
 * The rule for code that no table describes, where the code itself tells: it returns next. Nothing
 * is guessed here. CPython makes such code for each function (`-X perf`, since 3.12), without a
 * frame pointer:
 *
 *	sub $8, %rsp; call *%rcx; add $8, %rsp; ret
 *
 * @code: the 8 bytes at pc.
 *
 * A row of UNWIND_CFA_NONE when it does something else.
 */
static inline struct unwind_row unwind_row_of_code(__u64 code)
{
	struct unwind_row row = { .kinds = UNWIND_CFA_NONE };
	__u32 size = 0;

	if ((code & 0xffff) == UNWIND_CODE_CALL_RCX)
		code >>= 16; /* behind the call the stack is as before it */
	if ((code & UNWIND_CODE_ADD_SP_RET_MASK) == UNWIND_CODE_ADD_SP_RET)
		size = code >> 24 & 0xff;
	else if ((code & 0xff) != UNWIND_CODE_RET && code != UNWIND_CODE_TRAMPOLINE)
		return row;
	if (size > UNWIND_CODE_FRAME_MAX || size % UNWIND_WORD_SIZE)
		return row;
	row.kinds = UNWIND_CFA_SP | UNWIND_FP_SAME << 4;
	row.cfa_offset = size + UNWIND_WORD_SIZE;
	return row;
}

/*
 * Moves to the caller where no table helps, in the hope that the function keeps a frame pointer: as the code
 * of JITs does, and Go's.
 *
 * Returns STACK_NONE; STACK_FRAME_POINTERS when the chain has come to its regular end; or
 * STACK_NO_ROW when there is no such chain.
 */
static inline enum stack_status unwind_guess(struct unwind_registers *registers,
					     struct unwind_memory *memory)
{
	__u64 fp = registers->fp, caller_fp;

	if (registers->fp_is_unknown)
		return STACK_NO_ROW;
	if (!fp) /* System V ABI for AMD64, 3.4.1: the deepest frame */
		return STACK_FRAME_POINTERS;
	if (fp < registers->sp || fp - registers->sp >= UNWIND_GUESS_FRAME_SIZE_MAX ||
	    !unwind_read(memory, fp, &caller_fp) ||
	    !unwind_read(memory, fp + UNWIND_WORD_SIZE, &registers->pc))
		return STACK_NO_ROW;
	registers->sp = fp + 2 * UNWIND_WORD_SIZE;
	registers->fp = caller_fp;
	registers->pc_is_return = 1;
	return STACK_NONE;
}

#endif
