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

/** Children of every node as chains; those of a node are gathered and sorted when first asked for, which is of few. */
export class FlameOrder {
	/**
	 * @param {FlameTree} tree
	 * @param {((node: number) => string) | null} [name] to sort by; null: most samples first
	 */
	constructor(tree, name = null) {
		this.tree = tree;
		this.name = name;
		const { count, parent } = tree;
		/** The first child of a node and the next one of its parent; 0: none. */
		this.first = new Int32Array(count);
		this.next = new Int32Array(count);
		for (let node = count - 1; node > 0; node--) {
			this.next[node] = this.first[parent[node]];
			this.first[parent[node]] = node;
		}
		/** @type {Map<number, Int32Array>} by parent */
		this.sorted = new Map();
	}

	/**
	 * Most samples first; equals in the order of the tree, so that they don't change places while
	 * live. A parent may have thousands of children of one sample each: they are sorted as plain
	 * numbers, total and place in one; then those that are large enough by name.
	 * @param {number} node
	 * @returns {Int32Array} do not change it
	 */
	of(node) {
		const known = this.sorted.get(node);
		if (known)
			return known;
		const { tree: { total }, first, next } = this;
		let count = 0;
		for (let child = first[node]; child; child = next[child])
			count++;
		const unsorted = new Int32Array(count), keys = new Float64Array(count);
		for (let child = first[node], i = 0; child; child = next[child], i++) {
			unsorted[i] = child;
			keys[i] = -Math.round(total[child]) * places_max + i;
		}
		keys.sort();
		const children = new Int32Array(count);
		for (let i = 0; i < count; i++) {
			const place = keys[i] % places_max;
			children[i] = unsorted[place < 0 ? place + places_max : place];
		}
		if (this.name)
			this.head_sort(children, this.name);
		this.sorted.set(node, children);
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
