/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures the viewer's models under node: a million samples of a host with 8 busy CPUs and a tree of
 * a hundred thousand calls. Prints one figure a line.
 *
 *   node tests/bench/viewer_model.mjs
 */

import { SegmentMaker, random_make } from "../viewer/records.mjs";

const { Profile } = await import("model/profile");
const { Heat } = await import("model/heat");
const { NameSearch, call_tree_build } = await import("model/call_tree");

const start_us = 1_000_000_000_000_000;
const cpu_count = 8, frequency_hz = 999, seconds = 126, segment_s = 9, chunk_s = 1;
const period_us = 1e6 / frequency_hz;
const random = random_make(9);

/** Stacks as programs have them: 20 processes, deep, ever more different towards the leaf. */
function stacks_make() {
	const stacks = [];
	for (let process = 0; process < 20; process++) {
		for (let i = 0; i < 1000; i++) {
			const stack = [];
			for (let depth = 0, branch = i; depth < 24; depth++) {
				if (depth > 12)
					branch = branch * 3 + Math.floor(random() * 3);
				else
					branch = Math.floor(i / 2 ** (12 - depth));
				stack.push(`p${process % 7} d${depth} f${branch % 400}`);
			}
			stacks.push({ process: `process ${process}`, stack });
		}
	}
	return stacks;
}

function print(label, value, unit) {
	console.log(`${label.padEnd(62)} ${value.toFixed(value < 10 ? 2 : 1).padStart(9)} ${unit}`);
}

/** The median of some runs, ms. */
function median_ms(runs, run) {
	const times = Array.from({ length: runs }, () => {
		const began = performance.now();
		run();
		return performance.now() - began;
	});
	return times.sort((a, b) => a - b)[runs >> 1];
}

const stacks = stacks_make();
const profile = new Profile();
let maker = new SegmentMaker(), filled_ms = 0, sample_count = 0;
for (let second = 0, segment = 0; second < seconds; second += chunk_s) {
	if (second % segment_s === 0) {
		maker = new SegmentMaker({ segment: ++segment, start_us: start_us + second * 1e6,
			frequency_mhz: frequency_hz * 1000, cpu_count });
	}
	const samples = [];
	for (let cpu = 0; cpu < cpu_count; cpu++) {
		for (let at = second * 1e6 + cpu * 100; at < (second + chunk_s) * 1e6; at += period_us) {
			const skewed = Math.floor(random() ** 2 * stacks.length);
			samples.push({ time_us: start_us + Math.floor(at), cpu, tid: 100 + skewed % 300, ...stacks[skewed] });
		}
	}
	const { instance_id } = maker.head;
	const records = maker.records(samples);
	const began = performance.now();
	profile.records_add(instance_id, segment, records, start_us + (second + chunk_s) * 1e6);
	if ((second + chunk_s) % segment_s === 0)
		profile.segment_end(instance_id, segment, "closed");
	filled_ms += performance.now() - began;
	sample_count += samples.length;
}
const whole = [{ from_us: start_us, to_us: start_us + seconds * 1e6 }];
const began_first = performance.now();
const tree = call_tree_build(profile, whole);
const first_ms = performance.now() - began_first;
print("samples", sample_count, "");
print("calls in the tree", tree.count, "");
print("into the profile, a sample", filled_ms * 1e3 / sample_count, "us");
print("memory of a sample", profile.block_bytes / sample_count, "bytes");
print("memory of the names", profile.dictionary.byte_count / 1e6, "MB");
print("call tree of everything, first time", first_ms, "ms");
print("call tree of everything", median_ms(15, () => call_tree_build(profile, whole)), "ms");
const part = [{ from_us: start_us + 50.25e6, to_us: start_us + 58.9e6 }];
print("call tree of 8.65 s", median_ms(15, () => call_tree_build(profile, part)), "ms");
const cell = [{ from_us: start_us + 50.26e6, to_us: start_us + 50.28e6 }];
print("top functions of a cell of 20 ms", median_ms(15, () => call_tree_build(profile, cell).top_functions(3)), "ms");
print("search of all names", median_ms(5, () => tree.matches(new NameSearch(profile, /f1.9$/i))), "ms");
const heat = new Heat(profile);
const first = start_us / 1e6;
const columns = (rows) => {
	for (let second = 0; second < seconds; second++)
		heat.column(first + second, rows);
};
for (const rows of [50, 100]) {
	print(`columns of 8,000 samples, ${rows} rows, made anew, each`, median_ms(5, () => {
		heat.columns.clear();
		columns(rows);
	}) / seconds, "ms");
}
print("columns that are known already, all", median_ms(5, () => columns(100)), "ms");
