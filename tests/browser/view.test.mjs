/* SPDX-License-Identifier: Apache-2.0 */
/* What is shown of the data and how, in a real browser on the synthetic feed: filters, links, lanes, scales. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dragTimes, graphShare, openBrowser, openPage } from './page.mjs';

const feedPath = fileURLToPath(new URL('../viewer/synthetic_feed.mjs', import.meta.url));
let feed, address, browser, page;

before(async () => {
	feed = spawn(process.execPath, [feedPath, '0', '200'], { stdio: ['ignore', 'pipe', 'inherit'] });
	address = String((await once(feed.stdout, 'data'))[0]).trim();
	browser = await openBrowser();
	page = await open('');
});

after(async () => {
	await browser?.close();
	feed?.kill();
});

/** The page with what a link asks for. */
async function open(link) {
	const opened = await openPage(browser, { url: address + (link && `&${link}`) });
	await opened.waitForFunction(() => !window.flickerscope.source.profile.loading);
	/* What is counted comes once a second. */
	await opened.waitForFunction(() => window.flickerscope.tools && (window.flickerscope.graph.tree.total[0] > 5000 || location.hash));
	return opened;
}

const look = (what, argument) => page.evaluate(what, argument);
const selection = (of = page) => of.evaluate(() => window.flickerscope.selection);
const chips = (of = page) => of.$$eval('.chip .turn', (all) => all.map((chip) => chip.textContent));
const processes = (of = page) => of.evaluate(() => window.flickerscope.graph.tree.processes().map(({ name }) => name).sort());
/** What people see in the address once the page has written it. */
const link = (pattern) => page.waitForFunction((source) => new RegExp(source).test(location.hash), pattern.source)
	.then(() => new URL(page.url()).hash.slice(1));

async function choose(text, how = 'Enter') {
	await page.keyboard.press('f');
	await page.keyboard.type(text);
	await page.keyboard.press(how);
}

test('a filter chosen by keys holds for map, graph and table, and goes with its chip', async () => {
	const whole = await look(() => window.flickerscope.graph.tree.total[0]);
	await choose('process java');
	assert.deepEqual(await chips(), ['process java']);
	assert.deepEqual(await processes(), ['java']);
	assert.ok(await look(() => window.flickerscope.graph.tree.total[0]) < whole / 2);
	assert.match(await page.textContent('#kept'), /^Showing [12345]\d\u2009% of the samples\.$/);
	/* The band of the cron job at 650 ms is gone from the map. */
	const busiest = () => look(() => {
		const { map, source } = window.flickerscope;
		const cells = Array.from({ length: 100 }, (_, i) => source.column(map.newest_end() - 100 + i, 50)?.cells[32] ?? 0);
		return cells.sort((a, b) => b - a)[50];
	});
	assert.ok(await busiest() < 0.3);
	await page.click('#tab-table');
	const places = await page.$$eval('#table tbody tr td:nth-child(2)', (cells) => cells.map((cell) => cell.textContent));
	assert.ok(places.length > 2 && !places.some((place) => /ingest|nginx/.test(place)), places.join());
	await page.click('#tab-graph');
	await page.click('.chip .off');
	assert.deepEqual(await chips(), []);
	assert.ok(await busiest() > 0.3);
	assert.deepEqual(page.problems, []);
});

test('terms add up, turn round and tell when nothing passes', async () => {
	await choose('function SSL_do_handshake');
	assert.deepEqual(await processes(), ['nginx']);
	await page.click('.chip .turn');
	assert.deepEqual(await chips(), ['not function SSL_do_handshake']);
	assert.ok((await processes()).includes('ingest'));
	await choose('in the kernel', 'Shift+Enter');
	assert.deepEqual(await chips(), ['not function SSL_do_handshake', 'not in the kernel']);
	assert.ok(!(await processes()).some((name) => name.startsWith('kworker')));
	await choose('process kworker');
	assert.match(await page.textContent('#kept'), /^No sample here passes\.$/);
	assert.match(await page.textContent('#graph-message'), /^No sample passes these filters; [\d\u2009]+ do without them\.$/);
	while ((await chips()).length)
		await page.click('.chip .off');
	assert.equal(await page.textContent('#kept'), '');
});

test('a link opens the same picture and never holds the token', async () => {
	await choose('process ingest');
	await page.selectOption('#rows', '25');
	const newest = await look(() => window.flickerscope.map.newest_end());
	await page.click('#follow');
	await dragTimes(page, (newest - 20) * 1e6 + 200_000, (newest - 9) * 1e6 + 700_000);
	await page.fill('#search', 'push$');
	await look(() => {
		const { graph } = window.flickerscope;
		graph.zoom_to(graph.rects.find(({ node }) => node > 0 && graph.tree.name(node) === 'ingest::run(int)').node);
	});
	const text = await link(/zoom=.*rows=25|rows=25.*zoom=/);
	assert.ok(!text.includes('synthetic-token'), text);
	const other = await open(text);
	await other.waitForFunction(() => window.flickerscope.selection && window.flickerscope.graph.zoomed());
	const wall = (of) => of.evaluate(() => {
		const { source, selection: { start_us, end_us } } = window.flickerscope;
		return [start_us, end_us].map((us) => Math.round(source.to_wall_us(us)));
	});
	assert.deepEqual(await wall(other), await wall(page));
	assert.deepEqual(await chips(other), ['process ingest']);
	assert.equal(await other.inputValue('#search'), 'push$');
	assert.equal(await other.inputValue('#rows'), '25');
	assert.match(await other.textContent('#trail'), /ingest::run/);
	assert.match(await other.textContent('#state'), /^Paused/);
	const newest_shown = (of) => of.evaluate(() => {
		const { map, source } = window.flickerscope;
		return Math.round(source.to_wall_us(map.geometry.end * 1e6) / 1e6);
	});
	assert.equal(await newest_shown(other), await newest_shown(page));
	assert.deepEqual(await graphShare(other, 'Batch::push'), await graphShare(page, 'Batch::push'));
	assert.ok(!other.url().includes('synthetic-token'), other.url());
	assert.deepEqual(other.problems, []);
	await other.close();
	await page.fill('#search', '');
	await page.click('.chip .off');
	await page.selectOption('#rows', '50');
	await look(() => window.flickerscope.graph.zoom_to(0));
	await page.keyboard.press('Escape');
	await look(() => document.activeElement.blur());
	await page.keyboard.press('Escape');
	await page.keyboard.press('l');
	await page.waitForFunction(() => location.hash === '');
});

test('a link to a time that is gone says so in place, and what it does not understand is left out', async () => {
	const other = await open('from=1700000000&to=1700000005.5&tab=table&rows=33&cpu=&not-process=cron_job&until=soon&zoom=%00');
	await other.waitForFunction(() => window.flickerscope.selection);
	assert.match(await other.textContent('#selection .problem'), /has left the window; the oldest kept is \d\d:\d\d:\d\d\./);
	assert.equal(await other.inputValue('#rows'), '50');
	assert.deepEqual(await chips(other), ['not process cron_job']);
	assert.equal(await other.getAttribute('#tab-table', 'aria-selected'), 'true');
	await other.click('#selection .problem button');
	await other.waitForFunction(() => document.querySelector('#selection .problem').textContent === '');
	const { start_us, end_us } = await selection(other);
	assert.equal(end_us - start_us, 5_500_000);
	assert.deepEqual(other.problems, []);
	await other.close();
});
