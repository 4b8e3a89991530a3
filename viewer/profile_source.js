/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile as the views ask for it: columns, trees, sums and words. Their times are microseconds since
 * a whole second near the first one that came, so that they stay small and never move; what arrives
 * from before it has negative ones.
 */

import { later_here } from "later_fetch";
import { NameSearch, call_tree_build } from "model/call_tree";
import { completeness_share } from "model/completeness_share";
import { Heat, second_us } from "model/heat";
import { GAP_JOINED, GAP_LOADING, GAP_SKIPPED, Profile, gap_is_loss } from "model/profile";
import { count_text } from "views/format";
import * as wire from "wire";

/** @typedef {import("model/call_tree").CallTree} CallTree */
/** @typedef {import("model/filter").SampleFilter} SampleFilter */
/** @typedef {import("views/heat_map").Range} Range */
/** @typedef {import("views/heat_cells").ColumnData} ColumnData */
/** @typedef {import("views/cards").CellSummary} CellSummary */
/** @typedef {import("views/cards").FrameFacts} FrameFacts */
/** @typedef {import("views/selection_bar").Summary} Summary */
/** @typedef {import("views/status_bar").Facts} Facts */
/** @typedef {import("model/profile").Change} Change */
/** @typedef {import("model/perturbations").Mark} Mark */
/** @typedef {import("views/found_row").Moment} Moment */

/** Functions on a cell's card. */
const top_count = 3;
/** Looks at the graph that are kept. */
const shapes_max = 4;
/** Names that came late are shown after this: many come at once. */
const names_wait_ms = 500;
/** Columns whose hits are kept; more than a map shows. */
const hits_known_max = 4096;
/** Pieces of lost data that are closer than this are one gap. */
const gap_apart_us = 250000;
/** Over how long the agent's CPU time is taken together. */
const agent_span_s = 10;
/** Over how long the share of whole stacks is taken together while more comes. */
const stacks_span_s = 10;
/** The clocks of host and page are taken for one when data seems to come within this. */
const clocks_agree_ms = 2000;

/** @type {Record<number, string>} */
const gap_words = {
	[wire.WIRE_GAP_RING_FULL]: "more came than the buffer could hold",
	[wire.WIRE_GAP_RING_BUSY]: "the buffer was in use",
	[wire.WIRE_GAP_NOT_RUNNING]: "the agent was not running",
	[wire.WIRE_GAP_CLOCK_STEP]: "the clock was set",
	[wire.WIRE_GAP_OVERLOAD]: "the agent could not keep up",
	[wire.WIRE_GAP_DAMAGED]: "this part of the file cannot be read",
	[GAP_LOADING]: "it is still on its way",
	[GAP_SKIPPED]: "the agent had forgotten it before it was sent",
	[GAP_JOINED]: "one capture ends here, and the other begins",
};

/**
 * @type {{ key: string, filter: SampleFilter | null, changes: import("model/changes").Changes | null,
 * from_us: number, to_us: number }}
 */
const compared_none = { key: "", filter: null, changes: null, from_us: Infinity, to_us: -Infinity };

/**
 * Pieces that people see as one gap are one: losses are recorded each time the buffer is read.
 * @param {{ from_us: number, to_us: number }[]} gaps
 */
function gaps_count(gaps) {
	let count = 0, end_us = -Infinity;
	for (const { from_us, to_us } of gaps.sort((a, b) => a.from_us - b.from_us)) {
		if (from_us > end_us + gap_apart_us)
			count++;
		end_us = Math.max(end_us, to_us);
	}
	return count;
}

export class ProfileSource {
	/**
	 * @param {Profile} [profile]
	 * @param {() => boolean} [is_live] whether more is to come
	 * @param {string} [other] what the capture before this one is called, where two are compared
	 */
	constructor(profile = new Profile(), is_live = () => true, other = "") {
		this.other = other;
		/** Where the second of two captures begins, once both are read: each is then compared with the other. */
		this.joined_us = Infinity;
		this.profile = profile;
		this.heat = new Heat(profile);
		/** Once its part of the page is here. @type {import("model/unusual").Unusual | null} */
		this.unusual = null;
		/** What explains each mark; null: nothing does. @type {WeakMap<Mark, Moment["cause"]>} */
		this.causes = new WeakMap();
		this.live = is_live;
		/** The second of the timeline that the views' times count from. @type {number | null} */
		this.base_second = null;
		/** T = 0 of what people are shown, in seconds of the views. */
		this.zero_second = 0;
		this.zero_known = false;
		/** What is counted; null: everything. @type {SampleFilter | null} */
		this.filter = null;
		/** Where one thread alone was running, by row; set by who knows. @type {((second: number, rows: number) => number[] | null) | null} */
		this.single_rows = null;
		/** @type {NameSearch | null} */
		this.name_search = null;
		/** Hits by second, as long as the column is the same one. @type {Map<number,
		 * { column: object, hits: Uint8Array }>} */
		this.hits_known = new Map();
		/** The last tree, until the profile changes. */
		this.last = { key: "", tree: /** @type {CallTree | null} */ (null) };
		/** The last comparison, until the profile changes there: who clicks a mark asks for what its cause was found by. */
		this.compared = compared_none;
		/** Kept, so that what is looked at keeps its identity. @type {Map<string, import("model/shape").Shape>} */
		this.shapes = new Map();
		/** @type {import("model/callers").Callers | null} */
		this.callers_known = null;
		/** The share of whole stacks, until the profile changes. */
		this.stacks_known = /** @type {{ stacks: number, complete: number } | null} */ (null);
		/** Columns [from, end) look different; set by who shows them. */
		this.on_change = (/** @type {number} */ _from, /** @type {number} */ _end) => {};
		/** Identities of calls are others from now on; set by who keeps some. */
		this.on_renumbered = () => {};
		/** @type {ReturnType<typeof setTimeout> | undefined} */
		this.names_timer = undefined;
		/** By how much data was behind the page's clock at least, lately. */
		this.least_behind_ms = Infinity;
		this.forget = profile.listen((change) => this.profile_changed(change));
	}

	close() {
		this.forget();
		clearTimeout(this.names_timer);
		this.on_change = () => {};
		this.heat.close();
	}

	/** @param {Change} change */
	profile_changed({ from_us, to_us, names, renumbered }) {
		const { profile } = this;
		this.last.key = "";
		this.stacks_known = null;
		if (names || renumbered || (from_us < this.compared.to_us && to_us > this.compared.from_us))
			this.compared = compared_none;
		if (this.base_second === null) {
			if (!profile.blocks.length)
				return;
			this.base_second = Math.floor(this.first_sample_us() / second_us);
		}
		const oldest_second = Math.floor(this.first_sample_us() / second_us) - this.base_second;
		if (!this.zero_known || oldest_second < this.zero_second) {
			this.zero_known = true;
			this.zero_second = oldest_second;
			this.on_change(-Infinity, Infinity);
		}
		if (this.live() && profile.covered_us)
			this.least_behind_ms = Math.min(this.least_behind_ms, this.age_ms());
		if (names || renumbered)
			this.hits_known.clear();
		if (names && this.filter?.by_name)
			this.heat.columns.clear();
		if (renumbered) {
			if (this.name_search)
				this.name_search = new NameSearch(profile, this.name_search.pattern);
			this.on_renumbered();
			this.on_change(-Infinity, Infinity);
		} else if (names)
			this.names_later();
		if (from_us < to_us) {
			/* A thread is alone in half a second or not at all. */
			const { first, end } = this.heat.seconds_touched(from_us - (this.single_rows ? second_us / 2 : 0), to_us);
			this.on_change(first - this.base_second, end - this.base_second);
		}
	}

	/** The oldest sample that is kept. */
	first_sample_us() {
		const [oldest] = this.profile.blocks;
		return oldest ? oldest.start_us + (oldest.count ? oldest.time[0] : 0) : this.base_us;
	}

	names_later() {
		this.names_timer ??= setTimeout(() => {
			this.names_timer = undefined;
			this.on_change(-Infinity, Infinity);
		}, names_wait_ms);
	}

	get base_us() {
		return (this.base_second ?? 0) * second_us;
	}

	/* ---- time ---- */

	/** The end of what has happened; 0: nothing has. */
	now_us() {
		return this.profile.covered_us && this.profile.covered_us - this.base_us;
	}

	/** The start of what is kept. */
	oldest_us() {
		return this.profile.oldest_us && this.profile.oldest_us - this.base_us;
	}

	/** The wall clock at a time of the views. @param {number} us */
	to_wall_us(us) {
		return this.profile.wall_us(this.base_us + us);
	}

	/** @param {Range[]} ranges */
	wall(ranges) {
		return ranges.map(({ start_us, end_us }) => ({ start_us: this.to_wall_us(start_us), end_us: this.to_wall_us(end_us) }));
	}

	/** @param {number} wall_us */
	from_wall_us(wall_us) {
		return this.profile.timeline_us(wall_us) - this.base_us;
	}

	/** The wall clock at T = 0. */
	zero_wall_us() {
		return this.to_wall_us(this.zero_second * second_us);
	}

	/** What the axis says of a second; null: no time is known yet. @param {number} second */
	second_labels(second) {
		return this.base_second === null ? null
			: { wall_us: this.to_wall_us(second * second_us), age_s: second - this.zero_second };
	}

	/** How old the newest data is by the page's clock. */
	age_ms() {
		return Date.now() - this.profile.wall_us(this.profile.covered_us) / 1000;
	}

	/** How far behind the host the page is. The two clocks may differ: then only what changes counts. */
	behind_ms() {
		if (!this.profile.covered_us)
			return 0;
		const least = this.least_behind_ms;
		const agree = least >= 0 && least < clocks_agree_ms;
		return Math.max(0, this.age_ms() - (agree ? 0 : least));
	}

	/* ---- the map ---- */

	/**
	 * @param {number} second
	 * @param {number} rows
	 * @returns {ColumnData | null}
	 */
	column(second, rows) {
		if (this.base_second === null)
			return null;
		const column = this.heat.column(this.base_second + second, rows);
		if (!column)
			return null;
		const scale = 1 / Math.max(1, this.profile.facts().cpu_count);
		return {
			cells: column.busy.map((busy) => busy * scale),
			from_us: column.from_us,
			until_us: column.to_us,
			gaps: column.gaps.map((gap) => ({ ...gap, hatched: gap_is_loss(gap) })),
			hits: this.hits(this.base_second + second, rows, column),
			single: this.single_rows?.(this.base_second + second, rows) ?? null,
		};
	}

	/**
	 * @param {number} second of the timeline
	 * @param {number} rows
	 * @param {object} column made anew when its samples are others
	 */
	hits(second, rows, column) {
		if (!this.name_search)
			return null;
		const known = this.hits_known.get(second);
		if (known?.column === column)
			return known.hits;
		if (this.hits_known.size >= hits_known_max)
			this.hits_known.clear();
		const hits = this.heat.hits(second, rows, this.name_search);
		this.hits_known.set(second, { column, hits });
		return hits;
	}

	/** @param {Range} range of one cell @returns {CellSummary | null} null: nothing is known of it */
	cell({ start_us, end_us }) {
		const second = Math.floor(start_us / second_us);
		const rows = Math.round(second_us / (end_us - start_us));
		const row = Math.round((start_us - second * second_us) / (end_us - start_us));
		const column = this.heat.column((this.base_second ?? 0) + second, rows);
		if (!column)
			return null;
		const { cpu_count, event_kind } = this.profile.facts();
		const tree = this.tree_build([{ start_us, end_us }]);
		const offset = start_us - second * second_us;
		const gap = column.gaps.find(({ from_us, to_us }) =>
			from_us < offset + end_us - start_us && to_us > offset);
		return {
			samples: tree.total[0],
			cpus_busy: event_kind === wire.WIRE_EVENT_CPU_CLOCK ? column.busy[row] : null,
			cpu_count,
			top: tree.top_functions(top_count),
			gap: gap ? { lost: gap.lost, reason: gap_words[gap.reason] ?? "its reason is not known",
				whole: column.known[row] === 0 } : null,
		};
	}

	/* ---- the graph ---- */

	/** @param {Range[]} ranges @returns {import("model/call_tree").Range[]} of the timeline */
	timeline(ranges) {
		return ranges.map(({ start_us, end_us }) => ({ from_us: start_us + this.base_us, to_us: end_us + this.base_us }));
	}

	/** @param {Range[]} ranges @param {import("model/call_tree").Counting} [counting] @returns {CallTree} */
	tree_build(ranges, counting) {
		return call_tree_build(this.profile, this.timeline(ranges), this.filter, counting);
	}

	/** @param {Range[]} ranges @returns {CallTree} the same one as long as nothing has changed */
	tree(ranges) {
		const key = JSON.stringify(ranges);
		if (this.last.key !== key || !this.last.tree)
			this.last = { key, tree: this.tree_build(ranges) };
		return /** @type {CallTree} */ (this.last.tree);
	}

	/**
	 * A tree looked at in another way.
	 * @param {typeof import("model/shape").Shape} Shape
	 * @param {CallTree} tree
	 * @param {import("model/shape").ShapeOptions} options
	 */
	shaped(Shape, tree, { by, recursion, steps }) {
		const { dictionary } = this.profile;
		const key = JSON.stringify([by, recursion, steps]);
		let shape = this.shapes.get(key);
		if (shape?.dictionary !== dictionary) {
			/* One for the graph, one for callees. */
			if (this.shapes.size >= shapes_max)
				this.shapes.clear();
			this.shapes.set(key, shape = new Shape(dictionary, { by, recursion, steps }));
		}
		return shape.tree(tree);
	}

	/**
	 * Who called a function.
	 * @param {typeof import("model/callers").Callers} Callers
	 * @param {CallTree} tree
	 * @param {string} name
	 */
	callers(Callers, tree, name) {
		const { dictionary } = this.profile;
		if (this.callers_known?.dictionary !== dictionary || this.callers_known.name !== name)
			this.callers_known = new Callers(dictionary, name);
		return this.callers_known.tree(tree);
	}

	/* ---- filters ---- */

	/** Counts only what passes from now on. @param {SampleFilter | null} filter */
	filter_set(filter) {
		this.filter = filter;
		this.heat.filter_set(filter);
		this.hits_known.clear();
		this.last.key = "";
		this.on_change(-Infinity, Infinity);
	}

	/** Samples of a stretch, whatever the filter keeps. @param {Range[]} ranges */
	samples_unfiltered(ranges) {
		return this.profile.samples_in(this.timeline(ranges)).parts.reduce((sum, { first, end, weight }) => sum + (end - first) * weight, 0);
	}

	/** Looks for functions by name from now on. @param {RegExp | null} pattern */
	search(pattern) {
		this.name_search = pattern && new NameSearch(this.profile, pattern);
		this.hits_known.clear();
	}

	/** @param {CallTree} tree */
	matches(tree) {
		return this.name_search ? tree.matches(this.name_search)
			: { is_hit: () => false, samples: 0 };
	}

	/** @param {CallTree} tree @param {number} node @returns {FrameFacts} */
	frame_facts(tree, node) {
		return { name: tree.name(node), kind: tree.kind(node), process: tree.process_of(node),
			module: tree.module(node).name, lines: tree.lines(node), self: tree.self[node],
			total: tree.total[node] };
	}

	/* ---- what is unusual, and what changed ---- */

	/**
	 * Looks at what has come.
	 * @param {typeof import("model/unusual").Unusual} Unusual
	 * @param {number} budget_ms
	 * @returns {boolean} whether there is more
	 */
	unusual_update(Unusual, budget_ms) {
		this.unusual ??= new Unusual(this.profile, this.heat);
		return this.profile.facts().event_kind === wire.WIRE_EVENT_CPU_CLOCK &&
			this.unusual.update(budget_ms);
	}

	/** @returns {Moment[]} in order of time */
	moments() {
		const { marks, current } = this.unusual ?? { marks: [], current: null };
		return (current ? [...marks, current] : marks).map((mark) => ({ kind: mark.kind,
			start_us: mark.from_us - this.base_us, end_us: mark.to_us - this.base_us, busy: mark.busy,
			usual: mark.usual, level: mark.level, cause: this.causes.get(mark) ?? null }));
	}

	/** Looks up what is behind the newest mark of which that is not known: only one, since it takes a comparison. */
	cause_update() {
		const unknown = this.unusual?.marks.findLast((mark) => !this.causes.has(mark));
		if (unknown)
			this.causes.set(unknown, this.cause(unknown));
	}

	/** The function that explains most of a mark. @param {Mark} mark @returns {Moment["cause"]} */
	cause({ kind, from_us, to_us }) {
		const ranges = [{ start_us: from_us - this.base_us, end_us: to_us - this.base_us }];
		/* Marks are of the whole host, whatever is shown of it. */
		const changes = this.changes(ranges, this.baseline(ranges, "before", null), null);
		return changes?.explain().find(({ now, before }) => (kind === "down") === (now < before)) ?? null;
	}

	/** @returns {{ judging: boolean, unseen_cpu_s: number, is_full: boolean }} */
	unusual_facts() {
		const { unseen_cpu_s, is_full } = this.unusual ?? { unseen_cpu_s: Infinity, is_full: false };
		return { judging: Number.isFinite(unseen_cpu_s), unseen_cpu_s, is_full };
	}

	/**
	 * What a stretch is compared with.
	 * @param {Range[]} ranges
	 * @param {import("model/baselines").Baseline} choice
	 * @param {Range | null} chosen
	 * @returns {Range[]}
	 */
	baseline(ranges, choice, chosen) {
		const { base_us, profile, joined_us } = this, later = later_here();
		if (!later)
			return [];
		const of = this.timeline(ranges);
		const all = { from_us: profile.oldest_us, to_us: profile.covered_us };
		const sides = of[0].from_us < joined_us ? { own: { ...all, to_us: Math.min(all.to_us, joined_us) }, other: { ...all, from_us: joined_us } }
			: { own: { ...all, from_us: joined_us }, other: { ...all, to_us: joined_us } };
		const found = choice === "before" ? later.baseline_before(of[0], sides.own.from_us)
			: chosen && choice === "chosen" ? later.baseline_rest(of, this.timeline([chosen])[0])
			: this.other ? [sides.other] : later.baseline_rest(of, all);
		/* Time of which nothing is known is no time without work. */
		return found.flatMap(({ from_us, to_us }) => profile.known(from_us, to_us).map(([from, to]) => ({ from_us: from, to_us: to })))
			.map(({ from_us, to_us }) => ({ start_us: from_us - base_us, end_us: to_us - base_us }));
	}

	/**
	 * @param {Range[]} ranges
	 * @param {Range[]} baseline
	 * @param {SampleFilter | null} [filter]
	 * @returns {import("model/changes").Changes | null} null: its code has not come
	 */
	changes(ranges, baseline, filter = this.filter) {
		const later = later_here(), of = this.timeline(ranges), others = this.timeline(baseline), [first] = of;
		if (!later)
			return null;
		const found = of.length === 1 && this.unusual?.marks.some(({ from_us, to_us }) => from_us === first.from_us && to_us === first.to_us);
		const key = JSON.stringify([of, others, found]);
		if (this.compared.key !== key || this.compared.filter !== filter) {
			const all = [...of, ...others];
			this.compared = { key, filter, changes: new later.Changes(this.profile, of, others, filter, found),
				from_us: Math.min(...all.map(({ from_us }) => from_us)), to_us: Math.max(...all.map(({ to_us }) => to_us)) };
		}
		return this.compared.changes;
	}

	/* ---- words ---- */

	/** @param {Range[]} ranges @returns {Summary} */
	summary(ranges) {
		const tree = this.tree(ranges);
		const { cpu_count, event_kind } = this.profile.facts();
		return {
			samples: tree.total[0],
			counted_hz: tree.mixed ? 1e9 / tree.period_ns : 0,
			cpus_busy: event_kind === wire.WIRE_EVENT_CPU_CLOCK
				? this.profile.cpus_busy(this.timeline(ranges), this.filter) : null,
			cpu_count,
			processes: tree.processes(),
		};
	}

	/** How many are, lately; of a capture, in all of it. */
	stacks() {
		const { covered_us, oldest_us } = this.profile;
		const from_us = this.live() ? covered_us - stacks_span_s * second_us : oldest_us;
		this.stacks_known ??= completeness_share(this.profile, Math.max(oldest_us, from_us), covered_us);
		return this.stacks_known;
	}

	/** What this page had to let go. */
	evicted_words() {
		const { samples } = this.profile.evicted;
		return samples ? `The oldest ${count_text(samples)} samples did not fit into the page's memory.` : "";
	}

	/**
	 * @returns {Facts & { reached_hz: number, title: string, note: string, event: string,
	 * events: import("model/profile").FileEvent[], event_kind_is_time: boolean }}
	 */
	facts() {
		const { profile } = this;
		const facts = profile.facts();
		const { counters } = profile;
		const gaps = profile.gaps(profile.oldest_us, profile.covered_us).filter(gap_is_loss);
		const agent_us = counters.rate(wire.WIRE_COUNTER_AGENT_CPU_US, agent_span_s);
		const bpf_us = counters.rate(wire.WIRE_COUNTER_AGENT_BPF_US, agent_span_s);
		const seconds = (profile.covered_us - profile.oldest_us) / second_us;
		const mean = seconds > 0 ? profile.sample_count / seconds : 0;
		return {
			host: facts.host,
			kernel: facts.kernel,
			filter: facts.filter,
			title: facts.title,
			note: facts.note || this.evicted_words(),
			event: facts.event,
			events: facts.events,
			frequency_hz: facts.frequency_mhz / 1000,
			asked_hz: counters.latest(wire.WIRE_COUNTER_FREQUENCY_ASKED_MHZ) / 1000,
			cpu_count: facts.cpu_count,
			samples_per_s: (this.live() ? counters.rate(wire.WIRE_COUNTER_SAMPLES) : null) ?? mean,
			lost: gaps.reduce((sum, { lost }) => sum + lost, 0),
			gap_count: gaps_count(gaps),
			agent_cpus: agent_us === null ? null : (agent_us + (bpf_us ?? 0)) / second_us,
			unwind: {
				tables: counters.latest(wire.WIRE_COUNTER_UNWIND_TABLES),
				bytes: counters.latest(wire.WIRE_COUNTER_UNWIND_BYTES),
				building: counters.latest(wire.WIRE_COUNTER_UNWIND_BUILDING),
				no_room: counters.latest(wire.WIRE_COUNTER_UNWIND_NO_ROOM),
			},
			stacks: this.stacks(),
			reached_hz: profile.rate_reached_mhz() / 1000,
			/* A sample is then a fixed amount of CPU time. */
			event_kind_is_time: facts.event_kind === wire.WIRE_EVENT_CPU_CLOCK,
		};
	}
}
