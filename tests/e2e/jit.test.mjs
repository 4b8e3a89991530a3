/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code made at run time, by what real compilers publish about it: one recording of all of them, and
 * each one's stacks compared with its source.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import '../viewer/bare_names.mjs';
import { loadPath, root, sleep, temporaryFolder, until } from './agent.mjs';
import { record } from './recording.mjs';

const wire = await import('../../viewer/wire.js');

const sources = join(root, 'tests', 'e2e', 'jit');
const SECONDS = 6;
const SAMPLES_LEAST = 10; // of 999 Hz x some seconds, shared by all on a busy machine

const has = (program) => spawnSync('which', [program]).status === 0;
const names = (sample) => sample.frames.map(({ name }) => name);

/** Whether a frame is this function of fib.js: "fib file:///…/fib.js:3:13". */
const inSource = (name, frame = '') => frame.startsWith(`${name} `) && frame.includes(join(sources, 'fib.js:'));

/** Starts a program that ends by itself, and ends it with the test should it not. */
function start(t, program, args, options = {}) {
	const child = spawn(program, args.map(String), { stdio: ['ignore', 'pipe', 'ignore'], ...options });
	const run = { child, pid: child.pid, out: '' };
	child.stdout.on('data', (text) => (run.out += text));
	run.ended = new Promise((resolve) => child.on('close', resolve));
	t.after(async () => {
		child.kill('SIGKILL');
		await run.ended;
		rmSync(`/tmp/perf-${child.pid}.map`, { force: true });
	});
	return run;
}

/** A Java program whose methods have been written to a map by the JDK's own tool. */
async function startJava(t, folder) {
	if (!has('java') || !has('javac') || !has('jcmd')) return null;
	const compiled = spawnSync('javac', ['-d', folder, join(sources, 'Burn.java')], { encoding: 'utf8' });
	assert.equal(compiled.status, 0, compiled.stderr);
	const options = ['-XX:+PreserveFramePointer', '-XX:CompileCommand=quiet', '-XX:CompileCommand=dontinline,Burn.*'];
	const run = start(t, 'java', [...options, '-cp', folder, 'Burn', SECONDS + 1]);
	await until(() => run.out.includes('warm'), 'the Java program has begun');
	const told = spawnSync('jcmd', [String(run.pid), 'Compiler.perfmap'], { encoding: 'utf8' });
	return told.status === 0 ? run : null;
}

/**
 * In a mount namespace and a pid namespace of its own, with an empty /tmp: the map is found there, under the pid that
 * the process knows. Its pid outside is asked of the kernel.
 */
async function startContained(t) {
	/* From its own folder, which may itself be below /tmp. */
	const script = `mount -t tmpfs none /tmp && exec ./load_jit -s ${SECONDS} -n jit_in_container`;
	const run = start(t, 'unshare', ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', script], { cwd: dirname(loadPath('jit')) });
	await until(() => {
		const { stdout } = spawnSync('ps', ['-o', 'pid=,comm=', '--ppid', String(run.pid)], { encoding: 'utf8' });
		run.pid = Number(/(\d+) load_jit/.exec(stdout)?.[1] ?? run.pid);
		return run.pid !== run.child.pid;
	}, 'the contained program has begun');
	return run;
}

test('functions made at run time have the names that their compilers publish', async (t) => {
	const folder = temporaryFolder(t);
	const java = await startJava(t, folder);
	const contained = await startContained(t);
	const recording = record(t, SECONDS, ['-F', '999']);
	await sleep(1000);
	/* What the optimizer puts into its caller has no frame: when it comes to that is a matter of chance. */
	const frames = ['--no-turbo-inlining', '--no-use-osr'];
	const node = start(t, 'node', ['--perf-basic-prof', '--interpreted-frames-native-stack', ...frames, join(sources, 'fib.js'), SECONDS - 2], { cwd: folder });
	/* Without its first tier, much of whose code it leaves out of the dump. */
	const nodeDump = start(t, 'node', ['--perf-prof', '--no-sparkplug', join(sources, 'fib.js'), SECONDS - 4], { cwd: folder });
	const reused = start(t, loadPath('jit'), ['-d', '-s', SECONDS - 2], { cwd: folder });
	const python = start(t, loadPath('jit'), ['-s', SECONDS - 2, '-n', 'py::fib:/srv/app/fib.py']);
	const memory = start(t, loadPath('jit'), ['-m', '-s', SECONDS - 2, '-n', 'made_in_memfd']);
	const all = await recording;
	const of = ({ pid }) => all.filter(({ thread }) => thread.pid === pid);

	await t.test('node with --perf-basic-prof: JavaScript between the builtins and the program', (t) => {
		const inFib = of(node).filter((sample) => inSource('fib', names(sample)[0]));
		t.diagnostic(`${inFib.length} of ${of(node).length} samples in fib()`);
		assert.ok(inFib.length >= SAMPLES_LEAST, `${inFib.length} samples`);
		/* Debian's own node is without its builtins' names. */
		const builtins = of(node).some((sample) => names(sample).includes('Builtins_JSEntry')) ? [/^Builtins_ArrayMap$/, /^Builtins_JSEntry$/] : [];
		const order = ['fib', 'get area', '(anonymous)', ...builtins.slice(0, 1), 'outer', ...builtins.slice(1), /^node::Start\(/];
		let whole = 0;
		for (const { frames } of inFib) {
			const own = frames.map(({ name }) => name);
			assert.equal(frames[0].kind, wire.WIRE_FRAME_JIT);
			/* Whatever the tier of each frame is, a function is one function. */
			for (const name of own) assert.doesNotMatch(name, /^(JS|LazyCompile|Function):[~^+*]/);
			const places = order.map((one) => own.findIndex((frame) => (one instanceof RegExp ? one.test(frame) : inSource(one, frame))));
			if (places.every((at, i) => at > (i ? places[i - 1] : -1))) whole++;
		}
		t.diagnostic(`${whole} of them through all of the functions on the way`);
		assert.ok(whole >= 0.9 * inFib.length, `${whole} of ${inFib.length}: ${names(inFib[0]).join(' < ')}`);
	});

	await t.test('node with --perf-prof: what it wrote last, at its end, counts too', (t) => {
		assert.ok(readdirSync(folder).includes(`jit-${nodeDump.pid}.dump`), 'node writes a jitdump');
		const own = of(nodeDump);
		const made = own.filter(({ frames }) => ['[jit]', '[anon]'].includes(frames[0]?.module));
		const named = made.filter((sample) => inSource('fib', names(sample)[0]));
		t.diagnostic(`${named.length} of ${made.length} samples in code made at run time, of ${own.length} in all`);
		assert.ok(made.length >= SAMPLES_LEAST, `${made.length} samples`);
		/* Some stubs it leaves out of the dump as well. */
		assert.ok(named.length >= 0.8 * made.length, `${named.length} of ${made.length}`);
	});

	await t.test('a jitdump: of two functions at one address, the one that was there', (t) => {
		const late = [];
		for (const [caller, name, other] of [['call_first', 'jit_first', 'jit_second'], ['call_second', 'jit_second', 'jit_first']]) {
			const made = of(reused).filter((sample) => names(sample)[1] === caller);
			const right = made.filter((sample) => names(sample)[0] === name);
			t.diagnostic(`${caller}: ${right.length} of ${made.length} in ${name}`);
			assert.ok(made.length >= SAMPLES_LEAST, `${caller}: ${made.length} samples`);
			assert.ok(right.length >= 0.9 * made.length, `${caller}: ${right.length} of ${made.length}`);
			late.push(...made.filter((sample) => names(sample)[0] === other));
		}
		assert.equal(late.length, 0, 'a function under the name of the other');
	});

	await t.test('Python\'s names stay as it writes them', () => {
		const made = of(python).filter((sample) => names(sample)[1] === 'jit_caller');
		assert.ok(made.length >= SAMPLES_LEAST, `${made.length} samples`);
		const named = made.filter(({ frames: [{ name, kind }] }) => name === 'py::fib:/srv/app/fib.py' && kind === wire.WIRE_FRAME_JIT);
		assert.ok(named.length >= 0.9 * made.length, `${named.length} of ${made.length}`);
	});

	await t.test('code in a file that lives in memory is named by the map too, as that of .NET', (t) => {
		const made = of(memory).filter((sample) => names(sample)[1] === 'jit_caller');
		assert.ok(made.length >= SAMPLES_LEAST, `${made.length} samples`);
		const named = made.filter(({ frames: [{ name, kind }] }) => name === 'made_in_memfd' && kind === wire.WIRE_FRAME_JIT);
		t.diagnostic(`${named.length} of ${made.length} samples`);
		assert.ok(named.length >= 0.9 * made.length, `${named.length} of ${made.length}`);
	});

	await t.test('a container\'s map is read inside it', () => {
		const made = of(contained).filter((sample) => names(sample)[1] === 'jit_caller');
		assert.ok(made.length >= SAMPLES_LEAST, `${made.length} samples`);
		const named = made.filter((sample) => names(sample)[0] === 'jit_in_container');
		assert.ok(named.length >= 0.9 * made.length, `${named.length} of ${made.length}`);
	});

	await t.test('Java methods, by the map that its own tool writes', { skip: !java && 'no JDK that can write a map (java, javac, jcmd Compiler.perfmap)' }, (t) => {
		const order = ['long Burn.mix(long, long)', 'long Burn.inner(long)', 'JavaMain'];
		const own = of(java);
		const inMix = own.filter((sample) => names(sample)[0] === order[0]);
		t.diagnostic(`${inMix.length} of ${own.length} samples in mix()`);
		assert.ok(inMix.length >= SAMPLES_LEAST, `${inMix.length} samples`);
		const whole = inMix.filter((sample) => order.every((name, i) => !i || names(sample).indexOf(name) > names(sample).indexOf(order[i - 1])));
		assert.ok(whole.length >= 0.9 * inMix.length, `${whole.length} of ${inMix.length}: ${names(inMix[0]).join(' < ')}`);
		const unnamed = own.filter((sample) => names(sample)[0] === '[anon]');
		assert.ok(unnamed.length <= 0.1 * own.length, `${unnamed.length} of ${own.length} without a name`);
	});
});
