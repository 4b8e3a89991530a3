/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent takes as the processes of this host grow, at 99 Hz: asleep, and running one after the other, so that
 * each sample is of another process. Needs root. Prints a table.
 *
 *	node tests/bench/scale/processes.mjs [PROCESSES...]
 */
import { join } from 'node:path';
import { loadPath, program, sleep } from '../../e2e/agent.mjs';
import { cpuMs, descriptors, folder, residentKiB, start as startChild, stop, where } from '../children.mjs';

const BURN_MS = 2, SETTLE_S = 5, COUNT_S = 8, ENOUGH_S = 120;
const counts = process.argv.slice(2).map(Number);
if (!counts.length) counts.push(1, 10, 100, 1000, 3000, 10_000);

const start = (command, args) => startChild(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });

/** @returns {Promise<object>} of an agent beside so many processes */
async function beside(count, in_turn) {
	const burn = in_turn ? ['-b', BURN_MS, '-t'] : [];
	const load = start(loadPath('libraries'), ['-s', ENOUGH_S, '-n', count, ...burn]);
	await load.said;
	const began = performance.now();
	const agent = start(program, ['live', '--listen', '127.0.0.1:0', '--token-file', join(folder, 'token')]);
	await agent.said;
	const started_ms = performance.now() - began, start_ms = cpuMs(agent.pid);
	await sleep(SETTLE_S * 1000);
	const settled_ms = cpuMs(agent.pid), from = performance.now();
	await sleep(COUNT_S * 1000);
	const a_second = (cpuMs(agent.pid) - settled_ms) / (performance.now() - from) * 1000;
	const result = { started_ms, start_ms, a_second, mib: residentKiB(agent.pid) / 1024, descriptors: descriptors(agent.pid) };
	await stop(agent, 'SIGTERM');
	await stop(load, 'SIGKILL');
	return result;
}

console.log(`# The agent beside many processes, 99 Hz\n\n${where()}; "in turn": one runs at a time, for ${BURN_MS} ms.\n`);
console.log('| processes | they sleep: until it samples, ms | they sleep: CPU time until it samples, ms | they sleep, ms of CPU a second ' +
	'| they run in turn, ms of CPU a second | they sleep, MiB of memory | they run in turn, MiB of memory | they sleep, descriptors | they run in turn, descriptors |');
console.log(`|${' --- |'.repeat(9)}`);
for (const count of counts) {
	const asleep = await beside(count, false), turns = await beside(count, true);
	console.log(`| ${count} | ${asleep.started_ms.toFixed(0)} | ${asleep.start_ms.toFixed(0)} | ${asleep.a_second.toFixed(2)} | ${turns.a_second.toFixed(2)} | ` +
		`${asleep.mib.toFixed(1)} | ${turns.mib.toFixed(1)} | ${asleep.descriptors} | ${turns.descriptors} |`);
}
process.exit(0);
