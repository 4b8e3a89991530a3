/* SPDX-License-Identifier: Apache-2.0 */
/* Other looks at a call tree, and callers, against doing the same to one stack after another. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { SegmentMaker, random_make } from "./records.mjs";

const { Profile } = await import("model/profile");
const { call_tree_build, NameSearch } = await import("model/call_tree");
const { Shape } = await import("model/shape");
const { Callers } = await import("model/callers");
const { package_name } = await import("model/packages");

const start_us = 1_000_000_000_000_000;
const plain = { by: "function", recursion: false, steps: [] };
/* Function, module, file, package by hand. */
const functions = {
	main: ["app", "", "app"], run: ["app", "src/run.c", "app"], parse: ["libx", "src/parse.c", "libx"],
	copy: ["libc", "", "libc"], "net/http.Get": ["app", "", "net/http"],
	"com.shop.Cart::total": ["[jit]", "", "com.shop"],
	route: ["[jit]", "/srv/node_modules/express/lib/router.js", "express"],
};
const column = { module: 0, file: 1, package: 2 };
const names = Object.keys(functions);
const label_of = (name, by) => (by === "function" ? name : functions[name][column[by]] || functions[name][0]);

function samples_random(random, count = 600) {
	return Array.from({ length: count }, (_, i) => ({ time_us: start_us + i * 1000,
		process: random() < 0.5 ? "server" : "worker",
		stack: Array.from({ length: Math.floor(random() * 8) }, () => {
			const name = names[Math.floor(random() ** 2 * names.length)];
			return { name, module: functions[name][0], file: functions[name][1] };
		}) }));
}

function profile_of(samples) {
	const profile = new Profile();
	new SegmentMaker({ start_us }).fill(profile, samples);
	return profile;
}

const tree_of = (profile, from_us = 0, to_us = Infinity) => call_tree_build(profile, [{ from_us, to_us }]);

/** The stack of a sample as it is to be shown, from the root; null: it is not. */
function shown(sample, { by, recursion, steps }) {
	const has = (kind, label) => steps.some((step) => step.kind === kind && step.name === label);
	let labels = sample.stack.map(({ name }) => label_of(name, by));
	if (labels.some((label) => has("hide", label)))
		return null;
	const only = steps.findLast(({ kind }) => kind === "only")?.name;
	let root = [`process ${sample.process}`];
	if (only !== undefined) {
		const at = labels.indexOf(only);
		if (at < 0)
			return null;
		root = [];
		labels = labels.slice(at);
	}
	const closed = labels.findIndex((label) => has("close", label));
	if (closed >= 0)
		labels.splice(closed + 1);
	const path = [];
	labels.forEach((label, i) => {
		if (has("merge", label) && !(only !== undefined && i === 0))
			return;
		if (recursion && path.includes(label))
			path.splice(path.indexOf(label) + 1);
		else if (by === "function" || path.at(-1) !== label)
			path.push(label);
	});
	return [...root, ...path];
}

/** Samples by the way from the root, those in the node itself. */
function paths_of(tree, root) {
	const counts = {};
	for (let node = 0; node < tree.count; node++) {
		const path = [];
		for (let at = node; at > 0; at = tree.parent[at])
			path.unshift(tree.kind(at) ? tree.name(at) : `process ${tree.name(at)}`);
		if (tree.self[node])
			counts[[...root, ...path].join(" > ")] = tree.self[node];
	}
	return counts;
}

function counted(samples, path_of) {
	const counts = {};
	for (const sample of samples) {
		const path = path_of(sample);
		if (path)
			counts[path.join(" > ")] = (counts[path.join(" > ")] ?? 0) + 1;
	}
	return counts;
}

const root_of = ({ steps }) => steps.filter(({ kind }) => kind === "only").map(({ name }) => name).slice(-1);

test("every shape is what each stack for itself becomes", () => {
	const random = random_make(11);
	for (let round = 0; round < 24; round++) {
		const by = ["function", "module", "file", "package"][round % 4];
		const steps = Array.from({ length: Math.floor(random() * 4) }, () => ({
			kind: ["only", "hide", "merge", "close"][Math.floor(random() * 4)],
			name: label_of(names[Math.floor(random() * names.length)], by) }));
		const options = { by, recursion: random() < 0.5, steps };
		const samples = samples_random(random);
		const profile = profile_of(samples);
		const tree = new Shape(profile.dictionary, options).tree(tree_of(profile));
		assert.deepEqual(paths_of(tree, root_of(options)), counted(samples, (sample) => shown(sample, options)),
			JSON.stringify(options));
		assert.equal(tree.all, samples.length);
		for (let node = 1; node < tree.count; node++)
			assert.ok(tree.parent[node] < node);
	}
});

test("nodes keep their identities while more comes, and are found by them", () => {
	const samples = samples_random(random_make(5), 3000);
	const maker = new SegmentMaker({ start_us });
	const profile = new Profile();
	const shape = (maker.fill(profile, samples.slice(0, 400)), new Shape(profile.dictionary, { ...plain, by: "module" }));
	const before = shape.tree(tree_of(profile));
	maker.fill(profile, samples.slice(400));
	const after = shape.tree(tree_of(profile));
	assert.ok(after.count > before.count);
	for (let node = 0; node < before.count; node++) {
		const same = after.find(before.identity(node));
		assert.ok(same >= 0);
		assert.equal(after.name(same), before.name(node));
		assert.ok(after.total[same] >= before.total[node]);
	}
});

test("a search counts what is shown, and lines are those of the node", () => {
	const samples = samples_random(random_make(8));
	const profile = profile_of(samples);
	const options = { ...plain, steps: [{ kind: "merge", name: "run" }] };
	const tree = new Shape(profile.dictionary, options).tree(tree_of(profile));
	const search = (text) => tree.matches(new NameSearch(profile, new RegExp(text))).samples;
	assert.equal(search("^run$"), 0);
	assert.equal(search("^parse$"), samples.filter(({ stack }) => stack.some(({ name }) => name === "parse")).length);
	const node = Array.from({ length: tree.count }, (_, at) => at).find((at) => tree.name(at) === "parse");
	const [line, ...more] = tree.lines(node);
	assert.equal(line.file, "src/parse.c");
	assert.equal(line.samples, tree.total[node]);
	assert.deepEqual(more, []);
});

test("callers are those of each stack, from the outermost place upwards", () => {
	const samples = samples_random(random_make(3));
	const profile = profile_of(samples);
	for (const name of names) {
		const tree = new Callers(profile.dictionary, name).tree(tree_of(profile));
		assert.deepEqual(paths_of(tree, []), counted(samples, ({ process, stack }) => {
			const at = stack.findIndex((frame) => frame.name === name);
			return at < 0 ? null : [...stack.slice(0, at).map((frame) => frame.name).reverse(), `process ${process}`];
		}));
		assert.equal(tree.name(0), name);
	}
	assert.equal(new Callers(profile.dictionary, "none").tree(tree_of(profile)).total[0], 0);
});

test("packages of Java, node, Python and Go", () => {
	for (const [name, file, wanted] of [
		["Lcom/shop/Cart;::total", "", "com.shop"], ["java.util.HashMap.getNode(int)", "", "java.util"],
		["handle", "/srv/node_modules/@scope/web/lib/a.js", "@scope/web"],
		["emit", "node:events", "node:events"], ["read", "node:internal/streams/readable", "node:internal/streams"],
		["tick", "/srv/app/src/loop.mjs", "/srv/app/src"], ["py::get:/usr/lib/python3/dist-packages/requests/api.py", "", "requests"],
		["net/http.(*conn).serve", "", "net/http"], ["std::vector<int>::push_back", "", ""], ["memcpy", "", ""],
	])
		assert.equal(package_name(name, file), wanted, name);
});
