/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells of the heat map: CPUs busy in each part of each second.
 *
 * A sample stands for a period of CPU time around it. Where the agent says that a CPU was never idle
 * between two samples, all the time between them was busy, however late the second came; where it was
 * idle, half a period is taken on each side. Where nothing is said (other agents' captures), consecutive
 * samples no further apart than bridge_max periods are taken for one busy stretch. A CPU is never
 * counted twice at one moment, and constant load is flat whatever the rows are.
 *
 * Columns are whole seconds of the timeline. They are made when asked for, kept, and made again only
 * when something within reach of them has changed.
 */

import { busy_shift } from "model/block";
import { WIRE_BUSY_PARTLY, WIRE_BUSY_UNKNOWN } from "wire";

/** @typedef {import("model/profile").Profile} Profile */
/** @typedef {import("model/profile").Change} Change */

export const second_us = 1e6;

/**
 * Periods between two samples of one CPU that was busy all the time: a late tick makes them more than
 * one, an idle tick makes them two. And between three samples, when the one in the middle is so late
 * that it stands near the last: see README.md.
 */
export const bridge_max = 1.75;
export const bridge_three_max = 2.25;
/** The longest time that one sample stands for, where the agent says that the CPU was never idle. */
export const busy_max_us = 250_000;

/** Columns that are kept. */
const columns_max = 4096;

/**
 * @typedef {object} Column
 * @property {Float32Array} busy CPUs busy by row, the mean over what is known of the row; row 0 starts
 * at offset 0
 * @property {Uint32Array} samples that fell into the row
 * @property {Float32Array} known share of the row of which something is known
 * @property {{ from_us: number, to_us: number, reason: number, lost: number }[]} gaps clipped to the
 * second, as offsets in it; lost is of the whole gap
 * @property {number} from_us offset: nothing is known before it
 * @property {number} to_us offset: nothing is known from here on
 */

/** @param {{ asked_us: number, by_cpu: Float64Array }} periods */
function reach_of({ asked_us, by_cpu }) {
	return Math.max(busy_max_us,
		by_cpu.reduce((most, period) => Math.max(most, period), asked_us) * bridge_three_max);
}

/** The column's samples with those in reach on both sides, in order of time. */
class Reach {
	/**
	 * @param {Profile} profile
	 * @param {number} from_us
	 * @param {number} to_us
	 */
	constructor(profile, from_us, to_us) {
		const blocks = profile.blocks_in(from_us, to_us).map((block) => ({ block,
			rows: block.rows(from_us, to_us) }));
		const count = blocks.reduce((sum, { rows: [first, end] }) => sum + end - first, 0);
		this.count = count;
		this.time = new Float64Array(count);
		this.cpu = new Uint16Array(count);
		this.busy = new Uint8Array(count);
		this.cpu_count = 0;
		let at = 0, sorted = true;
		for (const { block, rows: [first, end] } of blocks) {
			for (let row = first; row < end; row++, at++) {
				const cpu = block.cpu[row];
				this.time[at] = block.start_us + block.time[row];
				this.cpu[at] = cpu;
				this.busy[at] = block.status[row] >> busy_shift;
				this.cpu_count = Math.max(this.cpu_count, cpu + 1);
				sorted &&= !at || this.time[at - 1] <= this.time[at];
			}
		}
		/* A segment's first samples may be older than the last ones of the segment before. */
		if (!sorted)
			this.sort();
	}

	sort() {
		const { time, cpu, busy } = this;
		const order = Uint32Array.from(time, (_, i) => i).sort((a, b) => time[a] - time[b]);
		this.time = Float64Array.from(order, (i) => time[i]);
		this.cpu = Uint16Array.from(order, (i) => cpu[i]);
		this.busy = Uint8Array.from(order, (i) => busy[i]);
	}
}

/** Adds stretches of busy time to the rows of a second. */
class Spreader {
	/**
	 * @param {number} start_us of the second
	 * @param {number} rows
	 * @param {[number, number][]} known stretches, in order
	 */
	constructor(start_us, rows, known) {
		this.start_us = start_us;
		this.rows = rows;
		this.row_us = second_us / rows;
		this.known = known;
		/** Microseconds of CPU time by row. */
		this.sums = new Float64Array(rows);
	}

	/**
	 * @param {number} from_us
	 * @param {number} to_us
	 */
	add(from_us, to_us) {
		for (const [known_from, known_to] of this.known) {
			const from = Math.max(from_us, known_from) - this.start_us;
			const to = Math.min(to_us, known_to) - this.start_us;
			if (from < to)
				this.add_known(Math.max(0, from), Math.min(second_us, to));
		}
	}

	/**
	 * @param {number} from offset
	 * @param {number} to
	 */
	add_known(from, to) {
		const { row_us, rows, sums } = this;
		const last = Math.min(rows - 1, Math.floor(to / row_us));
		for (let row = Math.floor(from / row_us); row <= last; row++) {
			const part = Math.min(to, (row + 1) * row_us) - Math.max(from, row * row_us);
			if (part > 0)
				sums[row] += part;
		}
	}
}

/** The busy stretches that the samples of each CPU stand for, taken in order of time. */
class Stretches {
	/**
	 * @param {number} cpu_count
	 * @param {{ asked_us: number, by_cpu: Float64Array }} periods
	 * @param {Spreader} spreader takes the stretches
	 */
	constructor(cpu_count, { asked_us, by_cpu }, spreader) {
		this.spreader = spreader;
		this.periods = Float64Array.from({ length: cpu_count }, (_, cpu) => by_cpu[cpu] || asked_us);
		/** Where each CPU's stretch began that has not ended yet. */
		this.from = new Float64Array(cpu_count);
		/** The last sample of each CPU. */
		this.last = new Float64Array(cpu_count).fill(-Infinity);
		/** The one before it, where it is not decided yet whether the CPU was busy in between. */
		this.wide = new Float64Array(cpu_count).fill(-Infinity);
	}

	/**
	 * @param {number} cpu
	 * @param {number} time_us
	 * @param {number} busy enum wire_busy
	 */
	sample(cpu, time_us, busy) {
		const before = this.last[cpu];
		if (this.wide[cpu] > -Infinity)
			this.decide(cpu, before, time_us);
		if (busy === WIRE_BUSY_UNKNOWN)
			this.guess(cpu, before, time_us);
		else if (busy === WIRE_BUSY_PARTLY || time_us - before > busy_max_us)
			this.part(cpu, before, time_us);
		this.last[cpu] = time_us;
	}

	/**
	 * Two samples of which only the times tell whether the CPU was busy in between.
	 * @param {number} cpu
	 * @param {number} before may be none
	 * @param {number} time_us
	 */
	guess(cpu, before, time_us) {
		const period = this.periods[cpu];
		const between = time_us - before;
		if (between > period * bridge_three_max)
			this.part(cpu, before, time_us);
		else if (between > period * bridge_max)
			this.wide[cpu] = before;
	}

	/**
	 * @param {number} cpu
	 * @param {number} middle
	 * @param {number} last
	 */
	decide(cpu, middle, last) {
		const first = this.wide[cpu];
		this.wide[cpu] = -Infinity;
		if (last - first > this.periods[cpu] * bridge_three_max)
			this.part(cpu, first, middle);
	}

	/**
	 * Two samples with an idle time between them.
	 * @param {number} cpu
	 * @param {number} before may be none
	 * @param {number} after
	 */
	part(cpu, before, after) {
		/* Nearer than a period: each has the time up to the middle. */
		const half = Math.min(this.periods[cpu], after - before) / 2;
		if (before > -Infinity)
			this.spreader.add(this.from[cpu], before + half);
		this.from[cpu] = after - half;
	}

	end() {
		for (let cpu = 0; cpu < this.last.length; cpu++) {
			if (this.wide[cpu] > -Infinity)
				this.decide(cpu, this.last[cpu], Infinity);
			if (this.last[cpu] > -Infinity)
				this.part(cpu, this.last[cpu], Infinity);
		}
	}
}

export class Heat {
	/** @param {Profile} profile */
	constructor(profile) {
		this.profile = profile;
		/** @type {Map<number, Column>} by second, of this.rows */
		this.columns = new Map();
		this.rows = 0;
		/** Columns that were made: read by tests. */
		this.made = 0;
		this.forget = profile.listen((change) => this.profile_changed(change));
	}

	/** Stops listening. */
	close() {
		this.forget();
		this.columns.clear();
	}

	/** How far a sample reaches. */
	reach_us() {
		return reach_of(this.profile.periods(this.profile.covered_us));
	}

	/** @param {Change} change */
	profile_changed({ from_us, to_us }) {
		if (from_us >= to_us)
			return;
		const { first, end } = this.seconds_touched(from_us, to_us);
		if (end - first > this.columns.size) {
			for (const second of this.columns.keys())
				if (second >= first && second < end)
					this.columns.delete(second);
		} else {
			for (let second = first; second < end; second++)
				this.columns.delete(second);
		}
	}

	/**
	 * The columns that look different when a stretch has changed.
	 * @param {number} from_us
	 * @param {number} to_us
	 */
	seconds_touched(from_us, to_us) {
		const reach_us = this.reach_us();
		return { first: Math.floor((from_us - reach_us) / second_us),
			end: Math.floor((to_us + reach_us) / second_us) + 1 };
	}

	/**
	 * @param {number} second of the timeline, since the Unix epoch
	 * @param {number} rows that divide it
	 * @returns {Column | null} null: nothing is known of it
	 */
	column(second, rows) {
		if (rows !== this.rows) {
			this.rows = rows;
			this.columns.clear();
		}
		let column = this.columns.get(second);
		if (column)
			return column;
		const made = this.column_make(second, rows);
		if (!made)
			return null;
		this.columns.set(second, column = made);
		if (this.columns.size > columns_max)
			this.columns.delete(this.columns.keys().next().value ?? 0);
		return column;
	}

	/**
	 * @param {number} second
	 * @param {number} rows
	 * @returns {Column | null}
	 */
	column_make(second, rows) {
		const { profile } = this;
		const start_us = second * second_us, end_us = start_us + second_us;
		if (profile.oldest_us >= end_us || profile.covered_us <= start_us)
			return null;
		this.made++;
		const periods = profile.periods(start_us + second_us / 2);
		const reach_us = reach_of(periods);
		const reach = new Reach(profile, start_us - reach_us, end_us + reach_us);
		const known = profile.known(start_us, end_us);
		const spreader = new Spreader(start_us, rows, known);
		const stretches = new Stretches(reach.cpu_count, periods, spreader);
		for (let i = 0; i < reach.count; i++)
			stretches.sample(reach.cpu[i], reach.time[i], reach.busy[i]);
		stretches.end();
		const share = new Spreader(start_us, rows, known);
		share.add(start_us, end_us);
		const samples = new Uint32Array(rows);
		for (let i = 0; i < reach.count; i++) {
			const offset = reach.time[i] - start_us;
			if (offset >= 0 && offset < second_us)
				samples[Math.min(rows - 1, Math.floor(offset / share.row_us))]++;
		}
		return {
			busy: Float32Array.from(spreader.sums, (sum, row) => sum / (share.sums[row] || 1)),
			samples,
			known: Float32Array.from(share.sums, (sum) => sum / share.row_us),
			gaps: this.gaps_of(start_us, end_us),
			from_us: Math.max(0, profile.oldest_us - start_us),
			to_us: Math.min(second_us, profile.covered_us - start_us),
		};
	}

	/**
	 * @param {number} start_us
	 * @param {number} end_us
	 */
	gaps_of(start_us, end_us) {
		return this.profile.gaps(start_us, end_us).map(({ from_us, to_us, reason, lost }) => ({
			from_us: Math.max(0, from_us - start_us), to_us: Math.min(second_us, to_us - start_us),
			reason, lost,
		}));
	}

	/**
	 * How many samples of each row lie in stacks that are looked for.
	 * @param {number} second
	 * @param {number} rows
	 * @param {Uint8Array} mask by call: whether it counts, see call_tree.js
	 */
	hits(second, rows, mask) {
		const start_us = second * second_us;
		const hits = new Uint32Array(rows);
		const call_of_stack = this.profile.dictionary.calls_update();
		for (const block of this.profile.blocks_in(start_us, start_us + second_us)) {
			const [first, end] = block.rows(start_us, start_us + second_us);
			for (let row = first; row < end; row++) {
				const offset = block.start_us + block.time[row] - start_us;
				if (mask[call_of_stack[block.stack_ids[block.stack[row]]]])
					hits[Math.min(rows - 1, Math.floor(offset * rows / second_us))]++;
			}
		}
		return hits;
	}
}
