/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes to records: chunks cut anywhere, what is damaged, what is hostile. */

import "./bare_names.mjs";
import { SegmentMaker, random_make } from "./records.mjs";
import { Bytes, RecordEncoder, SegmentEncoder, chunk_encode, struct_encode } from "./wire_encoder.mjs";
import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";

const wire = await import("wire");
const { ChunkReader } = await import("chunk_reader");
const { crc32c } = await import("crc32c");
const { RecordReader, function_key } = await import("record_reader");
const { SegmentReader } = await import("segment_reader");
const { Cursor, WireError } = await import("wire_bytes");

const start_us = 1_700_000_000_000_000;
const instance_id = "00000000000000aa";

/** Everything that a sink is told, as it is told. */
class Told {
	constructor() {
		this.records = [];
		this.ends = [];
		this.state = "";
		this.chunks = 0;
		this.waiting = null;
	}

	records_add(_instance_id, _segment, records, end_us) {
		this.chunks++;
		this.records.push(...records);
		this.ends.push(end_us);
		this.waiting?.();
	}

	segment_end(_instance_id, _segment, state) {
		this.state = state;
	}

	/** Until so many chunks have been read. */
	async until(chunks) {
		while (this.chunks < chunks)
			await new Promise((resolve) => this.waiting = resolve);
	}
}

/** Records of every kind. */
function records_of_all_kinds() {
	const maker = new SegmentMaker({ segment: 7, start_us, wall_shift_s: 3, cpu_count: 4 });
	const random = random_make(1);
	const samples = Array.from({ length: 300 }, (_, i) => ({
		time_us: start_us + Math.floor(random() * 1e6) - (i === 5 ? 1000 : 0),
		cpu: Math.floor(random() * 4), process: ["init", "java"][i % 2], tid: 100 + i % 7,
		stack: ["main", `f${i % 9}`, { name: `g${i % 11}`, kind: wire.WIRE_FRAME_KERNEL,
			module: "vmlinux", file: "a.c", line: i % 3, named: i % 4 !== 0 }],
	}));
	const records = maker.records(samples, [
		{ kind: wire.WIRE_RECORD_META, rows: [{ meta: wire.WIRE_META_HOST, text: "h\u00f6st" },
			{ meta: 99, text: "" }] },
		{ kind: wire.WIRE_RECORD_TICK, time_us: 1_000_000 },
		{ kind: wire.WIRE_RECORD_CLOCK, time_us: 5, mono_ns: 1234567890123, wall_ns: 2 ** 60 },
		{ kind: wire.WIRE_RECORD_GAP, from_us: -5000, to_us: 7000, reason: wire.WIRE_GAP_RING_FULL,
			lost: 12 },
		{ kind: wire.WIRE_RECORD_RATE, time_us: 9, rows: [{ cpu: 0, mhz: 98_765 }, { cpu: 3, mhz: 0 }] },
		{ kind: wire.WIRE_RECORD_COUNTERS, time_us: 10,
			rows: [{ counter: wire.WIRE_COUNTER_SAMPLES, value: 2 ** 40 }] },
		{ kind: wire.WIRE_RECORD_LATE_NAMES, rows: [{ key_low: 1, key_high: 0xffffffff, owner_low: 3,
			owner_high: 4, name: 1 }] },
	]);
	return { maker, records };
}

/** As plain arrays, so that kinds of arrays don't matter. */
function plain(records) {
	return JSON.parse(JSON.stringify(records, (_, value) =>
		(ArrayBuffer.isView(value) ? [...value] : value)));
}

function read_chunks(bytes, cuts) {
	const reader = new ChunkReader();
	const chunks = [];
	let at = 0;
	for (const end of [...cuts, bytes.length]) {
		reader.push(bytes.subarray(at, end));
		at = end;
		for (let chunk = reader.next(); chunk; chunk = reader.next())
			chunks.push(chunk);
	}
	return chunks;
}

test("CRC32C gives the values of RFC 3720", () => {
	assert.equal(crc32c(0, new Uint8Array(32)), 0x8a9136aa);
	assert.equal(crc32c(0, new Uint8Array(32).fill(0xff)), 0x62a8ab43);
	assert.equal(crc32c(0, Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
	const bytes = new TextEncoder().encode("123456789");
	assert.equal(crc32c(crc32c(0, bytes.subarray(0, 5)), bytes.subarray(5)), 0xe3069283);
});

test("numbers of all sizes come back, and those that are cut or too long are refused", () => {
	for (const value of [0n, 1n, 127n, 128n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 35n + 12345n,
		2n ** 53n - 1n, 2n ** 63n + 5n, 2n ** 64n - 1n]) {
		const bytes = new Bytes().varint(value).take();
		assert.equal(new Cursor(bytes).varint(), Number(value));
		const cursor = new Cursor(bytes);
		cursor.varint_parts();
		assert.equal(BigInt(cursor.high) << 32n | BigInt(cursor.low), value);
		for (let cut = 0; cut < bytes.length; cut++) {
			assert.throws(() => new Cursor(bytes.subarray(0, cut)).varint(), WireError);
			assert.throws(() => new Cursor(bytes.subarray(0, cut)).varint_parts(), WireError);
		}
	}
	for (const value of [0n, -1n, 1n, -64n, 64n, -(2n ** 40n), 2n ** 31n, -(2n ** 31n)])
		assert.equal(new Cursor(new Bytes().zigzag(value).take()).zigzag(), Number(value));
	const long = new Uint8Array(11).fill(0x80);
	assert.throws(() => new Cursor(long).varint(), WireError);
	assert.throws(() => new Cursor(long).varint_parts(), WireError);
});

test("a derived key is the agent's stable_key()", () => {
	assert.deepEqual(function_key({ low: 0x89abcdef, high: 0x01234567 }, 0x1000, 0),
		{ low: 0x7d681574, high: 0x7b3f20f6 });
	assert.deepEqual(function_key({ low: 0x76543210, high: 0xfedcba98 }, 0x56789abc, 0x1234),
		{ low: 0xf9fa6399, high: 0xb1c1e347 });
});

test("records of every kind come back as they were written", () => {
	const { records } = records_of_all_kinds();
	const functions = records.find(({ kind }) => kind === wire.WIRE_RECORD_FUNCTIONS);
	const [{ key_low, key_high }] = records.find(({ kind }) => kind === wire.WIRE_RECORD_MODULES).rows;
	const start = 0x123456789000;
	const key = function_key({ low: key_low, high: key_high }, start % 2 ** 32,
		Math.floor(start / 2 ** 32));
	functions.rows.push({ module: 1, name: 0, start, key_low: key.low, key_high: key.high });
	const encoder = new RecordEncoder();
	const bytes = Buffer.concat(records.map((record) => encoder.encode(record)));
	const [written, read] = [plain(records), plain(new RecordReader(7).read(bytes))];
	for (const record of read)
		delete record.event;
	assert.deepEqual(read, written);
});

test("unknown kinds and unknown ends of records are passed over", () => {
	const { maker } = records_of_all_kinds();
	const encoder = new RecordEncoder();
	const head = encoder.encode({ kind: wire.WIRE_RECORD_SEGMENT, head: maker.head });
	const longer = Buffer.concat([head, Uint8Array.of(1, 2, 3)]);
	longer[1] += 3;
	const records = new RecordReader(7).read(Buffer.concat([longer,
		encoder.encode({ kind: 99, bytes: [1, 2, 3] }),
		encoder.encode({ kind: wire.WIRE_RECORD_TICK, time_us: 4 })]));
	assert.deepEqual(records.map(({ kind }) => kind), [wire.WIRE_RECORD_SEGMENT, wire.WIRE_RECORD_TICK]);
});

test("ids that no row has, and counts beyond what there is, are refused", () => {
	const head = { kind: wire.WIRE_RECORD_SEGMENT, head: new SegmentMaker({ segment: 7 }).head };
	const sample = { kind: wire.WIRE_RECORD_SAMPLES, count: 1, time: [5], cpu: [0], thread: [0],
		stack: [0], user_status: [1], kernel_status: [0],
		busy: [2] };
	const bad = [
		[{ kind: wire.WIRE_RECORD_MODULES, rows: [{ key_low: 1, key_high: 1, name: 1, module_kind: 1 }] }],
		[{ kind: wire.WIRE_RECORD_FRAMES, rows: [{ function_id: 1, frame_kind: 1, file: 0, line: 0 }] }],
		[{ kind: wire.WIRE_RECORD_STACKS, rows: [{ parent: 0, frame: 1 }] }],
		[{ kind: wire.WIRE_RECORD_STACKS, rows: [{ parent: 0, frame: 0 }] }],
		[{ ...sample, stack: [1] }], [{ ...sample, thread: [1] }], [{ ...sample, cpu: [4096] }],
		[{ ...sample, stack: [-1] }], [{ ...sample, time: [2 ** 33] }],
		[{ ...sample, user_status: [] }], [head],
	];
	for (const records of bad) {
		const encoder = new RecordEncoder();
		const bytes = Buffer.concat([head, ...records].map((record) => encoder.encode(record)));
		assert.throws(() => new RecordReader(7).read(bytes), WireError, JSON.stringify(records));
	}
	for (const kind of [wire.WIRE_RECORD_SAMPLES, wire.WIRE_RECORD_STRINGS, wire.WIRE_RECORD_STACKS]) {
		const many = Buffer.concat([new RecordEncoder().encode(head),
			Uint8Array.of(kind, 4, 0xff, 0xff, 0xff, 0x7f)]);
		assert.throws(() => new RecordReader(7).read(many), WireError);
	}
	const tick = new RecordEncoder().encode({ kind: wire.WIRE_RECORD_TICK, time_us: 4 });
	assert.throws(() => new RecordReader(7).read(tick), /before the segment's head/);
	assert.throws(() => new RecordReader(8).read(new RecordEncoder().encode(head)), /says that it is 7/);
});

test("stacks deeper than the limit are refused", () => {
	const encoder = new RecordEncoder();
	const maker = new SegmentMaker({ segment: 7 });
	const deep = (depth) => Buffer.concat([
		...maker.records([], []).map((record) => encoder.encode(record)),
		encoder.encode({ kind: wire.WIRE_RECORD_FUNCTIONS, rows: [{ module: 0, name: 0, start: 0,
			key_low: 1, key_high: 2 }] }),
		encoder.encode({ kind: wire.WIRE_RECORD_FRAMES, rows: [{ function_id: 1, frame_kind: 1, file: 0,
			line: 0 }] }),
		encoder.encode({ kind: wire.WIRE_RECORD_STACKS,
			rows: Array.from({ length: depth }, (_, i) => ({ parent: i, frame: 1 })) })]);
	assert.throws(() => new RecordReader(7).read(deep(wire.WIRE_STACK_DEPTH_MAX + 1)), /too deep/);
});

test("chunks come whole wherever they are cut", async () => {
	const { records } = records_of_all_kinds();
	const encoder = new SegmentEncoder(7);
	const bytes = Buffer.concat([await encoder.chunk(records.slice(0, 8), start_us + 5),
		await encoder.chunk(records.slice(8), start_us + 9, true)]);
	const whole = read_chunks(bytes, []);
	assert.deepEqual(whole.map(({ first, last, end_us }) => [first, last, end_us]),
		[[true, false, start_us + 5], [false, true, start_us + 9]]);
	for (let cut = 0; cut <= bytes.length; cut++)
		assert.deepEqual(read_chunks(bytes, [cut]), whole);
	assert.deepEqual(read_chunks(bytes, Array.from({ length: bytes.length }, (_, i) => i)), whole);
});

test("a chunk's records come as soon as the chunk is there, and the end is told", async () => {
	const { records } = records_of_all_kinds();
	const told = new Told();
	const reader = new SegmentReader(instance_id, 7, told);
	const encoder = new SegmentEncoder(7);
	const [first] = read_chunks(await encoder.chunk(records.slice(0, 8), start_us + 5), []);
	reader.chunk(first);
	await told.until(1);
	assert.equal(told.records.length, 8);
	assert.equal(told.state, "");
	const [second] = read_chunks(await encoder.chunk(records.slice(8), start_us + 9, true), []);
	reader.chunk(second);
	await reader.done;
	assert.equal(told.state, "closed");
	assert.deepEqual(told.ends, [start_us + 5, start_us + 9]);
	assert.equal(told.records.length, records.length);
});

test("a segment that ends without its last chunk is read up to there", async () => {
	const { records } = records_of_all_kinds();
	for (const state of ["cut", "skipped"]) {
		const told = new Told();
		const reader = new SegmentReader(instance_id, 7, told);
		reader.chunk(read_chunks(await new SegmentEncoder(7).chunk(records, start_us), [])[0]);
		reader.end(state);
		await reader.done;
		assert.equal(told.state, state);
		assert.equal(told.records.length, records.length);
	}
	const told = new Told();
	const reader = new SegmentReader(instance_id, 7, told);
	reader.end("skipped");
	await reader.done;
	assert.equal(told.state, "skipped");
});

test("chunks that lie about their content end their segment as damaged", async () => {
	const raw = Buffer.alloc(1000);
	const lies = {
		"less than it says": { payload: deflateRawSync(raw), raw_size: 1001 },
		"more than it says": { payload: deflateRawSync(raw), raw_size: 999 },
		"a bomb": { payload: deflateRawSync(Buffer.alloc(50_000_000)), raw_size: 65536 },
		"no deflate": { payload: Buffer.alloc(50, 0xff), raw_size: 100 },
		"no records": { payload: deflateRawSync(raw), raw_size: 1000 },
		"empty": { payload: Buffer.alloc(0), raw_size: 10 },
	};
	for (const [name, { payload, raw_size }] of Object.entries(lies)) {
		const flags = wire.WIRE_CHUNK_FIRST | wire.WIRE_CHUNK_LAST;
		const [chunk] = read_chunks(chunk_encode({ flags, segment: 7, raw_size }, payload), []);
		const told = new Told();
		const reader = new SegmentReader(instance_id, 7, told);
		reader.chunk(chunk);
		await reader.done;
		assert.equal(told.state, "damaged", name);
		assert.ok(reader.error instanceof WireError, name);
		assert.equal(told.records.length, 0, name);
	}
});

test("chunks in a wrong order end their segment as damaged", async () => {
	const { records } = records_of_all_kinds();
	const encoder = new SegmentEncoder(7);
	const [one, two] = read_chunks(Buffer.concat([await encoder.chunk(records.slice(0, 8), 1),
		await encoder.chunk(records.slice(8), 2)]), []);
	for (const chunks of [[two], [one, one], [{ ...one, segment: 8 }], [{ ...one, first: false }]]) {
		const told = new Told();
		const reader = new SegmentReader(instance_id, 7, told);
		for (const chunk of chunks)
			reader.chunk(chunk);
		await reader.done;
		assert.equal(told.state, "damaged");
	}
});

test("after damage the next whole chunk is found, once for each damage an error", () => {
	const payload = deflateRawSync(Buffer.alloc(100, 1));
	const chunk = (segment) => chunk_encode({ flags: 3, segment, raw_size: 100 }, payload);
	const damaged = chunk(2);
	damaged[45] ^= 1;
	const junk = Buffer.concat([Buffer.from("CHNK and no more CHN"), struct_encode(
		wire.wire_chunk_header, { magic: wire.WIRE_CHUNK_MAGIC, stored_size: 60000, raw_size: 5 })]);
	const bytes = Buffer.concat([chunk(1), damaged, junk, chunk(3), junk, chunk(4), junk]);
	const reader = new ChunkReader();
	reader.push(bytes);
	const found = [];
	let errors = 0;
	for (;;) {
		try {
			const next = reader.next(true);
			if (!next)
				break;
			found.push(next.segment);
		} catch (error) {
			assert.ok(error instanceof WireError);
			errors++;
		}
	}
	assert.deepEqual(found, [1, 3, 4]);
	assert.equal(errors, 3);
});

test("a file full of headers that promise much is not summed up without an end", () => {
	const header = struct_encode(wire.wire_chunk_header, { magic: wire.WIRE_CHUNK_MAGIC,
		stored_size: wire.WIRE_CHUNK_STORED_MAX, raw_size: 1 });
	const bytes = Buffer.concat(Array.from({ length: 60_000 }, () => header));
	const reader = new ChunkReader();
	reader.push(bytes);
	assert.throws(() => reader.next(true), WireError);
	assert.equal(reader.next(true), null);
	assert.ok(reader.search_bytes < 80 * 1024 * 1024);
});

test("any flipped bit ends in a typed error or in other records, and never hangs", async () => {
	const { records } = records_of_all_kinds();
	const encoder = new RecordEncoder();
	const raw = Buffer.concat(records.map((record) => encoder.encode(record)));
	const random = random_make(2);
	let errors = 0;
	for (let i = 0; i < 4000; i++) {
		const bytes = Buffer.from(raw);
		for (let flips = 1 + Math.floor(random() * 3); flips; flips--)
			bytes[Math.floor(random() * bytes.length)] ^= 1 << Math.floor(random() * 8);
		try {
			new RecordReader(7).read(bytes);
		} catch (error) {
			assert.ok(error instanceof WireError, String(error));
			errors++;
		}
	}
	assert.ok(errors > 1000);
});
