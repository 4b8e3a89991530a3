/* SPDX-License-Identifier: Apache-2.0 */
/* The real page of a real agent in a browser, with the hands and eyes that tests need. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { launch_options } from './browser.mjs';

const feedPath = fileURLToPath(new URL('../viewer/synthetic_feed.mjs', import.meta.url));

export const openBrowser = () => chromium.launch(launch_options);

/**
 * An invented host that has so many seconds behind it already. Unless told otherwise, those at the map's
 * right side have no lost samples, nor do the next 45: it loses some 40 s after each one and a half minutes.
 */
export async function startFeed(seconds = 265) {
	const feed = spawn(process.execPath, [feedPath, '0', String(seconds)], { stdio: ['ignore', 'pipe', 'inherit'] });
	return { address: String((await once(feed.stdout, 'data'))[0]).trim(), stop: () => feed.kill() };
}

/** All that was there when the page opened has been read. */
export const loaded = (page) => page.waitForFunction(() => window.flickerscope?.source.now_us() > 0 &&
	!window.flickerscope.source.profile.loading);

/** What browsers say by themselves when an agent is not there: nothing that the page does wrong. */
const disconnected = /WebSocket connection to .* failed|net::ERR_(CONNECTION_(REFUSED|RESET)|CONTENT_LENGTH_MISMATCH|EMPTY_RESPONSE)/;

/**
 * Opens the page of an agent and waits for its first data. `page.problems` gathers what the console
 * said, what failed, and who else was asked.
 */
export async function openPage(browser, agent, { width = 1440, height = 900, theme = 'light', mayDisconnect = false } = {}) {
	const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme });
	page.problems = [];
	page.on('console', (message) => {
		if (!(mayDisconnect && disconnected.test(message.text()))) page.problems.push(message.text());
	});
	page.on('pageerror', (error) => page.problems.push(error.stack));
	page.on('request', (request) => {
		if (new URL(request.url()).host !== new URL(agent.url).host) page.problems.push(`asked ${request.url()}`);
	});
	await page.goto(agent.url);
	await page.waitForFunction(() => window.flickerscope?.source.now_us() > 0);
	return page;
}

/** Two frames, and those that the map takes for many cells: what was asked for has been painted. */
export const painted = (page) => page.evaluate(() => new Promise((done) => {
	const look = () => {
		const { map } = window.flickerscope ?? {};
		if (!map || map.changed_end <= map.changed_from || map.rests()) done();
		else requestAnimationFrame(look);
	};
	requestAnimationFrame(() => requestAnimationFrame(look));
}));

/** The point of the window where a moment of the page's time stands on the map. */
export function mapPoint(page, us) {
	return page.evaluate((us) => {
		const { geometry, overlay_canvas } = window.flickerscope.map;
		const box = overlay_canvas.getBoundingClientRect();
		const second = Math.floor(us / 1e6);
		return { x: box.left + geometry.column_x(second) + geometry.column / 2, y: box.top + geometry.offset_y(us - second * 1e6) };
	}, us);
}

/** Drags over the map from one moment to another. */
export async function dragTimes(page, from_us, to_us) {
	await page.keyboard.press('Escape'); // else the drag may take a grip that is there
	const [from, to] = [await mapPoint(page, from_us), await mapPoint(page, to_us)];
	await page.mouse.move(from.x, from.y);
	await page.mouse.down();
	await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2);
	await page.mouse.move(to.x, to.y);
	await page.mouse.up();
}

/** Samples in the flame graph that is shown, and how many of them lie in or below a function. */
export function graphShare(page, name) {
	return page.evaluate((name) => {
		const { tree } = window.flickerscope.graph;
		const within = new Uint8Array(tree.count);
		let samples = 0;
		for (let node = 1; node < tree.count; node++) {
			within[node] = within[tree.parent[node]] || tree.name(node) === name;
			if (within[node]) samples += tree.self[node];
		}
		return { samples, total: tree.total[0] };
	}, name);
}

/** The point in the middle of a function's widest frame, and its width; null: it is not drawn. */
export async function framePoint(page, name) {
	await painted(page);
	return page.evaluate((name) => {
		const { graph } = window.flickerscope;
		const rect = graph.rects.find(({ node }) => node >= 0 && graph.tree.name(node) === name);
		if (!rect) return null;
		const box = graph.canvas.getBoundingClientRect();
		return { x: box.left + 16 + (rect.x0 + rect.x1) / 2, y: box.top + rect.depth * 18 + 9, width: rect.x1 - rect.x0 };
	}, name);
}

/**
 * What is on the map's canvas between two moments of one second, as rows of [red, green, blue] from the
 * bottom up.
 */
export async function mapPixels(page, from_us, to_us) {
	await painted(page);
	return page.evaluate(([from_us, to_us]) => {
		const { cells: { canvas }, geometry } = window.flickerscope.map;
		const second = Math.floor(from_us / 1e6);
		const [x0, x1] = [0, 1].map((side) => Math.round((second + side - geometry.first) * geometry.column * geometry.scale));
		const [y0, y1] = [to_us, from_us].map((us) => Math.round((1 - (us / 1e6 - second)) * canvas.height));
		/* A copy, because a canvas that is read gets slow, and browsers say so. */
		const copy = new OffscreenCanvas(x1 - x0, Math.max(1, y1 - y0));
		const context = copy.getContext('2d', { willReadFrequently: true });
		context.drawImage(canvas, -x0, -y0);
		const { data } = context.getImageData(0, 0, copy.width, copy.height);
		const rows = [];
		for (let y = copy.height - 1; y >= 0; y--)
			rows.push(Array.from({ length: copy.width }, (_, x) => [...data.subarray((y * copy.width + x) * 4, (y * copy.width + x) * 4 + 3)]));
		return rows;
	}, [from_us, to_us]);
}

/** 0 to 1. */
export const lightness = ([red, green, blue]) => (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
