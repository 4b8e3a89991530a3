/* SPDX-License-Identifier: Apache-2.0 */
/* The sheet behind "stacks … complete": how many reach their first function, why others do not, what to do. */

import { by_id, element } from "views/elements";
import { complete_text, count_text } from "views/format";
import { name_escape } from "views/names";

/** @typedef {import("model/completeness").Completeness} Completeness */
/** @typedef {import("model/completeness").Reason} Reason */
/** @typedef {{ names: number, lines: number, unwind_tables: number, evicted: number }} LeftOut */

/** What to do is between backquotes where it is to be typed. @type {Record<Reason, { title: string, text: string }>} */
const words = {
	new: { title: "The process was too new",
		text: "Its files had not been read yet when it was sampled. Nothing to do: that takes a tenth of a " +
			"second; many short processes make it more." },
	jit: { title: "Code made at run time",
		text: "A compiler inside the process made it, and it cannot be followed without frame pointers. Start " +
			"node with `--perf-basic-prof` `--interpreted-frames-native-stack`, Java with " +
			"`-XX:+PreserveFramePointer`, Python 3.12 or later with `-X perf`; that one must have been " +
			"built with `-fno-omit-frame-pointer`." },
	no_row: { title: "The file does not say who called",
		text: "It has no unwind information (.eh_frame) for this code. Build it with " +
			"`-fasynchronous-unwind-tables` or with `-fno-omit-frame-pointer`." },
	no_mapping: { title: "An address in no known file",
		text: "What seemed to be a caller lies in no file of the process: a file that was mapped or " +
			"replaced a moment before, or a stack that was written over." },
	unreadable: { title: "The stack was not in memory",
		text: "A part of it was swapped out. More memory for the process, or less for others, cures it." },
	deep: { title: "Deeper than 127 functions",
		text: "The innermost 127 are shown, not what called them. Deep recursion does that." },
	unsupported: { title: "Not supported",
		text: "A 32-bit program, or code whose callers are found by a rule that is not known here." },
};

/** What a limit of the agent keeps out. @type {Record<keyof LeftOut, { title: string, text: string }>} */
const left_out_words = {
	unwind_tables: { title: "Unwind tables",
		text: "All the room was in use: stacks through those files end early. Give the agent more with `--memory`." },
	evicted: { title: "Files whose names made room",
		text: "They are read again when they are sampled again. Give the agent more with `--memory`." },
	names: { title: "Functions' names",
		text: "A file has more functions than are kept, or it was gone before it could be read: they stay " +
			"`file+0x1234`." },
	lines: { title: "Pieces of debug information",
		text: "They are too large, or there is no room for them: their code goes without lines and inlined " +
			"functions." },
};

/** @param {{ title: string, text: string }} words */
function titled_words({ title, text }) {
	return element("span", "", element("b", "", title), ". ",
		...text.split("`").map((piece, i) => (i % 2 ? element("code", "", piece) : piece)));
}

/** The share of what is small: never 0 when there is some. @param {number} part @param {number} whole */
function part_text(part, whole) {
	const percent = (100 * part) / whole;
	return `${percent < 0.1 ? "<0.1" : percent.toFixed(1)}\u2009%`;
}

/** @param {string[]} heads @param {(Node | string)[][]} rows @param {string} class_name */
function table(heads, rows, class_name) {
	return element("table", class_name,
		element("thead", "", element("tr", "", ...heads.map((head) => {
			const cell = element("th", "", head);
			cell.scope = "col";
			return cell;
		}))),
		element("tbody", "", ...rows.map((row) =>
			element("tr", "", ...row.map((cell) => element("td", "", cell))))));
}

/** @param {Completeness} found */
function reasons_table({ stacks, reasons }) {
	return table(["Why it ends early", "Share", "Stacks"], reasons.map(({ reason, stacks: count }) => [
		titled_words(words[reason]), part_text(count, stacks), count_text(count)]), "reasons");
}

/** @param {Completeness} found */
function processes_table({ processes }) {
	return table(["Process", "Complete", "Stacks", "Mostly because", "Where it ends"], processes.map((row) => [
		element("b", "", name_escape(row.name)), complete_text(row.complete, row.stacks),
		count_text(row.stacks), words[row.reason].title, name_escape(row.place)]), "processes");
}

/** @param {LeftOut} left_out @returns {Node[]} nothing when nothing is */
function left_out_part(left_out) {
	const kinds = /** @type {(keyof LeftOut)[]} */ (Object.keys(left_out_words)).filter((kind) => left_out[kind]);
	return kinds.length ? [
		element("h3", "", "Left out by the agent since its start"),
		table(["What a limit keeps out", "Count"],
			kinds.map((kind) => [titled_words(left_out_words[kind]), count_text(left_out[kind])]), "reasons left-out"),
	] : [];
}

/**
 * Opens the sheet; Esc closes it, as with any dialog.
 * @param {Completeness} found
 * @param {LeftOut} left_out
 * @param {string} stretch what it is about, in words: "what is on screen, 12:05:10 to 12:08:24"
 */
export function stacks_sheet_open(found, left_out, stretch) {
	const sheet = by_id("sheet", HTMLDialogElement);
	if (sheet.open)
		return;
	const title = element("h2", "", "How whole the stacks are");
	title.id = "sheet-title";
	const close = element("button", "button", "Close", element("kbd", "", "Esc"));
	close.type = "button";
	close.addEventListener("click", () => sheet.close());
	const { stacks, complete } = found;
	const lead = element("p", "lead",
		"A stack is the functions that called one another when a sample was taken. ",
		...stacks ? [element("b", "", `${complete_text(complete, stacks)} of ${count_text(stacks)}`),
			" reach the thread's first function."] : ["There are none here."],
		stacks > complete ? " The others end early: in the graph they stand beside main, not under it." : "",
		` Counted: ${stretch}.`);
	sheet.replaceChildren(element("header", "", title, close), lead,
		...found.reasons.length ? [reasons_table(found)] : [],
		...found.processes.length ? [element("h3", "", "Processes with most of them"),
			processes_table(found)] : [],
		...left_out_part(left_out));
	sheet.showModal();
}
