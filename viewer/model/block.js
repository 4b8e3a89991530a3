/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The samples of one segment, in order of time: columns of about 10 bytes a sample. Threads and stacks
 * are numbers within the block; two small arrays lead from there to the dictionary.
 */

import { process_frame } from "model/dictionary";
import { RowTable, array_grown, array_widened } from "model/tables";
import * as wire from "wire";

/** @typedef {import("model/dictionary").Dictionary} Dictionary */
/** @typedef {import("model/tables").CountArray} CountArray */
/** @typedef {import("record_reader").Record} Record */
/** @typedef {import("record_reader").SegmentHead} SegmentHead */

/** Samples of a segment that are kept; a segment of 8 MiB holds a million. */
export const samples_max = 1 << 22;
/** Gaps of a segment that are kept apart; those that follow make the last one longer. */
export const gaps_max = 65536;
/** How long a segment may claim to be: twice what it should be, for agents that were held up. */
const covered_span_max_us = 2 * wire.WIRE_SEGMENT_SPAN_MAX_US;
/** Bits of a sample's status: 3 of the user part's, 3 of the kernel part's, then enum wire_busy. */
export const busy_shift = 6;
export const user_status_mask = 7;
/** What is summed up. */
const column_names = /** @type {const} */ (["cpu", "thread", "stack", "status"]);
/** How many rows are sorted in a segment in all: many times what an agent's order asks for. */
const sorted_rows_max = 1 << 25;

/**
 * @typedef {object} Gap
 * @property {number} from_us timeline
 * @property {number} to_us
 * @property {number} reason enum wire_gap_reason, or one of the profile's own
 * @property {number} lost samples, 0: not known
 */

/**
 * What the ids of the segment's records mean, while it is being filled. Index 0 is none.
 */
class Fill {
	constructor() {
		this.strings = [0];
		this.modules = [0];
		this.functions = [0];
		this.frames = [0];
		this.stack_parents = [0];
		this.stack_frames = [0];
		/** Process name of each thread, a string of the dictionary. */
		this.processes = [0];
		/** process name, stack of the segment */
		this.pairs = new RowTable(2);
		/** By pair: the stack of the dictionary, and its number in the block once a sample has it. */
		this.pair_stacks = new Int32Array(16);
		this.pair_numbers = new Int32Array(16);
	}

	/**
	 * Takes other numbers for the names of processes; stacks keep theirs.
	 * @param {(process: number) => number} renamed
	 */
	pairs_rename(renamed) {
		const { count, columns: [processes, stacks] } = this.pairs;
		this.pairs = new RowTable(2);
		for (let id = 1; id < count; id++)
			this.pairs.add_pair(renamed(processes[id]), stacks[id]);
	}
}

/**
 * @param {Uint32Array} sums by what is in a column
 * @param {CountArray} column
 * @param {number} first row
 * @param {number} end
 * @param {1 | -1} sign whether they are added or taken away
 */
function rows_sum(sums, column, first, end, sign) {
	for (let row = first; row < end; row++)
		sums[column[row]] += sign;
}

export class Block {
	/**
	 * @param {SegmentHead} head
	 */
	constructor(head) {
		this.head = head;
		this.instance_id = head.instance_id;
		this.segment = head.segment;
		this.start_us = head.start_us;
		/** Everything before this has arrived. */
		this.covered_us = head.start_us;
		/** @type {"open" | "closed" | "cut" | "damaged" | "skipped"} */
		this.state = "open";
		this.count = 0;
		/** Microseconds since start_us; a little below 0 for some. */
		this.time = new Int32Array(0);
		/** @type {CountArray} */
		this.cpu = new Uint8Array(0);
		/** @type {CountArray} number within the block */
		this.thread = new Uint8Array(0);
		/** @type {CountArray} number within the block */
		this.stack = new Uint8Array(0);
		/** enum wire_stack of both parts and enum wire_busy, see busy_shift */
		this.status = new Uint8Array(0);
		/** All sorted samples by what is in each column, so that a large stretch is summed up by its blocks. */
		this.sums = { cpu: new Uint32Array(0), thread: new Uint32Array(0), stack: new Uint32Array(0), status: new Uint32Array(256) };
		/** One more than the highest of its samples. */
		this.cpu_count = 0;
		/** Threads and stacks of the dictionary. */
		this.thread_ids = new Int32Array(1);
		this.thread_count = 1;
		this.stack_ids = new Int32Array(1);
		this.stack_count = 1;
		/** @type {Gap[]} */
		this.gaps = [];
		/** Rates reached, in order of time: mHz by CPU, 0: not known. */
		this.rates = /** @type {{ time_us: number, mhz: Float32Array }[]} */ ([]);
		/** The stretch that anything in here touches. */
		this.from_us = head.start_us;
		this.to_us = head.start_us;
		/** What came since the last chunk ended touches [touched_us, covered_us) at least. */
		this.touched_us = head.start_us;
		this.sorted_count = 0;
		this.sorted_rows = 0;
		/** Samples beyond samples_max. */
		this.left_out = 0;
		/** @type {Fill | null} */
		this.fill = new Fill();
	}

	/** How far apart samples of a CPU are by the rate of the segment, 0: it is not known. */
	get period_ns() {
		const { frequency_mhz } = this.head;
		return frequency_mhz ? Math.floor(1e12 / frequency_mhz) : 0;
	}

	get byte_count() {
		return this.time.length * (4 + this.cpu.BYTES_PER_ELEMENT + this.thread.BYTES_PER_ELEMENT +
			this.stack.BYTES_PER_ELEMENT + 1) + this.stack_ids.byteLength +
			this.thread_ids.byteLength + this.gaps.length * 48 +
			this.sums.stack.byteLength + this.sums.thread.byteLength + this.sums.cpu.byteLength +
			this.rates.reduce((sum, { mhz }) => sum + mhz.byteLength + 64, 0) + 512;
	}

	/**
	 * Takes the rows of dictionaries, samples, gaps and rates; other records are the profile's.
	 * @param {Record} record whose ids are valid
	 * @param {Dictionary} dictionary
	 */
	record_add(record, dictionary) {
		const { fill } = this;
		if (!fill)
			return;
		switch (record.kind) {
		case wire.WIRE_RECORD_STRINGS:
			for (const text of record.strings)
				fill.strings.push(dictionary.strings.add(text));
			break;
		case wire.WIRE_RECORD_MODULES:
			for (const { key_low, key_high, name, module_kind } of record.rows)
				fill.modules.push(dictionary.module_add(key_low, key_high, fill.strings[name],
					module_kind));
			break;
		case wire.WIRE_RECORD_FUNCTIONS:
			for (const { key_low, key_high, module, name, start } of record.rows)
				fill.functions.push(dictionary.function_add(key_low, key_high,
					fill.modules[module], fill.strings[name], start));
			break;
		case wire.WIRE_RECORD_FRAMES:
			for (const { function_id, frame_kind, file, line } of record.rows)
				fill.frames.push(dictionary.frame_add(fill.functions[function_id], frame_kind,
					fill.strings[file], line));
			break;
		case wire.WIRE_RECORD_STACKS:
			for (const { parent, frame } of record.rows) {
				fill.stack_parents.push(parent);
				fill.stack_frames.push(fill.frames[frame]);
			}
			break;
		case wire.WIRE_RECORD_THREADS:
			this.threads_add(record.rows, fill, dictionary);
			break;
		case wire.WIRE_RECORD_LATE_NAMES:
			for (const row of record.rows)
				dictionary.late_name_add(row.key_low, row.key_high, row.owner_low, row.owner_high,
					fill.strings[row.name]);
			break;
		case wire.WIRE_RECORD_SAMPLES:
			this.samples_add(record, fill, dictionary);
			break;
		case wire.WIRE_RECORD_GAP:
			this.gap_add({ from_us: this.start_us + record.from_us,
				to_us: this.start_us + record.to_us, reason: record.reason, lost: record.lost });
			break;
		case wire.WIRE_RECORD_RATE:
			this.rate_add(this.start_us + record.time_us, record.rows);
			break;
		default:
			break;
		}
	}

	/**
	 * @param {import("record_reader").ThreadRow[]} rows
	 * @param {Fill} fill
	 * @param {Dictionary} dictionary
	 */
	threads_add(rows, fill, dictionary) {
		this.thread_ids = array_grown(this.thread_ids, this.thread_count + rows.length);
		for (const { tid, pid, start_ns, comm, process, cgroup, container } of rows) {
			this.thread_ids[this.thread_count++] = dictionary.thread_add(tid, pid, start_ns,
				fill.strings[comm], fill.strings[process], fill.strings[cgroup],
				fill.strings[container]);
			fill.processes.push(fill.strings[process]);
		}
	}

	/** @param {Gap} gap */
	gap_add(gap) {
		const last = this.gaps[this.gaps.length - 1];
		if (this.gaps.length >= gaps_max) {
			last.to_us = Math.max(last.to_us, gap.to_us);
			last.lost += gap.lost;
		} else {
			this.gaps.push(gap);
		}
		this.touch(gap.from_us, gap.to_us);
	}

	/**
	 * @param {number} from_us
	 * @param {number} to_us
	 */
	touch(from_us, to_us) {
		this.touched_us = Math.min(this.touched_us, from_us);
		this.from_us = Math.min(this.from_us, from_us);
		this.to_us = Math.max(this.to_us, to_us);
	}

	/** Everything before a time has come. @param {number} time_us */
	cover(time_us) {
		/* A hostile file may claim years: nothing is known of what its samples do not reach. */
		this.covered_us = Math.max(this.covered_us,
			Math.min(time_us, this.start_us + covered_span_max_us));
		this.to_us = Math.max(this.to_us, this.covered_us);
	}

	/**
	 * @param {number} time_us
	 * @param {{ cpu: number, mhz: number }[]} rows
	 */
	rate_add(time_us, rows) {
		const mhz = new Float32Array(rows.reduce((most, { cpu }) => Math.max(most, cpu + 1), 0));
		for (const row of rows)
			mhz[row.cpu] = row.mhz;
		const { rates } = this;
		let at = rates.length;
		while (at && rates[at - 1].time_us > time_us)
			at--;
		rates.splice(at, 0, { time_us, mhz });
	}

	/**
	 * @param {import("record_reader").SamplesRecord} record
	 * @param {Fill} fill
	 * @param {Dictionary} dictionary
	 */
	samples_add(record, fill, dictionary) {
		const rows = Math.min(record.count, samples_max - this.count);
		this.left_out += record.count - rows;
		const end = this.count + rows;
		let cpu_most = 0, thread_most = 0;
		for (let i = 0; i < rows; i++) {
			cpu_most = Math.max(cpu_most, record.cpu[i]);
			thread_most = Math.max(thread_most, record.thread[i]);
		}
		this.time = array_grown(this.time, end);
		this.cpu_count = Math.max(this.cpu_count, cpu_most + 1);
		this.cpu = array_grown(array_widened(this.cpu, cpu_most), end);
		this.thread = array_grown(array_widened(this.thread, thread_most), end);
		this.stack = array_grown(this.stack, end);
		this.status = array_grown(this.status, end);
		const { time, cpu, thread, status } = this;
		let { stack } = this;
		for (let i = 0, at = this.count; i < rows; i++, at++) {
			time[at] = record.time[i];
			cpu[at] = record.cpu[i];
			thread[at] = record.thread[i];
			status[at] = (record.user_status[i] & user_status_mask) | (record.kernel_status[i] & 7) << 3 |
				record.busy[i] << busy_shift;
			const number = this.stack_number(fill.processes[record.thread[i]], record.stack[i],
				fill, dictionary);
			if (number >= 256)
				this.stack = stack = array_widened(stack, number);
			stack[at] = number;
		}
		this.count = end;
	}

	/**
	 * The number within the block of a stack under its process.
	 * @param {number} process
	 * @param {number} stack of the segment
	 * @param {Fill} fill
	 * @param {Dictionary} dictionary
	 */
	stack_number(process, stack, fill, dictionary) {
		const known = fill.pairs.count;
		const pair = fill.pairs.add_pair(process, stack);
		if (pair === known)
			this.stack_resolve(process, stack, fill, dictionary);
		let number = fill.pair_numbers[pair];
		if (!number) {
			number = fill.pair_numbers[pair] = this.stack_count++;
			this.stack_ids = array_grown(this.stack_ids, this.stack_count);
			this.stack_ids[number] = fill.pair_stacks[pair];
		}
		return number;
	}

	/**
	 * Finds the stack in the dictionary for the pair that was added last, and for its callers, from
	 * the leaf up to the first one that is known.
	 * @param {number} process
	 * @param {number} stack
	 * @param {Fill} fill
	 * @param {Dictionary} dictionary
	 */
	stack_resolve(process, stack, fill, dictionary) {
		const { pairs, stack_parents, stack_frames } = fill;
		const first = pairs.count - 1;
		const chain = [stack];
		let caller = 0;
		while (chain[chain.length - 1]) {
			const parent = stack_parents[chain[chain.length - 1]];
			const known = pairs.count;
			const pair = pairs.add_pair(process, parent);
			if (pair < known) {
				caller = fill.pair_stacks[pair];
				break;
			}
			chain.push(parent);
		}
		fill.pair_stacks = array_grown(fill.pair_stacks, pairs.count);
		fill.pair_numbers = array_grown(fill.pair_numbers, pairs.count);
		for (let i = chain.length - 1; i >= 0; i--) {
			const frame = chain[i] ? stack_frames[chain[i]] : process_frame(process);
			caller = dictionary.stacks.add_pair(caller, frame);
			/* The pairs were added one after another. */
			fill.pair_stacks[first + i] = caller;
		}
	}

	/**
	 * Puts the rows that came since the last time in their places.
	 * @returns {{ from_us: number, to_us: number }} the stretch that they touch
	 */
	chunk_end() {
		const { time, count, sorted_count } = this;
		let least = Infinity, sorted = true;
		for (let i = sorted_count; i < count; i++) {
			sorted &&= !i || time[i - 1] <= time[i];
			least = Math.min(least, time[i]);
		}
		if (sorted || this.may_sort(this.bound(least, sorted_count))) {
			this.sums_add(sorted_count);
			if (!sorted)
				this.sort_from(this.bound(least, sorted_count));
		}
		this.sorted_count = this.count;
		if (this.count > sorted_count)
			this.touch(this.start_us + least, this.start_us + time[this.count - 1] + 1);
		const from_us = this.touched_us;
		this.touched_us = this.covered_us;
		return { from_us, to_us: this.to_us };
	}

	/** Counts the rows that are new, wherever they will stand. @param {number} first */
	sums_add(first) {
		const { sums, count } = this;
		const sizes = { cpu: this.cpu_count, thread: this.thread_count, stack: this.stack_count, status: 256 };
		for (const name of column_names) {
			sums[name] = array_grown(sums[name], sizes[name]);
			rows_sum(sums[name], this[name], first, count, 1);
		}
	}

	/**
	 * How many of the samples [first, end) have each value of a column. What is larger, they or the others, is not looked at.
	 * @param {typeof column_names[number]} name
	 * @param {number} first
	 * @param {number} end
	 * @returns {Uint32Array} to read only, longer than there are values
	 */
	counts(name, first, end) {
		const { [name]: column, sums: { [name]: sums }, sorted_count } = this;
		if (end - first === sorted_count)
			return sums;
		if (2 * (end - first) < sorted_count) {
			const counts = new Uint32Array(sums.length);
			rows_sum(counts, column, first, end, 1);
			return counts;
		}
		const counts = sums.slice();
		rows_sum(counts, column, 0, first, -1);
		rows_sum(counts, column, end, sorted_count, -1);
		return counts;
	}

	/**
	 * Refused without an end are rows of a hostile file that always go back: then those that are new are left out.
	 * @param {number} from
	 */
	may_sort(from) {
		this.sorted_rows += this.count - from;
		if (this.sorted_rows <= sorted_rows_max)
			return true;
		this.left_out += this.count - this.sorted_count;
		this.count = this.sorted_count;
		return false;
	}

	/** @param {number} from */
	sort_from(from) {
		const rows = this.count - from;
		/* One number holds the time and the row: 32 and 22 bits. */
		const keys = new Float64Array(rows);
		for (let i = 0; i < rows; i++)
			keys[i] = this.time[from + i] * samples_max + i;
		keys.sort();
		const order = new Uint32Array(rows);
		for (let i = 0; i < rows; i++)
			order[i] = keys[i] - Math.floor(keys[i] / samples_max) * samples_max;
		for (const column of [this.time, this.cpu, this.thread, this.stack, this.status]) {
			const before = column.slice(from, this.count);
			for (let i = 0; i < rows; i++)
				column[from + i] = before[order[i]];
		}
	}

	/**
	 * The first of the sorted rows that is not before a time.
	 * @param {number} time since start_us
	 * @param {number} [end]
	 * @param {number} [first]
	 */
	bound(time, end = this.sorted_count, first = 0) {
		let low = first, high = end;
		while (low < high) {
			const middle = (low + high) >>> 1;
			if (this.time[middle] < time)
				low = middle + 1;
			else
				high = middle;
		}
		return low;
	}

	/**
	 * Rows within [from_us, to_us) of the timeline.
	 * @param {number} from_us
	 * @param {number} to_us
	 * @returns {[number, number]} first, end
	 */
	rows(from_us, to_us) {
		const first = this.bound(Math.ceil(from_us - this.start_us));
		return [first, Math.max(first, this.bound(Math.ceil(to_us - this.start_us)))];
	}

	/**
	 * Nothing more will come: lets go of what only filling needs.
	 * @param {"closed" | "cut" | "damaged" | "skipped"} state
	 */
	close(state) {
		this.state = state;
		this.fill = null;
		const { count } = this;
		this.time = this.time.slice(0, count);
		this.cpu = this.cpu.slice(0, count);
		this.thread = this.thread.slice(0, count);
		this.stack = this.stack.slice(0, count);
		this.status = this.status.slice(0, count);
		this.stack_ids = this.stack_ids.slice(0, this.stack_count);
		this.thread_ids = this.thread_ids.slice(0, this.thread_count);
		this.sums.stack = this.sums.stack.slice(0, this.stack_count);
		this.sums.thread = this.sums.thread.slice(0, this.thread_count);
	}
}
