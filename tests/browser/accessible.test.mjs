/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For everybody: axe-core finds nothing in any state of the page in either theme, targets are large enough,
 * everything is reached by keyboard, and nothing is said more than once a second.
 */

import { axeFindings } from "./axe.mjs";
import { loaded, openBrowser, startFeed } from "./page.mjs";
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

let feed, browser, page;

before(async () => {
	feed = await startFeed();
	browser = await openBrowser();
	page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
	await page.goto(feed.address);
	await loaded(page);
	await page.keyboard.press(" ");
});

after(async () => {
	await browser?.close();
	feed?.stop();
});

/** States of the page: how to come there, and back, and the part of it that is another one then. */
const states = {
	"as it comes": [async () => {}, async () => {}, ":root"],
	"a stretch compared": [async () => {
		await page.focus("#map-focus");
		for (const key of ["ArrowLeft", "Enter", "ArrowLeft", "ArrowLeft", "Enter"])
			await page.keyboard.press(key);
		await page.click("#tab-compare");
		await page.waitForSelector("#changes:not([hidden])");
	}, async () => page.click("#tab-graph"), ".graph-panel"],
	"the table": [async () => {
		await page.click("#tab-table");
		await page.waitForSelector("#table tbody tr");
	}, async () => page.click("#tab-graph"), ".graph-panel"],
	"callers and callees": [async () => {
		await page.click("#tab-callers");
		await page.waitForSelector("#callers li");
	}, async () => page.click("#tab-graph"), ".graph-panel"],
	"steps, and the panel of the view": [async () => {
		await page.evaluate(() => window.flickerscope.view.set({ color: "module", steps: [{ kind: "hide", name: "read" }] }));
		await page.click("#view");
		await page.waitForSelector("#view-panel select");
	}, async () => {
		await page.keyboard.press("Escape");
		await page.evaluate(() => window.flickerscope.view.set({ color: "kind", steps: [] }));
	}, ".graph-panel"],
	"the menu of a frame": [async () => {
		await page.focus("#graph");
		await page.keyboard.press("ArrowDown");
		await page.keyboard.press("ArrowDown");
		await page.keyboard.press("Shift+F10");
		await page.waitForSelector('[role="menu"]');
	}, async () => page.keyboard.press("Escape"), ".menu-list"],
	"the sheet of keys": [async () => {
		await page.click("#help");
		await page.waitForSelector("#sheet[open]");
	}, async () => page.keyboard.press("Escape"), "#sheet"],
	"the sheet of stacks": [async () => {
		await page.click("#stacks");
		await page.waitForSelector("#sheet[open]");
	}, async () => page.keyboard.press("Escape"), "#sheet"],
	"the list of filters": [async () => {
		await page.keyboard.press("f");
		await page.waitForSelector("#filter-panel input");
	}, async () => page.keyboard.press("Escape"), "#filters"],
	"the settings of the map": [async () => {
		await page.click("#map-view");
		await page.waitForSelector("#map-view-panel select");
	}, async () => page.keyboard.press("Escape"), "#filters"],
	"the menu of exports": [async () => {
		await page.click("#export");
		await page.waitForSelector('[role="menu"]');
	}, async () => page.keyboard.press("Escape"), ".menu-list"],
	"the same part of every second, with lanes": [async () => {
		await page.selectOption("#lanes", "both");
		await page.focus("#map-focus");
		await page.keyboard.press("Enter");
		await page.keyboard.press("Enter");
		await page.keyboard.press("e");
	}, async () => {
		await page.keyboard.press("Escape");
		await page.selectOption("#lanes", "off");
	}, "#selection, #lanes-section"],
	"a search that cannot be read": [async () => page.fill("#search", "a("), async () => page.fill("#search", ""), ".tabs"],
};

for (const [name, [there, back, part]] of Object.entries(states)) {
	test(`axe-core finds nothing: ${name}`, async () => {
		await there();
		const found = await axeFindings(page, part);
		await back();
		assert.deepEqual(found, []);
	});
}

test("axe-core finds nothing: the question for the token", async () => {
	const other = await browser.newPage();
	await other.goto(new URL("/", feed.address).href);
	await other.waitForSelector("#token:not([hidden])");
	assert.deepEqual(await axeFindings(other), []);
	await other.close();
});

test("everything that can be used is reached by Tab, is seen when it is, and is 24 pixels large", async () => {
	await page.evaluate(() => document.activeElement.blur());
	const wanted = await page.evaluate(() => [...document.querySelectorAll("button, input, select, canvas[tabindex], a[href]")]
		.filter((one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility() && one.getClientRects().length)
		.map((one) => one.id || one.getAttribute("aria-label") || one.textContent));
	const reached = new Set();
	for (let i = 0; i < wanted.length + 3; i++) {
		await page.keyboard.press("Tab");
		const [name, size] = await page.evaluate(() => {
			const one = document.activeElement;
			const { width, height } = one.getBoundingClientRect();
			return [one.id || one.getAttribute("aria-label") || one.textContent, Math.min(width, height)];
		});
		reached.add(name);
		assert.ok(name === "" || size >= 24 || !wanted.includes(name), `${name}: ${size}`);
	}
	assert.deepEqual(wanted.filter((name) => !reached.has(name)), []);
});

test("arrows held down are read out once a second, the last one for certain", async () => {
	await page.focus("#graph");
	await page.evaluate(() => {
		window.said = [];
		new MutationObserver(() => window.said.push([performance.now(), document.querySelector("#graph-words").textContent]))
			.observe(document.querySelector("#graph-words"), { childList: true, characterData: true, subtree: true });
	});
	const began = Date.now();
	for (let i = 0; i < 24; i++)
		await page.keyboard.press(i % 2 ? "ArrowUp" : "ArrowDown");
	await page.keyboard.press("ArrowDown");
	await page.keyboard.press("ArrowDown");
	const words = () => page.evaluate(() => {
		const { graph } = window.flickerscope;
		return graph.rect_words(graph.rects[graph.cursor_rect()]);
	});
	await page.waitForFunction((words) => window.said.at(-1)?.[1] === words, await words());
	const said = await page.evaluate(() => window.said);
	assert.ok(said.length <= 2 + (Date.now() - began) / 1000, `${said.length} times`);
	for (let i = 1; i < said.length; i++)
		assert.ok(said[i][0] - said[i - 1][0] > 900, `${said[i][0] - said[i - 1][0]} ms`);
});

test("without motion a zoom is at once where it leads; forced colours keep the data", async () => {
	await page.emulateMedia({ reducedMotion: "reduce", forcedColors: "active" });
	const still = await page.evaluate(() => {
		const { graph } = window.flickerscope;
		graph.zoom_to(graph.rects[1].node);
		return graph.animation;
	});
	assert.equal(still, null);
	const kept = await page.evaluate(() => getComputedStyle(document.querySelector("#kinds i")).backgroundColor);
	assert.match(kept, /^rgb/);
	await page.evaluate(() => window.flickerscope.graph.zoom_to(0));
	await page.emulateMedia({ reducedMotion: null, forcedColors: null });
});
