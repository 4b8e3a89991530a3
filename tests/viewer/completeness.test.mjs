/* SPDX-License-Identifier: Apache-2.0 */
/* How many stacks are whole, and why others are not. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { SegmentMaker, random_make } from "./records.mjs";

const wire = await import("wire");
const { completeness, processes_max } = await import("model/completeness");
const { completeness_share } = await import("model/completeness_share");
const { Profile } = await import("model/profile");
const { shed_words } = await import("views/stacks_sheet");

const start_us = 1_000_000_000_000_000;
const jit = { name: "made", module: "[jit]", module_kind: wire.WIRE_MODULE_JIT, kind: wire.WIRE_FRAME_JIT };
const from_library = { name: "callback", module: "/usr/lib/libui.so" };

/** A profile of samples, one each millisecond: [process, stack, status, how many]. */
function profile_of(kinds) {
	const profile = new Profile();
	const samples = kinds.flatMap(([process, stack, status, count]) =>
		Array.from({ length: count }, () => ({ process, stack, status })));
	const times = samples.map((_, i) => start_us + i * 1000);
	new SegmentMaker().fill(profile, samples.map((sample, i) => ({ ...sample, time_us: times[i], tid: 100 })), { closed: true });
	return profile;
}

const all = (profile) => completeness(profile, [{ from_us: 0, to_us: 2 * start_us }]);

test("whole stacks are counted among those that there are", () => {
	const profile = profile_of([["a", ["main", "f"], wire.WIRE_STACK_COMPLETE, 7], ["a", ["g"], wire.WIRE_STACK_NO_ROW, 1],
		["kworker", ["kthread"], wire.WIRE_STACK_NONE, 100]]);
	const { stacks, complete } = all(profile);
	assert.deepEqual({ stacks, complete }, { stacks: 8, complete: 7 });
	assert.deepEqual(completeness_share(profile, 0, 2 * start_us), { stacks: 8, complete: 7 });
});

test("only what lies in the stretch counts", () => {
	const profile = profile_of([["a", ["main"], wire.WIRE_STACK_COMPLETE, 10], ["a", ["main"], wire.WIRE_STACK_TRUNCATED, 10]]);
	const middle = [start_us + 5000, start_us + 12_000];
	assert.deepEqual(completeness_share(profile, ...middle), { stacks: 7, complete: 5 });
	assert.deepEqual(completeness(profile, [{ from_us: middle[0], to_us: middle[1] }]).reasons, [{ reason: "deep", stacks: 2 }]);
});

test("each status has its reason, the most frequent first", () => {
	const profile = profile_of([["a", ["f"], wire.WIRE_STACK_FRAME_POINTERS, 1], ["a", ["f"], wire.WIRE_STACK_TRUNCATED, 2],
		["a", ["f"], wire.WIRE_STACK_UNREADABLE, 3], ["a", ["f"], wire.WIRE_STACK_NO_MAPPING, 4],
		["a", ["f"], wire.WIRE_STACK_NO_ROW, 5], ["a", ["f"], wire.WIRE_STACK_UNSUPPORTED, 6]]);
	assert.deepEqual(all(profile).reasons.map(({ reason, stacks }) => `${stacks} ${reason}`),
		["6 unsupported", "5 no_row", "4 no_mapping", "3 unreadable", "2 deep", "1 new"]);
});

test("a stack that ends in code made at run time, or behind it, is told apart", () => {
	const profile = profile_of([["node", [jit], wire.WIRE_STACK_FRAME_POINTERS, 3],
		["node", [from_library, jit, "f"], wire.WIRE_STACK_NO_ROW, 2], ["node", [jit], wire.WIRE_STACK_UNREADABLE, 1]]);
	const { reasons, processes } = all(profile);
	assert.deepEqual(reasons, [{ reason: "jit", stacks: 5 }, { reason: "unreadable", stacks: 1 }]);
	assert.deepEqual(processes, [{ name: "node", stacks: 6, complete: 0, reason: "jit", place: "[jit]" }]);
});

test("processes with most of them come first, each with its reason and where its stacks end", () => {
	const profile = profile_of([["good", ["main"], wire.WIRE_STACK_COMPLETE, 50],
		["one", ["main"], wire.WIRE_STACK_COMPLETE, 9], ["one", ["f"], wire.WIRE_STACK_UNREADABLE, 1],
		["bad", [from_library, "f"], wire.WIRE_STACK_NO_ROW, 4], ["bad", ["f"], wire.WIRE_STACK_NO_ROW, 2],
		["bad", ["f"], wire.WIRE_STACK_TRUNCATED, 5]]);
	assert.deepEqual(all(profile).processes, [
		{ name: "bad", stacks: 11, complete: 0, reason: "no_row", place: "/usr/lib/libui.so" },
		{ name: "one", stacks: 10, complete: 9, reason: "unreadable", place: "program" }]);
});

test("no more processes than are told of, and none of an empty stretch", () => {
	const many = profile_of(Array.from({ length: 30 }, (_, i) => [`p${i}`, ["f"], wire.WIRE_STACK_NO_ROW, i + 1]));
	const { processes } = all(many);
	assert.equal(processes.length, processes_max);
	assert.equal(processes[0].name, "p29");
	assert.deepEqual(completeness(many, [{ from_us: 0, to_us: 1 }]), { stacks: 0, complete: 0, reasons: [], processes: [] });
	assert.deepEqual(all(new Profile()), { stacks: 0, complete: 0, reasons: [], processes: [] });
});

test("any samples agree with a plain count, over several segments", () => {
	const profile = new Profile(), random = random_make(7);
	const counts = { stacks: 0, complete: 0 };
	for (let segment = 1; segment <= 3; segment++) {
		const from_us = start_us + segment * 1e6;
		const samples = Array.from({ length: 500 }, (_, i) => ({ time_us: from_us + i * 1000, tid: 100 * segment,
			process: `p${Math.floor(random() * 5)}`, stack: ["main", `f${Math.floor(random() * 20)}`],
			status: Math.floor(random() * 8) }));
		counts.stacks += samples.filter(({ status }) => status).length;
		counts.complete += samples.filter(({ status }) => status === wire.WIRE_STACK_COMPLETE).length;
		new SegmentMaker({ segment, start_us: from_us }).fill(profile, samples, { closed: true });
	}
	const { stacks, complete, reasons } = all(profile);
	assert.deepEqual({ stacks, complete }, counts);
	assert.equal(reasons.reduce((sum, row) => sum + row.stacks, complete), stacks);
});

/* Lost samples are in the first row and on the map, where the kinds of their loss are. */
test("each loss that the agent counts has words on the page", () => {
	const counters = Object.entries(wire).filter(([name]) => /^WIRE_COUNTER_.*(LOST|LEFT_OUT|EVICTED|NO_ROOM|FAILED|DEFERRED)/.test(name) &&
		!/LOST_(RING_FULL|RING_BUSY|OVERLOAD)$/.test(name)).map(([, counter]) => counter);
	assert.ok(counters.includes(wire.WIRE_COUNTER_READS_DEFERRED) && counters.includes(wire.WIRE_COUNTER_ACCEPTS_DEFERRED));
	assert.deepEqual(Object.keys(shed_words).map(Number), counters.sort((a, b) => a - b));
	for (const { title, text } of Object.values(shed_words)) {
		assert.match(title, /^[A-Z].*[^.]$/);
		assert.match(text, /^[A-Z].*\.$/);
		assert.equal(text.split("`").length % 2, 1, "what is to be typed is closed");
	}
});
