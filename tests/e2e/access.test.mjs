/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is let in and who is not, and what those who are not may cost: the real server, with
 * AddressSanitizer, against peers that send what they like.
 */
import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { join } from 'node:path';
import { temporaryFolder, until } from './agent.mjs';
import { exchange, MESSAGE, openLive, openSocket, startFixture, statusOf, upgradeRequest } from './raw_client.mjs';

/** Scripts and style of a page together, as they are sent. */
const PAGE_BYTES_MAX = 60_000;

const get = (fixture, path, headers = '', method = 'GET') =>
	`${method} ${path} HTTP/1.1\r\nHost: ${fixture.host}\r\nConnection: close\r\n${headers}\r\n`;

const headersOf = (answer) =>
	new Map(
		answer
			.split('\r\n\r\n')[0]
			.split('\r\n')
			.slice(1)
			.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
	);

const bodyOf = (answer) => Buffer.from(answer.slice(answer.indexOf('\r\n\r\n') + 4), 'latin1');

test('the page is served whole, with its types, and with headers that allow nothing else', async (t) => {
	const fixture = await startFixture(t);
	const index = await exchange(fixture, get(fixture, '/'));
	const headers = headersOf(index);
	assert.equal(statusOf(index), 200);
	assert.equal(headers.get('content-type'), 'text/html; charset=utf-8');
	assert.equal(headers.get('cache-control'), 'no-store');
	assert.equal(headers.get('referrer-policy'), 'no-referrer');
	assert.equal(headers.get('x-content-type-options'), 'nosniff');
	assert.equal(headers.get('cross-origin-opener-policy'), 'same-origin');
	assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
	assert.equal(Number(headers.get('content-length')), bodyOf(index).length);
	assert.ok(!headers.has('server'));
	assert.ok(!headers.has('set-cookie'));

	const html = bodyOf(index).toString();
	const policy = headers.get('content-security-policy');
	assert.ok(policy.startsWith("default-src 'none'; script-src 'self';"), policy);
	for (const part of ["style-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"])
		assert.ok(policy.includes(part), part);
	assert.ok(!policy.includes('unsafe'));

	const named = (pattern, text) => [...text.matchAll(pattern)].map(([, name]) => `/${name}`);
	const paths = ['/index.html', ...named(/<link rel="stylesheet" href="([^"]+)">/g, html), ...named(/<script type="module" src="([^"]+)">/g, html)];
	let bytes = 0;
	for (let i = 0; i < paths.length; i++) {
		const answer = await exchange(fixture, get(fixture, paths[i]));
		assert.equal(statusOf(answer), 200, paths[i]);
		assert.match(headersOf(answer).get('content-type'), /^text\/(javascript|css|html); charset=utf-8$/, paths[i]);
		assert.equal(bodyOf(answer).length, Number(headersOf(answer).get('content-length')), paths[i]);
		if (!i) continue;
		const packed = bodyOf(await exchange(fixture, get(fixture, paths[i], 'Accept-Encoding: gzip\r\n')));
		const text = gunzipSync(packed).toString();
		assert.match(text, /^\/\* SPDX-License-Identifier: Apache-2\.0 \*\//, paths[i]);
		bytes += packed.length;
		/* What it imports before it runs; what it asks for later, by import(...), its first column does not need. */
		paths.push(...named(/(?:\bfrom|\bimport)"\.\/([^"]+)"/g, text).filter((path) => !paths.includes(path)));
	}
	assert.ok(paths.length >= 3, paths.join(' '));
	assert.ok(bytes < PAGE_BYTES_MAX, `${bytes} bytes of scripts and styles before the first column`);
	assert.equal((await fixture.report()).refused, 0);
});

test('a file is sent compressed to who can read it, not at all to who has it, and without body to HEAD', async (t) => {
	const fixture = await startFixture(t);
	const plain = await exchange(fixture, get(fixture, '/style.css'));
	const packed = await exchange(fixture, get(fixture, '/style.css', 'Accept-Encoding: br, gzip\r\n'));
	assert.equal(headersOf(packed).get('content-encoding'), 'gzip');
	assert.equal(headersOf(packed).get('vary'), 'Accept-Encoding');
	assert.deepEqual(gunzipSync(bodyOf(packed)), bodyOf(plain));
	assert.notEqual(headersOf(packed).get('etag'), headersOf(plain).get('etag'));

	const etag = headersOf(plain).get('etag');
	for (const condition of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
		const same = await exchange(fixture, get(fixture, '/style.css', `If-None-Match: ${condition}\r\n`));
		assert.equal(statusOf(same), 304, condition);
		assert.equal(bodyOf(same).length, 0);
		assert.equal(headersOf(same).get('etag'), etag);
	}
	const other = await exchange(fixture, get(fixture, '/style.css', 'If-None-Match: "other"\r\n'));
	assert.equal(statusOf(other), 200);

	const head = await exchange(fixture, get(fixture, '/style.css', '', 'HEAD'));
	assert.equal(statusOf(head), 200);
	assert.equal(Number(headersOf(head).get('content-length')), bodyOf(plain).length);
	assert.equal(bodyOf(head).length, 0);
});

test('several requests over one connection are answered in order', async (t) => {
	const fixture = await startFixture(t);
	const request = (path) => `GET ${path} HTTP/1.1\r\nHost: ${fixture.host}\r\n\r\n`;
	const peer = openSocket(fixture);
	await peer.opened;
	for (const [path, words] of [['/healthz', 'ok\n'], ['/style.css', ':root'], ['/healthz', 'ok\n']]) {
		const before = peer.received.length;
		peer.socket.write(request(path));
		await until(() => {
			const answer = peer.received.subarray(before).toString('latin1');
			const length = Number(headersOf(answer).get('content-length'));
			return answer.includes('\r\n\r\n') && bodyOf(answer).length === length && answer.includes(words);
		}, `the answer to ${path}`);
	}
	peer.socket.destroy();
});

/*
 * What is sent, and the status it gets. 0: the connection ends without an answer, or the answer is
 * lost because the rest of what was sent is never read (RFC 9112, 9.6). What is no HTTP at all,
 * libwebsockets refuses by itself, with 403.
 */
const REFUSALS = [
	['a path that is not there', (f) => get(f, '/secret'), [404]],
	['a path upwards', (f) => get(f, '/../../etc/passwd'), [403, 404]],
	['a path upwards, encoded', (f) => get(f, '/%2e%2e/%2e%2e/etc/passwd'), [403, 404]],
	['a path upwards from a folder', (f) => get(f, '/views/../../../etc/passwd'), [403, 404]],
	['a path with a zero byte', (f) => get(f, '/style.css%00.js'), [403, 404, 0]],
	['a folder', (f) => get(f, '/views/'), [404]],
	['POST', (f) => get(f, '/', 'Content-Length: 3\r\n', 'POST') + 'abc', [405]],
	['PUT', (f) => get(f, '/', 'Content-Length: 3\r\n', 'PUT') + 'abc', [405]],
	['DELETE', (f) => get(f, '/', '', 'DELETE'), [405]],
	['OPTIONS', (f) => get(f, '/', '', 'OPTIONS'), [405]],
	['a method of no standard', (f) => get(f, '/', '', 'BREW'), [403, 405]],
	['GET with a body', (f) => get(f, '/', 'Content-Length: 3\r\n') + 'abc', [413]],
	['GET with a chunked body', (f) => get(f, '/', 'Transfer-Encoding: chunked\r\n') + '0\r\n\r\n', [413]],
	['no Host', () => 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', [403]],
	['a foreign Host', () => 'GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n', [403]],
	['a Host that begins like ours', () => 'GET / HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n', [403]],
	['two Hosts', (f) => `GET / HTTP/1.1\r\nHost: ${f.host}\r\nHost: evil.example\r\n\r\n`, [403]],
	['/live without an upgrade and token', (f) => get(f, '/live'), [401]],
	['/live without an upgrade, wrong token', (f) => get(f, '/live', 'Authorization: Bearer abc\r\n'), [401]],
	[
		'/live without an upgrade, right token, foreign Origin',
		(f) => get(f, '/live', `Authorization: Bearer ${f.token}\r\nOrigin: http://evil.example\r\n`),
		[403],
	],
	['an upgrade on another path', (f) => upgradeRequest(f, {}, { path: '/' }), [404]],
	['an upgrade below the path', (f) => upgradeRequest(f, {}, { path: '/live/x' }), [404]],
	['an upgrade with HEAD', (f) => upgradeRequest(f, {}, { method: 'HEAD' }), [405]],
	['an upgrade with POST', (f) => upgradeRequest(f, {}, { method: 'POST' }), [405]],
	['an upgrade to h2c', (f) => upgradeRequest(f, { Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAARAAAAAAAIAAAAA' }), [403]],
	['an upgrade to something', (f) => upgradeRequest(f, { Upgrade: 'something' }), [403]],
	['no Origin', (f) => upgradeRequest(f, { Origin: null }), [403]],
	['Origin null', (f) => upgradeRequest(f, { Origin: 'null' }), [403]],
	['a foreign Origin', (f) => upgradeRequest(f, { Origin: 'http://evil.example' }), [403]],
	['an Origin of another port', (f) => upgradeRequest(f, { Origin: 'http://127.0.0.1:1' }), [403]],
	['an Origin of another scheme', (f) => upgradeRequest(f, { Origin: `https://${f.host}` }), [403]],
	['an Origin with something behind it', (f) => upgradeRequest(f, { Origin: `http://${f.host}/` }), [403]],
	['a foreign Host with its own Origin', (f) => upgradeRequest(f, { Host: 'evil.example', Origin: 'http://evil.example' }), [403]],
	['no protocol', (f) => upgradeRequest(f, { 'Sec-WebSocket-Protocol': null }), [403]],
	['a protocol without the token', (f) => upgradeRequest(f, { 'Sec-WebSocket-Protocol': 'flickerscope' }), [403]],
	['a token without the protocol', (f) => upgradeRequest(f, { 'Sec-WebSocket-Protocol': `token.${f.token}` }), [403]],
	['an empty token', (f) => upgradeRequest(f, { 'Sec-WebSocket-Protocol': 'flickerscope, token.' }), [403]],
	['a wrong token', (f) => upgradeRequest(f, { 'Sec-WebSocket-Protocol': `flickerscope, token.${'A'.repeat(43)}` }), [403]],
	['half the token', (f) => upgradeRequest(f, { 'Sec-WebSocket-Protocol': `flickerscope, token.${f.token.slice(0, 20)}` }), [403]],
	['more than the token', (f) => upgradeRequest(f, { 'Sec-WebSocket-Protocol': `flickerscope, token.${f.token}A` }), [403]],
	[
		'two tokens',
		(f) => upgradeRequest(f, { 'Sec-WebSocket-Protocol': `flickerscope, token.AAAA, token.${f.token}` }),
		[403],
	],
	['another version of WebSockets', (f) => upgradeRequest(f, { 'Sec-WebSocket-Version': '8' }), [426]],
	['no key', (f) => upgradeRequest(f, { 'Sec-WebSocket-Key': null }), [400]],
	['headers without end', (f) => `GET / HTTP/1.1\r\nHost: ${f.host}\r\nX-Long: ${'a'.repeat(20000)}\r\n\r\n`, [403, 0]],
	['many headers', (f) => `GET / HTTP/1.1\r\nHost: ${f.host}\r\n${'Cookie: abcdefgh\r\n'.repeat(2000)}\r\n`, [403, 0]],
	['a path without end', (f) => get(f, `/${'a'.repeat(20000)}`), [403, 0]],
	['HTTP/2 at once', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', [403, 0]],
	['a hello of TLS', () => Buffer.from('16030100c8010000c40303', 'hex'), [403, 0]],
	['noise', () => randomBytes(3000), [403, 0]],
	['lines without sense', () => 'hello\r\n\r\nhello\r\n\r\n', [403, 0]],
	['only a line', () => 'GET /\r\n\r\n', [403, 0]],
];

test('whatever is wrong with a request, it is refused, counted, and the next one is served', async (t) => {
	const fixture = await startFixture(t);
	for (const [words, request, statuses] of REFUSALS) {
		const before = (await fixture.report()).refused;
		const answer = await exchange(fixture, request(fixture));
		assert.ok(statuses.includes(statusOf(answer)), `${words}: ${answer.slice(0, 200)}`);
		assert.ok(!answer.includes('root:'), words);
		assert.ok(!answer.includes(fixture.token), words);
		await until(async () => (await fixture.report()).refused > before, `${words} is counted`);
	}
	const healthy = await exchange(fixture, get(fixture, '/healthz'));
	assert.equal(statusOf(healthy), 200);
	assert.equal((await fixture.report()).total, 0);
	assert.equal(fixture.stderr, '');
});

test('the page opens by each name of this machine and at any port that a tunnel has', async (t) => {
	const fixture = await startFixture(t, { host: 'profiler.example' });
	for (const host of ['localhost', 'localhost:9999', '127.0.0.1:1', '[::1]', '[::1]:7780', 'LOCALHOST:80', 'profiler.example:443']) {
		const live = await openLive(fixture, { changes: { Host: host, Origin: `http://${host.toLowerCase()}` } });
		assert.match(live.head, /^HTTP\/1\.1 101 /, host);
		assert.match(live.head, /^sec-websocket-protocol: flickerscope\r?$/im, host);
		assert.doesNotMatch(live.head, /token/, host);
		assert.doesNotMatch(live.head, /extensions/i, host);
		live.socket.destroy();
	}
});

test('extensions are not agreed to, whatever is offered', async (t) => {
	const fixture = await startFixture(t);
	const live = await openLive(fixture, { changes: { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' } });
	assert.match(live.head, /^HTTP\/1\.1 101 /);
	assert.doesNotMatch(live.head, /extensions/i);
	await until(() => live.count(MESSAGE.HELLO) === 1, 'a greeting');
	live.socket.destroy();
});

test('a right token is told from a wrong one without a WebSocket', async (t) => {
	const fixture = await startFixture(t);
	const answer = await exchange(fixture, get(fixture, '/live', `Authorization: Bearer ${fixture.token}\r\n`));
	assert.equal(statusOf(answer), 426);
	assert.equal((await fixture.report()).refused, 0);
});

describe('those who wait', { concurrency: true }, () => {
	it('sixty silent connections lock nobody out, and are hung up on', async (t) => {
		const fixture = await startFixture(t, { guest_ms: 3000 });
		const silent = [];
		for (let i = 0; i < 60; i++) {
			silent.push(openSocket(fixture));
			await silent.at(-1).opened;
		}
		const began = Date.now();
		assert.equal(statusOf(await exchange(fixture, get(fixture, '/healthz'))), 200);
		const live = await openLive(fixture);
		live.resume([]);
		await until(() => live.count(MESSAGE.CAUGHT_UP) === 1, 'the client is served');
		assert.ok(Date.now() - began < 3000, 'served while they are still there');
		assert.ok(silent.filter((peer) => !peer.closed).length <= 32, 'the oldest were dropped');
		await until(() => silent.every((peer) => peer.closed), 'all are hung up on', 60_000);
		assert.equal(live.closed, false);
		assert.equal((await fixture.report()).clients, 1);
		live.socket.destroy();
	});

	it('who sends a request byte by byte, or half of one, is hung up on and counted', async (t) => {
		const fixture = await startFixture(t, { guest_ms: 1000 });
		const slow = openSocket(fixture);
		const half = openSocket(fixture);
		await Promise.all([slow.opened, half.opened]);
		half.socket.write('GET /healthz HTTP/1.1\r\nHost:');
		const dripping = setInterval(() => slow.socket.write('G'), 300);
		t.after(() => clearInterval(dripping));
		await until(() => slow.closed && half.closed, 'both are hung up on', 60_000);
		assert.ok((await fixture.report()).refused >= 1);
	});

	it('who does not read the answer is hung up on', async (t) => {
		const fixture = await startFixture(t, { guest_ms: 1000 });
		const peer = openSocket(fixture);
		await peer.opened;
		peer.socket.pause();
		peer.socket.write(`GET /style.css HTTP/1.1\r\nHost: ${fixture.host}\r\n\r\n`.repeat(300));
		assert.equal(statusOf(await exchange(fixture, get(fixture, '/healthz'))), 200);
		await new Promise((resolve) => setTimeout(resolve, 2500));
		peer.socket.resume();
		await until(() => peer.closed, 'it is hung up on', 60_000);
	});
});

test('the token is made once, for its owner alone, and kept over a restart', async (t) => {
	const folder = temporaryFolder(t);
	const path = join(folder, 'made', 'token');
	const first = await startFixture(t, { token: path });
	assert.match(first.token, /^[A-Za-z0-9_-]{43}$/);
	assert.equal(statSync(path).mode & 0o777, 0o600);
	assert.equal(statSync(join(folder, 'made')).mode & 0o777, 0o700);
	assert.equal(readFileSync(path, 'utf8').trim(), first.token);
	await first.stop();
	const second = await startFixture(t, { token: path });
	assert.equal(second.token, first.token);
	assert.equal(first.stderr + second.stderr, '');
});

test('a token file that others could have written or read is refused in one line', async (t) => {
	const folder = temporaryFolder(t);
	const good = 'A'.repeat(43);
	const cases = {
		open: (path) => (writeFileSync(path, good), chmodSync(path, 0o644)),
		short: (path) => writeFileSync(path, 'abc', { mode: 0o600 }),
		empty: (path) => writeFileSync(path, '', { mode: 0o600 }),
		long: (path) => writeFileSync(path, 'A'.repeat(129), { mode: 0o600 }),
		strange: (path) => writeFileSync(path, `${good}\nB`, { mode: 0o600 }),
		link: (path) => (writeFileSync(`${path}.target`, good, { mode: 0o600 }), symlinkSync(`${path}.target`, path)),
		folder: (path) => mkdirSync(path, { mode: 0o700 }),
		missing: () => {},
	};
	for (const [name, make] of Object.entries(cases)) {
		const path = join(folder, name, ...(name === 'missing' ? ['deeper'] : []), 'token');
		if (name !== 'missing') {
			mkdirSync(join(folder, name));
			make(path);
		}
		const fixture = await startFixture(t, { token: path });
		await fixture.ended;
		assert.equal(fixture.exit.code, 1, name);
		assert.equal(fixture.stderr.trim().split('\n').length, 1, `${name}: ${fixture.stderr}`);
		assert.ok(fixture.stderr.includes(join(folder, name)), fixture.stderr);
		assert.ok(!fixture.stderr.includes(good), name);
	}
});

test('a port that is taken, an address that is not ours and nonsense get one line with the remedy', async (t) => {
	const fixture = await startFixture(t);
	for (const [listen, words] of [
		[`127.0.0.1:${fixture.port}`, '--listen 127.0.0.1:0'],
		['192.0.2.1:7780', 'no address of this machine'],
		['127.0.0.1', 'such as 127.0.0.1:7780'],
		['127.0.0.1:99999', 'such as 127.0.0.1:7780'],
		['somewhere:80', 'such as 127.0.0.1:7780'],
		['[::1:7780', 'such as 127.0.0.1:7780'],
	]) {
		const second = await startFixture(t, { listen });
		await second.ended;
		assert.equal(second.exit.code, 1, listen);
		assert.equal(second.stderr.trim().split('\n').length, 1, second.stderr);
		assert.ok(second.stderr.includes(words), second.stderr);
	}
});

test('listening on all addresses is allowed with a warning, and IPv6 has its brackets', async (t) => {
	const wide = await startFixture(t, { listen: '0.0.0.0:0' });
	assert.match(wide.stderr, /without encryption/);
	assert.match(wide.url, /^http:\/\/127\.0\.0\.1:\d+\/#/);
	const six = await startFixture(t, { listen: '[::1]:0' });
	if (!six.port && /not supported|no address/.test(six.stderr)) return t.skip('this machine has no IPv6');
	assert.match(six.url, /^http:\/\/\[::1\]:\d+\/#/);
	assert.equal(six.stderr, '');
	const live = await openLive(six);
	assert.match(live.head, /^HTTP\/1\.1 101 /);
	live.socket.destroy();
});

test('no line of the log ever holds the token, also when everything is logged', async (t) => {
	const fixture = await startFixture(t, { debug: 1 });
	await exchange(fixture, get(fixture, '/live', `Authorization: Bearer ${fixture.token}\r\n`));
	await exchange(fixture, upgradeRequest(fixture, { Origin: null }));
	const live = await openLive(fixture);
	const exit = await fixture.stop(); // with a client connected; a leak would make it another code
	assert.equal(exit.code, 0, fixture.stderr);
	live.socket.destroy();
	assert.ok(!fixture.stderr.includes(fixture.token));
	assert.deepEqual(fixture.lines, [fixture.url]);
});
