/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is selected is a list of stretches of time, in order: mostly one; the same part of many seconds, where the
 * work is periodic. Times are microseconds.
 */

import { span_text } from "views/format";

/** @typedef {{ start_us: number, end_us: number }} Range */

const second_us = 1e6;

/** From the first moment to the last. @param {Range[]} ranges at least one @returns {Range} */
export function ranges_hull(ranges) {
	return { start_us: ranges[0].start_us, end_us: ranges[ranges.length - 1].end_us };
}

/** The time in them. @param {Range[]} ranges */
export function ranges_span(ranges) {
	return ranges.reduce((sum, { start_us, end_us }) => sum + end_us - start_us, 0);
}

/** A stretch, and the same part of the seconds after it. @param {Range} range @param {number} count @returns {Range[]} */
export function ranges_repeat({ start_us, end_us }, count) {
	return Array.from({ length: count }, (_, i) => ({ start_us: start_us + i * second_us, end_us: end_us + i * second_us }));
}

/** "1.25 s", "194 × 200 ms" @param {Range[]} ranges */
export function ranges_text(ranges) {
	const [{ start_us, end_us }] = ranges;
	return `${ranges.length > 1 ? `${ranges.length} × ` : ""}${span_text(end_us - start_us)}`;
}
