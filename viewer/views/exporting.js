/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stretch that is shown, to the browser's downloads: the graph as a picture, what ran in the formats of
 * other programs, or the page itself with the data in it. Made by the page, which may have no agent.
 */

import { folded_write, pprof_write, speedscope_write } from "model/exports";
import { name_shade } from "views/colors";
import { by_id, element } from "views/elements";
import { FlameGraph, row_height } from "views/flame_graph";
import { menu_open } from "views/menu";
import { name_shorten } from "views/names";
import { ranges_hull, ranges_span, ranges_text } from "views/ranges";
import { give, stamp_text } from "views/saving";
import * as wire from "wire";

/** @typedef {import("model/exports").ExportFacts} ExportFacts */

const padding = 16, title_height = 30;

/** @param {string} text */
function markup_escape(text) {
	return text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`)
		.replace(/[^\u0009\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "?");
}

/** The same graph with all of its rows, on a canvas of its own. @param {FlameGraph} graph */
function graph_copy(graph) {
	const copy = new FlameGraph({ scroller: element("div", ""), space: element("div", ""), canvas: element("canvas", ""),
		words: element("p", "") }, graph.events);
	const { tokens, shades, change_shades, fonts, cpus_of_rate, width, flipped, by_name, modules, zooms, zoom_at, is_hit } = graph;
	Object.assign(copy, { tokens, shades, change_shades, fonts, cpus_of_rate, width, flipped, by_name, modules,
		zooms: [...zooms], zoom_at, view_height: 1 });
	copy.tree_show(graph.tree);
	copy.is_hit = is_hit;
	copy.paint(0);
	/* Now the rows are known. */
	copy.view_height = copy.height;
	copy.stale = true;
	copy.paint(0);
	return copy;
}

/** @param {FlameGraph} graph @param {string} title @returns {Promise<Blob>} */
async function png_make(graph, title) {
	const copy = graph_copy(graph);
	const { canvas, tokens, fonts } = copy;
	const scale = devicePixelRatio;
	const picture = element("canvas", "");
	picture.width = canvas.width;
	picture.height = canvas.height + title_height * scale;
	const context = /** @type {CanvasRenderingContext2D} */ (picture.getContext("2d"));
	context.fillStyle = tokens?.surface ?? "#fff";
	context.fillRect(0, 0, picture.width, picture.height);
	context.drawImage(canvas, 0, title_height * scale);
	context.scale(scale, scale);
	context.font = fonts?.plain ?? "12px sans-serif";
	context.fillStyle = tokens?.ink ?? "#000";
	context.fillText(title, padding, 19);
	return new Promise((resolve, reject) => picture.toBlob((blob) => (blob ? resolve(blob)
		: reject(new Error("the picture is too large"))), "image/png"));
}

/** @param {FlameGraph} graph @param {string} title */
export function svg_make(graph, title) {
	const copy = graph_copy(graph);
	const { rects, tree, tokens, shades, width, height } = copy;
	const family = getComputedStyle(document.body).fontFamily;
	const parts = rects.map((rect) => {
		const { node, x0, x1 } = rect;
		const y = title_height + copy.row_top(rect.depth);
		const name = node < 0 || !tree ? `${rect.small} small` : tree.name(node);
		const kind = node < 0 || !tree ? 0 : tree.kind(node);
		const shade = node < 0 || !tree ? shades.process : copy.shade_of(tree, node);
		const fill = shade.plain[kind ? name_shade(name) : 3];
		const style = kind === wire.WIRE_FRAME_INLINED ? ' font-style="italic"' : !kind ? ' font-weight="600"' : "";
		const label = copy.text.fit(copy.fonts?.plain ?? "", name_shorten(name), x1 - x0 - 11);
		const words = node < 0 ? name : copy.rect_words(rect);
		return `<g><title>${markup_escape(words)}</title><rect x="${padding + x0}" y="${y}" width="${Math.max(1, x1 - x0 - 1)}" height="${
			row_height - 1}" fill="${fill}"/>${label ? `<text x="${padding + x0 + 5}" y="${y + 13}"${style}>${
			markup_escape(label)}</text>` : ""}</g>`;
	});
	const [all_width, all_height] = [width + 2 * padding, height + title_height];
	return `<svg xmlns="http://www.w3.org/2000/svg" width="${all_width}" height="${all_height}" viewBox="0 0 ${all_width} ${all_height}" font-family="${
		markup_escape(family)}" font-size="12" fill="${tokens?.["frame-ink"] ?? "#000"}"><rect width="100%" height="100%" fill="${
		tokens?.surface ?? "#fff"}"/><text x="${padding}" y="19" fill="${tokens?.ink ?? "#000"}">${markup_escape(title)}</text>${parts.join("\n")}</svg>\n`;
}

/** @param {Uint8Array} bytes */
function base64(bytes) {
	let text = "";
	for (let at = 0; at < bytes.length; at += 0x8000)
		text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
	return btoa(text);
}

/** Where something belongs in the page: not to be found in it by its own script. @param {string} name */
function place(name) {
	return `@${name}@`;
}

/**
 * The page with the capture in it, as `flickerscope convert --to html` writes it.
 * @param {Blob} capture
 * @param {string} name
 */
async function html_make(capture, name) {
	const answer = await fetch(new URL("export.html", location.href));
	if (!answer.ok)
		throw new Error("there is no page to put it into");
	const nonce = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
	const [page, data] = await Promise.all([answer.text(), capture.arrayBuffer()]);
	return new Blob([page.replaceAll(place("NONCE"), nonce).replace(place("NAME"), base64(new TextEncoder().encode(name)))
		.replace(place("CAPTURE"), () => base64(new Uint8Array(data)))], { type: "text/html" });
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function gzip(bytes) {
	return new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).blob();
}

/**
 * @typedef {object} Exporting
 * @property {FlameGraph} graph
 * @property {ExportFacts} facts
 * @property {(facts: ExportFacts) => Uint8Array<ArrayBuffer>} pprof
 * @property {string} stem of the file's name
 * @property {(() => Promise<Blob>) | null} capture of the stretch; null: nobody holds one
 * @property {boolean} whole whether that is all of the file that was opened
 * @property {boolean} repeated whether the stretch is several: then a capture is from the first to the last
 * @property {(problem: string) => void} fail
 */

/** The stretch that the page shows. @param {HTMLElement} button @param {import("app").Page} page */
export function export_menu_open(button, page) {
	const { source, connection } = page;
	const ranges = page.graph_ranges();
	const { event_kind_is_time, host } = source.facts();
	const start_us = source.to_wall_us(ranges[0].start_us);
	const [{ from_us, to_us }] = source.timeline([ranges_hull(ranges)]);
	const tree_of = (/** @type {boolean} */ weighed) => page.graph_tree(source.tree_build(ranges, { weighed }));
	menu_show(button, { graph: page.graph, pprof: (facts) => pprof_write(tree_of(true), facts, tree_of(false).self),
		facts: { period_ns: event_kind_is_time && page.graph.tree?.period_ns || 0, start_us, span_us: ranges_span(ranges),
			title: `${host || "CPU profile"}, ${new Date(start_us / 1000).toISOString().slice(0, 23).replace("T", " ")} UTC, ${ranges_text(ranges)}` },
		stem: `flickerscope-${host || "capture"}-${stamp_text(start_us)}`,
		whole: connection.remote !== null, repeated: ranges.length > 1,
		capture: connection.can_save() ? () => connection.capture({ from_us, to_us }, () => {}) : null,
		fail: (problem) => connection.say(problem) });
}

/** @param {HTMLElement} button @param {Exporting} exporting */
function menu_show(button, { graph, facts, pprof, stem, capture, whole, repeated, fail }) {
	const { tree } = graph;
	const text = (/** @type {string} */ content) => async () => new Blob([content], { type: "text/plain" });
	const item = (/** @type {string} */ label, /** @type {string} */ ending, /** @type {() => Promise<Blob>} */ make) => ({
		label, key: ending, act: async () => {
			try {
				give(await make(), `${stem}.${ending}`);
			} catch (error) {
				fail(`Nothing was saved: ${error instanceof Error ? error.message : "it failed"}.`);
			}
		} });
	const { left, bottom } = button.getBoundingClientRect();
	const picture = item("Picture of the graph", "png", () => png_make(graph, facts.title));
	menu_open("Export what is shown", !tree || !tree.total[0]
		? [{ label: "Nothing ran in this stretch", act: () => by_id("map-focus", HTMLCanvasElement).focus() }]
		/* A difference has no format of others. */
		: "change" in tree ? [picture] : [picture,
		item("Drawing of the graph", "svg", () => text(svg_make(graph, facts.title))()),
		null,
		item("Stacks, folded: flamegraph.pl", "folded", () => text(folded_write(tree))()),
		item("pprof: go tool pprof", "pb.gz", () => gzip(pprof(facts))),
		item("speedscope", "speedscope.json", () => text(speedscope_write(tree, facts))()),
		...capture ? [null, item(`This page with ${whole ? "the whole file" : repeated ? "all from first to last" : "the data"} in it`, "html", async () => html_make(await capture(), `${stem}.flk`)),
			item(whole ? "The file itself" : `Capture${repeated ? " from first to last" : ""}: flickerscope view`, "flk", capture)] : [],
	], { x: left, y: bottom + 4 });
}
