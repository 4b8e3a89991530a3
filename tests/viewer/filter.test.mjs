/* SPDX-License-Identifier: Apache-2.0 */
/* Filters, against a predicate on plain samples: every figure of the page is of the samples that pass. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { SegmentMaker, key_of, random_make, ticks_make } from "./records.mjs";

const wire = await import("wire");
const { Profile } = await import("model/profile");
const { ProfileSource } = await import("profile_source");
const { table_rows } = await import("views/function_table");
const { NameSearch } = await import("model/call_tree");
const { SampleFilter } = await import("model/filter");
const { filter_choices } = await import("model/filter_choices");

const start_us = 1_000_000_000_000_000;
const kernel = (name) => ({ name, kind: wire.WIRE_FRAME_KERNEL, module: "vmlinux" });
const name_of = (frame) => (typeof frame === "string" ? frame : frame.name);

function samples_random(random, count, span_us) {
	const pick = (list) => list[Math.floor(random() * list.length)];
	return Array.from({ length: count }, () => {
		const process = pick(["server", "worker", "cron"]);
		return { time_us: start_us + Math.floor(random() * span_us), cpu: Math.floor(random() * 4), process,
			tid: 100 + Math.floor(random() * 5), container: process === "cron" ? "" : pick(["shop", "bank"]),
			stack: Array.from({ length: Math.floor(random() * 5) }, () => pick(["main", "run", "parse", "read"]))
				.concat(random() < 0.4 ? [kernel("entry"), kernel(pick(["read", "copy"]))] : []) };
	}).sort((a, b) => a.time_us - b.time_us);
}

const filter_of = (profile, terms) => (terms.length ? new SampleFilter(profile, terms) : null);

/** Whether a sample is what a term says, whatever the term's sign. */
function holds({ cpu, process, tid, container, stack }, { kind, value }) {
	switch (kind) {
	case "process": return process === value;
	case "thread": return `${process}/${tid % 100} ${tid}` === value;
	case "cpu": return String(cpu) === value;
	case "container": return container === value;
	case "part": return (stack.length > 0 && typeof stack.at(-1) === "object") === (value === "kernel");
	default: return stack.some((frame) => name_of(frame) === value);
	}
}

function passes(sample, terms) {
	return terms.every((term) => !term.not || !holds(sample, term)) &&
		terms.filter(({ not }) => !not).every(({ kind }) =>
			terms.some((term) => !term.not && term.kind === kind && holds(sample, term)));
}

function terms_random(random) {
	const pick = (list) => list[Math.floor(random() * list.length)];
	const values = { process: ["server", "worker", "cron", "none"], thread: ["server/1 101", "worker/0 100", "cron/4 104"],
		cpu: ["0", "1", "3", "77"], container: ["shop", "bank"], part: ["kernel", "user"],
		function: ["main", "read", "copy", "absent"] };
	return Array.from({ length: 1 + Math.floor(random() * 4) }, () => {
		const kind = pick(Object.keys(values));
		return { kind, value: pick(values[kind]), not: random() < 0.4 };
	});
}

function profile_of(samples, segments, span_us) {
	const profile = new Profile();
	for (let i = 0; i < segments; i++) {
		const from_us = start_us + span_us * i / segments, to_us = start_us + span_us * (i + 1) / segments;
		new SegmentMaker({ segment: i + 1, start_us: from_us, cpu_count: 4 }).fill(profile,
			samples.filter(({ time_us }) => time_us >= from_us && time_us < to_us), { end_us: to_us, closed: true });
	}
	return profile;
}

test("map, graph, table, sums and hits are of the samples that pass", () => {
	const random = random_make(3), span_us = 4e6;
	const samples = samples_random(random, 3000, span_us);
	const source = new ProfileSource(profile_of(samples, 3, span_us));
	const { profile } = source;
	source.profile_changed({ from_us: 0, to_us: 0, names: false, renumbered: false });
	source.search(/^read$/);
	let some = 0;
	for (let round = 0; round < 150; round++) {
		const terms = terms_random(random);
		source.filter_set(filter_of(source.profile, terms));
		const from = Math.floor(random() * 2e6), range = { start_us: from, end_us: from + 1_500_000 };
		const within = samples.filter(({ time_us }) => time_us >= start_us + range.start_us && time_us < start_us + range.end_us);
		const kept = within.filter((sample) => passes(sample, terms));
		some += Number(kept.length > 0 && kept.length < within.length);
		const words = JSON.stringify(terms);
		assert.equal(source.tree([range]).total[0], kept.length, words);
		assert.equal(source.samples_unfiltered([range]), within.length);
		assert.equal(table_rows(source, [range], "thread").reduce((sum, { total }) => sum + total, 0), kept.length);
		const with_read = table_rows(source, [range], "function").find(({ name }) => name === "read");
		assert.equal(with_read?.total ?? 0,
			kept.filter(({ stack }) => stack.some((frame) => name_of(frame) === "read")).length, words);
		/* Any of its samples stands for one period of a CPU. */
		assert.ok(Math.abs(source.summary([range]).cpus_busy - Math.min(4, kept.length / 99 / 1.5)) < 1e-6);
		const second = Math.floor(random() * 4);
		const of_second = samples.filter(({ time_us }) => Math.floor((time_us - start_us) / 1e6) === second);
		const column = source.heat.column(start_us / 1e6 + second, 20);
		assert.deepEqual([...column.samples], Array.from({ length: 20 }, (_, row) => of_second.filter((sample) =>
			Math.floor((sample.time_us - start_us) % 1e6 / 50_000) === row && passes(sample, terms)).length), words);
		assert.deepEqual([...source.column(second, 20).hits], Array.from({ length: 20 }, (_, row) => Number(of_second.some((sample) =>
			Math.floor((sample.time_us - start_us) % 1e6 / 50_000) === row && passes(sample, terms) &&
			sample.stack.some((frame) => name_of(frame) === "read")))), words);
	}
	assert.ok(some > 60, `${some} of 150 filters kept some of the samples`);
	source.filter_set(null);
	assert.equal(source.tree([{ start_us: 0, end_us: span_us }]).total[0], samples.length);
	assert.equal(profile.sample_count, samples.length);
});

test("what two opposite filters keep adds up to the map without any, cell by cell", () => {
	for (const known of [wire.WIRE_BUSY_UNKNOWN, wire.WIRE_BUSY_THROUGHOUT]) {
		const random = random_make(9);
		/* Late ticks, some never, threads that take turns. */
		const samples = [0, 1, 2].flatMap((cpu) => ticks_make({ from_us: start_us, to_us: start_us + 6e6, period_us: 1e6 / 99,
			late_share: 0.1, late_us: 9000, phase: cpu / 3, random }).filter(() => random() < 0.85)
			.map((time_us) => ({ time_us, cpu, process: random() < 0.5 ? "a" : "b", busy: random() < 0.1 ? wire.WIRE_BUSY_PARTLY : known })));
		const profile = new Profile();
		new SegmentMaker({ cpu_count: 3 }).fill(profile, samples.sort((a, b) => a.time_us - b.time_us), { end_us: start_us + 6e6 });
		const source = new ProfileSource(profile);
		for (const rows of [10, 50, 100]) {
			for (let second = 0; second < 6; second++) {
				const cells = [[], [{ kind: "process", value: "a", not: false }], [{ kind: "process", value: "a", not: true }]]
					.map((terms) => {
						source.filter_set(filter_of(source.profile, terms));
						return source.heat.column(start_us / 1e6 + second, rows).busy;
					});
				cells[0].forEach((busy, row) =>
					assert.ok(Math.abs(busy - cells[1][row] - cells[2][row]) < 1e-5, `${second} ${row}: ${cells.map((cell) => cell[row])}`));
			}
		}
	}
});

test("two threads that take turns on a busy CPU have the time up to the middle between their samples", () => {
	const profile = new Profile();
	const samples = Array.from({ length: 100 }, (_, i) => ({ time_us: start_us + 5000 + i * 10_000, process: i % 20 < 5 ? "a" : "b",
		busy: wire.WIRE_BUSY_THROUGHOUT }));
	new SegmentMaker({ cpu_count: 1, frequency_mhz: 100_000 }).fill(profile, samples, { end_us: start_us + 1e6 });
	const source = new ProfileSource(profile);
	source.filter_set(filter_of(profile, [{ kind: "process", value: "a", not: false }]));
	const { busy } = source.heat.column(start_us / 1e6, 100);
	busy.forEach((cell, row) => assert.ok(Math.abs(cell - (row % 20 < 5 ? 1 : 0)) < 1e-6, `row ${row}: ${cell}`));
});

test("what comes later, a late name and a dictionary made anew are filtered too", () => {
	const profile = new Profile();
	const maker = new SegmentMaker({ start_us });
	const nameless = { name: "late", named: false };
	maker.fill(profile, [{ time_us: start_us + 10, stack: ["main", nameless] }, { time_us: start_us + 20, stack: ["main"] }]);
	const source = new ProfileSource(profile);
	const range = { start_us: 0, end_us: 1000 };
	source.filter_set(filter_of(profile, [{ kind: "function", value: "found", not: false }]));
	assert.equal(source.tree([range]).total[0], 0);
	const { key_low, key_high } = key_of("late");
	const name = maker.string("found");
	maker.fill(profile, [{ time_us: start_us + 30, stack: ["main", nameless] }], { more: [{ kind: wire.WIRE_RECORD_LATE_NAMES,
		rows: [{ key_low, key_high, owner_low: key_low, owner_high: key_high, name }] }] });
	assert.equal(source.tree([range]).total[0], 2);
	source.filter_set(filter_of(profile, [{ kind: "function", value: "found", not: true }, { kind: "process", value: "program", not: false }]));
	assert.equal(source.tree([range]).total[0], 1);
	profile.dictionary = Object.assign(Object.create(Object.getPrototypeOf(profile.dictionary)), profile.dictionary);
	assert.equal(source.tree_build([range]).total[0], 1);
});

test("late names are no reason to read all stacks again when no function is asked for", () => {
	const profile = new Profile();
	new SegmentMaker({ start_us }).fill(profile, [{ time_us: start_us + 10, stack: ["main"] }]);
	assert.equal(new SampleFilter(profile, [{ kind: "process", value: "a", not: false }]).by_name, false);
	assert.equal(new SampleFilter(profile, [{ kind: "function", value: "a", not: true }]).by_name, true);
	assert.ok(new NameSearch(profile, /main/).within_update().includes(1));
});

test("choices are what ran in the stretch, with the samples that each would keep", () => {
	const random = random_make(21), span_us = 1e6;
	const samples = samples_random(random, 500, span_us);
	const profile = profile_of(samples, 1, span_us);
	const ranges = [{ from_us: start_us + 100_000, to_us: start_us + 700_000 }];
	const within = samples.filter(({ time_us }) => time_us >= ranges[0].from_us && time_us < ranges[0].to_us);
	const choices = filter_choices(profile, ranges);
	for (const kind of ["process", "thread", "cpu", "container", "part", "function"])
		assert.ok(choices.some((choice) => choice.kind === kind), kind);
	for (const { kind, value, samples: count } of choices)
		assert.equal(count, within.filter((sample) => holds(sample, { kind, value })).length, `${kind} ${value}`);
	assert.deepEqual(choices.map((choice) => choice.samples), choices.map((choice) => choice.samples).sort((a, b) => b - a));
});
