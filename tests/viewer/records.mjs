/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the records of a segment from plain samples, as the record reader gives them: what tests of
 * the models stand on.
 */

import "./bare_names.mjs";

const wire = await import("wire");

/** A generator of numbers in [0, 1) that says the same every time. */
export function random_make(seed) {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000;
	};
}

/** Two halves of a key that follow from a text. */
export function key_of(text) {
	let low = 0x811c9dc5, high = 0x1234567;
	for (const letter of text) {
		low = Math.imul(low ^ letter.charCodeAt(0), 0x01000193);
		high = Math.imul(high ^ low, 0x85ebca6b);
	}
	return { key_low: low >>> 0, key_high: high >>> 0 };
}

/** Rows of one kind with their ids, those not sent yet apart. */
class Rows {
	constructor() {
		this.ids = new Map();
		this.fresh = [];
	}

	add(key, make) {
		let id = this.ids.get(key);
		if (id === undefined) {
			const row = make();
			id = this.ids.size + 1;
			this.ids.set(key, id);
			this.fresh.push(row);
		}
		return id;
	}

	take() {
		const { fresh } = this;
		this.fresh = [];
		return fresh;
	}
}

/**
 * A sample is { time_us (of the timeline), cpu, process, tid, container, stack, status }; its stack is a list of
 * frames from the root, each a name or { name, kind, module, module_kind, key, named, file, line, start }.
 */
export class SegmentMaker {
	constructor(head = {}) {
		this.head = { instance_id: "00000000000000aa", segment: 1, start_us: 1_000_000_000_000_000,
			wall_shift_s: 0, frequency_mhz: 99_000, cpu_count: 2, event: wire.WIRE_EVENT_CPU_CLOCK,
			...head };
		this.strings = new Rows();
		this.modules = new Rows();
		this.functions = new Rows();
		this.frames = new Rows();
		this.stacks = new Rows();
		this.threads = new Rows();
		/** Ids of the stacks that were given as the very same list before. */
		this.lists = new Map();
		this.started = false;
	}

	string(text) {
		return text === "" ? 0 : this.strings.add(text, () => text);
	}

	frame(given) {
		const { name, kind = wire.WIRE_FRAME_PROGRAM, module = "program", key = name, named = true,
			module_kind = wire.WIRE_MODULE_FILE, file = "", line = 0, start = 0x1000 } = typeof given === "string" ? { name: given } : given;
		const module_id = this.modules.add(module, () => ({ ...key_of(`module ${module}`),
			name: this.string(module), module_kind }));
		const function_id = this.functions.add(key, () => ({ ...key_of(key), module: module_id,
			name: named ? this.string(name) : 0, start }));
		return this.frames.add(`${key} ${kind} ${file} ${line}`, () => ({ function_id,
			frame_kind: kind, file: this.string(file), line }));
	}

	stack(frames) {
		let id = this.lists.get(frames) ?? 0;
		if (id)
			return id;
		for (const given of frames) {
			const frame = this.frame(given), parent = id;
			id = this.stacks.add(`${parent} ${frame}`, () => ({ parent, frame }));
		}
		this.lists.set(frames, id);
		return id;
	}

	thread(process, tid, container = "") {
		return this.threads.add(`${process} ${tid} ${container}`, () => ({ tid, pid: Math.floor(tid / 100) * 100,
			start_ns: 1_000_000_000 + tid, comm: this.string(`${process}/${tid % 100}`),
			process: this.string(process), cgroup: 0, container: this.string(container) }));
	}

	/** Records of these samples, with the rows they need and, the first time, the head. */
	records(samples, more = []) {
		const { start_us } = this.head;
		const columns = samples.map(({ time_us, cpu = 0, process = "program", tid = 100, stack = [],
			busy, container }) => [time_us - start_us, cpu, this.thread(process, tid, container), this.stack(stack), busy]);
		const column = (index) => columns.map((row) => row[index]);
		const records = this.started ? [] : [{ kind: wire.WIRE_RECORD_SEGMENT, head: this.head }];
		this.started = true;
		return [...records,
			{ kind: wire.WIRE_RECORD_STRINGS, strings: this.strings.take() },
			{ kind: wire.WIRE_RECORD_MODULES, rows: this.modules.take() },
			{ kind: wire.WIRE_RECORD_FUNCTIONS, rows: this.functions.take() },
			{ kind: wire.WIRE_RECORD_FRAMES, rows: this.frames.take() },
			{ kind: wire.WIRE_RECORD_STACKS, rows: this.stacks.take() },
			{ kind: wire.WIRE_RECORD_THREADS, rows: this.threads.take() },
			{ kind: wire.WIRE_RECORD_SAMPLES, count: samples.length, time: Int32Array.from(column(0)),
				cpu: column(1), thread: column(2), stack: column(3),
				user_status: samples.map(({ status }) => status ?? wire.WIRE_STACK_COMPLETE), kernel_status: samples.map(() => 0),
				busy: column(4).map((busy) => busy ?? wire.WIRE_BUSY_UNKNOWN) },
			...more];
	}

	/** Gives the profile a chunk of it. */
	fill(profile, samples, { end_us, more = [], closed = false } = {}) {
		const { instance_id, segment, start_us } = this.head;
		const last = samples.reduce((most, { time_us }) => Math.max(most, time_us), start_us);
		profile.records_add(instance_id, segment, this.records(samples, more), end_us ?? last + 1);
		if (closed)
			profile.segment_end(instance_id, segment, "closed");
	}
}

/** Times of the ticks of a CPU: every period, with a jitter and now and then one that comes late. */
export function ticks_make({ from_us, to_us, period_us, jitter_us = 0, late_share = 0, late_us = 0,
	phase = 0, random = Math.random }) {
	const times = [];
	for (let at = from_us + phase * period_us; at < to_us; at += period_us) {
		const late = random() < late_share ? late_us * random() : 0;
		times.push(Math.round(at + jitter_us * (random() - 0.5) * 2 + late));
	}
	return times;
}
