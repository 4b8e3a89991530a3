/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws the table in a file of Markdown as an SVG beside it.
 *
 *	node tests/bench/scale/plot.mjs FILE.md...
 *
 * The first column is the x axis. A column's head is "name, unit": those of one unit share a panel. An axis is
 * logarithmic where its numbers differ by more than twentyfold. The picture has a ground of its own, light or dark as the
 * reader's system is, so that it can be read on any page.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const PANEL = { width: 440, plot: 190, left: 62, right: 18, head: 24, legend: 17, foot: 46 };
const COLUMNS = 2, PADDING = 14, TITLE = 50;
const LOG_FROM = 20;
const MARKS = ['circle', 'square', 'diamond', 'triangle'];
const STYLE = `
	text { font: 12px -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif; fill: #474D59; }
	.title { font-size: 14px; font-weight: 600; fill: #15181E; }
	.unit { font-weight: 600; fill: #15181E; }
	.ground { fill: #FFFFFF; stroke: #CDD2DA; }
	.grid { stroke: #E3E6EB; } .axis { stroke: #7D8491; }
	.line { fill: none; stroke-width: 2; }
	.s0 { stroke: #00736D; fill: #00736D; } .s1 { stroke: #B3541E; fill: #B3541E; }
	.s2 { stroke: #3A6FB5; fill: #3A6FB5; } .s3 { stroke: #6B4FA0; fill: #6B4FA0; }
	.line.s0, .line.s1, .line.s2, .line.s3 { fill: none; }
	@media (prefers-color-scheme: dark) {
		text { fill: #B6BCC7; } .title, .unit { fill: #ECEEF2; }
		.ground { fill: #131519; stroke: #3A404A; } .grid { stroke: #262A31; } .axis { stroke: #727986; }
		.s0 { stroke: #45CBBF; fill: #45CBBF; } .s1 { stroke: #F2A057; fill: #F2A057; }
		.s2 { stroke: #6FA8E8; fill: #6FA8E8; } .s3 { stroke: #B49BE8; fill: #B49BE8; }
	}`;

const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
const cells = (line) => line.split('|').slice(1, -1).map((cell) => cell.trim());
const words = (value) => (value >= 1000 ? Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ',') : String(Number(value.toPrecision(3))));

/** @returns {{ title: string, where: string, x: string, rows: number[][], panels: { unit: string, series: { name: string, column: number }[] }[] }} */
function parse(text) {
	const lines = text.split('\n'), table = lines.filter((line) => line.startsWith('|'));
	const [x, ...heads] = cells(table[0]), panels = new Map();
	heads.forEach((head, i) => {
		const at = head.lastIndexOf(', '), unit = head.slice(at + 2);
		if (!panels.has(unit)) panels.set(unit, { unit, series: [] });
		panels.get(unit).series.push({ name: head.slice(0, at), column: i + 1 });
	});
	const [title, where] = lines.filter((line) => line && !line.startsWith('|'));
	return { title: title.slice(2), where, x, panels: [...panels.values()],
		rows: table.slice(2).map((line) => cells(line).map(Number)) };
}

/** Where a value stands, from 0 to 1, and what is written at the axis. */
function scale_of(values, ticks) {
	const most = Math.max(...values), least = Math.min(...values);
	if (least > 0 && most / least > LOG_FROM) {
		const from = ticks ? Math.log10(least) : Math.floor(Math.log10(least)), to = ticks ? Math.log10(most) : Math.ceil(Math.log10(most));
		return { at: (value) => (Math.log10(value) - from) / (to - from),
			ticks: ticks ?? Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i)) };
	}
	const rough = (most || 1) / 4, power = 10 ** Math.floor(Math.log10(rough));
	const step = [1, 2, 2.5, 5, 10].map((times) => times * power).find((each) => each >= rough), end = step * Math.ceil((most || 1) / step - 1e-9);
	return { at: (value) => value / end, ticks: ticks ?? Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step) };
}

function mark(kind, x, y, series) {
	const at = `class="s${series}"`;
	if (kind === 'circle') return `<circle ${at} cx="${x}" cy="${y}" r="3"/>`;
	const path = { square: 'm-3-3h6v6h-6z', diamond: 'm0-4.2 4.2 4.2-4.2 4.2-4.2-4.2z', triangle: 'm0-4 4 7h-8z' }[kind];
	return `<path ${at} d="M${x} ${y}${path}"/>`;
}

function panel(chart, { unit, series }) {
	const { left, right, head, legend, plot, width } = PANEL, top = head + legend * series.length, out = [];
	const x = scale_of(chart.rows.map(([value]) => value), chart.rows.map(([value]) => value));
	const y = scale_of(chart.rows.flatMap((row) => series.map(({ column }) => row[column])));
	const px = (value) => +(left + x.at(value) * (width - left - right)).toFixed(1), py = (value) => +(top + (1 - y.at(value)) * plot).toFixed(1);
	out.push(`<text class="unit" x="4" y="14">${escaped(unit)}</text>`);
	for (const tick of y.ticks)
		out.push(`<path class="grid" d="M${left} ${py(tick)}H${width - right}"/><text x="${left - 8}" y="${py(tick) + 4}" text-anchor="end">${words(tick)}</text>`);
	let free = -Infinity;
	for (const tick of x.ticks) {
		const text = words(tick), at = px(tick), half = text.length * 3.4;
		out.push(`<path class="axis" d="M${at} ${top + plot}v4"/>`);
		if (at - half < free) continue;
		out.push(`<text x="${at}" y="${top + plot + 18}" text-anchor="middle">${text}</text>`);
		free = at + half + 6;
	}
	out.push(`<path class="axis" d="M${left} ${top + plot}H${width - right}"/>`,
		`<text x="${(left + width - right) / 2}" y="${top + plot + 36}" text-anchor="middle">${escaped(chart.x)}</text>`);
	series.forEach(({ name, column }, i) => {
		const points = chart.rows.map((row) => [px(row[0]), py(row[column])]);
		out.push(`<path class="line s${i}" d="M${points.map((point) => point.join(' ')).join('L')}"/>`);
		for (const [at_x, at_y] of points) out.push(mark(MARKS[i], at_x, at_y, i));
		out.push(mark(MARKS[i], left + 6, head + legend * i + 4, i), `<text x="${left + 16}" y="${head + legend * i + 8}">${escaped(name)}</text>`);
	});
	return { height: top + plot + PANEL.foot, svg: out.join('\n') };
}

for (const file of process.argv.slice(2)) {
	const chart = parse(readFileSync(file, 'utf8')), out = [];
	let y = PADDING + TITLE;
	for (let i = 0; i < chart.panels.length; i += COLUMNS) {
		const row = chart.panels.slice(i, i + COLUMNS).map((each) => panel(chart, each)), height = Math.max(...row.map((each) => each.height));
		/* Their x axes stand on one line. */
		row.forEach((each, column) => out.push(`<g transform="translate(${PADDING + column * PANEL.width} ${y + height - each.height})">\n${each.svg}\n</g>`));
		y += height;
	}
	const width = 2 * PADDING + COLUMNS * PANEL.width;
	writeFileSync(file.replace(/\.md$/, '.svg'), `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img">
<!-- SPDX-License-Identifier: Apache-2.0; made by plot.mjs of the table beside it -->
<title>${escaped(chart.title)}</title>
<style>${STYLE}
</style>
<rect class="ground" x="0.5" y="0.5" width="${width - 1}" height="${y - 1}" rx="6"/>
<text class="title" x="${PADDING + 4}" y="${PADDING + 12}">${escaped(chart.title)}</text>
<text x="${PADDING + 4}" y="${PADDING + 30}">${escaped(chart.where)}</text>
${out.join('\n')}
</svg>
`);
}
