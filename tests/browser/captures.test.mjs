/* SPDX-License-Identifier: Apache-2.0 */
/* Captures by hand: saved from a live page, opened from a list, seen side by side, in a browser. */

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { root, run, startAgent, startLoad, temporaryFolder } from '../e2e/agent.mjs';
import { axeFindings } from './axe.mjs';
import { dragTimes, openBrowser, openPage, painted } from './page.mjs';

const golden = join(root, 'tests', 'golden', 'small.capture');
let browser;

before(async () => {
	browser = await openBrowser();
});
after(() => browser?.close());

async function info(path) {
	const { code, stdout, stderr } = await run(['info', '--json', path]);
	assert.equal(code, 0, stderr);
	return JSON.parse(stdout);
}

/** Presses a button by keyboard, and keeps what is downloaded. */
async function saved(page, button, path) {
	const [download] = await Promise.all([page.waitForEvent('download'), page.locator(button).press('Enter')]);
	await download.saveAs(path);
	return download.suggestedFilename();
}

test('the window and a selection are saved from a live page, by keyboard, in both themes', async (t) => {
	const folder = temporaryFolder(t);
	startLoad(t, 'busy', ['-s', 60, '-t', 1, '-d', 5]);
	const agent = await startAgent(t, ['-F', '199']);
	for (const theme of ['light', 'dark']) {
		const page = await openPage(browser, agent, { theme });
		await page.waitForFunction(() => window.flickerscope.source.now_us() - window.flickerscope.source.oldest_us() > 2e6);
		const name = await saved(page, '#save', join(folder, `${theme}.flk`));
		assert.match(name, /^flickerscope-.+-\d{8}T\d{6}Z\.flk$/);
		const summary = await info(join(folder, `${theme}.flk`));
		assert.ok(summary.samples > 100 && summary.closed_in_order, JSON.stringify(summary));
		/* No more than once a second, so perhaps not yet. */
		await page.waitForFunction(() => document.querySelector('#announce').textContent.startsWith('Saved '));

		assert.ok(await page.locator('#selection button', { hasText: 'Save' }).isHidden(), 'nothing is selected');
		await page.keyboard.press(' ');
		const now = await page.evaluate(() => window.flickerscope.map.now_us());
		await dragTimes(page, now - 1.6e6, now - 1.2e6);
		await saved(page, '#selection button:has-text("Save")', join(folder, `${theme}-part.flk`));
		const { samples } = await info(join(folder, `${theme}-part.flk`));
		assert.ok(samples > 0);

		/* The page with the same data in it opens from the disk, and asks nobody anything. */
		const path = join(folder, `${theme}.html`);
		await page.click('#export');
		const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: /^This page with the data/ }).click()]);
		await download.saveAs(path);
		const alone = await browser.newPage({ colorScheme: theme });
		alone.on('console', (message) => page.problems.push(message.text()));
		alone.on('request', (request) => /^https?:/.test(request.url()) && page.problems.push(`asked ${request.url()}`));
		await alone.goto(pathToFileURL(path).href);
		await alone.waitForFunction(() => window.flickerscope?.source.now_us() > 0 && !window.flickerscope.source.profile.loading);
		assert.equal(await alone.evaluate(() => window.flickerscope.source.profile.sample_count), samples);
		await alone.close();
		assert.deepEqual(page.problems, []);
		await page.close();
	}
	/* An agent that is gone: said on the page, nothing is saved. */
	const page = await openPage(browser, agent, { mayDisconnect: true });
	await page.route('**/download*', (route) => route.abort());
	await page.click('#save');
	await page.waitForFunction(() => /Nothing was saved/.test(document.querySelector('#notice').textContent));
	assert.ok(await page.isEnabled('#save'));
	await page.close();
});

test('a folder is a list: a click opens a profile, two are compared, names stay text', async (t) => {
	const folder = join(temporaryFolder(t), 'kept');
	mkdirSync(folder);
	copyFileSync(golden, join(folder, 'one.flk'));
	copyFileSync(golden, join(folder, '<img src=x onerror=alert(1)>.flk'));
	writeFileSync(join(folder, 'stacks.folded'), 'main;work 30\nmain;rest 70\n');
	const viewer = await startAgent(t, [folder], { command: 'view' });
	const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
	const page = await context.newPage();
	const problems = [];
	page.on('console', (message) => problems.push(message.text()));
	page.on('pageerror', (error) => problems.push(error.stack));
	page.on('dialog', () => problems.push('a dialog'));
	await page.goto(viewer.url);
	await page.waitForSelector('#profiles a');
	assert.equal(new URL(page.url()).pathname, '/list.html');
	assert.equal(new URL(page.url()).hash, '', 'the token leaves the address bar');
	assert.match(await page.textContent('#folder'), /^kept$/);
	assert.deepEqual((await page.locator('#profiles a').allTextContents()).sort(), ['<img src=x onerror=alert(1)>.flk', 'one.flk', 'stacks.folded']);
	const row = page.locator('#profiles tr', { hasText: 'one.flk' });
	assert.match(await row.textContent(), /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d.*kB/);
	assert.deepEqual(await axeFindings(page), []);
	await row.locator('a').press('Enter');
	await page.waitForFunction(() => window.flickerscope?.source.now_us() > 0);
	assert.match(await page.textContent('#state'), /^one\.flk/);
	assert.ok(await page.isVisible('#save'));
	await page.goBack();
	await page.locator('#profiles a', { hasText: 'stacks.folded' }).click();
	await page.waitForFunction(() => window.flickerscope?.source.now_us() > 0);
	await painted(page);
	assert.match(await page.textContent('#trail'), /100 samples/);
	await page.goBack();

	assert.ok(await page.isDisabled('#compare'));
	await page.locator('#profiles tr', { hasText: 'one.flk' }).locator('input').press('Space');
	await page.locator('#profiles tr', { hasText: 'stacks.folded' }).locator('input').press('Space');
	await page.click('#compare');
	await page.waitForSelector('iframe + iframe');
	const frames = page.frames().slice(1);
	assert.equal(frames.length, 2);
	for (const frame of frames) await frame.waitForFunction(() => window.flickerscope?.source.now_us() > 0);
	assert.match(await frames[0].textContent('#state'), /^one\.flk/);
	assert.match(await frames[1].textContent('#state'), /^stacks\.folded/);
	/* One selection on each: the other one's stays as it is. */
	const position = await frames[0].evaluate(() => {
		const { geometry } = window.flickerscope.map;
		return { x: geometry.column_x(0) + geometry.column / 2, y: geometry.offset_y(500_000) };
	});
	await frames[0].locator('#map-focus').click({ position });
	await frames[0].waitForFunction(() => window.flickerscope.selection !== null);
	assert.equal(await frames[1].evaluate(() => window.flickerscope.selection), null);
	assert.deepEqual(await axeFindings(page), []);
	await frames[1].click('#theme');
	await frames[0].waitForFunction(() => document.documentElement.dataset.shown === 'dark');

	/* Both on one page: the second is selected, and compared with the first. */
	await page.click('#difference');
	await page.waitForFunction(() => window.flickerscope?.ranges && !document.querySelector('#changes').hidden);
	assert.match(await page.textContent('#state'), /^stacks\.folded compared with one\.flk/);
	assert.equal(await page.locator('#selection .compared option:checked').textContent(), 'the other capture');
	const [selected, all] = await page.evaluate(() => [window.flickerscope.graph.tree.now.total[0], window.flickerscope.source.profile.sample_count]);
	assert.equal(selected, 100);
	assert.ok(all > 100);
	/* Between the two nothing was lost. */
	const border = await page.evaluate(() => {
		const { source } = window.flickerscope, us = source.joined_us - source.base_us - 500_000;
		const second = Math.floor(us / 1e6), row = Math.floor((us - second * 1e6) / 20_000), start_us = second * 1e6 + row * 20_000;
		return { hatched: source.column(second, 50).gaps.some(({ hatched }) => hatched), gap: source.cell({ start_us, end_us: start_us + 20_000 }).gap };
	});
	assert.deepEqual(border, { hatched: false, gap: { lost: 0, reason: 'one capture ends here, and the other begins', whole: true } });
	/* The second one's clock is behind the first one's: what is on screen of both is a stretch all the same. */
	await page.keyboard.press('Escape');
	await page.waitForFunction(() => /^\s*On screen/.test(document.querySelector('#selection').textContent));
	assert.doesNotMatch(await page.textContent('#state'), /, -/);
	assert.deepEqual(problems, []);
	await context.close();
});

test('without the token a list asks for it, and a profile that is gone is said', async (t) => {
	const folder = temporaryFolder(t);
	copyFileSync(golden, join(folder, 'one.flk'));
	const viewer = await startAgent(t, [folder], { command: 'view' });
	const context = await browser.newContext();
	const page = await context.newPage();
	await page.goto(`${viewer.origin}/`);
	assert.match(await page.textContent('#token'), /needs the token/);
	await page.fill('#token input', viewer.url);
	await page.click('#token button');
	await page.waitForSelector('#profiles a');
	await page.goto(`${viewer.origin}/?profile=6d697373696e67`);
	await page.waitForFunction(() => /no such profile/.test(document.querySelector('#notice').textContent));
	await context.close();
});
