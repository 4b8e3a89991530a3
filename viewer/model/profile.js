/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that is known: the blocks of samples in order of time, the names they use, what was lost, and what
 * the agent said about itself. Segments arrive in any order, of one agent after another.
 *
 * Times are microseconds of the timeline (include/wire.h); ranges are half open. Whoever listens is
 * told once after each change; what they draw from it is read when they draw.
 */

import { Block } from "model/block";
import { dictionary_compact } from "model/compact";
import { CounterHistory } from "model/counters";
import { Dictionary } from "model/dictionary";
import * as wire from "wire";

/** @typedef {import("model/block").Gap} Gap */
/** @typedef {import("record_reader").Record} Record */
/** @typedef {import("record_reader").SegmentHead} SegmentHead */

/** Reasons of gaps that nobody sent: they follow from what is missing. */
export const GAP_LOADING = 0x100;
export const GAP_SKIPPED = 0x101;
/** Nothing was lost: one capture ends there, and the other one begins. */
export const GAP_JOINED = 0x102;

/** Whether data that there was is missing for good. @param {Gap} gap */
export const gap_is_loss = ({ reason }) => reason !== GAP_LOADING && reason !== GAP_JOINED;

/** What the page keeps at most, in bytes of samples and names, unless told otherwise: with all the rest of it it is to stay below 300 MB. */
export const profile_bytes_max = 270e6;
/** Segments that are kept; 60 s each, or 1 to 8 MiB. */
export const blocks_max = 16384;
/** Below this the dictionary is not made anew: it would free little. */
const compact_stacks_default = 65536;

/**
 * @typedef {object} Change
 * @property {number} from_us the stretch that looks different now; empty when from_us >= to_us
 * @property {number} to_us
 * @property {boolean} names functions are called otherwise, anywhere
 * @property {boolean} renumbered ids of calls, stacks and threads are others
 */

/** One of several events that a foreign file holds. @typedef {{ name: string, samples: number }} FileEvent */

/**
 * @typedef {object} Facts
 * @property {string} host
 * @property {string} kernel
 * @property {string} version
 * @property {string} event
 * @property {string} filter what was sampled, in words; empty: everything
 * @property {string} title of a capture
 * @property {number} frequency_mhz asked for, 0: nothing is known yet
 * @property {number} cpu_count
 * @property {number} event_kind enum wire_event
 * @property {string} note what one must know to read the picture; empty: nothing
 * @property {FileEvent[]} events all that the file has which this was made of; empty: only this one
 */

/** @param {string} text of WIRE_META_EVENTS @returns {FileEvent[]} */
function events_read(text) {
	return [...text.matchAll(/^(\d+) (.+)$/gm)].map(([, samples, name]) => ({ name, samples: Number(samples) }));
}

export class Profile {
	/** @param {{ bytes_max?: number, compact_stacks_min?: number, by_name?: boolean }} [options] by_name: see Dictionary */
	constructor({ bytes_max = profile_bytes_max, compact_stacks_min = compact_stacks_default, by_name = false } = {}) {
		this.bytes_max = bytes_max;
		this.compact_stacks_min = compact_stacks_min;
		/** Of the blocks. */
		this.block_bytes = 0;
		/** @type {Map<string, number>} by instance */
		this.oldest_segments = new Map();
		this.dictionary = new Dictionary(by_name);
		/** In order of time. @type {Block[]} */
		this.blocks = [];
		/** @type {Map<string, Block>} by instance and segment */
		this.blocks_by_key = new Map();
		/** Segments of which nothing is left: damaged before their first record, or skipped. */
		this.missing = /** @type {Map<string, "damaged" | "skipped">} */ (new Map());
		this.counters = new CounterHistory();
		/** @type {Map<number, string>} enum wire_meta to text */
		this.meta = new Map();
		/** @type {SegmentHead | null} of the newest segment */
		this.head = null;
		/** The most CPUs of any segment that is kept: they may come and go. */
		this.cpu_count = 0;
		/** Whether more of the past is on its way; set by the feed. */
		this.loading = false;
		/** Where the second of two captures begins; set by the feed. */
		this.joined_us = Infinity;
		/** What memory made the page forget. */
		this.evicted = { segments: 0, samples: 0 };
		/** @type {Set<(change: Change) => void>} */
		this.listeners = new Set();
		/** Stacks when the dictionary was last made anew. */
		this.compact_stacks = compact_stacks_min;
	}

	/** @param {(change: Change) => void} listener @returns {() => void} stops it */
	listen(listener) {
		this.listeners.add(listener);
		return () => this.listeners.delete(listener);
	}

	/** @param {Partial<Change>} change */
	changed(change) {
		const whole = { from_us: 0, to_us: 0, names: false, renumbered: false, ...change };
		for (const listener of this.listeners)
			listener(whole);
	}

	/* ---- filling ---- */

	/**
	 * @param {string} instance_id
	 * @param {number} segment
	 */
	block(instance_id, segment) {
		return this.blocks_by_key.get(`${instance_id}:${segment}`);
	}

	/**
	 * Takes the records of one chunk. The first of a segment is its head.
	 * @param {string} instance_id
	 * @param {number} segment
	 * @param {Record[]} records whose ids are valid
	 * @param {number} end_us everything of the segment before this has come
	 */
	records_add(instance_id, segment, records, end_us) {
		const known = this.block(instance_id, segment);
		const [first] = records;
		const block = known ?? (first?.kind === wire.WIRE_RECORD_SEGMENT
			? this.block_add(instance_id, segment, first.head) : undefined);
		if (!block)
			return;
		const bytes_before = block.byte_count;
		const names_before = this.dictionary.names_version;
		for (const record of records)
			this.record_add(block, record);
		block.cover(end_us);
		const touched = block.chunk_end();
		const { from_us, to_us } = known ? touched : this.with_holes(block);
		const names = this.dictionary.names_version !== names_before;
		this.block_bytes += block.byte_count - bytes_before;
		this.bytes_keep();
		this.changed({ from_us, to_us, names });
	}

	/**
	 * @param {Block} block
	 * @param {Record} record
	 */
	record_add(block, record) {
		block.record_add(record, this.dictionary);
		if (record.kind === wire.WIRE_RECORD_META)
			this.meta_add(block, record.rows);
		else if (record.kind === wire.WIRE_RECORD_COUNTERS)
			this.counters.add(block.instance_id, block.start_us + record.time_us, record.rows);
		else if (record.kind === wire.WIRE_RECORD_TICK)
			block.cover(block.start_us + record.time_us);
	}

	/**
	 * @param {string} instance_id
	 * @param {number} segment
	 * @param {SegmentHead} head
	 */
	block_add(instance_id, segment, head) {
		const block = new Block({ ...head, instance_id, segment });
		this.block_bytes += block.byte_count;
		this.blocks_by_key.set(`${instance_id}:${segment}`, block);
		let at = this.blocks.length;
		while (at && this.blocks[at - 1].start_us > block.start_us)
			at--;
		this.blocks.splice(at, 0, block);
		if (!this.head || block.start_us >= this.head.start_us)
			this.head = block.head;
		this.cpu_count = Math.max(this.cpu_count, head.cpu_count);
		return block;
	}

	/**
	 * @param {Block} block
	 * @param {{ meta: number, text: string }[]} rows
	 */
	meta_add(block, rows) {
		/* The newest segment knows best; older ones fill in what it does not say. */
		const newest = block.head === this.head;
		for (const { meta, text } of rows)
			if (newest || !this.meta.has(meta))
				this.meta.set(meta, text);
	}

	/**
	 * Nothing more of a segment will come.
	 * @param {string} instance_id
	 * @param {number} segment
	 * @param {"closed" | "cut" | "damaged" | "skipped"} state
	 */
	segment_end(instance_id, segment, state) {
		const block = this.block(instance_id, segment);
		if (block) {
			const bytes_before = block.byte_count;
			block.close(state);
			this.block_bytes += block.byte_count - bytes_before;
			this.changed(this.with_holes(block));
		} else if (state === "damaged" || state === "skipped") {
			this.missing.set(`${instance_id}:${segment}`, state);
			if (this.missing.size > blocks_max)
				this.missing.delete(this.missing.keys().next().value ?? "");
			this.changed({ from_us: this.oldest_us, to_us: this.covered_us });
		}
	}

	/**
	 * What a block touches, with the holes on both sides: they are others when it comes, ends or goes.
	 * @param {Block} block
	 */
	with_holes(block) {
		const at = this.blocks.indexOf(block);
		return { from_us: Math.min(block.from_us, this.blocks[at - 1]?.covered_us ?? Infinity),
			to_us: Math.max(block.to_us, this.blocks[at + 1]?.start_us ?? 0) };
	}

	/** Whether more of the past is on its way. @param {boolean} loading */
	loading_set(loading) {
		if (this.loading === loading)
			return;
		this.loading = loading;
		this.changed({ from_us: this.oldest_us, to_us: this.covered_us });
	}

	/**
	 * Forgets what the agent has forgotten.
	 * @param {string} instance_id
	 * @param {number} oldest_segment
	 */
	oldest_set(instance_id, oldest_segment) {
		if (this.oldest_segments.get(instance_id) === oldest_segment)
			return;
		this.oldest_segments.set(instance_id, oldest_segment);
		const gone = this.blocks.filter((block) => block.instance_id === instance_id &&
			block.segment < oldest_segment);
		if (gone.length)
			this.blocks_remove(gone);
	}

	/* ---- forgetting ---- */

	get byte_count() {
		return this.block_bytes + this.dictionary.byte_count;
	}

	/** Keeps memory within its limit: the oldest goes first, the newest stays. */
	bytes_keep() {
		const gone = [];
		let bytes = this.byte_count;
		for (let i = 0; i < this.blocks.length - 1; i++) {
			if (bytes <= this.bytes_max && this.blocks.length - i <= blocks_max)
				break;
			gone.push(this.blocks[i]);
			bytes -= this.blocks[i].byte_count;
		}
		if (!gone.length)
			return;
		this.evicted.segments += gone.length;
		this.evicted.samples += gone.reduce((sum, { count }) => sum + count, 0);
		this.blocks_remove(gone);
	}

	/** @param {Block[]} gone */
	blocks_remove(gone) {
		const set = new Set(gone);
		const touched = gone.map((block) => this.with_holes(block));
		this.blocks = this.blocks.filter((block) => !set.has(block));
		this.cpu_count = this.blocks.reduce((most, { head }) => Math.max(most, head.cpu_count), 0);
		for (const block of gone) {
			this.blocks_by_key.delete(`${block.instance_id}:${block.segment}`);
			this.block_bytes -= block.byte_count;
		}
		const renumbered = this.dictionary.stacks.count > 2 * this.compact_stacks;
		if (renumbered) {
			this.dictionary = dictionary_compact(this.dictionary, this.blocks);
			this.compact_stacks = Math.max(this.compact_stacks_min, this.dictionary.stacks.count);
		}
		this.changed({ from_us: touched.reduce((least, { from_us }) => Math.min(least, from_us), Infinity),
			to_us: touched.reduce((most, { to_us }) => Math.max(most, to_us), 0), names: renumbered,
			renumbered });
	}

	/* ---- asking ---- */

	/** The start of what is kept, 0: nothing is. */
	get oldest_us() {
		return this.blocks[0]?.start_us ?? 0;
	}

	/** Everything before this has come, 0: nothing has. */
	get covered_us() {
		return this.blocks[this.blocks.length - 1]?.covered_us ?? 0;
	}

	get sample_count() {
		return this.blocks.reduce((sum, { count }) => sum + count, 0);
	}

	/** @returns {Facts} */
	facts() {
		const text = (/** @type {number} */ meta) => this.meta.get(meta) ?? "";
		return {
			host: text(wire.WIRE_META_HOST), kernel: text(wire.WIRE_META_KERNEL),
			version: text(wire.WIRE_META_VERSION), event: text(wire.WIRE_META_EVENT),
			filter: text(wire.WIRE_META_FILTER), title: text(wire.WIRE_META_TITLE),
			frequency_mhz: this.head?.frequency_mhz ?? 0, cpu_count: this.cpu_count,
			event_kind: this.head?.event ?? 0,
			note: text(wire.WIRE_META_NOTE), events: events_read(text(wire.WIRE_META_EVENTS)),
		};
	}

	/** Blocks that anything within [from_us, to_us) may be in. @param {number} from_us @param {number} to_us */
	blocks_in(from_us, to_us) {
		return this.blocks.filter((block) => block.from_us < to_us && block.to_us > from_us);
	}

	/**
	 * The samples of some stretches by block, and what each of a block counts for: as many as one at the highest rate among them
	 * where rates differ, since agents lower theirs and two captures have two.
	 * @param {{ from_us: number, to_us: number }[]} ranges that do not overlap
	 * @param {number} [unit_ns] counts for one, in place of a sample of the highest rate
	 * @returns {{ parts: { block: Block, first: number, end: number, weight: number }[], period_ns: number, mixed: boolean }} period_ns: what counts for one,
	 * 0: not known
	 */
	samples_in(ranges, unit_ns = 0) {
		const parts = [], periods = new Set();
		for (const { from_us, to_us } of ranges)
			for (const block of this.blocks_in(from_us, to_us)) {
				const [first, end] = block.rows(from_us, to_us);
				if (first === end)
					continue;
				parts.push({ block, first, end, weight: 1 });
				periods.add(block.period_ns);
			}
		const period_ns = unit_ns || (periods.size ? Math.min(...periods) : this.block_at(ranges[0]?.from_us ?? 0)?.period_ns ?? 0);
		for (const part of parts)
			part.weight = period_ns ? part.block.period_ns / period_ns || 1 : 1;
		return { parts, period_ns, mixed: periods.size > 1 };
	}

	/**
	 * The block whose time this is: the last one that starts at or before it, else the first.
	 * @param {number} time_us
	 * @returns {Block | null}
	 */
	block_at(time_us) {
		let low = 0, high = this.blocks.length;
		while (low < high) {
			const middle = (low + high) >>> 1;
			if (this.blocks[middle].start_us <= time_us)
				low = middle + 1;
			else
				high = middle;
		}
		return this.blocks[Math.max(0, low - 1)] ?? null;
	}

	/** The wall clock at a time of the timeline, microseconds since the Unix epoch. @param {number} time_us */
	wall_us(time_us) {
		return time_us - (this.block_at(time_us)?.head.wall_shift_s ?? 0) * 1e6;
	}

	/**
	 * The time of the timeline at which the wall clock showed a time: the latest, where it did twice.
	 * @param {number} wall_us
	 */
	timeline_us(wall_us) {
		for (let i = this.blocks.length - 1; i >= 0; i--) {
			const shifted = wall_us + this.blocks[i].head.wall_shift_s * 1e6;
			if (shifted >= this.blocks[i].start_us)
				return shifted;
		}
		return wall_us + (this.blocks[0]?.head.wall_shift_s ?? 0) * 1e6;
	}

	/**
	 * Where data is missing within a stretch: what was recorded, and what follows from segments that
	 * are not there. Before the oldest and after covered_us nothing is known, which is no gap.
	 * @param {number} from_us
	 * @param {number} to_us
	 * @returns {Gap[]} in no order, not clipped, may overlap
	 */
	gaps(from_us, to_us) {
		const gaps = [];
		for (const block of this.blocks) {
			if (block.from_us >= to_us || block.to_us <= from_us)
				continue;
			for (const gap of block.gaps)
				if (gap.from_us < to_us && gap.to_us > from_us)
					gaps.push(gap);
		}
		for (let i = 1; i < this.blocks.length; i++) {
			const before = this.blocks[i - 1], after = this.blocks[i];
			if (before.covered_us >= to_us || after.start_us <= from_us ||
			    before.covered_us >= after.start_us)
				continue;
			const reason = this.hole_reason(before, after);
			if (reason)
				gaps.push({ from_us: before.covered_us, to_us: after.start_us, reason, lost: 0 });
		}
		return gaps;
	}

	/**
	 * Why nothing is known between two blocks; 0: nothing is missing there.
	 * @param {Block} before
	 * @param {Block} after
	 */
	hole_reason(before, after) {
		if (before.start_us < this.joined_us && after.start_us >= this.joined_us)
			return GAP_JOINED;
		if (before.state === "damaged")
			return wire.WIRE_GAP_DAMAGED;
		if (before.state === "skipped")
			return GAP_SKIPPED;
		const same = before.instance_id === after.instance_id;
		/* Each segment is inflated for itself: the next one's start may come before this one's end. */
		if (same && after.segment === before.segment + 1)
			return before.state === "closed" ? 0
				: this.loading || before.state === "open" ? GAP_LOADING : GAP_SKIPPED;
		const missing = this.missing.get(`${after.instance_id}:${after.segment - 1}`);
		if (missing)
			return missing === "damaged" ? wire.WIRE_GAP_DAMAGED : GAP_SKIPPED;
		if (this.loading && after.segment > 1)
			return GAP_LOADING;
		return same ? GAP_SKIPPED : wire.WIRE_GAP_NOT_RUNNING;
	}

	/**
	 * Parts of a stretch that are known: [from, to) pairs in order, without those gaps in which
	 * nothing at all was sampled.
	 * @param {number} from_us
	 * @param {number} to_us
	 * @returns {[number, number][]}
	 */
	known(from_us, to_us) {
		const start = Math.max(from_us, this.oldest_us), end = Math.min(to_us, this.covered_us);
		/** @type {[number, number][]} */
		const known = [];
		let at = start;
		const gaps = this.gaps(from_us, to_us).sort((a, b) => a.from_us - b.from_us);
		for (const gap of gaps) {
			if (gap.from_us >= end)
				break;
			if (gap.from_us > at)
				known.push([at, gap.from_us]);
			at = Math.max(at, gap.to_us);
		}
		if (at < end)
			known.push([at, end]);
		return known;
	}

	/** Samples lost within a stretch, and in how many gaps. @param {number} from_us @param {number} to_us */
	lost(from_us, to_us) {
		const gaps = this.gaps(from_us, to_us).filter(({ lost }) => lost > 0);
		return { gaps: gaps.length, samples: gaps.reduce((sum, { lost }) => sum + lost, 0) };
	}

	/**
	 * The mean of CPUs busy over what is known of some stretches.
	 * @param {{ from_us: number, to_us: number }[]} ranges
	 * @param {import("model/filter").SampleFilter | null} [filter] counts only what it keeps
	 */
	cpus_busy(ranges, filter = null) {
		let known_us = 0, busy_us = 0;
		for (const { from_us, to_us } of ranges) {
			for (const [from, to] of this.known(from_us, to_us))
				known_us += to - from;
			for (const block of this.blocks_in(from_us, to_us)) {
				const [first, end] = block.rows(from_us, to_us);
				if (first === end)
					continue;
				const { asked_us, by_cpu } = this.periods(block.start_us +
					block.time[(first + end) >>> 1]);
				const keeps = filter?.keeps(block);
				const counts = keeps ? new Uint32Array(wire.WIRE_CPUS_MAX) : block.counts("cpu", first, end);
				for (let row = first; keeps && row < end; row++)
					if (keeps(row))
						counts[block.cpu[row]]++;
				counts.forEach((count, cpu) => (busy_us += count * (by_cpu[cpu] || asked_us)));
			}
		}
		/* The rate reached is a mean: in a short stretch there may be a sample more than it says. */
		const cpus_max = this.facts().cpu_count || Infinity;
		return known_us > 0 ? Math.min(cpus_max, busy_us / known_us) : 0;
	}

	/**
	 * The sampling period of each CPU around a time, in microseconds: from the rate reached there, else
	 * from the rate asked for.
	 * @param {number} time_us
	 * @returns {{ asked_us: number, by_cpu: Float64Array }} 0 in by_cpu: as asked
	 */
	periods(time_us) {
		const block = this.block_at(time_us);
		const asked_us = period_us(block?.head.frequency_mhz ?? 0);
		const { rates } = block ?? { rates: [] };
		/* A record tells of the second before it. */
		let at = 0;
		while (at < rates.length - 1 && rates[at].time_us < time_us)
			at++;
		const mhz = rates[at]?.mhz ?? new Float32Array(0);
		return { asked_us, by_cpu: Float64Array.from(mhz, (value) => (value ? period_us(value) : 0)) };
	}

	/** The rate reached lately, the mean of the CPUs that were busy, in mHz; 0: not known. */
	rate_reached_mhz() {
		/* A segment that has just begun has none yet: then the one before it tells. */
		for (const { rates } of this.blocks.slice(-2).reverse()) {
			const busy = rates[rates.length - 1]?.mhz.filter((mhz) => mhz > 0) ?? [];
			if (busy.length)
				return busy.reduce((sum, mhz) => sum + mhz, 0) / busy.length;
		}
		return 0;
	}
}

/** No period is taken for shorter or longer than this, whatever a file says. */
const period_min_us = 20, period_max_us = 2e6;

/** @param {number} mhz */
function period_us(mhz) {
	return mhz > 0 ? Math.min(period_max_us, Math.max(period_min_us, 1e9 / mhz)) : 0;
}
