/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes against the map filtered to one thread or CPU, and threads alone against plain counting. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { SegmentMaker, random_make, ticks_make } from "./records.mjs";

const wire = await import("wire");
const { Profile } = await import("model/profile");
const { Heat } = await import("model/heat");
const { SampleFilter } = await import("model/filter");
const { Overview } = await import("model/overview");
const { Lanes, single_cells } = await import("model/lanes");

const start_us = 1_000_000_000_000_000, first = start_us / 1e6;

function profile_of(samples, { end_us, more, ...head }) {
	const profile = new Profile();
	new SegmentMaker(head).fill(profile, [...samples].sort((a, b) => a.time_us - b.time_us), { end_us, more });
	return profile;
}

test("a lane is the map of its thread or its CPU alone, and lanes add up to the map", () => {
	const random = random_make(5);
	const samples = [0, 1, 2].flatMap((cpu) => ticks_make({ from_us: start_us, to_us: start_us + 4e6, period_us: 1e6 / 99,
		late_share: 0.1, late_us: 8000, phase: cpu / 3, random }).filter(() => random() < 0.8)
		.map((time_us) => ({ time_us, cpu, process: ["a", "b"][Math.floor(random() * 2)], tid: 100 + Math.floor(random() * 3),
			busy: random() < 0.2 ? wire.WIRE_BUSY_PARTLY : wire.WIRE_BUSY_THROUGHOUT })));
	const profile = profile_of(samples, { cpu_count: 3, end_us: start_us + 3_700_000 });
	const heat = new Heat(profile), lanes = new Lanes(profile);
	const mean = (second, terms) => {
		heat.filter_set(terms && new SampleFilter(profile, terms));
		const { busy, known } = heat.column(first + second, 20);
		return busy.reduce((sum, cpus, row) => sum + cpus * known[row], 0) / known.reduce((sum, share) => sum + share, 0);
	};
	const near = (a, b, words) => assert.ok(Math.abs(a - b) < 1e-5, `${words}: ${a} ${b}`);
	for (let second = 0; second < 4; second++) {
		const { threads, cpus, known } = lanes.seconds.get(first + second);
		near(known, second < 3 ? 1 : 0.7, "known");
		assert.equal(threads.size, 6);
		for (const [number, busy] of threads) {
			const { comm, tid } = lanes.thread(number);
			near(busy, mean(second, [{ kind: "thread", value: `${comm} ${tid}`, not: false }]), comm);
		}
		for (const [cpu, busy] of cpus)
			near(busy, mean(second, [{ kind: "cpu", value: String(cpu), not: false }]), `CPU ${cpu}`);
		const sum = (map) => [...map.values()].reduce((a, b) => a + b, 0);
		near(sum(threads), mean(second, null), "threads");
		near(sum(cpus), sum(threads), "CPUs");
	}
	lanes.filter_set(new SampleFilter(profile, [{ kind: "process", value: "a", not: false }]));
	for (const number of lanes.seconds.get(first).threads.keys())
		assert.equal(lanes.thread(number).process, "a");
});

test("a thread that keeps a CPU for seconds comes before those that do a little all the time", () => {
	const samples = ticks_make({ from_us: start_us, to_us: start_us + 20e6, period_us: 10_000 }).flatMap((time_us, i) => [
		...i >= 500 && i < 800 ? [{ time_us, cpu: 0, process: "burner", tid: 1 }] : [],
		...i % 4 === 0 ? [{ time_us: time_us + 3000, cpu: 1, process: "steady", tid: 2 }] : []]);
	const profile = profile_of(samples, { cpu_count: 2, frequency_mhz: 100_000, end_us: start_us + 20e6 });
	const lanes = new Lanes(profile);
	for (let second = 0; second < 20; second++)
		lanes.seconds.get(first + second);
	assert.deepEqual(lanes.busiest(first, first + 20, 5).map((number) => lanes.thread(number).process), ["burner", "steady"]);
	assert.deepEqual(lanes.busiest(first, first + 20, 1).length, 1);
});

/** Whether a cell is in some half second that one thread has to itself, by counting each. */
function alone_naive(samples, at_us) {
	const cell_us = 1e6 / single_cells, window_us = 10 * cell_us;
	for (let from_us = at_us - window_us + cell_us; from_us <= at_us; from_us += cell_us) {
		const within = samples.filter(({ time_us }) => time_us >= from_us && time_us < from_us + window_us);
		const counts = within.map(({ tid }) => within.filter((other) => other.tid === tid).length);
		if (within.length * 10_000 >= 0.1 * window_us && within.length * 10_000 <= 1.1 / 0.95 * window_us &&
		    Math.max(...counts) >= 0.95 * within.length)
			return true;
	}
	return false;
}

test("stretches of one thread alone are those of plain counting", () => {
	const random = random_make(8), span_us = 12e6;
	let at_us = start_us, other = 0;
	const samples = [];
	/* Stretches of random length with one thread, another, both, or nothing much. */
	while (at_us < start_us + span_us) {
		const to_us = at_us + 100_000 + random() * 1_400_000, kind = Math.floor(random() * 4);
		for (const time_us of ticks_make({ from_us: at_us, to_us, period_us: 10_000, jitter_us: 2000, random })) {
			const noise = random() < 0.03;
			if (kind !== 3)
				samples.push({ time_us, cpu: 0, tid: noise ? 900 : 100 + kind % 2, process: "p" });
			if (kind === 2)
				samples.push({ time_us: time_us + 10, cpu: 1, tid: 700, process: "p" });
			other += Number(kind === 2);
		}
		at_us = to_us;
	}
	assert.ok(other > 0);
	const profile = profile_of(samples, { cpu_count: 2, frequency_mhz: 100_000, end_us: start_us + span_us + 1e6 });
	const lanes = new Lanes(profile);
	let alone = 0;
	for (let cell = 10; cell < 11 * single_cells; cell++) {
		const second = Math.floor(cell / single_cells);
		const found = lanes.singles.get(first + second)[cell % single_cells] > 0;
		assert.equal(found, alone_naive(samples, start_us + cell * 1e6 / single_cells), `cell ${cell}`);
		alone += Number(found);
	}
	assert.ok(alone > 30 && alone < 200, `${alone}`);
	for (const { from_us, to_us, thread, busy } of lanes.single_stretches(first, first + 12)) {
		assert.ok(to_us - from_us >= 500_000 - 1, "no stretch is shorter than half a second");
		assert.ok(busy > 0.1 && busy < 1.2 && lanes.thread(thread).tid < 900);
	}
});

test("nothing is said of a thread alone across a gap, nor where only a part of the host is sampled", () => {
	const samples = ticks_make({ from_us: start_us, to_us: start_us + 3e6, period_us: 10_000 }).map((time_us) => ({ time_us, tid: 5 }));
	const gap = { kind: wire.WIRE_RECORD_GAP, from_us: 1_300_000, to_us: 1_310_000, reason: wire.WIRE_GAP_RING_FULL, lost: 9 };
	const profile = profile_of(samples, { cpu_count: 2, frequency_mhz: 100_000, end_us: start_us + 3e6, more: [gap] });
	const stretches = new Lanes(profile).single_stretches(first, first + 3);
	assert.deepEqual(stretches.map(({ from_us, to_us }) => [from_us - start_us, to_us - start_us]), [[0, 1_300_000], [1_350_000, 3_000_000]]);
	assert.ok(new Lanes(profile).single_is_known());
	profile.meta.set(wire.WIRE_META_FILTER, "process 77");
	assert.ok(!new Lanes(profile).single_is_known());
});

test("numbers of threads stay when the dictionary is made anew, and what comes is seen", () => {
	const profile = new Profile();
	const maker = new SegmentMaker({ cpu_count: 1, frequency_mhz: 100_000 });
	maker.fill(profile, [{ time_us: start_us + 1000, tid: 1 }, { time_us: start_us + 11_000, tid: 2 }], { end_us: start_us + 500_000 });
	const lanes = new Lanes(profile);
	const before = [...lanes.seconds.get(first).threads.keys()];
	profile.dictionary = Object.assign(Object.create(Object.getPrototypeOf(profile.dictionary)), profile.dictionary);
	maker.fill(profile, [{ time_us: start_us + 510_000, tid: 3 }], { end_us: start_us + 600_000 });
	const after = [...lanes.seconds.get(first).threads.keys()];
	assert.deepEqual(after.slice(0, 2), before);
	assert.equal(after.length, 3);
});

test("the overview has the CPUs busy of each second, and of them the hottest first", () => {
	const random = random_make(4), loads = [0.2, 0.9, 0.5, 0, 0.9, 0.7];
	const samples = loads.flatMap((load, second) => ticks_make({ from_us: start_us + second * 1e6, to_us: start_us + (second + 1) * 1e6,
		period_us: 10_000 }).filter((_, i) => i < load * 100).map((time_us) => ({ time_us, process: random() < 0.5 ? "a" : "b" })));
	const profile = profile_of(samples, { cpu_count: 2, frequency_mhz: 100_000, end_us: start_us + 6e6 });
	const overview = new Overview(profile);
	loads.forEach((load, second) => assert.ok(Math.abs(overview.seconds.get(first + second) - load) < 1e-9, `${second}`));
	assert.equal(overview.seconds.get(first + 6), -1);
	assert.deepEqual(overview.hottest(first, first + 6, 3).map((second) => second - first), [1, 4, 5]);
	overview.filter_set(new SampleFilter(profile, [{ kind: "process", value: "a", not: false }]));
	const of_a = samples.filter(({ time_us, process }) => process === "a" && time_us < start_us + 1e6).length;
	assert.ok(Math.abs(overview.seconds.get(first) - of_a / 100) < 1e-9);
});
