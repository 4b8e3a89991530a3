/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes pictures of the page in both themes at the widths it is made for.
 *
 *   node tests/browser/screenshot.mjs URL FOLDER [WAIT_SECONDS]
 *
 * URL is what the agent prints, with the token in its fragment. The pictures show a selection and
 * the card of a cell. Exits 1 when the console said anything, or when the page asked anybody else.
 */

import { launch_options } from "./browser.mjs";
import { chromium } from "playwright-core";
import { mkdirSync } from "node:fs";

const sizes = [[1280, 800], [1440, 900], [1920, 1080]];

const [url, folder, wait_s = "3"] = process.argv.slice(2);
if (!url || !folder) {
	console.error("usage: node tests/browser/screenshot.mjs URL FOLDER [WAIT_SECONDS]");
	process.exit(2);
}
mkdirSync(folder, { recursive: true });

const browser = await chromium.launch(launch_options);
const problems = [];
for (const theme of ["light", "dark"]) {
	for (const [width, height] of sizes) {
		const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme });
		page.on("console", (message) => problems.push(message.text()));
		page.on("pageerror", (error) => problems.push(String(error)));
		page.on("request", (request) => {
			if (new URL(request.url()).host !== new URL(url).host)
				problems.push(`asked ${request.url()}`);
		});
		await page.goto(url);
		await page.waitForTimeout(Number(wait_s) * 1000);
		const box = await page.locator("#map-focus").boundingBox();
		const geometry = await page.evaluate(() => {
			const { left, right, top, bottom, column } = window.flickerscope.map.geometry;
			return { left, right, top, bottom, column };
		});
		const at = (x_columns_from_right, part) => [
			box.x + geometry.right - x_columns_from_right * geometry.column,
			box.y + geometry.bottom - part * (geometry.bottom - geometry.top)];
		await page.mouse.move(...at(22.5, 0.62));
		await page.mouse.down();
		await page.mouse.move(...at(18.5, 0.5));
		await page.mouse.move(...at(13.5, 0.38));
		await page.mouse.up();
		await page.mouse.move(...at(60.5, 0.65));
		await page.waitForTimeout(1200);
		await page.screenshot({ path: `${folder}/live-${theme}-${width}.png` });
		await page.close();
	}
}
await browser.close();
for (const problem of problems)
	console.error(problem);
process.exit(problems.length ? 1 : 0);
