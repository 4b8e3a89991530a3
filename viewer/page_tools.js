/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the page can do beyond its first picture: filters, links to what is shown. Here a moment after the first column; a
 * link in the address is taken then.
 */

import { SampleFilter } from "model/filter";
import { filter_choices } from "model/filter_choices";
import { announce, by_id } from "views/elements";
import { FilterRow } from "views/filter_row";
import { view_settings } from "views/graph_view";
import { row_counts, rows_default, second_us } from "views/map_geometry";
import { link_read, link_write, zoom_find, zoom_mark } from "views/page_link";
import { token_take } from "views/token_form";

/** @typedef {import("app").Page} Page */
/** @typedef {import("views/page_link").PageState} PageState */

/** How long after a change the address follows: browsers refuse many changes at once. */
const link_wait_ms = 300;
/** How long a button says what it did. */
const said_ms = 1500;
/** What a link may say of the view. */
const settings_allowed = { rows: row_counts.map(String), ...view_settings };

export class PageTools {
	/** @param {Page} page */
	constructor(page) {
		this.page = page;
		this.filters = new FilterRow({
			changed: (terms) => this.filter(terms),
			choices: () => filter_choices(page.source.profile, page.source.timeline(page.graph_range())),
			samples: () => page.source.samples_unfiltered(page.graph_range()),
		});
		/** What a link asks for, until there is data to show it. @type {PageState | null} */
		this.linked = null;
		/** The zoom that a link asks for, until its call has come; see page_link.js. */
		this.linked_zoom = "";
		/** @type {ReturnType<typeof setTimeout> | undefined} */
		this.link_timer = undefined;
		by_id("copy-link", HTMLButtonElement).addEventListener("click", () => this.link_copy());
		addEventListener("hashchange", () => this.link_open());
		if (location.hash)
			this.link_open();
	}

	/** Shows only what passes. @param {import("model/filter").Term[]} terms */
	filter(terms) {
		const { page } = this;
		page.source.filter_set(terms.length ? new SampleFilter(page.source.profile, terms) : null);
		page.card.hide();
		page.graph_update();
	}

	/** Another profile is shown: what was chosen stays. */
	source_taken() {
		if (this.filters.terms.length)
			this.filter(this.filters.terms);
	}

	second_passed() {
		this.linked_show();
	}

	/** @param {import("model/call_tree").CallTree} tree that the graph shows */
	graph_updated(tree) {
		const { source } = this.page;
		this.linked_zoom_show(tree);
		this.filters.share_show(tree.all, source.filter ? source.samples_unfiltered(this.page.graph_range()) : 0);
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
		/* What a link asked for and is not shown yet would be forgotten. */
		if (this.linked || this.linked_zoom)
			return;
		const { source, map, graph, selection, tab, compared, panel, view } = this.page;
		const fragment = link_write({ terms: this.filters.terms, selection: selection && {
			start_us: source.to_wall_us(selection.start_us), end_us: source.to_wall_us(selection.end_us) },
			until_us: map.following ? null : source.to_wall_us(Math.min(map.geometry.end * second_us, map.now_us())),
			tab, baseline: compared ?? "", find: panel.search.value,
			zoom: graph.tree ? zoom_mark(graph.tree, graph.zoom_node()) : "",
			settings: { ...view.settings(), ...map.rows === rows_default ? {} : { rows: String(map.rows) } } });
		const address = location.pathname + location.search + (fragment && `#${fragment}`);
		if (address !== location.pathname + location.search + location.hash)
			history.replaceState(null, "", address);
	}

	/** Takes what the address asks for. */
	link_open() {
		const { page } = this;
		token_take();
		const state = link_read(location.hash.slice(1), settings_allowed);
		page.rows_take(Number(state.settings.rows ?? rows_default));
		page.view.settings_take(state.settings);
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
		const first_us = selection?.start_us ?? until_us;
		if (source.profile.loading && first_us !== null && source.from_wall_us(first_us) < source.oldest_us() + second_us)
			return;
		this.linked = null;
		if (until_us !== null)
			map.freeze_at(source.from_wall_us(until_us));
		const tab = /** @type {Page["tab"]} */ (linked.tab);
		if (selection) {
			page.tab = tab;
			page.compared = tab === "compare" ? linked.baseline === "rest" ? "rest" : "before" : null;
			page.select_wall(selection.start_us, selection.end_us);
		} else if (tab !== page.tab) {
			page.tab_open(tab);
		}
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
