/* SPDX-License-Identifier: Apache-2.0 */
/* Captures: written by the real program, ended well and badly, opened again. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { loadPath, program, run, sleep, startAgent, startLoad, temporaryFolder, until } from './agent.mjs';

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

/** Three seconds of a busy CPU at 199 Hz, for all that only read them. @type {Buffer} */
let recorded;

before(async (t) => {
	const folder = mkdtempSync(join(tmpdir(), 'flickerscope-'));
	const file = join(folder, 'busy.flk');
	const load = spawn(loadPath('busy'), ['-s', '20', '-t', '1', '-d', '5'], { stdio: 'ignore' });
	try {
		const result = await run(['record', '-F', '199', '-o', file, '-d', '3']);
		assert.equal(result.code, 0, result.stderr);
		assert.equal(result.stdout + result.stderr, '', 'no progress in a pipe');
		assert.equal(statSync(file).mode & 0o777, 0o600);
		recorded = readFileSync(file);
	} finally {
		load.kill('SIGKILL');
		rmSync(folder, { recursive: true });
	}
});

test('record writes what a busy CPU did, and info tells it', async (t) => {
	const folder = temporaryFolder(t);
	const file = join(folder, 'busy.flk');
	writeFileSync(file, recorded);
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
	startLoad(t, 'busy', ['-s', 10, '-t', 1, '-d', 5]); // a machine may be idle for so long
	const agent = await startAgent(t, ['-o', file]);
	await sleep(1500);
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
	await sleep(3000);
	agent.child.kill('SIGKILL');
	await agent.exited;
	const summary = await info(file);
	assert.ok(summary.duration_s > 1.9, `${summary.duration_s} s of 3 are there`);
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
	writeFileSync(file, recorded);
	const whole = recorded;
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
		// Leaves two pages: they fill within the first second or two.
		const filler = openSync(join(disk, 'filler'), 'w');
		writeSync(filler, Buffer.alloc(56 * 1024));
		closeSync(filler);
		const result = await run(['record', '-F', '999', '-o', file, '-d', '3']);
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
	const bytes = Buffer.from(recorded);
	bytes[600] ^= 0xff; // in the first chunk of the first segment
	writeFileSync(file, bytes);
	const result = await run(['info', file]);
	assert.equal(result.code, 0, result.stderr);
	assert.match(result.stderr, /warning: .*damaged\.flk/);
	assert.match(result.stderr, /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z to \S+Z is missing/);
	truncateSync(file, 4);
	assert.equal((await run(['info', file])).code, 1);
});

test('a command is recorded alone with its children, and its exit code is passed on', async (t) => {
	const folder = temporaryFolder(t);
	const file = join(folder, 'command.flk');
	const busy = startLoad(t, 'busy', ['-s', 30, '-t', 1, '-d', 5]); // somebody else
	const script = `${loadPath('busy')} -s 1 -t 1 -d 7 & wait; exit 7`;
	const result = await run(['record', '-F', '499', '-o', file, '--', 'sh', '-c', script]);
	assert.equal(result.code, 7, result.stderr);
	const summary = await info(file);
	assert.ok(summary.samples > 10, `${summary.samples} samples of a child`);
	assert.equal(summary.title, `sh -c ${script}`.slice(0, 255));
	assert.ok(summary.top_processes.every(({ pid }) => pid !== busy.pid), JSON.stringify(summary.top_processes));
	assert.ok(summary.top_processes.some(({ name }) => name === 'load_busy'));
	assert.ok(summary.duration_s < 10, `it ended with the command, after ${summary.duration_s} s`);

	/* Options behind the command are the command's. */
	const options = await run(['record', '-o', join(folder, 'options.flk'), 'sh', '-c', 'exit $#', 'name', '-d', '-o', 'x']);
	assert.equal(options.code, 3, options.stderr);
	const missing = join(folder, 'missing.flk');
	const absent = await run(['record', '-o', missing, '--', 'no-such-program']);
	assert.equal(absent.code, 127);
	assert.match(absent.stderr, /no-such-program: No such file/);
	assert.ok(!existsSync(missing), 'nothing was recorded');
	const forbidden = await run(['record', '-o', missing, '--', '/etc/passwd']);
	assert.equal(forbidden.code, 126);
	const both = await run(['record', '-o', missing, '-p', '1', '--', 'true']);
	assert.equal(both.code, 2);
	assert.match(both.stderr, /-p/);
});

test('a signal reaches the command, and the end of its time is no failure', async (t) => {
	const folder = temporaryFolder(t);
	const start = (name, ...command) => {
		const child = spawn(program, ['record', '-o', join(folder, name), '--', ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
		child.ended = new Promise((resolve) => child.on('close', (code) => resolve(code)));
		return child;
	};
	const gone = start('term.flk', 'sh', '-c', 'echo on; exec sleep 60');
	await new Promise((resolve) => gone.stdout.once('data', resolve));
	gone.kill('SIGTERM');
	assert.equal(await gone.ended, 128 + 15);
	const tidy = start('tidy.flk', 'sh', '-c', 'trap "exit 5" INT; echo on; while :; do sleep 0.05; done');
	await new Promise((resolve) => tidy.stdout.once('data', resolve));
	tidy.kill('SIGINT');
	assert.equal(await tidy.ended, 5);
	const stubborn = start('stubborn.flk', 'sh', '-c', 'trap "" TERM; echo $$; exec sleep 60');
	const pid = Number(await new Promise((resolve) => stubborn.stdout.once('data', resolve)));
	t.after(() => process.kill(pid, 'SIGKILL'));
	const began = performance.now();
	stubborn.kill('SIGTERM');
	assert.equal(await new Promise((resolve) => stubborn.on('exit', resolve)), 128 + 15);
	assert.ok(performance.now() - began < 10_000, 'it is not waited for longer than a second');
	const timed = await run(['record', '-d', '0.3', '-o', join(folder, 'timed.flk'), '--', 'sleep', '60']);
	assert.equal(timed.code, 0, timed.stderr);
	for (const name of ['term.flk', 'tidy.flk', 'stubborn.flk', 'timed.flk'])
		assert.ok((await info(join(folder, name))).closed_in_order, name);
});

test('a capture goes through a pipe, and ends when nobody reads it', async (t) => {
	const folder = temporaryFolder(t);
	const file = join(folder, 'piped.flk');
	const piped = spawnSync('bash', ['-c', `${program} record -d 0.5 -o - -- sh -c 'echo words' 2>${folder}/words | cat > ${file}; exit \${PIPESTATUS[0]}`]);
	assert.equal(piped.status, 0, String(piped.stderr));
	const summary = await info(file);
	assert.ok(summary.closed_in_order);
	assert.equal(summary.stderr, '');
	assert.equal(readFileSync(join(folder, 'words'), 'utf8'), 'words\n', 'what the command says is not in the capture');
	const began = performance.now();
	const closed = spawnSync('bash', ['-c', `${program} record -F 999 -o - | head -c 8 > /dev/null; exit \${PIPESTATUS[0]}`], { encoding: 'utf8', timeout: 30_000 });
	assert.equal(closed.status, 1, closed.stderr);
	assert.match(closed.stderr, /Broken pipe/);
	assert.ok(performance.now() - began < 20_000);
});

test('what is written is on the disk a second later: the writer syncs each second, the loop never', async (t) => {
	const folder = temporaryFolder(t);
	const trace = join(folder, 'trace');
	startLoad(t, 'busy', ['-s', 30, '-t', 1, '-d', 5]);
	const traced = spawnSync('strace', ['-f', '-tt', '-e', 'trace=pwrite64,fdatasync,fsync,clone3,clone', '-o', trace,
		program, 'record', '-F', '199', '-o', join(folder, 'synced.flk'), '-d', '3.2'], { encoding: 'utf8' });
	assert.equal(traced.status, 0, traced.stderr);
	const calls = readFileSync(trace, 'utf8').split('\n').map((line) => {
		const match = /^(\d+) +(\d+):(\d+):([\d.]+) (pwrite64|fdatasync|fsync)\((\d+)/.exec(line);
		return match && { thread: match[1], s: match[2] * 3600 + match[3] * 60 + Number(match[4]), call: match[5] };
	}).filter(Boolean);
	const main = readFileSync(trace, 'utf8').split(' ')[0];
	const writes = calls.filter(({ call }) => call === 'pwrite64');
	const syncs = calls.filter(({ call }) => call === 'fdatasync');
	assert.ok(writes.length >= 4, `${writes.length} writes`);
	assert.ok(syncs.length >= 3, `${syncs.length} syncs`);
	assert.ok(writes.every(({ thread }) => thread !== main), 'the loop writes nothing');
	assert.ok(syncs.every(({ thread }) => thread === writes[0].thread));
	for (const write of writes)
		assert.ok(syncs.some(({ s }) => s >= write.s && s < write.s + 10), 'each write is synced');
	const waits = writes.map((write) => syncs.find(({ s }) => s >= write.s).s - write.s);
	t.diagnostic(`${syncs.length} syncs; a write waited ${Math.max(...waits).toFixed(2)} s at most`);
});
