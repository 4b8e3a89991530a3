/* SPDX-License-Identifier: Apache-2.0 */
/* What a stretch of time is compared with. */

/** @typedef {import("model/call_tree").Range} Range */
/** What a stretch is compared with: the time before it, all the rest, or what somebody chose. @typedef {"before" | "rest" | "chosen"} Baseline */

const second_us = 1e6;
/** So much time before it. */
const baseline_us = 60 * second_us;

/**
 * What ran before the stretch: for one under a second the same part of each of the 60 seconds before,
 * since work at a fixed offset would else be news each time; for a longer one the 60 seconds before.
 * @param {Range} range
 * @param {number} oldest_us
 * @returns {Range[]} in order of time
 */
export function baseline_before({ from_us, to_us }, oldest_us) {
	if (to_us - from_us >= second_us) {
		const start = Math.max(oldest_us, from_us - baseline_us);
		return start < from_us ? [{ from_us: start, to_us: from_us }] : [];
	}
	const ranges = [];
	for (let ago = baseline_us / second_us; ago > 0; ago--) {
		const start = from_us - ago * second_us;
		if (start >= oldest_us)
			ranges.push({ from_us: start, to_us: to_us - ago * second_us });
	}
	return ranges;
}

/** All that was known but the stretches. @param {Range[]} ranges in order @param {Range} all @returns {Range[]} */
export function baseline_rest(ranges, all) {
	return [...ranges, { from_us: all.to_us, to_us: all.to_us }]
		.map(({ from_us }, i) => ({ from_us: Math.max(all.from_us, i ? ranges[i - 1].to_us : 0), to_us: Math.min(from_us, all.to_us) }))
		.filter(({ from_us, to_us }) => from_us < to_us);
}
