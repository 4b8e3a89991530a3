/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

/* Reflected form of the polynomial 0x1EDC6F41. */
#define POLYNOMIAL UINT32_C(0x82f63b78)

static uint32_t table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t value = i;

		for (int bit = 0; bit < 8; bit++)
			value = value >> 1 ^ (value & 1 ? POLYNOMIAL : 0);
		table[i] = value;
	}
}

uint32_t crc32c_by_table(uint32_t crc, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	pthread_once(&table_once, fill_table);
	crc = ~crc;
	for (; size; size--, at++)
		crc = crc >> 8 ^ table[(crc ^ *at) & 0xff];
	return ~crc;
}

#ifdef __x86_64__

__attribute__((target("sse4.2"))) static uint32_t crc32c_by_instruction(uint32_t crc,
									const void *bytes,
									size_t size)
{
	const uint8_t *at = bytes;
	uint64_t value = ~crc;

	for (; size >= 8; size -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		value = __builtin_ia32_crc32di(value, word);
	}
	for (; size; size--, at++)
		value = __builtin_ia32_crc32qi((uint32_t)value, *at);
	return ~(uint32_t)value;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size)
{
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_by_instruction(crc, bytes, size);
	return crc32c_by_table(crc, bytes, size);
}

#else

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size)
{
	return crc32c_by_table(crc, bytes, size);
}

#endif
