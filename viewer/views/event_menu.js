/* SPDX-License-Identifier: Apache-2.0 */
/* Which one of several events of a file is shown: a menu where there is a choice. */

import { by_id } from "views/elements";
import { count_text } from "views/format";
import { name_escape } from "views/names";

export class EventMenu {
	/** @param {(name: string) => void} chosen */
	constructor(chosen) {
		this.label = by_id("events", HTMLElement);
		this.select = by_id("event", HTMLSelectElement);
		this.shown = "";
		this.select.addEventListener("change", () => {
			chosen(this.select.value);
			this.select.blur();
		});
	}

	/**
	 * @param {{ name: string, samples: number }[]} events
	 * @param {string} current
	 */
	show(events, current) {
		const key = JSON.stringify([events, current]);
		this.label.hidden = events.length < 2;
		if (key === this.shown)
			return;
		this.shown = key;
		this.select.replaceChildren(...events.map(({ name, samples }) => new Option(
			`${name_escape(name)} (${count_text(samples)})`, name, name === current, name === current)));
	}
}
