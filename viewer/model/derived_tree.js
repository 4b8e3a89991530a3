/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree that was made of another: its nodes have identities of their own, rows of a table (parent, label),
 * and each stands for a call of the dictionary, which tells its name, kind and module.
 */

import { CallTree } from "model/call_tree";
import { RowTable, array_grown } from "model/tables";

/** Identities, and a call that each stands for. 0 is the root. */
export class DerivedCalls {
	constructor() {
		this.rows = new RowTable(2);
		this.call = new Int32Array(16);
	}

	/**
	 * @param {number} parent
	 * @param {number} label
	 * @param {number} call that it stands for, if it is new
	 */
	add(parent, label, call) {
		const { rows } = this;
		const before = rows.count;
		const id = rows.add_pair(parent, label);
		if (rows.count > before) {
			this.call = array_grown(this.call, rows.count);
			this.call[id] = call;
		}
		return id;
	}

	/** @param {number} id */
	parent(id) {
		return this.rows.columns[0][id];
	}

	/** @param {number} id */
	label(id) {
		return this.rows.columns[1][id];
	}
}

export class DerivedTree extends CallTree {
	/**
	 * @param {CallTree} base
	 * @param {DerivedCalls} derived
	 * @param {Float64Array} counts samples by identity, in the node itself
	 */
	constructor(base, derived, counts) {
		const ids = ids_reached(derived, counts);
		const place = new Int32Array(derived.rows.count);
		ids.forEach((id, node) => (place[id] = node));
		const parent = ids.map((id) => place[derived.parent(id)]);
		parent[0] = -1;
		const self = Float64Array.from(ids, (id) => counts[id]);
		const total = self.slice();
		for (let node = ids.length - 1; node > 0; node--)
			total[parent[node]] += total[node];
		super(base.dictionary, ids.map((id) => derived.call[id]), parent, self, total);
		this.base = base;
		this.derived = derived;
		this.ids = ids;
		/** Samples of the stretch, those that this tree leaves out as well. */
		this.all = base.all;
		this.period_ns = base.period_ns;
		this.mixed = base.mixed;
	}

	/** @override @param {number} node */
	identity(node) {
		return this.ids[node];
	}

	/** @override @param {number} identity */
	find(identity) {
		let low = 0, high = this.count;
		while (low < high) {
			const middle = (low + high) >>> 1;
			if (this.ids[middle] < identity)
				low = middle + 1;
			else
				high = middle;
		}
		return this.ids[low] === identity ? low : -1;
	}

	/** @override A search, over what the nodes are called here. @param {import("model/call_tree").NameSearch} search */
	matches({ pattern }) {
		/** @type {Map<string, boolean>} */
		const answers = new Map();
		const hits = new Uint8Array(this.count), within = new Uint8Array(this.count);
		let samples = 0;
		for (let node = 0; node < this.count; node++) {
			const name = this.name(node);
			if (!answers.has(name))
				answers.set(name, pattern.test(name));
			hits[node] = this.kind(node) && answers.get(name) ? 1 : 0;
			within[node] = hits[node] | (node ? within[this.parent[node]] : 0);
			samples += within[node] ? this.self[node] : 0;
		}
		return { is_hit: (/** @type {number} */ node) => hits[node] > 0, samples };
	}
}

/** Identities with samples, and all above them: ascending, so parents first. */
function ids_reached(/** @type {DerivedCalls} */ derived, /** @type {Float64Array} */ counts) {
	const seen = new Uint8Array(derived.rows.count);
	let count = seen[0] = 1;
	for (let id = 1; id < counts.length; id++)
		for (let at = counts[id] ? id : 0; !seen[at]; at = derived.parent(at)) {
			seen[at] = 1;
			count++;
		}
	const ids = new Int32Array(count);
	for (let id = 0, node = 0; id < seen.length; id++)
		if (seen[id])
			ids[node++] = id;
	return ids;
}
