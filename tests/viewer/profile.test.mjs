/* SPDX-License-Identifier: Apache-2.0 */
/* The profile: what it keeps, forgets and knows to be missing. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SegmentMaker, random_make } from "./records.mjs";

const wire = await import("wire");
const { GAP_LOADING, GAP_SKIPPED, Profile } = await import("model/profile");
const { call_tree_build } = await import("model/call_tree");
const { RowTable, StringTable, array_widened } = await import("model/tables");
const { Heat } = await import("model/heat");
const { Lanes } = await import("model/lanes");
const { SampleFilter } = await import("model/filter");
const { Unusual } = await import("model/unusual");
const { ProfileSource } = await import("profile_source");

const start_us = 1_000_000_000_000_000;
const second_us = 1e6;
const everything = [{ from_us: 0, to_us: 2 * start_us }];

/** One second of samples, each segment with functions of its own. */
function segment_fill(profile, segment, { samples = 100, instance_id = "00000000000000aa", start = start_us,
	closed = true, name = `of ${segment}` } = {}) {
	const from_us = start + segment * second_us;
	const maker = new SegmentMaker({ segment, instance_id, start_us: from_us });
	maker.fill(profile, Array.from({ length: samples }, (_, i) => ({ time_us: from_us + i * 100, tid: 100 + segment,
		stack: ["main", name, `${name} ${i}`] })), { end_us: from_us + second_us, closed });
	return maker;
}

test("tables give each row one id and keep it while they grow", () => {
	const table = new RowTable(3), random = random_make(1);
	const ids = new Map();
	for (let i = 0; i < 20000; i++) {
		const row = [0, 1, 2].map(() => Math.floor(random() * 40) - 20);
		table.row.set(row);
		const id = table.add();
		assert.equal(ids.get(row.join()) ?? table.count - 1, id);
		ids.set(row.join(), id);
	}
	assert.equal(table.count, ids.size + 1);
	for (const [key, id] of ids) {
		assert.deepEqual(table.columns.map((column) => column[id]), key.split(",").map(Number));
		table.row.set(key.split(",").map(Number));
		assert.equal(table.find(), id);
	}
	table.row.set([99, 99, 99]);
	assert.equal(table.find(), 0);
});

test("strings are kept once; columns widen when a value needs it", () => {
	const strings = new StringTable();
	assert.deepEqual(["a", "", "b", "a", "__proto__"].map((text) => strings.add(text)), [1, 0, 2, 1, 3]);
	const bytes = Uint8Array.of(1, 255);
	assert.equal(array_widened(bytes, 255), bytes);
	assert.deepEqual(array_widened(bytes, 256), Uint16Array.of(1, 255));
	assert.deepEqual(array_widened(bytes, 65536), Uint32Array.of(1, 255));
});

test("a sample costs about ten bytes", () => {
	const profile = new Profile();
	const random = random_make(2);
	const stacks = Array.from({ length: 200 }, (_, i) => ["main", `f${i % 9}`, `g${i}`]);
	new SegmentMaker().fill(profile, Array.from({ length: 50000 }, (_, i) => ({ time_us: start_us + i * 100,
		cpu: i % 64, tid: 100 + i % 300, stack: stacks[Math.floor(random() * stacks.length)] })), { closed: true });
	const [{ byte_count, count }] = profile.blocks;
	assert.equal(count, 50000);
	assert.ok(byte_count / count < 10.5, `${byte_count / count} bytes`);
});

test("samples of a segment stand in the order of time, whatever order they come in", () => {
	const profile = new Profile(), random = random_make(3);
	const maker = new SegmentMaker();
	const all = [];
	for (let chunk = 0; chunk < 20; chunk++) {
		const samples = Array.from({ length: 300 }, () => ({ cpu: Math.floor(random() * 300),
			time_us: start_us + chunk * 50_000 - 20_000 + Math.floor(random() * 90_000) }));
		all.push(...samples);
		maker.fill(profile, samples);
	}
	const [block] = profile.blocks;
	const rows = Array.from({ length: block.count }, (_, row) => [block.start_us + block.time[row], block.cpu[row]]);
	for (let row = 1; row < rows.length; row++)
		assert.ok(rows[row - 1][0] <= rows[row][0]);
	const text = (list) => list.map(([time, cpu]) => `${time} ${cpu}`).sort();
	assert.deepEqual(text(rows), text(all.map(({ time_us, cpu }) => [time_us, cpu])));
});

test("sums over any rows of a block are those of plain counting, while it is filled and once it is closed", () => {
	const profile = new Profile(), random = random_make(31);
	const maker = new SegmentMaker();
	for (let chunk = 0; chunk < 8; chunk++) {
		maker.fill(profile, Array.from({ length: 400 }, () => ({ cpu: Math.floor(random() * (chunk + 1) * 40), tid: Math.floor(random() * 300),
			time_us: start_us + chunk * 50_000 - 20_000 + Math.floor(random() * 90_000), stack: ["main", `f${Math.floor(random() * 300)}`] })),
			{ closed: chunk === 7 });
		const [block] = profile.blocks;
		for (let round = 0; round < 4; round++) {
			const [first, end] = round ? [random(), random()].map((part) => Math.floor(part * (block.count + 1))).sort((a, b) => a - b) : [0, block.count];
			for (const name of ["cpu", "thread", "stack", "status"]) {
				const plain = new Map();
				for (const value of block[name].subarray(first, end)) plain.set(value, (plain.get(value) ?? 0) + 1);
				const counted = [...block.counts(name, first, end).entries()].filter(([, count]) => count);
				assert.deepEqual(new Map(counted), new Map([...plain].sort(([a], [b]) => a - b)), `${name} of ${first} to ${end}`);
			}
		}
	}
});

test("listeners are told the stretch that looks different", () => {
	const profile = new Profile(), changes = [];
	const maker = new SegmentMaker();
	const stop = profile.listen((change) => changes.push(change));
	maker.fill(profile, [{ time_us: start_us + 500 }], { end_us: start_us + 1000 });
	maker.fill(profile, [{ time_us: start_us + 1500 }, { time_us: start_us + 900 }], { end_us: start_us + 2000 });
	stop();
	maker.fill(profile, [{ time_us: start_us + 2500 }]);
	assert.deepEqual(changes.map(({ from_us, to_us, names, renumbered }) =>
		[from_us - start_us, to_us - start_us, names, renumbered]), [[0, 1000, false, false], [900, 2000, false, false]]);
});

test("holes between segments tell why they are there", () => {
	const reasons = (profile) => profile.gaps(0, Infinity).map(({ from_us, to_us, reason }) =>
		[(from_us - start_us) / second_us, (to_us - start_us) / second_us, reason]);
	const profile = new Profile();
	segment_fill(profile, 1);
	segment_fill(profile, 4);
	assert.deepEqual(reasons(profile), [[2, 4, GAP_SKIPPED]]);
	profile.loading_set(true);
	assert.deepEqual(reasons(profile), [[2, 4, GAP_LOADING]]);
	profile.segment_end("00000000000000aa", 3, "damaged");
	assert.deepEqual(reasons(profile), [[2, 4, wire.WIRE_GAP_DAMAGED]]);
	segment_fill(profile, 3);
	segment_fill(profile, 2);
	assert.deepEqual(reasons(profile), []);
	segment_fill(profile, 1, { instance_id: "00000000000000bb", start: start_us + 9e6 });
	assert.deepEqual(reasons(profile), [[5, 10, wire.WIRE_GAP_NOT_RUNNING]]);
});

test("the end of a segment may come after the start of the next, and is no gap until it is known not to come", () => {
	const reasons = (profile) => profile.gaps(0, Infinity).map(({ reason }) => reason);
	const profile = new Profile();
	segment_fill(profile, 1, { closed: false });
	segment_fill(profile, 2, { start: start_us + 1000 });
	assert.deepEqual(reasons(profile), [GAP_LOADING]);
	profile.segment_end("00000000000000aa", 1, "cut");
	assert.deepEqual(reasons(profile), [GAP_SKIPPED]);
	profile.block("00000000000000aa", 1).close("closed");
	assert.deepEqual(reasons(profile), []);
});

test("the wall clock is the timeline less the segment's shift", () => {
	const profile = new Profile();
	new SegmentMaker({ segment: 1 }).fill(profile, [], { end_us: start_us + 1e6, closed: true });
	new SegmentMaker({ segment: 2, start_us: start_us + 1e6, wall_shift_s: 60 }).fill(profile, [],
		{ end_us: start_us + 2e6 });
	assert.equal(profile.wall_us(start_us + 5e5), start_us + 5e5);
	assert.equal(profile.wall_us(start_us + 15e5), start_us + 15e5 - 60e6);
	assert.equal(profile.timeline_us(start_us + 15e5 - 60e6), start_us + 15e5);
	assert.equal(profile.timeline_us(start_us + 5e5 + 60e6), start_us + 5e5 + 120e6);
});

test("what the agent has forgotten is forgotten, of this agent only", () => {
	const profile = new Profile();
	segment_fill(profile, 1, { instance_id: "00000000000000bb", start: start_us - 50e6 });
	for (const segment of [1, 2, 3])
		segment_fill(profile, segment);
	profile.oldest_set("00000000000000aa", 3);
	assert.deepEqual(profile.blocks.map(({ instance_id, segment }) => `${instance_id.slice(-2)} ${segment}`),
		["bb 1", "aa 3"]);
	assert.equal(profile.evicted.segments, 0);
});

test("memory is bounded: the oldest go, names too, and what stays is what it was", () => {
	const profile = new Profile({ bytes_max: 400_000, compact_stacks_min: 500 });
	let renumbered = 0;
	profile.listen((change) => { renumbered += change.renumbered ? 1 : 0; });
	const open = new SegmentMaker({ segment: 1000, start_us: start_us + 1000e6 });
	open.fill(profile, [{ time_us: start_us + 1000e6, stack: ["main", "kept"] }]);
	let most = 0;
	for (let segment = 1; segment <= 300; segment++) {
		segment_fill(profile, segment);
		most = Math.max(most, profile.dictionary.stacks.count);
	}
	assert.ok(renumbered > 1, "names were let go");
	assert.ok(profile.evicted.segments > 100 && profile.evicted.samples === profile.evicted.segments * 100);
	assert.equal(profile.sample_count, (300 - profile.evicted.segments) * 100 + 1);
	assert.match(new ProfileSource(profile).facts().note, /^The oldest [\d\u2009]+ samples did not fit into the page's memory\.$/);
	assert.equal(profile.block_bytes, profile.blocks.reduce((sum, { byte_count }) => sum + byte_count, 0));
	assert.ok(most < 300 * 100, `${most} stacks`);
	open.fill(profile, [{ time_us: start_us + 1000e6 + 5, stack: ["main", "kept", "late"] }]);
	const tree = call_tree_build(profile, everything);
	const names = new Map(Array.from({ length: tree.count }, (_, node) => [tree.name(node), tree.total[node]]));
	assert.equal(names.get("of 300"), 100);
	assert.equal(names.get("of 300 77"), 1);
	assert.equal(names.get("of 1"), undefined);
	assert.equal(names.get("kept"), 2);
	assert.equal(names.get("late"), 1);
	const { thread_ids, thread } = profile.blocks[profile.blocks.length - 2];
	assert.deepEqual(profile.dictionary.thread(thread_ids[thread[0]]), { tid: 400, pid: 400,
		start_ns: 1_000_000_400, comm: "program/0", process: "program", cgroup: "", container: "" });
});

test("names that were let go are kept by nobody", async () => {
	setFlagsFromString("--expose-gc");
	const collect = runInNewContext("gc");
	const profile = new Profile({ bytes_max: 400_000, compact_stacks_min: 500 });
	const heat = new Heat(profile), unusual = new Unusual(profile, heat), lanes = new Lanes(profile);
	const filter = new SampleFilter(profile, [{ kind: "process", value: "program", not: false }]);
	segment_fill(profile, 1);
	unusual.call_buckets.update();
	lanes.numbers.number(1);
	filter.update();
	const first = new WeakRef(profile.dictionary);
	for (let segment = 2; first.deref() === profile.dictionary; segment++)
		segment_fill(profile, segment);
	await new Promise((resolve) => setTimeout(resolve));
	collect();
	assert.equal(first.deref(), undefined);
	assert.ok(unusual && lanes && filter);
});

test("late names outlive the making anew of the names", () => {
	const profile = new Profile({ compact_stacks_min: 1 });
	const maker = segment_fill(profile, 1, { closed: false });
	const owner = { key_low: 7, key_high: 8 };
	const { key_low, key_high } = { ...profile_key(profile, "of 1") };
	const name = maker.string("renamed");
	maker.fill(profile, [], { more: [{ kind: wire.WIRE_RECORD_LATE_NAMES, rows: [{ key_low, key_high,
		owner_low: owner.key_low, owner_high: owner.key_high, name }] }] });
	segment_fill(profile, 2);
	profile.blocks_remove([profile.blocks[1]]);
	const tree = call_tree_build(profile, everything);
	assert.equal(tree.name(tree.parent[tree.count - 1]), "renamed");
	assert.equal(profile.dictionary.functions.count, 1 + 2 + 100 + 1);
});

test("a function that nobody named has its own start, also when a part of it was seen first", () => {
	const { dictionary } = new Profile();
	const module = dictionary.module_add(1, 2, dictionary.strings.add("libc.so.6"), 0);
	const part = dictionary.function_add(3, 4, module, 0, 0x1234);
	dictionary.late_name_add(3, 4, 5, 6, 0);
	assert.equal(dictionary.function_text(part), "libc.so.6+0x1234");
	dictionary.function_add(5, 6, module, 0, 0x1200);
	assert.equal(dictionary.function_text(part), "libc.so.6+0x1200");
});

/** The key of a function by its name. */
function profile_key({ dictionary }, name) {
	const id = dictionary.function_name.indexOf(dictionary.strings.add(name));
	const [low, high] = dictionary.functions.columns;
	return { key_low: low[id], key_high: high[id] };
}

test("counters give totals and how fast they grow, not across agents", () => {
	const profile = new Profile();
	const counters = (maker, time_us, value) => maker.fill(profile, [], { more: [
		{ kind: wire.WIRE_RECORD_COUNTERS, time_us, rows: [{ counter: wire.WIRE_COUNTER_SAMPLES, value },
			{ counter: wire.WIRE_COUNTER_CLIENTS, value: 3 }, { counter: 9999, value: 1 }] }] });
	const first = new SegmentMaker();
	assert.equal(profile.counters.rate(wire.WIRE_COUNTER_SAMPLES), null);
	[1000, 1100, 1300, 1600].forEach((value, i) => counters(first, i * 1e6, value));
	assert.equal(profile.counters.latest(wire.WIRE_COUNTER_SAMPLES), 1600);
	assert.equal(profile.counters.rate(wire.WIRE_COUNTER_SAMPLES), 200);
	assert.equal(profile.counters.rate(wire.WIRE_COUNTER_SAMPLES, 1), 300);
	assert.equal(profile.counters.rate(wire.WIRE_COUNTER_CLIENTS), 3);
	const other = new SegmentMaker({ instance_id: "00000000000000bb", start_us: start_us + 10e6 });
	counters(other, 0, 10);
	assert.equal(profile.counters.rate(wire.WIRE_COUNTER_SAMPLES), null);
	counters(other, 2e6, 50);
	assert.equal(profile.counters.rate(wire.WIRE_COUNTER_SAMPLES), 20);
});

test("CPUs busy over a stretch are those of what is known", () => {
	const profile = new Profile();
	const more = [{ kind: wire.WIRE_RECORD_GAP, from_us: 2e6, to_us: 3e6, reason: wire.WIRE_GAP_OVERLOAD, lost: 5 },
		{ kind: wire.WIRE_RECORD_RATE, time_us: 39e5, rows: [{ cpu: 1, mhz: 50_000 }] }];
	const samples = [];
	for (let ms = 0; ms < 4000; ms += 10)
		if (ms < 2000 || ms >= 3000)
			samples.push({ time_us: start_us + ms * 1000, cpu: 0 }, ...(ms % 20 ? [] : [{ time_us: start_us + ms * 1000, cpu: 1 }]));
	new SegmentMaker({ frequency_mhz: 100_000 }).fill(profile, samples, { end_us: start_us + 4e6, more });
	assert.ok(Math.abs(profile.cpus_busy([{ from_us: start_us - 1e6, to_us: start_us + 9e6 }]) - 2) < 1e-9);
	assert.deepEqual(profile.lost(0, Infinity), { gaps: 1, samples: 5 });
	assert.equal(profile.rate_reached_mhz(), 50_000);
	new SegmentMaker({ segment: 2, start_us: start_us + 4e6 }).fill(profile, []);
	assert.equal(profile.rate_reached_mhz(), 50_000, "a segment that has just begun");
	assert.equal(new Profile().cpus_busy([{ from_us: 0, to_us: 1 }]), 0);
});

test("facts are those of the newest segment", () => {
	const profile = new Profile();
	const meta = (text) => [{ kind: wire.WIRE_RECORD_META, rows: [{ meta: wire.WIRE_META_HOST, text }] }];
	assert.deepEqual([profile.facts().host, profile.facts().frequency_mhz], ["", 0]);
	new SegmentMaker({ segment: 5, start_us: start_us + 9e6, cpu_count: 8 }).fill(profile, [], { more: meta("new") });
	new SegmentMaker({ segment: 4, cpu_count: 4 }).fill(profile, [], { more: [...meta("old"),
		{ kind: wire.WIRE_RECORD_META, rows: [{ meta: wire.WIRE_META_KERNEL, text: "Linux" }] }] });
	const { host, kernel, cpu_count } = profile.facts();
	assert.deepEqual([host, kernel, cpu_count], ["new", "Linux", 8]);
});

test("records of a segment without a head are let go", () => {
	const profile = new Profile();
	profile.records_add("00000000000000aa", 1, [{ kind: wire.WIRE_RECORD_TICK, time_us: 5 }], start_us);
	profile.records_add("00000000000000aa", 1, [], start_us);
	assert.equal(profile.blocks.length, 0);
	assert.deepEqual([profile.oldest_us, profile.covered_us, profile.byte_count > 0], [0, 0, true]);
});
