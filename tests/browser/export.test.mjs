/* SPDX-License-Identifier: Apache-2.0 */
/* What `convert` writes, opened in a browser: the page of its own from a disk, and speedscope with the rest. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { program, root, run, temporaryFolder } from '../e2e/agent.mjs';
import { foldedCounts, sorted } from '../e2e/profiles.mjs';
import { graphShare, lightness, openBrowser } from './page.mjs';

const require = createRequire(import.meta.url);
const small = join(root, 'tests', 'golden', 'small.capture');
const period = 10101010;
let browser;

before(async () => (browser = await openBrowser()));
after(() => browser?.close());

async function convert(input, output) {
	const { code, stderr } = await run(['convert', input, '-o', output]);
	assert.equal(code, 0, stderr);
	return output;
}

/** A page from the disk; problems are what the console said and what was asked of anybody. */
async function openFile(path, { theme = 'light' } = {}) {
	const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: theme });
	page.problems = [];
	page.on('console', (message) => page.problems.push(message.text()));
	page.on('pageerror', (error) => page.problems.push(error.stack));
	page.on('request', (request) => {
		if (!/^(blob|data):/.test(request.url()) && request.url() !== pathToFileURL(path).href) page.problems.push(`asked ${request.url()}`);
	});
	await page.goto(pathToFileURL(path).href);
	await page.waitForFunction(() => window.flickerscope?.source.now_us() > 0 && !window.flickerscope.source.profile.loading);
	return page;
}

test('a page from the disk shows the capture in both themes and asks nobody anything', async (t) => {
	const path = await convert(small, join(temporaryFolder(t), 'small.html'));
	for (const theme of ['light', 'dark']) {
		const page = await openFile(path, { theme });
		t.after(() => page.close());
		assert.match(await page.textContent('#state'), /^small\.capture/);
		assert.equal(await page.evaluate(() => window.flickerscope.source.profile.sample_count), 96);
		const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
		assert.ok(theme === 'dark' ? lightness(ground) < 0.3 : lightness(ground) > 0.7, theme);
		/* The viewer's own hands: a search, the sheet of keys. */
		await page.fill('#search', 'qsort');
		await page.waitForFunction(() => /matches/.test(document.getElementById('search-result').textContent));
		await page.keyboard.press('Escape');
		await page.keyboard.press('Escape');
		await page.evaluate(() => document.activeElement.blur());
		await page.keyboard.press('?');
		assert.ok(await page.isVisible('#sheet'));
		assert.deepEqual(page.problems, []);
	}
});

test('a stretch selected in the page has what report has of the same stretch', async (t) => {
	const page = await openFile(await convert(small, join(temporaryFolder(t), 'small.html')));
	t.after(() => page.close());
	for (const [from, to] of [[0, 1], [0.249997, 1.3], [1.26, 3.5]]) {
		await page.evaluate(([from_us, to_us]) => {
			const { source } = window.flickerscope;
			const zero_us = source.zero_second * 1e6;
			const tree = source.tree([{ start_us: zero_us + from_us, end_us: zero_us + to_us }]);
			window.shown = Array.from({ length: tree.count }, (_, node) => [tree.name(node), tree.kind(node), tree.self[node]]);
		}, [Math.round(from * 1e6), Math.round(to * 1e6)]);
		const shown = new Map();
		for (const [name, kind, self] of await page.evaluate(() => window.shown))
			if (kind && self) shown.set(name, (shown.get(name) ?? 0) + self);
		const { stdout } = await run(['report', '--json', small, '--from', String(from), '--to', String(to)]);
		const reported = new Map(JSON.parse(stdout).filter(({ self, name }) => self && name !== '[unknown]').map(({ name, self }) => [name, self]));
		for (const [name, self] of reported) {
			const same = [...shown].find(([one]) => one === name || one.endsWith(`/${name}`));
			assert.ok(same, `${name} in ${[...shown.keys()]}`);
			assert.equal(same[1], self, name);
		}
		assert.ok(reported.size > 2);
	}
});

test('hostile names are text in the page', async (t) => {
	const folder = temporaryFolder(t);
	const names = ['</script><script>window.owned=1</script>', '<img src=x onerror="window.owned=1">', '--></style><!--', '\u2028";window.owned=1//'];
	writeFileSync(join(folder, '"><b>evil.folded'), `sh;${names.join(';').replace(/;(?=window)/g, ':')} 30\n`);
	const page = await openFile(await convert(join(folder, '"><b>evil.folded'), join(folder, 'evil.html')));
	t.after(() => page.close());
	assert.equal(await page.evaluate(() => window.owned), undefined);
	assert.match(await page.textContent('#state'), /"><b>evil\.folded/);
	/* What was read is drawn with the next frame. */
	await page.waitForFunction(() => window.flickerscope.graph.tree?.total[0] > 0);
	const { samples, total } = await graphShare(page, names[1]);
	assert.deepEqual([samples, total], [30, 30]);
	assert.deepEqual(page.problems, []);
});

test('a capture dropped onto a page from the disk is shown instead', async (t) => {
	const folder = temporaryFolder(t);
	const page = await openFile(await convert(small, join(folder, 'small.html')));
	t.after(() => page.close());
	const { stdout } = spawnSync(program, ['convert', small, '-o', '-', '--to', 'flicker', '--from', '1']);
	await page.evaluate((base64) => {
		const files = new DataTransfer();
		files.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], 'dropped.flk'));
		document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
	}, stdout.toString('base64'));
	await page.waitForFunction(() => /^dropped/.test(document.getElementById('state').textContent) && !window.flickerscope.source.profile.loading);
	assert.ok(await page.evaluate(() => window.flickerscope.source.profile.sample_count) < 96);
	assert.deepEqual(page.problems, []);
});

/*
 * speedscope imports what we write and exports what it understood, as the calls and returns of each
 * profile: its page is opened from the disk, too.
 */
test('speedscope reads folded, pprof, perf script and its own format as we meant them', async (t) => {
	const folder = temporaryFolder(t);
	const home = pathToFileURL(require.resolve('speedscope/dist/release/index.html')).href;
	const expected = foldedCounts(spawnSync(program, ['convert', small, '-o', '-', '--to', 'folded']).stdout.toString());
	const total = [...expected.values()].reduce((sum, count) => sum + count, 0);
	for (const [name, weight] of [['all.folded', 1], ['all.pb.gz', period], ['all.speedscope.json', period], ['all.perf.txt', 0]]) {
		const page = await browser.newPage();
		await page.goto(home);
		await page.setInputFiles('input[type=file]', await convert(small, join(folder, name)));
		await page.getByText('Export').waitFor();
		const counts = new Map();
		const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('Export').click()]);
		const chunks = [];
		for await (const chunk of await download.createReadStream()) chunks.push(chunk);
		const { shared: { frames }, profiles } = JSON.parse(Buffer.concat(chunks).toString());
		for (const { type, events, startValue } of profiles) {
			assert.equal(type, 'evented');
			const stack = [];
			let last = startValue;
			for (const { type: change, frame, at } of events) {
				/* Collapsed stacks have the process for their first frame. */
				const key = stack.map((one) => frames[one].name).slice(name === 'all.folded' ? 1 : 0).join('\n');
				if (at > last) counts.set(key, (counts.get(key) ?? 0) + (weight ? (at - last) / weight : 0));
				last = at;
				if (change === 'O') stack.push(frame);
				else assert.equal(stack.pop(), frame);
			}
		}
		await page.close();
		/* Of the functions in one location of pprof it takes the one that the others were inlined into. */
		const known = new Map();
		for (const [stack, count] of expected) {
			const key = name === 'all.pb.gz' ? stack.split('\n').filter((one) => !one.startsWith('compare<')).join('\n') : stack;
			known.set(key, (known.get(key) ?? 0) + count);
		}
		if (weight) {
			assert.deepEqual(sorted(counts).filter(([stack]) => stack), sorted(known).filter(([stack]) => stack), name);
		} else {
			/* It takes the time to the thread's next sample for the weight: what is left are the stacks. */
			const stacks = [...counts.keys()].map((stack) => stack.replace('??? ([unknown])', '[unknown]'));
			assert.deepEqual(stacks.filter(Boolean).sort(), [...expected.keys()].filter(Boolean).sort(), name);
		}
	}
	assert.equal(total, 96);
});
