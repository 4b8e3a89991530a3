/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paints the cells of the map, device pixel by device pixel: one image of the whole map is kept, and
 * only the columns that changed are written to the canvas again. Lost data is hatched to the
 * pixel of its millisecond, whatever the rows are.
 */

import { hit_step_least } from "views/colors";
import { second_us } from "views/map_geometry";

/** @typedef {import("views/map_geometry").MapGeometry} MapGeometry */

/** Pixels by step of the colours: of CPUs busy, of those where no hit of a search is, and of one thread alone. @typedef {{ color: Uint32Array,
 * grey: Uint32Array, single: Uint32Array }} HeatTables */

/** Shares of the CPUs that are told apart. */
const shares = 2048;

/** Distance between the lines of the hatching, CSS pixels. */
const hatch_distance = 5;

/**
 * What a column shows. Offsets are microseconds within the second.
 * @typedef {object} ColumnData
 * @property {ArrayLike<number>} cells CPUs busy, 0 to 1 of the scale's maximum, from offset 0 upwards
 * @property {number} from_us nothing is known before this: 0, but in the first second
 * @property {number} until_us nothing has happened yet from here on
 * @property {{ from_us: number, to_us: number, hatched: boolean }[]} gaps where data is missing;
 * hatched: for good, else it is on its way
 * @property {boolean} [open] whether until_us is now: a line says so
 * @property {ArrayLike<number> | null} [single] where one thread alone was running: above 0, the part of a CPU
 * @property {ArrayLike<number> | null} [hits] with a search: cells that hold a hit are above 0
 */

export class HeatCells {
	/** @param {HTMLCanvasElement} canvas */
	constructor(canvas) {
		this.canvas = canvas;
		this.context = /** @type {CanvasRenderingContext2D} */ (
			canvas.getContext("2d", { alpha: false }));
		this.image = this.context.createImageData(1, 1);
		this.pixels = new Uint32Array(this.image.data.buffer);
		/** @type {MapGeometry | null} */
		this.geometry = null;
		this.colors = { bg: 0, ground: 0, line: 0, now: 0 };
		/** @type {HeatTables} */
		this.tables = { color: new Uint32Array(256), grey: new Uint32Array(256), single: new Uint32Array(256) };
		/** The step of the colours by share of the CPUs. */
		this.steps = Uint8Array.from({ length: shares + 1 }, (_, i) => Math.round(255 * i / shares));
		/** Device pixel rows at which cells begin, from the bottom. */
		this.row_edges = new Int32Array(0);
	}

	/**
	 * @param {HeatTables} tables
	 * @param {{ bg: number, ground: number, line: number, now: number }} colors as pixels
	 */
	color(tables, colors) {
		this.tables = tables;
		this.colors = colors;
	}

	/** @param {(share: number) => number} part of the colours, 0 to 1, for a share of the CPUs */
	scale_set(part) {
		this.steps = this.steps.map((_, i) => Math.round(255 * part(i / shares)));
	}

	/**
	 * Takes another layout; the canvas is cleared only when its size changes.
	 * @param {MapGeometry} geometry
	 */
	resize(geometry) {
		const width = Math.round(geometry.cells_width * geometry.scale);
		const height = Math.round(geometry.cells_height * geometry.scale);
		this.geometry = geometry;
		if (this.canvas.width !== width || this.canvas.height !== height) {
			this.canvas.width = width;
			this.canvas.height = height;
			this.image = this.context.createImageData(width, height);
			this.pixels = new Uint32Array(this.image.data.buffer);
		}
		const { style } = this.canvas;
		style.width = `${geometry.cells_width}px`;
		style.height = `${geometry.cells_height}px`;
		style.left = `${geometry.left}px`;
		style.top = `${geometry.top}px`;
		this.row_edges = new Int32Array(geometry.rows + 1);
		for (let row = 0; row <= geometry.rows; row++)
			this.row_edges[row] = Math.round((row * height) / geometry.rows);
	}

	/**
	 * Device pixel columns of a column of the map.
	 * @param {MapGeometry} geometry
	 * @param {number} index from the left
	 */
	static column_edges(geometry, index) {
		const width = geometry.column * geometry.scale;
		return [Math.round(index * width), Math.round((index + 1) * width)];
	}

	/**
	 * Paints columns from..end and shows them, as many as there is time for.
	 * @param {number} from
	 * @param {number} end
	 * @param {(second: number) => ColumnData | null} column null: nothing is known there
	 * @param {number} until_ms of performance.now(): then no other is begun
	 * @returns {number} the first that was not painted
	 */
	paint(from, end, column, until_ms) {
		const { geometry } = this;
		if (!geometry)
			return end;
		const first = Math.max(from, geometry.first);
		const last_end = Math.min(end, geometry.end);
		let second = first;
		while (second < last_end && (second === first || performance.now() < until_ms)) {
			this.column_write(second - geometry.first, second, column(second));
			second++;
		}
		if (second > first) {
			const [x0] = HeatCells.column_edges(geometry, first - geometry.first);
			const [x1] = HeatCells.column_edges(geometry, second - geometry.first);
			this.context.putImageData(this.image, 0, 0, x0, 0, x1 - x0, this.image.height);
		}
		return second;
	}

	/**
	 * @param {number} index
	 * @param {number} second
	 * @param {ColumnData | null} data
	 */
	column_write(index, second, data) {
		const geometry = /** @type {MapGeometry} */ (this.geometry);
		const [x0, x1] = HeatCells.column_edges(geometry, index);
		const { row_edges, image: { height } } = this;
		if (!data) {
			this.rect_fill(x0, x1, 0, height, this.colors.bg);
			return;
		}
		const { cells, hits, single } = data;
		for (let row = 0; row < geometry.rows; row++) {
			const is_hit = hits && hits[row] > 0;
			const alone = single && (!hits || is_hit) ? single[row] : 0;
			const step = alone ? Math.min(255, Math.round(alone * 255))
				: this.steps[Math.min(shares, Math.max(0, Math.round(cells[row] * shares)))];
			const kind = alone ? "single" : "color";
			const pixel = hits && !is_hit ? this.tables.grey[step]
				: this.tables[kind][is_hit ? Math.max(step, hit_step_least[kind]) : step];
			this.rect_fill(x0, x1, height - row_edges[row + 1], height - row_edges[row], pixel);
		}
		const offset_y = (/** @type {number} */ us) =>
			height - Math.round((Math.min(second_us, Math.max(0, us)) / second_us) * height);
		for (const { from_us, to_us, hatched } of data.gaps) {
			const bottom = offset_y(from_us);
			/* A gap is never too short to be seen. */
			const top = Math.max(0, Math.min(offset_y(to_us), bottom - 1));
			if (hatched)
				this.hatch(x0, x1, top, bottom, second);
			else
				this.rect_fill(x0, x1, top, bottom, this.colors.bg);
		}
		if (data.from_us > 0)
			this.rect_fill(x0, x1, offset_y(data.from_us), height, this.colors.bg);
		if (data.until_us < second_us)
			this.rect_fill(x0, x1, 0, offset_y(data.until_us), this.colors.bg);
		if (data.open) {
			const y = Math.max(0, offset_y(data.until_us) - Math.round(2 * geometry.scale));
			this.rect_fill(x0, x1, y, y + Math.round(2 * geometry.scale), this.colors.now);
		}
	}

	/**
	 * @param {number} x0
	 * @param {number} x1
	 * @param {number} y0
	 * @param {number} y1
	 * @param {number} pixel
	 */
	rect_fill(x0, x1, y0, y1, pixel) {
		const { pixels, image: { width } } = this;
		/* A few pixels each: a call of fill() would cost ten times as much. */
		for (let y = y0; y < y1; y++)
			for (let at = y * width + x0; at < y * width + x1; at++)
				pixels[at] = pixel;
	}

	/**
	 * The lines hang on the second, so they travel with the data.
	 * @param {number} x0
	 * @param {number} x1
	 * @param {number} y0
	 * @param {number} y1
	 * @param {number} second
	 */
	hatch(x0, x1, y0, y1, second) {
		const { scale, column } = /** @type {MapGeometry} */ (this.geometry);
		const { width } = this.image;
		const distance = Math.max(3, Math.round(hatch_distance * scale));
		const line = Math.max(1, Math.round(scale));
		const phase = ((Math.round(second * column * scale) % distance) + distance) % distance;
		for (let y = y0; y < y1; y++) {
			for (let x = x0; x < x1; x++) {
				const on = (x - x0 + phase + y) % distance < line;
				this.pixels[y * width + x] = on ? this.colors.line : this.colors.ground;
			}
		}
	}
}
