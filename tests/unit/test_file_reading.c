/* SPDX-License-Identifier: Apache-2.0 */
/* Files that change while they are read, in every way that the kernel tells of. */
#include "base/file_reading.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

struct fixture {
	char path[64];
	int fd;
	struct file_reading reading;
};

/* The clock of files has ticks of up to 10 ms: what is written now must be later than this. */
static void make_old(int fd)
{
	const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	if (futimens(fd, times) < 0)
		check_give_up();
}

static void wait_for_tick(void)
{
	const struct timespec tick = { .tv_nsec = 20000000 };

	nanosleep(&tick, NULL);
}

static void setup(struct fixture *fixture)
{
	snprintf(fixture->path, sizeof(fixture->path), "/tmp/flickerscope-reading-XXXXXX");
	fixture->fd = mkstemp(fixture->path);
	if (fixture->fd < 0 || write(fixture->fd, "before", 6) != 6)
		check_give_up();
	make_old(fixture->fd);
	wait_for_tick();
	if (file_reading_begin(fixture->fd, &fixture->reading) < 0)
		check_give_up();
}

static void cleanup_teardown(struct fixture *fixture)
{
	file_reading_end(&fixture->reading);
	close(fixture->fd);
	unlink(fixture->path);
}

static void a_file_that_nobody_touches_is_the_same(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	char text[8];

	setup(&fixture);
	CHECK_EQ(pread(fixture.fd, text, sizeof(text), 0), 6);
	CHECK(file_reading_is_same(&fixture.reading));
}

static void a_longer_and_a_shorter_one_are_others(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(ftruncate(fixture.fd, 7), 0);
	CHECK(!file_reading_is_same(&fixture.reading));
	CHECK_EQ(ftruncate(fixture.fd, 5), 0);
	CHECK(!file_reading_is_same(&fixture.reading));
}

static void other_contents_of_the_same_size_are_seen(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(pwrite(fixture.fd, "behind", 6, 0), 6);
	CHECK(!file_reading_is_same(&fixture.reading));
}

/* Whoever writes may set the time of it back, but not that of the change to the inode. */
static void a_time_that_was_set_back_hides_nothing(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };

	setup(&fixture);
	CHECK_EQ(pwrite(fixture.fd, "behind", 6, 0), 6);
	make_old(fixture.fd);
	CHECK(!file_reading_is_same(&fixture.reading));
}

/* The file is held: whoever closes the descriptor or takes the name away changes nothing in it. */
static void the_reading_has_a_descriptor_of_its_own(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	int other;

	setup(&fixture);
	other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(dup2(other, fixture.fd), fixture.fd);
	close(other);
	CHECK(file_reading_is_same(&fixture.reading));
}

static void no_file_never_changes(void)
{
	struct file_reading reading;

	CHECK_EQ(file_reading_begin(-1, &reading), 0);
	CHECK(file_reading_is_same(&reading));
	file_reading_end(&reading);
	file_reading_end(&reading);
}

static void what_is_no_file_cannot_be_read(void)
{
	struct file_reading reading = file_reading_none();
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	CHECK_EQ(file_reading_begin(fd, &reading), -EBADF);
	CHECK_EQ(reading.fd, -1);
}

TESTS(TEST(a_file_that_nobody_touches_is_the_same), TEST(a_longer_and_a_shorter_one_are_others),
      TEST(other_contents_of_the_same_size_are_seen), TEST(a_time_that_was_set_back_hides_nothing),
      TEST(the_reading_has_a_descriptor_of_its_own), TEST(no_file_never_changes),
      TEST(what_is_no_file_cannot_be_read))
