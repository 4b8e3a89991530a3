/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ran in stretches of time, as a tree of calls: everything, then processes, then who called whom.
 * One pass over the samples and one over the calls, children after parents.
 */

import { array_grown } from "model/tables";

/** @typedef {import("model/profile").Profile} Profile */
/** @typedef {import("model/dictionary").Dictionary} Dictionary */
/** @typedef {import("model/filter").SampleFilter} SampleFilter */
/** @typedef {{ from_us: number, to_us: number }} Range of the timeline, half open */

/**
 * @typedef {object} FunctionRow
 * @property {number} function_id of the dictionary, canonical
 * @property {string} name
 * @property {number} kind enum wire_frame_kind; 0: no frame is known
 * @property {string} process
 * @property {number} samples in the function itself
 */

/**
 * @typedef {object} SourceLine
 * @property {string} file
 * @property {number} line 0: not known
 * @property {number} samples at it, in itself or in what it called
 */

export class CallTree {
	/**
	 * @param {Dictionary} dictionary
	 * @param {Int32Array} calls of the dictionary by node, ascending
	 * @param {Int32Array} parent
	 * @param {Float64Array} self whole samples, but where rates differ: see samples_in()
	 * @param {Float64Array} total
	 */
	constructor(dictionary, calls, parent, self, total) {
		this.dictionary = dictionary;
		this.calls = calls;
		this.parent = parent;
		this.self = self;
		this.total = total;
		this.count = calls.length;
		/** Samples of the stretch that it is of. */
		this.all = total[0];
		/** The CPU time that a sample counts for, 0: not known; and whether that is so because rates differ. */
		this.period_ns = 0;
		this.mixed = false;
		/** Samples of each stack, in itself: for who asks for lines. @type {() => Float64Array} */
		this.stack_counts = () => new Float64Array(0);
		/** The same with all that it called, once it was asked for. @type {Float64Array | null} */
		this.stack_totals = null;
		/* Views take these along as functions. */
		this.name = this.name.bind(this);
		this.kind = this.kind.bind(this);
		this.identity = this.identity.bind(this);
		this.find = this.find.bind(this);
		this.process_of = this.process_of.bind(this);
	}

	/** @param {number} node */
	name(node) {
		return this.dictionary.call_name(this.calls[node]);
	}

	/** enum wire_frame_kind, 0 of processes and of everything. @param {number} node */
	kind(node) {
		return this.dictionary.call_kind(this.calls[node]);
	}

	/** The same for the same call in every tree, until the profile says that it renumbered. @param {number} node */
	identity(node) {
		return this.calls[node];
	}

	/** The node with an identity, -1 when it did not run here. @param {number} identity */
	find(identity) {
		const node = this.find_call(identity);
		return node >= 0 ? node : this.find_call(this.dictionary.call_current(identity) || -1);
	}

	/** @param {number} call */
	find_call(call) {
		let low = 0, high = this.count;
		while (low < high) {
			const middle = (low + high) >>> 1;
			if (this.calls[middle] < call)
				low = middle + 1;
			else
				high = middle;
		}
		return this.calls[low] === call ? low : -1;
	}

	/** @param {number} node @returns {string} name of its process, empty of everything */
	process_of(node) {
		if (!node)
			return "";
		let at = node;
		while (this.parent[at])
			at = this.parent[at];
		return this.name(at);
	}

	/** @param {number} node */
	module(node) {
		return this.dictionary.call_module(this.calls[node]);
	}

	/**
	 * The lines at which a node was, most samples first: its function is one node, wherever in it the
	 * program was.
	 * @param {number} node
	 * @returns {SourceLine[]}
	 */
	lines(node) {
		return this.lines_of((call) => call === this.calls[node]);
	}

	/**
	 * The same of several calls.
	 * @param {(call: number) => boolean} wanted
	 * @returns {SourceLine[]}
	 */
	lines_of(wanted) {
		const { dictionary } = this;
		const call_of_stack = dictionary.calls_update();
		const [parents, frames] = dictionary.stacks.columns, [, , files] = dictionary.frames.columns;
		const totals = this.stack_totals ??= totals_make(this.stack_counts(), parents);
		/** @type {Map<number, number>} by frame */
		const samples = new Map();
		for (let stack = 1; stack < totals.length; stack++)
			if (totals[stack] && frames[stack] > 0 && files[frames[stack]] && wanted(call_of_stack[stack]))
				samples.set(frames[stack], (samples.get(frames[stack]) ?? 0) + totals[stack]);
		return dictionary.frame_lines(samples).sort((a, b) => b.samples - a.samples);
	}

	/**
	 * Nodes whose function's name matches, and the samples in any of them or below: a stack that holds
	 * several counts once. They are counted when they are asked for, since that is a look at all nodes.
	 * @param {NameSearch} search
	 */
	matches(search) {
		search.names_update();
		const { calls, self, count } = this;
		return {
			is_hit: (/** @type {number} */ node) => search.is_named(calls[node]),
			get samples() {
				const within = search.within_update();
				let samples = 0;
				for (let node = 1; node < count; node++)
					if (within[calls[node]])
						samples += self[node];
				return samples;
			},
		};
	}

	/**
	 * The functions with most samples in themselves, each in its process.
	 * @param {number} count at most so many
	 * @returns {FunctionRow[]} most samples first
	 */
	top_functions(count) {
		/** @type {Map<string, { node: number, samples: number }>} */
		const rows = new Map();
		const { columns: [, symbols] } = this.dictionary.calls;
		const process = new Int32Array(this.count);
		for (let node = 1; node < this.count; node++) {
			process[node] = this.parent[node] ? process[this.parent[node]] : node;
			if (!this.self[node])
				continue;
			const key = `${process[node]} ${symbols[this.calls[node]]}`;
			const row = rows.get(key);
			if (row)
				row.samples += this.self[node];
			else
				rows.set(key, { node, samples: this.self[node] });
		}
		return [...rows.values()].sort((a, b) => b.samples - a.samples).slice(0, count)
			.map(({ node, samples }) => ({ samples, name: this.name(node), kind: this.kind(node),
				process: this.name(process[node]),
				function_id: this.dictionary.call_function(this.calls[node]) }));
	}

	/** Processes with their samples, most first. */
	processes() {
		const rows = [];
		for (let node = 1; node < this.count; node++)
			if (!this.parent[node])
				rows.push({ node, name: this.name(node), samples: this.total[node] });
		return rows.sort((a, b) => b.samples - a.samples);
	}

	/** Kinds of frames that occur. @returns {Set<number>} */
	kinds() {
		/* Asked of each of a hundred thousand nodes: a set and calls would be felt. */
		const { calls, symbols } = this.dictionary;
		const shown = calls.columns[1], kinds = symbols.columns[1], seen = new Uint8Array(256);
		for (let node = 1; node < this.count; node++)
			seen[kinds[Math.max(0, shown[this.calls[node]])]] = 1;
		return new Set(Array.from(seen.keys()).filter((kind) => seen[kind]));
	}
}

/** Adds what each stack called to it. @param {Float64Array} counts @param {Int32Array} parents */
function totals_make(counts, parents) {
	for (let stack = counts.length - 1; stack > 0; stack--)
		counts[parents[stack]] += counts[stack];
	return counts;
}

/** Counts by stack. */
class StackCounter {
	/** @param {Dictionary} dictionary */
	constructor(dictionary) {
		this.counts = new Float64Array(dictionary.stacks.count);
	}

	/** @param {number} stack of the dictionary @param {number} samples */
	add(stack, samples) {
		this.counts[stack] += samples;
	}
}

/** Walking up from a call costs so many times what passing it costs. */
const many_part = 64;

/** Counts by call, for one tree after another: all zero in between. */
class CallCounter {
	/** @param {Dictionary} dictionary */
	constructor(dictionary) {
		this.dictionary = dictionary;
		this.call_of_stack = dictionary.calls_update();
		this.parents = dictionary.calls.columns[0];
		const { count } = dictionary.calls;
		if (dictionary.call_scratch.length < count)
			dictionary.call_scratch = new Float64Array(Math.ceil(count * 1.5));
		this.counts = dictionary.call_scratch;
		/** Calls with a count, and at last their callers: each once. */
		this.touched = new Int32Array(1024);
		this.touched_count = 0;
	}

	/**
	 * @param {number} stack of the dictionary
	 * @param {number} samples
	 */
	add(stack, samples) {
		const call = this.call_of_stack[stack];
		if (!this.counts[call])
			this.touch(call);
		this.counts[call] += samples;
	}

	/** @param {number} call */
	touch(call) {
		this.touched = array_grown(this.touched, this.touched_count + 1);
		this.touched[this.touched_count++] = call;
	}

	/** @returns {CallTree} */
	tree() {
		const { counts, parents, dictionary } = this;
		const calls = this.calls_reached();
		const count = calls.length;
		const parent = new Int32Array(count), self = new Float64Array(count);
		parent[0] = -1;
		/* Callers come first: the scratch already leads from theirs to their node. */
		for (let node = 1; node < count; node++) {
			const call = calls[node];
			self[node] = counts[call];
			counts[call] = node;
			parent[node] = counts[parents[call]];
		}
		const total = self.slice();
		for (let node = count - 1; node > 0; node--) {
			total[parent[node]] += total[node];
			counts[calls[node]] = 0;
		}
		return new CallTree(dictionary, calls, parent, self, total);
	}

	/** The calls with samples in or below them, and everything: ascending, so callers first. */
	calls_reached() {
		const { parents, touched_count, dictionary: { calls: { count } } } = this;
		const seen = new Uint8Array(count);
		for (let i = 0; i < touched_count; i++)
			seen[this.touched[i]] = 1;
		seen[0] = 1;
		/* Walking up pays off from few, passing all of them once, callees first, from many. */
		if (touched_count < count / many_part)
			return this.calls_walked(seen);
		let reached = 1;
		for (let call = count - 1; call > 0; call--) {
			if (seen[call]) {
				seen[parents[call]] = 1;
				reached++;
			}
		}
		const calls = new Int32Array(reached);
		for (let call = 0, node = 0; node < reached; call++)
			if (seen[call])
				calls[node++] = call;
		return calls;
	}

	/** @param {Uint8Array} seen by call: those that were touched, and everything */
	calls_walked(seen) {
		const { parents } = this;
		for (let i = 0, leaves = this.touched_count; i < leaves; i++) {
			for (let call = parents[this.touched[i]]; !seen[call]; call = parents[call]) {
				seen[call] = 1;
				this.touch(call);
			}
		}
		this.touch(0);
		return this.touched.slice(0, this.touched_count).sort();
	}
}

/**
 * Counts samples of a block.
 * @param {CallCounter | StackCounter} counter
 * @param {ReturnType<Profile["samples_in"]>["parts"][0]} part
 * @param {((row: number) => boolean) | undefined} keeps
 */
function part_count(counter, { block, first, end, weight }, keeps) {
	const { stack, stack_ids, stack_count } = block;
	if (keeps || end - first < stack_count) {
		for (let row = first; row < end; row++)
			if (!keeps || keeps(row))
				counter.add(stack_ids[stack[row]], weight);
		return;
	}
	/* Many samples of few stacks: counted where they are near one another. */
	const counts = block.counts("stack", first, end);
	for (let number = 1; number < stack_count; number++)
		if (counts[number])
			counter.add(stack_ids[number], counts[number] * weight);
}

/** What a tree counts. @typedef {{ unit_ns?: number, weighed?: boolean }} Counting unit_ns: see samples_in(); weighed: false: each sample for one */

/**
 * @param {Profile} profile
 * @param {Range[]} ranges that do not overlap
 * @param {SampleFilter | null} [filter]
 * @param {Counting} [counting]
 * @returns {CallTree}
 */
export function call_tree_build(profile, ranges, filter = null, { unit_ns = 0, weighed = true } = {}) {
	const count = (/** @type {CallCounter | StackCounter} */ counter) => {
		const found = profile.samples_in(ranges, unit_ns);
		for (const part of found.parts)
			part_count(counter, weighed ? part : { ...part, weight: 1 }, filter?.keeps(part.block));
		return found;
	};
	const counter = new CallCounter(profile.dictionary);
	const { period_ns, mixed } = count(counter);
	const tree = counter.tree();
	tree.period_ns = period_ns;
	tree.mixed = mixed;
	/* Few trees are asked for lines: they count again, if the stacks are still those of the tree. */
	tree.stack_counts = () => {
		const stacks = new StackCounter(tree.dictionary);
		if (profile.dictionary === tree.dictionary)
			count(stacks);
		return stacks.counts;
	};
	return tree;
}

/** A search for functions by name, over all calls, kept up to date as they come. */
export class NameSearch {
	/**
	 * @param {Profile} profile
	 * @param {RegExp} pattern without the flags g and y
	 */
	constructor(profile, pattern) {
		this.profile = profile;
		this.pattern = pattern;
		this.names_version = -1;
		this.known = 1;
		/** By call: whether it or one of its callers matches. */
		this.within = new Uint8Array(16);
		/** Answers by symbol, 0: not asked, 1: no, 2: yes. */
		this.answers = new Uint8Array(16);
		/** What is within, by the numbers of a block's stacks; null: nothing. @type {WeakMap<import("model/block").Block, { count: number, mask: Uint8Array | null }>} */
		this.blocks = new WeakMap();
	}

	/** Makes is_named() know what functions are called now. */
	names_update() {
		const { dictionary } = this.profile;
		if (this.names_version !== dictionary.names_version) {
			this.names_version = dictionary.names_version;
			this.known = 1;
			this.answers.fill(0);
			this.blocks = new WeakMap();
		}
		this.answers = array_grown(this.answers, dictionary.symbols.count);
	}

	/** Brings it up to date. @returns {Uint8Array} by call: whether it or one of its callers matches */
	within_update() {
		const { calls } = this.profile.dictionary;
		this.profile.dictionary.calls_update();
		this.names_update();
		this.within = array_grown(this.within, calls.count);
		const { within, answers } = this;
		const [parents, shown] = calls.columns, { count } = calls;
		for (let call = this.known; call < count; call++) {
			const symbol = shown[call];
			/* Processes are no functions. */
			const answer = symbol > 0 ? answers[symbol] || this.symbol_ask(symbol) : 1;
			within[call] = (answer - 1) | within[parents[call]];
		}
		this.known = count;
		return within;
	}

	/** Whether a call itself matches, behind names_update(). @param {number} call */
	is_named(call) {
		const symbol = this.profile.dictionary.calls.columns[1][call];
		return symbol > 0 && (this.answers[symbol] || this.symbol_ask(symbol)) === 2;
	}

	/**
	 * @param {import("model/block").Block} block
	 * @returns {Uint8Array | null} by the number of a stack in the block, null: none is within
	 */
	block_mask(block) {
		const within = this.within_update();
		const { stack_count, stack_ids } = block;
		const known = this.blocks.get(block);
		if (known?.count === stack_count)
			return known.mask;
		const { call_of_stack } = this.profile.dictionary;
		const mask = new Uint8Array(stack_count);
		let some = 0;
		for (let number = 1; number < stack_count; number++)
			some |= mask[number] = within[call_of_stack[stack_ids[number]]];
		this.blocks.set(block, { count: stack_count, mask: some ? mask : null });
		return some ? mask : null;
	}

	/** @param {number} symbol @returns {number} its answer */
	symbol_ask(symbol) {
		const { answers, profile: { dictionary } } = this;
		return answers[symbol] = this.pattern.test(dictionary.function_text(
			dictionary.symbols.columns[0][symbol])) ? 2 : 1;
	}
}
