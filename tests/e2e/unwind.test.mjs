/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole user stacks without frame pointers: programs of known call chains are built in all ways and
 * recorded, and each sample is compared with the chain, frame by frame.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, startAgent, temporaryFolder, until } from './agent.mjs';
import { BURN_MS, build, checkChain, copyAsNew, deepChain, has, ofProcess, recordWhile } from './chains.mjs';
import { inFunction, openStream, startProgram, wire } from './stream.mjs';

for (const compiler of ['gcc', 'clang']) {
	test(`recursion to 100 frames of odd sizes, by ${compiler}, at -O0 to -O3`,
		{ skip: !has(compiler) && `${compiler} is not installed` }, async (t) => {
			const folder = temporaryFolder(t);
			const depth = 96;
			const runs = ['-O0', '-O1', '-O2', '-O3'].map((level) => ({
				level,
				program: build(compiler, join(folder, `deep${level}`), 'deep.c', [level]),
				args: [String(BURN_MS), String(depth)],
			}));
			const samples = await recordWhile(t, runs);
			for (const { level, pid } of runs) checkChain(t, `${compiler} ${level}`, ofProcess(samples, pid), deepChain(depth));
		});
}

test('static, static-pie, not position-independent, stripped of nothing, and deleted while it runs', async (t) => {
	const folder = temporaryFolder(t);
	const variants = { static: ['-static'], 'static-pie': ['-static-pie'], fixed: ['-no-pie'], deleted: [] };
	const runs = Object.entries(variants).map(([name, flags]) => ({
		name,
		program: build('gcc', join(folder, name), 'deep.c', ['-O2', ...flags]),
		args: [String(BURN_MS), '12'],
	}));
	runs.at(-1).started = () => rmSync(join(folder, 'deleted'));
	const samples = await recordWhile(t, runs);
	for (const { name, pid } of runs) checkChain(t, name, ofProcess(samples, pid), deepChain(12));
});

test('a signal\'s handler over a deep stack, on the same and on an alternate one', async (t) => {
	const folder = temporaryFolder(t);
	const program = build('gcc', join(folder, 'signals'), 'signals.c', ['-O2']);
	const runs = [
		{ name: 'same stack', program, args: [String(BURN_MS)] },
		{ name: 'alternate stack', program, args: [String(BURN_MS), 'alternate'] },
	];
	const samples = await recordWhile(t, runs);
	/* What the kernel returns to after a handler has no name in some C libraries. */
	const rename = (name) => (/^__restore_rt$|\+0x/.test(name) ? null : name);
	const chain = ['main', ...Array(30).fill('step_down'), 'wait_for_signal', 'on_signal', 'burn_leaf'];
	for (const { name, pid } of runs) checkChain(t, name, ofProcess(samples, pid), chain, { rename });
});

/** A Python that makes code for each of its functions (3.12 and later), where there is one: Debian 12's own is too old. */
function findPython() {
	const versions = join(homedir(), '.pyenv', 'versions');
	const folders = [...(process.env.PATH ?? '').split(':').filter((folder) => !folder.endsWith('shims')),
		...(existsSync(versions) ? readdirSync(versions).map((version) => join(versions, version, 'bin')) : [])];
	const programs = folders.flatMap((folder) => ['python3.13', 'python3.12'].map((name) => join(folder, name)));
	const active = 'import sys; sys.exit(not sys.is_stack_trampoline_active())';
	return programs.filter(existsSync).find((program) => spawnSync(program, ['-X', 'perf', '-c', active]).status === 0);
}

test('what comes while a program runs: a library that calls back, and code made as Python makes it', async (t) => {
	const folder = temporaryFolder(t);
	const library = build('gcc', join(folder, 'library.so'), 'library.c', ['-O2', '-shared', '-fPIC']);
	const python = findPython();
	const runs = [
		{ name: 'library', program: build('gcc', join(folder, 'loader'), 'loader.c', ['-O2', '-ldl']), args: [String(BURN_MS), library] },
		{ name: 'made', program: build('gcc', join(folder, 'trampolines'), 'trampolines.c', ['-O2']), args: [String(BURN_MS / 2)] },
		{ name: 'python', program: python, args: ['-X', 'perf', join(root, 'tests', 'e2e', 'chains', 'deep.py'), String(BURN_MS)] },
	].filter(({ program }) => program);
	const samples = await recordWhile(t, runs);
	const of = (name) => ofProcess(samples, runs.find((run) => run.name === name)?.pid);
	for (const { pid } of runs) rmSync(`/tmp/perf-${pid}.map`, { force: true });

	await t.test('a library that is loaded later, and calls back', (t) => {
		checkChain(t, 'loaded', of('library').filter(({ frames }) => frames.some(({ name }) => name === 'come_back')),
			['main', 'library_enter', 'library_step', 'library_step', 'come_back', 'burn_leaf']);
	});
	await t.test('code without a table and without frame pointers', (t) => {
		const rename = (name) => name.replace(':/srv/app/deep.py', '');
		checkChain(t, 'made', of('made'), ['main', 'evaluate', ...['outer', 'middle', 'inner'].flatMap((name) => [`py::${name}`, 'evaluate']), 'burn_leaf'], { rename });
	});
	await t.test('Python with -X perf', { skip: !python && 'no Python that makes code for its functions (3.12 or later)' }, (t) => {
		const rename = (name) => /^py::([^:]+):.*\/deep\.py$/.exec(name)?.[1] ?? null;
		checkChain(t, 'python', of('python'), ['<module>', 'main', 'outer', 'middle', 'inner_work', 'leaf'], { leaf: 'leaf', rename });
	});
});

test('C++: a template, a virtual function, and calls through the PLT', async (t) => {
	const folder = temporaryFolder(t);
	mkdirSync(join(folder, 'lib'));
	const library = build('g++', join(folder, 'lib', 'libshapes.so'), 'shapes.cpp', ['-O2', '-shared', '-fPIC', '-Wl,-z,lazy']);
	const runs = ['-Wl,-z,lazy', '-Wl,-z,now'].map((binding) => ({
		binding,
		program: build('g++', join(folder, `calls${binding.at(-1)}`), 'calls.cpp',
			['-O2', binding, library, `-Wl,-rpath,${join(folder, 'lib')}`]),
		args: [String(BURN_MS)],
	}));
	const samples = await recordWhile(t, runs);
	for (const { binding, pid } of runs) {
		const own = ofProcess(samples, pid);
		checkChain(t, binding, own, ['main', 'int visit<Circle>(Shape&)', 'Circle::draw()', 'draw_all(int)'], { leaf: 'draw_all(int)' });
		const stubs = own.filter(({ frames }) => frames[0]?.name.endsWith('@plt'));
		t.diagnostic(`${binding}: ${stubs.length} samples in a PLT stub`);
		assert.ok(stubs.length > 0, `${binding}: no sample in a PLT stub`);
	}
});

test('a thread that outlives the main one, and its child that does not exec', async (t) => {
	const folder = temporaryFolder(t);
	const program = build('gcc', join(folder, 'threads'), 'threads.c', ['-O2', '-pthread']);
	const runs = [{ program, args: [String(BURN_MS)] }];
	const all = (await recordWhile(t, runs)).filter(({ thread }) => thread.process === 'threads');
	const chain = ['thread_main', 'thread_step', 'thread_step'];
	checkChain(t, 'thread', ofProcess(all, runs[0].pid), [...chain, 'burn_leaf']);
	const ofChild = all.filter(({ thread }) => thread.pid !== runs[0].pid);
	checkChain(t, 'child', ofChild, [...chain, 'child_burns', 'burn_leaf']);
});

test('Go: the first goroutine and another one', { skip: !has('go') && 'go is not installed' }, async (t) => {
	const folder = temporaryFolder(t);
	const program = join(folder, 'chain');
	const built = spawnSync('go', ['build', '-o', program, join(root, 'tests', 'e2e', 'chains', 'chain.go')],
		{ encoding: 'utf8', env: { ...process.env, GOCACHE: join(folder, 'cache'), GO111MODULE: 'off' } });
	assert.equal(built.status, 0, built.stderr);
	const runs = [{ program, args: [String(BURN_MS)] }];
	const samples = ofProcess(await recordWhile(t, runs), runs[0].pid);
	const chain = ['main.begin', ...Array(21).fill('main.step'), 'main.burnLeaf'];
	for (const first of ['main.main', 'main.main.func1'])
		checkChain(t, first, samples.filter(({ frames }) => frames.some(({ name }) => name === first)), [first, ...chain],
			{ leaf: 'main.burnLeaf' });
});

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
