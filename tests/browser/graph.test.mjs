/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done with the flame graph, on the synthetic feed: all of it by keyboard as well. */

import { foldedCounts } from "../e2e/profiles.mjs";
import { loaded, openBrowser, painted, startFeed } from "./page.mjs";
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

let feed, browser, page;
const problems = [];

before(async () => {
	feed = await startFeed();
	browser = await openBrowser();
	const context = await browser.newContext({ viewport: { width: 1440, height: 900 },
		permissions: ["clipboard-read", "clipboard-write"] });
	page = await context.newPage();
	page.on("console", (message) => problems.push(message.text()));
	page.on("pageerror", (error) => problems.push(error.stack));
	await page.goto(feed.address);
	await loaded(page);
	/* Nothing moves from here on. */
	await page.keyboard.press(" ");
});

after(async () => {
	await browser?.close();
	feed?.stop();
});

beforeEach(async () => {
	await page.click("#tab-graph");
	await page.evaluate(() => {
		window.flickerscope.view.set({ layout: "icicle", by: "function", color: "kind", order: "auto", recursion: false, steps: [] });
		window.flickerscope.graph.zoom_forget();
		window.flickerscope.graph.cursor = -1;
		/* A button would take the space bar. */
		document.activeElement.blur();
	});
	await painted(page);
});

/** Samples of functions by name, in the graph or one of the two of the callers. */
const totals = (which = "graph") => page.evaluate((which) => {
	const graph = which === "graph" ? window.flickerscope.graph : window.flickerscope.callers[which];
	const { tree } = graph;
	const sums = { "": tree.total[0] };
	for (let node = 0; node < tree.count; node++)
		sums[tree.name(node)] = (sums[tree.name(node)] ?? 0) + tree.total[node];
	return sums;
}, which);

async function frame_point(name) {
	await painted(page);
	return page.evaluate((name) => {
		const { graph } = window.flickerscope;
		const rect = graph.rects.find(({ node }) => node >= 0 && graph.tree.name(node) === name);
		const box = graph.canvas.getBoundingClientRect();
		return { x: box.left + 16 + (rect.x0 + rect.x1) / 2,
			y: box.top + graph.row_top(rect.depth) - graph.scroller.scrollTop + 9 };
	}, name);
}

async function menu_choose(name, item) {
	const { x, y } = await frame_point(name);
	await page.mouse.click(x, y, { button: "right" });
	await page.getByRole("menuitem", { name: item }).click();
	await painted(page);
}

test("letters of a search draw only frames that change, and the picture is that of all drawn", async () => {
	/* Pixels that differ from the graph drawn anew; and how many frames were drawn. */
	const look = () => page.evaluate(async () => {
		const { graph } = window.flickerscope;
		const { rect_draw } = graph;
		/* Whatever is to be drawn yet: names may have come, or the pointer may have found another frame. */
		while (graph.dirty || graph.animation || graph.stale || graph.hits_stale)
			await new Promise((done) => requestAnimationFrame(done));
		const pixels = () => {
			const copy = new OffscreenCanvas(graph.canvas.width, graph.canvas.height);
			const context = copy.getContext("2d", { willReadFrequently: true });
			context.drawImage(graph.canvas, 0, 0);
			return new Uint32Array(context.getImageData(0, 0, copy.width, copy.height).data.buffer);
		};
		const shown = pixels();
		let drawn = 0;
		graph.rect_draw = (...rest) => {
			drawn++;
			rect_draw.apply(graph, rest);
		};
		graph.draw(false);
		const again = drawn;
		graph.draw(true);
		delete graph.rect_draw;
		const anew = pixels();
		return { differ: shown.filter((pixel, i) => pixel !== anew[i]).length, again, drawn: drawn - again };
	});
	const point = await frame_point("ingest::run(int)");
	for (const tab of ["graph", "compare"]) {
		await page.click(`#tab-${tab}`);
		await page.mouse.move(point.x, point.y); /* with a frame's outline */
		await page.focus("#search");
		for (const letter of ["^", "i", "n", "g", "Backspace", "t", "Backspace", "Backspace", "Backspace"]) {
			await page.keyboard.press(letter);
			await painted(page);
			const { differ, again, drawn } = await look();
			assert.equal(differ, 0, `${tab}, behind ${letter}`);
			assert.equal(again, 0);
			assert.ok(drawn > 20);
		}
		await page.fill("#search", "");
	}
	await page.mouse.move(5, 5);
	await page.evaluate(() => document.activeElement.blur());
	await page.keyboard.press("Escape");
});

test("where a frame's name and how it changed have no room beside each other, the name is drawn", async () => {
	await page.evaluate(() => {
		const { source, tools } = window.flickerscope, end_us = Math.floor(source.now_us() / 1e6) * 1e6 - 5e6;
		tools.page.select([{ start_us: end_us - 10e6, end_us }]);
	});
	await page.click("#tab-compare");
	await painted(page);
	const drawn = await page.evaluate(() => {
		const { graph } = window.flickerscope, { label_draw, width } = graph;
		const labels = new Map();
		graph.label_draw = (context, label, style, ink, rect, y, taken) => labels.set(rect, graph.text.fit(graph.fonts[style], label, rect.x1 - rect.x0 - 11 - taken));
		const named = [];
		/* As in narrower windows. */
		for (graph.width = width; graph.width > 300; graph.width -= 4) {
			graph.dirty = true;
			graph.paint(performance.now());
			for (const rect of graph.rects)
				if (rect.node >= 0 && rect.x1 - rect.x0 > 150)
					named.push(labels.get(rect));
		}
		Object.assign(graph, { label_draw, width, dirty: true });
		graph.changed();
		return { named, changes: "certainties" in graph.tree };
	});
	assert.ok(drawn.changes && drawn.named.length > 100);
	assert.deepEqual(drawn.named.filter((name) => !name), []);
	await page.click("#tab-graph");
	await page.evaluate(() => window.flickerscope.tools.page.select(null));
});

test("a frame's menu shows it alone, leaves it out, counts it elsewhere, closes it; chips take that back", async () => {
	const all = await totals();
	await menu_choose("ingest::run(int)", /^Show only it/);
	const only = await totals();
	assert.equal(only[""], all["ingest::run(int)"]);
	assert.equal(only.main, undefined);
	await menu_choose("simd_json::to_tape", /^Leave out the samples/);
	const without = await totals();
	assert.equal(without[""], only[""] - only["simd_json::to_tape"]);
	assert.match(await page.textContent("#steps"), /only ingest::run\(…\).*without simd_json::to_tape/);
	await page.click("#steps button >> nth=0");
	await painted(page);
	assert.equal((await totals())[""], all[""] - all["simd_json::to_tape"]);
	await page.focus("#steps button");
	await page.keyboard.press("Enter");
	await painted(page);
	assert.deepEqual(await totals(), all);
	await menu_choose("simd_json::to_tape", /^Count its time/);
	const merged = await totals();
	assert.equal(merged["simd_json::to_tape"], undefined);
	assert.equal(merged.parse_str, all.parse_str);
	await menu_choose("Batch::push", /^Close it/);
	assert.equal((await totals())["Batch::push"], all["Batch::push"]);
	assert.equal((await totals()).__memmove_avx_unaligned_erms, undefined);
});

test("back and forward lead through the zooms", async () => {
	const trail = () => page.textContent("#trail");
	for (const name of ["java", "JavaThread::run"]) {
		const { x, y } = await frame_point(name);
		await page.mouse.click(x, y);
		await page.waitForFunction((name) => document.querySelector("#trail").textContent.includes(name), name);
	}
	assert.ok(await page.isDisabled("#zoom-forward"));
	await page.keyboard.press("Alt+ArrowLeft");
	assert.doesNotMatch(await trail(), /JavaThread/);
	await page.keyboard.press("Alt+ArrowRight");
	assert.match(await trail(), /JavaThread/);
	await page.click("#zoom-back");
	await page.click("#zoom-back");
	assert.match(await trail(), /^All/);
	assert.ok(await page.isDisabled("#zoom-back"));
	await page.click("#zoom-forward");
	assert.match(await trail(), /java/);
});

test("the panel turns the graph round and takes frames as modules; the pointer finds what it points at", async () => {
	await page.click("#view");
	await page.getByLabel("Callers stand").selectOption("flame");
	await page.getByLabel("Colours tell").selectOption("module");
	await page.keyboard.press("Escape");
	assert.equal(await page.evaluate(() => document.activeElement.id), "view");
	const below = await frame_point("all"), above = await frame_point("ingest::run(int)");
	assert.ok(below.y > above.y);
	await page.mouse.move(above.x, above.y);
	await page.waitForSelector("#card:not([hidden])");
	assert.match(await page.textContent("#card"), /ingest::run\(int\)/);
	assert.match(await page.textContent("#module-legend"), /libc\.so\.6/);
	await page.mouse.move(5, 5);
	const before = await totals();
	await page.evaluate(() => window.flickerscope.view.set({ by: "module" }));
	await painted(page);
	const modules = await totals();
	assert.equal(modules[""], before[""]);
	assert.ok(modules["libc.so.6"] > 0 && modules["ingest::run(int)"] === undefined);
});

test("frames are by name while live and by weight when paused", async () => {
	const order = () => page.evaluate(() => {
		const { graph } = window.flickerscope;
		return graph.rects.filter(({ depth, node }) => depth === 1 && node >= 0)
			.map(({ node }) => [graph.tree.name(node), graph.tree.total[node]]);
	});
	const frozen = await order();
	assert.deepEqual(frozen, [...frozen].sort(([, a], [, b]) => b - a));
	await page.keyboard.press("l");
	await painted(page);
	const live = (await order()).map(([name]) => name);
	assert.deepEqual(live, [...live].sort());
	await page.keyboard.press(" ");
	await painted(page);
	const again = await order();
	assert.deepEqual(again, [...again].sort(([, a], [, b]) => b - a));
});

test("callers and callees add up, and one goes on from frame to frame, by keyboard alone", async () => {
	const all = await totals();
	await page.focus("#graph");
	await page.evaluate(() => {
		const { graph } = window.flickerscope;
		graph.cursor = graph.tree.identity(Array.from({ length: graph.tree.count }, (_, node) => node)
			.find((node) => graph.tree.name(node) === "simd_json::to_tape"));
	});
	await page.keyboard.press("c");
	await page.waitForFunction(() => /simd_json/.test(document.querySelector("#trail").textContent));
	const callers = await totals("callers"), callees = await totals("callees");
	assert.equal(callers[""], all["simd_json::to_tape"]);
	assert.equal(callees[""], all["simd_json::to_tape"]);
	assert.equal(callers["Reader::next_batch(std::vector<int, std::allocator<int> >&)"], callers[""]);
	assert.equal(callees.parse_str + callees.parse_num, callees[""]);
	await page.focus(".half:first-child canvas");
	for (const key of ["ArrowUp", "Enter"])
		await page.keyboard.press(key);
	await page.waitForFunction(() => /Reader::next_batch/.test(document.querySelector("#trail").textContent));
	await page.keyboard.press("Alt+ArrowLeft");
	assert.match(await page.textContent("#trail"), /simd_json/);
	await page.getByRole("button", { name: /^qsort_r/ }).click();
	assert.match(await page.textContent("#trail"), /^qsort_r.*in itself/);
});

test("the menu opens by keyboard, moves by arrows, and copies the stack", async () => {
	await page.focus("#graph");
	for (const key of ["ArrowDown", "ArrowDown", "ArrowDown"])
		await page.keyboard.press(key);
	await page.keyboard.press("Shift+F10");
	await page.waitForSelector('[role="menu"]');
	assert.equal(await page.evaluate(() => document.activeElement.textContent), "Zoom into itEnter");
	await page.keyboard.press("End");
	await page.keyboard.press("Enter");
	assert.equal(await page.evaluate(() => document.activeElement.id), "graph");
	await page.waitForFunction(() => /^The stack is copied$/.test(document.querySelector("#announce").textContent));
	const lines = (await page.evaluate(() => navigator.clipboard.readText())).split("\n");
	const stack = await page.evaluate(() => {
		const { graph: { tree, cursor } } = window.flickerscope;
		const names = [];
		for (let at = tree.find(cursor); at > 0; at = tree.parent[at])
			names.push(tree.name(at));
		return names;
	});
	assert.ok(lines.length > 1);
	assert.deepEqual(lines, stack);
	await page.keyboard.press("Shift+F10");
	await page.keyboard.press("Escape");
	assert.equal(await page.$('[role="menu"]'), null);
});

test("what is shown is exported as a picture, a drawing and stacks", async () => {
	const exported = async (item) => {
		await page.click("#export");
		const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name: item }).click()]);
		const chunks = [];
		for await (const chunk of await download.createReadStream())
			chunks.push(chunk);
		return { name: download.suggestedFilename(), bytes: Buffer.concat(chunks) };
	};
	await page.evaluate(() => window.flickerscope.view.set({ steps: [{ kind: "hide", name: "qsort_r" }] }));
	await painted(page);
	const folded = await exported(/^Stacks, folded/);
	assert.match(folded.name, /^flickerscope-checkout-07-\d{8}T\d{6}Z\.folded$/);
	const counts = foldedCounts(folded.bytes.toString());
	assert.equal([...counts.values()].reduce((sum, count) => sum + count, 0), (await totals())[""]);
	assert.doesNotMatch(folded.bytes.toString(), /qsort_r/);
	const png = (await exported(/^Picture/)).bytes;
	assert.equal(png.readUInt32BE(16), await page.evaluate(() => document.querySelector("#graph").width));
	const svg = (await exported(/^Drawing/)).bytes.toString();
	const drawn = await page.evaluate((svg) => {
		const read = new DOMParser().parseFromString(svg, "image/svg+xml");
		return [read.querySelector("parsererror")?.textContent, read.querySelectorAll("g").length,
			window.flickerscope.graph.rects.length];
	}, svg);
	assert.deepEqual(drawn, [undefined, drawn[2], drawn[2]]);
	assert.match(svg, /<title>parse_str, /);
	assert.deepEqual(problems, []);
});
