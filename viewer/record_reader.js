/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the records of one segment (include/wire.h): inflated bytes in, calls of a visitor out.
 *
 * The bytes are hostile: every bound, id and count is checked, so that a visitor may use ids as
 * indices into arrays that it has filled in order. Records of an unknown kind, and what stands
 * behind the known fields of a record, are passed over. Times are microseconds since the segment's
 * start. Keys are halves of 32 bits.
 */

import * as wire from "wire";
import { Cursor, struct_read } from "wire_bytes";

/** @typedef {import("wire_bytes").WireError} WireError */

/**
 * The head of a segment. Times are microseconds of the timeline.
 * @typedef {object} SegmentHead
 * @property {bigint} instance_id
 * @property {number} segment
 * @property {number} start_us
 * @property {number} wall_shift_s by how much the timeline is ahead of the wall clock
 * @property {number} frequency_mhz
 * @property {number} cpu_count
 * @property {number} event enum wire_event
 */

/**
 * Samples in columns, in no order of time. The arrays are used again for the next batch: copy.
 * @typedef {object} SampleBatch
 * @property {number} count rows that hold something
 * @property {Int32Array} time_us
 * @property {Uint16Array} cpu
 * @property {Int32Array} thread
 * @property {Int32Array} stack 0: no frame is known
 * @property {Uint8Array} user_status enum stack_status
 * @property {Uint8Array} kernel_status
 * @property {Uint8Array} event
 */

/**
 * What is called for each row and record; ids are those of the rows' order, from 1.
 * @typedef {object} RecordVisitor
 * @property {(head: SegmentHead) => void} segment
 * @property {(meta: number, text: string) => void} meta
 * @property {(id: number, text: string) => void} string
 * @property {(id: number, key_low: number, key_high: number, name: number, kind: number) => void} module
 * @property {(id: number, row: FunctionRow) => void} function the row is used again
 * @property {(id: number, function_id: number, kind: number, file: number, line: number) => void} frame
 * @property {(id: number, parent: number, frame: number) => void} stack
 * @property {(id: number, thread: ThreadRow) => void} thread
 * @property {(batch: SampleBatch) => void} samples
 * @property {(time_us: number) => void} tick
 * @property {(time_us: number, mono_ns: number, wall_ns: number) => void} clock
 * @property {(start_us: number, end_us: number, reason: number, lost: number) => void} gap
 * @property {(time_us: number, cpu: number, rate_mhz: number) => void} rate
 * @property {(time_us: number, values: Map<number, number>) => void} counters
 * @property {(key_low: number, key_high: number, owner_low: number, owner_high: number, name: number)
 * => void} late_name
 */

/**
 * A function: its key when the writer gave one, else it follows from the module's key and the start.
 * @typedef {object} FunctionRow
 * @property {number} module
 * @property {number} name string; 0: shown as module+0xstart
 * @property {number} start_low
 * @property {number} start_high
 * @property {boolean} has_key
 * @property {number} key_low
 * @property {number} key_high
 */

/**
 * @typedef {object} ThreadRow
 * @property {number} tid
 * @property {number} pid
 * @property {number} start_ns
 * @property {number} comm string, as those that follow
 * @property {number} process_name
 * @property {number} cgroup
 * @property {number} container
 */

const u32_max = 0xffffffff;
/** Years from now: sums of times below it stay exact. */
const time_max_us = 2 ** 51;

/** The rows of one batch; all readers share it, since a batch is handed on before the next one. */
const batch = {
	count: 0,
	time_us: new Int32Array(wire.WIRE_SAMPLES_MAX),
	cpu: new Uint16Array(wire.WIRE_SAMPLES_MAX),
	thread: new Int32Array(wire.WIRE_SAMPLES_MAX),
	stack: new Int32Array(wire.WIRE_SAMPLES_MAX),
	user_status: new Uint8Array(wire.WIRE_SAMPLES_MAX),
	kernel_status: new Uint8Array(wire.WIRE_SAMPLES_MAX),
	event: new Uint8Array(wire.WIRE_SAMPLES_MAX),
};

/** @type {FunctionRow} */
const function_row = { module: 0, name: 0, start_low: 0, start_high: 0, has_key: false, key_low: 0,
	key_high: 0 };

export class RecordReader {
	/**
	 * @param {number} segment its number
	 * @param {RecordVisitor} visitor
	 */
	constructor(segment, visitor) {
		this.segment = segment;
		this.visitor = visitor;
		/** Bytes read before: offsets in errors are those in the inflated segment. */
		this.offset = 0;
		this.started = false;
		this.period_us = 0;
		/** How many rows of each table there are; the next one's id is one more. */
		this.strings = 0;
		this.modules = 0;
		this.functions = 0;
		this.frames = 0;
		this.stacks = 0;
		this.threads = 0;
		/** Of each stack, by id. */
		this.depth = new Uint16Array(1024);
	}

	/**
	 * Reads whole records: the inflated payload of one chunk.
	 * @param {Uint8Array} bytes
	 * @throws {WireError} then the rest of the segment cannot be read; what was visited holds
	 */
	read(bytes) {
		const cursor = new Cursor(bytes, this.offset);
		while (cursor.at < bytes.length) {
			cursor.end = bytes.length;
			const kind = cursor.byte();
			const size = cursor.varint();
			if (size > bytes.length - cursor.at)
				cursor.fail("a record is cut off");
			cursor.end = cursor.at + size;
			const next = cursor.end;
			this.record(kind, cursor);
			cursor.at = next;
		}
		this.offset += bytes.length;
	}

	/**
	 * @param {number} kind
	 * @param {Cursor} cursor
	 */
	record(kind, cursor) {
		if (this.started === (kind === wire.WIRE_RECORD_SEGMENT))
			cursor.fail(this.started ? "a second head" : "a record before the segment's head");
		switch (kind) {
		case wire.WIRE_RECORD_SEGMENT:
			return this.read_head(cursor);
		case wire.WIRE_RECORD_META:
			return this.read_meta(cursor);
		case wire.WIRE_RECORD_STRINGS:
			return this.read_strings(cursor);
		case wire.WIRE_RECORD_MODULES:
			return this.read_modules(cursor);
		case wire.WIRE_RECORD_FUNCTIONS:
			return this.read_functions(cursor);
		case wire.WIRE_RECORD_FRAMES:
			return this.read_frames(cursor);
		case wire.WIRE_RECORD_STACKS:
			return this.read_stacks(cursor);
		case wire.WIRE_RECORD_THREADS:
			return this.read_threads(cursor);
		case wire.WIRE_RECORD_SAMPLES:
			return this.read_samples(cursor);
		case wire.WIRE_RECORD_TICK:
			return this.visitor.tick(this.time(cursor));
		case wire.WIRE_RECORD_CLOCK:
			return this.visitor.clock(this.time(cursor), cursor.varint(), cursor.varint());
		case wire.WIRE_RECORD_GAP:
			return this.read_gap(cursor);
		case wire.WIRE_RECORD_RATE:
			return this.read_rate(cursor);
		case wire.WIRE_RECORD_COUNTERS:
			return this.read_counters(cursor);
		case wire.WIRE_RECORD_LATE_NAMES:
			return this.read_late_names(cursor);
		}
	}

	/** @param {Cursor} cursor */
	time(cursor) {
		return cursor.number(time_max_us, "a time");
	}

	/** @param {Cursor} cursor */
	read_head(cursor) {
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
		this.visitor.segment({ ...head, start_us: Number(head.start_us) });
	}

	/** @param {Cursor} cursor */
	read_meta(cursor) {
		while (cursor.at < cursor.end) {
			const meta = cursor.varint();
			this.visitor.meta(meta, cursor.text(cursor.varint()));
		}
	}

	/**
	 * Starts a record of rows.
	 * @param {Cursor} cursor
	 * @param {number} known rows of the table so far
	 * @returns {number} how many follow
	 */
	rows(cursor, known) {
		return cursor.number(wire.WIRE_ROWS_MAX - known, "a count of rows");
	}

	/** @param {Cursor} cursor */
	read_strings(cursor) {
		for (let count = this.rows(cursor, this.strings); count; count--) {
			const size = cursor.number(wire.WIRE_STRING_SIZE_MAX, "the size of a string");
			this.visitor.string(++this.strings, cursor.text(size));
		}
	}

	/** @param {Cursor} cursor */
	read_string_id(cursor) {
		return cursor.number(this.strings, "the id of a string");
	}

	/** @param {Cursor} cursor */
	read_modules(cursor) {
		for (let count = this.rows(cursor, this.modules); count; count--) {
			cursor.key();
			const { low, high } = cursor;
			const name = this.read_string_id(cursor);
			this.visitor.module(++this.modules, low, high, name, cursor.number(255, "a kind"));
		}
	}

	/** @param {Cursor} cursor */
	read_functions(cursor) {
		const row = function_row;
		let last_name = 0;
		for (let count = this.rows(cursor, this.functions); count; count--) {
			row.module = cursor.number(this.modules, "the id of a module");
			const difference = cursor.zigzag();
			row.name = difference ? last_name + difference : 0;
			if (row.name < 0 || row.name > this.strings || (difference && !row.name))
				cursor.fail("the id of a string is none");
			last_name = row.name || last_name;
			cursor.varint_parts();
			row.has_key = (cursor.low & 1) === 1;
			row.start_low = (cursor.low >>> 1 | cursor.high << 31) >>> 0;
			row.start_high = cursor.high >>> 1;
			if (row.has_key)
				cursor.key();
			row.key_low = row.has_key ? cursor.low : 0;
			row.key_high = row.has_key ? cursor.high : 0;
			this.visitor.function(++this.functions, row);
		}
	}

	/** @param {Cursor} cursor */
	read_frames(cursor) {
		let function_id = 0;
		for (let count = this.rows(cursor, this.frames); count; count--) {
			function_id += cursor.zigzag();
			if (function_id < 0 || function_id > this.functions)
				cursor.fail("the id of a function is none");
			const kind = cursor.number(255, "a kind");
			const file = this.read_string_id(cursor);
			this.visitor.frame(++this.frames, function_id, kind, file,
				cursor.number(0x7fffffff, "a line"));
		}
	}

	/** @param {Cursor} cursor */
	read_stacks(cursor) {
		for (let count = this.rows(cursor, this.stacks); count; count--) {
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
			this.visitor.stack(id, parent, frame);
		}
	}

	/** @param {Cursor} cursor */
	read_threads(cursor) {
		for (let count = this.rows(cursor, this.threads); count; count--) {
			this.visitor.thread(++this.threads, {
				tid: cursor.number(u32_max, "a thread's number"),
				pid: cursor.number(u32_max, "a process's number"),
				start_ns: cursor.varint(),
				comm: this.read_string_id(cursor),
				process_name: this.read_string_id(cursor),
				cgroup: this.read_string_id(cursor),
				container: this.read_string_id(cursor),
			});
		}
	}

	/** @param {Cursor} cursor */
	read_samples(cursor) {
		const count = cursor.number(wire.WIRE_SAMPLES_MAX, "a count of samples");
		const { time_us, cpu, thread, stack } = batch;
		let time = this.time(cursor);
		for (let i = 0; i < count; i++) {
			time += cursor.zigzag() + (i ? this.period_us : 0);
			if (time !== (time | 0))
				cursor.fail("a sample is far from its segment");
			time_us[i] = time;
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
		this.read_runs(cursor, count, batch.user_status);
		this.read_runs(cursor, count, batch.kernel_status);
		this.read_runs(cursor, count, batch.event);
		batch.count = count;
		this.visitor.samples(batch);
	}

	/**
	 * @param {Cursor} cursor
	 * @param {number} count
	 * @param {Uint8Array} column
	 */
	read_runs(cursor, count, column) {
		for (let at = 0; at < count;) {
			const value = cursor.number(255, "a value of a run");
			const length = cursor.number(count - at, "the length of a run");
			if (!length)
				cursor.fail("an empty run");
			column.fill(value, at, at + length);
			at += length;
		}
	}

	/** @param {Cursor} cursor */
	read_gap(cursor) {
		const start_us = cursor.zigzag();
		if (start_us < -time_max_us)
			cursor.fail("a gap starts too early");
		const end_us = this.time(cursor);
		const reason = cursor.number(255, "a reason");
		this.visitor.gap(start_us, Math.max(start_us, end_us), reason, cursor.varint());
	}

	/** @param {Cursor} cursor */
	read_rate(cursor) {
		const time_us = this.time(cursor);
		for (let count = cursor.number(wire.WIRE_CPUS_MAX, "a count of CPUs"); count; count--) {
			const cpu = cursor.number(wire.WIRE_CPUS_MAX - 1, "a CPU");
			this.visitor.rate(time_us, cpu, cursor.number(u32_max, "a rate"));
		}
	}

	/** @param {Cursor} cursor */
	read_counters(cursor) {
		const time_us = this.time(cursor);
		/** @type {Map<number, number>} */
		const values = new Map();
		while (cursor.at < cursor.end) {
			const counter = cursor.varint();
			const value = cursor.varint();
			/* Those of newer agents mean nothing here. */
			if (counter < wire.WIRE_COUNTER_COUNT)
				values.set(counter, value);
		}
		this.visitor.counters(time_us, values);
	}

	/** @param {Cursor} cursor */
	read_late_names(cursor) {
		for (let count = this.rows(cursor, 0); count; count--) {
			cursor.key();
			const { low, high } = cursor;
			cursor.key();
			const { low: owner_low, high: owner_high } = cursor;
			this.visitor.late_name(low, high, owner_low, owner_high, this.read_string_id(cursor));
		}
	}
}
