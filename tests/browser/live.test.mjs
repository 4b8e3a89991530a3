/* SPDX-License-Identifier: Apache-2.0 */
/* The real page against the real agent: what a program does is seen where it does it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run, sleep, startAgent, startLoad, temporaryFolder, until } from '../e2e/agent.mjs';
import { dragTimes, framePoint, graphShare, lightness, mapPixels, openBrowser, openPage, painted } from './page.mjs';

let browser;
before(async () => (browser = await openBrowser()));
after(() => browser?.close());

const BURST_MS = [300, 500];
/** Above everything else that this machine may be doing: its band is to be where it is told to burn. */
const URGENT = -19;
const wire = await import('../../viewer/wire.js');
const FUNCTION = 'burst_known_function';

/** An agent that samples a burst in every second and nothing else, since others share the machine. */
async function startBurst(t, ...args) {
	const load = startLoad(t, 'burst', ['-m', BURST_MS[0], '-n', BURST_MS[1] - BURST_MS[0], '-s', 100]);
	setPriority(load.pid, URGENT);
	return startAgent(t, ['-F', '199', '-p', load.pid, ...args]);
}

/** Opens the page and waits until whole seconds are there. */
async function openWithSeconds(t, agent, options, seconds = 3) {
	const page = await openPage(options?.in ?? browser, agent, options);
	t.after(() => page.close());
	await page.waitForFunction((seconds) => {
		const { source } = window.flickerscope;
		return source.now_us() - source.oldest_us() > (seconds + 1) * 1e6;
	}, seconds);
	return page;
}

/** A whole second in which the burst has got its CPU: a crowded machine may not give it one in each. */
const secondWithBurst = async (page) => (await page.waitForFunction(() => {
	const { source } = window.flickerscope;
	for (let second = Math.floor(source.now_us() / 1e6) - 1; second * 1e6 > source.oldest_us(); second--) {
		const start_us = second * 1e6 + 310e3;
		if (source.tree([{ start_us, end_us: start_us + 180e3 }]).total[0] >= 12) return second;
	}
	return null;
})).jsonValue();

const state = (page) => page.textContent('#state');

test('a burst is a band on the map; a drag over it gives its function, a drag beside it does not', async (t) => {
	const agent = await startBurst(t);
	for (const theme of ['light', 'dark']) {
		const page = await openWithSeconds(t, agent, { theme });
		const second = await secondWithBurst(page);
		await page.keyboard.press(' ');
		const mean = async (from_ms, to_ms) => {
			const pixels = (await mapPixels(page, second * 1e6 + from_ms * 1e3, second * 1e6 + to_ms * 1e3)).flat();
			return pixels.map(lightness).reduce((sum, value) => sum + value, 0) / pixels.length;
		};
		const [below, band, above] = [await mean(0, 260), await mean(...BURST_MS), await mean(540, 999)];
		t.diagnostic(`${theme}: lightness ${below.toFixed(3)} below, ${band.toFixed(3)} in the band, ${above.toFixed(3)} above`);
		const step = theme === 'dark' ? 1 : -1;
		assert.ok((band - below) * step > 0.05 && (band - above) * step > 0.05, 'more CPUs busy stand out');

		await dragTimes(page, second * 1e6 + 310e3, second * 1e6 + 490e3);
		const within = await graphShare(page, FUNCTION);
		assert.ok(within.total > 3, `${within.total} samples`);
		assert.ok(within.samples / within.total > 0.9, `${within.samples} of ${within.total}`);
		assert.match(await page.textContent('#selection'), /1\d\d ms.*samples.*load_burst/);

		await dragTimes(page, second * 1e6 + 560e3, second * 1e6 + 960e3);
		const beside = await graphShare(page, FUNCTION);
		assert.equal(beside.samples, 0);

		/* Across columns, and backwards: from the end of one burst to before the one before. */
		await dragTimes(page, second * 1e6 + 500e3, (second - 1) * 1e6 + 500e3);
		const across = await graphShare(page, FUNCTION);
		assert.ok(across.samples >= within.samples && across.samples / across.total > 0.9, `${across.samples} of ${across.total}`);
		const { start_us, end_us } = await page.evaluate(() => window.flickerscope.selection);
		assert.ok(Math.abs(end_us - start_us - 1e6) < 10e3, `${end_us - start_us} us`);
		assert.deepEqual(page.problems, []);
		await page.close();
	}
});

test('the page freezes and follows, its selection is text, its graph is searched and zoomed', async (t) => {
	const page = await openWithSeconds(t, await startBurst(t));
	const second = await secondWithBurst(page);
	await page.keyboard.press(' ');
	assert.match(await state(page), /^Paused/);
	const shown = () => page.evaluate(() => window.flickerscope.map.newest_end());
	const frozen = await shown();
	const before_us = await page.evaluate(() => window.flickerscope.source.now_us());
	await page.waitForFunction((us) => window.flickerscope.source.now_us() > us + 2e6, before_us);
	assert.equal(await shown(), frozen, 'data goes on arriving behind a map that stands still');

	/* The middle of the burst, typed to the millisecond. */
	await dragTimes(page, second * 1e6 + 100e3, second * 1e6 + 900e3);
	const [start, end] = [page.getByLabel('Start of the selection'), page.getByLabel('End of the selection')];
	const typed = (text, ms) => text.replace(/\.\d+$/, `.${ms}`);
	await start.fill(typed(await start.inputValue(), '320'));
	await start.press('Enter');
	await end.fill(typed(await end.inputValue(), '480'));
	await end.press('Enter');
	assert.deepEqual(await page.evaluate(() => window.flickerscope.selection), { start_us: second * 1e6 + 320e3, end_us: second * 1e6 + 480e3 });

	await page.keyboard.press('Escape');
	await page.click('#search');
	await page.keyboard.type('known_func');
	await painted(page);
	const { samples, total } = await graphShare(page, FUNCTION);
	const share = Number(/matches ([\d.]+)/.exec(await page.textContent('#search-result'))[1]);
	assert.ok(Math.abs(share - (100 * samples) / total) < 1.01, `${share} %, ${samples} of ${total}`);
	await page.keyboard.press('Escape');

	await page.evaluate(() => document.activeElement.blur());
	const whole = await page.evaluate(() => window.flickerscope.graph.width);
	const frame = await framePoint(page, FUNCTION);
	await page.mouse.click(frame.x, frame.y);
	assert.match(await page.textContent('#trail'), new RegExp(FUNCTION));
	await page.waitForFunction(() => !window.flickerscope.graph.animation);
	assert.ok(Math.abs((await framePoint(page, FUNCTION)).width - whole) <= 2);
	await page.click('#zoom-back');
	assert.doesNotMatch(await page.textContent('#trail'), new RegExp(FUNCTION));

	await page.keyboard.press('l');
	assert.match(await state(page), /^Live/);
	await page.waitForFunction((frozen) => window.flickerscope.map.newest_end() > frozen, frozen);
	assert.deepEqual(page.problems, []);
});

test('an agent that is started again is followed by the same page, with a hatched gap in between', async (t) => {
	const folder = temporaryFolder(t);
	const load = startLoad(t, 'burst', ['-m', 0, '-n', 999, '-s', 100]);
	const first = await startAgent(t, ['-F', '199', '-p', load.pid], { folder });
	/* The agent stops before the second part of the page was fetched, too. */
	let away = true;
	const holding = { newPage: async (options) => {
		const opened = await browser.newPage(options);
		await opened.route('**/later-*.js', (route) => (away ? route.abort('connectionrefused') : route.continue()));
		return opened;
	} };
	const page = await openWithSeconds(t, first, { in: holding, mayDisconnect: true }, 1);
	assert.equal(await page.evaluate(() => window.flickerscope.tools), null);
	const stopped_us = await page.evaluate(() => window.flickerscope.source.now_us());
	assert.equal((await first.stop()).code, 0);
	await page.waitForFunction(() => document.getElementById('state').dataset.kind === 'lost');
	assert.match(await state(page), /^Connection lost/);
	assert.ok(await page.isVisible('#retry'));
	await sleep(1500); // the time that will be hatched

	const second = await startAgent(t, ['-F', '199', '-p', load.pid], { folder, port: first.port });
	away = false;
	await page.waitForFunction(() => window.flickerscope.tools);
	await page.waitForFunction((us) => document.getElementById('state').dataset.kind === 'live' &&
		window.flickerscope.source.now_us() > us + 4e6, stopped_us);
	assert.equal(await page.isVisible('#retry'), false);
	const gaps = await page.evaluate(() => {
		const { source: { profile, base_us } } = window.flickerscope;
		return profile.gaps(profile.oldest_us, profile.covered_us).map(({ from_us, to_us, reason }) =>
			({ from_us: from_us - base_us, to_us: to_us - base_us, reason }));
	});
	assert.equal(gaps.length, 1);
	const [{ from_us, to_us, reason }] = gaps;
	assert.equal(reason, wire.WIRE_GAP_NOT_RUNNING);
	t.diagnostic(`hatched: ${((to_us - from_us) / 1e6).toFixed(2)} s`);

	/* In the gap each row has two colours, neither of them one that a sampled row has. */
	const row = async (us) => new Set((await mapPixels(page, us, us + 1))[0].map(String));
	const hatched = await row((from_us + to_us) / 2);
	const sampled = await row(stopped_us - 500e3);
	assert.equal(hatched.size, 2, [...hatched].join('; '));
	assert.equal(sampled.size, 1, [...sampled].join('; '));
	assert.ok(!hatched.has([...sampled][0]));
	/* The status row is written once a second. */
	await page.waitForFunction(() => /1 gap/.test(document.querySelector('[data-fact=lost]').textContent));

	/* A link to what comes while nobody is heard: said in place, and shown once it is there. */
	assert.equal((await second.stop()).code, 0);
	await page.waitForFunction(() => document.getElementById('state').dataset.kind === 'lost');
	const from = Math.ceil(await page.evaluate(() => window.flickerscope.source.to_wall_us(window.flickerscope.source.now_us()) / 1e6));
	await page.evaluate((from) => (location.hash = `from=${from}&to=${from + 3600}&find=burst`), from);
	const problem = () => page.textContent('#selection .problem');
	await page.waitForFunction(() => /^This has not come: the connection is lost\..*Retry now$/.test(document.querySelector('#selection .problem').textContent));
	await startAgent(t, ['-F', '199', '-p', load.pid], { folder, port: first.port });
	await page.waitForFunction(() => document.getElementById('state').dataset.kind === 'live' && window.flickerscope.graph.tree.total[0] > 50);
	assert.equal(await problem(), '');
	assert.equal(await page.evaluate(() => {
		const { source, selection } = window.flickerscope;
		return Math.round(source.to_wall_us(selection.start_us) / 1e6);
	}), from);
	assert.match(await page.textContent('#search-result'), /^matches \d\d/);
	assert.deepEqual(page.problems, []);
});

/** A control group with the name of a container: 64 digits, of which people are shown twelve. */
function startContainer(t, mount, name, args) {
	const id = randomBytes(32).toString('hex'), group = join(mount.split(' ')[4], `docker-${id}.scope`);
	mkdirSync(group);
	const load = startLoad(t, name, args);
	const ended = new Promise((resolve) => load.on('close', resolve));
	t.after(async () => {
		load.kill('SIGKILL');
		await ended;
		await until(() => {
			try {
				rmdirSync(group);
				return true;
			} catch {
				return false; // it is busy until the kernel has let go of who was in it
			}
		}, `the end of ${group}`);
	});
	writeFileSync(join(group, 'cgroup.procs'), String(load.pid));
	return { load, id: id.slice(0, 12) };
}

test('a container is a filter; what called itself is drawn once', async (t) => {
	const mount = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').find((line) => line.includes(' - cgroup2 '));
	if (!mount) return t.skip('cgroups of version 2 are not mounted here');
	const { load, id } = startContainer(t, mount, 'walk', ['-s', 100, '-t', 1]);
	const outside = startLoad(t, 'burst', ['-m', 0, '-n', 999, '-s', 100]);
	const agent = await startAgent(t, ['-F', '199', '-p', load.pid, '-p', outside.pid]);
	const page = await openWithSeconds(t, agent, {}, 2);
	await page.waitForFunction(() => window.flickerscope.tools);
	await page.keyboard.press(' ');
	const processes = () => page.evaluate(() => window.flickerscope.graph.tree.processes().map(({ name }) => name).sort());
	assert.deepEqual(await processes(), ['load_burst', 'load_walk']);
	const all = await page.evaluate(() => window.flickerscope.graph.tree.total[0]);
	await page.keyboard.press('f');
	await page.keyboard.type(`container ${id}`);
	await page.keyboard.press('Enter');
	assert.equal(await page.textContent('.chip .turn'), `container ${id}`);
	assert.deepEqual(await processes(), ['load_walk']);

	/** The most often that one function stands on the way to a sample, and what there is of samples. */
	const ways = () => page.evaluate(() => {
		const { tree } = window.flickerscope.graph;
		let most = 0;
		for (let node = 1; node < tree.count; node++) {
			const name = tree.name(node);
			let times = 0;
			for (let at = node; at > 0; at = tree.parent[at]) times += tree.name(at) === name ? 1 : 0;
			most = Math.max(most, times);
		}
		return { most, samples: tree.total[0] };
	});
	const before = await ways();
	assert.ok(before.most > 5 && before.samples > 20 && before.samples < all, JSON.stringify(before));
	await page.click('#view');
	await page.getByLabel('Draw a function that called itself once').check();
	assert.deepEqual(await ways(), { most: 1, samples: before.samples });
	/* The filter the other way round: all that is outside. */
	await page.keyboard.press('Escape');
	await page.click('.chip .turn');
	assert.deepEqual(await processes(), ['load_burst']);
	assert.deepEqual(page.problems, []);
});

test('a capture that is dropped onto the page is shown', async (t) => {
	const folder = temporaryFolder(t);
	const load = startLoad(t, 'burst', ['-m', BURST_MS[0], '-n', 200, '-s', 30]);
	const file = join(folder, 'dropped.flk');
	const recorded = await run(['record', '-F', '199', '-p', String(load.pid), '-o', file, '-d', '3']);
	assert.equal(recorded.code, 0, recorded.stderr);
	const summary = JSON.parse((await run(['info', '--json', file])).stdout);
	assert.ok(summary.samples > 10);
	const page = await openPage(browser, await startAgent(t));
	t.after(() => page.close());
	await page.evaluate((base64) => {
		const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
		const files = new DataTransfer();
		files.items.add(new File([bytes], 'dropped.flk'));
		document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
	}, readFileSync(file).toString('base64'));
	await page.waitForFunction(() => document.getElementById('state').dataset.kind === 'capture' && window.flickerscope.source.now_us() > 0 &&
		!window.flickerscope.source.profile.loading);
	assert.match(await state(page), /^dropped\.flk/);
	/* A few seconds that no more will be added to are as wide as columns get. */
	await page.waitForFunction(() => window.flickerscope.map.geometry.column === 64);
	assert.equal(await page.evaluate(() => window.flickerscope.source.profile.sample_count), summary.samples);
	await until(async () => (await graphShare(page, FUNCTION)).samples > 0, 'its function in the graph');
	assert.equal(await page.isVisible('#notice'), false);
	assert.deepEqual(page.problems, []);
});

test('both themes: the page takes the system\'s and the button changes it', async (t) => {
	const agent = await startAgent(t);
	for (const theme of ['light', 'dark']) {
		const page = await openPage(browser, agent, { theme });
		t.after(() => page.close());
		const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
		const first = lightness(await ground());
		assert.ok(theme === 'dark' ? first < 0.3 : first > 0.7, `${theme}: ${first}`);
		await page.click('#theme');
		const other = lightness(await ground());
		assert.ok(theme === 'dark' ? other > 0.7 : other < 0.3, `${theme}, changed: ${other}`);
		assert.deepEqual(page.problems, []);
	}
});
