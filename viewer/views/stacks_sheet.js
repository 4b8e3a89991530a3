/* SPDX-License-Identifier: Apache-2.0 */
/* The sheet behind "stacks … complete": how many reach their first function, why others do not, what to do. */

import { completeness } from "model/completeness";
import { element } from "views/elements";
import { complete_text, count_text } from "views/format";
import { name_escape } from "views/names";
import { sheet_open } from "views/sheet";
import * as wire from "wire";

/** @typedef {import("model/completeness").Completeness} Completeness */
/** @typedef {import("model/completeness").Reason} Reason */

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

const more_files = "Let it open more: `LimitNOFILE=` of its service, or `ulimit -n`.";

/**
 * What the agent sheds or puts off, by enum wire_counter. Lost samples stand in the first row and on the map.
 * @type {Record<number, { title: string, text: string }>}
 */
export const shed_words = {
	[wire.WIRE_COUNTER_UNWIND_NO_ROOM]: { title: "Unwind tables, which tell who called a function",
		text: "All the room was in use: stacks through those files end early. Give the agent more with `--memory`." },
	[wire.WIRE_COUNTER_UNWIND_EVICTED]: { title: "Unwind tables that made room for others",
		text: "They are made again when their files are sampled again. Give the agent more with `--memory`." },
	[wire.WIRE_COUNTER_UNWIND_FAILED]: { title: "Files that do not tell who called a function",
		text: "They were gone, or what they hold could not be understood: stacks through them end early." },
	[wire.WIRE_COUNTER_NAMES_EVICTED]: { title: "Files whose names made room",
		text: "They are read again when they are sampled again. Give the agent more with `--memory`." },
	[wire.WIRE_COUNTER_NAMES_LEFT_OUT]: { title: "Functions' names",
		text: "A file has more functions than are kept, or it was gone before it could be read: they stay " +
			"`file+0x1234`." },
	[wire.WIRE_COUNTER_LINES_LEFT_OUT]: { title: "Pieces of debug information",
		text: "They are too large, or there is no room for them: their code goes without lines and inlined " +
			"functions." },
	[wire.WIRE_COUNTER_PARSE_FAILED]: { title: "Files and lists of processes that could not be read",
		text: "They were damaged, or gone too soon: functions there may be without names." },
	[wire.WIRE_COUNTER_READS_DEFERRED]: { title: "Files and processes that were read late",
		text: "Too many came at once, or the agent had as many files open as it may, or no memory. They are tried again; until then " +
			`their functions have no names and their stacks may end early. ${more_files}` },
	[wire.WIRE_COUNTER_ACCEPTS_DEFERRED]: { title: "Times that new pages had to wait",
		text: `The agent had as many files and connections open as it may, and lets them in a second later. ${more_files}` },
	[wire.WIRE_COUNTER_LOST_SIDE_BAND]: { title: "Messages about processes",
		text: "The kernel had more to tell of starts, ends and loaded files than its buffer holds: those processes are read anew." },
	[wire.WIRE_COUNTER_FILE_LOST_BYTES]: { title: "Bytes of the recording",
		text: "The disk was full or too slow: the file is without them." },
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

/** @param {(counter: number) => number} total since the agent's start @returns {Node[]} nothing when nothing is */
function shed_part(total) {
	const counters = Object.keys(shed_words).map(Number).filter(total);
	return counters.length ? [
		element("h3", "", "Left out or put off by the agent since its start"),
		table(["What, and why", "Count"],
			counters.map((counter) => [titled_words(shed_words[counter]), count_text(total(counter))]), "reasons shed"),
	] : [];
}

/**
 * @param {import("model/profile").Profile} profile
 * @param {import("model/call_tree").Range[]} ranges
 * @param {string} stretch what it is about, in words: "what is on screen, 12:05:10 to 12:08:24"
 */
export function stacks_sheet_open(profile, ranges, stretch) {
	const found = completeness(profile, ranges);
	const { stacks, complete } = found;
	const lead = element("p", "lead",
		"A stack is the functions that called one another when a sample was taken. ",
		...stacks ? [element("b", "", `${complete_text(complete, stacks)} of ${count_text(stacks)}`),
			" reach the thread's first function."] : ["There are none here."],
		stacks > complete ? " The others end early: in the graph they stand beside main, not under it." : "",
		` Counted: ${stretch}.`);
	sheet_open("How whole the stacks are", () => [lead,
		...found.reasons.length ? [reasons_table(found)] : [],
		...found.processes.length ? [element("h3", "", "Processes with most of them"),
			processes_table(found)] : [],
		...shed_part((counter) => profile.counters.latest(counter))]);
}
