/* SPDX-License-Identifier: Apache-2.0 */
/* A running agent is asked for its window: over the control socket, by a signal, by the page. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadPath, program, run, sleep, startAgent, startLoad, temporaryFolder, until } from './agent.mjs';
import { exchange, knownByte, openSocket, startFixture, statusOf } from './raw_client.mjs';

const FILE_HEADER_SIZE = 40;
const RING_HOLDS_MS = 250; // the kernel's ring: as long as the loop may be away without a loss

async function info(path) {
	const result = await run(['info', '--json', path]);
	assert.equal(result.code, 0, result.stderr);
	assert.equal(result.stderr, '');
	return JSON.parse(result.stdout);
}

const socketOf = (port) => `/run/flickerscope/${port}.sock`;

/* Prometheus' own library for Python, as somebody else's reader; of the Python that Debian packages it for. */
const readMetrics = `import sys, json
from prometheus_client.parser import text_string_to_metric_families as read
print(json.dumps([[f.name, f.type, f.documentation, [[s.name, s.labels, s.value] for s in f.samples]] for f in read(sys.stdin.read())]))`;

/** The counters are those of the agent, each told what it is, and only to who has the token. */
async function assertMetrics(agent, samplesLeast) {
	const asked = (headers) => fetch(`${agent.origin}/metrics`, { headers });
	assert.equal((await asked({})).status, 401);
	assert.equal((await asked({ Authorization: `Bearer ${agent.token}x` })).status, 401);
	const answer = await asked({ Authorization: `Bearer ${agent.token}` });
	assert.equal(answer.status, 200);
	assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
	const text = await answer.text();
	const read = spawnSync('/usr/bin/python3', ['-c', readMetrics], { input: text, encoding: 'utf8' });
	assert.equal(read.status, 0, read.stderr);
	const values = new Map();
	for (const [name, type, help, samples] of JSON.parse(read.stdout)) {
		assert.match(name, /^flickerscope_[a-z_]+$/);
		assert.ok(type === 'counter' || type === 'gauge', `${name} is of type ${type}`);
		assert.ok(help.length > 5, `${name} says what it is`);
		for (const [, labels, value] of samples) values.set([name, ...Object.values(labels)].join(' '), value);
	}
	assert.equal(values.size, text.split('\n').filter((line) => line && !line.startsWith('#')).length, 'nothing is told twice');
	assert.ok(values.get('flickerscope_samples') >= samplesLeast);
	assert.equal(values.get('flickerscope_lost_samples ring_full'), 0);
	assert.ok(values.get('flickerscope_cpu_seconds') > 0 && values.get('flickerscope_cpu_seconds') < 100);
	assert.ok(values.get('flickerscope_resident_memory_bytes') > 1e6);
	assert.ok(values.get('flickerscope_requests_refused') >= 2);
}

test('dump, SIGUSR1 and a download write the same window while sampling goes on without a gap', async (t) => {
	const folder = temporaryFolder(t);
	startLoad(t, 'busy', ['-s', 60, '-t', 1, '-d', 5]);
	const agent = await startAgent(t, ['-F', '199', '--dump-dir', folder]);
	await sleep(1500);
	const dumped = join(folder, 'dumped.flk');
	const result = await run(['dump', '--port', String(agent.port), '-o', dumped]);
	assert.equal(result.code, 0, result.stderr);
	assert.equal(result.stdout + result.stderr, '', 'no progress in a pipe');
	assert.equal(statSync(dumped).mode & 0o777, 0o600);
	const first = await info(dumped);
	assert.ok(first.samples > 150, `${first.samples} samples`);
	assert.ok(first.closed_in_order);

	agent.child.kill('SIGUSR1');
	const signalled = await until(() => readdirSync(folder).find((name) => /^flickerscope-\d{8}T\d{6}\.\d{3}Z\.flk$/.test(name)), 'a file by the signal');
	await until(() => /the window is in flickerscope-/.test(agent.stderr), 'the word that it is whole');
	const second = await info(join(folder, signalled));
	assert.equal(statSync(join(folder, signalled)).mode & 0o777, 0o600);
	assert.equal(second.start_time, first.start_time);
	assert.ok(second.samples >= first.samples);

	const download = join(folder, 'downloaded.flk');
	const answer = await fetch(`${agent.origin}/download`, { headers: { Authorization: `Bearer ${agent.token}` } });
	assert.equal(answer.status, 200);
	writeFileSync(download, Buffer.from(await answer.arrayBuffer()));
	const third = await info(download);
	assert.equal(third.start_time, first.start_time);
	assert.ok(third.samples >= first.samples);

	await assertMetrics(agent, third.samples);

	/* Of a stretch exactly what is in it, to the microsecond. */
	const startUs = Date.parse(first.start_time) * 1000;
	const zeroUs = Math.floor(startUs / 1e6) * 1e6;
	const [fromUs, toUs] = [startUs + 300_001, startUs + 900_007];
	const stretch = await fetch(`${agent.origin}/download?from=${fromUs}&to=${toUs}`, { headers: { Authorization: `Bearer ${agent.token}` } });
	assert.equal(stretch.status, 200);
	writeFileSync(join(folder, 'stretch.flk'), Buffer.from(await stretch.arrayBuffer()));
	const part = ['--from', ((fromUs - zeroUs) / 1e6).toFixed(6), '--to', ((toUs - zeroUs) / 1e6).toFixed(6)];
	const selfOf = async (path, ...args) => JSON.parse((await run(['report', '--json', '--by', 'thread', path, ...args])).stdout).map(({ tid, self }) => `${tid} ${self}`).sort();
	assert.deepEqual(await selfOf(join(folder, 'stretch.flk')), await selfOf(dumped, ...part));
	const cut = await info(join(folder, 'stretch.flk'));
	assert.ok(cut.samples > 50 && cut.samples < first.samples, `${cut.samples} of ${first.samples}`);
	assert.ok(cut.closed_in_order);

	await sleep(500);
	const lately = join(folder, 'lately.flk');
	assert.equal((await run(['dump', '--port', String(agent.port), '-o', lately, '--last', '0.5s'])).code, 0);
	const recent = await info(lately);
	assert.ok(recent.samples > 0 && recent.duration_s <= 0.5, `${recent.samples} samples in ${recent.duration_s} s`);
	const standardOutput = await run(['dump', '--port', String(agent.port), '-o', '-', '--last', '1s']);
	assert.equal(standardOutput.code, 0, standardOutput.stderr);
	assert.match(standardOutput.stdout, /FLK\r\n/);
	const last = join(folder, 'last.flk');
	assert.equal((await run(['dump', '--port', String(agent.port), '-o', last])).code, 0);
	const all = await info(last);
	assert.ok(all.samples > third.samples, 'it went on');
	assert.equal(all.lost, 0);
	assert.equal(all.gaps, 0, 'no gap by the dumps');

	const { code, ms } = await agent.stop();
	assert.equal(code, 0, agent.stderr);
	assert.ok(ms < 10_000, `${ms} ms`);
	assert.ok(!existsSync(socketOf(agent.port)), 'the socket is gone');
});

test('a window of 100 MB is written without keeping the loop away for longer than the ring holds', async (t) => {
	const folder = temporaryFolder(t);
	const options = { chunk: 60000, chunks: 16, chunks_at_start: 1750, bytes_max: 200e6, interval_ms: 50, control: 1 };
	const fixture = await startFixture(t, options, { variant: 'release' });
	await fixture.report(); // the longest pause is counted from here
	const file = join(folder, 'large.flk');
	const began = performance.now();
	const result = await run(['dump', '--port', String(fixture.port), '-o', file]);
	const ms = performance.now() - began;
	assert.equal(result.code, 0, result.stderr);
	const { pause_us } = await fixture.report();
	t.diagnostic(`${(statSync(file).size / 1e6).toFixed(0)} MB in ${ms.toFixed(0)} ms, the loop was away for ${pause_us} us at most`);
	const bytes = readFileSync(file);
	assert.ok(bytes.length > 100e6);
	for (let at = 0; at < 60000; at += 997) assert.equal(bytes[FILE_HEADER_SIZE + at], knownByte(1, at));
	assert.ok(pause_us < RING_HOLDS_MS * 1000, `the loop was away for ${pause_us} us`);

	/* The end, in the middle of a dump: within a second, and nothing stays. */
	const child = spawn(program, ['dump', '--port', String(fixture.port), '-o', join(folder, 'second.flk')], { stdio: 'ignore' });
	const ended = new Promise((resolve) => child.on('close', resolve));
	await until(() => readdirSync(folder).some((name) => name.endsWith('.unfinished')), 'the second dump has begun');
	const stopped = performance.now();
	const exit = await fixture.stop();
	assert.equal(exit.code, 0, fixture.stderr);
	assert.ok(performance.now() - stopped < 10_000);
	await ended;
	assert.ok(!existsSync(socketOf(fixture.port)));
	assert.deepEqual(readdirSync(folder).filter((name) => name.endsWith('.unfinished')), []);
});

test('what stands in the way of a dump is said in one line, and nothing is left', async (t) => {
	const folder = temporaryFolder(t);
	const fixture = await startFixture(t, { chunks_at_start: 30, interval_ms: 0, control: 1 });
	const port = String(fixture.port);
	const there = join(folder, 'there.flk');
	writeFileSync(there, 'precious');
	symlinkSync(join(folder, 'target'), join(folder, 'link.flk'));
	const disk = join(folder, 'disk');
	mkdirSync(disk);
	assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', disk]).status, 0);
	const cases = [
		[['-o', there], 1, /there\.flk exists.*--force/],
		[['-o', join(folder, 'link.flk')], 1, /link\.flk is a symbolic link/],
		[['-o', join(disk, 'full.flk')], 1, /No space left/],
		[['-o', join(folder, 'a.flk'), '--port', '1'], 1, /--port 1: no agent/],
		[['-o', join(folder, 'a.flk'), '--port', '70000'], 2, /--port 70000/],
		[['-o', join(folder, 'a.flk'), '--last', 'x'], 2, /--last x/],
		[['more'], 2, /more: one argument too many/],
	];
	try {
		for (const [args, code, words] of cases) {
			const result = await run(['dump', '--port', port, ...args]);
			assert.equal(result.code, code, `${args}: ${result.stderr}`);
			assert.match(result.stderr, words);
			assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr);
		}
		assert.equal(readFileSync(there, 'utf8'), 'precious');
		assert.deepEqual(readdirSync(disk), []);
	} finally {
		spawnSync('umount', [disk]);
	}
	assert.deepEqual(readdirSync(folder).sort(), ['disk', 'link.flk', 'there.flk']);
	assert.equal((await run(['dump', '--port', port, '-o', there, '--force'])).code, 0);
	assert.notEqual(readFileSync(there, 'latin1'), 'precious');
});

/* In a mount namespace of its own, where no other agent is to be seen. */
test('without a port the only agent is asked, of several the ports are named', (t) => {
	const folder = temporaryFolder(t);
	const start = (name) => `${program} live --listen 127.0.0.1:0 --token-file ${folder}/${name} > ${folder}/${name}.url & `;
	const script = `mount -t tmpfs none /run && mkdir -m 700 /run/flickerscope && cd ${folder}
		${program} dump; echo "none: $?"
		${start('a')} until [ -s a.url ]; do sleep 0.02; done
		${program} dump; echo "one: $?"
		setpriv --reuid 65534 --regid 65534 --clear-groups ${program} dump; echo "not root: $?"
		${start('b')} until [ -s b.url ]; do sleep 0.02; done
		${program} dump; echo "two: $?"
		kill -9 %1; wait %1 2>/dev/null
		${program} dump -o third.flk; echo "killed: $?"
		kill %2; wait %2; ls /run/flickerscope | wc -l`;
	const result = spawnSync('unshare', ['-m', 'bash', '-m', '-c', script], { encoding: 'utf8' });
	const said = result.stdout + result.stderr;
	assert.match(result.stdout, /none: 1\n(flickerscope-\S+\.flk)\none: 0\nnot root: 1\ntwo: 1\nkilled: 0\n/, said);
	assert.match(result.stderr, /no agent is running/);
	assert.match(result.stderr, /needs root/);
	assert.match(result.stderr, /2 agents are running: choose with --port, one of \d+, \d+/);
	assert.ok(existsSync(join(folder, 'third.flk')));
	assert.match(result.stdout, /\n0\n$/, 'no socket is left, not even that of the one that was killed');
});

test('a signal without a folder for it changes nothing', async (t) => {
	const agent = await startAgent(t);
	agent.child.kill('SIGUSR1');
	await until(() => /--dump-dir/.test(agent.stderr), 'a word about it');
	assert.equal((await agent.stop()).code, 0);
});

const download = (fixture, query = '', headers = '') =>
	`GET /download${query} HTTP/1.1\r\nHost: ${fixture.host}\r\nConnection: close\r\nAuthorization: Bearer ${fixture.token}\r\n${headers}\r\n`;

/** The content of a chunked answer (RFC 9112, 7.1); null: it is cut. */
function unchunk(answer) {
	const bytes = Buffer.from(answer, 'latin1');
	let at = bytes.indexOf('\r\n\r\n') + 4;
	const parts = [];
	for (;;) {
		const end = bytes.indexOf('\r\n', at);
		const size = end < 0 ? NaN : parseInt(bytes.toString('latin1', at, end), 16);
		if (!(size >= 0) || end + 2 + size + 2 > bytes.length) return null;
		if (!size) return Buffer.concat(parts);
		parts.push(bytes.subarray(end + 2, end + 2 + size));
		at = end + 2 + size + 2;
	}
}

test('downloads of several at once are whole, of a stretch they are its segments, without the token nothing', async (t) => {
	/* Five segments of 60 kB, second by second. */
	const fixture = await startFixture(t, { chunk: 20000, chunks: 3, chunks_at_start: 15, interval_ms: 0 });
	const [whole, again, stretch] = (await Promise.all([
		exchange(fixture, download(fixture)),
		exchange(fixture, download(fixture)),
		exchange(fixture, download(fixture, '?from=2000000&to=3000001')),
	])).map(unchunk);
	assert.ok(whole.equals(again));
	for (let segment = 1; segment <= 5; segment++)
		for (let at = 0; at < 60000; at += 1013)
			assert.equal(whole[FILE_HEADER_SIZE + (segment - 1) * 60000 + at], knownByte(segment, at));
	for (let at = 0; at < 60000; at += 1013) assert.equal(stretch[FILE_HEADER_SIZE + at], knownByte(2, at));
	assert.equal(whole.toString('latin1', whole.length - 4), 'INDX');
	assert.ok(stretch.length < 2 * 60000 + 4096 && stretch.length > 2 * 60000);

	const bare = (path, headers = '', method = 'GET') =>
		`${method} ${path} HTTP/1.1\r\nHost: ${fixture.host}\r\nConnection: close\r\n${headers}\r\n`;
	const before = (await fixture.report()).refused;
	const refusals = [
		[bare('/download'), 401],
		[bare('/download', 'Authorization: Bearer abc\r\n'), 401],
		[download(fixture, '', 'Origin: http://evil.example\r\n'), 403],
		[download(fixture, '?from=5&to=5'), 400],
		[download(fixture, '?from=x'), 400],
		[download(fixture, '?from=-1'), 400],
		[download(fixture, '?from=99999999999999999999'), 400],
		[download(fixture, '?other=1'), 400],
		[bare('/profiles', `Authorization: Bearer ${fixture.token}\r\n`), 404],
		[bare('/download', `Authorization: Bearer ${fixture.token}\r\nContent-Length: 3\r\n`, 'POST') + 'abc', 405],
	];
	for (const [request, status] of refusals) {
		const answer = await exchange(fixture, request);
		assert.equal(statusOf(answer), status, request);
		assert.ok(!answer.includes(fixture.token));
	}
	assert.equal((await fixture.report()).refused, before + refusals.length);
	const head = await exchange(fixture, download(fixture).replace('GET', 'HEAD'));
	assert.equal(statusOf(head), 200);
	assert.equal(head.split('\r\n\r\n')[1], '');
});

test('who downloads slowly keeps nothing in memory and is not pushed out; too many wait', async (t) => {
	const options = { chunk: 60000, chunks: 16, chunks_at_start: 200, bytes_max: 12e6, interval_ms: 10, guest_ms: 1000 };
	const fixture = await startFixture(t, options, { variant: 'release' });
	const before = (await fixture.report()).rss;
	const slow = [];
	for (let i = 0; i < 16; i++) {
		const peer = openSocket(fixture);
		await peer.opened;
		peer.socket.pause();
		peer.socket.write(download(fixture));
		slow.push(peer);
	}
	let late;
	await until(async () => statusOf((late = await exchange(fixture, download(fixture)))) === 503, 'the seventeenth is told to wait');
	assert.match(late, /try again later/);
	for (let i = 0; i < 40; i++) await openSocket(fixture).opened; // guests that never speak
	await sleep(2000); // twice a guest's time; the window has been replaced meanwhile
	const grown = (await fixture.report()).rss - before;
	t.diagnostic(`16 slow downloads: ${grown} bytes of memory`);
	assert.ok(grown < 16 * 300_000, `memory grew by ${grown}`);
	assert.ok(slow.every((peer) => !peer.closed), 'all are still there');
	slow[0].socket.resume();
	await until(() => slow[0].closed, 'the first one goes on to its end');
	const file = unchunk(slow[0].received.toString('latin1'));
	assert.ok(file, 'it is whole as an answer');
	assert.equal(file.toString('latin1', file.length - 4), 'INDX');
	const stopping = performance.now();
	assert.equal((await fixture.stop()).code, 0);
	assert.ok(performance.now() - stopping < 10_000, 'an end while others are being sent to');
	for (const peer of slow) peer.socket.destroy();
});
