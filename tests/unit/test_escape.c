/* SPDX-License-Identifier: Apache-2.0 */
#include "base/escape.h"

#include <stdint.h>

#include "base/cleanup.h"
#include "check.h"

static void check_escaped(size_t (*escape)(const char *, size_t, char *, size_t), const char *text,
			  size_t size, const char *expected)
{
	char escaped[1024];

	escaped[escape(text, size, escaped, sizeof(escaped) - 1)] = '\0';
	CHECK_STR_EQ(escaped, expected);
}

#define CHECK_TERMINAL(text, expected)                                                             \
	check_escaped(escape_terminal, text, sizeof(text) - 1, expected)
#define CHECK_JSON(text, expected) check_escaped(escape_json, text, sizeof(text) - 1, expected)

static void text_that_harms_nobody_stays(void)
{
	CHECK_TERMINAL("", "");
	CHECK_TERMINAL("plain text, 100% \\x", "plain text, 100% \\x");
	CHECK_TERMINAL("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\xa5",
		       "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\xa5");
}

static void control_bytes_do_not_reach_the_terminal(void)
{
	CHECK_TERMINAL("\x1b[31mred", "\\x1b[31mred");
	CHECK_TERMINAL("a\nb\tc\0d", "a\\x0ab\\x09c\\x00d");
	CHECK_TERMINAL("\x7f", "\\x7f");
	CHECK_TERMINAL("\xc2\x9b", "\\xc2\\x9b"); /* U+009B, a one-byte escape sequence's start */
	CHECK_TERMINAL("\xe2\x80\xa8", "\\xe2\\x80\\xa8"); /* U+2028, a line's end */
}

static void characters_that_turn_text_around_are_shown(void)
{
	CHECK_TERMINAL("a\xe2\x80\xae"
		       "b",
		       "a\\xe2\\x80\\xaeb");		   /* U+202E */
	CHECK_TERMINAL("\xe2\x81\xa6", "\\xe2\\x81\\xa6"); /* U+2066 */
	CHECK_TERMINAL("\xd8\x9c", "\\xd8\\x9c");	   /* U+061C */
	CHECK_TERMINAL("\xe2\x80\x8f", "\\xe2\\x80\\x8f"); /* U+200F */
}

static void invalid_utf8_is_shown_byte_by_byte(void)
{
	CHECK_TERMINAL("\xff", "\\xff");
	CHECK_TERMINAL("\xc3", "\\xc3");			    /* cut */
	CHECK_TERMINAL("\xc3(", "\\xc3(");			    /* not continued */
	CHECK_TERMINAL("\xc0\x80", "\\xc0\\x80");		    /* overlong zero */
	CHECK_TERMINAL("\xe0\x80\xaf", "\\xe0\\x80\\xaf");	    /* overlong slash */
	CHECK_TERMINAL("\xed\xa0\x80", "\\xed\\xa0\\x80");	    /* a surrogate */
	CHECK_TERMINAL("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
	CHECK_TERMINAL("\x80"
		       "a",
		       "\\x80"
		       "a");
}

static void escapes_are_never_cut_in_the_middle(void)
{
	char escaped[16];

	CHECK_EQ(escape_terminal("ab\n", 3, escaped, 5), 2);
	CHECK_EQ(escape_terminal("ab\n", 3, escaped, 6), 6);
	CHECK_EQ(escape_terminal("a\xc3\xbc", 3, escaped, 2), 1);
	CHECK_EQ(escape_terminal("\xe2\x80\xae", 3, escaped, 11), 0);
	CHECK_EQ(escape_json("a\"", 2, escaped, 2), 1);
	CHECK_EQ(escape_json("\x01", 1, escaped, 5), 0);
}

static void the_stated_room_always_suffices(void)
{
	char text[256], escaped[6 * 256];

	for (int i = 0; i < 256; i++)
		text[i] = (char)i;
	CHECK(escape_terminal(text, 256, escaped, 4 * 256) > 256);
	CHECK(memcmp(escaped + escape_terminal(text, 256, escaped, 4 * 256) - 4, "\\xff", 4) == 0);
	memset(text, 1, sizeof(text));
	CHECK_EQ(escape_terminal(text, 256, escaped, 4 * 256), 4 * 256);
	CHECK_EQ(escape_json(text, 256, escaped, 6 * 256), 6 * 256);
}

static void json_strings_are_valid(void)
{
	CHECK_JSON("", "");
	CHECK_JSON("a \"b\" \\ c", "a \\\"b\\\" \\\\ c");
	CHECK_JSON("\n\x1f\x7f", "\\u000a\\u001f\\u007f");
	CHECK_JSON("\xe2\x82\xac", "\xe2\x82\xac");
	CHECK_JSON("a\xff"
		   "b\xc3",
		   "a\xef\xbf\xbd"
		   "b\xef\xbf\xbd");
}

/* Any bytes come back, and nothing but such digits is taken. */
static void hexadecimal_digits_are_read_back(void)
{
	static const char *const wrong[] = { "6", "6g", "6A", "00", "6100", "61zz" };
	char digits[16], text[8];

	CHECK_EQ(escape_hex("a/\xff\n", 4, digits, sizeof(digits)), 8);
	CHECK(memcmp(digits, "612fff0a", 8) == 0);
	CHECK(unescape_hex(digits, 8, text, sizeof(text)));
	CHECK_STR_EQ(text, "a/\xff\n");
	CHECK_EQ(escape_hex("abc", 3, digits, 5), 4);
	CHECK(unescape_hex("", 0, text, 1));
	CHECK_STR_EQ(text, "");
	CHECK(!unescape_hex("616263", 6, text, 3));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		CHECK(!unescape_hex(wrong[i], strlen(wrong[i]), text, sizeof(text)));
}

TESTS(TEST(text_that_harms_nobody_stays), TEST(control_bytes_do_not_reach_the_terminal),
      TEST(characters_that_turn_text_around_are_shown), TEST(invalid_utf8_is_shown_byte_by_byte),
      TEST(escapes_are_never_cut_in_the_middle), TEST(the_stated_room_always_suffices),
      TEST(json_strings_are_valid), TEST(hexadecimal_digits_are_read_back))
