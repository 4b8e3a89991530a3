/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the dictionary anew from what the blocks still use, so that a page that is open for weeks does
 * not keep the name of everything that ever ran.
 */

import { Dictionary } from "model/dictionary";

/** @typedef {import("model/block").Block} Block */

/** Copies rows of one dictionary into another, each once. */
class Copier {
	/** @param {Dictionary} from */
	constructor(from) {
		this.from = from;
		this.to = new Dictionary(from.named !== null);
		this.module_ids = new Int32Array(from.modules.count);
		this.function_ids = new Int32Array(from.functions.count);
		this.frame_ids = new Int32Array(from.frames.count);
		this.stack_ids = new Int32Array(from.stacks.count);
	}

	/** @param {number} id */
	string(id) {
		return this.to.strings.add(this.from.strings.texts[id]);
	}

	/** @param {number} id */
	module(id) {
		if (id && !this.module_ids[id]) {
			const [low, high] = this.from.modules.columns;
			this.module_ids[id] = this.to.module_add(low[id], high[id],
				this.string(this.from.module_name[id]), this.from.module_kind[id]);
		}
		return this.module_ids[id];
	}

	/** @param {number} id */
	function(id) {
		if (!id || this.function_ids[id])
			return this.function_ids[id];
		const { from, to } = this;
		const [low, high] = from.functions.columns;
		const copy = (/** @type {number} */ of) => {
			this.function_ids[of] = to.function_add(low[of], high[of],
				this.module(from.function_module[of]), this.string(from.function_name[of]),
				from.function_start[of]);
		};
		copy(id);
		const owner = from.function_canonical(id);
		if (owner !== id) {
			if (!this.function_ids[owner])
				copy(owner);
			to.late_name_add(low[id], high[id], low[owner], high[owner], 0);
		}
		return this.function_ids[id];
	}

	/** @param {number} id */
	frame(id) {
		if (id > 0 && !this.frame_ids[id]) {
			const [functions, kinds, files, lines] = this.from.frames.columns;
			this.frame_ids[id] = this.to.frame_add(this.function(functions[id]), kinds[id],
				this.string(files[id]), lines[id]);
		}
		return id > 0 ? this.frame_ids[id] : -1 - this.string(-1 - id);
	}

	/**
	 * Callers first.
	 * @param {number} id
	 */
	stack(id) {
		const [parents, frames] = this.from.stacks.columns;
		const chain = [];
		for (let at = id; at && !this.stack_ids[at]; at = parents[at])
			chain.push(at);
		for (let at = chain.pop(); at !== undefined; at = chain.pop())
			this.stack_ids[at] = this.to.stacks.add_pair(this.stack_ids[parents[at]],
				this.frame(frames[at]));
		return this.stack_ids[id];
	}

	/** @param {number} id */
	thread(id) {
		const [tid, pid, low, high, ...names] = this.from.threads.columns.map((column) => column[id]);
		this.to.threads.row.set([tid, pid, low, high, ...names.map((name) => this.string(name))]);
		return id ? this.to.threads.add() : 0;
	}
}

/**
 * @param {Dictionary} dictionary
 * @param {Iterable<Block>} blocks all that use it: their ids are changed
 * @returns {Dictionary}
 */
export function dictionary_compact(dictionary, blocks) {
	const copier = new Copier(dictionary);
	for (const { stack_ids, stack_count, thread_ids, thread_count, fill } of blocks) {
		for (let i = 1; i < stack_count; i++)
			stack_ids[i] = copier.stack(stack_ids[i]);
		for (let i = 1; i < thread_count; i++)
			thread_ids[i] = copier.thread(thread_ids[i]);
		if (!fill)
			continue;
		fill.strings = fill.strings.map((id) => copier.string(id));
		fill.modules = fill.modules.map((id) => copier.module(id));
		fill.functions = fill.functions.map((id) => copier.function(id));
		fill.frames = fill.frames.map((id) => (id ? copier.frame(id) : 0));
		fill.stack_frames = fill.stack_frames.map((id) => (id ? copier.frame(id) : 0));
		fill.processes = fill.processes.map((id) => copier.string(id));
		fill.pairs_rename((id) => copier.string(id));
		for (let pair = 1; pair < fill.pairs.count; pair++)
			fill.pair_stacks[pair] = copier.stack(fill.pair_stacks[pair]);
	}
	const { to } = copier;
	/* Whoever compares versions sees that all is another one. */
	to.names_version = dictionary.names_version + 1;
	to.calls_version = to.owners_version = dictionary.owners_version + 1;
	return to;
}
