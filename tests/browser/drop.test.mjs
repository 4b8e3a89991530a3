/* SPDX-License-Identifier: Apache-2.0 */
/* Files of other profilers, dropped onto the page: read by the agent, shown like a capture, refused in words. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { root, run, startAgent, temporaryFolder } from '../e2e/agent.mjs';
import { dragTimes, openBrowser, openPage, painted } from './page.mjs';

const golden = join(root, 'tests', 'golden', 'small.capture');
const text = join(root, 'tests', 'golden', 'small.perf-script');
let browser;

before(async () => (browser = await openBrowser()));
after(() => browser?.close());

/** Drops a file of these bytes where the map is. */
async function drop(page, name, bytes) {
	await page.evaluate(([base64, called]) => {
		const files = new DataTransfer();
		files.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], called));
		document.getElementById('map').dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
	}, [Buffer.from(bytes).toString('base64'), name]);
}

const shown = (page, name) =>
	page.waitForFunction((called) => document.getElementById('state').textContent.startsWith(called) && window.flickerscope.source.now_us() > 0 && !window.flickerscope.source.profile.loading, name);

const said = (page, words) => page.waitForFunction((wanted) => new RegExp(wanted).test(document.getElementById('notice').textContent), words.source);

const sampleCount = (page) => page.evaluate(() => window.flickerscope.source.profile.sample_count);

/** Drags over a stretch, in seconds from T = 0; what the graph then has: samples in each function itself. */
async function select(page, from, to) {
	const zero_us = await page.evaluate(() => window.flickerscope.source.zero_second * 1e6);
	await dragTimes(page, zero_us + from * 1e6, zero_us + to * 1e6);
	await page.waitForFunction(() => window.flickerscope.selection !== null);
	await painted(page);
	return page.evaluate(() => {
		const { graph: { tree }, selection, source } = window.flickerscope;
		const zero_us = source.zero_second * 1e6;
		const self = new Map();
		for (let node = 1; node < tree.count; node++)
			if (tree.kind(node) && tree.self[node]) self.set(tree.name(node), (self.get(tree.name(node)) ?? 0) + tree.self[node]);
		return { range: [selection.start_us - zero_us, selection.end_us - zero_us], total: tree.total[0], self: [...self].sort() };
	});
}

test('a range of a dropped perf script file, of its page from the disk and of report are the same', async (t) => {
	const agent = await startAgent(t, ['-F', '49']);
	const page = await openPage(browser, agent);
	await drop(page, 'small.perf', readFileSync(text));
	await shown(page, 'small.perf');
	const exported = join(temporaryFolder(t), 'small.html');
	assert.equal((await run(['convert', text, '-o', exported])).code, 0);
	const saved = await browser.newPage({ viewport: { width: 1440, height: 900 } });
	t.after(() => saved.close());
	await saved.goto(pathToFileURL(exported).href);
	await shown(saved, 'small.perf-script');
	for (const [from, to] of [[0.26, 1.3], [1.26, 3.5]]) {
		const dropped = await select(page, from, to);
		const { range, total, self } = await select(saved, from, to);
		assert.deepEqual(dropped, { range, total, self });
		const { stdout, stderr } = await run(['report', '--json', text, '--from', String(range[0] / 1e6), '--to', String(range[1] / 1e6)]);
		const reported = JSON.parse(stdout || assert.fail(stderr)).filter((row) => row.self);
		const unnamed = ({ name }) => name === '[unknown]';
		assert.ok(reported.filter((row) => !unnamed(row)).length > 2);
		for (const { name, self: count } of reported.filter((row) => !unnamed(row)))
			assert.equal(new Map(self).get(name), count, `${name} of ${stdout}`);
		assert.equal(reported.reduce((sum, row) => sum + row.self, 0), total);
	}
	assert.deepEqual(page.problems, []);
	await page.close();
});

/** Two events, as perf script tells them. */
const events = Array.from({ length: 40 }, (_, i) => `work 7 [000] 10.${String(i * 20_000).padStart(6, '0')}: ${i % 4 ? 'instructions' : 'cycles'}:u:\n\t401000 ${i % 4 ? 'many' : 'few'} (/bin/work)\n\n`).join('');

test('several events can be chosen, gzip is unpacked, what cannot be read is said, by view too', async (t) => {
	const viewer = await startAgent(t, [golden], { command: 'view' });
	const page = await openPage(browser, viewer);
	page.problems.length = 0;
	await drop(page, 'two.txt.gz', gzipSync(events));
	await shown(page, 'two.txt.gz');
	assert.equal(await sampleCount(page), 10);
	await page.waitForFunction(() => !document.getElementById('events').hidden);
	assert.deepEqual(await page.locator('#event option').allTextContents(), ['cycles:u (10)', 'instructions:u (30)']);
	assert.equal(await page.inputValue('#event'), 'cycles:u');
	await page.selectOption('#event', 'instructions:u');
	await page.waitForFunction(() => window.flickerscope.source.profile.sample_count === 30);
	/* A refusal leaves what is shown as it is. */
	assert.deepEqual(page.problems, []);
	for (const [name, bytes, words] of [
		['<b>.xz', '\xfd7zXZ', /packed by xz/],
		['nothing.txt', '', /nothing\.txt: it is empty/],
		['cut.json', '[{"ph":"X","ts":1,"dur":2,"name":"a"', /cut\.json: (line|at byte) \d+/],
		['no.folded', 'a;b x\n', /no format that is known/],
	]) {
		await drop(page, name, Buffer.from(bytes, 'latin1'));
		await said(page, words);
		assert.equal(await sampleCount(page), 30, name);
	}
	await page.evaluate(() => window.flickerscope.connection.open_file({ name: 'huge.txt', size: 2 ** 31, slice: () => new Blob(['text']) }));
	await said(page, /2147\.5.MB.*view FILE/);
	await page.route('**/import*', (route) => route.abort());
	await drop(page, 'two.txt', events);
	await said(page, /does not answer any more/);
	await page.close();
});

test('how far a large file is can be read while it is sent, and another drop ends it', async (t) => {
	const viewer = await startAgent(t, [golden], { command: 'view' });
	const page = await openPage(browser, viewer);
	await page.evaluate(([base64]) => {
		window.words = new Set();
		new MutationObserver(() => window.words.add(document.getElementById('notice').textContent)).observe(document.getElementById('notice'), { childList: true, characterData: true, subtree: true });
		const piece = new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))]);
		window.flickerscope.connection.open_file(new File(Array(Math.ceil(3e7 / piece.size)).fill(piece), 'large.perf'));
	}, [readFileSync(text).toString('base64')]);
	await page.waitForFunction(() => [...window.words].some((words) => /^(Sending|Reading) large\.perf: .*30\.\d.MB/.test(words)));
	await drop(page, 'small.folded', 'main;work 30\n');
	await shown(page, 'small.folded');
	assert.equal(await sampleCount(page), 30);
	assert.deepEqual(page.problems, []);
	await page.close();
});

test('a page from the disk says who reads what it cannot', async (t) => {
	const exported = join(temporaryFolder(t), 'small.html');
	assert.equal((await run(['convert', golden, '-o', exported])).code, 0);
	const page = await browser.newPage();
	t.after(() => page.close());
	await page.goto(pathToFileURL(exported).href);
	await shown(page, 'small.capture');
	await drop(page, 'a.folded', 'main;work 30\n');
	await said(page, /a\.folded is no capture.*flickerscope view FILE/);
	assert.equal(await sampleCount(page), 96);
});

