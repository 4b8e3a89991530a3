/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the samples say: programs whose stacks are known run on the real kernel, and their functions
 * come out of the stream at the right time, on the right CPU, in the right thread, by name.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadPath, sleep, startAgent, startLoad, temporaryFolder, until } from './agent.mjs';
import { inFunction, openStream, startProgram, wire } from './stream.mjs';

/** Above everything else that this machine may be doing: when it runs does not depend on it. */
const URGENT = -19;
/** agent/process/process_table.h */
const PROCESS_EXITED_KEPT_MS = 5000;
/** agent/process/executable_table.h */
const EXECUTABLE_FDS_MAX = 256;
/** Until it has read what runs already, and the kernel's names. */
const AGENT_READY_MS = 2000;
/** Of the agent's loop, as measured: for a process that executes a program, for one that does not, and else for a round. */
const EXECUTED_US = 70;
const PLAIN_US = 4;
const OWN_US = 50_000;
const NAMED = /^(?!.*\+0x[0-9a-f]+$)/; // no module+0xstart

/** A program is known by its functions once the stream names them. */
const sawFunction = (stream, name, count = 5) =>
	until(() => stream.samples().filter((sample) => inFunction(sample, name)).length >= count, `samples in ${name}`);

test('a burst in every second is seen at its offset, in its function and thread', async (t) => {
	const frequency = 199;
	const [offset_ms, length_ms] = [620, 150];
	const agent = await startAgent(t, ['-F', frequency]);
	const load = startLoad(t, 'burst', ['-m', offset_ms, '-n', length_ms, '-s', 20, '-N', 'burst thread']);
	setPriority(load.pid, URGENT);
	const stream = await openStream(t, agent);
	const expected = (length_ms * frequency) / 1000;
	/* Two seconds' worth, however many seconds a crowded machine takes for it. */
	await sawFunction(stream, 'burst_known_function', 2 * expected);

	const samples = stream.samples().filter((sample) => sample.thread.pid === load.pid && sample.thread.comm === 'burst thread');
	const burst = samples.filter((sample) => inFunction(sample, 'burst_known_function'));
	assert.ok(burst.length > samples.length * 0.9, `${burst.length} of its ${samples.length} samples`);
	const bySecond = new Map();
	let inItself = 0;
	for (const { time_us, thread, frames } of burst) {
		const wall_ms = stream.profile.wall_us(time_us) / 1000;
		const offset = wall_ms % 1000;
		assert.ok(offset >= offset_ms - 1 && offset <= offset_ms + length_ms + 1000 / frequency + 5, `at ${offset} ms`);
		assert.equal(thread.tid, load.pid);
		const [leaf, caller] = frames.filter(({ kind }) => kind === wire.WIRE_FRAME_PROGRAM);
		if (leaf.name === 'burst_known_function' && caller.name === 'main') inItself++;
		assert.match(leaf.module, /\/load_burst$/);
		const second = Math.floor(time_us / 1e6);
		bySecond.set(second, (bySecond.get(second) ?? 0) + 1);
	}
	t.diagnostic(`samples of each burst: ${[...bySecond.values()].join(' ')}, at most ${expected}`);
	assert.ok(bySecond.size >= 2);
	assert.ok(inItself > burst.length * 0.9, `${inItself} of ${burst.length} in it, called by main`); // the rest read the clock
	for (const seen of bySecond.values()) assert.ok(seen <= expected + 2, `${seen} of ${expected}`);
});

/** Of the user samples of processes by a name: how many hold a named function of their own program. */
function namedShare(stream, processName) {
	let user = 0, named = 0;
	const pids = new Set();
	for (const { thread, frames } of stream.samples()) {
		const own = frames.filter(({ kind }) => kind === wire.WIRE_FRAME_PROGRAM);
		if (thread.process !== processName || !own.length) continue;
		pids.add(thread.pid);
		user++;
		if (own.some(({ name }) => NAMED.test(name))) named++;
	}
	return { user, named, processes: pids.size, share: named / user };
}

test('processes that live for 20 ms are seen with the names of their functions', async (t) => {
	const agent = await startAgent(t, ['-F', '499']);
	const stream = await openStream(t, agent);
	startLoad(t, 'forks', ['-s', 3, '-n', 20]);
	await stream.stretch(4);
	const forks = namedShare(stream, 'load_forks');
	t.diagnostic(`load_forks: ${forks.named} of ${forks.user} samples of ${forks.processes} processes are named`);
	assert.ok(forks.processes >= 5, `${forks.processes} processes`);
	assert.ok(forks.share > 0.98, `${forks.share}`);
	const burning = stream.samples().filter((sample) => inFunction(sample, 'short_lived_function'));
	assert.ok(burning.length > forks.user * 0.8, `${burning.length} in the function that burns`);
});

/** CPU time of the agent's own threads in us, its memory in KiB, and its open files. */
function agentUse({ pid }) {
	const ns = readdirSync(`/proc/${pid}/task`).reduce((sum, tid) =>
		sum + Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]), 0);
	return {
		us: ns / 1000,
		kib: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]),
		files: readdirSync(`/proc/${pid}/fd`).length,
	};
}

/** Runs load_forks to its end. @returns {Promise<number>} how many processes it made */
async function makeProcesses(args) {
	const load = spawn(loadPath('forks'), ['-n', '0', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
	setPriority(load.pid, URGENT); // how many it makes does not depend on who else wants the CPUs
	const text = await new Promise((resolve) => load.stdout.once('data', resolve));
	return Number(/^processes (\d+)/.exec(text)[1]);
}

test('thousands of processes a second cost little each, and leave nothing behind', async (t) => {
	const agent = await startAgent(t, ['-F', '99', '-p', String(process.pid)]);
	const round = async () => {
		const before = agentUse(agent);
		const processes = await makeProcesses(['-s', '1', '-e']);
		const executed = await makeProcesses(['-s', '0.5']);
		const after = agentUse(agent);
		return { processes, executed, us: after.us - before.us, kib: after.kib, files: after.files };
	};
	await sleep(AGENT_READY_MS);
	const first = await round();
	/* What ended is kept for a while, and then it makes room for those that come. */
	await sleep(PROCESS_EXITED_KEPT_MS + 500);
	const second = await round();
	const made = second.processes + second.executed;
	const each = second.us / made;
	t.diagnostic(`${first.processes + first.executed} and ${made} processes, ${second.executed} of them executed a program: ` +
		`${each.toFixed(1)} us of the agent each; ${first.kib} and ${second.kib} KiB, ${first.files} and ${second.files} open files`);
	assert.equal(agent.exit, null, 'it is still there');
	assert.ok(made > 300, `${made} processes`);
	assert.ok(second.us < 10 * (EXECUTED_US * second.executed + PLAIN_US * second.processes + OWN_US), `${second.us} us`);
	/* A process takes a kilobyte and more while it is known; other programs come and go beside it. */
	assert.ok(second.kib - first.kib < 4096 + made, `${second.kib - first.kib} KiB more`);
	assert.ok(second.files - first.files < EXECUTABLE_FDS_MAX, `${first.files} and then ${second.files} open files`);
});

test('small compiles are seen with the names of the compiler\'s functions', async (t) => {
	const folder = temporaryFolder(t);
	const source = join(folder, 'small.c');
	writeFileSync(source, 'int triple(int a) { return a * 3; }\nint main(void) { return triple(14); }\n');
	const agent = await startAgent(t, ['-F', '499']);
	const stream = await openStream(t, agent);
	const loop = 'i=0; while [ $i -lt 30 ]; do gcc -O0 -c "$0" -o "$0.o" || exit 1; i=$((i+1)); done';
	const compiles = startProgram(t, 'sh', ['-c', loop, source]);
	await until(() => compiles.exitCode !== null, 'all was compiled', 60_000);
	assert.equal(compiles.exitCode, 0);
	await stream.stretch(1);
	const compiler = namedShare(stream, 'cc1');
	const assembler = namedShare(stream, 'as');
	t.diagnostic(`cc1: ${compiler.named} of ${compiler.user} samples of ${compiler.processes} processes are named; ` +
		`as: ${assembler.named} of ${assembler.user} of ${assembler.processes}`);
	assert.ok(compiler.processes >= 10, `${compiler.processes} processes`);
	/* The distribution's compiler is stripped, but exports all functions that are not static: three quarters. */
	assert.ok(compiler.share > 0.4, `${compiler.share}`);
});

test('with -C 1 only that CPU is sampled', async (t) => {
	const agent = await startAgent(t, ['-C', '1', '-F', '199']);
	startLoad(t, 'busy', ['-t', 2, '-c', '-s', 20]);
	const stream = await openStream(t, agent);
	await sawFunction(stream, 'busy_leaf');
	const [from_us, to_us] = await stream.stretch(2);
	const samples = stream.samples(from_us, to_us);
	assert.ok(samples.length > 199, `${samples.length} samples`);
	assert.ok(samples.every(({ cpu }) => cpu === 1));
	assert.equal(stream.profile.facts().cpu_count, 1);
	assert.match(stream.profile.facts().filter, /1/);
	const busy = stream.profile.cpus_busy([{ from_us, to_us }]);
	assert.ok(busy > 0.95 && busy < 1.05, `${busy} CPUs busy`);
});

/** Starts load_tree behind a line on its standard input, so that it can be watched from the first fork. */
function startTree(t, args) {
	const child = startProgram(t, 'sh', ['-c', 'read line; exec "$0" "$@"', loadPath('tree'), ...args.map(String)],
		{ stdio: ['pipe', 'pipe', 'ignore'] });
	child.stdout.on('data', (text) => (child.said = (child.said ?? '') + text));
	child.go = async () => {
		child.stdin.write('go\n');
		await until(() => child.said?.includes('\n'), 'the pids of the tree');
		const [, ...pids] = /^parent (\d+) child (\d+) grandchild (\d+)/.exec(child.said).map(Number);
		return pids;
	};
	return child;
}

test('with -p of a process its children and theirs are sampled, and nobody else', async (t) => {
	startLoad(t, 'busy', ['-t', 1, '-s', 20]);
	const tree = startTree(t, ['-s', 20]);
	const [parent, child, grandchild] = await tree.go();
	const agent = await startAgent(t, ['-p', parent, '-F', '199']);
	const stream = await openStream(t, agent);
	const roles = [[parent, 'tree_parent_function'], [child, 'tree_child_function'], [grandchild, 'tree_grandchild_function']];
	for (const [, name] of roles) await sawFunction(stream, name, 10);
	for (const sample of stream.samples()) {
		const role = roles.find(([pid]) => pid === sample.thread.pid);
		assert.ok(role, `a sample of ${sample.thread.process}, ${sample.thread.pid}`);
		for (const [pid, name] of roles)
			if (pid !== role[0]) assert.ok(!inFunction(sample, name), `${name} in ${role[0]}`);
	}
	assert.match(stream.profile.facts().filter, new RegExp(String(parent)));
});

test('a grandchild whose parent has ended is still sampled when its line was followed', async (t) => {
	startLoad(t, 'busy', ['-t', 1, '-s', 20]);
	const tree = startTree(t, ['-s', 20, '-o']);
	const agent = await startAgent(t, ['-p', tree.pid, '-F', '199']);
	const stream = await openStream(t, agent);
	const [parent, , grandchild] = await tree.go();
	assert.equal(parent, tree.pid);
	await sawFunction(stream, 'tree_parent_function', 10);
	await sawFunction(stream, 'tree_grandchild_function', 10);
	const pids = new Set(stream.samples().map(({ thread }) => thread.pid));
	assert.ok(pids.has(grandchild));
	const others = stream.samples().filter(({ thread }) => !/^(sh|load_tree)$/.test(thread.process));
	assert.deepEqual(others, []);
});

/** That each of these processes is sampled, and no other. */
async function assertSampledAlone(stream, pids) {
	const seen = () => new Set(stream.samples().map(({ thread }) => thread.pid));
	await until(() => pids.every((pid) => seen().has(pid)), 'samples of all of them');
	await stream.stretch(0.5);
	assert.deepEqual([...seen()].sort(), [...pids].sort());
}

test('with -G cgroups and all below them are sampled, and nobody else', async (t) => {
	const mount = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').find((line) => line.includes(' - cgroup2 '));
	if (!mount) return t.skip('cgroups of version 2 are not mounted here');
	const name = `flickerscope-test-${process.pid}`;
	const outer = join(mount.split(' ')[4], name);
	const groups = [outer, join(outer, 'one'), join(outer, 'one', 'below'), join(outer, 'two'), join(outer, 'three')];
	const loads = [];
	t.after(async () => {
		for (const load of loads) load.kill('SIGKILL');
		for (const group of groups.reverse())
			await until(() => {
				try {
					rmdirSync(group);
					return true;
				} catch ({ code }) {
					return code === 'ENOENT'; // else it is busy: who was in it has not ended yet
				}
			}, `the end of ${group}`);
	});
	for (const group of groups) mkdirSync(group);
	const inGroup = (group) => {
		const load = spawn('sh', ['-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', group, loadPath('busy'), '-s', '30', '-t', '1', '-d', '20'], { stdio: 'ignore' });
		loads.push(load);
		return load.pid;
	};
	const [, one, below, two] = groups.map(inGroup);
	const agent = await startAgent(t, ['-F', '199', '-G', `${name}/one`, '-G', `/${name}/two/`]);
	const stream = await openStream(t, agent);
	await assertSampledAlone(stream, [one, below, two]);
	assert.match(stream.profile.facts().filter, new RegExp(`${name}/one.*${name}/two`));
});

test('with --user only processes of these users are sampled, by name or number', async (t) => {
	const games = Number(/^games:[^:]*:(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))[1]);
	/* Where everybody may go: the project may be in a folder of root's. */
	const folder = temporaryFolder(t), busy = join(folder, 'busy');
	chmodSync(folder, 0o755);
	copyFileSync(loadPath('busy'), busy);
	const as = (id) => startProgram(t, busy, ['-s', '30', '-t', '1', '-d', '20'], { uid: id, gid: id }).pid;
	const [first, second] = [as(61234), as(games), as(61235), as(0)];
	const agent = await startAgent(t, ['-F', '199', '--user', '61234', '--user', 'games']);
	const stream = await openStream(t, agent);
	await assertSampledAlone(stream, [first, second]);
	assert.match(stream.profile.facts().filter, /61234.*games/);
});

/** Files of one build id are one file to the agent: what is like another program but for this must not be taken for it, as that may run as well. */
function renewBuildId(path) {
	const bytes = readFileSync(path);
	const note = Buffer.from('040000001400000003000000474e5500', 'hex'); // sizes of name and id, NT_GNU_BUILD_ID, "GNU"
	const at = bytes.indexOf(note);
	assert.ok(at > 0, 'it has a build id');
	randomFillSync(bytes, at + note.length, 20);
	writeFileSync(path, bytes);
}

test('a stripped program\'s functions go by their place in the file', async (t) => {
	const folder = temporaryFolder(t);
	const stripped = join(folder, 'stripped');
	assert.equal(spawnSync('strip', ['-s', '-o', stripped, loadPath('busy')]).status, 0);
	renewBuildId(stripped);
	const agent = await startAgent(t, ['-F', '199']);
	const stream = await openStream(t, agent);
	const load = startProgram(t, stripped, ['-s', '20', '-d', '5']);
	const mine = () => stream.samples().filter(({ thread }) => thread.pid === load.pid);
	await until(() => mine().length > 100, 'samples of the stripped program');
	/* Not those of its first moments, before exec. */
	const own = mine().map(({ frames }) => frames.filter(({ module }) => module === stripped));
	for (const { name, kind } of own.flat()) {
		assert.match(name, /^\S*stripped\+0x[0-9a-f]+$/);
		assert.equal(kind, wire.WIRE_FRAME_PROGRAM);
	}
	assert.ok(own.filter((frames) => frames.length >= 6).length > own.length * 0.8, 'their stacks are whole');
});

test('a C++ program is seen with its names demangled', async (t) => {
	if (spawnSync('g++', ['--version']).status !== 0) return t.skip('g++ is not installed');
	const folder = temporaryFolder(t);
	const source = join(folder, 'shapes.cpp');
	writeFileSync(source, `
		#include <cstdint>
		#include <ctime>
		#include <cstdlib>
		namespace shapes {
		template <typename Number> struct Wheel {
			Number value = 1;
			__attribute__((noinline)) void turn(Number times, std::time_t *now) {
				for (Number i = 0; i < times; i++) value = value * 6364136223846793005u + 1442695040888963407u;
				*now = std::time(nullptr);
			}
		};
		}
		int main(int, char **argv) {
			shapes::Wheel<std::uint64_t> wheel;
			std::time_t now = std::time(nullptr), end = now + std::atoi(argv[1]);
			while (now < end) wheel.turn(100000, &now);
			return static_cast<int>(wheel.value) == 7;
		}`);
	const program = join(folder, 'shapes');
	const compiled = spawnSync('g++', ['-O1', '-fno-omit-frame-pointer', '-o', program, source], { encoding: 'utf8' });
	assert.equal(compiled.status, 0, compiled.stderr);
	const agent = await startAgent(t, ['-F', '199']);
	const stream = await openStream(t, agent);
	startProgram(t, program, ['20']);
	const name = 'shapes::Wheel<unsigned long>::turn(unsigned long, long*)';
	await sawFunction(stream, name, 50);
	const samples = stream.samples().filter((sample) => inFunction(sample, name));
	for (const { frames } of samples)
		assert.equal(frames.find((frame) => frame.name === name).kind, wire.WIRE_FRAME_PROGRAM);
	const called = samples.filter((sample) => inFunction(sample, 'main'));
	assert.ok(called.length > samples.length * 0.9, `${called.length} of ${samples.length} called by main`);
});

test('code made at run time is named by the process\'s own map', async (t) => {
	const agent = await startAgent(t, ['-F', '199']);
	const stream = await openStream(t, agent);
	const load = startLoad(t, 'jit', ['-s', 30]);
	t.after(() => rmSync(`/tmp/perf-${load.pid}.map`, { force: true }));
	await sawFunction(stream, 'jit_made_function', 50);
	await sawFunction(stream, 'jit_caller', 50); // the program's own names come from another place, at another time
	const mine = stream.samples().filter(({ thread }) => thread.pid === load.pid);
	const made = mine.filter((sample) => inFunction(sample, 'jit_made_function'));
	t.diagnostic(`${made.length} of ${mine.length} samples in the function that was made`);
	assert.ok(made.length > mine.length * 0.9, `${made.length} of ${mine.length}`);
	for (const sample of made) {
		const at = sample.frames.findIndex(({ name }) => name === 'jit_made_function');
		assert.equal(sample.frames[at].kind, wire.WIRE_FRAME_JIT);
		assert.equal(sample.frames[at + 1]?.name, 'jit_caller');
	}
});

/** Says in the section header of an ELF file's symbol table that it lies beyond the file's end. */
function breakSymbolTable(path) {
	const bytes = readFileSync(path);
	const [table, size, count] = [Number(bytes.readBigUInt64LE(40)), bytes.readUInt16LE(58), bytes.readUInt16LE(60)];
	let broken = 0;
	for (let i = 0; i < count; i++) {
		const header = table + i * size;
		if (bytes.readUInt32LE(header + 4) !== 2) continue; // SHT_SYMTAB
		bytes.writeBigUInt64LE(0x7fffffffff00n, header + 24); // sh_offset
		broken++;
	}
	assert.equal(broken, 1);
	writeFileSync(path, bytes);
}

test('a malformed ELF file costs its own names and one line in the log, and nothing else', async (t) => {
	const folder = temporaryFolder(t);
	const malformed = join(folder, 'malformed');
	copyFileSync(loadPath('busy'), malformed);
	breakSymbolTable(malformed);
	renewBuildId(malformed);
	const agent = await startAgent(t, ['-F', '199']);
	const stream = await openStream(t, agent);
	const load = startProgram(t, malformed, ['-s', '20', '-d', '5']);
	const mine = () => stream.samples().filter(({ thread }) => thread.pid === load.pid);
	await until(() => mine().length > 100, 'samples of the malformed program');
	startLoad(t, 'burst', ['-s', 20]);
	await sawFunction(stream, 'burst_known_function', 10);
	await until(() => stream.counter(wire.WIRE_COUNTER_PARSE_FAILED) > 0, 'the failure is counted');
	const own = mine().flatMap(({ frames }) => frames.filter(({ module }) => module === malformed));
	assert.ok(own.length > 100);
	for (const { name } of own) assert.match(name, /^\S*malformed\+0x[0-9a-f]+$/);
	const lines = agent.stderr.split('\n').filter((line) => line.includes(malformed));
	assert.equal(lines.length, 1, agent.stderr);
	assert.equal(agent.exit, null);
	assert.equal((await agent.stop()).code, 0, agent.stderr);
});
