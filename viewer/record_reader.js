/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the records of one segment (include/wire.h): inflated bytes in, records out.
 *
 * The bytes are hostile: every bound, id and count is checked, so that who takes the records may use
 * ids as indices into arrays that were filled in order, from 1. Records of an unknown kind, and what stands
 * behind the known fields of a record, are passed over. Times are microseconds since the segment's
 * start. Keys are halves of 32 bits.
 */

import * as wire from "wire";
import { Cursor, struct_read, unzigzag } from "wire_bytes";

/** @typedef {import("wire_bytes").WireError} WireError */

/**
 * The head of a segment. Times are microseconds of the timeline.
 * @typedef {object} SegmentHead
 * @property {string} instance_id 16 hexadecimal digits
 * @property {number} segment
 * @property {number} start_us
 * @property {number} wall_shift_s by how much the timeline is ahead of the wall clock
 * @property {number} frequency_mhz
 * @property {number} cpu_count
 * @property {number} event enum wire_event
 */

/**
 * Names are ids of strings, of which 0 is the empty one.
 * @typedef {{ key_low: number, key_high: number, name: number, module_kind: number }} ModuleRow
 * @typedef {{ key_low: number, key_high: number, module: number, name: number, start: number
 * }} FunctionRow start: rounded above 2^53; without a name it is shown as module+0xstart
 * @typedef {{ function_id: number, frame_kind: number, file: number, line: number }} FrameRow
 * @typedef {{ parent: number, frame: number }} StackRow
 * @typedef {{ tid: number, pid: number, start_ns: number, comm: number, process: number,
 * cgroup: number, container: number }} ThreadRow
 * @typedef {{ key_low: number, key_high: number, owner_low: number, owner_high: number, name: number
 * }} LateNameRow
 * @typedef {{ cpu: number, mhz: number }} RateRow mhz: 0 when the CPU was not busy
 */

/**
 * Samples in columns, in no order of time.
 * @typedef {object} SamplesRecord
 * @property {typeof wire.WIRE_RECORD_SAMPLES} kind
 * @property {number} count
 * @property {Int32Array} time
 * @property {Uint16Array} cpu
 * @property {Int32Array} thread
 * @property {Int32Array} stack 0: no frame is known
 * @property {Uint8Array} user_status enum stack_status
 * @property {Uint8Array} kernel_status
 * @property {Uint8Array} busy enum wire_busy: what is known of the time since the CPU's last sample
 * @property {Uint8Array} event
 */

/**
 * @typedef {{ kind: typeof wire.WIRE_RECORD_SEGMENT, head: SegmentHead }
 * | { kind: typeof wire.WIRE_RECORD_META, rows: { meta: number, text: string }[] }
 * | { kind: typeof wire.WIRE_RECORD_STRINGS, strings: string[] }
 * | { kind: typeof wire.WIRE_RECORD_MODULES, rows: ModuleRow[] }
 * | { kind: typeof wire.WIRE_RECORD_FUNCTIONS, rows: FunctionRow[] }
 * | { kind: typeof wire.WIRE_RECORD_FRAMES, rows: FrameRow[] }
 * | { kind: typeof wire.WIRE_RECORD_STACKS, rows: StackRow[] }
 * | { kind: typeof wire.WIRE_RECORD_THREADS, rows: ThreadRow[] }
 * | SamplesRecord
 * | { kind: typeof wire.WIRE_RECORD_TICK, time_us: number }
 * | { kind: typeof wire.WIRE_RECORD_CLOCK, time_us: number, mono_ns: number, wall_ns: number }
 * | { kind: typeof wire.WIRE_RECORD_GAP, from_us: number, to_us: number, reason: number, lost: number }
 * | { kind: typeof wire.WIRE_RECORD_RATE, time_us: number, rows: RateRow[] }
 * | { kind: typeof wire.WIRE_RECORD_COUNTERS, time_us: number,
 * rows: { counter: number, value: number }[] }
 * | { kind: typeof wire.WIRE_RECORD_LATE_NAMES, rows: LateNameRow[] }
 * } Record
 */

const u32_max = 0xffffffff;
/** Years from now: sums of times below it stay exact. */
const time_max_us = 2 ** 51;

/** @param {bigint} id */
export function instance_text(id) {
	return id.toString(16).padStart(16, "0");
}

export class RecordReader {
	/** @param {number} segment its number */
	constructor(segment) {
		this.segment = segment;
		/** Bytes read before: offsets in errors are those in the inflated segment. */
		this.offset = 0;
		this.started = false;
		this.period_us = 0;
		/** How many rows of each table there are; the next one's id is one more. */
		this.strings = 0;
		this.functions = 0;
		this.frames = 0;
		this.stacks = 0;
		this.threads = 0;
		/** Keys of the modules, by id. */
		this.module_keys = [{ low: 0, high: 0 }];
		/** Of each stack, by id. */
		this.depth = new Uint16Array(1024);
	}

	/**
	 * Reads whole records: the inflated payload of one chunk.
	 * @param {Uint8Array} bytes
	 * @returns {Record[]}
	 * @throws {WireError} then the rest of the segment cannot be read; what was read before holds
	 */
	read(bytes) {
		const cursor = new Cursor(bytes, this.offset);
		const records = [];
		while (cursor.at < bytes.length) {
			cursor.end = bytes.length;
			const kind = cursor.byte();
			const size = cursor.varint();
			if (size > bytes.length - cursor.at)
				cursor.fail("a record is cut off");
			cursor.end = cursor.at + size;
			const next = cursor.end;
			if (this.started === (kind === wire.WIRE_RECORD_SEGMENT))
				cursor.fail(this.started ? "a second head" : "a record before the segment's head");
			const record = this.record(kind, cursor);
			if (record)
				records.push(record);
			cursor.at = next;
		}
		this.offset += bytes.length;
		return records;
	}

	/**
	 * @param {number} kind
	 * @param {Cursor} cursor
	 * @returns {Record | null} null: of a kind that nobody here knows
	 */
	record(kind, cursor) {
		switch (kind) {
		case wire.WIRE_RECORD_SEGMENT:
			return { kind, head: this.head(cursor) };
		case wire.WIRE_RECORD_META:
			return { kind, rows: this.meta(cursor) };
		case wire.WIRE_RECORD_STRINGS:
			return { kind, strings: this.string_rows(cursor) };
		case wire.WIRE_RECORD_MODULES:
			return { kind, rows: this.module_rows(cursor) };
		case wire.WIRE_RECORD_FUNCTIONS:
			return { kind, rows: this.function_rows(cursor) };
		case wire.WIRE_RECORD_FRAMES:
			return { kind, rows: this.frame_rows(cursor) };
		case wire.WIRE_RECORD_STACKS:
			return { kind, rows: this.stack_rows(cursor) };
		case wire.WIRE_RECORD_THREADS:
			return { kind, rows: this.thread_rows(cursor) };
		case wire.WIRE_RECORD_SAMPLES:
			return this.samples(cursor);
		case wire.WIRE_RECORD_TICK:
			return { kind, time_us: this.time(cursor) };
		case wire.WIRE_RECORD_CLOCK:
			return { kind, time_us: this.time(cursor), mono_ns: cursor.varint(),
				wall_ns: cursor.varint() };
		case wire.WIRE_RECORD_GAP:
			return this.gap(cursor);
		case wire.WIRE_RECORD_RATE:
			return { kind, time_us: this.time(cursor), rows: this.rate_rows(cursor) };
		case wire.WIRE_RECORD_COUNTERS:
			return { kind, time_us: this.time(cursor), rows: this.counter_rows(cursor) };
		case wire.WIRE_RECORD_LATE_NAMES:
			return { kind, rows: this.late_name_rows(cursor) };
		}
		return null;
	}

	/** @param {Cursor} cursor */
	time(cursor) {
		return cursor.number(time_max_us, "a time");
	}

	/** @param {Cursor} cursor @returns {SegmentHead} */
	head(cursor) {
		if (cursor.end - cursor.at < wire.wire_segment_head.SIZE)
			cursor.fail("the segment's head is cut off");
		const head = struct_read(wire.wire_segment_head, cursor.bytes, cursor.at);
		if (head.segment !== this.segment)
			cursor.fail(`segment ${this.segment} says that it is ${head.segment}`);
		if (head.start_us > BigInt(time_max_us))
			cursor.fail("the segment starts in a far future");
		if (head.cpu_count > wire.WIRE_CPUS_MAX)
			cursor.fail(`${head.cpu_count} CPUs`);
		this.started = true;
		this.period_us = head.frequency_mhz ? Math.floor(1e9 / head.frequency_mhz) : 0;
		return {
			instance_id: instance_text(head.instance_id),
			segment: head.segment,
			start_us: Number(head.start_us),
			wall_shift_s: head.wall_shift_s,
			frequency_mhz: head.frequency_mhz,
			cpu_count: head.cpu_count,
			event: head.event,
		};
	}

	/** @param {Cursor} cursor */
	meta(cursor) {
		const rows = [];
		while (cursor.at < cursor.end) {
			const meta = cursor.varint();
			rows.push({ meta, text: cursor.text(cursor.varint()) });
		}
		return rows;
	}

	/**
	 * Starts a record of rows.
	 * @param {Cursor} cursor
	 * @param {number} known rows of the table so far
	 * @returns {number} how many follow
	 */
	row_count(cursor, known) {
		return cursor.number(wire.WIRE_ROWS_MAX - known, "a count of rows");
	}

	/** @param {Cursor} cursor */
	string_rows(cursor) {
		const strings = [];
		for (let count = this.row_count(cursor, this.strings); count; count--)
			strings.push(cursor.text(cursor.number(wire.WIRE_STRING_SIZE_MAX, "the size of a string")));
		this.strings += strings.length;
		return strings;
	}

	/** @param {Cursor} cursor */
	string_id(cursor) {
		return cursor.number(this.strings, "the id of a string");
	}

	/** @param {Cursor} cursor */
	module_rows(cursor) {
		const rows = [];
		for (let count = this.row_count(cursor, this.module_keys.length - 1); count; count--) {
			cursor.key();
			const { low, high } = cursor;
			this.module_keys.push({ low, high });
			rows.push({ key_low: low, key_high: high, name: this.string_id(cursor),
				module_kind: cursor.number(255, "a kind") });
		}
		return rows;
	}

	/** @param {Cursor} cursor */
	function_rows(cursor) {
		const rows = [];
		let last_name = 0;
		for (let count = this.row_count(cursor, this.functions); count; count--) {
			const module = cursor.number(this.module_keys.length - 1, "the id of a module");
			/* 0: none; else 1 more than the zigzag difference, which may be 0 too. */
			const named = cursor.varint();
			const name = named ? last_name + unzigzag(named - 1) : 0;
			if (named && !(name > 0 && name <= this.strings))
				cursor.fail("the id of a string is none");
			last_name = name || last_name;
			cursor.varint_parts();
			const has_key = cursor.low & 1;
			const low = (cursor.low >>> 1 | cursor.high << 31) >>> 0, high = cursor.high >>> 1;
			if (has_key)
				cursor.key();
			const key = has_key ? cursor : function_key(this.module_keys[module], low, high);
			rows.push({ key_low: key.low, key_high: key.high, module, name,
				start: high * 0x100000000 + low });
		}
		this.functions += rows.length;
		return rows;
	}

	/** @param {Cursor} cursor */
	frame_rows(cursor) {
		const rows = [];
		let function_id = 0;
		for (let count = this.row_count(cursor, this.frames); count; count--) {
			function_id += cursor.zigzag();
			if (function_id < 0 || function_id > this.functions)
				cursor.fail("the id of a function is none");
			rows.push({ function_id, frame_kind: cursor.number(255, "a kind"),
				file: this.string_id(cursor), line: cursor.number(0x7fffffff, "a line") });
		}
		this.frames += rows.length;
		return rows;
	}

	/** @param {Cursor} cursor */
	stack_rows(cursor) {
		const rows = [];
		for (let count = this.row_count(cursor, this.stacks); count; count--) {
			const id = ++this.stacks;
			const parent = id - cursor.varint();
			if (parent < 0 || parent >= id)
				cursor.fail("a stack's parent is none");
			const frame = cursor.number(this.frames, "the id of a frame");
			if (id >= this.depth.length) {
				const larger = new Uint16Array(this.depth.length * 2);
				larger.set(this.depth);
				this.depth = larger;
			}
			this.depth[id] = this.depth[parent] + 1;
			if (this.depth[id] > wire.WIRE_STACK_DEPTH_MAX || !frame)
				cursor.fail(frame ? "a stack is too deep" : "a stack without a frame");
			rows.push({ parent, frame });
		}
		return rows;
	}

	/** @param {Cursor} cursor */
	thread_rows(cursor) {
		const rows = [];
		for (let count = this.row_count(cursor, this.threads); count; count--) {
			rows.push({
				tid: cursor.number(u32_max, "a thread's number"),
				pid: cursor.number(u32_max, "a process's number"),
				start_ns: cursor.varint(),
				comm: this.string_id(cursor),
				process: this.string_id(cursor),
				cgroup: this.string_id(cursor),
				container: this.string_id(cursor),
			});
		}
		this.threads += rows.length;
		return rows;
	}

	/** @param {Cursor} cursor @returns {SamplesRecord} */
	samples(cursor) {
		const count = cursor.number(wire.WIRE_SAMPLES_MAX, "a count of samples");
		let time_us = this.time(cursor);
		/* Each row takes a byte a column, so that no count can ask for more than there is. */
		if (count > cursor.end - cursor.at)
			cursor.fail("a batch of samples is cut off");
		const time = new Int32Array(count), cpu = new Uint16Array(count);
		const thread = new Int32Array(count), stack = new Int32Array(count);
		for (let i = 0; i < count; i++) {
			time_us += cursor.zigzag() + (i ? this.period_us : 0);
			if (time_us !== (time_us | 0))
				cursor.fail("a sample is far from its segment");
			time[i] = time_us;
		}
		for (let i = 0; i < count; i++)
			cpu[i] = cursor.number(wire.WIRE_CPUS_MAX - 1, "a CPU");
		for (let i = 0; i < count; i++)
			thread[i] = cursor.number(this.threads, "the id of a thread");
		let id = 0;
		for (let i = 0; i < count; i++) {
			id += cursor.zigzag();
			if (id < 0 || id > this.stacks)
				cursor.fail("the id of a stack is none");
			stack[i] = id;
		}
		return { kind: wire.WIRE_RECORD_SAMPLES, count, time, cpu, thread, stack,
			user_status: this.runs(cursor, count), kernel_status: this.runs(cursor, count),
			event: this.runs(cursor, count), busy: this.runs(cursor, count) };
	}

	/**
	 * @param {Cursor} cursor
	 * @param {number} count
	 */
	runs(cursor, count) {
		const column = new Uint8Array(count);
		for (let at = 0; at < count;) {
			const value = cursor.number(255, "a value of a run");
			const length = cursor.number(count - at, "the length of a run");
			if (!length)
				cursor.fail("an empty run");
			column.fill(value, at, at + length);
			at += length;
		}
		return column;
	}

	/** @param {Cursor} cursor @returns {Record} */
	gap(cursor) {
		const from_us = cursor.zigzag();
		if (from_us < -time_max_us)
			cursor.fail("a gap starts too early");
		const to_us = Math.max(from_us, this.time(cursor));
		return { kind: wire.WIRE_RECORD_GAP, from_us, to_us, reason: cursor.number(255, "a reason"),
			lost: cursor.varint() };
	}

	/** @param {Cursor} cursor */
	rate_rows(cursor) {
		const rows = [];
		for (let count = cursor.number(wire.WIRE_CPUS_MAX, "a count of CPUs"); count; count--) {
			rows.push({ cpu: cursor.number(wire.WIRE_CPUS_MAX - 1, "a CPU"),
				mhz: cursor.number(u32_max, "a rate") });
		}
		return rows;
	}

	/** @param {Cursor} cursor */
	counter_rows(cursor) {
		const rows = [];
		while (cursor.at < cursor.end)
			rows.push({ counter: cursor.varint(), value: cursor.varint() });
		return rows;
	}

	/** @param {Cursor} cursor */
	late_name_rows(cursor) {
		const rows = [];
		for (let count = this.row_count(cursor, 0); count; count--) {
			cursor.key();
			const { low: key_low, high: key_high } = cursor;
			cursor.key();
			const { low: owner_low, high: owner_high } = cursor;
			rows.push({ key_low, key_high, owner_low, owner_high, name: this.string_id(cursor) });
		}
		return rows;
	}
}

const mask64 = (1n << 64n) - 1n;

/**
 * @param {bigint} a
 * @param {bigint} b
 */
function mix(a, b) {
	const product = a * b;
	return (product & mask64) ^ (product >> 64n);
}

/**
 * The derived key of include/wire.h: of a function that is known by its start in a module.
 * @param {{ low: number, high: number }} module its key
 * @param {number} start_low
 * @param {number} start_high
 * @returns {{ low: number, high: number }}
 */
export function function_key(module, start_low, start_high) {
	const parent = BigInt(module.high) << 32n | BigInt(module.low);
	const start = BigInt(start_high) << 32n | BigInt(start_low);
	const hash = mix(parent ^ 0x3c6ef372fe94f82bn ^ start, 0xbb67ae8584caa73bn);
	const key = mix(hash ^ 8n, 0x6a09e667f3bcc909n) || 1n;
	return { low: Number(key & 0xffffffffn), high: Number(key >> 32n) };
}
