/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes captures of large hosts: every CPU is busy all the time, and the calls are as those of programs are, ever
 * more different towards the leaf. A minute is made once and then written under each segment's head.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { SegmentMaker, random_make } from '../../viewer/records.mjs';
import { RecordEncoder, SegmentEncoder, file_header_encode } from '../../viewer/wire_encoder.mjs';

const wire = await import('../../../viewer/wire.js');
const start_us = 1_700_000_000_000_000;
const SEGMENT_S = 60, RATE_HZ = 99, DEPTH = 20, PROCESSES = 20;
/** Ticks of each CPU in a chunk: so many that it is not too large. */
const CHUNK_TICKS = 3;
/** Above this depth stacks share their calls, below it each is its own. */
const SHARED_DEPTH = 12;

/** Stacks that make about so many calls. */
function stacks_make(calls) {
	const made = (count) => (DEPTH - SHARED_DEPTH) * count +
		Array.from({ length: SHARED_DEPTH }, (_, depth) => Math.min(count, PROCESSES * 2 ** depth)).reduce((sum, more) => sum + more, PROCESSES);
	let count = PROCESSES;
	while (made(count) < calls) count += PROCESSES;
	return Array.from({ length: count }, (_, i) => ({ process: `process ${i % PROCESSES}`,
		stack: Array.from({ length: DEPTH }, (_, depth) => (depth < SHARED_DEPTH
			? `d${depth} f${Math.floor(i / PROCESSES) % 2 ** depth}` : `d${depth} f${i % (97 + depth)}`)) }));
}

/**
 * @param {string} path
 * @param {{ cpus: number, seconds: number, calls: number }} size seconds: whole minutes
 * @returns {Promise<number>} samples
 */
export async function capture_write(path, { cpus, seconds, calls }) {
	const random = random_make(17), stacks = stacks_make(calls);
	const maker = new SegmentMaker({ start_us, cpu_count: cpus, frequency_mhz: RATE_HZ * 1000 });
	const records = new RecordEncoder(), period_us = 1e6 / RATE_HZ;
	records.encode({ kind: wire.WIRE_RECORD_SEGMENT, head: maker.head });
	const raws = [];
	let samples = 0;
	for (let tick = 0; tick < SEGMENT_S * RATE_HZ; tick += CHUNK_TICKS) {
		const batch = [];
		for (let cpu = 0; cpu < cpus; cpu++)
			for (let at = tick; at < tick + CHUNK_TICKS; at++) {
				/* Some run all the time, and each runs in every minute. */
				const number = at * cpus + cpu;
				const which = number % 3 ? Math.floor(random() ** 2 * stacks.length) : number / 3 % stacks.length;
				batch.push({ time_us: start_us + Math.round((at + cpu / cpus) * period_us), cpu, tid: 100 + which % 300, ...stacks[which] });
			}
		samples += batch.length;
		raws.push(Buffer.concat(maker.records(batch).filter(({ kind }) => kind !== wire.WIRE_RECORD_SEGMENT)
			.map((record) => records.encode(record))));
	}
	const file = openSync(path, 'w');
	writeSync(file, file_header_encode());
	for (let segment = 1; segment <= seconds / SEGMENT_S; segment++) {
		const from_us = start_us + (segment - 1) * SEGMENT_S * 1e6;
		const encoder = new SegmentEncoder(segment);
		writeSync(file, await encoder.chunk([{ kind: wire.WIRE_RECORD_SEGMENT, head: { ...maker.head, segment, start_us: from_us } }], from_us));
		for (const [at, raw] of raws.entries())
			writeSync(file, await encoder.chunk_raw(raw, Math.round(from_us + (at + 1) * CHUNK_TICKS * period_us), at === raws.length - 1));
	}
	closeSync(file);
	return samples * seconds / SEGMENT_S;
}
