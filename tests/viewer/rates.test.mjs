/* SPDX-License-Identifier: Apache-2.0 */
/* Where the rate changed every figure is of the CPU time that samples stand for, against plain counting of nanoseconds. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { foldedCounts, pprofRead, sorted, speedscopeRead } from "../e2e/profiles.mjs";
import { SegmentMaker, random_make } from "./records.mjs";

const { ProfileSource } = await import("profile_source");
const { SampleFilter } = await import("model/filter");
const { filter_choices } = await import("model/filter_choices");
const { Changes } = await import("model/changes");
const { Shape } = await import("model/shape");
const { function_rows, thread_rows } = await import("model/function_counts");
const { NameSearch } = await import("model/call_tree");
const { folded_write, pprof_write, speedscope_write } = await import("model/exports");

const start_us = 1_000_000_000_000_000, segment_us = 1e6;
const names = ["main", "run", "parse", "read"];
const period_of = (mhz) => Math.floor(1e12 / mhz);

/** A segment a second, each at its rate. */
function source_of(samples, rates) {
	const source = new ProfileSource(), { profile } = source;
	rates.forEach((frequency_mhz, i) => {
		const from_us = start_us + i * segment_us;
		new SegmentMaker({ segment: i + 1, start_us: from_us, cpu_count: 4, frequency_mhz }).fill(profile,
			samples.filter(({ time_us }) => time_us >= from_us && time_us < from_us + segment_us), { end_us: from_us + segment_us, closed: true });
	});
	return source;
}

function samples_random(random, count, rates) {
	return Array.from({ length: count }, () => {
		const offset_us = Math.floor(random() * rates.length * segment_us);
		return { time_us: start_us + offset_us, ns: period_of(rates[Math.floor(offset_us / segment_us)]), cpu: Math.floor(random() * 4),
			process: random() < 0.5 ? "server" : "worker", tid: 100 + Math.floor(random() * 3),
			stack: Array.from({ length: Math.floor(random() * 5) }, () => names[Math.floor(random() * names.length)]) };
	}).sort((a, b) => a.time_us - b.time_us);
}

const sum = (samples) => samples.reduce((all, { ns }) => all + ns, 0);

/** Nanoseconds by what a sample has. */
function counted(samples, keys_of) {
	const counts = new Map();
	for (const sample of samples)
		for (const key of new Set(keys_of(sample)))
			counts.set(key, (counts.get(key) ?? 0) + sample.ns);
	return sorted(counts);
}

/** The same of what the page counts. @param {[string, number][]} rows */
const in_ns = (rows, period_ns) => sorted(new Map(rows.map(([name, count]) => [name, Math.round(count * period_ns)])));

test("trees, rows, choices, filters and searches weigh each sample by the rate of its segment", () => {
	for (let seed = 1; seed <= 4; seed++) {
		const random = random_make(seed);
		const rates = [99_000, 61_000, 99_000, 37_500].sort(() => random() - 0.5);
		const samples = samples_random(random, 2000, rates);
		const source = source_of(samples, rates), { profile } = source;
		const [start, end] = [random() * 1.9e6, (2 + random() * 2) * 1e6].map(Math.floor);
		const range = { from_us: start_us + start, to_us: start_us + end };
		const ranges = [{ start_us: range.from_us - source.base_us, end_us: range.to_us - source.base_us }];
		const within = samples.filter(({ time_us }) => time_us >= range.from_us && time_us < range.to_us);
		const tree = source.tree(ranges), { period_ns } = tree;
		assert.equal(period_ns, Math.min(...within.map(({ ns }) => ns)), "what counts for one is a sample at the highest rate");
		assert.equal(source.summary(ranges).counted_hz, 1e9 / period_ns);
		assert.equal(Math.round(tree.total[0] * period_ns), sum(within));
		assert.equal(Math.round(source.samples_unfiltered(ranges) * period_ns), sum(within));
		assert.deepEqual(in_ns(function_rows(profile, tree).map(({ name, total }) => [name, total]), period_ns), counted(within, ({ stack }) => stack));
		assert.deepEqual(in_ns(function_rows(profile, tree).filter(({ self }) => self).map(({ name, self }) => [name, self]), period_ns),
			counted(within, ({ stack }) => stack.slice(-1)));
		assert.deepEqual(in_ns(thread_rows(profile, [range]).map(({ name, self }) => [name, self]), period_ns),
			counted(within, ({ process, tid }) => [`${process}/${tid % 100} ${tid}`]));
		assert.deepEqual(in_ns(filter_choices(profile, [range]).filter(({ kind }) => kind === "cpu" || kind === "process" || kind === "function")
			.map(({ kind, value, samples: count }) => [`${kind} ${value}`, count]), period_ns),
		counted(within, ({ cpu, process, stack }) => [`cpu ${cpu}`, `process ${process}`, ...stack.map((name) => `function ${name}`)]));
		const found = within.filter(({ stack }) => stack.includes("parse"));
		assert.equal(Math.round(tree.matches(new NameSearch(profile, /^parse$/)).samples * period_ns), sum(found));
		source.filter_set(new SampleFilter(profile, [{ kind: "function", value: "parse", not: false }]));
		assert.equal(Math.round(source.tree(ranges).total[0] * period_ns), sum(found));
		assert.deepEqual(in_ns(thread_rows(profile, [range], source.filter).map(({ name, self }) => [name, self]), period_ns),
			counted(found, ({ process, tid }) => [`${process}/${tid % 100} ${tid}`]));
	}
});

test("where there is one rate whole samples are counted, of any rate", () => {
	const rates = [99_000, 99_000];
	const samples = samples_random(random_make(3), 500, rates);
	const source = source_of(samples, rates);
	const summary = source.summary([{ start_us: -1e6, end_us: 3e6 }]);
	assert.deepEqual([summary.samples, summary.counted_hz], [500, 0]);
	const tree = source.tree([{ start_us: -1e6, end_us: 3e6 }]);
	assert.ok(tree.self.every(Number.isInteger) && tree.period_ns === period_of(99_000));
});

test("exports have the time that samples stand for, and pprof how many there were", () => {
	const random = random_make(8), rates = [99_000, 49_000, 12_345, 99_000];
	const samples = samples_random(random, 3000, rates);
	const source = source_of(samples, rates), { profile } = source;
	const ranges = [{ start_us: 200_000, end_us: 3_700_000 }];
	const [{ from_us, to_us }] = source.timeline(ranges);
	const within = samples.filter(({ time_us }) => time_us >= from_us && time_us < to_us);
	for (const steps of [[], [{ kind: "hide", name: "run" }]]) {
		const kept = steps.length ? within.filter(({ stack }) => !stack.includes("run")) : within;
		const shape = new Shape(profile.dictionary, { by: "function", recursion: false, steps });
		const tree = shape.tree(source.tree(ranges)), plain = shape.tree(source.tree_build(ranges, { weighed: false }));
		const facts = { period_ns: tree.period_ns, start_us, span_us: 3.5e6, title: "host" };
		const key = ({ process, stack }) => [[process, ...stack].join("\n")];
		const expected = counted(kept, key);
		const pprof = pprofRead(gzipSync(pprof_write(tree, facts, plain.self)));
		const key_of = ({ labels, frames }) => [labels.process, ...frames.map(({ name }) => name)].join("\n");
		assert.deepEqual(sorted(new Map(pprof.samples.map((row) => [key_of(row), row.values[1]]))), expected);
		assert.deepEqual(sorted(new Map(pprof.samples.map((row) => [key_of(row), row.values[0]]))), counted(kept.map((sample) => ({ ...sample, ns: 1 })), key));
		assert.equal(pprof.period, period_of(99_000));
		const { shared, profiles } = speedscopeRead(speedscope_write(tree, facts));
		assert.deepEqual(sorted(new Map(profiles.flatMap(({ name, samples: stacks, weights }) => stacks.map((stack, i) =>
			[[name, ...stack.map((frame) => shared.frames[frame].name)].join("\n"), weights[i]])))), expected);
		const folded = new Map(folded_write(tree).trim().split("\n").map((line) => [line.replace(/ \d+$/, "").replaceAll(";", "\n"), Number(line.match(/\d+$/))]));
		assert.deepEqual(sorted(folded), expected.map(([name, ns]) => [name, Math.round(ns / period_of(99_000))]));
		assert.ok(foldedCounts(folded_write(tree)).size > 10);
	}
});

test("a rate that falls within the time before changes nothing", () => {
	const rates = [...Array(40).fill(99_000), ...Array(20).fill(33_000), ...Array(4).fill(48_000)];
	const samples = rates.flatMap((mhz, second) => Array.from({ length: Math.round(mhz / 1000) }, (_, i) => ({
		time_us: start_us + second * segment_us + Math.round(i * 1e9 / mhz), stack: ["main", names[i % names.length]] })));
	const { profile } = source_of(samples, rates);
	const changes = new Changes(profile, [{ from_us: start_us + 60e6, to_us: start_us + 64e6 }], [{ from_us: start_us, to_us: start_us + 60e6 }]);
	const rounded = (cpus) => Math.round(cpus * 100) / 100;
	assert.deepEqual([changes.cpus_busy.before, changes.cpus_busy.now].map(rounded), [1, 1]);
	assert.deepEqual(changes.functions(9), []);
	const node = Array.from(changes.tree.calls.keys()).find((at) => changes.tree.name(at) === "parse");
	assert.deepEqual(changes.facts(node).total.map(rounded), [0.25, 0.25]);
});
