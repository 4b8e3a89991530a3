/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sample costs in the kernel: the run time of the BPF program, as the kernel counts it
 * (kernel.bpf_stats_enabled), by the depth of the stack.
 *
 *	node tests/bench/walk.mjs [--agent PROGRAM]...
 *
 * A small program whose stack is warm, and a compiler, on one CPU. With several agents they take turns on the same load,
 * so that they can be compared on a machine that others use. A stretch counts only when the load had the CPU nearly all
 * of the time: samples of others are left out by a filter and would look cheap.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { loadPath, program, sleep, until } from '../e2e/agent.mjs';
import { STACK_COMPLETE, readRecording } from '../e2e/recording.mjs';
import { folder, median, ownCpuMs, start, stop } from './children.mjs';

const BPF_STATS = '/proc/sys/kernel/bpf_stats_enabled';
const CPU = cpus().length - 1;
const STRETCH_MS = 100;
const SHARE_LEAST = 0.8; // of the CPU's time, for the load
const ROUNDS = 3;
const SMALL = { rate: 4999, warm_ms: 1500, count_ms: 2000 };
const LARGE = { rate: 999, warm_ms: 5000, count_ms: 6000 };
const DEPTHS = [4, 30, 90]; // of load_busy, whose stack has 6 frames more
const FUNCTIONS = 3000; // to compile: more than a minute

const agents = process.argv.flatMap((word, i, words) => (word === '--agent' ? [words[i + 1]] : []));
if (!agents.length) agents.push(program);

const statsBefore = readFileSync(BPF_STATS, 'utf8').trim();
process.on('exit', () => writeFileSync(BPF_STATS, statsBefore));

/** Ahead of others on its CPU, in whichever session or group they run: niceness counts only within one. */
const startLoad = (command, args) => start('chrt', ['-f', 1, 'taskset', '-c', CPU, command, ...args]);

/** Run time and runs of the agent's program for perf events so far; null: it is not loaded. */
function programRuns(pid) {
	for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
		let text = '';
		try {
			text = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
		} catch {
			continue; // closed meanwhile
		}
		if (/^prog_type:\t7$/m.test(text)) // BPF_PROG_TYPE_PERF_EVENT
			return { ns: Number(/^run_time_ns:\t(\d+)/m.exec(text)[1]), runs: Number(/^run_cnt:\t(\d+)/m.exec(text)[1]) };
	}
	return null; // not yet
}


/** Mean ns of a run of the program in each stretch that the load had the CPU in. */
async function measure(agent, load, { rate, warm_ms, count_ms }, file) {
	const child = start('nice', ['-n', '-10', agent, 'record', '-p', load.pid, '-C', CPU, '-F', rate, '-o', file, '--force']);
	await until(() => programRuns(child.pid), 'the program is loaded');
	await sleep(warm_ms);
	const stretches = [];
	const see = () => ({ ...programRuns(child.pid), cpu: ownCpuMs(load.pid) * 1e6, at: performance.now() });
	for (let before = see(), end = before.at + count_ms; before.at < end;) {
		await sleep(STRETCH_MS);
		const now = see();
		const runs = now.runs - before.runs;
		if (runs > 20 && (now.cpu - before.cpu) / ((now.at - before.at) * 1e6) >= SHARE_LEAST) stretches.push((now.ns - before.ns) / runs);
		before = now;
	}
	await stop(child, 'SIGINT');
	return stretches;
}

/** Frames of a sample, of the last part of a recording: when all tables had come. */
async function meanFrames(file, count_ms) {
	const samples = await readRecording(file);
	const end_us = samples.reduce((end, { time_us }) => Math.max(end, time_us), 0);
	const counted = samples.filter(({ time_us, status }) => time_us > end_us - count_ms * 1000 && status === STACK_COMPLETE);
	return counted.reduce((sum, { frames }) => sum + frames.length, 0) / counted.length;
}

const ns = (value) => (value === undefined ? 'never undisturbed' : `${value.toFixed(0)} ns`);

async function small(agent, file) {
	const found = [];
	for (const depth of DEPTHS) {
		const load = startLoad(loadPath('busy'), ['-s', 600, '-d', depth]);
		const stretches = [];
		for (let round = 0; round < ROUNDS; round++) stretches.push(...(await measure(agent, load, SMALL, file)));
		await stop(load, 'SIGKILL');
		found.push(median(stretches));
	}
	const [shallow, usual, deep] = found;
	const slope = (deep - shallow) / (DEPTHS[2] - DEPTHS[0]);
	console.log(`| ${agent} | small: 10, 36, 96 frames | ${ns(shallow)}, ${ns(usual)}, ${ns(deep)} | ${ns(slope)} |`);
}

function writeSource(path) {
	let text = '';
	for (let i = 0; i < FUNCTIONS; i++)
		text += `double f${i}(double *a, int n, int k) { double s = ${i}; for (int j = 0; j < n; j++) {
if (a[j] > k + ${i % 7}) s += a[j] * ${i}.5 - s / (a[j] + ${i % 11}); else if (a[j] < s) s -= a[(j * ${(i % 5) + 1}) % n];
else switch (k % 9) { case 1: s *= 2; break; case 2: s -= a[0]; case 3: s += k; break; default: s += ${i % 13}; } }
return s${i ? ` + f${i - 1}(a, n - 1, k)` : ''}; }\n`;
	writeFileSync(path, text);
}

async function large(agent, file) {
	const load = startLoad('clang', ['-cc1', '-O2', '-emit-obj', '-o', '/dev/null', join(folder, 'large.c')]);
	await sleep(1500); // until it optimizes
	const cost = median(await measure(agent, load, LARGE, file));
	await stop(load, 'SIGKILL');
	const frames = await meanFrames(file, LARGE.count_ms);
	console.log(`| ${agent} | large: clang, ${frames.toFixed(1)} frames | ${ns(cost)} | ${cost === undefined ? '' : ns(cost / frames)} all in all |`);
}

writeFileSync(BPF_STATS, '1');
writeSource(join(folder, 'large.c'));
console.log(`Linux ${release()}, CPU ${CPU}, median of stretches of ${STRETCH_MS} ms\n`);
console.log('| agent | program | a sample | a frame |\n| --- | --- | --- | --- |');
for (const agent of agents) await small(agent, join(folder, 'small.flick'));
for (const agent of agents) await large(agent, join(folder, 'large.flick'));
