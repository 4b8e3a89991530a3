/* SPDX-License-Identifier: Apache-2.0 */
/* The sheet behind "?": five pictures of what a map may show, the keys, and the terms. */

import { heat_tables_make } from "views/colors";
import { element } from "views/elements";
import { sheet_open } from "views/sheet";

/** @typedef {import("views/colors").Theme} Theme */

const columns = 24, rows = 16, cell_px = 4;

/**
 * A picture of CPUs busy, 0 to 1, by column and row from the bottom; "gap" is no heat, "alone" one thread's.
 * @typedef {(x: number, y: number, noise: number) => number | "gap" | "alone"} Picture
 */

/** @type {{ title: string, text: string, picture: Picture }[]} */
const patterns = [
	{ title: "Spike", text: "Many CPUs at once, for a moment. Click its mark above the map, or drag over it.",
		picture: (x, y, noise) => (x > 12 && x < 15 && y > 4 && y < 10 ? 0.9 : noise * 0.3) },
	{ title: "Stripe", text: "The same height in every second: work on a timer. Hold Alt and drag along it.",
		picture: (x, y, noise) => (y === 10 || y === 9 ? 0.55 + noise * 0.2 : noise * 0.3) },
	{ title: "Diagonal", text: "A timer a little off one second: it rises when its period is longer.",
		picture: (x, y, noise) => ((x - y + 48) % 18 < 2 ? 0.6 + noise * 0.2 : noise * 0.3) },
	{ title: "One colour, blue", text: "One thread only: the others wait for it, or have nothing to do.",
		picture: (x, y, noise) => (x > 7 && x < 16 ? "alone" : noise * 0.3) },
	{ title: "Hatching", text: "No data: samples were lost, or nothing was sampling. Not the same as idle.",
		picture: (x, y, noise) => (x > 9 && x < 14 ? "gap" : noise * 0.3) },
];

const keys = [
	["Space", "pause, or follow again"],
	["L", "back to the newest second"],
	["Drag", "select a stretch, in either direction"],
	["Click", "select a cell; click elsewhere: from there to here"],
	["Shift+click", "end the selection there"],
	["Shift+drag", "choose what it is compared with"],
	["Alt+drag, E", "the same part of every second shown, of the selection"],
	["Wheel, PgUp, PgDn", "go back and forth in time"],
	["Ctrl+wheel, + −", "wider or narrower seconds"],
	["Alt+wheel, [ ]", "fewer or more rows"],
	["J, Shift+J", "the hottest second; the most unusual moment; again: the next"],
	["M", "magnifier, while it is held"],
	["Ctrl+arrows", "move the selection's end by 1 ms, with Shift its start"],
	["Home, End", "oldest and newest second kept"],
	["Arrows", "move among cells or frames"],
	["Enter", "start and end a selection; zoom"],
	["Shift+arrows", "extend the selection"],
	["Esc", "clear the selection or the search"],
	["/", "find a function"],
	["F", "filter"],
	["Backspace, Alt+←, Alt+→", "back and forward"],
	["C", "who called a frame, and what it called"],
	["Right click, Shift+F10", "what can be done with a frame"],
	["0", "the whole graph"],
	["?", "this sheet"],
];

const terms = [
	["CPUs busy", "how many CPUs were running something, on average over a cell or a stretch"],
	["sample", "one look at one CPU, at the rate in the first row; idle CPUs give none"],
	["stack", "the functions that called one another when a sample was taken, down to the one that ran"],
	["mark", "above the map: up, more CPUs busy than in the minute before; down, fewer; a diamond, other functions"],
	["certain, likely", "chance alone would make a change as large less than once in 10 000 times, or in 100"],
	["on-CPU", "running, not waiting: sleeping threads are not seen here"],
	["total", "time in a function and in all that it called"],
	["self", "time in the function itself"],
	["inlined", "a function that the compiler put into its caller"],
	["unresolved", "running at an address that belongs to no known file"],
];

/** The same noise each time. @param {number} seed */
function noise_make(seed) {
	let state = seed;
	return () => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return state / 2 ** 32;
	};
}

/**
 * @param {Picture} picture
 * @param {Theme} theme
 * @param {string} title
 */
function picture_draw(picture, theme, title) {
	const canvas = element("canvas", "");
	canvas.width = columns * cell_px;
	canvas.height = rows * cell_px;
	canvas.setAttribute("role", "img");
	canvas.setAttribute("aria-label", title);
	const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
	const image = context.createImageData(canvas.width, canvas.height);
	const pixels = new Uint32Array(image.data.buffer);
	const { color, single } = heat_tables_make(theme);
	const [ground, line] = theme === "dark" ? [0xff241e1b, 0xff867972] : [0xfff3f0ee, 0xff91847d];
	const noise = noise_make(7);
	for (let x = 0; x < columns; x++) {
		for (let y = 0; y < rows; y++) {
			const value = picture(x, y, noise());
			for (let dx = 0; dx < cell_px; dx++) {
				for (let dy = 0; dy < cell_px; dy++) {
					const px = x * cell_px + dx;
					const py = (rows - 1 - y) * cell_px + dy;
					const hatched = (px + py) % 5 ? ground : line;
					pixels[py * canvas.width + px] = typeof value === "number"
						? color[Math.round(value * 255)] : value === "alone" ? single[255] : hatched;
				}
			}
		}
	}
	context.putImageData(image, 0, 0);
	return canvas;
}

/** @param {string[][]} pairs @param {string} class_name @param {boolean} as_keys */
function pairs_list(pairs, class_name, as_keys) {
	const list = element("dl", class_name);
	for (const [term, meaning] of pairs) {
		list.append(element("dt", "", as_keys ? element("kbd", "", term) : term),
			element("dd", "", meaning));
	}
	return list;
}

/** @param {Theme} theme */
export function keys_sheet_open(theme) {
	sheet_open("How to read this page", () => [
		element("div", "patterns", ...patterns.map(({ title, text, picture }) =>
			element("div", "", picture_draw(picture, theme, title), element("p", "", element("b", "", title), `. ${text}`)))),
		element("h3", "", "Keys"), pairs_list(keys, "keys", true),
		element("h3", "", "Terms"), pairs_list(terms, "terms", false)]);
}
