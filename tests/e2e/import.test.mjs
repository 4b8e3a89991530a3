/* SPDX-License-Identifier: Apache-2.0 */
/* Files of other profilers: what perf itself says of them, the cells of the map, and files that are made to harm. */
import './../viewer/bare_names.mjs';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { loadPath, program, root, until } from './agent.mjs';

const { FileFeed } = await import('file_feed');
const { Profile } = await import('model/profile');
const { call_tree_build } = await import('model/call_tree');

const golden = (name) => join(root, 'tests', 'golden', name);
const folder = mkdtempSync(join(tmpdir(), 'flickerscope-import-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** No reader of a hostile file may need more than this. */
const MEMORY_KIB_MAX = 1_500_000;

function run(args, { input } = {}) {
	const { status, stdout, stderr } = spawnSync('bash', ['-c', `ulimit -v ${MEMORY_KIB_MAX}; exec "$0" "$@"`, program, ...args], { input, maxBuffer: 1 << 26, timeout: 60_000 });
	return { code: status, stdout: stdout.toString(), stderr: stderr.toString() };
}

function kept(name, content) {
	const path = join(folder, name);
	writeFileSync(path, content);
	return path;
}

const json = (command, ...args) => {
	const { code, stdout, stderr } = run([command, '--json', ...args]);
	assert.equal(code, 0, stderr);
	return JSON.parse(stdout);
};

/* ---- perf's own word ---- */

function perf(...args) {
	const { status, signal, stdout, stderr } = spawnSync('perf', args, { maxBuffer: 1 << 28, env: { ...process.env, PAGER: 'cat' } });
	return status === 0 ? stdout.toString() : assert.fail(`perf ${args[0]}: ${signal ?? status} ${stderr}`);
}

/*
 * With build ids, because others may ask for them: beside such a profiler, as flickerscope is one, kernels mark the
 * mappings of all as if they had some (6.18 does), and perf 6.1 ends by an assertion when it reads that.
 */
function perfRecorded() {
	const data = join(folder, 'perf.data');
	perf('record', '--buildid-mmap', '-N', '-q', '-F', '1999', '-e', 'cpu-clock', '-g', '-o', data, '--', loadPath('tree'), '-s', '1');
	return {
		text: perf('script', '-i', data, '--no-inline', '--header'),
		table: perf('report', '-i', data, '--no-children', '-g', 'none', '-F', 'sample,sym', '-t', ';', '--stdio'),
		threads: perf('report', '-i', data, '--no-children', '-g', 'none', '-F', 'sample,pid', '-t', ';', '--stdio'),
	};
}

/** Rows "12;[.] name" of perf report: samples by name. */
const counts = (table, pattern) => {
	const found = new Map();
	for (const line of table.split('\n')) {
		const [, samples, name] = pattern.exec(line) ?? [];
		if (name) found.set(name.trim(), (found.get(name.trim()) ?? 0) + Number(samples));
	}
	return found;
};

test('what perf recorded has the samples, functions and shares that perf reports', () => {
	const { text, table, threads } = perfRecorded();
	const file = kept('recorded.perf', text);
	const all = (text.match(/ cpu-clock:/g) ?? []).length;
	assert.ok(all > 20, `${all} samples`);
	const facts = json('info', file);
	assert.deepEqual([facts.samples + facts.idle, facts.event], [all, 'cpu-clock']);

	const functions = counts(table, /^\s*(\d+)\s*;\s*\[.\] (.+)$/);
	const ours = new Map();
	for (const { name, self } of json('report', '--by', 'function', file)) if (self) ours.set(name, (ours.get(name) ?? 0) + self);
	/* Addresses without a name are one row here, and one for each there. */
	const named = (map) => [...map].filter(([name]) => !/^(0x|\[unknown\])/.test(name)).sort();
	assert.deepEqual(named(ours), named(functions));
	const sum = (map) => [...map.values()].reduce((total, count) => total + count, 0);
	assert.equal(sum(ours), sum(functions));
	assert.ok(functions.get('burn_once') > all / 2, table);

	const processes = counts(threads, /^\s*(\d+)\s*;\s*(\d+):/);
	assert.deepEqual(json('report', '--by', 'process', file).map(({ pid, total }) => [String(pid), total]).sort(), [...processes].sort());
});

/* ---- the map ---- */

/** Rules by which FlameScope reads a sample's line, and which samples it calls idle (its app/perf/regexp.py). */
const event_line = / +([0-9.]+): .+?:/s;
const idle_stack = /cpuidle|cpu_idle|cpu_bringup_and_idle|native_safe_halt|xen_hypercall_sched_op|xen_hypercall_vcpu_op/;

/** Times of the samples of CPUs that had something to do, in microseconds: no number with a fraction is used. */
function busyTimes(text) {
	const samples = [];
	for (const line of text.split('\n')) {
		if (/^\S/.test(line) && event_line.test(line) && !line.startsWith('#')) samples.push({ line, stack: '' });
		else if (line) samples.at(-1).stack += line;
	}
	return samples.filter(({ line, stack }) => !(/^swapper/.test(line) && idle_stack.test(stack)))
		.map(({ line }) => {
			const [seconds, fraction = ''] = event_line.exec(line)[1].split('.');
			return BigInt(seconds) * 1_000_000n + BigInt(fraction.padEnd(6, '0').slice(0, 6));
		});
}

async function profileOf(path) {
	const capture = `${path}.flk`;
	const { code, stderr } = run(['convert', path, '-o', capture, '--force']);
	assert.equal(code, 0, stderr);
	const profile = new Profile();
	await new FileFeed({ file: new Blob([readFileSync(capture)]), sink: profile }).read();
	return profile;
}

/** Samples on the borders of cells of any height, idle ones, two CPUs, and a second of nothing. */
function borders() {
	const lines = [];
	const offsets = [0, 1, 9_999, 10_000, 10_001, 19_999, 20_000, 39_999, 40_000, 49_999, 50_000, 99_999, 100_000, 500_000, 980_000, 989_999, 999_999];
	for (const second of [41, 42, 44])
		for (const [i, offset] of offsets.entries()) {
			const time = `${second}.${String(offset).padStart(6, '0')}`;
			lines.push(`busy-1 7/7 [00${i % 2}] ${time}: 1 cpu-clock:\n\t1 work+0x2 (/bin/busy)\n`);
			lines.push(`swapper 0/0 [00${(i + 1) % 2}] ${time}: 1 cpu-clock:\n\tffffffff81000000 native_safe_halt ([kernel.kallsyms])\n\tffffffff81000001 cpu_idle ([kernel.kallsyms])\n`);
		}
	return `${lines.join('\n')}\n`;
}

test('each sample that is not idle is in the cell of its time', async () => {
	for (const [name, text] of [['small.perf', readFileSync(golden('small.perf-script'), 'utf8')], ['borders.perf', borders()]]) {
		const profile = await profileOf(kept(name, text));
		const times = busyTimes(text);
		assert.equal(profile.sample_count, times.length, name);
		/* Whole seconds are added where the file says when it was; the place within a second stays. */
		const first = Math.floor(profile.blocks[0].start_us / 1e6) - Number(times.reduce((a, b) => (a < b ? a : b)) / 1_000_000n);
		for (const rows of [10, 20, 25, 50, 100]) {
			const height = BigInt(1_000_000 / rows);
			const cells = new Map();
			for (const time of times) {
				const cell = `${time / 1_000_000n} ${(time % 1_000_000n) / height}`;
				cells.set(cell, (cells.get(cell) ?? 0) + 1);
			}
			const [from, to] = [times.reduce((a, b) => (a < b ? a : b)), times.reduce((a, b) => (a > b ? a : b))].map((time) => Number(time / 1_000_000n));
			for (let second = from; second <= to; second++)
				for (let row = 0; row < rows; row++) {
					const from_us = (second + first) * 1e6 + row * Number(height);
					const { total } = call_tree_build(profile, [{ from_us, to_us: from_us + Number(height) }]);
					assert.equal(total[0], cells.get(`${second} ${row}`) ?? 0, `${name}: second ${second}, row ${row} of ${rows}`);
				}
		}
	}
});

/* ---- files that are made to harm ---- */

const sample = (time, name = 'work') => `proc 7/7 [000] ${time}: 1 cpu-clock:\n\t1 ${name} (/bin/proc)\n\n`;
const random = Buffer.from(Array.from({ length: 65_536 }, (_, i) => (Math.imul(i + 1, 2654435761) ^ Math.imul(i, 40503)) >>> 13));
const newer = Buffer.from(readFileSync(golden('small.capture')));
newer.writeUInt16LE(newer.readUInt16LE(8) + 1, 8);

test('files that cannot be read are refused in one line, in bounded memory, and leave nothing', () => {
	const gzipped = gzipSync(sample('1.000000').repeat(1000));
	const refused = [
		['empty', '', /it is empty/],
		['random', random, /no format that is known/],
		['newer.flk', newer, /newer/],
		['cut.gz', gzipped.subarray(0, gzipped.length / 2), /gzip|ends|cut/],
		['cut.pb.gz', gzipSync(Buffer.from('0a0408011002120a0a0101120105', 'hex').subarray(0, 9)), /pprof|no format/],
		['cut.json', '{"nodes":[{"id":1,"callFrame":{"functionName":"a"', /(line|at byte) \d+/],
		['deep.json', `{"traceEvents":${'['.repeat(1_000_000)}`, /deep|nested/],
		['deep-objects.json', '{"a":'.repeat(500_000), /deep|nested/],
		['bomb.perf.gz', gzipSync(sample('1.000000') + `#${'-'.repeat(4000)}\n`.repeat(20_000)), /times|swell|unpack/],
		['bomb.flk.gz', gzipSync(Buffer.concat([readFileSync(golden('small.capture')), Buffer.alloc(80_000_000)])), /times|swell|unpack/],
		['line.perf', sample('1.000000') + 'x'.repeat(10_000_000), /line \d+/],
	];
	for (const [name, content, words] of refused) {
		const { code, stdout, stderr } = run(['convert', kept(name, content), '-o', join(folder, 'out.flk')]);
		assert.equal(code, 1, `${name}: ${stderr}`);
		assert.match(stderr, /^flickerscope: error: [^\n]*\n$/, name);
		assert.ok(stderr.includes(name), stderr);
		assert.match(stderr, words, name);
		assert.equal(stdout, '');
	}
	assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith('out.flk')), []);
});

test('what takes longer than a second tells a terminal how far it has come, and a pipe nothing', async (t) => {
	const slow = join(folder, 'slow');
	assert.equal(spawnSync('mkfifo', [slow]).status, 0);
	const terminal = spawn('script', ['-qec', `'${program}' report - <'${slow}'`, '/dev/null'], { stdio: ['pipe', 'pipe', 'pipe'] });
	const piped = spawn(program, ['report', '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
	t.after(() => [terminal, piped].forEach((child) => child.kill('SIGKILL')));
	const said = { screen: '', stdout: '', stderr: '' };
	terminal.stdout.on('data', (text) => (said.screen += text));
	piped.stdout.on('data', (text) => (said.stdout += text));
	piped.stderr.on('data', (text) => (said.stderr += text));
	const ended = [terminal, piped].map((child) => new Promise((resolve) => child.on('close', resolve)));
	const feeds = [createWriteStream(slow), piped.stdin];
	let count = 0;
	await until(() => {
		for (const feed of feeds) feed.write(sample(`1.${String(count).padStart(6, '0')}`));
		count++;
		return said.screen.includes('Reading');
	}, 'how far it has come');
	for (const feed of feeds) feed.end();
	assert.deepEqual(await Promise.all(ended), [0, 0], said.screen + said.stderr);
	/* Each line is written over the one before, the last one is removed; then comes what the pipe got. */
	const [, lines, rest] = /^((?:\x1b\[KReading: \d+\.\d MB\r)+)\r\x1b\[K([^]*)$/.exec(said.screen) ?? assert.fail(JSON.stringify(said.screen));
	assert.ok(lines);
	assert.equal(rest.replaceAll('\r\n', '\n'), said.stdout);
	assert.match(said.stdout, new RegExp(`^standard input: ${count} samples`));
	assert.equal(said.stderr, '');
});

test('a line without end is given up soon, whoever goes on writing it', async () => {
	const out = join(folder, 'endless.flk');
	const child = spawn('bash', ['-c', `ulimit -v ${MEMORY_KIB_MAX}; (printf 'a 1/1 [000] 1.0: 1 cpu-clock:\\n\\t1 f (/f)\\n\\n'; tr '\\0' x </dev/zero) | "$0" convert - -o "$1"; exit "\${PIPESTATUS[1]}"`, program, out], { stdio: ['ignore', 'pipe', 'pipe'] });
	let stderr = '';
	child.stderr.on('data', (bytes) => (stderr += bytes));
	const code = await new Promise((resolve) => child.on('close', resolve));
	assert.equal(code, 1, stderr);
	assert.match(stderr, /standard input: line \d+/);
	assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith('endless')), []);
});

test('what is odd and no damage opens: times that jump or are missing, names of any bytes and any length', () => {
	const jump = kept('jump.perf', sample('100.500000') + sample('86500.250000') + sample('99.750000'));
	const jumped = json('info', jump);
	assert.equal(jumped.samples, 3);
	assert.ok(Math.abs(jumped.duration_s - 86_401) < 2, `${jumped.duration_s} s`);
	const columns = json('info', kept('columns.perf', sample('10.000000') + sample('1010.000000')));
	assert.deepEqual([columns.samples, Math.floor(columns.duration_s)], [2, 1001]);
	assert.ok(columns.bytes < 4096, 'nothing takes no room');

	const timeless = json('info', kept('timeless.perf', 'proc 7\n\t1 work (/bin/proc)\n\n'.repeat(3).replaceAll('proc 7\n', 'proc 7 cpu-clock: \n')));
	assert.equal(timeless.samples, 3);

	const bytes = kept('bytes.perf', Buffer.concat([Buffer.from('pr\xff\xc0oc 7/7 [000] 1.500000: 1 cpu-clock:\n\t1 w\xf5\x80rk (/bin/\xfe)\n\n', 'latin1')]));
	assert.deepEqual(json('report', bytes).map(({ name, self }) => [name, self]), [['w\ufffd\ufffdrk', 1]]);
	const long = kept('long.perf', sample('1.500000', 'n'.repeat(1_000_000)));
	const [row] = json('report', long);
	assert.ok(row.name.startsWith('nnnn') && row.name.length < 20_000, `${row.name.length}`);
});
