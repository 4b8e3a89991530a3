/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step of the walk, as it runs in the kernel: each rule on a made stack, and whole walks of this very
 * program's stack, from a signal's registers, by the tables of the files that it maps.
 */
#include <alloca.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "check.h"
#include "sample_abi.h"

enum {
	MADE_BASE = 0x10000,
	MADE_WORDS = 64,
	DEPTH = 90,
};

static uint64_t made_stack[MADE_WORDS]; /* at MADE_BASE for the step */

struct unwind_memory {
	bool is_own; /* this program's, by a system call: it may be gone, and the sanitizer watches */
};

static bool unwind_read(struct unwind_memory *memory, __u64 address, __u64 *ret_word)
{
	struct iovec to = { ret_word, sizeof(*ret_word) };
	struct iovec from = { (void *)(uintptr_t)address, sizeof(*ret_word) };

	if (address % sizeof(*ret_word))
		return false;
	if (memory->is_own)
		return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == sizeof(*ret_word);
	if (address < MADE_BASE || address >= MADE_BASE + sizeof(made_stack))
		return false;
	*ret_word = made_stack[(address - MADE_BASE) / sizeof(*ret_word)];
	return true;
}

#include "../../bpf/unwind_step.h"

/* --- rules ----------------------------------------------------------------------------------- */

/* One step from @distance bytes behind where @row begins, on the made stack. */
static enum stack_status step(struct unwind_row row, uint32_t distance,
			      struct unwind_registers *registers)
{
	struct unwind_memory made = { .is_own = false };

	return unwind_step(unwind_row_for(row, unwind_lookup_pc(registers), distance), registers,
			   &made);
}

static enum stack_status guess(struct unwind_registers *registers)
{
	struct unwind_memory made = { .is_own = false };

	return unwind_guess(registers, &made);
}

static uint64_t at(unsigned int word)
{
	return MADE_BASE + word * 8;
}

/* Each word holds a number that tells which one it is. */
static void fill_stack(void)
{
	for (unsigned int i = 0; i < MADE_WORDS; i++)
		made_stack[i] = 0x7000 + i;
}

static struct unwind_row row_of(enum unwind_cfa_kind cfa, enum unwind_fp_kind fp, int fp_offset,
				int32_t cfa_offset)
{
	return (struct unwind_row){
		.kinds = (uint8_t)(cfa | fp << 4),
		.fp_offset = (int8_t)fp_offset,
		.cfa_offset = cfa_offset,
	};
}

static int32_t halves(int16_t low, uint16_t high)
{
	return (int32_t)((uint32_t)high << 16 | (uint16_t)low);
}

static struct unwind_registers registers_at(unsigned int sp, unsigned int fp)
{
	return (struct unwind_registers){ .pc = 0x401000, .sp = at(sp), .fp = at(fp) };
}

#define CHECK_CALLER(registers, sp_word, fp_value)                                                 \
	do {                                                                                       \
		CHECK_EQ((registers).sp, at(sp_word));                                             \
		CHECK_EQ((registers).pc, 0x7000 + (sp_word)-1);                                    \
		CHECK_EQ((registers).fp, fp_value);                                                \
		CHECK((registers).pc_is_return);                                                   \
	} while (0)

static void frames_are_found_from_the_stack_pointer(void)
{
	struct unwind_registers registers = registers_at(10, 20);

	fill_stack();
	CHECK_EQ(step(row_of(UNWIND_CFA_SP, UNWIND_FP_SAME, 0, 24), 0, &registers), STACK_NONE);
	CHECK_CALLER(registers, 13, at(20));
	CHECK_EQ(step(row_of(UNWIND_CFA_SP, UNWIND_FP_AT_CFA, -2, 32), 0, &registers), STACK_NONE);
	CHECK_CALLER(registers, 17, 0x7000 + 15);
	CHECK_EQ(step(row_of(UNWIND_CFA_SP, UNWIND_FP_AT_CFA, -4, 40), 0, &registers), STACK_NONE);
	CHECK_CALLER(registers, 22, 0x7000 + 18);
}

static void frames_are_found_from_the_frame_pointer(void)
{
	struct unwind_registers registers = registers_at(10, 20);

	fill_stack();
	CHECK_EQ(step(row_of(UNWIND_CFA_FP, UNWIND_FP_AT_CFA, -2, 16), 0, &registers), STACK_NONE);
	CHECK_CALLER(registers, 22, 0x7000 + 20);
}

static void addresses_on_the_stack_lead_to_frames(void)
{
	struct unwind_registers registers = registers_at(10, 20);

	fill_stack();
	made_stack[19] = at(30);
	CHECK_EQ(
		step(row_of(UNWIND_CFA_FP_DEREF, UNWIND_FP_AT_FP, 0, halves(-8, 0)), 0, &registers),
		STACK_NONE);
	CHECK_CALLER(registers, 30, 0x7000 + 20);
	made_stack[32] = at(38);
	CHECK_EQ(step(row_of(UNWIND_CFA_SP_DEREF, UNWIND_FP_SAME, 0, halves(16, 8)), 0, &registers),
		 STACK_NONE);
	CHECK_CALLER(registers, 39, 0x7000 + 20);
}

static void a_plt_entry_has_pushed_from_its_second_half_on(void)
{
	const struct unwind_row row = row_of(UNWIND_CFA_PLT, UNWIND_FP_SAME, 0, halves(8, 11));
	struct unwind_registers before = registers_at(10, 20), after = before;

	fill_stack();
	before.pc = 0x40100a;
	after.pc = 0x40100b;
	CHECK_EQ(step(row, 0, &before), STACK_NONE);
	CHECK_CALLER(before, 11, at(20));
	CHECK_EQ(step(row, 0, &after), STACK_NONE);
	CHECK_CALLER(after, 12, at(20));
}

static void pushes_and_pops_move_the_frame_word_by_word(void)
{
	/* Instructions that end 1, 3 and 16 bytes behind the row's start. */
	const int32_t pushes = halves(1, 1 << 0 | 1 << 2 | 1 << 15),
		      pops = halves(5, 1 << 0 | 1 << 2);
	const struct {
		uint32_t distance;
		unsigned int pushed, popped;
	} cases[] = { { 0, 1, 5 },  { 1, 2, 4 },  { 2, 2, 4 },	{ 3, 3, 3 },
		      { 15, 3, 3 }, { 16, 4, 3 }, { 900, 4, 3 } };

	fill_stack();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct unwind_registers registers = registers_at(10, 20);

		CHECK_EQ(step(row_of(UNWIND_CFA_SP_PUSHES, UNWIND_FP_SAME, 0, pushes),
			      cases[i].distance, &registers),
			 STACK_NONE);
		CHECK_CALLER(registers, 10 + cases[i].pushed, at(20));
		registers = registers_at(10, 20);
		CHECK_EQ(step(row_of(UNWIND_CFA_SP_POPS, UNWIND_FP_SAME, 0, pops),
			      cases[i].distance, &registers),
			 STACK_NONE);
		CHECK_CALLER(registers, 10 + cases[i].popped, at(20));
	}
}

static void a_signal_leads_to_what_it_interrupted(void)
{
	struct unwind_registers registers = registers_at(10, 20);

	fill_stack();
	made_stack[30] = at(5); /* on another stack: lower than the handler's */
	CHECK_EQ(step(row_of(UNWIND_CFA_SIGNAL, UNWIND_FP_SAME, 0, 160), 0, &registers),
		 STACK_NONE);
	CHECK_EQ(registers.sp, at(5));
	CHECK_EQ(registers.pc, 0x7000 + 31);
	CHECK_EQ(registers.fp, 0x7000 + 25);
	CHECK(!registers.pc_is_return);
}

static void a_frame_that_cannot_be_is_refused(void)
{
	struct unwind_registers registers = registers_at(10, 20);

	fill_stack();
	CHECK_EQ(step(row_of(UNWIND_CFA_SP, UNWIND_FP_SAME, 0, 0), 0, &registers),
		 STACK_UNREADABLE);
	CHECK_EQ(step(row_of(UNWIND_CFA_SP, UNWIND_FP_SAME, 0, -16), 0, &registers),
		 STACK_UNREADABLE);
	CHECK_EQ(step(row_of(UNWIND_CFA_SP, UNWIND_FP_SAME, 0, 1 << 20), 0, &registers),
		 STACK_UNREADABLE);
	CHECK_EQ(step(row_of(UNWIND_CFA_STOP, UNWIND_FP_SAME, 0, 0), 0, &registers),
		 STACK_COMPLETE);
	CHECK_EQ(step(row_of(UNWIND_CFA_INVALID, UNWIND_FP_SAME, 0, 0), 0, &registers),
		 STACK_NO_ROW);
	CHECK_EQ(step(row_of(UNWIND_CFA_UNSUPPORTED, UNWIND_FP_SAME, 0, 0), 0, &registers),
		 STACK_UNSUPPORTED);
}

static void a_lost_frame_pointer_is_not_used(void)
{
	struct unwind_registers registers = registers_at(10, 20);

	fill_stack();
	CHECK_EQ(step(row_of(UNWIND_CFA_SP, UNWIND_FP_LOST, 0, 16), 0, &registers), STACK_NONE);
	CHECK_EQ(step(row_of(UNWIND_CFA_FP, UNWIND_FP_SAME, 0, 16), 0, &registers),
		 STACK_UNSUPPORTED);
	CHECK_EQ(guess(&registers), STACK_NO_ROW);
	CHECK_EQ(step(row_of(UNWIND_CFA_SP, UNWIND_FP_AT_CFA, -2, 32), 0, &registers), STACK_NONE);
	CHECK_EQ(registers.fp_is_unknown, 0);
}

static void a_guess_is_guarded(void)
{
	struct unwind_registers registers = registers_at(10, 20);

	fill_stack();
	CHECK_EQ(guess(&registers), STACK_NONE);
	CHECK_EQ(registers.pc, 0x7000 + 21);
	CHECK_EQ(registers.fp, 0x7000 + 20);
	CHECK_EQ(registers.sp, at(22));
	CHECK_EQ(guess(&registers), STACK_NO_ROW); /* below the stack pointer */
	registers.fp = registers.sp + UNWIND_GUESS_FRAME_SIZE_MAX;
	CHECK_EQ(guess(&registers), STACK_NO_ROW); /* too far above it */
	registers.fp = at(MADE_WORDS);
	CHECK_EQ(guess(&registers), STACK_NO_ROW); /* not to be read */
	registers.fp = registers.sp + 12;
	CHECK_EQ(guess(&registers), STACK_NO_ROW); /* no place for a word */
	registers.fp = 0;
	CHECK_EQ(guess(&registers), STACK_FRAME_POINTERS);
}

/* As the eight bytes at an address are read; the rest is code that says nothing. */
static uint64_t code_of(const uint8_t *bytes, size_t size)
{
	uint64_t word = 0x9090909090909090;

	memcpy(&word, bytes, size < sizeof(word) ? size : sizeof(word));
	return word;
}

/* What CPython makes for a function: wherever it is interrupted or returned to, the caller is found. */
static void code_that_returns_next_tells_its_frame(void)
{
	static const uint8_t code[] = { 0x48, 0x83, 0xec, 0x08, 0xff, 0xd1, 0x48,
					0x83, 0xc4, 0x08, 0xc3, 0x48, 0x83, 0xec };
	/* Bytes from the start of the code, whether it was returned to, words to the caller's SP. */
	static const struct {
		size_t at;
		bool is_return;
		unsigned int words;
	} places[] = {
		{ 0, false, 1 }, { 4, false, 2 }, { 6, false, 2 }, { 6, true, 2 }, { 10, false, 1 }
	};

	fill_stack();
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct unwind_registers registers = registers_at(10, 20);
		struct unwind_row row = unwind_row_of_code(
			code_of(code + places[i].at, sizeof(code) - places[i].at));

		registers.pc_is_return = places[i].is_return;
		CHECK_EQ(step(row, 0, &registers), STACK_NONE);
		CHECK_CALLER(registers, 10 + places[i].words, at(20));
	}
}

static void other_code_tells_nothing(void)
{
	static const uint8_t codes[][8] = {
		{ 0x48, 0x83, 0xc4, 0x08, 0x5d, 0xc3 }, /* a pop in between */
		{ 0x48, 0x83, 0xc4, 0x0c, 0xc3 },	/* no whole word */
		{ 0x48, 0x83, 0xc4, 0x80, 0xc3 },	/* downwards */
		{ 0x48, 0x83, 0xec, 0x08, 0xc3 },	/* sub, not add */
		{ 0x48, 0x83, 0xec, 0x18, 0xff, 0xd1, 0x48,
		  0x83 }, /* more than is known to come off */
		{ 0x48, 0x83, 0xec, 0x08, 0xff, 0xd0, 0x48, 0x83 }, /* another register */
		{ 0xff, 0xd1, 0x48, 0x83, 0xec, 0x08, 0xff, 0xd1 },
		{ 0xff, 0xd1, 0xff, 0xd1, 0xc3 }, /* one call is looked behind, not two */
		{ 0xc2, 0x08, 0x00 },		  /* ret that takes words off */
		{ 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		struct unwind_registers registers = registers_at(10, 20);
		struct unwind_row row = unwind_row_of_code(code_of(codes[i], sizeof(codes[i])));

		CHECK_EQ(row.kinds, UNWIND_CFA_NONE);
		CHECK_EQ(step(row, 0, &registers), STACK_NO_ROW);
	}
}

/* --- this program's own stack ---------------------------------------------------------------- */

#ifdef __x86_64__

#include "mapped_tables.h"

static struct mapped_tables tables;
static struct mapped_walk walked;
static uint64_t expected[DEPTH + 1]; /* return addresses, the innermost last */
static size_t expected_count;

static void walk(const ucontext_t *context)
{
	struct unwind_memory own = { .is_own = true };
	struct unwind_registers registers = {
		.pc = (uint64_t)context->uc_mcontext.gregs[REG_RIP],
		.sp = (uint64_t)context->uc_mcontext.gregs[REG_RSP],
		.fp = (uint64_t)context->uc_mcontext.gregs[REG_RBP],
	};

	mapped_tables_walk(&tables, &registers, &own, &walked);
}

static void on_trap(int signal, siginfo_t *information, void *context)
{
	walk(context);
}

__attribute__((noipa)) static void descend(unsigned int left)
{
	size_t size = 1 + left * 29 % 200;
	volatile char *frame = alloca(size);

	frame[size - 1] = (char)left;
	expected[expected_count++] = (uint64_t)__builtin_return_address(0);
	if (left > 1)
		descend(left - 1);
	else
		__asm__ volatile("int3");
	__asm__ volatile("" ::: "memory");
}

static void own_stack_is_walked_to_the_first_frame(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	struct sigaction before;

	expected_count = 0;
	tables = (struct mapped_tables){ .pid = getpid() };
	mapped_tables_read(&tables);
	CHECK_OR_RETURN(tables.count > 0);
	CHECK_OR_RETURN(sigaction(SIGTRAP, &action, &before) == 0);
	descend(DEPTH);
	sigaction(SIGTRAP, &before, NULL);

	CHECK_EQ(walked.status, STACK_COMPLETE);
	CHECK_OR_RETURN(walked.count > DEPTH);
	for (size_t i = 0; i < DEPTH; i++)
		CHECK_EQ(walked.frames[1 + i], expected[DEPTH - 1 - i]);
	mapped_tables_free(&tables);
}

#else

static void own_stack_is_walked_to_the_first_frame(void)
{
	SKIP("tables are made for x86-64 only");
}

#endif

TESTS(TEST(frames_are_found_from_the_stack_pointer), TEST(frames_are_found_from_the_frame_pointer),
      TEST(addresses_on_the_stack_lead_to_frames),
      TEST(a_plt_entry_has_pushed_from_its_second_half_on),
      TEST(pushes_and_pops_move_the_frame_word_by_word),
      TEST(a_signal_leads_to_what_it_interrupted), TEST(a_frame_that_cannot_be_is_refused),
      TEST(a_lost_frame_pointer_is_not_used), TEST(a_guess_is_guarded),
      TEST(code_that_returns_next_tells_its_frame), TEST(other_code_tells_nothing),
      TEST(own_stack_is_walked_to_the_first_frame))
