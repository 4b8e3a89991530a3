/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flame graph of a stretch of time, root at the top (an icicle) or at the bottom: everything, then
 * processes, then calls. Zoom and search hold on to stacks and names, not to rectangles, so they outlive
 * every update.
 */

import { name_shade } from "views/colors";
import { FlameOrder, flame_layout } from "views/flame_layout";
import { count_text, cpus_text, share_text } from "views/format";
import { canvas_fit } from "views/map_frame";
import { name_shorten } from "views/names";
import { TextFit } from "views/text_fit";
import * as wire from "wire";

/** @typedef {import("views/flame_layout").FlameRect} FlameRect */
/** @typedef {import("model/call_tree").CallTree} CallTree */
/** @typedef {import("views/colors").Tokens} Tokens */

/** @typedef {ReturnType<typeof import("views/colors").frame_shades_make>} Shades */
/** @typedef {{ x: number, y: number }} Point of the window */

/**
 * @typedef {object} FlameElements
 * @property {HTMLElement} scroller
 * @property {HTMLElement} space as high as all rows
 * @property {HTMLCanvasElement} canvas
 * @property {HTMLElement} words
 */

/**
 * @typedef {object} FlameEvents
 * @property {(rect: FlameRect) => void} chosen by a click or Enter
 * @property {() => void} zoomed
 * @property {(rect: FlameRect | null, point: Point) => void} hover
 * @property {(rect: FlameRect, point: Point) => void} menu what can be done with a frame is asked for
 * @property {(rect: FlameRect) => void} callers
 */

export const row_height = 18;
const share_room = 150;
/** What a name has beside a share: how a frame changed takes more than a share of all. */
const name_room_least = 100;
const text_padding = 5;
const zoom_ms = 120;
const padding = 16;

/** The class itself comes later than the page. @param {CallTree} tree @returns {tree is import("model/changes").ChangeTree} */
function tree_is_of_changes(tree) {
	return "certainties" in tree;
}

export class FlameGraph {
	/**
	 * @param {FlameElements} elements
	 * @param {FlameEvents} events
	 */
	constructor({ scroller, space, canvas, words }, events) {
		this.events = events;
		this.scroller = scroller;
		this.space = space;
		this.canvas = canvas;
		/** Where it is said what the keyboard's cursor is on. */
		this.words = words;
		this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
		this.text = new TextFit(this.context);
		/** @type {CallTree | null} */
		this.tree = null;
		/** @type {FlameOrder | null} */
		this.order = null;
		/** @type {FlameRect[]} */
		this.rects = [];
		/** Root at the bottom. */
		this.flipped = false;
		this.by_name = false;
		/** Colours of modules, in place of those of kinds. @type {import("views/module_colors").ModuleColors | null} */
		this.modules = null;
		/** Identities of the stacks that were zoomed into, 0: everything; the one at zoom_at is shown. */
		this.zooms = [0];
		this.zoom_at = 0;
		/** The window shown, which runs towards the zoomed node's. */
		this.window = { start: 0, end: 0 };
		this.animation = /** @type {{ from: { start: number, end: number }, started_ms: number }
			| null} */ (null);
		/** @type {((node: number) => boolean) | null} */
		this.is_hit = null;
		this.hover = -1;
		/** Identity of the frame under the keyboard's cursor, -1: none. */
		this.cursor = -1;
		this.tokens = /** @type {Tokens | null} */ (null);
		this.shades = /** @type {Shades} */ ({});
		/** Of a tree of changes. @type {ReturnType<typeof import("views/colors").change_shades_make> | null} */
		this.change_shades = null;
		/** CPUs for a sample a second. */
		this.cpus_of_rate = 0;
		/** Whether frames have a line around them. */
		this.contrast = false;
		this.width = 0;
		this.view_height = 0;
		/** Of all rows. */
		this.height = 0;
		this.dirty = true;
		/** Whether the canvas shows something else than it should. */
		this.stale = true;
		/** Whether only what is faded may be another than what is drawn: a letter of a search changes few frames. */
		this.hits_stale = false;
		/** By rectangle, as it is drawn: 1: faded, 0: not, 2: out of sight. */
		this.faded = new Uint8Array(0);
		this.scroller.addEventListener("scroll", () => this.repaint(), { passive: true });
		/** Asks for a paint(); set by the page. */
		this.changed = () => {};
	}

	/**
	 * @param {Tokens} tokens
	 * @param {Shades} shades
	 * @param {NonNullable<FlameGraph["change_shades"]>} change_shades
	 */
	color(tokens, shades, change_shades) {
		this.tokens = tokens;
		this.shades = shades;
		this.change_shades = change_shades;
		this.stale = true;
		const family = getComputedStyle(document.body).fontFamily;
		this.contrast = matchMedia("(prefers-contrast: more)").matches;
		this.fonts = { plain: `400 12px ${family}`, bold: `600 12px ${family}`,
			italic: `italic 400 12px ${family}` };
	}

	/** What is drawn is another, though the rectangles are the same. */
	repaint() {
		this.stale = true;
		this.changed();
	}

	resize() {
		this.width = Math.max(1, this.scroller.clientWidth - 2 * padding);
		this.view_height = this.scroller.clientHeight;
		this.dirty = true;
	}

	/** @param {CallTree | null} tree */
	tree_show(tree) {
		this.tree = tree;
		this.order = tree && tree.count && tree.total[0] > 0
			? new FlameOrder(tree, this.by_name ? tree.name : null) : null;
		this.animation = null;
		this.hover = -1;
		this.dirty = true;
	}

	/** @param {((node: number) => boolean) | null} is_hit */
	search(is_hit) {
		this.is_hit = is_hit;
		this.hits_stale = true;
	}

	/**
	 * Identities are others from now on: finds the zooms again by the names on the way to them.
	 * @param {CallTree} tree the same stretch, with the new identities
	 */
	renumbered(tree) {
		const before = this.tree;
		const order = new FlameOrder(tree);
		this.zooms = this.zooms.map((identity) => {
			const path = [];
			for (let at = before?.find(identity) ?? -1; before && at > 0; at = before.parent[at])
				path.unshift(at);
			let node = path.length ? 0 : -1;
			for (const step of path) {
				node = order.of(node).find((child) => before !== null &&
					tree.kind(child) === before.kind(step) &&
					tree.name(child) === before.name(step)) ?? -1;
				if (node < 0)
					break;
			}
			return node > 0 ? tree.identity(node) : 0;
		});
		this.cursor = -1;
		this.tree_show(tree);
	}

	/** Whether it is zoomed at all. */
	zoomed() {
		return this.zooms[this.zoom_at] !== 0;
	}

	/** The node zoomed into that this tree has: the zoom itself, or the nearest zoom before it. */
	zoom_node() {
		for (let i = this.zoom_at; this.tree && this.zooms[i] > 0; i--) {
			const node = this.tree.find(this.zooms[i]);
			if (node >= 0)
				return node;
		}
		return 0;
	}

	/** Whether the stack zoomed into does not occur in what is shown. */
	zoom_is_gone() {
		return this.zoomed() && this.tree !== null && this.tree.find(this.zooms[this.zoom_at]) < 0;
	}

	/** @param {number} node 0: everything */
	zoom_to(node) {
		if (!this.tree)
			return;
		const identity = node > 0 ? this.tree.identity(node) : 0;
		if (this.zooms[this.zoom_at] === identity)
			return;
		this.zooms.splice(++this.zoom_at, Infinity, identity);
		this.zoom_animate();
	}

	/** One zoom back or forth, as in a browser. @param {-1 | 1} step @returns {boolean} whether there was one */
	zoom_step(step) {
		const at = this.zoom_at + step;
		if (at < 0 || at >= this.zooms.length)
			return false;
		this.zoom_at = at;
		this.zoom_animate();
		return true;
	}

	/** Another tree, of which nothing is known. */
	zoom_forget() {
		this.zooms = [0];
		this.zoom_at = 0;
	}

	zoom_animate() {
		const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
		this.animation = still ? null : { from: { ...this.window }, started_ms: performance.now() };
		this.dirty = true;
		this.events.zoomed();
		this.changed();
	}

	/**
	 * Moves the window towards the zoom, 120 ms with an ease-out.
	 * @param {number} now_ms
	 */
	window_step(now_ms) {
		if (!this.order)
			return;
		const goal = this.order.window_of(this.zoom_node());
		if (!this.animation) {
			this.window = goal;
			return;
		}
		const part = Math.min(1, Math.max(0, (now_ms - this.animation.started_ms) / zoom_ms));
		const eased = 1 - (1 - part) ** 3;
		const { from } = this.animation;
		this.window = {
			start: from.start + (goal.start - from.start) * eased,
			end: from.end + (goal.end - from.end) * eased,
		};
		this.dirty = true;
		if (part === 1)
			this.animation = null;
		this.changed();
	}

	/** @param {number} now_ms of performance.now() */
	paint(now_ms) {
		if (!this.tokens || !this.width || !(this.dirty || this.animation || this.stale || this.hits_stale))
			return;
		const all = this.dirty || this.animation !== null || this.stale;
		this.stale = this.hits_stale = false;
		if (this.dirty || this.animation) {
			this.dirty = false;
			this.window_step(now_ms);
			this.rects = this.order ? flame_layout(this.order, this.window, this.width) : [];
			const rows = this.rects.length ? this.rects[this.rects.length - 1].depth + 1 : 0;
			this.height_set(Math.max(this.view_height, rows * row_height + 12));
		}
		this.draw(all);
	}

	/** @param {number} height */
	height_set(height) {
		if (this.space.style.height === `${height}px`)
			return;
		/* The root stays where it is seen. */
		const below = this.height - this.scroller.scrollTop;
		this.height = height;
		this.space.style.height = `${height}px`;
		if (this.flipped)
			this.scroller.scrollTop = height - below;
	}

	/** Where a row begins, in the space of all rows. @param {number} depth */
	row_top(depth) {
		return this.flipped ? this.height - (depth + 1) * row_height : depth * row_height;
	}

	/** @param {{ flipped: boolean, by_name: boolean, modules: FlameGraph["modules"] }} look */
	look_set({ flipped, by_name, modules }) {
		const turned = this.flipped !== flipped;
		if (this.by_name !== by_name && this.tree) {
			this.by_name = by_name;
			this.order = this.order && new FlameOrder(this.tree, by_name ? this.tree.name : null);
		}
		this.by_name = by_name;
		this.flipped = flipped;
		this.modules = modules;
		this.dirty = true;
		if (turned)
			this.scroller.scrollTop = flipped ? this.height : 0;
	}

	/** @param {boolean} all or only what is to be faded, or not any more */
	draw(all) {
		const tokens = /** @type {Tokens} */ (this.tokens);
		const context = canvas_fit(this.canvas, this.width + 2 * padding, this.view_height,
			devicePixelRatio);
		if (all) {
			context.clearRect(0, 0, this.width + 2 * padding, this.view_height);
			this.faded = new Uint8Array(this.rects.length).fill(2);
		}
		context.save();
		context.translate(padding, -this.scroller.scrollTop);
		context.textBaseline = "middle";
		const top = this.scroller.scrollTop - row_height;
		const bottom = this.scroller.scrollTop + this.view_height;
		const zoom = this.tree ? this.depth_of(this.zoom_node()) : 0;
		this.rects.forEach((rect, i) => {
			const y = this.row_top(rect.depth);
			if (!(y > top && y < bottom))
				return;
			const above = rect.depth < zoom && !this.animation;
			const fade = rect.node < 0 ? this.is_hit !== null : above || (this.is_hit !== null && !this.is_hit(rect.node));
			if (this.faded[i] === Number(fade))
				return;
			this.faded[i] = Number(fade);
			this.rect_draw(context, tokens, rect, y, fade);
		});
		this.outlines_draw(context, tokens);
		context.restore();
	}

	/** @param {number} node */
	depth_of(node) {
		let depth = 0;
		for (let at = node; at > 0 && this.tree; at = this.tree.parent[at])
			depth++;
		return depth;
	}

	/**
	 * @param {CanvasRenderingContext2D} context
	 * @param {Tokens} tokens
	 * @param {FlameRect} rect
	 * @param {number} y
	 * @param {boolean} fade no hit of the search, or a caller of what is zoomed into
	 */
	rect_draw(context, tokens, rect, y, fade) {
		const tree = /** @type {CallTree} */ (this.tree);
		const width = Math.max(1, rect.x1 - rect.x0 - 1);
		if (rect.node < 0) {
			context.fillStyle = this.shades.process[fade ? "faded" : "plain"][3];
			context.fillRect(rect.x0, y, width, row_height - 1);
			this.label_draw(context, `${rect.small} small`, "plain", tokens.ink2, rect, y, 0);
			return;
		}
		const kind = tree.kind(rect.node);
		const name = tree.name(rect.node);
		const frame_ink = tree_is_of_changes(tree)
			? this.change_fill(context, tokens, tree, rect, y, width, fade)
			: this.frame_fill(context, tokens, this.shade_of(tree, rect.node), kind, name, rect.x0, y, width, fade);
		if (this.contrast && width > 2) {
			context.strokeStyle = tokens.ink3;
			context.lineWidth = 1;
			context.strokeRect(rect.x0 + 0.5, y + 0.5, width - 1, row_height - 2);
		}
		if (width < 24)
			return;
		const style = !kind ? "bold" : kind === wire.WIRE_FRAME_INLINED ? "italic" : "plain";
		const ink = fade ? tokens.ink2 : frame_ink;
		const differs = rect.parent < 0 || tree.total[rect.parent] !== rect.total;
		const font = /** @type {Record<string, string>} */ (this.fonts)[style], label = name_shorten(name);
		let share_width = 0;
		if (width >= share_room && differs) {
			const share = tree_is_of_changes(tree) ? this.change_words(tree, rect.node)
				: share_text(rect.total, tree.total[0]);
			const fonts = /** @type {{ plain: string }} */ (this.fonts);
			const taken = this.text.width(fonts.plain, share) + 8, room = width - 2 * text_padding - taken;
			if (room >= name_room_least || this.text.width(font, label) <= room) {
				share_width = taken;
				context.font = fonts.plain;
				context.fillStyle = ink;
				context.fillText(share, rect.x0 + width - taken + 8 - text_padding, y + 9);
			}
		}
		this.label_draw(context, label, style, ink, rect, y, share_width);
	}

	/**
	 * @param {CanvasRenderingContext2D} context
	 * @param {Tokens} tokens
	 * @param {Shades[number]} shade
	 * @param {number} kind
	 * @param {string} name
	 * @param {number} x
	 * @param {number} y
	 * @param {number} width
	 * @param {boolean} fade
	 * @returns {string} colour of the text on it
	 */
	frame_fill(context, tokens, shade, kind, name, x, y, width, fade) {
		context.fillStyle = shade[fade ? "faded" : "plain"][kind ? name_shade(name) : 3];
		context.fillRect(x, y, width, row_height - 1);
		return tokens["frame-ink"];
	}

	/**
	 * As far as it still runs in the colour of its change, and a line around what is gone.
	 * @param {CanvasRenderingContext2D} context
	 * @param {Tokens} tokens
	 * @param {import("model/changes").ChangeTree} tree
	 * @param {FlameRect} rect
	 * @param {number} y
	 * @param {number} width
	 * @param {boolean} fade
	 * @returns {string} colour of the text on it
	 */
	change_fill(context, tokens, tree, rect, y, width, fade) {
		const shades = /** @type {NonNullable<FlameGraph["change_shades"]>} */ (this.change_shades);
		const { times, certainty, running } = tree.change(rect.node);
		const shade = shades.of(times, certainty === "chance");
		const filled = Math.round(width * running);
		context.clearRect(rect.x0, y, width, row_height - 1);
		context.fillStyle = fade ? shade.faded : shade.fill;
		context.fillRect(rect.x0, y, filled, row_height - 1);
		if (filled < width && width > 1) {
			context.strokeStyle = shades.line;
			context.lineWidth = 1;
			context.strokeRect(rect.x0 + 0.5, y + 0.5, width - 1, row_height - 2);
		}
		/* Text that begins on the ground must be read there. */
		return filled >= width / 2 ? shade.ink : tokens.ink;
	}

	/** @param {CallTree} tree @param {number} node */
	shade_of(tree, node) {
		const kind = tree.kind(node);
		return !kind ? this.shades.process : this.modules?.of(tree.module(node).name) ?? this.shades[kind];
	}

	/** How much a node is: "1 491 samples", or how it changed. @param {number} node */
	amount_words(node) {
		const tree = /** @type {CallTree} */ (this.tree);
		if (tree_is_of_changes(tree))
			return this.change_words(tree, node);
		return `${count_text(tree.total[node])} sample${tree.total[node] === 1 ? "" : "s"}`;
	}

	/** "0.27 → 5.9 CPUs" @param {import("model/changes").ChangeTree} tree @param {number} node */
	change_words(tree, node) {
		const cpus = (/** @type {number} */ samples, /** @type {number} */ seconds) =>
			cpus_text(samples / seconds * this.cpus_of_rate);
		return `${cpus(tree.before.total[node], tree.before_s)} → ${
			cpus(tree.now.total[node], tree.now_s)} CPUs`;
	}

	/**
	 * @param {CanvasRenderingContext2D} context
	 * @param {string} label
	 * @param {"plain" | "bold" | "italic"} style
	 * @param {string} ink
	 * @param {FlameRect} rect
	 * @param {number} y
	 * @param {number} taken at the right
	 */
	label_draw(context, label, style, ink, rect, y, taken) {
		const font = /** @type {Record<string, string>} */ (this.fonts)[style];
		const room = rect.x1 - rect.x0 - 1 - 2 * text_padding - taken;
		const text = room > 0 ? this.text.fit(font, label, room) : "";
		if (!text)
			return;
		context.font = font;
		context.fillStyle = ink;
		context.fillText(text, rect.x0 + text_padding, y + 9);
	}

	/**
	 * @param {CanvasRenderingContext2D} context
	 * @param {Tokens} tokens
	 */
	outlines_draw(context, tokens) {
		const cursor = document.activeElement === this.canvas ? this.cursor_rect() : -1;
		for (const index of new Set([this.hover, cursor])) {
			const rect = this.rects[index];
			if (!rect)
				continue;
			const width = Math.max(1, rect.x1 - rect.x0 - 1);
			context.strokeStyle = tokens.ink;
			context.lineWidth = 2;
			context.strokeRect(rect.x0 + 1, this.row_top(rect.depth) + 1,
				Math.max(1, width - 2), row_height - 3);
		}
	}

	/** Index of the rectangle under the keyboard's cursor, -1: none. */
	cursor_rect() {
		if (this.cursor < 0 || !this.tree)
			return -1;
		const node = this.tree.find(this.cursor);
		return node < 0 ? -1 : this.rects.findIndex((rect) => rect.node === node);
	}

	/**
	 * Index of the rectangle at a point of the window, -1: none.
	 * @param {number} client_x
	 * @param {number} client_y
	 */
	rect_at(client_x, client_y) {
		const bounds = this.canvas.getBoundingClientRect();
		const x = client_x - bounds.left - padding;
		const y = client_y - bounds.top + this.scroller.scrollTop;
		const depth = Math.floor((this.flipped ? this.height - y : y) / row_height);
		/* Rows follow one another: find the row's first by bisection, then walk it. */
		let low = 0, high = this.rects.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (this.rects[middle].depth < depth)
				low = middle + 1;
			else
				high = middle;
		}
		for (let i = low; i < this.rects.length && this.rects[i].depth === depth; i++) {
			if (x >= this.rects[i].x0 && x < Math.max(this.rects[i].x1, this.rects[i].x0 + 1))
				return i;
		}
		return -1;
	}

	/**
	 * The way from everything to the node zoomed into.
	 * @returns {number[]} nodes, the first is 0
	 */
	trail() {
		const trail = [];
		for (let at = this.zoom_node(); at > 0 && this.tree; at = this.tree.parent[at])
			trail.unshift(at);
		trail.unshift(0);
		return trail;
	}

	/** What a rectangle is, for those who don't see it. @param {FlameRect} rect */
	rect_words(rect) {
		const tree = /** @type {CallTree} */ (this.tree);
		const name = rect.node < 0 ? `${rect.small} small` : name_shorten(tree.name(rect.node));
		if (rect.node < 0)
			return `${name}, ${share_text(rect.total, tree.total[0])}`;
		return `${name}, ${this.amount_words(rect.node)}, ${share_text(rect.total, tree.total[0])}`;
	}
}
