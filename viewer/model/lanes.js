/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How busy each thread and each CPU was in each second, and the stretches in which one thread alone was running.
 */

import { busy_pieces, sample_reach_us, second_us } from "model/heat";
import { SecondCache } from "model/second_cache";

/** @typedef {import("model/profile").Profile} Profile */
/** @typedef {import("model/filter").SampleFilter} SampleFilter */

/** A thread, or one of the names that it had. @typedef {{ pid: number, tid: number, comm: string, process: string }} LaneThread */

/**
 * @typedef {object} LaneSecond
 * @property {Map<number, number>} threads CPUs busy by number of the thread, over what is known of the second
 * @property {Map<number, number>} cpus the same by CPU
 * @property {number} known share of the second of which something is known
 */

/** @typedef {{ from_us: number, to_us: number, thread: number, busy: number }} Single a stretch of one thread alone; CPUs busy */

const seconds_max = 4096;

/** Pieces of a second that are looked at for a thread alone, and how many of them make a stretch: half a second. */
export const single_cells = 20;
const single_window = 10;
/** The share of samples that makes a thread the only one, and the least of a CPU that it must keep busy. */
export const single_share = 0.95, single_busy_least = 0.1;

/** Numbers of threads that stay what they are when the dictionary is made anew. */
class ThreadNumbers {
	/** @param {Profile} profile */
	constructor(profile) {
		this.profile = profile;
		/** @type {LaneThread[]} */
		this.threads = [];
		/** @type {Map<string, number>} */
		this.numbers = new Map();
		/** By thread of the dictionary. @type {number[]} */
		this.known = [];
		this.identity = profile.dictionary.identity;
	}

	/** @param {number} id of the dictionary */
	number(id) {
		const { dictionary } = this.profile;
		if (dictionary.identity !== this.identity) {
			this.identity = dictionary.identity;
			this.known = [];
		}
		return this.known[id] ??= this.number_find(dictionary.thread(id));
	}

	/** @param {LaneThread} thread */
	number_find({ pid, tid, comm, process }) {
		const key = `${pid} ${tid} ${comm}`;
		let number = this.numbers.get(key);
		if (number === undefined) {
			number = this.threads.push({ pid, tid, comm, process }) - 1;
			this.numbers.set(key, number);
		}
		return number;
	}
}

/** Counts of samples by thread in a window that moves along. */
class Window {
	constructor() {
		/** @type {Map<number, number>} */
		this.counts = new Map();
		this.total = 0;
	}

	/** @param {Map<number, number>} cell @param {number} sign */
	add(cell, sign) {
		for (const [thread, count] of cell) {
			this.total += sign * count;
			const left = (this.counts.get(thread) ?? 0) + sign * count;
			if (left)
				this.counts.set(thread, left);
			else
				this.counts.delete(thread);
		}
	}

	/** The thread that nearly all samples are of; -1: there is none. */
	single() {
		for (const [thread, count] of this.counts)
			if (count >= single_share * this.total)
				return thread;
		return -1;
	}
}

/** Most seconds have nobody who is alone. */
const nobody = new Int32Array(0);

export class Lanes {
	/** @param {Profile} profile */
	constructor(profile) {
		this.profile = profile;
		this.numbers = new ThreadNumbers(profile);
		/** Of the lanes; a thread is alone on the host or not, whatever is shown of it. @type {SampleFilter | null} */
		this.filter = null;
		/** @type {SecondCache<LaneSecond>} */
		this.seconds = new SecondCache(profile, { make: (second) => this.second_make(second),
			reach_us: () => sample_reach_us(profile), count_max: seconds_max });
		/** @type {SecondCache<Int32Array>} */
		this.singles = new SecondCache(profile, { make: (second) => this.single_make(second),
			reach_us: () => second_us / single_cells * single_window, count_max: seconds_max });
	}

	close() {
		this.seconds.close();
		this.singles.close();
	}

	/** @param {number} number @returns {LaneThread} */
	thread(number) {
		return this.numbers.threads[number];
	}

	/** Counts only some samples from now on. @param {SampleFilter | null} filter */
	filter_set(filter) {
		this.filter = filter;
		this.seconds.seconds.clear();
	}

	/** @param {number} second of the timeline @returns {LaneSecond | null} null: nothing is known of it */
	second_make(second) {
		const { profile, filter, numbers } = this;
		const start_us = second * second_us, end_us = start_us + second_us;
		const known_us = profile.known(start_us, end_us).reduce((sum, [from, to]) => sum + to - from, 0);
		if (!known_us)
			return null;
		/** @type {Map<number, number>} */
		const threads = new Map(), cpus = new Map();
		busy_pieces(profile, second, (block) => {
			const keeps = filter?.keeps(block);
			return (row) => (!keeps || keeps(row) ? numbers.number(block.thread_ids[block.thread[row]]) + 1 : 0);
		}, (from_us, to_us, key, cpu) => {
			const busy = (Math.min(to_us, end_us, profile.covered_us) - Math.max(from_us, start_us, profile.oldest_us)) / known_us;
			if (!key || busy <= 0)
				return;
			threads.set(key - 1, (threads.get(key - 1) ?? 0) + busy);
			cpus.set(cpu, (cpus.get(cpu) ?? 0) + busy);
		});
		return { threads, cpus, known: known_us / second_us };
	}

	/**
	 * Threads to show: one that keeps a CPU busy for seconds comes before many that do little all the time.
	 * @param {number} first second
	 * @param {number} end
	 * @param {number} count at most so many
	 * @returns {number[]} numbers
	 */
	busiest(first, end, count) {
		/** @type {Map<number, number>} */
		const weights = new Map();
		for (let second = first; second < end; second++)
			for (const [thread, busy] of this.seconds.seconds.get(second)?.threads ?? [])
				weights.set(thread, (weights.get(thread) ?? 0) + busy * busy);
		return [...weights].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, count).map(([thread]) => thread);
	}

	/* ---- one thread alone ---- */

	/** Whether anything can be said: all of a host with several CPUs is sampled. */
	single_is_known() {
		const { cpu_count, filter } = this.profile.facts();
		return cpu_count > 1 && filter === "";
	}

	/**
	 * @param {number} second
	 * @returns {Int32Array | null} by cell: 1 + the number of the thread that was alone there, 0: none was; empty: nowhere
	 */
	single_make(second) {
		const { profile } = this;
		const start_us = second * second_us, cell_us = second_us / single_cells;
		if (profile.oldest_us >= start_us + second_us || profile.covered_us <= start_us)
			return null;
		const alone = new Int32Array(single_cells);
		const first = 1 - single_window, count = single_cells + 2 * (single_window - 1);
		const cells = this.cells_count(start_us + first * cell_us, count, cell_us);
		const { asked_us } = profile.periods(start_us + second_us / 2);
		const window_us = cell_us * single_window;
		const window = new Window();
		for (let at = 0; at < count; at++) {
			window.add(cells[at], 1);
			if (at >= single_window)
				window.add(cells[at - single_window], -1);
			const from = first + at - single_window + 1;
			const busy = window.total * asked_us / window_us;
			if (from < first || busy < single_busy_least || busy * single_share > 1.1 ||
			    !this.is_whole(start_us + from * cell_us, start_us + (from + single_window) * cell_us))
				continue;
			const thread = window.single();
			if (thread >= 0)
				alone.fill(thread + 1, Math.max(0, from), Math.max(0, from + single_window));
		}
		return alone.some((thread) => thread > 0) ? alone : nobody;
	}

	/** @param {number} from_us @param {number} to_us whether all of it is known */
	is_whole(from_us, to_us) {
		const { profile } = this;
		return from_us >= profile.oldest_us && to_us <= profile.covered_us && !profile.gaps(from_us, to_us).length;
	}

	/**
	 * @param {number} from_us
	 * @param {number} count
	 * @param {number} cell_us
	 * @returns {Map<number, number>[]} samples by thread
	 */
	cells_count(from_us, count, cell_us) {
		/** @type {Map<number, number>[]} */
		const cells = Array.from({ length: count }, () => new Map());
		const to_us = from_us + count * cell_us;
		for (const block of this.profile.blocks_in(from_us, to_us)) {
			const [first, end] = block.rows(from_us, to_us);
			for (let row = first; row < end; row++) {
				const cell = cells[Math.min(count - 1, Math.floor((block.start_us + block.time[row] - from_us) / cell_us))];
				const thread = this.numbers.number(block.thread_ids[block.thread[row]]);
				cell.set(thread, (cell.get(thread) ?? 0) + 1);
			}
		}
		return cells;
	}

	/**
	 * The stretches of one thread alone, within seconds.
	 * @param {number} first
	 * @param {number} end
	 * @returns {Single[]} in order of time
	 */
	single_stretches(first, end) {
		const cell_us = second_us / single_cells;
		/** @type {Single[]} */
		const stretches = [];
		for (let second = first; second < end; second++) {
			const alone = this.singles.get(second);
			for (let cell = 0; alone && cell < single_cells; cell++) {
				if (!alone[cell])
					continue;
				const from_us = second * second_us + cell * cell_us;
				const last = stretches[stretches.length - 1];
				if (last?.to_us === from_us && last.thread === alone[cell] - 1)
					last.to_us += cell_us;
				else
					stretches.push({ from_us, to_us: from_us + cell_us, thread: alone[cell] - 1, busy: 0 });
			}
		}
		for (const stretch of stretches)
			stretch.busy = this.profile.cpus_busy([stretch]);
		return stretches;
	}
}
