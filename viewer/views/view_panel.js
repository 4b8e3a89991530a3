/* SPDX-License-Identifier: Apache-2.0 */
/* The panel behind "View": how the flame graph is drawn. And the menu of a frame. */

import { text_copy } from "views/clipboard";
import { announce, element } from "views/elements";
import { menu_open } from "views/menu";
import { name_escape, name_shorten } from "views/names";

/** @typedef {import("views/flame_graph").FlameGraph} FlameGraph */
/** @typedef {import("views/flame_layout").FlameRect} FlameRect */
/** @typedef {import("views/graph_view").GraphView} GraphView */
/** @typedef {import("views/graph_view").ViewOptions} ViewOptions */

/** @type {{ key: "layout" | "by" | "color" | "order", label: string, choices: [string, string][] }[]} */
const rows = [
	{ key: "layout", label: "Callers stand", choices: [["icicle", "above (icicle)"], ["flame", "below (flame)"]] },
	{ key: "by", label: "Frames are", choices: [["function", "functions"], ["file", "source files"],
		["module", "modules: programs, libraries"], ["package", "packages: Java, node, Python, Go"]] },
	{ key: "color", label: "Colours tell", choices: [["kind", "the kind of code"], ["module", "the module"]] },
	{ key: "order", label: "Side by side", choices: [["auto", "by name while live, else by weight"], ["name", "by name"],
		["weight", "most time first"]] },
];

/** @param {HTMLElement} panel @param {GraphView} view */
export function view_panel_fill(panel, view) {
	const content = rows.map(({ key, label, choices }) => {
		const select = element("select", "field");
		for (const [value, text] of choices)
			select.add(new Option(text, value, false, view.options[key] === value));
		select.addEventListener("change", () => view.set(/** @type {Partial<ViewOptions>} */ ({ [key]: select.value })));
		return element("label", "", element("span", "", label), select);
	});
	const fold = element("input", "");
	fold.type = "checkbox";
	fold.checked = view.options.recursion;
	fold.addEventListener("change", () => view.set({ recursion: fold.checked }));
	content.push(element("label", "check", fold, element("span", "", "Draw a function that called itself once")));
	panel.replaceChildren(...content);
}

/**
 * What can be done with a frame.
 * @param {import("app").Page} page
 * @param {FlameGraph} graph
 * @param {FlameRect} rect
 * @param {{ x: number, y: number }} point
 */
export function frame_menu_open(page, graph, { node }, point) {
	const { tree } = graph;
	if (!tree)
		return;
	/** @type {string[]} */
	const stack = [];
	for (let at = node; at >= 0; at = tree.parent[at])
		if (at || tree.kind(at))
			stack.push(tree.name(at));
	/* Who called it stands below it. */
	if (graph === page.callers?.callers)
		stack.reverse();
	const name = tree.name(node), is_function = tree.kind(node) !== 0;
	const view = graph === page.graph && !page.changes ? page.view : null;
	const by_function = page.view.options.by === "function" || !view;
	const copy = (/** @type {string} */ text, /** @type {string} */ what) => text_copy(text).then((copied) =>
		announce(copied ? `${what} is copied` : "The browser did not let it be copied"));
	page.card.hide();
	menu_open(name_shorten(name), [
		...graph === page.graph ? [{ label: "Zoom into it", key: "Enter", act: () => graph.zoom_to(node) }] : [],
		...is_function && by_function ? [
			{ label: "Who called it, and what it called", key: "C", act: () => page.callers_open(name) },
			{ label: "Find it in graph and map", act: () => page.panel.find(name) }] : [],
		...is_function && view ? [null,
			{ label: "Show only it and what it called", act: () => view.step_add("only", name) },
			{ label: "Leave out the samples that are in it", act: () => view.step_add("hide", name) },
			{ label: "Count its time for its callers", act: () => view.step_add("merge", name) },
			{ label: "Close it: all that it called counts for it", act: () => view.step_add("close", name) },
			{ label: view.options.recursion ? "Draw recursion in full" : "Draw recursion once",
				act: () => view.set({ recursion: !view.options.recursion }) }] : [],
		null,
		{ label: "Copy name", act: () => copy(name_escape(name), "The name") },
		{ label: "Copy stack", act: () => copy(stack.map(name_escape).join("\n"), "The stack") },
	], point);
}
