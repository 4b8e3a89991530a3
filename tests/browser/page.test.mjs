/* SPDX-License-Identifier: Apache-2.0 */
/* The page's own behaviour in a real browser, on the synthetic feed: the same work in every second. */

import { loaded, openBrowser, painted, startFeed } from "./page.mjs";
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

let feed, browser, page;
/** What the console said and who else was asked. */
let problems;

before(async () => {
	feed = await startFeed();
	browser = await openBrowser();
	page = await page_open(feed.address);
});

after(async () => {
	await browser?.close();
	feed?.stop();
});

beforeEach(async () => {
	problems = [];
	await page.keyboard.press("Escape");
	await page.keyboard.press("Escape");
	await page.evaluate(() => document.activeElement.blur());
	await page.keyboard.press("0");
	await page.keyboard.press("l");
});

async function page_open(url) {
	const opened = await browser.newPage({ viewport: { width: 1440, height: 900 } });
	opened.on("console", (message) => problems?.push(message.text()));
	opened.on("pageerror", (error) => problems?.push(error.stack));
	opened.on("request", (request) => {
		if (new URL(request.url()).host !== new URL(feed.address).host)
			problems?.push(`asked ${request.url()}`);
	});
	await opened.goto(url);
	await loaded(opened);
	await opened.waitForFunction(() => /CPUs/.test(document.querySelector("#status").textContent));
	return opened;
}

/** A point of the window over the map: a column counted from the right, and a part of the second. */
function map_point(column, part) {
	return page.evaluate(([column, part]) => {
		const { map } = window.flickerscope;
		const box = map.overlay_canvas.getBoundingClientRect();
		const { right, top, bottom, column: width } = map.geometry;
		return { x: box.left + right - (column - 0.5) * width, y: box.top + bottom -
			part * (bottom - top) };
	}, [column, part]);
}

async function drag(from, to) {
	await page.mouse.move(from.x, from.y);
	await page.mouse.down();
	await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2);
	await page.mouse.move(to.x, to.y);
	await page.mouse.up();
}

const look = (read) => page.evaluate(read);
const selection = () => look(() => window.flickerscope.selection);
const state = () => page.textContent("#state");

/** A point in the middle of the widest frame that a test wants. */
async function frame_point(name) {
	/* The graph is drawn with the next frame. */
	await look(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
	return page.evaluate((name) => {
		const { graph } = window.flickerscope;
		const rect = graph.rects.find(({ node }) => node >= 0 && graph.tree.name(node) === name);
		if (!rect)
			return null;
		const box = graph.canvas.getBoundingClientRect();
		return { x: box.left + 16 + (rect.x0 + rect.x1) / 2, y: box.top + rect.depth * 18 + 9,
			width: rect.x1 - rect.x0 };
	}, name);
}

test("the token leaves the address bar, and the map is live", async () => {
	problems = [];
	const other = await page_open(feed.address);
	assert.equal(new URL(other.url()).hash, "");
	assert.match(await other.textContent("#state"), /^Live/);
	assert.match(await other.textContent("#status"), /99 Hz on 8 CPUs/);
	await other.waitForTimeout(1500);
	await other.close();
	assert.deepEqual(problems, []);
});

test("work at 640 ms of every second is a band on the canvas", async () => {
	const [band, beside] = await look(() => {
		const { map } = window.flickerscope;
		const { width, height } = map.cells.image;
		const light = (part) => {
			let sum = 0;
			const y = Math.floor((1 - part) * height);
			for (const value of map.cells.image.data.subarray(y * width * 4, (y + 1) * width * 4))
				sum += value;
			return sum / width;
		};
		return [light(0.65), light(0.85)];
	});
	assert.ok(band < beside * 0.8, `on a light page the band is darker: ${band}, ${beside}`);
});

test("a drag selects to the millisecond, in either direction", async () => {
	await page.keyboard.press(" ");
	await drag(await map_point(20, 0.2), await map_point(12, 0.7));
	const forth = await selection();
	assert.ok(Math.abs(forth.end_us - forth.start_us - 8.5e6) < 20e3);
	assert.ok(Number.isInteger(forth.start_us / 1000));
	/* Else the drag would take the grip that is there. */
	await page.keyboard.press("Escape");
	await drag(await map_point(12, 0.7), await map_point(20, 0.2));
	const back = await selection();
	assert.ok(Math.abs(back.end_us - back.start_us - 8.5e6) < 20e3);
	assert.match(await page.textContent("#selection"), /8\.\d{3} s.*samples.*of 8 CPUs busy/);
});

test("the graph is of the selection: the band's function is in it, beside the band it is not", async () => {
	await page.keyboard.press(" ");
	/* A second in which the band is there: not while the backup runs alone, and none with lost samples. */
	const column = await look(() => {
		const { map, source } = window.flickerscope;
		const second = (at) => Math.floor(source.to_wall_us((map.geometry.end - at) * 1e6) / 1e6);
		let at = 30;
		while (second(at) % 90 === 40 || second(at) % 120 > 58 && second(at) % 120 < 73)
			at--;
		return at;
	});
	const share = async (part) => {
		await page.keyboard.press("Escape"); // else the second click ends what the first one began
		const { x, y } = await map_point(column, part);
		await page.mouse.click(x, y);
		return look(() => {
			const { graph: { tree } } = window.flickerscope;
			let samples = 0;
			for (let node = 1; node < tree.count; node++)
				if (tree.name(node) === "cron_job")
					samples += tree.total[node];
			return samples / tree.total[0];
		});
	};
	assert.ok(await share(0.65) > 0.5);
	assert.ok(!(await share(0.3) > 0.1));
});

test("Space freezes, the wheel goes back in time, L returns", async () => {
	await page.keyboard.press(" ");
	assert.match(await state(), /^Paused at/);
	const frozen = await look(() => window.flickerscope.map.geometry.first);
	await page.waitForTimeout(1500);
	assert.equal(await look(() => window.flickerscope.map.geometry.first), frozen);
	const { x, y } = await map_point(30, 0.5);
	await page.mouse.move(x, y);
	/* There is too little history to scroll far: the map holds 194 s. */
	await page.keyboard.press("PageUp");
	assert.ok(await look(() => window.flickerscope.map.geometry.first) <= frozen);
	await page.keyboard.press("l");
	assert.match(await state(), /^Live/);
});

test("a click zooms, updates keep the zoom, Backspace leads back", async () => {
	const point = await frame_point("ingest::run(int)");
	await page.mouse.click(point.x, point.y);
	await page.waitForTimeout(2500);
	const zoomed = await frame_point("ingest::run(int)");
	const graph_width = await look(() => window.flickerscope.graph.width);
	assert.ok(Math.abs(zoomed.width - graph_width) <= 2);
	assert.match(await page.textContent("#trail"), /ingest::run\(…\)/);
	await page.keyboard.press("Backspace");
	await page.waitForTimeout(400);
	assert.ok((await frame_point("ingest::run(int)")).width < graph_width * 0.9);
	assert.match(await page.textContent("#trail"), /^All/);
});

test("a search tells its share, keeps hits and says what is wrong with a pattern", async () => {
	await page.keyboard.press("/");
	await page.keyboard.type("^ingest::|qsort");
	await painted(page);
	assert.match(await page.textContent("#search-result"), /^matches \d+/);
	const cells = await look(() => {
		const { map, source } = window.flickerscope;
		const counts = { hit: 0, other: 0 };
		for (let second = map.newest_end() - 60; second < map.newest_end(); second++)
			for (const hits of source.column(second, 50).hits)
				counts[hits ? "hit" : "other"]++;
		return counts;
	});
	assert.ok(cells.hit > 60 && cells.other > 60);
	await page.keyboard.type("(");
	assert.match(await page.textContent("#search-result"), /bracket at letter 16 is never closed/);
	await page.keyboard.press("Escape");
	assert.equal(await page.inputValue("#search"), "");
	assert.equal(await page.textContent("#search-result"), "");
});

test("times can be typed, and what is wrong with them is said", async () => {
	await drag(await map_point(20, 0.2), await map_point(15, 0.7));
	const [start, end] = [page.locator("#selection input").nth(0), page.locator("#selection input").nth(1)];
	const before_us = (await selection()).start_us;
	const typed = (await start.inputValue()).replace(/\.\d+$/, ".000");
	await start.fill(typed);
	await start.press("Enter");
	const { start_us } = await selection();
	assert.ok(before_us - start_us >= 0 && before_us - start_us < 1e6 && Number.isInteger(start_us / 1e6));
	await start.fill("soon");
	await start.press("Enter");
	assert.match(await page.textContent("#selection .problem"), /A time looks like/);
	await start.fill(await end.inputValue());
	await end.fill(typed);
	await end.press("Enter");
	assert.match(await page.textContent("#selection .problem"), /not after the start/);
	await page.click("#selection .problem button");
	assert.equal(await start.inputValue(), typed);
	assert.equal(await page.textContent("#selection .problem"), "");
});

test("the keyboard alone selects cells and moves among frames", async () => {
	await page.focus("#map-focus");
	for (const key of ["ArrowLeft", "ArrowLeft", "Enter", "ArrowLeft", "ArrowUp", "Enter"])
		await page.keyboard.press(key);
	const { start_us, end_us } = await selection();
	assert.equal(end_us - start_us, 1e6);
	await page.keyboard.press("Shift+ArrowLeft");
	assert.ok((await selection()).start_us < start_us);
	/* The feed has a gap, which may be just there. */
	assert.match(await page.textContent("#map-words"), /\d\d:\d\d:\d\d, \d+ ms: (.*\d samples?\b|no data, more came than)/);
	await page.keyboard.press("Escape");
	assert.equal(await selection(), null);
	await page.focus("#graph");
	for (const key of ["ArrowDown", "ArrowDown", "ArrowDown", "Enter"])
		await page.keyboard.press(key);
	assert.match(await page.textContent("#graph-words"), / samples?, \d/);
	assert.doesNotMatch(await page.textContent("#trail"), /^All [^›]*$/);
});

test("rows and themes change, the cards come and go, nothing complains", async () => {
	for (const rows of ["10", "20", "25", "100", "50"]) {
		await page.selectOption("#rows", rows);
		const { x, y } = await map_point(10, 0.65);
		await page.mouse.move(x, y);
		await page.waitForSelector("#card:not([hidden])");
		assert.match(await page.textContent("#card"), /of 8 CPUs busy/);
		await page.mouse.move(5, 5);
		await page.waitForSelector("#card", { state: "hidden" });
	}
	await page.click("#theme");
	assert.equal(await look(() => document.documentElement.dataset.shown), "dark");
	await page.keyboard.press("?");
	assert.ok(await page.isVisible("#sheet"));
	await page.keyboard.press("Escape");
	await page.click("#theme");
	for (const [width, height] of [[390, 844], [700, 500], [1100, 700], [1920, 1080], [1440, 900]]) {
		await page.setViewportSize({ width, height });
		await page.waitForTimeout(100);
		const right = await look(() => Math.max(document.documentElement.scrollWidth,
			...[...document.querySelectorAll("#legend *, #kinds *, #search")].map((one) => one.getBoundingClientRect().right)) - innerWidth);
		assert.ok(right <= 0, `nothing sticks out at ${width}`);
	}
	assert.deepEqual(problems, []);
});

test("a file that is no capture, and that nobody here can read, changes nothing and is refused in words", async () => {
	await look(() => {
		const files = new DataTransfer();
		files.items.add(new File(["no capture at all, but long enough for a header"], "a.flk"));
		dispatchEvent(new DragEvent("drop", { dataTransfer: files, cancelable: true }));
	});
	await page.waitForFunction(() => /^a\.flk cannot be read here: the answer is 404/.test(document.querySelector("#notice").textContent));
	assert.match(await state(), /^Live/);
});

test("without a token the page asks for it in words", async () => {
	const context = await browser.newContext();
	const other = await context.newPage();
	await other.goto(new URL("/", feed.address).href);
	await other.waitForSelector("#token h2");
	assert.match(await other.textContent("#token"), /needs the token/);
	await other.fill("#token input", "short");
	await other.click("#token button");
	assert.match(await other.textContent("#token .problem"), /no token/);
	await other.fill("#token input", feed.address);
	await other.click("#token button");
	await other.waitForFunction(() => window.flickerscope.source.now_us() > 0);
	await context.close();
});

test("the share of whole stacks stands in the first row, and behind it why the others end early", async () => {
	problems = [];
	const share = await page.textContent("#stacks");
	/* Of the last ten seconds, in which there may be nothing but the backup. */
	assert.match(share, /^stacks (9\d\.\d|100)\u2009% complete$/);
	await page.focus("#stacks");
	await page.keyboard.press("Enter");
	await page.waitForSelector("#sheet[open]");
	assert.match(await page.textContent("#sheet .lead"), /9\d\.\d\u2009% of [\d\u2009]+ reach the thread's first function\./);
	assert.match(await page.textContent("#sheet .lead"), /what is on screen, \d\d:\d\d:\d\d to \d\d:\d\d:\d\d/);
	const reasons = await page.$$eval("#sheet .reasons tbody tr", (rows) => rows.map((row) => row.textContent));
	assert.match(reasons[0], /^Code made at run time\..*--perf-basic-prof.*%/);
	assert.ok(reasons.some((text) => /^The file does not say who called\..*-fasynchronous-unwind-tables/.test(text)), reasons.join("\n"));
	const processes = await page.$$eval("#sheet .processes tbody tr", (rows) =>
		rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
	assert.deepEqual(processes.map(([name]) => name).sort(), ["cron_job", "java", "nginx"]);
	assert.equal(processes.find(([name]) => name === "java")[3], "Code made at run time");
	/* What the agent left out or put off; kinds of which nothing was are not told. */
	const shed = await page.$$eval("#sheet .shed tbody tr", (rows) =>
		rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
	assert.deepEqual(shed.map(([, count]) => count), ["3", "1\u2009200", "17", "2"]);
	for (const [i, words] of [/^Pieces of debug information\./, /^Files whose names made room\..*--memory/,
		/^Files and processes that were read late\..*ulimit -n/, /^Times that new pages had to wait\./].entries())
		assert.match(shed[i][0], words);
	assert.ok(await look(() => document.querySelector("#sheet").contains(document.activeElement)), "the keyboard is in the sheet");
	await page.keyboard.press("Escape");
	await page.waitForSelector("#sheet", { state: "hidden" });
	assert.equal(await look(() => document.activeElement.id), "stacks", "and back where it came from");
	await look(() => document.activeElement.blur());
	/* Of a selection, when there is one. */
	await page.keyboard.press(" ");
	await drag(await map_point(20, 0.3), await map_point(12, 0.9));
	await page.click("#stacks");
	assert.match(await page.textContent("#sheet .lead"), /Counted: the selected stretch/);
	await page.keyboard.press("Escape");
	assert.deepEqual(problems, []);
});
