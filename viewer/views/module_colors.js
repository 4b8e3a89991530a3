/* SPDX-License-Identifier: Apache-2.0 */
/* Colours of modules: each keeps the one it got when it was first seen, the busiest first. */

import { module_rows } from "model/function_counts";
import { module_shades_make } from "views/colors";

/** @typedef {import("model/call_tree").CallTree} CallTree */
/** @typedef {import("views/colors").Theme} Theme */

export class ModuleColors {
	constructor() {
		/** @type {Map<string, number>} */
		this.places = new Map();
		this.shades = module_shades_make("light");
	}

	/** @param {Theme} theme */
	color(theme) {
		this.shades = module_shades_make(theme);
	}

	/**
	 * Gives new modules their colours.
	 * @param {CallTree} tree
	 * @param {number} count at most so many
	 * @returns {string[]} the busiest ones
	 */
	take(tree, count) {
		const rows = module_rows(tree).sort((a, b) => b.self - a.self || (a.name < b.name ? -1 : 1));
		for (const { name } of rows)
			this.place(name);
		return rows.slice(0, count).map(({ name }) => name);
	}

	/** @param {string} name */
	place(name) {
		let place = this.places.get(name);
		if (place === undefined)
			this.places.set(name, place = this.places.size);
		return place;
	}

	/** @param {string} name */
	of(name) {
		return this.shades[this.place(name || "unknown") % this.shades.length];
	}
}
