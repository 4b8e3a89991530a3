/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is found unusual and what changed, as the page shows it: a capture of three minutes of a
 * server, in which a job burns a CPU for a quarter of a second.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startAgent, temporaryFolder } from '../e2e/agent.mjs';
import { SegmentMaker, random_make } from '../viewer/records.mjs';
import { SegmentEncoder, file_header_encode } from '../viewer/wire_encoder.mjs';
import { mapPoint, openBrowser, openPage, painted } from './page.mjs';

const SECONDS = 180, BURST_AT_S = 130.3, BURST_S = 0.25, RATE_HZ = 99, CPUS = 8;
const start_us = 1_700_000_000_000_000;

let browser;
before(async () => (browser = await openBrowser()));
after(() => browser?.close());

function sampleAt(time_s, cpu, random) {
	if (cpu === 7)
		return time_s >= BURST_AT_S && time_s < BURST_AT_S + BURST_S
			? { process: 'nightly', stack: ['main', 'rebuild_index', 'compare_sku'] } : null;
	if (random() >= 0.1) return null;
	return { process: 'server', stack: ['main', 'serve', ...[['parse'], ['query', 'scan'], ['query', 'sort'], ['reply']][Math.floor(random() * 4)]] };
}

async function writeCapture(path) {
	const random = random_make(5), parts = [file_header_encode()];
	for (let segment = 0; segment < SECONDS / 60; segment++) {
		const from_us = start_us + segment * 60e6;
		const maker = new SegmentMaker({ segment: segment + 1, start_us: from_us, cpu_count: CPUS });
		const encoder = new SegmentEncoder(segment + 1);
		for (let second = 0; second < 60; second++) {
			const samples = [];
			for (let tick = 0; tick < RATE_HZ; tick++)
				for (let cpu = 0; cpu < CPUS; cpu++) {
					const time_s = segment * 60 + second + (tick + cpu / CPUS) / RATE_HZ;
					const sample = sampleAt(time_s, cpu, random);
					if (sample) samples.push({ ...sample, cpu, time_us: start_us + Math.round(time_s * 1e6) });
				}
			parts.push(await encoder.chunk(maker.records(samples), from_us + (second + 1) * 1e6, second === 59));
		}
	}
	writeFileSync(path, Buffer.concat(parts));
}

/** Counts comparisons from now on: each reads all of the time before in one go. */
const comparisonsCount = (page) => page.evaluate(() => {
	const { profile } = window.flickerscope.source, read = profile.samples_in;
	window.comparisons = 0;
	profile.samples_in = function (ranges, ...rest) {
		window.comparisons += ranges.length === 60;
		return read.call(this, ranges, ...rest);
	};
});

test('a burst is marked, a click on its mark compares it, and its function comes first', async (t) => {
	const path = join(temporaryFolder(t), 'server.flk');
	await writeCapture(path);
	const agent = await startAgent(t, [path], { command: 'view' });
	const page = await openPage(browser, agent);
	t.after(() => page.close());
	await page.waitForFunction(() => window.flickerscope.source.moments().length > 0 &&
		/compare_sku/.test(document.querySelector('#found').textContent), null, { timeout: 20_000 });
	const words = await page.textContent('#found .words');
	assert.match(words, /^(\d\.\d CPUs? busy|Other functions than usual) for \d+ ms, mostly compare_sku in nightly/);
	assert.match(await page.textContent('#found .right'), /1 unusual moment on screen, 1 in the last 3 min/);

	const [moment] = await page.evaluate(() => window.flickerscope.source.moments());
	const { x } = await mapPoint(page, moment.start_us);
	await comparisonsCount(page);
	const map = await page.locator('#map').boundingBox();
	await page.mouse.click(x, map.y + 10);
	await painted(page);
	assert.equal(await page.getAttribute('#tab-compare', 'aria-selected'), 'true');
	const selection = await page.evaluate(() => window.flickerscope.selection);
	assert.ok(Math.abs(selection.start_us % 60e6 - (BURST_AT_S % 60) * 1e6) <= 50_000, JSON.stringify(selection));
	assert.equal(await page.textContent('#changes .change .name'), 'compare_sku');
	assert.match(await page.textContent('#changes'), /0 → 1\.0 CPUs, certain/);
	assert.match(await page.textContent('#selection .compared'), /of each of the 60 s before/);
	assert.equal(await page.evaluate(() => window.comparisons), 0, 'what found its cause is shown');
	/* A filter makes it another one, once. */
	await page.evaluate(() => window.flickerscope.tools.filters.set([{ kind: 'process', value: 'nightly', not: false }]));
	assert.equal(await page.evaluate(() => window.comparisons), 1);
	assert.equal(await page.textContent('#changes .change .name'), 'compare_sku');
	await page.evaluate(() => window.flickerscope.tools.filters.set([]));
	const compared = await page.evaluate(() => {
		const { tree } = window.flickerscope.graph;
		const find = (name) => Array.from({ length: tree.count }, (_, node) => node).find((node) => tree.name(node) === name);
		return { burst: tree.change(find('compare_sku')), scan: tree.change(find('scan')) };
	});
	assert.equal(compared.burst.certainty, 'certain');
	assert.equal(compared.scan.certainty, 'chance');

	await page.click('#tab-graph');
	assert.equal(await page.locator('#changes').isVisible(), false);
	assert.match(await page.textContent('#trail'), /^All [\d\u2009]+ samples$/);
	await page.click('text=Show what changed');
	assert.equal(await page.locator('#changes').isVisible(), true);
	await page.selectOption('#selection .compared select', 'rest');
	assert.equal(await page.textContent('#changes .change .name'), 'compare_sku');
	await page.keyboard.press('Escape');
	assert.equal(await page.locator('#changes').isVisible(), false);
	assert.equal(await page.evaluate(() => window.flickerscope.selection), null);
	/* By a key, as by a click. */
	await page.keyboard.press('Shift+J');
	await painted(page);
	assert.deepEqual(await page.evaluate(() => window.flickerscope.selection), selection);
	assert.equal(await page.locator('#changes').isVisible(), true);
	assert.equal(await page.textContent('#changes .change .name'), 'compare_sku');
	assert.deepEqual(page.problems, []);
});

test('the table tells the same by function, module, process and thread, sorted and searched', async (t) => {
	const path = join(temporaryFolder(t), 'server.flk');
	await writeCapture(path);
	const agent = await startAgent(t, [path], { command: 'view' });
	const page = await openPage(browser, agent);
	t.after(() => page.close());
	await page.click('#tab-table');
	const names = () => page.$$eval('#table tbody tr td:first-child', (cells) => cells.map((cell) => cell.textContent));
	const first = await names();
	assert.ok(['parse', 'scan', 'sort', 'reply'].includes(first[0]), first[0]);
	await page.click('#table th >> text=Total');
	assert.deepEqual((await names()).slice(0, 2), ['main', 'serve']);
	await page.click('#table th >> text=Function');
	assert.deepEqual(await names(), [...first].sort());
	await page.fill('#search', 'sku|index');
	assert.deepEqual(await names(), ['compare_sku', 'rebuild_index']);
	await page.fill('#search', '');
	await page.selectOption('#table select', 'process');
	assert.deepEqual((await names()).sort(), ['nightly', 'server']);
	await page.selectOption('#table select', 'function');
	await page.click('#table tbody >> text=compare_sku');
	assert.equal(await page.getAttribute('#tab-graph', 'aria-selected'), 'true');
	assert.equal(await page.inputValue('#search'), 'compare_sku');
	await painted(page);
	assert.match(await page.textContent('#search-result'), /^matches \d/);
	assert.deepEqual(page.problems, []);
});

test('where too little is known of the time before, the page says so', async (t) => {
	const path = join(temporaryFolder(t), 'server.flk');
	await writeCapture(path);
	const agent = await startAgent(t, [path], { command: 'view' });
	const page = await openPage(browser, agent, { theme: 'dark' });
	t.after(() => page.close());
	const oldest_us = await page.evaluate(() => window.flickerscope.source.oldest_us());
	await page.keyboard.press('Home');
	const from = await mapPoint(page, oldest_us), to = await mapPoint(page, oldest_us + 2e6);
	await page.mouse.move(from.x, from.y - 2);
	await page.mouse.down();
	await page.mouse.move(to.x, to.y - 40);
	await page.mouse.up();
	await page.click('#tab-compare');
	assert.match(await page.textContent('#changes'), /Only \d+ samples? before this stretch: too few to compare/);
	await page.click('text=Compare with the rest');
	assert.match(await page.textContent('#changes'), /CPUs busy (instead of|on both sides)/);
	assert.deepEqual(page.problems, []);
});
