/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every colour that is painted on a canvas: the tables of the heat map, the frames by kind, and
 * the page's own colours as the style sheet resolves them. Pure but for tokens_read().
 */

import * as wire from "wire";

/** @typedef {"light" | "dark"} Theme */

/** CPUs busy at 0, 1/8 ... 8/8 of the CPUs; between them a line in OKLab. */
const heat_stops = {
	light: ["#FFFFFF", "#FEECCC", "#FFCB8A", "#FE994D", "#ED673B", "#D24244", "#AB2B50",
		"#781F53", "#34133E"],
	dark: ["#131519", "#301E40", "#73245A", "#A62F54", "#CB4847", "#E56B3D", "#F59A47",
		"#FACD79", "#FFF5C3"],
};

/** One thread alone, a CPU busy at 0, 1/3, 2/3 and 1. */
const single_stops = {
	light: ["#FFFFFF", "#DCE9FA", "#9CC3F0", "#458AD5"],
	dark: ["#131519", "#172C47", "#235283", "#3F80C4"],
};

/** The colour of one thread that keeps a CPU busy. @param {Theme} theme */
export function single_color(theme) {
	return single_stops[theme][3];
}

/** Much less, less, a little less than before, as before, a little more, more, much more. */
const change_stops = {
	light: ["#5B9FE3", "#94C0EE", "#C6DDF4", "#E4E6EA", "#FBD9B9", "#F7B67C", "#EE9146"],
	dark: ["#3571B0", "#2C5A8B", "#25425F", "#31353C", "#5C3F27", "#8A552A", "#C0722F"],
};
/** The line around the part of a branch that is gone. */
const change_lines = { light: "#3A7FCA", dark: "#4E93D8" };
/** How many times more or less makes the second and the third step. */
const change_steps = [3, 8];

/** OKLCH of each kind of frame, [lightness, chroma, hue]; "process" is the level above them. */
const frame_lch = {
	light: {
		process: [0.925, 0.004, 260],
		[wire.WIRE_FRAME_PROGRAM]: [0.925, 0.090, 92],
		[wire.WIRE_FRAME_LIBRARY]: [0.785, 0.075, 294],
		[wire.WIRE_FRAME_INLINED]: [0.925, 0.045, 210],
		[wire.WIRE_FRAME_JIT]: [0.765, 0.080, 162],
		[wire.WIRE_FRAME_KERNEL]: [0.765, 0.105, 55],
		[wire.WIRE_FRAME_UNRESOLVED]: [0.845, 0.010, 260],
	},
	dark: {
		process: [0.300, 0.006, 260],
		[wire.WIRE_FRAME_PROGRAM]: [0.530, 0.097, 84],
		[wire.WIRE_FRAME_LIBRARY]: [0.430, 0.108, 300],
		[wire.WIRE_FRAME_INLINED]: [0.507, 0.070, 207],
		[wire.WIRE_FRAME_JIT]: [0.388, 0.054, 172],
		[wire.WIRE_FRAME_KERNEL]: [0.425, 0.092, 44],
		[wire.WIRE_FRAME_UNRESOLVED]: [0.385, 0.010, 260],
	},
};

/** Modules: lightness and chroma, and hues. */
const module_lc = { light: [0.845, 0.085], dark: [0.43, 0.085] };
const module_hues = [250, 70, 150, 330, 30, 200, 110, 290, 0, 175, 50, 225];

/** How far the lightness of a frame may vary with its name. */
const shade_span = { light: 0.020, dark: 0.012 };

/** How much of frames and cells without a hit of the search is left: the rest is surface. */
const faded_part = { frame: 0.3, cell: 0.15 };
/** Steps of the colours below which a cell with a hit is not painted, however little ran in it: so it differs from any without one. */
export const hit_step_least = { color: 64, single: 128 };

const shade_count = 7;
const heat_size = 256;

/** The style sheet's colours that canvases use; see style.css. */
const token_names = /** @type {const} */ ([
	"bg", "surface", "sunken", "line", "line2", "control", "ink", "ink2", "ink3", "accent",
	"on-accent", "accent-line", "warn", "frame-ink",
]);

/** @typedef {Record<typeof token_names[number], string>} Tokens */

/** @param {number} value */
function channel_to_linear(value) {
	const v = value / 255;
	return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
}

/** @param {number} value */
function channel_from_linear(value) {
	const v = Math.min(1, Math.max(0, value));
	return Math.round(255 * (v <= 0.0031308 ? v * 12.92 : 1.055 * v ** (1 / 2.4) - 0.055));
}

/**
 * @param {string} hex
 * @returns {[number, number, number]} sRGB, 0 to 255
 */
export function hex_to_rgb(hex) {
	const n = parseInt(hex.slice(1), 16);
	return [n >> 16, (n >> 8) & 255, n & 255];
}

/**
 * Björn Ottosson, "A perceptual color space for image processing" (2020).
 * @param {[number, number, number]} rgb
 * @returns {[number, number, number]}
 */
export function rgb_to_oklab(rgb) {
	const [r, g, b] = rgb.map(channel_to_linear);
	const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
	const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
	const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
	return [
		0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
		1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
		0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s,
	];
}

/**
 * @param {number} lightness
 * @param {number} a
 * @param {number} b
 * @returns {[number, number, number]} sRGB, clamped to the gamut
 */
function oklab_to_rgb(lightness, a, b) {
	const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
	const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
	const s = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3;
	return [
		channel_from_linear(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
		channel_from_linear(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
		channel_from_linear(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s),
	];
}

/** @param {[number, number, number]} rgb */
function rgb_luminance(rgb) {
	const [r, g, b] = rgb.map(channel_to_linear);
	return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** @param {number[]} rgb */
function rgb_to_css(rgb) {
	return `rgb(${rgb[0]} ${rgb[1]} ${rgb[2]})`;
}

/**
 * As ImageData wants it, on the little-endian machines that browsers run on.
 * @param {number[]} rgb
 */
function rgb_to_pixel(rgb) {
	return ((255 << 24) | (rgb[2] << 16) | (rgb[1] << 8) | rgb[0]) >>> 0;
}

/**
 * Any colour that getComputedStyle gives ("rgb(1, 2, 3)") as a pixel.
 * @param {string} css
 */
export function css_to_pixel(css) {
	const parts = css.match(/[\d.]+/g) ?? [];
	return rgb_to_pixel(parts.slice(0, 3).map(Number));
}

/** @param {string[]} hex_stops */
function rgb_table_make(hex_stops) {
	const stops = hex_stops.map((hex) => rgb_to_oklab(hex_to_rgb(hex)));
	const table = [];
	for (let i = 0; i < heat_size; i++) {
		const at = (i / (heat_size - 1)) * (stops.length - 1);
		const from = Math.min(stops.length - 2, Math.floor(at));
		const part = at - from;
		const [l, a, b] = stops[from].map((v, k) => v + (stops[from + 1][k] - v) * part);
		table.push(oklab_to_rgb(l, a, b));
	}
	return table;
}

/**
 * The tables of one theme: pixels for 256 steps of CPUs busy, in colour and, for the cells
 * without a hit of a search, without chroma and nearly as the surface.
 * @param {Theme} theme
 */
export function heat_tables_make(theme) {
	const table = rgb_table_make(heat_stops[theme]);
	const color = new Uint32Array(heat_size);
	const grey = new Uint32Array(heat_size);
	table.forEach((rgb, i) => {
		const g = channel_from_linear(rgb_luminance(rgb));
		color[i] = rgb_to_pixel(rgb);
		grey[i] = rgb_to_pixel(rgb_mix([g, g, g], hex_to_rgb(heat_stops[theme][0]), 1 - faded_part.cell));
	});
	return { color, grey, single: Uint32Array.from(rgb_table_make(single_stops[theme]), rgb_to_pixel) };
}

/**
 * The legend's swatches: background and the text that can be read on it.
 * @param {Theme} theme
 */
export function heat_swatches(theme) {
	return heat_stops[theme].map((hex) => ({ background: hex, ink: ink_on(hex) }));
}

/** The colour of text that is easier to read on a background. @param {string} hex */
function ink_on(hex) {
	const y = rgb_luminance(hex_to_rgb(hex));
	return (y + 0.05) / 0.05 > 1.05 / (y + 0.05) ? "#000" : "#fff";
}

/**
 * How a change is painted.
 * @param {Theme} theme
 */
export function change_shades_make(theme) {
	const surface = hex_to_rgb(heat_stops[theme][0]);
	const steps = change_stops[theme].map((hex) => ({ fill: hex, ink: ink_on(hex),
		faded: rgb_to_css(rgb_mix(hex_to_rgb(hex), surface, 1 - faded_part.frame)) }));
	return {
		steps,
		line: change_lines[theme],
		/** @param {number} times as much as before @param {boolean} by_chance */
		of: (times, by_chance) => {
			if (by_chance || times === 1)
				return steps[3];
			const ratio = times > 1 ? times : 1 / times;
			const step = 1 + change_steps.filter((least) => ratio >= least).length;
			return steps[times > 1 ? 3 + step : 3 - step];
		},
	};
}

/**
 * A name's place among the shades of its kind, 0 to 1: FNV-1a with a final mix (MurmurHash3's),
 * since the last letters alone hardly reach the upper bits.
 * @param {string} name
 */
export function name_hash(name) {
	let h = 0x811c9dc5;
	for (let i = 0; i < name.length; i++)
		h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
	h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
	h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
	return ((h ^ (h >>> 16)) >>> 0) / 0xffffffff;
}

/**
 * @param {number[]} rgb
 * @param {number[]} towards
 * @param {number} part 0 to 1
 */
function rgb_mix(rgb, towards, part) {
	return rgb.map((v, i) => Math.round(v + (towards[i] - v) * part));
}

/**
 * Seven shades of each kind of frame, as they are and faded (no hit of the search).
 * @param {Theme} theme
 */
export function frame_shades_make(theme) {
	const surface = hex_to_rgb(heat_stops[theme][0]);
	/** @type {Record<string, { plain: string[], faded: string[] }>} */
	const shades = {};
	for (const [kind, lch] of Object.entries(frame_lch[theme]))
		shades[kind] = shades_of(lch, kind === "process" ? 0 : shade_span[theme], surface);
	return shades;
}

/**
 * @param {number[]} lch
 * @param {number} span of lightness
 * @param {number[]} surface
 */
function shades_of([lightness, chroma, hue], span, surface) {
	const plain = [], faded = [];
	const angle = (hue * Math.PI) / 180;
	for (let i = 0; i < shade_count; i++) {
		const l = lightness + (span * (i - 3)) / 3;
		const rgb = oklab_to_rgb(l, chroma * Math.cos(angle), chroma * Math.sin(angle));
		plain.push(rgb_to_css(rgb));
		faded.push(rgb_to_css(rgb_mix(rgb, surface, 1 - faded_part.frame)));
	}
	return { plain, faded };
}

/**
 * The same for modules: hues far from one another first.
 * @param {Theme} theme
 */
export function module_shades_make(theme) {
	const surface = hex_to_rgb(heat_stops[theme][0]);
	const [lightness, chroma] = module_lc[theme];
	return module_hues.map((hue) => shades_of([lightness, chroma, hue], shade_span[theme], surface));
}

/** @param {string} name */
export function name_shade(name) {
	return 3 + Math.round(3 * (2 * name_hash(name) - 1));
}

/**
 * The page's colours in the theme that shows now. A probe resolves them, because custom properties
 * come back unresolved.
 * @returns {Tokens}
 */
export function tokens_read() {
	const probe = document.createElement("span");
	probe.className = "probe";
	document.body.append(probe);
	/** @type {Record<string, string>} */
	const tokens = {};
	for (const name of token_names) {
		probe.style.color = `var(--${name})`;
		tokens[name] = getComputedStyle(probe).color;
	}
	probe.remove();
	return /** @type {Tokens} */ (tokens);
}
