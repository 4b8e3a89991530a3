/* SPDX-License-Identifier: Apache-2.0 */
/* What the cards say about a cell of the map and about a frame of the graph. */

import { element, emphasized } from "views/elements";
import { clock_text, count_text, cpus_text, share_text } from "views/format";
import { kind_name } from "views/graph_panel";
import { card_row } from "views/hover_card";
import { name_escape, name_shorten } from "views/names";
import * as wire from "wire";

/** @typedef {import("views/flame_graph").Shades} Shades */

/**
 * @typedef {object} CellSummary
 * @property {number} samples that fell into the cell
 * @property {number | null} cpus_busy null: the event does not say
 * @property {number} cpu_count
 * @property {{ name: string, kind: number, process: string, samples: number }[]} top functions,
 * most samples first
 * @property {{ lost: number, reason: string, whole: boolean } | null} gap when data
 * is missing in the cell; whole: nothing at all is known of it
 */

/** @param {number} ms */
function ms_text(ms) {
	return String(Number(ms.toFixed(1)));
}

/** @param {number} samples */
function samples_text(samples) {
	return `${count_text(samples)} sample${samples === 1 ? "" : "s"}`;
}

/**
 * @param {number | null} wall_us of the cell's second
 * @param {{ start_us: number, end_us: number }} offset within the second
 * @param {CellSummary | null} summary null: nothing is known there
 * @param {Shades} shades
 * @param {string} hint what can be done here
 * @returns {Node[]}
 */
export function cell_card(wall_us, offset, summary, shades, hint) {
	const title = element("div", "title", element("b", "", wall_us === null ? "" : clock_text(wall_us)),
		` from ${ms_text(offset.start_us / 1000)} to ${ms_text(offset.end_us / 1000)} ms`);
	if (!summary)
		return [title, element("div", "", "Nothing is known of this moment.")];
	const { samples, cpus_busy, cpu_count, top, gap } = summary;
	if (gap?.whole)
		return [title, element("div", "", element("b", "", "No data"), `: ${gap.reason}.`),
			...gap.lost ? [element("div", "dim", `${samples_text(gap.lost)} were lost in all.`)] : []];
	const busy = cpus_busy === null ? [samples_text(samples)] :
		["", `${cpus_text(cpus_busy)} of ${cpu_count} CPU${cpu_count === 1 ? "" : "s"} busy`,
			` ${samples_text(samples)}`];
	/** @type {Node[]} */
	const parts = [title, element("div", "", ...emphasized(busy))];
	if (gap) {
		parts.push(element("div", "dim", gap.lost
			? `${samples_text(gap.lost)} lost around here: ${gap.reason}.`
			: `No data in a part of it: ${gap.reason}.`));
	}
	if (top.length) {
		parts.push(element("hr", ""));
		for (const { name, kind, process, samples: part } of top) {
			parts.push(card_row({ color: shades[kind]?.plain[3] ?? shades.process.plain[3],
				name: name_shorten(name), inlined: kind === wire.WIRE_FRAME_INLINED,
				process: name_escape(process), share: share_text(part, samples) }));
		}
	} else if (!samples) {
		parts.push(element("div", "dim", "No sample fell into this cell."));
	}
	return [...parts, element("div", "dim", hint)];
}

/**
 * The same in one line, for those who don't see the card.
 * @param {CellSummary | null} summary
 */
export function cell_words(summary) {
	if (!summary)
		return "nothing is known";
	const { samples, cpus_busy, top, gap } = summary;
	if (gap?.whole)
		return `no data, ${gap.reason}`;
	return (cpus_busy === null ? "" : `${cpus_text(cpus_busy)} CPUs busy, `) + samples_text(samples) +
		(top.length ? `, mostly ${name_shorten(top[0].name)}` : "");
}

/**
 * @typedef {object} FrameFacts
 * @property {string} name
 * @property {number} kind 0: a process or everything
 * @property {string} process
 * @property {string} module
 * @property {import("model/call_tree").SourceLine[]} lines most samples first
 * @property {number} self
 * @property {number} total
 */

/**
 * What a frame is and where.
 * @param {FrameFacts} facts
 * @returns {Node[]}
 */
function frame_head(facts) {
	const { name, kind, process, module } = facts;
	const place = [process, kind ? kind_name(kind) : "", module].filter(Boolean).map(name_escape);
	const title = element("div", "title", element("b", "", name_escape(name)));
	return [title, ...kind ? [element("div", "dim", place.join(", "))] : [], ...source_rows(facts)];
}

/** Lines of a function that its card names. */
const lines_max = 3;

/**
 * Where in the source a function was: "a/b.c:12", with shares when it was at several lines.
 * @param {FrameFacts} facts
 * @returns {Node[]}
 */
function source_rows({ lines, total }) {
	const rows = lines.slice(0, lines_max).map(({ file, line, samples }) => {
		const place = name_escape(file) + (line ? `:${line}` : "");
		return element("div", "dim", lines.length > 1 ? `${place}, ${share_text(samples, total)}` : place);
	});
	if (lines.length > lines_max) {
		const others = lines.length - lines_max;
		rows.push(element("div", "dim", `and ${others} other line${others === 1 ? "" : "s"}`));
	}
	return rows;
}

/**
 * @param {FrameFacts} facts
 * @param {number} all samples of the stretch
 * @param {number | null} zoom samples of what is shown of it; null: all
 * @returns {Node[]}
 */
export function frame_card(facts, all, zoom) {
	const { self, total } = facts;
	const parts = frame_head(facts);
	parts.push(element("hr", ""));
	const row = (/** @type {string} */ label, /** @type {number} */ samples) => {
		const cells = [label, count_text(samples), share_text(samples, all)];
		if (zoom !== null)
			cells.push(share_text(samples, zoom));
		return element("tr", "", ...cells.map((text, i) =>
			element("td", "", i === 2 ? element("b", "", text) : text)));
	};
	const heads = ["", "samples", "of all", ...(zoom === null ? [] : ["of what is shown"])];
	parts.push(element("table", "", element("tr", "dim", ...heads.map((head) => element("td", "", head))),
		row("total", total), row("self", self)));
	parts.push(element("div", "dim", "Total: in it and all that it called. Self: in itself."));
	return parts;
}

/**
 * A block of frames too narrow to be drawn.
 * @param {number} count
 * @param {number} samples
 * @param {number} all
 * @returns {Node[]}
 */
export function small_card(count, samples, all) {
	return [element("div", "title", element("b", "", `${count} small ones`)),
		element("div", "", `${samples_text(samples)}, ${share_text(samples, all)} together.`),
		element("div", "dim", "Click to widen them.")];
}

/** What the certainty of a change means. */
export const certainty_words = /** @type {const} */ ({ certain: "Certain", likely: "Likely",
	chance: "May be chance" });

/**
 * A frame of a comparison.
 * @param {FrameFacts} facts
 * @param {{ self: [number, number], total: [number, number], samples: number, expected: number,
 * certainty: keyof typeof certainty_words }} change CPUs before and now
 * @returns {Node[]}
 */
export function change_card(facts, change) {
	const parts = frame_head(facts);
	const row = (/** @type {string} */ label, /** @type {[number, number]} */ [before, now]) =>
		element("tr", "", element("td", "", label), element("td", "", `${cpus_text(before)} → `,
			element("b", "", `${cpus_text(now)} CPUs`)));
	parts.push(element("hr", ""), element("table", "", row("total", change.total), row("self", change.self)),
		element("div", "", element("b", "", `${certainty_words[change.certainty]}.`),
			` ${samples_text(change.samples)}; as much as before would have been ${
				change.expected < 9.95 ? change.expected.toFixed(1) : count_text(change.expected)}.`));
	return parts;
}
