/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A week of an agent in half an hour: what a week brings comes 336 times as fast, and nothing that the agent keeps
 * may grow with it.
 *
 *	node tests/bench/days.mjs [MINUTES]
 *
 * In each half hour some hundred thousand processes that end at once, in bursts (one each few seconds of a week), 360
 * that live for seconds, 180 programs that nobody has run before, in files of their own, so that tables of others must
 * go, 180 processes with code made at run time, half of them with a perf map and half with a dump, 1,200 pages that
 * come and go, each eighth without reading, and 180 dumps of the window (one each hour).
 *
 * Needs root. Prints a line for each quarter of a day; the exit code is 1 when in the last third of the week the median
 * of anything was more than a tenth above that of the middle one: memory of each of the agent's processes, descriptors,
 * entries of its BPF maps, memory of its BPF maps.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadPath, program, sleep } from '../e2e/agent.mjs';
import { openLive } from '../e2e/raw_client.mjs';
import { adopt, folder, machine, median, start } from './children.mjs';

const MINUTES = Number(process.argv[2] ?? 30), LINES = 28, GROWTH_MAX = 1.1;
const LENGTH_MS = MINUTES * 60e3;
const BPFTOOL = '/usr/sbin/bpftool';
/**
 * BPF_MAP_TYPE_…, include/uapi/linux/bpf.h: those whose entries somebody has to remove. What is of a fixed size and makes
 * room by itself (LRU) is full after some days, as it should be.
 */
const HASHES = [1, 5, 11, 13];
/** Below this a growth is that of a page or two. */
const SMALL = { 'MB': 2, 'descriptors': 8, 'entries': 64 };

const dumps = join(folder, 'dumps'), made = join(folder, 'made');
mkdirSync(dumps);
mkdirSync(made);
chmodSync(folder, 0o755);

/* --- the agent ----------------------------------------------------------------------------------- */

const agent = start(program, ['live', '-F', 99, '--memory', '64M', '--window', `${Math.max(10, Math.round(MINUTES * 6))}s`,
	'--listen', '127.0.0.1:0', '--token-file', join(folder, 'token'), '--dump-dir', dumps], { stdio: ['ignore', 'pipe', 'pipe'] });
await agent.said;
const url = new URL(agent.text.split('\n')[0]);
const peer = { port: Number(url.port), address: '127.0.0.1', host: url.host, token: url.hash.slice(1) };

const read = (path) => readFileSync(path, 'latin1');

function tree(pid) {
	try {
		return [pid, ...read(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).flatMap((child) => tree(Number(child)))];
	} catch {
		return []; // ended meanwhile
	}
}

/** Of each kind of its processes: "flicker-names" is one, with its forker. */
function processes() {
	const kinds = new Map();
	for (const pid of tree(agent.pid)) {
		try {
			const name = pid === agent.pid ? 'main' : read(`/proc/${pid}/comm`).trim();
			const kind = kinds.get(name) ?? { MB: 0, descriptors: 0 };
			kind.MB += Number(/Pss:\s+(\d+)/.exec(read(`/proc/${pid}/smaps_rollup`))[1]) * 1024 / 1e6;
			kind.descriptors += readdirSync(`/proc/${pid}/fd`).length;
			kinds.set(name, kind);
		} catch {
			/* ended meanwhile */
		}
	}
	return kinds;
}

const bpftool = (...args) => JSON.parse(execFileSync(BPFTOOL, ['-j', 'map', ...args], { maxBuffer: 1 << 28 }));

/** Of the maps that main holds; entries by their names. */
function maps() {
	const seen = { entries: new Map(), MB: 0 };
	for (const fd of readdirSync(`/proc/${agent.pid}/fdinfo`)) {
		let text = '';
		try {
			text = read(`/proc/${agent.pid}/fdinfo/${fd}`);
		} catch {
			continue; // closed meanwhile
		}
		const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]);
		if (!field('map_id')) continue;
		seen.MB += field('memlock') / 1e6;
		if (HASHES.includes(field('map_type')))
			seen.entries.set(bpftool('show', 'id', field('map_id')).name, bpftool('dump', 'id', field('map_id')).length);
	}
	return seen;
}

async function metrics() {
	const answer = await fetch(`${url.origin}/metrics`, { headers: { Authorization: `Bearer ${peer.token}` } });
	return new Map((await answer.text()).split('\n').filter((line) => line && !line.startsWith('#'))
		.map((line) => [line.slice('flickerscope_'.length, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

/* --- what a week brings -------------------------------------------------------------------------- */

const came = { processes: 0, programs: 0, made: 0, pages: 0, unanswered: 0, dumps: 0 };
let running = true;

/** Does something each so many ms, on average @param {number} count times in the whole run of half an hour. */
async function often(count, act) {
	const pause = 30 * 60e3 / count;
	for (let next = Date.now(); running; next += pause) {
		await act();
		await sleep(Math.max(0, next + pause - Date.now()));
	}
}

/** Runs something to its end. */
const ended = (command, args, options = {}) => adopt(spawn(command, args.map(String), { stdio: 'ignore', ...options })).ended;

const python = readFileSync('/usr/bin/python3');
/** Where its build id is: the note's name and what comes behind. */
const note = python.indexOf(Buffer.from('\x14\0\0\0\x03\0\0\0GNU\0', 'latin1')) + 12;

/** A program that nobody has seen: a file with another build id. */
async function newProgram() {
	const path = join(folder, `program-${++came.programs}`);
	python.writeUInt32LE(came.programs, note);
	writeFileSync(path, python, { mode: 0o755 });
	await ended(path, ['-c', 'import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: sorted(range(1000))']);
	rmSync(path);
}

function madeCode() {
	const dump = ++came.made % 2;
	return ended(loadPath('jit'), dump ? ['-d', '-s', 2] : ['-s', 2, '-n', `made_${came.made}`], { cwd: made });
}

async function page() {
	came.pages++;
	try {
		const live = await openLive(peer);
		live.resume([]);
		if (came.pages % 8 === 0) live.socket.pause();
		await sleep(3000);
		live.socket.destroy();
	} catch {
		came.unanswered++; // of a machine that has no time
	}
}

async function dump() {
	if (++came.dumps % 2) await ended(program, ['dump', '--port', peer.port, '-o', join(dumps, `${came.dumps}.flk`)]);
	else agent.kill('SIGUSR1');
	for (const name of readdirSync(dumps).slice(0, -2)) rmSync(join(dumps, name));
	for (const name of readdirSync(made)) if (came.dumps % 20 === 0) rmSync(join(made, name), { force: true });
}

const shorts = start(loadPath('forks'), ['-n', 0, '-s', 1], { stdio: ['ignore', 'pipe', 'inherit'] });
await shorts.ended;
/** Of those that end at once the machine makes so many in a second; a part of each second is enough. */
const perSecond = Number(/processes (\d+)/.exec(shorts.text)[1]);
console.log(machine());
console.log(`A week in ${MINUTES} minutes; ${perSecond} processes a second at most.\n`);

const work = [
	often(360, async () => {
		const forks = start(loadPath('forks'), ['-n', 0, '-s', 1], { stdio: ['ignore', 'pipe', 'ignore'] });
		await forks.ended;
		came.processes += Number(/processes (\d+)/.exec(forks.text)?.[1] ?? 0);
	}),
	often(360, () => void ended(loadPath('busy'), ['-s', 4, '-t', 1, '-d', 20])),
	often(180, newProgram),
	often(180, madeCode),
	often(1200, () => void page()),
	often(180, dump),
];

/* --- what it keeps ------------------------------------------------------------------------------- */

/** @type {Map<string, number[]>} by what and unit, a value for each line */
const history = new Map();

function keep(what, unit, value) {
	const key = `${what}|${unit}`;
	if (!history.has(key)) history.set(key, []);
	history.get(key).push(value);
}

console.log('| day | main, MB | workers, MB | descriptors of main | of all | entries of BPF maps | BPF maps, MB | unwind tables, MB | processes so far |');
console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- |');
const began = Date.now();
for (let line = 1; line <= LINES; line++) {
	await sleep(began + LENGTH_MS * line / LINES - Date.now());
	if (agent.exitCode !== null || agent.signalCode) break;
	const kinds = processes(), bpf = maps(), told = await metrics();
	const sum = (unit) => [...kinds.values()].reduce((all, kind) => all + kind[unit], 0);
	for (const [name, kind] of kinds) for (const unit of Object.keys(kind)) keep(name, unit, kind[unit]);
	for (const [name, count] of bpf.entries) keep(name, 'entries', count);
	keep('BPF maps', 'MB', bpf.MB);
	const tables = told.get('unwind_table_bytes') / 1e6;
	keep('unwind tables', 'MB', tables);
	const { MB, descriptors } = kinds.get('main');
	console.log(`| ${(line * 7 / LINES).toFixed(2)} | ${MB.toFixed(1)} | ${(sum('MB') - MB).toFixed(1)} | ${descriptors} | ${sum('descriptors')} | ` +
		`${[...bpf.entries.values()].reduce((all, count) => all + count, 0)} | ${bpf.MB.toFixed(1)} | ${tables.toFixed(1)} | ${came.processes} |`);
}
running = false;
const told = await metrics();
const counted = (name) => told.get(name);
console.log(`\nThere came ${came.processes} processes that end at once, ${came.programs} new programs, ${came.made} with code made at run time, ` +
	`${came.pages} pages, of which ${came.unanswered} were not answered, ${came.dumps} dumps. Samples ${counted('samples_total')}, lost ${counted('lost_samples_total{reason="ring_full"}')}; ` +
	`names given up ${counted('name_tables_evicted_total')}, unwind tables given up ${counted('unwind_tables_evicted_total')}; ` +
	`workers started again ${counted('worker_restarts_total')}; CPU time of the agent ${counted('cpu_seconds_total').toFixed(1)} s.`);

const said = agent.errors.split('\n').filter((text) => text && !text.includes('the window is in'));
if (said.length) console.log(`It said: ${said.join('; ')}`);
console.log();
let failed = agent.exitCode !== null;
for (const [key, values] of history) {
	const [what, unit] = key.split('|'), third = Math.floor(values.length / 3);
	/* The median: a worker is as large as the file that it reads at the moment. */
	const middle = median(values.slice(third, 2 * third)), last = median(values.slice(2 * third)), grown = last > middle * GROWTH_MAX && last - middle > SMALL[unit];
	console.log(`${grown ? 'GREW: ' : ''}${what}, ${unit}: ${middle.toFixed(1)} in the middle third, ${last.toFixed(1)} in the last`);
	failed ||= grown;
}
await Promise.all(work);
process.exit(failed ? 1 : 0);
