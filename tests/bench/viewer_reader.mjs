/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures the way of a capture into the page's models under node: sums, inflating, records, profile. A
 * million samples of 8 CPUs at 99 Hz in segments of 60 s, the records of each second a chunk.
 *
 *   node tests/bench/viewer_reader.mjs
 */

import { SegmentMaker, random_make } from "../viewer/records.mjs";
import { SegmentEncoder, file_header_encode } from "../viewer/wire_encoder.mjs";

const { ChunkReader } = await import("chunk_reader");
const { FileFeed } = await import("file_feed");
const { SegmentReader } = await import("segment_reader");
const { Profile } = await import("model/profile");

const start_us = 1_700_000_000_000_000;
const cpu_count = 8, frequency_hz = 99, samples_wanted = 1_000_000, segment_s = 60;
const period_us = 1e6 / frequency_hz;
const random = random_make(11);

const stacks = Array.from({ length: 1000 }, (_, i) => Array.from({ length: 20 }, (_, depth) =>
	`function ${depth} ${depth < 8 ? i % 7 : i % (4 * depth)}`));

/** A second of samples, CPU by CPU. */
function second_of(from_us) {
	const samples = [];
	for (let cpu = 0; cpu < cpu_count; cpu++) {
		for (let at = from_us + cpu * period_us / cpu_count; at < from_us + 1e6; at += period_us) {
			const which = Math.floor(random() ** 3 * stacks.length);
			samples.push({ time_us: Math.round(at + random() * 50), cpu, stack: stacks[which],
				process: `process ${which % 12}`, tid: 100 + which % 40 });
		}
	}
	return samples;
}

async function capture_make() {
	const parts = [file_header_encode()];
	let at_us = start_us, samples = 0;
	for (let segment = 1; samples < samples_wanted; segment++) {
		const maker = new SegmentMaker({ segment, start_us: at_us, cpu_count });
		const encoder = new SegmentEncoder(segment);
		for (let second = 1; second <= segment_s; second++) {
			const batch = second_of(at_us);
			samples += batch.length;
			at_us += 1e6;
			parts.push(await encoder.chunk(maker.records(batch), at_us, second === segment_s));
		}
	}
	return { bytes: Buffer.concat(parts), samples };
}

function print(label, value, unit) {
	console.log(`${label.padEnd(52)} ${value.toFixed(value < 10 ? 2 : 1).padStart(9)} ${unit}`);
}

const { bytes, samples } = await capture_make();
print("capture, bytes a sample", bytes.length / samples, "B");
const empty = { records_add() {}, segment_end() {}, loading_set() {}, oldest_set() {} };

for (const [label, run] of [
	["chunks and their sums", async () => {
		const chunks = new ChunkReader();
		chunks.push(bytes.subarray(40));
		while (chunks.next())
			;
	}],
	["... inflated, and read as records", async () => {
		await new FileFeed({ file: new Blob([bytes]), sink: empty }).read();
	}],
	["... in the profile", async () => {
		const profile = new Profile();
		await new FileFeed({ file: new Blob([bytes]), sink: profile }).read();
		if (profile.sample_count !== samples)
			throw new Error(`${profile.sample_count} of ${samples} samples`);
	}],
]) {
	const times = [];
	for (let i = 0; i < 3; i++) {
		const started = performance.now();
		await run();
		times.push(performance.now() - started);
	}
	print(label, Math.min(...times), "ms");
}

/* How long a chunk takes from the socket to the model, one at a time. */
const delays = [];
let came = () => {};
const sink = { ...empty, records_add: () => came() };
const encoder = new SegmentEncoder(1);
const maker = new SegmentMaker({ segment: 1, start_us, cpu_count });
const reader = new SegmentReader("00000000000000aa", 1, sink);
const chunks = new ChunkReader();
for (let i = 0; i < 400; i++) {
	const samples_now = second_of(start_us + i * 50_000).slice(0, 40);
	const chunk = await encoder.chunk(maker.records(samples_now), start_us + (i + 1) * 50_000);
	const started = performance.now();
	const done = new Promise((resolve) => came = resolve);
	chunks.push(chunk);
	reader.chunk(chunks.next());
	await done;
	delays.push(performance.now() - started);
}
delays.sort((a, b) => a - b);
print("one chunk of 40 samples to its records, median", delays[200], "ms");
print("... 99th of 100", delays[395], "ms");
