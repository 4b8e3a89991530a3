/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a moment stands on the map, and which moment stands at a point. A column is one second of
 * the timeline, read upwards; time is linear through the columns. Times are microseconds, and
 * seconds count from the same origin. Lengths are CSS pixels, unless a name says device.
 */

import { ranges_hull } from "views/ranges";

/** @typedef {import("views/ranges").Range} Range */

export const second_us = 1e6;

/** Heights and widths around the cells. */
export const marks_height = 20;
export const axis_height = 22;
export const gutter_width = 60;
export const padding_right = 16;

export const row_units = 50;

/** How far outside of a stretch within one second its grips stand. */
const grip_outside = 8;

/** How many rows may divide a second. */
export const row_counts = [10, 20, 25, 50, 100];
export const rows_default = 50;

/** A second is never wider by itself, however few there are. */
const column_most = 64;

/**
 * As wide as the window says, or wider where seconds are few.
 * @param {number} window_width
 * @param {number} [room] for all columns
 * @param {number} [seconds] that there will ever be; 0: nobody knows
 */
export function column_width(window_width, room = 0, seconds = 0) {
	const least = window_width >= 1800 ? 9 : window_width >= 1600 ? 8 : window_width >= 1400 ? 7 : 6;
	return seconds ? Math.max(least, Math.min(column_most, Math.floor(room / seconds))) : least;
}

/**
 * The height of a row unit: shrinks when the rest of the page would leave the graph too little.
 * @param {number} window_height
 * @param {number} other_height of everything but the cells, the least graph included
 */
export function unit_height(window_height, other_height) {
	const wanted = window_height >= 1000 ? 6 : 5;
	return Math.max(2, Math.min(wanted, Math.floor((window_height - other_height) / row_units)));
}

/** One layout of the map: never changed, a new one is made instead. */
export class MapGeometry {
	/**
	 * @param {{ width: number, unit: number, rows: number, scale: number, first: number, column: number,
	 * gutter?: number }} layout width of the whole panel; scale: device pixels in a CSS pixel; first: the second of
	 * the leftmost column, may be before 0; column: its width
	 */
	constructor({ width, unit, rows, scale, first, column, gutter = gutter_width }) {
		this.width = width;
		this.rows = rows;
		this.scale = scale;
		this.first = first;
		this.gutter = gutter;
		this.column = column;
		this.columns = Math.max(1,
			Math.floor((width - gutter - padding_right) / this.column));
		this.cells_width = this.columns * this.column;
		this.cells_height = unit * row_units;
		this.left = width - padding_right - this.cells_width;
		this.top = marks_height;
		this.right = this.left + this.cells_width;
		this.bottom = this.top + this.cells_height;
		this.height = this.bottom + axis_height;
	}

	/** @param {number} first */
	scrolled(first) {
		/** @type {MapGeometry} */
		const copy = Object.create(MapGeometry.prototype);
		return Object.assign(copy, this, { first });
	}

	/** The second after the last column. */
	get end() {
		return this.first + this.columns;
	}

	/** Microseconds of one cell. */
	get cell_us() {
		return second_us / this.rows;
	}

	/** @param {number} second */
	column_x(second) {
		return this.left + (second - this.first) * this.column;
	}

	/** @param {number} offset_us within a second, its end included */
	offset_y(offset_us) {
		return this.bottom - (offset_us / second_us) * this.cells_height;
	}

	/**
	 * As offset_y(), where the pixels of the cells are.
	 * @param {number} offset_us
	 */
	offset_y_whole(offset_us) {
		const device = Math.round((offset_us / second_us) * this.cells_height * this.scale);
		return this.bottom - device / this.scale;
	}

	/**
	 * The moment under a point, clamped into the map, in whole milliseconds.
	 * @param {number} x
	 * @param {number} y
	 * @returns {{ second: number, row: number, us: number }} us: the time
	 */
	moment(x, y) {
		const column = Math.floor((x - this.left) / this.column);
		const second = this.first + Math.min(this.columns - 1, Math.max(0, column));
		const part = Math.min(1, Math.max(0, (this.bottom - y) / this.cells_height));
		const row = Math.min(this.rows - 1, Math.floor(part * this.rows));
		const offset_ms = Math.round(part * 1000);
		return { second, row, us: second * second_us + offset_ms * 1000 };
	}

	/**
	 * @param {number} x
	 * @param {number} y
	 */
	holds(x, y) {
		return x >= this.left && x < this.right && y >= this.top && y < this.bottom;
	}

	/**
	 * The stretch of time of one cell.
	 * @param {number} second
	 * @param {number} row
	 */
	cell_range(second, row) {
		const start_us = second * second_us + row * this.cell_us;
		return { start_us, end_us: start_us + this.cell_us };
	}

	/**
	 * What stretches of time cover of the columns shown: rectangles, side by side where a second follows another.
	 * @param {Range[]} ranges in order
	 */
	pieces(ranges) {
		/** @type {{ x: number, y: number, width: number, height: number }[]} */
		const pieces = [];
		for (const { start_us, end_us } of ranges) {
			const last = Math.min(this.end, Math.ceil(end_us / second_us));
			for (let second = Math.max(this.first, Math.floor(start_us / second_us)); second < last; second++) {
				const from_us = second * second_us;
				const x = this.column_x(second), y = this.offset_y_whole(Math.min(second_us, end_us - from_us));
				const height = this.offset_y_whole(Math.max(0, start_us - from_us)) - y;
				/* What leaves out a band has two in a second. */
				const beside = pieces.slice(-2).find((piece) => piece.x + piece.width === x && piece.y === y && piece.height === height);
				if (beside)
					beside.width += this.column;
				else
					pieces.push({ x, y, width: this.column, height });
			}
		}
		return pieces;
	}

	/**
	 * Where the grips of what is selected stand: in the middle of its first and its last column, and
	 * outside of it when that is the same one, so that they hide no cell.
	 * @param {Range[]} ranges
	 */
	grips(ranges) {
		const { start_us, end_us } = ranges_hull(ranges);
		const from = Math.floor(start_us / second_us);
		const last = Math.max(from, Math.ceil(end_us / second_us) - 1);
		const outside = from === last ? grip_outside : 0;
		return {
			start: { x: this.column_x(from) + this.column / 2,
				y: this.offset_y_whole(start_us - from * second_us) + outside },
			end: { x: this.column_x(last) + this.column / 2,
				y: this.offset_y_whole(end_us - last * second_us) - outside },
		};
	}
}
