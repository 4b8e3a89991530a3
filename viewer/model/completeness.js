/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many of the user stacks of a stretch reach the thread's first function, and why the others do
 * not: by reason, and for the processes that have most of them.
 */

import { user_status_mask } from "model/block";
import * as wire from "wire";

/** @typedef {import("model/profile").Profile} Profile */
/** @typedef {import("model/block").Block} Block */

/**
 * @typedef {"new" | "jit" | "deep" | "unreadable" | "no_mapping" | "no_row" | "unsupported"} Reason
 * @typedef {{ reason: Reason, stacks: number }} ReasonRow
 * @typedef {{ name: string, stacks: number, complete: number, reason: Reason, place: string }} ProcessRow
 * place: the file or memory in which most of its stacks of that reason end
 *
 * @typedef {object} Completeness
 * @property {number} stacks samples that have a user stack; kernel threads have none
 * @property {number} complete
 * @property {ReasonRow[]} reasons of the others, the most frequent first
 * @property {ProcessRow[]} processes with incomplete ones, those with most of them first
 */

/** Processes that are told of. */
export const processes_max = 10;

/** @type {Reason[]} by enum wire_stack */
const reasons = [];
reasons[wire.WIRE_STACK_FRAME_POINTERS] = "new";
reasons[wire.WIRE_STACK_TRUNCATED] = "deep";
reasons[wire.WIRE_STACK_UNREADABLE] = "unreadable";
reasons[wire.WIRE_STACK_NO_MAPPING] = "no_mapping";
reasons[wire.WIRE_STACK_NO_ROW] = "no_row";
reasons[wire.WIRE_STACK_UNSUPPORTED] = "unsupported";

/** @template Key @param {Map<Key, number>} counts @param {Key} key */
function count_up(counts, key) {
	counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** The key that is counted most. @template Key @param {Map<Key, number>} counts @param {Key} none */
function most(counts, none) {
	let found = none, count = 0;
	for (const [key, value] of counts) {
		if (value > count)
			[found, count] = [key, value];
	}
	return found;
}

class Counting {
	/** @param {Profile} profile */
	constructor(profile) {
		this.dictionary = profile.dictionary;
		this.stacks = 0;
		this.complete = 0;
		/** By process name, a string of the dictionary. @type {Map<number, { stacks: number,
		 * complete: number, reasons: Map<Reason, number>, places: Map<string, number> }>} */
		this.processes = new Map();
		/** By stack: where it ends, and whether code made at run time is in it. @type {Map<number,
		 * { place: string, is_jit: boolean }>} */
		this.ends = new Map();
	}

	/** @param {number} stack of the dictionary */
	end(stack) {
		let end = this.ends.get(stack);
		if (end)
			return end;
		const { stacks, frames, function_module, module_kind } = this.dictionary;
		const [parents, stack_frames] = stacks.columns;
		let module = 0, is_jit = false;
		for (let at = stack; stack_frames[at] > 0; at = parents[at]) {
			const id = this.dictionary.function_canonical(frames.columns[0][stack_frames[at]]);
			module = function_module[id];
			is_jit ||= module_kind[module] === wire.WIRE_MODULE_JIT;
		}
		end = { place: this.dictionary.module_text(module), is_jit };
		this.ends.set(stack, end);
		return end;
	}

	/** @param {number} process */
	process(process) {
		let row = this.processes.get(process);
		if (!row) {
			row = { stacks: 0, complete: 0, reasons: new Map(), places: new Map() };
			this.processes.set(process, row);
		}
		return row;
	}

	/**
	 * @param {Block} block
	 * @param {number} first
	 * @param {number} end
	 */
	block(block, first, end) {
		const names = this.dictionary.threads.columns[5];
		const by_thread = Array.from({ length: block.thread_count }, (_, thread) =>
			this.process(names[block.thread_ids[thread]]));
		for (let row = first; row < end; row++) {
			const status = block.status[row] & user_status_mask;
			if (status === wire.WIRE_STACK_NONE)
				continue;
			const process = by_thread[block.thread[row]];
			this.stacks++;
			process.stacks++;
			if (status === wire.WIRE_STACK_COMPLETE) {
				this.complete++;
				process.complete++;
				continue;
			}
			const { place, is_jit } = this.end(block.stack_ids[block.stack[row]]);
			const found = reasons[status];
			/* Tables end where code has none; it may be called by code that has. */
			const reason = is_jit && (found === "new" || found === "no_row") ? "jit" : found;
			count_up(process.reasons, reason);
			count_up(process.places, `${reason} ${place}`);
		}
	}
}

/**
 * @param {Profile} profile
 * @param {import("model/call_tree").Range[]} ranges
 * @returns {Completeness}
 */
export function completeness(profile, ranges) {
	const counting = new Counting(profile);
	for (const { from_us, to_us } of ranges)
		for (const block of profile.blocks_in(from_us, to_us))
			counting.block(block, ...block.rows(from_us, to_us));
	/** @type {Map<Reason, number>} */
	const all = new Map();
	/** @type {ProcessRow[]} */
	const processes = [];
	for (const [name, { stacks, complete, reasons: own, places }] of counting.processes) {
		if (stacks === complete)
			continue;
		for (const [reason, count] of own)
			all.set(reason, (all.get(reason) ?? 0) + count);
		const reason = most(own, /** @type {Reason} */ ("new"));
		const of_reason = new Map([...places].filter(([key]) => key.startsWith(`${reason} `)));
		processes.push({ name: profile.dictionary.strings.texts[name], stacks, complete, reason,
			place: most(of_reason, "").slice(reason.length + 1) });
	}
	processes.sort((a, b) => (b.stacks - b.complete) - (a.stacks - a.complete));
	return {
		stacks: counting.stacks,
		complete: counting.complete,
		reasons: [...all].map(([reason, stacks]) => ({ reason, stacks }))
			.sort((a, b) => b.stacks - a.stacks),
		processes: processes.slice(0, processes_max),
	};
}
