/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the page can do beyond its first picture: filters, lanes, settings of the view, links to what is shown. Here a
 * moment after the first column; a link in the address is taken then.
 */

import { SampleFilter } from "model/filter";
import { filter_choices } from "model/filter_choices";
import { Lanes, single_cells } from "model/lanes";
import { Overview } from "model/overview";
import { gap_is_loss } from "model/profile";
import { single_color } from "views/colors";
import { announce, by_id } from "views/elements";
import { span_words } from "views/format";
import { FilterRow } from "views/filter_row";
import { view_settings } from "views/graph_view";
import { HeatScale } from "views/heat_scale";
import { LanesView, lanes_gutter } from "views/lanes_view";
import { gutter_width, second_us } from "views/map_geometry";
import { MapMore } from "views/map_more";
import { OverviewStrip } from "views/overview_strip";
import { link_read, link_write, zoom_find, zoom_mark } from "views/page_link";
import { ranges_hull } from "views/ranges";
import { theme_shown } from "views/theme";
import { token_take } from "views/token";
import { ViewMenu, settings_allowed } from "views/view_menu";

/** @typedef {import("app").Page} Page */
/** @typedef {import("views/page_link").PageState} PageState */

/** How long after a change the address follows: browsers refuse many changes at once. */
const link_wait_ms = 300;
/** A page that did not run for so long slept: hidden ones run once a minute. It is awake when it is so near to now. */
const sleep_least_ms = 150000, caught_up_ms = 3000;
/** How long a button says what it did. */
const said_ms = 1500;
/** How many of the hottest seconds J leads to, one after another. */
const hottest_max = 20;
/** Where the scale may end when it goes to the busiest cell, times a power of ten. */
const scale_ends = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

export class PageTools {
	/** @param {Page} page */
	constructor(page) {
		this.page = page;
		this.filters = new FilterRow({
			changed: (terms) => this.filter(terms),
			choices: () => filter_choices(page.source.profile, page.source.timeline(page.graph_ranges())),
			samples: () => page.source.samples_unfiltered(page.graph_ranges()),
		});
		this.lanes = new Lanes(page.source.profile);
		this.lanes_view = new LanesView(this.lanes_source(), (kind, value) => this.filters.add({ kind, value, not: false }));
		this.overview = new Overview(page.source.profile);
		this.strip = new OverviewStrip(this.overview_source(), (first) => page.scroll(first));
		/** The place in the order of the hottest seconds, or of the most unusual moments, that J led to. */
		this.jumps = { hot: -1, unusual: -1 };
		this.scale = new HeatScale();
		this.view = new ViewMenu((name) => this.setting_changed(name));
		this.more = new MapMore(page, this.view);
		this.colors_update();
		/** What a link asks for, until there is data to show it. @type {PageState | null} */
		this.linked = null;
		/** The zoom that a link asks for, until its call has come; see page_link.js. */
		this.linked_zoom = "";
		/** @type {ReturnType<typeof setTimeout> | undefined} */
		this.link_timer = undefined;
		/** When the page last ran, and what it missed since, until that has come. */
		this.awake_ms = Date.now();
		this.slept = /** @type {{ from_us: number, us: number } | null} */ (null);
		/** The fragment that was written or taken last. */
		this.hash = location.hash;
		/** The stretch and the zoom that the address tells. */
		this.stretch = this.stretch_words();
		by_id("copy-link", HTMLButtonElement).addEventListener("click", () => this.link_copy());
		addEventListener("hashchange", () => this.link_open());
		if (location.hash)
			this.link_open();
	}

	/** Shows only what passes. @param {import("model/filter").Term[]} terms */
	filter(terms) {
		const { page } = this;
		const filter = terms.length ? new SampleFilter(page.source.profile, terms) : null;
		page.source.filter_set(filter);
		this.lanes.filter_set(filter);
		this.overview.filter_set(filter);
		this.lanes_view.version++;
		this.jumps = { hot: -1, unusual: -1 };
		page.card.hide();
		page.graph_update();
	}

	/** Another profile is shown: what was chosen stays. */
	source_taken() {
		this.lanes.close();
		this.lanes = new Lanes(this.page.source.profile);
		this.overview.close();
		this.overview = new Overview(this.page.source.profile);
		this.colors_update();
		if (this.filters.terms.length)
			this.filter(this.filters.terms);
	}

	second_passed() {
		this.linked_show();
		this.sleep_watch();
		this.scale_update();
		if (this.view.get("lanes") !== "off")
			this.lanes_view.lanes_find();
		const was_hidden = this.strip.section.hidden;
		this.strip.show(this.page.map.geometry);
		if (was_hidden !== this.strip.section.hidden)
			this.page.resize();
	}

	/** A laptop that slept, a tab that was put away: what was missed is told once what is kept of it has come. */
	sleep_watch() {
		const { source, connection } = this.page;
		const now_ms = Date.now(), missed_ms = now_ms - this.awake_ms;
		this.awake_ms = now_ms;
		if (missed_ms > sleep_least_ms && source.live() && source.now_us())
			this.slept = { from_us: source.profile.covered_us, us: missed_ms * 1000 };
		if (!this.slept || source.profile.loading || connection.state().kind !== "live" || source.behind_ms() > caught_up_ms)
			return;
		const { from_us, us } = this.slept;
		const fetched_us = source.profile.known(from_us, source.profile.covered_us).reduce((sum, [from, to]) => sum + to - from, 0);
		this.slept = null;
		connection.say(`This page slept for ${span_words(us)}${us - fetched_us < second_us * 2 ? ". All of it has been fetched."
			: `: ${span_words(fetched_us)} fetched, ${span_words(us - fetched_us)} are no longer kept.`}`);
	}

	/** After the map was painted. */
	frame() {
		const { map } = this.page;
		if (!map.tokens)
			return;
		const more = this.lanes_view.frame(map.geometry, map.tokens, single_color(theme_shown()));
		if (this.strip.frame(map.geometry, map.tokens) || more)
			this.page.frame_ask();
	}

	/** What keys do, beyond the page's own. @returns {Record<string, () => void>} */
	keys() {
		const { map } = this.page;
		return {
			"+": () => this.view.width_step(map.geometry.column, 1),
			"-": () => this.view.width_step(map.geometry.column, -1),
			"[": () => this.view.step("rows", -1),
			"]": () => this.view.step("rows", 1),
			j: () => this.jump_hot(),
			J: () => this.jump_unusual(),
			m: () => this.more.magnify(true),
			f: () => this.filters.open(),
			e: () => this.page.repeat(),
		};
	}

	/** Selects the hottest second, the next time the one after it. */
	jump_hot() {
		const { page } = this;
		const { first, end } = this.overview_source().span();
		const base = page.source.base_second ?? 0;
		/* Of the last one more may come. */
		const seconds = this.overview.hottest(base + first, base + end - 1, hottest_max);
		this.jumps.hot = (this.jumps.hot + 1) % Math.max(1, seconds.length);
		const second = seconds[this.jumps.hot];
		if (second !== undefined)
			page.select_shown([{ start_us: Math.max((second - base) * second_us, page.source.oldest_us()),
				end_us: Math.min((second - base + 1) * second_us, page.source.now_us()) }]);
	}

	/** The same for moments unlike the minute before, the most CPU time more or less first. */
	jump_unusual() {
		const { page } = this;
		const size = (/** @type {import("views/found_row").Moment} */ { busy, usual, start_us, end_us }) =>
			Math.abs(busy - usual) * (end_us - start_us);
		const moments = page.source.moments().sort((a, b) => size(b) - size(a));
		this.jumps.unusual = (this.jumps.unusual + 1) % Math.max(1, moments.length);
		if (moments.length)
			page.moment_open(moments[this.jumps.unusual]);
		else
			announce("Nothing unusual was found");
	}

	/** Before the page's rows are measured. */
	resize() {
		this.lanes_view.show(this.view.get("lanes"));
	}

	/* ---- how the map is shown ---- */

	/** @param {string} name */
	setting_changed(name) {
		const { map, card } = this.page;
		const value = this.view.get(name);
		card.hide();
		if (name === "rows")
			map.rows_set(Number(value));
		if (name === "column")
			map.column_wanted = Number(value) || 0;
		if (name === "lanes")
			map.gutter = value === "off" ? gutter_width : lanes_gutter;
		if (name === "axis")
			map.axis = value;
		this.colors_update();
		this.page.resize();
		this.scale_update();
		map.all_changed();
		this.link_soon();
	}

	/** Lanes in the times of the views. @returns {import("views/lanes_view").LanesSource} */
	lanes_source() {
		const { page } = this;
		const base = () => page.source.base_second ?? 0;
		return {
			second: (second) => this.lanes.seconds.get(base() + second),
			is_counted: (second) => this.lanes.seconds.seconds.has(base() + second) || (second + 1) * second_us <= page.source.oldest_us() ||
				second * second_us >= page.source.now_us(),
			busiest: (first, end, count) => this.lanes.busiest(base() + first, base() + end, count),
			thread: (number) => this.lanes.thread(number),
			singles: (first, end) => (this.lanes.single_is_known() ? this.lanes.single_stretches(base() + first, base() + end) : [])
				.map(({ from_us, to_us, ...rest }) => ({ ...rest, start_us: from_us - page.source.base_us, end_us: to_us - page.source.base_us })),
			wall_us: (second) => page.source.to_wall_us(second * second_us),
			cpu_count: () => page.source.facts().cpu_count,
			gaps: (first, end) => this.gaps(first, end),
			selection: () => page.selection && ranges_hull(page.selection),
		};
	}

	/** @returns {import("views/overview_strip").OverviewSource} */
	overview_source() {
		const { page } = this;
		const base = () => page.source.base_second ?? 0;
		return {
			busy: (second) => this.overview.seconds.get(base() + second) ?? -1,
			is_counted: (second) => this.overview.seconds.seconds.has(base() + second),
			span: () => ({ first: Math.floor(page.source.oldest_us() / second_us), end: page.map.newest_end() }),
			wall_us: (second) => page.source.to_wall_us(second * second_us),
			gaps: (first, end) => this.gaps(first, end),
			marks: () => page.map.marks,
		};
	}

	/** Where data was lost for good. @param {number} first @param {number} end @returns {import("views/ranges").Range[]} */
	gaps(first, end) {
		const { profile, base_us } = this.page.source;
		return profile.gaps(base_us + first * second_us, base_us + end * second_us).filter(gap_is_loss)
			.map(({ from_us, to_us }) => ({ start_us: from_us - base_us, end_us: to_us - base_us }));
	}

	/** What the colours tell. */
	colors_update() {
		const { source } = this.page;
		source.single_rows = this.view.get("colors") === "thread"
			? (second, rows) => (source.filter || !this.lanes.single_is_known() ? null : this.single_rows(second, rows)) : null;
		this.page.legend_show();
		this.page.map.all_changed();
	}

	/** @param {number} second of the timeline @param {number} rows @returns {number[] | null} the part of a CPU where one thread was alone */
	single_rows(second, rows) {
		const alone = this.lanes.singles.get(second);
		const column = this.page.source.heat.column(second, rows);
		if (!column || !alone?.length)
			return null;
		return Array.from(column.busy, (busy, row) => (alone.subarray(Math.floor(row * single_cells / rows),
			Math.ceil((row + 1) * single_cells / rows)).every((thread) => thread > 0) ? Math.min(1, busy) : 0));
	}

	/** How many CPUs have the last colour; changes in steps, so that colours stand still. */
	scale_update() {
		const { source, map } = this.page;
		let most = 1;
		if (this.view.get("scale") === "auto") {
			const { cpu_count } = source.facts();
			let busiest = 0;
			for (let second = map.geometry.first; second < map.geometry.end; second++)
				for (const busy of source.heat.columns.get((source.base_second ?? 0) + second)?.busy ?? [])
					busiest = Math.max(busiest, busy);
			const power = 10 ** Math.floor(Math.log10(Math.max(0.1, busiest)));
			most = Math.min(1, (scale_ends.find((end) => end * power >= busiest) ?? 10) * power / Math.max(1, cpu_count));
		}
		const log = this.view.get("steps") === "fine";
		if (most === this.scale.most && log === this.scale.log)
			return;
		const scale = this.scale = new HeatScale(most, log);
		map.cells.scale_set((share) => scale.part(share));
		map.all_changed();
		this.page.legend_show();
	}

	/** What the legend says beyond the theme. */
	scale_shown() {
		return { share: (/** @type {number} */ part) => this.scale.share(part),
			single: this.page.source.single_rows && this.lanes.single_is_known() ? single_color(theme_shown()) : "" };
	}

	/** @param {import("model/call_tree").CallTree} tree that the graph shows */
	graph_updated(tree) {
		const { source } = this.page;
		this.linked_zoom_show(tree);
		this.filters.share_show(tree.all, source.filter ? source.samples_unfiltered(this.page.graph_ranges()) : 0);
		this.link_soon();
	}

	/* ---- links to what is shown ---- */

	link_soon() {
		this.link_timer ??= setTimeout(() => {
			this.link_timer = undefined;
			this.link_show();
		}, link_wait_ms);
	}

	/** Puts what is shown into the address. */
	link_show() {
		/* What a link asked for and is not shown yet would be forgotten; where a drag leads is not known yet. */
		if (this.linked || this.linked_zoom || this.page.previewing)
			return;
		/* Somebody went back or forth just now, which link_open() will be told: that entry is not to be written over. */
		if (location.hash !== this.hash)
			return;
		const { source, map, graph, selection, tab, compared, against, panel, view } = this.page;
		const fragment = link_write({ terms: this.filters.terms, steps: view.options.steps, selection: selection && source.wall(selection),
			until_us: map.following ? null : source.to_wall_us(Math.min(map.geometry.end * second_us, map.now_us())),
			tab, baseline: compared ?? "before", against: against && compared === "chosen" ? source.wall([against])[0] : null, find: panel.search.value,
			zoom: graph.tree ? zoom_mark(graph.tree, graph.zoom_node()) : "",
			settings: { ...view.settings(), ...this.view.chosen() } });
		const address = location.pathname + location.search + (fragment && `#${fragment}`);
		const stretch = this.stretch_words(), is_same = stretch === this.stretch;
		this.stretch = stretch;
		if (address === location.pathname + location.search + location.hash)
			return;
		/* Back leads to the stretch that was selected before, and to the zoom. */
		if (is_same)
			history.replaceState(null, "", address);
		else
			history.pushState(null, "", address);
		this.hash = location.hash;
	}

	/** What is selected and zoomed into, to be compared. */
	stretch_words() {
		const { selection, graph: { zooms, zoom_at } } = this.page;
		return JSON.stringify([selection, zooms[zoom_at]]);
	}

	/** Takes what the address asks for. */
	link_open() {
		const { page } = this;
		token_take();
		this.hash = location.hash;
		const state = link_read(location.hash.slice(1), { ...settings_allowed(), ...view_settings });
		this.view.take(state.settings);
		page.view.settings_take(state.settings, state.steps);
		if (state.find !== page.panel.search.value) {
			page.panel.search.value = state.find;
			page.panel.search_take();
		}
		if (state.terms.length || this.filters.terms.length)
			this.filters.set(state.terms);
		this.linked = state;
		this.linked_zoom = state.zoom;
		this.linked_show();
	}

	/** Shows what a link asks for once it is there, or will not come. */
	linked_show() {
		const { linked, page } = this;
		const { source, map } = page;
		if (!linked || !source.now_us())
			return;
		const { selection, until_us } = linked;
		const first_us = selection?.[0].start_us ?? until_us;
		if (source.profile.loading && first_us !== null && source.from_wall_us(first_us) < source.oldest_us() + second_us)
			return;
		this.linked = null;
		if (until_us !== null)
			map.freeze_at(source.from_wall_us(until_us));
		else if (!map.following)
			page.follow(true);
		if (!linked.zoom && page.graph.zoomed())
			page.graph.zoom_to(0);
		const tab = /** @type {Page["tab"]} */ (linked.tab);
		if (selection) {
			page.tab = tab;
			page.against = linked.against && { start_us: source.from_wall_us(linked.against.start_us), end_us: source.from_wall_us(linked.against.end_us) };
			page.compared = tab === "compare" ? linked.baseline : null;
			page.select_wall(selection[0], selection.length);
		} else {
			if (page.selection)
				page.select(null);
			if (tab !== page.tab)
				page.tab_open(tab);
			else
				page.graph_update();
		}
		this.stretch = this.stretch_words();
	}

	/** @param {import("model/call_tree").CallTree} tree */
	linked_zoom_show(tree) {
		if (!this.linked_zoom || this.linked)
			return;
		const node = zoom_find(tree, this.linked_zoom);
		if (node || !this.page.source.profile.loading)
			this.linked_zoom = "";
		if (node)
			this.page.graph.zoom_to(node);
	}

	/** Copies the address, which holds no token. */
	async link_copy() {
		this.link_show();
		const button = by_id("copy-link", HTMLButtonElement);
		const label = button.querySelector("[data-label]") ?? button;
		let said = "Copied";
		try {
			await navigator.clipboard.writeText(location.href);
		} catch {
			said = "Copy the address above"; /* the browser does not allow it here */
		}
		announce(said);
		label.textContent = said;
		setTimeout(() => (label.textContent = "Copy link"), said_ms);
	}
}
