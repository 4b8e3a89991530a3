/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callers and callees of one function: above it who called it, from the process down, below it what it called.
 * At the side the functions with most time; a click on a frame goes on from there.
 */

import { Callers } from "model/callers";
import { Shape } from "model/shape";
import { by_id, element } from "views/elements";
import { FlameGraph } from "views/flame_graph";
import { flame_input_listen } from "views/flame_input";
import { count_text, share_text } from "views/format";
import { table_rows } from "views/function_table";
import { name_escape, name_shorten } from "views/names";

/** @typedef {import("app").Page} Page */
/** @typedef {import("model/function_counts").Row} Row */
/** @typedef {import("views/flame_graph").FlameEvents} FlameEvents */

/** More than anybody looks through: a search finds the others. */
const rows_shown = 100;

export class CallersPanel {
	/**
	 * @param {HTMLElement} panel
	 * @param {HTMLElement} words where frames are read out
	 * @param {{ events: (graph: () => FlameGraph) => FlameEvents, choose: (name: string) => void }} actions
	 */
	constructor(panel, words, { events, choose }) {
		this.panel = panel;
		this.choose = choose;
		this.list = element("ul", "");
		this.rest = element("p", "dim");
		const half = (/** @type {string} */ title, /** @type {string} */ label, /** @type {boolean} */ flipped) => {
			const canvas = element("canvas", "graph");
			canvas.tabIndex = 0;
			canvas.setAttribute("role", "application");
			canvas.setAttribute("aria-roledescription", "flame graph");
			canvas.setAttribute("aria-label", `${label}: arrows move among frames, Enter goes on from one`);
			canvas.setAttribute("aria-describedby", words.id);
			const space = element("div", "graph-space", canvas);
			const scroller = element("div", "graph-scroll", space);
			/** @type {FlameGraph} */
			const graph = new FlameGraph({ scroller, space, canvas, words }, events(() => graph));
			graph.look_set({ flipped, by_name: false, modules: null });
			flame_input_listen(graph);
			return { graph, node: element("div", "half", element("p", "half-title", title), scroller) };
		};
		const above = half("Called by", "Callers", true), below = half("It called", "Callees", false);
		this.callers = above.graph;
		this.callees = below.graph;
		this.graphs = [this.callers, this.callees];
		this.panel.replaceChildren(
			element("div", "callers-list", element("div", "heads", element("h2", "", "Functions, by time in themselves"),
				...["self", "total"].map((word) => element("span", "", word))), this.list, this.rest),
			element("div", "callers-halves", above.node, below.node));
	}

	/** @param {Row[]} rows @param {{ name: string, samples: number, pattern: RegExp | null }} of samples: in all */
	rows_show(rows, { name, samples, pattern }) {
		const kept = rows.filter((row) => !pattern || pattern.test(row.name))
			.sort((a, b) => b.self - a.self || b.total - a.total || (a.name < b.name ? -1 : 1));
		const names = [...new Map(kept.map((row) => [row.name, row])).values()];
		/* A list under somebody's finger stays. */
		const focus_name = this.list.contains(document.activeElement) && document.activeElement instanceof HTMLElement
			? document.activeElement.dataset.name : null;
		this.list.replaceChildren(...names.slice(0, rows_shown).map((row) => {
			const button = element("button", "", element("span", "name", name_shorten(row.name)),
				element("b", "", share_text(row.self, samples)), element("span", "number", share_text(row.total, samples)));
			button.type = "button";
			button.dataset.name = row.name;
			button.title = `${name_escape(row.name)}: ${share_text(row.self, samples)} in itself, ${
				share_text(row.total, samples)} with what it called`;
			if (row.name === name)
				button.setAttribute("aria-current", "true");
			button.addEventListener("click", () => this.choose(row.name));
			return element("li", "", button);
		}));
		if (focus_name !== null)
			for (const button of this.list.querySelectorAll("button"))
				if (button.dataset.name === focus_name)
					button.focus();
		const more = names.length - rows_shown;
		this.rest.textContent = more > 0 ? `${count_text(more)} more: search for them.`
			: names.length ? "" : pattern ? "No function matches the search." : "Nothing ran in this stretch.";
	}

	/** The function that the page says, in the stretch that it shows. @param {Page} page */
	show(page) {
		const { source, callers_names, callers_at } = page;
		const ranges = page.graph_ranges();
		const tree = source.tree(ranges);
		const all = tree.total[0];
		const rows = table_rows(source, ranges, "function");
		const name = callers_names[callers_at] ??
			rows.reduce((most, row) => (row.self > most.self ? row : most), { name: "", self: 0 }).name;
		this.rows_show(rows, { name, samples: all, pattern: page.panel.pattern });
		const callees = source.shaped(Shape, tree, { by: "function", recursion: false, steps: [{ kind: "only", name }] });
		this.callers.tree_show(source.callers(Callers, tree, name));
		this.callees.tree_show(callees);
		const self = rows.reduce((sum, row) => sum + (row.name === name ? row.self : 0), 0);
		page.panel.trail_replace(name ? [element("b", "", name_shorten(name)), element("span", "", callees.total[0]
			? `${share_text(callees.total[0], all)} in it and all that it called, ${share_text(self, all)} in itself`
			: "did not run in this stretch")] : [element("b", "", "Nothing ran in this stretch.")],
		{ back: callers_at > 0, forward: callers_at < callers_names.length - 1 });
		page.frame_ask();
	}

	resize() {
		for (const graph of this.graphs)
			graph.resize();
	}
}

/** @param {Page} page */
export function callers_panel_make(page) {
	const panel = new CallersPanel(by_id("callers", HTMLElement), by_id("graph-words", HTMLElement), {
		choose: (name) => page.callers_open(name),
		events: (graph) => ({ ...page.graph_events(graph), chosen: (rect) => page.callers_follow(graph(), rect) }) });
	page.callers = panel;
	page.color();
	for (const graph of panel.graphs) {
		graph.changed = () => page.frame_ask();
		new ResizeObserver(() => graph.resize()).observe(graph.scroller);
	}
	panel.resize();
	return panel;
}
