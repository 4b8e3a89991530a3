/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lanes under the map, in its columns: how much of a CPU each of the busiest threads kept busy, and how busy each CPU was.
 * Above them stands where one thread alone was running.
 */

import { by_id, text_set } from "views/elements";
import { clock_text, cpus_text } from "views/format";
import { hatch } from "views/hatching";
import { canvas_fit } from "views/map_frame";
import { second_us } from "views/map_geometry";
import { name_escape } from "views/names";
import { TextFit } from "views/text_fit";

/** @typedef {import("views/map_geometry").MapGeometry} MapGeometry */
/** @typedef {import("views/colors").Tokens} Tokens */
/** @typedef {{ kind: "thread" | "cpu", key: number, name: string, of: string, value: string, top: number, height: number }} Lane of: whose thread it is */

/** With lanes the map begins here, so that their names have room. */
export const lanes_gutter = 148;

const notes_height = 18, lane_step = 16, lane_gap = 2, padding_bottom = 6, group_gap = 6;
/** CPUs share this height when they are many. */
const cpus_height = 96;
/** While more comes the lanes are painted this often, and seconds are counted for so long at a time. */
const paint_ms = 250, budget_ms = 6;
/** Shorter stretches of one thread alone have a line but no words. */
const note_least_us = 1_000_000;
/** Names begin here and end so far from the lanes; whose threads they are stands in what is left, if that is enough. */
const name_left = 16, name_gap = 8, of_least = 24;
/** A thread that keeps a CPU as busy as this is said to keep one busy. */
const cpu_least = 0.9;

/**
 * @typedef {object} LanesSource
 * @property {(second: number) => import("model/lanes").LaneSecond | null} second
 * @property {(second: number) => boolean} is_counted whether second() costs nothing
 * @property {(first: number, end: number, count: number) => number[]} busiest threads
 * @property {(thread: number) => import("model/lanes").LaneThread} thread
 * @property {(first: number, end: number) => { start_us: number, end_us: number, thread: number, busy: number }[]} singles
 * @property {(second: number) => number} wall_us
 * @property {() => number} cpu_count
 * @property {(first: number, end: number) => import("views/ranges").Range[]} gaps in which data was lost
 * @property {() => { start_us: number, end_us: number } | null} selection
 */

export class LanesView {
	/**
	 * @param {LanesSource} source
	 * @param {(kind: "thread" | "cpu", value: string) => void} choose a lane was clicked
	 */
	constructor(source, choose) {
		this.source = source;
		this.section = by_id("lanes-section", HTMLElement);
		this.canvas = /** @type {HTMLCanvasElement} */ (this.section.querySelector("canvas"));
		this.words = by_id("lanes-words", HTMLElement);
		this.text = new TextFit(/** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d")));
		/** @type {Lane[]} */
		this.lanes = [];
		this.kinds = "off";
		this.painted_ms = 0;
		this.painted = "";
		/** Counts up when what was painted is not right any more. */
		this.version = 0;
		this.canvas.addEventListener("pointermove", (event) => this.hover(event));
		this.canvas.addEventListener("click", (event) => {
			const lane = this.lane_at(event);
			if (lane)
				choose(lane.kind, lane.value);
		});
		/** @type {MapGeometry | null} */
		this.geometry = null;
	}

	/** @param {string} kinds "off", "threads", "cpus" or "both" */
	show(kinds) {
		this.kinds = kinds;
		this.section.hidden = kinds === "off";
		this.lanes_find();
	}

	/** Which lanes there are; asked once a second, so that they stand still meanwhile. */
	lanes_find() {
		const { source, kinds, geometry } = this;
		/** @type {Lane[]} */
		const lanes = [];
		let top = notes_height;
		const threads_max = innerHeight < 860 ? 4 : innerHeight < 1000 ? 6 : 8;
		if (kinds === "threads" || kinds === "both") {
			const busiest = geometry ? source.busiest(geometry.first, geometry.end, threads_max) : [];
			for (const key of busiest.sort((a, b) => a - b)) {
				const { comm, tid, process } = source.thread(key);
				/* Threads of one name are told apart by their numbers. */
				lanes.push({ kind: "thread", key, name: name_escape(comm), of: process === comm ? String(tid) : name_escape(process), value: `${comm} ${tid}`, top, height: lane_step - lane_gap });
				top += lane_step;
			}
			/* Room for those to come, so that nothing moves when they do. */
			top = notes_height + threads_max * lane_step;
		}
		if (kinds === "cpus" || kinds === "both") {
			const count = source.cpu_count();
			const step = Math.max(2, Math.min(lane_step, Math.floor(cpus_height / Math.max(1, count))));
			top += kinds === "both" ? group_gap : 0;
			for (let cpu = 0; cpu < count; cpu++, top += step)
				lanes.push({ kind: "cpu", key: cpu, name: `CPU ${cpu}`, of: "", value: String(cpu), top, height: step - Math.min(lane_gap, step - 1) });
		}
		const same = JSON.stringify(lanes) === JSON.stringify(this.lanes);
		this.lanes = lanes;
		this.section.style.height = kinds === "off" ? "" : `${top + padding_bottom}px`;
		if (!same)
			this.version++;
		this.words_show();
	}

	/** The same for those who don't see it. */
	words_show() {
		const { geometry, source } = this;
		const singles = geometry && this.kinds !== "off" ? source.singles(geometry.first, geometry.end) : [];
		const threads = this.lanes.filter(({ kind }) => kind === "thread").map(({ name }) => name);
		text_set(this.words, this.kinds === "off" ? "" : [threads.length ? `Busiest threads: ${threads.join(", ")}.` : "",
			...singles.filter(({ start_us, end_us }) => end_us - start_us >= note_least_us).slice(-3)
				.map((single) => `From ${clock_text(source.wall_us(single.start_us / second_us))}: ${this.single_words(single)}.`)].join(" "));
	}

	/** @param {{ start_us: number, end_us: number, thread: number, busy: number }} single */
	single_words({ start_us, end_us, thread, busy }) {
		const { source } = this;
		const cpus = busy >= cpu_least ? "1" : cpus_text(busy);
		const seconds = Number(((end_us - start_us) / second_us).toFixed(1));
		return `only ${name_escape(source.thread(thread).comm)} was running: ${cpus} of ${source.cpu_count()} CPUs, ${seconds} s`;
	}

	/** @param {MouseEvent} event */
	lane_at({ offsetY }) {
		return this.lanes.find(({ top, height }) => offsetY >= top && offsetY < top + height + lane_gap) ?? null;
	}

	/** @param {MouseEvent} event */
	hover(event) {
		const { geometry } = this;
		const lane = this.lane_at(event);
		this.canvas.style.cursor = lane ? "pointer" : "";
		if (!lane || !geometry || event.offsetX < geometry.left) {
			this.canvas.title = lane ? `${lane.kind === "thread" ? name_escape(lane.value) : lane.name}: click to filter by it` : "";
			return;
		}
		const second = geometry.first + Math.floor((event.offsetX - geometry.left) / geometry.column);
		const busy = this.busy(lane, second);
		this.canvas.title = `${lane.name}: ${busy === null ? "nothing is known" : `${cpus_text(busy)} CPUs busy`} at ${
			clock_text(this.source.wall_us(second))}`;
	}

	/** @param {Lane} lane @param {number} second @returns {number | null} */
	busy({ kind, key }, second) {
		const known = this.source.is_counted(second) ? this.source.second(second) : null;
		return known && ((kind === "thread" ? known.threads : known.cpus).get(key) ?? 0);
	}

	/**
	 * Paints when there is something new to see.
	 * @param {MapGeometry} geometry
	 * @param {Tokens} tokens
	 * @param {string} single the colour of one thread alone
	 * @returns {boolean} whether more is to be counted
	 */
	frame(geometry, tokens, single) {
		if (this.kinds === "off")
			return false;
		this.geometry = geometry;
		const more = this.count(geometry);
		const selection = this.source.selection();
		const key = [geometry.first, geometry.width, geometry.columns, geometry.scale, this.version, tokens.bg, selection?.start_us,
			selection?.end_us].join();
		const now_ms = performance.now();
		if (key === this.painted && now_ms - this.painted_ms < paint_ms)
			return more;
		this.painted = key;
		this.painted_ms = now_ms;
		this.paint(geometry, tokens, single);
		return more;
	}

	/** Counts seconds that are shown, the newest first, for a while. @param {MapGeometry} geometry */
	count({ first, end }) {
		const until_ms = performance.now() + budget_ms;
		for (let second = end - 1; second >= first; second--) {
			if (this.source.is_counted(second))
				continue;
			if (performance.now() > until_ms)
				return true;
			this.source.second(second);
		}
		return false;
	}

	/**
	 * @param {MapGeometry} geometry
	 * @param {Tokens} tokens
	 * @param {string} single
	 */
	paint(geometry, tokens, single) {
		const { canvas, lanes, source } = this;
		const height = this.section.clientHeight;
		const context = canvas_fit(canvas, geometry.width, height, geometry.scale);
		const { left, right, column, first, end } = geometry;
		context.clearRect(0, 0, geometry.width, height);
		const family = getComputedStyle(canvas).fontFamily;
		const singles = source.singles(first, end);
		for (const lane of lanes) {
			context.fillStyle = tokens.sunken;
			context.fillRect(left, lane.top, right - left, lane.height);
			context.fillStyle = tokens.ink3;
			for (let second = first; second < end; second++) {
				const busy = this.busy(lane, second);
				if (busy) {
					const bar = Math.min(1, busy) * lane.height;
					context.fillRect(geometry.column_x(second), lane.top + lane.height - bar, column, bar);
				}
			}
			if (lane.height >= 10)
				this.name_draw(context, tokens, lane, left - name_gap, family);
		}
		this.gaps_draw(context, geometry, tokens);
		this.singles_draw(context, geometry, tokens, single, singles, family);
		this.selection_draw(context, geometry, tokens, height);
	}

	/**
	 * @param {CanvasRenderingContext2D} context
	 * @param {Tokens} tokens
	 * @param {Lane} lane
	 * @param {number} right
	 * @param {string} family
	 */
	name_draw(context, tokens, { name, of, top, height }, right, family) {
		const bold = `600 11px ${family}`, plain = `400 11px ${family}`;
		const y = top + height / 2 + 0.5, text = this.text.fit(bold, name, right - name_left);
		context.textBaseline = "middle";
		context.textAlign = "left";
		context.font = bold;
		context.fillStyle = tokens.ink;
		context.fillText(text, name_left, y);
		const room = right - name_left - this.text.width(bold, text) - name_gap;
		if (room < of_least)
			return;
		context.textAlign = "right";
		context.font = plain;
		context.fillStyle = tokens.ink3;
		context.fillText(this.text.fit(plain, of, room), right, y);
	}

	/** What the lanes are, above them. @param {CanvasRenderingContext2D} context @param {Tokens} tokens @param {string} font @param {number} left @returns {number} where that ends */
	caption_draw(context, tokens, font, left) {
		const words = "full height: one CPU kept busy";
		context.font = font;
		context.fillStyle = tokens.ink2;
		context.textAlign = "left";
		context.textBaseline = "middle";
		context.fillText(this.kinds === "cpus" ? "CPUs" : "Busiest threads", name_left, notes_height - 9);
		context.fillStyle = tokens.ink3;
		context.fillText(words, left, notes_height - 9);
		return left + this.text.width(font, words) + 12;
	}

	/**
	 * @param {CanvasRenderingContext2D} context
	 * @param {MapGeometry} geometry
	 * @param {Tokens} tokens
	 */
	gaps_draw(context, geometry, tokens) {
		const x_of = (/** @type {number} */ us) => Math.min(geometry.right, Math.max(geometry.left, geometry.column_x(us / second_us)));
		for (const { start_us, end_us } of this.source.gaps(geometry.first, geometry.end)) {
			const x = Math.floor(x_of(start_us)), width = Math.max(2, Math.ceil(x_of(end_us)) - x);
			for (const { top, height } of this.lanes)
				hatch(context, tokens, { x, y: top, width, height });
		}
	}

	/**
	 * @param {CanvasRenderingContext2D} context
	 * @param {MapGeometry} geometry
	 * @param {Tokens} tokens
	 * @param {string} color
	 * @param {ReturnType<LanesSource["singles"]>} singles
	 * @param {string} family
	 */
	singles_draw(context, geometry, tokens, color, singles, family) {
		const x_of = (/** @type {number} */ us) => Math.max(geometry.left, geometry.left + (us / second_us - geometry.first) * geometry.column);
		const font = `400 12px ${family}`;
		let free_x = this.caption_draw(context, tokens, `400 11px ${family}`, geometry.left);
		for (const single of singles) {
			const x0 = x_of(single.start_us), x1 = Math.min(geometry.right, x_of(single.end_us));
			const lane = this.lanes.find(({ kind, key }) => kind === "thread" && key === single.thread);
			context.fillStyle = color;
			if (lane)
				for (let second = Math.floor(single.start_us / second_us); second * second_us < single.end_us; second++) {
					const from = Math.max(x0, geometry.column_x(second)), to = Math.min(x1, geometry.column_x(second + 1));
					const bar = Math.min(1, this.busy(lane, second) ?? 0) * lane.height;
					if (to > from)
						context.fillRect(from, lane.top + lane.height - bar, to - from, bar);
				}
			context.fillRect(x0, notes_height - 4, Math.max(1, x1 - x0), 2);
			if (single.end_us - single.start_us < note_least_us)
				continue;
			const words = this.single_words(single);
			context.font = font;
			const width = this.text.width(font, words);
			const next = singles.find(({ start_us, end_us }) => start_us > single.start_us && end_us - start_us >= note_least_us);
			const right = Math.min(geometry.right, next ? x_of(next.start_us) - 8 : Infinity);
			const x = x1 + 6 + width <= right ? x1 + 6 : x0 - 6 - width;
			if (x < free_x)
				continue;
			context.fillStyle = tokens.ink2;
			context.textAlign = "left";
			context.textBaseline = "middle";
			context.fillText(words, x, notes_height - 9);
			free_x = Math.max(x + width, x1) + 8;
		}
	}

	/**
	 * @param {CanvasRenderingContext2D} context
	 * @param {MapGeometry} geometry
	 * @param {Tokens} tokens
	 * @param {number} height
	 */
	selection_draw(context, geometry, tokens, height) {
		const selection = this.source.selection();
		if (!selection)
			return;
		context.fillStyle = tokens.ink;
		for (const us of [selection.start_us, selection.end_us]) {
			const x = geometry.left + (us / second_us - geometry.first) * geometry.column;
			if (x >= geometry.left && x <= geometry.right)
				context.fillRect(Math.round(x), notes_height, 1, height - notes_height - padding_bottom);
		}
	}
}
