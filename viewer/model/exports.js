/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call tree in the formats of others: what is shown, filters and all that was left out of the graph included.
 * The same shapes as `flickerscope convert` writes: processes are the first frame of folded stacks, a label in
 * pprof, a profile each in speedscope.
 */

/** @typedef {import("model/call_tree").CallTree} CallTree */
/** @typedef {{ period_ns: number, start_us: number, span_us: number, title: string }} ExportFacts period_ns: what a sample counts for, 0: not known */

/** Names are lines and fields elsewhere. @param {string} name */
function field(name) {
	return name.replace(/[\u0000-\u001f\u007f]/g, "?").replace(/;/g, ":") || "?";
}

/**
 * Every stack that was seen, its nodes from the outermost.
 * @param {CallTree} tree
 * @returns {{ path: number[], node: number, samples: number }[]}
 */
function stacks(tree) {
	const found = [];
	for (let node = 0; node < tree.count; node++) {
		if (!tree.self[node])
			continue;
		const path = [];
		for (let at = node; at > 0 || (at === 0 && tree.kind(0)); at = tree.parent[at])
			path.unshift(at);
		found.push({ path, node, samples: tree.self[node] });
	}
	return found;
}

/** @param {CallTree} tree @returns {string} */
export function folded_write(tree) {
	return stacks(tree).map(({ path, samples }) =>
		`${path.map((node) => field(tree.name(node))).join(";") || "?"} ${Math.round(samples)}\n`).join("");
}

/** Processes in a tree that begins with them, else all as one. @param {CallTree} tree @param {number[]} path */
function process_split(tree, path) {
	return path.length && !tree.kind(path[0]) ? { process: tree.name(path[0]), calls: path.slice(1) }
		: { process: "", calls: path };
}

/** @param {CallTree} tree @param {ExportFacts} facts @returns {string} */
export function speedscope_write(tree, { period_ns, title }) {
	/** @type {Map<string, number>} */
	const ids = new Map();
	/** @type {{ name: string, file?: string }[]} */
	const frames = [];
	/** @type {Map<string, { samples: number[][], weights: number[] }>} */
	const profiles = new Map();
	for (const { path, samples } of stacks(tree)) {
		const { process, calls } = process_split(tree, path);
		const numbers = calls.map((node) => {
			const name = tree.name(node), file = tree.module(node).name;
			const key = `${name}\u0000${file}`;
			let id = ids.get(key);
			if (id === undefined) {
				ids.set(key, id = frames.length);
				frames.push(file ? { name, file } : { name });
			}
			return id;
		});
		const profile = profiles.get(process) ?? { samples: [], weights: [] };
		profiles.set(process, profile);
		profile.samples.push(numbers);
		profile.weights.push(Math.round(samples * (period_ns || 1)));
	}
	return JSON.stringify({ $schema: "https://www.speedscope.app/file-format-schema.json", exporter: "flickerscope", name: title,
		activeProfileIndex: 0, shared: { frames }, profiles: [...profiles].map(([name, profile]) => ({ type: "sampled",
			name: name || title, unit: period_ns ? "nanoseconds" : "none", startValue: 0,
			endValue: profile.weights.reduce((sum, weight) => sum + weight, 0), ...profile })) });
}

/** Protocol buffers: the few kinds of fields that pprof has. */
class Message {
	constructor() {
		/** @type {number[]} */
		this.bytes = [];
	}

	/** @param {number} value whole, up to 2^53 */
	varint(value) {
		let rest = value;
		for (; rest >= 128; rest = Math.floor(rest / 128))
			this.bytes.push(rest % 128 | 128);
		this.bytes.push(rest);
	}

	/** @param {number} field @param {number} value */
	number(field, value) {
		this.varint(field << 3);
		this.varint(value);
		return this;
	}

	/** @param {number} field @param {ArrayLike<number>} bytes */
	block(field, bytes) {
		this.varint(field << 3 | 2);
		this.varint(bytes.length);
		for (let i = 0; i < bytes.length; i++)
			this.bytes.push(bytes[i]);
		return this;
	}

	/** @param {number} field @param {Message} part */
	message(field, part) {
		return this.block(field, part.bytes);
	}
}

/** Gives every distinct text a number, from 0. */
class Numbers {
	/** @param {string[]} texts */
	constructor(texts = []) {
		this.ids = new Map(texts.map((text, i) => [text, i]));
	}

	/** @param {string} text @param {(id: number) => void} [made] */
	of(text, made = () => {}) {
		let id = this.ids.get(text);
		if (id === undefined) {
			this.ids.set(text, id = this.ids.size);
			made(id);
		}
		return id;
	}
}

/**
 * profile.proto, not compressed.
 * @param {CallTree} tree
 * @param {ExportFacts} facts
 * @param {ArrayLike<number>} counts by node: where rates differ the tree has what they stand for
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function pprof_write(tree, { period_ns, start_us, span_us }, counts = tree.self) {
	const strings = new Numbers([""]);
	const mappings = new Numbers(), functions = new Numbers();
	const profile = new Message();
	const type = (/** @type {string} */ name, /** @type {string} */ unit) =>
		new Message().number(1, strings.of(name)).number(2, strings.of(unit));
	profile.message(1, type("samples", "count"));
	if (period_ns)
		profile.message(1, type("cpu", "nanoseconds")).message(11, type("cpu", "nanoseconds")).number(12, period_ns);
	const location_of = (/** @type {number} */ node) => {
		const name = tree.name(node), module = tree.module(node).name;
		return 1 + functions.of(`${name}\u0000${module}`, (id) => {
			const mapping = module ? 1 + mappings.of(module, (number) => profile.message(3,
				new Message().number(1, number + 1).number(5, strings.of(module)).number(7, 1))) : 0;
			const text = strings.of(name);
			profile.message(5, new Message().number(1, id + 1).number(2, text).number(3, text));
			profile.message(4, new Message().number(1, id + 1).number(2, mapping)
				.message(4, new Message().number(1, id + 1)));
		});
	};
	for (const { path, node, samples } of stacks(tree)) {
		const { process, calls } = process_split(tree, path);
		const sample = new Message();
		for (const node of [...calls].reverse())
			sample.number(1, location_of(node));
		sample.number(2, Math.round(counts[node]));
		if (period_ns)
			sample.number(2, Math.round(samples * period_ns));
		if (process)
			sample.message(3, new Message().number(1, strings.of("process")).number(2, strings.of(process)));
		profile.message(2, sample);
	}
	profile.number(9, start_us * 1000).number(10, span_us * 1000);
	const utf8 = new TextEncoder();
	for (const text of strings.ids.keys())
		profile.block(6, utf8.encode(text));
	return Uint8Array.from(profile.bytes);
}
