/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the page shows, as the fragment of its address: filters, stretch, zoom and view, so that a link opens the same
 * picture. Never the token. Times are seconds of the wall clock since the Unix epoch. A link comes from anybody: what
 * is not understood is left out.
 */

import { term_kinds, terms_max } from "model/filter";
import { step_kinds, steps_max } from "model/shape";
import { name_hash } from "views/colors";
import { ranges_repeat } from "views/ranges";

/** @typedef {import("model/filter").Term} Term */
/** @typedef {import("model/call_tree").CallTree} CallTree */

/**
 * Times are microseconds of the wall clock.
 * @typedef {object} PageState
 * @property {Term[]} terms of the filter
 * @property {import("views/ranges").Range[] | null} selection
 * @property {number | null} until_us the end of what the map shows; null: it follows
 * @property {import("model/shape").Step[]} steps what the graph leaves out
 * @property {string} tab
 * @property {import("model/baselines").Baseline} baseline what the selection is compared with
 * @property {import("views/ranges").Range | null} against the stretch, where somebody chose it
 * @property {string} find
 * @property {string} zoom as zoom_mark() says
 * @property {Record<string, string>} settings of the view that are not as they are at first
 */

/** A text of a link is no longer than this: the longest names are some thousand letters. */
const text_max = 4096;

const time_pattern = /^\d{1,11}(\.\d{1,6})?$/;

/** @param {number} us */
function time_write(us) {
	return (us / 1e6).toFixed(6).replace(/\.?0+$/, "");
}

/** @param {string | null} text @returns {number | null} */
function time_read(text) {
	return text !== null && time_pattern.test(text) ? Math.round(Number(text) * 1e6) : null;
}

/** @param {PageState} state @returns {string} without #; empty: the page as it comes */
export function link_write({ terms, steps, selection, until_us, tab, baseline, against, find, zoom, settings }) {
	const words = new URLSearchParams();
	for (const { kind, value, not } of terms)
		words.append(not ? `not-${kind}` : kind, value);
	for (const { kind, name } of steps)
		words.append(kind, name);
	if (selection) {
		words.set("from", time_write(selection[0].start_us));
		words.set("to", time_write(selection[0].end_us));
		if (selection.length > 1)
			words.set("seconds", String(selection.length));
	}
	if (until_us !== null)
		words.set("until", time_write(until_us));
	const others = { tab: tab === "graph" ? "" : tab, baseline: tab !== "compare" || baseline === "before" ? ""
		: against ? `${time_write(against.start_us)}-${time_write(against.end_us)}` : baseline,
		find, zoom, ...settings };
	for (const [name, value] of Object.entries(others))
		if (value)
			words.set(name, value);
	return String(words);
}

/**
 * @param {string} fragment without #
 * @param {Record<string, string[]>} allowed values of each setting
 * @returns {PageState}
 */
export function link_read(fragment, allowed) {
	const words = new URLSearchParams(fragment);
	/** @type {Term[]} */
	const terms = [];
	/** @type {PageState["steps"]} */
	const steps = [];
	for (const [name, value] of words) {
		const step = step_kinds.find((known) => name === known);
		if (step && value && value.length <= text_max && steps.length < steps_max)
			steps.push({ kind: step, name: value });
		const kind = term_kinds.find((known) => name === known || name === `not-${known}`);
		if (kind && value && value.length <= text_max && terms.length < terms_max)
			terms.push({ kind, value, not: name !== kind });
	}
	const one_of = (/** @type {string} */ name, /** @type {string[]} */ values) =>
		values.find((value) => value === words.get(name)) ?? "";
	const start_us = time_read(words.get("from")), end_us = time_read(words.get("to"));
	const seconds = /^\d{1,5}$/.exec(words.get("seconds") ?? "") ? Number(words.get("seconds")) : 1;
	const [from_us = null, to_us = null] = (words.get("baseline") ?? "").split("-").map(time_read);
	const against = from_us !== null && to_us !== null && to_us > from_us ? { start_us: from_us, end_us: to_us } : null;
	/** @type {Record<string, string>} */
	const settings = {};
	for (const [name, values] of Object.entries(allowed))
		if (one_of(name, values))
			settings[name] = one_of(name, values);
	return { terms, steps, settings,
		selection: start_us !== null && end_us !== null && end_us > start_us
			? ranges_repeat({ start_us, end_us }, end_us - start_us > 1e6 ? 1 : Math.max(1, seconds)) : null,
		until_us: time_read(words.get("until")),
		tab: one_of("tab", ["table", "callers", "compare"]) || "graph",
		baseline: against ? "chosen" : one_of("baseline", ["rest"]) ? "rest" : "before",
		against,
		find: (words.get("find") ?? "").slice(0, text_max),
		zoom: /^[0-9a-z]{1,12}$/.exec(words.get("zoom") ?? "")?.[0] ?? "" };
}

/** @param {string} caller its mark @param {CallTree} tree @param {number} node */
function mark_below(caller, tree, node) {
	return name_hash(`${caller} ${tree.kind(node)} ${tree.name(node)}`).toString(36).slice(2, 10);
}

/**
 * A short word for a call that is the same in every tree, whoever reads the data.
 * @param {CallTree} tree
 * @param {number} node
 * @returns {string} empty: everything
 */
export function zoom_mark(tree, node) {
	return node > 0 ? mark_below(zoom_mark(tree, tree.parent[node]), tree, node) : "";
}

/** @param {CallTree} tree @param {string} mark @returns {number} the node that it is of; 0: it did not run here */
export function zoom_find(tree, mark) {
	const marks = [""];
	for (let node = 1; node < tree.count; node++) {
		marks[node] = mark_below(marks[tree.parent[node]], tree, node);
		if (marks[node] === mark)
			return node;
	}
	return 0;
}
