/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What recording costs beside `live` that nobody looks at, both at 99 Hz on two CPUs kept busy: time on a
 * CPU of all threads and processes of the agent, by the scheduler's own count (/proc/PID/task/TID/schedstat).
 *
 *   node tests/bench/recording.mjs [SECONDS [ROUNDS]]
 *
 * The two take turns, since the machine may change meanwhile; what they do to start is left out.
 */
import { join } from 'node:path';
import { loadPath, program, sleep } from '../e2e/agent.mjs';
import { cpuMs, folder, start, stop } from './children.mjs';

const seconds = Number(process.argv[2] ?? 10);
const rounds = Number(process.argv[3] ?? 3);
const settle_ms = 4000;

async function cost(args) {
	const agent = start(program, args);
	await sleep(settle_ms);
	const before = cpuMs(agent.pid);
	await sleep(seconds * 1000);
	const ms = cpuMs(agent.pid) - before;
	await stop(agent, 'SIGTERM');
	return ms / seconds;
}

const load = start(loadPath('busy'), ['-s', 3600, '-t', 2, '-d', 30]);
/* Nothing else: what the rest of the machine runs would be named too. */
const only = ['-p', String(load.pid)];
const costs = { live: [], record: [] };
for (let i = 0; i < rounds; i++) {
	costs.live.push(await cost(['live', ...only, '--listen', '127.0.0.1:0', '--token-file', join(folder, 'token')]));
	costs.record.push(await cost(['record', ...only, '--force', '-o', join(folder, 'capture.flk')]));
}
await stop(load, 'SIGKILL');
for (const [name, each] of Object.entries(costs))
	console.log(`${name.padEnd(7)} ${each.map((ms) => ms.toFixed(2)).join('  ')}  ms of CPU a second`);
