/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/import_folded.h"

#include "check.h"
#include "import_fixture.h"

static void check_import(const char *input, const char *expected)
{
	char *text = import_string_of(input);

	CHECK_STR_EQ(text, expected);
	free(text);
}

static void counts_become_samples_one_after_another(void)
{
	static const char text[] =
		"# from somewhere\nsh;main;read a b 2\nsh 1\n\nvi;x 0\nvi;x;y 1\r\n";
	struct capture_summary summary = import_summary(text, strlen(text), NULL);

	check_import(text, "1.000000 [0] sh 1/1 main;read a b\n1.010000 [0] sh 1/1 main;read a b\n"
			   "1.020000 [0] sh 1/1 \n1.030000 [0] vi 4/4 x;y\n");
	CHECK_EQ(summary.frequency_mhz, 100000);
	CHECK_EQ(summary.cpu_count, 1);
	CHECK(strstr(summary.note, "no times"));
}

static void endings_tell_the_kind(void)
{
	check_import("java;Main.run_[j];inner_[i];sys_read_[k] 1\n",
		     "1.000000 [0] java 1/1 Main.run'j;inner'i;sys_read'k\n");
}

/* Of more counts than samples one stands for several, and the shares stay. */
static void great_counts_are_scaled(void)
{
	static const char text[] = "a;x 3000000000\nb;y 1000000000\n";
	struct capture_summary summary = import_summary(text, strlen(text), NULL);

	CHECK(summary.sample_count > 1000000 && summary.sample_count <= 1048576);
	CHECK_EQ((summary.processes[0].sample_count + 1) / 4,
		 (summary.processes[1].sample_count * 3 + 1) / 4);
	CHECK(strstr(summary.note, "one for 3815 counts"));
}

static void lines_that_are_none_are_named(void)
{
	CHECK(!import_string_of("a;b 1\na;b\n"));
	CHECK(!import_string_of("a;b 99999999999999999999999\n"));
	CHECK(!import_string_of("a;b 9000000000000000000\na;b 9000000000000000000\n"));
	CHECK(!import_string_of("a;b .5\n"));
}

static void deep_stacks_keep_their_callers(void)
{
	char text[16384] = "p";
	char *imported;

	for (int i = 0; i < 2000; i++)
		strcat(text, ";f");
	strcat(text, " 1\n");
	imported = import_string_of(text);
	CHECK_OR_RETURN(imported);
	CHECK_EQ(strlen(imported), strlen("1.000000 [0] p 1/1 \n") + 512 * 2 - 1);
	free(imported);
}

TESTS(TEST(counts_become_samples_one_after_another), TEST(endings_tell_the_kind),
      TEST(great_counts_are_scaled), TEST(lines_that_are_none_are_named),
      TEST(deep_stacks_keep_their_callers))
