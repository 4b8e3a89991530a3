/* SPDX-License-Identifier: Apache-2.0 */
/* Capture files: whole, cut at every byte, with bits flipped, and files that are none. */

import "./bare_names.mjs";
import { SegmentMaker, random_make } from "./records.mjs";
import { SegmentEncoder, chunk_encode, file_header_encode, file_trailer_encode } from "./wire_encoder.mjs";
import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";

const wire = await import("wire");
const { FileFeed } = await import("file_feed");
const { JoinedFeed } = await import("joined_feed");
const { Changes } = await import("model/changes");
const { GAP_JOINED, Profile, gap_is_loss } = await import("model/profile");
const { WireError } = await import("wire_bytes");

const start_us = 1_700_000_000_000_000;
const samples_of_chunk = 20, chunks_of_segment = 3, segments = 3;

/** A small capture, and where its chunks end. */
async function capture_make({ complete = true } = {}) {
	const parts = [file_header_encode()];
	const ends = [];
	let time_us = start_us;
	for (let segment = 1; segment <= segments; segment++) {
		const maker = new SegmentMaker({ segment, start_us: time_us });
		const encoder = new SegmentEncoder(segment);
		for (let i = 1; i <= chunks_of_segment; i++) {
			const samples = Array.from({ length: samples_of_chunk }, (_, n) => ({
				time_us: time_us + n * 10_000, cpu: n % 2, process: `process ${n % 3}`,
				stack: ["main", `work ${n % 5}`, `leaf ${segment} ${n % 7}`] }));
			time_us += samples_of_chunk * 10_000;
			parts.push(await encoder.chunk(maker.records(samples), time_us, i === chunks_of_segment));
			ends.push(Buffer.concat(parts).length);
		}
	}
	if (complete) {
		const index_offset = Buffer.concat(parts).length;
		parts.push(chunk_encode({ kind: wire.WIRE_CHUNK_INDEX, flags: 3, segment: 0, raw_size: 5 },
			deflateRawSync(Buffer.from("index"))), file_trailer_encode(index_offset));
	}
	return { bytes: Buffer.concat(parts), ends };
}

async function read(bytes) {
	const profile = new Profile();
	const feed = new FileFeed({ file: new Blob([bytes]), sink: profile });
	const outcome = await feed.read();
	return { profile, outcome, counts: profile.blocks.map(({ segment, count }) => [segment, count]) };
}

const whole = samples_of_chunk * chunks_of_segment;

test("a whole capture is read whole", async () => {
	const { profile, outcome, counts } = await read((await capture_make()).bytes);
	assert.deepEqual(counts, [[1, whole], [2, whole], [3, whole]]);
	assert.deepEqual({ ...outcome }, { complete: true, damaged: 0, error: null, segments: 3 });
	assert.ok(profile.blocks.every(({ state }) => state === "closed"));
	assert.equal(profile.loading, false);
	assert.deepEqual(profile.gaps(start_us, profile.covered_us), []);
});

test("a capture cut at any byte is read up to the cut", async () => {
	const { bytes, ends } = await capture_make();
	for (let cut = wire.wire_file_header.SIZE; cut < bytes.length; cut++) {
		const { profile, outcome } = await read(bytes.subarray(0, cut));
		const chunks = ends.filter((end) => end <= cut).length;
		assert.equal(profile.sample_count, chunks * samples_of_chunk, `cut at ${cut}`);
		assert.equal(profile.covered_us, chunks ? start_us + chunks * samples_of_chunk * 10_000 : 0);
		assert.equal(outcome.damaged, 0, `cut at ${cut}`);
		assert.equal(outcome.complete, false, `cut at ${cut}`);
	}
});

test("a file that is none, is too short or too new is refused, in words", async () => {
	const { bytes } = await capture_make();
	for (let cut = 0; cut < wire.wire_file_header.SIZE; cut++)
		await assert.rejects(read(bytes.subarray(0, cut)), WireError);
	await assert.rejects(read(Buffer.from("{\"nodes\":[]}".repeat(10))), /no capture of flickerscope/);
	await assert.rejects(read(file_header_encode({ version_major: 3 })),
		/has format 3, this one reads 1/);
	const minor = Buffer.concat([file_header_encode({ version_minor: 9 }), bytes.subarray(40)]);
	assert.equal((await read(minor)).profile.sample_count, 3 * whole);
});

test("a longer header of a newer minor version is skipped", async () => {
	const { bytes } = await capture_make();
	const longer = Buffer.concat([file_header_encode({ header_size: 56 }), Buffer.alloc(16, 0xee),
		bytes.subarray(40)]);
	assert.equal((await read(longer)).profile.sample_count, 3 * whole);
});

test("damage costs its segment only, from there on", async () => {
	const { bytes, ends } = await capture_make();
	const in_second = Buffer.from(bytes);
	in_second[ends[3] + 50] ^= 4; /* the second chunk of the second segment */
	const { profile, outcome, counts } = await read(in_second);
	assert.deepEqual(counts, [[1, whole], [2, samples_of_chunk], [3, whole]]);
	assert.equal(outcome.damaged, 1);
	assert.ok(outcome.error instanceof WireError);
	assert.equal(profile.block("00000000000000aa", 2).state, "damaged");
	assert.ok(profile.gaps(start_us, profile.covered_us).some(({ reason }) =>
		reason === wire.WIRE_GAP_DAMAGED));
});

test("any flipped bit ends in fewer samples or a typed error, and never hangs", async () => {
	const { bytes } = await capture_make();
	const random = random_make(3);
	for (let i = 0; i < 400; i++) {
		const flipped = Buffer.from(bytes);
		const at = Math.floor(random() * bytes.length);
		flipped[at] ^= 1 << Math.floor(random() * 8);
		try {
			const { profile } = await read(flipped);
			assert.ok(profile.sample_count >= whole, `byte ${at}: ${profile.sample_count}`);
		} catch (error) {
			assert.ok(error instanceof WireError && at < wire.wire_file_header.SIZE,
				`byte ${at}: ${error}`);
		}
	}
});

test("random content behind a header is read as nothing", async () => {
	const random = random_make(4);
	for (let i = 0; i < 20; i++) {
		const content = Buffer.from(Array.from({ length: 5000 }, () => Math.floor(random() * 256)));
		const { profile, outcome } = await read(Buffer.concat([file_header_encode(), content]));
		assert.equal(profile.sample_count, 0);
		assert.equal(outcome.damaged, 1);
	}
});

test("a segment that comes twice counts once", async () => {
	const { bytes, ends } = await capture_make({ complete: false });
	const first = bytes.subarray(40, ends[2]);
	const { profile, outcome } = await read(Buffer.concat([bytes, first]));
	assert.equal(profile.sample_count, 3 * whole);
	assert.ok(outcome.damaged > 0);
});

test("a file that is stopped is read no further", async () => {
	const { bytes } = await capture_make();
	const profile = new Profile();
	const feed = new FileFeed({ file: new Blob([bytes]), sink: profile });
	feed.stop();
	await feed.read();
	assert.equal(profile.sample_count, 0);
});

/** 20 s of one CPU, busy with some functions in turn; those of each build of the program have keys of their own. */
async function build_record(build, rate_hz, from_us, names) {
	const maker = new SegmentMaker({ start_us: from_us, frequency_mhz: rate_hz * 1000, wall_shift_s: build });
	const frame = (name) => ({ name, module: `/opt/build-${build}/shop`, key: `${build} ${name}` });
	const samples = Array.from({ length: 20 * rate_hz }, (_, i) => ({ time_us: from_us + Math.round(i * 1e6 / rate_hz),
		process: "shop", stack: ["main", names[i % names.length]].map(frame) }));
	const encoder = new SegmentEncoder(1);
	return new Blob([file_header_encode(), await encoder.chunk(maker.records(samples), from_us + 20e6, true)]);
}

test("two captures are one profile: a rebuilt program's functions are the same ones, and rates do not matter", async () => {
	/* The older one last, by another clock, by the same agent. */
	const before = await build_record(1, 99, start_us + 9e9 + 123_456, ["parse", "render", "render", "send"]);
	const file = await build_record(2, 297, start_us, ["parse", "parse", "parse", "send"]);
	const profile = new Profile({ by_name: true });
	const feed = new JoinedFeed({ before, file, sink: profile });
	const outcome = await feed.read();
	assert.deepEqual([outcome.damaged, outcome.segments, profile.blocks.length, profile.loading], [0, 2, 2, false]);
	const [first, second] = profile.blocks;
	assert.equal(profile.joined_us, second.start_us);
	const [border, ...others] = profile.gaps(profile.oldest_us, profile.covered_us);
	assert.deepEqual([border.from_us, border.to_us, border.reason, others.length], [first.covered_us, second.start_us, GAP_JOINED, 0]);
	assert.equal(gap_is_loss(border), false);
	assert.deepEqual(profile.known(first.start_us, second.covered_us), [[first.start_us, first.covered_us], [second.start_us, second.covered_us]]);
	assert.ok(second.start_us - first.covered_us >= 1e6 && second.start_us - first.covered_us < 2e6);
	assert.equal((second.start_us - start_us) % 1e6, 0, "offsets within the second stay what they were");
	assert.deepEqual([profile.wall_us(first.start_us), profile.wall_us(second.start_us)], [start_us + 9e9 + 123_456 - 1e6, start_us - 2e6]);
	const [was, is] = [first, second].map(({ start_us, covered_us }) => [{ from_us: start_us, to_us: covered_us }]);
	const changes = new Changes(profile, is, was);
	assert.deepEqual([changes.cpus_busy.now, changes.cpus_busy.before].map((cpus) => Math.round(cpus * 100) / 100), [1, 1]);
	const rows = Object.fromEntries(changes.functions(9).map(({ name, before, now, certainty }) => [name, [before, now, certainty].map((one) =>
		(typeof one === "number" ? Math.round(one * 100) / 100 : one))]));
	assert.deepEqual(rows, { parse: [0.25, 0.75, "certain"], render: [0.5, 0, "certain"] });
	/* The other way round, from the capture that was sampled less. */
	const back = new Changes(profile, was, is).cpus_busy;
	assert.deepEqual([back.now, back.before].map((cpus) => Math.round(cpus * 100) / 100), [1, 1]);
});
