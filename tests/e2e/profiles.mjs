/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in exported files, read by others than us where there are such: counts of samples by stack,
 * as a map from "outermost\ninner\n..." to a number. The process, or what stands for it, is not part of
 * a stack.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gunzipSync } from 'node:zlib';
import Ajv from 'ajv';
import { Profile } from 'pprof-format';

const require = createRequire(import.meta.url);
const schema_path = require.resolve('speedscope/dist/release/file-format-schema.json');
const valid = new Ajv({ strict: false }).compile(JSON.parse(readFileSync(schema_path, 'utf8')));

function add(counts, frames, count) {
	const key = frames.join('\n');
	counts.set(key, (counts.get(key) ?? 0) + count);
}

/** flamegraph.pl's way to read a line: the count is behind the last blank. */
export function foldedCounts(text) {
	const counts = new Map();
	for (const line of text.split('\n').filter(Boolean)) {
		const [, stack, count] = /^(.*)\s+(\d+)$/s.exec(line);
		add(counts, stack.split(';').slice(1), Number(count));
	}
	return counts;
}

/*
 * The rules by which FlameScope reads perf script text (its app/perf/regexp.py): what an event's line and a
 * frame's line look like. Beyond them, a place within a function is cut from its name only as perf writes it.
 */
const event_line = / +([0-9.]+): .+?:/s;
const frame_line = /^[\t ]*[0-9a-fA-F]+ (.+) \((.*?)\)$/s;

export function perfSamples(text) {
	const samples = [];
	for (const line of text.split('\n')) {
		const event = line.startsWith('\t') ? null : event_line.exec(line);
		if (event) {
			samples.push({ time: event[1], comm: /^ *([^0-9]+)/.exec(line)?.[1].trim(), frames: [], modules: [] });
		} else if (line) {
			const [, name, module] = frame_line.exec(line) ?? assert.fail(`no frame: ${line}`);
			samples.at(-1).frames.unshift(name.replace(/\+0x[0-9a-f]+$/, ''));
			samples.at(-1).modules.unshift(module);
		}
	}
	return samples;
}

export function perfCounts(text) {
	const counts = new Map();
	for (const { frames } of perfSamples(text)) add(counts, frames, 1);
	return counts;
}

export function pprofRead(bytes) {
	const profile = Profile.decode(gunzipSync(bytes));
	const { strings } = profile.stringTable;
	const functions = new Map(profile.function.map((row) => [Number(row.id), row]));
	const locations = new Map(profile.location.map((row) => [Number(row.id), row]));
	const mappings = new Map(profile.mapping.map((row) => [Number(row.id), row]));
	const text = (index) => strings[Number(index)];
	const samples = profile.sample.map((sample) => ({
		values: sample.value.map(Number),
		labels: Object.fromEntries(sample.label.map(({ key, str, num }) => [text(key), Number(str) ? text(str) : Number(num)])),
		/* Leaf first, and in a location what was inlined first. */
		frames: sample.locationId.flatMap((id) => locations.get(Number(id)).line.map((line) => ({
			name: text(functions.get(Number(line.functionId)).name),
			file: text(functions.get(Number(line.functionId)).filename),
			line: Number(line.line),
			module: text(mappings.get(Number(locations.get(Number(id)).mappingId))?.filename ?? 0),
		}))).reverse(),
	}));
	const types = profile.sampleType.map(({ type, unit }) => `${text(type)} ${text(unit)}`);
	return { samples, types, name: text(profile.mapping[0]?.filename ?? 0), period: Number(profile.period), time_ns: BigInt(profile.timeNanos), duration_ns: Number(profile.durationNanos) };
}

export function pprofCounts(bytes) {
	const counts = new Map();
	for (const { frames, values } of pprofRead(bytes).samples) add(counts, frames.map(({ name }) => name), values[0]);
	return counts;
}

/** Checked against the schema that speedscope publishes. */
export function speedscopeRead(text) {
	const file = JSON.parse(text);
	assert.ok(valid(file), JSON.stringify(valid.errors));
	return file;
}

/** @param {number} weight of one sample */
export function speedscopeCounts(text, weight) {
	const { shared, profiles } = speedscopeRead(text);
	const counts = new Map();
	for (const { samples, weights, endValue } of profiles) {
		assert.equal(samples.length, weights.length);
		assert.equal(weights.reduce((sum, one) => sum + one, 0), endValue);
		samples.forEach((stack, i) => {
			assert.equal(weights[i] % weight, 0);
			add(counts, stack.map((frame) => shared.frames[frame].name), weights[i] / weight);
		});
	}
	return counts;
}

export function d3Counts(text) {
	const counts = new Map();
	const visit = ({ name, value, children }, frames, depth) => {
		const own = depth > 1 ? [...frames, name] : [];
		const self = children.reduce((left, child) => left - child.value, value);
		assert.ok(self >= 0, `${name} has less than its children`);
		if (self) add(counts, own, self);
		for (const child of children) visit(child, own, depth + 1);
	};
	visit(JSON.parse(text), [], 0);
	return counts;
}

/** Counts of an exported file's bytes, by the name of its format. */
export function countsOf(format, bytes, weight = 1) {
	if (format === 'pprof') return pprofCounts(bytes);
	const text = bytes.toString('utf8');
	if (format === 'speedscope') return speedscopeCounts(text, weight);
	return { folded: foldedCounts, 'perf-script': perfCounts, d3: d3Counts }[format](text);
}

export const sorted = (counts) => [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
