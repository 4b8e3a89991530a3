/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What recording costs beside `live` that nobody looks at, both at 99 Hz on two CPUs kept busy: time on a
 * CPU of all threads and processes of the agent, by the scheduler's own count (/proc/PID/task/TID/schedstat).
 *
 *   node tests/bench/recording.mjs [SECONDS [ROUNDS]]
 *
 * The two take turns, since the machine may change meanwhile; what they do to start is left out.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPath, program, sleep } from '../e2e/agent.mjs';

const seconds = Number(process.argv[2] ?? 10);
const rounds = Number(process.argv[3] ?? 3);
const settle_ms = 4000;

/** The process and all below it. */
function family(pid) {
	const children = readdirSync(`/proc/${pid}/task`).flatMap((tid) =>
		readFileSync(`/proc/${pid}/task/${tid}/children`, 'utf8').trim().split(' ').filter(Boolean));
	return [pid, ...children.flatMap(family)];
}

/** Milliseconds on a CPU. */
const spent = (pid) => family(pid).flatMap((each) => readdirSync(`/proc/${each}/task`).map((tid) =>
	Number(readFileSync(`/proc/${each}/task/${tid}/schedstat`, 'utf8').split(' ')[0]) / 1e6)).reduce((sum, ms) => sum + ms, 0);

const folder = mkdtempSync(join(tmpdir(), 'flickerscope-'));

async function cost(args) {
	const agent = spawn(program, args, { stdio: 'ignore' });
	await sleep(settle_ms);
	const before = spent(agent.pid);
	await sleep(seconds * 1000);
	const ms = spent(agent.pid) - before;
	agent.kill('SIGTERM');
	await new Promise((resolve) => agent.on('close', resolve));
	return ms / seconds;
}

const load = spawn(loadPath('busy'), ['-s', '3600', '-t', '2', '-d', '30'], { stdio: 'ignore' });
/* Nothing else: what the rest of the machine runs would be named too. */
const only = ['-p', String(load.pid)];
const costs = { live: [], record: [] };
try {
	for (let i = 0; i < rounds; i++) {
		costs.live.push(await cost(['live', ...only, '--listen', '127.0.0.1:0', '--token-file', join(folder, 'token')]));
		costs.record.push(await cost(['record', ...only, '--force', '-o', join(folder, 'capture.flk')]));
	}
} finally {
	load.kill('SIGKILL');
	rmSync(folder, { recursive: true });
}
for (const [name, each] of Object.entries(costs))
	console.log(`${name.padEnd(7)} ${each.map((ms) => ms.toFixed(2)).join('  ')}  ms of CPU a second`);
