/* SPDX-License-Identifier: Apache-2.0 */
/* Any file as a capture: own ones as they are, others made into one, by any way they come. */
#include "convert/input.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture_fixture.h"
#include "check.h"
#include "import_fixture.h"

static const struct input_options quiet = { .quiet = true };

static int memory_of(const void *bytes, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0)
		check_give_up();
	return fd;
}

static uint64_t samples_in(const struct capture_reader *reader)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < capture_reader_segment_count(reader); i++)
		count += capture_reader_segment(reader, i)->sample_count;
	return count;
}

static off_t size_of(int fd)
{
	return lseek(fd, 0, SEEK_END);
}

static void own_captures_are_read_where_they_are(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	int fd;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 2, 5);
	capture_fixture_write(&capture);
	fd = open(capture.path, O_RDONLY | O_CLOEXEC);
	CHECK_OR_RETURN(input_open_fd(fd, "own", NULL, &reader) == 0);
	CHECK_EQ(samples_in(reader), 20);
	CHECK_EQ(capture_reader_size(reader), capture.size);
}

/* Through a pipe and packed they are copied, byte by byte. */
static void own_captures_may_come_packed_and_by_pipes(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	CLEANUP(fd_close) int output = memfd_create("output", MFD_CLOEXEC);
	size_t size;
	void *packed;
	int pipes[2];

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 2, 5);
	capture_fixture_write(&capture);
	packed = import_pack(capture.bytes, capture.size, &size);
	CHECK_EQ(input_write(memory_of(packed, size), "packed", &quiet, output), 0);
	CHECK_EQ(size_of(output), (off_t)capture.size);
	free(packed);
	CHECK_OR_RETURN(capture.size < 65536 && pipe2(pipes, O_CLOEXEC) == 0);
	CHECK_EQ(write(pipes[1], capture.bytes, capture.size), (ssize_t)capture.size);
	close(pipes[1]);
	CHECK_OR_RETURN(input_open_fd(pipes[0], "pipe", NULL, &reader) == 0);
	CHECK_EQ(samples_in(reader), 20);
}

static void foreign_files_are_written_as_captures(void)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	CLEANUP(fd_close) int output = memfd_create("output", MFD_CLOEXEC);

	CHECK_EQ(input_write(memory_of("main;work 30\n", 13), "a.folded", &quiet, output), 0);
	CHECK_OR_RETURN(capture_reader_open_fd(TAKE_FD(output), "made", true, &reader) == 0);
	CHECK_EQ(samples_in(reader), 30);
}

/* Each kind of refusal has its number; nothing is made of what is refused. */
static void what_is_none_is_refused(void)
{
	static const char other_record[] = "a 1/1 [000] 1.000000: PERF_RECORD_MMAP2 1/1: x\n";
	const struct input_options other = { .event = "cycles", .quiet = true };
	CLEANUP(fd_close) int output = memfd_create("output", MFD_CLOEXEC);
	struct capture_reader *reader = NULL;

	CHECK_EQ(input_open_fd(memory_of("", 0), "empty", &quiet, &reader), -EBADMSG);
	CHECK_EQ(input_open_fd(memory_of("PERFILE2", 8), "perf.data", &quiet, &reader), -EBADMSG);
	CHECK_EQ(input_open_fd(memory_of("main;work x\n", 12), "a", &quiet, &reader), -EBADMSG);
	CHECK_EQ(input_open_fd(memory_of(other_record, sizeof(other_record) - 1), "a", &quiet,
			       &reader),
		 -ENODATA);
	CHECK_EQ(input_write(memory_of("main;work 3\n", 12), "a", &other, output), -ENOENT);
	CHECK_EQ(size_of(output), 0);
	CHECK(!reader);
	CHECK(input_open("/nowhere/at/all", &quiet, &reader) == -ENOENT);
}

/* A full disk, as it were: the capture cannot be written, and that is an error. */
static void output_that_takes_nothing_is_an_error(void)
{
	CLEANUP(fd_close) int output = open("/dev/full", O_WRONLY | O_CLOEXEC);

	CHECK_EQ(input_write(memory_of("main;work 30\n", 13), "a", &quiet, output), -ENOSPC);
}

TESTS(TEST(own_captures_are_read_where_they_are), TEST(own_captures_may_come_packed_and_by_pipes),
      TEST(foreign_files_are_written_as_captures), TEST(what_is_none_is_refused),
      TEST(output_that_takes_nothing_is_an_error))
