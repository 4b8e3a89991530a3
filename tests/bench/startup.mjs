/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent's start takes on a host with many processes that map many libraries each.
 *
 *	node tests/bench/startup.mjs
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadPath, program, root, sleep } from '../e2e/agent.mjs';
import { copyAsNew } from '../e2e/chains.mjs';
import { cpuMs, folder, machine, ownCpuMs, start as startChild } from './children.mjs';

const PROCESSES = 200;
const LIBRARIES = 80;
const STEADY_S = 4;

const start = (command, args) => startChild(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });

/** CPU time in ms of a process with its threads, and of what is below it. */
const ownAndBelowMs = (pid) => [ownCpuMs(pid), cpuMs(pid) - ownCpuMs(pid)];

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
	const ready = ownAndBelowMs(agent.pid);
	await sleep(STEADY_S * 1000);
	const steady = ownAndBelowMs(agent.pid);
	await sleep(STEADY_S * 1000);
	const later = ownAndBelowMs(agent.pid);
	agent.kill('SIGINT');
	await agent.ended;
	return { ready, steady, later };
}

const libraries = makeLibraries();
const text = ([own, workers]) => `${own.toFixed(0)} + ${workers.toFixed(0)}`;
console.log(machine());
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
