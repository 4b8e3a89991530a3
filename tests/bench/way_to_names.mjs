/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole way to names: what it costs from the first sample to text with every function's name, for the same
 * seconds of load.
 *
 *	node tests/bench/way_to_names.mjs
 *
 * perf record --call-graph dwarf and perf script, beside flickerscope record and convert --to perf-script. Both sample the
 * same two programs at once, a small one with deep stacks and a compiler; what each costs is counted by itself.
 * perf without inlined functions, in its favour.
 */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadPath, program, sleep } from '../e2e/agent.mjs';
import { folder, killAll, machine, median, start as startChild } from './children.mjs';

const RATE = 199;
const SECONDS = 5;
const ROUNDS = 2;
const TRIES = 4; // perf 6.1 aborts at times
const PERF_MS_MAX = 60_000;
const FUNCTIONS = 3000; // to compile: more than a minute

const file = (name) => join(folder, name);
const start = (command, args, output = 'ignore') => startChild(command, args, { stdio: ['ignore', output, 'pipe'] });

/** User and system time in ms of a run of a command with its children. */
async function cost(command, args, output) {
	const timer = setTimeout(() => child.kill('SIGKILL'), PERF_MS_MAX);
	const fd = output ? openSync(file(output), 'w') : 'ignore';
	const child = start('bash', ['-c', 'TIMEFORMAT="TIME %U %S"; time "$@"', 'bash', command, ...args], fd);
	const { code, signal } = await child.ended;
	clearTimeout(timer);
	if (output) closeSync(fd);
	const time = /TIME ([\d.]+) ([\d.]+)/.exec(child.errors);
	if (code || signal || !time) throw new Error(`${command} ${args[0]}: ${code ?? signal}: ${child.errors.slice(-300)}`);
	return (Number(time[1]) + Number(time[2])) * 1000;
}

/** Samples, and lines of frames, of a text of perf script. */
function count(name) {
	const text = readFileSync(file(name), 'utf8');
	const frames = text.match(/^\s+[0-9a-f]+ \S.*$/gm) ?? [];
	return { samples: (text.match(/^\S.*:\s*$/gm) ?? []).length, frames: frames.length };
}

async function round() {
	const loads = [start(loadPath('busy'), ['-s', SECONDS + 60, '-d', 30, '-c']),
		start('clang', ['-cc1', '-O2', '-emit-obj', '-o', '/dev/null', file('large.c')])];
	const pids = loads.map(({ pid }) => pid);
	await sleep(1000);
	const [perfRecord, ownRecord] = await Promise.all([
		/* Without looking for build ids at the end, where 6.1 aborts at times; script finds the files by their paths. */
		cost('perf', ['record', '-q', '-B', '-N', '-e', 'cpu-clock', '-F', RATE, '-p', pids.join(','), '--call-graph', 'dwarf',
			'-m', '16M', '-o', file('perf.data'), '--', 'sleep', SECONDS]),
		cost(program, ['record', ...pids.flatMap((pid) => ['-p', pid]), '-F', RATE, '-d', `${SECONDS}s`, '-o', file('own.flk'), '--force']),
	]);
	for (const load of loads) {
		load.kill('SIGKILL');
		await load.ended;
	}
	/* With inlined functions it starts addr2line for each address: minutes for a library of the compiler's size. */
	const perfScript = await cost('perf', ['script', '--no-inline', '-i', file('perf.data')], 'perf.txt');
	const ownScript = await cost(program, ['convert', file('own.flk'), '-o', file('own.txt'), '--to', 'perf-script', '--force']);
	return { perfRecord, perfScript, ownRecord, ownScript, perf: count('perf.txt'), own: count('own.txt') };
}

/** Functions that call each other, with loops and branches for the optimizer. */
writeFileSync(file('large.c'), Array.from({ length: FUNCTIONS }, (_, i) =>
	`double f${i}(double *a, int n, int k) { double s = ${i}; for (int j = 0; j < n; j++) if (a[j] > k + ${i % 7}) s += a[j] * ${i}.5; ` +
	`else s -= a[(j * ${(i % 5) + 1}) % n]; return s${i ? ` + f${i - 1}(a, n - 1, k)` : ''}; }\n`).join(''));
const rounds = [];
let aborts = 0;
while (rounds.length < ROUNDS) {
	try {
		rounds.push(await round());
	} catch (error) {
		killAll();
		if (!/^Error: perf/.test(String(error)) || ++aborts > TRIES) throw error;
		console.log(`again: ${error.message.split('\n')[0]}`);
	}
}
const of = (name) => median(rounds.map((each) => each[name]));
const ms = (value) => `${value.toFixed(0)} ms`;
const last = rounds.at(-1);
console.log(machine());
console.log(`${SECONDS} s at ${RATE} Hz of a small program and of clang, both at once, median of ${ROUNDS}; perf aborted ${aborts} times.\n`);
console.log('| who | while recording | to text | in all | samples | lines of frames |\n| --- | --- | --- | --- | --- | --- |');
console.log(`| perf record --call-graph dwarf, perf script | ${ms(of('perfRecord'))} | ${ms(of('perfScript'))} | ` +
	`${ms(median(rounds.map((each) => each.perfRecord + each.perfScript)))} | ${last.perf.samples} | ${last.perf.frames} |`);
console.log(`| flickerscope record, convert | ${ms(of('ownRecord'))} | ${ms(of('ownScript'))} | ` +
	`${ms(median(rounds.map((each) => each.ownRecord + each.ownScript)))} | ${last.own.samples} | ${last.own.frames} |`);
const ratio = median(rounds.map((each) => (each.ownRecord + each.ownScript) / (each.perfRecord + each.perfScript)));
console.log(`\nRatio of the whole: ${ratio.toFixed(3)}`);
process.exit(0);
