/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many user stacks reach their thread's first frame, on a mixed load, and how soon a new process's
 * stacks do.
 *
 *	node tests/bench/completeness.mjs [--quick]
 *
 * The load: C, C++, perl, python3, node with a map, and a loop of compiles. It runs for a while before it
 * counts, as a host does: what is measured is a host whose files are known, then processes whose files
 * nobody has seen before.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadPath, program, root, sleep } from '../e2e/agent.mjs';
import { copyAsNew } from '../e2e/chains.mjs';
import { STACK_COMPLETE, STACK_NONE, readRecording } from '../e2e/recording.mjs';
import { folder, machine, start as startChild } from './children.mjs';

const quick = process.argv.includes('--quick');
const FREQUENCY = 99;
const WARM_S = 4; // before it counts
const COUNT_S = quick ? 8 : 20;
const SHORT_MS = 100; // processes that live shorter are told apart
const NEW_PROCESSES = quick ? 10 : 30;
const NEW_FREQUENCY = 999;
const NEW_BURN_MS = 250;
const NAMES = /^(load_busy|calls|perl|python3|node|cc1|cc1plus|as|ld|gcc|g\+\+|collect2|sh)$/;

/** enum stack_status, include/sample_abi.h */
const STATUS = ['none', 'complete', 'by frame pointers', 'more than 127 frames', 'unreadable', 'no mapping', 'no row', 'unsupported rule'];

const start = (command, args, options = {}) => startChild(command, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });

async function record(seconds, frequency, name) {
	const path = join(folder, name);
	const recording = start(program, ['record', '-F', String(frequency), '-d', String(seconds), '-o', path]);
	await sleep(700); // until it samples
	return { ended: recording.ended, read: () => readRecording(path) };
}

const perl = `my $e = time + $ARGV[0]; while (time < $e) { my %h; $h{$_ % 977} .= sprintf("%d", $_) for 1 .. 2000;
	my @s = sort { $a cmp $b } map { $_ x 3 } values %h; }`;
const python = `import json, re, sys, time
end = time.time() + int(sys.argv[1])
while time.time() < end:
    json.loads(json.dumps([{"a": i, "b": str(i)} for i in range(500)]))
    re.sub("a+", "b", "caaandaat" * 200)`;
const node = `const end = Date.now() + 1000 * Number(process.argv[1]);
const parse = (text) => JSON.parse(text).map((row) => row.name.replace(/a+/g, 'b')).sort();
while (Date.now() < end) parse(JSON.stringify(Array.from({ length: 500 }, (_, i) => ({ name: 'caaandaat' + i }))));`;
const source = `#include <algorithm>
#include <map>
#include <string>
#include <vector>
int count(const std::vector<std::string> &words) { std::map<std::string, int> seen; for (auto &word : words) seen[word]++;
	return std::max_element(seen.begin(), seen.end(), [](auto &a, auto &b) { return a.second < b.second; })->second; }
`;

/** All at once, more than the CPUs can run: each gets its part. */
function startLoad(seconds) {
	writeFileSync(join(folder, 'large.cpp'), source);
	writeFileSync(join(folder, 'small.c'), 'int triple(int a) { return a * 3; }\nint main(void) { return triple(14); }\n');
	const calls = join(folder, 'calls');
	const chains = join(root, 'tests', 'e2e', 'chains');
	const built = spawnSync('g++', ['-O2', '-fomit-frame-pointer', '-o', calls, join(chains, 'calls.cpp'), join(chains, 'shapes.cpp')]);
	if (built.status !== 0) throw new Error(String(built.stderr));
	const compiles = `end=$(($(date +%s) + ${seconds})); while [ $(date +%s) -lt $end ]; do
		g++ -O2 -c large.cpp -o large.o; for i in 1 2 3 4 5; do gcc -O0 small.c -o small; done; done`;
	return [
		start(loadPath('busy'), ['-s', String(seconds), '-t', '1']),
		start(calls, [String(seconds * 1000)]),
		start('perl', ['-e', perl, String(seconds)]),
		start('python3', ['-c', python, String(seconds)]),
		start('node', ['--perf-basic-prof', '-e', node, String(seconds)], { cwd: folder }),
		start('sh', ['-c', compiles], { cwd: folder }),
	];
}

/** Adds one sample to what is known by a name. */
function count(rows, name, status) {
	const row = rows.get(name) ?? { samples: 0, complete: 0, reasons: new Map() };
	row.samples++;
	if (status === STACK_COMPLETE) row.complete++;
	else row.reasons.set(status, (row.reasons.get(status) ?? 0) + 1);
	rows.set(name, row);
}

const share = ({ complete, samples }) => `${((100 * complete) / samples).toFixed(2)} %`;
const why = ({ reasons }) => [...reasons].sort((a, b) => b[1] - a[1]).map(([status, n]) => `${STATUS[status]} ${n}`).join(', ');

function printRows(rows, title) {
	const all = { samples: 0, complete: 0, reasons: new Map() };
	console.log(`| ${title} | user stacks | complete | the others |`);
	console.log('| --- | --- | --- | --- |');
	for (const [name, row] of [...rows].sort((a, b) => b[1].samples - a[1].samples)) {
		if (row.samples >= 5) console.log(`| ${name} | ${row.samples} | ${share(row)} | ${why(row)} |`);
		all.samples += row.samples;
		all.complete += row.complete;
		for (const [status, n] of row.reasons) all.reasons.set(status, (all.reasons.get(status) ?? 0) + n);
	}
	console.log(`| **all** | ${all.samples} | ${share(all)} | ${why(all)} |\n`);
}

async function benchLoad() {
	const recording = await record(WARM_S + COUNT_S, FREQUENCY, 'mixed.flick');
	const load = startLoad(WARM_S + COUNT_S);
	await recording.ended;
	await Promise.all(load.map((child) => child.ended));
	const samples = await recording.read();
	const from_us = samples.reduce((least, { time_us }) => Math.min(least, time_us), Infinity) + (WARM_S + 0.7) * 1e6;
	const lives = new Map();
	for (const { thread, time_us } of samples) {
		const life = lives.get(thread.pid) ?? { first: time_us, last: time_us };
		lives.set(thread.pid, { first: Math.min(life.first, time_us), last: Math.max(life.last, time_us) });
	}
	const longer = new Map(), shorter = new Map();
	for (const { thread, status, time_us } of samples) {
		if (status === STACK_NONE || time_us < from_us) continue;
		const { first, last } = lives.get(thread.pid);
		const name = NAMES.test(thread.process) ? thread.process : 'what else ran here';
		count(last - first < SHORT_MS * 1000 ? shorter : longer, name, status);
	}
	console.log(`\n## Complete user stacks, mixed load, ${FREQUENCY} Hz, ${COUNT_S} s after ${WARM_S} s\n`);
	printRows(longer, `processes of ${SHORT_MS} ms and more`);
	printRows(shorter, `processes under ${SHORT_MS} ms`);
}

async function benchNew() {
	const deep = join(folder, 'deep');
	const built = spawnSync('gcc', ['-O2', '-fomit-frame-pointer', '-fno-optimize-sibling-calls', '-Wl,--build-id=sha1', '-o', deep,
		join(root, 'tests', 'e2e', 'chains', 'deep.c')]);
	if (built.status !== 0) throw new Error(String(built.stderr));
	const template = readFileSync(deep);
	const seconds = WARM_S + (NEW_PROCESSES * (NEW_BURN_MS + 60)) / 1000 + 2;
	const recording = await record(seconds, NEW_FREQUENCY, 'new.flick');
	await sleep(WARM_S * 1000);
	for (let i = 0; i < NEW_PROCESSES; i++)
		await start(copyAsNew(template, join(folder, `new${i}`)), [String(NEW_BURN_MS), '12']).ended;
	await recording.ended;
	const firsts = new Map();
	for (const { thread, status, time_us } of await recording.read()) {
		if (!/^new\d+$/.test(thread.process)) continue;
		const of = firsts.get(thread.pid) ?? { any: Infinity, whole: Infinity };
		of.any = Math.min(of.any, time_us);
		if (status === STACK_COMPLETE) of.whole = Math.min(of.whole, time_us);
		firsts.set(thread.pid, of);
	}
	const late = [...firsts.values()].map(({ any, whole }) => (whole - any) / 1000).sort((a, b) => a - b);
	const at = (part) => late[Math.min(late.length - 1, Math.floor(late.length * part))].toFixed(1);
	console.log(`## From a new process's first sample to its first whole stack, ${NEW_FREQUENCY} Hz, files never seen before\n`);
	console.log(`${late.length} processes: median ${at(0.5)} ms, p95 ${at(0.95)} ms, worst ${at(1)} ms.`);
}

console.log(machine());
await benchLoad();
await benchNew();
process.exit(0);
