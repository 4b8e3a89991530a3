/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constant load looks constant: two CPUs that are always busy give cells of one colour, whatever the rows
 * and the rate are. And how long a sample takes to the screen.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startAgent, startPatientLoad } from '../e2e/agent.mjs';
import { openBrowser, openPage } from './page.mjs';

let browser;
before(async () => (browser = await openBrowser()));
after(() => browser?.close());

const SECONDS = 5;
const LATENCY_TARGET_MS = 100;

/** Notes for each sample that arrives from now on when the frame after its cell's painting began. */
const latencyWatch = (page) => page.evaluate(() => {
	const { map, source: { profile } } = window.flickerscope;
	const latencies = (window.latencies = []);
	let arrived = [];
	const { records_add } = profile;
	profile.records_add = (instance, segment, records, end_us) => {
		records_add.call(profile, instance, segment, records, end_us);
		const block = profile.block(instance, segment);
		for (const record of records)
			if (record.time && record.cpu)
				for (let i = 0; i < record.count; i++) arrived.push(profile.wall_us(block.start_us + record.time[i]) / 1000);
	};
	const { paint } = map.cells;
	map.cells.paint = (...args) => {
		paint.call(map.cells, ...args);
		const painted = arrived;
		arrived = [];
		requestAnimationFrame(() => {
			const now_ms = performance.timeOrigin + performance.now();
			for (const time_ms of painted) latencies.push(now_ms - time_ms);
		});
	};
});

for (const frequency of [99, 999]) {
	test(`two busy CPUs are flat at ${frequency} Hz, and soon on the screen`, async (t) => {
		const agent = await startAgent(t, ['-F', frequency]);
		startPatientLoad(t, 'busy', ['-t', 2, '-c', '-s', 60]);
		const page = await openPage(browser, agent);
		t.after(() => page.close());
		const start_us = await page.evaluate(() => window.flickerscope.source.now_us());
		await page.waitForFunction((us) => window.flickerscope.source.now_us() > us, start_us + 1e6);
		await latencyWatch(page);
		const first = Math.ceil(start_us / 1e6) + 1;
		await page.waitForFunction((us) => window.flickerscope.source.now_us() > us, (first + SECONDS + 1) * 1e6);

		const latencies = (await page.evaluate(() => window.latencies)).sort((a, b) => a - b);
		const at = (share) => latencies[Math.floor(latencies.length * share)];
		t.diagnostic(`sample to pixel, ms: p50 ${at(0.5).toFixed(0)}, p95 ${at(0.95).toFixed(0)}, p99 ${at(0.99).toFixed(0)} of ${latencies.length}`);
		assert.ok(latencies.length > frequency);
		assert.ok(latencies[0] > 0, `${latencies[0]} ms`);
		assert.ok(at(0.95) < 10 * LATENCY_TARGET_MS, `${at(0.95)} ms`);

		const cpus = await page.evaluate(() => window.flickerscope.source.facts().cpu_count);
		for (const rows of [10, 20, 25, 50, 100]) {
			await page.selectOption('#rows', String(rows));
			const cells = await page.evaluate(([first, seconds]) => {
				const { map, source } = window.flickerscope;
				return Array.from({ length: seconds }, (_, i) => [...source.column(first + i, map.rows).cells]);
			}, [first, SECONDS]);
			assert.equal(cells[0].length, rows);
			const busy = cells.flat().map((part) => part * cpus);
			const [least, most] = [Math.min(...busy), Math.max(...busy)];
			const off = busy.filter((value) => Math.abs(value - 2) > 0.1).length;
			t.diagnostic(`${rows} rows: ${least.toFixed(3)} to ${most.toFixed(3)} CPUs busy, ${off} of ${busy.length} cells are off`);
			assert.equal(off, 0, `${off} of ${busy.length} cells at ${rows} rows: ${least} to ${most}`);
		}
		assert.deepEqual(page.problems, []);
	});
}
