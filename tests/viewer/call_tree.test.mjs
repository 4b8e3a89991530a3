/* SPDX-License-Identifier: Apache-2.0 */
/* Call trees, against the plainest way to make them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { SegmentMaker, key_of, random_make } from "./records.mjs";

const wire = await import("wire");
const { Profile } = await import("model/profile");
const { NameSearch, call_tree_build } = await import("model/call_tree");

const start_us = 1_000_000_000_000_000;

/** Samples with random stacks of few functions, so that they share their callers. */
function samples_random(random, count, span_us) {
	const pick = (list) => list[Math.floor(random() * list.length)];
	return Array.from({ length: count }, () => ({
		time_us: start_us + Math.floor(random() * span_us),
		cpu: Math.floor(random() * 4),
		process: pick(["server", "worker", "cron"]),
		tid: 100 + Math.floor(random() * 5),
		stack: Array.from({ length: Math.floor(random() * 7) }, () => pick(["main", "run", "parse", "read",
			{ name: "copy", kind: wire.WIRE_FRAME_KERNEL, module: "vmlinux" },
			{ name: "inner", kind: wire.WIRE_FRAME_INLINED, file: "a.c", line: Math.floor(random() * 9) }])),
	}));
}

const frame_name = (frame) => (typeof frame === "string" ? frame : frame.name);

/** "process;main;run" to its samples in itself and in all. */
function paths_naive(samples) {
	const paths = new Map();
	const add = (path, self) => {
		const row = paths.get(path) ?? { self: 0, total: 0 };
		row.total++;
		row.self += self;
		paths.set(path, row);
	};
	for (const { process, stack } of samples) {
		const parts = [process, ...stack.map(frame_name)];
		parts.forEach((_, i) => add(parts.slice(0, i + 1).join(";"), i === parts.length - 1 ? 1 : 0));
	}
	return paths;
}

function paths_of(tree) {
	const paths = new Map(), names = [""];
	for (let node = 1; node < tree.count; node++) {
		const parent = tree.parent[node];
		assert.ok(parent < node, "parents come first");
		names[node] = parent ? `${names[parent]};${tree.name(node)}` : tree.name(node);
		assert.ok(!paths.has(names[node]), `${names[node]} occurs once`);
		paths.set(names[node], { self: tree.self[node], total: tree.total[node] });
	}
	return paths;
}

const sorted = (paths) => [...paths].sort(([a], [b]) => (a < b ? -1 : 1));

/** Samples cut into segments of the timeline and given in random order. */
function profile_random(samples, random, segments, span_us) {
	const profile = new Profile();
	const length_us = span_us / segments;
	const order = Array.from({ length: segments }, (_, i) => i).sort(() => random() - 0.5);
	for (const i of order) {
		const from_us = start_us + i * length_us;
		const maker = new SegmentMaker({ segment: i + 1, start_us: from_us, cpu_count: 4 });
		const part = samples.filter(({ time_us }) => time_us >= from_us && time_us < from_us + length_us);
		const half = Math.floor(part.length / 2);
		maker.fill(profile, part.slice(0, half));
		maker.fill(profile, part.slice(half), { end_us: from_us + length_us, closed: random() < 0.5 });
	}
	return profile;
}

test("trees of random ranges are those of plain counting", () => {
	const random = random_make(1);
	const samples = samples_random(random, 3000, 10e6);
	const profile = profile_random(samples, random, 4, 10e6);
	for (let round = 0; round < 40; round++) {
		const [a, b] = [random() * 10e6, random() * 10e6].map(Math.floor).sort((x, y) => x - y);
		const from_us = start_us + a, to_us = start_us + b;
		const part = samples.filter(({ time_us }) => time_us >= from_us && time_us < to_us);
		const tree = call_tree_build(profile, [{ from_us, to_us }]);
		assert.equal(tree.total[0], part.length);
		assert.deepEqual(sorted(paths_of(tree)), sorted(paths_naive(part)));
	}
});

test("ranges hold their first microsecond and not their last", () => {
	const profile = new Profile();
	new SegmentMaker().fill(profile, [10, 11, 12, 13].map((us) => ({ time_us: start_us + us })));
	const total = (from, to) => call_tree_build(profile,
		[{ from_us: start_us + from, to_us: start_us + to }]).total[0];
	assert.deepEqual([total(10, 13), total(11, 12), total(11, 11), total(0, 10), total(13, 99)], [3, 1, 0, 0, 1]);
	assert.equal(call_tree_build(profile, [{ from_us: start_us + 10, to_us: start_us + 11 },
		{ from_us: start_us + 13, to_us: start_us + 14 }]).total[0], 2);
	assert.equal(total(10.5, 12.5), 2);
});

test("identities find the same call in another tree, and nothing where it did not run", () => {
	const random = random_make(4);
	const samples = samples_random(random, 500, 1e6);
	const profile = profile_random(samples, random, 2, 1e6);
	const whole = call_tree_build(profile, [{ from_us: start_us, to_us: start_us + 1e6 }]);
	const part = call_tree_build(profile, [{ from_us: start_us, to_us: start_us + 5e4 }]);
	assert.equal(whole.find(whole.identity(0)), 0);
	let found = 0;
	for (let node = 1; node < whole.count; node++) {
		assert.equal(whole.find(whole.identity(node)), node);
		const other = part.find(whole.identity(node));
		if (other >= 0) {
			found++;
			assert.equal(part.name(other), whole.name(node));
			assert.equal(part.process_of(other), whole.process_of(node));
		}
	}
	assert.equal(found, part.count - 1);
});

test("a search counts each stack once, however often it matches", () => {
	const random = random_make(6);
	const samples = samples_random(random, 1500, 1e6);
	const profile = profile_random(samples, random, 2, 1e6);
	const tree = call_tree_build(profile, [{ from_us: start_us, to_us: start_us + 1e6 }]);
	for (const pattern of [/^parse$/, /a/i, /copy|inner/, /nothing/, /^server$/]) {
		const { is_hit, samples: matched } = tree.matches(new NameSearch(profile, pattern));
		assert.equal(matched, samples.filter(({ stack }) => stack.some((frame) => pattern.test(frame_name(frame)))).length);
		for (let node = 1; node < tree.count; node++)
			assert.equal(is_hit(node), tree.kind(node) > 0 && pattern.test(tree.name(node)));
	}
});

test("a search goes on with calls that come later", () => {
	const profile = new Profile();
	const maker = new SegmentMaker();
	const search = new NameSearch(profile, /^read$/);
	maker.fill(profile, [{ time_us: start_us + 1, stack: ["main", "read"] }]);
	search.within_update();
	maker.fill(profile, [{ time_us: start_us + 2, stack: ["main", "run", "read", "copy"] }]);
	const tree = call_tree_build(profile, [{ from_us: start_us, to_us: start_us + 9 }]);
	assert.equal(tree.matches(search).samples, 2);
});

test("top functions are those with most samples in themselves, by process", () => {
	const profile = new Profile();
	const at = (process, stack, times) => Array.from({ length: times }, (_, i) => ({ time_us: start_us + i,
		process, stack }));
	const kernel = { name: "copy", kind: wire.WIRE_FRAME_KERNEL };
	new SegmentMaker().fill(profile, [...at("a", ["main", "read", kernel], 4), ...at("a", ["main", kernel], 3),
		...at("b", ["main", kernel], 5), ...at("a", ["main"], 2), ...at("b", [], 1)]);
	const tree = call_tree_build(profile, [{ from_us: start_us, to_us: start_us + 99 }]);
	const rows = tree.top_functions(3).map(({ name, kind, process, samples }) => [name, kind, process, samples]);
	assert.deepEqual(rows, [["copy", wire.WIRE_FRAME_KERNEL, "a", 7], ["copy", wire.WIRE_FRAME_KERNEL, "b", 5],
		["main", wire.WIRE_FRAME_PROGRAM, "a", 2]]);
	assert.deepEqual(tree.processes().map(({ name, samples }) => [name, samples]), [["a", 9], ["b", 6]]);
	assert.deepEqual(tree.kinds(), new Set([0, wire.WIRE_FRAME_PROGRAM, wire.WIRE_FRAME_KERNEL]));
});

test("a function at many lines is one call, whose lines have their shares", () => {
	const profile = new Profile();
	const f = (line, file = "src/f.c") => ({ name: "f", file, line });
	const at = (stack, times) => Array.from({ length: times }, (_, i) => ({ time_us: start_us + i, stack }));
	new SegmentMaker().fill(profile, [...at(["main", f(10), "g"], 5), ...at(["main", f(20), "g"], 3), ...at(["main", f(20)], 1),
		...at(["main", f(30, "src/f.h")], 2), ...at(["main", { name: "f" }], 1), ...at(["run", f(10)], 7)]);
	const tree = call_tree_build(profile, [{ from_us: start_us, to_us: start_us + 4 }]);
	const nodes = Array.from({ length: tree.count }, (_, node) => node);
	const [node, ...others] = nodes.filter((one) => tree.name(one) === "f" && tree.name(tree.parent[one]) === "main");
	assert.deepEqual(others, []);
	assert.deepEqual(tree.lines(node), [{ file: "src/f.c", line: 10, samples: 4 }, { file: "src/f.c", line: 20, samples: 4 },
		{ file: "src/f.h", line: 30, samples: 2 }]);
	assert.equal(tree.total[node], 11);
	const all = nodes.find((one) => tree.name(one) === "main");
	assert.deepEqual(tree.lines(all), []);
});

const provisional = (name) => ({ name, named: false, key: name, start: 0x2340, module: "libx.so" });

/** A record that says to which function a provisional key belongs. */
function late_name(maker, key, owner, name) {
	const { key_low, key_high } = key_of(key);
	const { key_low: owner_low, key_high: owner_high } = key_of(owner);
	const id = maker.string(name);
	const row = { key_low, key_high, owner_low, owner_high, name: id };
	return { kind: wire.WIRE_RECORD_LATE_NAMES, rows: [row] };
}

test("late names merge what turned out to be one function, backwards and forwards", () => {
	const profile = new Profile();
	const maker = new SegmentMaker();
	const range = [{ from_us: start_us, to_us: start_us + 99 }];
	maker.fill(profile, [
		{ time_us: start_us + 1, stack: ["main", provisional("x1"), "leaf"] },
		{ time_us: start_us + 2, stack: ["main", provisional("x2"), "leaf"] },
		{ time_us: start_us + 3, stack: ["main", provisional("x2"), "other"] }]);
	const before = call_tree_build(profile, range);
	assert.deepEqual([...paths_of_names(before)], ["program", "main", "libx.so+0x2340", "leaf", "libx.so+0x2340",
		"leaf", "other"]);
	const zoomed = before.identity(2);
	let told = 0;
	profile.listen(({ names }) => { told += names ? 1 : 0; });
	maker.fill(profile, [], { more: [late_name(maker, "x1", "real", "compress")] });
	maker.fill(profile, [], { more: [late_name(maker, "x2", "real", "compress")] });
	assert.ok(told > 0);
	maker.fill(profile, [{ time_us: start_us + 4, stack: ["main", { name: "compress", key: "real" }, "leaf"] },
		{ time_us: start_us + 5, stack: ["main", provisional("x1"), "leaf"] }]);
	const after = call_tree_build(profile, range);
	assert.deepEqual(sorted(paths_of(after)), sorted(new Map([["program", { self: 0, total: 5 }],
		["program;main", { self: 0, total: 5 }], ["program;main;compress", { self: 0, total: 5 }],
		["program;main;compress;leaf", { self: 4, total: 4 }],
		["program;main;compress;other", { self: 1, total: 1 }]])));
	assert.equal(after.name(after.find(zoomed)), "main", "a zoom above stays");
	assert.equal(after.matches(new NameSearch(profile, /^compress$/)).samples, 5);
});

function* paths_of_names(tree) {
	for (let node = 1; node < tree.count; node++)
		yield tree.name(node);
}

test("late names in circles and of functions that are never seen do no harm", () => {
	const profile = new Profile();
	const maker = new SegmentMaker();
	maker.string("loop");
	maker.fill(profile, [{ time_us: start_us + 1, stack: [provisional("a"), provisional("b"), provisional("c")] }]);
	const random = random_make(8);
	const letters = ["a", "b", "c", "d", "e"];
	for (let i = 0; i < 200; i++) {
		const pick = () => letters[Math.floor(random() * letters.length)];
		maker.fill(profile, [], { more: [late_name(maker, pick(), pick(), "loop")] });
		assert.equal(call_tree_build(profile, [{ from_us: start_us, to_us: start_us + 9 }]).total[0], 1);
	}
	const tree = call_tree_build(profile, [{ from_us: start_us, to_us: start_us + 9 }]);
	assert.deepEqual([...paths_of_names(tree)], ["program", "loop", "loop", "loop"]);
});

test("places of functions are told", () => {
	const profile = new Profile();
	new SegmentMaker().fill(profile, [{ time_us: start_us, stack: [{ name: "f", file: "src/f.c", line: 12, module: "libf.so" }] }]);
	const tree = call_tree_build(profile, [{ from_us: start_us, to_us: start_us + 1 }]);
	assert.deepEqual(tree.module(2), { name: "libf.so", kind: wire.WIRE_MODULE_FILE });
	assert.deepEqual(tree.lines(2), [{ file: "src/f.c", line: 12, samples: 1 }]);
	assert.deepEqual(tree.module(1), { name: "", kind: wire.WIRE_MODULE_UNKNOWN });
	assert.deepEqual(tree.lines(1), []);
});
