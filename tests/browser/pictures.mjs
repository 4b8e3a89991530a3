/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the pictures of the README: the page over programs of known habits, and over nothing else that
 * may be running here.
 *
 *	node tests/browser/pictures.mjs FOLDER [SECONDS]
 *
 * Writes FOLDER/live-light.png and FOLDER/live-dark.png, after SECONDS (200: the map is full). Exits 1
 * when the console said anything, or when the page asked anybody else.
 */

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPath, root, sleep, startAgent } from '../e2e/agent.mjs';
import { dragTimes, mapPoint, openBrowser, openPage } from './page.mjs';

const [folder, seconds = '200'] = process.argv.slice(2);
if (!folder || !(Number(seconds) >= 30)) {
	console.error('usage: node tests/browser/pictures.mjs FOLDER [SECONDS, at least 30]');
	process.exit(2);
}
mkdirSync(folder, { recursive: true });

const cleanups = [];
const life = { after: (cleanup) => cleanups.push(cleanup) };
const scratch = mkdtempSync(join(tmpdir(), 'flickerscope-pictures-'));
life.after(() => rmSync(scratch, { recursive: true, force: true }));

/* At one offset of every second; a little later in each one; now and then; all the time. */
const habits = [
	`${loadPath('burst')} -m 620 -n 110 -s 3600`,
	`${loadPath('busy')} -s 0.06 -d 6; sleep 0.945`,
	`sleep 6; ${loadPath('walk')} -s 2.2 -t 2 -d 9`,
	`sleep 47; ${loadPath('tree')} -s 13`,
	'gcc -std=gnu11 -D_GNU_SOURCE -O2 -Iagent -Iinclude -c agent/base/hash_index.c -o "$SCRATCH/a.o"; sleep 6',
	"perl -e 'my %words; $words{$_ % 4999} .= chr(97 + $_ % 26) for 1 .. 90000; sort { $words{$a} cmp $words{$b} } keys %words'; sleep 2.7",
	'find /usr -xdev -name "*.so*" > "$SCRATCH/list"; sort "$SCRATCH/list" | gzip -9 > "$SCRATCH/list.gz"; sleep 23',
];

/** Runs lines of shell over and over, each for itself, in one tree of processes. */
function startHabits() {
	const lines = habits.map((line) => `(while :; do ${line}; done) &`).join('\n');
	const child = spawn('sh', ['-c', `${lines}\nwait`], { stdio: 'ignore', detached: true, cwd: root,
		env: { ...process.env, SCRATCH: scratch } });
	const ended = new Promise((resolve) => child.on('close', resolve));
	life.after(() => {
		process.kill(-child.pid, 'SIGKILL');
		return ended;
	});
	return child;
}

const problems = [];
try {
	const agent = await startAgent(life, ['-p', startHabits().pid]);
	await sleep(Number(seconds) * 1000);
	const browser = await openBrowser();
	life.after(() => browser.close());
	for (const theme of ['light', 'dark']) {
		const page = await openPage(browser, agent, { theme });
		await page.waitForFunction(() => !window.flickerscope.source.profile.loading);
		await page.keyboard.press(' ');
		const newest = await page.evaluate(() => Math.floor(window.flickerscope.source.now_us() / 1e6));
		await dragTimes(page, (newest - 30) * 1e6 + 600e3, (newest - 22) * 1e6 + 760e3);
		await page.keyboard.press('l');
		const { x, y } = await mapPoint(page, (newest - Math.floor(Number(seconds) * 0.7)) * 1e6 + 660e3);
		await page.mouse.move(x, y);
		await page.waitForTimeout(1500);
		await page.screenshot({ path: join(folder, `live-${theme}.png`) });
		problems.push(...page.problems);
		await page.close();
	}
} finally {
	for (const cleanup of cleanups.reverse()) await cleanup();
}
for (const problem of problems) console.error(problem);
process.exit(problems.length ? 1 : 0);
