/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/cfa_program.h"

#include <string.h>

/* System V ABI for AMD64, figure 3.36. */
enum {
	REGISTER_FP = 6,
	REGISTER_SP = 7,
	REGISTER_RETURN = 16,
	REGISTER_COUNT = 17,
};

/* DWARF 5, table 7.29. The first three hold an operand in their low 6 bits. */
enum {
	CFA_ADVANCE_LOC = 0x40,
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
	CFA_NOP = 0x00,
	CFA_ADVANCE_LOC1 = 0x02,
	CFA_ADVANCE_LOC2 = 0x03,
	CFA_ADVANCE_LOC4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER_STATE = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

/* DWARF 5, table 7.9. */
enum {
	OP_DEREF = 0x06,
	OP_AND = 0x1a,
	OP_PLUS = 0x22,
	OP_PLUS_UCONST = 0x23,
	OP_SHL = 0x24,
	OP_GE = 0x2a,
	OP_LIT0 = 0x30,
	OP_BREG0 = 0x70,
};

/* Of the Linux kernel's signal frame: where SP, pc and FP are, seen from the saved SP's place. */
enum { SIGNAL_PC_FROM_SP = 8, SIGNAL_FP_FROM_SP = -40 };

struct program {
	const struct cfa_common *common;
	struct bytes_reader instructions;
	struct cfa_state now;
	struct cfa_state remembered[CFA_PROGRAM_STATES_MAX];
	uint32_t remembered_count;
};

static bool fits_16_bits(int64_t value)
{
	return value == (int16_t)value;
}

/* Two signed halves, as the deref kinds and PLT have them. */
static int64_t join_halves(int64_t low, int64_t high)
{
	return (int32_t)((uint32_t)(uint16_t)high << 16 | (uint16_t)low);
}

/* --- expressions ----------------------------------------------------------------------------- */

/* Passes over @operation; false when another one stands there. */
static bool expect(struct bytes_reader *expression, uint8_t operation)
{
	return bytes_read_u8(expression) == operation && !expression->failed;
}

/* A register and what is added to it: every expression here begins so. */
static bool read_base(struct bytes_reader *expression, uint8_t *ret_register, int64_t *ret_offset)
{
	uint8_t operation = bytes_read_u8(expression);

	if (operation < OP_BREG0 || operation >= OP_BREG0 + REGISTER_COUNT)
		return false;
	*ret_register = operation - OP_BREG0;
	*ret_offset = bytes_read_sleb128(expression);
	return !expression->failed;
}

/*
 * The rest of what linkers write for a linkage table, whose stubs push once on their way:
 * SP + n + ((pc & 15) >= m) * 8. By GNU ld's and LLD's sources, and every file seen.
 */
static bool read_plt(struct bytes_reader *expression, int64_t *ret_threshold)
{
	uint8_t base, threshold;
	int64_t offset;

	if (!read_base(expression, &base, &offset) || base != REGISTER_RETURN || offset)
		return false;
	if (!expect(expression, OP_LIT0 + 15) || !expect(expression, OP_AND))
		return false;
	threshold = (uint8_t)(bytes_read_u8(expression) - OP_LIT0);
	if (threshold > 15 || !expect(expression, OP_GE) || !expect(expression, OP_LIT0 + 3) ||
	    !expect(expression, OP_SHL) || !expect(expression, OP_PLUS))
		return false;
	*ret_threshold = threshold;
	return !bytes_left(expression);
}

static void set_cfa_expression(struct cfa_state *state, struct bytes_reader expression)
{
	int64_t offset, added = 0;
	uint8_t base;

	state->cfa_kind = UNWIND_CFA_UNSUPPORTED;
	if (!read_base(&expression, &base, &offset) || (base != REGISTER_SP && base != REGISTER_FP))
		return;
	if (!bytes_left(&expression)) {
		state->cfa_offset = offset;
		state->cfa_kind = base == REGISTER_SP ? UNWIND_CFA_SP : UNWIND_CFA_FP;
		return;
	}
	if (*expression.at == OP_DEREF) {
		bytes_read_u8(&expression);
		if (bytes_left(&expression)) {
			if (!expect(&expression, OP_PLUS_UCONST))
				return;
			added = (int64_t)bytes_read_uleb128(&expression);
		}
		if (expression.failed || bytes_left(&expression) || !fits_16_bits(offset) ||
		    !fits_16_bits(added))
			return;
		state->cfa_kind = base == REGISTER_SP ? UNWIND_CFA_SP_DEREF : UNWIND_CFA_FP_DEREF;
		state->cfa_numbers = join_halves(offset, added);
		return;
	}
	if (base != REGISTER_SP || !fits_16_bits(offset) || !read_plt(&expression, &added))
		return;
	state->cfa_kind = UNWIND_CFA_PLT;
	state->cfa_numbers = join_halves(offset, added);
}

/* --- rules ----------------------------------------------------------------------------------- */

static void set_fp(struct cfa_state *state, enum unwind_fp_kind kind, int64_t offset)
{
	int64_t words = offset / UNWIND_WORD_SIZE;

	state->fp_is_at_sp = false;
	state->fp_kind = kind;
	state->fp_offset = (int8_t)words;
	if (words * UNWIND_WORD_SIZE != offset || words != (int8_t)words) {
		state->fp_kind = UNWIND_FP_LOST;
		state->fp_offset = 0;
	}
}

/* Where a register was saved, told by an expression. */
static void set_saved_at_expression(struct cfa_state *state, uint64_t number,
				    struct bytes_reader expression)
{
	int64_t offset = 0;
	uint8_t base = 0;
	bool is_known = read_base(&expression, &base, &offset) && !bytes_left(&expression);

	if (number == REGISTER_FP) {
		set_fp(state, UNWIND_FP_LOST, 0);
		if (is_known && base == REGISTER_FP)
			set_fp(state, UNWIND_FP_AT_FP, offset);
		state->fp_is_at_sp = is_known && base == REGISTER_SP;
		state->fp_sp_offset = offset;
	} else if (number == REGISTER_RETURN) {
		state->return_kind = is_known && base == REGISTER_SP ? CFA_RETURN_AT_SP
								     : CFA_RETURN_UNKNOWN;
		state->return_offset = offset;
	}
}

static void set_saved_at_cfa(struct cfa_state *state, uint64_t number, int64_t offset)
{
	if (number == REGISTER_FP)
		set_fp(state, UNWIND_FP_AT_CFA, offset);
	else if (number == REGISTER_RETURN)
		state->return_kind = offset == -UNWIND_WORD_SIZE ? CFA_RETURN_USUAL
								 : CFA_RETURN_UNKNOWN;
}

static void set_undefined(struct cfa_state *state, uint64_t number)
{
	if (number == REGISTER_FP)
		set_fp(state, UNWIND_FP_LOST, 0);
	else if (number == REGISTER_RETURN)
		state->return_kind = CFA_RETURN_UNDEFINED;
}

/* In another register, or computed: no row holds that. */
static void set_lost(struct cfa_state *state, uint64_t number)
{
	if (number == REGISTER_FP)
		set_fp(state, UNWIND_FP_LOST, 0);
	else if (number == REGISTER_RETURN)
		state->return_kind = CFA_RETURN_UNKNOWN;
}

static void set_same(struct cfa_state *state, uint64_t number)
{
	if (number == REGISTER_FP)
		set_fp(state, UNWIND_FP_SAME, 0);
	else if (number == REGISTER_RETURN)
		state->return_kind = CFA_RETURN_UNKNOWN;
}

static void restore(struct program *program, uint64_t number)
{
	const struct cfa_state *initial = &program->common->initial;

	if (number == REGISTER_FP) {
		program->now.fp_kind = initial->fp_kind;
		program->now.fp_offset = initial->fp_offset;
		program->now.fp_is_at_sp = initial->fp_is_at_sp;
		program->now.fp_sp_offset = initial->fp_sp_offset;
	} else if (number == REGISTER_RETURN) {
		program->now.return_kind = initial->return_kind;
		program->now.return_offset = initial->return_offset;
	}
}

static void set_cfa_register(struct cfa_state *state, uint64_t number)
{
	if (number == REGISTER_SP)
		state->cfa_kind = UNWIND_CFA_SP;
	else if (number == REGISTER_FP)
		state->cfa_kind = UNWIND_CFA_FP;
	else
		state->cfa_kind = UNWIND_CFA_UNSUPPORTED;
}

static struct unwind_row make_row(uint8_t cfa_kind, uint8_t fp_kind, int8_t fp_offset,
				  int64_t cfa_offset)
{
	return (struct unwind_row){
		.kinds = (uint8_t)(cfa_kind | fp_kind << 4),
		.fp_offset = fp_offset,
		.cfa_offset = (int32_t)cfa_offset,
	};
}

/* A signal's frame is taken only in the kernel's own layout. */
static bool is_kernel_signal_frame(const struct cfa_state *state)
{
	int64_t place = state->cfa_numbers; /* with a high half of 0: nothing is added */

	return state->cfa_kind == UNWIND_CFA_SP_DEREF && place == (uint16_t)place &&
	       state->return_kind == CFA_RETURN_AT_SP &&
	       state->return_offset == place + SIGNAL_PC_FROM_SP && state->fp_is_at_sp &&
	       state->fp_sp_offset == place + SIGNAL_FP_FROM_SP;
}

static struct unwind_row row_of(const struct program *program)
{
	const struct cfa_state *state = &program->now;
	bool is_plain = state->cfa_kind == UNWIND_CFA_SP || state->cfa_kind == UNWIND_CFA_FP;
	int64_t cfa_offset = is_plain ? state->cfa_offset : state->cfa_numbers;

	if (state->return_kind == CFA_RETURN_USUAL && !program->common->cie.is_signal_frame &&
	    state->cfa_kind != UNWIND_CFA_UNSUPPORTED && cfa_offset == (int32_t)cfa_offset)
		return make_row(state->cfa_kind, state->fp_kind, state->fp_offset, cfa_offset);
	if (state->return_kind == CFA_RETURN_UNDEFINED)
		return make_row(UNWIND_CFA_STOP, 0, 0, 0);
	if (program->common->cie.is_signal_frame && is_kernel_signal_frame(state))
		return make_row(UNWIND_CFA_SIGNAL, 0, 0, state->cfa_numbers);
	return make_row(UNWIND_CFA_UNSUPPORTED, 0, 0, 0);
}

/* --- instructions ---------------------------------------------------------------------------- */

static struct bytes_reader read_block(struct bytes_reader *instructions)
{
	return bytes_read_part(instructions, bytes_read_uleb128(instructions));
}

static int64_t scaled(const struct program *program, int64_t factored)
{
	/* Wraps for numbers that nobody means; in unsigned, where that is defined. */
	return (int64_t)((uint64_t)factored * (uint64_t)program->common->cie.data_alignment);
}

/* Those that define the canonical frame address. Returns false when it is none of them. */
static bool run_cfa_instruction(struct program *program, uint8_t instruction)
{
	struct bytes_reader *instructions = &program->instructions;
	struct cfa_state *now = &program->now;

	switch (instruction) {
	case CFA_DEF_CFA:
		set_cfa_register(now, bytes_read_uleb128(instructions));
		now->cfa_offset = (int64_t)bytes_read_uleb128(instructions);
		return true;
	case CFA_DEF_CFA_SF:
		set_cfa_register(now, bytes_read_uleb128(instructions));
		now->cfa_offset = scaled(program, bytes_read_sleb128(instructions));
		return true;
	case CFA_DEF_CFA_REGISTER:
		/*
		 * Behind an expression DWARF forbids it, but assembly sources (libgcrypt) have it and
		 * GCC's runtime takes the offset from before the expression.
		 */
		set_cfa_register(now, bytes_read_uleb128(instructions));
		return true;
	case CFA_DEF_CFA_OFFSET:
		now->cfa_offset = (int64_t)bytes_read_uleb128(instructions);
		return true;
	case CFA_DEF_CFA_OFFSET_SF:
		now->cfa_offset = scaled(program, bytes_read_sleb128(instructions));
		return true;
	case CFA_DEF_CFA_EXPRESSION:
		set_cfa_expression(now, read_block(instructions));
		return true;
	default:
		return false;
	}
}

/* Those that define where a register was saved. Returns false when it is none of them. */
static bool run_register_instruction(struct program *program, uint8_t instruction)
{
	struct bytes_reader *instructions = &program->instructions;
	struct cfa_state *now = &program->now;
	uint64_t number;

	if (instruction < CFA_OFFSET_EXTENDED ||
	    (instruction > CFA_VAL_EXPRESSION && instruction != CFA_GNU_NEGATIVE_OFFSET_EXTENDED))
		return false;
	number = bytes_read_uleb128(instructions);
	switch (instruction) {
	case CFA_OFFSET_EXTENDED:
		set_saved_at_cfa(now, number,
				 scaled(program, (int64_t)bytes_read_uleb128(instructions)));
		return true;
	case CFA_OFFSET_EXTENDED_SF:
		set_saved_at_cfa(now, number, scaled(program, bytes_read_sleb128(instructions)));
		return true;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		set_saved_at_cfa(now, number,
				 -scaled(program, (int64_t)bytes_read_uleb128(instructions)));
		return true;
	case CFA_RESTORE_EXTENDED:
		restore(program, number);
		return true;
	case CFA_UNDEFINED:
		set_undefined(now, number);
		return true;
	case CFA_SAME_VALUE:
		set_same(now, number);
		return true;
	case CFA_EXPRESSION:
		set_saved_at_expression(now, number, read_block(instructions));
		return true;
	case CFA_REGISTER:
	case CFA_VAL_OFFSET:
		bytes_read_uleb128(instructions);
		set_lost(now, number);
		return true;
	case CFA_VAL_OFFSET_SF:
		bytes_read_sleb128(instructions);
		set_lost(now, number);
		return true;
	case CFA_VAL_EXPRESSION:
		read_block(instructions);
		set_lost(now, number);
		return true;
	default:
		return false;
	}
}

static bool run_other_instruction(struct program *program, uint8_t instruction)
{
	switch (instruction) {
	case CFA_NOP:
		return true;
	case CFA_GNU_ARGS_SIZE: /* of pushed arguments: matters to exceptions only */
		bytes_read_uleb128(&program->instructions);
		return true;
	case CFA_REMEMBER_STATE:
		if (program->remembered_count == CFA_PROGRAM_STATES_MAX)
			return false;
		program->remembered[program->remembered_count++] = program->now;
		return true;
	case CFA_RESTORE_STATE:
		if (!program->remembered_count)
			return false;
		program->now = program->remembered[--program->remembered_count];
		return true;
	default:
		return false;
	}
}

static bool is_long_advance(uint8_t instruction)
{
	return instruction >= CFA_ADVANCE_LOC1 && instruction <= CFA_ADVANCE_LOC4;
}

static uint64_t read_long_advance(struct program *program, uint8_t instruction)
{
	uint64_t alignment = program->common->cie.code_alignment;

	switch (instruction) {
	case CFA_ADVANCE_LOC1:
		return bytes_read_u8(&program->instructions) * alignment;
	case CFA_ADVANCE_LOC2:
		return bytes_read_u16(&program->instructions) * alignment;
	default:
		return bytes_read_u32(&program->instructions) * alignment;
	}
}

/* Runs one instruction that does not move on. Returns false when it cannot be understood. */
static bool run_instruction(struct program *program, uint8_t instruction)
{
	uint8_t operand = instruction & 0x3f;

	switch (instruction & 0xc0) {
	case CFA_OFFSET:
		set_saved_at_cfa(
			&program->now, operand,
			scaled(program, (int64_t)bytes_read_uleb128(&program->instructions)));
		return true;
	case CFA_RESTORE:
		restore(program, operand);
		return true;
	default:
		return run_cfa_instruction(program, instruction) ||
		       run_other_instruction(program, instruction) ||
		       run_register_instruction(program, instruction);
	}
}

/*
 * The same for those that compilers write, with operands of one byte: nearly all. False, with nothing
 * read, when it is another one.
 */
static inline bool run_usual_instruction(struct program *program, struct bytes_reader *instructions,
					 uint8_t instruction)
{
	struct cfa_state *now = &program->now;
	uint8_t operand;

	if (instruction == CFA_NOP)
		return true;
	if (bytes_left(instructions) < 2 || *instructions->at >= 0x80)
		return false;
	operand = *instructions->at;
	if ((instruction & 0xc0) == CFA_OFFSET) {
		set_saved_at_cfa(now, instruction & 0x3f, scaled(program, operand));
	} else if (instruction == CFA_DEF_CFA_OFFSET) {
		now->cfa_offset = operand;
	} else if (instruction == CFA_DEF_CFA_REGISTER) {
		set_cfa_register(now, operand);
	} else if (instruction == CFA_DEF_CFA && instructions->at[1] < 0x80) {
		set_cfa_register(now, operand);
		now->cfa_offset = instructions->at[1];
		instructions->at++;
	} else {
		return false;
	}
	instructions->at++;
	return true;
}

void cfa_common_prepare(const struct eh_frame_cie *cie, struct cfa_common *ret_common)
{
	struct program program = {
		.common = ret_common,
		.instructions = cie->instructions,
		.now = { .cfa_kind = UNWIND_CFA_UNSUPPORTED },
	};

	*ret_common = (struct cfa_common){ .cie = *cie };
	if (cie->return_register != REGISTER_RETURN ||
	    bytes_left(&cie->instructions) > CFA_PROGRAM_COMMON_SIZE_MAX)
		return;
	while (bytes_left(&program.instructions)) {
		uint8_t instruction = bytes_read_u8(&program.instructions);

		if ((instruction & 0xc0) == CFA_ADVANCE_LOC || is_long_advance(instruction) ||
		    !run_instruction(&program, instruction) || program.instructions.failed)
			return;
	}
	ret_common->initial = program.now;
	ret_common->is_usable = true;
}

void cfa_program_run(const struct eh_frame_section *section, const struct cfa_common *common,
		     const struct eh_frame_fde *fde,
		     void (*take_row)(uint64_t address, struct unwind_row row, void *context),
		     void *context)
{
	/* The program's own is for the rare instructions alone: this one can stay in registers. */
	struct bytes_reader instructions =
		bytes_reader_of(section->bytes + fde->instructions, fde->instructions_size);
	uint64_t address = fde->start, end = address + fde->size;
	bool is_understood = common->is_usable;
	struct program program;

	/* Field by field: the remembered states need no clearing, and this runs for every function. */
	program.common = common;
	program.now = common->initial;
	program.remembered_count = 0;
	while (is_understood && bytes_left(&instructions)) {
		uint8_t instruction = bytes_read_u8(&instructions);
		uint64_t distance = 0;

		if ((instruction & 0xc0) == CFA_ADVANCE_LOC) {
			distance = (instruction & 0x3f) * common->cie.code_alignment;
		} else if (!run_usual_instruction(&program, &instructions, instruction)) {
			program.instructions = instructions;
			if (is_long_advance(instruction))
				distance = read_long_advance(&program, instruction);
			else
				is_understood = run_instruction(&program, instruction);
			instructions = program.instructions;
			is_understood = is_understood && !instructions.failed;
		}
		if (!distance || !is_understood)
			continue;
		take_row(address, row_of(&program), context);
		if (distance >= end - address)
			return; /* what follows describes nothing of this function */
		address += distance;
	}
	take_row(address,
		 is_understood ? row_of(&program) : make_row(UNWIND_CFA_UNSUPPORTED, 0, 0, 0),
		 context);
}
