/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unit tests' frame: each file is a program that prints TAP (testanything.org, version 13).
 *
 *	static void empty_table_finds_nothing(void) { ... CHECK_EQ(count, 0); }
 *	TESTS(TEST(empty_table_finds_nothing), ...)
 *
 * A failed check prints where and what, and the test goes on; SKIP("reason") ends it as skipped.
 */
#ifndef FLICKERSCOPE_CHECK_H
#define FLICKERSCOPE_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_test {
	const char *name;
	void (*run)(void);
};

static int check_failures;
static int check_count;
static const char *check_skip_reason;

static inline void check_failed(const char *file, int line, const char *text)
{
	check_failures++;
	printf("# %s:%d: failed: %s\n", file, line, text);
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		check_count++;                                                                     \
		if (!(condition))                                                                  \
			check_failed(__FILE__, __LINE__, #condition);                              \
	} while (0)

#define CHECK_EQ(left, right)                                                                      \
	do {                                                                                       \
		long long check_left = (long long)(left), check_right = (long long)(right);        \
		check_count++;                                                                     \
		if (check_left != check_right) {                                                   \
			check_failed(__FILE__, __LINE__, #left " == " #right);                     \
			printf("#   %lld (0x%llx) != %lld (0x%llx)\n", check_left, check_left,     \
			       check_right, check_right);                                          \
		}                                                                                  \
	} while (0)

#define CHECK_STR_EQ(left, right)                                                                  \
	do {                                                                                       \
		const char *check_left = (left), *check_right = (right);                           \
		check_count++;                                                                     \
		if (!check_left || !check_right || strcmp(check_left, check_right) != 0) {         \
			check_failed(__FILE__, __LINE__, #left " == " #right);                     \
			printf("#   \"%s\" != \"%s\"\n", check_left ? check_left : "(null)",       \
			       check_right ? check_right : "(null)");                              \
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

#define TESTS(...)                                                                                 \
	int main(void)                                                                             \
	{                                                                                          \
		static const struct check_test tests[] = { __VA_ARGS__ };                          \
		return check_run(tests, (int)(sizeof(tests) / sizeof(tests[0])));                  \
	}

#endif
