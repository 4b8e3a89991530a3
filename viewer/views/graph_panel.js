/* SPDX-License-Identifier: Apache-2.0 */
/* What stands around the flame graph: search, the way back from a zoom, the legend, and messages. */

import { later_use } from "later_fetch";
import { Said, by_id, element, text_set } from "views/elements";
import { share_text } from "views/format";
import { name_escape, name_shorten } from "views/names";
import * as wire from "wire";

/** @typedef {import("views/flame_graph").FlameGraph} FlameGraph */
/** @typedef {import("views/flame_graph").Shades} Shades */

/** Kinds in the order of the legend. @type {[number, string, string][]} */
export const kind_words = [
	[wire.WIRE_FRAME_PROGRAM, "program", "code of the program itself"],
	[wire.WIRE_FRAME_LIBRARY, "library", "code of a library"],
	[wire.WIRE_FRAME_INLINED, "inlined", "put into its caller by the compiler"],
	[wire.WIRE_FRAME_JIT, "JIT", "made and named by the process itself"],
	[wire.WIRE_FRAME_KERNEL, "kernel", "code of the kernel"],
	[wire.WIRE_FRAME_UNRESOLVED, "unresolved", "at an address of no known file"],
];

/** @param {number} kind */
export function kind_name(kind) {
	return kind_words.find(([known]) => known === kind)?.[1] ?? "process";
}

/** Crumbs in the middle of a long way are left out. */
const crumbs_max = 4;

export class GraphPanel {
	/**
	 * @param {FlameGraph} graph
	 * @param {(pattern: RegExp | null) => void} search_changed
	 */
	constructor(graph, search_changed) {
		this.graph = graph;
		this.search_changed = search_changed;
		this.search = by_id("search", HTMLInputElement);
		this.search_box = /** @type {HTMLElement} */ (this.search.parentElement);
		this.result = by_id("search-result", HTMLElement);
		this.trail = by_id("trail", HTMLElement);
		this.back = by_id("zoom-back", HTMLButtonElement);
		this.forward = by_id("zoom-forward", HTMLButtonElement);
		this.hint = by_id("graph-hint", HTMLElement);
		this.kinds = by_id("kinds", HTMLElement);
		this.modules = by_id("module-legend", HTMLElement);
		this.modules_key = "";
		this.message = by_id("graph-message", HTMLElement);
		this.said = new Said(this.message);
		/** @type {RegExp | null} */
		this.pattern = null;
		this.search.addEventListener("input", () => this.search_take());
		this.search.addEventListener("keydown", (event) => {
			event.stopPropagation();
			if (event.key === "Escape") {
				this.search.value = "";
				this.search_take();
				this.search.blur();
			} else if (event.key === "Enter") {
				this.graph.canvas.focus();
			}
		});
		this.trail_key = "";
	}

	/** Looks for a function by its name. @param {string} name */
	find(name) {
		this.search.value = name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
		this.search_take();
	}

	search_take() {
		const text = this.search.value;
		/** @type {unknown} */
		let problem = null;
		try {
			this.pattern = text ? new RegExp(text, "iu") : null;
		} catch (error) {
			/* Names are full of brackets and stars: without "u" more of them may stand alone. */
			try {
				this.pattern = new RegExp(text, "i");
			} catch {
				problem = error;
			}
		}
		this.search_box.classList.toggle("invalid", problem !== null);
		this.search.setAttribute("aria-invalid", String(problem !== null));
		this.result.classList.toggle("problem", problem !== null);
		if (problem) {
			const still = this.pattern ? " Still showing the last search." : "";
			const show = (/** @type {string} */ words) => {
				if (this.search.value === text)
					this.result.textContent = words + still;
			};
			later_use(({ pattern_problem }) => show(pattern_problem(text, problem)), show);
			return;
		}
		this.search_changed(this.pattern);
	}

	/**
	 * @param {number} matched samples
	 * @param {number} total
	 */
	result_show(matched, total) {
		if (this.search.getAttribute("aria-invalid") === "true")
			return;
		text_set(this.result, !this.pattern ? "" :
			matched ? `matches ${share_text(matched, total)}` : "matches nothing here");
	}

	/** @param {Shades} shades */
	kinds_color(shades) {
		this.kinds.replaceChildren(...kind_words.map(([kind, word, meaning]) => {
			const swatch = element("i", "");
			swatch.style.background = shades[kind].plain[3];
			const item = element("span", word === "inlined" ? "inlined" : "", swatch, word);
			item.dataset.kind = String(kind);
			item.title = meaning;
			return item;
		}));
	}

	/** The legend when colours tell modules. @param {{ name: string, color: string }[]} modules */
	modules_show(modules) {
		const key = JSON.stringify(modules);
		if (this.modules_key === key)
			return;
		this.modules_key = key;
		this.modules.replaceChildren(...modules.map(({ name, color }) => {
			const swatch = element("i", "");
			swatch.style.background = color;
			const item = element("span", "", swatch, name_escape(name.slice(name.lastIndexOf("/") + 1)));
			item.title = name_escape(name);
			return item;
		}));
	}

	/** @param {Set<number>} present kinds that occur */
	kinds_show(present) {
		for (const item of this.kinds.children) {
			const { kind } = /** @type {HTMLElement} */ (item).dataset;
			item.classList.toggle("absent", !present.has(Number(kind)));
			/* What hardly ever occurs takes no room until it does. */
			if (Number(kind) === wire.WIRE_FRAME_UNRESOLVED)
				/** @type {HTMLElement} */ (item).hidden = !present.has(Number(kind));
		}
	}

	/** The way from everything to the zoom, each step a button but the last. */
	trail_show() {
		const { graph } = this;
		const { tree } = graph;
		const zoomed = graph.zoomed();
		this.back.disabled = graph.zoom_at === 0;
		this.forward.disabled = graph.zoom_at === graph.zooms.length - 1;
		const total = tree?.total[0] ?? 0;
		const words = tree ? graph.amount_words(0) : "";
		const trail = tree && total ? graph.trail() : [];
		const key = trail.map((node) => tree?.name(node)).join("\u0000") + words + zoomed +
			graph.zoom_is_gone();
		if (key === this.trail_key)
			return;
		this.trail_key = key;
		if (!tree || !trail.length) {
			this.trail.replaceChildren(element("b", "", `All ${words}`));
			return;
		}
		/** @type {(Node | string)[]} */
		const parts = [];
		trail.forEach((node, i) => {
			const name = i ? name_shorten(tree.name(node)) : `All ${words}`;
			const last = i === trail.length - 1;
			if (i > 1 && i < trail.length - (crumbs_max - 2) && trail.length > crumbs_max) {
				if (i === 2)
					parts.push(element("span", "", "›"), element("span", "", "…"));
				return;
			}
			if (i)
				parts.push(element("span", "", "›"));
			parts.push(last ? element("b", "", name) : this.crumb_make(name, node));
		});
		if (zoomed) {
			const node = trail[trail.length - 1];
			parts.push(element("span", "", graph.zoom_is_gone()
				? "What was zoomed into did not run here."
				: `${graph.amount_words(node)}, ${share_text(tree.total[node], total)}`));
		}
		this.trail.replaceChildren(...parts);
	}

	/**
	 * In place of the way: what else is shown.
	 * @param {(Node | string)[]} words
	 * @param {{ back: boolean, forward: boolean }} ways
	 */
	trail_replace(words, { back, forward }) {
		this.trail_key = "";
		this.back.disabled = !back;
		this.forward.disabled = !forward;
		this.hint_show("");
		this.trail.replaceChildren(...words);
	}

	/** What is to be known of what is shown. @param {string} text */
	hint_show(text) {
		text_set(this.hint, text);
		this.hint.hidden = text === "";
	}

	/**
	 * @param {string} name
	 * @param {number} node
	 */
	crumb_make(name, node) {
		const { graph } = this;
		const identity = node ? graph.tree?.identity(node) : 0;
		const crumb = element("button", "", name);
		crumb.type = "button";
		crumb.addEventListener("click", () =>
			graph.zoom_to(identity ? graph.tree?.find(identity) ?? 0 : 0));
		return crumb;
	}

	/** @param {string} text empty: none @param {string} [way_out] what a button below it does @param {() => void} [act] */
	message_show(text, way_out = "", act = () => {}) {
		this.message.hidden = text === "";
		this.said.show(text, way_out, act);
	}
}
