/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More than there is room for: the agent answers, goes on sampling, stays within its memory, and is as before
 * when it is over. Short here; `make soak-overload` runs the same with FLICKERSCOPE_LONG=1, which takes the full
 * counts, and two that need more time.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, rmdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadPath, program, sleep, startAgent, startLoad, temporaryFolder, until } from './agent.mjs';
import { exchange, openLive, openSocket, statusOf } from './raw_client.mjs';
import { inFunction, openStream, wire } from './stream.mjs';

const { Heat } = await import('../../viewer/model/heat.js');

const LONG = Boolean(process.env.FLICKERSCOPE_LONG);
/** Takes half a minute: with `make soak-overload` alone. */
const testLong = LONG ? test : () => {};
/** Ten times what a page should wait. */
const ANSWER_MS = 2000;
/** Accepting pauses for a second where there are no descriptors: ten times two such pauses. */
const AGAIN_MS = 20_000;
/** That it may have: some 75 of its own, and files of processes beside them. */
const DESCRIPTORS = 115;
/** Fewer than the guests that it takes at once. */
const PAGES_AT_ONCE = 10;
/** Of both sides, for one answer. */
const WAKES = 20;
const GROWTH_BYTES_MAX = 96e6;

const asPeer = (agent) => ({ port: agent.port, address: '127.0.0.1', host: `127.0.0.1:${agent.port}`, token: agent.token });
const memory = (agent) => Number(readFileSync(`/proc/${agent.pid}/statm`, 'latin1').split(' ')[1]) * 4096;

function readLink(path) {
	try {
		return readlinkSync(path);
	} catch {
		return ''; // closed meanwhile
	}
}

/** How long a process waits here that does nothing but answer: with 20 that run on two CPUs, a tenth of a second. */
async function waitedByAnybody() {
	const echo = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] });
	try {
		const times = [];
		for (let i = 0; i < 3; i++) {
			const began = performance.now();
			echo.stdin.write('.');
			await once(echo.stdout, 'data');
			times.push(performance.now() - began);
		}
		return Math.max(...times.slice(1)); // the first has its start in it
	} finally {
		echo.kill('SIGKILL');
	}
}

/** It answers, and samples from now on reach a page that reads. Returns how fast, in words. */
async function assertWell(agent, stream, words, answerMs = ANSWER_MS) {
	const anybody = await waitedByAnybody();
	const began = performance.now();
	const answer = await exchange(asPeer(agent), `GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${agent.port}\r\nConnection: close\r\n\r\n`);
	assert.equal(statusOf(answer), 200, words);
	const took = performance.now() - began;
	const said = `${words}: answered in ${took.toFixed()} ms; any process in ${anybody.toFixed()} ms`;
	assert.ok(took < answerMs + WAKES * anybody, said);
	const before = stream.received;
	await until(() => stream.received > before + 5, `${words}: samples`);
	assert.equal(agent.exit, null, agent.stderr);
	return said;
}

test('many pages of which half never read, a storm of forks, and mappings without end: it goes on', async (t) => {
	const agent = await startAgent(t, ['-F', '199']);
	startLoad(t, 'busy', ['-s', LONG ? 120 : 30, '-t', 1, '-d', 5]);
	const stream = await openStream(t, agent);
	await until(() => stream.received > 20, 'samples');
	const before = memory(agent);

	const pages = [];
	for (let i = 0; i < (LONG ? 200 : 20); i++) {
		const page = await openLive(asPeer(agent));
		assert.match(page.head, /^HTTP\/1\.1 101 /);
		page.resume([]);
		if (i % 2) page.socket.pause();
		pages.push(page);
	}
	await sleep(LONG ? 20_000 : 300);
	t.diagnostic(await assertWell(agent, stream, `${pages.length} pages`));
	assert.ok(pages.every((page, i) => i % 2 || page.messages.length > 0), 'those that read have something');
	for (const page of pages) page.socket.destroy();

	const storm = startLoad(t, 'forks', ['-s', LONG ? 20 : 1, '-n', 0, '-e'], { stdio: ['ignore', 'pipe', 'ignore'] });
	let said = '';
	storm.stdout.on('data', (text) => (said += text));
	t.diagnostic(await assertWell(agent, stream, 'a storm of forks'));
	await until(() => said, 'its end');
	const [, forked] = said.match(/processes (\d+)/);
	t.diagnostic(`${forked} processes in ${LONG ? 20 : 1} s`);
	assert.ok(Number(forked) > 100);

	/* Each of its own, executable, as a program that makes code has them. */
	const mapper = `import ctypes, os, sys, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
fd = os.open(os.path.realpath(sys.executable), os.O_RDONLY)
count = 0
while count < ${LONG ? 60000 : 15000} and libc.mmap(None, 4096, 5, 2, fd, 0) != 2 ** 64 - 1: count += 1
print(count, flush=True)
end = time.monotonic() + ${LONG ? 20 : 0.5}
while time.monotonic() < end: sum(range(10000))
`;
	const mappers = [];
	for (let i = 0; i < (LONG ? 17 : 1); i++) {
		const child = spawn('python3', ['-c', mapper], { stdio: ['ignore', 'pipe', 'inherit'] });
		t.after(() => child.kill('SIGKILL'));
		mappers.push(new Promise((resolve) => child.stdout.once('data', (text) => resolve(Number(text)))));
	}
	const mapped = (await Promise.all(mappers)).reduce((sum, count) => sum + count, 0);
	t.diagnostic(`${mapped} mappings`);
	assert.ok(mapped > 10_000);
	t.diagnostic(await assertWell(agent, stream, `${mapped} mappings`));
	const grown = memory(agent) - before;
	t.diagnostic(`resident memory grew by ${(grown / 1e6).toFixed(1)} MB`);
	assert.ok(grown < GROWTH_BYTES_MAX * (LONG ? 2 : 1), `${grown} bytes`);
});

/* The agent gets the share of one in a hundred, and 20,000 samples a second want more: what it could not take is told as lost. */
test('200 threads that run on two CPUs, at 10,000 Hz: what is lost is told, all of it, and it is over when they are gone', { timeout: 120_000 }, async (t) => {
	const frequency = 10_000;
	const agent = await startAgent(t, ['-F', frequency, '--window', '1m']);
	const stream = await openStream(t, agent);
	const { profile } = stream;
	const lost = () => [wire.WIRE_COUNTER_LOST_RING_FULL, wire.WIRE_COUNTER_LOST_RING_BUSY, wire.WIRE_COUNTER_LOST_OVERLOAD]
		.reduce((sum, counter) => sum + stream.counter(counter), 0);
	await until(() => stream.received > 100, 'samples');
	const load = startLoad(t, 'busy', ['-s', LONG ? 30 : 4, '-t', 200, '-d', 36]);
	const ended = once(load, 'exit');
	await sleep(1000);
	t.diagnostic(await assertWell(agent, stream, '200 threads'));
	await ended;
	let to_us = 0;
	for (let clear = false; !clear;) {
		const [from_us, end_us] = await stream.stretch(2);
		clear = !stream.gaps(from_us, end_us).length;
		to_us = end_us;
	}
	await until(() => profile.gaps(0, to_us).length === stream.gaps(0, to_us).length, 'it has also what it skipped to be live', 60_000);
	await until(() => profile.lost(0, stream.covered_us).samples === lost(), 'what was lost has its place on the map', 60_000);
	const { gaps, samples } = profile.lost(0, to_us);
	if (!gaps) return t.diagnostic('nothing lost');
	const [first_us, last_us] = stream.gaps(0, to_us).reduce(([first, last], gap) => [Math.min(first, gap.from_us), Math.max(last, gap.to_us)], [Infinity, 0]);
	const kept = stream.samples(first_us, last_us).length;
	const expected = (last_us - first_us) / 1e6 * frequency * profile.facts().cpu_count;
	t.diagnostic(`${samples} lost and ${kept} kept of ${Math.round(expected)} in ${((last_us - first_us) / 1e6).toFixed(1)} s`);
	assert.ok(samples + kept > 0.8 * expected && samples + kept < 1.05 * expected, `${samples} and ${kept} of ${expected}`);
});

/** A program whose table of symbols says that it is 2 GiB long, and is, in zeros that take no room. */
function hugeSymbols(folder) {
	const elf = readFileSync(loadPath('busy'));
	const [table, entry, count] = [Number(elf.readBigUInt64LE(40)), elf.readUInt16LE(58), elf.readUInt16LE(60)];
	const size = 2n ** 31n, begin = BigInt(Math.ceil(elf.length / 4096) * 4096);
	for (let i = 0; i < count; i++) {
		const at = table + i * entry;
		if (elf.readUInt32LE(at + 4) !== 2) continue; // SHT_SYMTAB
		elf.writeBigUInt64LE(begin, at + 24);
		elf.writeBigUInt64LE(size, at + 32);
	}
	const path = join(folder, 'huge');
	writeFileSync(path, elf);
	truncateSync(path, Number(begin + size));
	chmodSync(path, 0o755);
	return path;
}

test('a table of symbols of 2 GiB costs its own names alone', async (t) => {
	const path = hugeSymbols(temporaryFolder(t));
	const huge = spawn(path, ['-s', '30', '-t', '1', '-d', '5'], { stdio: 'ignore' });
	t.after(() => huge.kill('SIGKILL'));
	const agent = await startAgent(t, ['-F', '199', '-p', huge.pid, '-p', process.pid]);
	const before = memory(agent);
	const load = startLoad(t, 'burst', ['-m', 0, '-n', 900, '-s', 20]); // a child of ours, by name
	const stream = await openStream(t, agent);
	await until(() => stream.samples().filter((sample) => sample.thread.pid === huge.pid).length > 10, 'samples of it');
	await until(() => stream.samples().some((sample) => sample.thread.pid === load.pid && inFunction(sample, 'burst_known_function')), 'names of others');
	await assertWell(agent, stream, '2 GiB of symbols');
	assert.ok(memory(agent) - before < GROWTH_BYTES_MAX);
});

test('out of descriptors it waits for some, and takes new pages when there are', async (t) => {
	const folder = temporaryFolder(t);
	const path = join(folder, 'flickerscope');
	writeFileSync(path, `#!/bin/sh\nulimit -n ${DESCRIPTORS}\nexec ${program} "$@"\n`, { mode: 0o755 });
	/* Our children: files of all that run here would take what pages are to run out of. */
	startLoad(t, 'busy', ['-s', 60, '-t', 1, '-d', 5]);
	const agent = await startAgent(t, ['-F', '199', '-p', process.pid], { path });
	const stream = await openStream(t, agent);
	const open = () => readdirSync(`/proc/${agent.pid}/fd`);
	/* Files that wait for their names are open as well, for as long as the machine is busy. */
	const sockets = () => open().filter((fd) => readLink(`/proc/${agent.pid}/fd/${fd}`).startsWith('socket:')).length;
	await until(() => stream.received > 5, 'samples');
	const pages = [];
	const openPage = () => {
		const page = openSocket(asPeer(agent));
		page.socket.write(`GET /live HTTP/1.1\r\nHost: 127.0.0.1:${agent.port}\r\nOrigin: ${agent.origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
			`Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: flickerscope, token.${agent.token}\r\n\r\n`);
		return page;
	};
	/* Those that are let in keep theirs; guests make room for each other, so only some come at a time. */
	await until(async () => {
		for (let i = 0; i < PAGES_AT_ONCE; i++) pages.push(openPage());
		await sleep(100);
		return open().length >= DESCRIPTORS - 5;
	}, 'it has run out');
	const before = stream.received;
	await until(() => stream.received > before + 5, 'samples all the same');
	/* There is next to nothing to open the process and its file with. */
	const late = startLoad(t, 'burst', ['-m', 0, '-n', 900, '-s', 60]);
	await until(() => stream.samples().some(({ thread }) => thread.pid === late.pid), 'samples of it');
	for (const page of pages) page.socket.destroy();
	assert.doesNotMatch(agent.stderr, /is gone/);
	await until(() => sockets() < 30, 'they are given back');
	await assertWell(agent, stream, 'descriptors are there again', AGAIN_MS);
	await until(() => stream.samples().some((sample) => sample.thread.pid === late.pid && inFunction(sample, 'burst_known_function')), 'its names');
	const metrics = await (await fetch(`${agent.origin}/metrics`, { headers: { Authorization: `Bearer ${agent.token}` } })).text();
	const counted = (name) => Number(new RegExp(`^flickerscope_${name} (\\d+)$`, 'm').exec(metrics)[1]);
	t.diagnostic(`put off: ${counted('reads_deferred_total')} reads, ${counted('accepts_deferred_total')} times to accept`);
});

testLong('within 96 MB of its control group its workers go first, and it goes on', async (t) => {
	const group = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup'].map((root) => join(root, `flickerscope-test-${process.pid}`))
		.find((path) => existsSync(join(path, '..', 'cgroup.procs')) && existsSync(join(path, '..', path.includes('/memory/') ? 'memory.limit_in_bytes' : 'cgroup.controllers')));
	if (!group) return t.skip('no control group for memory can be made here');
	mkdirSync(group);
	const limit = ['memory.limit_in_bytes', 'memory.max'].map((name) => join(group, name)).find(existsSync);
	writeFileSync(limit, String(96 << 20));
	const path = join(temporaryFolder(t), 'flickerscope');
	writeFileSync(path, `#!/bin/sh\necho $$ > ${group}/cgroup.procs\nexec ${program} "$@"\n`, { mode: 0o755 });
	const agent = await startAgent(t, ['-F', '999', '--memory', '48M', '--window', '10m'], { path });
	startLoad(t, 'forks', ['-s', 30, '-n', 5]);
	startLoad(t, 'busy', ['-s', 30, '-t', 2, '-d', 60]);
	const stream = await openStream(t, agent);
	/* Behind those in it have ended. */
	t.after(() => until(() => {
		try {
			rmdirSync(group);
			return true;
		} catch {
			return !existsSync(group);
		}
	}, 'the group is removed'));
	await sleep(30_000);
	await assertWell(agent, stream, 'little memory');
	t.diagnostic(`${(memory(agent) / 1e6).toFixed(1)} MB, ${readFileSync(join(group, limit.endsWith('max') ? 'memory.events' : 'memory.oom_control'), 'latin1').trim().replaceAll('\n', ', ')}`);
});

testLong('--max-cpu lowers the rate, says so, and two busy CPUs stay two on the map', async (t) => {
	startLoad(t, 'busy', ['-s', 60, '-t', 2, '-d', 30]);
	const agent = await startAgent(t, ['-F', '999', '--max-cpu', '0.2']);
	const stream = await openStream(t, agent);
	const { profile } = stream;
	await until(() => profile.facts().frequency_mhz > 0 && profile.facts().frequency_mhz < 300_000, 'a lower rate', 60_000);
	await stream.covered(4, profile.covered_us);
	assert.match(agent.stderr, /sampling at \d+ Hz instead of 999, to stay within 0\.2% of a CPU/);
	/* A host may take a CPU of this machine away for 100 ms: no tick comes then, and the map knows that the CPU was not idle. */
	const first = Math.ceil(profile.oldest_us / 1e6) + 1, end = Math.floor(profile.covered_us / 1e6) - 1;
	const heat = new Heat(profile), cells = [];
	for (let second = first; second < end; second++) cells.push(...heat.column(second, 10).busy);
	const sampled = profile.cpus_busy([{ from_us: first * 1e6, to_us: end * 1e6 }]);
	t.diagnostic(`CPUs busy, ${Math.min(...cells).toFixed(3)} to ${Math.max(...cells).toFixed(3)} in ${cells.length} cells, ${sampled.toFixed(3)} by samples`);
	if (profile.facts().cpu_count !== 2) return;
	for (const busy of cells) assert.ok(Math.abs(busy - 2) < 0.1, cells.map((value) => value.toFixed(2)).join(' '));
	assert.ok(Math.abs(sampled - 2) < 0.1, `${sampled}`);
});
