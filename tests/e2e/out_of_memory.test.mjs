/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real program under the sanitizers, with memory refused to it at one call after another, in whichever of
 * its processes gets there (tests/unit/faulty_memory.h). It may end with an error that tells of memory, or go
 * on; never crash, hang, write what cannot be read or leave something behind.
 *
 * What is asked for at the start is refused to one agent each; what is asked for while it samples and serves, to
 * one agent after another call. `make test` takes a share of the starts, `make out-of-memory` (FLICKERSCOPE_LONG=1) all.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, readdirSync, readlinkSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadPath, program, root, sleep, startAgent, temporaryFolder, until } from './agent.mjs';
import { inFunction, openStream, startProgram, wire } from './stream.mjs';

const WHOLE = process.env.FLICKERSCOPE_LONG === '1';
const START_SHARE = 4; // of the calls at a start, `make test` refuses one in so many
const END_TIME_MAX_MS = 30_000;
const REFUSAL_TIME_MS = 150; // for a call to be reached again
/* ... for one that comes seldom: the table of a segment's chunks grows at its beginning, after 1 s, 2 s, 4 s, ... 26 s */
const RARE_REFUSAL_TIME_MS = 40_000;
const RARE = /^agent\/profile\/sample_window\.c/;
const SURVEY_MS = 4000;
const ROUNDS = WHOLE ? 4 : 1; // in each all calls once
const DROUGHTS = WHOLE ? 20 : 3; // times without any memory, for all processes at once
const DROUGHT_MS = 300;
const SUBJECT_USER = 23456; // nobody else's: what is sampled

const faulty = join(root, 'build', 'san', 'bin', 'flickerscope_faulty');

/* --- struct faulty_memory, as tests/unit/faulty_program.c holds it ---------------------------------- */

const SITES_MAX = 2048, SITES_AT = 32, SITE_SIZE = 48;
const KEY_AT = 8, THEN_ALL_AT = 16, ON_AT = 17, SHORT_AT = 18, LASTING_AT = 19, REFUSED_AT = 20, FULL_AT = 28;
const NO_KEY = Buffer.from('0300000000000000', 'hex'); // no site's, in all likelihood

class FaultyMemory {
	constructor(folder) {
		this.path = join(folder, 'faulty');
		const bytes = Buffer.alloc(SITES_AT + SITES_MAX * SITE_SIZE);
		bytes.writeUInt32LE(1); // callers that tell sites apart
		bytes[ON_AT] = 1;
		writeFileSync(this.path, bytes);
		this.fd = openSync(this.path, 'r+');
	}

	close() {
		closeSync(this.fd);
	}

	write(at, bytes) {
		writeSync(this.fd, bytes, 0, bytes.length, at);
	}

	/** Refuses the next call of a site; with thenAll all calls behind it too, with isLasting each of that site. */
	refuse(key, { thenAll = false, isLasting = false } = {}) {
		const bytes = Buffer.alloc(8);
		this.write(KEY_AT, NO_KEY);
		this.write(REFUSED_AT, Buffer.alloc(4));
		this.write(THEN_ALL_AT, Buffer.from([thenAll ? 1 : 0]));
		this.write(LASTING_AT, Buffer.from([isLasting ? 1 : 0]));
		bytes.writeBigUInt64LE(key);
		this.write(KEY_AT, bytes);
	}

	/** Refuses nothing any more. */
	giveAll() {
		this.write(KEY_AT, NO_KEY);
		this.write(SHORT_AT, Buffer.alloc(1));
	}

	/** Refuses everything, to all processes. */
	giveNothing() {
		this.write(SHORT_AT, Buffer.from([1]));
	}

	get refused() {
		const bytes = Buffer.alloc(4);
		readSync(this.fd, bytes, 0, 4, REFUSED_AT);
		return bytes.readUInt32LE();
	}

	/** Keys to where the call is and how often it came. */
	sites() {
		const bytes = Buffer.alloc(SITES_AT + SITES_MAX * SITE_SIZE), sites = new Map();
		readSync(this.fd, bytes, 0, bytes.length, 0);
		assert.equal(bytes[FULL_AT], 0, 'there is room for all sites');
		for (let at = SITES_AT; at < bytes.length; at += SITE_SIZE) {
			const key = bytes.readBigUInt64LE(at);
			if (key) sites.set(key, { address: bytes.readBigUInt64LE(at + 8), count: bytes.readUInt32LE(at + 40) });
		}
		return sites;
	}
}

const places = new Map(); // of sites: "agent/FILE.c:LINE"

/** Finds out where new sites are: of what was inlined, the file that it was inlined into. */
function locate(sites) {
	const unknown = [...sites].filter(([key]) => !places.has(key));
	if (!unknown.length) return;
	const addresses = unknown.map(([, { address }]) => `0x${(address - 1n).toString(16)}`);
	const { status, stdout } = spawnSync('addr2line', ['-a', '-i', '-e', faulty, ...addresses], { encoding: 'utf8', maxBuffer: 1 << 26 });
	assert.equal(status, 0);
	stdout.trim().split(/^0x.*\n/m).slice(1).forEach((lines, i) => {
		const [, place] = /(agent\/[^ ]*:\d+)/.exec(lines.trim().split('\n').at(-1)) ?? [];
		places.set(unknown[i][0], place ?? lines);
	});
}

/* --- what is run -------------------------------------------------------------------------------------- */

const environment = (memory) => ({ ...process.env, FLICKERSCOPE_FAULTY_MEMORY: memory.path, ASAN_OPTIONS: 'detect_leaks=0' });

/** Starts the program; `ended` is how it did, with what it said. */
function start(memory, args) {
	const child = spawn(faulty, args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment(memory) });
	const run = { child, stdout: '', stderr: '', isOver: false };
	child.stdout.on('data', (text) => (run.stdout += text));
	child.stderr.on('data', (text) => (run.stderr += text));
	run.ended = new Promise((resolve) => {
		const timer = setTimeout(() => child.kill('SIGKILL'), END_TIME_MAX_MS);
		child.on('close', (code, signal) => {
			clearTimeout(timer);
			run.isOver = true;
			resolve({ code, signal, stderr: run.stderr, stdout: run.stdout });
		});
	});
	return run;
}

/** The processes of the program that are there; none but the test's own are of this file. */
const processes = () => readdirSync('/proc').filter((pid) => {
	try {
		return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/exe`) === faulty;
	} catch {
		return false; // it ended meanwhile
	}
});

/** What is wrong about an end, in words; '' for nothing. */
function faultOf({ code, signal, stderr, stdout }) {
	if (/Sanitizer|runtime error: /.test(stderr)) return 'one of its processes went wrong';
	if (signal) return `it ended by ${signal}`;
	if (code !== 0 && code !== 1) return `it ended with ${code}`;
	/* What a process or a thread for which there is no memory fails with (EAGAIN) says so itself. */
	if (code === 1 && !/memory|start .*temporarily unavailable/i.test(stderr + stdout)) return 'it does not say that memory was missing';
	return '';
}

const words = (stderr) => stderr.trim().split('\n').slice(-40).map((line) => `    | ${line}`).join('\n');

/** Asserts that nothing is left of it: processes and, of files, those that are meant to be there. */
async function assertNothingLeft(folder, wanted) {
	await until(() => !processes().length, 'all its processes have ended');
	assert.deepEqual(readdirSync(folder).filter((name) => !wanted.includes(name)), []);
}

/* --- at the start: one agent for each call --------------------------------------------------------------- */

const tell = (line) => process.stderr.write(`# ${line}\n`);

/** Which of the sites have their turn: in `make test` those of a share of the lines, and of each file one. */
function chosen(sites) {
	if (WHOLE) return sites;
	const ordered = [...sites].sort((a, b) => (places.get(a) < places.get(b) ? -1 : 1));
	return ordered.filter((_, i) => i % START_SHARE === 0);
}

/** Runs what `once` starts for each site, refused there, and tells which went wrong. */
async function refuseEach(t, sites, label, once) {
	const wrong = [], turns = chosen(sites).flatMap((key) => (WHOLE ? [[key, false], [key, true]] : [[key, false]]));
	let refusedCount = 0, heldCount = 0;
	for (const [i, [key, thenAll]] of turns.entries()) {
		const folder = temporaryFolder(t), memory = new FaultyMemory(folder);
		memory.refuse(key, { thenAll });
		const end = await once(folder, memory);
		const fault = faultOf(end) || end.fault;
		refusedCount += memory.refused > 0;
		heldCount += end.code === 0;
		if (fault) wrong.push(`${places.get(key)}${thenAll ? ', and all from then on' : ''}: ${fault}\n${words(end.stderr)}`);
		memory.close();
		if (!fault) await assertNothingLeft(folder, ['faulty', ...end.files]).catch(({ message }) => wrong.push(`${places.get(key)}: ${message}`));
		rmSync(folder, { recursive: true, force: true });
		if (WHOLE && i % 20 === 19) tell(`${label}: ${i + 1} of ${turns.length}`);
	}
	t.diagnostic(`${label}: ${sites.length} calls, ${turns.length} runs, refused in ${refusedCount}: ${heldCount} went on`);
	assert.equal(wrong.length, 0, `${wrong.length} wrong\n${wrong.join('\n')}`);
}

/** Whether a capture can be read, if there is one. */
function captureFault(path) {
	if (!existsSync(path)) return '';
	const { status, stderr } = spawnSync(program, ['info', path], { encoding: 'utf8' });
	return status === 0 ? '' : `its capture cannot be read: ${stderr}`;
}

async function recordOnce(folder, memory) {
	const file = join(folder, 'capture.flk');
	const end = await start(memory, ['record', '-d', '0.2', '-o', file, '--', loadPath('tree'), '-s', '0.3']).ended;
	const missing = end.code === 0 && !existsSync(file) ? 'there is no capture' : '';
	return { ...end, fault: missing || captureFault(file), files: ['capture.flk'] };
}

const reached = new Set(); // files that any run came to

function surveyed(memory) {
	const sites = memory.sites();
	locate(sites);
	for (const key of sites.keys()) reached.add(places.get(key).replace(/:\d+$/, ''));
	return sites;
}

test('a recording ends with a word about memory, or is a capture', async (t) => {
	const folder = temporaryFolder(t), memory = new FaultyMemory(folder);
	const end = await recordOnce(folder, memory);
	assert.equal(faultOf(end) || end.fault, '', end.stderr);
	assert.equal(end.code, 0, end.stderr);
	await refuseEach(t, [...surveyed(memory).keys()], 'record', recordOnce);
});

test('doctor tells what it found, or that memory was missing', async (t) => {
	const once = async (folder, memory) => ({ ...(await start(memory, ['doctor']).ended), files: [] });
	const folder = temporaryFolder(t), memory = new FaultyMemory(folder), known = new Set(places.keys());
	assert.equal((await once(folder, memory)).code, 0);
	await refuseEach(t, [...surveyed(memory).keys()].filter((key) => !known.has(key)), 'doctor', once);
});

async function serveOnce(folder, memory) {
	const run = start(memory, ['live', '--listen', '127.0.0.1:0', '--token-file', join(folder, 'token'), '--dump-dir', folder, '--user', String(SUBJECT_USER)]);
	await until(() => run.isOver || run.stdout.includes('\n'), 'it serves, or ends');
	run.child.kill('SIGTERM');
	return { ...(await run.ended), files: ['token'] };
}

test('live begins to serve, or tells that memory was missing', async (t) => {
	const folder = temporaryFolder(t), memory = new FaultyMemory(folder), known = new Set(places.keys());
	const end = await serveOnce(folder, memory);
	assert.equal(end.code, 0, end.stderr);
	await refuseEach(t, [...surveyed(memory).keys()].filter((key) => !known.has(key)), 'live', serveOnce);
});

/* --- while it samples and serves: one agent for all calls -------------------------------------------------- */

/** A program under another build id, which nobody has seen before. */
function copyAnew(program, copy, number) {
	const bytes = readFileSync(program);
	/* The note's head (elf(5)): sizes, kind 3 and "GNU"; behind it are the 20 bytes of the id. */
	const note = bytes.indexOf(Buffer.from('040000001400000003000000474e5500', 'hex'));
	assert.ok(note > 0, 'the program has a build id');
	bytes.writeUInt32LE(number, note + 16);
	writeFileSync(copy, bytes, { mode: 0o755 });
	chmodSync(copy, 0o755);
}

/** Programs that an agent has never seen, each a tenth of a second long: copies with build ids of their own. */
class Subjects {
	constructor(folder) {
		const mangled = join(folder, 'mangled'), stripped = join(folder, 'stripped');
		this.folder = folder;
		this.kinds = [[mangled, []], [mangled, ['-d']], [stripped, ['-m']]];
		this.count = 0;
		spawnSync('objcopy', ['--redefine-sym', 'jit_caller=_ZN6memory6calledEv', loadPath('jit'), mangled]);
		spawnSync('strip', ['-o', stripped, loadPath('jit')]);
	}

	async turn() {
		const [program, args] = this.kinds[this.count % this.kinds.length];
		const copy = join(this.folder, `subject_${this.count++}`);
		copyAnew(program, copy, this.count);
		const child = spawn(copy, ['-s', '0.1', ...args], { cwd: this.folder, stdio: 'ignore', uid: SUBJECT_USER, gid: SUBJECT_USER });
		await new Promise((resolve) => child.on('close', resolve));
		rmSync(copy);
	}
}

/** Who asks for everything that an agent serves. */
class Visitor {
	constructor(agent, memory, dumps) {
		this.agent = agent;
		this.memory = memory;
		this.dumps = dumps;
		this.faults = [];
		this.turns = 0;
		this.counts = { '/': 0, '/metrics': 0, '/download': 0, '/import': 0, dump: 0, signal: 0 };
		this.profile = readFileSync(join(root, 'tests', 'golden', 'small.folded'));
	}

	async ask(path, options = {}) {
		const { origin, token } = this.agent;
		try {
			const answer = await fetch(origin + path, { ...options, headers: { Authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(5000) });
			await answer.arrayBuffer();
			this.counts[path] += answer.status === 200;
		} catch {
			/* Refused. What counts is that it is answered again. */
		}
	}

	async dump() {
		const path = this.turns % 8 === 1 ? '-' : join(this.dumps, 'dump.flk');
		const end = await start(this.memory, ['dump', '--port', String(this.agent.port), '-o', path, '--force']).ended;
		const fault = end.code === 1 ? '' : faultOf(end); // also when it is the agent that had no memory for it
		if (fault) this.faults.push(`dump: ${fault}\n${words(end.stderr)}`);
		this.counts.dump += end.code === 0;
	}

	/** Has the window written, and removes what was written before. */
	signal() {
		const files = readdirSync(this.dumps).filter((name) => name.startsWith('flickerscope-'));
		this.counts.signal += files.length;
		for (const name of files) rmSync(join(this.dumps, name));
		this.agent.child.kill('SIGUSR1');
	}

	async turn() {
		const turn = this.turns++;
		await this.ask('/');
		await this.ask('/metrics');
		await this.ask('/download');
		await this.ask('/import', { method: 'POST', body: this.profile });
		if (turn % 4 === 0) await this.dump();
		if (turn % 4 === 2) this.signal();
		await sleep(10);
	}
}

/** A debuginfod server that has something for every fourth program, of whichever build id. */
async function serveDebugFiles(t) {
	let count = 0;
	const bytes = readFileSync(loadPath('jit'));
	const server = createServer((request, response) => {
		const has = count++ % 4 === 0;
		response.writeHead(has ? 200 : 404).end(has ? bytes : '');
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.after(() => server.close());
	return `http://127.0.0.1:${server.address().port}`;
}

/** An agent with a page, subjects and a visitor, all of them busy. */
async function startBusyAgent(t) {
	const folder = temporaryFolder(t), memory = new FaultyMemory(folder), subjectFolder = temporaryFolder(t);
	const dumps = join(folder, 'dumps'), cache = join(folder, 'cache');
	for (const path of [dumps, cache]) mkdirSync(path, { mode: 0o700 });
	chmodSync(subjectFolder, 0o777);
	const agent = await startAgent(t, ['-F', '499', '--user', String(SUBJECT_USER), '--dump-dir', dumps, '--debuginfod', await serveDebugFiles(t), '--debuginfod-cache', cache],
		{ path: faulty, folder, env: environment(memory) });
	const busy = { folder, memory, agent, atStart: memory.sites(), subjects: new Subjects(subjectFolder), visitor: new Visitor(agent, memory, dumps) };
	let isStopped = false;
	const turns = async (one) => {
		while (!isStopped) await one.turn();
	};
	busy.stream = await openStream(t, agent);
	const ended = Promise.all([turns(busy.subjects), turns(busy.visitor)]);
	busy.stop = async () => {
		isStopped = true;
		await ended;
	};
	t.after(busy.stop);
	return busy;
}

/** What it says of itself, for whoever has to find out why it is not well. */
const metricsOf = ({ origin, token }) => fetch(`${origin}/metrics`, { headers: { Authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(5000) })
	.then((answer) => answer.text()).then((text) => text.replace(/^#.*\n/gm, ''), ({ message }) => `/metrics: ${message}`);

/** Asserts that it is well, and that samples come, and names, and answers. */
async function assertWell(busy, when) {
	const { agent, stream, visitor } = busy;
	const before = { ...visitor.counts }, samples = stream.received, programs = busy.subjects.count;
	const fine = () => !agent.exit && !/Sanitizer|runtime error: /.test(agent.stderr);
	const isAnswered = () => Object.keys(before).every((what) => visitor.counts[what] > before[what]);
	await until(() => !fine() || (stream.received > samples + 50 && isAnswered()), `all is answered ${when}`, 30_000)
		.catch(async ({ message }) => assert.fail(`${message}: ${JSON.stringify([before, visitor.counts])}; ` +
			`${stream.received - samples} samples of ${busy.subjects.count - programs} programs; ${JSON.stringify([stream.feed.state, stream.feed.counts])}\n` +
			`${await metricsOf(agent)}\n${words(agent.stderr)}`));
	assert.ok(fine(), `${when}: ${JSON.stringify(agent.exit)}\n${agent.stderr}`);
	assert.deepEqual(visitor.faults, []);
}

test('an agent that samples and serves goes on, whatever is refused to it', async (t) => {
	const busy = await startBusyAgent(t);
	const { memory, agent, stream } = busy;
	let refusedCount = 0;
	await sleep(SURVEY_MS);
	await assertWell(busy, 'with all memory');
	const steady = [...surveyed(memory)].filter(([key, { count }]) => count > (busy.atStart.get(key)?.count ?? 0)).map(([key]) => key);
	for (let round = 0; round < ROUNDS; round++) {
		for (const [i, key] of steady.entries()) {
			memory.refuse(key);
			const isRare = RARE.test(places.get(key));
			for (const until_ms = Date.now() + (isRare ? RARE_REFUSAL_TIME_MS : REFUSAL_TIME_MS); !memory.refused && Date.now() < until_ms;) await sleep(5);
			refusedCount += memory.refused > 0;
			if (isRare) {
				memory.giveAll();
				assert.ok(memory.refused, `${places.get(key)} was refused`);
				await assertWell(busy, `after ${places.get(key)} was refused`);
			}
			if (agent.exit || /Sanitizer/.test(agent.stderr)) assert.fail(`refused at ${places.get(key)}: ${JSON.stringify(agent.exit)}\n${agent.stderr}`);
			if (WHOLE && i % 50 === 49) tell(`live: ${i + 1} of ${steady.length}, round ${round + 1} of ${ROUNDS}`);
		}
		memory.giveAll();
		await assertWell(busy, `after round ${round + 1}`);
	}
	for (let i = 0; i < DROUGHTS; i++) {
		memory.giveNothing();
		await sleep(DROUGHT_MS);
		memory.giveAll();
		await assertWell(busy, `after ${DROUGHT_MS} ms without any`);
	}
	assert.ok(Number(/^flickerscope_lost_samples_total\{reason="overload"\} (\d+)/m.exec(await metricsOf(agent))?.[1]) > 0, 'samples that found no memory are counted');
	t.diagnostic(`${steady.length} calls, ${ROUNDS} rounds, refused ${refusedCount} times; ${busy.subjects.count} programs, ${JSON.stringify(busy.visitor.counts)}`);
	await busy.stop();
	stream.close();
	const { code } = await agent.stop();
	assert.equal(code, 0, agent.stderr);
	assert.doesNotMatch(agent.stderr, /Sanitizer|runtime error: /);
	await assertNothingLeft(busy.folder, ['faulty', 'token', 'dumps', 'cache']);
	assert.ok(!existsSync(`/run/flickerscope/${agent.port}.sock`));
});

test('a file for which a worker had no memory is read a while later', async (t) => {
	const folder = temporaryFolder(t), memory = new FaultyMemory(folder);
	const agent = await startAgent(t, ['--user', String(SUBJECT_USER)], { path: faulty, folder, env: environment(memory) });
	const stream = await openStream(t, agent);
	const isNamed = (process) => stream.samples().some((sample) => sample.thread.process === process && inFunction(sample, 'burn_once'));
	chmodSync(folder, 0o755);
	const runCopy = (name, number) => {
		copyAnew(loadPath('tree'), join(folder, name), number);
		startProgram(t, join(folder, name), ['-s', '60'], { cwd: '/', uid: SUBJECT_USER, gid: SUBJECT_USER });
	};
	runCopy('seen', 1);
	await until(() => isNamed('seen'), 'it has names', 30_000);
	const key = [...surveyed(memory).keys()].find((site) => places.get(site).startsWith('agent/elf/symbol_table_builder.c'));
	memory.refuse(key, { isLasting: true }); // a library may be asked for before the program
	runCopy('refused', 2);
	await until(() => memory.refused && stream.counter(wire.WIRE_COUNTER_READS_DEFERRED) > 0, 'the worker was refused, and that is counted', 30_000);
	assert.ok(!isNamed('refused'), 'without memory it has no names');
	memory.giveAll();
	await until(() => isNamed('refused'), 'it has names as well', 30_000);
	assert.doesNotMatch(agent.stderr, /without names/);
});

test('each file that only whole programs reach asked for memory here', () => {
	const files = readFileSync(join(root, 'tests', 'unit', 'out_of_memory.programs'), 'utf8').split('\n').filter((line) => line && !line.startsWith('#'));
	assert.deepEqual(files.filter((file) => !reached.has(file)), []);
});
