/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the wire's format (include/wire.h) in JavaScript, from the records that the page's reader gives:
 * for tests, and for the server of invented data.
 */

import "./bare_names.mjs";
import { constants, createDeflateRaw } from "node:zlib";

const wire = await import("wire");
const { crc32c } = await import("crc32c");
const { struct_write } = await import("wire_bytes");
const { function_key } = await import("record_reader");

const magic = [0x89, 0x46, 0x4c, 0x4b, 0x0d, 0x0a, 0x1a, 0x0a];

/** Bytes under construction. */
export class Bytes {
	constructor() {
		this.bytes = [];
	}

	/** @param {number | bigint} value */
	varint(value) {
		if (typeof value === "number" && value < 0x80000000) {
			while (value > 0x7f) {
				this.bytes.push(value & 0x7f | 0x80);
				value >>>= 7;
			}
			this.bytes.push(value);
			return this;
		}
		let rest = BigInt(value);
		while (rest > 0x7fn) {
			this.bytes.push(Number(rest & 0x7fn) | 0x80);
			rest >>= 7n;
		}
		this.bytes.push(Number(rest));
		return this;
	}

	/** @param {number | bigint} value */
	zigzag(value) {
		const number = BigInt(value);
		return this.varint(BigInt.asUintN(64, (number << 1n) ^ (number >> 63n)));
	}

	/** @param {number} low @param {number} high */
	key(low, high) {
		for (const half of [low, high])
			this.bytes.push(half & 0xff, half >>> 8 & 0xff, half >>> 16 & 0xff, half >>> 24);
		return this;
	}

	/** @param {string | Uint8Array} text */
	text(text) {
		const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
		this.varint(bytes.length);
		this.add(bytes);
		return this;
	}

	/** @param {ArrayLike<number>} bytes */
	add(bytes) {
		for (let i = 0; i < bytes.length; i++)
			this.bytes.push(bytes[i]);
		return this;
	}

	take() {
		return Uint8Array.from(this.bytes);
	}
}

/** A struct of the wire. */
export function struct_encode(layout, values) {
	const bytes = new Uint8Array(layout.SIZE);
	struct_write(layout, values, bytes);
	return bytes;
}

/** @param {Bytes} out @param {ArrayLike<number>} values */
function runs_encode(out, values) {
	for (let at = 0; at < values.length;) {
		let end = at + 1;
		while (end < values.length && values[end] === values[at])
			end++;
		out.varint(values[at]).varint(end - at);
		at = end;
	}
}

/** @param {Bytes} out */
function samples_encode(out, { count, time, cpu, thread, stack, user_status, kernel_status, event,
	busy }, period_us) {
	const start = count ? Math.max(0, time[0]) : 0;
	out.varint(count).varint(start);
	for (let i = 0; i < count; i++)
		out.zigzag(i ? time[i] - time[i - 1] - period_us : time[0] - start);
	for (const column of [cpu, thread])
		for (let i = 0; i < count; i++)
			out.varint(column[i]);
	for (let i = 0; i < count; i++)
		out.zigzag(stack[i] - (i ? stack[i - 1] : 0));
	runs_encode(out, user_status);
	runs_encode(out, kernel_status);
	runs_encode(out, event ?? new Uint8Array(count));
	runs_encode(out, busy ?? new Uint8Array(count));
}

/** Turns records into bytes; keeps what rows of a segment need to know of those before. */
export class RecordEncoder {
	constructor() {
		this.period_us = 0;
		this.module_keys = [{ low: 0, high: 0 }];
		this.stack_count = 0;
	}

	/** @param {import("../../viewer/record_reader.js").Record} record */
	encode(record) {
		const out = new Bytes();
		this.payload(out, record);
		return new Bytes().varint(record.kind).varint(out.bytes.length).add(out.bytes).take();
	}

	payload(out, record) {
		switch (record.kind) {
		case wire.WIRE_RECORD_SEGMENT: {
			const { instance_id, start_us, ...head } = record.head;
			this.period_us = head.frequency_mhz ? Math.floor(1e9 / head.frequency_mhz) : 0;
			out.add(struct_encode(wire.wire_segment_head, { ...head, start_us: BigInt(start_us),
				instance_id: BigInt(`0x${instance_id}`) }));
			break;
		}
		case wire.WIRE_RECORD_META:
			for (const { meta, text } of record.rows)
				out.varint(meta).text(text);
			break;
		case wire.WIRE_RECORD_STRINGS:
			out.varint(record.strings.length);
			for (const text of record.strings)
				out.text(text);
			break;
		case wire.WIRE_RECORD_MODULES:
			out.varint(record.rows.length);
			for (const { key_low, key_high, name, module_kind } of record.rows) {
				this.module_keys.push({ low: key_low, high: key_high });
				out.key(key_low, key_high).varint(name).varint(module_kind);
			}
			break;
		case wire.WIRE_RECORD_FUNCTIONS:
			this.functions(out, record.rows);
			break;
		case wire.WIRE_RECORD_FRAMES: {
			let last = 0;
			out.varint(record.rows.length);
			for (const { function_id, frame_kind, file, line } of record.rows) {
				out.zigzag(function_id - last).varint(frame_kind).varint(file).varint(line);
				last = function_id;
			}
			break;
		}
		case wire.WIRE_RECORD_STACKS:
			out.varint(record.rows.length);
			for (const { parent, frame } of record.rows)
				out.varint(++this.stack_count - parent).varint(frame);
			break;
		case wire.WIRE_RECORD_THREADS:
			out.varint(record.rows.length);
			for (const { tid, pid, start_ns, comm, process, cgroup, container } of record.rows)
				for (const value of [tid, pid, start_ns, comm, process, cgroup, container])
					out.varint(value);
			break;
		case wire.WIRE_RECORD_SAMPLES:
			samples_encode(out, record, this.period_us);
			break;
		case wire.WIRE_RECORD_TICK:
			out.varint(record.time_us);
			break;
		case wire.WIRE_RECORD_CLOCK:
			out.varint(record.time_us).varint(record.mono_ns).varint(record.wall_ns);
			break;
		case wire.WIRE_RECORD_GAP:
			out.zigzag(record.from_us).varint(record.to_us).varint(record.reason).varint(record.lost);
			break;
		case wire.WIRE_RECORD_RATE:
			out.varint(record.time_us).varint(record.rows.length);
			for (const { cpu, mhz } of record.rows)
				out.varint(cpu).varint(mhz);
			break;
		case wire.WIRE_RECORD_COUNTERS:
			out.varint(record.time_us);
			for (const { counter, value } of record.rows)
				out.varint(counter).varint(value);
			break;
		case wire.WIRE_RECORD_LATE_NAMES:
			out.varint(record.rows.length);
			for (const { key_low, key_high, owner_low, owner_high, name } of record.rows)
				out.key(key_low, key_high).key(owner_low, owner_high).varint(name);
			break;
		default:
			out.add(record.bytes ?? []);
		}
	}

	functions(out, rows) {
		let last_name = 0;
		out.varint(rows.length);
		for (const { key_low, key_high, module, name, start } of rows) {
			const step = name - last_name;
			out.varint(module).varint(name ? 1 + (step < 0 ? -2 * step - 1 : 2 * step) : 0);
			last_name = name || last_name;
			const high = Math.floor(start / 0x100000000), low = start % 0x100000000;
			const derived = function_key(this.module_keys[module], low, high);
			const has_key = derived.low !== key_low || derived.high !== key_high;
			out.varint(BigInt(start) << 1n | BigInt(has_key));
			if (has_key)
				out.key(key_low, key_high);
		}
	}
}

/** A chunk: header and payload. */
export function chunk_encode({ kind = wire.WIRE_CHUNK_SEGMENT, flags = 0, segment = 1, sequence = 0,
	raw_size, end_us = 0 }, payload) {
	const values = { magic: wire.WIRE_CHUNK_MAGIC, kind, flags, segment, sequence,
		stored_size: payload.length, raw_size, end_us: BigInt(end_us), crc32c: 0 };
	values.crc32c = crc32c(crc32c(0, struct_encode(wire.wire_chunk_header, values)), payload);
	return Buffer.concat([struct_encode(wire.wire_chunk_header, values), payload]);
}

/** Writes one segment, chunk by chunk, as one deflate stream. */
export class SegmentEncoder {
	/** @param {number} segment */
	constructor(segment) {
		this.segment = segment;
		this.records = new RecordEncoder();
		this.sequence = 0;
		this.deflate = createDeflateRaw({ level: 6, memLevel: 8 });
		this.pieces = [];
		this.deflate.on("data", (piece) => this.pieces.push(piece));
	}

	/**
	 * @param {import("../../viewer/record_reader.js").Record[]} records
	 * @param {number} end_us everything before it is in here or before
	 * @param {boolean} [last]
	 * @returns {Promise<Buffer>} one chunk
	 */
	chunk(records, end_us, last = false) {
		return this.chunk_raw(Buffer.concat(records.map((record) => this.records.encode(record))),
			end_us, last);
	}

	/** The same of bytes that need not be records. */
	async chunk_raw(raw, end_us, last = false) {
		if (raw.length > wire.WIRE_CHUNK_RAW_MAX)
			throw new Error(`a chunk of ${raw.length} bytes`);
		this.deflate.write(raw);
		await new Promise((resolve) => {
			if (last)
				this.deflate.once("end", resolve).end();
			else
				this.deflate.flush(constants.Z_SYNC_FLUSH, resolve);
		});
		const payload = Buffer.concat(this.pieces);
		this.pieces = [];
		const flags = (this.sequence ? 0 : wire.WIRE_CHUNK_FIRST) | (last ? wire.WIRE_CHUNK_LAST : 0);
		return chunk_encode({ flags, segment: this.segment, sequence: this.sequence++,
			raw_size: raw.length, end_us }, payload);
	}
}

/** The header of a file, and what an agent greets with. */
export function file_header_encode({ instance_id = "00000000000000aa",
	source = wire.WIRE_SOURCE_CAPTURE, ...more } = {}) {
	const { SIZE } = wire.wire_file_header;
	const bytes = struct_encode(wire.wire_file_header, { version_major: wire.WIRE_VERSION_MAJOR,
		version_minor: wire.WIRE_VERSION_MINOR, header_size: SIZE,
		instance_id: BigInt(`0x${instance_id}`), source, ...more });
	bytes.set(magic);
	return bytes;
}

/** The end of a file that was closed in order. @param {number} index_offset */
export function file_trailer_encode(index_offset) {
	return struct_encode(wire.wire_file_trailer, { index_offset: BigInt(index_offset),
		magic: wire.WIRE_TRAILER_MAGIC });
}

/** A message of the agent's. */
export function message_encode({ kind, segment = 0, offset = 0, oldest_segment = 0,
	version_major = wire.WIRE_VERSION_MAJOR }, payload = new Uint8Array(0)) {
	return Buffer.concat([struct_encode(wire.wire_message_header,
		{ kind, version_major, segment, offset, oldest_segment }), payload]);
}
