/* SPDX-License-Identifier: Apache-2.0 */
/* Captures: written by the real program, ended well and badly, opened again. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { run, sleep, startAgent, startLoad, temporaryFolder, until } from './agent.mjs';

async function info(path) {
	const result = await run(['info', '--json', path]);
	assert.equal(result.code, 0, result.stderr);
	return { ...JSON.parse(result.stdout), stderr: result.stderr };
}

/** Ids of the BPF programs that a process holds. */
function programs_of(pid) {
	const ids = [];
	for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
		let text;
		try {
			text = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
		} catch (error) {
			if (error.code === 'ENOENT') continue; // closed meanwhile
			throw error;
		}
		const match = /^prog_id:\s+(\d+)/m.exec(text);
		if (match) ids.push(Number(match[1]));
	}
	return ids;
}

test('record writes what a busy CPU did, and info tells it', async (t) => {
	const folder = temporaryFolder(t);
	const file = join(folder, 'busy.flk');
	startLoad(t, 'busy', ['-s', 20, '-t', 1, '-d', 5]);
	const result = await run(['record', '-F', '199', '-o', file, '-d', '3']);
	assert.equal(result.code, 0, result.stderr);
	assert.equal(statSync(file).mode & 0o777, 0o600);
	const summary = await info(file);
	assert.equal(summary.frequency_hz, 199);
	assert.ok(summary.duration_s > 2.5 && summary.duration_s < 30, `${summary.duration_s} s`);
	// One CPU is kept busy all the time; a crowded machine may give it less.
	assert.ok(summary.samples > 3 * 199 * 0.5, `${summary.samples} samples`);
	assert.equal(summary.lost, 0);
	assert.ok(summary.processes_top ?? summary.processes, 'processes are named');
	assert.match(JSON.stringify(summary), /load_busy/);
	const text = await run(['info', file]);
	assert.equal(text.code, 0);
	assert.match(text.stdout, /load_busy/);
	assert.match(text.stdout, /199 Hz/);
});

test('live -o records as well, and view serves the file to a viewer who is not root', async (t) => {
	const folder = temporaryFolder(t);
	const file = join(folder, 'live.flk');
	const agent = await startAgent(t, ['-o', file]);
	await sleep(2500);
	assert.equal((await agent.stop()).code, 0, agent.stderr);
	const summary = await info(file);
	assert.ok(summary.samples > 0);
	const viewer = await startAgent(t, [file], { command: 'view' });
	const page = await fetch(viewer.origin + '/');
	assert.equal(page.status, 200);
	assert.equal((await viewer.stop()).code, 0, viewer.stderr);
});

test('after kill -9 the capture opens, less the last second, and nothing stays in the kernel', async (t) => {
	const folder = temporaryFolder(t);
	const file = join(folder, 'killed.flk');
	startLoad(t, 'busy', ['-s', 30, '-t', 1, '-d', 5]);
	const programs = () => {
		const list = spawnSync('bpftool', ['-j', 'prog', 'list'], {
			encoding: 'utf8',
			env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
		});
		assert.equal(list.status, 0, list.stderr);
		return JSON.parse(list.stdout);
	};
	const agent = await startAgent(t, ['-F', '199', '-o', file]);
	const ids = new Set(programs_of(agent.pid));
	assert.ok(ids.size > 0, 'its programs are loaded while it runs');
	const children = readFileSync(`/proc/${agent.pid}/task/${agent.pid}/children`, 'utf8')
		.trim().split(' ').filter(Boolean);
	assert.ok(children.length > 0, 'it has a worker');
	await sleep(4000);
	agent.child.kill('SIGKILL');
	await agent.exited;
	const summary = await info(file);
	assert.ok(summary.duration_s > 1.9, `${summary.duration_s} s of 4 are there`);
	assert.ok(summary.samples > 199, `${summary.samples} samples`);
	await until(() => programs().every(({ id }) => !ids.has(id)), 'its programs gone');
	await until(
		() => children.every((pid) => spawnSync('kill', ['-0', pid]).status !== 0),
		'its child processes gone',
	);
});

test('a file that is still written opens, and grows', async (t) => {
	const folder = temporaryFolder(t);
	const file = join(folder, 'growing.flk');
	startLoad(t, 'busy', ['-s', 30, '-t', 1, '-d', 5]);
	const agent = await startAgent(t, ['-o', file]);
	await until(() => statSync(file).size > 1000, 'something in the file');
	await sleep(1500);
	const first = await info(file);
	await until(async () => (await info(file)).samples > first.samples, 'more samples in the file');
	assert.equal((await agent.stop()).code, 0);
});

test('cut at a hundred places it opens up to the cut, and says that it ends early', async (t) => {
	const folder = temporaryFolder(t);
	const file = join(folder, 'whole.flk');
	startLoad(t, 'busy', ['-s', 20, '-t', 1, '-d', 5]);
	assert.equal((await run(['record', '-F', '49', '-o', file, '-d', '4'])).code, 0);
	const whole = readFileSync(file);
	const { samples, frames, frames_module_only: only, frames_no_module: none } = await info(file);
	assert.ok(only.count + none.count < frames, `of ${frames} frames ${only.count} have a module alone, ${none.count} not even that`);
	assert.equal(none.count, none.anonymous + none.no_mapping);
	const cut = join(folder, 'cut.flk');
	let last = 0;
	for (let i = 1; i < 100; i++) {
		const size = Math.floor((whole.length * i) / 100);
		writeFileSync(cut, whole.subarray(0, size));
		const result = await run(['info', '--json', cut]);
		if (size < 40) continue; // not even a header
		assert.equal(result.code, 0, `${size} bytes: ${result.stderr}`);
		const part = JSON.parse(result.stdout);
		assert.ok(part.samples >= last && part.samples <= samples, `${size} bytes: ${part.samples}`);
		last = part.samples;
	}
	assert.ok(last > 0, 'something was there before the cut');
});

test('a full disk loses what does not fit, says so, and what is there opens', async (t) => {
	const folder = temporaryFolder(t);
	const disk = join(folder, 'disk');
	mkdirSync(disk);
	const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', disk]);
	assert.equal(mounted.status, 0, String(mounted.stderr));
	startLoad(t, 'busy', ['-s', 30, '-t', 2, '-d', 60]);
	try {
		const file = join(disk, 'full.flk');
		// Leaves only a few pages: they fill within the first seconds.
		const filler = openSync(join(disk, 'filler'), 'w');
		writeSync(filler, Buffer.alloc(44 * 1024));
		closeSync(filler);
		const result = await run(['record', '-F', '999', '-o', file, '-d', '5']);
		assert.equal(result.code, 1, 'a capture that is not whole is a failure');
		assert.match(result.stderr, /full\.flk/);
		assert.match(result.stderr, /No space left|disk was full/);
		const summary = await info(file);
		assert.ok(summary.bytes > 0);
	} finally {
		spawnSync('umount', [disk]);
	}
});

test('a damaged byte costs its segment, and the warning says which time is missing', async (t) => {
	const folder = temporaryFolder(t);
	const file = join(folder, 'damaged.flk');
	startLoad(t, 'busy', ['-s', 20, '-t', 1, '-d', 5]);
	assert.equal((await run(['record', '-o', file, '-d', '3'])).code, 0);
	const bytes = readFileSync(file);
	bytes[600] ^= 0xff; // in the first chunk of the first segment
	writeFileSync(file, bytes);
	const result = await run(['info', file]);
	assert.equal(result.code, 0, result.stderr);
	assert.match(result.stderr, /warning: .*damaged\.flk/);
	assert.match(result.stderr, /seconds are missing/);
	truncateSync(file, 4);
	assert.equal((await run(['info', file])).code, 1);
});
