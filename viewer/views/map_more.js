/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More ways to use the map: rows and width by the wheel, a click that ends a selection, a drag that chooses what it is compared
 * with, its ends by the millisecond, and a magnifier while M is held.
 */

import { element } from "views/elements";
import { drag_min_px } from "views/map_input";

/** @typedef {import("app").Page} Page */
/** @typedef {import("views/view_menu").ViewMenu} ViewMenu */

const wheel_px_per_step = 60;
const glass_width = 208, glass_height = 160, glass_times = 5;
const ms_us = 1000;

export class MapMore {
	/** @param {Page} page @param {ViewMenu} view */
	constructor(page, view) {
		this.page = page;
		this.view = view;
		this.wheel_rest = 0;
		this.held = false;
		/** Where Shift and the pointer went down. @type {{ x: number, y: number, us: number, moved: boolean } | null} */
		this.shifted = null;
		const { section, overlay_canvas } = page.map;
		this.glass = element("canvas", "glass");
		this.glass.hidden = true;
		this.glass.setAttribute("aria-hidden", "true");
		section.append(this.glass);
		/* Before the map itself hears of it. */
		section.addEventListener("wheel", (event) => this.wheel(event), { capture: true, passive: false });
		section.addEventListener("pointerdown", (event) => this.pointer_down(event), { capture: true });
		section.addEventListener("pointermove", (event) => this.pointer_move(event), { capture: true });
		section.addEventListener("pointerup", (event) => this.pointer_up(event), { capture: true });
		section.addEventListener("pointercancel", () => (this.shifted = null), { capture: true });
		overlay_canvas.addEventListener("keydown", (event) => this.key(event));
		overlay_canvas.addEventListener("pointermove", () => this.glass_show());
		overlay_canvas.addEventListener("pointerleave", () => this.glass_show());
		addEventListener("keyup", (event) => {
			if (event.key.toLowerCase() === "m")
				this.magnify(false);
		});
		addEventListener("blur", () => this.magnify(false));
	}

	/** @param {WheelEvent} event */
	wheel(event) {
		if (!event.ctrlKey && !event.altKey)
			return;
		event.preventDefault();
		event.stopPropagation();
		this.wheel_rest += event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 20);
		const steps = Math.trunc(this.wheel_rest / wheel_px_per_step);
		this.wheel_rest -= steps * wheel_px_per_step;
		if (steps && event.altKey)
			this.view.step("rows", steps < 0 ? 1 : -1);
		else if (steps)
			this.view.width_step(this.page.map.geometry.column, steps < 0 ? 1 : -1);
	}

	/** Shift and a click end what a click or a drag began; Shift and a drag choose what it is compared with. @param {PointerEvent} event */
	pointer_down(event) {
		const { page } = this;
		const { geometry } = page.map;
		const point = page.input.point(event);
		if (!event.shiftKey || event.button !== 0 || !page.selection || !geometry.holds(point.x, point.y))
			return;
		event.stopPropagation();
		event.preventDefault();
		page.map.overlay_canvas.setPointerCapture(event.pointerId);
		this.shifted = { ...point, us: geometry.moment(point.x, point.y).us, moved: false };
	}

	/** The stretch of the drag so far. @param {PointerEvent} event */
	shifted_range(event) {
		const { map, input } = this.page;
		const { x, y } = input.point(event), { shifted } = this;
		if (shifted && Math.hypot(x - shifted.x, y - shifted.y) >= drag_min_px)
			shifted.moved = true;
		return shifted?.moved ? input.range_to(shifted.us, map.geometry.moment(x, y).us) : null;
	}

	/** @param {PointerEvent} event */
	pointer_move(event) {
		if (!this.shifted)
			return;
		event.stopPropagation();
		const range = this.shifted_range(event);
		if (range) {
			this.page.map.baseline = [range];
			this.page.map.overlay_changed();
		}
	}

	/** @param {PointerEvent} event */
	pointer_up(event) {
		const { page, shifted } = this;
		if (!shifted)
			return;
		event.stopPropagation();
		const range = this.shifted_range(event);
		this.shifted = null;
		if (range) {
			page.compare_with(range);
		} else if (page.selection && !shifted.moved) {
			const { second, row } = page.map.geometry.moment(shifted.x, shifted.y);
			const [{ start_us }] = page.selection;
			page.input.cells_join({ start_us, end_us: start_us }, page.map.geometry.cell_range(second, row));
		}
	}

	/** Ctrl and an arrow move the end by a millisecond, with Shift the start. @param {KeyboardEvent} event */
	key(event) {
		const { selection, input } = this.page;
		const steps = /** @type {Record<string, number>} */ ({ ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 });
		const step_us = (steps[event.key] ?? 0) * ms_us;
		if (!event.ctrlKey || !step_us || !selection)
			return;
		event.preventDefault();
		const [start_step_us, end_step_us] = event.shiftKey ? [step_us, 0] : [0, step_us];
		const ranges = selection.flatMap(({ start_us, end_us }) => (end_us + end_step_us > start_us + start_step_us
			? input.range_to(start_us + start_step_us, end_us + end_step_us) ?? [] : []));
		if (ranges.length)
			this.page.select(ranges);
	}

	/** @param {boolean} held */
	magnify(held) {
		this.held = held;
		this.glass_show();
	}

	/** Puts what is around the pointer into the glass, over it. */
	glass_show() {
		const { page, glass } = this;
		const { pointer } = page.input;
		const { geometry, cells } = page.map;
		glass.hidden = !this.held || !pointer || !geometry.holds(pointer.x, pointer.y);
		document.body.classList.toggle("magnified", !glass.hidden);
		if (glass.hidden || !pointer)
			return;
		const { scale } = geometry;
		const width = Math.round(glass_width * scale), height = Math.round(glass_height * scale);
		if (glass.width !== width || glass.height !== height) {
			glass.width = width;
			glass.height = height;
		}
		const context = /** @type {CanvasRenderingContext2D} */ (glass.getContext("2d"));
		const [from_width, from_height] = [width / glass_times, height / glass_times];
		context.imageSmoothingEnabled = false;
		context.fillStyle = page.map.tokens?.bg ?? "";
		context.fillRect(0, 0, width, height);
		context.drawImage(cells.canvas, (pointer.x - geometry.left) * scale - from_width / 2,
			(pointer.y - geometry.top) * scale - from_height / 2, from_width, from_height, 0, 0, width, height);
		context.strokeStyle = page.map.tokens?.ink ?? "";
		context.strokeRect(width / 2 - 4, height / 2 - 4, 8, 8);
		const { style } = glass;
		style.left = `${pointer.x - glass_width / 2}px`;
		style.top = `${pointer.y - glass_height / 2}px`;
	}
}
