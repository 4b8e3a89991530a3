/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of the heat map, against plain arithmetic. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { SegmentMaker, random_make, ticks_make } from "./records.mjs";

const wire = await import("wire");
const { Profile, GAP_SKIPPED } = await import("model/profile");
const { Heat, second_us } = await import("model/heat");
const { NameSearch } = await import("model/call_tree");

const start_us = 1_000_000_000_000_000;
const first_second = start_us / second_us;
const row_counts = [10, 20, 25, 50, 100];

/** A profile of CPUs that are busy as their lists of ticks say, each starting at another phase. */
function profile_of(ticks, head = {}, end_us = undefined) {
	const profile = new Profile();
	const samples = ticks.flatMap((times, cpu) => times.map((time_us) => ({ time_us, cpu })));
	new SegmentMaker({ cpu_count: ticks.length, ...head }).fill(profile, samples, { end_us });
	return profile;
}

/** Two CPUs that are always busy, sampled with some flaw of the timer. */
function busy_profile(frequency_hz, flaw, seconds) {
	const period_us = 1e6 / frequency_hz, random = random_make(5);
	return profile_of([0.1, 0.6].map((phase) => ticks_make({ from_us: start_us, period_us, phase, random,
		to_us: start_us + seconds * second_us, ...flaw })), { frequency_mhz: frequency_hz * 1000 });
}

/** The largest distance of a cell from a number of CPUs busy, in the seconds [1, end). */
function worst_cell(profile, rows, cpus, end) {
	const heat = new Heat(profile);
	let worst = 0;
	for (let second = 1; second < end; second++)
		for (const busy of heat.column(first_second + second, rows).busy)
			worst = Math.max(worst, Math.abs(busy - cpus));
	return worst;
}

for (const frequency_hz of [99, 999]) {
	const period_us = 1e6 / frequency_hz;
	const flaws = {
		"a perfect timer": {},
		"a jitter of 300 us": { jitter_us: 300 },
		"ticks up to 4/10 of a period late": { late_share: 0.05, late_us: 0.4 * period_us },
		"ticks up to 7/10 of a period late": { late_share: 0.05, late_us: 0.7 * period_us },
	};
	for (const [flaw_name, flaw] of Object.entries(flaws)) {
		test(`constant load is flat at ${frequency_hz} Hz with ${flaw_name}`, () => {
			const profile = busy_profile(frequency_hz, flaw, 12);
			for (const rows of row_counts) {
				const worst = worst_cell(profile, rows, 2, 11);
				assert.ok(worst < 0.05 * 2, `${rows} rows: ${worst} from 2 CPUs busy`);
			}
		});
	}
}

test("a tick 14 ms after the last one and the next 6 ms later make no darker cell", () => {
	const times = ticks_make({ from_us: start_us, to_us: start_us + 3e6, period_us: 1e4 });
	times[150] += 4000;
	assert.ok(worst_cell(profile_of([times], { frequency_mhz: 100_000 }), 100, 1, 2) < 1e-6);
});

test("a tick nearly a whole period late makes no darker cell, an idle tick does", () => {
	const times = ticks_make({ from_us: start_us, to_us: start_us + 3e6, period_us: 1e4 });
	times[150] += 9000;
	const head = { frequency_mhz: 100_000 };
	assert.ok(worst_cell(profile_of([times], head), 100, 1, 2) < 1e-6);
	times.splice(150, 1);
	const heat = new Heat(profile_of([times], head));
	const { busy } = heat.column(first_second + 1, 100);
	/* Half a period on either side of the tick that did not come. */
	assert.ok(Math.abs(busy[49] - 0.5) < 1e-6 && Math.abs(busy[50] - 0.5) < 1e-6, `${busy.slice(48, 52)}`);
	assert.equal(busy[48], 1);
	assert.equal(busy[51], 1);
});

test("ticks that never came are busy time where the agent says so, idle time where it does not", () => {
	/* One CPU at 100 Hz; from 300 to 370 ms no tick came. */
	const times = ticks_make({ from_us: start_us, to_us: start_us + second_us, period_us: 10_000, phase: 0 })
		.filter((time_us) => time_us <= start_us + 300_000 || time_us >= start_us + 370_000);
	const column = (busy) => {
		const profile = new Profile();
		const samples = times.map((time_us) => ({ time_us,
			busy: time_us === start_us + 370_000 ? busy : wire.WIRE_BUSY_THROUGHOUT }));
		new SegmentMaker({ cpu_count: 1, frequency_mhz: 100_000 }).fill(profile, samples,
			{ end_us: start_us + second_us });
		return [...new Heat(profile).column(first_second, 100).busy.subarray(28, 40)];
	};
	const near = (actual, expected) => actual.forEach((busy, row) =>
		assert.ok(Math.abs(busy - expected[row]) < 1e-6, `row ${row}: ${actual}`));
	near(column(wire.WIRE_BUSY_THROUGHOUT), Array(12).fill(1));
	near(column(wire.WIRE_BUSY_PARTLY), [1, 1, 0.5, 0, 0, 0, 0, 0, 0.5, 1, 1, 1]);
	near(column(wire.WIRE_BUSY_UNKNOWN), [1, 1, 0.5, 0, 0, 0, 0, 0, 0.5, 1, 1, 1]);
});

test("a CPU that was idle between two ticks in time counts once", () => {
	/* Ticks in time, with a moment of idleness between each two: nothing is counted twice. */
	const profile = new Profile();
	const times = ticks_make({ from_us: start_us, to_us: start_us + second_us, period_us: 9_000, phase: 0 });
	new SegmentMaker({ cpu_count: 1, frequency_mhz: 100_000 }).fill(profile,
		times.map((time_us) => ({ time_us, busy: wire.WIRE_BUSY_PARTLY })), { end_us: start_us + second_us });
	for (const busy of new Heat(profile).column(first_second, 100).busy.subarray(2, 98))
		assert.ok(Math.abs(busy - 1) < 1e-6, `${busy}`);
});

test("a burst stands where it was, to half a period", () => {
	for (const phase of [0, 0.2, 0.5, 0.9]) {
		const times = ticks_make({ from_us: start_us, to_us: start_us + 4e6, period_us: 1e6 / 99, phase })
			.filter((time) => { const offset = time % 1e6; return offset >= 640e3 && offset < 690e3; });
		const heat = new Heat(profile_of([times]));
		const { busy } = heat.column(first_second + 1, 100);
		const sum = busy.reduce((total, cell) => total + cell * 10, 0);
		assert.ok(Math.abs(sum - 50) <= 10.2, `${sum} ms of CPU time`);
		busy.forEach((cell, row) => {
			if (row < 63 || row >= 70)
				assert.equal(cell, 0, `row ${row}`);
			if (row >= 65 && row < 68)
				assert.ok(cell > 0.99, `row ${row}: ${cell}`);
		});
	}
});

test("CPU time is what the samples stand for, at any load and rate", () => {
	const random = random_make(11);
	for (const frequency_hz of [49, 99, 999]) {
		for (const share of [0.03, 0.3, 0.7]) {
			const period_us = 1e6 / frequency_hz;
			const times = ticks_make({ from_us: start_us, to_us: start_us + 20e6, period_us, phase: 0.5 })
				.filter(() => random() < share);
			const heat = new Heat(profile_of([times], { frequency_mhz: frequency_hz * 1000 },
				start_us + 20e6));
			let sum = 0, samples = 0;
			for (let second = 0; second < 20; second++) {
				const column = heat.column(first_second + second, 50);
				column.busy.forEach((busy, row) => { sum += busy * column.known[row] / 50; });
				samples += column.samples.reduce((total, count) => total + count, 0);
			}
			assert.equal(samples, times.length);
			assert.ok(Math.abs(sum * frequency_hz - samples) < 1.01, `${sum * frequency_hz} ${samples}`);
		}
	}
});

test("the rate reached on a CPU is used for its period", () => {
	const profile = new Profile();
	const times = ticks_make({ from_us: start_us, to_us: start_us + 4e6, period_us: 2e4 });
	const more = [{ kind: wire.WIRE_RECORD_RATE, time_us: 3_500_000, rows: [{ cpu: 0, mhz: 50_000 }] }];
	new SegmentMaker({ frequency_mhz: 99_000 }).fill(profile, times.map((time_us) => ({ time_us })), { more });
	assert.ok(worst_cell(profile, 100, 1, 3) < 1e-6);
});

test("cells at the edge of what is known show the mean of the part that is", () => {
	const times = ticks_make({ from_us: start_us + 215e3, to_us: start_us + 655e3, period_us: 1e4 });
	const profile = new Profile();
	const head = { start_us: start_us + 210_000, frequency_mhz: 100_000 };
	new SegmentMaker(head).fill(profile, times.map((time_us) => ({ time_us })), { end_us: start_us + 650e3 });
	const { busy, known, from_us, to_us } = new Heat(profile).column(first_second, 10);
	assert.deepEqual([from_us, to_us], [210_000, 650_000]);
	const rounded = (values) => [...values].map((value) => Math.round(value * 100) / 100);
	assert.deepEqual(rounded(known), [0, 0, 0.9, 1, 1, 1, 0.5, 0, 0, 0]);
	assert.deepEqual(rounded(busy), [0, 0, 1, 1, 1, 1, 1, 0, 0, 0]);
	assert.equal(new Heat(profile).column(first_second + 1, 10), null);
	assert.equal(new Heat(profile).column(first_second - 1, 10), null);
});

test("gaps are told to the microsecond and count as neither busy nor idle", () => {
	const times = ticks_make({ from_us: start_us, to_us: start_us + 3e6, period_us: 1e4 })
		.filter((time) => time < start_us + 1_305_000 || time >= start_us + 1_850_000);
	const profile = new Profile();
	const more = [{ kind: wire.WIRE_RECORD_GAP, from_us: 1_305_000, to_us: 1_850_000,
		reason: wire.WIRE_GAP_RING_FULL, lost: 54 }];
	new SegmentMaker({ frequency_mhz: 100_000 }).fill(profile, times.map((time_us) => ({ time_us })), { more });
	const { busy, known, gaps } = new Heat(profile).column(first_second + 1, 10);
	assert.deepEqual(gaps, [{ from_us: 305_000, to_us: 850_000, reason: wire.WIRE_GAP_RING_FULL, lost: 54 }]);
	assert.deepEqual([...known].map((value) => Math.round(value * 100) / 100),
		[1, 1, 1, 0.05, 0, 0, 0, 0, 0.5, 1]);
	assert.ok(busy[3] > 0.99 && busy[8] > 0.99);
	assert.deepEqual([...busy.slice(4, 8)], [0, 0, 0, 0]);
});

test("only columns within reach of what is new are made again", () => {
	const profile = new Profile();
	const maker = new SegmentMaker({ frequency_mhz: 100_000 });
	const heat = new Heat(profile);
	const ticks = (from_us, to_us) => ticks_make({ from_us: start_us + from_us, to_us: start_us + to_us,
		period_us: 1e4 }).map((time_us) => ({ time_us }));
	maker.fill(profile, ticks(0, 5.5e6));
	const all = () => Array.from({ length: 6 }, (_, second) => heat.column(first_second + second, 50));
	const before = all();
	assert.equal(heat.made, 6);
	all();
	assert.equal(heat.made, 6);
	maker.fill(profile, ticks(5.5e6, 5.9e6));
	const after = all();
	assert.equal(heat.made, 7);
	assert.deepEqual(before.map((column, i) => column === after[i]), [true, true, true, true, true, false]);
	assert.ok(after[5].busy[40] > 0.99 && before[5].busy[40] === 0);
});

test("columns are the same whatever the order of arrival and the cutting into segments", () => {
	const random = random_make(3);
	const samples = ticks_make({ from_us: start_us + 3000, to_us: start_us + 10e6, period_us: 1e6 / 99,
		jitter_us: 200, random }).map((time_us) => ({ time_us, cpu: random() < 0.5 ? 0 : 1 }));
	const whole = new Profile();
	new SegmentMaker().fill(whole, samples, { end_us: start_us + 10e6 });
	const pieces = new Profile();
	const cut = (number) => start_us + number * 2.5e6;
	for (const number of [3, 2, 1, 0]) {
		new SegmentMaker({ segment: number + 1, start_us: cut(number) }).fill(pieces, samples.filter(
			({ time_us }) => time_us >= cut(number) && time_us < cut(number + 1)),
			{ end_us: cut(number + 1), closed: true });
	}
	const one = new Heat(whole), other = new Heat(pieces);
	for (let second = 0; second < 10; second++)
		assert.deepEqual(one.column(first_second + second, 25), other.column(first_second + second, 25));
});

test("a sample a little before its segment stands in the order of time", () => {
	const profile = new Profile();
	const times = ticks_make({ from_us: start_us, to_us: start_us + 4e6, period_us: 1e4 });
	const cut_us = start_us + 2_003_000;
	new SegmentMaker({ segment: 1, frequency_mhz: 100_000 }).fill(profile,
		times.filter((time) => time < cut_us && time !== start_us + 1_990_000).map((time_us) => ({ time_us })),
		{ end_us: cut_us, closed: true });
	new SegmentMaker({ segment: 2, start_us: cut_us, frequency_mhz: 100_000 }).fill(profile,
		[start_us + 1_990_000, ...times.filter((time) => time >= cut_us)].map((time_us) => ({ time_us })));
	assert.ok(worst_cell(profile, 100, 1, 3) < 1e-6);
});

test("a segment that is not there is a gap", () => {
	const profile = new Profile();
	for (const segment of [1, 3])
		new SegmentMaker({ segment, start_us: start_us + segment * second_us }).fill(profile, [],
			{ end_us: start_us + (segment + 1) * second_us, closed: true });
	const { gaps, busy } = new Heat(profile).column(first_second + 2, 10);
	assert.deepEqual(gaps, [{ from_us: 0, to_us: second_us, reason: GAP_SKIPPED, lost: 0 }]);
	assert.ok(busy.every((cell) => cell === 0));
});

test("the second in which an agent stopped shows the gap once the next one is heard, and no longer once that is forgotten", () => {
	const profile = new Profile();
	const heat = new Heat(profile);
	const told = [];
	profile.listen(({ from_us, to_us }) => told.push([from_us, to_us]));
	const stretch = (instance_id, from_s, to_s) => new SegmentMaker({ instance_id, segment: 1, start_us: start_us + from_s * second_us })
		.fill(profile, [{ time_us: start_us + (from_s + 0.01) * second_us, cpu: 0 }], { end_us: start_us + to_s * second_us, closed: true });
	const gaps = (second) => heat.column(first_second + second, 10)?.gaps.map(({ from_us, to_us }) => [from_us, to_us]);
	stretch("00000000000000aa", 0, 1.1);
	assert.deepEqual([gaps(1), gaps(2)], [[], undefined]);
	stretch("00000000000000bb", 4.5, 5);
	assert.deepEqual([gaps(1), gaps(2), gaps(4)], [[[100_000, second_us]], [[0, second_us]], [[0, 500_000]]]);
	assert.ok(told.some(([from_us, to_us]) => from_us <= start_us + 1.1 * second_us && to_us >= start_us + 4.5 * second_us));
	profile.oldest_set("00000000000000aa", 2);
	assert.deepEqual([gaps(1), gaps(4)], [undefined, []]);
});

test("rows are hit that hold samples under a function that is looked for", () => {
	const profile = new Profile();
	const at = (ms, stack) => ({ time_us: start_us + ms * 1000, stack });
	new SegmentMaker().fill(profile, [at(10, ["main", "parse"]), at(15, ["main", "parse", "read"]),
		at(110, ["main"]), at(950, ["main", "parse"])]);
	const search = new NameSearch(profile, /^parse$/);
	assert.deepEqual([...new Heat(profile).hits(first_second, 10, search)],
		[1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
});

test("cells of random load are the overlaps of each sample's period with them, summed one by one", () => {
	const random = random_make(3), seconds = 4;
	for (const [frequency_hz, rows] of [[99, 10], [99, 50], [499, 100], [999, 25]]) {
		const period_us = 1e6 / frequency_hz;
		/* CPUs that are busy and idle for a while in turn. */
		const ticks = Array.from({ length: 5 }, (_, cpu) => {
			let busy = false;
			return ticks_make({ from_us: start_us, to_us: start_us + seconds * second_us, period_us, phase: (cpu + 0.3) / 5 })
				.filter(() => (busy = random() < 0.1 ? !busy : busy));
		});
		const heat = new Heat(profile_of(ticks, { frequency_mhz: frequency_hz * 1000 }, start_us + seconds * second_us));
		const row_us = second_us / rows;
		for (let second = 1; second < seconds - 1; second++) {
			const { busy } = heat.column(first_second + second, rows);
			for (let row = 0; row < rows; row++) {
				const from_us = start_us + second * second_us + row * row_us;
				const overlap = (time_us) => Math.max(0, Math.min(from_us + row_us, time_us + period_us / 2) - Math.max(from_us, time_us - period_us / 2));
				const expected = ticks.flat().reduce((sum, time_us) => sum + overlap(time_us), 0) / row_us;
				assert.ok(Math.abs(busy[row] - expected) < 0.01, `${frequency_hz} Hz, second ${second}, row ${row} of ${rows}: ${busy[row]}, not ${expected}`);
			}
		}
	}
});
