/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C (Castagnoli; RFC 3720, B.4): by the processor's instruction where there is one, else by
 * table. Any thread.
 */
#ifndef FLICKERSCOPE_CRC32C_H
#define FLICKERSCOPE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * The checksum of what @crc covers followed by @bytes; 0 starts one:
 * crc32c(crc32c(0, a, n), b, m) is the checksum of a and b together.
 */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size);

/* The same without the processor's instruction; for tests and other processors. */
uint32_t crc32c_by_table(uint32_t crc, const void *bytes, size_t size);

#endif
