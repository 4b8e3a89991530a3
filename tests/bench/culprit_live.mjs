/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the page names who it was: the real agent samples this host, on which a server works; then a program burns
 * one CPU for 200 ms every 5 seconds. A click on its mark must list its function first.
 *
 *	node tests/bench/culprit_live.mjs [TIMES [own]]
 *
 * Ten times without a number, each with an agent and a page of its own, since what comes again is no news. The two
 * programs are scheduled before all others, so that 200 ms are 200 ms. own: only these two are sampled, for machines
 * on which others work at the same time. Needs root. The exit code is 1 when another function was first, 2 when something is not built.
 */
import { existsSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join, relative } from 'node:path';
import { mapPoint, openBrowser, openPage, painted } from '../browser/page.mjs';
import { loadPath, program, root, sleep } from '../e2e/agent.mjs';
import { folder, start, stop } from './children.mjs';

const TIMES = Number(process.argv[2] ?? 10), OWN = process.argv[3] === 'own', BURN_MS = 200, EVERY_S = 5, QUIET_S = 72, MARK_S = 40;
const FUNCTION = 'burst_known_function';

if (process.argv[2] === 'serve') {
	/* Requests at random, a twentieth of a CPU. */
	for (;;) {
		await sleep(-Math.log(1 - Math.random()) * 50);
		for (const end = performance.now() + 3; performance.now() < end;);
	}
}

for (const file of [program, loadPath('burst')])
	if (!existsSync(file)) {
		console.error(`There is no ${file}: make ${relative(root, file)}`);
		process.exit(2);
	}

/** @returns {Promise<{ first: string, words: string }>} what the page says of the first mark that the culprit made */
async function once(browser, turn) {
	const offset_ms = Math.round(Math.random() * (999 - BURN_MS));
	const server = start('chrt', ['-f', 20, process.execPath, process.argv[1], 'serve']);
	/* The same process, before and while it burns. */
	const culprit = start('sh', ['-c', 'read go; exec "$@"', 'sh', 'chrt', '-f', 20, loadPath('burst'), '-m', offset_ms, '-n', BURN_MS,
		'-e', EVERY_S, '-s', 120], { stdio: ['pipe', 'ignore', 'inherit'] });
	const agent = start(program, ['live', '--listen', '127.0.0.1:0', '--token-file', join(folder, `token-${turn}`),
		...(OWN ? ['-p', server.pid, '-p', culprit.pid] : [])], { stdio: ['ignore', 'pipe', 'inherit'] });
	setPriority(agent.pid, -20);
	await agent.said;
	const page = await openPage(browser, { url: agent.text.split('\n')[0] });
	await sleep(QUIET_S * 1000);
	const since_us = await page.evaluate(() => window.flickerscope.source.now_us());
	culprit.stdin.end('go\n');
	try {
		/* A mark that holds one of its bursts, be it of other work as well. */
		const moment = await (await page.waitForFunction((since_us) => {
			const { source } = window.flickerscope;
			return source.moments().find(({ start_us, end_us, cause }) => start_us >= since_us - 1e6 && cause &&
				end_us < source.now_us() - 1e6 && source.tree([{ start_us, end_us }]).top_functions(50).some(({ name }) => name === 'burst_known_function'));
		}, since_us, { timeout: MARK_S * 1000 })).jsonValue();
		/* The map stands still for the click. */
		await page.keyboard.press(' ');
		await painted(page);
		const { x } = await mapPoint(page, moment.start_us);
		const map = await page.locator('#map').boundingBox();
		await page.mouse.click(x, map.y + 10);
		await painted(page);
		return { first: await page.textContent('#changes .change .name', { timeout: 5000 }), words: await page.textContent('#found .words') };
	} catch (error) {
		return { first: '', words: /Timeout/.test(error.message) ? `no mark within ${MARK_S} s, or nothing in it beyond chance` : error.message };
	} finally {
		await page.close();
		await Promise.all([culprit, server, agent].map((child) => stop(child, 'SIGTERM')));
	}
}

const browser = await openBrowser();
let right = 0;
console.log(`# One CPU burnt for ${BURN_MS} ms every ${EVERY_S} s, ${OWN ? 'beside a server, both' : 'this whole host'} sampled at 99 Hz\n`);
for (let turn = 1; turn <= TIMES; turn++) {
	const { first, words } = await once(browser, turn);
	right += first === FUNCTION;
	console.log(`${turn}: ${first === FUNCTION ? 'right' : `wrong, ${first || 'nothing'}`}: ${words}`);
}
console.log(`\n${right} of ${TIMES}`);
await browser.close();
process.exit(right === TIMES ? 0 : 1);
