/* SPDX-License-Identifier: Apache-2.0 */
/* CRC32C, the Castagnoli polynomial (RFC 3720, B.4), four bytes at a step. */

/** Reflected form of the polynomial 0x1EDC6F41. */
const polynomial = 0x82f63b78;

/** Four tables of 256: the n-th is of a byte with n zero bytes behind it. */
const tables = Array.from({ length: 4 }, () => new Int32Array(256));
for (let i = 0; i < 256; i++) {
	let value = i;
	for (let bit = 0; bit < 8; bit++)
		value = (value >>> 1) ^ (value & 1 ? polynomial : 0);
	tables[0][i] = value;
}
for (let i = 0; i < 256; i++) {
	for (let n = 1; n < 4; n++) {
		const before = tables[n - 1][i];
		tables[n][i] = (before >>> 8) ^ tables[0][before & 0xff];
	}
}
const [table0, table1, table2, table3] = tables;

/**
 * @param {number} crc of what stands before; 0 at the start
 * @param {Uint8Array} bytes
 * @returns {number}
 */
export function crc32c(crc, bytes) {
	let value = ~crc;
	const whole = bytes.length & ~3;
	let at = 0;
	for (; at < whole; at += 4) {
		value ^= bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
		value = table3[value & 0xff] ^ table2[(value >>> 8) & 0xff] ^
			table1[(value >>> 16) & 0xff] ^ table0[value >>> 24];
	}
	for (; at < bytes.length; at++)
		value = (value >>> 8) ^ table0[(value ^ bytes[at]) & 0xff];
	return ~value >>> 0;
}
