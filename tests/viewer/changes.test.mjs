/* SPDX-License-Identifier: Apache-2.0 */
/* What changed between two stretches of time, on invented profiles of which it is known. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { SegmentMaker, random_make } from "./records.mjs";

const { Profile } = await import("model/profile");
const { Changes } = await import("model/changes");
const { baseline_before, baseline_rest } = await import("model/baselines");
const { t_chance } = await import("model/statistics");

const start_us = 1_000_000_000_000_000;
const at = (from_s, to_s) => ({ from_us: start_us + from_s * 1e6, to_us: start_us + to_s * 1e6 });

/** 64 s of 4 CPUs at 99 Hz; `stack` says what runs at a time, null for nothing. */
function profile_make(stack, seed = 1) {
	const random = random_make(seed);
	const profile = new Profile();
	const maker = new SegmentMaker({ start_us, cpu_count: 4 });
	const samples = [], lists = new Map();
	for (let tick = 0; tick < 64 * 99; tick++)
		for (let cpu = 0; cpu < 4; cpu++) {
			const time_s = (tick + cpu / 4) / 99;
			const names = stack(time_s, cpu, random);
			if (!names)
				continue;
			const key = names.join(";");
			if (!lists.has(key))
				lists.set(key, names);
			samples.push({ time_us: start_us + Math.round(time_s * 1e6), cpu, process: "server", stack: lists.get(key) });
		}
	maker.fill(profile, samples, { end_us: start_us + 64e6, closed: true });
	return profile;
}

const usual = (random) => [["main", "serve", "parse"], ["main", "serve", "query", "scan"],
	["main", "serve", "query", "sort"], ["main", "log"]][Math.floor(random() * 4)];

test("the chance of Student's t is that of the tables", () => {
	for (const [t, freedom, chance] of [[2.228, 10, 0.05], [3.169, 10, 0.01], [12.706, 1, 0.05], [2.001, 59, 0.05],
		[4.587, 10, 0.001], [0, 5, 1]])
		assert.ok(Math.abs(t_chance(t, freedom) - chance) < 0.0005 * Math.max(1, chance * 10), `${t} ${freedom}`);
});

test("the same load on both sides: nothing changed by more than chance", () => {
	for (let seed = 1; seed <= 5; seed++) {
		const profile = profile_make((_, cpu, random) => (random() < 0.5 ? usual(random) : null), seed);
		const changes = new Changes(profile, [at(61, 63)], baseline_before(at(61, 63), start_us));
		assert.deepEqual(changes.explain(), []);
		assert.deepEqual(changes.functions(10), []);
	}
});

test("a function that burns a CPU more is named, with its CPUs before and now", () => {
	const profile = profile_make((time_s, cpu, random) => (cpu === 3 && time_s >= 61 && time_s < 62
		? ["main", "serve", "query", "compact", "merge"] : cpu < 2 && random() < 0.5 ? usual(random) : null));
	const [first, ...others] = new Changes(profile, [at(61, 62)], baseline_before(at(61, 62), start_us)).explain();
	assert.equal(first.name, "merge");
	assert.equal(first.process, "server");
	assert.equal(first.certainty, "certain");
	assert.equal(first.samples_before, 0);
	assert.ok(Math.abs(first.now - 1) < 0.03 && first.share > 0.8, JSON.stringify(first));
	assert.deepEqual(others, []);
});

test("where several callees share a change, their caller is named", () => {
	const profile = profile_make((time_s, cpu, random) => (cpu === 3 && time_s >= 61 && time_s < 62
		? ["main", "rebuild", ["read", "hash", "write"][Math.floor(random() * 3)]]
		: cpu < 2 && random() < 0.5 ? usual(random) : null));
	const [first] = new Changes(profile, [at(61, 62)], baseline_before(at(61, 62), start_us)).explain();
	assert.equal(first.name, "rebuild");
});

test("what vanished is told as well", () => {
	const profile = profile_make((time_s, cpu, random) => (cpu === 0 ? (time_s >= 61 ? null : ["main", "poll"])
		: random() < 0.3 ? usual(random) : null));
	const changes = new Changes(profile, [at(61, 63)], baseline_before(at(61, 63), start_us));
	const [first] = changes.explain();
	assert.equal(first.name, "poll");
	assert.equal(first.now, 0);
	assert.ok(Math.abs(first.before - 1) < 0.03);
	assert.ok(changes.functions(10).some(({ name }) => name === "poll"));
});

test("a stretch under a second is compared with the same part of the seconds before", () => {
	/* A collector runs at offset 300 ms of every second: no news. */
	const profile = profile_make((time_s, cpu, random) => (cpu === 3 && time_s % 1 >= 0.3 && time_s % 1 < 0.5
		? ["main", "collect"] : cpu < 2 && random() < 0.5 ? usual(random) : null));
	const range = at(62.3, 62.5);
	const baseline = baseline_before(range, start_us);
	assert.equal(baseline.length, 60);
	assert.deepEqual(new Changes(profile, [range], baseline).explain(), []);
	/* In the middle of the second it would be. */
	const other = profile_make((time_s, cpu, random) => (cpu === 3 && time_s >= 62.3 && time_s < 62.5
		? ["main", "collect"] : cpu < 2 && random() < 0.5 ? usual(random) : null));
	assert.equal(new Changes(other, [range], baseline).explain()[0].name, "collect");
});

test("a burner is named by its own function, not by what starts other programs too", () => {
	const profile = profile_make((time_s, cpu, random) => (cpu === 3 && time_s >= 61.2 && time_s < 61.4 ? ["_start", "start_main", "start_call", "main of burner", "burn"]
		: cpu === 2 && (time_s >= 61.25 && time_s < 61.3 || random() < 0.1) ? ["other _start", "start_main", "start_call", "main of others"]
			: cpu < 2 && random() < 0.5 ? usual(random) : null));
	const range = at(61.2, 61.4);
	const [first] = new Changes(profile, [range], baseline_before(range, start_us)).explain();
	assert.equal(first.name, "burn");
});

test("of functions that call one another again and again the one is named that all of it is below", () => {
	const sides = (random) => (random() < 0.5 ? "left" : "right");
	const profile = profile_make((time_s, cpu, random) => (cpu === 3 && time_s >= 61 && time_s < 62
		? ["main", "walk", sides(random), "walk", sides(random), "walk"]
		: cpu < 2 && random() < 0.5 ? usual(random) : null));
	const range = at(61, 62);
	const [first, ...others] = new Changes(profile, [range], baseline_before(range, start_us)).explain();
	assert.deepEqual([first.name, first.certainty, others], ["walk", "certain", []]);
});

test("a second function that is named is told with what the first one leaves of it", () => {
	/* What ran in main is gone, and as much of main is another program's. */
	const profile = profile_make((time_s, cpu, random) => (time_s >= 61 && time_s < 62 ? cpu === 3 && ["main", "pack", "deflate"]
		: cpu < 1 && ["main", ["read", "write", "check", "sort"][Math.floor(random() * 4)]]) || null);
	const range = at(61, 62);
	const rows = new Changes(profile, [range], baseline_before(range, start_us)).explain();
	const rest = rows.find(({ name }) => name === "main");
	assert.equal(rows[0].name, "deflate");
	assert.equal(rest.certainty, "certain");
	assert.equal(rest.samples_now, 0);
	assert.ok(Math.abs(rest.before - 1) < 0.05, JSON.stringify(rest));
});

test("of a stretch that is known to be unusual the function is named that chance could explain", () => {
	/* Requests of half a second each: as much of them as here comes by chance. */
	let end_s = 0;
	const profile = profile_make((time_s, cpu, random) => {
		if (cpu !== 3)
			return cpu < 2 && random() < 0.5 ? usual(random) : null;
		if (time_s > end_s && random() < 0.002)
			end_s = time_s + 0.5;
		return time_s >= 61.2 && time_s < 61.4 || time_s < 60 && time_s <= end_s ? ["main", "compact"] : null;
	});
	const range = at(61.2, 61.4), baseline = baseline_before(range, start_us);
	assert.deepEqual(new Changes(profile, [range], baseline).explain(), []);
	const [first, ...others] = new Changes(profile, [range], baseline, null, true).explain();
	assert.equal(first.name, "compact");
	assert.equal(first.certainty, "chance");
	assert.deepEqual(others, []);
});

test("the rest is all but the stretch", () => {
	const all = at(0, 64);
	assert.deepEqual(baseline_rest([at(10, 20)], all), [at(0, 10), at(20, 64)]);
	assert.deepEqual(baseline_rest([at(0, 64)], all), []);
	assert.deepEqual(baseline_rest([at(0, 1), at(2, 3), at(3, 5)], all), [at(1, 2), at(5, 64)]);
	assert.deepEqual(baseline_before(at(0, 2), start_us), []);
});

test("the same part of every second against the rest of them: work on a timer is named", () => {
	const profile = profile_make((time_s, cpu, random) => (cpu === 3 && time_s % 1 >= 0.3 && time_s % 1 < 0.5
		? ["main", "collect"] : cpu < 2 && random() < 0.5 ? usual(random) : null));
	const bands = Array.from({ length: 40 }, (_, i) => at(10.3 + i, 10.5 + i));
	const baseline = baseline_rest(bands, at(10, 50));
	const changes = new Changes(profile, bands, baseline);
	const [first, ...others] = changes.explain();
	assert.equal(first.name, "collect");
	assert.equal(first.samples_before, 0);
	assert.ok(Math.abs(first.now - 1) < 0.03, JSON.stringify(first));
	assert.deepEqual(others, []);
	/* Blocks are as long as one band, and lie in the baseline whole. */
	assert.equal(changes.judge.moments.get(first.function_id), undefined);
});

test("bursts that belong together are no certain change of their own", () => {
	/* Requests of half a second each, at random: samples of one belong together. */
	const ends = [0, 0, 0, 0];
	let wrong = 0;
	for (let seed = 1; seed <= 20; seed++) {
		ends.fill(-1);
		const profile = profile_make((time_s, cpu, random) => {
			if (time_s > ends[cpu] && random() < 0.005)
				ends[cpu] = time_s + 0.5;
			return time_s <= ends[cpu] ? ["main", "request", "render"] : null;
		}, seed);
		const range = at(61, 63);
		wrong += new Changes(profile, [range], baseline_before(range, start_us)).functions(10).length ? 1 : 0;
	}
	assert.ok(wrong <= 1, `${wrong} of 20 comparisons of the same load claim a change`);
});

test("samples of every function, before and now, are those of counting one by one", () => {
	const random = random_make(8), names = ["main", "serve", "parse", "query", "scan", "sort", "log", "retry"];
	for (let round = 0; round < 5; round++) {
		const samples = [];
		/* Functions that call themselves, by others too. */
		const profile = profile_make((time_s) => {
			if (random() < 0.4)
				return null;
			const stack = Array.from({ length: 1 + Math.floor(random() * 6) }, () => names[Math.floor(random() ** 2 * names.length)]);
			samples.push({ time_us: start_us + Math.round(time_s * 1e6), stack });
			return stack;
		}, round + 1);
		const from_s = 40 + random() * 15, now = at(from_s, from_s + 0.1 + random() * 6), baseline = baseline_rest([now], at(0, 64));
		const count = (name, ranges) => samples.filter(({ time_us, stack }) => stack.includes(name) &&
			ranges.some(({ from_us, to_us }) => time_us >= from_us && time_us < to_us)).length;
		const changes = new Changes(profile, [now], baseline);
		const known = new Map([...changes.now_totals.keys(), ...changes.before_totals.keys()]
			.map((id) => [changes.row(id, "", 0).name, changes.row(id, "", 0)]));
		for (const name of names) {
			const expected = [count(name, baseline), count(name, [now])];
			assert.deepEqual([known.get(name)?.samples_before ?? 0, known.get(name)?.samples_now ?? 0], expected, name);
			assert.ok(expected[0] > 0, name);
		}
	}
});
