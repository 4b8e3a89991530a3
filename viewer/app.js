/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page: takes the token, opens a source and wires it to the views. All that changes is painted
 * once a frame; what is counted in words changes once a second.
 */

import { Connection, sentence } from "connection";
import { embedded_capture } from "embedded";
import { later_fetch, later_here, later_use } from "later_fetch";
import { ProfileSource } from "profile_source";
import { TransferError } from "transfer";
import { cell_card, cell_words, change_card, frame_card, small_card } from "views/cards";
import { change_shades_make, frame_shades_make, heat_tables_make, tokens_read } from "views/colors";
import { drop_listen } from "views/drop_target";
import { announce, by_id, element, text_set } from "views/elements";
import { EventMenu } from "views/event_menu";
import { FlameGraph } from "views/flame_graph";
import { flame_input_listen } from "views/flame_input";
import { GraphView, view_defaults } from "views/graph_view";
import { clock_text, count_text } from "views/format";
import { FoundRow, mark_shapes } from "views/found_row";
import { GraphPanel } from "views/graph_panel";
import { HeatMap } from "views/heat_map";
import { HoverCard } from "views/hover_card";
import { change_legend_show, legend_show } from "views/legend";
import { axis_height, marks_height, second_us, unit_height }
	from "views/map_geometry";
import { MapInput } from "views/map_input";
import { name_escape } from "views/names";
import { popover_is_open, popover_join } from "views/popover";
import { ranges_hull, ranges_repeat, ranges_span, ranges_text } from "views/ranges";
import { SelectionBar } from "views/selection_bar";
import { StatusBar, rate_text } from "views/status_bar";
import { theme_check, theme_shown, theme_toggle, theme_watch } from "views/theme";
import { token_take } from "views/token";

/** @typedef {import("model/changes").Changes} Changes */
/** @typedef {import("views/found_row").Moment} Moment */
/** @typedef {import("views/ranges").Range} Range */
/** @typedef {import("views/heat_map").Cell} Cell */
/** @typedef {import("views/flame_layout").FlameRect} FlameRect */
/** @typedef {import("page_tools").PageTools} PageTools */
/** @typedef {import("views/status_bar").State} State */

/** @typedef {typeof tabs[number]} Tab */

const tabs = /** @type {const} */ (["graph", "table", "callers", "compare"]);
/** In the legend of modules. */
const modules_named = 6;
const graph_height_min = 220;
/** While dragging the graph goes along until it costs this much, drawn. */
const drag_graph_ms = 10;
/** What graph and map take of a frame: what the map has more to paint comes with the next ones, a little in each. */
const paint_ms = 6, paint_least_ms = 2;
/** Below this share of the rate asked for, the fall is said in words. */
const rate_reached_min = 0.9;
/** One behind the other: how many frames in a row a rate may be low before it is said. */
const rate_low_seconds = 3;

/** The first columns go first. */
const later_wait_ms = 500;
/** What did not come is asked for again after this. */
const later_again_ms = 1000;

/** How long the page looks for unusual moments at a time, and how long it then does something else. */
const unusual_budget_ms = 6;
const unusual_pause_ms = 24;

export class Page {
	/**
	 * @param {File | null} capture that the page holds itself
	 * @param {string | null} token
	 */
	constructor(capture, token) {
		/** @type {ProfileSource} */
		this.source = new ProfileSource();
		this.map = new HeatMap(this.heat_source());
		this.card = new HoverCard();
		this.status = new StatusBar({
			follow: () => this.follow_toggle(),
			theme: () => theme_toggle(),
			help: () => this.help_open(),
			retry: () => this.connection.retry(),
			stacks: () => this.stacks_open(),
		});
		/** @type {FlameGraph} */
		this.graph = new FlameGraph({ scroller: by_id("graph-scroll", HTMLElement), space: by_id("graph-space", HTMLElement),
			canvas: by_id("graph", HTMLCanvasElement), words: by_id("graph-words", HTMLElement) },
		this.graph_events(() => this.graph));
		this.view = new GraphView(() => this.view_changed());
		/** Callers and callees, once somebody wants them. @type {import("views/callers_panel").CallersPanel | null} */
		this.callers = null;
		/** Functions that these were of, null: the one with most time; the one at callers_at is shown. */
		this.callers_names = /** @type {(string | null)[]} */ ([null]);
		this.callers_at = 0;
		/** @type {import("views/module_colors").ModuleColors | null} */
		this.module_colors = null;
		this.panel = new GraphPanel(this.graph, (pattern) => this.search_changed(pattern));
		this.input = new MapInput(this.map, {
			hover: (cell, point, by_key) => this.cell_hover(cell, point, by_key),
			preview: (ranges) => this.preview(ranges),
			select: (ranges) => this.select(ranges),
			scroll: (columns) => this.scroll(this.map.geometry.first + columns),
			mark: (mark) => this.moment_open(this.found.moments[mark]),
		});
		this.found = new FoundRow({ open: (moment) => this.moment_open(moment) });
		/** @type {import("views/changes_panel").ChangesPanel | null} */
		this.changes_panel = null;
		/** Once somebody wants it. @type {import("views/function_table").FunctionTable | null} */
		this.table = null;
		/** @type {Tab} */
		this.tab = "graph";
		/** What the selection is compared with, while it is. @type {import("model/baselines").Baseline | null} */
		this.compared = null;
		/** The stretch that somebody chose for it last. @type {Range | null} */
		this.against = null;
		/** @type {Changes | null} */
		this.changes = null;
		this.selection_bar = new SelectionBar({
			change: (first, count) => this.select_wall(first, count),
			clear: () => this.select(null),
			repeat: () => this.repeat(),
			save: (button) => this.save(button, this.selection && ranges_hull(this.selection)),
			compare: (choice) => this.compare(choice),
			swap: () => this.swap(),
			start_us: () => this.source.zero_wall_us(),
		});
		/** @type {Range[] | null} */
		this.selection = null;
		this.frame_asked = false;
		/** Of the search, in the graph. @type {ReturnType<ProfileSource["matches"]> | null} */
		this.matches = null;
		/** The graph is of another stretch than is shown, or of other data. */
		this.graph_stale = true;
		/** Of the drag that goes on. */
		this.graph_cost_ms = 0;
		this.previewing = false;
		this.unusual_busy = false;
		/** Whether there has been any data: what it says is not waited for. */
		this.begun = false;
		this.rate_low_count = 0;
		/** Filters, links and settings of the view, once they are here. @type {PageTools | null} */
		this.tools = null;
		/** @type {ReturnType<typeof setTimeout> | undefined} */
		this.later_timer = undefined;
		this.shades = frame_shades_make("light");
		flame_input_listen(this.graph);
		this.panel.back.addEventListener("click", () => this.go(-1));
		this.panel.forward.addEventListener("click", () => this.go(1));
		const export_button = by_id("export", HTMLButtonElement);
		export_button.addEventListener("click", () =>
			this.later(({ export_menu_open }) => export_menu_open(export_button, this)));
		const view_panel = by_id("view-panel", HTMLElement);
		popover_join(by_id("view", HTMLButtonElement), view_panel, () =>
			this.later(({ view_panel_fill }) => view_panel_fill(view_panel, this.view)));
		this.map.changed = this.graph.changed = () => this.frame_ask();
		this.tabs_listen();
		this.keys_listen();
		this.event_menu = new EventMenu((name) => this.connection.event_choose(name));
		drop_listen((file) => this.connection.open_file(file));
		theme_watch(() => this.color());
		new ResizeObserver(() => this.resize()).observe(this.graph.scroller);
		addEventListener("resize", () => this.resize());
		setInterval(() => this.second_passed(), 1000);
		document.addEventListener("visibilitychange", () => {
			if (!document.hidden)
				this.second_passed();
		});
		this.save_button = by_id("save", HTMLButtonElement);
		this.save_button.addEventListener("click", () => this.save(this.save_button, null));
		by_id("how-link", HTMLButtonElement).addEventListener("click", () => this.help_open());
		this.connection = new Connection({
			source: (source) => this.source_take(source),
			changed: (from, end) => this.data_changed(from, end),
			renumbered: () => this.graph.renumbered(this.graph_tree()),
			joined: () => this.joined_compare(),
			state: () => this.state_show(),
			notice: () => {
				this.notice_show(this.source.facts());
				this.message_show();
			},
		});
		this.color();
		this.resize();
		if (capture)
			this.connection.open_file(capture);
		else
			this.connection.open(token);
		this.second_passed();
	}

	/** The map asks whatever source there is. */
	heat_source() {
		return {
			column: (/** @type {number} */ second, /** @type {number} */ rows) =>
				this.source.column(second, rows),
			now_us: () => this.source.now_us(),
			oldest_us: () => this.source.oldest_us(),
			second_labels: (/** @type {number} */ second) => this.source.second_labels(second),
			live: () => this.source.live(),
			whole: () => this.source.now_us() > 0 && !this.source.live() && !this.source.profile.loading,
		};
	}

	/** Another profile: an agent that started again, or a capture. @param {ProfileSource} source */
	source_take(source) {
		this.source = source;
		this.begun = false;
		source.search(this.panel.pattern);
		this.tools?.source_taken();
		this.selection = this.map.selection = this.against = null;
		this.compared = this.changes = this.found.chosen_us = null;
		this.map.frozen_us = null;
		this.map.follow(true);
		this.graph.zoom_forget();
		this.graph_stale = true;
		this.map.all_changed();
		this.second_passed();
	}

	/**
	 * Columns [from, end) hold other data.
	 * @param {number} from
	 * @param {number} end
	 */
	data_changed(from, end) {
		this.map.columns_changed(from, end);
		const range = ranges_hull(this.graph_ranges());
		if (from * second_us < range.end_us && end * second_us > range.start_us)
			this.graph_stale = true;
	}

	/** What the graph is of. @returns {Range[]} */
	graph_ranges() {
		return this.selection ?? [this.map.shown_range()];
	}

	frame_ask() {
		if (this.frame_asked)
			return;
		this.frame_asked = true;
		requestAnimationFrame((now_ms) => {
			this.frame_asked = false;
			this.frame(now_ms);
		});
	}

	/** @param {number} now_ms */
	frame(now_ms) {
		if (!this.begun && this.source.now_us()) {
			this.begun = true;
			this.second_passed();
			/* The agent may be gone when somebody wants it. */
			this.later_come(location.hash ? 0 : later_wait_ms);
		}
		if (this.map.geometry.column !== this.map.column_width())
			this.resize();
		const goes_along = this.previewing && this.graph_cost_ms < drag_graph_ms, started_ms = performance.now();
		if (goes_along)
			this.graph_update();
		for (const graph of this.graphs())
			graph.paint(now_ms);
		const cost_ms = performance.now() - started_ms;
		if (goes_along)
			this.graph_cost_ms = cost_ms;
		const { first } = this.map.geometry;
		this.map.paint(Math.max(paint_least_ms, paint_ms - cost_ms));
		if (first !== this.map.geometry.first)
			this.input.moved();
		this.tools?.frame();
	}

	/** Those that are there. @returns {FlameGraph[]} */
	graphs() {
		return [this.graph, ...this.callers?.graphs ?? []];
	}

	/** What is in words and what is counted: once a second. */
	second_passed() {
		theme_check();
		const facts = this.source.facts();
		this.status.facts_show(facts);
		document.title = facts.host ? `${name_escape(facts.host)} · flickerscope` : "flickerscope";
		this.legend_show();
		this.rate_watch(facts);
		this.event_menu.show(this.connection.can_choose_event() ? facts.events : [], facts.event);
		this.tools?.second_passed();
		this.state_show();
		this.message_show();
		if (!this.previewing && !document.hidden)
			this.graph_refresh();
		this.unusual_update();
		this.input.moved();
	}

	graph_refresh() {
		if (this.graph_stale || (!this.selection && this.map.following))
			this.graph_update();
		else
			this.selection_show();
	}

	/** What ran, as it is looked at. */
	graph_tree(tree = this.source.tree(this.graph_ranges())) {
		if (this.view.is_plain())
			return tree;
		const later = this.later_now();
		return later ? this.source.shaped(later.Shape, tree, this.view.options) : tree;
	}

	/** Counts the stretch and shows it. */
	graph_update() {
		this.graph_stale = false;
		const tree = this.changes_update() ?? this.graph_tree();
		this.graph.cpus_of_rate = (tree.period_ns || 1e9) / 1e9;
		this.look_set(tree);
		this.graph.tree_show(tree);
		this.panel.kinds_show(tree.kinds());
		this.callers_show();
		this.matches_show();
		this.table_show();
		this.trail_show();
		this.selection_show();
		this.graph_message();
		this.tools?.graph_updated(tree);
		this.frame_ask();
	}

	/** The way to the zoom, and how to read what is below. */
	trail_show() {
		if (this.tab === "callers")
			return;
		/* The table is of the stretch, whatever the graph leaves out. */
		if (this.tab === "table") {
			const samples = this.source.tree(this.graph_ranges()).total[0];
			this.panel.trail_replace([element("b", "", `All ${count_text(samples)} samples`)], { back: false, forward: false });
		} else {
			this.panel.trail_show();
		}
		const { layout, steps } = this.view.options;
		const stands = layout === "flame" && !this.changes ? "stands on" : "sits under";
		this.panel.hint_show(this.tab === "table" ? "Self: time in the function itself. Total: in it and all that it called."
			: this.graph.zoomed() || steps.length ? ""
				: `Width is time on a CPU; each function ${stands} the one that called it. Click to zoom, right-click for more.`);
	}

	/** How the graph is drawn. @param {import("model/call_tree").CallTree} tree */
	look_set(tree) {
		const { color, layout } = this.changes ? view_defaults : this.view.options;
		const later = color === "module" ? this.later_now() : null;
		const modules = later ? this.module_colors ??= new later.ModuleColors() : null;
		modules?.color(theme_shown());
		this.graph.look_set({ flipped: layout === "flame", by_name: this.view.by_name(this.source.live() && this.map.following && !this.selection),
			modules });
		for (const graph of this.callers?.graphs ?? [])
			graph.look_set({ flipped: graph.flipped, by_name: graph.by_name, modules });
		const names = modules?.take(tree, modules_named) ?? [];
		this.panel.modules_show(modules ? names.map((name) => ({ name, color: modules.of(name).plain[3] })) : []);
	}

	view_changed() {
		this.graph_update();
	}

	/* ---- callers and callees ---- */

	/** @param {string} name */
	callers_open(name) {
		if (this.tab !== "callers" || this.callers_names[this.callers_at] !== name)
			this.callers_names.splice(++this.callers_at, Infinity, name);
		this.tab_open("callers");
	}

	/** Back or forth in what the tab shows. @param {-1 | 1} step @returns {boolean} whether there was something */
	go(step) {
		if (this.tab !== "callers")
			return this.graph.zoom_step(step);
		const at = this.callers_at + step;
		if (at < 0 || at >= this.callers_names.length)
			return false;
		this.callers_at = at;
		this.callers_show();
		return true;
	}

	callers_show() {
		const later = this.tab === "callers" ? this.later_now() : null;
		if (later)
			(this.callers ??= later.callers_panel_make(this)).show(this);
	}

	/** Goes on from a frame. @param {FlameGraph} graph @param {FlameRect} rect */
	callers_follow(graph, rect) {
		const { tree } = graph;
		if (tree && rect.node >= 0 && tree.kind(rect.node))
			this.callers_open(tree.name(rect.node));
	}

	/**
	 * @param {() => FlameGraph} graph_of
	 * @returns {import("views/flame_graph").FlameEvents}
	 */
	graph_events(graph_of) {
		return {
			/* A block of small ones opens its parent, where they are wider. */
			chosen: (rect) => graph_of().zoom_to(rect.node >= 0 ? rect.node : rect.parent),
			zoomed: () => {
				this.trail_show();
				this.tools?.link_soon();
			},
			hover: (rect, point) => this.frame_hover(graph_of(), rect, point),
			menu: (rect, point) => this.later(({ frame_menu_open }) => frame_menu_open(this, graph_of(), rect, point)),
			callers: (rect) => this.callers_follow(graph_of(), rect),
		};
	}

	graph_message() {
		const { tree } = this.graph;
		if (tree && tree.total[0] > 0) {
			this.panel.message_show("");
			return;
		}
		if (tree && tree.all > 0) {
			this.panel.message_show("Nothing is left of this stretch by what the graph leaves out.", "Show all again",
				() => this.view.set({ steps: [] }));
			return;
		}
		const all = this.source.filter ? this.source.samples_unfiltered(this.graph_ranges()) : 0;
		if (all) {
			this.panel.message_show(`No sample passes these filters; ${count_text(all)} do without them.`, "Clear filters",
				() => this.tools?.filters.set([]));
			return;
		}
		const brighter = theme_shown() === "dark" ? "brighter" : "darker";
		this.panel.message_show(!this.source.now_us() ? "" : this.selection
			? `The CPUs were idle here. Select a ${brighter} stretch.`
			: "Nothing has run in what the map shows.");
	}

	/* ---- comparing ---- */

	/** @returns {import("model/changes").ChangeTree | null} null: nothing is compared */
	changes_update() {
		const { selection, compared } = this;
		const baseline = selection && compared && !this.previewing
			? this.source.baseline(selection, compared, this.against) : [];
		this.changes = selection && compared && !this.previewing
			? this.source.changes(selection, baseline) : null;
		this.map.baseline = baseline;
		this.map.overlay_changed();
		this.changes_panel?.show(this.changes);
		this.tabs_show();
		/* The panel takes its width from the graph. */
		this.graph.resize();
		return this.changes?.comparable ? this.changes.tree : null;
	}

	/** @param {import("model/baselines").Baseline | null} [choice] of what is the same in every second the rest of these is the news */
	compare(choice = this.source.other || this.selection && this.selection.length > 1 ? "rest" : "before") {
		if (choice && !this.changes_panel) {
			this.later((later) => {
				this.later_take(later);
				this.compare(choice);
			});
			return;
		}
		this.compared = choice;
		if (choice && !this.selection)
			this.select([this.map.shown_range()]);
		else
			this.graph_update();
	}

	/** @param {Range} range that the selection is compared with */
	compare_with(range) {
		this.against = range;
		this.compare("chosen");
	}

	/** The other way round. */
	swap() {
		const { selection, map: { baseline } } = this;
		if (!selection)
			return;
		[this.against] = selection;
		this.compared = "chosen";
		this.select_shown(baseline);
	}

	/** Two captures: all of the second against the first, unless somebody chose already. */
	joined_compare() {
		const { source } = this;
		const start_us = source.joined_us - source.base_us;
		if (this.selection || this.tools?.linked || !(start_us < source.now_us()))
			return;
		this.select_shown([{ start_us, end_us: source.now_us() }]);
		this.compare("rest");
	}

	/** @param {Moment | undefined} moment */
	moment_open(moment) {
		if (!moment)
			return;
		this.found.chosen_us = moment.start_us;
		this.compared = "before";
		this.select_shown([{ start_us: moment.start_us, end_us: moment.end_us }]);
		this.found_show();
	}

	/** @param {Tab} tab */
	tab_open(tab) {
		this.tab = tab;
		this.compare(tab === "compare" ? this.compared ?? undefined : null);
	}

	tabs_listen() {
		tabs.forEach((name, i) => {
			const tab = by_id(`tab-${name}`, HTMLButtonElement);
			tab.addEventListener("click", () => this.tab_open(name));
			tab.addEventListener("keydown", (event) => {
				if (event.key !== "ArrowLeft" && event.key !== "ArrowRight")
					return;
				event.preventDefault();
				const step = event.key === "ArrowLeft" ? tabs.length - 1 : 1;
				const other = tabs[(i + step) % tabs.length];
				this.tab_open(other);
				by_id(`tab-${other}`, HTMLButtonElement).focus();
			});
		});
	}

	tabs_show() {
		if (this.compared)
			this.tab = "compare";
		else if (this.tab === "compare")
			this.tab = "graph";
		for (const name of tabs) {
			const tab = by_id(`tab-${name}`, HTMLButtonElement);
			tab.setAttribute("aria-selected", String(name === this.tab));
			tab.tabIndex = name === this.tab ? 0 : -1;
		}
		const shows_graph = this.tab === "graph" || this.tab === "compare";
		const by_module = this.view.options.color === "module";
		by_id("kinds", HTMLElement).hidden = this.tab === "compare" || this.tab === "table" || by_module;
		by_id("module-legend", HTMLElement).hidden = this.tab === "compare" || this.tab === "table" || !by_module;
		by_id("view", HTMLElement).hidden = this.tab !== "graph";
		by_id("export", HTMLElement).hidden = !shows_graph;
		this.view.chips.hidden = this.tab !== "graph" || !this.view.options.steps.length;
		by_id("callers", HTMLElement).hidden = this.tab !== "callers";
		by_id("change-legend", HTMLElement).hidden = this.tab !== "compare";
		by_id("table", HTMLElement).hidden = this.tab !== "table";
		this.graph.scroller.hidden = !shows_graph;
	}

	table_show() {
		const later = this.tab === "table" ? this.later_now() : null;
		if (!later)
			return;
		this.table ??= new later.FunctionTable({ changed: () => this.table_show(), find: (name) => {
			this.panel.find(name);
			this.tab_open("graph");
		} });
		const ranges = this.graph_ranges();
		const { total: [samples], period_ns } = this.source.tree(ranges), seconds = ranges_span(ranges) / second_us;
		this.table.show(later.table_rows(this.source, ranges, this.table.by), { samples, pattern: this.panel.pattern,
			cpus_of_sample: this.source.facts().event_kind_is_time && seconds > 0 ? period_ns / 1e9 / seconds : 0 });
	}

	/* ---- what is unusual ---- */

	/** A little at a time: a history of hours is looked at as well. */
	unusual_update() {
		if (this.unusual_busy)
			return;
		const later = later_here();
		this.unusual_busy = later !== null && this.source.unusual_update(later.Unusual, unusual_budget_ms);
		this.source.cause_update();
		this.found_show();
		if (this.unusual_busy)
			setTimeout(() => {
				this.unusual_busy = false;
				this.unusual_update();
			}, unusual_pause_ms);
	}

	found_show() {
		const { source, map } = this;
		const moments = source.moments();
		by_id("found", HTMLElement).hidden = !source.now_us();
		const { start_us, end_us } = map.shown_range();
		this.found.show(moments, { ...source.unusual_facts(), live: source.live(),
			on_screen: moments.filter((moment) => moment.start_us < end_us && moment.end_us > start_us).length,
			span_us: Math.round((source.now_us() - source.oldest_us()) / second_us) * second_us,
			wall_us: (us) => source.to_wall_us(us) });
		const current = this.selection && this.found.chosen_us;
		const marks = moments.map((moment) => ({ start_us: moment.start_us, end_us: moment.end_us,
			shape: mark_shapes[moment.kind], current: moment.start_us === current }));
		if (JSON.stringify(marks) === JSON.stringify(map.marks))
			return;
		map.marks = marks;
		map.overlay_changed();
	}

	/** Which frames match. */
	hits_show() {
		for (const graph of this.graphs()) {
			const found = graph.tree && this.panel.pattern ? this.source.matches(graph.tree) : null;
			graph.search(found && found.is_hit);
			if (graph === this.graph)
				this.matches = found;
		}
	}

	matches_show() {
		this.hits_show();
		this.share_show();
	}

	/** How much it is that matches. */
	share_show() {
		this.panel.result_show(this.matches?.samples ?? 0, this.graph.tree?.total[0] ?? 0);
	}

	/** @param {RegExp | null} pattern */
	search_changed(pattern) {
		this.source.search(pattern);
		this.hits_show();
		if (!pattern)
			this.share_show();
		this.table_show();
		this.callers_show();
		this.frame_ask();
		/* The graph comes first; then how much it is, behind which the map begins. */
		requestAnimationFrame(() => requestAnimationFrame(() => {
			this.share_show();
			this.map.cells_changed();
		}));
	}

	/* ---- selection ---- */

	/** @param {Range[]} ranges */
	preview(ranges) {
		if (!this.previewing)
			this.graph_cost_ms = 0;
		this.previewing = true;
		this.selection = this.map.selection = ranges;
		this.graph_stale = true;
		this.map.overlay_changed();
		this.selection_show();
	}

	/** @param {Range[] | null} ranges */
	select(ranges) {
		this.previewing = false;
		this.selection = this.map.selection = ranges;
		if (!ranges)
			this.compared = null;
		this.graph_stale = true;
		this.map.overlay_changed();
		this.graph_update();
		announce(ranges ? `${ranges_text(ranges)} selected` : "Nothing selected");
	}

	/**
	 * By times of the wall clock, typed by somebody.
	 * @param {Range} first
	 * @param {number} count of seconds that it is the same part of
	 */
	select_wall(first, count) {
		this.select_shown(ranges_repeat({ start_us: this.source.from_wall_us(first.start_us),
			end_us: this.source.from_wall_us(first.end_us) }, count));
	}

	/** The same part of every second shown, or of the first of them again. */
	repeat() {
		const { selection, input } = this;
		if (!selection)
			return;
		const [{ start_us, end_us }] = selection;
		const second = Math.floor(start_us / second_us);
		if (selection.length > 1)
			this.select([selection[0]]);
		else if (end_us <= (second + 1) * second_us)
			this.select(input.ranges_to({ second, us: start_us }, { second, us: end_us }, true) ?? selection);
	}

	/** Selects what may be out of sight. @param {Range[]} ranges */
	select_shown(ranges) {
		this.select(ranges);
		const range = ranges_hull(ranges);
		if (!this.map.following || range.start_us < this.map.geometry.first * second_us) {
			this.follow(false);
			this.map.reveal(range);
		}
	}

	/** What is wrong with the selection, if anything. */
	selection_problem() {
		const { selection, source } = this;
		if (!selection || !source.now_us())
			return null;
		const oldest_us = source.oldest_us();
		const [{ start_us }] = selection;
		if (start_us < oldest_us) {
			const rounded_us = Math.ceil(oldest_us / second_us) * second_us;
			/* By whole seconds where they are of some: the same part of them. */
			const later_us = selection.length > 1 ? Math.ceil((oldest_us - start_us) / second_us) * second_us : rounded_us - start_us;
			return { text: `${clock_text(source.to_wall_us(start_us))} has left the window; ` +
				`the oldest kept is ${clock_text(source.to_wall_us(rounded_us))}.`, action: "Go there",
				act: () => this.select_shown(selection.map((range) => ({ start_us: range.start_us + later_us,
					end_us: range.end_us + later_us }))) };
		}
		if (start_us >= source.now_us())
			return this.connection.state().kind !== "lost" ? { text: "This has not happened yet." }
				: { text: "This has not come: the connection is lost. It will once the agent answers.", action: "Retry now",
					act: () => this.connection.retry() };
		return null;
	}

	selection_show() {
		const { source } = this;
		const ranges = this.graph_ranges();
		this.selection_bar.show({
			ranges: source.wall(ranges),
			timeline: ranges,
			chosen: this.selection !== null,
			following: this.map.following && source.live(),
			can_save: source.live() && this.connection.can_save(),
			compared: this.changes ? this.compared : null,
			other: this.source.other && "the other capture",
			against: this.against && source.wall([this.against])[0],
			can_swap: this.changes !== null && ranges.length === 1 && this.map.baseline.length === 1,
			/* While dragging the words follow the graph. */
			summary: this.previewing && this.graph_stale ? null
				: source.summary(ranges),
			problem: this.selection_problem(),
		});
	}

	/* ---- following ---- */

	/** @param {boolean} following */
	follow(following) {
		if (!this.source.live())
			return;
		this.map.follow(following);
		this.state_show();
		if (!this.selection)
			this.graph_update();
	}

	follow_toggle() {
		this.follow(!this.map.following);
	}

	/** @param {number} first */
	scroll(first) {
		if (this.map.following) {
			if (first >= this.map.geometry.first)
				return;
			this.follow(false);
			this.map.following = false; /* of a capture too */
		}
		if (this.map.scroll_to(first)) {
			this.state_show();
			this.input.moved();
			if (!this.selection)
				this.graph_stale = true;
		}
	}

	state_show() {
		this.status.state_show(this.state_now(), this.map.following);
		this.save_button.hidden = !this.connection.can_save();
	}

	/**
	 * Gives a capture to the browser's downloads.
	 * @param {HTMLButtonElement} button
	 * @param {Range | null} range null: all that is kept
	 */
	save(button, range) {
		const { source, connection } = this;
		const start_us = range ? range.start_us : source.oldest_us();
		const stretch = range && { from_us: source.base_us + range.start_us,
			to_us: source.base_us + range.end_us };
		this.later(async ({ save, stamp_text }) => {
			const name = connection.remote?.name ?? `flickerscope-${source.facts().host || "capture"}-${
				stamp_text(source.to_wall_us(start_us))}.flk`;
			try {
				await save(button, name, (progress) => connection.capture(stretch, progress));
			} catch (error) {
				if (!(error instanceof TransferError))
					throw error;
				connection.say(`Nothing was saved. ${sentence(error.message)}`);
			}
		});
	}

	/** @returns {State} */
	state_now() {
		const { source, map } = this;
		const state = this.connection.state();
		if (state.kind !== "live")
			return state;
		if (map.following)
			return { kind: "live", behind_ms: source.behind_ms() };
		const end_us = Math.min(map.geometry.end * second_us, map.now_us());
		return { kind: "paused", at_us: source.to_wall_us(end_us),
			behind_us: Math.max(0, source.now_us() - end_us) };
	}

	/** Uses what may have to be fetched. @param {(later: import("later_fetch").Later) => void} use */
	later(use) {
		later_use(use, (problem) => {
			this.connection.say(problem);
			this.second_passed();
		});
	}

	/** Fetches it, again and again should the agent just be starting anew. @param {number} wait_ms */
	later_come(wait_ms) {
		clearTimeout(this.later_timer);
		this.later_timer = setTimeout(() => later_fetch().then((later) => this.later_take(later),
			() => this.later_come(later_again_ms)), wait_ms);
	}

	/** @param {import("later_fetch").Later} later */
	later_take({ ChangesPanel, PageTools }) {
		this.changes_panel ??= new ChangesPanel({ find: (name) => this.panel.find(name), rest: () => this.compare("rest") });
		this.tools ??= new PageTools(this);
	}

	/** It, or null: then the graph is made again once it is here. */
	later_now() {
		const later = later_here();
		if (!later)
			this.later(() => this.graph_update());
		return later;
	}

	help_open() {
		this.later(({ keys_sheet_open }) => keys_sheet_open(theme_shown()));
	}

	/** Which stacks are whole in what the graph is of. */
	stacks_open() {
		const { source } = this;
		const ranges = this.graph_ranges();
		const { start_us, end_us } = ranges_hull(ranges);
		const [from, to] = [start_us, end_us].map((us) => clock_text(source.to_wall_us(us)));
		this.later(({ stacks_sheet_open }) => stacks_sheet_open(source.profile, source.timeline(ranges),
			`${this.selection ? "the selected stretch" : "what is on screen"}, ${from} to ${to}`));
	}

	/** @param {ReturnType<ProfileSource["facts"]>} facts */
	rate_watch(facts) {
		const low = facts.reached_hz > 0 &&
			facts.reached_hz < rate_reached_min * facts.frequency_hz;
		this.rate_low_count = low ? this.rate_low_count + 1 : 0;
		this.notice_show(facts);
	}

	/** What is the matter takes the place of the sentence on how to read the map. @param {ReturnType<ProfileSource["facts"]>} facts */
	notice_show(facts) {
		const notice = by_id("notice", HTMLElement);
		const text = this.connection.notice() || (this.rate_low_count >= rate_low_seconds
			? `Sampling at ${rate_text(facts.reached_hz)} Hz instead of ` +
				`${rate_text(facts.frequency_hz)}: the kernel limits it. Colours allow for that.`
			: facts.asked_hz > facts.frequency_hz
				? `Sampling at ${rate_text(facts.frequency_hz)} Hz instead of ${rate_text(facts.asked_hz)}: the agent ` +
					"would take more CPU than --max-cpu says. Colours allow for that."
				: facts.note);
		text_set(notice, text);
		notice.title = text;
		notice.classList.toggle("note", text === facts.note);
		notice.hidden = text === "";
		by_id("sentence", HTMLElement).hidden = by_id("how-link", HTMLElement).hidden = text !== "";
	}

	/** What stands on a map that has nothing to show. */
	message_show() {
		const message = by_id("map-message", HTMLElement);
		const text = this.source.now_us() ? "" : this.connection.waiting_words();
		message.hidden = text === "";
		message.style.top = `${marks_height + this.map.geometry.cells_height / 2}px`;
		text_set(message, text);
	}

	/* ---- cards ---- */

	/**
	 * @param {Cell | null} cell
	 * @param {{ x: number, y: number }} point
	 * @param {boolean} by_key
	 */
	cell_hover(cell, point, by_key) {
		if (!cell) {
			this.card.hide("cell");
			return;
		}
		const range = this.map.geometry.cell_range(cell.second, cell.row);
		if (range.start_us >= this.map.now_us() || range.end_us <= this.source.oldest_us()) {
			this.card.hide("cell");
			return;
		}
		const base_us = cell.second * second_us;
		const open = this.map.now_us() < range.end_us + second_us ? performance.now() / 500 | 0 : 0;
		const summary = () => this.source.cell(range);
		this.card.show("cell", `${cell.second} ${cell.row} ${open}`, point,
			this.map.section.getBoundingClientRect(), () => cell_card(
				this.source.to_wall_us(base_us),
				{ start_us: range.start_us - base_us, end_us: range.end_us - base_us },
				summary(), this.shades, this.input.click_start() ? "Click: the selection ends here." : "Alt-drag: the same part of every second."));
		if (by_key) {
			text_set(by_id("map-words", HTMLElement),
				`${clock_text(this.source.to_wall_us(base_us))}, ` +
				`${Math.round((range.start_us - base_us) / 1000)} ms: ${cell_words(summary())}`);
		}
	}

	/**
	 * @param {FlameGraph} graph
	 * @param {FlameRect | null} rect
	 * @param {{ x: number, y: number }} point
	 */
	frame_hover(graph, rect, point) {
		const { tree } = graph;
		if (!rect || !tree) {
			this.card.hide("frame");
			return;
		}
		/* Callers of what is zoomed into have no share of it. */
		const zoom = rect.depth < graph.depth_of(graph.zoom_node()) ? 0 : graph.zoom_node();
		/* Of a part of the stretch both shares are told. */
		const shown = zoom || tree.total[0] !== tree.all ? tree.total[zoom] : null;
		this.card.show("frame", `${rect.node} ${rect.depth} ${rect.total} ${zoom}`, point,
			graph.scroller.getBoundingClientRect(), () => (rect.node < 0
				? small_card(rect.small, rect.total, tree.all)
				: this.changes && tree === this.changes.tree
					? change_card(this.source.frame_facts(tree, rect.node), this.changes.facts(rect.node))
					: frame_card(this.source.frame_facts(tree, rect.node), tree.all, shown)));
	}

	/* ---- the window ---- */

	color() {
		const theme = theme_shown();
		const tokens = tokens_read();
		this.shades = frame_shades_make(theme);
		this.map.color(tokens, heat_tables_make(theme));
		const change_shades = change_shades_make(theme);
		for (const graph of this.graphs())
			graph.color(tokens, this.shades, change_shades);
		this.module_colors?.color(theme);
		change_legend_show(by_id("change-legend", HTMLElement), change_shades);
		this.panel.kinds_color(this.shades);
		this.panel.kinds_show(this.source.tree(this.graph_ranges()).kinds());
		text_set(by_id("sentence", HTMLElement), "Each column is one second, read upwards. " +
			`${theme === "dark" ? "Brighter" : "Darker"} means more CPUs busy. ` +
			"Drag over any stretch to see what ran in it.");
		this.legend_show();
		this.card.hide();
		this.frame_ask();
	}

	resize() {
		this.tools?.resize();
		const rows = document.querySelectorAll(".status, .filters, .lanes, .overview, .how, .found, .selection, .tabs, .crumbs");
		let other = marks_height + axis_height + graph_height_min + rows.length;
		for (const row of rows)
			other += /** @type {HTMLElement} */ (row).offsetHeight;
		const unit = unit_height(innerHeight, other);
		const width = this.map.section.clientWidth;
		if (!this.map.fits(width, unit)) {
			this.map.resize(width, unit);
			this.message_show();
		}
		for (const graph of this.graphs())
			graph.resize();
		this.card.hide();
		this.frame_ask();
	}

	legend_show() {
		const { cpu_count, frequency_hz } = this.source.facts();
		legend_show(theme_shown(), cpu_count, frequency_hz > 0, this.tools?.scale_shown());
	}

	/* ---- keys ---- */

	keys_listen() {
		addEventListener("keydown", (event) => {
			const target = event.target instanceof HTMLElement ? event.target : document.body;
			if (event.defaultPrevented || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) ||
			    document.querySelector("dialog[open]") || popover_is_open())
				return;
			if (this.key_take(event, target.tagName === "BUTTON"))
				event.preventDefault();
		});
	}

	/**
	 * @param {KeyboardEvent} event
	 * @param {boolean} on_button which takes Space and Enter itself
	 * @returns {boolean} whether the key meant something here
	 */
	key_take(event, on_button) {
		if (event.ctrlKey || event.metaKey || this.connection.asking())
			return false;
		if (event.altKey) {
			return event.key === "ArrowLeft" ? this.go(-1) : event.key === "ArrowRight" ? this.go(1) : false;
		}
		const { map } = this;
		const page = Math.floor(map.geometry.columns / 2);
		/** @type {Record<string, () => void>} */
		const actions = {
			l: () => this.follow(true),
			L: () => this.follow(true),
			"/": () => this.panel.search.focus(),
			...this.tools?.keys(),
			"?": () => this.help_open(),
			0: () => this.graph.zoom_to(0),
			Backspace: () => this.go(-1),
			Escape: () => this.escape(),
			PageUp: () => this.scroll(map.geometry.first - page),
			PageDown: () => this.scroll(map.geometry.first + page),
			Home: () => this.scroll(-Infinity),
			End: () => this.scroll(Infinity),
		};
		if (!on_button)
			actions[" "] = () => this.follow_toggle();
		if (event.shiftKey) {
			actions.ArrowLeft = () => this.scroll(map.geometry.first - 10);
			actions.ArrowRight = () => this.scroll(map.geometry.first + 10);
		}
		if (!actions[event.key])
			return false;
		actions[event.key]();
		return true;
	}

	escape() {
		if (!this.card.card.hidden)
			this.card.hide();
		if (this.input.drag_cancel())
			return;
		if (this.selection)
			this.select(null);
	}
}

const capture = embedded_capture();
const page = new Page(capture, capture ? null : token_take());

/* For tests and for the console: to look at, not to change. */
Object.defineProperty(window, "flickerscope", { value: Object.freeze({
	get source() { return page.source; },
	get selection() { return page.selection && ranges_hull(page.selection); },
	get ranges() { return page.selection; },
	get following() { return page.map.following; },
	get map() { return page.map; },
	get graph() { return page.graph; },
	get view() { return page.view; },
	get callers() { return page.callers; },
	get connection() { return page.connection; },
	get tools() { return page.tools; },
}) });

