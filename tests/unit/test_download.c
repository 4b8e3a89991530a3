/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/download.h"

#include <endian.h>
#include <errno.h>

#include "capture_fixture.h"
#include "profile/sample_window.h"
#include "serve/body.h"

#include "check.h"

static struct sample_window *window_of(struct capture_fixture *capture, uint32_t chunks)
{
	const struct sample_window_options options = { .bytes_max = 1 << 24 };
	struct sample_window *window;

	if (sample_window_new(&options, &window) < 0)
		check_give_up();
	for (uint32_t i = 0; i < chunks && i < capture->stream.chunk_count; i++)
		sample_window_add(window, capture->stream.chunks[i]);
	return window;
}

/* All of it, in pieces of @piece bytes. */
static struct bytes_writer drain(struct download *download, size_t piece)
{
	struct bytes_writer file = bytes_writer_with_max(1 << 24);
	uint8_t bytes[32768];
	size_t size = 0;

	do {
		if (download_next(download, bytes, piece, &size) < 0)
			check_give_up();
		bytes_write(&file, bytes, size);
	} while (size);
	return file;
}

static struct bytes_writer take(const struct sample_window *window, uint64_t from_us,
				uint64_t to_us, size_t piece)
{
	CLEANUP(download_free) struct download *download = NULL;

	if (download_new(window, 0x1122334455667788, from_us, to_us, &download) < 0)
		check_give_up();
	return drain(download, piece);
}

static struct capture_totals totals_of(const struct bytes_writer *file)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;

	CHECK_EQ(capture_open_bytes(file->bytes, file->size, &reader), 0);
	CHECK(capture_reader_ended(reader));
	return capture_read_totals(reader);
}

/* Byte by byte the file that the writer makes of the same chunks, however it is cut into pieces. */
static void window_is_the_file_that_would_be_written(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	static const size_t pieces[] = { 1, 7, 41, 32768 };

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 3, 4, 5);
	capture_fixture_write(&capture);
	window = window_of(&capture, UINT32_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		CLEANUP(bytes_writer_free)
		struct bytes_writer file = take(window, 0, UINT64_MAX, pieces[i]);

		CHECK_EQ(file.size, capture.size);
		CHECK(file.size == capture.size &&
		      memcmp(file.bytes, capture.bytes, file.size) == 0);
	}
}

static void stretch_is_the_segments_that_it_touches(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	struct sample_window_segment second;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 3, 4, 5);
	window = window_of(&capture, UINT32_MAX);
	CHECK(sample_window_segment(window, 2, &second));
	for (int i = 0; i < 4; i++) {
		const uint64_t from[] = { second.start_us, second.end_us - 1, second.end_us, 0 };
		const uint64_t to[] = { second.end_us, second.end_us, second.end_us + 1,
					second.start_us };
		const uint64_t samples[] = { 20, 20, 20, 20 };
		CLEANUP(bytes_writer_free)
		struct bytes_writer file = take(window, from[i], to[i], 1000);

		CHECK_EQ(totals_of(&file).samples, samples[i]);
		CHECK_EQ(totals_of(&file).damaged, 0);
	}
	for (int i = 0; i < 2; i++) {
		CLEANUP(bytes_writer_free)
		struct bytes_writer file =
			take(window, i ? 0 : UINT64_MAX - 9, i ? 1 : UINT64_MAX, 1000);

		CHECK_EQ(totals_of(&file).samples, 0);
	}
}

/* It ends where the window did when it was asked for, within a segment. */
static void what_comes_later_is_left_out(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	CLEANUP(download_free) struct download *download = NULL;
	CLEANUP(bytes_writer_free) struct bytes_writer file = { 0 };

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 4, 5);
	window = window_of(&capture, 6);
	CHECK_EQ(download_new(window, 1, 0, UINT64_MAX, &download), 0);
	for (uint32_t i = 6; i < capture.stream.chunk_count; i++)
		sample_window_add(window, capture.stream.chunks[i]);
	file = drain(download, 100);
	CHECK_EQ(totals_of(&file).samples, 30);
	CHECK_EQ(totals_of(&file).damaged, 0);
}

/* A slow receiver, and a window that goes on: what is gone is missing, and told as that. */
static void what_leaves_the_window_is_missing(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(download_free) struct download *download = NULL;
	CLEANUP(bytes_writer_free)
	struct bytes_writer file = bytes_writer_with_max(1 << 24), rest = { 0 };
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	const struct sample_window_options options = { .span_us = 1 };
	uint8_t bytes[400];
	size_t size = 0;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 4, 4, 20);
	CHECK_EQ(sample_window_new(&options, &window), 0);
	for (uint32_t i = 0; i < 4; i++)
		sample_window_add(window, capture.stream.chunks[i]);
	CHECK_EQ(download_new(window, 1, 0, UINT64_MAX, &download), 0);
	CHECK_EQ(download_next(download, bytes, sizeof(bytes), &size), 0);
	CHECK_EQ(size, sizeof(bytes));
	bytes_write(&file, bytes, size);
	for (uint32_t i = 4; i < capture.stream.chunk_count; i++)
		sample_window_add(window, capture.stream.chunks[i]);
	CHECK(sample_window_oldest(window) > 1);
	rest = drain(download, 100);
	bytes_write(&file, rest.bytes, rest.size);
	bytes_writer_free(&rest);
	CHECK(totals_of(&file).samples < 80);
	CHECK(totals_of(&file).samples % 20 == 0);
}

static void empty_window_is_an_empty_capture(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	CLEANUP(bytes_writer_free) struct bytes_writer file = { 0 };

	capture_fixture_init(&capture);
	window = window_of(&capture, 0);
	file = take(window, 0, UINT64_MAX, 10);
	CHECK_EQ(totals_of(&file).segments, 0);
}

/* A part of a file; and one that has shrunk since its size was told is an error. */
static void body_of_a_file_is_all_that_was_promised(void)
{
	CLEANUP(body_free) struct body *body = NULL;
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint8_t bytes[8];
	size_t size = 0;

	CHECK_EQ(write(fd, "0123456789", 10), 10);
	CHECK_EQ(body_of_file(fd, 2, 6, &body), 0);
	CHECK_EQ(body_size(body), 6);
	CHECK_EQ(body_next(body, bytes, 4, &size), 0);
	CHECK(size == 4 && memcmp(bytes, "2345", 4) == 0);
	CHECK_EQ(ftruncate(fd, 7), 0);
	CHECK_EQ(body_next(body, bytes, 4, &size), -ENODATA);
}

TESTS(TEST(window_is_the_file_that_would_be_written), TEST(stretch_is_the_segments_that_it_touches),
      TEST(what_comes_later_is_left_out), TEST(what_leaves_the_window_is_missing),
      TEST(empty_window_is_an_empty_capture), TEST(body_of_a_file_is_all_that_was_promised))
