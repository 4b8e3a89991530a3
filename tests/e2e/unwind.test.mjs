/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole user stacks without frame pointers: programs of known call chains are built in all ways and
 * recorded, and each sample is compared with the chain, frame by frame.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, sleep, temporaryFolder } from './agent.mjs';
import { STACK_COMPLETE, record } from './recording.mjs';

const sources = join(root, 'tests', 'e2e', 'chains');
const FREQUENCY = 499;
const BURN_MS = 1500;
const SAMPLES_LEAST = 10; // of BURN_MS x FREQUENCY = 750 on an idle machine

const NO_FRAME_POINTERS = ['-fomit-frame-pointer', '-fno-optimize-sibling-calls'];

function build(compiler, output, source, flags = []) {
	const { status, stderr } = spawnSync(compiler, [...NO_FRAME_POINTERS, '-o', output, join(sources, source), ...flags],
		{ encoding: 'utf8' });
	assert.equal(status, 0, stderr);
	return output;
}

/** Starts a program that ends by itself, and ends it with the test should it not. */
function start(t, program, args) {
	const child = spawn(program, args, { stdio: 'ignore' });
	const ended = new Promise((resolve) => child.on('close', resolve));
	t.after(async () => {
		child.kill('SIGKILL');
		await ended;
	});
	return child;
}

/** Records while programs run one after another. */
async function recordWhile(t, runs) {
	const burns = runs.reduce((sum, { burns = 1 }) => sum + burns, 0);
	const recording = record(t, (burns * (BURN_MS + 400)) / 1000 + 1.5, ['-F', FREQUENCY]);
	await sleep(700); // until it samples
	for (const run of runs) {
		const child = start(t, run.program, run.args);
		run.pid = child.pid;
		run.started?.();
		await new Promise((resolve) => child.on('close', resolve));
		assert.equal(child.exitCode, 0, run.program);
	}
	return recording;
}

/**
 * Compares each of a process's samples with the chain, without what called its first function. From the first whole
 * one that ends in the leaf on, when the tables of all files of the chain have come (the dynamic linker's own come
 * earlier), all have to be whole: how soon that is depends on who else wants the CPUs.
 *
 * @param {(name: string) => string | null} rename what a frame counts as; null: nothing
 */
function checkChain(t, label, samples, expected, { leaf = 'burn_leaf', rename = (name) => name } = {}) {
	let known_us = Infinity;
	let checked = 0, complete = 0;
	for (const sample of samples) {
		const names = sample.frames.map(({ name }) => rename(name)).filter((name) => name !== null);
		if (!names.includes(leaf)) continue;
		if (known_us === Infinity && sample.status === STACK_COMPLETE) known_us = sample.time_us;
		if (sample.time_us < known_us) continue;
		checked++;
		if (sample.status !== STACK_COMPLETE) continue;
		complete++;
		const user = names.slice(names.indexOf(leaf)).reverse();
		const chain = user.slice(user.indexOf(expected[0]));
		assert.deepEqual(chain, expected, `${label}: ${sample.frames.map(({ name }) => name).join(' < ')}`);
	}
	const late_ms = samples.length ? (known_us - samples[0].time_us) / 1000 : Infinity;
	t.diagnostic(`${label}: ${complete} of ${checked} samples have the whole chain of ${expected.length}, from ${late_ms.toFixed(0)} ms on`);
	assert.ok(checked >= SAMPLES_LEAST, `${label}: ${checked} samples`);
	assert.ok(complete >= 0.99 * checked, `${label}: ${complete} of ${checked} are complete`);
}

const ofProcess = (samples, pid) => samples.filter(({ thread }) => thread.pid === pid);
const has = (program) => spawnSync('which', [program]).status === 0;

function deepChain(depth) {
	const names = ['step_fixed', 'step_alloca', 'step_many'];
	return ['main', ...Array.from({ length: depth }, (_, i) => names[(depth - i) % 3]), 'burn_leaf'];
}

for (const compiler of ['gcc', 'clang']) {
	test(`recursion to 100 frames of odd sizes, by ${compiler}, at -O0 to -O3`,
		{ skip: !has(compiler) && `${compiler} is not installed` }, async (t) => {
			const folder = temporaryFolder(t);
			const depth = 96;
			const runs = ['-O0', '-O1', '-O2', '-O3'].map((level) => ({
				level,
				program: build(compiler, join(folder, `deep${level}`), 'deep.c', [level]),
				args: [String(BURN_MS), String(depth)],
			}));
			const samples = await recordWhile(t, runs);
			for (const { level, pid } of runs) checkChain(t, `${compiler} ${level}`, ofProcess(samples, pid), deepChain(depth));
		});
}

test('static, static-pie, not position-independent, stripped of nothing, and deleted while it runs', async (t) => {
	const folder = temporaryFolder(t);
	const variants = { static: ['-static'], 'static-pie': ['-static-pie'], fixed: ['-no-pie'], deleted: [] };
	const runs = Object.entries(variants).map(([name, flags]) => ({
		name,
		program: build('gcc', join(folder, name), 'deep.c', ['-O2', ...flags]),
		args: [String(BURN_MS), '12'],
	}));
	runs.at(-1).started = () => rmSync(join(folder, 'deleted'));
	const samples = await recordWhile(t, runs);
	for (const { name, pid } of runs) checkChain(t, name, ofProcess(samples, pid), deepChain(12));
});

test('a signal\'s handler over a deep stack, on the same and on an alternate one', async (t) => {
	const folder = temporaryFolder(t);
	const program = build('gcc', join(folder, 'signals'), 'signals.c', ['-O2']);
	const runs = [
		{ name: 'same stack', program, args: [String(BURN_MS)] },
		{ name: 'alternate stack', program, args: [String(BURN_MS), 'alternate'] },
	];
	const samples = await recordWhile(t, runs);
	/* What the kernel returns to after a handler has no name in some C libraries. */
	const rename = (name) => (/^__restore_rt$|\+0x/.test(name) ? null : name);
	const chain = ['main', ...Array(30).fill('step_down'), 'wait_for_signal', 'on_signal', 'burn_leaf'];
	for (const { name, pid } of runs) checkChain(t, name, ofProcess(samples, pid), chain, { rename });
});

test('a library that is loaded later, and calls back', async (t) => {
	const folder = temporaryFolder(t);
	const library = build('gcc', join(folder, 'library.so'), 'library.c', ['-O2', '-shared', '-fPIC']);
	const program = build('gcc', join(folder, 'loader'), 'loader.c', ['-O2', '-ldl']);
	const runs = [{ program, args: [String(BURN_MS), library] }];
	const samples = ofProcess(await recordWhile(t, runs), runs[0].pid);
	checkChain(t, 'loaded', samples.filter(({ frames }) => frames.some(({ name }) => name === 'come_back')),
		['main', 'library_enter', 'library_step', 'library_step', 'come_back', 'burn_leaf']);
});

test('C++: a template, a virtual function, and calls through the PLT', async (t) => {
	const folder = temporaryFolder(t);
	mkdirSync(join(folder, 'lib'));
	const library = build('g++', join(folder, 'lib', 'libshapes.so'), 'shapes.cpp', ['-O2', '-shared', '-fPIC', '-Wl,-z,lazy']);
	const runs = ['-Wl,-z,lazy', '-Wl,-z,now'].map((binding) => ({
		binding,
		program: build('g++', join(folder, `calls${binding.at(-1)}`), 'calls.cpp',
			['-O2', binding, library, `-Wl,-rpath,${join(folder, 'lib')}`]),
		args: [String(BURN_MS)],
	}));
	const samples = await recordWhile(t, runs);
	for (const { binding, pid } of runs) {
		const own = ofProcess(samples, pid);
		checkChain(t, binding, own, ['main', 'int visit<Circle>(Shape&)', 'Circle::draw()', 'draw_all(int)'], { leaf: 'draw_all(int)' });
		const stubs = own.filter(({ frames }) => frames[0]?.name.endsWith('@plt'));
		t.diagnostic(`${binding}: ${stubs.length} samples in a PLT stub`);
		assert.ok(stubs.length > 0, `${binding}: no sample in a PLT stub`);
	}
});

test('a thread that outlives the main one, and its child that does not exec', async (t) => {
	const folder = temporaryFolder(t);
	const program = build('gcc', join(folder, 'threads'), 'threads.c', ['-O2', '-pthread']);
	const runs = [{ program, args: [String(BURN_MS)], burns: 2 }];
	const all = (await recordWhile(t, runs)).filter(({ thread }) => thread.process === 'threads');
	const chain = ['thread_main', 'thread_step', 'thread_step'];
	checkChain(t, 'thread', ofProcess(all, runs[0].pid), [...chain, 'burn_leaf']);
	const ofChild = all.filter(({ thread }) => thread.pid !== runs[0].pid);
	checkChain(t, 'child', ofChild, [...chain, 'child_burns', 'burn_leaf']);
});
