/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts chunks together from bytes that are cut anywhere, and checks them: lengths, limits, CRC32C.
 * After damage it finds the next chunk that is whole, at a bounded cost.
 */

import { crc32c } from "crc32c";
import * as wire from "wire";
import { WireError, struct_read } from "wire_bytes";

const header_size = wire.wire_chunk_header.SIZE;
/** Of bytes that only look like chunks, so many are summed up at most, in all. */
const search_bytes_max = 64 * 1024 * 1024;

/**
 * @typedef {object} Chunk
 * @property {number} kind enum wire_chunk_kind; newer writers may have others
 * @property {boolean} first
 * @property {boolean} last
 * @property {number} segment
 * @property {number} sequence
 * @property {number} raw_size
 * @property {number} end_us timeline: everything before it has been written
 * @property {Uint8Array} payload
 * @property {number} offset of its header, in all that was pushed
 */

export class ChunkReader {
	constructor() {
		this.buffer = new Uint8Array(2 * (header_size + wire.WIRE_CHUNK_STORED_MAX));
		this.start = 0;
		this.end = 0;
		/** Of the buffer's first byte, in all that was pushed. */
		this.base = 0;
		/** Whether the next chunk is searched for. */
		this.lost = false;
		this.search_bytes = 0;
	}

	/** Of the next byte to be read. */
	get offset() {
		return this.base + this.start;
	}

	/** Bytes that wait for the rest of their chunk. */
	get left() {
		return this.end - this.start;
	}

	/** @param {Uint8Array} bytes copied */
	push(bytes) {
		if (this.end + bytes.length > this.buffer.length) {
			const left = this.buffer.subarray(this.start, this.end);
			const size = left.length + bytes.length;
			const target = size > this.buffer.length ? new Uint8Array(size * 2) : this.buffer;
			target.set(left);
			this.base += this.start;
			this.start = 0;
			this.end = left.length;
			this.buffer = target;
		}
		this.buffer.set(bytes, this.end);
		this.end += bytes.length;
	}

	/**
	 * The next whole chunk; null when more bytes are needed.
	 * @param {boolean} [at_end] no more bytes will come
	 * @returns {Chunk | null}
	 * @throws {WireError} once for each damage; the next call goes on behind it
	 */
	next(at_end = false) {
		while (this.left >= header_size) {
			if (this.lost && !this.magic_find())
				return null;
			const at = this.start;
			const problem = this.header_problem(at);
			if (!problem) {
				const size = this.chunk_size(at);
				if (this.left >= size && this.sum_is_right(at, size))
					return this.take(at, size);
				if (this.left < size && !(this.lost && at_end))
					return null;
			}
			const offset = this.offset;
			const was_lost = this.lost;
			this.lost = true;
			this.start++;
			if (!was_lost)
				throw new WireError(problem || "a chunk's sum is wrong", offset);
		}
		return null;
	}

	/** Goes to where a chunk may start. @returns {boolean} whether there is such a place */
	magic_find() {
		const { buffer, end } = this;
		const first = wire.WIRE_CHUNK_MAGIC & 0xff;
		for (let at = this.start; at + header_size <= end; at++) {
			at = buffer.indexOf(first, at);
			if (at < 0 || at + header_size > end)
				break;
			if (!this.header_problem(at)) {
				this.start = at;
				return true;
			}
		}
		/* What is left is too short for a header. */
		this.start = Math.max(this.start, end - header_size + 1);
		return false;
	}

	/** @param {number} at */
	view(at) {
		return new DataView(this.buffer.buffer, this.buffer.byteOffset + at, header_size);
	}

	/** @param {number} at */
	chunk_size(at) {
		return header_size + this.view(at).getUint32(wire.wire_chunk_header.stored_size.offset, true);
	}

	/**
	 * What is wrong with a header, empty: nothing.
	 * @param {number} at
	 */
	header_problem(at) {
		const { magic, stored_size, raw_size, sequence } = wire.wire_chunk_header;
		const view = this.view(at);
		if (view.getUint32(magic.offset, true) !== wire.WIRE_CHUNK_MAGIC)
			return "this is no chunk";
		if (view.getUint32(stored_size.offset, true) > wire.WIRE_CHUNK_STORED_MAX ||
		    view.getUint32(raw_size.offset, true) > wire.WIRE_CHUNK_RAW_MAX)
			return "a chunk is too large";
		if (view.getUint32(sequence.offset, true) >= wire.WIRE_SEGMENT_CHUNKS_MAX)
			return "a segment has too many chunks";
		return "";
	}

	/**
	 * @param {number} at
	 * @param {number} size
	 */
	sum_is_right(at, size) {
		if (this.lost) {
			if (this.search_bytes + size > search_bytes_max)
				return false;
			this.search_bytes += size;
		}
		const field = wire.wire_chunk_header.crc32c.offset;
		const header = this.buffer.slice(at, at + header_size);
		const said = this.view(at).getUint32(field, true);
		header.fill(0, field, field + 4);
		return crc32c(crc32c(0, header), this.buffer.subarray(at + header_size, at + size)) === said;
	}

	/**
	 * @param {number} at
	 * @param {number} size
	 * @returns {Chunk}
	 */
	take(at, size) {
		const header = struct_read(wire.wire_chunk_header, this.buffer, at);
		this.lost = false;
		this.start += size;
		return {
			kind: header.kind,
			first: (header.flags & wire.WIRE_CHUNK_FIRST) !== 0,
			last: (header.flags & wire.WIRE_CHUNK_LAST) !== 0,
			segment: header.segment,
			sequence: header.sequence,
			raw_size: header.raw_size,
			end_us: Number(header.end_us),
			/* Copied: it outlives the buffer's content. */
			payload: this.buffer.slice(at + header_size, at + size),
			offset: this.base + at,
		};
	}
}
