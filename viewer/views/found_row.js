/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest unusual moment in one sentence, the way to the others, and how many there are. Also
 * which of them is meant when somebody points at a mark above the map.
 */

import { by_id, element, icon, text_set } from "views/elements";
import { clock_text, count_text, cpus_text, span_text, span_words } from "views/format";
import { name_escape, name_shorten } from "views/names";

/**
 * An unusual moment, in times of the views.
 * @typedef {object} Moment
 * @property {"up" | "down" | "mix"} kind
 * @property {number} start_us
 * @property {number} end_us
 * @property {number} busy CPUs
 * @property {number} usual CPUs
 * @property {boolean} level it has not ended: a new level
 * @property {{ name: string, process: string } | null} cause the function that explains most of it
 */

/** What stands for each kind, on the map and in the row. */
export const mark_shapes = /** @type {const} */ ({ up: "M-5 4h10L0 -4z", down: "M-5 -4h10L0 4z",
	mix: "M0 -5L5 0L0 5L-5 0z" });

/** A capture that is shorter is not judged. */
const judged_us = 60e6;

/** @param {number} cpus */
function cpus_words(cpus) {
	const text = cpus_text(cpus);
	return `${text} CPU${text === "1.0" || text === "1" ? "" : "s"}`;
}

/**
 * What a moment is, in words; pieces at odd places are bold.
 * @param {Moment} moment
 * @returns {string[]}
 */
export function moment_words({ kind, start_us, end_us, busy, usual, level, cause }) {
	const span = level ? "from then on" : `for ${span_text(end_us - start_us)}`;
	const what = kind === "mix" ? `Other functions than usual ${span}`
		: kind === "up" ? `${cpus_words(busy)} busy ${span}` : `Only ${cpus_words(busy)} busy ${span}`;
	const often = kind === "mix" ? "" : ` (usually ${cpus_text(usual)})`;
	if (!cause)
		return [`${what}${often}`];
	const link = kind === "down" ? ", without " : ", mostly ";
	return [`${what}${link}`, name_shorten(cause.name), ` in ${name_escape(cause.process)}${often}`];
}

export class FoundRow {
	/**
	 * @param {{ open: (moment: Moment) => void }} actions
	 */
	constructor(actions) {
		this.row = by_id("found", HTMLElement);
		this.time = element("b", "");
		this.words = element("span", "words");
		this.link = element("button", "link", "Select and compare");
		this.link.type = "button";
		this.icon = icon(mark_shapes.up, "-6 -6 12 12");
		this.count = element("span", "");
		this.before = this.step_make("The unusual moment before", "M10 3L5 8l5 5");
		this.after = this.step_make("The next unusual moment", "M6 3l5 5-5 5");
		this.row.append(this.icon, this.time, this.words, this.link,
			element("span", "right", this.count, this.before, this.after));
		/** @type {Moment[]} */
		this.moments = [];
		/** The one in the row: by its start, so that it stays when others come. @type {number | null} */
		this.chosen_us = null;
		this.link.addEventListener("click", () => {
			const moment = this.current();
			if (moment)
				actions.open(moment);
		});
		this.before.addEventListener("click", () => this.step(-1, actions.open));
		this.after.addEventListener("click", () => this.step(1, actions.open));
	}

	/** @param {string} label @param {string} shape */
	step_make(label, shape) {
		const button = element("button", "flat icon", icon(shape));
		button.type = "button";
		button.setAttribute("aria-label", label);
		return button;
	}

	/** The moment in the row: the one that was chosen, else the newest. */
	current() {
		return this.moments.find(({ start_us }) => start_us === this.chosen_us) ??
			this.moments[this.moments.length - 1] ?? null;
	}

	/**
	 * @param {number} step -1 or 1
	 * @param {(moment: Moment) => void} open
	 */
	step(step, open) {
		const moment = this.moments[this.moments.indexOf(/** @type {Moment} */ (this.current())) + step];
		if (moment)
			open(moment);
	}

	/**
	 * @param {Moment[]} moments in order of time
	 * @param {{ on_screen: number, span_us: number, unseen_cpu_s: number, is_full: boolean, judging: boolean, live: boolean,
	 * wall_us: (us: number) => number }} known is_full: no more CPUs can be busy; judging: long enough is known to judge
	 */
	show(moments, { on_screen, span_us, unseen_cpu_s, is_full, judging, live, wall_us }) {
		this.moments = moments;
		const moment = this.current();
		this.link.hidden = !moment;
		this.icon.style.display = moment ? "" : "none";
		this.before.hidden = this.after.hidden = moments.length < 2;
		const at = moment ? moments.indexOf(moment) : 0;
		this.before.disabled = at <= 0;
		this.after.disabled = at >= moments.length - 1;
		text_set(this.time, moment ? clock_text(wall_us(moment.start_us)) : "");
		if (moment) {
			this.icon.firstElementChild?.setAttribute("d", mark_shapes[moment.kind]);
			const pieces = moment_words(moment);
			if (this.words.textContent !== pieces.join(""))
				this.words.replaceChildren(...pieces.map((piece, i) =>
					(i % 2 ? element("b", "", piece) : piece)));
		} else {
			text_set(this.words, !judging ? !live && span_us < judged_us ? "Too short to tell what is unusual: that takes a minute."
				: "What is unusual is marked once a minute is known."
				: `Nothing unusual in the last ${span_words(span_us)}.`);
		}
		this.words.title = this.words.textContent ?? "";
		const others = `${count_text(on_screen)} unusual moment${on_screen === 1 ? "" : "s"} on screen, ` +
			`${count_text(moments.length)} in the last ${span_words(span_us)}`;
		text_set(this.count, moments.length ? others : !judging ? ""
			: is_full ? "All CPUs are busy as usual: only fewer, or other functions, would be seen"
				: `Bursts above ${unseen_cpu_s.toFixed(2)} CPU seconds would be seen`);
	}
}
