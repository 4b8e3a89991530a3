/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the page takes in a real browser on the real agent: from a sample to its pixel, between two
 * frames, from the end of a drag to the painted graph.
 *
 *	node tests/bench/viewer.mjs
 *
 * Headless Chromium draws in software here. Prints tables in Markdown.
 */
import { join } from 'node:path';
import { dragTimes, openBrowser, openPage } from '../browser/page.mjs';
import { loadPath, program, sleep } from '../e2e/agent.mjs';
import { folder, start, stop } from './children.mjs';

const SECONDS = 15;

const at = (values, share) => values[Math.min(values.length - 1, Math.floor(values.length * share))];
const row = (label, values) => {
	values.sort((a, b) => a - b);
	console.log(`| ${label} | ${at(values, 0.5).toFixed(1)} | ${at(values, 0.95).toFixed(1)} | ${at(values, 0.99).toFixed(1)} | ${values.at(-1).toFixed(1)} |`);
};

/** Times between frames, and of each sample from its tick to the frame that first shows it. */
const watch = (page, ms) =>
	page.evaluate(
		(ms) =>
			new Promise((done) => {
				const { profile } = window.flickerscope.source;
				const frames = [];
				const latencies = [];
				const end = performance.now() + ms;
				let last = 0;
				let seen_us = profile.covered_us;
				const frame = () => {
					const now = performance.now();
					if (last) frames.push(now - last);
					last = now;
					const block = profile.blocks.at(-1);
					const covered_us = profile.covered_us;
					// What the page's own callback has drawn is on the screen after this frame.
					const painted_us = (performance.timeOrigin + performance.now()) * 1e3;
					for (let i = block.count - 1; i >= 0 && block.count - i < 4096; i--) {
						const time_us = block.start_us + block.time[i];
						if (time_us <= seen_us) break;
						latencies.push((painted_us - time_us) / 1e3);
					}
					seen_us = covered_us;
					if (now < end) requestAnimationFrame(frame);
					else done({ frames, latencies });
				};
				requestAnimationFrame(frame);
			}),
		ms,
	);

/** From the end of a drag to the first frame whose graph is that of the selection. */
async function dragToGraph(page, from_us, to_us) {
	await page.evaluate(() => {
		window.dragMeasured = new Promise((done) => {
			addEventListener('pointerup', () => {
				const began = performance.now();
				const frame = () => {
					const { ranges, source, graph } = window.flickerscope;
					if (ranges && source.last.tree === graph.tree && source.last.key === JSON.stringify(ranges)) done(performance.now() - began);
					else if (performance.now() - began > 5000) done(NaN);
					else requestAnimationFrame(frame);
				};
				requestAnimationFrame(frame);
			}, { once: true, capture: true });
		});
	});
	await dragTimes(page, from_us, to_us);
	return page.evaluate(() => window.dragMeasured);
}

const browser = await openBrowser();
console.log(`# The page, ${new Date().toISOString().slice(0, 10)}, Chromium ${browser.version()}\n`);
console.log('Milliseconds. Two CPUs are kept busy by the load beside the browser and the agent.\n');
console.log('| what | median | p95 | p99 | most |');
console.log('| --- | --- | --- | --- | --- |');
for (const rate of [99, 999]) {
	const load = start(loadPath('tree'), ['-s', SECONDS + 30]);
	const agent = start(program, ['live', '-F', rate, '--listen', '127.0.0.1:0', '--token-file', join(folder, 'token')],
		{ stdio: ['ignore', 'pipe', 'inherit'] });
	await agent.said;
	const page = await openPage(browser, { url: agent.text.split('\n')[0] });
	await sleep(4000);
	const { frames, latencies } = await watch(page, SECONDS * 1000);
	row(`sample to pixel, ${rate} Hz, ${latencies.length} samples`, latencies);
	row(`between two frames while live, ${rate} Hz`, frames);
	await page.keyboard.press(' ');
	const drags = [];
	for (let i = 0; i < 10; i++) {
		const now_us = await page.evaluate(() => window.flickerscope.source.now_us());
		drags.push(await dragToGraph(page, now_us - (10 + i / 10) * 1e6, now_us - (3 + i / 10) * 1e6));
	}
	row(`drag end to graph, ${rate} Hz, 7 s`, drags);
	await page.close();
	await stop(agent, 'SIGTERM');
	await stop(load, 'SIGKILL');
}
await browser.close();
process.exit(0);
