/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unit tests' frame: each file is a program that prints TAP (testanything.org, version 13).
 *
 *	static void empty_table_finds_nothing(void) { ... CHECK_EQ(count, 0); }
 *	TESTS(TEST(empty_table_finds_nothing), ...)
 *
 * A failed check prints where and what, and the test goes on; SKIP("reason") ends it as skipped.
 *
 * All files can also be linked into one program, out_of_memory.c, which runs their tests with memory
 * refused to the agent: what was refused is asked for once more, and any other check that does not hold
 * ends its test, whose CLEANUP locals are freed. CHECK_ALWAYS(condition) has to hold there as well.
 */
#ifndef FLICKERSCOPE_CHECK_H
#define FLICKERSCOPE_CHECK_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_test {
	const char *name;
	void (*run)(void);
};

/* One file's tests, for a program of many. */
struct check_file {
	const char *path;
	const struct check_test *tests;
	int count;
};

/* Where memory is refused: whether to ask again, and the end of a test. NULL elsewhere. */
bool check_again_hook(void) __attribute__((weak));
void check_end_hook(void) __attribute__((weak));

static int check_failures;
static int check_count;
static const char *check_skip_reason;

static inline void check_failed(const char *file, int line, const char *text)
{
	check_failures++;
	printf("# %s:%d: failed: %s\n", file, line, text);
	if (check_end_hook)
		check_end_hook();
}

static inline void check_failed_always(const char *file, int line, const char *text)
{
	check_failures++;
	printf("# %s:%d: failed: %s\n", file, line, text);
	if (check_end_hook)
		abort();
}

/* For fixtures, where nothing can go on. */
static inline void check_give_up(void)
{
	if (check_end_hook)
		check_end_hook();
	abort();
}

static inline bool check_again(void)
{
	return check_again_hook && check_again_hook();
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		check_count++;                                                                     \
		if (!(condition))                                                                  \
			check_failed(__FILE__, __LINE__, #condition);                              \
	} while (0)

/* What must not become wrong for want of memory: there it is a crash. */
#define CHECK_ALWAYS(condition)                                                                    \
	do {                                                                                       \
		check_count++;                                                                     \
		if (!(condition))                                                                  \
			check_failed_always(__FILE__, __LINE__, #condition);                       \
	} while (0)

#define CHECK_EQ(left, right)                                                                      \
	do {                                                                                       \
		long long check_left, check_right;                                                 \
		check_count++;                                                                     \
		do {                                                                               \
			check_left = (long long)(left);                                            \
			check_right = (long long)(right);                                          \
		} while (check_left == -ENOMEM && check_right != -ENOMEM && check_again());        \
		if (check_left != check_right) {                                                   \
			printf("#   %lld (0x%llx) != %lld (0x%llx)\n", check_left, check_left,     \
			       check_right, check_right);                                          \
			check_failed(__FILE__, __LINE__, #left " == " #right);                     \
		}                                                                                  \
	} while (0)

#define CHECK_STR_EQ(left, right)                                                                  \
	do {                                                                                       \
		const char *check_left = (left), *check_right = (right);                           \
		check_count++;                                                                     \
		if (!check_left || !check_right || strcmp(check_left, check_right) != 0) {         \
			printf("#   \"%s\" != \"%s\"\n", check_left ? check_left : "(null)",       \
			       check_right ? check_right : "(null)");                              \
			check_failed(__FILE__, __LINE__, #left " == " #right);                     \
		}                                                                                  \
	} while (0)

/* Ends the test when what it stands on is not there. */
#define CHECK_OR_RETURN(condition)                                                                 \
	do {                                                                                       \
		check_count++;                                                                     \
		if (!(condition)) {                                                                \
			check_failed(__FILE__, __LINE__, #condition);                              \
			return;                                                                    \
		}                                                                                  \
	} while (0)

#define SKIP(reason)                                                                               \
	do {                                                                                       \
		check_skip_reason = (reason);                                                      \
		return;                                                                            \
	} while (0)

static inline int check_run(const struct check_test *tests, int count)
{
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..%d\n", count);
	for (int i = 0; i < count; i++) {
		check_failures = 0;
		check_count = 0;
		check_skip_reason = NULL;
		tests[i].run();
		if (!check_skip_reason && !check_count)
			check_failed(tests[i].name, 0, "the test checked nothing");
		failed += check_failures > 0;
		printf("%sok %d - ", check_failures ? "not " : "", i + 1);
		for (const char *at = tests[i].name; *at; at++)
			putchar(*at == '_' ? ' ' : *at);
		if (check_skip_reason)
			printf(" # SKIP %s", check_skip_reason);
		putchar('\n');
	}
	return failed ? 1 : 0;
}

#define TEST(function)                                                                             \
	{                                                                                          \
#function, function                                                                \
	}

/* The pointers to all files' tests stand beside each other in the section. */
#define TESTS(...)                                                                                 \
	static const struct check_test check_tests[] = { __VA_ARGS__ };                            \
	static const struct check_file check_own = {                                               \
		__FILE__,                                                                          \
		check_tests,                                                                       \
		(int)(sizeof(check_tests) / sizeof(check_tests[0])),                               \
	};                                                                                         \
	static const struct check_file *const check_place                                          \
		__attribute__((used, section("check_files"))) = &check_own;                        \
	int main(void) __attribute__((weak));                                                      \
	int main(void)                                                                             \
	{                                                                                          \
		return check_run(check_tests, check_own.count);                                    \
	}

#endif
