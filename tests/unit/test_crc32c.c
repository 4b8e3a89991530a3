/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"

#include "check.h"

/* The examples of RFC 3720, B.4, and the check value of the catalogue of CRCs. */
static void known_bytes_have_their_checksums(void)
{
	uint8_t zeros[32] = { 0 }, ones[32], counting[32];

	memset(ones, 0xff, sizeof(ones));
	for (uint8_t i = 0; i < sizeof(counting); i++)
		counting[i] = i;

	CHECK_EQ(crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);
	CHECK_EQ(crc32c(0, ones, sizeof(ones)), 0x62a8ab43);
	CHECK_EQ(crc32c(0, counting, sizeof(counting)), 0x46dd794e);
	CHECK_EQ(crc32c(0, "123456789", 9), 0xe3069283);
	CHECK_EQ(crc32c_by_table(0, "123456789", 9), 0xe3069283);
	CHECK_EQ(crc32c(0, "", 0), 0);
}

/* The processor's instruction and the table agree on every size and alignment. */
static void instruction_and_table_agree(void)
{
	uint8_t bytes[256];

	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 167 + 13);
	for (uint32_t begin = 0; begin < 9; begin++)
		for (uint32_t size = 0; size < 200; size++)
			CHECK_EQ(crc32c(size, bytes + begin, size),
				 crc32c_by_table(size, bytes + begin, size));
}

/* A checksum may be continued. */
static void parts_make_the_whole(void)
{
	const char text[] = "chunks of a segment, one after another";
	uint32_t whole = crc32c(0, text, sizeof(text));

	for (size_t cut = 0; cut <= sizeof(text); cut++)
		CHECK_EQ(crc32c(crc32c(0, text, cut), text + cut, sizeof(text) - cut), whole);
}

TESTS(TEST(known_bytes_have_their_checksums), TEST(instruction_and_table_agree),
      TEST(parts_make_the_whole))
