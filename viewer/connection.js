/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the page's profile comes from: the agent that served the page, or a capture that was dropped
 * onto it. Says in words what is the matter when nothing comes.
 */

import { LiveFeed, file_header_read } from "feed";
import { FileFeed } from "file_feed";
import { Profile } from "model/profile";
import { ProfileSource } from "profile_source";
import { clock_text } from "views/format";
import { name_escape } from "views/names";
import { TokenForm, token_forget } from "views/token_form";
import * as wire from "wire";
import { WireError } from "wire_bytes";

/** @typedef {import("views/status_bar").State} State */

/** How long it is said that a file was refused: what is shown goes on without it. */
const problem_shown_ms = 20000;

export class Connection {
	/**
	 * @param {object} events
	 * @param {(source: ProfileSource) => void} events.source another profile is shown from now on
	 * @param {(from: number, end: number) => void} events.changed columns of it look different
	 * @param {() => void} events.renumbered identities of its calls are others
	 * @param {() => void} events.state
	 */
	constructor(events) {
		this.events = events;
		this.form = new TokenForm((token) => this.open(token));
		/** @type {LiveFeed | null} */
		this.feed = null;
		/** @type {FileFeed | null} */
		this.file_feed = null;
		/** @type {ProfileSource | null} */
		this.source = null;
		/** What is wrong with the capture that was opened, or with the one that was not. */
		this.file_problem = "";
		this.token_asked = false;
	}

	/** @param {string | null} token */
	open(token) {
		if (!token) {
			this.token_ask("missing");
			return;
		}
		this.token_asked = false;
		this.form.hide();
		const source = this.source_make(() => !this.is_capture());
		this.feed = new LiveFeed({ url: location.href, token, sink: source.profile,
			changed: () => this.state_changed() });
	}

	/**
	 * Opens a capture in place of what is shown; what is no capture changes nothing.
	 * @param {File} file
	 */
	async open_file(file) {
		try {
			const head = await file.slice(0, wire.wire_file_header.SIZE).arrayBuffer();
			file_header_read(new Uint8Array(head));
			await this.file_read(file);
		} catch (error) {
			if (!(error instanceof WireError || error instanceof DOMException))
				throw error;
			const problem = error instanceof WireError ? error.problem : error.message;
			const text = this.file_problem = `${name_escape(file.name)}: ${problem}.`;
			setTimeout(() => {
				if (this.file_problem === text)
					this.file_problem = "";
			}, problem_shown_ms);
		}
		this.events.state();
	}

	/** @param {File} file */
	async file_read(file) {
		const profile = new Profile();
		const feed = new FileFeed({ file, sink: profile });
		this.file_feed?.stop();
		this.file_feed = feed;
		this.file_problem = "";
		this.title = file.name;
		this.feed?.stop();
		this.feed = null;
		this.token_asked = false;
		this.form.hide();
		this.source_show(new ProfileSource(profile, () => false));
		const { complete, damaged } = await feed.read();
		if (this.file_feed !== feed)
			return;
		if (damaged)
			this.file_problem = "Parts of this capture are damaged: they are hatched.";
		else if (!complete)
			this.file_problem = `This capture ends early, at ${clock_text(profile.wall_us(
				profile.covered_us))}. All before that is shown.`;
	}

	/** @param {() => boolean} is_live */
	source_make(is_live) {
		const source = new ProfileSource(new Profile(), is_live);
		this.source_show(source);
		return source;
	}

	/** @param {ProfileSource} source */
	source_show(source) {
		this.source?.close();
		this.source = source;
		source.on_change = (from, end) => this.events.changed(from, end);
		source.on_renumbered = () => this.events.renumbered();
		this.events.source(source);
	}

	state_changed() {
		if (this.feed?.state.kind === "token") {
			token_forget();
			this.token_ask("refused");
		}
		this.events.state();
	}

	/** @param {"missing" | "refused"} why */
	token_ask(why) {
		this.token_asked = true;
		this.form.show(why);
		this.events.state();
	}

	asking() {
		return this.token_asked;
	}

	/** Whether what is shown is a file: nothing will be added. */
	is_capture() {
		return this.file_feed !== null || this.feed?.source === wire.WIRE_SOURCE_CAPTURE;
	}

	retry() {
		this.feed?.retry();
	}

	/** @returns {State} */
	state() {
		if (this.token_asked)
			return { kind: "token", refused: this.feed !== null };
		const state = this.feed?.state ?? { kind: "live" };
		if (state.kind === "lost")
			return { kind: "lost", since_s: (performance.now() - state.since_ms) / 1e3 };
		if (state.kind === "ended")
			return { kind: "ended", why: state.why };
		if (state.kind === "connecting")
			return { kind: "connecting" };
		if (!this.is_capture() || !this.source)
			return { kind: "live", behind_ms: 0 };
		const { source } = this;
		return { kind: "capture", title: this.file_feed ? this.title ?? "" : source.facts().title,
			from_us: source.to_wall_us(source.oldest_us()), to_us: source.to_wall_us(source.now_us()),
			loading: source.profile.loading };
	}

	/** A sentence that takes the place of the one on how to read the map; empty: none. */
	notice() {
		return this.file_problem;
	}

	/** What stands on the map as long as nothing has come. */
	waiting_words() {
		if (this.file_problem)
			return this.file_problem;
		const state = this.feed?.state.kind;
		if (state === "lost" || state === "connecting")
			return "Waiting for the agent.";
		return this.is_capture() ? "Reading the capture." : "Listening. Nothing has run yet.";
	}
}
