/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ran in a stretch as a table: by function, module, process or thread; sorted by a click on a
 * column's name; the search keeps what matches.
 */

import { function_rows, module_rows, process_rows, thread_rows } from "model/function_counts";
import { by_id, element, text_set } from "views/elements";
import { count_text, cpus_text, share_text } from "views/format";
import { kind_name } from "views/graph_panel";
import { name_escape, name_shorten } from "views/names";

/** @typedef {import("model/function_counts").Row} Row */
/** @typedef {"function" | "module" | "process" | "thread"} By */
/** @typedef {"name" | "place" | "self" | "total"} Key */

/** More than anybody reads; what follows is counted. */
const rows_shown = 500;

/** @type {[Key, string, string][]} */
const columns = [
	["name", "Function", "what ran"],
	["place", "In", "the file, or the process, that it is in"],
	["self", "Self", "in the function itself"],
	["total", "Total", "in it and all that it called"],
];

/** @type {[By, string][]} */
const choices = [["function", "functions"], ["module", "modules"], ["process", "processes"], ["thread", "threads"]];

/**
 * What ran in a stretch.
 * @param {import("profile_source").ProfileSource} source
 * @param {import("views/ranges").Range[]} ranges
 * @param {By} by
 * @returns {Row[]}
 */
export function table_rows(source, ranges, by) {
	const tree = source.tree(ranges);
	switch (by) {
	case "module": return module_rows(tree);
	case "process": return process_rows(tree);
	case "thread": return thread_rows(source.profile, source.timeline(ranges), source.filter);
	default: return function_rows(source.profile, tree);
	}
}

export class FunctionTable {
	/** @param {{ changed: () => void, find: (name: string) => void }} actions */
	constructor(actions) {
		this.actions = actions;
		this.panel = by_id("table", HTMLElement);
		/** @type {By} */
		this.by = "function";
		/** @type {Key} */
		this.key = "self";
		/** The other way round than one wants first: names from A, times from the most. */
		this.turned = false;
		this.body = element("tbody", "");
		this.rest = element("p", "dim");
		const head = element("tr", "");
		/** What the figures below each head are. */
		this.units = element("tr", "units");
		this.heads = new Map(columns.map(([key, label, meaning]) => {
			const button = element("button", "", label);
			const cell = element("th", key === "self" || key === "total" ? "number" : "", button);
			button.type = "button";
			button.title = meaning;
			button.addEventListener("click", () => {
				this.turned = this.key === key && !this.turned;
				this.key = key;
				this.actions.changed();
			});
			cell.scope = "col";
			if (key === "self" || key === "total")
				cell.colSpan = 3;
			head.append(cell);
			return [key, cell];
		}));
		const select = element("select", "");
		select.setAttribute("aria-label", "What the rows of the table are");
		for (const [value, text] of choices)
			select.add(new Option(text, value));
		select.addEventListener("change", () => {
			this.by = /** @type {By} */ (select.value);
			this.actions.changed();
		});
		this.panel.append(element("p", "choice", element("label", "menu", "Rows are ", select)),
			element("table", "", element("thead", "", head, this.units), this.body), this.rest);
	}

	/**
	 * @param {Row[]} rows
	 * @param {{ samples: number, pattern: RegExp | null, cpus_of_sample: number }} of samples: in all;
	 * cpus_of_sample: CPUs busy for one; 0: the event does not say
	 */
	show(rows, { samples, pattern, cpus_of_sample }) {
		const { key } = this;
		const kept = pattern ? rows.filter(({ name, place }) => pattern.test(name) || pattern.test(place)) : rows;
		const by_time = key === "self" || key === "total";
		const way = this.turned ? -1 : 1;
		kept.sort((a, b) => way * (by_time ? b[key] - a[key] : a[key].localeCompare(b[key])) ||
			b.total - a.total || (a.name < b.name ? -1 : 1));
		for (const [name, cell] of this.heads)
			cell.setAttribute("aria-sort", name !== key ? "none" : by_time !== this.turned ? "descending" : "ascending");
		const units = ["share", cpus_of_sample ? "CPUs" : "", "samples"];
		this.units.replaceChildren(...["", "", ...units, ...units].map((unit, i) => element("td", i < 2 ? "" : "number", unit)));
		text_set(/** @type {Element} */ (this.heads.get("name")?.firstElementChild),
			{ function: "Function", module: "Module", process: "Process", thread: "Thread" }[this.by]);
		this.body.replaceChildren(...kept.slice(0, rows_shown).map((row) => this.row_make(row, samples, cpus_of_sample)));
		const more = kept.length - rows_shown;
		text_set(this.rest, more > 0 ? `${count_text(more)} more: search, or select a shorter stretch.`
			: kept.length ? "" : pattern ? "Nothing here matches the search." : "Nothing ran in this stretch.");
	}

	/**
	 * @param {Row} row
	 * @param {number} samples
	 * @param {number} cpus_of_sample
	 */
	row_make({ name, place, kind, self, total }, samples, cpus_of_sample) {
		const label = element("button", "name", this.by === "function" ? name_shorten(name) : name_escape(name));
		label.type = "button";
		label.title = this.by === "function" ? `Find ${name_escape(name)} in the graph` : name_escape(name);
		label.disabled = this.by !== "function";
		label.addEventListener("click", () => this.actions.find(name));
		const numbers = [self, total].flatMap((count) => [share_text(count, samples),
			cpus_of_sample ? cpus_text(count * cpus_of_sample) : "", count_text(count)]);
		const where = kind && this.by === "function" ? `${name_escape(place)}, ${kind_name(kind)}` : name_escape(place);
		return element("tr", "", element("td", "", label), element("td", "dim", where),
			...numbers.map((text, i) => element("td", "number", i % 3 ? text : element("b", "", text))));
	}
}
