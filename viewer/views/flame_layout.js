/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lays out a call tree as the rectangles of an icicle, for a window of its width: zooming is nothing
 * but another window. Siblings too small to be seen become one block. Pure.
 */

/**
 * The calls in a stretch of time. Node 0 is everything; its children are processes; parents come
 * before their children.
 * @typedef {object} FlameTree
 * @property {number} count
 * @property {ArrayLike<number>} parent
 * @property {ArrayLike<number>} total samples in a node and below
 * @property {ArrayLike<number>} self samples in the node itself
 */

/** Siblings narrower than this, in CSS pixels, are put together. */
export const small_width = 2.5;

/** More children than this of one node cannot be: sums of samples times it stay exact below 2^53. */
const places_max = 2 ** 22;

/** Deeper than the wire allows stacks to be is nothing. */
const depth_max = 1024;

/**
 * @typedef {object} FlameRect
 * @property {number} node -1: a block of small ones
 * @property {number} parent the node that it hangs under; -1 for the first
 * @property {number} depth row, 0 is everything
 * @property {number} x0 whole CSS pixels
 * @property {number} x1
 * @property {number} total samples
 * @property {number} small how many nodes a block stands for, else 0
 */

/** Below this share of all, names are in no order of their own: a comparison of thousands of them would be felt. */
const named_least = 1 / 1000;

/** Children of every node, in two arrays; those of a node are sorted when first asked for. */
export class FlameOrder {
	/**
	 * @param {FlameTree} tree
	 * @param {((node: number) => string) | null} [name] to sort by; null: most samples first
	 */
	constructor(tree, name = null) {
		this.tree = tree;
		this.name = name;
		const { count, parent } = tree;
		this.first = new Int32Array(count + 1);
		for (let node = 1; node < count; node++)
			this.first[parent[node] + 1]++;
		for (let node = 0; node < count; node++)
			this.first[node + 1] += this.first[node];
		this.children = new Int32Array(Math.max(0, count - 1));
		const next = this.first.slice();
		for (let node = 1; node < count; node++)
			this.children[next[parent[node]]++] = node;
		this.sorted = new Uint8Array(count);
	}

	/**
	 * Most samples first; equals in the order of the tree, so that they don't change places while
	 * live. A parent may have thousands of children of one sample each: they are sorted as plain
	 * numbers, total and place in one; then those that are large enough by name.
	 * @param {number} node
	 * @returns {Int32Array} a view: do not change it
	 */
	of(node) {
		const children = this.children.subarray(this.first[node], this.first[node + 1]);
		if (this.sorted[node] || children.length < 2)
			return children;
		this.sorted[node] = 1;
		const { total } = this.tree;
		const keys = new Float64Array(children.length);
		for (let i = 0; i < keys.length; i++)
			keys[i] = -total[children[i]] * places_max + i;
		keys.sort();
		const unsorted = children.slice();
		for (let i = 0; i < keys.length; i++) {
			const place = keys[i] % places_max;
			children[i] = unsorted[place < 0 ? place + places_max : place];
		}
		if (this.name)
			this.head_sort(children, this.name);
		return children;
	}

	/** @param {Int32Array} children by weight @param {(node: number) => string} name */
	head_sort(children, name) {
		const { total } = this.tree;
		let end = 0;
		while (end < children.length && total[children[end]] >= total[0] * named_least)
			end++;
		const head = Array.from(children.subarray(0, end), (node) => ({ node, name: name(node) }));
		head.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.node - b.node));
		head.forEach(({ node }, i) => (children[i] = node));
	}

	/**
	 * Where a node stands, in samples from the left of everything.
	 * @param {number} node
	 * @returns {{ start: number, end: number }}
	 */
	window_of(node) {
		let start = 0;
		for (let at = node; at > 0; at = this.tree.parent[at]) {
			for (const sibling of this.of(this.tree.parent[at])) {
				if (sibling === at)
					break;
				start += this.tree.total[sibling];
			}
		}
		return { start, end: start + this.tree.total[node] };
	}
}

/**
 * The rectangles that can be seen of a window, row by row from the left.
 * @param {FlameOrder} order
 * @param {{ start: number, end: number }} window in samples
 * @param {number} width CSS pixels
 * @returns {FlameRect[]}
 */
export function flame_layout(order, window, width) {
	const { tree } = order;
	/** @type {FlameRect[]} */
	const rects = [];
	const span = window.end - window.start;
	if (!(span > 0) || !tree.count)
		return rects;
	const scale = width / span;
	const x = (/** @type {number} */ samples) =>
		Math.round(Math.min(width, Math.max(0, (samples - window.start) * scale)));
	rects.push({ node: 0, parent: -1, depth: 0, x0: x(0), x1: x(tree.total[0]), small: 0,
		total: tree.total[0] });
	let row = [{ node: 0, start: 0 }];
	for (let depth = 1; row.length && depth < depth_max; depth++) {
		const next = [];
		for (const { node, start } of row) {
			let at = start;
			/* Small ones beside one another. */
			const block = { count: 0, start: 0, last: 0 };
			const flush = () => {
				block_add(rects, block, node, at - block.start, depth, x(block.start), x(at));
				block.count = 0;
			};
			for (const child of order.of(node)) {
				const total = tree.total[child];
				if (at >= window.end)
					break;
				if (at + total > window.start && total * scale < small_width) {
					if (!block.count++)
						block.start = at;
					block.last = child;
				} else if (at + total > window.start) {
					flush();
					rects.push({ node: child, parent: node, depth, x0: x(at), x1: x(at + total),
						total, small: 0 });
					next.push({ node: child, start: at });
				}
				at += total;
			}
			flush();
		}
		row = next;
	}
	return rects;
}

/**
 * @param {FlameRect[]} rects
 * @param {{ count: number, last: number }} block
 * @param {number} parent
 * @param {number} total
 * @param {number} depth
 * @param {number} x0
 * @param {number} x1
 */
function block_add(rects, block, parent, total, depth, x0, x1) {
	if (!block.count || x1 <= x0)
		return;
	const alone = block.count === 1;
	rects.push({ node: alone ? block.last : -1, parent, depth, x0, x1, total, small: alone ? 0 : block.count });
}
