/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the page's profile comes from: the agent that served the page, a profile that `view` serves and
 * the address names, or a file that was dropped onto it; the agent makes a capture of what is none.
 * Says in words what is the matter when nothing comes.
 */

import { LiveFeed, file_header_read, magic_is_right } from "feed";
import { later_fetch, later_use } from "later_fetch";
import { Profile } from "model/profile";
import { ProfileSource } from "profile_source";
import { RemoteFile, TransferError, download_window } from "transfer";
import { clock_text } from "views/format";
import { name_escape } from "views/names";
import { token_forget } from "views/token";
import * as wire from "wire";
import { WireError } from "wire_bytes";

/** @typedef {import("views/status_bar").State} State */
/** @typedef {import("transfer").FileLike} FileLike */

/** The profile that the page's address names, and the one that it is compared with; null: the page is of a live agent. */
const [profile_id, before_id] = ["profile", "before"].map((name) => new URLSearchParams(location.search).get(name));

/** How long it is said that a file was refused: what is shown goes on without it. */
const problem_shown_ms = 20000;

/** Words of the server or of ours as a sentence. @param {string} words */
export function sentence(words) {
	return `${words}.`.replace(/\.\.$/, ".");
}

export class Connection {
	/**
	 * @param {object} events
	 * @param {(source: ProfileSource) => void} events.source another profile is shown from now on
	 * @param {(from: number, end: number) => void} events.changed columns of it look different
	 * @param {() => void} events.renumbered identities of its calls are others
	 * @param {() => void} events.joined two captures have been read, to be compared
	 * @param {() => void} events.state
	 * @param {() => void} events.notice what notice() says is something else
	 */
	constructor(events) {
		this.events = events;
		/** Once it was needed. @type {import("views/token_form").TokenForm | null} */
		this.form = null;
		/** @type {LiveFeed | null} */
		this.feed = null;
		/** @type {import("file_feed").FileFeed | import("joined_feed").JoinedFeed | null} */
		this.file_feed = null;
		/** @type {ProfileSource | null} */
		this.source = null;
		/** The profile of the address, once it is open. @type {RemoteFile | null} */
		this.remote = null;
		/** What is wrong with the capture that was opened, or with the one that was not. */
		this.file_problem = "";
		this.token_asked = false;
		this.token = "";
		/** The file that was dropped, if the server made a capture of it. @type {File | null} */
		this.imported = null;
		this.importing = new AbortController();
		/** How far the reading of a dropped file is; empty: none is read. */
		this.progress = "";
	}

	/** @param {string | null} token */
	open(token) {
		if (!token) {
			this.token_ask("missing");
			return;
		}
		this.token = token;
		this.token_asked = false;
		this.form?.hide();
		if (profile_id !== null) {
			this.open_remote(profile_id, token);
			return;
		}
		const source = this.source_make(() => !this.is_capture());
		this.feed = new LiveFeed({ url: location.href, token, sink: source.profile,
			changed: () => this.state_changed() });
	}

	/**
	 * Opens a profile that `view` serves.
	 * @param {string} id
	 * @param {string} token
	 * @param {string} [event] which one of several in it
	 */
	async open_remote(id, token, event = "") {
		try {
			const file = await RemoteFile.open(id, token, event);
			await this.open_capture(file, before_id === null ? null : await RemoteFile.open(before_id, token, ""));
			this.remote = file;
		} catch (error) {
			if (!(error instanceof TransferError))
				throw error;
			if (error.status === 401) {
				token_forget();
				this.token_ask("refused");
				return;
			}
			this.file_problem = error.message;
		}
		this.events.state();
	}

	/**
	 * Opens a file in place of what is shown: a capture, or what the server can make one of.
	 * @param {File} file
	 * @param {string} [event] which one of several in it
	 */
	async open_file(file, event = "") {
		this.importing.abort();
		this.importing = new AbortController();
		const { signal } = this.importing;
		let capture = file;
		try {
			const head = await file.slice(0, wire.wire_file_header.SIZE).arrayBuffer();
			if (!magic_is_right(new Uint8Array(head))) {
				const { import_file } = await later_fetch().catch(() => {
					throw new TransferError("flickerscope does not answer any more");
				});
				capture = await import_file(file, { token: this.token, event, signal,
					say: (words) => this.progress_set(words) });
			}
		} catch (error) {
			if (!(error instanceof TransferError || error instanceof DOMException))
				throw error;
			if (!signal.aborted)
				this.say(sentence(error.message));
			return;
		} finally {
			if (!signal.aborted)
				this.progress_set("");
		}
		if (signal.aborted)
			return;
		await this.open_capture(capture);
		this.imported = capture === file ? null : file;
	}

	/** @param {string} text */
	progress_set(text) {
		this.progress = text;
		this.events.notice();
	}

	/** Shows another one of the events in the file that is shown. @param {string} event */
	event_choose(event) {
		if (this.imported)
			this.open_file(this.imported, event);
		else if (this.remote && profile_id !== null)
			this.open_remote(profile_id, this.token, event);
	}

	/** Whether the file that is shown can be read again. */
	can_choose_event() {
		return this.imported !== null || this.remote !== null;
	}

	/**
	 * Opens a capture in place of what is shown; what is no capture changes nothing.
	 * @param {FileLike & { name: string }} file
	 * @param {FileLike & { name: string } | null} [before] that it is compared with
	 */
	async open_capture(file, before = null) {
		this.remote = this.imported = null;
		try {
			const head = await file.slice(0, wire.wire_file_header.SIZE).arrayBuffer();
			file_header_read(new Uint8Array(head));
			await this.file_read(file, before);
		} catch (error) {
			if (!(error instanceof WireError || error instanceof DOMException))
				throw error;
			const problem = error instanceof WireError ? error.problem : error.message;
			this.say(`${name_escape(file.name)}: ${problem}.`);
		}
		this.events.state();
	}

	/** @param {FileLike & { name: string }} file @param {FileLike & { name: string } | null} before */
	async file_read(file, before) {
		const { FileFeed, JoinedFeed } = await later_fetch();
		const profile = new Profile({ by_name: before !== null });
		const feed = before ? new JoinedFeed({ before, file, sink: profile }) : new FileFeed({ file, sink: profile });
		this.file_feed?.stop();
		this.file_feed = feed;
		this.file_problem = "";
		this.title = file.name + (before ? ` compared with ${before.name}` : "");
		this.feed?.stop();
		this.feed = null;
		this.token_asked = false;
		this.form?.hide();
		const source = new ProfileSource(profile, () => false, before?.name);
		this.source_show(source);
		const { complete, damaged } = await feed.read();
		if (this.file_feed !== feed)
			return;
		if (damaged)
			this.file_problem = "Parts of this capture are damaged: they are hatched.";
		else if (!complete)
			this.file_problem = `This capture ends early, at ${clock_text(profile.wall_us(
				profile.covered_us))}. All before that is shown.`;
		if (feed instanceof JoinedFeed) {
			source.joined_us = profile.joined_us;
			this.events.joined();
		}
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
		later_use(({ TokenForm }) => {
			if (this.token_asked)
				(this.form ??= new TokenForm((token) => this.open(token))).show(why);
		}, (problem) => this.say(problem));
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

	/** Whether somebody holds what is shown, other than this page. */
	can_save() {
		return this.remote !== null || this.feed?.state.kind === "live";
	}

	/**
	 * What is shown as a capture: all of it, or of an agent's a stretch.
	 * @param {{ from_us: number, to_us: number } | null} stretch timeline
	 * @param {(bytes: number) => void} progress
	 * @throws {TransferError}
	 */
	async capture(stretch, progress) {
		if (this.remote)
			return this.remote.save(progress);
		if (!this.feed)
			throw new TransferError("There is nothing to save");
		return download_window(this.feed.token, stretch, progress);
	}

	/** Says something in the place of the sentence on how to read the map, for a while. @param {string} text */
	say(text) {
		this.file_problem = text;
		this.events.notice();
		setTimeout(() => {
			if (this.file_problem === text)
				this.file_problem = "";
		}, problem_shown_ms);
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
			span_us: source.now_us() - source.oldest_us(), loading: source.profile.loading };
	}

	/** A sentence that takes the place of the one on how to read the map; empty: none. */
	notice() {
		return this.progress || this.file_problem;
	}

	/** What stands on the map as long as nothing has come. */
	waiting_words() {
		if (this.progress || this.file_problem)
			return this.progress || this.file_problem;
		const state = this.feed?.state.kind;
		if (state === "lost" || state === "connecting")
			return "Waiting for the agent.";
		return this.is_capture() ? "Reading the capture." : "Listening. Nothing has run yet.";
	}
}
