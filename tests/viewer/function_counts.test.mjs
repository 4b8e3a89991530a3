/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of functions, modules, processes and threads, against plain counting. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { SegmentMaker, random_make } from "./records.mjs";

const { Profile } = await import("model/profile");
const { call_tree_build } = await import("model/call_tree");
const { function_rows, module_rows, process_rows, thread_rows } = await import("model/function_counts");

const start_us = 1_000_000_000_000_000;
const modules = { main: "app", run: "app", parse: "libx", read: "libx", copy: "libc" };

function samples_random(random) {
	const names = Object.keys(modules);
	return Array.from({ length: 3000 }, (_, i) => ({ time_us: start_us + i * 1000,
		process: random() < 0.5 ? "server" : "worker", tid: 100 + Math.floor(random() * 4),
		stack: Array.from({ length: Math.floor(random() * 6) }, () => {
			const name = names[Math.floor(random() * names.length)];
			return { name, module: modules[name] };
		}) }));
}

/** What each sample counts for, by a way to name its parts: a name once in all, the last one in itself. */
function counted(samples, parts) {
	const rows = new Map();
	for (const sample of samples) {
		const list = parts(sample);
		for (const name of new Set(list)) {
			const row = rows.get(name) ?? { self: 0, total: 0 };
			rows.set(name, { ...row, total: row.total + 1 });
		}
		if (list.length)
			rows.get(list.at(-1)).self++;
	}
	return [...rows].sort();
}

const rows_of = (rows) => rows.map(({ name, self, total }) => [name, { self, total }]).sort();

test("rows are those of plain counting, recursion counted once", () => {
	for (let seed = 1; seed <= 5; seed++) {
		const samples = samples_random(random_make(seed));
		const profile = new Profile();
		new SegmentMaker({ start_us }).fill(profile, samples);
		const range = { from_us: start_us + 500_000, to_us: start_us + 2_000_000 };
		const within = samples.filter(({ time_us }) => time_us >= range.from_us && time_us < range.to_us);
		const tree = call_tree_build(profile, [range]);
		assert.deepEqual(rows_of(function_rows(profile, tree)),
			counted(within, ({ stack }) => stack.map(({ name }) => name)));
		assert.deepEqual(rows_of(module_rows(tree)),
			counted(within, ({ stack }) => stack.map(({ module }) => module)));
		assert.deepEqual(rows_of(process_rows(tree)).map(([name, { total }]) => [name, total]),
			counted(within, ({ process }) => [process]).map(([name, { total }]) => [name, total]));
		assert.deepEqual(rows_of(thread_rows(profile, [range])).map(([name, { total }]) => [name, total]),
			counted(within, ({ process, tid }) => [`${process}/${tid % 100} ${tid}`]).map(([name, { total }]) => [name, total]));
	}
});
