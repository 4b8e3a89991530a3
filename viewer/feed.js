/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live stream of an agent (include/wire.h, WebSocket messages): keeps the connection, resumes where
 * it broke, and passes what comes to a sink. An agent that was started again is another instance: its
 * segments follow those that are there.
 */

import { ChunkReader } from "chunk_reader";
import { instance_text } from "record_reader";
import { SegmentReader } from "segment_reader";
import * as wire from "wire";
import { WireError, struct_read, struct_write } from "wire_bytes";

/** @typedef {import("segment_reader").SegmentSink} SegmentSink */

/**
 * @typedef {SegmentSink & {
 *   loading_set: (loading: boolean) => void,
 *   oldest_set: (instance_id: string, oldest_segment: number) => void,
 * }} FeedSink loading_set: whether more of the past is on its way; oldest_set: segments before it are
 * forgotten by the agent
 */

/**
 * connecting: never was connected; live; lost: trying again; token: it was refused; ended: nothing more
 * will come, for a reason in words.
 * @typedef {{ kind: "connecting" } | { kind: "live" } | { kind: "lost", since_ms: number }
 * | { kind: "token" } | { kind: "ended", why: string }} FeedState since_ms: of performance.now()
 */

const retry_first_ms = 250;
const retry_max_ms = 5000;
/** A connection that does not come about within this is given up, and tried again. */
const open_max_ms = 10000;
/** An agent writes 15 times a second: one that is silent for so long is not there any more. */
const silence_max_ms = 10000;

const message_header = wire.wire_message_header;

/** One segment as it arrives. */
class Arriving {
	/**
	 * @param {string} instance_id
	 * @param {number} segment
	 * @param {SegmentSink} sink
	 */
	constructor(instance_id, segment, sink) {
		/** @type {ChunkReader | null} null when nothing more is read of it */
		this.chunks = new ChunkReader();
		/** @type {SegmentReader | null} */
		this.reader = new SegmentReader(instance_id, segment, sink);
		/** Bytes of its chunks that have come. */
		this.received = 0;
		this.reader.done.then(() => {
			this.chunks = this.reader = null;
		});
	}

	/** @param {"cut" | "skipped"} state */
	end(state) {
		this.reader?.end(state);
	}

	/**
	 * @param {number} offset of the first byte, in the segment's chunks
	 * @param {Uint8Array} bytes
	 */
	push(offset, bytes) {
		const { chunks, reader } = this;
		if (offset > this.received) {
			reader?.fail(new WireError("bytes are missing", this.received));
			return;
		}
		const fresh = bytes.subarray(this.received - offset);
		this.received += fresh.length;
		/* After an end nothing is kept, but it is counted: a resume goes on behind it. */
		if (!chunks || !reader?.taking)
			return;
		chunks.push(fresh);
		try {
			for (let chunk = chunks.next(); chunk; chunk = chunks.next()) {
				if (chunk.kind === wire.WIRE_CHUNK_SEGMENT)
					reader.chunk(chunk);
			}
		} catch (error) {
			if (!(error instanceof WireError))
				throw error;
			reader.fail(error);
		}
	}
}

export class LiveFeed {
	/**
	 * @param {object} options
	 * @param {string} options.url of the page, such as "http://127.0.0.1:7780/"
	 * @param {string} options.token
	 * @param {FeedSink} options.sink
	 * @param {() => void} options.changed the state is another one
	 * @param {typeof WebSocket} [options.Socket] for tests
	 * @param {number} [options.silence_ms] for tests
	 */
	constructor({ url, token, sink, changed, Socket = WebSocket, silence_ms = silence_max_ms }) {
		this.url = new URL("live", url);
		this.token = token;
		this.sink = sink;
		this.changed = changed;
		this.Socket = Socket;
		this.silence_ms = silence_ms;
		/** @type {FeedState} */
		this.state = { kind: "connecting" };
		this.instance_id = "";
		/** What the agent serves, enum wire_source; 0: not known yet. */
		this.source = 0;
		/** By number, of this instance. @type {Map<number, Arriving>} */
		this.segments = new Map();
		this.oldest_segment = 0;
		/** @type {WebSocket | null} */
		this.socket = null;
		this.retry_ms = retry_first_ms;
		/** @type {ReturnType<typeof setTimeout> | undefined} */
		this.timer = undefined;
		/** When the last message came, of performance.now(). */
		this.heard_ms = 0;
		/** Bytes and messages that have come: read by tests. */
		this.counts = { messages: 0, bytes: 0, connects: 0 };
		this.listener = setInterval(() => this.listen(), silence_ms / 4);
		this.connect();
	}

	/** Hangs up on a live agent that is not heard any more: the network may never say that it is gone. */
	listen() {
		const { socket, source, state } = this;
		if (!socket || state.kind !== "live" || source !== wire.WIRE_SOURCE_LIVE ||
		    performance.now() - this.heard_ms < this.silence_ms)
			return;
		/* Closing waits for an answer that will not come. */
		socket.onclose = null;
		socket.close();
		this.closed(true);
	}

	/** @param {FeedState} state */
	state_set(state) {
		/* Since when it is lost stays, however often it is tried. */
		if (state.kind === "lost" && this.state.kind === "lost")
			return;
		this.state = state;
		this.changed();
	}

	connect() {
		clearTimeout(this.timer);
		this.counts.connects++;
		const address = new URL(this.url);
		address.protocol = address.protocol.replace("http", "ws");
		const socket = new this.Socket(address.href, ["flickerscope", `token.${this.token}`]);
		this.socket = socket;
		socket.binaryType = "arraybuffer";
		let opened = false;
		const deadline = setTimeout(() => socket.close(), open_max_ms);
		socket.onopen = () => {
			opened = true;
			clearTimeout(deadline);
			socket.send(this.resume_message());
		};
		socket.onmessage = (event) => {
			if (this.socket !== socket)
				return;
			try {
				this.message(new Uint8Array(event.data));
			} catch (error) {
				if (!(error instanceof WireError))
					throw error;
				this.stop({ kind: "ended", why: `The agent sent what this page cannot read: ` +
					`${error.message}.` });
			}
		};
		socket.onerror = () => {}; /* says nothing; a close follows */
		socket.onclose = () => {
			clearTimeout(deadline);
			if (this.socket === socket)
				this.closed(opened);
		};
	}

	/** @param {boolean} opened whether the connection had come about */
	async closed(opened) {
		this.socket = null;
		const refused = !opened && await this.token_is_refused();
		if (this.is_over())
			return;
		if (refused) {
			this.stop({ kind: "token" });
			return;
		}
		if (opened)
			this.state_set({ kind: "lost", since_ms: performance.now() });
		this.timer = setTimeout(() => this.connect(), this.retry_ms);
		this.retry_ms = Math.min(retry_max_ms, this.retry_ms * 2);
	}

	/** A failed WebSocket doesn't say why: asks. */
	async token_is_refused() {
		try {
			const answer = await fetch(this.url, {
				headers: { Authorization: `Bearer ${this.token}` },
				cache: "no-store",
				signal: AbortSignal.timeout(open_max_ms),
			});
			return answer.status === 401;
		} catch {
			return false; /* nobody is there */
		}
	}

	/** Whether nothing more will come. */
	is_over() {
		return this.state.kind === "token" || this.state.kind === "ended";
	}

	/** Tries now. */
	retry() {
		if (this.socket || this.is_over())
			return;
		this.retry_ms = retry_first_ms;
		this.connect();
	}

	/** Ends the connection for good. @param {FeedState} [state] */
	stop(state = { kind: "ended", why: "" }) {
		clearTimeout(this.timer);
		clearInterval(this.listener);
		const { socket } = this;
		this.socket = null;
		socket?.close();
		this.segments_end();
		this.state_set(state);
	}

	/** No more bytes come for the segments that are open. */
	segments_end() {
		for (const arriving of this.segments.values())
			arriving.end("cut");
	}

	/** What this page has already. @returns {Uint8Array<ArrayBuffer>} */
	resume_message() {
		const rows = [...this.segments.entries()].sort(([a], [b]) => b - a)
			.slice(0, wire.WIRE_RESUME_SEGMENTS_MAX);
		const { SIZE: row_size } = wire.wire_resume_row;
		const head_size = message_header.SIZE + wire.wire_resume.SIZE;
		const message = new Uint8Array(head_size + rows.length * row_size);
		struct_write(message_header, { kind: wire.WIRE_MESSAGE_RESUME,
			version_major: wire.WIRE_VERSION_MAJOR }, message);
		struct_write(wire.wire_resume, { instance_id: BigInt(`0x${this.instance_id || "0"}`),
			segment_count: rows.length }, message, message_header.SIZE);
		rows.forEach(([segment, { received }], i) => struct_write(wire.wire_resume_row,
			{ segment, offset: received }, message, head_size + i * row_size));
		return message;
	}

	/** @param {Uint8Array} bytes */
	message(bytes) {
		this.heard_ms = performance.now();
		this.counts.messages++;
		this.counts.bytes += bytes.length;
		if (bytes.length < message_header.SIZE)
			throw new WireError("a message is cut off", bytes.length);
		const header = struct_read(message_header, bytes);
		const payload = bytes.subarray(message_header.SIZE);
		if (header.version_major > wire.WIRE_VERSION_MAJOR) {
			this.socket?.close(wire.WIRE_CLOSE_VERSION);
			this.stop({ kind: "ended", why: version_problem("This agent", header.version_major) });
			return;
		}
		switch (header.kind) {
		case wire.WIRE_MESSAGE_HELLO:
			this.hello(payload);
			break;
		case wire.WIRE_MESSAGE_BYTES:
			this.arriving(header.segment).push(header.offset, payload);
			break;
		case wire.WIRE_MESSAGE_SKIPPED:
			this.arriving(header.segment).end("skipped");
			break;
		case wire.WIRE_MESSAGE_CAUGHT_UP:
			this.sink.loading_set(false);
			break;
		}
		this.oldest_take(header.oldest_segment);
	}

	/** @param {Uint8Array} payload */
	hello(payload) {
		const header = file_header_read(payload);
		if (header.instance_id !== this.instance_id) {
			this.segments_end();
			this.segments.clear();
			this.oldest_segment = 0;
			this.instance_id = header.instance_id;
		}
		this.source = header.source;
		this.retry_ms = retry_first_ms;
		this.sink.loading_set(true);
		this.state_set({ kind: "live" });
	}

	/** @param {number} number */
	arriving(number) {
		if (!this.instance_id)
			throw new WireError("a message before the first one", 0);
		let arriving = this.segments.get(number);
		if (!arriving)
			this.segments.set(number, arriving = new Arriving(this.instance_id, number, this.sink));
		return arriving;
	}

	/** @param {number} oldest_segment */
	oldest_take(oldest_segment) {
		if (oldest_segment <= this.oldest_segment)
			return;
		this.oldest_segment = oldest_segment;
		for (const [number, arriving] of this.segments) {
			if (number < oldest_segment) {
				arriving.end("cut");
				this.segments.delete(number);
			}
		}
		this.sink.oldest_set(this.instance_id, oldest_segment);
	}
}

/**
 * @param {string} who
 * @param {number} major
 */
function version_problem(who, major) {
	return `${who} needs a newer flickerscope: it has format ${major}, this one reads ` +
		`${wire.WIRE_VERSION_MAJOR}.`;
}

const magic = Uint8Array.of(0x89, 0x46, 0x4c, 0x4b, 0x0d, 0x0a, 0x1a, 0x0a);

/** Whether bytes begin as a capture does. @param {Uint8Array} bytes */
export function magic_is_right(bytes) {
	return bytes.length >= magic.length && magic.every((byte, i) => bytes[i] === byte);
}

/**
 * The header of a file, which is also what an agent greets with.
 * @param {Uint8Array} bytes
 * @returns {{ instance_id: string, header_size: number, source: number, oldest_segment: number,
 * open_segment: number }}
 * @throws {WireError}
 */
export function file_header_read(bytes) {
	if (!magic_is_right(bytes))
		throw new WireError("This is no capture of flickerscope", 0);
	if (bytes.length < wire.wire_file_header.SIZE)
		throw new WireError("This capture ends within its header", bytes.length);
	const header = struct_read(wire.wire_file_header, bytes);
	if (header.version_major > wire.WIRE_VERSION_MAJOR)
		throw new WireError(version_problem("This file", header.version_major), 8);
	if (header.header_size < wire.wire_file_header.SIZE)
		throw new WireError("The header of this capture says that it is too short", 12);
	return { ...header, instance_id: instance_text(header.instance_id) };
}
