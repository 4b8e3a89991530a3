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
import { SecondCache } from "model/second_cache";
import { WIRE_BUSY_PARTLY, WIRE_BUSY_UNKNOWN } from "wire";

/** @typedef {import("model/profile").Profile} Profile */
/** @typedef {import("model/block").Block} Block */
/** @typedef {import("model/filter").SampleFilter} SampleFilter */

/**
 * What a sample is counted for: busy time is told apart by it. 0: for nothing.
 * @typedef {(block: Block) => (row: number) => number} KeyOf
 */

/** A piece of a CPU's busy time. @typedef {(from_us: number, to_us: number, key: number, cpu: number) => void} Sink */

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
	 * @param {KeyOf} key_of
	 */
	constructor(profile, from_us, to_us, key_of) {
		const blocks = profile.blocks_in(from_us, to_us).map((block) => ({ block,
			rows: block.rows(from_us, to_us) }));
		const count = blocks.reduce((sum, { rows: [first, end] }) => sum + end - first, 0);
		this.count = count;
		this.time = new Float64Array(count);
		this.cpu = new Uint16Array(count);
		this.busy = new Uint8Array(count);
		this.key = new Int32Array(count);
		this.cpu_count = 0;
		let at = 0, sorted = true;
		for (const { block, rows: [first, end] } of blocks) {
			const key = key_of(block);
			for (let row = first; row < end; row++, at++) {
				const cpu = block.cpu[row];
				this.time[at] = block.start_us + block.time[row];
				this.cpu[at] = cpu;
				this.busy[at] = block.status[row] >> busy_shift;
				this.key[at] = key(row);
				this.cpu_count = Math.max(this.cpu_count, cpu + 1);
				sorted &&= !at || this.time[at - 1] <= this.time[at];
			}
		}
		/* A segment's first samples may be older than the last ones of the segment before. */
		if (!sorted)
			this.sort();
	}

	sort() {
		const { time, cpu, busy, key } = this;
		const order = Uint32Array.from(time, (_, i) => i).sort((a, b) => time[a] - time[b]);
		this.time = Float64Array.from(order, (i) => time[i]);
		this.cpu = Uint16Array.from(order, (i) => cpu[i]);
		this.busy = Uint8Array.from(order, (i) => busy[i]);
		this.key = Int32Array.from(order, (i) => key[i]);
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

/**
 * The busy stretches that the samples of each CPU stand for, taken in order of time. Where two samples of one stretch have
 * different keys, each has the time up to the middle.
 */
class Stretches {
	/**
	 * @param {number} cpu_count
	 * @param {{ asked_us: number, by_cpu: Float64Array }} periods
	 * @param {Sink} sink takes them
	 */
	constructor(cpu_count, { asked_us, by_cpu }, sink) {
		this.sink = sink;
		this.periods = Float64Array.from({ length: cpu_count }, (_, cpu) => by_cpu[cpu] || asked_us);
		/** Where each CPU's stretch began that has not ended yet. */
		this.from = new Float64Array(cpu_count);
		/** The last sample of each CPU. */
		this.last = new Float64Array(cpu_count).fill(-Infinity);
		/** The one before it, where it is not decided yet whether the CPU was busy in between. */
		this.wide = new Float64Array(cpu_count).fill(-Infinity);
		/** The key of each CPU's last sample. */
		this.key = new Int32Array(cpu_count);
		/** Where a stretch that has not ended had another key before. @type {{ until_us: number, key: number }[][]} */
		this.turns = Array.from({ length: cpu_count }, () => []);
	}

	/**
	 * @param {number} cpu
	 * @param {number} time_us
	 * @param {number} busy enum wire_busy
	 * @param {number} key
	 */
	sample(cpu, time_us, busy, key) {
		const before = this.last[cpu];
		if (this.wide[cpu] > -Infinity)
			this.decide(cpu, before, time_us);
		if (busy === WIRE_BUSY_UNKNOWN)
			this.guess(cpu, before, time_us);
		else if (busy === WIRE_BUSY_PARTLY || time_us - before > busy_max_us)
			this.part(cpu, before, time_us);
		const middle_us = (before + time_us) / 2;
		if (key !== this.key[cpu] && middle_us > this.from[cpu])
			this.turns[cpu].push({ until_us: middle_us, key: this.key[cpu] });
		this.key[cpu] = key;
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
			this.close(cpu, before + half);
		this.from[cpu] = after - half;
	}

	/** @param {number} cpu @param {number} to_us the end of its stretch */
	close(cpu, to_us) {
		let from_us = this.from[cpu], last_key = this.key[cpu];
		for (const { until_us, key } of this.turns[cpu]) {
			if (until_us >= to_us) {
				last_key = key;
				break;
			}
			this.sink(from_us, until_us, key, cpu);
			from_us = until_us;
		}
		this.sink(from_us, to_us, last_key, cpu);
		this.turns[cpu].length = 0;
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

/**
 * The busy time of a second and of what reaches into it, in pieces of one key each.
 * @param {Profile} profile
 * @param {number} second
 * @param {KeyOf} key_of
 * @param {Sink} sink
 * @returns {Reach} the samples
 */
export function busy_pieces(profile, second, key_of, sink) {
	const start_us = second * second_us, end_us = start_us + second_us;
	const periods = profile.periods(start_us + second_us / 2);
	const reach_us = reach_of(periods);
	const reach = new Reach(profile, start_us - reach_us, end_us + reach_us, key_of);
	const stretches = new Stretches(reach.cpu_count, periods, sink);
	for (let i = 0; i < reach.count; i++)
		stretches.sample(reach.cpu[i], reach.time[i], reach.busy[i], reach.key[i]);
	stretches.end();
	return reach;
}

/** How far a sample reaches. @param {Profile} profile */
export function sample_reach_us(profile) {
	return reach_of(profile.periods(profile.covered_us));
}

/** Counts what a filter keeps. @param {SampleFilter | null} filter @returns {KeyOf} */
function kept_key(filter) {
	if (!filter)
		return () => () => 1;
	return (block) => {
		const keeps = filter.keeps(block);
		return (row) => Number(keeps(row));
	};
}

export class Heat {
	/** @param {Profile} profile */
	constructor(profile) {
		this.profile = profile;
		/** What is counted; null: everything. @type {SampleFilter | null} */
		this.filter = null;
		this.rows = 0;
		/** Columns that were made: read by tests. */
		this.made = 0;
		/** @type {SecondCache<Column>} of this.rows and this.filter */
		this.cache = new SecondCache(profile, { count_max: columns_max, reach_us: () => this.reach_us(),
			make: (second) => this.column_make(second, this.rows, this.filter) });
	}

	/** Stops listening. */
	close() {
		this.cache.close();
	}

	/** The columns that were made, by second. */
	get columns() {
		return this.cache.seconds;
	}

	/** Counts only some samples from now on. @param {SampleFilter | null} filter */
	filter_set(filter) {
		this.filter = filter;
		this.columns.clear();
	}

	/** How far a sample reaches. */
	reach_us() {
		return sample_reach_us(this.profile);
	}

	/**
	 * The columns that look different when a stretch has changed.
	 * @param {number} from_us
	 * @param {number} to_us
	 */
	seconds_touched(from_us, to_us) {
		return this.cache.touched(from_us, to_us);
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
		return this.cache.get(second);
	}

	/**
	 * @param {number} second
	 * @param {number} rows
	 * @param {SampleFilter | null} filter
	 * @returns {Column | null}
	 */
	column_make(second, rows, filter) {
		const { profile } = this;
		const start_us = second * second_us, end_us = start_us + second_us;
		if (profile.oldest_us >= end_us || profile.covered_us <= start_us)
			return null;
		this.made++;
		const known = profile.known(start_us, end_us);
		const spreader = new Spreader(start_us, rows, known);
		const reach = busy_pieces(profile, second, kept_key(filter), (from_us, to_us, key) => {
			if (key)
				spreader.add(from_us, to_us);
		});
		const share = new Spreader(start_us, rows, known);
		share.add(start_us, end_us);
		const samples = new Uint32Array(rows);
		for (let i = 0; i < reach.count; i++) {
			const offset = reach.time[i] - start_us;
			if (reach.key[i] && offset >= 0 && offset < second_us)
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
	 * Which rows hold a sample of the stacks that are looked for: 1, else 0.
	 * @param {number} second
	 * @param {number} rows
	 * @param {import("model/call_tree").NameSearch} search
	 */
	hits(second, rows, search) {
		const start_us = second * second_us, row_us = second_us / rows;
		const hits = new Uint8Array(rows);
		for (const block of this.profile.blocks_in(start_us, start_us + second_us)) {
			const mask = search.block_mask(block);
			if (!mask)
				continue;
			const keeps = this.filter?.keeps(block), { stack, time } = block;
			const offset_us = start_us - block.start_us;
			const [first, end] = block.rows(start_us, start_us + second_us);
			for (let at = first; at < end;) {
				if (!mask[stack[at]] || keeps && !keeps(at)) {
					at++;
					continue;
				}
				const row = Math.floor((time[at] - offset_us) / row_us);
				hits[row] = 1;
				/* The rest of the row need not be looked at. */
				at = block.bound(Math.ceil(offset_us + (row + 1) * row_us), end, at + 1);
			}
		}
		return hits;
	}
}
