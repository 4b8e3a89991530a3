/* SPDX-License-Identifier: Apache-2.0 */
/* The panel behind "View": how the flame graph is drawn. And the menu of a frame. */

import { element } from "views/elements";
import { menu_open } from "views/menu";
import { name_escape, name_shorten } from "views/names";

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
 * @typedef {object} FrameActions
 * @property {() => void} zoom
 * @property {() => void} callers
 * @property {() => void} find
 * @property {(text: string, what: string) => void} copy
 */

/**
 * What can be done with a frame.
 * @param {{ name: string, stack: string[], is_function: boolean }} frame stack: from itself to the root
 * @param {GraphView | null} view null: the graph is not one that can be changed
 * @param {FrameActions} actions
 * @param {{ x: number, y: number }} point
 */
export function frame_menu_open({ name, stack, is_function }, view, actions, point) {
	const is_plain = view?.options.by === "function";
	menu_open(name_shorten(name), [
		{ label: "Zoom into it", key: "Enter", act: actions.zoom },
		...is_function && (is_plain || !view) ? [{ label: "Who called it, and what it called", key: "C", act: actions.callers },
			{ label: "Find it in graph and map", act: actions.find }] : [],
		...is_function && view ? [null,
			{ label: "Show only it and what it called", act: () => view.step_add("only", name) },
			{ label: "Leave out the samples that are in it", act: () => view.step_add("hide", name) },
			{ label: "Count its time for its callers", act: () => view.step_add("merge", name) },
			{ label: "Close it: all that it called counts for it", act: () => view.step_add("close", name) },
			{ label: view.options.recursion ? "Draw recursion in full" : "Draw recursion once",
				act: () => view.set({ recursion: !view.options.recursion }) }] : [],
		null,
		{ label: "Copy name", act: () => actions.copy(name_escape(name), "The name") },
		{ label: "Copy stack", act: () => actions.copy(stack.map(name_escape).join("\n"), "The stack") },
	], point);
}
