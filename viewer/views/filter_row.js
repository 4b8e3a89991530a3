/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row of filters: a button that opens a list of what runs, and a chip for each term with a way to
 * turn it round and to take it off.
 */

import { term_kinds, terms_max } from "model/filter";
import { announce, by_id, element, icon, text_set } from "views/elements";
import { share_text } from "views/format";
import { name_escape, name_shorten } from "views/names";
import { popover_join } from "views/popover";

/** @typedef {import("model/filter").Term} Term */
/** @typedef {import("model/filter_choices").Choice} Choice */

/** Choices in the list; before anything is typed, so many of each kind. */
const choices_shown = 12, each_kind = 3;

/** @param {Term["kind"]} kind @param {string} value @returns {[string, string]} the kind and the value as people read them */
function term_words(kind, value) {
	if (kind === "part")
		return ["in", value === "kernel" ? "the kernel" : "user code"];
	return [kind === "cpu" ? "CPU" : kind, kind === "function" ? name_shorten(value) : name_escape(value)];
}

/** @param {Term} a @param {Term | Choice} b */
function is_about(a, b) {
	return a.kind === b.kind && a.value === b.value;
}

export class FilterRow {
	/**
	 * @param {{ changed: (terms: Term[]) => void, choices: () => Choice[], samples: () => number }} actions
	 * choices: of the stretch that is shown; samples: in it
	 */
	constructor(actions) {
		this.actions = actions;
		/** @type {Term[]} */
		this.terms = [];
		this.chips = by_id("chips", HTMLElement);
		this.kept = by_id("kept", HTMLElement);
		this.panel = by_id("filter-panel", HTMLElement);
		this.button = by_id("filter", HTMLButtonElement);
		this.field = element("input", "field");
		this.list = element("ul", "choices");
		this.not = element("input", "");
		/** @type {Choice[]} */
		this.choices = [];
		/** @type {Choice[]} */
		this.shown = [];
		this.at = 0;
		this.samples = 0;
		this.panel_make();
		popover_join(this.button, this.panel, () => this.opened());
		this.panel.addEventListener("toggle", () => this.field.focus());
	}

	panel_make() {
		const { field, list, not } = this;
		field.type = "text";
		field.placeholder = "Process, thread, CPU, function…";
		field.spellcheck = false;
		field.autocomplete = "off";
		field.maxLength = 200;
		field.setAttribute("role", "combobox");
		field.setAttribute("aria-label", "What to filter by");
		field.setAttribute("aria-expanded", "true");
		field.setAttribute("aria-controls", list.id = "filter-choices");
		list.setAttribute("role", "listbox");
		list.setAttribute("aria-label", "What runs in the stretch that is shown");
		not.type = "checkbox";
		field.addEventListener("input", () => this.list_show(0));
		field.addEventListener("keydown", (event) => this.key(event));
		list.addEventListener("click", (event) => {
			const item = event.target instanceof Element ? event.target.closest("li") : null;
			if (item?.dataset.at)
				this.choose(this.shown[Number(item.dataset.at)], event.shiftKey);
		});
		this.panel.append(field, list, element("label", "leave-out", not, "Leave out what is chosen ", element("kbd", "", "Shift")));
	}

	open() {
		this.panel.showPopover();
		this.field.focus();
	}

	opened() {
		this.choices = this.actions.choices();
		this.samples = this.actions.samples();
		this.field.value = "";
		this.not.checked = false;
		this.list_show(0);
	}

	/** @param {KeyboardEvent} event */
	key(event) {
		if (event.key === "ArrowDown" || event.key === "ArrowUp")
			this.list_show(Math.max(0, Math.min(this.shown.length - 1, this.at + (event.key === "ArrowDown" ? 1 : -1))));
		else if (event.key === "Enter" && this.shown[this.at])
			this.choose(this.shown[this.at], event.shiftKey);
		else
			return;
		event.preventDefault();
	}

	/** @param {Choice} choice @param {boolean} shift */
	choose({ kind, value }, shift) {
		this.panel.hidePopover();
		this.add({ kind, value, not: this.not.checked || shift });
	}

	/** What the list holds, and which of it the keyboard is at. @param {number} at */
	list_show(at) {
		const text = this.field.value.trim().toLowerCase();
		const free = this.choices.filter((choice) => !this.terms.some((term) => is_about(term, choice)));
		/** @type {Record<string, number>} */
		const counts = {};
		this.shown = (text ? free.filter(({ kind, value }) => `${term_words(kind, value).join(" ")} ${value}`
			.toLowerCase().includes(text)) : free.filter(({ kind }) => (counts[kind] = (counts[kind] ?? 0) + 1) <= each_kind))
			.slice(0, text ? choices_shown : choices_shown + each_kind);
		if (!text)
			this.shown.sort((a, b) => term_kinds.indexOf(a.kind) - term_kinds.indexOf(b.kind));
		this.at = at;
		this.list.replaceChildren(...this.shown.map(({ kind, value, samples }, i) => {
			const [what, name] = term_words(kind, value);
			const item = element("li", "", element("span", "dim", what), element("b", "", name),
				element("span", "share", share_text(samples, this.samples)));
			item.id = `filter-choice-${i}`;
			item.dataset.at = String(i);
			item.title = name;
			item.setAttribute("role", "option");
			item.setAttribute("aria-selected", String(i === at));
			return item;
		}), ...this.shown.length ? [] : [element("li", "dim", text ? "Nothing that ran here is called so." : "Nothing ran here.")]);
		this.field.setAttribute("aria-activedescendant", this.shown.length ? `filter-choice-${at}` : "");
	}

	/** @param {Term} term */
	add(term) {
		const others = this.terms.filter((other) => !is_about(other, term));
		this.set([...others, term].slice(-terms_max));
		const [what, name] = term_words(term.kind, term.value);
		announce(`Filter: ${term.not ? "not " : ""}${what} ${name}`);
	}

	/** Takes other terms. @param {Term[]} terms */
	set(terms) {
		this.terms = terms;
		this.chips.replaceChildren(...terms.map((term) => this.chip_make(term)));
		this.actions.changed(terms);
	}

	/** @param {Term} term */
	chip_make(term) {
		const [what, name] = term_words(term.kind, term.value);
		const words = `${term.not ? "not " : ""}${what} ${name}`;
		const turn = element("button", "turn", `${term.not ? "not " : ""}${what} `, element("b", "", name));
		const off = element("button", "off", icon("M4 4l8 8M12 4l-8 8"));
		turn.type = off.type = "button";
		turn.title = `${words}: click to ${term.not ? "keep only this" : "leave this out"}`;
		off.setAttribute("aria-label", `Remove the filter ${words}`);
		turn.addEventListener("click", () => {
			const at = this.terms.indexOf(term);
			this.set(this.terms.with(at, { ...term, not: !term.not }));
			this.chips.children[at].querySelector("button")?.focus();
		});
		off.addEventListener("click", () => {
			this.set(this.terms.filter((other) => other !== term));
			this.button.focus();
		});
		return element("span", "chip", turn, off);
	}

	/** How much of what is shown passes. @param {number} kept samples @param {number} all */
	share_show(kept, all) {
		text_set(this.kept, !this.terms.length || !all ? ""
			: kept ? `Showing ${share_text(kept, all)} of the samples.` : "No sample here passes.");
	}
}
