/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inlined functions and lines, exceptions on their way, interpreters, and the shares of functions beside those
 * that `perf record --call-graph dwarf` finds: programs that run at the same time, and one recording of them.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, sleep, temporaryFolder, until } from './agent.mjs';
import { SAMPLES_LEAST, build, checkChain, has, ofProcess } from './chains.mjs';
import { STACK_COMPLETE, startRecording } from './recording.mjs';

const KIND_PROGRAM = 1, KIND_INLINED = 3; // enum wire_frame_kind
const FREQUENCY = 499;
const PATIENCE_MS = 90_000; // ten times what it takes on a quiet machine
const BURN_MS = 2 * PATIENCE_MS; // until it is stopped
const SHARES = 20;
const SHARES_SAMPLES = 400;
const PERF_HEADER_SIZE_MAX = 65536;
const WITHOUT_PERF = !has('perf') && 'perf is not installed';
const WITHOUT_RUST = !has('rustc') && 'rustc is not installed';
const WITHOUT_CLANG = !has('clang') && 'clang is not installed';

const ms = String(BURN_MS);
const scripts = {
	perl: ['-MTime::HiRes=time', '-e', `my $end = time + ${BURN_MS} / 1000; while (time < $end) { $n += sqrt $_ for 1 .. 1000 }`],
	'/usr/bin/python3': ['-c', `import time\nend = time.time() + ${BURN_MS} / 1000\nwhile time.time() < end: sum(i * i for i in range(1000))`],
	node: ['-e', `const end = Date.now() + ${BURN_MS}; while (Date.now() < end) JSON.parse(JSON.stringify(process.versions))`],
};

/** What runs: its pid is written here, and its samples are found by it. */
const runs = {};
let samples = [];
let perfStacks = [];

function command(program, args) {
	const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
	assert.equal(status, 0, stderr);
}

/** The program without its debug information, which is in a file beside it. */
function separate(folder, program) {
	const stripped = join(folder, 'separate');
	copyFileSync(program, stripped);
	command('objcopy', ['--only-keep-debug', program, `${stripped}.debug`]);
	command('objcopy', ['--strip-debug', `--add-gnu-debuglink=${stripped}.debug`, stripped]);
	return stripped;
}

function buildAll(folder) {
	const gcc = build('gcc', join(folder, 'by_gcc'), 'inlined.c', ['-O2', '-g']);

	runs.gcc = { program: gcc, args: [ms], inlines: true };
	runs.separate = { program: separate(folder, gcc), args: [ms], inlines: true };
	if (!WITHOUT_CLANG) runs.clang = { program: build('clang', join(folder, 'by_clang'), 'inlined.c', ['-O3', '-g']), args: [ms], inlines: true };
	if (!WITHOUT_RUST) {
		const program = join(folder, 'by_rust');
		command('rustc', ['-O', '-g', '-o', program, join(root, 'tests', 'e2e', 'chains', 'inlined.rs')]);
		runs.rust = { program, args: [ms], inlines: true };
	}
	runs.shares = { program: build('gcc', join(folder, 'shares'), 'shares.c', ['-O2']), args: [ms] };
	runs.throwing = { program: build('g++', join(folder, 'throwing'), 'throwing.cpp', ['-O2']), args: [ms] };
	for (const [program, args] of Object.entries(scripts)) if (has(program)) runs[program] = { program, args };
}

/** Starts a program that runs until it is stopped, or ends with the test. @returns {Promise<void>} */
function start(t, run) {
	const child = spawn(run.program, run.args, { stdio: ['ignore', 'ignore', 'inherit'] });
	const ended = new Promise((resolve) => child.on('close', resolve));
	run.pid = child.pid;
	run.stop = () => child.kill('SIGTERM');
	t.after(async () => {
		child.kill('SIGKILL');
		await ended;
	});
	return ended;
}

/** The stacks of a process that perf saw: names, leaf first. */
function readPerf(path) {
	const { status, stdout, stderr } = spawnSync('perf', ['script', '-i', path, '--no-inline', '-F', 'comm,pid,ip,sym'],
		{ encoding: 'utf8', maxBuffer: 1 << 28 });
	assert.equal(status, 0, stderr);
	return stdout.split('\n\n').filter((text) => text.trim()).map((text) =>
		text.split('\n').slice(1).map((line) => line.trim().split(' ').slice(1).join(' ')));
}

/** perf, which takes a while until it samples on a busy machine. */
async function startPerf(t, file) {
	const perf = start(t, { program: 'perf', args: ['record', '-q', '-B', '-N', '-e', 'cpu-clock', '-F', String(FREQUENCY), '--call-graph',
		'dwarf', '-p', String(runs.shares.pid), '-o', file] });
	await until(() => existsSync(file) && statSync(file).size > PERF_HEADER_SIZE_MAX, 'samples of perf', PATIENCE_MS);
	return { ended: perf };
}

const hasInlined = ({ frames }) => frames.some(({ name, kind }) => kind === KIND_INLINED && /burn$/.test(name));
const isNamed = ({ frames }) => frames.at(-1)?.name === '_start';
const isWhole = ({ status }) => status === STACK_COMPLETE;
/** The memory of a process that is being ended is gone, and it may take the kernel some samples to end it. */
const isEnding = ({ frames }) => frames.some(({ name }) => name === 'do_exit');

/** Whether there is enough of all: how long that takes depends on who else wants the CPUs. */
function hasEnough(recorded) {
	return Object.entries(runs).every(([name, { pid, inlines }]) => {
		const known = ofProcess(recorded, pid).filter(inlines ? hasInlined : name === 'node' ? isNamed : isWhole);
		return known.length >= (name === 'shares' ? SHARES_SAMPLES : 3 * SAMPLES_LEAST);
	});
}

test('programs that run at the same time, recorded', async (t) => {
	const folder = temporaryFolder(t);
	const perfFile = join(folder, 'perf.data');
	buildAll(folder);
	const stop = await startRecording(t, ['-F', String(FREQUENCY)]);
	const shares = start(t, runs.shares);
	const perfEnds = WITHOUT_PERF ? [] : [await startPerf(t, perfFile)];
	for (const run of Object.values(runs)) if (!run.pid) start(t, run);
	/* What is missing in the end, the tests below tell. */
	for (const end = Date.now() + PATIENCE_MS; Date.now() < end && !hasEnough(await stop.peek()); ) await sleep(500);
	for (const run of Object.values(runs)) run.stop();
	await Promise.all([shares, ...perfEnds.map(({ ended }) => ended)]); // perf ends with the process
	samples = (await stop()).sort((a, b) => a.time_us - b.time_us);
	if (!WITHOUT_PERF) perfStacks = readPerf(perfFile);
});

/** Lines of a source by what is written at their ends: "from main" and so on. */
function linesOf(source) {
	const lines = new Map();
	readFileSync(join(root, 'tests', 'e2e', 'chains', source), 'utf8').split('\n').forEach((text, i) => {
		const mark = /from (\w+)(?: \*\/)?$/.exec(text);
		if (mark) lines.set(mark[1], i + 1);
	});
	return lines;
}

/**
 * From the first sample on that has inlined frames, each sample has to have all of them, and each frame its place.
 * @param {string} prefix of the functions' names
 */
function checkInlined(t, run, source, prefix = '') {
	const own = ofProcess(samples, run.pid);
	const first = own.findIndex(({ frames }) => frames.some(({ name, kind }) => kind === KIND_INLINED && name === `${prefix}burn`));
	const checked = first < 0 ? [] : own.slice(first).filter(({ status }) => status === STACK_COMPLETE);
	const lines = linesOf(source);
	const expected = ['main', 'enter', 'outer', 'inner'].map((name, i) =>
		({ name: prefix + name, kind: i < 2 ? KIND_PROGRAM : KIND_INLINED, file: `chains/${source}`, line: lines.get(name) }));
	let inside = 0, lined = 0;

	for (const { frames } of checked) {
		const chain = frames.map(({ name, kind, file, line }) => ({ name, kind, file, line })).reverse();
		const from = chain.findIndex(({ name }) => name === `${prefix}main`);
		if (chain[from + 1]?.name !== `${prefix}enter` || chain.length <= from + 2 || chain[from + 2].kind !== KIND_INLINED) continue;
		inside++;
		assert.deepEqual(chain.slice(from, from + 4), expected);
		const { name, kind, file, line } = chain[from + 4];
		assert.deepEqual({ name, kind, file }, { name: `${prefix}burn`, kind: KIND_INLINED, file: `chains/${source}` });
		lined += line > 0; // 0 is the compiler's own code
	}
	const late_ms = first < 0 ? Infinity : (own[first].time_us - own[0].time_us) / 1000;
	t.diagnostic(`${inside} of ${checked.length} samples in the inlined functions, from ${late_ms.toFixed(0)} ms on`);
	assert.ok(inside >= SAMPLES_LEAST, `${inside} samples`);
	assert.ok(lined > 0.5 * inside, `${lined} of ${inside} have a line`);
	assert.ok(inside >= 0.98 * checked.length, `${inside} of ${checked.length} are in the inlined functions`);
}

test('C by gcc: each inlined function is a frame with its line', (t) => checkInlined(t, runs.gcc, 'inlined.c'));
test('C by clang: the same', { skip: WITHOUT_CLANG }, (t) => checkInlined(t, runs.clang, 'inlined.c'));
test('C with a separate debug file: the same', (t) => checkInlined(t, runs.separate, 'inlined.c'));
test('Rust: the same', { skip: WITHOUT_RUST }, (t) => checkInlined(t, runs.rust, 'inlined.rs', 'inlined::'));

test('C++: exceptions on their way keep the chain below them', (t) => {
	const thrown = ofProcess(samples, runs.throwing.pid).filter(({ frames }) => frames.some(({ name }) => name === '__cxa_throw'));
	checkChain(t, 'throwing', thrown,
		['main', 'catch_all(int)', ...Array(8).fill('step_down(int)'), 'throw_up(int)', '__cxa_throw'], { leaf: '__cxa_throw' });
});

for (const program of Object.keys(scripts)) {
	test(`${program} as it is packed: stacks reach its first function`, { skip: !has(program) && `${program} is not installed` }, (t) => {
		const all = ofProcess(samples, runs[program].pid).filter(({ thread }) => thread.tid === thread.pid);
		/* Before, it is a copy of the test itself. */
		const own = all.slice(all.findLastIndex(({ frames }) => frames.some(({ name }) => name.includes('execve'))) + 1);
		/* Behind code that a JIT made frames are guessed, and then no walk counts as whole; but it gets there. */
		const isThere = ({ status, frames }) => (status === STACK_COMPLETE || program === 'node') && frames.at(-1)?.name === '_start';
		const first = own.findIndex((sample) => isThere(sample) && sample.frames.some(({ name }) => name === '__libc_start_main'));
		const known = first < 0 ? [] : own.slice(first).filter((sample) => !isEnding(sample));
		const whole = known.filter(isThere);
		t.diagnostic(`${whole.length} of ${known.length} samples reach _start`);
		assert.ok(whole.length >= SAMPLES_LEAST, `${whole.length} samples`);
		for (const { status, frames } of known.filter((sample) => !isThere(sample)).slice(0, 5))
			t.diagnostic(`status ${status}: ${frames.map(({ name }) => name).join(' < ')}`);
		assert.ok(whole.length >= 0.99 * known.length, `${whole.length} of ${known.length}`);
	});
}

/** The value that chi-square exceeds with a probability of one in a million (Wilson and Hilferty 1931). */
function limitOf(freedom) {
	const part = 2 / (9 * freedom);
	return freedom * (1 - part + 4.753 * Math.sqrt(part)) ** 3;
}

/** The G statistic of a table of counts: rows that should have the same shares. */
function gOf(rows) {
	const columns = rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0));
	const all = columns.reduce((sum, count) => sum + count, 0);
	let g = 0;

	for (const row of rows) {
		const total = row.reduce((sum, count) => sum + count, 0);
		row.forEach((count, i) => (g += count ? 2 * count * Math.log((count * all) / (total * columns[i])) : 0));
	}
	return g;
}

/** How often each of the functions was the leaf. @param {string[][]} stacks names, leaf first */
function shareCounts(stacks) {
	const counts = Array(SHARES).fill(0);
	for (const names of stacks) {
		const leaf = names.map((name) => /^share_(\d+)$/.exec(name)).find(Boolean);
		if (leaf) counts[Number(leaf[1]) - 1]++;
	}
	return counts;
}

test('twenty functions have the shares that perf finds with DWARF in the same seconds', { skip: WITHOUT_PERF }, (t) => {
	const own = ofProcess(samples, runs.shares.pid);
	/* From when the program's own table has come; the dynamic linker's may have been there before. */
	const named = own.findIndex(({ status, frames }) => status === STACK_COMPLETE && frames.some(({ name }) => name.startsWith('share_')));
	const ours = shareCounts(own.map(({ frames }) => frames.map(({ name }) => name)));
	const theirs = shareCounts(perfStacks);
	const truth = ours.map((_, i) => (i + 1) * 1e7); // as good as without chance
	const limit = limitOf(SHARES - 1);
	const known = own.slice(named).filter((sample) => !isEnding(sample));
	const cut = known.filter(({ status, frames }) => status !== STACK_COMPLETE || frames.at(-1)?.name !== '_start');
	const whole = 1 - cut.length / known.length;
	const theirWhole = perfStacks.filter((names) => names.includes('_start')).length / perfStacks.length;

	t.diagnostic(`G ${gOf([ours, theirs]).toFixed(1)} against perf, ${gOf([ours, truth]).toFixed(1)} against the truth; the limit is ${limit.toFixed(1)}`);
	t.diagnostic(`whole stacks: ${(100 * whole).toFixed(2)}%, perf's ${(100 * theirWhole).toFixed(2)}%; ${own.length} and ${perfStacks.length} samples`);
	for (const { status, frames } of cut.slice(0, 10)) t.diagnostic(`status ${status}: ${frames.map(({ name }) => name).join(' < ')}`);
	assert.ok(perfStacks.length >= 10 * SAMPLES_LEAST && own.length >= 10 * SAMPLES_LEAST, 'enough samples');
	assert.ok(gOf([ours, theirs]) <= limit, `${ours} and perf's ${theirs}`);
	assert.ok(gOf([ours, truth]) <= limit, `${ours}`);
	assert.ok(whole >= theirWhole, 'ours are whole at least as often');
});
