/* SPDX-License-Identifier: Apache-2.0 */
/* The live stream: what a page gets from an agent that is there, gone, new, or refuses it. */

import "./bare_names.mjs";
import { FeedServer } from "./feed_server.mjs";
import { SegmentMaker } from "./records.mjs";
import { SegmentEncoder, file_header_encode, message_encode } from "./wire_encoder.mjs";
import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";

const wire = await import("wire");
const { LiveFeed, file_header_read } = await import("feed");
const { Profile, GAP_SKIPPED } = await import("model/profile");
const { WireError } = await import("wire_bytes");

const start_us = 1_700_000_000_000_000;

/** A segment of a sample every 10 ms, chunk by chunk. */
class Writer {
	constructor(server, segment, from_us) {
		this.server = server;
		this.segment = segment;
		this.maker = new SegmentMaker({ instance_id: server.instance_id, segment, start_us: from_us });
		this.encoder = new SegmentEncoder(segment);
		this.at_us = from_us;
	}

	/** Adds a chunk of so many samples. */
	async add(count, { closed = false, damage = false } = {}) {
		const samples = Array.from({ length: count }, (_, i) => ({ time_us: this.at_us + i * 10_000,
			stack: ["main", `work ${i % 3}`] }));
		this.at_us += count * 10_000;
		const records = this.maker.records(samples);
		const chunk = await this.encoder.chunk(records, this.at_us, closed);
		if (damage)
			chunk[60] ^= 1;
		this.server.add(this.segment, chunk, closed);
	}
}

/** A server, a profile and a feed between them; all of it ends with the test. */
async function connect(context, { server = new FeedServer(), token = server.token, silence_ms } = {}) {
	const url = await server.listen();
	const profile = new Profile();
	const waiting = new Set();
	const look = () => waiting.forEach((looker) => looker());
	profile.listen(look);
	const states = [];
	const feed = new LiveFeed({ url, token, sink: profile, Socket: WebSocket, silence_ms, changed: () => {
		states.push(feed.state.kind);
		look();
	} });
	/** Until something holds; what changes is looked at as it changes. */
	const until = (holds) => new Promise((resolve) => {
		const looker = () => {
			if (holds()) {
				waiting.delete(looker);
				resolve();
			}
		};
		waiting.add(looker);
		looker();
	});
	context.after(async () => {
		feed.stop();
		await server.close();
	});
	return { server, profile, feed, until, states, url };
}

test("a newcomer gets what is there, then what comes", async (context) => {
	const server = new FeedServer();
	const first = new Writer(server, 1, start_us);
	await first.add(100, { closed: true });
	const second = new Writer(server, 2, first.at_us);
	await second.add(30);
	const { profile, until, states } = await connect(context, { server });
	await until(() => profile.sample_count === 130 && !profile.loading);
	await second.add(20);
	await until(() => profile.sample_count === 150);
	assert.equal(profile.covered_us, second.at_us);
	assert.deepEqual(profile.blocks.map(({ segment, state }) => [segment, state]),
		[[1, "closed"], [2, "open"]]);
	assert.deepEqual(states, ["live"]);
});

test("after a break it goes on where it was, and nothing comes twice", async (context) => {
	const server = new FeedServer();
	const writer = new Writer(server, 1, start_us);
	await writer.add(100);
	const { profile, feed, until, states } = await connect(context, { server });
	await until(() => profile.sample_count === 100);
	server.hang_up();
	await until(() => feed.state.kind === "lost");
	await writer.add(50);
	await writer.add(7, { closed: true });
	feed.retry();
	await until(() => profile.sample_count === 157);
	assert.deepEqual(states, ["live", "lost", "live"]);
	const [client] = server.clients;
	const size = server.segments.get(1).bytes.length;
	assert.equal(client.resumed.length, 1);
	assert.equal(client.resumed[0][0], 1);
	assert.ok(client.resumed[0][1] > 0 && client.resumed[0][1] < size);
	assert.equal(feed.segments.get(1).received, size);
});

test("bytes cut anywhere between messages and connections come together", async (context) => {
	const server = new FeedServer();
	const writer = new Writer(server, 1, start_us);
	await writer.add(40);
	await writer.add(40, { closed: true });
	const whole = server.segments.get(1).bytes;
	server.segments.clear();
	const { profile, feed, until } = await connect(context, { server });
	for (let end = 1; end <= whole.length; end += 97) {
		server.segments.set(1, { bytes: whole.subarray(0, end), closed: false });
		if (end % 5 === 1) {
			await until(() => feed.state.kind === "live");
			server.hang_up();
			await until(() => feed.state.kind === "lost");
			feed.retry();
		}
		for (const client of server.clients)
			client.serve();
	}
	server.segments.set(1, { bytes: whole, closed: true });
	await until(() => feed.state.kind === "live");
	for (const client of server.clients)
		client.serve();
	await until(() => profile.block("00000000000000aa", 1)?.state === "closed");
	assert.equal(profile.sample_count, 80);
});

test("another agent's data follows the old, with a gap between", async (context) => {
	const server = new FeedServer();
	const before = new Writer(server, 1, start_us);
	await before.add(100);
	const { profile, feed, until } = await connect(context, { server });
	await until(() => profile.sample_count === 100);
	server.hang_up();
	await until(() => feed.state.kind === "lost");
	server.instance_id = "00000000000000bb";
	server.segments.clear();
	const after = new Writer(server, 1, before.at_us + 5_000_000);
	await after.add(50);
	feed.retry();
	await until(() => profile.sample_count === 150 && !profile.loading &&
		profile.block("00000000000000aa", 1)?.state !== "open");
	const gaps = profile.gaps(start_us, after.at_us);
	assert.deepEqual(gaps, [{ from_us: before.at_us, to_us: before.at_us + 5_000_000,
		reason: wire.WIRE_GAP_NOT_RUNNING, lost: 0 }]);
	assert.equal(profile.block("00000000000000aa", 1).state, "cut");
});

test("a damaged segment costs itself only", async (context) => {
	const server = new FeedServer();
	const first = new Writer(server, 1, start_us);
	await first.add(10);
	await first.add(10, { damage: true });
	await first.add(10, { closed: true });
	const second = new Writer(server, 2, first.at_us);
	await second.add(25);
	const { profile, until } = await connect(context, { server });
	await until(() => profile.block(server.instance_id, 1)?.state === "damaged" &&
		profile.sample_count === 35);
	assert.equal(profile.block(server.instance_id, 2).count, 25);
});

test("what the agent has forgotten is forgotten here, what it skipped is a gap", async (context) => {
	const server = new FeedServer();
	const writers = [];
	for (let segment = 1; segment <= 4; segment++) {
		writers.push(new Writer(server, segment, writers[segment - 2]?.at_us ?? start_us));
		await writers[segment - 1].add(20, { closed: segment < 4 });
	}
	const part = server.segments.get(3).bytes.subarray(0, 100);
	server.segments.set(3, { bytes: part, closed: false });
	const { profile, until } = await connect(context, { server });
	await until(() => profile.blocks.length >= 3 && !profile.loading);
	const [client] = server.clients;
	client.send({ kind: wire.WIRE_MESSAGE_SKIPPED, segment: 3 });
	await until(() => profile.missing.size || profile.block(server.instance_id, 3)?.state === "skipped");
	assert.ok(profile.gaps(start_us, writers[3].at_us).some(({ reason }) => reason === GAP_SKIPPED));
	server.segments.delete(1);
	await writers[3].add(1);
	await until(() => !profile.block(server.instance_id, 1));
	assert.equal(profile.oldest_us, writers[1].maker.head.start_us);
});

test("a refused token is told from an agent that is gone", async (context) => {
	const { feed, until, server } = await connect(context, { token: "not-the-token-at-all" });
	await until(() => feed.state.kind === "token");
	const { asked } = server;
	feed.retry();
	assert.equal(server.asked, asked);
});

test("an agent that goes away and comes back is found again without being asked", async (context) => {
	const { feed, until, server, states } = await connect(context);
	await until(() => feed.state.kind === "live");
	const { port } = server;
	await server.close();
	await until(() => feed.state.kind === "lost");
	const again = new FeedServer();
	await again.listen(port);
	context.after(() => again.close());
	await until(() => feed.state.kind === "live");
	assert.deepEqual(states, ["live", "lost", "live"]);
});

test("an agent that is not heard any more is lost, and found again", async (context) => {
	const { feed, until, states } = await connect(context, { silence_ms: 60 });
	await until(() => states.length >= 3);
	assert.deepEqual(states.slice(0, 3), ["live", "lost", "live"]);
	assert.ok(feed.counts.connects >= 2);
});

test("a capture's server may be silent", async (context) => {
	const server = new FeedServer({ source: wire.WIRE_SOURCE_CAPTURE });
	const { feed, until } = await connect(context, { server, silence_ms: 20 });
	await until(() => feed.state.kind === "live");
	await new Promise((resolve) => setTimeout(resolve, 100));
	assert.equal(feed.counts.connects, 1);
});

test("segments that are read leave nothing behind but their size", async (context) => {
	const server = new FeedServer();
	await new Writer(server, 1, start_us).add(30, { closed: true });
	const { feed, profile, until } = await connect(context, { server });
	await until(() => profile.block(server.instance_id, 1)?.state === "closed");
	await new Promise((resolve) => setImmediate(resolve));
	assert.deepEqual({ ...feed.segments.get(1) }, { chunks: null, reader: null,
		received: server.segments.get(1).bytes.length });
});

test("a newer format and messages that make no sense end the connection, in words", async (context) => {
	const bad = {
		"newer": [message_encode({ kind: wire.WIRE_MESSAGE_HELLO, version_major: 3 }), /has format 3/],
		"newer header": [message_encode({ kind: wire.WIRE_MESSAGE_HELLO },
			file_header_encode({ version_major: 2 })), /has format 2/],
		"cut": [Buffer.alloc(7), /cut off/],
		"no greeting": [message_encode({ kind: wire.WIRE_MESSAGE_BYTES, segment: 1 }), /before the first/],
		"no magic": [message_encode({ kind: wire.WIRE_MESSAGE_HELLO }, Buffer.alloc(40)), /no capture/],
	};
	for (const [name, [message, words]] of Object.entries(bad)) {
		const server = new FeedServer();
		const url = await server.listen();
		server.http.removeAllListeners("upgrade");
		server.http.on("upgrade", (request, socket, head) =>
			server.sockets.handleUpgrade(request, socket, head, (opened) => opened.send(message)));
		const feed = await new Promise((resolve) => {
			const made = new LiveFeed({ url, token: "any", sink: new Profile(), Socket: WebSocket,
				changed: () => resolve(made) });
		});
		assert.equal(feed.state.kind, "ended", name);
		assert.match(feed.state.why, words, name);
		for (const socket of server.sockets.clients)
			socket.terminate();
		await server.close();
	}
});

test("unknown messages are passed over", async (context) => {
	const server = new FeedServer();
	const writer = new Writer(server, 1, start_us);
	const { profile, until, feed } = await connect(context, { server });
	await until(() => feed.state.kind === "live");
	for (const client of server.clients)
		client.send({ kind: 77 }, Buffer.from("later"));
	await writer.add(5);
	await until(() => profile.sample_count === 5);
	assert.equal(feed.state.kind, "live");
});

test("a header is read as it was written, and refused when it is none", () => {
	const header = file_header_read(file_header_encode({ oldest_segment: 3, open_segment: 9 }));
	assert.equal(header.instance_id, "00000000000000aa");
	assert.equal(header.oldest_segment, 3);
	assert.equal(header.open_segment, 9);
	const bytes = file_header_encode();
	for (let cut = 0; cut < bytes.length; cut++)
		assert.throws(() => file_header_read(bytes.subarray(0, cut)), WireError);
	assert.throws(() => file_header_read(file_header_encode({ header_size: 39 })), WireError);
});
