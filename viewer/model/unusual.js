/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was unusual in a profile: its seconds, one after another, to the finder of perturbations. Live
 * ones as they are complete, a history from its oldest second, a little at a time.
 */

import { Perturbations, buckets, cells_per_second } from "model/perturbations";
import { process_frame } from "model/dictionary";

/** @typedef {import("model/profile").Profile} Profile */
/** @typedef {import("model/heat").Heat} Heat */
/** @typedef {import("model/perturbations").Mark} Mark */

const second_us = 1e6;
/** A second counts when so much of it is known. */
const known_least = 0.98;
/** Marks that are kept; the oldest go first. */
export const marks_max = 4096;

/** FNV-1a with a final mix. @param {string} text */
function text_hash(text) {
	let hash = 0x811c9dc5;
	for (let at = 0; at < text.length; at++)
		hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
	return Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
}

/** The bucket of each call, by process and function: the same ones whatever ids are. */
class CallBuckets {
	/** @param {Profile} profile */
	constructor(profile) {
		this.profile = profile;
		this.identity = profile.dictionary.identity;
		this.known = new Int16Array(0);
		/** Hash of the process's name by call. */
		this.processes = new Int32Array(0);
		this.count = 1;
	}

	/** @returns {Int16Array} by call */
	update() {
		const { dictionary } = this.profile;
		dictionary.calls_update();
		if (dictionary.identity !== this.identity) {
			this.identity = dictionary.identity;
			this.count = 1;
		}
		const { calls, functions, strings } = dictionary;
		if (this.known.length < calls.count) {
			const known = new Int16Array(Math.ceil(calls.count * 1.5));
			known.set(this.known);
			this.known = known;
			const processes = new Int32Array(known.length);
			processes.set(this.processes);
			this.processes = processes;
		}
		const [parents, symbols] = calls.columns;
		for (let call = this.count; call < calls.count; call++) {
			const symbol = symbols[call];
			this.processes[call] = symbol < 0 ? text_hash(strings.texts[process_frame(symbol)])
				: this.processes[parents[call]];
			const key = symbol < 0 ? 0 : functions.columns[0][dictionary.call_function(call)];
			const hash = Math.imul(this.processes[call] ^ Math.imul(key, 0x9e3779b1), 0x85ebca6b);
			this.known[call] = (hash >>> 16) % buckets;
		}
		this.count = calls.count;
		return this.known;
	}
}

export class Unusual {
	/**
	 * @param {Profile} profile
	 * @param {Heat} heat
	 */
	constructor(profile, heat) {
		this.profile = profile;
		this.heat = heat;
		this.call_buckets = new CallBuckets(profile);
		/** Complete ones, in order of time. @type {Mark[]} */
		this.marks = [];
		/** @type {Perturbations | null} */
		this.finder = null;
		/** The next second to look at. */
		this.next = 0;
		/** The oldest second that was looked at. */
		this.first = 0;
		/** Counts up when marks were added or all are others. */
		this.version = 0;
	}

	/** The mark that has not ended yet. @returns {Mark | null} */
	get current() {
		return this.finder?.current ?? null;
	}

	/** Whether no more CPUs can be busy than usual. */
	get is_full() {
		return this.finder?.is_full ?? false;
	}

	/** The largest burst that may have gone unseen, in CPU seconds; Infinity before there is a reference. */
	get unseen_cpu_s() {
		return this.finder?.unseen_cpu_s ?? Infinity;
	}

	/**
	 * Looks at seconds that are complete.
	 * @param {number} budget_ms stops after this
	 * @returns {boolean} whether there is more to do
	 */
	update(budget_ms) {
		const { profile } = this;
		if (!profile.covered_us || profile.loading)
			return false;
		this.begin();
		/* Samples reach into the second before theirs. */
		const end = Math.floor((profile.covered_us - this.heat.reach_us()) / second_us);
		const until = performance.now() + budget_ms;
		for (; this.next < end; this.next++) {
			if (performance.now() > until)
				return true;
			this.second_add(this.next);
		}
		return false;
	}

	/** Begins anew when older seconds have come. */
	begin() {
		const { profile } = this;
		const oldest = Math.ceil(profile.oldest_us / second_us);
		const { frequency_mhz, cpu_count } = profile.facts();
		this.marks_forget(oldest);
		if (this.finder && oldest >= this.first && this.finder.cpu_count === cpu_count &&
		    this.finder.rate_hz === frequency_mhz / 1000)
			return;
		this.finder = new Perturbations({ rate_hz: Math.max(1, frequency_mhz / 1000),
			cpu_count: Math.max(1, cpu_count) });
		this.first = this.next = oldest;
		this.marks = [];
		this.version++;
	}

	/** @param {number} oldest second */
	marks_forget(oldest) {
		const kept = this.marks.filter(({ to_us }) => to_us > oldest * second_us).slice(-marks_max);
		if (kept.length === this.marks.length)
			return;
		this.marks = kept;
		this.version++;
	}

	/** @param {number} second */
	second_add(second) {
		const column = this.heat.column_make(second, cells_per_second, null);
		if (!column || column.known.some((share) => share < known_least))
			return; /* a hole: the finder begins a new minute behind it */
		const marks = this.finder?.add({ second, busy: column.busy, mix: this.mix(second) }) ?? [];
		if (!marks.length)
			return;
		this.marks.push(...marks);
		this.version++;
	}

	/** CPU time by cell and bucket: a sample stands for the period around it. @param {number} second */
	mix(second) {
		const { profile } = this;
		const mix = new Float32Array(cells_per_second * buckets);
		const start_us = second * second_us, end_us = start_us + second_us;
		const { asked_us, by_cpu } = profile.periods(start_us + second_us / 2);
		const bucket_of = this.call_buckets.update();
		const { call_of_stack } = profile.dictionary;
		const cell_us = second_us / cells_per_second;
		for (const block of profile.blocks_in(start_us - asked_us, end_us + asked_us)) {
			const [first, end] = block.rows(start_us - asked_us, end_us + asked_us);
			for (let row = first; row < end; row++) {
				const half_us = (by_cpu[block.cpu[row]] || asked_us) / 2;
				const offset_us = block.start_us + block.time[row] - start_us;
				const from = Math.max(0, (offset_us - half_us) / cell_us);
				const to = Math.min(cells_per_second, (offset_us + half_us) / cell_us);
				const bucket = bucket_of[call_of_stack[block.stack_ids[block.stack[row]]]];
				for (let cell = Math.floor(from); cell < to; cell++)
					mix[cell * buckets + bucket] += Math.min(to, cell + 1) - Math.max(from, cell);
			}
		}
		return mix;
	}
}
