/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of the wire (include/wire.h) written where the room is known to suffice: the encoder's
 * inner loops. Elsewhere base/bytes.h checks each one. Any thread.
 */
#ifndef FLICKERSCOPE_VARINT_H
#define FLICKERSCOPE_VARINT_H

#include <stdint.h>

enum {
	VARINT_SIZE_MAX = 10,
	VARINT32_SIZE_MAX = 5,
};

/* Returns the place behind it. */
static inline uint8_t *varint_put(uint8_t *at, uint64_t value)
{
	while (value > 0x7f) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

static inline uint8_t *zigzag_put(uint8_t *at, int64_t value)
{
	return varint_put(at, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

#endif
