/* SPDX-License-Identifier: Apache-2.0 */
/* `report` and `convert`: what they write, read back by others; ranges; files that are there whole or not. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { SegmentMaker, random_make } from '../viewer/records.mjs';
import { SegmentEncoder, file_header_encode } from '../viewer/wire_encoder.mjs';
import { program, root, until } from './agent.mjs';
import { countsOf, foldedCounts, perfSamples, pprofRead, sorted, speedscopeRead } from './profiles.mjs';

const small = join(root, 'tests', 'golden', 'small.capture');
const rates = join(root, 'tests', 'golden', 'rates.capture');
const folder = mkdtempSync(join(tmpdir(), 'flickerscope-convert-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** 99 Hz, in nanoseconds: what a sample of the capture weighs. */
const period = 10101010;

function run(args, { input, env = {} } = {}) {
	const { status, stdout, stderr } = spawnSync(program, args, { input, env: { ...process.env, TZ: 'UTC', ...env }, maxBuffer: 1 << 26 });
	return { code: status, bytes: stdout, stdout: stdout.toString(), stderr: stderr.toString() };
}

function convert(input, format, ...args) {
	const { code, bytes, stderr } = run(['convert', input, '-o', '-', '--to', format, ...args]);
	assert.equal(code, 0, stderr);
	return bytes;
}

const report = (...args) => {
	const { code, stdout, stderr } = run(['report', '--json', ...args]);
	assert.equal(code, 0, stderr);
	return JSON.parse(stdout);
};

const formats = ['folded', 'perf-script', 'pprof', 'speedscope', 'd3'];

/** Formats that can be read again; the first two tell how much time a sample stands for. */
const inputs = ['flicker', 'perf-script', 'folded', 'pprof'];

test('every format has the same samples on the same stacks, by readers that are not ours', () => {
	const expected = sorted(foldedCounts(convert(small, 'folded').toString()));
	assert.equal(expected.reduce((sum, [, count]) => sum + count, 0), 96);
	for (const format of formats.slice(1))
		assert.deepEqual(sorted(countsOf(format, convert(small, format), period)), expected, format);
});

for (const input of inputs) {
	test(`what was written as ${input} and read again has the same samples on the same stacks`, () => {
		const file = join(folder, `again.${input}`);
		writeFileSync(file, convert(small, input));
		for (const format of formats) {
			const weight = format === 'speedscope' && inputs.indexOf(input) < 2 ? period : 1;
			assert.deepEqual(sorted(countsOf(format, convert(file, format), weight)), sorted(countsOf(format, convert(small, format), period)), `${input} to ${format}`);
		}
	});
}

test('perf script text keeps the time, the CPU and the thread of each sample, and the columns of the map', () => {
	const text = convert(small, 'perf-script').toString();
	const samples = perfSamples(text);
	assert.equal(samples.length, 96);
	assert.equal(samples[0].time, '1700000000.249997');
	assert.deepEqual(samples.map(({ time }) => time), samples.map(({ time }) => time).sort());
	assert.match(text, /^worker 100\/101 \[000\] 1700000000\.249997: 10101010 cpu-clock: $/m);
	const again = join(folder, 'times.perf');
	writeFileSync(again, text);
	assert.deepEqual(perfSamples(convert(again, 'perf-script').toString()).map(({ time }) => time.replace(/^\d+/, '')),
		samples.map(({ time }) => time.replace(/^\d+/, '')));
});

test('pprof has counts and CPU time, threads as labels, modules, files and lines', () => {
	const { samples, types, period: read, time_ns, duration_ns, name } = pprofRead(convert(small, 'pprof'));
	assert.deepEqual(types, ['samples count', 'cpu nanoseconds']);
	assert.equal(read, period);
	assert.equal(time_ns, 1700000000249997000n);
	assert.ok(duration_ns >= 3.9e9 && duration_ns <= 4.1e9, String(duration_ns));
	for (const { values: [count, time] } of samples) assert.equal(time, count * period);
	const worker = samples.find(({ labels }) => labels.thread === 'worker');
	assert.deepEqual(worker.labels, { process: 'program', pid: 100, thread: 'worker', tid: 101 });
	const inlined = samples.flatMap(({ frames }) => frames).find(({ name }) => name.startsWith('compare'));
	/* What readers call the profile is its name and no module. */
	assert.equal(name, 'small.capture');
	assert.deepEqual(inlined, { name: 'compare<größe>("a\\b")', file: 'compare.h', line: 7, module: '/usr/lib/libc.so.6' });
});

test('speedscope has a profile of each thread, with its time', () => {
	const { profiles, name } = speedscopeRead(convert(small, 'speedscope').toString());
	assert.equal(name, 'small.capture');
	assert.deepEqual(profiles.map((profile) => profile.name.replace('\x1b', '')).sort(), ['evil[31m 200', 'kthreadd 2', 'program 100, worker 101']);
	for (const { unit } of profiles) assert.equal(unit, 'nanoseconds');
});

test('a sample weighs what the rate of its segment says, and time that never was is no time', () => {
	const sum = (numbers) => numbers.reduce((total, one) => total + one, 0);
	/* 24 samples at 99 Hz; the clock is set back by ten seconds; 24 at a quarter of the rate. */
	const slow = 40404040, all = 24 * (period + slow);
	const whole = pprofRead(convert(rates, 'pprof')), later = pprofRead(convert(rates, 'pprof', '--from', '2'));
	assert.deepEqual([0, 1].map((column) => sum(whole.samples.map(({ values }) => values[column]))), [48, all]);
	assert.deepEqual([0, 1].map((column) => sum(later.samples.map(({ values }) => values[column]))), [24, 24 * slow]);
	assert.equal(whole.time_ns, 1700000000250000000n);
	assert.equal(later.time_ns, 1699999991250000000n);
	assert.deepEqual([whole.duration_ns, later.duration_ns], [2e9, 1e9]);
	assert.equal(sum(speedscopeRead(convert(rates, 'speedscope').toString()).profiles.map(({ endValue }) => endValue)), all);
	/* What has counts alone counts as at the highest rate. */
	for (const format of ['folded', 'd3']) assert.equal(sum([...countsOf(format, convert(rates, format)).values()]), 24 * 5, format);
	const periods = [...convert(rates, 'perf-script').toString().matchAll(/^\S.*: (\d+) cpu-clock: $/gm)].map(([, one]) => Number(one));
	assert.deepEqual(periods, [...Array(24).fill(period), ...Array(24).fill(slow)]);
});

/** Stacks by names to sums of the values that pprof has, or of speedscope's weights. */
function weightsOf(format, bytes) {
	const sums = new Map();
	const add = (names, values) => sums.set(names.join('\n'), values.map((value, i) => value + (sums.get(names.join('\n'))?.[i] ?? 0)));
	if (format === 'pprof') {
		for (const { frames, values } of pprofRead(bytes).samples) add(frames.map(({ name }) => name), values);
	} else {
		const { shared, profiles } = speedscopeRead(bytes.toString());
		for (const { samples, weights } of profiles) samples.forEach((stack, i) => add(stack.map((frame) => shared.frames[frame].name), [weights[i]]));
	}
	return sorted(sums);
}

test('where the rate changed the page exports the same counts and times as convert', async () => {
	const random = random_make(12), names = ['main', 'run', 'parse', 'read'], start_us = 1_700_000_000_000_000;
	const parts = [file_header_encode()];
	for (const [i, frequency_mhz] of [99_000, 49_000, 12_345, 99_000].entries()) {
		const from_us = start_us + i * 2e6;
		const maker = new SegmentMaker({ segment: i + 1, start_us: from_us, frequency_mhz });
		const samples = Array.from({ length: 300 }, (_, at) => ({ time_us: from_us + at * 6000, process: at % 3 ? 'server' : 'worker', tid: 100 + at % 2,
			stack: Array.from({ length: 1 + Math.floor(random() * 4) }, () => names[Math.floor(random() * names.length)]) }));
		parts.push(await new SegmentEncoder(i + 1).chunk(maker.records(samples), from_us + 2e6, true));
	}
	const file = join(folder, 'rates.flk');
	writeFileSync(file, Buffer.concat(parts));
	const [{ FileFeed }, { ProfileSource }, { folded_write, pprof_write, speedscope_write }] =
		await Promise.all(['file_feed', 'profile_source', 'model/exports'].map((name) => import(name)));
	const source = new ProfileSource();
	await new FileFeed({ file: new Blob(parts), sink: source.profile }).read();
	const all = [{ start_us: source.oldest_us(), end_us: source.now_us() }];
	const tree = source.tree(all), facts = { period_ns: tree.period_ns, start_us, span_us: 8e6, title: 'rates' };
	assert.equal(weightsOf('pprof', convert(file, 'pprof')).reduce((sum, [, [samples]]) => sum + samples, 0), 1200);
	assert.deepEqual(weightsOf('pprof', gzipSync(pprof_write(tree, facts, source.tree_build(all, { weighed: false }).self))), weightsOf('pprof', convert(file, 'pprof')));
	assert.deepEqual(weightsOf('speedscope', Buffer.from(speedscope_write(tree, facts))), weightsOf('speedscope', convert(file, 'speedscope')));
	assert.deepEqual(folded_write(tree).trim().split('\n').sort(), convert(file, 'folded').toString().trim().split('\n').sort());
	/* And the table what report has. */
	const rows = report(file).filter(({ total }) => total);
	const { function_rows } = await import('model/function_counts');
	assert.deepEqual(function_rows(source.profile, tree).map(({ name, self, total }) => [name, Math.round(self), Math.round(total)]).sort(),
		rows.map(({ name, self, total }) => [name, self, total]).sort());
});

test('names from strangers stay names in every format', () => {
	const names = ['<script>alert(1)</script>', '"quoted" \\ back', "it's", '&amp {}[]', 'a\u2028b', '\u202egnol', 'operator+', 'f(int, char*)', 'x+0x1f', 'ünïcode'];
	const file = join(folder, 'hostile.folded');
	writeFileSync(file, `sh;${names.join(';')} 3\nsh;tab\there;${'n'.repeat(15000)} 2\n`);
	for (const format of formats) {
		const counts = countsOf(format, convert(file, format));
		assert.equal([...counts.values()].reduce((sum, count) => sum + count, 0), 5, format);
		/* pprof ends on terminals: what could turn text around is written as its bytes. */
		const shown = format === 'pprof' ? names.map((one) => one.replace('\u2028', '\\xe2\\x80\\xa8').replace('\u202e', '\\xe2\\x80\\xae')) : names;
		assert.equal(counts.get(shown.join('\n')), 3, `${format}: ${[...counts.keys()][0]}`);
	}
	const page = convert(file, 'html').toString();
	for (const name of names.slice(0, 4)) assert.ok(!page.includes(name), name);
});

test('report has each function once, with recursion counted once', () => {
	const file = join(folder, 'recursive.folded');
	writeFileSync(file, 'sh;main;fib;fib;fib 3\nsh;main;fib 2\nsh;main;print 1\nls;main 1\n');
	const rows = report(file, '--by', 'function').map(({ name, module, self, total }) => ({ name, module, self, total }));
	assert.deepEqual(rows, [
		{ name: 'fib', module: '', self: 5, total: 5 },
		{ name: 'main', module: '', self: 1, total: 7 },
		{ name: 'print', module: '', self: 1, total: 1 },
	]);
	assert.deepEqual(report(file, '--by', 'process').map(({ name, self }) => [name, self]), [['sh', 6], ['ls', 1]]);
	assert.equal(report(file, '--limit', '1').length, 1);
	for (const by of ['function', 'module', 'process', 'thread'])
		assert.equal(report(small, '--by', by).reduce((sum, { self }) => sum + self, 0), 96, by);
});

test('ranges share no sample and lose none, at any edge', () => {
	const { start_time } = JSON.parse(run(['info', '--json', small]).stdout);
	assert.match(start_time, /22:13:20\.249997Z$/);
	const count = (...range) => report(small, '--by', 'process', ...range).reduce((sum, { self }) => sum + self, 0);
	/* Edges on samples: at 0.249997 is the first one. */
	assert.equal(count('--to', '0.249997'), 0);
	assert.equal(count('--from', '0.249997', '--to', '0.249998'), 1);
	assert.equal(count('--from', '0.249998'), 95);
	const times = perfSamples(convert(small, 'perf-script').toString()).map(({ time }) => time);
	for (const edge of [times[10], times[50], times[95]]) {
		const offset = (BigInt(edge.replace('.', '')) - 1700000000000000n).toString().padStart(7, '0').replace(/(\d{6})$/, '.$1');
		const before = times.filter((time) => time < edge).length;
		assert.equal(count('--to', offset), before);
		assert.equal(count('--from', offset), 96 - before);
	}
	/* The same by the wall clock. */
	assert.equal(count('--from', '22:13:21', '--to', '22:13:22'), count('--from', '1', '--to', '2'));
	assert.equal(count('--from', '2023-11-14T22:13:21Z', '--to', '2023-11-14T23:13:22+01:00'), count('--from', '1', '--to', '2'));
	const part = foldedCounts(convert(small, 'folded', '--from', '1', '--to', '2').toString());
	assert.equal([...part.values()].reduce((sum, one) => sum + one, 0), count('--from', '1', '--to', '2'));
});

test('a file is there whole or not at all, for its owner alone, and replaces nothing unasked', () => {
	const file = join(folder, 'out.folded');
	const args = ['convert', small, '-o', file];
	assert.equal(run(args).code, 0);
	assert.equal(statSync(file).mode & 0o777, 0o600);
	const first = readFileSync(file, 'utf8');
	assert.equal(first, convert(small, 'folded').toString());
	writeFileSync(file, 'kept');
	const refused = run(args);
	assert.equal(refused.code, 1);
	assert.match(refused.stderr, /exists already; --force replaces it/);
	assert.equal(readFileSync(file, 'utf8'), 'kept');
	assert.equal(run([...args, '--force']).code, 0);
	assert.equal(readFileSync(file, 'utf8'), first);

	const link = join(folder, 'link.folded');
	symlinkSync(file, link);
	const linked = run(['convert', small, '-o', link, '--force']);
	assert.equal(linked.code, 1);
	assert.match(linked.stderr, /symbolic link/);
	assert.ok(lstatSync(link).isSymbolicLink());

	const garbage = join(folder, 'garbage');
	writeFileSync(garbage, Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 251)));
	const bad = run(['convert', garbage, '-o', join(folder, 'none.folded')]);
	assert.equal(bad.code, 1);
	assert.match(bad.stderr, /garbage/);
	assert.equal(existsSync(join(folder, 'none.folded')), false);
	const full = run(['convert', small, '-o', '/dev/full', '--to', 'folded', '--force']);
	assert.equal(full.code, 1);
	assert.deepEqual(readdirSync(folder).filter((name) => name.includes('unfinished')), []);
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
	test(`${signal} while it works leaves nothing behind, neither a file nor a process`, async (t) => {
		const place = mkdtempSync(join(folder, 'place-'));
		writeFileSync(join(place, 'old.folded'), 'old');
		/* What it reads never ends. */
		const child = spawn(program, ['convert', '-', '-o', join(place, 'old.folded'), '--force'], { stdio: ['pipe', 'ignore', 'pipe'] });
		t.after(() => child.kill('SIGKILL'));
		let stderr = '';
		child.stderr.on('data', (text) => (stderr += text));
		const children = () => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
		await until(() => readdirSync(place).length === 2, 'the file that is being made');
		/* Not the one that helps with the root directory, which is gone by then. */
		await until(() => /^Seccomp:\t2$/m.test(readFileSync(`/proc/${child.pid}/status`, 'utf8')), 'its list of system calls');
		const reader = children();
		assert.match(reader, /^\d+$/);
		child.kill(signal);
		const [code] = await once(child, 'close');
		assert.deepEqual([code, stderr], [1, '']);
		assert.deepEqual(readdirSync(place), ['old.folded']);
		assert.equal(readFileSync(join(place, 'old.folded'), 'utf8'), 'old');
		await until(() => !existsSync(`/proc/${reader}`), 'the end of the process that reads');
	});

test('standard input and output', () => {
	const folded = run(['convert', '-', '-o', '-', '--to', 'folded'], { input: readFileSync(small) });
	assert.equal(folded.code, 0, folded.stderr);
	assert.equal(folded.stdout, convert(small, 'folded').toString());
	assert.equal(folded.stderr, '');
	const table = run(['report', '-'], { input: folded.stdout });
	assert.equal(table.code, 0, table.stderr);
	assert.match(table.stdout, /^standard input: 96 samples/);
});

test('the ending of the name decides, and what is wrong is said in one line', () => {
	const wrong = (args, words) => {
		const { code, stderr } = run(['convert', ...args]);
		assert.equal(code, 2, stderr);
		assert.match(stderr, words);
		assert.equal(stderr.trim().split('\n').length, 1);
	};
	wrong([small], /-o FILE/);
	wrong([small, '-o', join(folder, 'x.unknown')], /ending.*perf-script.*html/);
	wrong([small, '-o', '-'], /--to/);
	wrong([small, '-o', '-', '--to', 'svg'], /neither a format .* nor a time/);
	wrong([small, '-o', '-', '--to', 'folded', '--from', 'noon'], /--from noon/);
	for (const [name, begins] of [['a.flk', '\x89FLK'], ['a.pb.gz', '\x1f\x8b'], ['a.speedscope.json', '{"$schema"'], ['a.json', '{"name":"all"'], ['a.perf', 'worker 100/101'], ['a.HTML', '<!doctype html>']]) {
		const { code, stderr } = run(['convert', small, '-o', join(folder, name)]);
		assert.equal(code, 0, stderr);
		assert.ok(readFileSync(join(folder, name)).toString('latin1').startsWith(begins), name);
	}
	/* --to twice: a format and a time. */
	const both = run(['convert', small, '-o', '-', '--to', '1', '--to', 'folded', '--from', '0.5']);
	assert.equal(both.code, 0, both.stderr);
	assert.deepEqual(foldedCounts(both.stdout), foldedCounts(convert(small, 'folded', '--from', '0.5', '--to', '1').toString()));
});

test('a range in which nothing ran is said', () => {
	const nothing = run(['convert', small, '-o', '-', '--to', 'folded', '--from', '100']);
	assert.equal(nothing.code, 0);
	assert.match(nothing.stderr, /no sample/);
	assert.match(run(['report', small, '--from', '100']).stdout, /nothing ran/);
});
