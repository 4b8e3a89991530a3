/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of its addresses, as frames. What it really says: test_sampler_session.c. */
#include "symbolize/kernel_symbols.h"

#include "check.h"
#include "symbolize/symbolizer.h"

#define SECOND UINT64_C(1000000000)

struct kernel {
	const char *text;
	uint64_t address; /* that was asked for last */
	unsigned int asked;
};

static const char *tell(void *context, uint64_t address)
{
	struct kernel *kernel = context;

	kernel->address = address;
	kernel->asked++;
	return kernel->text;
}

static struct kernel_symbols *open_symbols(struct kernel *kernel)
{
	struct kernel_symbols *symbols = NULL;

	CHECK_EQ(kernel_symbols_new((struct kernel_names){ tell, kernel }, &symbols), 0);
	return symbols;
}

static bool is(const char *text, uint32_t size, const char *wanted)
{
	if (size == strlen(wanted) && memcmp(text, wanted, size) == 0)
		return true;
	printf("#   \"%.*s\" != \"%s\"\n", (int)size, text, wanted);
	return false;
}

static void check_frame(const char *text, const char *name, const char *module,
			enum wire_module_kind kind)
{
	struct kernel kernel = { .text = text };
	CLEANUP(kernel_symbols_free) struct kernel_symbols *symbols = open_symbols(&kernel);
	struct frame_description frame;

	CHECK_OR_RETURN(symbols);
	kernel_symbols_describe(symbols, 0x1234, &frame);
	CHECK_EQ(kernel.address, 0x1234);
	CHECK_EQ(frame.kind, WIRE_FRAME_KERNEL);
	CHECK_EQ(frame.module_kind, kind);
	CHECK(is(frame.name, frame.name_size, name));
	CHECK(is(frame.module_name, frame.module_name_size, module));
	CHECK_EQ(frame.start, 0);
	CHECK(!frame.provisional);
}

static void names_are_taken_apart(void)
{
	check_frame("vfs_read", "vfs_read", "[kernel]", WIRE_MODULE_KERNEL);
	check_frame("nft_do_chain [nf_tables]", "nft_do_chain", "nf_tables",
		    WIRE_MODULE_KERNEL_MODULE);
	check_frame("bpf_prog_59f399574e0a6415_sample_cpu [bpf]",
		    "bpf_prog_59f399574e0a6415_sample_cpu", "[bpf]", WIRE_MODULE_BPF);
	check_frame("ftrace_trampoline [__builtin__ftrace]", "ftrace_trampoline", "[kernel]",
		    WIRE_MODULE_KERNEL);
	check_frame("a []", "a []", "[kernel]", WIRE_MODULE_KERNEL);
	check_frame("[a]", "[a]", "[kernel]", WIRE_MODULE_KERNEL);
	check_frame("", "[kernel]", "[kernel]", WIRE_MODULE_KERNEL);
}

static void what_nobody_knows_is_the_kernel(void)
{
	CLEANUP(kernel_symbols_free) struct kernel_symbols *symbols = NULL;
	struct frame_description first, second;

	check_frame(NULL, "[kernel]", "[kernel]", WIRE_MODULE_KERNEL);
	CHECK_OR_RETURN(kernel_symbols_new((struct kernel_names){ 0 }, &symbols) == 0);
	kernel_symbols_describe(symbols, 1, &first);
	kernel_symbols_describe(symbols, 2, &second);
	CHECK(is(first.name, first.name_size, "[kernel]"));
	CHECK_EQ(first.function_key, second.function_key);
	CHECK_EQ(kernel_symbols_asked(symbols), 0);
}

static void the_kernel_is_asked_once_for_a_while(void)
{
	struct kernel kernel = { .text = "first" };
	CLEANUP(kernel_symbols_free) struct kernel_symbols *symbols = open_symbols(&kernel);
	struct frame_description frame;

	CHECK_OR_RETURN(symbols);
	kernel_symbols_tick(symbols, 100 * SECOND);
	for (int i = 0; i < 3; i++)
		kernel_symbols_describe(symbols, 7, &frame);
	CHECK_EQ(kernel.asked, 1);
	/* A module went, and another one came to lie there. */
	kernel.text = "second [other]";
	kernel_symbols_tick(symbols, 101 * SECOND);
	kernel_symbols_describe(symbols, 7, &frame);
	CHECK(is(frame.name, frame.name_size, "first"));
	kernel_symbols_tick(symbols, 131 * SECOND);
	kernel_symbols_describe(symbols, 7, &frame);
	CHECK(is(frame.name, frame.name_size, "second"));
	CHECK_EQ(kernel_symbols_asked(symbols), 2);
}

static void functions_of_one_name_in_two_modules_are_two(void)
{
	struct kernel kernel = { .text = "init [one]" };
	CLEANUP(kernel_symbols_free) struct kernel_symbols *symbols = open_symbols(&kernel);
	struct frame_description first, second;

	CHECK_OR_RETURN(symbols);
	kernel_symbols_describe(symbols, 1, &first);
	kernel.text = "init [two]";
	kernel_symbols_describe(symbols, 2, &second);
	CHECK(first.function_key != second.function_key);
	CHECK(first.module_key != second.module_key);
}

TESTS(TEST(names_are_taken_apart), TEST(what_nobody_knows_is_the_kernel),
      TEST(the_kernel_is_asked_once_for_a_while),
      TEST(functions_of_one_name_in_two_modules_are_two))
