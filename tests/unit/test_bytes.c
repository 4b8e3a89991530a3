/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "check.h"

#define READER(...)                                                                                \
	bytes_reader_of((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void numbers_are_little_endian(void)
{
	struct bytes_reader reader =
		READER(0x11, 0x34, 0x12, 0x78, 0x56, 0x34, 0x12, 8, 7, 6, 5, 4, 3, 2, 1);

	CHECK_EQ(bytes_read_u8(&reader), 0x11);
	CHECK_EQ(bytes_read_u16(&reader), 0x1234);
	CHECK_EQ(bytes_read_u32(&reader), 0x12345678);
	CHECK_EQ(bytes_offset(&reader), 7);
	CHECK_EQ(bytes_read_u64(&reader), 0x0102030405060708);
	CHECK_EQ(bytes_left(&reader), 0);
	CHECK(!reader.failed);
}

static void the_first_read_beyond_the_end_fails_all_later_ones(void)
{
	struct bytes_reader reader = READER(1, 2, 3);

	CHECK_EQ(bytes_read_u32(&reader), 0);
	CHECK(reader.failed);
	CHECK_EQ(bytes_left(&reader), 3);
	CHECK_EQ(bytes_read_u8(&reader), 0);
	CHECK(!bytes_read(&reader, 0));
	CHECK(!bytes_read_string(&reader));
	CHECK(bytes_read_part(&reader, 1).failed);
}

static void a_copy_that_fails_is_zeroed(void)
{
	struct bytes_reader reader = READER(1, 2);
	uint8_t target[3] = { 9, 9, 9 };

	CHECK(!bytes_read_into(&reader, target, sizeof(target)));
	CHECK(!target[0] && !target[1] && !target[2]);
}

static void no_bytes_at_all_can_be_read_as_nothing(void)
{
	struct bytes_reader reader = bytes_reader_of(NULL, 5);

	CHECK_EQ(bytes_left(&reader), 0);
	CHECK(!bytes_read_part(&reader, 0).failed);
	CHECK_EQ(bytes_read_u8(&reader), 0);
	CHECK(reader.failed);
}

static void sizes_near_the_largest_number_do_not_wrap(void)
{
	struct bytes_reader reader = READER(1, 2, 3);

	bytes_read_u8(&reader);
	CHECK(!bytes_read(&reader, SIZE_MAX));
	CHECK(reader.failed);
}

static void uleb128_takes_64_bits_and_no_more(void)
{
	struct bytes_reader small = READER(0x00, 0x7f, 0x80, 0x01, 0xe5, 0x8e, 0x26);
	struct bytes_reader largest =
		READER(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
	struct bytes_reader too_large =
		READER(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02);
	struct bytes_reader endless =
		READER(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0);
	struct bytes_reader cut = READER(0x80);

	CHECK_EQ(bytes_read_uleb128(&small), 0);
	CHECK_EQ(bytes_read_uleb128(&small), 127);
	CHECK_EQ(bytes_read_uleb128(&small), 128);
	CHECK_EQ(bytes_read_uleb128(&small), 624485); /* DWARF 5, figure 22 */
	CHECK(bytes_read_uleb128(&largest) == UINT64_MAX);
	CHECK(!largest.failed);
	CHECK_EQ(bytes_read_uleb128(&too_large), 0);
	CHECK(too_large.failed);
	CHECK_EQ(bytes_read_uleb128(&endless), 0);
	CHECK(endless.failed);
	CHECK_EQ(bytes_read_uleb128(&cut), 0);
	CHECK(cut.failed);
}

static void sleb128_takes_64_bits_and_no_more(void)
{
	struct bytes_reader small = READER(0x02, 0x7e, 0xff, 0x00, 0x81, 0x7f, 0x80, 0x7f);
	struct bytes_reader least =
		READER(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f);
	struct bytes_reader most =
		READER(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00);
	struct bytes_reader wrong =
		READER(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);

	CHECK_EQ(bytes_read_sleb128(&small), 2); /* DWARF 5, figure 23 */
	CHECK_EQ(bytes_read_sleb128(&small), -2);
	CHECK_EQ(bytes_read_sleb128(&small), 127);
	CHECK_EQ(bytes_read_sleb128(&small), -127);
	CHECK_EQ(bytes_read_sleb128(&small), -128);
	CHECK(bytes_read_sleb128(&least) == INT64_MIN);
	CHECK(bytes_read_sleb128(&most) == INT64_MAX);
	CHECK(!least.failed && !most.failed);
	CHECK_EQ(bytes_read_sleb128(&wrong), 0);
	CHECK(wrong.failed);
}

static void strings_end_inside_or_fail(void)
{
	struct bytes_reader reader = READER('a', 'b', 0, 0, 'c');

	CHECK_STR_EQ(bytes_read_string(&reader), "ab");
	CHECK_STR_EQ(bytes_read_string(&reader), "");
	CHECK(!bytes_read_string(&reader));
	CHECK(reader.failed);
}

static void a_part_ends_where_it_should(void)
{
	struct bytes_reader reader = READER(1, 2, 3, 4);
	struct bytes_reader part = bytes_read_part(&reader, 2);

	CHECK_EQ(bytes_read_u8(&part), 1);
	CHECK_EQ(bytes_read_u16(&part), 0);
	CHECK(part.failed);
	CHECK(!reader.failed);
	CHECK_EQ(bytes_read_u8(&reader), 3);
}

static void what_was_written_is_read_back(void)
{
	static const int64_t values[] = { 0, 1, -1, 63, -64, 64, 1 << 20, INT64_MAX, INT64_MIN };
	CLEANUP(bytes_writer_free) struct bytes_writer writer = bytes_writer_with_max(1000);
	struct bytes_reader reader;

	bytes_write_u8(&writer, 0x12);
	bytes_write_u16(&writer, 0x1234);
	bytes_write_u32(&writer, 0x12345678);
	bytes_write_u64(&writer, 0x123456789abcdef0);
	bytes_write(&writer, "abc", 4);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		bytes_write_zigzag(&writer, values[i]);
		bytes_write_uleb128(&writer, (uint64_t)values[i]);
	}
	CHECK(!writer.failed);
	reader = bytes_reader_of(writer.bytes, writer.size);
	CHECK_EQ(bytes_read_u8(&reader), 0x12);
	CHECK_EQ(bytes_read_u16(&reader), 0x1234);
	CHECK_EQ(bytes_read_u32(&reader), 0x12345678);
	CHECK_EQ(bytes_read_u64(&reader), 0x123456789abcdef0);
	CHECK_STR_EQ(bytes_read_string(&reader), "abc");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		CHECK(bytes_read_zigzag(&reader) == values[i]);
		CHECK(bytes_read_uleb128(&reader) == (uint64_t)values[i]);
	}
	CHECK_EQ(bytes_left(&reader), 0);
	CHECK(!reader.failed);
}

static void a_full_writer_keeps_what_it_has_and_drops_the_rest(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer writer = bytes_writer_with_max(10);

	bytes_write_u64(&writer, 1);
	bytes_write_u32(&writer, 2);
	CHECK(writer.failed);
	CHECK_EQ(writer.size, 8);
	bytes_write_u8(&writer, 3);
	CHECK_EQ(writer.size, 8);
	CHECK(!bytes_writer_extend(&writer, SIZE_MAX));
	bytes_writer_clear(&writer);
	bytes_write_u64(&writer, 4);
	bytes_write_u16(&writer, 5);
	CHECK(!writer.failed);
	CHECK_EQ(writer.size, 10);
}

static void a_writer_grows_to_its_maximum_exactly(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer writer = bytes_writer_with_max(1000);

	for (int i = 0; i < 1000; i++)
		bytes_write_u8(&writer, (uint8_t)i);
	CHECK(!writer.failed);
	CHECK_EQ(writer.size, 1000);
	CHECK_EQ(writer.bytes[999], (uint8_t)999);
	bytes_write_u8(&writer, 0);
	CHECK(writer.failed);
}

static void a_descriptor_is_read_to_its_end_or_to_the_cap(void)
{
	CLEANUP(bytes_writer_free) struct bytes_writer whole = bytes_writer_with_max(1 << 20);
	CLEANUP(bytes_writer_free) struct bytes_writer cut = bytes_writer_with_max(100000);
	CLEANUP(fd_close) int fd = memfd_create("input", MFD_CLOEXEC);
	static uint8_t bytes[200000];

	memset(bytes, 7, sizeof(bytes));
	CHECK_EQ(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	lseek(fd, 10, SEEK_SET);
	bytes_write_u8(&whole, 1);
	CHECK_EQ(bytes_writer_read(&whole, fd), 0);
	CHECK_EQ(whole.size, 1 + sizeof(bytes) - 10);
	CHECK_EQ(whole.bytes[whole.size - 1], 7);
	lseek(fd, 0, SEEK_SET);
	CHECK_EQ(bytes_writer_read(&cut, fd), -EFBIG);
	CHECK_EQ(bytes_writer_read(&whole, -1), -EBADF);
}

TESTS(TEST(numbers_are_little_endian), TEST(the_first_read_beyond_the_end_fails_all_later_ones),
      TEST(a_copy_that_fails_is_zeroed), TEST(no_bytes_at_all_can_be_read_as_nothing),
      TEST(sizes_near_the_largest_number_do_not_wrap), TEST(uleb128_takes_64_bits_and_no_more),
      TEST(sleb128_takes_64_bits_and_no_more), TEST(strings_end_inside_or_fail),
      TEST(a_part_ends_where_it_should), TEST(what_was_written_is_read_back),
      TEST(a_full_writer_keeps_what_it_has_and_drops_the_rest),
      TEST(a_writer_grows_to_its_maximum_exactly),
      TEST(a_descriptor_is_read_to_its_end_or_to_the_cap))
