/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another look at a call tree: frames taken as files, modules or packages, recursion folded, some functions
 * alone, hidden, left out or closed. It is a map from the dictionary's calls to nodes of its own, made once for
 * each call, so that the next second costs no more than what is new in it.
 */

import { DerivedCalls, DerivedTree } from "model/derived_tree";
import { package_name } from "model/packages";
import { StringTable, array_grown } from "model/tables";

/** @typedef {import("model/call_tree").CallTree} CallTree */
/** @typedef {import("model/dictionary").Dictionary} Dictionary */
/** What frames are taken as. @typedef {"function" | "file" | "module" | "package"} By */

export const step_kinds = /** @type {const} */ (["only", "hide", "merge", "close"]);
/** As many as a link may ask for. */
export const steps_max = 24;

/**
 * only: the tree begins at what is called so, whoever called it; hide: without the samples that are in it or
 * in what it called; merge: its time and what it called count for its caller; close: what it called counts for it.
 * @typedef {{ kind: typeof step_kinds[number], name: string }} Step
 */

/** @typedef {{ by: By, recursion: boolean, steps: Step[] }} ShapeOptions recursion: fold it */

/** States of calls: out of the tree, not below what is shown alone, inside of a closed one. */
const HIDDEN = 1, OUTSIDE = 2, CLOSED = 4;

export class Shape {
	/**
	 * @param {Dictionary} dictionary
	 * @param {ShapeOptions} options
	 */
	constructor(dictionary, options) {
		this.dictionary = dictionary;
		this.by = options.by;
		this.recursion = options.recursion;
		const names = (/** @type {Step["kind"]} */ kind) =>
			new Set(options.steps.filter((step) => step.kind === kind).map(({ name }) => name));
		this.hide = names("hide");
		this.merge = names("merge");
		this.close = names("close");
		/** The last one counts. */
		this.only = options.steps.findLast(({ kind }) => kind === "only")?.name ?? null;
		this.derived = new DerivedCalls();
		this.texts = new StringTable();
		this.node_of_call = new Int32Array(16);
		this.state = new Uint8Array(16);
		this.known = 1;
		this.names_version = -1;
		/** By symbol: what it is called here, once asked; names of processes are none. @type {(string | undefined)[]} */
		this.symbol_text = [];
		/** By function, as far as frames are known. @type {Map<number, number>} string */
		this.files = new Map();
		this.frames_known = 1;
		this.state[0] = this.only === null ? 0 : OUTSIDE;
	}

	/** Brings the map up to date. */
	update() {
		const { dictionary } = this;
		dictionary.calls_update();
		this.files_update();
		if (this.names_version !== dictionary.names_version) {
			this.names_version = dictionary.names_version;
			this.symbol_text = [];
			this.known = 1;
		}
		const { count, columns: [parents, symbols] } = dictionary.calls;
		this.node_of_call = array_grown(this.node_of_call, count);
		this.state = array_grown(this.state, count);
		for (let call = this.known; call < count; call++)
			this.call_take(call, parents[call], symbols[call]);
		this.known = count;
	}

	files_update() {
		const { columns: [functions, , files], count } = this.dictionary.frames;
		for (let frame = this.frames_known; frame < count; frame++) {
			if (!files[frame])
				continue;
			const id = this.dictionary.function_canonical(functions[frame]);
			if (!this.files.has(id)) {
				this.files.set(id, files[frame]);
				/* What was asked for before it was known. */
				if (this.by === "file" || this.by === "package")
					this.names_version = -1;
			}
		}
		this.frames_known = count;
	}

	/**
	 * @param {number} call
	 * @param {number} parent
	 * @param {number} symbol
	 */
	call_take(call, parent, symbol) {
		const { state, node_of_call } = this;
		const above = node_of_call[parent];
		state[call] = state[parent];
		node_of_call[call] = above;
		if (state[parent] & HIDDEN)
			return;
		if (symbol < 0) {
			if (!(state[call] & OUTSIDE))
				node_of_call[call] = this.derived.add(above, symbol, call);
			return;
		}
		const text = this.text_of(symbol);
		if (this.hide.has(text)) {
			state[call] |= HIDDEN;
			return;
		}
		if (state[call] & CLOSED)
			return;
		if (state[call] & OUTSIDE) {
			if (text !== this.only)
				return;
			/* The root itself. */
			state[call] = 0;
			this.derived.call[0] ||= call;
		} else if (!this.merge.has(text)) {
			node_of_call[call] = this.node_below(above, text, symbol, call);
		}
		if (this.close.has(text))
			state[call] |= CLOSED;
	}

	/**
	 * @param {number} above
	 * @param {string} text
	 * @param {number} symbol
	 * @param {number} call
	 */
	node_below(above, text, symbol, call) {
		const { derived } = this;
		/* Functions are told apart by more than their names. */
		const label = this.by === "function" ? symbol : this.texts.add(text);
		if (this.recursion) {
			for (let at = above; at; at = derived.parent(at))
				if (derived.label(at) === label)
					return at;
			if (this.only === text)
				return 0;
		} else if (this.by !== "function" && (above ? derived.label(above) === label : this.only === text)) {
			return above;
		}
		return derived.add(above, label, call);
	}

	/** What a function is called here. @param {number} symbol */
	text_of(symbol) {
		return this.symbol_text[symbol] ??= this.text_make(symbol);
	}

	/** @param {number} symbol */
	text_make(symbol) {
		const { dictionary, by } = this;
		const id = dictionary.function_canonical(dictionary.symbols.columns[0][symbol]);
		const name = dictionary.function_text(id);
		if (by === "function")
			return name;
		const module = dictionary.module_text(dictionary.function_module[id]) || "unknown";
		const file = dictionary.strings.texts[this.files.get(id) ?? 0];
		if (by === "module")
			return module;
		return (by === "file" ? file : package_name(name, file)) || module;
	}

	/** @param {CallTree} base @returns {ShapedTree} */
	tree(base) {
		this.update();
		const counts = new Float64Array(this.derived.rows.count);
		for (let node = 1; node < base.count; node++) {
			const call = base.calls[node];
			if (base.self[node] && !(this.state[call] & (HIDDEN | OUTSIDE)))
				counts[this.node_of_call[call]] += base.self[node];
		}
		return new ShapedTree(base, this, counts);
	}
}

export class ShapedTree extends DerivedTree {
	/**
	 * @param {CallTree} base
	 * @param {Shape} shape
	 * @param {Float64Array} counts
	 */
	constructor(base, shape, counts) {
		super(base, shape.derived, counts);
		this.shape = shape;
	}

	/** @override @param {number} node */
	name(node) {
		const symbol = this.dictionary.calls.columns[1][this.calls[node]];
		return symbol > 0 ? this.shape.text_of(symbol) : super.name(node);
	}

	/** @override @param {number} identity */
	find(identity) {
		const node = super.find(identity);
		if (node >= 0 || !identity)
			return node;
		/* Its function may have been found to be a part of another one. */
		const call = this.dictionary.call_current(this.derived.call[identity]);
		return call ? super.find(this.shape.node_of_call[call]) : -1;
	}

	/** @override @param {number} node */
	process_of(node) {
		return this.shape.only === null ? super.process_of(node) : "";
	}

	/** @override @param {number} node */
	lines(node) {
		const { shape, ids } = this;
		if (shape.by !== "function")
			return [];
		const symbol = this.dictionary.calls.columns[1][this.calls[node]];
		const symbols = this.dictionary.calls.columns[1];
		return this.base.lines_of((call) => shape.node_of_call[call] === ids[node] && symbols[call] === symbol &&
			!(shape.state[call] & (HIDDEN | OUTSIDE)));
	}
}
