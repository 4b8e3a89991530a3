/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that a browser never is: HTTP and WebSockets (RFC 6455) written byte by byte over a socket,
 * and the server over known bytes that they talk to (serve_fixture.c).
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { root, temporaryFolder, until } from './agent.mjs';

export const MESSAGE = { HELLO: 1, BYTES: 2, SKIPPED: 3, CAUGHT_UP: 4, RESUME: 5 };
export const HEADER_SIZE = 16;
export const OPCODE = { CONTINUE: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 };
export const INSTANCE = 0x1122334455667788n;

/** The byte that serve_fixture.c has at an offset of a segment. */
export const knownByte = (segment, offset) =>
	((Math.imul(segment, 2654435761) + Math.imul(offset, 40503)) >>> 8) & 255;

/**
 * Starts serve_fixture with NAME=VALUE options. One with a certificate is trusted by setting `ca` of what comes back.
 * @param {import('node:test').TestContext} test ends it when it ends
 */
export async function startFixture(test, options = {}, { variant = 'san', folder } = {}) {
	const program = join(root, 'build', variant, 'bin', 'serve_fixture');
	if (!existsSync(program)) throw new Error(`${program} is not built`);
	const home = folder ?? temporaryFolder(test);
	const settings = { token: join(home, 'token'), ...options };
	const child = spawn(program, Object.entries(settings).map(([name, value]) => `${name}=${value}`), {
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	const fixture = { pid: child.pid, child, home, lines: [], stderr: '', exit: null };
	let rest = '';
	child.stdout.on('data', (text) => {
		const lines = (rest + text).split('\n');
		rest = lines.pop();
		fixture.lines.push(...lines);
	});
	child.stderr.on('data', (text) => (fixture.stderr += text));
	fixture.ended = new Promise((resolve) =>
		child.on('close', (code, signal) => resolve((fixture.exit = { code, signal }))),
	);
	fixture.stop = async () => {
		child.kill('SIGTERM');
		return fixture.ended;
	};
	/** Its counters now. */
	fixture.report = async () => {
		const count = fixture.lines.length;
		child.kill('SIGUSR1');
		await until(() => fixture.exit || fixture.lines.length > count, 'a report');
		if (fixture.exit) throw new Error(`it ended: ${fixture.stderr}`);
		return JSON.parse(fixture.lines.at(-1));
	};
	fixture.grow = () => child.kill('SIGUSR2');
	test.after(async () => {
		child.kill('SIGKILL');
		await fixture.ended;
	});
	await until(() => fixture.exit || fixture.lines.length, 'the address');
	if (fixture.lines.length) {
		const url = new URL(fixture.lines[0]);
		fixture.url = fixture.lines[0];
		fixture.port = Number(url.port);
		fixture.address = url.hostname.replace(/^\[|\]$/g, '');
		fixture.host = url.host || 'localhost';
		fixture.path = url.protocol === 'unix:' ? url.pathname : '';
		fixture.token = url.hash.slice(1);
	}
	return fixture;
}

/** A socket that keeps what it got. */
export function openSocket(fixture) {
	const options = fixture.path ? { path: fixture.path } : { port: fixture.port, host: fixture.address };
	const socket = fixture.ca ? connectTls({ ...options, ca: fixture.ca, servername: 'localhost', ...fixture.tls }) : connect(options);
	const peer = { socket, received: Buffer.alloc(0), closed: false };
	socket.on('data', (bytes) => (peer.received = Buffer.concat([peer.received, bytes])));
	socket.on('close', () => (peer.closed = true));
	socket.on('error', () => {});
	peer.opened = new Promise((resolve) => socket.once(fixture.ca ? 'secureConnect' : 'connect', resolve).once('close', resolve));
	return peer;
}

/** Sends @param bytes as they are; gives all that came back until the server hung up. */
export async function exchange(fixture, bytes, timeMs = 60_000) {
	const peer = openSocket(fixture);
	await peer.opened;
	peer.socket.write(bytes);
	await until(() => peer.closed, 'the server hangs up', timeMs);
	return peer.received.toString('latin1');
}

export const statusOf = (answer) => Number(/^HTTP\/1\.[01] (\d{3}) /.exec(answer)?.[1] ?? 0);

/** The headers of a WebSocket's request; null as a value leaves one out. */
export function upgradeRequest(fixture, changes = {}, { method = 'GET', path = '/live' } = {}) {
	const headers = {
		Host: fixture.host,
		Origin: `http${fixture.ca ? 's' : ''}://${fixture.host}`,
		Connection: 'Upgrade',
		Upgrade: 'websocket',
		'Sec-WebSocket-Version': '13',
		'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
		'Sec-WebSocket-Protocol': `flickerscope, token.${fixture.token}`,
		...changes,
	};
	const lines = Object.entries(headers).filter(([, value]) => value !== null);
	return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

/** One frame of a client: masked, as RFC 6455, 5.3 wants it. */
export function frame(opcode, payload = Buffer.alloc(0), { final = true, masked = true, reserved = 0 } = {}) {
	const size = payload.length;
	const head = [(final ? 0x80 : 0) | reserved | opcode];
	const maskBit = masked ? 0x80 : 0;
	if (size < 126) head.push(maskBit | size);
	else if (size < 65536) head.push(maskBit | 126, size >> 8, size & 255);
	else head.push(maskBit | 127, 0, 0, 0, 0, size >>> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255);
	if (!masked) return Buffer.concat([Buffer.from(head), payload]);
	const mask = randomBytes(4);
	return Buffer.concat([Buffer.from(head), mask, payload.map((byte, i) => byte ^ mask[i & 3])]);
}

export function resumeMessage(rows = [], { instance = 0n, version = 1, kind = MESSAGE.RESUME, count = rows.length } = {}) {
	const bytes = Buffer.alloc(HEADER_SIZE + 16 + rows.length * 8);
	bytes[0] = kind;
	bytes[1] = version;
	bytes.writeBigUInt64LE(instance, HEADER_SIZE);
	bytes.writeUInt32LE(count, HEADER_SIZE + 8);
	rows.forEach(([segment, offset], i) => {
		bytes.writeUInt32LE(segment, HEADER_SIZE + 16 + i * 8);
		bytes.writeUInt32LE(offset, HEADER_SIZE + 20 + i * 8);
	});
	return bytes;
}

/**
 * A WebSocket whose frames are kept, its messages of bytes checked against the known ones and
 * added up by segment. It answers pings only if told so.
 */
export async function openLive(fixture, { changes = {}, pongs = true } = {}) {
	const live = openSocket(fixture);
	Object.assign(live, {
		head: '',
		messages: [], // {kind, segment, offset, size, oldest}
		segments: new Map(), // number -> bytes in order from the start
		startOffsets: new Map(), // where the first bytes of a segment stood
		wrong: [], // what the server must never send
		largest: 0,
		pings: 0,
		closeCode: null,
	});
	const take = (opcode, payload) => {
		if (opcode === OPCODE.PING) {
			live.pings++;
			if (pongs) live.socket.write(frame(OPCODE.PONG, payload));
		} else if (opcode === OPCODE.CLOSE) {
			live.closeCode = payload.length >= 2 ? payload.readUInt16BE() : 1005;
			live.socket.end(frame(OPCODE.CLOSE, payload.subarray(0, 2)));
		} else if (opcode === OPCODE.BINARY) {
			takeMessage(live, payload);
		} else {
			live.wrong.push(`a frame of opcode ${opcode}`);
		}
	};
	live.socket.removeAllListeners('data');
	live.socket.on('data', (bytes) => {
		live.received = Buffer.concat([live.received, bytes]);
		if (!live.head) {
			const end = live.received.indexOf('\r\n\r\n');
			if (end < 0) return;
			live.head = live.received.subarray(0, end).toString('latin1');
			live.received = live.received.subarray(end + 4);
		}
		for (;;) {
			const parsed = parseFrame(live.received);
			if (!parsed) return;
			if (parsed.size) live.largest = Math.max(live.largest, parsed.payload.length);
			live.received = live.received.subarray(parsed.size);
			take(parsed.opcode, parsed.payload);
		}
	});
	live.send = (payload, opcode = OPCODE.BINARY, options) => live.socket.write(frame(opcode, payload, options));
	live.resume = (rows, options) => live.send(resumeMessage(rows, options));
	live.count = (kind) => live.messages.filter((message) => message.kind === kind).length;
	await live.opened;
	live.socket.write(upgradeRequest(fixture, changes));
	await until(() => live.head || live.closed, 'an answer to the upgrade');
	return live;
}

function parseFrame(bytes) {
	if (bytes.length < 2) return null;
	let size = bytes[1] & 127;
	let at = 2;
	if (size === 126) {
		if (bytes.length < 4) return null;
		size = bytes.readUInt16BE(2);
		at = 4;
	} else if (size === 127) {
		if (bytes.length < 10) return null;
		size = Number(bytes.readBigUInt64BE(2));
		at = 10;
	}
	if (bytes.length < at + size) return null;
	return { opcode: bytes[0] & 15, payload: bytes.subarray(at, at + size), size: at + size };
}

function takeMessage(live, bytes) {
	const message = {
		kind: bytes[0],
		version: bytes[1],
		segment: bytes.readUInt32LE(4),
		offset: bytes.readUInt32LE(8),
		oldest: bytes.readUInt32LE(12),
		size: bytes.length - HEADER_SIZE,
	};
	live.messages.push(message);
	if (message.kind === MESSAGE.HELLO) {
		message.instance = bytes.readBigUInt64LE(HEADER_SIZE + 16);
		message.open = bytes.readUInt32LE(HEADER_SIZE + 32);
	}
	if (message.kind !== MESSAGE.BYTES) return;
	const { segment, offset } = message;
	if (!live.segments.has(segment)) {
		live.startOffsets.set(segment, offset);
		live.segments.set(segment, offset);
	}
	if (live.segments.get(segment) !== offset)
		live.wrong.push(`segment ${segment}: bytes at ${offset} follow ${live.segments.get(segment)}`);
	live.segments.set(segment, offset + message.size);
	for (let i = 0; i < message.size; i++)
		if (bytes[HEADER_SIZE + i] !== knownByte(segment, offset + i)) {
			live.wrong.push(`segment ${segment}: the byte at ${offset + i}`);
			return;
		}
}
