/* SPDX-License-Identifier: Apache-2.0 */
/* What ran in stretches of time, as terms of a filter: what there is to choose from. */

import { call_tree_build } from "model/call_tree";
import { thread_text } from "model/dictionary";
import { FunctionCounts, thread_counts } from "model/function_counts";
import * as wire from "wire";

/** @typedef {import("model/profile").Profile} Profile */
/** @typedef {import("model/call_tree").Range} Range */
/** @typedef {{ kind: import("model/filter").Term["kind"], value: string, samples: number }} Choice */

/** @param {Profile} profile @param {Range[]} ranges @returns {Map<number, number>} samples by CPU */
function cpu_counts(profile, ranges) {
	const counts = new Map();
	for (const { block, first, end, weight } of profile.samples_in(ranges).parts)
		block.counts("cpu", first, end).forEach((count, cpu) => counts.set(cpu, (counts.get(cpu) ?? 0) + count * weight));
	return counts;
}

/**
 * @param {Profile} profile
 * @param {Range[]} ranges that do not overlap
 * @returns {Choice[]} most samples first; samples of functions are in them and in all that they called
 */
export function filter_choices(profile, ranges) {
	/** @type {Map<string, Choice>} */
	const choices = new Map();
	const add = (/** @type {Choice["kind"]} */ kind, /** @type {string} */ value, /** @type {number} */ samples) => {
		const choice = choices.get(`${kind} ${value}`);
		if (choice)
			choice.samples += samples;
		else if (value && samples)
			choices.set(`${kind} ${value}`, { kind, value, samples });
	};
	const { dictionary } = profile;
	thread_counts(profile, ranges, null).forEach((count, id) => {
		if (!count)
			return;
		const thread = dictionary.thread(id);
		add("process", thread.process, count);
		add("thread", thread_text(thread), count);
		add("container", thread.container, count);
	});
	for (const [cpu, count] of cpu_counts(profile, ranges))
		add("cpu", String(cpu), count);
	const tree = call_tree_build(profile, ranges);
	for (let node = 1; node < tree.count; node++)
		add("part", tree.kind(node) === wire.WIRE_FRAME_KERNEL ? "kernel" : "user", tree.self[node]);
	for (const [id, count] of new FunctionCounts(profile).totals(tree))
		add("function", dictionary.function_text(id), count);
	return [...choices.values()].sort((a, b) => b.samples - a.samples);
}
