/* SPDX-License-Identifier: Apache-2.0 */
/* Packed streams: whole, cut, with wrong checksums, and those that want more than there is. */
#include "elf/xz_payload.h"

#include <lzma.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "check.h"
#include "elf/executable_file.h"

enum {
	PLAIN_SIZE = 300000,
	PACKED_SIZE_MAX = 2 * PLAIN_SIZE,
	BLOCK = 12, /* of the stream: the first block's head, which has its size in its first byte */
	DICTIONARY_OF_1_GIB = 36,
};

static uint8_t plain[PLAIN_SIZE], packed[PACKED_SIZE_MAX];

/* Bytes that neither repeat nor are all the same. */
static size_t pack(void)
{
	size_t size = 0;

	for (uint32_t i = 0; i < PLAIN_SIZE; i++)
		plain[i] = (uint8_t)(i * i >> 7);
	if (lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, plain, sizeof(plain), packed, &size,
				    sizeof(packed)) != LZMA_OK)
		check_give_up();
	return size;
}

static int unpack(size_t size, size_t size_max, size_t *ret_size)
{
	CLEANUP(bytes_writer_free) struct bytes_writer bytes = bytes_writer_with_max(size_max);
	int r = xz_payload_unpack(packed, size, &bytes);

	*ret_size = bytes.size;
	if (r == 0)
		CHECK(bytes.size == sizeof(plain) &&
		      memcmp(bytes.bytes, plain, sizeof(plain)) == 0);
	return r;
}

static void a_stream_comes_out_as_it_went_in(void)
{
	size_t size;

	CHECK_EQ(unpack(pack(), PLAIN_SIZE + (64 << 10), &size), 0);
}

static void a_cut_stream_is_malformed_wherever_it_is_cut(void)
{
	size_t whole = pack(), size;

	for (size_t cut = 0; cut < whole; cut += cut < 64 || whole - cut < 64 ? 1 : 997)
		CHECK_EQ(unpack(cut, 1 << 20, &size), EXECUTABLE_MALFORMED);
}

static void a_changed_stream_is_malformed(void)
{
	size_t whole = pack(), size;

	packed[whole / 2] ^= 1;
	CHECK_EQ(unpack(whole, 1 << 20, &size), EXECUTABLE_MALFORMED);
}

static void more_than_the_limit_is_refused(void)
{
	size_t size;

	CHECK_EQ(unpack(pack(), PLAIN_SIZE / 2, &size), EXECUTABLE_TOO_LARGE);
	CHECK(size <= PLAIN_SIZE / 2);
}

/* A gigabyte for unpacking some kilobytes. */
static void a_stream_that_wants_too_much_memory_is_refused(void)
{
	static const uint8_t filter[] = { 0x21, 1 }; /* LZMA2, with one byte of properties */
	size_t whole = pack(), head_size = (packed[BLOCK] + 1U) * 4, size;
	uint8_t *found = memmem(packed + BLOCK, head_size, filter, sizeof(filter));
	uint32_t crc;

	CHECK_OR_RETURN(found != NULL);
	found[sizeof(filter)] = DICTIONARY_OF_1_GIB;
	crc = (uint32_t)crc32(0, packed + BLOCK, (uInt)(head_size - sizeof(crc)));
	memcpy(packed + BLOCK + head_size - sizeof(crc), &crc, sizeof(crc));
	CHECK_EQ(unpack(whole, 1 << 20, &size), EXECUTABLE_TOO_LARGE);
}

TESTS(TEST(a_stream_comes_out_as_it_went_in), TEST(a_cut_stream_is_malformed_wherever_it_is_cut),
      TEST(a_changed_stream_is_malformed), TEST(more_than_the_limit_is_refused),
      TEST(a_stream_that_wants_too_much_memory_is_refused))
