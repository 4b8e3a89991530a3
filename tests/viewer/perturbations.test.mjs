/* SPDX-License-Identifier: Apache-2.0 */
/* What is found unusual on invented hosts, and that nothing is where all is as always. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { SegmentMaker, random_make } from "./records.mjs";
import { SyntheticHost, beside, burner, compilers, constant, normal, requests } from "./synthetic_host.mjs";

const { Perturbations } = await import("model/perturbations");
const { Profile } = await import("model/profile");
const { SortedNumbers, quantile } = await import("model/statistics");
const { Heat } = await import("model/heat");
const { Unusual } = await import("model/unusual");

const lognormal = (random) => Math.exp(normal(random) - 0.5);
const server = (cpus, load, seed) => requests({ cpus, load, time: lognormal, random: random_make(seed) });

function marks_of({ cpus, rate_hz = 99, loads, seconds }) {
	const host = new SyntheticHost({ cpus, rate_hz, loads });
	const finder = new Perturbations({ rate_hz, cpu_count: cpus });
	const marks = [];
	for (let second = 0; second < seconds; second++)
		marks.push(...finder.add(host.next()));
	return { marks, finder };
}

test("numbers that come and go stay in order, as if they were sorted anew", () => {
	const random = random_make(3), sorted = new SortedNumbers();
	const lists = [];
	for (let round = 0; round < 200; round++) {
		const come = Float32Array.from({ length: Math.floor(random() * 9) }, () => Math.floor(random() * 20)).sort();
		const gone = lists.length > 5 || random() < 0.3 ? lists.shift() ?? new Float32Array(0) : new Float32Array(0);
		lists.push(come);
		sorted.replace(gone, come);
		const plain = Float32Array.from(lists.flatMap((list) => [...list])).sort();
		assert.deepEqual([...sorted.values], [...plain]);
	}
	assert.deepEqual([quantile([], 0.5), quantile([4], 0.9), quantile([1, 2, 4, 8], 0.5), quantile([0, 10], 0.25)], [0, 4, 3, 2.5]);
});

test("nothing is unusual on an idle, a busy and a part-busy host", () => {
	for (const cpus of [0, 1, 4]) {
		const { marks, finder } = marks_of({ cpus: 4, loads: [constant({ cpus })], seconds: 200 });
		assert.deepEqual(marks, []);
		assert.equal(finder.is_full, cpus === 4);
	}
});

test("a burst on an idle host is one mark with its edges and its size", () => {
	const { marks } = marks_of({ cpus: 4, loads: [burner({ cpu: 2, at_s: [100.3], seconds: 0.24 })], seconds: 120 });
	assert.equal(marks.length, 1);
	const [mark] = marks;
	assert.equal(mark.kind, "up");
	assert.ok(Math.abs(mark.from_us - 100.3e6) <= 25_000, `from ${mark.from_us}`);
	assert.ok(Math.abs(mark.to_us - 100.54e6) <= 25_000, `to ${mark.to_us}`);
	assert.ok(Math.abs(mark.size - 0.24) < 0.03, `size ${mark.size}`);
	assert.ok(mark.busy > 0.8 && mark.usual < 0.01);
});

test("a burner of 200 ms on a server's load is found at 99 and 999 Hz, and nothing else is", () => {
	for (const rate_hz of [99, 999])
		for (let seed = 1; seed <= 3; seed++) {
			const at_s = 100 + seed * 0.37, to_s = at_s + 0.2;
			const { marks } = marks_of({ cpus: 8, rate_hz, seconds: 130,
				loads: [server(8, 0.35 / 8, seed), burner({ cpu: 7, at_s: [at_s], seconds: 0.2 })] });
			assert.equal(marks.length, 1, `${rate_hz} Hz, seed ${seed}`);
			/* Requests right before and behind it may be taken for a part of it. */
			const within_us = Math.min(marks[0].to_us, to_s * 1e6) - Math.max(marks[0].from_us, at_s * 1e6);
			assert.ok(within_us >= 0.16e6 && marks[0].to_us - marks[0].from_us <= 0.4e6,
				`${rate_hz} Hz, seed ${seed}: ${marks[0].from_us} to ${marks[0].to_us}`);
		}
});

test("what comes every minute stops being news", () => {
	const at_s = Array.from({ length: 10 }, (_, i) => 80 + i * 67.3);
	const { marks } = marks_of({ cpus: 8, seconds: 720,
		loads: [server(8, 0.35 / 8, 3), burner({ cpu: 7, at_s, seconds: 0.2 })] });
	assert.ok(marks.length >= 1 && marks.length <= 3, `${marks.length} marks`);
});

test("a busy host that stands still for half a second has a mark for fewer CPUs", () => {
	const working = constant({ cpus: 4 });
	const { marks } = marks_of({ cpus: 4, seconds: 120, loads: [(stretches, until_s) => {
		const made = stretches.map(() => []);
		working(made, until_s);
		made.forEach((list, cpu) => stretches[cpu].push(...list.filter(({ from_s }) => from_s < 90 || from_s >= 90.5)));
	}] });
	assert.equal(marks.length, 1);
	assert.equal(marks[0].kind, "down");
	assert.ok(Math.abs(marks[0].from_us - 90e6) <= 50_000 && Math.abs(marks[0].to_us - 90.5e6) <= 50_000);
});

test("room on a host that was full for a while is no news where there often is some", () => {
	/* A server's load, then all CPUs busy, and in the middle of that one free for half a second. */
	const marks = (before_s) => {
		const work = server(4, 0.5, 5), full = constant({ cpus: 4 });
		return marks_of({ cpus: 4, seconds: before_s + 120, loads: [(stretches, until_s) => {
			const early = stretches.map(() => []), late = stretches.map(() => []);
			work(early, until_s);
			full(late, until_s);
			const is_free = (cpu, from_s) => cpu === 3 && from_s >= before_s + 90 && from_s < before_s + 90.5;
			stretches.forEach((list, cpu) => list.push(...early[cpu].filter(({ from_s }) => from_s < before_s),
				...late[cpu].filter(({ from_s }) => from_s >= before_s && !is_free(cpu, from_s))));
		}] }).marks.filter(({ kind }) => kind === "down");
	};
	assert.equal(marks(0).length, 1);
	assert.equal(marks(4 * 60).length, 1, "four minutes are not the hour");
	assert.equal(marks(8 * 60).length, 0);
});

test("as many CPUs as there often are is no news in a quiet minute", () => {
	/* A server's load, then a quiet time, and in it one CPU busy for half a second. */
	const marks = (before_s) => {
		const work = server(4, 0.5, 5), burst = burner({ cpu: 3, at_s: [before_s + 90], seconds: 0.5 });
		return marks_of({ cpus: 4, seconds: before_s + 120, loads: [(stretches, until_s) => {
			const early = stretches.map(() => []);
			work(early, until_s);
			stretches.forEach((list, cpu) => list.push(...early[cpu].filter(({ from_s }) => from_s < before_s)));
		}, burst] }).marks.filter(({ kind }) => kind === "up");
	};
	assert.equal(marks(0).length, 1);
	assert.equal(marks(4 * 60).length, 1, "four minutes are not the hour");
	assert.equal(marks(8 * 60).length, 0);
});

test("a stripe at a fixed offset in every second is usual", () => {
	const at_s = Array.from({ length: 300 }, (_, second) => second + 0.4);
	assert.deepEqual(marks_of({ cpus: 2, loads: [burner({ cpu: 0, at_s, seconds: 0.1 })], seconds: 300 }).marks, []);
});

test("other functions in the same CPU time are found by what they are", () => {
	const { marks } = marks_of({ cpus: 2, seconds: 200, loads: [(stretches, until_s) => {
		for (let from_s = until_s - 1; from_s < until_s; from_s += 0.01)
			stretches[0].push({ from_s, to_s: from_s + 0.01, function: from_s >= 150 && from_s < 151 ? 77 : 3 });
	}] });
	assert.equal(marks.length, 1);
	assert.equal(marks[0].kind, "mix");
	assert.ok(Math.abs(marks[0].from_us - 150e6) <= 100_000 && Math.abs(marks[0].to_us - 151e6) <= 100_000);
});

test("one function for half a second is found where compilers keep all CPUs busy", () => {
	for (let seed = 1; seed <= 3; seed++) {
		const one = { cpu: 1, at_s: [80 + seed * 0.37], seconds: 0.5 };
		const { marks } = marks_of({ cpus: 2, seconds: 90, loads: [beside(compilers({ cpus: 2, random: random_make(seed) }), one), burner(one)] });
		assert.deepEqual(marks.map(({ kind }) => kind), ["mix"], `seed ${seed}`);
		/* Its edges are that function's, whatever else was new around it. */
		const [from_us, to_us] = [one.at_s[0] * 1e6, (one.at_s[0] + 0.5) * 1e6];
		assert.ok(Math.abs(marks[0].from_us - from_us) <= 50_000 && Math.abs(marks[0].to_us - to_us) <= 50_000,
			`seed ${seed}: ${marks[0].from_us} to ${marks[0].to_us}, not ${from_us} to ${to_us}`);
	}
});

test("a load that stays is one mark, and usual from then on", () => {
	const busy = constant({ cpus: 2 });
	const { marks } = marks_of({ cpus: 4, seconds: 400, loads: [(stretches, until_s) => {
		const made = [[], [], [], []];
		busy(made, until_s);
		if (until_s > 100)
			made.forEach((list, cpu) => stretches[cpu].push(...list));
	}] });
	assert.equal(marks.length, 1);
	assert.ok(marks[0].level && Math.abs(marks[0].from_us - 100e6) <= 50_000);
});

test("a hole in time begins a new minute and loses nothing that was found", () => {
	const host = new SyntheticHost({ cpus: 2, rate_hz: 99, loads: [burner({ cpu: 0, at_s: [99.5], seconds: 0.5 })] });
	const finder = new Perturbations({ rate_hz: 99, cpu_count: 2 });
	const marks = [];
	for (let second = 0; second < 200; second++) {
		const next = host.next();
		if (second < 100 || second > 105)
			marks.push(...finder.add(next));
	}
	assert.equal(marks.length, 1);
});

/** A profile in which one CPU runs `work` half of each second, and another one `burn` now and then. */
function profile_make(seconds, burns_s) {
	const start_us = 1_000_000_000_000_000, period_us = 1e6 / 99;
	const profile = new Profile();
	const work = ["main", "work"], burn = ["main", "burn"];
	for (let segment = 0; segment < seconds / 60; segment++) {
		const from = segment * 60e6, samples = [];
		for (let at = from + period_us / 2; at < from + 60e6; at += period_us) {
			if (at % 1e6 < 5e5)
				samples.push({ time_us: start_us + Math.round(at), cpu: 0, process: "server", stack: work });
			if (burns_s.some((burn_s) => at >= burn_s * 1e6 && at < (burn_s + 0.3) * 1e6))
				samples.push({ time_us: start_us + Math.round(at), cpu: 1, process: "cron", stack: burn });
		}
		new SegmentMaker({ segment: segment + 1, start_us: start_us + from }).fill(profile, samples,
			{ end_us: start_us + from + 60e6, closed: true });
	}
	return { profile, start_us };
}

test("a profile's seconds are looked at, a little at a time, with the same result", () => {
	const { profile, start_us } = profile_make(180, [100, 140.25]);
	const unusual = new Unusual(profile, new Heat(profile));
	let turns = 1;
	while (unusual.update(0.5))
		turns++;
	assert.ok(turns > 1, `${turns} turns`);
	assert.deepEqual(unusual.marks.map(({ kind, from_us }) => [kind, Math.round((from_us - start_us) / 25_000)]),
		[["mix", 4000], ["mix", 5610]]);
	assert.equal(unusual.update(1000), false);
	assert.equal(unusual.marks.length, 2);
});

test("windows of all scales are the means of their cells, and what is usual is theirs", () => {
	const random = random_make(4), host = new SyntheticHost({ cpus: 4, rate_hz: 99, loads: [requests({ cpus: 4, load: 0.4, time: lognormal, random })] });
	const finder = new Perturbations({ rate_hz: 99, cpu_count: 4 });
	const cells = [];
	for (let second = 0; second < 70; second++) {
		const made = host.next();
		cells.push(...made.busy);
		finder.add(made);
		const past = finder.past[finder.past.length - 1];
		[2, 4, 8, 16, 32, 64, 128].forEach((size, scale) => {
			const expected = [];
			for (let end = size; end <= cells.length; end += size / 2)
				if (end > cells.length - 40)
					expected.push(cells.slice(end - size, end).reduce((sum, value) => sum + value, 0) / size);
			expected.sort((a, b) => a - b);
			const { means } = past.windows[scale];
			assert.equal(means.length, expected.length, `second ${second}, windows of ${size} cells`);
			expected.forEach((mean, i) => assert.ok(Math.abs(means[i] - mean) < 1e-4, `second ${second}, windows of ${size} cells: ${means[i]}, not ${mean}`));
		});
	}
	const means = Array.from({ length: 60 }, (_, second) => cells.slice((second + 6) * 40, (second + 7) * 40).reduce((sum, value) => sum + value, 0) / 40).sort((a, b) => a - b);
	assert.ok(finder.reference.usual >= means[29] - 1e-4 && finder.reference.usual <= means[30] + 1e-4, `${finder.reference.usual}`);
});
