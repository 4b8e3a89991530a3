/* SPDX-License-Identifier: Apache-2.0 */
/* What the colours of the map mean: nine swatches with numbers, and the hatching. */

import { heat_swatches } from "views/colors";
import { by_id, element } from "views/elements";
import { cpus_text } from "views/format";

/** @typedef {import("views/colors").Theme} Theme */

let shown = "";

/**
 * @param {Theme} theme
 * @param {number} cpu_count
 * @param {boolean} known whether anything is known of the host yet
 * @param {{ share?: (part: number) => number, single?: string }} [scale] share of the CPUs by part of the colours; single: the
 * colour of one thread alone, where it is shown
 */
export function legend_show(theme, cpu_count, known, { share = (part) => part, single = "" } = {}) {
	const key = `${theme} ${cpu_count} ${known} ${share(0.5)} ${share(1)} ${single}`;
	if (key === shown)
		return;
	shown = key;
	const legend = by_id("legend", HTMLElement);
	legend.hidden = !known;
	const swatches = element("span", "swatches");
	swatches.setAttribute("role", "img");
	swatches.setAttribute("aria-label", `from 0 to ${cpu_count} CPUs busy`);
	const colors = heat_swatches(theme);
	colors.forEach(({ background, ink }, i) => {
		const cpus = cpu_count * share(i / (colors.length - 1));
		/* Parts of a CPU are named in the middle and at the end only: else the numbers would not fit. */
		const named = Number.isInteger(cpus) || i === 4 || i === 8;
		const swatch = element("i", "", named ? String(Number(cpus.toFixed(cpus < 9.95 ? 1 : 0))) : "");
		swatch.style.background = background;
		swatch.style.color = ink;
		swatch.title = `${cpus_text(cpus)} of ${cpu_count} CPUs busy`;
		swatches.append(swatch);
	});
	const alone = element("i", "alone");
	alone.style.background = single;
	legend.replaceChildren("CPUs busy", swatches, ...single ? [element("span", "", alone, "one thread only")] : [],
		element("span", "", element("i", "hatch"), "no data"));
}

/**
 * What the colours of a comparison mean.
 * @param {HTMLElement} legend
 * @param {ReturnType<typeof import("views/colors").change_shades_make>} shades
 */
export function change_legend_show(legend, shades) {
	const steps = element("span", "steps");
	for (const { fill } of shades.steps) {
		const swatch = element("i", "");
		swatch.style.background = fill;
		steps.append(swatch);
	}
	document.documentElement.style.setProperty("--gone", shades.line);
	document.documentElement.style.setProperty("--more", shades.steps[6].fill);
	document.documentElement.style.setProperty("--less", shades.steps[0].fill);
	legend.replaceChildren(element("span", "", element("i", "gone"), "part that is gone"),
		element("span", "", "less", steps, "more"),
		element("span", "give-way", "grey: may be chance"));
}
