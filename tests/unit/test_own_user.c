/* SPDX-License-Identifier: Apache-2.0 */
#include "base/own_user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "check.h"

#define SYSTEM "root:x:0:0:root:/root:/bin/bash\nflicker:x:990:990::/:/bin/sh\n"
#define MANY_LINES 3000

/* Who it is by a file with this text. */
static struct own_user find_in(const char *text, size_t size)
{
	struct own_user own = { 0 };
	char path[] = "/tmp/flickerscope-test-XXXXXX";
	CLEANUP(fd_close) int fd = mkstemp(path);

	CHECK_EQ(write(fd, text, size), (ssize_t)size);
	own = own_user_find(path);
	unlink(path);
	return own;
}

static void check_is(const char *text, uid_t user, gid_t group)
{
	struct own_user own = find_in(text, strlen(text));

	CHECK_EQ(own.user, user);
	CHECK_EQ(own.group, group);
}

static void a_user_of_the_system_with_our_name_is_ours(void)
{
	check_is(SYSTEM "flickerscope:x:101:102::/nonexistent:/usr/sbin/nologin\n", 101, 102);
	check_is(SYSTEM "flickerscope:x:999:65534::/:/bin/false\nlater:x:7:7::/:/x\n", 999, 65534);
	check_is(SYSTEM "flickerscope:x:1:1::/:/x", 1, 1);
}

static void without_one_it_is_nobody(void)
{
	struct own_user own = own_user_find("/nonexistent/passwd");

	CHECK_EQ(own.user, OWN_USER_NOBODY);
	CHECK_EQ(own.group, OWN_USER_NOBODY);
	check_is("", OWN_USER_NOBODY, OWN_USER_NOBODY);
	check_is(SYSTEM, OWN_USER_NOBODY, OWN_USER_NOBODY);
	check_is(SYSTEM "flickerscope2:x:101:101::/:/x\n", OWN_USER_NOBODY, OWN_USER_NOBODY);
}

/* Root by another name, a person who is called so, and what is no number. */
static void what_is_no_user_of_the_system_is_passed_over(void)
{
	static const char *const lines[] = {
		"flickerscope:x:0:101::/:/x\n",	   "flickerscope:x:101:0::/:/x\n",
		"flickerscope:x:1000:101::/:/x\n", "flickerscope:x:4294967295:101::/:/x\n",
		"flickerscope:x::101::/:/x\n",	   "flickerscope:x:-1:101::/:/x\n",
		"flickerscope:x:me:101::/:/x\n",   "flickerscope\n",
		"#flickerscope:x:101:101::/:/x\n", "+flickerscope::::::\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char text[256];

		check_is(lines[i], OWN_USER_NOBODY, OWN_USER_NOBODY);
		snprintf(text, sizeof(text), "%sflickerscope:x:101:102::/:/x\n", lines[i]);
		check_is(text, 101, 102);
	}
}

static void a_long_file_and_long_lines_are_read_to_their_end(void)
{
	static char text[64 * MANY_LINES];
	size_t used = 0;

	for (int i = 0; i < MANY_LINES; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "user%d:x:%d:%d::/home/user%d:/bin/sh\n", i, 2000 + i,
					 2000 + i, i);
	memset(text + used, 'x', 32 * MANY_LINES / 4);
	used += 32 * MANY_LINES / 4;
	used += (size_t)snprintf(text + used, sizeof(text) - used,
				 "\nflickerscope:x:101:102::/:/x\n");
	check_is(text, 101, 102);
	/* Bytes that are no text end no search. */
	text[10] = '\0';
	CHECK_EQ(find_in(text, used).user, 101);
}

TESTS(TEST(a_user_of_the_system_with_our_name_is_ours), TEST(without_one_it_is_nobody),
      TEST(what_is_no_user_of_the_system_is_passed_over),
      TEST(a_long_file_and_long_lines_are_read_to_their_end))
