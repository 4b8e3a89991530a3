/* SPDX-License-Identifier: Apache-2.0 */
/* Draws what stands around and above the cells of the map: axes below, selection and pointer above. */

import { clock_text, count_text } from "views/format";
import { second_us } from "views/map_geometry";
import { ranges_hull, ranges_text } from "views/ranges";

/** @typedef {import("views/map_geometry").MapGeometry} MapGeometry */
/** @typedef {import("views/colors").Tokens} Tokens */
/** @typedef {import("views/ranges").Range} Range */

/**
 * The wall clock at a second of the map and how many seconds after T = 0 it is.
 * @typedef {(second: number) => { wall_us: number, age_s: number } | null} SecondLabels
 */

const font = (/** @type {HTMLElement} */ element, /** @type {string} */ weight) =>
	`${weight} 11px ${getComputedStyle(element).fontFamily}`;

const offset_labels = [0, 200, 400, 600, 800, 1000];
const label_gap = 6;

/** Seconds between labels of the time axis; the first that leaves them room is taken. */
const label_steps = [2, 5, 10, 15, 30, 60, 120, 300];
const label_room = 150;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} width CSS pixels
 * @param {number} height
 * @param {number} scale
 */
export function canvas_fit(canvas, width, height, scale) {
	const device_width = Math.round(width * scale), device_height = Math.round(height * scale);
	if (canvas.width !== device_width || canvas.height !== device_height) {
		canvas.width = device_width;
		canvas.height = device_height;
		canvas.style.width = `${width}px`;
		canvas.style.height = `${height}px`;
	}
	const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
	context.setTransform(scale, 0, 0, scale, 0, 0);
	return context;
}

/** "1 s", "640 ms" @param {number} ms */
function offset_text(ms) {
	return ms === 1000 ? "1 s" : `${Number(ms.toFixed(1))} ms`;
}

/** Where a label stands. @typedef {{ x: number, y: number, width: number, height: number }} Box */

/**
 * The axes and the line around the cells.
 * @param {HTMLCanvasElement} canvas
 * @param {MapGeometry} geometry
 * @param {Tokens} tokens
 * @param {SecondLabels} labels
 * @param {string} axis "both", "clock" or "seconds"
 * @returns {Box[]} of the labels
 */
export function frame_draw(canvas, geometry, tokens, labels, axis) {
	const context = canvas_fit(canvas, geometry.width, geometry.height, geometry.scale);
	const { left, top, right, bottom } = geometry;
	context.clearRect(0, 0, geometry.width, geometry.height);
	context.font = font(canvas, "400");
	context.fillStyle = tokens.line2;
	context.fillRect(left - 1, top - 1, right - left + 2, bottom - top + 2);
	context.textBaseline = "middle";
	context.textAlign = "right";
	/** @type {Box[]} */
	const boxes = [];
	for (const ms of offset_labels) {
		const y = geometry.offset_y(ms * 1000);
		const text_y = Math.min(bottom - 5, Math.max(top + 5, y));
		context.fillStyle = tokens.line2;
		context.fillRect(left - 5, Math.min(bottom - 1, Math.round(y)), 4, 1);
		context.fillStyle = tokens.ink3;
		context.fillText(offset_text(ms), left - 5 - label_gap + 2, text_y);
		boxes.push({ x: 0, y: text_y - 7, width: left - 5, height: 14 });
	}
	time_axis_draw(context, geometry, tokens, labels, axis, boxes);
	return boxes;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {MapGeometry} geometry
 * @param {Tokens} tokens
 * @param {SecondLabels} labels
 * @param {string} axis
 * @param {Box[]} ret_boxes
 */
function time_axis_draw(context, geometry, tokens, labels, axis, ret_boxes) {
	const step = label_steps.find((seconds) => seconds * geometry.column >= label_room) ?? 600;
	const { bottom, right } = geometry;
	context.textAlign = "left";
	let free_x = 0;
	for (let second = geometry.first; second < geometry.end; second++) {
		const label = labels(second);
		/* Nothing is counted from before the start. */
		if (!label || label.age_s < 0)
			continue;
		const whole = axis === "seconds" ? label.age_s : Math.round(label.wall_us / second_us);
		if (whole % (step / 2) && label.age_s > 0)
			continue;
		const x = geometry.column_x(second);
		context.fillStyle = tokens.line2;
		const labelled = (whole % step === 0 || label.age_s === 0) && x >= free_x;
		context.fillRect(x, bottom + 1, 1, labelled ? 6 : 3);
		if (!labelled)
			continue;
		const clock = axis === "seconds" ? "" : clock_text(label.wall_us);
		const age = axis === "clock" ? "" : `${count_text(label.age_s)}\u2009s`;
		const clock_width = clock ? context.measureText(`${clock}  `).width : 0;
		const width = clock_width + context.measureText(age).width;
		if (x + 5 + width > right + 8)
			continue;
		context.fillStyle = tokens.ink2;
		context.fillText(clock, x + 5, bottom + 12);
		context.fillStyle = tokens.ink3;
		context.fillText(age, x + 5 + clock_width, bottom + 12);
		free_x = x + width + 16;
		ret_boxes.push({ x: x + 4, y: bottom + 5, width: width + 2, height: 15 });
	}
}

/**
 * What lies over the cells.
 * @typedef {object} Overlay
 * @property {Range[] | null} selection
 * @property {{ second: number, row: number } | null} cell hovered, or under the keyboard's cursor
 * @property {Box[]} boxes labels that the cell's own may cover
 * @property {Range[]} baseline what the selection is compared with
 * @property {MapMark[]} marks unusual moments
 */

/** @typedef {{ start_us: number, end_us: number, shape: string, current: boolean }} MapMark */

/** A mark is as wide as this, and may be pointed at within it. */
const mark_reach = 7;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {MapGeometry} geometry
 * @param {Tokens} tokens
 * @param {Overlay} overlay
 * @param {SecondLabels} labels
 */
export function overlay_draw(canvas, geometry, tokens, overlay, labels) {
	const context = canvas_fit(canvas, geometry.width, geometry.height, geometry.scale);
	context.clearRect(0, 0, geometry.width, geometry.height);
	if (overlay.selection)
		baseline_draw(context, canvas, geometry, tokens, overlay.baseline, overlay.selection);
	if (overlay.selection)
		selection_draw(context, canvas, geometry, tokens, overlay.selection, overlay.marks);
	marks_draw(context, geometry, tokens, overlay.marks);
	if (overlay.cell)
		cell_draw(context, canvas, geometry, tokens, { ...overlay, cell: overlay.cell }, labels);
}

/**
 * Where the pill with the length stands: beside the marks, and within the map.
 * @param {MapGeometry} geometry
 * @param {MapMark[]} marks
 * @param {number} wanted
 * @param {number} width
 */
function pill_x(geometry, marks, wanted, width) {
	const within = (/** @type {number} */ x) =>
		Math.round(Math.min(geometry.right - width, Math.max(geometry.left, x)));
	const taken = marks.filter((mark) => mark_is_shown(geometry, mark)).map((mark) => mark_x(geometry, mark));
	const hidden = (/** @type {number} */ x) =>
		taken.filter((mark) => mark > x - mark_reach && mark < x + width + mark_reach);
	let right = within(wanted), left = right;
	/* Each step passes a mark: as many as there are at most. */
	for (const _ of taken) {
		if (!hidden(right).length)
			return right;
		if (!hidden(left).length)
			return left;
		right = within(Math.max(...hidden(right)) + mark_reach);
		left = within(Math.min(...hidden(left)) - mark_reach - width);
	}
	return hidden(right).length ? left : right;
}

/** Where a mark points, in the middle of its columns. @param {MapGeometry} geometry @param {MapMark} mark */
function mark_x(geometry, { start_us, end_us }) {
	const first = Math.floor(start_us / second_us);
	const last = Math.max(first, Math.ceil(end_us / second_us) - 1);
	return (Math.max(geometry.left, geometry.column_x(first)) +
		Math.min(geometry.right, geometry.column_x(last + 1))) / 2;
}

/** @param {MapGeometry} geometry @param {MapMark} mark */
function mark_is_shown(geometry, { start_us, end_us }) {
	return end_us > geometry.first * second_us && start_us < geometry.end * second_us;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {MapGeometry} geometry
 * @param {Tokens} tokens
 * @param {MapMark[]} marks
 */
function marks_draw(context, geometry, tokens, marks) {
	for (const mark of marks) {
		if (!mark_is_shown(geometry, mark))
			continue;
		context.save();
		context.translate(Math.round(mark_x(geometry, mark)), geometry.top - 9);
		context.fillStyle = mark.current ? tokens.accent : tokens.ink2;
		context.strokeStyle = tokens.surface;
		context.lineWidth = 3;
		const path = new Path2D(mark.shape);
		context.stroke(path);
		context.fill(path);
		context.restore();
	}
}

/**
 * The mark above the map that is meant by a point; -1: none.
 * @param {MapGeometry} geometry
 * @param {MapMark[]} marks
 * @param {{ x: number, y: number }} point
 */
export function mark_at(geometry, marks, { x, y }) {
	if (y >= geometry.top)
		return -1;
	let best = -1, distance = mark_reach + 1;
	marks.forEach((mark, i) => {
		const apart = mark_is_shown(geometry, mark) ? Math.abs(mark_x(geometry, mark) - x) : Infinity;
		if (apart < distance)
			[best, distance] = [i, apart];
	});
	return best;
}

/**
 * Dashed.
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLCanvasElement} canvas
 * @param {MapGeometry} geometry
 * @param {Tokens} tokens
 * @param {Range[]} baseline
 * @param {Range[]} selection
 */
function baseline_draw(context, canvas, geometry, tokens, baseline, selection) {
	const pieces = geometry.pieces(baseline);
	if (!pieces.length)
		return;
	context.save();
	pieces_outline(context, geometry, pieces, [[tokens.surface, 4], [tokens.ink, 2.5], [tokens.surface, 1]], [5, 3]);
	context.restore();
	const [{ x }] = pieces;
	if (x > geometry.right - 48)
		return;
	const top = Math.max(geometry.top, pieces.reduce((least, { y }) => Math.min(least, y), Infinity) - 15);
	context.font = font(canvas, "600");
	context.fillStyle = tokens.surface;
	context.fillRect(x + 2, top, 46, 14);
	context.strokeStyle = tokens.ink;
	context.lineWidth = 1;
	context.strokeRect(x + 2.5, top + 0.5, 45, 13);
	context.fillStyle = tokens.ink;
	context.textAlign = "center";
	context.textBaseline = "middle";
	context.fillText(ranges_hull(baseline).end_us <= selection[0].start_us ? "before" : baseline.length === 1 ? "after" : "rest", x + 25, top + 7.5);
}

/**
 * A line around all of some rectangles, with no line between those that touch, and nothing over what is in them.
 * @param {CanvasRenderingContext2D} context
 * @param {MapGeometry} geometry
 * @param {ReturnType<MapGeometry["pieces"]>} pieces
 * @param {[string, number][]} lines each color, and how far out it reaches; the widest first
 * @param {number[]} dash of all but the first
 */
function pieces_outline(context, geometry, pieces, lines, dash = []) {
	const { left, right, top, bottom } = geometry;
	context.beginPath();
	context.rect(left - 4, top - 14, right - left + 8, bottom - top + 28);
	context.clip();
	context.beginPath();
	for (const { x, y, width, height } of pieces)
		context.rect(x, y, width, height);
	for (const [color, reach] of lines) {
		context.strokeStyle = color;
		context.lineWidth = reach * 2;
		context.stroke();
		context.setLineDash(dash);
	}
	for (const { x, y, width, height } of pieces)
		context.clearRect(x, y, width, height);
}

/**
 * 2 px of ink with the surface on both sides: to be seen on every colour.
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLCanvasElement} canvas
 * @param {MapGeometry} geometry
 * @param {Tokens} tokens
 * @param {Range[]} ranges
 * @param {MapMark[]} marks
 */
function selection_draw(context, canvas, geometry, tokens, ranges, marks) {
	const pieces = geometry.pieces(ranges);
	if (!pieces.length)
		return;
	context.save();
	pieces_outline(context, geometry, pieces, [[tokens.surface, 4.5], [tokens.ink, 3.25], [tokens.surface, 1.25]]);
	const grips = geometry.grips(ranges);
	for (const { x, y } of [grips.start, grips.end]) {
		context.fillStyle = tokens.surface;
		context.fillRect(Math.round(x - 6), Math.round(y - 5), 12, 10);
		context.fillStyle = tokens.accent;
		context.fillRect(Math.round(x - 5), Math.round(y - 4), 10, 8);
	}
	context.restore();

	const text = ranges_text(ranges);
	context.font = font(canvas, "600");
	const width = Math.ceil(context.measureText(text).width) + 14;
	const last = pieces[pieces.length - 1];
	const x = pill_x(geometry, marks, (pieces[0].x + last.x + last.width - width) / 2, width);
	context.fillStyle = tokens.accent;
	context.beginPath();
	context.roundRect(x, 0, width, 16, 3);
	context.fill();
	context.fillStyle = tokens["on-accent"];
	context.textAlign = "center";
	context.textBaseline = "middle";
	context.fillText(text, x + width / 2, 8.5);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLCanvasElement} canvas
 * @param {MapGeometry} geometry
 * @param {Tokens} tokens
 * @param {{ cell: { second: number, row: number }, boxes: Box[] }} overlay
 * @param {SecondLabels} labels
 */
function cell_draw(context, canvas, geometry, tokens, { cell, boxes }, labels) {
	if (cell.second < geometry.first || cell.second >= geometry.end)
		return;
	const { start_us, end_us } = geometry.cell_range(cell.second, cell.row);
	const base_us = cell.second * second_us;
	const x = geometry.column_x(cell.second);
	const low = geometry.offset_y_whole(start_us - base_us);
	const high = geometry.offset_y_whole(end_us - base_us);
	context.strokeStyle = tokens.surface;
	context.lineWidth = 5;
	context.strokeRect(x - 1, high - 1, geometry.column + 2, low - high + 2);
	context.strokeStyle = tokens.ink;
	context.lineWidth = 2;
	context.strokeRect(x - 1, high - 1, geometry.column + 2, low - high + 2);

	context.font = font(canvas, "600");
	context.textBaseline = "middle";
	context.textAlign = "center";
	const offset = offset_text((start_us - base_us) / 1000);
	label_draw(context, tokens, offset, geometry.left - 4, (low + high) / 2, "right",
		geometry, boxes);
	const label = labels(cell.second);
	if (label) {
		label_draw(context, tokens, clock_text(label.wall_us), x + geometry.column / 2,
			geometry.bottom + 12, "center", geometry, boxes);
	}
}

/**
 * Dark on light where the page is light on dark, and the other way round.
 * @param {CanvasRenderingContext2D} context
 * @param {Tokens} tokens
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {"right" | "center"} align
 * @param {MapGeometry} geometry
 * @param {Box[]} boxes labels of the axes: what it would cut is covered whole
 */
function label_draw(context, tokens, text, x, y, align, geometry, boxes) {
	const width = Math.ceil(context.measureText(text).width) + 10;
	let box_x = align === "right" ? x - width : x - width / 2;
	box_x = Math.round(Math.max(geometry.left - geometry.gutter + 2,
		Math.min(geometry.width - width - 2, box_x)));
	const box_y = Math.round(Math.min(geometry.height - 16, Math.max(0, y - 8)));
	context.fillStyle = tokens.surface;
	for (const box of boxes) {
		if (box.x < box_x + width + 4 && box.x + box.width > box_x - 4 &&
		    box.y < box_y + 16 && box.y + box.height > box_y)
			context.fillRect(box.x, box.y, box.width, box.height);
	}
	context.fillStyle = tokens.ink;
	context.fillRect(box_x, box_y, width, 16);
	context.fillStyle = tokens.surface;
	context.fillText(text, box_x + width / 2, box_y + 8.5);
}
