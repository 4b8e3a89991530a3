/* SPDX-License-Identifier: Apache-2.0 */
/* What the page writes in formats of others, read by others, against plain counting. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { foldedCounts, pprofCounts, pprofRead, sorted, speedscopeCounts } from "../e2e/profiles.mjs";
import { SegmentMaker, random_make } from "./records.mjs";

const { Profile } = await import("model/profile");
const { call_tree_build } = await import("model/call_tree");
const { Shape } = await import("model/shape");
const { folded_write, pprof_write, speedscope_write } = await import("model/exports");

const start_us = 1_000_000_000_000_000;
const names = ["main", "run", "operator()(int, long)", "a name; with: much", "größe", "copy"];
const facts = { period_ns: 10101010, start_us, span_us: 1e6, title: "host" };

function samples_random(random) {
	return Array.from({ length: 2000 }, (_, i) => ({ time_us: start_us + i * 1000, process: random() < 0.5 ? "server" : "worker",
		stack: Array.from({ length: Math.floor(random() * 6) }, () => {
			const name = names[Math.floor(random() * names.length)];
			return { name, module: `lib${name.length}.so` };
		}) }));
}

function counted(samples, name_of = (name) => name) {
	const counts = new Map();
	for (const { stack } of samples) {
		const key = stack.map(({ name }) => name_of(name)).join("\n");
		counts.set(key, (counts.get(key) ?? 0) + 1);
	}
	return sorted(counts);
}

test("folded, pprof and speedscope hold every stack with its samples", () => {
	const samples = samples_random(random_make(4));
	const profile = new Profile();
	new SegmentMaker({ start_us }).fill(profile, samples);
	const tree = call_tree_build(profile, [{ from_us: 0, to_us: Infinity }]);
	assert.deepEqual(sorted(foldedCounts(folded_write(tree))), counted(samples, (name) => name.replace(/;/g, ":")));
	assert.deepEqual(sorted(speedscopeCounts(speedscope_write(tree, facts), facts.period_ns)), counted(samples));
	assert.deepEqual(sorted(pprofCounts(gzipSync(pprof_write(tree, facts)))), counted(samples));
	const { types, samples: [first], period } = pprofRead(gzipSync(pprof_write(tree, facts)));
	assert.deepEqual(types, ["samples count", "cpu nanoseconds"]);
	assert.equal(period, facts.period_ns);
	assert.equal(first.values[1], first.values[0] * facts.period_ns);
	assert.match(first.labels.process, /^(server|worker)$/);
	/* What the graph leaves out is not in them. */
	const shape = new Shape(profile.dictionary, { by: "function", recursion: false, steps: [{ kind: "hide", name: "run" }] });
	assert.deepEqual(sorted(foldedCounts(folded_write(shape.tree(tree)))), counted(samples.filter(({ stack }) =>
		!stack.some(({ name }) => name === "run")), (name) => name.replace(/;/g, ":")));
});
