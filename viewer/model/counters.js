/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent counts about itself, over time: totals since its start, about once a second. */

import * as wire from "wire";

/** Records that are kept: an hour of one a second. */
export const counters_max = 3600;

/** Counters that are no totals but what is now. */
const gauges = new Set([wire.WIRE_COUNTER_AGENT_RSS_BYTES, wire.WIRE_COUNTER_WINDOW_BYTES,
	wire.WIRE_COUNTER_CLIENTS, wire.WIRE_COUNTER_UNWIND_TABLES, wire.WIRE_COUNTER_UNWIND_BYTES,
	wire.WIRE_COUNTER_UNWIND_BUILDING]);

/** @typedef {{ instance_id: string, time_us: number, values: Float64Array }} CounterRow */

export class CounterHistory {
	constructor() {
		/** In order of time. @type {CounterRow[]} */
		this.rows = [];
	}

	/**
	 * @param {string} instance_id
	 * @param {number} time_us
	 * @param {{ counter: number, value: number }[]} rows
	 */
	add(instance_id, time_us, rows) {
		const values = new Float64Array(wire.WIRE_COUNTER_COUNT);
		for (const { counter, value } of rows)
			if (counter < values.length)
				values[counter] = value;
		let at = this.rows.length;
		while (at && this.rows[at - 1].time_us > time_us)
			at--;
		if (this.rows.length >= counters_max) {
			if (!at)
				return;
			this.rows.shift();
			at--;
		}
		this.rows.splice(at, 0, { instance_id, time_us, values });
	}

	/** The newest total, 0: none is known. @param {number} counter */
	latest(counter) {
		return this.rows[this.rows.length - 1]?.values[counter] ?? 0;
	}

	/**
	 * How fast a total has grown lately, per second; what is no total is given as it is.
	 * @param {number} counter
	 * @param {number} [span_s] over about so long
	 * @returns {number | null} null: not known yet
	 */
	rate(counter, span_s = 3) {
		const last = this.rows[this.rows.length - 1];
		if (!last)
			return null;
		if (gauges.has(counter))
			return last.values[counter];
		let first = last;
		for (let i = this.rows.length - 2; i >= 0; i--) {
			const row = this.rows[i];
			/* Another agent counts from 0. */
			if (row.instance_id !== last.instance_id)
				break;
			first = row;
			if (last.time_us - row.time_us >= span_s * 1e6)
				break;
		}
		const seconds = (last.time_us - first.time_us) / 1e6;
		return seconds > 0 ? Math.max(0, last.values[counter] - first.values[counter]) / seconds : null;
	}
}
