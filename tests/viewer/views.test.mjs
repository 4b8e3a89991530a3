/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the views that draw nothing: names, times, where a moment stands, layouts. */

import "./bare_names.mjs";
import assert from "node:assert/strict";
import { test } from "node:test";

process.env.TZ = "UTC";

const { name_escape, name_shorten } = await import("views/names");
const format = await import("views/format");
const { MapGeometry, column_width, unit_height } = await import("views/map_geometry");
const { FlameOrder, flame_layout } = await import("views/flame_layout");
const { heat_tables_make, hit_step_least, name_hash, name_shade, rgb_to_oklab } = await import("views/colors");
const { HeatScale } = await import("views/heat_scale");
const { MapInput } = await import("views/map_input");
const { link_read, link_write } = await import("views/page_link");
const { ranges_hull, ranges_repeat, ranges_span, ranges_text } = await import("views/ranges");

const thin = "\u2009";

test("demangled names lose their parameters, arguments and return type", () => {
	const names = {
		"foo(std::vector<int, std::allocator<int> >&, int)": "foo(…)",
		"std::vector<int, std::allocator<int>>::push_back(int const&) const":
			"std::vector<…>::push_back(…)",
		"void std::sort<__gnu_cxx::__normal_iterator<int*, std::vector<int> > >(int, long)":
			"std::sort<…>(…)",
		"std::pair<int, long> make<int, long>(int)": "make<int, long>(…)",
		"(anonymous namespace)::Foo::bar(int)": "(anon)::Foo::bar(…)",
		"<core::iter::adapters::map::Map<I,F> as core::iter::traits::iterator::Iterator>::next":
			"<Map as Iterator>::next",
		"main::{lambda(int)#1}::operator()(int) const": "main::{lambda#1}::operator()(…)",
		"foo(int) [clone .cold]": "foo(…) .cold",
	};
	for (const [name, short] of Object.entries(names))
		assert.equal(name_shorten(name), short);
});

test("operators keep the signs that look like brackets", () => {
	assert.equal(name_shorten("std::operator<<(std::ostream&, char const*)"), "std::operator<<(…)");
	assert.equal(name_shorten("Foo::operator()<int>(int) const"), "Foo::operator()<int>(…)");
	assert.equal(name_shorten("Foo::operator->() const"), "Foo::operator->()");
	assert.equal(name_shorten("operator new(unsigned long)"), "operator new(…)");
});

test("names of other kinds stay as they are", () => {
	for (const name of ["net/http.(*conn).serve", "libc.so.6+0x1234", "a<b", "foo->bar", "",
		"Function:^(anonymous) node:internal", "entry_SYSCALL_64_after_hwframe", "((((", ">>>)"])
		assert.equal(name_shorten(name), name);
});

test("of a function without a name only the file is shown", () => {
	assert.equal(name_shorten("/usr/lib/x86_64-linux-gnu/libc.so.6+0x27e3f"), "libc.so.6+0x27e3f");
	assert.equal(name_shorten("/a+0x1/b"), "/a+0x1/b");
});

test("hidden characters are shown, never obeyed", () => {
	assert.equal(name_escape("a\u202eb\u0007\u200b\ud800"), "a⟨U+202E⟩b⟨U+0007⟩⟨U+200B⟩⟨U+D800⟩");
	assert.equal(name_escape("naïve 名前 🔥"), "naïve 名前 🔥");
	assert.ok(name_escape("x".repeat(1e6)).length < 3000);
});

test("a hostile name takes no time", () => {
	const started = performance.now();
	name_shorten("<".repeat(2000));
	name_shorten("a(".repeat(900));
	name_shorten("operator".repeat(250));
	name_shorten("<T as ".repeat(300));
	name_shorten(`<${"(T as ".repeat(100)}${")".repeat(100)}>::f()`);
	assert.ok(performance.now() - started < 1000);
});

test("numbers are grouped, shares have two figures below ten", () => {
	assert.equal(format.count_text(1491), `1${thin}491`);
	assert.equal(format.count_text(12345678), `12${thin}345${thin}678`);
	assert.equal(format.share_text(34, 100), `34${thin}%`);
	assert.equal(format.share_text(9, 100), `9.0${thin}%`);
	assert.equal(format.share_text(0, 100), `0${thin}%`);
	assert.equal(format.share_text(1, 100000), `<0.1${thin}%`);
	assert.equal(format.share_text(1, 0), `0${thin}%`);
});

test("CPUs busy have two figures", () => {
	assert.deepEqual([0, 0.04, 0.0998, 0.27, 0.994, 0.996, 1.66, 9.94, 9.96, 63.7].map(format.cpus_text),
		["0", "0.04", "0.10", "0.27", "0.99", "1.0", "1.7", "9.9", "10", "64"]);
});

test("stretches of time are told in the unit that fits", () => {
	assert.equal(format.span_text(240e3), "240 ms");
	assert.equal(format.span_text(8.76e6), "8.760 s");
	assert.equal(format.span_text(59.9999e6), "1 min");
	assert.equal(format.span_text(194e6), "3 min 14 s");
	assert.equal(format.span_words(3720e6), "1 h 2 min");
});

test("a time that was typed is read, on the day that is nearer", () => {
	const near_us = Date.UTC(2026, 2, 1, 12, 3, 12) * 1e3;
	const read = (text) => format.time_parse(text, near_us, near_us - 100e6);
	assert.deepEqual(read("12:03:12.620"), { us: near_us + 620e3 });
	assert.deepEqual(read(" 12:04 "), { us: near_us + 48e6 });
	assert.deepEqual(read("99.5 s"), { us: near_us - 0.5e6 });
	assert.ok("error" in read("25:00:00"));
	assert.ok("error" in read("soon"));
	assert.ok("error" in read(""));
	const midnight_us = Date.UTC(2026, 2, 2, 0, 0, 1) * 1e3;
	assert.deepEqual(format.time_parse("23:59:59", midnight_us, 0), { us: midnight_us - 2e6 });
});

const geometry = new MapGeometry({ width: 1440, column: column_width(1440), unit: 5, rows: 50, scale: 1,
	first: 100 });

test("the map has whole columns, aligned right", () => {
	assert.equal(geometry.columns, 194);
	assert.equal(geometry.right, 1440 - 16);
	assert.equal(column_width(1280), 6);
	assert.equal(column_width(1920), 9);
	/* Of a capture: 10 s, 30 s and an hour. */
	assert.deepEqual([10, 30, 3600].map((seconds) => column_width(1440, 1364, seconds)), [64, 45, 7]);
	assert.equal(unit_height(900, 443), 5);
	assert.equal(unit_height(400, 443), 2);
});

test("a point and its moment agree, whatever the rows", () => {
	for (const rows of [10, 20, 25, 50, 100]) {
		const map = new MapGeometry({ width: 1440, column: column_width(1440), unit: 5, rows, scale: 1,
			first: 100 });
		for (const row of [0, 1, rows - 1]) {
			const { start_us } = map.cell_range(150, row);
			const y = map.offset_y(start_us - 150e6) - 1;
			const moment = map.moment(map.column_x(150) + 1, y);
			assert.equal(moment.second, 150);
			assert.equal(moment.row, row);
			assert.equal(moment.us % 1000, 0);
		}
	}
	const outside = geometry.moment(-50, -50);
	assert.deepEqual(outside, { second: 100, row: 49, us: 101e6 });
});

test("a stretch covers a part of its first and last second and all between; the same part of many seconds is one piece", () => {
	const { top, bottom, column, cells_height } = geometry;
	const x = (/** @type {number} */ second) => geometry.column_x(second);
	const pieces = (...ranges) => geometry.pieces(ranges.map(([from_s, to_s]) => ({ start_us: from_s * 1e6, end_us: to_s * 1e6 })));
	const part = cells_height / 5;
	assert.deepEqual(pieces([110.2, 110.4]), [{ x: x(110), y: bottom - 2 * part, width: column, height: part }]);
	assert.deepEqual(pieces([110.8, 113.2]), [{ x: x(110), y: top, width: column, height: part },
		{ x: x(111), y: top, width: 2 * column, height: cells_height }, { x: x(113), y: bottom - part, width: column, height: part }]);
	/* A whole second ends with its own column. */
	assert.deepEqual(pieces([110, 111]), [{ x: x(110), y: top, width: column, height: cells_height }]);
	assert.deepEqual(pieces([110.2, 110.4], [111.2, 111.4], [112.2, 112.4]), [{ x: x(110), y: bottom - 2 * part, width: 3 * column, height: part }]);
	assert.deepEqual(pieces([110.8, 111.2], [111.8, 112.2], [112.8, 113]).map(({ x, width }) => [x, width]), [[x(110), 3 * column], [x(111), 2 * column]]);
	/* Out of sight there is none, however long it is. */
	assert.deepEqual(pieces([-1e9, 100.2]), [{ x: x(100), y: bottom - part, width: column, height: part }]);
	assert.deepEqual(pieces([400, 500]), []);
});

/** parent, total of each node */
function tree_make(rows) {
	return { count: rows.length, parent: rows.map((row) => row[0]), total: rows.map((row) => row[1]),
		self: rows.map(() => 0), identity: (node) => node, name: (node) => `f${node}` };
}

test("a layout puts the larger first and covers each parent's samples", () => {
	const order = new FlameOrder(tree_make([[0, 100], [0, 30], [0, 70], [2, 60]]));
	const rects = flame_layout(order, { start: 0, end: 100 }, 1000);
	assert.deepEqual(rects.map(({ node, x0, x1 }) => [node, x0, x1]),
		[[0, 0, 1000], [2, 0, 700], [1, 700, 1000], [3, 0, 600]]);
	assert.deepEqual(order.window_of(1), { start: 70, end: 100 });
});

test("children of as many samples keep their order, among thousands", () => {
	const rows = [[0, 30000]];
	for (let i = 0; i < 20000; i++)
		rows.push([0, 1 + i % 2]);
	const order = new FlameOrder(tree_make(rows));
	const started = process.cpuUsage();
	const children = order.of(0);
	assert.ok(process.cpuUsage(started).user < 200e3);
	assert.deepEqual([...children.slice(0, 3)], [2, 4, 6]);
	assert.deepEqual([...children.slice(-2)], [19997, 19999]);
	assert.deepEqual([...children].sort((a, b) => a - b), rows.slice(1).map((_, i) => i + 1));
});

test("a window shows its callers at full width and nothing beside", () => {
	const order = new FlameOrder(tree_make([[0, 100], [0, 30], [0, 70], [1, 10]]));
	const rects = flame_layout(order, order.window_of(1), 1000);
	assert.deepEqual(rects.map(({ node, x0, x1 }) => [node, x0, x1]),
		[[0, 0, 1000], [1, 0, 1000], [3, 0, 333]]);
});

test("siblings too small to be seen become one block", () => {
	const rows = [[0, 1000], [0, 990]];
	for (let i = 0; i < 10; i++)
		rows.push([0, 1]);
	const rects = flame_layout(new FlameOrder(tree_make(rows)), { start: 0, end: 1000 }, 1000);
	assert.deepEqual(rects.at(-1), { node: -1, parent: 0, depth: 1, x0: 990, x1: 1000, total: 10,
		small: 10 });
});

test("by name, large ones stand in order of their names and small ones are put together where they stand", () => {
	const rows = [[0, 10000], [0, 4000], [0, 8], [0, 3000], [0, 9], [0, 2000], [0, 15], [0, 5]];
	const names = ["all", "c", "aa", "a", "z", "b", "bb", "zz"];
	const order = new FlameOrder(tree_make(rows), (node) => names[node]);
	/* Ten samples of ten thousand have a place by their name, what is less stands behind, by weight. */
	assert.deepEqual([...order.of(0)].map((node) => names[node]), ["a", "b", "bb", "c", "z", "aa", "zz"]);
	assert.deepEqual(order.window_of(1), { start: 5015, end: 9015 });
	const rects = flame_layout(order, { start: 0, end: 10000 }, 1000);
	assert.deepEqual(rects.slice(1).map(({ node, x0, x1, small }) => [node, x0, x1, small]),
		[[3, 0, 300, 0], [5, 300, 500, 0], [6, 500, 502, 0], [1, 502, 902, 0], [-1, 902, 904, 3]]);
	/* Wider, they are frames of their own. */
	const zoomed = flame_layout(order, { start: 5000, end: 5015 }, 1000);
	assert.deepEqual(zoomed.slice(1).map(({ node, x0, x1 }) => [node, x0, x1]), [[6, 0, 1000]]);
});

test("an empty tree has no rectangles", () => {
	assert.deepEqual(flame_layout(new FlameOrder(tree_make([[0, 0]])), { start: 0, end: 0 }, 100), []);
});

test("names spread over seven shades", () => {
	const shades = new Set();
	for (let i = 0; i < 200; i++)
		shades.add(name_shade(`function_${i}`));
	assert.deepEqual([...shades].sort(), [0, 1, 2, 3, 4, 5, 6]);
	assert.ok(name_hash("") >= 0 && name_hash("main") <= 1);
});

/* What somebody sees who lacks one kind of cones: Machado, Oliveira, Fernandes, "A Physiologically-based Model for Simulation of Color
 * Vision Deficiency" (2009), severity 1. */
const visions = {
	all: [1, 0, 0, 0, 1, 0, 0, 0, 1],
	protanopia: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
	deuteranopia: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881],
	tritanopia: [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900],
};

/** A pixel in OKLab, as it is seen. */
function seen(pixel, vision) {
	const linear = [0, 8, 16].map((shift) => ((pixel >>> shift) & 255) / 255)
		.map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
	return rgb_to_oklab([0, 3, 6].map((row) => linear.reduce((sum, value, at) => sum + vision[row + at] * value, 0))
		.map((value) => Math.min(1, Math.max(0, value)))
		.map((value) => 255 * (value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055)));
}

test("a cell with a hit differs from any cell without one, in both themes, for everybody", () => {
	for (const theme of ["light", "dark"])
		for (const [name, vision] of Object.entries(visions)) {
			const tables = heat_tables_make(theme);
			const others = [...tables.grey].map((pixel) => seen(pixel, vision));
			for (const kind of ["color", "single"])
				for (const hit of [...tables[kind].subarray(hit_step_least[kind])].map((pixel) => seen(pixel, vision)))
					for (const other of others) {
						const distance = Math.hypot(...hit.map((value, at) => value - other[at]));
						/* Two shades that are told apart side by side are 0.02 from one another. */
						assert.ok(distance > 0.04, `${theme}, ${name}, ${kind}: ${distance}`);
					}
		}
});

test("a drag is kept within what has happened and is still there", () => {
	const map = { now_us: () => 9_000_400, source: { oldest_us: () => 249_997 } };
	const range_to = (a_us, b_us) => MapInput.prototype.range_to.call({ map }, a_us, b_us);
	assert.deepEqual(range_to(1_000_000, 2_000_000), { start_us: 1_000_000, end_us: 2_000_000 });
	assert.deepEqual(range_to(2_000_000, 1_000_000), { start_us: 1_000_000, end_us: 2_000_000 });
	/* To the very start: what is selected has not left the window. */
	assert.deepEqual(range_to(2_000_000, 0), { start_us: 249_997, end_us: 2_000_000 });
	assert.deepEqual(range_to(0, 10_000_000), { start_us: 249_997, end_us: 9_001_000 });
	/* At least a millisecond, where there is one. */
	assert.deepEqual(range_to(1_000_000, 1_000_000), { start_us: 1_000_000, end_us: 1_001_000 });
	assert.equal(range_to(10_000_000, 11_000_000), null);
});

test("the same part of every second shown, in whole ones that have happened and are kept", () => {
	const map = { now_us: () => 104_300_000, source: { oldest_us: () => 101_100_000 }, geometry };
	const ranges_to = (a, b) => MapInput.prototype.ranges_to.call({ map, range_to: MapInput.prototype.range_to },
		{ second: a[0], us: a[0] * 1e6 + a[1] * 1e3 }, { second: b[0], us: b[0] * 1e6 + b[1] * 1e3 }, true);
	const bands = (from_ms, to_ms, ...seconds) => seconds.map((second) => ({ start_us: second * 1e6 + from_ms * 1e3, end_us: second * 1e6 + to_ms * 1e3 }));
	assert.deepEqual(ranges_to([103, 200], [110, 300]), bands(200, 300, 101, 102, 103, 104));
	assert.deepEqual(ranges_to([110, 300], [103, 200]), bands(200, 300, 101, 102, 103, 104));
	assert.deepEqual(ranges_to([110, 250], [103, 400]), bands(250, 400, 101, 102, 103));
	/* The end of a second is its own, and a band is a millisecond at least. */
	assert.deepEqual(ranges_to([102, 1000], [102, 1000]), bands(999, 1000, 101, 102, 103));
	assert.deepEqual(ranges_to([102, 0], [102, 0]), bands(0, 1, 102, 103, 104));
	map.now_us = () => 101_000_000;
	assert.equal(ranges_to([102, 0], [102, 10]), null);
});

test("ranges in words, as one, and repeated", () => {
	const [first] = ranges_repeat({ start_us: 3.2e6, end_us: 3.4e6 }, 1);
	assert.equal(ranges_text([first]), "200 ms");
	const bands = ranges_repeat(first, 60);
	assert.equal(ranges_text(bands), "60 × 200 ms");
	assert.deepEqual(ranges_hull(bands), { start_us: 3.2e6, end_us: 62.4e6 });
	assert.equal(ranges_span(bands), 12e6);
});

test("a link holds the same part of many seconds, and nothing that would not end", () => {
	const state = { terms: [], steps: [], selection: ranges_repeat({ start_us: 1e15 + 200e3, end_us: 1e15 + 300e3 }, 60), until_us: null, tab: "graph",
		baseline: "before", against: null, find: "", zoom: "", settings: {} };
	assert.equal(link_write(state), "from=1000000000.2&to=1000000000.3&seconds=60");
	assert.deepEqual(link_read(link_write(state), {}), state);
	for (const seconds of ["0", "-5", "1e9", "999999999", "x", ""])
		assert.equal(link_read(`from=10.2&to=10.3&seconds=${seconds}`, {}).selection?.length, 1, seconds);
	/* Of a longer one there is none in the next second. */
	assert.equal(link_read("from=10.2&to=12.3&seconds=60", {}).selection?.length, 1);
	assert.equal(link_read("from=10.2&to=10.1&seconds=60", {}).selection, null);
	for (const more of [{ baseline: "rest" }, { baseline: "chosen", against: { start_us: 1e15 - 40e6, end_us: 1e15 - 123e3 } }])
		assert.deepEqual(link_read(link_write({ ...state, tab: "compare", ...more }), {}), { ...state, tab: "compare", ...more });
	for (const baseline of ["12-10", "12-", "x", "-", ""])
		assert.equal(link_read(`from=10.2&to=10.3&tab=compare&baseline=${baseline}`, {}).baseline, "before", baseline);
	const steps = [{ kind: "only", name: "main&x=1" }, { kind: "hide", name: "a b" }, { kind: "merge", name: "ü;" }];
	assert.deepEqual(link_read(link_write({ ...state, steps }), {}), { ...state, steps });
	assert.equal(link_read("hide=a&".repeat(1000), {}).steps.length, 24);
});

test("scales go from idle to their end, in even steps or in finer ones, and the legend says what they paint", () => {
	for (const most of [1, 0.25]) {
		for (const log of [false, true]) {
			const scale = new HeatScale(most, log);
			assert.deepEqual([scale.part(0), scale.part(most), scale.part(2)], [0, 1, 1]);
			let before = -1;
			for (let share = 0; share <= most; share += most / 50) {
				const part = scale.part(share);
				assert.ok(part > before && Math.abs(scale.share(part) - share) < 1e-9);
				assert.ok(log ? part >= share / most : Math.abs(part - share / most) < 1e-12);
				before = part;
			}
		}
	}
});

test("a second may be wider or narrower, and whole columns stay aligned at the right", () => {
	for (const column of [1, 4, 24]) {
		const wide = new MapGeometry({ width: 1440, unit: 5, rows: 50, scale: 1, first: 0, gutter: 148, column });
		assert.equal(wide.columns, Math.floor((1440 - 148 - 16) / column));
		assert.equal(wide.right, 1440 - 16);
		assert.ok(wide.left >= 148 && wide.left < 148 + column);
	}
});
