/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page without a browser: the viewer's own feed and profile on the stream of a real agent, and
 * questions about what came.
 */
import '../viewer/bare_names.mjs';
import { spawn } from 'node:child_process';
import { WebSocket } from 'ws';
import { until } from './agent.mjs';

const { LiveFeed } = await import('../../viewer/feed.js');
const { GAP_LOADING, Profile } = await import('../../viewer/model/profile.js');
export const wire = await import('../../viewer/wire.js');

/** A page hangs up on an agent that is not heard; one that is told not to listen does not. */
const SILENCE_MS = 120_000;

/**
 * @typedef {object} Sample
 * @property {number} time_us timeline
 * @property {number} cpu
 * @property {{ tid: number, pid: number, comm: string, process: string }} thread
 * @property {{ name: string, kind: number, module: string }[]} frames leaf first
 */

class Stream {
	constructor(agent, options) {
		this.profile = new Profile(options);
		/* Samples that came, and what gaps said was lost: also of segments that have left the window. */
		this.received = 0;
		this.lost = 0;
		const { records_add } = this.profile;
		this.profile.records_add = (instance, segment, records, end_us) => {
			for (const record of records) {
				if (record.kind === wire.WIRE_RECORD_SAMPLES) this.received += record.count;
				if (record.kind === wire.WIRE_RECORD_GAP) this.lost += record.lost;
			}
			records_add.call(this.profile, instance, segment, records, end_us);
		};
		const { origin } = agent;
		/* Node's own WebSocket says no Origin; a page always does. */
		const Socket = class extends WebSocket {
			constructor(url, protocols) {
				super(url, protocols, { origin });
			}
		};
		this.feed = new LiveFeed({ url: `${origin}/`, token: agent.token, sink: this.profile,
			changed: () => {}, Socket, silence_ms: SILENCE_MS });
	}

	close() {
		const { socket } = this.feed;
		this.feed.stop();
		/* A stopped one would wait for an answer. */
		socket?.terminate();
	}

	/** Stops reading, as a page does whose machine sleeps. */
	pause() {
		this.feed.socket.pause();
	}

	resume() {
		this.feed.socket.resume();
	}

	/** The end of what has come, timeline. */
	get covered_us() {
		return this.profile.covered_us;
	}

	/** Waits until some time has been covered since a moment of the timeline. */
	async covered(seconds, from_us = this.profile.oldest_us) {
		await until(() => this.covered_us && this.covered_us >= (from_us || this.profile.oldest_us) + seconds * 1e6,
			`${seconds} s were streamed`, 30_000 + seconds * 1000);
	}

	/** What comes within the next seconds. @returns {Promise<[number, number]>} from, to */
	async stretch(seconds) {
		await until(() => this.covered_us, 'something was streamed');
		const from_us = this.covered_us;
		await this.covered(seconds, from_us);
		return [from_us, from_us + seconds * 1e6];
	}

	/** @returns {Sample[]} in order of time within each segment; frames of one stack are one array */
	samples(from_us = -Infinity, to_us = Infinity) {
		const { dictionary } = this.profile;
		const callOfStack = dictionary.calls_update();
		const threads = new Map();
		const stacks = new Map();
		const remembered = (map, key, make) => {
			if (!map.has(key)) map.set(key, make(key));
			return map.get(key);
		};
		const samples = [];
		for (const block of this.profile.blocks) {
			for (let row = 0; row < block.count; row++) {
				const time_us = block.start_us + block.time[row];
				if (time_us < from_us || time_us >= to_us) continue;
				samples.push({
					time_us,
					cpu: block.cpu[row],
					thread: remembered(threads, block.thread_ids[block.thread[row]], (id) => dictionary.thread(id)),
					frames: remembered(stacks, callOfStack[block.stack_ids[block.stack[row]]], (call) => this.frames(call)),
				});
			}
		}
		return samples;
	}

	/** The functions of a call, leaf first, without its process. */
	frames(call) {
		const { dictionary } = this.profile;
		const [parents] = dictionary.calls.columns;
		const frames = [];
		for (let at = call; at && parents[at]; at = parents[at])
			frames.push({ name: dictionary.call_name(at), kind: dictionary.call_kind(at), module: dictionary.call_module(at).name });
		return frames;
	}

	/** What is missing for good within a stretch: not what is still on its way. */
	gaps(from_us, to_us) {
		return this.profile.gaps(from_us, to_us).filter(({ reason }) => reason !== GAP_LOADING);
	}

	/** The newest value of a counter, enum wire_counter. */
	counter(counter) {
		return this.profile.counters.latest(counter);
	}
}

/**
 * Opens the stream of an agent; it ends with the test.
 * @param {import('node:test').TestContext} test
 */
export async function openStream(test, agent, options = {}) {
	const stream = new Stream(agent, options);
	test.after(() => stream.close());
	await until(() => stream.feed.state.kind === 'live', 'the stream was opened');
	return stream;
}

/** Whether any frame of a sample is a function of this name. @param {Sample} sample */
export const inFunction = (sample, name) => sample.frames.some((frame) => frame.name === name);

/** Starts any program as the first of a process group; the whole group is ended with the test. */
export function startProgram(test, program, args = [], options = {}) {
	const child = spawn(program, args, { stdio: 'ignore', detached: true, ...options });
	const ended = new Promise((resolve) => child.on('close', resolve));
	test.after(async () => {
		try {
			process.kill(-child.pid, 'SIGKILL');
		} catch (error) {
			if (error.code !== 'ESRCH') throw error;
		}
		await ended;
	});
	return child;
}
