/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients get, in which order, and that none of them costs the agent more than its share:
 * twenty at once, slow ones, stopped ones, and those that send nonsense. Every byte is compared
 * with the one that the window holds.
 */
import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { randomBytes } from 'node:crypto';
import { sleep, until } from './agent.mjs';
import { frame, HEADER_SIZE, INSTANCE, MESSAGE, OPCODE, openLive, resumeMessage, startFixture } from './raw_client.mjs';

const MESSAGE_SIZE_MAX = 32768;
const CLOSE = { BAD_MESSAGE: 4000, VERSION: 4001 };

/** The window as the options of the fixture make it: bytes of each segment. */
const sizes = (chunks, chunk, count) => {
	const segments = new Map();
	for (let i = 0; i < count; i++) {
		const number = 1 + Math.floor(i / chunks);
		segments.set(number, (segments.get(number) ?? 0) + chunk);
	}
	return segments;
};

/* Those that have to keep up with the server have the CPUs for themselves. */
test('twenty clients at once all get every byte as it is made', async (t) => {
	const fixture = await startFixture(t, { interval_ms: 20, chunk: 1500, chunks: 20 }, { variant: 'release' });
	const clients = await Promise.all(Array.from({ length: 20 }, () => openLive(fixture)));
	for (const live of clients) live.resume([]);
	await until(async () => (await fixture.report()).newest >= 6, 'six segments');
	const end = (await fixture.report()).newest;
	await until(() => clients.every((live) => [...Array(end - 1).keys()].every((i) => live.segments.get(i + 1) === 30000)), 'all have all');
	for (const live of clients) {
		assert.deepEqual(live.wrong, []);
		assert.equal(live.closed, false);
		assert.equal(live.count(MESSAGE.SKIPPED), 0);
	}
	const report = await fixture.report();
	assert.equal(report.clients, 20);
	assert.equal(report.skipped, 0);
	for (const live of clients) live.socket.destroy();
	await until(async () => (await fixture.report()).clients === 0, 'all have left');
});

test('a client that stops reading is told what it missed and gets the rest; others notice nothing', async (t) => {
	/* 4 MB a second, of which the window keeps 4 MB. */
	const options = { interval_ms: 12, chunk: 50000, chunks: 10, bytes_max: 4194304 };
	const fixture = await startFixture(t, options, { variant: 'release' });
	const stopped = await openLive(fixture);
	const reading = await openLive(fixture);
	stopped.resume([]);
	reading.resume([]);
	await until(() => stopped.segments.size > 0, 'it gets something');
	stopped.socket.pause();
	await sleep(4_000);
	stopped.socket.resume();
	await until(() => stopped.count(MESSAGE.SKIPPED) > 0, 'it is told');
	const live = Math.max(...reading.segments.keys());
	await until(() => Math.max(...stopped.segments.keys()) >= live, 'it is live again');
	assert.deepEqual(stopped.wrong, []);
	assert.deepEqual(reading.wrong, []);
	assert.equal(reading.count(MESSAGE.SKIPPED), 0);

	/* A slow machine may miss more while it catches up: then that is told too. */
	const skipped = () => stopped.messages.filter((message) => message.kind === MESSAGE.SKIPPED);
	const newest = Math.max(...stopped.segments.keys());
	await until(() => {
		const told = new Set(skipped().map((message) => message.segment));
		return [...Array(newest - 1).keys()].every((i) => told.has(i + 1) || stopped.segments.get(i + 1) === 500000);
	}, 'each segment is whole or told');
	for (const message of skipped()) {
		assert.ok(message.offset < 500000);
		assert.equal(message.offset, stopped.segments.get(message.segment) ?? 0, 'it says how much was sent');
	}
	await until(async () => (await fixture.report()).skipped === skipped().length, 'each is counted once');
	stopped.socket.destroy();
	reading.socket.destroy();
});

/* Each has a server of its own, and most of them wait. */
describe('those who wait', { concurrency: true }, () => {
	it('a newcomer gets the open segment first, then the closed ones from the newest to the oldest', async (t) => {
		const options = { interval_ms: 0, chunk: 50000, chunks: 4, chunks_at_start: 22 };
		const fixture = await startFixture(t, options);
		const live = await openLive(fixture);
		await until(() => live.count(MESSAGE.HELLO) === 1, 'a greeting');
		assert.equal(live.messages[0].kind, MESSAGE.HELLO);
		assert.equal(live.messages[0].instance, INSTANCE);
		assert.equal(live.messages[0].oldest, 1);
		assert.equal(live.messages[0].open, 6);
		await sleep(100);
		assert.equal(live.messages.length, 1, 'nothing before it has said what it has');

		live.resume([]);
		await until(() => live.count(MESSAGE.CAUGHT_UP) === 1, 'all was sent');
		assert.deepEqual([...live.segments.keys()], [6, 5, 4, 3, 2, 1]);
		assert.deepEqual(new Map([...live.segments].sort((a, b) => a[0] - b[0])), sizes(4, 50000, 22));
		assert.deepEqual(live.wrong, []);
		assert.ok(live.largest <= MESSAGE_SIZE_MAX, `${live.largest}`);
		assert.equal(live.messages.at(-1).kind, MESSAGE.CAUGHT_UP);

		fixture.grow();
		await until(() => live.segments.get(6) === 150000, 'what was added');
		assert.equal(live.count(MESSAGE.CAUGHT_UP), 1);
		live.socket.destroy();
	});

	it('a client that comes back gets what it has not, and all of it from another instance', async (t) => {
		const fixture = await startFixture(t, { interval_ms: 0, chunk: 10000, chunks: 4, chunks_at_start: 14 });
		const back = await openLive(fixture);
		back.resume(
			[
				[1, 40000],
				[2, 12345],
				[4, 20000],
			],
			{ instance: INSTANCE },
		);
		await until(() => back.count(MESSAGE.CAUGHT_UP) === 1, 'all was sent');
		assert.deepEqual([...back.startOffsets].sort(), [[2, 12345], [3, 0]]);
		assert.deepEqual([...back.segments].sort(), [[2, 40000], [3, 40000]]);
		assert.deepEqual(back.wrong, []);

		const other = await openLive(fixture);
		other.resume([[1, 40000]], { instance: INSTANCE + 1n });
		await until(() => other.count(MESSAGE.CAUGHT_UP) === 1, 'all was sent');
		assert.deepEqual([...other.startOffsets].sort(), [[1, 0], [2, 0], [3, 0], [4, 0]]);

		const wrong = await openLive(fixture);
		wrong.resume([[1, 40001], [9, 5], [4, 0xffffffff]], { instance: INSTANCE });
		await until(() => wrong.count(MESSAGE.CAUGHT_UP) === 1, 'all was sent');
		assert.deepEqual([...wrong.startOffsets].sort(), [[1, 0], [2, 0], [3, 0], [4, 0]]);
		for (const live of [back, other, wrong]) live.socket.destroy();
	});

	it('an empty window is caught up with at once, and its first segment arrives when it is there', async (t) => {
		const fixture = await startFixture(t, { interval_ms: 0 });
		const live = await openLive(fixture);
		live.resume([]);
		await until(() => live.count(MESSAGE.CAUGHT_UP) === 1, 'nothing to send');
		assert.deepEqual(live.messages.map((message) => message.kind), [MESSAGE.HELLO, MESSAGE.CAUGHT_UP]);
		fixture.grow();
		await until(() => live.segments.get(1) === 1000, 'the first chunk');
		live.socket.destroy();
	});

	it('clients that never read cost at most a message each, and are hung up on', async (t) => {
		const options = { interval_ms: 10, chunk: 60000, chunks: 16, bytes_max: 8388608, ping_s: 1, hang_up_s: 3 };
		const fixture = await startFixture(t, options, { variant: 'release' });
		await until(async () => (await fixture.report()).oldest > 1, 'a full window');
		const before = await fixture.report();
		const silent = await Promise.all(Array.from({ length: 20 }, () => openLive(fixture)));
		for (const live of silent) {
			live.resume([]);
			live.socket.pause();
		}
		await sleep(1200);
		const during = await fixture.report();
		assert.equal(during.clients, 20);
		const grown = during.rss - before.rss;
		t.diagnostic(`20 clients that never read: ${grown} bytes of memory`);
		assert.ok(grown < 20 * 2 * MESSAGE_SIZE_MAX + 1048576, `memory grew by ${grown}`);
		await until(async () => (await fixture.report()).clients === 0, 'all are hung up on', 60_000);
		for (const live of silent) live.socket.destroy();
	});

	it('a client that answers no ping is hung up on, one that does stays', async (t) => {
		const fixture = await startFixture(t, { interval_ms: 100, ping_s: 1, hang_up_s: 2 });
		const deaf = await openLive(fixture, { pongs: false });
		const well = await openLive(fixture);
		deaf.resume([]);
		well.resume([]);
		await until(() => deaf.closed, 'the deaf one is hung up on', 60_000);
		assert.ok(deaf.pings > 0, 'it was asked');
		await until(() => well.pings >= 3, 'the other one lives on');
		assert.equal(well.closed, false);
		well.socket.destroy();
	});

	/*
	 * What a client sends after the upgrade, and the code that closes the connection. null: it ended
	 * without one, or the frame was lost because more was sent that nobody reads.
	 */
	const BAD_MESSAGES = [
		['text', (live) => live.send(Buffer.from('hello'), OPCODE.TEXT), [CLOSE.BAD_MESSAGE]],
		['an empty message', (live) => live.send(Buffer.alloc(0)), [CLOSE.BAD_MESSAGE]],
		['half a header', (live) => live.send(resumeMessage().subarray(0, 7)), [CLOSE.BAD_MESSAGE]],
		['a header only', (live) => live.send(resumeMessage().subarray(0, HEADER_SIZE)), [CLOSE.BAD_MESSAGE]],
		['half a resume', (live) => live.send(resumeMessage().subarray(0, 20)), [CLOSE.BAD_MESSAGE]],
		['another kind', (live) => live.resume([], { kind: MESSAGE.HELLO }), [CLOSE.BAD_MESSAGE]],
		['a kind that nobody knows', (live) => live.resume([], { kind: 200 }), [CLOSE.BAD_MESSAGE]],
		['another version', (live) => live.resume([], { version: 2 }), [CLOSE.VERSION]],
		['more rows than it says', (live) => live.resume([[1, 2], [2, 3]], { count: 1 }), [CLOSE.BAD_MESSAGE]],
		['fewer rows than it says', (live) => live.resume([[1, 2]], { count: 2 }), [CLOSE.BAD_MESSAGE]],
		['far more rows than fit', (live) => live.resume([], { count: 0xffffffff }), [CLOSE.BAD_MESSAGE]],
		['a large message', (live) => live.send(Buffer.concat([resumeMessage(), Buffer.alloc(100_000)])), [CLOSE.BAD_MESSAGE, null]],
		['a second resume', (live) => (live.resume([]), live.resume([])), [CLOSE.BAD_MESSAGE]],
		['noise in a frame', (live) => live.send(randomBytes(500).fill(77, 0, 1)), [CLOSE.BAD_MESSAGE]],
		[
			'fragments without end',
			(live) => {
				live.send(resumeMessage(), OPCODE.BINARY, { final: false });
				for (let i = 0; i < 40; i++) live.send(Buffer.alloc(1000), OPCODE.CONTINUE, { final: false });
			},
			[CLOSE.BAD_MESSAGE, null],
		],
		['reserved bits', (live) => live.send(resumeMessage(), OPCODE.BINARY, { reserved: 0x70 }), [1002, null]],
		['a reserved opcode', (live) => live.send(resumeMessage(), 5), [1002, null]],
		['a continuation of nothing', (live) => live.send(resumeMessage(), OPCODE.CONTINUE), [1002, null]],
		['a ping that is too long', (live) => live.send(Buffer.alloc(126), OPCODE.PING), [1002, null]],
		['noise instead of frames', (live) => live.socket.write(Buffer.alloc(4000, 0xff)), [1002, null]],
		['a length of 63 bits', (live) => live.socket.write(Buffer.from('82ff7fffffffffffffff00000000', 'hex')), [1002, 1009, CLOSE.BAD_MESSAGE, null]],
	];

	it('messages that make no sense close their connection and nothing else', async (t) => {
		const fixture = await startFixture(t, { interval_ms: 100, resume_ms: 2000 });
		const witness = await openLive(fixture);
		witness.resume([]);
		for (const [words, send, codes] of BAD_MESSAGES) {
			const live = await openLive(fixture);
			await until(() => live.count(MESSAGE.HELLO) === 1, 'a greeting');
			send(live);
			await until(() => live.closed || live.closeCode !== null, `${words}: an end`, 30_000);
			assert.ok(codes.includes(live.closeCode), `${words}: closed with ${live.closeCode}`);
			live.socket.destroy();
		}
		const before = witness.messages.length;
		await until(() => witness.messages.length > before, 'the witness is still served');
		assert.equal(witness.closed, false);
		assert.deepEqual(witness.wrong, []);
		await until(async () => (await fixture.report()).clients === 1, 'all others are gone', 60_000);
		assert.equal(fixture.stderr, '');
		witness.socket.destroy();
	});

	it('half a frame waits without cost, and a resume in many fragments is understood', async (t) => {
		const fixture = await startFixture(t, { interval_ms: 100 });
		const half = await openLive(fixture);
		half.socket.write(frame(OPCODE.BINARY, resumeMessage()).subarray(0, 9));
		const split = await openLive(fixture);
		const message = resumeMessage([[1, 0], [2, 0]]);
		for (let i = 0; i < message.length; i++)
			split.send(message.subarray(i, i + 1), i ? OPCODE.CONTINUE : OPCODE.BINARY, { final: i === message.length - 1 });
		await until(() => split.count(MESSAGE.CAUGHT_UP) === 1, 'the other is served');
		assert.equal(half.messages.every((each) => each.kind === MESSAGE.HELLO), true);
		split.socket.destroy();
		half.socket.destroy();
		await until(async () => (await fixture.report()).clients === 0, 'both are gone');
	});

	it('more clients than there are places are refused, and are welcome when one has left', async (t) => {
		const fixture = await startFixture(t, { interval_ms: 0 }, { variant: 'release' });
		const clients = [];
		for (let i = 0; i < 256; i++) clients.push(await openLive(fixture));
		assert.ok(clients.every((live) => live.head.startsWith('HTTP/1.1 101 ')));
		const late = await openLive(fixture);
		assert.match(late.head, /^HTTP\/1\.1 503 /);
		clients.pop().socket.destroy();
		await until(async () => (await fixture.report()).clients === 255, 'one has left');
		const next = await openLive(fixture);
		assert.match(next.head, /^HTTP\/1\.1 101 /);
		for (const live of [...clients, next]) live.socket.destroy();
	});

	it('a server where nothing happens does nothing', async (t) => {
		const fixture = await startFixture(t, { interval_ms: 0 }, { variant: 'release' });
		const live = await openLive(fixture);
		live.resume([]);
		await until(() => live.count(MESSAGE.CAUGHT_UP) === 1, 'it is served');
		live.socket.destroy();
		await until(async () => (await fixture.report()).clients === 0, 'it has left');
		await sleep(1500); // the timer for peers ends itself
		const before = await fixture.report();
		await sleep(2500);
		const after = await fixture.report();
		t.diagnostic(`2.5 s idle: ${after.cpu_us - before.cpu_us} us of CPU, ${after.switches - before.switches} wake-ups`);
		assert.ok(after.switches - before.switches <= 10, `${after.switches - before.switches} wake-ups`);
		assert.ok(after.cpu_us - before.cpu_us < 10_000);
	});
});
