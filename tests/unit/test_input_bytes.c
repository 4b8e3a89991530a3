/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/input_bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "import_fixture.h"

static bool is_line(struct input_bytes *input, const char *expected)
{
	const char *line;
	size_t size;

	return input_bytes_line(input, &line, &size) == 0 && size == strlen(expected) &&
	       memcmp(line, expected, size) == 0;
}

/* However small the blocks are in which they come. */
static void lines_are_the_same_in_any_blocks(void)
{
	static const char text[] = "one\n\nthree\r\nlast";

	for (size_t block = 1; block <= sizeof(text); block++) {
		CLEANUP(input_bytes_free) struct input_bytes *input = NULL;
		const char *line;
		size_t size;

		CHECK_OR_RETURN(input_bytes_of(text, sizeof(text) - 1, block, true, &input) == 0);
		CHECK(is_line(input, "one"));
		CHECK_EQ(input_bytes_offset(input), 4);
		CHECK(is_line(input, ""));
		CHECK(is_line(input, "three\r"));
		CHECK_EQ(input->line, 3);
		CHECK(is_line(input, "last"));
		CHECK_EQ(input_bytes_line(input, &line, &size), INPUT_BYTES_END);
		CHECK_EQ(input_bytes_offset(input), sizeof(text) - 1);
		CHECK(!input_bytes_is_packed(input));
	}
}

static void what_is_needed_is_there_or_its_end(void)
{
	CLEANUP(input_bytes_free) struct input_bytes *input = NULL;

	CHECK_OR_RETURN(input_bytes_of("abcdef", 6, 2, true, &input) == 0);
	CHECK_EQ(input_bytes_need(input, 3), 0);
	CHECK(input->end - input->at >= 3);
	CHECK(memcmp(input->at, "abc", 3) == 0);
	input->at += 2;
	CHECK_EQ(input_bytes_need(input, 4), 0);
	CHECK(memcmp(input->at, "cdef", 4) == 0);
	CHECK_EQ(input_bytes_need(input, 5), INPUT_BYTES_END);
	CHECK_EQ(input->end - input->at, 4);
}

/* With its end it has to fit the buffer. */
static void a_line_is_as_long_as_the_buffer_at_most(void)
{
	char *text = malloc(INPUT_BUFFER_SIZE + 1);

	CHECK_OR_RETURN(text);
	memset(text, 'x', INPUT_BUFFER_SIZE + 1);
	for (size_t size = INPUT_BUFFER_SIZE - 1; size <= INPUT_BUFFER_SIZE + 1; size += 2) {
		CLEANUP(input_bytes_free) struct input_bytes *input = NULL;
		const char *line;
		size_t line_size;
		int r;

		CHECK_EQ(input_bytes_of(text, size, INPUT_BLOCK_SIZE, true, &input), 0);
		r = input_bytes_line(input, &line, &line_size);
		CHECK_EQ(r, size > INPUT_BUFFER_SIZE ? -EBADMSG : 0);
		if (r == 0)
			CHECK_EQ(line_size, size);
	}
	free(text);
}

static void packed_parts_are_one_file(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer whole = bytes_writer_with_max(100);
	CLEANUP(input_bytes_free) struct input_bytes *input = NULL;
	char file[256];
	size_t first_size, second_size;
	void *first = import_pack("one\ntw", 6, &first_size);
	void *second = import_pack("o\n", 2, &second_size);

	memcpy(file, first, first_size);
	memcpy(file + first_size, second, second_size);
	CHECK_EQ(input_bytes_of(file, first_size + second_size, 3, true, &input), 0);
	CHECK(is_line(input, "one"));
	CHECK(input_bytes_is_packed(input));
	CHECK_EQ(input_bytes_offset(input), 4);
	CHECK_EQ(input_bytes_whole(input, &whole), 0);
	CHECK_EQ(whole.size, 4);
	CHECK(memcmp(whole.bytes, "two\n", 4) == 0);
	CHECK_EQ(input_bytes_stored_read(input), first_size + second_size);
	input_bytes_free(TAKE(input));
	/* Cut within the second: what is there of it is not taken for all. */
	CHECK_EQ(input_bytes_of(file, first_size + second_size - 4, 3, true, &input), 0);
	CHECK(is_line(input, "one"));
	bytes_writer_clear(&whole);
	CHECK(input_bytes_whole(input, &whole) < 0);
	free(first);
	free(second);
}

/* Of a file that grows without end by being unpacked, no more than a limit is unpacked. */
static void what_swells_beyond_measure_is_refused(void)
{
	const size_t size = INPUT_RATIO_FREE + (32u << 20);
	CLEANUP(input_bytes_free) struct input_bytes *input = NULL;
	char *zeros = calloc(1, size);
	size_t packed_size;
	void *packed = import_pack(zeros, size, &packed_size);
	uint64_t seen = 0;
	int r = 0;

	CHECK(size / packed_size > INPUT_RATIO_MAX);
	CHECK_EQ(input_bytes_of(packed, packed_size, INPUT_BLOCK_SIZE, true, &input), 0);
	while (!r) {
		r = input_bytes_need(input, 1);
		seen += (uint64_t)(input->end - input->at);
		input->at = input->end;
	}
	CHECK_EQ(r, -EBADMSG);
	CHECK(seen >= INPUT_RATIO_FREE / 2 && seen < size);
	free(packed);
	free(zeros);
}

TESTS(TEST(lines_are_the_same_in_any_blocks), TEST(what_is_needed_is_there_or_its_end),
      TEST(a_line_is_as_long_as_the_buffer_at_most), TEST(packed_parts_are_one_file),
      TEST(what_swells_beyond_measure_is_refused))
