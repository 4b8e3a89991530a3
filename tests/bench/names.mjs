/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a small program waits for its first name while the symbols of large files are read.
 *
 *	node tests/bench/names.mjs [--agent PROGRAM]...
 *
 * Copies of node (100 MB and more, with .symtab) begin at one moment; small programs one after another from then
 * on. All are new to the agent.
 */
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { loadPath, program, sleep, startAgent, until } from '../e2e/agent.mjs';
import { copyAsNew } from '../e2e/chains.mjs';
import { openStream } from '../e2e/stream.mjs';
import { adopt, folder, start, stop } from './children.mjs';

const LARGE = 4;
const SMALL = 8;
const SMALL_EVERY_MS = 150;
const LIFE_S = 20;
const RATE = 99;

const agents = process.argv.flatMap((word, i, words) => (word === '--agent' ? [words[i + 1]] : []));
if (!agents.length) agents.push(program);

/** What the tests' helpers want of a test. */
const ends = [];
const bench = { after: (end) => ends.push(end) };

function startLoad(path, args) {
	const child = start(path, args);
	bench.after(() => stop(child, 'SIGKILL'));
}

/** Watches until each of the programs was sampled and named. @returns {Promise<number[]>} ms between the two */
async function waitsFor(stream, paths) {
	const sampled = new Map(), named = new Map();
	await until(() => {
		const frames = new Set(stream.samples().map(({ frames }) => frames));
		for (const { module, name } of [...frames].flat()) {
			if (!sampled.has(module)) sampled.set(module, performance.now());
			if (!named.has(module) && !name.includes('+0x')) named.set(module, performance.now());
		}
		return paths.every((path) => named.has(path));
	}, 'all small programs are named', LIFE_S * 1000);
	return paths.map((path) => named.get(path) - sampled.get(path)).sort((a, b) => a - b);
}

async function measure(agent, turn) {
	const live = await startAgent(bench, ['-F', String(RATE)], { path: agent, folder });
	adopt(live.child);
	const stream = await openStream(bench, live);
	await stream.stretch(2);
	const small = Array.from({ length: SMALL }, (_, i) =>
		copyAsNew(readFileSync(loadPath('busy')), join(folder, `small_${turn}_${i}`)));
	const large = Array.from({ length: LARGE }, (_, i) => copyAsNew(readFileSync(process.execPath), join(folder, `large_${turn}_${i}`)));
	for (const path of large) startLoad('nice', ['-n', 15, path, '-e', 'for (;;);']); // it leaves the agent a CPU
	const waits = waitsFor(stream, small);
	for (const path of small) {
		startLoad('nice', ['-n', 10, path, '-s', LIFE_S]);
		await sleep(SMALL_EVERY_MS);
	}
	const ms = await waits;
	while (ends.length) await ends.pop()();
	for (const path of [...large, ...small]) rmSync(path);
	console.log(`| ${agent} | ${ms.map((value) => value.toFixed(0)).join(', ')} | ${ms[ms.length >> 1].toFixed(0)} |`);
}

console.log(`${LARGE} files of ${(statSync(process.execPath).size / 1e6).toFixed(0)} MB, and small programs one each ${SMALL_EVERY_MS} ms\n`);
console.log('| agent | from its first sample to its first name, ms | median |\n| --- | --- | --- |');
for (const [turn, agent] of agents.entries()) await measure(agent, turn);
process.exit(0);
