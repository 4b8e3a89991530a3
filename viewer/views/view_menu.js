/* SPDX-License-Identifier: Apache-2.0 */
/* How the map is shown: what is often changed stands in the row of filters, the rest behind "More". */

import { by_id, element } from "views/elements";
import { row_counts } from "views/map_geometry";
import { popover_join } from "views/popover";

/** Pixels of a second. */
const widths = [1, 2, 3, 4, 6, 9, 12, 18, 24, 36, 64];

/**
 * @typedef {object} Setting
 * @property {string} label
 * @property {string} meaning
 * @property {string} first the value of a page that nobody changed
 * @property {[string, string][]} options value and words
 */

/** By name; what stands in the page's row has an element there. @type {Record<string, Setting>} */
const settings = {
	rows: { label: "Rows", meaning: "Rows of the map: milliseconds in each", first: "50",
		options: row_counts.map((rows) => [String(rows), `${1000 / rows} ms`]) },
	lanes: { label: "Lanes", meaning: "Lanes under the map: how busy each one was", first: "off",
		options: [["off", "off"], ["threads", "threads"], ["cpus", "CPUs"], ["both", "both"]] },
	column: { label: "A second is", meaning: "Width of a second on the map", first: "auto",
		options: [["auto", "as wide as fits the window"], ...widths.map((width) =>
			/** @type {[string, string]} */ ([String(width), `${width} px wide`]))] },
	colors: { label: "Colours", meaning: "What the colours of the map tell", first: "thread",
		options: [["thread", "CPUs busy; one thread alone in blue"], ["heat", "CPUs busy"]] },
	scale: { label: "Last colour", meaning: "How many CPUs busy have the last colour", first: "cpus",
		options: [["cpus", "all CPUs"], ["auto", "the busiest cell on screen"]] },
	steps: { label: "Steps", meaning: "How colours go from idle to busy", first: "even",
		options: [["even", "even"], ["fine", "finer where little runs"]] },
	axis: { label: "Time", meaning: "What the time axis says", first: "both",
		options: [["both", "clock, and seconds from the start"], ["clock", "clock"], ["seconds", "seconds from the start"]] },
};

/** Values that a link may ask for. @returns {Record<string, string[]>} */
export function settings_allowed() {
	return Object.fromEntries(Object.entries(settings).map(([name, { options }]) => [name, options.map(([value]) => value)]));
}

export class ViewMenu {
	/** @param {(name: string) => void} changed */
	constructor(changed) {
		this.changed = changed;
		const panel = by_id("map-view-panel", HTMLElement);
		/** @type {Map<string, HTMLSelectElement>} */
		this.selects = new Map();
		for (const [name, { label, meaning, first, options }] of Object.entries(settings)) {
			const found = document.getElementById(name);
			const in_row = found instanceof HTMLSelectElement ? found : null;
			const select = in_row ?? element("select", "field");
			for (const [value, text] of options)
				select.add(new Option(text, value));
			select.value = first;
			select.setAttribute("aria-label", meaning);
			select.addEventListener("change", () => {
				this.changed(name);
				if (in_row)
					select.blur();
			});
			this.selects.set(name, select);
			if (!in_row) {
				select.id = `map-${name}`;
				panel.append(element("label", "", label, select));
			}
		}
		popover_join(by_id("map-view", HTMLButtonElement), panel);
	}

	/** @param {string} name */
	get(name) {
		return this.selects.get(name)?.value ?? "";
	}

	/** @param {string} name @param {string} value */
	set(name, value) {
		const select = this.selects.get(name);
		if (!select || select.value === value)
			return;
		select.value = value;
		this.changed(name);
	}

	/** Goes to the next value, or to the one before; stays at the ends. @param {string} name @param {number} by */
	step(name, by) {
		const { options } = settings[name];
		const at = options.findIndex(([value]) => value === this.get(name)) + by;
		if (options[at])
			this.set(name, options[at][0]);
	}

	/** Makes a second wider or narrower than it is. @param {number} width_now @param {number} by 1 or -1 */
	width_step(width_now, by) {
		const next = by > 0 ? widths.find((width) => width > width_now) : widths.findLast((width) => width < width_now);
		if (next)
			this.set("column", String(next));
	}

	/** What is not as it is at first. @returns {Record<string, string>} */
	chosen() {
		return Object.fromEntries(Object.entries(settings).filter(([name, { first }]) => this.get(name) !== first)
			.map(([name]) => [name, this.get(name)]));
	}

	/** Takes what a link says; all else is as at first. @param {Record<string, string>} values */
	take(values) {
		for (const [name, { first }] of Object.entries(settings))
			this.set(name, values[name] ?? first);
	}
}
