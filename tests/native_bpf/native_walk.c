/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk of bpf/, on this side: a distribution's program is run instruction by instruction, from the first one in
 * the dynamic linker on. At each its registers and the bytes of its stack are recorded, walked by the
 * tables of the files that it maps, and compared with the truth: the calls and returns that were seen so far.
 */
#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "check.h"
#include "sample_abi.h"

enum {
	STEPS_MAX = 60000,
	STEPS_ALL = 4000,   /* walked at each one, then ... */
	STEPS_BETWEEN = 11, /* ... at each 11th: it shares no factor with loops of even length */
	STACK_WORDS = 4096,
	READ_SIZE = 4096, /* a page: of it all is there or nothing */
	POPPED_SIZE =
		512, /* below the stack pointer, where rules still point at the end of functions */
	FRAMES_MAX = 127,
	CALL_SIZE_MAX = 15, /* bytes of an instruction */
	DIFFERENCES_TOLD = 5,
};

/* A recorded stack. */
struct unwind_memory {
	uint64_t begin;
	size_t count;
	uint64_t words[STACK_WORDS];
};

static bool unwind_read(struct unwind_memory *memory, __u64 address, __u64 *ret_word)
{
	uint64_t index = (address - memory->begin) / sizeof(*ret_word);

	if (address % sizeof(*ret_word) || address < memory->begin || index >= memory->count)
		return false;
	*ret_word = memory->words[index];
	return true;
}

#include "../../bpf/unwind_step.h"

#ifdef __x86_64__

#include "mapped_tables.h"

struct run {
	pid_t pid;
	struct user_regs_struct registers;
	struct unwind_memory memory;
	uint64_t calls[FRAMES_MAX]; /* the truth: return addresses, the innermost last */
	uint32_t call_count;
	struct mapped_walk walked;
	struct mapped_tables tables;
	uint32_t compared, equal, unsupported, told;
};

/* --- the run --------------------------------------------------------------------------------- */

static bool stopped(const struct run *run)
{
	int status;

	return waitpid(run->pid, &status, 0) == run->pid && WIFSTOPPED(status);
}

static bool start_run(struct run *run)
{
	char *const arguments[] = { "/bin/true", NULL }, *const no_environment[] = { NULL };

	run->pid = fork();
	if (run->pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execve(arguments[0], arguments, no_environment);
		_exit(127);
	}
	return run->pid > 0 && stopped(run) &&
	       ptrace(PTRACE_GETREGS, run->pid, NULL, &run->registers) == 0;
}

static uint64_t read_word(const struct run *run, uint64_t address)
{
	return (uint64_t)ptrace(PTRACE_PEEKDATA, run->pid, (void *)(uintptr_t)address, NULL);
}

/* One instruction on. False: the program has ended. */
static bool step_run(struct run *run)
{
	struct user_regs_struct before = run->registers;
	uint64_t on_top;

	if (ptrace(PTRACE_SINGLESTEP, run->pid, NULL, NULL) < 0 || !stopped(run) ||
	    ptrace(PTRACE_GETREGS, run->pid, NULL, &run->registers) < 0)
		return false;
	if (run->registers.rsp == before.rsp - sizeof(on_top) && run->call_count < FRAMES_MAX) {
		on_top = read_word(run, run->registers.rsp);
		if (on_top - before.rip <= CALL_SIZE_MAX && on_top != before.rip &&
		    run->registers.rip != on_top)
			run->calls[run->call_count++] = on_top;
	} else if (run->call_count && run->registers.rsp > before.rsp &&
		   run->registers.rip == run->calls[run->call_count - 1]) {
		run->call_count--;
	}
	return true;
}

/* Page by page, as the stack may end before STACK_WORDS do. */
static void record_stack(struct run *run)
{
	uint64_t address = (run->registers.rsp - POPPED_SIZE) & ~(uint64_t)(sizeof(uint64_t) - 1);
	size_t count = 0;

	run->memory.begin = address;
	while (count < STACK_WORDS) {
		size_t size = READ_SIZE - address % READ_SIZE;
		size_t room = (STACK_WORDS - count) * sizeof(uint64_t);
		struct iovec to = { &run->memory.words[count], size < room ? size : room };
		struct iovec from = { (void *)(uintptr_t)address, to.iov_len };

		if (process_vm_readv(run->pid, &to, 1, &from, 1, 0) != (ssize_t)to.iov_len)
			break;
		address += to.iov_len;
		count += to.iov_len / sizeof(uint64_t);
	}
	run->memory.count = count;
}

/* --- the walk -------------------------------------------------------------------------------- */

/* By tables; but the end is the dynamic linker's first function, which has no description. */
static enum stack_status walk(struct run *run)
{
	struct unwind_registers registers = { .pc = run->registers.rip,
					      .sp = run->registers.rsp,
					      .fp = run->registers.rbp };

	mapped_tables_walk(&run->tables, &registers, &run->memory, &run->walked);
	if (run->walked.status == STACK_NO_ROW &&
	    unwind_guess(&registers, &run->memory) == STACK_FRAME_POINTERS)
		return STACK_COMPLETE;
	return run->walked.status;
}

static bool is_the_truth(const struct run *run)
{
	if (run->walked.count != run->call_count + 1)
		return false;
	for (uint32_t i = 0; i < run->call_count; i++)
		if (run->walked.frames[1 + i] != run->calls[run->call_count - 1 - i])
			return false;
	return true;
}

static void compare(struct run *run)
{
	enum stack_status status;

	record_stack(run);
	status = walk(run);
	run->compared++;
	if (status == STACK_UNSUPPORTED) {
		run->unsupported++;
	} else if (status == STACK_COMPLETE && is_the_truth(run)) {
		run->equal++;
	} else if (run->told++ < DIFFERENCES_TOLD) {
		const struct mapped_file *file =
			mapped_tables_file(&run->tables, run->registers.rip);

		printf("# status %d, %u frames of %u at %#llx of the file mapped at %#llx\n",
		       status, run->walked.count, run->call_count + 1,
		       (unsigned long long)(file ? run->registers.rip - file->start + file->offset
						 : run->registers.rip),
		       (unsigned long long)(file ? file->start : 0));
	}
}

static void each_instruction_of_a_program_is_walked_to_the_first_frame(void)
{
	static struct run run;

	CHECK_OR_RETURN(start_run(&run));
	run.tables.pid = run.pid;
	for (uint32_t i = 0; i < STEPS_MAX && step_run(&run); i++)
		if (i < STEPS_ALL || i % STEPS_BETWEEN == 0)
			compare(&run);
	kill(run.pid, SIGKILL);
	waitpid(run.pid, NULL, 0);
	printf("# %u compared, %u equal, %u by rules that no row can hold, %zu files\n",
	       run.compared, run.equal, run.unsupported, run.tables.count);
	CHECK(run.compared > STEPS_ALL);
	CHECK(run.tables.count >= 2);
	CHECK_EQ(run.equal + run.unsupported, run.compared);
	CHECK(run.unsupported * 20 < run.compared);
	mapped_tables_free(&run.tables);
}

#else

static void each_instruction_of_a_program_is_walked_to_the_first_frame(void)
{
	SKIP("tables are made for x86-64 only");
}

#endif

TESTS(TEST(each_instruction_of_a_program_is_walked_to_the_first_frame))
