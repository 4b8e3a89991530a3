/* SPDX-License-Identifier: Apache-2.0 */
/* What `view` serves: files by ranges, a folder's list, and nothing that is not in it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ownUser, root, run, startAgent, temporaryFolder } from './agent.mjs';

const golden = join(root, 'tests', 'golden', 'small.capture');
let capture;

before(() => {
	capture = readFileSync(golden);
});

const ask = (viewer, path, headers = {}) =>
	fetch(`${viewer.origin}${path}`, { headers: { Authorization: `Bearer ${viewer.token}`, ...headers }, redirect: 'manual' });

const bytesOf = async (answer) => Buffer.from(await answer.arrayBuffer());

const idOf = (name) => Buffer.from(name).toString('hex');

/* The process as it stands while it serves: what it is allowed is tried in test_confinement. */
function assertConfined(viewer, capabilities) {
	const status = Object.fromEntries(readFileSync(`/proc/${viewer.pid}/status`, 'utf8').split('\n').map((line) => line.split(':\t')));
	assert.equal(status.Uid, Array(4).fill(ownUser()).join('\t'));
	assert.equal(status.NoNewPrivs, '1');
	assert.equal(status.Seccomp, '2');
	for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
		assert.equal(BigInt(`0x${status[set]}`), ['CapPrm', 'CapEff', 'CapBnd'].includes(set) ? capabilities : 0n, set);
}

test('a file is served in ranges and whole, to who has the token', async (t) => {
	const viewer = await startAgent(t, [golden], { command: 'view' });
	assertConfined(viewer, 0n);
	const start = await ask(viewer, '/');
	assert.equal(start.status, 302);
	assert.equal(start.headers.get('location'), `/?profile=${idOf('small.capture')}`);
	assert.equal((await ask(viewer, start.headers.get('location'))).status, 200);
	assert.match(start.headers.get('content-security-policy'), /frame-ancestors 'self'/);

	const path = `/profiles/${idOf('small.capture')}`;
	const whole = await ask(viewer, path);
	assert.equal(whole.status, 200);
	assert.equal(whole.headers.get('content-disposition'), "attachment; filename*=UTF-8''small.capture");
	assert.deepEqual(await bytesOf(whole), capture);
	for (const [range, from, to] of [['bytes=0-0', 0, 1], ['bytes=5-104', 5, 105], [`bytes=${capture.length - 1}-`, capture.length - 1], ['bytes=10-999999999', 10]]) {
		const part = await ask(viewer, path, { Range: range });
		assert.equal(part.status, 206, range);
		const end = Math.min(to ?? capture.length, capture.length);
		assert.equal(part.headers.get('content-range'), `bytes ${from}-${end - 1}/${capture.length}`);
		assert.deepEqual(await bytesOf(part), capture.subarray(from, end));
	}
	for (const range of ['bytes=9-5', 'bytes=-5', 'lines=1-2', 'bytes=0-1,4-5', 'bytes=x'])
		assert.equal((await ask(viewer, path, { Range: range })).status, 200, `${range} is as if it was not there`);
	assert.equal((await ask(viewer, path, { Range: `bytes=${capture.length}-` })).status, 416);
	for (const other of ['/profiles', path])
		assert.equal((await fetch(viewer.origin + other)).status, 401);
	for (const other of ['/profiles/', '/profiles/2e2e', '/profiles/nothing', '/live', '/download'])
		assert.equal((await ask(viewer, other)).status, 404, other);
	assert.equal((await viewer.stop()).code, 0, viewer.stderr);
});

test('a folder lists its profiles and serves nothing that is not in it', async (t) => {
	const outside = temporaryFolder(t);
	const folder = join(outside, 'profiles');
	mkdirSync(folder);
	writeFileSync(join(outside, 'secret.flk'), capture);
	copyFileSync(golden, join(folder, 'one.flk'));
	copyFileSync(golden, join(folder, '<b>&"\u202e.flk'));
	writeFileSync(join(folder, 'stacks.folded'), 'main;work 30\nmain;rest 70\n');
	writeFileSync(join(folder, 'broken.json'), '{"no": "profile"}');
	writeFileSync(join(folder, 'notes'), 'nothing');
	symlinkSync('../secret.flk', join(folder, 'link.flk'));
	symlinkSync('/etc', join(folder, 'etc'));
	spawnSync('mkfifo', [join(folder, 'pipe.flk')]);
	const viewer = await startAgent(t, [folder], { command: 'view' });
	assertConfined(viewer, 1n << 2n); // CAP_DAC_READ_SEARCH
	assert.equal((await ask(viewer, '/')).headers.get('location'), '/list.html');
	const list = await (await ask(viewer, '/profiles')).json();
	assert.deepEqual([list.folder, list.cut], ['profiles', false]);
	assert.deepEqual(list.profiles.map(({ name }) => name).sort(), ['<b>&"\u202e.flk', 'broken.json', 'one.flk', 'stacks.folded']);
	const one = list.profiles.find(({ name }) => name === 'one.flk');
	const known = JSON.parse((await run(['info', '--json', golden])).stdout);
	assert.equal(one.bytes, capture.length);
	assert.equal(one.samples, known.samples);
	for (const { id, name } of list.profiles) {
		const answer = await ask(viewer, `/profiles/${id}`);
		assert.equal(answer.status, name === 'broken.json' ? 422 : 200, name);
		if (answer.status === 200) assert.deepEqual((await bytesOf(answer)).subarray(0, 4), capture.subarray(0, 4));
		else assert.match(await answer.text(), /^broken\.json: .*\n$/);
	}
	const outsiders = ['..', '../secret.flk', 'link.flk', 'etc/passwd', 'pipe.flk', 'missing', '/etc/passwd', join(outside, 'secret.flk')];
	for (const name of outsiders) assert.equal((await ask(viewer, `/profiles/${idOf(name)}`)).status, 404, name);
	for (const path of ['/profiles/../secret.flk', '/profiles/%2e%2e%2fsecret.flk', '/profiles/one.flk', '/profiles/..%2f..%2fetc%2fpasswd'])
		assert.notEqual((await ask(viewer, path)).status, 200, path);

	/* Read anew each time: what is added is there, what is cut is served as it is. */
	copyFileSync(golden, join(folder, 'two.flk'));
	assert.ok((await (await ask(viewer, '/profiles')).json()).profiles.some(({ name }) => name === 'two.flk'));
	truncateSync(join(folder, 'two.flk'), 100);
	assert.equal((await bytesOf(await ask(viewer, `/profiles/${idOf('two.flk')}`))).length, 100);
	appendFileSync(join(folder, 'two.flk'), 'more');
	assert.equal((await bytesOf(await ask(viewer, `/profiles/${idOf('two.flk')}`))).length, 104);
	const { code, ms } = await viewer.stop();
	assert.equal(code, 0);
	assert.ok(ms < 10_000);
});

test('two files lead to one beside the other; what cannot be opened is said before', async (t) => {
	const folder = temporaryFolder(t);
	const other = join(folder, 'stacks.folded');
	writeFileSync(other, 'main;work 30\n');
	const viewer = await startAgent(t, [golden, other], { command: 'view' });
	assert.equal((await ask(viewer, '/')).headers.get('location'), `/compare.html?profile=${idOf('small.capture')}&profile=${idOf('stacks.folded')}`);
	assert.equal((await ask(viewer, `/profiles/${idOf('stacks.folded')}`)).status, 200);
	for (const args of [[golden, join(folder, 'missing.flk')], [join(folder, 'missing')]]) {
		const result = await run(['view', '--listen', '127.0.0.1:0', '--token-file', join(folder, 'token'), ...args]);
		assert.equal(result.code, 1);
		assert.match(result.stderr, /missing/);
		assert.equal(result.stdout, '');
	}
});

const send = (viewer, bytes, query = '', headers = {}) =>
	fetch(`${viewer.origin}/import${query}`, { method: 'POST', body: bytes, headers: { Authorization: `Bearer ${viewer.token}`, ...headers } });

/** The child that reads files: its parent is a child of the program's. */
function readerOf(viewer) {
	const children = (pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
	return children(viewer.pid).flatMap(children)[0];
}

test('a file that is sent comes back as a capture, or with what is wrong with it', async (t) => {
	const viewer = await startAgent(t, [golden], { command: 'view' });
	const folder = temporaryFolder(t);
	const text = readFileSync(join(root, 'tests', 'golden', 'small.perf-script'));
	const answer = await send(viewer, text, `?name=${idOf('small.perf')}`);
	assert.equal(answer.status, 200, await answer.clone().text());
	writeFileSync(join(folder, 'sent.flk'), await bytesOf(answer));
	const [sent, known] = await Promise.all([join(folder, 'sent.flk'), join(root, 'tests', 'golden', 'small.perf-script')].map(async (path) => JSON.parse((await run(['info', '--json', path])).stdout)));
	assert.deepEqual([sent.samples, sent.title, sent.start_time], [known.samples, 'small.perf', known.start_time]);

	for (const [bytes, query, status, words] of [
		['', '', 422, /^the file: it is empty\n$/],
		['a;b 1\na;b\n', `?name=${idOf('x\n.folded')}`, 422, /^x\\x0a\.folded: line 2: /],
		['a;b 1\n', `?event=${idOf('cycles')}`, 422, /no event cycles/],
		['a;b 1\n', '?event=xyz', 400, /hexadecimal/],
		['a;b 1\n', '?other=1', 400, /hexadecimal/],
	]) {
		const refused = await send(viewer, bytes, query);
		assert.equal(refused.status, status, words);
		assert.match(await refused.text(), words);
	}
	assert.equal((await send(viewer, 'a;b 1\n', '', { Authorization: 'Bearer wrong' })).status, 401);
	assert.equal((await send(viewer, 'a;b 1\n', '', { Origin: 'http://elsewhere' })).status, 403);
	assert.equal((await ask(viewer, '/import')).status, 405);
	assert.equal((await fetch(`${viewer.origin}/profiles`, { method: 'POST', body: 'x', headers: { Authorization: `Bearer ${viewer.token}` } })).status, 405);
	assert.equal(viewer.stderr, '', 'what is wrong with a file is for whoever sent it');
	assert.equal((await viewer.stop()).code, 0);
});

test('who sends too much, or goes, costs nobody anything', async (t) => {
	const viewer = await startAgent(t, [golden], { command: 'view' });
	const head = (size) => `POST /import HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${viewer.token}\r\n${size}\r\n\r\n`;
	const open = () => connect(Number(new URL(viewer.origin).port), '127.0.0.1');
	const said = async (text) => {
		const socket = open();
		socket.write(text);
		const [answer] = await once(socket, 'data');
		socket.destroy();
		return answer.toString();
	};
	assert.match(await said(head('Content-Length: 1073741825')), /^HTTP\/1.1 413 .*up to 1 GiB/s);
	assert.match(await said(head('Transfer-Encoding: chunked')), /^HTTP\/1.1 411 /);
	assert.match(await said(head('Content-Length: x')), /^HTTP\/1.1 4/);
	/* Two that never send all they said: the third is told so, until they go. */
	const slow = [open(), open()];
	for (const socket of slow) socket.write(`${head('Content-Length: 1000')}half`);
	for (;;) {
		const answer = await send(viewer, 'a;b 1\n');
		if (answer.status === 503) break;
		assert.equal(answer.status, 200);
	}
	for (const socket of slow) socket.destroy();
	while ((await send(viewer, 'a;b 1\n')).status !== 200);

	/* A file that takes long: who goes while it is read takes the reader along, and the next one is served. */
	const long = gzipSync('work 7 [000] 10.000000: cycles:\n\t1 f (/bin/work)\n\n'.repeat(2_000_000), { level: 1 });
	const reader = readerOf(viewer);
	const ticks = () => Number(readFileSync(`/proc/${reader}/stat`, 'utf8').split(' ')[13]);
	const before = ticks();
	const socket = open();
	socket.write(head(`Content-Length: ${long.length}`));
	socket.write(long);
	while (ticks() < before + 3) await new Promise((done) => setTimeout(done, 2));
	socket.destroy();
	while (existsSync(`/proc/${reader}`)) await new Promise((done) => setTimeout(done, 5));
	assert.equal((await send(viewer, 'a;b 1\n')).status, 200);
	assert.notEqual(readerOf(viewer), reader);
	assert.equal(viewer.stderr, '');
	assert.equal((await viewer.stop()).code, 0);
});
