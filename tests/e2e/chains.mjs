/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of known call chains, from chains/: builds them, records them, and compares each sample with the chain.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, sleep } from './agent.mjs';
import { STACK_COMPLETE, startRecording } from './recording.mjs';

const sources = join(root, 'tests', 'e2e', 'chains');
const FREQUENCY = 499;
export const BURN_MS = 1500;
const NAMES_MS = 2000; // the last names may come later than the last samples
export const SAMPLES_LEAST = 10; // of BURN_MS x FREQUENCY = 750 on an idle machine

const NO_FRAME_POINTERS = ['-fomit-frame-pointer', '-fno-optimize-sibling-calls'];

export function build(compiler, output, source, flags = []) {
	const { status, stderr } = spawnSync(compiler, [...NO_FRAME_POINTERS, '-o', output, join(sources, source), ...flags],
		{ encoding: 'utf8' });
	assert.equal(status, 0, stderr);
	return output;
}

/** Writes a program's bytes with another build id: a file that nobody has seen. */
export function copyAsNew(template, path) {
	const bytes = Buffer.from(template);
	const note = bytes.indexOf(Buffer.from('\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0', 'latin1'));
	assert.ok(note >= 0, 'it has a build id');
	for (let i = 0; i < 20; i++) bytes[note + 16 + i] = Math.floor(Math.random() * 256);
	writeFileSync(path, bytes, { mode: 0o755 });
	return path;
}

/** Starts a program that ends by itself, and ends it with the test should it not. */
function start(t, program, args) {
	const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
	const ended = new Promise((resolve) => child.on('close', resolve));
	t.after(async () => {
		child.kill('SIGKILL');
		await ended;
	});
	return child;
}

/**
 * Records while programs run.
 *
 * @param {number} lead_ms before the first: on a busy machine it has the tables of all else that runs then
 * @param {number} at_once so many of them run at a time
 */
export async function recordWhile(t, runs, { args = [], lead_ms = 300, at_once = 1 } = {}) {
	const stop = await startRecording(t, ['-F', FREQUENCY, ...args]);
	const waiting = [...runs];
	await sleep(lead_ms);
	await Promise.all(Array.from({ length: at_once }, async () => {
		for (let run; (run = waiting.shift()); ) {
			const child = start(t, run.program, run.args);
			run.pid = child.pid;
			run.started?.();
			await new Promise((resolve) => child.on('close', resolve));
			assert.equal(child.exitCode, 0, `${run.program} ${run.args.join(' ')}`);
			await run.ended?.();
		}
	}));
	await sleep(NAMES_MS);
	return stop();
}

/**
 * Compares each of a process's samples with the chain, without what called its first function. From the first whole
 * one that ends in the leaf on, when the tables of all files of the chain have come (the dynamic linker's own come
 * earlier), all have to be whole: how soon that is depends on who else wants the CPUs.
 *
 * @param {(name: string) => string | null} rename what a frame counts as; null: nothing
 */
export function checkChain(t, label, samples, expected, { leaf = 'burn_leaf', rename = (name) => name } = {}) {
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

export const ofProcess = (samples, pid) => samples.filter(({ thread }) => thread.pid === pid);
export const has = (program) => spawnSync('which', [program]).status === 0;

export function deepChain(depth) {
	const names = ['step_fixed', 'step_alloca', 'step_many'];
	return ['main', ...Array.from({ length: depth }, (_, i) => names[(depth - i) % 3]), 'burn_leaf'];
}
