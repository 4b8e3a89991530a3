/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/capture_reader.h"

#include <errno.h>

#include "profile/sample_window.h"

#include "capture_fixture.h"

#include "check.h"

/* A capture closed in order is opened by its index, and everything in it is visited. */
static void whole_capture_is_read_by_its_index(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	const struct capture_segment *segment;
	struct capture_totals totals;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 3, 4, 5);
	capture_fixture_write(&capture);
	CHECK_EQ(capture_open_bytes(capture.bytes, capture.size, &reader), 0);
	CHECK(capture_reader_ended(reader));
	CHECK_EQ(capture_reader_size(reader), capture.size);
	CHECK_EQ(capture_reader_header(reader)->instance_id, 0x1122334455667788);
	CHECK_EQ(capture_reader_segment_count(reader), 3);
	for (uint32_t i = 0; i < 3; i++) {
		segment = capture_reader_segment(reader, i);
		CHECK_EQ(segment->number, i + 1);
		CHECK_EQ(segment->start_us, FIXTURE_START_US + i * 4000000);
		CHECK_EQ(segment->end_us, FIXTURE_START_US + (i + 1) * 4000000);
	}
	totals = capture_read_totals(reader);
	CHECK_EQ(totals.samples, 60);
	CHECK_EQ(totals.ticks, 12);
	CHECK_EQ(totals.segments, 3);
	CHECK_EQ(totals.damaged, 0);
}

/* The index has each segment's place and all late names, in words. */
static void index_has_places_and_late_names(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	struct record_text text = { bytes_writer_with_max(1 << 20) };
	char expected[512];

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 2, 5);
	capture_fixture_write(&capture);
	CHECK_EQ(capture_open_bytes(capture.bytes, capture.size, &reader), 0);
	CHECK_EQ(capture_reader_visit_index(reader, &record_text_visitor, &text), 0);
	bytes_write_u8(&text.text, 0);
	snprintf(expected, sizeof(expected),
		 "string 1 late::name\n"
		 "string 2 late::name\n"
		 "late name key 2 function 11 name 1\n"
		 "late name key 4 function 11 name 2\n"
		 "index 1 offset 40 size %u start 1700000000250000 span 2000000 samples 10\n"
		 "index 2 offset %u size %u start 1700000002250000 span 2000000 samples 10\n",
		 capture.stream.chunks[0]->size + capture.stream.chunks[1]->size,
		 40 + capture.stream.chunks[0]->size + capture.stream.chunks[1]->size,
		 capture.stream.chunks[2]->size + capture.stream.chunks[3]->size);
	CHECK_STR_EQ((const char *)text.text.bytes, expected);
	bytes_writer_free(&text.text);
}

/* An index of more than one chunk: thousands of names. */
static void large_index_is_read(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	struct record_text text = { bytes_writer_with_max(1 << 24) };
	char name[64];

	capture_fixture_init(&capture);
	for (uint32_t i = 0; i < 9000; i++) {
		snprintf(name, sizeof(name), "a::name::that::came::late::%u", i);
		CHECK_EQ(record_encoder_add_late_name(capture.stream.encoder, i + 1, i + 1, name),
			 0);
	}
	fixture_close(&capture.stream, FIXTURE_START_NS);
	capture_fixture_write(&capture);
	CHECK_EQ(capture_open_bytes(capture.bytes, capture.size, &reader), 0);
	CHECK(capture_reader_ended(reader));
	CHECK_EQ(capture_reader_visit_index(reader, &record_text_visitor, &text), 0);
	bytes_write_u8(&text.text, 0);
	CHECK(strstr((const char *)text.text.bytes, "string 9000 a::name::that::came::late::8999"));
	bytes_writer_free(&text.text);
}

/* Where each chunk ends in the file, and how many samples have been seen by then. */
static uint64_t samples_before(const struct capture_fixture *capture, size_t cut)
{
	size_t offset = sizeof(struct wire_file_header);
	uint64_t samples = 0;

	for (uint32_t i = 0; i < capture->stream.chunk_count; i++) {
		offset += capture->stream.chunks[i]->size;
		if (offset > cut)
			break;
		samples += capture->stream.chunks[i]->sample_count;
	}
	return samples;
}

/* Cut at every byte, a capture opens up to the cut: to the last whole chunk before it. */
static void capture_cut_anywhere_opens_up_to_the_cut(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 3, 3, 20);
	capture_fixture_write(&capture);
	CHECK(capture.size < 65536);
	for (size_t cut = 0; cut < capture.size; cut++) {
		CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
		int r = capture_open_bytes(capture.bytes, cut, &reader);
		struct capture_totals totals;

		if (cut < WIRE_MAGIC_SIZE) {
			CHECK_EQ(r, CAPTURE_NOT_ONE);
			continue;
		}
		CHECK_EQ(r, 0);
		CHECK(!capture_reader_ended(reader));
		totals = capture_read_totals(reader);
		CHECK_EQ(totals.samples, samples_before(&capture, cut));
		CHECK_EQ(totals.damaged, 0);
	}
}

/* A file that is being written opens, and opens further later. */
static void capture_being_written_opens(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	struct capture_writer *writer;
	uint64_t expected = 0;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 3, 20);
	writer = capture_fixture_writer(&capture, false);
	for (uint32_t i = 0; i < capture.stream.chunk_count; i++) {
		CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;

		capture_writer_add(writer, capture.stream.chunks[i]);
		expected += capture.stream.chunks[i]->sample_count;
		for (int tries = 0; tries < 2000 && capture_writer_status(writer).queued_bytes;
		     tries++)
			usleep(1000);
		CHECK_EQ(capture_reader_open_fd(open(capture.path, O_RDONLY), "capture", true,
						&reader),
			 0);
		CHECK_EQ(capture_read_totals(reader).samples, expected);
	}
	capture_writer_free(writer);
}

/* The offset in the file of chunk @index. */
static size_t chunk_offset(const struct capture_fixture *capture, uint32_t index)
{
	size_t offset = sizeof(struct wire_file_header);

	for (uint32_t i = 0; i < index; i++)
		offset += capture->stream.chunks[i]->size;
	return offset;
}

/*
 * A damaged chunk costs the rest of its segment; the gap up to the next one is told. The same with
 * the index and without.
 */
static void damage_costs_the_rest_of_its_segment(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	const uint32_t damaged_chunk = 6; /* the third of the second segment */

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 3, 4, 20);
	capture_fixture_write(&capture);
	for (int with_index = 1; with_index >= 0; with_index--) {
		CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
		struct capture_totals totals;

		capture.bytes[chunk_offset(&capture, damaged_chunk) + 50] ^= 0x10;
		CHECK_EQ(capture_open_bytes(capture.bytes, capture.size - !with_index, &reader), 0);
		capture.bytes[chunk_offset(&capture, damaged_chunk) + 50] ^= 0x10;
		CHECK_EQ(capture_reader_ended(reader), with_index);
		CHECK_EQ(capture_reader_segment_count(reader), 3);
		totals = capture_read_totals(reader);
		CHECK_EQ(totals.samples, 80 + 40 + 80);
		CHECK_EQ(totals.damaged, 1);
		CHECK_EQ(totals.gaps, 1);
		CHECK_EQ(totals.last_gap.reason, WIRE_GAP_DAMAGED);
		CHECK_EQ(totals.last_gap.start_us, 2000000);
		CHECK_EQ(totals.last_gap.end_us, 4000000);
	}
}

/* Every bit of a capture flipped, one at a time: it opens, or says why not, and never crashes. */
static void flipped_bits_do_no_harm(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	uint32_t unharmed = 0, opened = 0;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 2, 5);
	capture_fixture_write(&capture);
	for (size_t bit = 0; bit < capture.size * 8; bit += 3) {
		CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
		struct capture_totals totals;

		capture.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (!capture_open_bytes(capture.bytes, capture.size, &reader)) {
			totals = capture_read_totals(reader);
			CHECK(totals.samples <= 20);
			CHECK(totals.samples >= 10 || bit / 8 < sizeof(struct wire_file_header));
			unharmed += totals.samples == 20;
			opened++;
		}
		capture.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK(opened > capture.size * 8 / 3 - 100);
	CHECK(unharmed < opened);
}

/* Foreign bytes between chunks, and before them, are passed over. */
static void foreign_bytes_are_passed_over(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(memory_free) uint8_t *bytes = NULL;
	size_t at;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 3, 2, 20);
	capture_fixture_write(&capture);
	bytes = malloc(capture.size + 1000);
	for (uint32_t place = 0; place <= 4; place += 2) {
		CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;

		/* Between two segments; the text holds the magic of a chunk, too. */
		at = chunk_offset(&capture, place);
		memcpy(bytes, capture.bytes, at);
		memset(bytes + at, 'C', 1000);
		memcpy(bytes + at + 500, "CHNKCHNK", 8);
		memcpy(bytes + at + 1000, capture.bytes + at, capture.size - at);
		CHECK_EQ(capture_open_bytes(bytes, capture.size + 1000, &reader), 0);
		CHECK(!capture_reader_ended(reader)); /* the index names other places */
		CHECK_EQ(capture_read_totals(reader).samples, 120);
	}
}

/* A file full of what looks like chunks and is none ends the search after a bounded time. */
static void search_for_chunks_is_bounded(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	CLEANUP(memory_free) uint8_t *bytes = NULL;
	const size_t size = 4 << 20;
	struct wire_chunk_header header = {
		.magic = WIRE_CHUNK_MAGIC,
		.stored_size = 256,
		.raw_size = 10,
	};

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 1, 1, 20);
	capture_fixture_write(&capture);
	bytes = malloc(size);
	CHECK_OR_RETURN(bytes && capture.size >= chunk_offset(&capture, 1));
	memcpy(bytes, capture.bytes, chunk_offset(&capture, 1));
	for (size_t at = chunk_offset(&capture, 1); at + sizeof(header) < size; at += 41)
		memcpy(bytes + at, &header, sizeof(header));
	CHECK_EQ(capture_open_bytes(bytes, size, &reader), 0);
	CHECK_EQ(capture_read_totals(reader).samples, 20);
}

/* An index that names places outside the file, or overlapping ones, is not believed. */
static void damaged_index_is_not_believed(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	struct wire_file_trailer trailer;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 3, 2, 20);
	capture_fixture_write(&capture);
	memcpy(&trailer, capture.bytes + capture.size - sizeof(trailer), sizeof(trailer));
	for (size_t at = trailer.index_offset; at < capture.size; at++) {
		CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;

		capture.bytes[at] ^= 0xff;
		CHECK_EQ(capture_open_bytes(capture.bytes, capture.size, &reader), 0);
		/* The trailer's reserved bytes say nothing; all others matter. */
		CHECK_EQ(capture_reader_ended(reader),
			 at >= capture.size - 8 && at < capture.size - 4);
		CHECK_EQ(capture_read_totals(reader).samples, 120);
		capture.bytes[at] ^= 0xff;
	}
}

/* Other files are not taken for captures; a newer major version is refused. */
static void other_files_are_told_apart(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	struct capture_reader *reader = NULL;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 1, 1, 5);
	capture_fixture_write(&capture);
	CHECK_EQ(capture_open_bytes("", 0, &reader), CAPTURE_NOT_ONE);
	CHECK_EQ(capture_open_bytes("perf 123 456.789: cycles:\n", 26, &reader), CAPTURE_NOT_ONE);
	capture.bytes[8] = WIRE_VERSION_MAJOR + 1;
	CHECK_EQ(capture_open_bytes(capture.bytes, capture.size, &reader), CAPTURE_VERSION);
	capture.bytes[8] = WIRE_VERSION_MAJOR;
	capture.bytes[12] = 39; /* the header's size */
	CHECK_EQ(capture_open_bytes(capture.bytes, capture.size, &reader), -EBADMSG);
	CHECK_EQ(capture_reader_open_fd(open("/tmp", O_RDONLY), "folder", true, &reader), -EISDIR);
	CHECK_EQ(capture_reader_open_fd(open("/dev/zero", O_RDONLY), "device", true, &reader),
		 -EINVAL);
	CHECK(reader == NULL);
}

/* A minor version more, and a header that is longer, are read. */
static void longer_header_is_read(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	CLEANUP(memory_free) uint8_t *bytes = NULL;
	const size_t header_size = sizeof(struct wire_file_header);

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 1, 1, 5);
	capture_fixture_write(&capture);
	bytes = calloc(1, capture.size + 24);
	memcpy(bytes, capture.bytes, header_size);
	memcpy(bytes + header_size + 24, capture.bytes + header_size, capture.size - header_size);
	bytes[10] = 9;
	bytes[12] = (uint8_t)(header_size + 24);
	CHECK_EQ(capture_open_bytes(bytes, capture.size + 24, &reader), 0);
	CHECK_EQ(capture_read_totals(reader).samples, 5);
}

/* A file that shrinks while it is read ends there, without a signal. */
static void file_that_shrinks_ends_there(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	struct capture_totals totals = { 0 };
	uint64_t random = 1;

	capture_fixture_init(&capture);
	/* More bytes that do not deflate than the reader's buffer holds. */
	for (uint32_t i = 0; i < 40; i++) {
		char name[16384];
		uint32_t id;

		for (uint32_t j = 0; j < sizeof(name) - 1; j++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			name[j] = (char)(random >> 56 | 1);
		}
		name[sizeof(name) - 1] = '\0';
		CHECK_EQ(profile_string(capture.stream.profile, name, &id), 0);
	}
	capture_fixture_fill(&capture, 2, 2, 20);
	capture_fixture_write(&capture);
	CHECK(capture.size > 300000);
	CHECK_EQ(capture_reader_open_fd(open(capture.path, O_RDONLY), "capture", true, &reader), 0);
	CHECK_EQ(truncate(capture.path, 100000), 0);
	CHECK_EQ(capture_reader_visit(reader, 1, &totals_visitor, &totals), CAPTURE_DAMAGED);
	CHECK_EQ(totals.samples, 0);
	CHECK_EQ(capture_reader_visit(reader, 0, &totals_visitor, &totals), CAPTURE_DAMAGED);
}

static int add_to_window(struct chunk *chunk, void *context)
{
	return sample_window_add(context, chunk);
}

/* The chunks handed over for a window are the file's bytes. */
static void chunks_are_handed_over_as_they_are(void)
{
	CLEANUP(capture_fixture_free) struct capture_fixture capture = { 0 };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	struct sample_window_options options = { .bytes_max = 1 << 30 };
	struct sample_window_segment segment;
	const uint8_t *bytes;

	capture_fixture_init(&capture);
	capture_fixture_fill(&capture, 2, 3, 20);
	capture_fixture_write(&capture);
	CHECK_EQ(capture_open_bytes(capture.bytes, capture.size, &reader), 0);
	CHECK_EQ(sample_window_new(&options, &window), 0);
	for (uint32_t i = 0; i < 2; i++)
		CHECK_EQ(capture_reader_chunks(reader, i, add_to_window, window), 0);
	CHECK_EQ(sample_window_open(window), 0);
	for (uint32_t i = 0; i < 2; i++) {
		size_t at = chunk_offset(&capture, i * 3);
		uint32_t offset = 0, size;

		CHECK(sample_window_segment(window, i + 1, &segment));
		CHECK_EQ(segment.start_us, FIXTURE_START_US + i * 3000000);
		CHECK_EQ(segment.end_us, FIXTURE_START_US + (i + 1) * 3000000);
		while ((size = sample_window_read(window, i + 1, offset, &bytes)) > 0) {
			CHECK(memcmp(bytes, capture.bytes + at + offset, size) == 0);
			offset += size;
		}
		CHECK_EQ(at + offset, chunk_offset(&capture, (i + 1) * 3));
	}
}

TESTS(TEST(whole_capture_is_read_by_its_index), TEST(index_has_places_and_late_names),
      TEST(large_index_is_read), TEST(capture_cut_anywhere_opens_up_to_the_cut),
      TEST(capture_being_written_opens), TEST(damage_costs_the_rest_of_its_segment),
      TEST(flipped_bits_do_no_harm), TEST(foreign_bytes_are_passed_over),
      TEST(search_for_chunks_is_bounded), TEST(damaged_index_is_not_believed),
      TEST(other_files_are_told_apart), TEST(longer_header_is_read),
      TEST(file_that_shrinks_ends_there), TEST(chunks_are_handed_over_as_they_are))
