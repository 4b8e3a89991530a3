/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples by function, by module, by process and by thread: in the thing itself, and in it and all that it
 * called. A stack that holds something several times counts once.
 */

import { thread_text } from "model/dictionary";

/** @typedef {import("model/profile").Profile} Profile */
/** @typedef {import("model/call_tree").CallTree} CallTree */
/** @typedef {import("model/call_tree").Range} Range */

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {string} place what it is in: a module, a process
 * @property {number} kind enum wire_frame_kind, 0: no function
 * @property {number} self samples
 * @property {number} total samples
 */

/** Keeps what it has found out about calls: for many trees of one profile. */
export class FunctionCounts {
	/** @param {Profile} profile */
	constructor(profile) {
		this.dictionary = profile.dictionary;
		/** By call: the function where no caller is the same one, else 0; -1: not asked yet. */
		this.outermost = new Int32Array(0);
	}

	/** @param {number} call */
	outermost_of(call) {
		const { dictionary } = this;
		if (this.outermost.length < dictionary.calls.count) {
			const grown = new Int32Array(Math.ceil(dictionary.calls.count * 1.5)).fill(-1);
			grown.set(this.outermost);
			this.outermost = grown;
		}
		if (this.outermost[call] < 0) {
			const own = dictionary.call_function(call);
			const [parents] = dictionary.calls.columns;
			let at = own ? parents[call] : 0;
			while (at && dictionary.call_function(at) !== own)
				at = parents[at];
			this.outermost[call] = at ? 0 : own;
		}
		return this.outermost[call];
	}

	/** @param {CallTree} tree @returns {Map<number, number>} by function */
	totals(tree) {
		const totals = new Map();
		for (let node = 1; node < tree.count; node++) {
			const id = this.outermost_of(tree.calls[node]);
			if (id)
				totals.set(id, (totals.get(id) ?? 0) + tree.total[node]);
		}
		return totals;
	}
}

/**
 * @param {Profile} profile
 * @param {CallTree} tree
 * @returns {Row[]} in no order
 */
export function function_rows(profile, tree) {
	const totals = new FunctionCounts(profile).totals(tree);
	/** @type {Map<number, Row>} */
	const rows = new Map();
	for (let node = 1; node < tree.count; node++) {
		const id = profile.dictionary.call_function(tree.calls[node]);
		if (!id)
			continue;
		const row = rows.get(id);
		if (row)
			row.self += tree.self[node];
		else
			rows.set(id, { name: tree.name(node), place: tree.module(node).name, kind: tree.kind(node),
				self: tree.self[node], total: totals.get(id) ?? 0 });
	}
	return [...rows.values()];
}

/** @param {CallTree} tree @returns {Row[]} in no order */
export function module_rows(tree) {
	/** @type {Map<string, Row>} */
	const rows = new Map();
	/** Modules on the way to each node, itself included: a call adds one at most. @type {Set<string>[]} */
	const above = [new Set()];
	for (let node = 1; node < tree.count; node++) {
		const module = tree.module(node).name;
		const callers = above[tree.parent[node]];
		above[node] = callers;
		if (!tree.kind(node))
			continue;
		const row = rows.get(module) ?? { name: module || "unknown", place: "", kind: tree.kind(node), self: 0, total: 0 };
		rows.set(module, row);
		row.self += tree.self[node];
		if (callers.has(module))
			continue;
		row.total += tree.total[node];
		above[node] = new Set([...callers, module]);
	}
	return [...rows.values()];
}

/** @param {CallTree} tree @returns {Row[]} most samples first */
export function process_rows(tree) {
	return tree.processes().map(({ name, node, samples }) =>
		({ name, place: "", kind: 0, self: tree.self[node], total: samples }));
}

/**
 * @param {Profile} profile
 * @param {Range[]} ranges that do not overlap
 * @param {import("model/filter").SampleFilter | null} filter
 * @returns {Float64Array} samples by thread of the dictionary
 */
export function thread_counts(profile, ranges, filter) {
	const counts = new Float64Array(profile.dictionary.threads.count);
	for (const { block, first, end, weight } of profile.samples_in(ranges).parts) {
		const { thread, thread_ids } = block;
		if (!filter) {
			block.counts("thread", first, end).forEach((count, number) => (counts[thread_ids[number]] += count * weight));
			continue;
		}
		const keeps = filter.keeps(block);
		for (let row = first; row < end; row++)
			if (keeps(row))
				counts[thread_ids[thread[row]]] += weight;
	}
	return counts;
}

/**
 * @param {Profile} profile
 * @param {Range[]} ranges that do not overlap
 * @param {import("model/filter").SampleFilter | null} [filter]
 * @returns {Row[]} in no order
 */
export function thread_rows(profile, ranges, filter = null) {
	const counts = thread_counts(profile, ranges, filter);
	/* A thread that changed its name has several ids. */
	/** @type {Map<string, Row>} */
	const rows = new Map();
	counts.forEach((count, id) => {
		if (!count)
			return;
		const thread = profile.dictionary.thread(id);
		const { tid, pid, comm, process } = thread;
		const key = `${pid} ${tid} ${comm}`;
		const row = rows.get(key) ?? { name: thread_text(thread), place: `${process} ${pid}`, kind: 0, self: 0, total: 0 };
		row.self += count;
		row.total += count;
		rows.set(key, row);
	});
	return [...rows.values()];
}
