/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent's window and its WebSocket, in JavaScript: segments of encoded chunks, sent as include/wire.h
 * says, resumed where a page left off. For tests and for invented data; it checks the token, nothing
 * else.
 */

import "./bare_names.mjs";
import { file_header_encode, message_encode } from "./wire_encoder.mjs";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const wire = await import("wire");
const { struct_read } = await import("wire_bytes");

const payload_max = wire.WIRE_MESSAGE_SIZE_MAX - wire.wire_message_header.SIZE;

/** One connected page: how much of each segment it has. */
class Client {
	constructor(server, socket) {
		this.server = server;
		this.socket = socket;
		/** @type {Map<number, number> | null} bytes sent, by segment; null before the RESUME */
		this.sent = null;
		this.caught_up = false;
		this.send({ kind: wire.WIRE_MESSAGE_HELLO }, file_header_encode({
			instance_id: server.instance_id, source: server.source,
			oldest_segment: server.oldest, open_segment: server.open }));
		socket.on("message", (bytes) => this.resume(bytes));
	}

	send(header, payload) {
		this.socket.send(message_encode({ oldest_segment: this.server.oldest, ...header }, payload));
	}

	resume(bytes) {
		const head = struct_read(wire.wire_resume, bytes, wire.wire_message_header.SIZE);
		const { SIZE: row_size } = wire.wire_resume_row;
		this.sent = new Map();
		this.resumed = [];
		const same = head.instance_id === BigInt(`0x${this.server.instance_id}`);
		for (let i = 0; i < head.segment_count; i++) {
			const row = struct_read(wire.wire_resume_row, bytes,
				wire.wire_message_header.SIZE + wire.wire_resume.SIZE + i * row_size);
			this.resumed.push([row.segment, row.offset]);
			if (same)
				this.sent.set(row.segment, row.offset);
		}
		this.serve();
	}

	/** Sends what is new: the newest segment first, then from the newest to the oldest. */
	serve() {
		if (!this.sent)
			return;
		const numbers = [...this.server.segments.keys()].sort((a, b) => b - a);
		for (const number of numbers) {
			const { bytes } = this.server.segments.get(number);
			for (let at = this.sent.get(number) ?? 0; at < bytes.length; at += payload_max) {
				const part = bytes.subarray(at, at + payload_max);
				this.send({ kind: wire.WIRE_MESSAGE_BYTES, segment: number, offset: at }, part);
				this.sent.set(number, at + part.length);
			}
		}
		if (!this.caught_up)
			this.send({ kind: wire.WIRE_MESSAGE_CAUGHT_UP });
		this.caught_up = true;
	}
}

export class FeedServer {
	/**
	 * @param {object} [options]
	 * @param {string} [options.token]
	 * @param {string} [options.instance_id]
	 * @param {number} [options.source] enum wire_source
	 * @param {(request: import("node:http").IncomingMessage,
	 * response: import("node:http").ServerResponse) => void} [options.serve] what is not /live
	 */
	constructor({ token = "token-of-a-test-0", instance_id = "00000000000000aa",
		source = wire.WIRE_SOURCE_LIVE, serve } = {}) {
		this.token = token;
		this.instance_id = instance_id;
		this.source = source;
		/** @type {Map<number, { bytes: Buffer, closed: boolean }>} */
		this.segments = new Map();
		/** @type {Set<Client>} */
		this.clients = new Set();
		/** Requests to /live, upgrades and others. */
		this.asked = 0;
		this.sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "flickerscope" });
		this.http = createServer((request, response) => {
			if (new URL(request.url, "http://x").pathname !== "/live") {
				serve?.(request, response) ?? response.writeHead(404).end();
				return;
			}
			this.asked++;
			const right = request.headers.authorization === `Bearer ${this.token}`;
			response.writeHead(right ? 426 : 401).end();
		});
		this.http.on("upgrade", (request, socket, head) => this.upgrade(request, socket, head));
	}

	upgrade(request, socket, head) {
		this.asked++;
		const { "sec-websocket-protocol": protocols = "" } = request.headers;
		if (!protocols.split(/, */).includes(`token.${this.token}`)) {
			socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
			return;
		}
		this.sockets.handleUpgrade(request, socket, head, (opened) => {
			const client = new Client(this, opened);
			this.clients.add(client);
			opened.on("close", () => this.clients.delete(client));
		});
	}

	get oldest() {
		return Math.min(...this.segments.keys(), Infinity) === Infinity ? 0
			: Math.min(...this.segments.keys());
	}

	get open() {
		for (const [number, { closed }] of this.segments)
			if (!closed)
				return number;
		return 0;
	}

	/** @param {number} [port] 0 picks one */
	async listen(port = 0) {
		await new Promise((resolve) => this.http.listen(port, "127.0.0.1", resolve));
		this.port = this.http.address().port;
		return `http://127.0.0.1:${this.port}/`;
	}

	/** Adds a chunk to the window and sends it. */
	add(segment, chunk, closed = false) {
		const before = this.segments.get(segment)?.bytes ?? Buffer.alloc(0);
		this.segments.set(segment, { bytes: Buffer.concat([before, chunk]), closed });
		for (const client of this.clients)
			client.serve();
	}

	/** Hangs up on everybody. */
	hang_up() {
		for (const { socket } of this.clients)
			socket.terminate();
	}

	async close() {
		this.hang_up();
		this.sockets.close();
		this.http.closeAllConnections();
		await new Promise((resolve) => this.http.close(resolve));
	}
}
