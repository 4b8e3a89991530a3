/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the numbers of the wire (include/wire.h) from bytes that may be hostile: every bound is
 * checked, and what is wrong is a WireError that names the byte.
 */

/** What is wrong with bytes from a socket or a file, and where. */
export class WireError extends Error {
	/**
	 * @param {string} problem
	 * @param {number} offset of the byte, within what the thrower reads
	 */
	constructor(problem, offset) {
		super(`${problem}, at byte ${offset}`);
		this.name = "WireError";
		this.problem = problem;
		this.offset = offset;
	}
}

/**
 * @typedef {{ offset: number, size: number }} Field
 * @typedef {{ readonly SIZE: number, readonly [field: string]: Field | number }} Layout
 */

/**
 * A struct of wire.js by its layout. Fields of 8 bytes become BigInt.
 * @param {Layout} layout
 * @param {Uint8Array} bytes at least layout.SIZE of them
 * @param {number} [at]
 * @returns {any}
 */
export function struct_read(layout, bytes, at = 0) {
	const view = new DataView(bytes.buffer, bytes.byteOffset + at, layout.SIZE);
	/** @type {Record<string, number | bigint>} */
	const values = {};
	for (const [name, field] of Object.entries(layout)) {
		if (typeof field === "number")
			continue;
		const { offset, size } = field;
		if (size === 1)
			values[name] = view.getUint8(offset);
		else if (size === 2)
			values[name] = view.getUint16(offset, true);
		else if (size === 4)
			values[name] = view.getUint32(offset, true);
		else
			values[name] = view.getBigUint64(offset, true);
	}
	return values;
}

/**
 * @param {Layout} layout
 * @param {Record<string, number | bigint>} values those left out are 0
 * @param {Uint8Array} target
 * @param {number} [at]
 */
export function struct_write(layout, values, target, at = 0) {
	const view = new DataView(target.buffer, target.byteOffset + at, layout.SIZE);
	for (const [name, value] of Object.entries(values)) {
		const { offset, size } = /** @type {Field} */ (layout[name]);
		if (size === 1)
			view.setUint8(offset, Number(value));
		else if (size === 2)
			view.setUint16(offset, Number(value), true);
		else if (size === 4)
			view.setUint32(offset, Number(value), true);
		else
			view.setBigUint64(offset, BigInt(value), true);
	}
}

/**
 * The number that a zigzag holds.
 * @param {number} value
 */
export function unzigzag(value) {
	if (value < 0x80000000)
		return (value >>> 1) ^ -(value & 1);
	return value % 2 ? -(value + 1) / 2 : value / 2;
}

/** A varint has at most so many bytes. */
const varint_bytes_max = 10;

const text_decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Walks over bytes and never leaves them. */
export class Cursor {
	/**
	 * @param {Uint8Array} bytes
	 * @param {number} [base] offset of the first byte, for errors
	 */
	constructor(bytes, base = 0) {
		this.bytes = bytes;
		this.at = 0;
		this.end = bytes.length;
		this.base = base;
		/** Of the last varint_parts() or key(): the number's halves, 32 bits each. */
		this.low = 0;
		this.high = 0;
	}

	/**
	 * @param {string} problem
	 * @returns {never}
	 */
	fail(problem) {
		throw new WireError(problem, this.base + this.at);
	}

	byte() {
		if (this.at >= this.end)
			this.fail("a number is cut off");
		return this.bytes[this.at++];
	}

	/** Exact up to 2^53, rounded above. @returns {number} */
	varint() {
		const { bytes, end } = this;
		let { at } = this;
		let value = 0, scale = 1;
		for (let i = 0; i < varint_bytes_max && at < end; i++) {
			const byte = bytes[at++];
			value += (byte & 0x7f) * scale;
			if (byte < 0x80) {
				if (i === varint_bytes_max - 1 && byte > 1)
					break;
				this.at = at;
				return value;
			}
			scale *= 128;
		}
		return this.fail(at >= end ? "a number is cut off" : "a number is too long");
	}

	/** Exact for all 64 bits, into low and high. */
	varint_parts() {
		let low = 0, high = 0;
		for (let i = 0; i < varint_bytes_max; i++) {
			const byte = this.byte(), part = byte & 0x7f, shift = 7 * i;
			if (i === varint_bytes_max - 1 && byte > 1)
				this.fail("a number is too long");
			if (shift < 32)
				low |= part << shift;
			if (shift > 25)
				high |= shift < 32 ? part >>> (32 - shift) : part << (shift - 32);
			if (byte < 0x80) {
				this.low = low >>> 0;
				this.high = high >>> 0;
				return;
			}
		}
		this.fail("a number is too long");
	}

	/** @returns {number} */
	zigzag() {
		return unzigzag(this.varint());
	}

	/** 8 bytes, into low and high. */
	key() {
		if (this.end - this.at < 8)
			this.fail("a key is cut off");
		const { bytes, at } = this;
		this.low = (bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24) >>> 0;
		this.high = (bytes[at + 4] | bytes[at + 5] << 8 | bytes[at + 6] << 16 | bytes[at + 7] << 24) >>> 0;
		this.at += 8;
	}

	/**
	 * A varint that may not be above @max.
	 * @param {number} max
	 * @param {string} what for the error
	 */
	number(max, what) {
		const value = this.varint();
		if (value > max)
			this.fail(`${what} is ${value}, above ${max}`);
		return value;
	}

	/**
	 * Any bytes as text: those that are no UTF-8 become replacement characters.
	 * @param {number} size
	 */
	text(size) {
		if (size > this.end - this.at)
			this.fail("a text is cut off");
		const { bytes, at } = this;
		this.at += size;
		/* Most names are plain and short, where calling the decoder costs more than a loop. */
		if (size <= 64) {
			let plain = "";
			for (let i = at; i < at + size; i++) {
				if (bytes[i] > 0x7f)
					return text_decoder.decode(bytes.subarray(at, at + size));
				plain += String.fromCharCode(bytes[i]);
			}
			return plain;
		}
		return text_decoder.decode(bytes.subarray(at, at + size));
	}
}
