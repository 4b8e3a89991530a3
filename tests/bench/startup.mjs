/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent's start takes on a host with many processes that map many libraries each.
 *
 *	node tests/bench/startup.mjs
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cpus as hostCpus, release, tmpdir } from 'node:os';
import { loadPath, program, root, sleep } from '../e2e/agent.mjs';
import { copyAsNew } from '../e2e/chains.mjs';

const PROCESSES = 200;
const LIBRARIES = 80;
const STEADY_S = 4;

const folder = mkdtempSync(join(tmpdir(), 'flickerscope-bench-'));
const running = new Set();
process.on('exit', () => {
	for (const child of running) child.kill('SIGKILL');
	rmSync(folder, { recursive: true, force: true });
});
process.on('SIGINT', () => process.exit(1));

function start(command, args) {
	const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
	running.add(child);
	child.ended = new Promise((resolve) => child.on('close', resolve));
	child.ended.then(() => running.delete(child));
	child.said = new Promise((resolve) => child.stdout.once('data', resolve));
	return child;
}

/** CPU time in ms of a process with its threads, and of its children. */
function cpuMs(pid) {
	let own = 0, children = 0;
	for (const task of readdirSync(`/proc/${pid}/task`)) {
		own += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
		for (const child of readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean)) {
			const [of, below] = cpuMs(child);
			children += of + below;
		}
	}
	return [own, children];
}

function makeLibraries() {
	const first = join(folder, 'first.so');
	const built = spawnSync('gcc', ['-O2', '-shared', '-fPIC', '-Wl,--build-id=sha1', '-o', first,
		join(root, 'tests', 'e2e', 'chains', 'library.c')]);
	if (built.status !== 0) throw new Error(String(built.stderr));
	const template = readFileSync(first);
	return Array.from({ length: LIBRARIES }, (_, i) => copyAsNew(template, join(folder, `library${i}.so`)));
}

async function startAgent() {
	const agent = start(program, ['live', '-F', '99', '--listen', '127.0.0.1:0', '--token-file', join(folder, 'token')]);
	await agent.said;
	const ready = cpuMs(agent.pid);
	await sleep(STEADY_S * 1000);
	const steady = cpuMs(agent.pid);
	await sleep(STEADY_S * 1000);
	const later = cpuMs(agent.pid);
	agent.kill('SIGINT');
	await agent.ended;
	return { ready, steady, later };
}

const libraries = makeLibraries();
const text = ([own, workers]) => `${own.toFixed(0)} + ${workers.toFixed(0)}`;
console.log(`# ${new Date().toISOString().slice(0, 10)}, ${hostCpus().length} CPUs (${hostCpus()[0].model}), Linux ${release()}\n`);
console.log(`## Start beside ${PROCESSES} processes with ${LIBRARIES} libraries each, 99 Hz\n`);
console.log('CPU time of the agent and of its workers, in ms.\n');
console.log(`| the processes | until it samples | ${STEADY_S} s later | in the ${STEADY_S} s after that |`);
console.log('| --- | --- | --- | --- |');
for (const [words, processes, burn] of [['none', 0, 0], ['asleep', PROCESSES, 0], ['each busy 2 ms of 200', PROCESSES, 2]]) {
	const load = start(loadPath('libraries'), ['-s', String(3 * STEADY_S + 8), '-n', String(processes), '-b', String(burn), ...libraries]);
	await load.said;
	const { ready, steady, later } = await startAgent();
	console.log(`| ${words} | ${text(ready)} | ${text(steady)} | ${text([later[0] - steady[0], later[1] - steady[1]])} |`);
	load.kill('SIGKILL');
	await load.ended;
}
process.exit(0);
