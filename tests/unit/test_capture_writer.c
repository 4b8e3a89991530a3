/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/capture_writer.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>

#include "capture_fixture.h"

#include "check.h"

/* A capture is the header, the chunks as they are, the index and the trailer; for its owner only. */
static void file_is_header_chunks_and_index(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	struct wire_file_trailer trailer;
	struct wire_file_header header;
	size_t offset = sizeof(header);
	struct stat status;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 3, 5);
	capture_fixture_write(&capture);
	memcpy(&header, capture.bytes, sizeof(header));
	CHECK(memcmp(header.magic,
		     "\x89"
		     "FLK\r\n\x1a\n",
		     8) == 0);
	CHECK_EQ(header.version_major, WIRE_VERSION_MAJOR);
	CHECK_EQ(header.header_size, sizeof(header));
	CHECK_EQ(header.instance_id, 0x1122334455667788);
	CHECK_EQ(header.source, WIRE_SOURCE_CAPTURE);
	for (uint32_t i = 0; i < capture.stream.chunk_count; i++) {
		const struct chunk *chunk = capture.stream.chunks[i];

		CHECK(memcmp(capture.bytes + offset, chunk->bytes, chunk->size) == 0);
		offset += chunk->size;
	}
	memcpy(&trailer, capture.bytes + capture.size - sizeof(trailer), sizeof(trailer));
	CHECK_EQ(trailer.magic, WIRE_TRAILER_MAGIC);
	CHECK_EQ(trailer.index_offset, offset);
	CHECK_EQ(stat(capture.path, &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0600);
}

/* What is there is kept unless asked otherwise; then nothing of it remains. */
static void file_that_is_there_is_kept(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	struct capture_writer_options options = { .fd = -1 };
	struct capture_writer *writer = NULL;
	struct stat status;
	FILE *file;

	capture_fixture_init(&capture);
	options.path = capture.path;
	file = fopen(capture.path, "w");
	fprintf(file, "%0200000d", 1);
	fclose(file);
	chmod(capture.path, 0644);
	CHECK_EQ(capture_writer_open(&options, &writer), -EEXIST);
	CHECK(writer == NULL);
	CHECK_EQ(stat(capture.path, &status), 0);
	CHECK_EQ(status.st_size, 200000);
	writer = capture_fixture_writer(&capture, true);
	CHECK_EQ(capture_writer_finish_wait(writer, CAPTURE_WAIT_MS), 0);
	CHECK_EQ(stat(capture.path, &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0600);
	CHECK_EQ(status.st_size, capture_writer_status(writer).written_bytes);
	CHECK(status.st_size < 200);
	capture_writer_free(writer);
}

/* Nothing is written through a symbolic link, into a FIFO, or where there is no folder. */
static void other_places_are_refused(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	struct capture_writer_options options = { .fd = -1, .force = true };
	struct capture_writer *writer = NULL;

	capture_fixture_init(&capture);
	options.path = capture.path;
	CHECK_EQ(symlink("/dev/null", capture.path), 0);
	CHECK_EQ(capture_writer_open(&options, &writer), -ELOOP);
	unlink(capture.path);
	CHECK_EQ(mkfifo(capture.path, 0600), 0);
	CHECK(capture_writer_open(&options, &writer) < 0);
	options.path = capture.folder;
	CHECK_EQ(capture_writer_open(&options, &writer), -EISDIR);
	options.path = "/dev/null";
	CHECK_EQ(capture_writer_open(&options, &writer), -EINVAL);
	options.path = "/nowhere/at/all";
	CHECK_EQ(capture_writer_open(&options, &writer), -ENOENT);
	CHECK(writer == NULL);
}

/* When the queue is full the rest of the segment is left out, and counted; the next one is whole. */
static void full_queue_costs_the_rest_of_the_segment(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	struct capture_writer_options options = { .fd = -1, .instance_id = 1 };
	struct capture_writer_status status;
	struct capture_writer *writer = NULL;
	uint64_t lost_bytes = 0;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 3, 4, 5);
	CHECK_EQ(capture.stream.chunk_count, 12);
	options.path = capture.path;
	/* Room for all but a chunk that is made larger than the queue. */
	options.queue_max = 1 << 20;
	CHECK_EQ(capture_writer_open(&options, &writer), 0);
	for (uint32_t i = 0; i < 12; i++) {
		CLEANUP(chunk_unref) struct chunk *large = NULL;

		if (i != 5) {
			capture_writer_add(writer, capture.stream.chunks[i]);
			lost_bytes += i == 6 || i == 7 ? capture.stream.chunks[i]->size : 0;
			CHECK_EQ(capture_writer_wants_segment(writer), i == 6 || i == 7);
			continue;
		}
		large = chunk_new(2 << 20, 0);
		CHECK_OR_RETURN(large);
		large->segment = 2;
		large->sequence = 1;
		capture_writer_add(writer, large);
		lost_bytes += large->size;
	}
	CHECK_EQ(capture_writer_finish_wait(writer, CAPTURE_WAIT_MS), 0);
	status = capture_writer_status(writer);
	CHECK(status.finished);
	CHECK_EQ(status.lost_bytes, lost_bytes);
	CHECK_EQ(status.lost_segments, 1);
	CHECK_EQ(status.queued_bytes, 0);
	capture_writer_free(writer);

	CHECK_EQ(capture_reader_open_fd(open(capture.path, O_RDONLY), "capture", true, &reader), 0);
	CHECK(capture_reader_ended(reader));
	CHECK_EQ(capture_reader_segment_count(reader), 3);
	CHECK_EQ(capture_read_totals(reader).samples, 20 + 5 + 20);
	CHECK_EQ(capture_read_totals(reader).damaged, 1);
}

/* While more than half of the queue waits, another segment would mostly be lost as well: here for a disk that is full. */
static void full_queue_wants_no_segment(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	struct capture_writer_options options = { .path = "/dev/full", .instance_id = 1 };
	CLEANUP(capture_writer_free) struct capture_writer *writer = NULL;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 1, 4, 50);
	for (uint32_t i = 0; i < 3; i++)
		options.queue_max += chunk_memory(capture.stream.chunks[i]);
	options.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	CHECK_EQ(capture_writer_open(&options, &writer), 0);
	for (uint32_t i = 0; i < 4; i++)
		capture_writer_add(writer, capture.stream.chunks[i]);
	CHECK_EQ(capture_writer_status(writer).lost_bytes, capture.stream.chunks[3]->size);
	CHECK(!capture_writer_wants_segment(writer));
}

/* A recording that begins in the middle of a segment begins with the next one. */
static void recording_begins_with_a_whole_segment(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	struct capture_writer *writer;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 4, 5);
	writer = capture_fixture_writer(&capture, false);
	for (uint32_t i = 2; i < capture.stream.chunk_count; i++)
		capture_writer_add(writer, capture.stream.chunks[i]);
	CHECK_EQ(capture_writer_finish_wait(writer, CAPTURE_WAIT_MS), 0);
	capture_writer_free(writer);
	CHECK_EQ(capture_reader_open_fd(open(capture.path, O_RDONLY), "capture", true, &reader), 0);
	CHECK_EQ(capture_reader_segment_count(reader), 1);
	CHECK_EQ(capture_reader_segment(reader, 0)->number, 2);
	CHECK_EQ(capture_read_totals(reader).samples, 20);
}

/* Waits until the writer's error is @error. Returns false after a long while. */
static bool wait_for_error(struct capture_writer *writer, int error)
{
	for (int i = 0; i < CAPTURE_WAIT_MS / 10; i++) {
		if (capture_writer_status(writer).error == error)
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

/*
 * A disk that is full, played by the file size limit, which also ends a write in the middle: what is
 * there stays whole chunks, and when there is room again nothing was lost.
 */
static void full_disk_is_tried_again(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL, *later = NULL;
	struct rlimit before, small;
	struct capture_writer *writer;
	uint64_t whole = sizeof(struct wire_file_header);

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 4, 50);
	for (uint32_t i = 0; i < 3; i++)
		whole += capture.stream.chunks[i]->size;
	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = whole + 20; /* in the middle of the fourth chunk */
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
	writer = capture_fixture_writer(&capture, false);
	for (uint32_t i = 0; i < capture.stream.chunk_count; i++)
		capture_writer_add(writer, capture.stream.chunks[i]);
	CHECK(wait_for_error(writer, -EFBIG));
	CHECK_EQ(capture_writer_status(writer).written_bytes, whole);
	capture_fixture_read(&capture);
	CHECK_EQ(capture.size, whole);
	CHECK_EQ(capture_open_bytes(capture.bytes, capture.size, &reader), 0);
	CHECK_EQ(capture_read_totals(reader).samples, 150);

	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
	CHECK(wait_for_error(writer, 0));
	CHECK_EQ(capture_writer_finish_wait(writer, CAPTURE_WAIT_MS), 0);
	CHECK_EQ(capture_writer_status(writer).lost_bytes, 0);
	capture_writer_free(writer);
	capture_fixture_read(&capture);
	CHECK_EQ(capture_open_bytes(capture.bytes, capture.size, &later), 0);
	CHECK(capture_reader_ended(later));
	CHECK_EQ(capture_read_totals(later).samples, 400);
}

/* A disk that stays full: it is said, everything is counted, and the end comes all the same. */
static void disk_that_stays_full_is_told(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	struct capture_writer_options options = { .instance_id = 1 };
	struct capture_writer *writer = NULL;
	struct capture_writer_status status;
	uint64_t bytes = 0;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 4, 50);
	options.path = "/dev/full";
	options.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	CHECK_EQ(capture_writer_open(&options, &writer), 0);
	for (uint32_t i = 0; i < capture.stream.chunk_count; i++) {
		capture_writer_add(writer, capture.stream.chunks[i]);
		bytes += capture.stream.chunks[i]->size;
	}
	CHECK(wait_for_error(writer, -ENOSPC));
	CHECK_EQ(capture_writer_finish_wait(writer, CAPTURE_WAIT_MS), -ENOSPC);
	status = capture_writer_status(writer);
	CHECK_EQ(status.written_bytes, 0);
	CHECK_EQ(status.lost_bytes, bytes);
	CHECK_EQ(status.queued_bytes, 0);
	capture_writer_free(writer);
}

/* A writer that is freed without an end leaves a file that opens up to what was written. */
static void free_without_finish_leaves_whole_chunks(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	struct capture_writer *writer;
	uint64_t samples;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 4, 5);
	writer = capture_fixture_writer(&capture, false);
	for (uint32_t i = 0; i < capture.stream.chunk_count; i++)
		capture_writer_add(writer, capture.stream.chunks[i]);
	capture_writer_free(writer);
	CHECK_EQ(capture_reader_open_fd(open(capture.path, O_RDONLY), "capture", true, &reader), 0);
	CHECK(!capture_reader_ended(reader));
	samples = capture_read_totals(reader).samples;
	CHECK_EQ(samples % 5, 0);
	CHECK(samples <= 40);
	CHECK_EQ(capture_read_totals(reader).damaged, 0);
}

/* The loop is told when the thread has ended. */
static void end_makes_the_descriptor_readable(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	struct capture_writer *writer;
	struct pollfd end = { .events = POLLIN };

	capture_fixture_init(&capture);
	writer = capture_fixture_writer(&capture, false);
	end.fd = capture_writer_fd(writer);
	CHECK_EQ(poll(&end, 1, 0), 0);
	capture_writer_finish(writer);
	CHECK_EQ(poll(&end, 1, CAPTURE_WAIT_MS), 1);
	CHECK(capture_writer_status(writer).finished);
	capture_writer_free(writer);
}

TESTS(TEST(file_is_header_chunks_and_index), TEST(file_that_is_there_is_kept),
      TEST(other_places_are_refused), TEST(full_queue_costs_the_rest_of_the_segment),
      TEST(full_queue_wants_no_segment), TEST(recording_begins_with_a_whole_segment),
      TEST(full_disk_is_tried_again), TEST(disk_that_stays_full_is_told),
      TEST(free_without_finish_leaves_whole_chunks), TEST(end_makes_the_descriptor_readable))
