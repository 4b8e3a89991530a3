/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens with names and rights, who guesses them, TLS with the operator's certificate, and a proxy in
 * front of a unix socket: the real server, with AddressSanitizer. And what no agent ever tells.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { program, run, startAgent, temporaryFolder, until } from './agent.mjs';
import { exchange, MESSAGE, openLive, startFixture, statusOf, upgradeRequest } from './raw_client.mjs';
import { openStream, wire } from './stream.mjs';

/** agent/serve/peer.h */
const PEER_WRONG_TOKENS_MAX = 16;
/** Where the kernel's half of the addresses begins; as signed numbers they are above -2^47. */
const KERNEL_HALF = 2 ** 64 - 2 ** 47;
const TOKENS = {
	all: 'all-of-it-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
	view: 'to-look-at-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',
	metrics: 'to-count-ccccccccccccccccccccccccccccccccc',
};

const request = (fixture, path, token, headers = '', method = 'GET') =>
	`${method} ${path} HTTP/1.1\r\nHost: ${fixture.host}\r\nConnection: close\r\n` +
	`${token ? `Authorization: Bearer ${token}\r\n` : ''}${headers}\r\n`;
const ask = async (fixture, path, token, headers) => statusOf(await exchange(fixture, request(fixture, path, token, headers)));

function tokenFile(t) {
	const path = join(temporaryFolder(t), 'tokens');
	writeFileSync(path, `wall view ${TOKENS.view} # a screen\n\nalice all ${TOKENS.all}\nscraper metrics ${TOKENS.metrics}\n`, { mode: 0o600 });
	return path;
}

test('each token opens what its right says, and its name is told when it does', async (t) => {
	const path = tokenFile(t);
	const fixture = await startFixture(t, { token: path });
	assert.equal(fixture.token, TOKENS.all, 'the address has the token that opens most');
	const opened = {};
	for (const [right, token] of Object.entries(TOKENS)) {
		const upgrade = await openLive(fixture, { changes: { 'Sec-WebSocket-Protocol': `flickerscope, token.${token}` } });
		opened[right] = [
			Number(upgrade.head.match(/^HTTP\/1\.1 (\d+)/)[1]),
			await ask(fixture, '/live', token),
			await ask(fixture, '/download', token),
		];
		upgrade.socket.destroy();
	}
	assert.deepEqual(opened, { all: [101, 426, 200], view: [101, 426, 403], metrics: [403, 403, 403] });
	assert.match(fixture.stderr, /alice, from 127\.0\.0\.1, looks at the page/);
	assert.match(fixture.stderr, /wall, from 127\.0\.0\.1, looks at the page/);
	assert.match(fixture.stderr, /alice, from 127\.0\.0\.1, downloads a capture/);
	assert.doesNotMatch(fixture.stderr, /wall.*downloads|scraper/);
	assert.equal((await fixture.report()).wrong_tokens, 0, 'a token that does not open so much was not guessed');
	for (const token of Object.values(TOKENS)) assert.ok(!fixture.stderr.includes(token));
});

test('a wrong line of the token file is told by its number, without a word of it', async (t) => {
	const path = join(temporaryFolder(t), 'tokens');
	writeFileSync(path, `alice all ${TOKENS.all}\nbob everything ${TOKENS.view}\n`, { mode: 0o600 });
	const fixture = await startFixture(t, { token: path });
	await fixture.ended;
	assert.equal(fixture.exit.code, 1);
	assert.match(fixture.stderr, /^[^\n]*tokens, line 2: a right is metrics, view or all[^\n]*\n$/);
	assert.ok(!fixture.stderr.includes(TOKENS.view));
});

test('wrong tokens are counted by address and held off; on this host a right one still opens', async (t) => {
	const socket = join(temporaryFolder(t), 'page.sock');
	const direct = await startFixture(t);
	const statuses = [];
	for (let i = 0; i < PEER_WRONG_TOKENS_MAX + 2; i++) statuses.push(await ask(direct, '/live', 'x'.repeat(43)));
	assert.deepEqual(statuses, [...Array(PEER_WRONG_TOKENS_MAX).fill(401), 429, 429]);
	assert.equal(await ask(direct, '/live', direct.token), 426, 'nobody is locked out by others of this host');
	assert.equal(await ask(direct, '/live'), 401, 'no token is no guess');
	assert.equal((await direct.report()).wrong_tokens, PEER_WRONG_TOKENS_MAX + 2);
	assert.equal(direct.stderr.match(/wrong tokens came from 127\.0\.0\.1/g).length, 1, direct.stderr);

	/* By a proxy, each by the address that it tells: of somewhere else, right ones are held off as well. */
	const behind = await startFixture(t, { listen: `unix:${socket}` });
	const from = (address) => `X-Forwarded-For: 198.51.100.99, ${address}\r\n`;
	for (let i = 0; i < PEER_WRONG_TOKENS_MAX; i++)
		assert.equal(await ask(behind, '/live', 'wrong', from('198.51.100.7')), 401);
	const held = await exchange(behind, request(behind, '/live', behind.token, from('198.51.100.7')));
	assert.equal(statusOf(held), 429);
	assert.match(held, /\r\nRetry-After: \d+\r\n/);
	assert.equal(await ask(behind, '/live', behind.token, from('198.51.100.8')), 426);
	assert.equal(await ask(behind, '/', '', from('198.51.100.7')), 200, 'the page holds no data');
	const upgrade = await exchange(behind, upgradeRequest(behind, { 'X-Forwarded-For': '198.51.100.7' }));
	assert.equal(statusOf(upgrade), 429);
});

test('a unix socket is for its owner and group, serves a proxy of either scheme, and replaces a stale one alone', async (t) => {
	const folder = temporaryFolder(t);
	const listen = `unix:${join(folder, 'page.sock')}`;
	const first = await startFixture(t, { listen, host: 'profiler.example' });
	assert.equal(first.url, `${listen}#${first.token}`);
	assert.equal(statSync(join(folder, 'page.sock')).mode & 0o777, 0o660);
	for (const Origin of ['https://profiler.example', 'http://profiler.example']) {
		const live = await openLive(first, { changes: { Host: 'profiler.example', Origin } });
		assert.match(live.head, /^HTTP\/1\.1 101 /, Origin);
		live.resume([]);
		await until(() => live.count(MESSAGE.BYTES) > 0, 'bytes');
		live.socket.destroy();
	}
	assert.equal(statusOf(await exchange(first, upgradeRequest(first, { Origin: 'https://evil.example' }))), 403);
	const second = await startFixture(t, { listen });
	await second.ended;
	assert.match(second.stderr, /^[^\n]*page\.sock: it is there already[^\n]*\n$/);
	first.child.kill('SIGKILL');
	await first.ended;
	assert.ok(existsSync(join(folder, 'page.sock')), 'left by one that was killed');
	const third = await startFixture(t, { listen });
	assert.equal(await ask(third, '/healthz'), 200);
	await third.stop();
	assert.ok(!existsSync(join(folder, 'page.sock')));
	writeFileSync(join(folder, 'file'), 'dear');
	const fourth = await startFixture(t, { listen: `unix:${join(folder, 'file')}` });
	await fourth.ended;
	assert.equal(fourth.exit.code, 1);
	assert.equal(readFileSync(join(folder, 'file'), 'latin1'), 'dear');
});

/** A key and a certificate for localhost, of so many days from now. */
function certificate(folder, name, days = 30) {
	const [key, path] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost',
		'-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-days', String(days), '-keyout', key, '-out', path], { stdio: 'ignore' });
	chmodSync(key, 0o600);
	return { tls_cert: path, tls_key: key };
}

test('with a certificate the page and its data come by TLS alone, and only their own scheme may open them', async (t) => {
	const files = certificate(temporaryFolder(t), 'good');
	const fixture = await startFixture(t, { ...files, host: 'localhost' });
	assert.match(fixture.url, /^https:\/\/localhost:\d+\/#/);
	fixture.ca = readFileSync(files.tls_cert);
	assert.equal(await ask(fixture, '/'), 200);
	assert.equal(await ask(fixture, '/download', fixture.token), 200);
	const live = await openLive(fixture);
	assert.match(live.head, /^HTTP\/1\.1 101 /);
	assert.equal(live.socket.getProtocol(), 'TLSv1.3');
	live.resume([]);
	await until(() => live.count(MESSAGE.BYTES) > 3, 'bytes');
	assert.deepEqual(live.wrong, []);
	live.socket.destroy();
	assert.equal(statusOf(await exchange(fixture, upgradeRequest(fixture, { Origin: `http://${fixture.host}` }))), 403);
	assert.equal((await exchange({ ...fixture, tls: { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } }, request(fixture, '/'))), '');
	const plain = await exchange({ ...fixture, ca: undefined }, request(fixture, '/live', fixture.token));
	assert.doesNotMatch(plain, /^HTTP\/1\.1 (200|426)/);
	await fixture.stop();
	assert.equal(fixture.exit.code, 0, fixture.stderr);
	assert.doesNotMatch(fixture.stderr, /PRIVATE|encryption/);
});

test('a key that others can read ends the start in one line, without a word of it', async (t) => {
	const files = certificate(temporaryFolder(t), 'good');
	chmodSync(files.tls_key, 0o604);
	const fixture = await startFixture(t, files);
	await fixture.ended;
	assert.equal(fixture.exit.code, 1);
	assert.match(fixture.stderr, /^[^\n]*--tls-key .*open to others \(mode 604\): chmod 600[^\n]*\n$/);
});

/** All processes of an agent: itself and its children. */
function processesOf(pid) {
	const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(/\s+/).filter(Boolean).map(Number);
	return [pid, ...children.flatMap(processesOf)];
}

test('what an agent says and is called has no token, and nothing it sends is an address of the kernel or a command line', async (t) => {
	const path = tokenFile(t);
	const secret = 'pass-word-on-a-command-line';
	/* In the kernel most of the time. */
	const load = spawn('dd', ['if=/dev/zero', 'of=/dev/null', 'bs=64k', 'status=none'], { stdio: 'ignore', argv0: `dd --password=${secret}` });
	t.after(() => load.kill('SIGKILL'));
	const agent = await startAgent(t, ['-v', '-F', '999', '-p', load.pid, '--token-file', path]);
	const stream = await openStream(t, agent);
	const records = [];
	const add = stream.profile.records_add;
	stream.profile.records_add = (...values) => {
		records.push(...values[2]);
		add(...values);
	};
	await until(() => stream.received > 200, 'samples of it');
	assert.ok(stream.samples().some(({ frames }) => frames.some(({ kind }) => kind === wire.WIRE_FRAME_KERNEL)), 'frames of the kernel');
	const metrics = await (await fetch(`${agent.origin}/metrics`, { headers: { Authorization: `Bearer ${TOKENS.metrics}` } })).text();
	const capture = Buffer.from(await (await fetch(`${agent.origin}/download`, { headers: { Authorization: `Bearer ${agent.token}` } })).arrayBuffer());
	const titles = processesOf(agent.pid).flatMap((pid) => ['cmdline', 'comm', 'environ'].map((name) => readFileSync(`/proc/${pid}/${name}`, 'latin1')));
	assert.ok(titles.length >= 9, 'it has children');
	assert.equal((await agent.stop()).code, 0);
	for (const token of Object.values(TOKENS))
		for (const text of [agent.stderr, agent.stdout.split('\n').slice(1).join('\n'), metrics, ...titles]) assert.ok(!text.includes(token), text);
	/* What the page gets, as values: every number and every text of the records; keys are hashes. */
	const seen = { numbers: 0, texts: 0 };
	const look = (value, where) => {
		if (typeof value === 'number' || typeof value === 'bigint') {
			seen.numbers++;
			assert.ok(value < KERNEL_HALF && !(value < -(2 ** 32) && value > -(2 ** 47)), `${where}: ${value}`);
		} else if (typeof value === 'string') {
			seen.texts++;
			assert.doesNotMatch(value, /ffff[89a-f][0-9a-f]{11}/i, where);
			assert.ok(!value.includes(secret), where);
		} else if (value && typeof value === 'object') {
			for (const [name, part] of Object.entries(value)) if (!/key/.test(name)) look(part, `${where}.${name}`);
		}
	};
	records.forEach((record, index) => look(record, `record ${index}`));
	assert.ok(seen.numbers > 200 && seen.texts > 20, JSON.stringify(seen));
	assert.ok(!capture.includes(secret));
});

test('a recording has the command that it is of, and without its arguments when asked', async (t) => {
	const file = join(temporaryFolder(t), 'a.flk');
	const record = (...options) => run(['record', '-o', file, '--force', ...options, '--', 'sleep', '0.01']);
	const title = async () => JSON.parse((await run(['info', '--json', file])).stdout).title;
	assert.equal((await record()).code, 0);
	assert.equal(await title(), 'sleep 0.01');
	assert.equal((await record('--no-command-line')).code, 0);
	assert.equal(await title(), 'sleep');
	/* What is said at the start, where that is the journal: not the token. */
	const home = temporaryFolder(t);
	const log = join(home, 'log');
	const token = `${log}.token`;
	const files = certificate(home, 'good');
	const view = spawn('bash', ['-c', `JOURNAL_STREAM=$(stat -Lc %d:%i ${log}) exec ${program} view --listen 127.0.0.1:0 --token-file ${token} ` +
		`--tls-cert ${files.tls_cert} --tls-key ${files.tls_key} ${file}`],
		{ stdio: ['ignore', openSync(log, 'w'), 'ignore'] });
	t.after(() => view.kill('SIGKILL'));
	await until(() => readFileSync(log, 'latin1').includes('\n'), 'its first line');
	const [, host, port, where] = readFileSync(log, 'latin1').match(/^https:\/\/(127\.0\.0\.1:(\d+))\/; the token is in (.*)\n$/);
	assert.equal(where, token);
	/* By TLS from the process that has given up its privileges. */
	const peer = { ca: readFileSync(files.tls_cert), port: Number(port), address: '127.0.0.1', host };
	assert.equal(await ask(peer, '/profiles', readFileSync(token, 'latin1').trim()), 200);
});
