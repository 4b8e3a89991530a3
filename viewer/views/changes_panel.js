/* SPDX-License-Identifier: Apache-2.0 */
/* What changed, in words: the functions that explain most of it, and what ran less meanwhile. */

import { certainty_words } from "views/cards";
import { by_id, element } from "views/elements";
import { count_text, cpus_text, share_text } from "views/format";
import { kind_name } from "views/graph_panel";
import { name_escape, name_shorten } from "views/names";

/** @typedef {import("model/changes").Changes} Changes */
/** @typedef {import("model/changes").FunctionChange} FunctionChange */

const less_shown = 5;

/** @param {FunctionChange} row */
function certainty_text({ certainty }) {
	return certainty_words[certainty].toLowerCase();
}

/** @param {number} samples */
function expected_text(samples) {
	return samples < 9.95 ? samples.toFixed(1) : count_text(samples);
}

export class ChangesPanel {
	/** @param {{ find: (name: string) => void, rest: () => void }} actions */
	constructor(actions) {
		this.actions = actions;
		this.panel = by_id("changes", HTMLElement);
	}

	/** @param {Changes | null} changes null: nothing is compared */
	show(changes) {
		this.panel.hidden = !changes;
		if (!changes)
			return;
		const title = element("h2", "", "What changed");
		if (!changes.comparable) {
			const link = element("button", "link", "Compare with the rest");
			link.type = "button";
			link.addEventListener("click", this.actions.rest);
			const count = changes.samples_before;
			this.panel.replaceChildren(title, element("p", "", `Only ${count_text(count)} sample${
				count === 1 ? "" : "s"} before this stretch: too few to compare. `, link));
			return;
		}
		const rows = changes.explain();
		const { now, before } = changes.cpus_busy;
		const busy = `${cpus_text(now)} CPUs busy ${cpus_text(now) === cpus_text(before) ? "on both sides"
			: `instead of ${cpus_text(before)}`}.`;
		const parts = [title, element("p", "headline", element("b", "", busy), rows.length
			? ` ${rows.length === 1 ? "One function explains" : `${["", "", "Two", "Three"][rows.length]} functions explain`} ${
				share_text(Math.min(1, rows.reduce((sum, { share }) => sum + share, 0)), 1)} of the change:`
			: " No function changed by more than chance.")];
		const most = rows.reduce((cpus, row) => Math.max(cpus, row.now, row.before), 0);
		parts.push(...rows.map((row) => this.row_make(row, changes, most)));
		parts.push(...this.less_make(changes, rows));
		if (parts.length > 2)
			parts.push(element("p", "note", "Certain: chance alone would make such a change less than once in 10\u2009000 times. Likely: less than once in 100."));
		this.panel.replaceChildren(...parts);
	}

	/** @param {string} name */
	name_make(name) {
		const button = element("button", "name", name_shorten(name));
		button.type = "button";
		button.title = `Find ${name_escape(name)} in the graph`;
		button.addEventListener("click", () => this.actions.find(name));
		return button;
	}

	/**
	 * @param {FunctionChange} row
	 * @param {Changes} changes
	 * @param {number} most CPUs: the whole width
	 */
	row_make(row, changes, most) {
		const { now: all_now, before: all_before } = changes.cpus_busy;
		const bar = element("span", `bar ${row.now < row.before ? "less" : "more"}`);
		const tick = element("i", "before"), fill = element("i", "now");
		fill.style.width = `${100 * row.now / (most || 1)}%`;
		tick.style.left = `${100 * row.before / (most || 1)}%`;
		bar.append(fill, tick);
		return element("div", "change",
			element("div", "line", this.name_make(row.name),
				element("span", "dim", [name_escape(row.process), kind_name(row.kind)].filter(Boolean).join(", ")),
				element("span", "right", `${share_text(row.before, all_before)} → `,
					element("b", "", share_text(row.now, all_now)))),
			element("div", "line", bar, element("span", "right",
				`${cpus_text(row.before)} → ${cpus_text(row.now)} CPUs, ${certainty_text(row)}`)));
	}

	/**
	 * What ran less by more than chance and is not named yet.
	 * @param {Changes} changes
	 * @param {FunctionChange[]} named
	 */
	less_make(changes, named) {
		const less = changes.functions(Infinity).filter(({ now, before, function_id }) => now < before &&
			!named.some((row) => row.function_id === function_id)).slice(0, less_shown);
		if (!less.length)
			return [];
		const head = element("tr", "", ...["Less, or gone, meanwhile", "samples expected", "seen", "certainty"]
			.map((text) => element("th", "", text)));
		return [element("table", "less", head, ...less.map((row) => element("tr", "",
			element("td", "", this.name_make(row.name)),
			element("td", "", expected_text(changes.tree.expected(row.samples_before))),
			element("td", "", element("b", "", count_text(row.samples_now))),
			element("td", "", certainty_text(row)))))];
	}
}
