/* SPDX-License-Identifier: Apache-2.0 */
/* What a stretch of time is compared with. */

/** @typedef {import("model/call_tree").Range} Range */

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

/** All that was known but the stretch. @param {Range} range @param {Range} all @returns {Range[]} */
export function baseline_rest(range, all) {
	return [{ from_us: all.from_us, to_us: Math.min(range.from_us, all.to_us) },
		{ from_us: Math.max(range.to_us, all.from_us), to_us: all.to_us }]
		.filter(({ from_us, to_us }) => from_us < to_us);
}
