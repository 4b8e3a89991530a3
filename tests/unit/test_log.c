/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "check.h"

static char captured[65536];

/* Standard error goes to memory between these two. */
static int start_capture(int *ret_memory_fd)
{
	int kept = dup(STDERR_FILENO);

	*ret_memory_fd = memfd_create("stderr", MFD_CLOEXEC);
	dup2(*ret_memory_fd, STDERR_FILENO);
	return kept;
}

static void end_capture(int kept, int memory_fd)
{
	ssize_t size = pread(memory_fd, captured, sizeof(captured) - 1, 0);

	captured[size > 0 ? size : 0] = '\0';
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(memory_fd);
}

#define CAPTURE(statement)                                                                         \
	do {                                                                                       \
		int memory_fd, kept = start_capture(&memory_fd);                                   \
		statement;                                                                         \
		end_capture(kept, memory_fd);                                                      \
	} while (0)

static void lines_name_the_program_and_the_level(void)
{
	CAPTURE(log_error("no %s in %d", "ring", 3));
	CHECK_STR_EQ(captured, "flickerscope: error: no ring in 3\n");
	CAPTURE(log_warning("careful"));
	CHECK_STR_EQ(captured, "flickerscope: warning: careful\n");
	CAPTURE(log_info("hello"));
	CHECK_STR_EQ(captured, "flickerscope: hello\n");
}

static void what_is_above_the_level_is_not_printed(void)
{
	CAPTURE(log_debug("detail"));
	CHECK_STR_EQ(captured, "");
	log_set_level(LOG_LEVEL_DEBUG);
	CAPTURE(log_debug("detail"));
	CHECK_STR_EQ(captured, "flickerscope: debug: detail\n");
	log_set_level(LOG_LEVEL_ERROR);
	CAPTURE(log_warning("careful"));
	CHECK_STR_EQ(captured, "");
	log_set_level(LOG_LEVEL_INFO);
}

static void an_errno_is_put_in_words_and_given_back(void)
{
	int r = 0;

	CAPTURE(r = log_errno(-ENOENT, "open %s", "/nowhere"));
	CHECK_EQ(r, -ENOENT);
	CHECK_STR_EQ(captured, "flickerscope: error: open /nowhere: No such file or directory\n");
}

static void names_cannot_forge_lines_or_colours(void)
{
	CAPTURE(log_info("process %s", "a\nflickerscope: error: b\x1b[2J"));
	CHECK_STR_EQ(captured, "flickerscope: process a\\x0aflickerscope: error: b\\x1b[2J\n");
}

static void a_line_that_is_too_long_is_cut_and_still_a_line(void)
{
	CLEANUP(memory_free) char *text = malloc(100000);
	size_t size;

	memset(text, '\x01', 99999);
	text[99999] = '\0';
	CAPTURE(log_info("%s", text));
	size = strlen(captured);
	CHECK(size > 1000 && size < 10000);
	CHECK_EQ(captured[size - 1], '\n');
	CHECK(!memchr(captured, '\x01', size));
	CHECK(memchr(captured, '\n', size) == captured + size - 1);
}

static void a_closed_standard_error_is_survived(void)
{
	int kept = dup(STDERR_FILENO);

	close(STDERR_FILENO);
	log_error("nobody hears this");
	CHECK_EQ(log_errno(-EIO, "nor this"), -EIO);
	dup2(kept, STDERR_FILENO);
	close(kept);
}

TESTS(TEST(lines_name_the_program_and_the_level), TEST(what_is_above_the_level_is_not_printed),
      TEST(an_errno_is_put_in_words_and_given_back), TEST(names_cannot_forge_lines_or_colours),
      TEST(a_line_that_is_too_long_is_cut_and_still_a_line),
      TEST(a_closed_standard_error_is_survived))
