/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page with much to show, in a real browser: an hour of 64 CPUs at 99 Hz (22.8 million samples, 100,000
 * calls), and three minutes of them with 200,000 calls. Beside it d3-flame-graph and speedscope with
 * the same trees, in the same run.
 *
 *	node tests/bench/large/page.mjs [MINUTES [own]]
 *
 * MINUTES of the first capture: 60. own: without the others. Headless Chromium draws in software here. Prints tables in Markdown.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dragTimes, loaded, mapPoint, openBrowser, openPage, painted } from '../../browser/page.mjs';
import { program, root, sleep } from '../../e2e/agent.mjs';
import { folder, start, stop } from '../children.mjs';
import { capture_write } from './capture.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const CPUS = 64, MINUTES = Number(process.argv[2] ?? 60), OWN = process.argv[3] === 'own', TURNS = 7, DRAG_S = 158, LIMIT_MS = 60_000;
const at = (values, share) => values[Math.min(values.length - 1, Math.floor(values.length * share))];
function row(label, values, target = '') {
	values.sort((a, b) => a - b);
	console.log(`| ${label} | ${target} | ${at(values, 0.5).toFixed(1)} | ${at(values, 0.95).toFixed(1)} | ${values.at(-1).toFixed(1)} | ${values.length} |`);
}
const table = (title) => console.log(`\n## ${title}\n\n| what | target | median | p95 | most | of |\n| --- | --- | --- | --- | --- | --- |`);

/* ---- in the page ---- */

/** Notes when frames begin; asks for one after the other. */
const meter_add = (page) => page.evaluate(() => {
	const meter = window.meter = { steps: [], on: false, last: 0 };
	const frame = (now) => {
		if (meter.on && meter.last) meter.steps.push(now - meter.last);
		meter.last = now;
		if (meter.on) performance.mark('frame');
		requestAnimationFrame(frame);
	};
	requestAnimationFrame(frame);
});

/**
 * What frames cost the page: all that its main thread does from the end of one frame to the end of the next, its events and its
 * waits for other threads included, by the clock and by its CPU time, as the browser traces it; and how far apart frames are. A
 * message that the page sends itself from a frame says too much: behind a key the browser holds it back, and the
 * thread does nothing until the next frame is done.
 */
async function metered(page, act) {
	const browser = page.context().browser();
	await browser.startTracing(page, { categories: ['toplevel', 'blink.user_timing'] });
	await page.evaluate(() => {
		performance.mark('metered');
		Object.assign(window.meter, { steps: [], last: 0, on: true });
	});
	await act();
	const steps = await page.evaluate(() => {
		window.meter.on = false;
		performance.mark('metered');
		return window.meter.steps;
	});
	const { traceEvents } = JSON.parse(await browser.stopTracing());
	const [from, to] = traceEvents.filter(({ name }) => name === 'metered');
	const own = traceEvents.filter(({ pid, tid, ts }) => pid === from.pid && tid === from.tid && ts > from.ts && ts < to.ts);
	const frames = own.filter(({ name }) => name === 'frame').map(({ ts }) => ts).sort((a, b) => a - b);
	const costs = [], cpu = [];
	let cost = 0, cpu_ms = 0, frame = 0;
	for (const { ts, dur, tdur } of own.filter(({ name }) => name === 'ThreadControllerImpl::RunTask').sort((a, b) => a.ts - b.ts)) {
		cost += dur / 1e3;
		cpu_ms += (tdur ?? 0) / 1e3;
		if (!(frames[frame] < ts + dur)) continue;
		frame++;
		costs.push(cost);
		cpu.push(cpu_ms);
		cost = cpu_ms = 0;
	}
	return { costs, cpu, steps };
}

/** From an event to the end of the frame that it changed. */
const until_painted = (page, type) => page.evaluate((type) => {
	window.measured = new Promise((done) => addEventListener(type, () => {
		const began = performance.now();
		requestAnimationFrame(() => {
			const { port1, port2 } = new MessageChannel();
			port1.onmessage = () => done(performance.now() - began);
			port2.postMessage(0);
		});
	}, { once: true, capture: true }));
}, type);

const graph_facts = (page) => page.evaluate(() => ({ samples: window.flickerscope.graph.tree.total[0], calls: window.flickerscope.graph.tree.count }));

/* ---- parts ---- */

async function open_view(browser, file) {
	const child = start(program, ['view', '--listen', '127.0.0.1:0', '--token-file', join(folder, 'token'), file], { stdio: ['ignore', 'pipe', 'inherit'] });
	await child.said;
	const page = await openPage(browser, { url: child.text.split('\n')[0] });
	await page.waitForFunction(() => window.flickerscope.tools && !window.flickerscope.source.profile.loading, null, { timeout: 600_000 });
	await loaded(page);
	/* What is unusual has been looked for. */
	await page.waitForFunction(() => !window.flickerscope.source.unusual || window.flickerscope.source.unusual.next >= Math.floor(window.flickerscope.source.profile.covered_us / 1e6) - 1,
		null, { timeout: 600_000 }).catch(() => console.log('\nNot all seconds were looked at yet.\n'));
	await meter_add(page);
	return { page, child };
}

async function memory(page) {
	const session = await page.context().newCDPSession(page);
	await session.send('HeapProfiler.collectGarbage');
	const heap = await session.send('Runtime.getHeapUsage');
	await session.detach();
	return { heap_mb: (heap.usedSize + (heap.backingStorageSize ?? 0)) / 1e6,
		profile_mb: await page.evaluate(() => window.flickerscope.source.profile.byte_count / 1e6) };
}

async function drags(page) {
	const now_us = await page.evaluate(() => window.flickerscope.source.now_us());
	const ends = [], previews = { costs: [], cpu: [], steps: [] };
	let facts;
	for (let turn = 0; turn < TURNS; turn++) {
		const from_us = now_us - (DRAG_S + 5 + turn / 10) * 1e6;
		await until_painted(page, 'pointerup');
		await dragTimes(page, from_us, from_us + DRAG_S * 1e6);
		ends.push(await page.evaluate(() => window.measured));
		facts = await graph_facts(page);
		await page.keyboard.press('Escape');
		/* The same, slowly. */
		const from = await mapPoint(page, from_us);
		await page.mouse.move(from.x, from.y);
		await page.mouse.down();
		const { costs, cpu, steps } = await metered(page, async () => {
			for (let step = 1; step <= 30; step++) await page.mouse.move(from.x + step * 30, from.y + step % 7);
		});
		previews.costs.push(...costs);
		previews.cpu.push(...cpu);
		previews.steps.push(...steps);
		await page.mouse.up();
	}
	row(`drag end to painted graph, ${facts.samples} samples, ${facts.calls} calls`, ends, 50);
	row('frame while dragging, work of the page', previews.costs, 16);
	row('... of that CPU', previews.cpu);
	row('... from frame to frame', previews.steps);
}

/** All of it, typed. */
async function choose_all(page) {
	const times = [];
	for (let turn = 0; turn < TURNS; turn++) {
		await page.keyboard.press('Escape');
		await page.evaluate((turn) => {
			const { source } = window.flickerscope;
			window.all = { start_us: source.oldest_us() + turn * 1000, end_us: source.now_us() };
		}, turn);
		times.push(await page.evaluate(() => new Promise((done) => {
			const { start_us, end_us } = window.all;
			const began = performance.now();
			window.flickerscope.tools.page.select([{ start_us, end_us }]);
			requestAnimationFrame(() => {
				const { port1, port2 } = new MessageChannel();
				port1.onmessage = () => done(performance.now() - began);
				port2.postMessage(0);
			});
		})));
	}
	const { samples, calls } = await graph_facts(page);
	row(`selecting to painted graph, ${samples} samples, ${calls} calls`, times, 120);
}

/** Into the widest frames and out again; then letters of a search. */
async function zooms(page) {
	const zoom = await metered(page, async () => {
		for (let turn = 0; turn < TURNS; turn++) {
			const point = await page.evaluate((turn) => {
				const { graph } = window.flickerscope;
				const rect = graph.rects.filter(({ node, depth }) => node > 0 && depth === 1 + turn % 6)[0];
				const box = graph.canvas.getBoundingClientRect();
				return { x: box.left + 16 + (rect.x0 + rect.x1) / 2, y: box.top + graph.row_top(rect.depth) + 9 };
			}, turn);
			await page.mouse.click(point.x, point.y);
			await sleep(250);
			await page.keyboard.press('0');
			await sleep(250);
		}
	});
	row('frame while zooming, work of the page', zoom.costs, 16);
	row('... of that CPU', zoom.cpu);
	row('... from frame to frame', zoom.steps);
	const search = await metered(page, async () => {
		await page.focus('#search');
		for (const letters of ['d1', 'd19 f7', 'f.*3$'])
			for (const letter of letters) {
				await page.keyboard.type(letter);
				await sleep(80);
			}
	});
	row('frame while searching, work of the page', search.costs, 16);
	row('... of that CPU', search.cpu);
	row('... from frame to frame', search.steps);
	await page.fill('#search', '');
}

/* ---- others ---- */

/** What the graph shows, as others read it. */
const tree_take = (page) => page.evaluate(() => {
	const { tree } = window.flickerscope.graph;
	const nodes = Array.from({ length: tree.count }, (_, node) => ({ name: node ? tree.name(node) : 'all', value: tree.total[node], children: [] }));
	const stacks = [];
	for (let node = 1; node < tree.count; node++) {
		nodes[tree.parent[node]].children.push(nodes[node]);
		stacks[node] = tree.parent[node] ? `${stacks[tree.parent[node]]};${nodes[node].name}` : nodes[node].name;
	}
	return { json: JSON.stringify(nodes[0]), folded: stacks.flatMap((stack, node) => (tree.self[node] ? [`${stack} ${tree.self[node]}`] : [])).join('\n') };
});

const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.woff2': 'font/woff2' };

async function serve(tree) {
	writeFileSync(join(folder, 'd3.js'), "import flamegraph from 'd3-flame-graph'; import { select } from 'd3-selection'; Object.assign(window, { flamegraph, select });");
	execFileSync('esbuild', ['--bundle', '--format=iife', `--outfile=${join(folder, 'd3-bundle.js')}`, '--log-level=error', join(folder, 'd3.js')],
		{ env: { ...process.env, NODE_PATH: join(here, 'node_modules') } });
	const speedscope = join(root, 'tests', 'node_modules', 'speedscope', 'dist', 'release');
	const server = createServer((request, response) => {
		const path = new URL(request.url, 'http://x').pathname;
		try {
			const body = path === '/d3' ? '<!doctype html><meta charset=utf-8><body style="margin:0"><div id=chart></div><script src=/d3-bundle.js></script>'
				: path === '/d3-bundle.js' ? readFileSync(join(folder, 'd3-bundle.js'))
					: path === '/tree.json' ? tree.json : path === '/tree.folded' ? tree.folded
						: readFileSync(join(speedscope, path.slice(1)));
			response.setHeader('content-type', path === '/d3' ? 'text/html' : types[extname(path)] ?? 'text/plain');
			response.end(body);
		} catch {
			response.statusCode = 404;
			response.end();
		}
	});
	await new Promise((done) => server.listen(0, '127.0.0.1', done));
	return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

/** @param {number} least frames narrower than so many pixels are left out, 0: none */
async function d3_measure(browser, origin, least) {
	const name = `d3-flame-graph${least ? ', frames under 1 px left out' : ''}`;
	const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
	await page.goto(`${origin}/d3`);
	await meter_add(page);
	const times = await Promise.race([sleep(LIMIT_MS), page.evaluate(async (least) => {
		const data = await (await fetch('/tree.json')).json();
		const drawn = (act) => new Promise((done) => {
			const began = performance.now();
			act();
			requestAnimationFrame(() => {
				const { port1, port2 } = new MessageChannel();
				port1.onmessage = () => done(performance.now() - began);
				port2.postMessage(0);
			});
		});
		const chart = window.flamegraph().width(1408).cellHeight(18).minFrameSize(least).transitionDuration(120);
		const first = await drawn(() => window.select('#chart').datum(data).call(chart));
		const update = await drawn(() => chart.update(structuredClone(data)));
		const rects = [...document.querySelectorAll('#chart g')];
		return { first, update, frames: rects.length };
	}, least)]);
	if (!times) {
		console.log(`| ${name}: first drawing and update | | not done after ${LIMIT_MS / 1000} s | | | |`);
		return;
	}
	const zoom = await metered(page, async () => {
		await page.evaluate(() => document.querySelectorAll('#chart g')[2].dispatchEvent(new MouseEvent('click', { bubbles: true })));
		await sleep(1000);
	});
	await page.close();
	row(`${name}: first drawing, ${times.frames} frames`, [times.first]);
	row(`${name}: update`, [times.update]);
	row(`${name}: frame while zooming`, zoom.costs);
}

async function speedscope_measure(browser, origin) {
	const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
	await page.addInitScript(() => {
		window.shown = new Promise((done) => {
			const look = () => (document.querySelector('canvas') && /process/.test(document.title + document.body.textContent) || document.querySelectorAll('canvas').length > 1
				? requestAnimationFrame(() => done(performance.now())) : requestAnimationFrame(look));
			addEventListener('DOMContentLoaded', look);
		});
	});
	await page.goto(`${origin}/index.html#profileURL=${encodeURIComponent(`${origin}/tree.folded`)}&view=left-heavy`);
	const first = await Promise.race([page.evaluate(() => window.shown), sleep(60_000).then(() => NaN)]);
	await meter_add(page);
	const zoom = await metered(page, async () => {
		await page.mouse.move(700, 300);
		await page.keyboard.down('Control');
		for (let step = 0; step < 30; step++) {
			await page.mouse.wheel(0, -30);
			await sleep(20);
		}
		await page.keyboard.up('Control');
	});
	await page.close();
	row('speedscope: page opened to drawn, its reading of folded stacks included', [first]);
	row('speedscope: frame while zooming', zoom.costs);
	row('... from frame to frame', zoom.steps);
}

/** Our own graph of the same tree, as an update while live is. */
async function own_update(page) {
	const times = [];
	for (let turn = 0; turn < TURNS; turn++)
		times.push(await page.evaluate(() => new Promise((done) => {
			const { graph } = window.flickerscope;
			const began = performance.now();
			graph.tree_show(graph.tree);
			graph.changed();
			requestAnimationFrame(() => {
				const { port1, port2 } = new MessageChannel();
				port1.onmessage = () => done(performance.now() - began);
				port2.postMessage(0);
			});
		})));
	row('flickerscope: update', times);
}

const hour = join(folder, 'hour.flk'), wide = join(folder, 'wide.flk');
await capture_write(hour, { cpus: CPUS, seconds: MINUTES * 60, calls: 100_000 });
await capture_write(wide, { cpus: CPUS, seconds: 180, calls: 200_000 });
const browser = await openBrowser();
console.log(`# The page with much to show, ${new Date().toISOString().slice(0, 10)}, Chromium ${browser.version()}\n\nMilliseconds.`);

table(`${MINUTES} minutes of ${CPUS} CPUs at 99 Hz`);
let opened = await open_view(browser, hour);
await drags(opened.page);
await choose_all(opened.page);
const { heap_mb, profile_mb } = await memory(opened.page);
const kept = await opened.page.evaluate(() => ({ samples: window.flickerscope.source.profile.sample_count, evicted: window.flickerscope.source.profile.evicted.samples,
	said: document.querySelector('#notice').textContent }));
console.log(`\nMemory of the page: ${heap_mb.toFixed(0)} MB, of which samples and names ${profile_mb.toFixed(0)}; ${kept.samples} samples, ${kept.evicted} let go. Target: 300 MB. It says: "${kept.said}"`);
await opened.page.close();
await stop(opened.child, 'SIGTERM');

table('Three minutes with 200,000 calls');
opened = await open_view(browser, wide);
await opened.page.evaluate(() => window.flickerscope.tools.page.select([{ start_us: window.flickerscope.source.oldest_us(), end_us: window.flickerscope.source.now_us() }]));
await painted(opened.page);
await zooms(opened.page);
const { samples, calls } = await graph_facts(opened.page);

table(`The same tree, ${samples} samples, ${calls} calls, beside others`);
await own_update(opened.page);
const { server, origin } = OWN ? {} : await serve(await tree_take(opened.page));
await opened.page.close();
await stop(opened.child, 'SIGTERM');
if (server) {
	await d3_measure(browser, origin, 1);
	await speedscope_measure(browser, origin);
	await d3_measure(browser, origin, 0);
	server.close();
}
await browser.close();
process.exit(0);
