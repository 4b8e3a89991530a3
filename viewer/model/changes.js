/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changed: a stretch of time against others, both per second of wall-clock time.
 *
 * Samples within a burst belong together, so that counts vary more than by chance alone: the unit is a
 * burst. How large bursts are is learned from the baseline, cut into blocks, for each function; a test that
 * took samples for the unit would claim certainty far too often.
 */

import { CallTree, call_tree_build } from "model/call_tree";
import { FunctionCounts } from "model/function_counts";
import { array_sum, t_chance } from "model/statistics";

/** @typedef {import("model/profile").Profile} Profile */
/** @typedef {import("model/call_tree").Range} Range */

const second_us = 1e6;
/** The fewest blocks that the baseline is cut into, however long the stretch is. */
const blocks_least = 60;
/** How much counts vary is learned from so many of them: each is a tree to count. */
const blocks_max = 600;
/** Fewer samples than this in the baseline say nothing. */
export const baseline_samples_least = 30;
/** After allowing for the number of functions compared. */
const certain_below = 1e-4, likely_below = 1e-2;
/** Functions that are named, and the share of all change below which no more is said. */
const named_max = 3, rest_least = 0.1;
/** Named is what changed by so much of the largest change at least; its callee, when that carries so much of it. */
const carrier_least = 0.5, callee_share = 0.9;
/** What is usual of bursts counts against a function's own as if it came from so many blocks. */
const usual_blocks = 10;
/** A function with so many samples in a block tells of its own bursts half of what it could. */
const samples_telling = 2;
/** What functions with fewer samples than this vary says nothing of what is usual. */
const usual_samples_least = 10;
/** Sampling at a fixed rate varies less than by chance; but not by nothing. */
const dispersion_least = 0.25;

/** @typedef {"certain" | "likely" | "chance"} Certainty */

/**
 * @typedef {object} FunctionChange
 * @property {number} function_id canonical
 * @property {string} name
 * @property {number} kind enum wire_frame_kind
 * @property {string} process of most of the change
 * @property {number} before CPUs busy in it and all that it called
 * @property {number} now
 * @property {number} samples_before
 * @property {number} samples_now
 * @property {Certainty} certainty
 */

/** The time in them. @param {Range[]} ranges */
function span(ranges) {
	return ranges.reduce((sum, { from_us, to_us }) => sum + to_us - from_us, 0);
}

/**
 * Pieces of the baseline as long as the stretch, or equal parts of that so that there are many.
 * @param {Range[]} ranges
 * @param {number} length_us
 */
function blocks_of(ranges, length_us) {
	const whole_us = span(ranges), longest_us = ranges.reduce((most, { from_us, to_us }) => Math.max(most, to_us - from_us), 0);
	const joined = Math.max(1, Math.ceil(length_us * blocks_least / whole_us), Math.ceil(length_us / longest_us));
	const block_us = length_us / joined;
	/* So many that some are left out are not joined. */
	const step = Math.ceil(whole_us / block_us / blocks_max);
	const blocks = [];
	let at = 0;
	for (const { from_us, to_us } of ranges) {
		const count = Math.floor((to_us - from_us) / block_us + 1e-9);
		for (; at < count; at += step)
			blocks.push({ from_us: from_us + at * block_us, to_us: from_us + (at + 1) * block_us });
		at -= count;
	}
	return { blocks, joined };
}

/** @typedef {{ self: Float64Array, total: Float64Array }} Side samples by node */

/** Widths are counted in parts of a sample of the stretch, so that they are whole numbers. */
const width_parts = 64;

/**
 * Two trees on one set of nodes: calls that ran in either. As a call tree its samples are widths: what
 * runs now, and of branches that ran less by more than chance also the part that is gone.
 */
export class ChangeTree extends CallTree {
	/**
	 * @param {CallTree} now
	 * @param {CallTree} before
	 * @param {number} now_s seconds of either
	 * @param {number} before_s
	 */
	constructor(now, before, now_s, before_s) {
		const calls = Int32Array.from(new Set([...now.calls, ...before.calls])).sort();
		const place = new Map(Array.from(calls, (call, node) => [call, node]));
		const parent = new Int32Array(calls.length).fill(-1);
		const sides = [now, before].map((tree) => {
			const side = { self: new Float64Array(calls.length), total: new Float64Array(calls.length) };
			for (let node = 0; node < tree.count; node++) {
				const at = /** @type {number} */ (place.get(tree.calls[node]));
				side.self[at] = tree.self[node];
				side.total[at] = tree.total[node];
				if (node)
					parent[at] = /** @type {number} */ (place.get(tree.calls[tree.parent[node]]));
			}
			return side;
		});
		super(now.dictionary, calls, parent, sides[0].self.slice(), sides[0].total.slice());
		this.period_ns = now.period_ns;
		this.now_s = now_s;
		this.before_s = before_s;
		/** @type {Side} */
		this.now = sides[0];
		/** @type {Side} */
		this.before = sides[1];
		/** @type {Certainty[]} by node */
		this.certainties = [];
	}

	/**
	 * Samples a second more than before, by node.
	 * @param {{ now: Float64Array, before: Float64Array }} samples
	 */
	changes({ now, before }) {
		return Float64Array.from(this.calls, (_, node) => now[node] / this.now_s - before[node] / this.before_s);
	}

	/** Samples that the time before lets expect. @param {number} samples before */
	expected(samples) {
		return samples / this.before_s * this.now_s;
	}

	/** Judges every node, and makes the widths. @param {Judge} judge */
	judge(judge) {
		const { now, before, count, self, total } = this;
		for (let node = 0; node < count; node++)
			this.certainties.push(judge.certainty(this.dictionary.call_function(this.calls[node]),
				now.total[node], before.total[node]));
		for (let node = count - 1; node >= 0; node--) {
			const less = this.expected(before.total[node]) > now.total[node] &&
				this.certainties[node] !== "chance";
			const gone = less ? Math.max(0, this.expected(before.self[node]) - now.self[node]) : 0;
			self[node] = now.self[node] * width_parts + Math.round(gone * width_parts);
			total[node] = self[node];
		}
		for (let node = count - 1; node > 0; node--)
			total[this.parent[node]] += total[node];
	}

	/**
	 * How a call changed.
	 * @param {number} node
	 * @returns {{ times: number, certainty: Certainty, running: number }} times as much as before; running: the
	 * share of the width that is not gone
	 */
	change(node) {
		const expected = this.expected(this.before.total[node]), now = this.now.total[node];
		return { times: expected ? now / expected : Infinity, certainty: this.certainties[node],
			running: this.total[node] ? Math.min(1, now * width_parts / this.total[node]) : 0 };
	}
}

/**
 * Mean and variance from block to block, by function.
 * @param {Map<number, number>[]} blocks samples by function
 * @returns {Map<number, { mean: number, variance: number }>}
 */
function moments_of(blocks) {
	/** @type {Map<number, { sum: number, squares: number }>} */
	const sums = new Map();
	for (const block of blocks)
		for (const [id, count] of block) {
			const known = sums.get(id) ?? { sum: 0, squares: 0 };
			known.sum += count;
			known.squares += count * count;
			sums.set(id, known);
		}
	const { length } = blocks;
	return new Map(Array.from(sums, ([id, { sum, squares }]) => [id, { mean: sum / length,
		variance: length > 1 ? Math.max(0, squares - sum * sum / length) / (length - 1) : 0 }]));
}

/** @param {Map<number, number>[]} blocks @returns {Map<number, number>} all of them as one */
function blocks_join(blocks) {
	const joined = new Map();
	for (const block of blocks)
		for (const [id, count] of block)
			joined.set(id, (joined.get(id) ?? 0) + count);
	return joined;
}

/** Which functions changed by more than chance. */
class Judge {
	/**
	 * @param {Map<number, number>[]} blocks samples by function of each block of the baseline
	 * @param {number} joined so many blocks are as long as the stretch
	 * @param {number} now_s
	 * @param {number} before_s
	 * @param {number} compared functions
	 */
	constructor(blocks, joined, now_s, before_s, compared) {
		/** The part of all time that is the stretch's. */
		this.part = now_s / (now_s + before_s);
		this.compared = Math.max(1, compared);
		this.block_count = blocks.length;
		this.moments = moments_of(blocks);
		this.usual = this.usual_fit();
		this.persistence = this.persistence_of(blocks, joined);
	}

	/**
	 * How many times chance functions vary: what a call lasts, for each of them, and more for those that are a large
	 * part of each request. A straight line through what each varies.
	 */
	usual_fit() {
		const known = [...this.moments.values()].filter(({ mean }) => mean * this.block_count >= usual_samples_least);
		const count = known.length || 1;
		const middle = known.reduce((sum, { mean }) => sum + mean, 0) / count;
		const height = known.reduce((sum, { mean, variance }) => sum + variance / mean, 0) / count;
		let along = 0, across = 0;
		for (const { mean, variance } of known) {
			across += (mean - middle) ** 2;
			along += (mean - middle) * (variance / mean - height);
		}
		const slope = across > 0 ? Math.max(0, along / across) : 0;
		return { slope, base: Math.max(1, height - slope * middle) };
	}

	/**
	 * How many times more counts vary over the length of the stretch than they do over that of a block: 1, but where busy
	 * times last longer than a block.
	 * @param {Map<number, number>[]} blocks
	 * @param {number} joined
	 */
	persistence_of(blocks, joined) {
		const whole = [];
		for (let at = 0; at + joined <= blocks.length; at += joined)
			whole.push(blocks_join(blocks.slice(at, at + joined)));
		let long = 0, short = 0;
		for (const [id, { variance }] of moments_of(whole)) {
			long += variance;
			short += joined * (this.moments.get(id)?.variance ?? 0);
		}
		return short > 0 ? Math.max(1, long / short) : 1;
	}

	/**
	 * How many samples count as one, and what that is worth, in degrees of freedom.
	 * @param {number} id
	 */
	burst(id) {
		const { mean, variance } = this.moments.get(id) ?? { mean: 0, variance: 0 };
		const weight = (this.block_count - 1) * mean / (mean + samples_telling);
		const usual = this.usual.base + this.usual.slope * mean;
		const samples = ((mean && variance / mean) * weight + usual * usual_blocks) / (weight + usual_blocks);
		return { samples: this.persistence * Math.max(dispersion_least, samples), freedom: weight + usual_blocks };
	}

	/**
	 * How far from the same rate on both sides, in standard deviations: the root of the deviance of the bursts.
	 * @param {number} id
	 * @param {number} now samples
	 * @param {number} before samples
	 */
	score(id, now, before) {
		const { samples, freedom } = this.burst(id);
		const all = (now + before) / samples, expected = this.part * all;
		const apart = now / samples - expected;
		/* Half a burst on either side is no change. */
		const seen = expected + Math.sign(apart) * Math.max(0, Math.abs(apart) - 0.5);
		const term = (/** @type {number} */ bursts, /** @type {number} */ usual) =>
			(bursts > 0 ? bursts * Math.log(bursts / usual) : 0);
		return { freedom, deviations: Math.sqrt(2 * Math.max(0, term(seen, expected) + term(all - seen, all - expected))) };
	}

	/**
	 * @param {number} id
	 * @param {number} now samples
	 * @param {number} before samples
	 * @returns {Certainty}
	 */
	certainty(id, now, before) {
		const { deviations, freedom } = this.score(id, now, before);
		const chance = t_chance(deviations, freedom) * this.compared;
		return chance < certain_below ? "certain" : chance < likely_below ? "likely" : "chance";
	}
}

export class Changes {
	/**
	 * @param {Profile} profile
	 * @param {Range[]} ranges in order, as long as one another
	 * @param {Range[]} baseline in order, none of it in the ranges
	 * @param {import("model/filter").SampleFilter | null} [filter]
	 * @param {boolean} [found] that the stretch is unusual is known: what carries most of it is named, be it that
	 * chance could do as much to a function of its kind
	 */
	constructor(profile, ranges, baseline, filter = null, found = false) {
		const span_us = span(ranges);
		const { blocks, joined } = blocks_of(baseline, span_us / ranges.length);
		const tree_of = (/** @type {Range[]} */ of, unit_ns = 0) => call_tree_build(profile, of, filter, { unit_ns });
		const now = tree_of(ranges), before = tree_of(baseline);
		/* Seconds as if both had been sampled as often: so many samples are expected. */
		const now_s = span_us / second_us, before_s = span(baseline) / second_us * (now.period_ns / (before.period_ns || now.period_ns) || 1);
		const counts = new FunctionCounts(profile);
		this.profile = profile;
		this.found = found;
		this.counts = counts;
		this.period_us = now.period_ns / 1000;
		this.tree = new ChangeTree(now, before, now_s, before_s);
		this.now_totals = counts.totals(now);
		this.before_totals = counts.totals(before);
		const compared = new Set([...this.now_totals.keys(), ...this.before_totals.keys()]).size;
		this.judge = new Judge(blocks.map((block) => counts.totals(tree_of([block], before.period_ns))),
			joined, now_s, before_s, compared);
		this.tree.judge(this.judge);
		this.samples_before = before.total[0];
		/** Whether enough is known of the time before. */
		this.comparable = before_s > 0 && (before.total[0] >= baseline_samples_least || before_s >= now_s);
	}

	/** CPUs busy before and in the stretch. */
	get cpus_busy() {
		const { now, before, now_s, before_s } = this.tree;
		return { before: this.cpus(before.total[0], before_s), now: this.cpus(now.total[0], now_s) };
	}

	/**
	 * What is told of a frame: CPUs and shares, before and now.
	 * @param {number} node
	 */
	facts(node) {
		const { now, before, now_s, before_s, certainties } = this.tree;
		const pair = (/** @type {"self" | "total"} */ key) => /** @type {[number, number]} */ ([
			this.cpus(before[key][node], before_s), this.cpus(now[key][node], now_s)]);
		return { self: pair("self"), total: pair("total"), samples: now.total[node],
			expected: this.tree.expected(before.total[node]), certainty: certainties[node] };
	}

	/** CPUs for so many samples in so many seconds. @param {number} samples @param {number} seconds */
	cpus(samples, seconds) {
		return seconds ? samples / seconds * this.period_us / second_us : 0;
	}

	/**
	 * @param {number} id
	 * @param {string} process
	 * @param {number} kind
	 * @param {number} [samples_now] of it that are meant, where not all are
	 * @param {number} [samples_before]
	 * @returns {FunctionChange}
	 */
	row(id, process, kind, samples_now = this.now_totals.get(id) ?? 0, samples_before = this.before_totals.get(id) ?? 0) {
		return { function_id: id, name: this.profile.dictionary.function_text(id), kind, process,
			before: this.cpus(samples_before, this.tree.before_s),
			now: this.cpus(samples_now, this.tree.now_s), samples_before, samples_now,
			certainty: this.judge.certainty(id, samples_now, samples_before) };
	}

	/**
	 * The functions that explain most of what changed, each of what the ones before it leave.
	 * @returns {(FunctionChange & { share: number })[]} share of all change that it explains
	 */
	explain() {
		const { tree } = this;
		/* What no function explains yet. */
		const left = { now: tree.now.self.slice(), before: tree.before.self.slice() };
		const rows = [];
		let all = 0;
		while (rows.length < named_max) {
			const change = tree.changes(left);
			const best = this.carrier(left, change, this.found && !rows.length);
			if (!best)
				break;
			all ||= Math.max(Math.abs(array_sum(change)), Math.abs(best.change));
			const share = Math.abs(best.change) / all;
			if (share < rest_least)
				break;
			const row = this.row(best.id, this.process_of(best.nodes, change), best.kind, best.now, best.before);
			rows.push({ ...row, share: Math.min(1, share) });
			for (let node = 0; node < tree.count; node++)
				if (best.nodes[node])
					left.now[node] = left.before[node] = 0;
		}
		return rows;
	}

	/**
	 * Sums by function over stacks that hold it, each once.
	 * @param {ArrayLike<number>} self by node
	 * @returns {Map<number, number>}
	 */
	by_function(self) {
		const { tree } = this;
		const total = Float64Array.from(self);
		for (let node = tree.count - 1; node > 0; node--)
			total[tree.parent[node]] += total[node];
		/** @type {Map<number, number>} */
		const sums = new Map();
		for (let node = 1; node < tree.count; node++) {
			const id = this.counts.outermost_of(tree.calls[node]);
			if (id)
				sums.set(id, (sums.get(id) ?? 0) + total[node]);
		}
		return sums;
	}

	/**
	 * The function to name: of those that carry much of the change the one that changed by most standard deviations. Its
	 * callers carry as much, but vary more; its callees carry less. Or its callee, when that is nearly all of it.
	 * @param {{ now: Float64Array, before: Float64Array }} left samples by node, in the call itself
	 * @param {Float64Array} change of these
	 * @param {boolean} any also of those that chance could have changed
	 */
	carrier(left, change, any) {
		const { tree, judge } = this;
		const now = this.by_function(left.now), before = this.by_function(left.before);
		const changed = [...this.by_function(change)].filter(([id]) => any ||
			judge.certainty(id, now.get(id) ?? 0, before.get(id) ?? 0) !== "chance");
		const largest = changed.reduce((most, [, value]) => Math.max(most, Math.abs(value)), 0);
		let id = 0, most = 0, furthest = 0;
		for (const [candidate, value] of changed) {
			const { deviations } = judge.score(candidate, now.get(candidate) ?? 0, before.get(candidate) ?? 0);
			if (Math.abs(value) >= carrier_least * largest && deviations > furthest)
				[id, most, furthest] = [candidate, value, deviations];
		}
		if (!id)
			return null;
		const total = change.slice();
		for (let node = tree.count - 1; node > 0; node--)
			total[tree.parent[node]] += total[node];
		/* On the way down what others call of it is not its change. */
		const within = this.below(id);
		for (const seen = new Set(); !seen.has(id);) {
			seen.add(id);
			const callee = this.callee(id, total, most, within);
			if (callee && !seen.has(callee.id))
				[id, most] = [callee.id, callee.change];
		}
		const nodes = this.below(id);
		const first = nodes.indexOf(1);
		return { id, change: most, nodes, now: now.get(id) ?? 0, before: before.get(id) ?? 0, kind: this.profile.dictionary.call_kind(tree.calls[first]) };
	}

	/**
	 * The callee that carries nearly all of a function's change.
	 * @param {number} id
	 * @param {Float64Array} total
	 * @param {number} change
	 * @param {Uint8Array} within the nodes that are looked at
	 */
	callee(id, total, change, within) {
		const { tree, profile: { dictionary } } = this;
		/** @type {Map<number, number>} */
		const callees = new Map();
		for (let node = 1; node < tree.count; node++) {
			const own = dictionary.call_function(tree.calls[node]);
			const caller = tree.parent[node] > 0 && dictionary.call_function(tree.calls[tree.parent[node]]);
			if (within[node] && caller === id && own && own !== id && !this.is_below(tree.parent[node], own))
				callees.set(own, (callees.get(own) ?? 0) + total[node]);
		}
		let best = null;
		for (const [callee, value] of callees)
			if (value * change > 0 && Math.abs(value) >= callee_share * Math.abs(change) &&
			    (!best || Math.abs(value) > Math.abs(best.change)))
				best = { id: callee, change: value };
		return best;
	}

	/** Whether a node is a function or below it: what recursion counts again. @param {number} node @param {number} id */
	is_below(node, id) {
		const { tree, profile: { dictionary } } = this;
		let at = node;
		while (at > 0 && dictionary.call_function(tree.calls[at]) !== id)
			at = tree.parent[at];
		return at > 0;
	}

	/** Which nodes are the function or below it. @param {number} id */
	below(id) {
		const { tree, profile: { dictionary } } = this;
		const nodes = new Uint8Array(tree.count);
		for (let node = 1; node < tree.count; node++)
			nodes[node] = nodes[tree.parent[node]] ||
				(dictionary.call_function(tree.calls[node]) === id ? 1 : 0);
		return nodes;
	}

	/** The process in which most of the change is. @param {Uint8Array} nodes @param {Float64Array} left */
	process_of(nodes, left) {
		const { tree } = this;
		const process = new Int32Array(tree.count);
		/** @type {Map<number, number>} */
		const changes = new Map();
		for (let node = 1; node < tree.count; node++) {
			process[node] = tree.parent[node] > 0 ? process[tree.parent[node]] : node;
			if (nodes[node])
				changes.set(process[node], (changes.get(process[node]) ?? 0) + left[node]);
		}
		let best = 0;
		for (const [node, change] of changes)
			if (!best || Math.abs(change) > Math.abs(changes.get(best) ?? 0))
				best = node;
		return best ? this.profile.dictionary.call_name(tree.calls[best]) : "";
	}

	/**
	 * All functions that changed by more than chance, largest change first.
	 * @param {number} count at most so many
	 */
	functions(count) {
		const ids = new Set([...this.now_totals.keys(), ...this.before_totals.keys()]);
		return [...ids].map((id) => this.row(id, "", 0))
			.filter(({ certainty }) => certainty !== "chance")
			.sort((a, b) => Math.abs(b.now - b.before) - Math.abs(a.now - a.before))
			.slice(0, count);
	}
}
