/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sampling costs, side by side with `perf record` and bpftrace in one run, at the same rate and load.
 *
 *	node tests/bench/bench.mjs [--quick]
 *
 * bpftrace is left out where it is not installed (Debian's package has that name). bcc's `profile`, which needs
 * the headers of the running kernel, is not measured.
 *
 * Prints tables in Markdown. The machine is noisy: compare figures of one run, as ratios. Each
 * figure is the median of the rounds, which take turns so that drift hits all alike.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpus as hostCpus } from 'node:os';
import { loadPath, program, sleep } from '../e2e/agent.mjs';
import { cpuMs, folder, machine, median, residentKiB, start as startChild, stop, wholeRunMs } from './children.mjs';
import { connect } from './page_reader.mjs';

const quick = process.argv.includes('--quick');
const ROUNDS = quick ? 1 : 3;
const WORK_SECONDS = quick ? 3 : 6;
const COST_SECONDS = quick ? 5 : 12;
const CPUS = hostCpus().length;
const BPF_STATS = '/proc/sys/kernel/bpf_stats_enabled';

const statsBefore = readFileSync(BPF_STATS, 'utf8').trim();
process.on('exit', () => writeFileSync(BPF_STATS, statsBefore));

/** What it says is kept. */
const start = (command, args) => startChild(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
const cpuUs = (pid) => cpuMs(pid) * 1000;

const liveArgs = (rate, more = []) => [
	'live', '-F', String(rate), '--listen', '127.0.0.1:0', '--token-file', join(folder, 'token'),
	...more,
];

async function startLive(rate, more) {
	const child = start(program, liveArgs(rate, more));
	while (!child.text.includes('\n')) {
		if (child.exitCode !== null) throw new Error(child.errors);
		await sleep(5);
	}
	child.url = new URL(child.text.split('\n')[0]);
	return child;
}

const perfArgs = (rate, more = []) => [
	'record', '-e', 'cpu-clock', '-F', String(rate), '-a', '-o', join(folder, 'perf.data'), ...more,
];
/** Without looking for build ids at the end: what stops perf is not what is measured. */
const NO_BUILD_IDS = ['-B', '-N'];

/** Null: it is not there. Counts each pair of stacks in the kernel, and prints them at its end. */
const bpftrace = spawnSync('bpftrace', ['--version']).status === 0
	? (rate, more = '') => ['-o', join(folder, 'bpftrace.txt'), '-e', `profile:hz:${rate} { @[ustack, kstack] = count(); } ${more}`] : null;
const NONE = 'none';

function info(file) {
	const result = spawnSync(program, ['info', '--json', file], { encoding: 'utf8' });
	if (result.status !== 0) throw new Error(result.stderr);
	return JSON.parse(result.stdout);
}

/** A load of that many busy threads with 36 frames, for as long as asked. */
const busy = (seconds, threads = CPUS) =>
	start(loadPath('busy'), ['-s', String(seconds), '-t', String(threads), '-d', '30', '-c']);

/* --- the agent's own CPU, memory and bytes, beside perf record -g --------------------------------- */

async function costOf(rate, kind) {
	const load = busy(COST_SECONDS + 4);
	const file = join(folder, `cost-${rate}.flk`);
	let child;
	let socket;
	if (kind === 'perf') {
		child = start('perf', perfArgs(rate, [...NO_BUILD_IDS, '-g']));
	} else if (kind === 'bpftrace') {
		child = start('bpftrace', bpftrace(rate));
	} else {
		child = await startLive(rate, kind === 'record' ? ['-o', file, '--force'] : []);
		if (kind === 'viewer') socket = connect(child.url);
	}
	await sleep(1500);
	const bytesBefore = socket?.bytes ?? 0;
	const before = cpuUs(child.pid);
	const began = performance.now();
	await sleep(COST_SECONDS * 1000);
	const us = cpuUs(child.pid) - before;
	const seconds = (performance.now() - began) / 1000;
	const rss = residentKiB(child.pid);
	const wire = (socket?.bytes ?? 0) - bytesBefore;
	socket?.terminate();
	await stop(child);
	await stop(load, 'SIGKILL');
	// Both CPUs are busy all the time: what is sampled a second is the rate times the CPUs.
	const samples = rate * CPUS * seconds;
	const result = { us: us / samples, rss, wire: wire / samples };
	if (kind === 'record') {
		result.info = info(file);
		result.file = statSync(file).size / result.info.samples;
	}
	return result;
}

/** A whole run of some seconds as a user has it: start, sampling, end; for perf without any names. */
async function wholeRun(rate, kind) {
	const load = busy(COST_SECONDS + 4);
	const perf = [...perfArgs(rate, ['-g']), '--', 'sleep', COST_SECONDS];
	const record = ['record', '-F', rate, '-o', join(folder, 'whole.flk'), '--force', '-d', COST_SECONDS];
	await sleep(500);
	const ms = kind === 'perf' ? wholeRunMs('perf', perf) : kind === 'record' ? wholeRunMs(program, record)
		: wholeRunMs('bpftrace', bpftrace(rate, `interval:s:${COST_SECONDS} { exit(); }`));
	await stop(load, 'SIGKILL');
	return ms * 1000 / (rate * CPUS * COST_SECONDS);
}

async function benchCost() {
	console.log(`\n## CPU time, memory and bytes, ${CPUS} busy CPUs, stacks of 36 frames\n`);
	console.log('User and system time of all processes of each, in us a sample, while they sample, and of a whole');
	console.log(`run of ${COST_SECONDS} s, as its control group counts it. "Page": one page connected. "File": live -o FILE.`);
	console.log('perf gives no names; bpftrace gives them at its end, and tells no times, threads or CPUs.');
	console.log(bpftrace ? '' : '\nbpftrace: not installed.\n');
	console.log('| rate, Hz | perf -g | bpftrace | agent | with a page | with a file | whole run: perf -g | whole run: bpftrace | whole run: record | RSS perf, MiB | RSS bpftrace, MiB | RSS agent, MiB | wire, B a sample | file, B a sample |');
	console.log(`|${' --- |'.repeat(14)}`);
	for (const rate of [99, 999, 9999]) {
		const perf = await costOf(rate, 'perf');
		const traced = bpftrace ? await costOf(rate, 'bpftrace') : null;
		const alone = await costOf(rate, 'alone');
		const viewer = await costOf(rate, 'viewer');
		const file = await costOf(rate, 'record');
		const whole = { perf: [], ...(bpftrace && { bpftrace: [] }), record: [] };
		for (let round = 0; round < ROUNDS; round++)
			for (const kind of Object.keys(whole)) whole[kind].push(await wholeRun(rate, kind));
		const wholeOf = (kind) => (whole[kind] ? median(whole[kind]).toFixed(2) : NONE);
		console.log(
			`| ${rate} | ${perf.us.toFixed(2)} | ${traced?.us.toFixed(2) ?? NONE} | ${alone.us.toFixed(2)} | ${viewer.us.toFixed(2)} | ${file.us.toFixed(2)} | ` +
				`${wholeOf('perf')} | ${wholeOf('bpftrace')} | ${wholeOf('record')} | ` +
				`${(perf.rss / 1024).toFixed(1)} | ${traced ? (traced.rss / 1024).toFixed(1) : NONE} | ${(viewer.rss / 1024).toFixed(1)} | ` +
				`${viewer.wire.toFixed(1)} | ${file.file.toFixed(1)} |`,
		);
	}
}

/* --- the BPF program's run time ------------------------------------------------------------------- */

async function benchBpf() {
	console.log('\n## Run time of the BPF program, from kernel.bpf_stats_enabled\n');
	console.log('| rate, Hz | ns a sample |');
	console.log('| --- | --- |');
	writeFileSync(BPF_STATS, '1');
	for (const rate of [99, 999, 9999]) {
		const load = busy(8);
		const child = await startLive(rate);
		await sleep(4000);
		const list = JSON.parse(spawnSync('bpftool', ['-j', 'prog', 'list'], { encoding: 'utf8', env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } }).stdout);
		const programs = list.filter((each) => each.type === 'perf_event' && each.run_cnt);
		const count = programs.reduce((sum, each) => sum + each.run_cnt, 0);
		const ns = programs.reduce((sum, each) => sum + each.run_time_ns, 0);
		console.log(`| ${rate} | ${(ns / count).toFixed(0)} |`);
		await stop(child);
		await stop(load, 'SIGKILL');
	}
	writeFileSync(BPF_STATS, statsBefore);
}

/* --- samples lost --------------------------------------------------------------------------------- */

async function benchLoss() {
	console.log(`\n## Samples lost, ${CPUS} busy CPUs\n`);
	console.log('| rate, Hz | seconds | samples | rate reached, Hz | lost |');
	console.log('| --- | --- | --- | --- | --- |');
	for (const rate of [99, 999, 10000]) {
		const file = join(folder, `loss-${rate}.flk`);
		const load = busy(COST_SECONDS + 4);
		const child = start(program, ['record', '-F', String(rate), '-o', file, '-d', String(COST_SECONDS)]);
		await child.ended;
		await stop(load, 'SIGKILL');
		const summary = info(file);
		console.log(
			`| ${rate} | ${summary.duration_s.toFixed(1)} | ${summary.samples} | ` +
				`${summary.rate_hz.toFixed(1)} | ${summary.lost} |`,
		);
	}
}

/* --- work that busy CPUs lose --------------------------------------------------------------------- */

async function workUnder(profiler) {
	const child = await profiler?.();
	await sleep(1000);
	const load = busy(WORK_SECONDS);
	await load.ended;
	if (child) await stop(child);
	return Number(/iterations (\d+)/.exec(load.text)?.[1] ?? NaN);
}

async function benchWork() {
	const rate = 9999;
	const ways = {
		'nobody sampling': null,
		'bare interrupt': async () => startLive(rate, ['-p', '1']),
		'perf record -g': async () => start('perf', perfArgs(rate, [...NO_BUILD_IDS, '-g'])),
		...(bpftrace && { bpftrace: async () => start('bpftrace', bpftrace(rate)) }),
		'flickerscope live': async () => startLive(rate),
		'perf record --call-graph dwarf': async () => start('perf', perfArgs(rate, [...NO_BUILD_IDS, '--call-graph', 'dwarf', '-m', '16M'])),
	};
	const work = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
	for (let round = 0; round < ROUNDS; round++)
		for (const [name, profiler] of Object.entries(ways)) {
			work[name].push(await workUnder(profiler));
			rmSync(join(folder, 'perf.data'), { force: true });
		}
	const free = median(work['nobody sampling']);
	const bare = median(work['bare interrupt']) / free;
	console.log(`\n## Work done by ${CPUS} busy CPUs while sampled at ${rate} Hz, stacks of 36 frames\n`);
	console.log('"Bare interrupt" is the agent with a filter that drops each sample at once: timer, entry of the program, nothing else.\n');
	console.log('| who samples | work done | us a sample beyond the bare interrupt |');
	console.log('| --- | --- | --- |');
	for (const name of Object.keys(ways)) {
		const share = median(work[name]) / free;
		const us = ((bare - share) * 1e6) / rate;
		console.log(`| ${name} | ${(share * 100).toFixed(1)} % | ${name === 'nobody sampling' || name === 'bare interrupt' ? '' : us.toFixed(2)} |`);
	}
}

/* --- start ------------------------------------------------------------------------------------------ */

async function benchStart() {
	const times = [];
	for (let round = 0; round < 5; round++) {
		const began = performance.now();
		const child = await startLive(99);
		const socket = connect(child.url);
		await new Promise((resolve) => {
			socket.on('message', (data) => {
				if (data[0] === 2) resolve(); // the first bytes of a segment
			});
		});
		times.push(performance.now() - began);
		socket.terminate();
		await stop(child);
	}
	console.log('\n## From the start of the agent to the first samples at a page\n');
	console.log(`Median of 5: ${median(times).toFixed(0)} ms, worst ${Math.max(...times).toFixed(0)} ms.`);
}

console.log(machine());
await benchStart();
await benchCost();
await benchBpf();
await benchLoss();
await benchWork();
process.exit(0);
