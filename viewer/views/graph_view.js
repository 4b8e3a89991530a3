/* SPDX-License-Identifier: Apache-2.0 */
/* How the flame graph is looked at: what its frames are, how it is drawn, and what was taken out of it. */

import { by_id, element } from "views/elements";
import { name_shorten } from "views/names";

/** @typedef {import("model/shape").Step} Step */

/**
 * @typedef {object} ViewOptions
 * @property {"icicle" | "flame"} layout
 * @property {import("model/shape").By} by
 * @property {"kind" | "module"} color
 * @property {"auto" | "name" | "weight"} order auto: by name while more comes, so that nothing moves; else by weight
 * @property {boolean} recursion drawn once
 * @property {Step[]} steps
 */

/** @type {Readonly<ViewOptions>} */
export const view_defaults = { layout: "icicle", by: "function", color: "kind", order: "auto", recursion: false, steps: [] };

/** What a link may say, besides what is as always. @satisfies {Record<string, string[]>} */
export const view_settings = { layout: ["flame"], by: ["file", "module", "package"], color: ["module"],
	order: ["name", "weight"], recursion: ["once"] };

/** What a step did. @type {Record<Step["kind"], (name: string) => string>} */
const step_words = {
	only: (name) => `only ${name}`,
	hide: (name) => `without ${name}`,
	merge: (name) => `${name} counts for its callers`,
	close: (name) => `${name} is closed`,
};

export class GraphView {
	/** @param {() => void} changed */
	constructor(changed) {
		this.changed = changed;
		/** @type {ViewOptions} */
		this.options = { ...view_defaults };
		this.chips = by_id("steps", HTMLElement);
	}

	/** Whether nothing is drawn otherwise than it was. */
	is_plain() {
		const { by, recursion, steps } = this.options;
		return by === "function" && !recursion && !steps.length;
	}

	/** @param {boolean} live */
	by_name(live) {
		const { order } = this.options;
		return order === "name" || (order === "auto" && live);
	}

	/** @param {Partial<ViewOptions>} part */
	set(part) {
		/* Steps name what frames are. */
		if (part.by && part.by !== this.options.by)
			this.options.steps = [];
		this.options = { ...this.options, ...part };
		this.chips_show();
		this.changed();
	}

	/** What of it is not as it is at first, for a link. @returns {Record<string, string>} */
	settings() {
		const { steps, recursion, ...others } = this.options;
		const changed = Object.entries(others).filter(([name, value]) =>
			view_defaults[/** @type {keyof typeof others} */ (name)] !== value);
		return { ...Object.fromEntries(changed), ...recursion ? { recursion: "once" } : {} };
	}

	/** As a link says. @param {Record<string, string>} settings checked against view_settings @param {Step[]} steps */
	settings_take(settings, steps) {
		const { steps: _, ...others } = view_defaults;
		for (const name of /** @type {(keyof typeof others)[]} */ (Object.keys(others)))
			if (name in settings)
				Object.assign(others, { [name]: name === "recursion" || settings[name] });
		this.set({ ...others, steps });
	}

	/** @param {Step["kind"]} kind @param {string} name */
	step_add(kind, name) {
		const others = this.options.steps.filter((step) => !(step.kind === kind && (kind === "only" || step.name === name)));
		this.set({ steps: [...others, { kind, name }] });
	}

	chips_show() {
		const { steps } = this.options;
		this.chips.hidden = !steps.length;
		this.chips.replaceChildren(...steps.map((step) => {
			const words = step_words[step.kind](name_shorten(step.name));
			const chip = element("button", "step", element("span", "", words), element("span", "", "×"));
			chip.type = "button";
			chip.setAttribute("aria-label", `Take back: ${words}`);
			chip.title = `Take back: ${words}`;
			chip.addEventListener("click", () => {
				this.set({ steps: this.options.steps.filter((other) => other !== step) });
				/* The chip that had the keyboard is gone. */
				/** @type {HTMLElement} */ (this.chips.querySelector("button") ?? by_id("graph", HTMLCanvasElement)).focus();
			});
			return chip;
		}));
	}
}
