/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rolling sub-second offset heat map: cells, axes, and what lies over them. Follows the newest
 * second or stands still; paints only the columns that changed.
 */

import { css_to_pixel } from "views/colors";
import { by_id } from "views/elements";
import { HeatCells } from "views/heat_cells";
import { frame_draw, overlay_draw } from "views/map_frame";
import { MapGeometry, column_width, gutter_width, padding_right, row_units, rows_default, second_us } from "views/map_geometry";

/** @typedef {import("views/heat_cells").ColumnData} ColumnData */
/** @typedef {import("views/colors").Tokens} Tokens */
/** @typedef {import("views/ranges").Range} Range microseconds of the page's time */
/** @typedef {{ second: number, row: number }} Cell */

/**
 * Where the map takes its cells from. Seconds and times are those of the page.
 * @typedef {object} HeatSource
 * @property {(second: number, rows: number) => ColumnData | null} column
 * @property {() => number} now_us the end of what has happened; 0: nothing has
 * @property {() => number} oldest_us the start of what is kept
 * @property {import("views/map_frame").SecondLabels} second_labels
 * @property {() => boolean} live whether more is to come
 * @property {() => boolean} whole whether all is here that there will ever be
 */

const motion_reduced = matchMedia("(prefers-reduced-motion: reduce)");

export class HeatMap {
	/** @param {HeatSource} source */
	constructor(source) {
		this.source = source;
		this.section = by_id("map", HTMLElement);
		const [frame, cells, overlay] = this.section.querySelectorAll("canvas");
		this.frame_canvas = frame;
		this.overlay_canvas = overlay;
		this.cells = new HeatCells(cells);
		this.rows = rows_default;
		this.geometry = new MapGeometry({ width: 1280, unit: 5, rows: rows_default, scale: 1, first: 0,
			column: column_width(1280) });
		/** Set by the page's tools: room for names at the left, and pixels of a second; 0: as fits. */
		this.gutter = gutter_width;
		this.column_wanted = 0;
		/** What the time axis says: "both", "clock" or "seconds". */
		this.axis = "both";
		this.following = true;
		/** While paused: nothing after this is shown. @type {number | null} */
		this.frozen_us = null;
		/** @type {Tokens | null} */
		this.tokens = null;
		/** @type {Range[] | null} */
		this.selection = null;
		/** What the selection is compared with. @type {Range[]} */
		this.baseline = [];
		/** Unusual moments. @type {import("views/map_frame").MapMark[]} */
		this.marks = [];
		/** Under the pointer. @type {Cell | null} */
		this.hovered = null;
		/** Of the keyboard. @type {Cell | null} */
		this.cursor = null;
		/** Columns to paint again, [from, end). */
		this.changed_from = -Infinity;
		this.changed_end = Infinity;
		/** All of them stand elsewhere or have other colours: not one may be painted later than another. */
		this.at_once = true;
		this.frame_dirty = true;
		this.overlay_dirty = true;
		/** @type {import("views/map_frame").Box[]} */
		this.label_boxes = [];
		this.cells_painted_ms = 0;
		/** Painted times of cells, frame and overlay: read by tests. */
		this.paints = { cells: 0, frame: 0, overlay: 0 };
		/** Asks for a paint(); set by the page. */
		this.changed = () => {};
	}

	/**
	 * @param {Tokens} tokens
	 * @param {import("views/heat_cells").HeatTables} tables
	 */
	color(tokens, tables) {
		this.tokens = tokens;
		this.cells.color(tables, { bg: css_to_pixel(tokens.bg),
			ground: css_to_pixel(tokens.sunken), line: css_to_pixel(tokens.control),
			now: css_to_pixel(tokens.accent) });
		this.all_changed();
	}

	/**
	 * Takes the sizes of the window.
	 * @param {number} width of the panel
	 * @param {number} unit
	 */
	resize(width, unit) {
		const end = this.geometry.end;
		const geometry = new MapGeometry({ width, unit, rows: this.rows, scale: devicePixelRatio, first: 0,
			gutter: this.gutter, column: this.column_width(width) });
		this.geometry = geometry.scrolled(end - geometry.columns);
		this.section.style.height = `${geometry.height}px`;
		this.cells.resize(this.geometry);
		this.all_changed();
	}

	/** How wide a second should be. @param {number} [width] of the panel */
	column_width(width = this.geometry.width) {
		const { source } = this;
		const seconds = source.whole() ? Math.ceil(source.now_us() / second_us) - Math.floor(source.oldest_us() / second_us) : 0;
		return this.column_wanted || column_width(innerWidth, width - this.gutter - padding_right, seconds);
	}

	/** Whether it is laid out for these sizes. @param {number} width @param {number} unit */
	fits(width, unit) {
		const { geometry } = this;
		return geometry.width === width && geometry.cells_height === unit * row_units && geometry.scale === devicePixelRatio &&
			geometry.gutter === this.gutter && geometry.column === this.column_width(width) &&
			this.section.style.height !== "";
	}

	/** @param {number} rows */
	rows_set(rows) {
		this.rows = rows;
		const { geometry } = this;
		this.hovered = this.cursor = null;
		this.resize(geometry.width, geometry.cells_height / row_units);
	}

	all_changed() {
		this.changed_from = -Infinity;
		this.changed_end = Infinity;
		this.at_once = true;
		this.frame_dirty = this.overlay_dirty = true;
		this.changed();
	}

	/**
	 * The data of columns [from, end) is another one; from -Infinity: the axes may be too.
	 * @param {number} from
	 * @param {number} end
	 */
	columns_changed(from, end) {
		this.changed_from = Math.min(this.changed_from, from);
		this.changed_end = Math.max(this.changed_end, end);
		this.frame_dirty ||= from === -Infinity;
		this.changed();
	}

	/** What is marked in the cells is something else; all around them stays. */
	cells_changed() {
		this.columns_changed(this.geometry.first, this.geometry.end);
	}

	overlay_changed() {
		this.overlay_dirty = true;
		this.changed();
	}

	/** The end of what the map may show. */
	now_us() {
		return this.frozen_us ?? this.source.now_us();
	}

	/** The second that follows the newest one shown. */
	newest_end() {
		return Math.floor((this.now_us() - 1) / second_us) + 1;
	}

	/** @param {boolean} following */
	follow(following) {
		if (this.following === following)
			return;
		this.following = following;
		this.frozen_us = following ? null : this.source.now_us();
		/* What has just come is a part of what stands still. */
		if (!following)
			this.scroll_to(Infinity);
		this.all_changed();
	}

	/** Stands still with a moment at its end, or with the nearest that there is. @param {number} us */
	freeze_at(us) {
		const oldest_us = this.source.oldest_us() + second_us;
		this.following = false;
		this.frozen_us = this.source.live() ? Math.min(this.source.now_us(), Math.max(oldest_us, us)) : null;
		this.scroll_to(Math.ceil(us / second_us) - this.geometry.columns);
		this.all_changed();
	}

	/**
	 * Scrolls, within what there is.
	 * @param {number} first
	 * @returns {boolean} whether the map moved
	 */
	scroll_to(first) {
		const { columns } = this.geometry;
		/* Going on beyond what was there at the pause shows what came since. */
		if (this.frozen_us !== null && first > this.newest_end() - columns)
			this.frozen_us = this.source.now_us();
		const newest = this.newest_end() - columns;
		const oldest = Math.min(newest, Math.floor(this.source.oldest_us() / second_us));
		let target = Math.round(Math.min(newest, Math.max(oldest, first)));
		/* A capture that fits starts at the left. */
		if (!this.source.live() && newest < oldest + 1)
			target = Math.floor(this.source.oldest_us() / second_us);
		if (target === this.geometry.first)
			return false;
		this.geometry = this.geometry.scrolled(target);
		this.cells.geometry = this.geometry;
		this.all_changed();
		return true;
	}

	/** The stretch of time on the map that has data or may have. */
	shown_range() {
		const { first, end } = this.geometry;
		const start_us = Math.max(first * second_us, this.source.oldest_us());
		return { start_us, end_us: Math.max(start_us,
			Math.min(end * second_us, this.now_us())) };
	}

	/**
	 * Brings a stretch into sight, its middle in the middle when it is not there yet.
	 * @param {Range} range
	 */
	reveal(range) {
		const { first, end, columns } = this.geometry;
		const from = Math.floor(range.start_us / second_us);
		const to = Math.ceil(range.end_us / second_us);
		if (from >= first && to <= end)
			return;
		this.scroll_to(to - from > columns ? from : Math.round((from + to - columns) / 2));
	}

	/** @param {number} second @returns {ColumnData | null} */
	column(second) {
		const column = this.source.column(second, this.rows);
		if (!column)
			return null;
		if (this.frozen_us === null) {
			const open = this.source.live() && second === this.newest_end() - 1;
			return open ? { ...column, open } : column;
		}
		const until_us = Math.min(column.until_us, this.frozen_us - second * second_us);
		return until_us > 0 ? { ...column, until_us } : null;
	}

	/** Whether the open column waits: with reduced motion it is painted once a second. */
	rests() {
		return this.following && this.changed_from >= this.newest_end() - 1 &&
			performance.now() - this.cells_painted_ms < 990 && motion_reduced.matches;
	}

	/** Paints what has changed since the last time, or begins to. @param {number} budget_ms for cells that may come later */
	paint(budget_ms) {
		if (!this.tokens)
			return;
		if (this.following)
			this.scroll_to(Infinity);
		const { source, geometry } = this;
		const labels = source.second_labels;
		if (this.frame_dirty) {
			this.frame_dirty = false;
			this.paints.frame++;
			this.label_boxes = frame_draw(this.frame_canvas, geometry, this.tokens, labels, this.axis);
		}
		if (this.changed_end > this.changed_from && !this.rests()) {
			this.paints.cells++;
			this.cells_painted_ms = performance.now();
			this.changed_from = this.cells.paint(this.changed_from, this.changed_end,
				(second) => this.column(second), this.at_once ? Infinity : this.cells_painted_ms + budget_ms);
			this.at_once = false;
			if (this.changed_from < Math.min(this.changed_end, geometry.end)) {
				this.changed();
			} else {
				this.changed_from = Infinity;
				this.changed_end = -Infinity;
			}
		}
		if (this.overlay_dirty) {
			this.overlay_dirty = false;
			this.paints.overlay++;
			const focused = document.activeElement === this.overlay_canvas;
			overlay_draw(this.overlay_canvas, geometry, this.tokens, {
				selection: this.selection,
				cell: this.hovered ?? (focused ? this.cursor : null),
				boxes: this.label_boxes,
				baseline: this.baseline,
				marks: this.marks,
			}, labels);
		}
	}
}
