/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One step of a walk: from the registers of a frame to those of its caller, by a row of an unwind
 * table or by a guess. Arithmetic alone: the same code runs in the kernel and in tests.
 *
 * Whoever includes this defines before:
 *
 *	static bool unwind_read(__u64 address, void *target, __u32 size)
 *
 * which reads the walked thread's memory and never faults. x86-64 only.
 */
#ifndef FLICKERSCOPE_UNWIND_STEP_H
#define FLICKERSCOPE_UNWIND_STEP_H

enum unwind_step_limits {
	UNWIND_GUESS_FRAME_SIZE_MAX = 1 << 20, /* of a frame that is believed without a table */
	UNWIND_PLT_ENTRY_MASK = 15,
	UNWIND_SIGNAL_FP = 0, /* words of a signal's frame, counted from FP: ... */
	UNWIND_SIGNAL_SP = 5,
	UNWIND_SIGNAL_PC = 6,
	UNWIND_SIGNAL_WORDS = 7,
};

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
static inline __s64 unwind_row_steps(struct unwind_row row, __u32 distance)
{
	__u32 steps = ((__u32)row.cfa_offset) >> 16;

	if (distance < UNWIND_STEP_BYTES)
		steps &= (1U << distance) - 1;
	return __builtin_popcount(steps);
}

/* STACK_NONE and the CFA, or why there is none. */
static inline enum stack_status unwind_cfa(struct unwind_row row, __u32 distance,
					   const struct unwind_registers *registers, __u64 *ret_cfa)
{
	__u32 kind = row.kinds & 15;
	__s64 offset = row.cfa_offset;
	__s64 low = (__s16)(row.cfa_offset & 0xffff), high = row.cfa_offset >> 16;
	__u64 base;

	if (kind == UNWIND_CFA_SP) {
		*ret_cfa = registers->sp + (__u64)offset;
		return STACK_NONE;
	}
	if (kind == UNWIND_CFA_SP_PUSHES || kind == UNWIND_CFA_SP_POPS) {
		__s64 steps = unwind_row_steps(row, distance);

		if (kind == UNWIND_CFA_SP_POPS)
			steps = -steps;
		*ret_cfa = registers->sp + (__u64)((low + steps) * UNWIND_WORD_SIZE);
		return STACK_NONE;
	}
	if (kind == UNWIND_CFA_PLT) {
		__u64 at = unwind_lookup_pc(registers) & UNWIND_PLT_ENTRY_MASK;

		*ret_cfa = registers->sp + (__u64)low + ((__s64)at >= high ? 8 : 0);
		return STACK_NONE;
	}
	if (kind == UNWIND_CFA_SP_DEREF) {
		base = registers->sp;
	} else if (kind == UNWIND_CFA_FP || kind == UNWIND_CFA_FP_DEREF) {
		if (registers->fp_is_unknown)
			return STACK_UNSUPPORTED;
		base = registers->fp;
	} else if (kind == UNWIND_CFA_STOP) {
		return STACK_COMPLETE;
	} else {
		return kind == UNWIND_CFA_UNSUPPORTED ? STACK_UNSUPPORTED : STACK_NO_ROW;
	}
	if (kind == UNWIND_CFA_FP) {
		*ret_cfa = base + (__u64)offset;
		return STACK_NONE;
	}
	if (!unwind_read(base + (__u64)low, &base, sizeof(base)))
		return STACK_UNREADABLE;
	*ret_cfa = base + (__u64)high;
	return STACK_NONE;
}

/* Out of a signal's handler: to what it interrupted, on whatever stack that was. */
static inline enum stack_status unwind_signal(struct unwind_row row,
					      struct unwind_registers *registers)
{
	__u64 words[UNWIND_SIGNAL_WORDS];
	__u64 address = registers->sp + (__u64)(__s64)row.cfa_offset -
			(UNWIND_SIGNAL_SP - UNWIND_SIGNAL_FP) * sizeof(*words);

	if (!unwind_read(address, words, sizeof(words)))
		return STACK_UNREADABLE;
	registers->pc = words[UNWIND_SIGNAL_PC];
	registers->sp = words[UNWIND_SIGNAL_SP];
	registers->fp = words[UNWIND_SIGNAL_FP];
	registers->pc_is_return = 0;
	registers->fp_is_unknown = 0;
	return STACK_NONE;
}

/* Return address and FP, both from the frame that ends at @cfa. */
static inline enum stack_status unwind_caller(struct unwind_row row, __u64 cfa,
					      struct unwind_registers *registers)
{
	__u32 kind = row.kinds >> 4;
	__s64 offset = (__s64)row.fp_offset * UNWIND_WORD_SIZE;
	__u64 words[2];

	if (kind == UNWIND_FP_AT_CFA && offset == -2 * (__s64)sizeof(*words)) {
		/* Beside the return address, as nearly always: one read. */
		if (!unwind_read(cfa - sizeof(words), words, sizeof(words)))
			return STACK_UNREADABLE;
		registers->fp = words[0];
		registers->fp_is_unknown = 0;
	} else {
		if (!unwind_read(cfa - sizeof(*words), &words[1], sizeof(*words)))
			return STACK_UNREADABLE;
		if (kind == UNWIND_FP_LOST) {
			registers->fp_is_unknown = 1;
		} else if (kind != UNWIND_FP_SAME) {
			__u64 base = kind == UNWIND_FP_AT_CFA ? cfa : registers->fp;

			registers->fp_is_unknown = 0;
			if (!unwind_read(base + (__u64)offset, &registers->fp,
					 sizeof(registers->fp)))
				return STACK_UNREADABLE;
		}
	}
	registers->pc = words[1];
	registers->sp = cfa;
	registers->pc_is_return = 1;
	return STACK_NONE;
}

/*
 * Moves to the caller, whose frame is always higher up the stack, but for signals.
 *
 * @distance: bytes from where the row begins to unwind_lookup_pc().
 *
 * Returns STACK_NONE when the registers are the caller's; STACK_COMPLETE when there is no caller;
 * STACK_NO_ROW or STACK_UNSUPPORTED when the row does not tell; STACK_UNREADABLE.
 */
static inline enum stack_status unwind_step(struct unwind_row row, __u32 distance,
					    struct unwind_registers *registers)
{
	enum stack_status status;
	__u64 cfa = 0;

	if ((row.kinds & 15) == UNWIND_CFA_SIGNAL)
		return unwind_signal(row, registers);
	status = unwind_cfa(row, distance, registers, &cfa);
	if (status != STACK_NONE)
		return status;
	if (cfa <= registers->sp)
		return STACK_UNREADABLE;
	return unwind_caller(row, cfa, registers);
}

/*
 * The same where no table helps, in the hope that the function keeps a frame pointer: as the code
 * of JITs does, and Go's.
 *
 * Returns STACK_NONE; STACK_FRAME_POINTERS when the chain has come to its regular end; or
 * STACK_NO_ROW when there is no such chain.
 */
static inline enum stack_status unwind_guess(struct unwind_registers *registers)
{
	__u64 words[2];

	if (registers->fp_is_unknown)
		return STACK_NO_ROW;
	if (!registers->fp) /* System V ABI for AMD64, 3.4.1: the deepest frame */
		return STACK_FRAME_POINTERS;
	if (registers->fp < registers->sp ||
	    registers->fp - registers->sp >= UNWIND_GUESS_FRAME_SIZE_MAX ||
	    !unwind_read(registers->fp, words, sizeof(words)))
		return STACK_NO_ROW;
	registers->sp = registers->fp + sizeof(words);
	registers->fp = words[0];
	registers->pc = words[1];
	registers->pc_is_return = 1;
	return STACK_NONE;
}

#endif
