/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The selected stretch in words, with its two times as fields that can be edited. What is wrong with
 * a time is said beside it, with a way out where there is one.
 */

import { Said, by_id, element, text_set } from "views/elements";
import { clock_ms_text, count_text, cpus_text, share_text, time_parse } from "views/format";
import { name_escape } from "views/names";
import { ranges_text } from "views/ranges";
import { rate_text } from "views/status_bar";

/**
 * What ran in a stretch of time.
 * @typedef {object} Summary
 * @property {number} samples
 * @property {number} counted_hz where they were taken at several rates: the highest; else 0
 * @property {number | null} cpus_busy null: the event does not say
 * @property {number} cpu_count
 * @property {{ name: string, samples: number }[]} processes most samples first
 */

/** @typedef {import("views/ranges").Range} Range */

/**
 * Times are microseconds of the wall clock.
 * @typedef {object} Shown
 * @property {Range[]} ranges the first one is the one that can be edited; the others are the same part of other seconds
 * @property {Range[]} timeline the same on the page's own time: the wall clock may have been set back between, or be another capture's
 * @property {boolean} chosen selected by somebody; else it is what the map shows
 * @property {boolean} following
 * @property {boolean} can_save
 * @property {import("model/baselines").Baseline | null} compared what it is compared with; null: nothing
 * @property {string} other what "rest" is called; empty: all the rest
 * @property {Range | null} against what somebody chose for it
 * @property {boolean} can_swap
 * @property {Summary | null} summary null while it is being dragged faster than counted
 * @property {{ text: string, action?: string, act?: () => void } | null} problem
 */

const processes_shown = 3;

export class SelectionBar {
	/**
	 * @param {{ change: (first: Range, count: number) => void, clear: () => void, repeat: () => void,
	 * save: (button: HTMLButtonElement) => void, start_us: () => number,
	 * compare: (choice?: import("model/baselines").Baseline) => void, swap: () => void }} actions start_us: the time of T = 0; repeat: the same part of every second, or of one again
	 */
	constructor(actions) {
		this.actions = actions;
		this.row = by_id("selection", HTMLElement);
		this.lead = element("span", "lead");
		this.start = this.field_make("Start of the selection");
		this.end = this.field_make("End of the selection");
		this.to = element("span", "", "to");
		this.span = element("b", "");
		this.samples = element("span", "give-way-last");
		this.words = element("span", "words");
		this.problem = element("span", "problem");
		this.problem.setAttribute("role", "alert");
		this.said = new Said(this.problem);
		this.clear = element("button", "button", "Clear", element("kbd", "", "Esc"));
		this.clear.type = "button";
		this.clear.addEventListener("click", actions.clear);
		this.repeat = element("button", "button", "Every second", element("kbd", "", "E"));
		this.repeat.type = "button";
		this.repeat.title = "The same part of every second on the map: for work on a timer (Alt-drag)";
		this.repeat.addEventListener("click", actions.repeat);
		this.save = element("button", "button", "Save");
		this.save.type = "button";
		this.save.addEventListener("click", () => actions.save(this.save));
		this.compare = element("button", "button primary", "Show what changed");
		this.compare.type = "button";
		this.compare.addEventListener("click", () => actions.compare());
		this.baseline = element("select", "");
		this.baseline.setAttribute("aria-label", "What the selection is compared with");
		this.baseline.add(new Option("", "before"));
		this.baseline.add(new Option("all the rest", "rest"));
		this.baseline.add(new Option("", "chosen"));
		this.baseline.addEventListener("change", () =>
			actions.compare(/** @type {import("model/baselines").Baseline} */ (this.baseline.value)));
		this.swap = element("button", "button", "Swap");
		this.swap.type = "button";
		this.swap.addEventListener("click", actions.swap);
		this.compared = element("span", "compared menu", "compared with ", this.baseline);
		this.row.append(this.lead, this.start, this.to, this.end, this.span, this.samples,
			this.compared, this.words, this.problem,
			element("span", "right", this.repeat, this.compare, this.swap, this.save, this.clear));
		/** @type {Shown | null} */
		this.shown = null;
		/** What is wrong with what was typed, until it is typed again or the selection moves. */
		this.typed_problem = "";
	}

	/** @param {string} label */
	field_make(label) {
		const field = element("input", "field time");
		field.type = "text";
		field.spellcheck = false;
		field.autocomplete = "off";
		field.maxLength = 40;
		field.setAttribute("aria-label", label);
		field.addEventListener("keydown", (event) => {
			event.stopPropagation();
			if (event.key === "Enter") {
				this.commit();
			} else if (event.key === "Escape") {
				this.typed_problem = "";
				this.fields_fill(true);
				field.blur();
			}
		});
		field.addEventListener("change", () => this.commit());
		return field;
	}

	/** Takes what was typed. */
	commit() {
		const { shown } = this;
		if (!shown || !shown.chosen)
			return;
		const from = this.actions.start_us();
		const [first] = shown.ranges;
		const times = [[this.start, first.start_us], [this.end, first.end_us]].map(([field, us]) => {
			const input = /** @type {HTMLInputElement} */ (field);
			/* Untouched fields keep what their text rounds away. */
			if (input.value === clock_ms_text(Number(us)))
				return { us: Number(us) };
			return time_parse(input.value, Number(us), from);
		});
		this.typed_problem = "";
		times.forEach((time, i) => {
			const wrong = "error" in time;
			(i ? this.end : this.start).setAttribute("aria-invalid", String(wrong));
			if (wrong)
				this.typed_problem ||= time.error;
		});
		const [start, end] = times;
		if ("us" in start && "us" in end) {
			if (end.us <= start.us) {
				this.typed_problem = "The end is not after the start.";
				this.end.setAttribute("aria-invalid", "true");
				this.problem_show({ text: this.typed_problem, action: "Swap them",
					act: () => this.ends_swap(end.us, start.us) });
				return;
			}
			if (start.us !== first.start_us || end.us !== first.end_us)
				this.actions.change({ start_us: start.us, end_us: end.us }, shown.ranges.length);
		}
		this.problem_show(this.typed_problem ? { text: this.typed_problem } : shown.problem);
	}

	/**
	 * @param {number} start_us
	 * @param {number} end_us
	 */
	ends_swap(start_us, end_us) {
		this.typed_problem = "";
		if (end_us > start_us && this.shown)
			this.actions.change({ start_us, end_us }, this.shown.ranges.length);
		/* It may be what is selected already: then nothing else writes the fields. */
		this.fields_fill(true);
		this.problem_show(this.shown?.problem ?? null);
	}

	/** @param {Shown["problem"]} problem */
	problem_show(problem) {
		this.said.show(problem?.text ?? "", problem?.action, problem?.act);
	}

	/** @param {boolean} force */
	fields_fill(force) {
		const { shown } = this;
		if (!shown)
			return;
		const pairs = /** @type {const} */ ([[this.start, shown.ranges[0].start_us], [this.end, shown.ranges[0].end_us]]);
		for (const [field, us] of pairs) {
			/* Never under somebody's fingers. */
			if (!force && (document.activeElement === field || this.typed_problem))
				continue;
			const text = clock_ms_text(us);
			if (field.value !== text)
				field.value = text;
			field.removeAttribute("aria-invalid");
		}
	}

	/** @param {Shown} shown */
	show(shown) {
		const before = this.shown;
		const moved = !before || before.chosen !== shown.chosen || JSON.stringify(before.ranges) !== JSON.stringify(shown.ranges);
		const [{ start_us, end_us }] = shown.timeline;
		const repeated = shown.ranges.length > 1;
		this.shown = shown;
		if (shown.chosen && moved)
			this.typed_problem = "";
		this.row.classList.toggle("chosen", shown.chosen);
		for (const part of [this.start, this.to, this.end, this.clear])
			part.hidden = !shown.chosen;
		this.save.hidden = !shown.chosen || !shown.can_save;
		/* While it saves it says how far it is. */
		if (!this.save.disabled)
			text_set(this.save, repeated ? "Save first to last" : "Save");
		this.save.title = repeated ? "A capture from the first of them to the last, with the time between, which they can be compared with"
			: "A capture of exactly this stretch";
		this.repeat.hidden = !shown.chosen || !(repeated || end_us - start_us < 1e6);
		this.repeat.setAttribute("aria-pressed", String(repeated));
		this.compare.hidden = !shown.chosen || shown.compared !== null;
		this.swap.hidden = !shown.can_swap;
		this.baseline_show(shown);
		this.lead.textContent = shown.chosen ? "Selected" :
			shown.following ? "On screen now" : "On screen";
		this.fields_fill(moved && document.activeElement !== this.start &&
			document.activeElement !== this.end);
		const empty = end_us <= start_us;
		this.span.textContent = empty ? "" : ranges_text(shown.timeline);
		this.samples.hidden = this.words.hidden = empty;
		if (empty)
			this.lead.textContent = "Nothing to select yet";
		this.summary_show(shown);
		if (!this.typed_problem)
			this.problem_show(shown.problem);
	}

	/** @param {Shown} shown */
	baseline_show({ compared, other, against, ranges: [{ start_us, end_us }] }) {
		this.compared.hidden = compared === null;
		if (!compared)
			return;
		const [before, rest, chosen] = this.baseline.options;
		chosen.hidden = !against;
		if (against)
			chosen.text = `${clock_ms_text(against.start_us)} to ${clock_ms_text(against.end_us)}`;
		rest.text = other || "all the rest";
		const offset_ms = Math.round(start_us % 1e6 / 1e3);
		const text = end_us - start_us >= 1e6 ? "the 60 s before"
			: `${offset_ms} to ${offset_ms + Math.round((end_us - start_us) / 1e3)} ms of each of the 60 s before`;
		if (before.text !== text)
			before.text = text;
		this.baseline.value = compared;
	}

	/** @param {Shown} shown */
	summary_show({ summary, chosen }) {
		if (!summary)
			return;
		const { samples, counted_hz } = summary;
		this.samples.textContent = `${count_text(samples)} sample${samples === 1 ? "" : "s"}${counted_hz ? ` as at ${rate_text(counted_hz)} Hz` : ""}`;
		this.samples.title = counted_hz ? "The rate changed: each sample counts as many as it stands for at the highest rate." : "";
		/** @type {(Node | string)[]} */
		const words = [];
		if (summary.cpus_busy !== null) {
			words.push(element("b", "", `${cpus_text(summary.cpus_busy)} of ${summary.cpu_count} ` +
				`CPU${summary.cpu_count === 1 ? "" : "s"} busy`));
		}
		const top = summary.processes.slice(0, processes_shown).map((process) =>
			`${name_escape(process.name)} ${share_text(process.samples, summary.samples)}`);
		if (top.length)
			words.push(`${words.length ? ": " : ""}${top.join(", ")}`);
		if (!chosen)
			words.push(". Drag over the map to select a stretch.");
		this.words.replaceChildren(...words);
		this.words.title = this.words.textContent ?? "";
	}
}
