/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which process has what when: programs that execute others, fork, load and unload libraries, replace files
 * and use pids again are recorded together, and each stack is compared with the one known chain.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { loadPath, sleep, temporaryFolder } from './agent.mjs';
import { SAMPLES_LEAST, build, checkChain, ofProcess, recordWhile } from './chains.mjs';
import { STACK_COMPLETE } from './recording.mjs';

const SHORT_BURN_MS = 300;
/** enum stack_status, include/sample_abi.h */
const STACK_UNSUPPORTED = 7;
const NO_BUILD_ID = '-Wl,--build-id=none';
const MANY = 400;
const READ_MS = 1000;

const ofName = (samples, name) => samples.filter(({ thread }) => thread.process === name);
const inFunction = (samples, name) => samples.filter(({ frames }) => frames.some((frame) => frame.name === name));

/** A folder to chroot into, with the programs, what they are linked with, and /tmp. */
function makeRoot(folder, programs) {
	mkdirSync(join(folder, 'tmp'), { recursive: true });
	for (const program of programs) {
		const needed = spawnSync('ldd', [program], { encoding: 'utf8' }).stdout.match(/\/\S+/g);
		for (const file of needed) {
			mkdirSync(join(folder, dirname(file)), { recursive: true });
			copyFileSync(file, join(folder, file));
		}
		copyFileSync(program, join(folder, program.slice(program.lastIndexOf('/'))));
	}
	return folder;
}

/**
 * Writes into the very file, as cp does; a rename would make it another one. What was in it before is gone then, also
 * for the agent, which may take a while until it has read it.
 */
async function writeInPlace(path, content) {
	await sleep(READ_MS);
	const { ino } = statSync(path);
	writeFileSync(path, content);
	assert.equal(statSync(path).ino, ino);
}

function makeRuns(folder) {
	const at = (name) => join(folder, name);
	const ms = String(SHORT_BURN_MS);
	const rules = build('gcc', at('rules'), 'rules.c', ['-O2', '-ldl']);
	const library = (name, ...flags) => build('gcc', at(name), 'swapped.c', ['-O2', '-shared', '-fPIC', ...flags]);
	const alpha = library('alpha.so');
	const beta = library('beta.so', '-DBETA');
	const plainAlpha = readFileSync(library('plain-alpha.so', NO_BUILD_ID));
	const plainBeta = readFileSync(library('plain-beta.so', '-DBETA', NO_BUILD_ID));
	writeFileSync(at('written.so'), plainAlpha);
	copyFileSync(rules, at('renamed'));
	copyFileSync(rules, at('boxed'));
	const other = build('gcc', at('other'), 'rules.c', ['-O0', '-ldl']);
	const brief = build('gcc', at('brief'), 'brief.c', ['-O2']);
	copyFileSync(loadPath('jit'), at('boxed_jit'));
	const box = makeRoot(at('box'), [at('boxed'), at('boxed_jit')]);
	const boxed = (...command) => ['-m', '-p', '-f', 'chroot', box, ...command];
	return {
		exec: { program: rules, args: ['exec', ms] },
		vfork: { program: rules, args: ['vfork', ms] },
		reuse: { program: rules, args: ['reuse', ms] },
		library: { program: rules, args: ['library', String(3 * SHORT_BURN_MS), alpha, 'alpha_enter', beta, 'beta_enter'] },
		protect: { program: rules, args: ['protect', ms, alpha, 'alpha_enter'] },
		before: { program: rules, args: ['library', ms, at('written.so'), 'alpha_enter'], ended: () => writeInPlace(at('written.so'), plainBeta) },
		after: { program: rules, args: ['library', ms, at('written.so'), 'beta_enter'] },
		renamed: { program: at('renamed'), args: ['vfork', ms], started: () => renameSync(other, at('renamed')) },
		renamedTo: { program: at('renamed'), args: ['after', ms] },
		boxed: { program: 'unshare', args: boxed('/boxed', 'after', ms) },
		boxedJit: { program: 'unshare', args: boxed('/boxed_jit', '-s', '1') },
		narrow: { program: build('gcc', at('narrow'), 'narrow.c', ['-m32', '-O1', '-nostdlib', '-static', '-fno-pic', '-no-pie']), args: [] },
		many: { program: rules, args: ['many', ms, brief, String(MANY)] },
	};
}

test('what processes do with themselves and with their memory', async (t) => {
	const runs = makeRuns(temporaryFolder(t));
	const samples = await recordWhile(t, Object.values(runs));
	const of = (run) => ofProcess(samples, run.pid);
	const chain = (t, label, some, ...names) => checkChain(t, label, some, ['main', ...names, 'burn_leaf']);

	await t.test('an exec: the same pid, another address space', (t) => {
		chain(t, 'before', inFunction(of(runs.exec), 'before_exec'), 'before_exec');
		chain(t, 'after', inFunction(of(runs.exec), 'after_exec'), 'after_exec');
	});

	await t.test('a vfork: a child in its parent\'s memory', (t) => {
		const children = inFunction(ofName(samples, 'rules'), 'in_vfork_child');
		chain(t, 'child', children, 'run_vfork', 'in_vfork_child');
		assert.ok(children.every(({ thread }) => thread.pid !== runs.vfork.pid));
	});

	await t.test('a pid that is used again inherits nothing', (t) => {
		const first = inFunction(samples, 'first_life'), second = inFunction(samples, 'second_life');
		chain(t, 'first', first, 'first_life');
		chain(t, 'second', second, 'second_life');
		assert.equal(first[0].thread.pid, second[0].thread.pid);
		assert.notEqual(first[0].thread.start_ns, second[0].thread.start_ns);
	});

	await t.test('a library in the place of another', (t) => {
		const own = of(runs.library);
		const alpha = inFunction(own, 'alpha_enter'), beta = inFunction(own, 'beta_enter');
		chain(t, 'one', alpha, 'use_library', 'alpha_enter', 'alpha_step', 'come_back');
		chain(t, 'the other', beta, 'use_library', 'beta_enter', 'beta_first', 'beta_second', 'come_back');
		assert.ok(Math.min(alpha.length, beta.length) > 0.25 * (alpha.length + beta.length), `${alpha.length} and ${beta.length}`);
	});

	await t.test('memory that becomes executable later', (t) =>
		chain(t, 'protected', of(runs.protect), 'use_library', 'alpha_enter', 'alpha_step', 'come_back'));

	await t.test('a file without a build id, written anew in its place', (t) => {
		chain(t, 'before', of(runs.before), 'use_library', 'alpha_enter', 'alpha_step', 'come_back');
		chain(t, 'after', of(runs.after), 'use_library', 'beta_enter', 'beta_first', 'beta_second', 'come_back');
	});

	await t.test('a file that another one was renamed over, while it ran', (t) => {
		chain(t, 'the old one', inFunction(ofName(samples, 'renamed'), 'in_vfork_child'), 'run_vfork', 'in_vfork_child');
		chain(t, 'the new one', of(runs.renamedTo), 'after_exec');
	});

	await t.test('a container: another root, other pids inside', (t) => {
		chain(t, 'program', ofName(samples, 'boxed'), 'after_exec');
		const jit = ofName(samples, 'boxed_jit').filter(({ frames }) => frames.length > 0);
		const named = inFunction(jit, 'jit_made_function');
		t.diagnostic(`${named.length} of ${jit.length} samples are in what its perf map names`);
		assert.ok(named.length >= SAMPLES_LEAST && named.length > 0.8 * jit.length);
		/* Before it has pushed its frame pointer, a function's caller is passed over. */
		const called = named.filter(({ frames }) =>
			frames[frames.findIndex(({ name }) => name === 'jit_made_function') + 1]?.name === 'jit_caller');
		assert.ok(called.length >= 0.99 * named.length, `${called.length} of ${named.length} have their caller`);
	});

	await t.test('a process of 32 bits is refused, and said so', (t) => {
		const narrow = of(runs.narrow);
		const user = narrow.filter(({ frames }) => frames.every(({ module }) => !module.startsWith('[kernel')));
		t.diagnostic(`${narrow.length} samples`);
		assert.ok(user.length >= SAMPLES_LEAST, `${user.length} samples`);
		for (const { status, frames } of user) {
			assert.equal(status, STACK_UNSUPPORTED);
			assert.deepEqual(frames, []);
		}
	});

	await t.test('processes by the hundred, each for a millisecond', (t) => {
		const brief = ofName(samples, 'brief');
		const working = inFunction(brief, 'brief_work');
		const whole = working.filter(({ status }) => status === STACK_COMPLETE);
		const pids = new Set(brief.map(({ thread }) => thread.pid));
		t.diagnostic(`${MANY} processes, ${pids.size} of them sampled: ${whole.length} of ${working.length} samples at work are whole`);
		/* 95 % of all; so few samples may miss that by chance, once in ten thousand runs. */
		const chance = 3.7 * Math.sqrt(0.95 * 0.05 * working.length);
		assert.ok(working.length >= SAMPLES_LEAST && whole.length >= 0.95 * working.length - chance);
	});
});
