/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of an agent that samples both CPUs of this host at 10,000 Hz, for half an hour: what it keeps must stay within
 * its limit, and its memory must not grow any more once the agent's window is full. The window is made as long as a tenth
 * of the time, so that it fills and the oldest goes.
 *
 *	node tests/bench/soak.mjs [MINUTES]
 *
 * Needs root. Prints a line every thirtieth of the time; the exit code is 1 when memory grew by more than a tenth from the
 * middle third to the last.
 */
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { openBrowser, openPage } from '../browser/page.mjs';
import { loadPath, program, sleep } from '../e2e/agent.mjs';
import { folder, start } from './children.mjs';

const MINUTES = Number(process.argv[2] ?? 30), LINES = 30, GROWTH_MAX = 1.1;

start(loadPath('tree'), ['-s', MINUTES * 60 + 60]);
const agent = start(program, ['live', '-F', 10000, '--window', `${Math.max(10, Math.round(MINUTES * 6))}s`, '--listen', '127.0.0.1:0',
	'--token-file', join(folder, 'token')], { stdio: ['ignore', 'pipe', 'inherit'] });
/* An agent on a busy machine is started so, too. */
setPriority(agent.pid, -20);
await agent.said;

const browser = await openBrowser();
const page = await openPage(browser, { url: agent.text.split('\n')[0] });
const session = await page.context().newCDPSession(page);
const memory = [];
console.log(`# ${MINUTES} minutes at 10,000 Hz\n\n| at, s | samples kept | kept, MB | memory of the page, MB | behind, ms |\n| --- | --- | --- | --- | --- |`);
for (let line = 1; line <= LINES; line++) {
	await sleep(MINUTES * 60e3 / LINES);
	await session.send('HeapProfiler.collectGarbage');
	const { usedSize, backingStorageSize = 0 } = await session.send('Runtime.getHeapUsage');
	const told = await page.evaluate(() => {
		const { source } = window.flickerscope;
		return { samples: source.profile.sample_count, kept: source.profile.byte_count, behind: source.behind_ms() };
	});
	memory.push(usedSize + backingStorageSize);
	console.log(`| ${Math.round(line * MINUTES * 60 / LINES)} | ${told.samples} | ${(told.kept / 1e6).toFixed(1)} | ${(memory.at(-1) / 1e6).toFixed(1)} | ${told.behind.toFixed(0)} |`);
}
const most = (from, end) => Math.max(...memory.slice(from * LINES / 3, end * LINES / 3));
const growth = most(2, 3) / most(1, 2);
console.log(`\nThe last third holds ${growth.toFixed(2)} times what the middle one held. Problems of the page: ${page.problems.length ? page.problems.join('; ') : 'none'}.`);
await browser.close();
process.exit(growth > GROWTH_MAX || page.problems.length ? 1 : 0);
