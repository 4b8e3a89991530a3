/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who called a function: its callers, their callers and so on, up to the processes. A stack that holds the
 * function several times counts once, from its outermost place.
 */

import { DerivedCalls, DerivedTree } from "model/derived_tree";

/** @typedef {import("model/call_tree").CallTree} CallTree */
/** @typedef {import("model/dictionary").Dictionary} Dictionary */

export class Callers {
	/**
	 * @param {Dictionary} dictionary
	 * @param {string} name of the function
	 */
	constructor(dictionary, name) {
		this.dictionary = dictionary;
		this.name = name;
		this.derived = new DerivedCalls();
	}

	/** @param {CallTree} base @returns {DerivedTree} whose root is the function */
	tree(base) {
		const { derived, name, dictionary: { calls: { columns: [, symbols] } } } = this;
		/** @type {Map<number, boolean>} */
		const answers = new Map();
		const within = new Uint8Array(base.count);
		/** Samples by place of the function's caller: few of many places. @type {Map<number, number>} */
		const found = new Map();
		for (let node = 1; node < base.count; node++) {
			const parent = base.parent[node], symbol = symbols[base.calls[node]];
			within[node] = within[parent];
			if (within[node] || symbol <= 0)
				continue;
			if (!answers.has(symbol))
				answers.set(symbol, base.name(node) === name);
			if (!answers.get(symbol))
				continue;
			within[node] = 1;
			derived.call[0] ||= base.calls[node];
			found.set(parent, (found.get(parent) ?? 0) + base.total[node]);
		}
		const ends = [...found].map(([caller, samples]) => {
			let id = 0;
			for (let at = caller; at > 0; at = base.parent[at])
				id = derived.add(id, symbols[base.calls[at]], base.calls[at]);
			return { id, samples };
		});
		const counts = new Float64Array(derived.rows.count);
		for (const { id, samples } of ends)
			counts[id] += samples;
		return new DerivedTree(base, derived, counts);
	}
}
