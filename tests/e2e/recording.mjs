/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a recording says, sample by sample, with how each walk ended: read by the page's own code.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { program, sleep, temporaryFolder, until } from './agent.mjs';
import '../viewer/bare_names.mjs';

const { FileFeed } = await import('../../viewer/file_feed.js');
const { Profile } = await import('../../viewer/model/profile.js');

/** enum stack_status, include/sample_abi.h */
export const STACK_NONE = 0;
export const STACK_COMPLETE = 1;
const STATUS_MASK = 7;
const FILE_HEADER_SIZE = 40; // include/wire.h

/**
 * @typedef {object} RecordedSample
 * @property {number} time_us timeline
 * @property {number} status enum stack_status of the user part
 * @property {{ tid: number, pid: number, comm: string, process: string }} thread
 * @property {{ name: string, kind: number, module: string, file: string, line: number }[]} frames leaf first
 */

function framesOf(dictionary, stack) {
	const [parents, frameIds] = dictionary.stacks.columns;
	const [functions, kinds, files, lines] = dictionary.frames.columns;
	const frames = [];
	for (let at = stack; at && parents[at]; at = parents[at]) {
		const frame = frameIds[at];
		const id = dictionary.function_canonical(functions[frame]);
		frames.push({
			name: dictionary.function_text(id),
			kind: kinds[frame],
			module: dictionary.module_text(dictionary.function_module[id]),
			file: dictionary.strings.texts[files[frame]],
			line: lines[frame],
		});
	}
	return frames;
}

/** What a page holds that shows it. @param {boolean} [isWhole] false: it is still being written */
export async function readProfile(path, isWhole = true) {
	const profile = new Profile({});
	const feed = new FileFeed({ file: new Blob([readFileSync(path)]), sink: profile });
	const outcome = await feed.read();
	assert.ok(!isWhole || (outcome.complete && !outcome.damaged), 'the recording is whole');
	return profile;
}

/**
 * @param {boolean} [isWhole] false: it is still being written
 * @returns {Promise<RecordedSample[]>} in order of time within each segment
 */
export async function readRecording(path, isWhole = true) {
	const profile = await readProfile(path, isWhole);
	const { dictionary } = profile;
	const stacks = new Map();
	const samples = [];
	for (const block of profile.blocks) {
		for (let row = 0; row < block.count; row++) {
			const stack = block.stack_ids[block.stack[row]];
			if (!stacks.has(stack)) stacks.set(stack, framesOf(dictionary, stack));
			samples.push({
				time_us: block.start_us + block.time[row],
				status: block.status[row] & STATUS_MASK,
				thread: dictionary.thread(block.thread_ids[block.thread[row]]),
				frames: stacks.get(stack),
			});
		}
	}
	return samples;
}

/**
 * Records this host until the function that it gives is called: that one gives the samples. It samples when the
 * function is given.
 * @returns {Promise<(() => Promise<RecordedSample[]>) & { peek: () => Promise<RecordedSample[]> }>}
 */
export async function startRecording(test, args = []) {
	const path = join(temporaryFolder(test), 'recording.flick');
	const child = spawn(program, ['record', '-o', path, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
	const ended = new Promise((resolve) => child.on('close', resolve));
	let stderr = '';
	child.stderr.on('data', (text) => (stderr += text));
	test.after(async () => {
		child.kill('SIGKILL');
		await ended;
	});
	await until(() => child.exitCode !== null || (existsSync(path) && statSync(path).size > FILE_HEADER_SIZE), 'the first samples');
	const stop = async () => {
		assert.equal(child.exitCode ?? child.signalCode, null, `it goes on until now: ${stderr}`);
		child.kill('SIGINT');
		assert.equal(await ended, 0, stderr);
		return readRecording(path);
	};
	/** What has been written so far. */
	stop.peek = () => readRecording(path, false);
	return stop;
}

/** Records this host for some seconds. @returns {Promise<RecordedSample[]>} */
export async function record(test, seconds, args = []) {
	const stop = await startRecording(test, args);
	await sleep(seconds * 1000);
	return stop();
}
