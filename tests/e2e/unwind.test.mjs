/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole user stacks without frame pointers: programs of known call chains are built in all ways and
 * recorded, all in one recording, and each sample is compared with the chain, frame by frame.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, startAgent, temporaryFolder, until } from './agent.mjs';
import { BURN_MS, build, checkChain, copyAsNew, deepChain, has, ofProcess, recordWhile } from './chains.mjs';
import { inFunction, openStream, startProgram, wire } from './stream.mjs';

/**
 * Programs of known chains, and what has to be in the recording in which all of them run.
 *
 * @typedef {object} Case
 * @property {string} words
 * @property {string | false} [skip]
 * @property {(folder: string) => { program: string, args: string[], started?: () => void, pid?: number }[]} make
 * @property {(t: import('node:test').TestContext, runs: object[]) => Promise<void> | void} check
 */

let samples = [];
const own = ({ pid }) => ofProcess(samples, pid);
const burn = String(BURN_MS);
const lacks = (program) => !has(program) && `${program} is not installed`;

/** @returns {Case} */
function recursion(compiler) {
	const levels = ['-O0', '-O1', '-O2', '-O3'];
	const depth = 96;
	return {
		words: `recursion to 100 frames of odd sizes, by ${compiler}, at -O0 to -O3`,
		skip: lacks(compiler),
		make: (folder) => levels.map((level) =>
			({ program: build(compiler, join(folder, `deep${level}`), 'deep.c', [level]), args: [burn, String(depth)] })),
		check: (t, runs) => runs.forEach((run, i) => checkChain(t, `${compiler} ${levels[i]}`, own(run), deepChain(depth))),
	};
}

/** @type {Case} */
const kinds = {
	words: 'static, static-pie, not position-independent, stripped of nothing, and deleted while it runs',
	make(folder) {
		const variants = { static: ['-static'], 'static-pie': ['-static-pie'], fixed: ['-no-pie'], deleted: [] };
		return Object.entries(variants).map(([name, flags]) => ({
			name,
			program: build('gcc', join(folder, name), 'deep.c', ['-O2', ...flags]),
			args: [burn, '12'],
			started: () => name === 'deleted' && rmSync(join(folder, name)),
		}));
	},
	check: (t, runs) => runs.forEach((run) => checkChain(t, run.name, own(run), deepChain(12))),
};

/** @type {Case} */
const signals = {
	words: 'a signal\'s handler over a deep stack, on the same and on an alternate one',
	make(folder) {
		const program = build('gcc', join(folder, 'signals'), 'signals.c', ['-O2']);
		return [
			{ name: 'same stack', program, args: [burn] },
			{ name: 'alternate stack', program, args: [burn, 'alternate'] },
		];
	},
	check(t, runs) {
		/* What the kernel returns to after a handler has no name in some C libraries. */
		const rename = (name) => (/^__restore_rt$|\+0x/.test(name) ? null : name);
		const chain = ['main', ...Array(30).fill('step_down'), 'wait_for_signal', 'on_signal', 'burn_leaf'];
		for (const run of runs) checkChain(t, run.name, own(run), chain, { rename });
	},
};

/** A Python that makes code for each of its functions (3.12 and later), where there is one: Debian 12's own is too old. */
function findPython() {
	const versions = join(homedir(), '.pyenv', 'versions');
	const folders = [...(process.env.PATH ?? '').split(':').filter((folder) => !folder.endsWith('shims')),
		...(existsSync(versions) ? readdirSync(versions).map((version) => join(versions, version, 'bin')) : [])];
	const programs = folders.flatMap((folder) => ['python3.13', 'python3.12'].map((name) => join(folder, name)));
	const active = 'import sys; sys.exit(not sys.is_stack_trampoline_active())';
	return programs.filter(existsSync).find((program) => spawnSync(program, ['-X', 'perf', '-c', active]).status === 0);
}

/** @type {Case} */
const library = {
	words: 'a library that is loaded later, and calls back',
	make(folder) {
		const path = build('gcc', join(folder, 'library.so'), 'library.c', ['-O2', '-shared', '-fPIC']);
		return [{ program: build('gcc', join(folder, 'loader'), 'loader.c', ['-O2', '-ldl']), args: [burn, path] }];
	},
	check: (t, [run]) => checkChain(t, 'loaded', own(run).filter((sample) => inFunction(sample, 'come_back')),
		['main', 'library_enter', 'library_step', 'library_step', 'come_back', 'burn_leaf']),
};

const mapRemove = ({ pid }) => rmSync(`/tmp/perf-${pid}.map`, { force: true });

/** @type {Case} */
const made = {
	words: 'code made as Python makes it, without a table and without frame pointers',
	make: (folder) => [{ program: build('gcc', join(folder, 'trampolines'), 'trampolines.c', ['-O2']), args: [String(BURN_MS / 2)] }],
	check(t, [run]) {
		mapRemove(run);
		const rename = (name) => name.replace(':/srv/app/deep.py', '');
		checkChain(t, 'made', own(run), ['main', 'evaluate', ...['outer', 'middle', 'inner'].flatMap((name) => [`py::${name}`, 'evaluate']), 'burn_leaf'], { rename });
	},
};

const pythonPath = findPython();

/** @type {Case} */
const python = {
	words: 'Python with -X perf',
	skip: !pythonPath && 'no Python that makes code for its functions (3.12 or later)',
	make: () => [{ program: pythonPath, args: ['-X', 'perf', join(root, 'tests', 'e2e', 'chains', 'deep.py'), burn] }],
	check(t, [run]) {
		mapRemove(run);
		const rename = (name) => /^py::([^:]+):.*\/deep\.py$/.exec(name)?.[1] ?? null;
		checkChain(t, 'python', own(run), ['<module>', 'main', 'outer', 'middle', 'inner_work', 'leaf'], { leaf: 'leaf', rename });
	},
};

/** @type {Case} */
const calls = {
	words: 'C++: a template, a virtual function, and calls through the PLT',
	make(folder) {
		mkdirSync(join(folder, 'lib'));
		const shapes = build('g++', join(folder, 'lib', 'libshapes.so'), 'shapes.cpp', ['-O2', '-shared', '-fPIC', '-Wl,-z,lazy']);
		return ['-Wl,-z,lazy', '-Wl,-z,now'].map((binding) => ({
			binding,
			program: build('g++', join(folder, `calls${binding.at(-1)}`), 'calls.cpp',
				['-O2', binding, shapes, `-Wl,-rpath,${join(folder, 'lib')}`]),
			args: [burn],
		}));
	},
	check(t, runs) {
		for (const run of runs) {
			checkChain(t, run.binding, own(run), ['main', 'int visit<Circle>(Shape&)', 'Circle::draw()', 'draw_all(int)'], { leaf: 'draw_all(int)' });
			const stubs = own(run).filter(({ frames }) => frames[0]?.name.endsWith('@plt'));
			t.diagnostic(`${run.binding}: ${stubs.length} samples in a PLT stub`);
			assert.ok(stubs.length > 0, `${run.binding}: no sample in a PLT stub`);
		}
	},
};

/** @type {Case} */
const threads = {
	words: 'a thread that outlives the main one, and its child that does not exec',
	make: (folder) => [{ program: build('gcc', join(folder, 'threads'), 'threads.c', ['-O2', '-pthread']), args: [burn] }],
	check(t, [run]) {
		const chain = ['thread_main', 'thread_step', 'thread_step'];
		checkChain(t, 'thread', own(run), [...chain, 'burn_leaf']);
		const ofChild = samples.filter(({ thread }) => thread.process === 'threads' && thread.pid !== run.pid);
		checkChain(t, 'child', ofChild, [...chain, 'child_burns', 'burn_leaf']);
	},
};

/** @type {Case} */
const go = {
	words: 'Go: the first goroutine and another one',
	skip: lacks('go'),
	make(folder) {
		const program = join(folder, 'chain');
		const built = spawnSync('go', ['build', '-o', program, join(root, 'tests', 'e2e', 'chains', 'chain.go')],
			{ encoding: 'utf8', env: { ...process.env, GOCACHE: join(folder, 'cache'), GO111MODULE: 'off' } });
		assert.equal(built.status, 0, built.stderr);
		return [{ program, args: [burn] }];
	},
	check(t, [run]) {
		const chain = ['main.begin', ...Array(21).fill('main.step'), 'main.burnLeaf'];
		for (const first of ['main.main', 'main.main.func1'])
			checkChain(t, first, own(run).filter((sample) => inFunction(sample, first)), [first, ...chain], { leaf: 'main.burnLeaf' });
	},
};

const cases = [recursion('gcc'), recursion('clang'), kinds, signals, library, made, python, calls, threads, go];

test('programs of known chains, recorded', async (t) => {
	for (const each of cases) each.runs = each.skip ? [] : each.make(temporaryFolder(t));
	samples = await recordWhile(t, cases.flatMap(({ runs }) => runs), { at_once: 2 * cpus().length });
});

for (const each of cases) test(each.words, { skip: each.skip }, (t) => each.check(t, each.runs));

/** Functions that nobody calls, with three rows of a table each. */
const FILLER = `
	.text
	.rept 20000
	.cfi_startproc
	sub $24, %rsp
	.cfi_adjust_cfa_offset 24
	xor %eax, %eax
	add $24, %rsp
	.cfi_adjust_cfa_offset -24
	ret
	.cfi_endproc
	.endr
	.section .note.GNU-stack,"",@progbits
`;

const PROGRAMS = 16;

test('tables beyond the memory for them: those of ended programs make room, others wait', async (t) => {
	const folder = temporaryFolder(t);
	const filler = join(folder, 'filler.s');
	writeFileSync(filler, FILLER);
	const template = readFileSync(build('gcc', join(folder, 'filled'), 'deep.c', ['-O2', filler, '-Wl,--build-id=sha1']));
	const programs = Array.from({ length: PROGRAMS }, (_, i) => copyAsNew(template, join(folder, `filled${i}`)));
	const script = `read line; for program; do "$program" 300 12; done; echo one by one
		read line; for program; do "$program" 20000 12 & done; wait`;
	const shell = startProgram(t, 'sh', ['-c', script, 'sh', ...programs], { stdio: ['pipe', 'pipe', 'ignore'] });
	let said = '';
	shell.stdout.on('data', (text) => (said += text));
	const agent = await startAgent(t, ['-p', String(shell.pid), '-F', '499', '--memory', '32M']);
	const stream = await openStream(t, agent);
	const bytes = () => stream.counter(wire.WIRE_COUNTER_UNWIND_BYTES);
	const room = (32 << 20) / 8;

	shell.stdin.write('go\n');
	await until(() => said.includes('one by one'), 'all have run');
	await until(() => stream.counter(wire.WIRE_COUNTER_UNWIND_EVICTED) > 0, 'a table made room');
	t.diagnostic(`${stream.counter(wire.WIRE_COUNTER_UNWIND_TABLES)} tables take ${bytes()} of ${room} bytes, ` +
		`${stream.counter(wire.WIRE_COUNTER_UNWIND_EVICTED)} were given up`);
	assert.ok(bytes() > 0 && bytes() <= room);
	const whole = stream.samples().filter((sample) => inFunction(sample, 'burn_leaf') && inFunction(sample, 'main'));
	const walked = new Set(whole.map(({ thread }) => thread.process));
	assert.ok(walked.size >= 0.75 * PROGRAMS, `whole stacks of ${[...walked].join(' ')}`);

	shell.stdin.write('go\n');
	await until(() => stream.counter(wire.WIRE_COUNTER_UNWIND_NO_ROOM) > 0, 'there is no room for all at once');
	assert.ok(bytes() <= room, `${bytes()} bytes`);
	assert.equal(agent.exit, null);
});
