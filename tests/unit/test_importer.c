/* SPDX-License-Identifier: Apache-2.0 */
/* The process that reads foreign files, with files that are right and files that are wrong. */
#include "serve/importer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"
#include "capture_fixture.h"
#include "check.h"
#include "stream/capture_reader.h"

enum { PATIENCE_MS = 20000 };

struct fixture {
	struct loop *loop;
	struct importer *importer;
	struct import *import;
	bool done;
	int error;
	int fd;
	char text[IMPORTER_TEXT_SIZE_MAX + 1];
};

static void cleanup_teardown(struct fixture *fixture)
{
	import_free(fixture->import);
	importer_free(fixture->importer);
	loop_free(fixture->loop);
	fd_close(fixture->fd);
}

static void setup(struct fixture *fixture)
{
	fixture->fd = -1;
	if (loop_new(&fixture->loop) < 0 || importer_new(fixture->loop, &fixture->importer) < 0)
		check_give_up();
}

static void on_done(const struct import_result *result, void *context)
{
	struct fixture *fixture = context;

	fixture->done = true;
	fixture->error = result->error;
	fixture->fd = result->error ? -1 : fcntl(result->fd, F_DUPFD_CLOEXEC, 0);
	snprintf(fixture->text, sizeof(fixture->text), "%s", result->error ? result->text : "");
	import_free(TAKE(fixture->import));
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Reads a file of these bytes; the result is in the fixture. */
static bool import(struct fixture *fixture, const void *bytes, size_t size,
		   struct import_order order)
{
	CLEANUP(fd_close) int fd = memfd_create("input", MFD_CLOEXEC);
	uint64_t end = now_ms() + PATIENCE_MS;

	fixture->done = false;
	fd_close(TAKE_FD(fixture->fd));
	if (write(fd, bytes, size) != (ssize_t)size)
		return false;
	order.fd = fd;
	if (import_new(fixture->importer, &order, on_done, fixture, &fixture->import) < 0)
		return false;
	while (!fixture->done && now_ms() < end)
		loop_dispatch(fixture->loop, 100);
	return fixture->done;
}

static int64_t start_us(const struct fixture *fixture)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;

	if (capture_reader_open_fd(fcntl(fixture->fd, F_DUPFD_CLOEXEC, 0), "capture", false,
				   &reader) ||
	    !capture_reader_segment_count(reader))
		return 0;
	return (int64_t)capture_reader_segment(reader, 0)->start_us;
}

static uint64_t sample_count(const struct fixture *fixture)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	uint64_t count = 0;

	if (capture_reader_open_fd(fcntl(fixture->fd, F_DUPFD_CLOEXEC, 0), "capture", false,
				   &reader))
		return UINT64_MAX;
	for (uint32_t i = 0; i < capture_reader_segment_count(reader); i++)
		count += capture_reader_segment(reader, i)->sample_count;
	return count;
}

static void a_foreign_file_becomes_a_capture(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	const struct import_order order = { .name = "a.folded" };

	setup(&fixture);
	CHECK_OR_RETURN(import(&fixture, "main;work 30\nmain;rest 70\n", 26, order));
	CHECK_EQ(fixture.error, 0);
	CHECK_EQ(sample_count(&fixture), 100);
}

static void what_is_wrong_comes_back_as_words(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	struct import_order order = { .name = "b\n.txt" };

	setup(&fixture);
	CHECK_OR_RETURN(import(&fixture, "", 0, order));
	CHECK_EQ(fixture.error, -EBADMSG);
	CHECK_STR_EQ(fixture.text, "b\\x0a.txt: it is empty");
	order.event = "cycles";
	CHECK_OR_RETURN(import(&fixture, "main;work 30\n", 13, order));
	CHECK_EQ(fixture.error, -ENOENT);
	CHECK(strstr(fixture.text, "no event cycles in it"));
	order.event = NULL;
	CHECK_OR_RETURN(import(&fixture, "main;work 30\n", 13, order));
	CHECK_EQ(fixture.error, 0);
}

static void a_stretch_of_a_capture_is_cut_to_the_microsecond(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	struct import_order order = { .name = "window", .is_cut = true };

	setup(&fixture);
	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 4, 5);
	capture_fixture_write(&capture);
	order.to_us = INT64_MAX;
	CHECK_OR_RETURN(import(&fixture, capture.bytes, capture.size, order));
	CHECK_EQ(fixture.error, 0);
	CHECK_EQ(sample_count(&fixture), 40);
	/* From the second sample on, and before the first of the second segment. */
	order.from_us = start_us(&fixture) + 1000;
	order.to_us = start_us(&fixture) + 4000000;
	CHECK_OR_RETURN(import(&fixture, capture.bytes, capture.size, order));
	CHECK_EQ(sample_count(&fixture), 19);
	CHECK_EQ(start_us(&fixture), order.from_us);
	order.from_us++;
	order.to_us++;
	CHECK_OR_RETURN(import(&fixture, capture.bytes, capture.size, order));
	CHECK_EQ(sample_count(&fixture), 19);
	order.to_us = 1;
	CHECK_OR_RETURN(import(&fixture, capture.bytes, capture.size, order));
	CHECK_EQ(sample_count(&fixture), 0);
	CHECK_OR_RETURN(import(&fixture, "no capture", 10, order));
	CHECK(fixture.error < 0);
}

/* Whoever goes takes the work along; the next one is served. */
static void an_import_that_is_freed_is_not_answered(void)
{
	CLEANUP(teardown) struct fixture fixture = { 0 };
	CLEANUP(fd_close) int fd = memfd_create("input", MFD_CLOEXEC);
	const struct import_order order = { .fd = fd, .name = "a.folded" };

	setup(&fixture);
	CHECK_EQ(import_new(fixture.importer, &order, on_done, &fixture, &fixture.import), 0);
	loop_dispatch(fixture.loop, 100);
	import_free(TAKE(fixture.import));
	CHECK(!fixture.done);
	CHECK_OR_RETURN(import(&fixture, "main;work 30\n", 13, order));
	CHECK_EQ(fixture.error, 0);
}

TESTS(TEST(a_foreign_file_becomes_a_capture), TEST(what_is_wrong_comes_back_as_words),
      TEST(a_stretch_of_a_capture_is_cut_to_the_microsecond),
      TEST(an_import_that_is_freed_is_not_answered))
