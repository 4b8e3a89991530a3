/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pointer, wheel and keys on the heat map. A drag selects to the millisecond, a click one cell; the
 * keyboard moves a cursor over the cells and selects with it.
 */

import { mark_at } from "views/map_frame";
import { second_us } from "views/map_geometry";
import { ranges_hull } from "views/ranges";

/** @typedef {import("views/heat_map").HeatMap} HeatMap */
/** @typedef {import("views/ranges").Range} Range */
/** @typedef {import("views/heat_map").Cell} Cell */

/**
 * @typedef {object} MapEvents
 * @property {(cell: Cell | null, point: { x: number, y: number }, by_key: boolean) => void} hover
 * @property {(ranges: Range[]) => void} preview while a drag goes on
 * @property {(ranges: Range[] | null) => void} select
 * @property {(columns: number) => void} scroll towards newer columns
 * @property {(mark: number) => void} mark one of the map's marks was clicked
 */

/** A time, and the second that it stands in: the end of one is not the start of the next here. @typedef {{ second: number, us: number }} Moment */

export const drag_min_px = 4;
const grip_reach_px = 9;
const wheel_px_per_column = 14;
const ms_us = 1000;

export class MapInput {
	/**
	 * @param {HeatMap} map
	 * @param {MapEvents} events
	 */
	constructor(map, events) {
		this.map = map;
		this.events = events;
		/** @type {{ x: number, y: number } | null} */
		this.pointer = null;
		/** repeated: in every second shown. @type {{ anchor: Moment, x: number, y: number, moved: boolean,
		 * repeated: boolean, before: Range[] | null } | null} */
		this.drag = null;
		/** The cell that a click selected: the next one ends what it began. @type {Range | null} */
		this.clicked = null;
		/** Where a selection by keys began. @type {Cell | null} */
		this.anchor = null;
		/** Whether Enter began it: then it lasts until the next Enter. */
		this.anchor_held = false;
		this.wheel_rest = 0;
		const canvas = map.overlay_canvas;
		canvas.addEventListener("pointerdown", (event) => this.pointer_down(event));
		canvas.addEventListener("pointermove", (event) => this.pointer_move(event));
		canvas.addEventListener("pointerup", (event) => this.pointer_up(event));
		canvas.addEventListener("pointercancel", () => this.drag_cancel());
		canvas.addEventListener("pointerleave", () => this.pointer_leave());
		canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
		canvas.addEventListener("keydown", (event) => {
			if (this.key_take(event))
				event.preventDefault();
		});
		canvas.addEventListener("focus", () => {
			if (canvas.matches(":focus-visible"))
				map.cursor ??= this.cursor_here();
			map.overlay_changed();
		});
		canvas.addEventListener("blur", () => {
			events.hover(null, { x: 0, y: 0 }, true);
			map.overlay_changed();
		});
	}

	/** @param {MouseEvent} event */
	point(event) {
		const bounds = this.map.overlay_canvas.getBoundingClientRect();
		return { x: event.clientX - bounds.left, y: event.clientY - bounds.top };
	}

	/**
	 * The end of the selection whose grip is at a point.
	 * @param {{ x: number, y: number }} point
	 * @returns {"start" | "end" | null}
	 */
	grip_at(point) {
		const { selection, geometry } = this.map;
		if (!selection)
			return null;
		const grips = geometry.grips(selection);
		for (const name of /** @type {const} */ (["end", "start"])) {
			if (Math.abs(grips[name].x - point.x) <= grip_reach_px &&
			    Math.abs(grips[name].y - point.y) <= grip_reach_px)
				return name;
		}
		return null;
	}

	/** @param {PointerEvent} event */
	pointer_down(event) {
		const point = this.point(event);
		const { map } = this;
		const grip = this.grip_at(point);
		const mark = event.button === 0 && !grip ? mark_at(map.geometry, map.marks, point) : -1;
		if (mark >= 0) {
			this.events.mark(mark);
			return;
		}
		if (event.button !== 0 || !(grip || map.geometry.holds(point.x, point.y)))
			return;
		map.overlay_canvas.setPointerCapture(event.pointerId);
		/** @type {Moment} */
		let anchor = map.geometry.moment(point.x, point.y);
		if (grip && map.selection) {
			const { start_us, end_us } = ranges_hull(map.selection);
			anchor = grip === "start" ? { second: Math.ceil(end_us / second_us) - 1, us: end_us }
				: { second: Math.floor(start_us / second_us), us: start_us };
		}
		this.drag = { anchor, ...point, moved: false, before: map.selection,
			repeated: grip && map.selection ? map.selection.length > 1 : event.altKey };
		this.anchor = null;
		this.anchor_held = false;
	}

	/** @param {PointerEvent} event */
	pointer_move(event) {
		const point = this.point(event);
		this.pointer = point;
		const { drag, map } = this;
		const on_grip = !drag && this.grip_at(point) !== null;
		map.overlay_canvas.classList.toggle("grip", on_grip);
		map.overlay_canvas.classList.toggle("mark", !drag && !on_grip &&
			mark_at(map.geometry, map.marks, point) >= 0);
		if (!drag) {
			this.hover_update(event);
			return;
		}
		if (!drag.moved && Math.hypot(point.x - drag.x, point.y - drag.y) < drag_min_px)
			return;
		if (!drag.moved) {
			drag.moved = true;
			this.hover_clear();
		}
		const ranges = this.ranges_to(drag.anchor, map.geometry.moment(point.x, point.y), drag.repeated);
		if (ranges)
			this.events.preview(ranges);
	}

	/** @param {PointerEvent} event */
	pointer_up(event) {
		const { drag, map } = this;
		this.drag = null;
		if (!drag)
			return;
		const point = this.point(event);
		const moment = map.geometry.moment(point.x, point.y);
		if (drag.moved) {
			this.events.select(this.ranges_to(drag.anchor, moment, drag.repeated) ?? drag.before);
		} else if (map.geometry.holds(point.x, point.y) && !this.grip_at(point)) {
			this.click(moment.second, map.geometry.cell_range(moment.second, moment.row), drag.repeated);
		}
		this.hover_update(event);
	}

	/** Where a click began a stretch that is still selected. */
	click_start() {
		const [selected, more] = this.map.selection ?? [];
		return this.clicked && !more && selected?.start_us === this.clicked.start_us && selected.end_us === this.clicked.end_us
			? this.clicked : null;
	}

	/** A click selects one cell, another one somewhere else ends the stretch there. @param {number} second @param {Range} cell @param {boolean} repeated */
	click(second, cell, repeated) {
		const start = repeated ? null : this.click_start();
		this.clicked = null;
		if (!start) {
			const ranges = this.ranges_to({ second, us: cell.start_us }, { second, us: cell.end_us }, repeated);
			if (ranges)
				this.events.select(ranges);
			if (ranges?.length === 1)
				[this.clicked] = ranges;
		} else if (start.start_us !== cell.start_us) {
			this.cells_join(start, cell);
		}
	}

	pointer_leave() {
		this.pointer = null;
		if (!this.drag)
			this.hover_clear();
	}

	/** @returns {boolean} whether there was a drag to give up */
	drag_cancel() {
		const { drag } = this;
		this.drag = null;
		this.anchor = null;
		this.anchor_held = false;
		if (drag?.moved)
			this.events.select(drag.before);
		return drag !== null;
	}

	/**
	 * The stretch between two moments, in either order, within what has happened.
	 * @param {number} a_us
	 * @param {number} b_us
	 * @returns {Range | null}
	 */
	range_to(a_us, b_us) {
		const now_us = Math.ceil(this.map.now_us() / ms_us) * ms_us;
		/* Not rounded: what is before the oldest is no longer there. */
		const start_us = Math.max(this.map.source.oldest_us(), Math.min(a_us, b_us));
		const end_us = Math.min(now_us, Math.max(a_us, b_us, start_us + ms_us));
		return end_us > start_us ? { start_us, end_us } : null;
	}

	/**
	 * What two moments mark: the stretch between them, or what lies between their offsets in every second shown
	 * that has happened and is kept whole there.
	 * @param {Moment} a
	 * @param {Moment} b
	 * @param {boolean} repeated
	 * @returns {Range[] | null}
	 */
	ranges_to(a, b, repeated) {
		if (!repeated) {
			const range = this.range_to(a.us, b.us);
			return range && [range];
		}
		const { geometry, source } = this.map;
		const [from_us, to_us] = [a, b].map(({ second, us }) => us - second * second_us).sort((x, y) => x - y);
		const ranges = [];
		for (let second = geometry.first; second < geometry.end; second++) {
			const start_us = second * second_us + Math.min(from_us, second_us - ms_us);
			const end_us = Math.max(second * second_us + to_us, start_us + ms_us);
			if (start_us >= source.oldest_us() && end_us <= this.map.now_us())
				ranges.push({ start_us, end_us });
		}
		return ranges.length ? ranges : null;
	}

	/** @param {{ clientX: number, clientY: number }} event */
	hover_update({ clientX, clientY }) {
		const { map, pointer } = this;
		if (!pointer || !map.geometry.holds(pointer.x, pointer.y)) {
			this.hover_clear();
			return;
		}
		const { second, row } = map.geometry.moment(pointer.x, pointer.y);
		if (map.hovered?.second !== second || map.hovered.row !== row) {
			map.hovered = { second, row };
			map.overlay_changed();
		}
		this.events.hover(map.hovered, { x: clientX, y: clientY }, false);
	}

	hover_clear() {
		if (this.map.hovered) {
			this.map.hovered = null;
			this.map.overlay_changed();
		}
		this.events.hover(null, { x: 0, y: 0 }, false);
	}

	/** The map has moved below a pointer that stands still. */
	moved() {
		if (!this.pointer || this.drag)
			return;
		const bounds = this.map.overlay_canvas.getBoundingClientRect();
		this.hover_update({ clientX: this.pointer.x + bounds.left,
			clientY: this.pointer.y + bounds.top });
	}

	/** @param {WheelEvent} event */
	wheel(event) {
		if (event.ctrlKey)
			return; /* the browser's zoom */
		event.preventDefault();
		const line = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 20;
		const delta = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.deltaY;
		this.wheel_rest += (delta * line) / wheel_px_per_column;
		const columns = Math.trunc(this.wheel_rest);
		this.wheel_rest -= columns;
		if (columns)
			this.events.scroll(columns);
	}

	/**
	 * @param {KeyboardEvent} event
	 * @returns {boolean} whether the key was meant for the map
	 */
	key_take(event) {
		if (event.ctrlKey || event.metaKey || event.altKey)
			return false;
		const steps = /** @type {Record<string, [number, number]>} */ ({
			ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
		});
		if (steps[event.key]) {
			this.cursor_step(...steps[event.key], event.shiftKey);
			return true;
		}
		if (event.key === "Enter") {
			this.cursor_enter();
			return true;
		}
		return false;
	}

	/** The cursor, or where it comes up first. @returns {Cell} */
	cursor_here() {
		const { map } = this;
		const { first, end, rows } = map.geometry;
		const cell = map.cursor ?? map.hovered ??
			{ second: Math.min(end, map.newest_end()) - 1, row: Math.floor(rows / 2) };
		return { second: Math.min(end - 1, Math.max(first, cell.second)), row: cell.row };
	}

	/**
	 * @param {number} columns
	 * @param {number} rows upwards
	 * @param {boolean} extend whether the selection goes along
	 */
	cursor_step(columns, rows, extend) {
		const { map } = this;
		const from = this.cursor_here();
		if (extend && !this.anchor)
			this.anchor = from;
		if (!extend && !this.anchor_held)
			this.anchor = null;
		const to = {
			second: Math.max(Math.floor(map.source.oldest_us() / second_us),
				Math.min(map.newest_end() - 1, from.second + columns)),
			row: Math.max(0, Math.min(map.rows - 1, from.row + rows)),
		};
		if (to.second < map.geometry.first || to.second >= map.geometry.end)
			this.events.scroll(to.second < map.geometry.first ? -10 : 10);
		map.cursor = to;
		map.hovered = null;
		map.overlay_changed();
		this.cursor_say();
		if (this.anchor)
			this.cells_select(this.anchor, to);
	}

	/** Enter starts a selection at the cursor, and ends it the second time. */
	cursor_enter() {
		const cell = this.cursor_here();
		this.map.cursor = cell;
		this.anchor_held = !this.anchor_held;
		if (this.anchor_held)
			this.anchor = cell;
		this.cells_select(this.anchor ?? cell, cell);
		if (!this.anchor_held)
			this.anchor = null;
	}

	/** Both cells included. @param {Cell} a @param {Cell} b */
	cells_select(a, b) {
		const { geometry } = this.map;
		this.cells_join(geometry.cell_range(a.second, a.row), geometry.cell_range(b.second, b.row));
	}

	/** From the first to the last of both. @param {Range} a @param {Range} b */
	cells_join(a, b) {
		const range = this.range_to(Math.min(a.start_us, b.start_us), Math.max(a.end_us, b.end_us));
		if (range)
			this.events.select([range]);
	}

	cursor_say() {
		const { cursor, geometry, overlay_canvas } = this.map;
		if (!cursor)
			return;
		const bounds = overlay_canvas.getBoundingClientRect();
		const offset_us = geometry.cell_range(cursor.second, cursor.row).start_us -
			cursor.second * second_us;
		this.events.hover(cursor, {
			x: bounds.left + geometry.column_x(cursor.second) + geometry.column,
			y: bounds.top + geometry.offset_y(offset_us),
		}, true);
	}
}
