/* SPDX-License-Identifier: Apache-2.0 */
/* What is shown of the data and how, in a real browser on the synthetic feed: filters, links, lanes, scales. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { dragTimes, graphShare, lightness, loaded, mapPixels, mapPoint, openBrowser, openPage, painted, startFeed } from './page.mjs';
import { sleep } from '../e2e/agent.mjs';

let feed, browser, page;

before(async () => {
	feed = await startFeed();
	browser = await openBrowser();
	page = await open('');
});

after(async () => {
	await browser?.close();
	feed?.stop();
});

/** The page with what a link asks for. */
async function open(link) {
	const opened = await openPage(browser, { url: feed.address + (link && `&${link}`) });
	await loaded(opened);
	await opened.waitForFunction(() => window.flickerscope.tools);
	return opened;
}

const look = (what, argument) => page.evaluate(what, argument);
const selection = (of = page) => of.evaluate(() => window.flickerscope.selection);
const chips = (of = page) => of.$$eval('.chip .turn', (all) => all.map((chip) => chip.textContent));
const processes = (of = page) => of.evaluate(() => window.flickerscope.graph.tree.processes().map(({ name }) => name).sort());
/** What people see in the address once the page has written it. */
const link = (pattern) => page.waitForFunction((source) => new RegExp(source).test(location.hash), pattern.source)
	.then(() => new URL(page.url()).hash.slice(1));

/** Where data is missing since then, but for what the invented host itself lost. */
const holes = (since_us) => look((us) => window.flickerscope.source.profile.gaps(us, Infinity).filter(({ lost }) => !lost), since_us);

async function choose(text, how = 'Enter') {
	await page.keyboard.press('f');
	await page.keyboard.type(text);
	await page.keyboard.press(how);
}

test('a filter chosen by keys holds for map, graph and table, and goes with its chip', async () => {
	await choose('process java');
	assert.deepEqual(await chips(), ['process java']);
	assert.deepEqual(await processes(), ['java']);
	const [kept, all] = await look(() => {
		const { graph, map, source } = window.flickerscope;
		return [graph.tree.total[0], source.samples_unfiltered([map.shown_range()])];
	});
	assert.ok(kept > 1000 && kept < all / 2, `${kept} of ${all}`);
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
	assert.match(await page.textContent('#graph-message'), /^No sample passes these filters; [\d\u2009]+ do without them\. Clear filters$/);
	await page.click('#graph-message button');
	assert.deepEqual(await chips(), []);
	assert.equal(await page.textContent('#kept'), '');
	assert.ok(await page.isHidden('#graph-message'));
});

test('a link opens the same picture and never holds the token', async () => {
	await choose('process ingest');
	await page.selectOption('#rows', '25');
	/* Not while the backup runs alone. */
	const from = await look(() => {
		const { map, source } = window.flickerscope;
		let second = map.newest_end() - 20;
		const inMinutes = () => Math.round(source.to_wall_us(second * 1e6) / 1e6) % 120;
		while (inMinutes() > 45 && inMinutes() < 75) second--;
		return second;
	});
	await page.click('#follow');
	await dragTimes(page, from * 1e6 + 200_000, (from + 11) * 1e6 + 700_000);
	await page.fill('#search', 'push$');
	await painted(page);
	await look(() => {
		const { graph } = window.flickerscope;
		window.flickerscope.view.step_add('hide', 'simd_json::to_tape');
		graph.zoom_to(graph.rects.find(({ node }) => node > 0 && graph.tree.name(node) === 'ingest::run(int)').node);
	});
	const text = await link(/hide=.*zoom=.*rows=25|hide=.*rows=25.*zoom=/);
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
	assert.match(await other.textContent('#steps'), /without simd_json::to_tape/);
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
	await look(() => {
		window.flickerscope.view.set({ steps: [] });
		window.flickerscope.graph.zoom_to(0);
	});
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

test('lanes show the thread that was alone, say so in words, and filter by a click', async () => {
	await page.selectOption('#lanes', 'both');
	await page.waitForFunction(() => /only backup\/42 was running: 1 of 8 CPUs, \d+(\.\d)? s/.test(document.querySelector('#lanes-words').textContent));
	await page.waitForFunction(() => /^Busiest threads: [^.]*backup\/42/.test(document.querySelector('#lanes-words').textContent));
	/* On a map that stands still: lanes change places as others get busier. */
	await page.click('#follow');
	const lane = await look(() => window.flickerscope.tools.lanes_view.lanes.find(({ name }) => name === 'backup/42').top);
	await page.locator('#lanes-section canvas').click({ position: { x: 300, y: lane + 5 } });
	assert.deepEqual(await chips(), ['thread backup/42 4242']);
	assert.deepEqual(await processes(), ['backup']);
	await page.click('.chip .off');
	await page.click('#follow');
	await link(/^#lanes=both$/);
	assert.deepEqual(page.problems, []);
});

/** Red, green and blue of a cell of the map's canvas. */
const cellColor = (us) => mapPixels(page, us, us + 10_000).then((rows) => rows[0][1]);

test('one thread alone is blue until the colours are of CPUs busy only; scale, steps, width and time axis change', async () => {
	const alone_us = await look(() => {
		const { source, tools } = window.flickerscope;
		const { first, end } = window.flickerscope.map.geometry;
		const [longest] = tools.lanes_source().singles(first, end).sort((a, b) => b.end_us - b.start_us - a.end_us + a.start_us);
		return source && longest.start_us + 2_000_000;
	});
	const set = async (name, value) => {
		await page.click('#map-view');
		await page.selectOption(`#map-${name}`, value);
		await page.keyboard.press('Escape');
	};
	const [red, , blue] = await cellColor(alone_us);
	assert.ok(blue > red + 60, `${red} ${blue}`);
	assert.match(await page.textContent('#legend'), /one thread only/);
	await set('colors', 'heat');
	const [red_heat, , blue_heat] = await cellColor(alone_us);
	assert.ok(red_heat > blue_heat, 'one of eight CPUs is pale in the heat colours');
	assert.doesNotMatch(await page.textContent('#legend'), /one thread only/);
	await set('steps', 'fine');
	assert.ok(lightness(await cellColor(alone_us)) < lightness([red_heat, red_heat, blue_heat]));
	assert.equal(await page.textContent('#legend .swatches i:last-child'), '8');
	await set('scale', 'auto');
	await choose('thread backup/42');
	await page.waitForFunction(() => document.querySelector('#legend .swatches i:last-child').textContent === '1');
	await page.click('.chip .off');
	await page.selectOption('#lanes', 'off');
	const columns = await look(() => window.flickerscope.map.geometry.columns);
	await set('column', '3');
	assert.ok(await look(() => window.flickerscope.map.geometry.columns) > 2 * columns);
	await set('axis', 'seconds');
	const text = await link(/axis=seconds/);
	assert.equal(text, 'column=3&colors=heat&scale=auto&steps=fine&axis=seconds');
	await look(() => history.replaceState(null, '', location.pathname));
	await look(() => window.flickerscope.tools.link_open());
	assert.equal(await look(() => window.flickerscope.map.geometry.columns), columns);
	assert.deepEqual(page.problems, []);
});

test('the wheel and keys change rows and width, clicks and keys move the ends, J goes to the hottest, the strip to any second', async () => {
	const geometry = () => look(() => ({ ...window.flickerscope.map.geometry }));
	const { columns, column, first } = await geometry();
	await look(() => document.activeElement.blur());
	await page.keyboard.press('+');
	await page.keyboard.press('+');
	await page.keyboard.press(']');
	assert.equal(await page.inputValue('#rows'), '100');
	assert.ok((await geometry()).column > column && (await geometry()).columns < columns);
	await page.waitForSelector('#overview:not([hidden])');
	const newest = await look(() => window.flickerscope.map.newest_end());
	const at = await mapPoint(page, (newest - 10) * 1e6 + 305_000);
	await page.mouse.move(at.x, at.y);
	await page.keyboard.down('Alt');
	await page.mouse.wheel(0, 60);
	await page.keyboard.up('Alt');
	assert.equal(await page.inputValue('#rows'), '50');
	await page.keyboard.down('m');
	assert.ok(await page.isVisible('.glass'));
	await page.keyboard.up('m');
	assert.ok(await page.isHidden('.glass'));
	await page.click('#follow');
	await page.mouse.click(at.x, at.y);
	const clicked = await selection();
	assert.equal(clicked.end_us - clicked.start_us, 20_000);
	const to = await mapPoint(page, (Math.floor(clicked.start_us / 1e6) + 4) * 1e6 + 505_000);
	/* A click where it starts and one where it ends; the third one begins anew. Shift ends what was begun in any way. */
	await page.mouse.click(to.x, to.y);
	const ended = await selection();
	assert.equal(ended.start_us, clicked.start_us);
	assert.equal(ended.end_us, (Math.floor(clicked.start_us / 1e6) + 4) * 1e6 + 520_000);
	const third = await mapPoint(page, (newest - 16) * 1e6 + 705_000);
	await page.mouse.click(third.x, third.y);
	assert.equal((({ start_us, end_us }) => end_us - start_us)(await selection()), 20_000);
	await page.keyboard.press('Escape');
	await page.mouse.click(at.x, at.y);
	assert.deepEqual(await selection(), clicked);
	await page.keyboard.down('Shift');
	await page.mouse.click(to.x, to.y);
	await page.keyboard.up('Shift');
	assert.deepEqual(await selection(), ended);
	await page.focus('#map-focus');
	await page.keyboard.press('Control+ArrowUp');
	await page.keyboard.press('Control+Shift+ArrowDown');
	assert.deepEqual(await selection(), { start_us: ended.start_us - 1000, end_us: ended.end_us + 1000 });
	/* Shift and a drag choose what it is compared with; a link says so, and Swap turns it round. Where nothing was lost. */
	const clear = await look((newest) => {
		const { source } = window.flickerscope;
		for (let second = newest - 12; ; second--)
			if (!source.profile.gaps(source.base_us + second * 1e6, source.base_us + (second + 10) * 1e6).length) return second;
	}, newest);
	await dragTimes(page, (clear + 7) * 1e6 + 200_000, (clear + 9) * 1e6 + 500_000);
	const chosen = await selection();
	const [left, right] = [await mapPoint(page, (clear + 1) * 1e6 + 200_000), await mapPoint(page, (clear + 5) * 1e6 + 200_000)];
	await page.mouse.move(left.x, left.y);
	await page.keyboard.down('Shift');
	await page.mouse.down();
	await page.mouse.move(right.x, right.y, { steps: 3 });
	await page.mouse.up();
	await page.keyboard.up('Shift');
	const baseline = () => look(() => window.flickerscope.map.baseline);
	const [against] = await baseline();
	assert.ok(Math.abs(against.end_us - against.start_us - 4e6) < 20e3, JSON.stringify(against));
	assert.deepEqual(await selection(), chosen);
	assert.match(await page.textContent('#changes'), /CPUs busy (instead of|on both sides)/);
	assert.match(await page.locator('#selection .compared option:checked').textContent(), /^\d\d:\d\d:\d\d\.\d{3} to \d\d:/);
	const compared = await link(/tab=compare&baseline=\d+\.?\d*-\d/);
	await page.click('#selection button:has-text("Swap")');
	assert.deepEqual([await selection(), await baseline()], [against, [chosen]]);
	await page.keyboard.press('Escape');
	await page.waitForFunction(() => !location.hash.includes('baseline'));
	await look((fragment) => { location.hash = fragment; }, compared);
	await page.waitForFunction(() => window.flickerscope.ranges);
	assert.deepEqual([await selection(), await baseline()], [chosen, [against]]);
	await page.click('#tab-graph');
	await page.keyboard.press('j');
	const hottest = await selection();
	const busiest = await look(() => {
		const { tools } = window.flickerscope;
		const { first, end } = tools.overview_source().span();
		return Math.max(...Array.from({ length: end - 1 - first }, (_, i) => tools.overview_source().busy(first + i)));
	});
	const busy = await look(() => window.flickerscope.source.summary(window.flickerscope.ranges).cpus_busy);
	assert.ok(Math.abs(busy - busiest) < 0.05 && hottest.end_us - hottest.start_us <= 1e6, `${busy} ${busiest}`);
	await page.locator('#overview canvas').click({ position: { x: (await geometry()).left + 4, y: 20 } });
	assert.equal((await geometry()).first, await look(() => window.flickerscope.tools.overview_source().span().first));
	assert.match(await page.getAttribute('#overview canvas', 'aria-valuetext') ?? '', /^from \d\d:/);
	await page.keyboard.press('Escape');
	await page.keyboard.press('l');
	assert.ok((await geometry()).first > first - 400);
	assert.deepEqual(page.problems, []);
});

test('Alt and a drag take the same part of every second: words, graph, table, what changed, link and export are of it', async () => {
	await page.keyboard.press('Escape');
	await page.click('#follow');
	const now_s = Math.floor(await look(() => window.flickerscope.map.now_us()) / 1e6);
	/* The cron job of the invented host runs from 640 to 680 ms of every second. */
	const [from, to] = [await mapPoint(page, (now_s - 40) * 1e6 + 680_000), await mapPoint(page, (now_s - 30) * 1e6 + 640_000)];
	await page.mouse.move(from.x, from.y);
	await page.keyboard.down('Alt');
	await page.mouse.down();
	await page.mouse.move(to.x, to.y, { steps: 3 });
	await page.mouse.up();
	await page.keyboard.up('Alt');
	const ranges = () => look(() => window.flickerscope.ranges);
	const bands = await ranges();
	const shown = await look(() => {
		const { map: { geometry, frozen_us }, source } = window.flickerscope;
		return Array.from({ length: geometry.columns }, (_, i) => (geometry.first + i) * 1e6)
			.filter((us) => us + 640e3 >= source.oldest_us() && us + 680e3 <= (frozen_us ?? source.now_us())).length;
	});
	assert.ok(shown > 100 && Math.abs(bands.length - shown) <= 1, `${bands.length} of ${shown}`);
	const [first] = bands;
	bands.forEach(({ start_us, end_us }, i) => assert.deepEqual([start_us - i * 1e6, end_us - i * 1e6], [first.start_us, first.end_us]));
	const offset_us = first.start_us - Math.floor(first.start_us / 1e6) * 1e6;
	assert.ok(Math.abs(offset_us - 640e3) <= 4000 && Math.abs(first.end_us - first.start_us - 40e3) <= 8000, `${offset_us}`);
	assert.match(await page.textContent('#selection b'), new RegExp(`^${bands.length} × (3|4)\\d ms$`));
	/* Samples are those of the bands, wherever they are counted. */
	const counted = await look(() => {
		const { source, ranges, graph } = window.flickerscope;
		let samples = 0;
		for (const range of ranges) samples += source.tree_build([range]).total[0];
		return [samples, graph.tree.total[0]];
	});
	await page.click('#stacks');
	counted.push(Number((await page.textContent('#sheet .lead b')).split(' of ')[1].replace(/\D/g, '')));
	await page.keyboard.press('Escape');
	assert.ok(counted[0] > 100 && counted[0] === counted[1] && counted[2] > 0 && counted[2] <= counted[0], String(counted));
	assert.ok((await graphShare(page, 'cron_job')).samples > counted[0] / 2);
	/* What a capture of them holds is said before it is saved. */
	assert.ok(await page.isVisible('#selection button:text-is("Save first to last")'));
	await page.click('#export');
	assert.ok(await page.isVisible('text=Capture from first to last'));
	await page.keyboard.press('Escape');
	await page.click('#tab-table');
	assert.match(await page.textContent('#table tbody tr td'), /qsort_r|fsync|rotate|ext4_sync_file/);
	/* Its ends move in all of them, and E takes one of them alone and all again. */
	await page.focus('#map-focus');
	await page.keyboard.press('Control+ArrowUp');
	const longer = await ranges();
	assert.equal(longer.length, bands.length);
	assert.equal(longer[5].end_us, bands[5].end_us + 1000);
	await page.keyboard.press('e');
	assert.deepEqual(await ranges(), [longer[0]]);
	await page.click('text=Every second');
	assert.equal((await ranges()).length, longer.length);
	/* Compared with what is beside it in the same seconds. */
	await page.click('text=Show what changed');
	await page.waitForFunction(() => /CPUs busy (instead of|on both sides)/.test(document.querySelector('#changes b')?.textContent ?? ''));
	assert.match(await page.textContent('#changes'), /rotate|qsort_r|cron_job/);
	const address = await link(/from=.*seconds=\d+.*tab=compare&baseline=rest/);
	const linked = await ranges();
	await page.keyboard.press('Escape');
	await page.waitForFunction(() => !location.hash.includes('seconds='));
	await look((fragment) => { location.hash = fragment; }, address);
	await page.waitForFunction(() => window.flickerscope.ranges);
	assert.deepEqual(await ranges(), linked);
	/* The browser's own way back, and forth. */
	await page.goBack();
	await page.waitForFunction(() => !window.flickerscope.ranges);
	await page.goForward();
	await page.waitForFunction(() => window.flickerscope.ranges);
	assert.deepEqual(await ranges(), linked);
	/* Through zooms as well. */
	await page.click('#tab-graph');
	await painted(page);
	await look(() => {
		const { graph } = window.flickerscope;
		graph.zoom_to(graph.rects.find(({ node, depth }) => node > 0 && depth === 2).node);
	});
	await link(/zoom=/);
	await page.goBack();
	await page.waitForFunction(() => !window.flickerscope.graph.zoomed());
	await page.goForward();
	await page.waitForFunction(() => window.flickerscope.graph.zoomed());
	assert.deepEqual(await ranges(), linked);
	await page.keyboard.press('0');
	await page.click('#export');
	const download = page.waitForEvent('download');
	await page.click('[role="menuitem"]:has-text("folded")');
	const folded = await readFile(await (await download).path(), 'utf8');
	const total = folded.trim().split('\n').reduce((sum, line) => sum + Number(line.split(' ').pop()), 0);
	assert.equal(total, await look(() => window.flickerscope.graph.tree.total[0]));
	await page.keyboard.press('Escape');
	await page.keyboard.press('l');
	assert.deepEqual(page.problems, []);
});

test('a connection that drops in the middle of a drag, a file of another version and a page that slept: said in place, nothing lost', async () => {
	await page.click('#follow'); // else the map may move on while the pointer does
	const before_us = await look(() => window.flickerscope.source.profile.covered_us);
	const now_s = Math.floor(await look(() => window.flickerscope.map.now_us()) / 1e6);
	const [from, to] = [await mapPoint(page, (now_s - 12) * 1e6 + 200_000), await mapPoint(page, (now_s - 8) * 1e6 + 500_000)];
	await page.mouse.move(from.x, from.y);
	await page.mouse.down();
	await page.mouse.move(from.x + 10, from.y);
	await look(() => {
		window.dropped = window.flickerscope.connection.feed.socket;
		window.dropped.close();
	});
	await page.waitForFunction(() => window.flickerscope.connection.feed.socket !== window.dropped);
	await page.mouse.move(to.x, to.y);
	await page.mouse.up();
	const selected = await selection();
	assert.ok(Math.abs(selected.end_us - selected.start_us - 4.3e6) < 20e3, JSON.stringify(selected));
	await page.waitForFunction((us) => window.flickerscope.connection.state().kind === 'live' && window.flickerscope.source.profile.covered_us > us + 1e6, before_us);
	assert.deepEqual(await selection(), selected);
	assert.deepEqual(await holes(before_us), []);

	await look(() => {
		const bytes = new Uint8Array(64);
		bytes.set([0x89, 0x46, 0x4c, 0x4b, 0x0d, 0x0a, 0x1a, 0x0a]);
		new DataView(bytes.buffer).setUint16(8, 3, true);
		new DataView(bytes.buffer).setUint32(12, 40, true);
		const files = new DataTransfer();
		files.items.add(new File([bytes], 'later.flk'));
		dispatchEvent(new DragEvent('drop', { dataTransfer: files, cancelable: true }));
	});
	await page.waitForFunction(() => /later\.flk.*needs a newer flickerscope: it has format 3/.test(document.querySelector('#notice').textContent));
	assert.deepEqual(await selection(), selected);

	/* The page's clock goes on by an hour, as it does over a lid that was closed. */
	await look(() => {
		const { now } = Date;
		Date.now = () => now() + 3720e3;
		setTimeout(() => (Date.now = now), 1100);
	});
	await page.waitForFunction(() => /^This page slept for 1 h 2 min: \d+ s fetched, 1 h [12] min are no longer kept\.$/.test(document.querySelector('#notice').textContent));
	assert.deepEqual(await selection(), selected);
	await page.keyboard.press('Escape');
	await page.keyboard.press('l');

	/* A tab that was frozen while memory was short: the oldest is let go, which is said, and all that came meanwhile is there. */
	const session = await page.context().newCDPSession(page);
	const kept = await look(() => {
		const { profile } = window.flickerscope.source;
		profile.bytes_max = Math.round(profile.byte_count * 0.8);
		return { bytes_max: profile.bytes_max, covered_us: profile.covered_us };
	});
	await session.send('Page.setWebLifecycleState', { state: 'frozen' });
	await sleep(1500);
	await session.send('Page.setWebLifecycleState', { state: 'active' });
	await page.waitForFunction(({ bytes_max, covered_us }) => {
		const { profile } = window.flickerscope.source;
		return profile.covered_us > covered_us + 1.5e6 && profile.byte_count <= bytes_max &&
			/^The oldest [\d\u2009]+ samples did not fit into the page's memory\.$/.test(document.querySelector('#notice').textContent);
	}, kept);
	assert.deepEqual(await holes(kept.covered_us), []);
	assert.deepEqual(page.problems, []);
});
