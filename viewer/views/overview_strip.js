/* SPDX-License-Identifier: Apache-2.0 */
/* The whole history in one strip, once it is longer than the map: how busy it was, what is unusual or missing, and the part that the map shows. */

import { by_id } from "views/elements";
import { clock_text, span_words } from "views/format";
import { hatch } from "views/hatching";
import { canvas_fit } from "views/map_frame";
import { second_us } from "views/map_geometry";

/** @typedef {import("views/map_geometry").MapGeometry} MapGeometry */
/** @typedef {import("views/colors").Tokens} Tokens */

const bars_top = 8, bars_height = 20, brush_least = 6, gap_least = 2;
const paint_ms = 500, budget_ms = 6;
/** Seconds between labels; the first that leaves them room is taken. */
const label_steps = [60, 300, 600, 1800, 3600, 7200, 21600], label_room = 90;

/**
 * @typedef {object} OverviewSource
 * @property {(second: number) => number} busy CPUs; less than 0: nothing is known
 * @property {(second: number) => boolean} is_counted
 * @property {() => { first: number, end: number }} span
 * @property {(second: number) => number} wall_us
 * @property {(first: number, end: number) => import("views/ranges").Range[]} gaps in which data was lost
 * @property {() => import("views/map_frame").MapMark[]} marks of unusual moments
 */

export class OverviewStrip {
	/**
	 * @param {OverviewSource} source
	 * @param {(first: number) => void} scroll the map to a second
	 */
	constructor(source, scroll) {
		this.source = source;
		this.section = by_id("overview", HTMLElement);
		this.canvas = /** @type {HTMLCanvasElement} */ (this.section.querySelector("canvas"));
		this.painted = "";
		this.painted_ms = 0;
		/** @type {MapGeometry | null} */
		this.geometry = null;
		/** Seconds between the pointer and the start of the brush, while it is moved. @type {number | null} */
		this.held = null;
		const { canvas } = this;
		canvas.addEventListener("pointerdown", (event) => {
			const { geometry } = this;
			if (!geometry || event.button !== 0)
				return;
			const second = this.second_at(event.offsetX);
			const inside = second >= geometry.first && second < geometry.end;
			this.held = inside ? second - geometry.first : geometry.columns / 2;
			canvas.setPointerCapture(event.pointerId);
			scroll(Math.round(second - this.held));
		});
		canvas.addEventListener("pointermove", (event) => {
			if (this.held !== null)
				scroll(Math.round(this.second_at(event.offsetX) - this.held));
		});
		for (const name of ["pointerup", "pointercancel"])
			canvas.addEventListener(name, () => (this.held = null));
		canvas.addEventListener("keydown", (event) => {
			const step = event.key === "ArrowLeft" ? -10 : event.key === "ArrowRight" ? 10 : 0;
			if (!step || !this.geometry)
				return;
			event.preventDefault();
			event.stopPropagation();
			scroll(this.geometry.first + step);
		});
	}

	/** Whether there is more than the map shows. @param {MapGeometry} geometry */
	show(geometry) {
		const { first, end } = this.source.span();
		this.section.hidden = end - first <= geometry.columns;
	}

	/** @param {number} x */
	second_at(x) {
		const { first, end } = this.source.span();
		const { left, right } = /** @type {MapGeometry} */ (this.geometry);
		return first + (x - left) / (right - left) * (end - first);
	}

	/**
	 * Paints when there is something new to see.
	 * @param {MapGeometry} geometry
	 * @param {Tokens} tokens
	 * @returns {boolean} whether more is to be counted
	 */
	frame(geometry, tokens) {
		this.geometry = geometry;
		if (this.section.hidden)
			return false;
		const { first, end } = this.source.span();
		const until_ms = performance.now() + budget_ms;
		let more = false;
		for (let second = end - 1; second >= first && !more; second--)
			if (!this.source.is_counted(second)) {
				more = performance.now() > until_ms;
				this.source.busy(second);
			}
		const key = [geometry.first, geometry.columns, geometry.width, geometry.left, geometry.scale, tokens.bg].join();
		if (key === this.painted && performance.now() - this.painted_ms < paint_ms)
			return more;
		this.painted = key;
		this.painted_ms = performance.now();
		this.paint(geometry, tokens, first, end);
		return more;
	}

	/**
	 * @param {MapGeometry} geometry
	 * @param {Tokens} tokens
	 * @param {number} first
	 * @param {number} end
	 */
	paint(geometry, tokens, first, end) {
		const { canvas, source } = this;
		const context = canvas_fit(canvas, geometry.width, this.section.clientHeight, geometry.scale);
		context.clearRect(0, 0, geometry.width, this.section.clientHeight);
		const { left, right } = geometry;
		const per_px = (end - first) / (right - left);
		const bars = new Float32Array(right - left);
		let most = 1;
		for (let x = 0; x < bars.length; x++) {
			const from = Math.floor(first + x * per_px), to = Math.max(from + 1, Math.floor(first + (x + 1) * per_px));
			bars[x] = -1;
			for (let second = from; second < to; second++)
				bars[x] = Math.max(bars[x], source.is_counted(second) ? source.busy(second) : 0);
			most = Math.max(most, bars[x]);
		}
		context.fillStyle = tokens.control;
		bars.forEach((busy, x) => {
			const height = Math.max(0, busy) / most * bars_height;
			context.fillRect(left + x, bars_top + bars_height - height, 1, height);
		});
		const x_of = (/** @type {number} */ us) => Math.min(right, Math.max(left, left + (us / second_us - first) / per_px));
		for (const { start_us, end_us } of source.gaps(first, end)) {
			const x = Math.floor(x_of(start_us));
			hatch(context, tokens, { x, y: bars_top, width: Math.max(gap_least, Math.ceil(x_of(end_us)) - x), height: bars_height });
		}
		for (const { start_us, current } of source.marks()) {
			context.fillStyle = current ? tokens.accent : tokens.ink2;
			context.fillRect(Math.round(x_of(start_us)) - 1, 0, 3, bars_top - 3);
		}
		context.font = `400 11px ${getComputedStyle(canvas).fontFamily}`;
		context.fillStyle = tokens.ink3;
		context.textBaseline = "middle";
		context.textAlign = "right";
		context.fillText(span_words((end - first) * second_us), left - 9, bars_top + bars_height / 2, left - 13);
		this.labels_draw(context, geometry, first, end);
		const x0 = left + (Math.max(first, geometry.first) - first) / per_px;
		const x1 = Math.max(x0 + brush_least, left + (Math.min(end, geometry.end) - first) / per_px);
		context.strokeStyle = tokens.accent;
		context.lineWidth = 2;
		context.strokeRect(Math.min(x0, right - brush_least), bars_top - 3, Math.min(x1, right) - Math.min(x0, right - brush_least), bars_height + 5);
		canvas.setAttribute("aria-valuemin", String(first));
		canvas.setAttribute("aria-valuemax", String(end));
		canvas.setAttribute("aria-valuenow", String(geometry.first));
		canvas.setAttribute("aria-valuetext", `from ${clock_text(source.wall_us(geometry.first))} to ${clock_text(source.wall_us(geometry.end))}`);
	}

	/**
	 * @param {CanvasRenderingContext2D} context
	 * @param {MapGeometry} geometry
	 * @param {number} first
	 * @param {number} end
	 */
	labels_draw(context, { left, right }, first, end) {
		const { source } = this;
		const per_px = (end - first) / (right - left);
		const step = label_steps.find((seconds) => seconds / per_px >= label_room) ?? 86400;
		const shift = Math.round(source.wall_us(first) / second_us) - first;
		context.textAlign = "left";
		for (let wall = Math.ceil((first + shift) / step) * step; wall < end + shift; wall += step) {
			const x = left + (wall - shift - first) / per_px;
			if (x + 40 < right)
				context.fillText(clock_text(wall * second_us).slice(0, 5), x, bars_top + bars_height + 9);
		}
	}
}
