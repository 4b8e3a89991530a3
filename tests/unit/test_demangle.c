/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/demangle.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "check.h"

/* As the worker does: the longest names recurse deeply. */
static void take_a_large_stack(void)
{
	struct rlimit limit = { 64 << 20, RLIM_INFINITY };

	getrlimit(RLIMIT_STACK, &limit);
	limit.rlim_cur = 64 << 20;
	setrlimit(RLIMIT_STACK, &limit);
}

static void check_demangled(const char *name, const char *expected)
{
	char text[DEMANGLED_SIZE_MAX + 1];
	size_t size = demangle_name(name, strlen(name), text);

	text[size] = '\0';
	CHECK_STR_EQ(text, expected);
}

static void names_of_each_kind_are_demangled(void)
{
	check_demangled("_ZNSt6vectorIiSaIiEE9push_backERKi",
			"std::vector<int, std::allocator<int> >::push_back(int const&)");
	check_demangled("_Z3fooi.constprop.0", "foo(int) [clone .constprop.0]");
	check_demangled("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
			"core::fmt::Write::write_fmt");
	check_demangled("_RNvC6_123foo3bar", "123foo::bar");
	/* Of stubs of the linkage table. */
	check_demangled("_ZN6Circle4drawEv@plt", "Circle::draw()@plt");
	check_demangled("_RNvC6_123foo3bar@plt", "123foo::bar@plt");
	check_demangled("_Z@plt", "");
	check_demangled("_RNvNtNtCs1234_7mycrate3foo3bar4main", "mycrate::foo::bar::main");
}

static void names_that_are_not_mangled_stay(void)
{
	check_demangled("main", "");
	check_demangled("", "");
	check_demangled("_", "");
	check_demangled("_Z", "");
	check_demangled("_Zebra", "");
	check_demangled("_Reader_new", "");
}

static void the_cheap_test_lets_mangled_names_through(void)
{
	static const char *const mangled[] = { "_Z3foov", "_R1x", "___Z3foov", "__Z3foov" };
	static const char *const plain[] = { "main",   "",	 "_",	  "__",
					     "_start", "Z3foov", "__R1x", "_____Z1f" };

	for (size_t i = 0; i < ARRAY_SIZE(mangled); i++)
		CHECK(demangle_is_mangled(mangled[i], strlen(mangled[i])));
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		CHECK(!demangle_is_mangled(plain[i], strlen(plain[i])));
}

/* f<aaa..., aaa..., ...>(): long, but not deep. */
static size_t make_long_name(char *name, size_t size)
{
	size_t at = (size_t)sprintf(name, "_Z1fI");

	while (at + 40 < size)
		at += (size_t)sprintf(name + at, "30aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	/* The last part fills what is left, its two digits and the end's three letters apart. */
	at += (size_t)sprintf(name + at, "%02d", (int)(size - at) - 5);
	while (at < size - 3)
		name[at++] = 'b';
	memcpy(name + at, "Evv", 3);
	return size;
}

static void names_above_a_kilobyte_are_demangled_up_to_the_limit(void)
{
	static char name[DEMANGLE_SIZE_MAX + 1], text[DEMANGLED_SIZE_MAX];

	CHECK(demangle_name(name, make_long_name(name, DEMANGLE_PLAIN_SIZE_MAX), text) > 1000);
	CHECK(demangle_name(name, make_long_name(name, 3000), text) > 2900);
	CHECK(demangle_name(name, make_long_name(name, DEMANGLE_SIZE_MAX), text) > 15000);
	CHECK_EQ(demangle_name(name, make_long_name(name, DEMANGLE_SIZE_MAX + 1), text), 0);
}

static void a_result_beyond_the_limit_is_cut_with_an_ellipsis(void)
{
	static char text[DEMANGLED_SIZE_MAX];
	char name[2048] = "_Z1fI40aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	size_t size;

	for (int i = 0; i < 500; i++)
		strcat(name, "S0_"); /* the class again */
	strcat(name, "Evv");
	size = demangle_name(name, strlen(name), text);
	CHECK_OR_RETURN(size == DEMANGLED_SIZE_MAX);
	CHECK(memcmp(text, "void f<aaaaa", 12) == 0);
	CHECK(memcmp(text + size - 3, "\xe2\x80\xa6", 3) == 0);
}

/* f<a<i, i>, b<a<i, i>, a<i, i>>, ...>(): each class is twice the one before it. */
static void a_name_that_doubles_without_end_is_cut(void)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static char text[DEMANGLED_SIZE_MAX];
	char name[1024] = "_Z1fI1aIiiE";

	/* S0_ is the template a, S1_ is a<i, i>, and so on by twos. */
	for (int i = 1; i < 36; i += 2)
		sprintf(name + strlen(name), "1bIS%c_S%c_E", digits[i], digits[i]);
	strcat(name, "Evv");
	CHECK_EQ(demangle_name(name, strlen(name), text), DEMANGLED_SIZE_MAX);
}

static void deep_names_neither_overflow_the_stack_nor_take_long(void)
{
	static const char *const patterns[] = { "P",	"N",  "K", "1aI", "FiP", "T_",
						"DTad", "fp", "X", "L_Z", "sr",	 "cv",
						"F",	"A_", "M", "Dp",  "dt" };
	static char name[DEMANGLE_SIZE_MAX], text[DEMANGLED_SIZE_MAX];

	take_a_large_stack();
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		size_t step = strlen(patterns[i]), at = 4;

		memcpy(name, "_Z1f", 4);
		for (; at + step <= sizeof(name); at += step)
			memcpy(name + at, patterns[i], step);
		CHECK(demangle_name(name, at, text) <= DEMANGLED_SIZE_MAX);
	}
}

static void a_batch_gives_as_many_results_in_order(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer names = bytes_writer_with_max(1 << 20);
	CLEANUP(bytes_writer_free) struct bytes_writer results = bytes_writer_with_max(1 << 20);
	struct bytes_reader reader;
	const char *name;
	size_t size;

	demangle_batch_add(&names, "_Z1av", 5);
	demangle_batch_add(&names, "main", 4);
	demangle_batch_add(&names, "", 0);
	demangle_batch_add(&names, "_Z1bv", 5);
	CHECK_EQ(demangle_job(-1, bytes_reader_of(names.bytes, names.size), &results), 0);
	reader = bytes_reader_of(results.bytes, results.size);
	CHECK(demangle_batch_next(&reader, &name, &size));
	CHECK(size == 3 && memcmp(name, "a()", 3) == 0);
	CHECK(demangle_batch_next(&reader, &name, &size));
	CHECK_EQ(size, 0);
	CHECK(demangle_batch_next(&reader, &name, &size));
	CHECK_EQ(size, 0);
	CHECK(demangle_batch_next(&reader, &name, &size));
	CHECK(size == 3 && memcmp(name, "b()", 3) == 0);
	CHECK(!demangle_batch_next(&reader, &name, &size));
	CHECK(!reader.failed);
}

static void batches_that_are_cut_or_too_long_are_refused(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer names = bytes_writer_with_max(1 << 20);
	CLEANUP(bytes_writer_free) struct bytes_writer results = bytes_writer_with_max(1 << 20);

	demangle_batch_add(&names, "_Z1av", 5);
	CHECK_EQ(demangle_job(-1, bytes_reader_of(names.bytes, names.size - 1), &results), -EINVAL);
	for (int i = 1; i < DEMANGLE_BATCH_MAX; i++)
		demangle_batch_add(&names, "", 0);
	CHECK_EQ(demangle_job(-1, bytes_reader_of(names.bytes, names.size), &results), 0);
	demangle_batch_add(&names, "", 0);
	CHECK_EQ(demangle_job(-1, bytes_reader_of(names.bytes, names.size), &results), -EINVAL);
}

TESTS(TEST(names_of_each_kind_are_demangled), TEST(names_that_are_not_mangled_stay),
      TEST(the_cheap_test_lets_mangled_names_through),
      TEST(names_above_a_kilobyte_are_demangled_up_to_the_limit),
      TEST(a_result_beyond_the_limit_is_cut_with_an_ellipsis),
      TEST(a_name_that_doubles_without_end_is_cut),
      TEST(deep_names_neither_overflow_the_stack_nor_take_long),
      TEST(a_batch_gives_as_many_results_in_order),
      TEST(batches_that_are_cut_or_too_long_are_refused))
