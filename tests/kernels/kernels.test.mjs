/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other kernels: boots them in a virtual machine of two CPUs, where init.c has the agent record a program of a known call
 * chain with both forms of the walk's loop, and once while a CPU goes and comes and the clock is set. Software emulation, so that it runs anywhere; time in the machine counts
 * instructions (icount), so that it does not matter who else wants the host's CPUs.
 *
 * packaging/install-deps.sh fetches the kernels.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { program, root } from '../e2e/agent.mjs';
import { build, checkChain, deepChain, has } from '../e2e/chains.mjs';
import { STACK_COMPLETE, readProfile, readRecording } from '../e2e/recording.mjs';
import '../viewer/bare_names.mjs';

const { WIRE_FRAME_KERNEL } = await import('../../viewer/wire.js');

/** How many CPUs each one's machine has: 6.1 does not start a second one where time counts instructions. */
const CPUS = { 6.1: 1, 6.12: 2 };
const SERIES = Object.keys(CPUS);
const RECORDINGS = { 1: ['loop', 'plain'], 2: ['loop', 'plain', 'changes'] }; // by CPUs
const DEPTH = 30; // as init.c says
const MACHINE_TIME_MAX_MS = 280_000; // 20 s on an idle host
const VERIFIED_MAX = 1_000_000; // the kernel's limit, BPF_COMPLEXITY_LIMIT_INSNS

const imageOf = (series) => `/var/cache/flickerscope/kernels/vmlinuz-${series}`;

function whyNot(series) {
	if (process.arch !== 'x64') return 'the kernels are for x86-64';
	if (!has('qemu-system-x86_64')) return 'qemu-system-x86_64 is not installed';
	if (!has('cpio')) return 'cpio is not installed';
	return !existsSync(imageOf(series)) && `there is no ${imageOf(series)}: packaging/install-deps.sh test fetches it`;
}

const folder = mkdtempSync(join(tmpdir(), 'flickerscope-'));
const machines = new Map();

function run(command, args, options) {
	const { status, stdout, stderr } = spawnSync(command, args, { maxBuffer: 1 << 28, ...options });
	assert.equal(status, 0, `${command}: ${stderr}`);
	return stdout;
}

/** The files of the machine: init, the program, the agent and the libraries of both. */
function makeArchive(path) {
	const files = join(folder, 'files');
	for (const name of ['dev', 'proc', 'run', 'sys', 'tmp']) mkdirSync(join(files, name), { recursive: true });
	run('gcc', ['-O2', '-static', '-o', join(files, 'init'), join(root, 'tests', 'kernels', 'init.c')]);
	build('gcc', join(files, 'chain'), 'deep.c', ['-O2']);
	copyFileSync(program, join(files, 'flickerscope'));
	const libraries = run('ldd', [program, join(files, 'chain')]).toString().match(/\/\S*\.so\S*/g);
	for (const library of new Set(libraries)) {
		mkdirSync(join(files, dirname(library)), { recursive: true });
		copyFileSync(library, join(files, library));
	}
	const names = run('find', ['.'], { cwd: files });
	writeFileSync(path, run('cpio', ['-o', '-H', 'newc', '--quiet'], { cwd: files, input: names }));
}

/** Boots a kernel; gives what was sent through the second port, and the console's text. */
function boot(series, archive) {
	const port = join(folder, `port-${series}`);
	const console = join(folder, `console-${series}`);
	const child = spawn('qemu-system-x86_64', [
		...['-accel', 'tcg', '-icount', 'shift=3,sleep=off', '-cpu', 'max', '-smp', CPUS[series], '-m', '512'],
		...['-nodefaults', '-display', 'none', '-no-reboot', '-serial', `file:${console}`, '-serial', `file:${port}`],
		...['-kernel', imageOf(series), '-initrd', archive],
		...['-append', 'console=ttyS0 panic=-1 mitigations=off cryptomgr.notests'],
	], { stdio: 'ignore' });
	const timer = setTimeout(() => child.kill('SIGKILL'), MACHINE_TIME_MAX_MS);
	const ended = new Promise((resolve) => child.on('close', () => {
		clearTimeout(timer);
		resolve({ sent: readFileSync(port), console: readFileSync(console, 'utf8') });
	}));
	return { child, ended };
}

/** What init.c sends: for each recording a line "NAME EXIT_CODE SIZE", then the capture. */
function unpack({ sent, console }, names) {
	const captures = new Map();
	for (let at = 0; at < sent.length;) {
		const end = sent.indexOf('\n', at);
		const [name, code, size] = sent.subarray(at, end).toString().split(' ');
		captures.set(name, { code: Number(code), capture: sent.subarray(end + 1, end + 1 + Number(size)) });
		at = end + 1 + Number(size);
	}
	const last = console.split('\n').slice(-40).join('\n');
	assert.deepEqual([...captures.keys()], names, last);
	for (const [name, { code }] of captures) assert.equal(code, 0, `${name}: ${last}`);
	return captures;
}

/** The path of a file with what was recorded. */
function pathOf(series, name, capture) {
	const path = join(folder, `${series}-${name}.flick`);
	writeFileSync(path, capture);
	return path;
}

before(() => {
	const there = SERIES.filter((series) => !whyNot(series));
	const archive = join(folder, 'archive');
	if (there.length) makeArchive(archive);
	for (const series of there) machines.set(series, boot(series, archive));
});

after(async () => {
	for (const { child, ended } of machines.values()) {
		child.kill('SIGKILL');
		await ended;
	}
	if (!process.env.KEEP) rmSync(folder, { recursive: true, force: true }); else console.log(folder);
});

for (const series of SERIES) {
	test(`Linux ${series}: loads, and samples the whole chain, with bpf_loop() and without`, { skip: whyNot(series) }, async (t) => {
		const outcome = await machines.get(series).ended;
		const captures = unpack(outcome, RECORDINGS[CPUS[series]]);
		const verified = [...outcome.console.matchAll(/(sample_cpu\S*): (\d+) instructions were verified/g)];
		assert.deepEqual(verified.map(([, name]) => name), ['sample_cpu', 'sample_cpu_plain']);
		for (const [, name, count] of verified) {
			t.diagnostic(`Linux ${series}, ${name}: ${count} instructions were verified`);
			assert.ok(Number(count) > 0 && Number(count) < VERIFIED_MAX);
		}
		for (const form of ['loop', 'plain']) {
			const path = pathOf(series, form, captures.get(form).capture);
			assert.match(JSON.parse(run(program, ['info', '--json', path])).kernel, new RegExp(`^Linux ${series.replace('.', '\\.')}\\.`));
			const samples = await readRecording(path);
			checkChain(t, `Linux ${series}, ${form}`, samples.filter(({ thread }) => thread.process === 'chain'), deepChain(DEPTH));
			const inKernel = samples.filter(({ status, frames }) => status === STACK_COMPLETE && frames[0].kind === WIRE_FRAME_KERNEL);
			assert.ok(inKernel.length > 0, 'a sample that hit in the kernel has a whole user stack');
			const unnamed = inKernel.filter(({ frames }) => frames[0].name === '[kernel]');
			/* An address that no symbol of the kernel covers, about one of some hundred, is told by its module alone. */
			t.diagnostic(`Linux ${series}, ${form}: the kernel names ${inKernel.length - unnamed.length} of ${inKernel.length} functions of its own`);
			assert.ok(2 * unnamed.length < inKernel.length, 'the kernel names its functions');
		}
	});
}

for (const series of SERIES.filter((name) => CPUS[name] > 1)) {
	test(`Linux ${series}: a CPU that goes and comes is followed, and the clock may be set`, { skip: whyNot(series) }, async (t) => {
		const outcome = await machines.get(series).ended;
		const path = pathOf(series, 'changes', unpack(outcome, RECORDINGS[CPUS[series]]).get('changes').capture);
		const profile = await readProfile(path);
		/* On the timeline: where the clock was set back, that goes on ahead of it. */
		const moment = new Map([...outcome.console.matchAll(/moment ([a-z ]+) (\d+)/g)].map(([, what, us]) => [what, Number(us)]));
		moment.set('end', moment.get('end') + profile.blocks.at(-1).head.wall_shift_s * 1e6);
		/** Samples of a CPU between two moments, ms behind the one and before the other. */
		const samples = (cpu, [from, afterMs], [to, beforeMs = 0]) => profile.blocks.reduce((sum, block) => sum +
			[...block.time.subarray(0, block.count)].filter((us, row) => block.cpu[row] === cpu &&
				block.start_us + us > moment.get(from) + afterMs * 1e3 &&
				block.start_us + us < moment.get(to) - beforeMs * 1e3).length, 0);
		const both = (...stretch) => [samples(0, ...stretch), samples(1, ...stretch)];
		const stages = {
			'before it goes': both(['begin', 0], ['offline']),
			'while it is away': both(['offline', 100], ['online', 100]),
			'when it is back': both(['online', 1500], ['away and back']),
			'when it is back again': both(['away and back', 2500], ['an hour on']),
			'when the clock is set': both(['two hours back', 0], ['end']),
		};
		t.diagnostic(`Linux ${series}, samples of CPU 0 and 1: ${Object.entries(stages).map(([what, counts]) => `${counts.join(' and ')} ${what}`).join(', ')}`);
		for (const [what, [first, second]] of Object.entries(stages)) {
			assert.ok(first > 20, `CPU 0 is sampled ${what}`);
			if (what === 'while it is away') assert.equal(second, 0);
			else assert.ok(second > 20, `CPU 1 is sampled ${what}`);
		}
		/* The second time it is away for a moment, which the agent sees only if it looks just then. */
		assert.match(profile.blocks.map(({ head }) => head.cpu_count).filter((count, i, all) => count !== all[i - 1]).join(), /^2(,1,2){1,2}$/);
		assert.equal(profile.facts().cpu_count, 2);
		/* No moment is in two segments, but for the microsecond in which one ends and the next begins; and there are some: the
		 * CPUs and the clock changed four times. */
		const segments = new Map(profile.blocks.map(({ head }) => [head.segment, { from: head.start_us, last: -Infinity }]));
		for (const { head, start_us, time, count } of profile.blocks) for (const us of time.subarray(0, count)) {
			const segment = segments.get(head.segment);
			segment.last = Math.max(segment.last, start_us + us);
		}
		const stretches = [...segments.values()];
		assert.ok(stretches.length >= 5, `${stretches.length} segments`);
		const over_us = stretches.slice(1).map(({ from }, i) => stretches[i].last - from);
		t.diagnostic(`Linux ${series}, last sample behind the start of the next segment, us: ${over_us}`);
		for (const [i, us] of over_us.entries()) assert.ok(us <= 0, `segment ${i} ends where the next begins`);
	});
}
