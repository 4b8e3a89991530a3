/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, functions, frames, stacks and threads of all segments, merged: modules and functions by their
 * 64-bit keys, the rest by content. Ids count up from 1, 0 means none.
 *
 * A stack is a node (parent, frame) of one tree, parents before children. Its first node is a process:
 * there the frame is negative, see process_frame(). What is shown and added up is a call: a stack
 * whose frames are taken as (canonical function, kind), so that what turned out to be one function
 * after the stacks were written is one call. Late names apply to everything, also to what comes later.
 */

import { RowTable, StringTable, array_grown } from "model/tables";
import * as wire from "wire";

/**
 * @typedef {object} Thread
 * @property {number} tid
 * @property {number} pid
 * @property {number} start_ns of the process, CLOCK_BOOTTIME
 * @property {string} comm
 * @property {string} process
 * @property {string} cgroup
 * @property {string} container
 */

/** The frame of a stack's first node. @param {number} process string id */
export function process_frame(process) {
	return -1 - process;
}

/** What a thread is called where it is one of many. @param {{ comm: string, tid: number }} thread */
export function thread_text({ comm, tid }) {
	return `${comm} ${tid}`;
}

export class Dictionary {
	/** @param {boolean} [by_name] functions of one name in files of one name are one, as those of two builds of a program are */
	constructor(by_name = false) {
		/** For who keeps something by its ids, and must not keep the whole of it: another one has another. */
		this.identity = {};
		/** The first function of each file's name and its own. @type {Map<string, number> | null} */
		this.named = by_name ? new Map() : null;
		this.strings = new StringTable();
		/** key low, key high */
		this.modules = new RowTable(2);
		this.module_name = new Int32Array(16);
		this.module_kind = new Int32Array(16);
		/** key low, key high */
		this.functions = new RowTable(2);
		this.function_module = new Int32Array(16);
		this.function_name = new Int32Array(16);
		this.function_start = new Float64Array(16);
		/** The function that it was found to be a part of; 0: it is one itself. */
		this.function_owner = new Int32Array(16);
		/** function, kind, file, line */
		this.frames = new RowTable(4);
		/** parent, frame */
		this.stacks = new RowTable(2);
		/** tid, pid, process start low and high, comm, process, cgroup, container */
		this.threads = new RowTable(8);
		/** function, kind: what a call shows */
		this.symbols = new RowTable(2);
		/** parent, symbol (or process_frame()) */
		this.calls = new RowTable(2);
		this.call_of_stack = new Int32Array(16);
		this.calls_known = 1;
		/** By call, all zero: for who counts them. */
		this.call_scratch = new Float64Array(0);
		/** Counts up when a call may show another name. */
		this.names_version = 0;
		this.owners_version = 0;
		this.calls_version = 0;
	}

	get byte_count() {
		const { strings, modules, functions, frames, stacks, threads, symbols, calls } = this;
		return strings.byte_count + modules.byte_count + functions.byte_count + frames.byte_count +
			stacks.byte_count + threads.byte_count + symbols.byte_count + calls.byte_count +
			this.function_start.length * 20 + this.call_of_stack.byteLength;
	}

	/**
	 * @param {number} key_low
	 * @param {number} key_high
	 * @param {number} name string
	 * @param {number} kind enum wire_module_kind
	 */
	module_add(key_low, key_high, name, kind) {
		const id = this.modules.add_pair(key_low, key_high);
		this.module_name = array_grown(this.module_name, this.modules.count);
		this.module_kind = array_grown(this.module_kind, this.modules.count);
		this.module_name[id] = name;
		this.module_kind[id] = kind;
		return id;
	}

	/**
	 * @param {number} key_low
	 * @param {number} key_high
	 */
	function_by_key(key_low, key_high) {
		const id = this.functions.add_pair(key_low, key_high);
		const { count } = this.functions;
		this.function_module = array_grown(this.function_module, count);
		this.function_name = array_grown(this.function_name, count);
		this.function_start = array_grown(this.function_start, count);
		this.function_owner = array_grown(this.function_owner, count);
		return id;
	}

	/**
	 * A row of a segment. A name that is known already stays: it may have come late and be better.
	 * @param {number} key_low
	 * @param {number} key_high
	 * @param {number} module
	 * @param {number} name string
	 * @param {number} start
	 */
	function_add(key_low, key_high, module, name, start) {
		const { count } = this.functions;
		const id = this.function_by_key(key_low, key_high);
		const had_module = this.function_module[id], had_name = this.function_name[id];
		const had_start = this.function_start[id];
		if (!had_module)
			this.function_module[id] = module;
		/* A late name may have come first, and then the start is that of a part of this. */
		this.function_start[id] = start;
		this.function_name[id] ||= name;
		/* Nothing shows the name of a new one yet. */
		if (id < count && (had_module !== this.function_module[id] || had_start !== start ||
		    had_name !== this.function_name[id]))
			this.names_version++;
		this.name_join(id);
		return id;
	}

	/** @param {number} id */
	name_join(id) {
		const own = this.function_canonical(id), name = this.function_name[own], module = this.module_text(this.function_module[own]);
		if (!this.named || !name || !module)
			return;
		const key = `${this.strings.texts[name]} ${module.slice(module.lastIndexOf("/") + 1)}`;
		const first = this.function_canonical(this.named.get(key) ?? own);
		this.named.set(key, first);
		if (first !== own) {
			this.function_owner[own] = first;
			this.owners_version++;
			this.names_version++;
		}
	}

	/**
	 * Says what a function is called, and that it is a part of another one or that one itself.
	 * @param {number} key_low
	 * @param {number} key_high
	 * @param {number} owner_low
	 * @param {number} owner_high
	 * @param {number} name string; 0: none is known
	 */
	late_name_add(key_low, key_high, owner_low, owner_high, name) {
		const id = this.function_by_key(key_low, key_high);
		const part = this.function_canonical(id);
		const owner = this.function_canonical(this.function_by_key(owner_low, owner_high));
		if (part !== owner) {
			/* Roots only, so there is never a circle. */
			this.function_owner[part] = owner;
			this.owners_version++;
			if (!this.function_module[owner]) {
				this.function_module[owner] = this.function_module[part];
				this.function_start[owner] = this.function_start[part];
			}
		}
		if (name)
			this.function_name[owner] = name;
		this.names_version++;
		this.name_join(owner);
	}

	/** @param {number} id */
	function_canonical(id) {
		const { function_owner } = this;
		while (function_owner[id]) {
			const owner = function_owner[id];
			/* Halves the way for the next one who asks. */
			if (function_owner[owner])
				function_owner[id] = function_owner[owner];
			id = owner;
		}
		return id;
	}

	/** @param {number} id @returns {string} the name, or module+0xstart */
	function_text(id) {
		const canonical = this.function_canonical(id);
		const name = this.function_name[canonical];
		if (name)
			return this.strings.texts[name];
		const module = this.module_text(this.function_module[canonical]);
		return `${module || "unknown"}+0x${this.function_start[canonical].toString(16)}`;
	}

	/** @param {number} id */
	module_text(id) {
		return this.strings.texts[this.module_name[id]];
	}

	/**
	 * @param {number} function_id
	 * @param {number} kind enum wire_frame_kind
	 * @param {number} file string
	 * @param {number} line
	 */
	frame_add(function_id, kind, file, line) {
		const { row } = this.frames;
		row[0] = function_id;
		row[1] = kind;
		row[2] = file;
		row[3] = line;
		return this.frames.add();
	}

	/**
	 * @param {number} tid
	 * @param {number} pid
	 * @param {number} start_ns
	 * @param {number} comm string, as the three that follow
	 * @param {number} process
	 * @param {number} cgroup
	 * @param {number} container
	 */
	thread_add(tid, pid, start_ns, comm, process, cgroup, container) {
		const { row } = this.threads;
		row.set([tid, pid, start_ns % 0x100000000, Math.floor(start_ns / 0x100000000), comm, process,
			cgroup, container]);
		return this.threads.add();
	}

	/** @param {number} id @returns {Thread} */
	thread(id) {
		const [tid, pid, low, high, ...names] = this.threads.columns.map((column) => column[id]);
		const [comm, process, cgroup, container] = names.map((name) => this.strings.texts[name]);
		return { tid, pid, start_ns: (low >>> 0) + high * 0x100000000, comm, process, cgroup,
			container };
	}

	/**
	 * Brings call_of_stack up to date: call it before reading that. Ids of calls stay what they are.
	 * @returns {Int32Array} by stack; longer than the count of stacks
	 */
	calls_update() {
		if (this.calls_version !== this.owners_version) {
			this.calls_version = this.owners_version;
			this.calls_known = 1;
		}
		const { stacks, calls } = this;
		this.call_of_stack = array_grown(this.call_of_stack, stacks.count);
		const { call_of_stack } = this;
		const [parents, frames] = stacks.columns;
		for (let stack = this.calls_known; stack < stacks.count; stack++) {
			const frame = frames[stack];
			call_of_stack[stack] = calls.add_pair(call_of_stack[parents[stack]],
				frame > 0 ? this.symbol_of_frame(frame) : frame);
		}
		this.calls_known = stacks.count;
		return call_of_stack;
	}

	/** @param {number} frame */
	symbol_of_frame(frame) {
		const { columns } = this.frames;
		return this.symbols.add_pair(this.function_canonical(columns[0][frame]), columns[1][frame]);
	}

	/**
	 * The call that a call became when its function was found to be a part of another one; itself
	 * where nothing was found, 0 when it has not occurred since.
	 * @param {number} call
	 * @returns {number}
	 */
	call_current(call) {
		if (!call)
			return 0;
		const { calls, symbols } = this;
		const parent = calls.columns[0][call];
		let symbol = calls.columns[1][call];
		const parent_now = this.call_current(parent);
		if (symbol > 0) {
			symbols.row[0] = this.function_canonical(symbols.columns[0][symbol]);
			symbols.row[1] = symbols.columns[1][symbol];
			symbol = symbols.find();
		}
		if (parent && !parent_now || !symbol)
			return 0;
		calls.row[0] = parent_now;
		calls.row[1] = symbol;
		return calls.find();
	}

	/** @param {number} call 0: everything @returns {string} */
	call_name(call) {
		const symbol = this.calls.columns[1][call];
		if (!call)
			return "all";
		return symbol < 0 ? this.strings.texts[-1 - symbol]
			: this.function_text(this.symbols.columns[0][symbol]);
	}

	/** @param {number} call @returns {number} the canonical function, 0 when it has none */
	call_function(call) {
		const symbol = this.calls.columns[1][call];
		return symbol > 0 ? this.symbols.columns[0][symbol] : 0;
	}

	/** @param {number} call @returns {number} enum wire_frame_kind, 0 of a process and of everything */
	call_kind(call) {
		const symbol = this.calls.columns[1][call];
		return symbol > 0 ? this.symbols.columns[1][symbol] : 0;
	}

	/**
	 * The file that the function of a call is in.
	 * @param {number} call
	 * @returns {{ name: string, kind: number }} kind: enum wire_module_kind
	 */
	call_module(call) {
		const symbol = this.calls.columns[1][call];
		if (symbol <= 0)
			return { name: "", kind: wire.WIRE_MODULE_UNKNOWN };
		const module = this.function_module[this.symbols.columns[0][symbol]];
		return { name: this.module_text(module), kind: this.module_kind[module] };
	}

	/**
	 * The lines of frames, each once; without those of which no file is known.
	 * @param {Map<number, number>} samples by frame
	 * @returns {import("model/call_tree").SourceLine[]}
	 */
	frame_lines(samples) {
		const [, , files, numbers] = this.frames.columns;
		/** @type {Map<string, import("model/call_tree").SourceLine>} */
		const lines = new Map();
		for (const [frame, count] of samples) {
			if (!files[frame])
				continue;
			const key = `${files[frame]} ${numbers[frame]}`;
			const line = lines.get(key);
			if (line)
				line.samples += count;
			else
				lines.set(key, { file: this.strings.texts[files[frame]], line: numbers[frame],
					samples: count });
		}
		return [...lines.values()];
	}
}
