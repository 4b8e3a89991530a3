/* SPDX-License-Identifier: Apache-2.0 */
/* The first row: what host this is, how it is sampled, what was lost, and whether the page follows. */

import { announce, by_id, element, emphasized, text_set, warning_icon } from "views/elements";
import { complete_text, clock_text, count_text, date_text, size_text, span_words } from "views/format";
import { name_escape } from "views/names";

/**
 * @typedef {object} Facts
 * @property {string} host
 * @property {string} kernel
 * @property {string} filter what is sampled, in words; empty: everything
 * @property {number} frequency_hz that holds; 0: not known yet
 * @property {number} asked_hz for which it was asked, more while the agent would take too much; 0: not known
 * @property {number} cpu_count
 * @property {number} samples_per_s
 * @property {number} lost samples
 * @property {number} gap_count
 * @property {number | null} agent_cpus CPU time of the agent, as a share of one CPU
 * @property {{ tables: number, bytes: number, building: number, no_room: number }} unwind the tables
 * that stacks are walked by
 * @property {{ stacks: number, complete: number }} stacks lately: of user code, and whole ones among them
 */

/**
 * @typedef {{ kind: "live", behind_ms: number }
 * | { kind: "paused", at_us: number, behind_us: number }
 * | { kind: "capture", title: string, from_us: number, to_us: number, span_us: number, loading: boolean }
 * | { kind: "connecting" } | { kind: "token", refused: boolean } | { kind: "ended", why: string }
 * | { kind: "lost", since_s: number }} State times are of the wall clock
 */

/** Below this share of whole stacks the figure is a warning. */
const complete_least = 0.9;

/** Hz as people write it. @param {number} hz */
export function rate_text(hz) {
	return hz < 9.95 ? String(Number(hz.toFixed(1))) : count_text(hz);
}

/** What whole stacks cost. @param {Facts["unwind"]} unwind @returns {string} */
function unwind_words({ tables, bytes, building, no_room }) {
	if (!tables)
		return "";
	return `Unwind tables of ${count_text(tables)} files take ${size_text(bytes)}` +
		(building ? `, ${count_text(building)} more are being made` : "") +
		(no_room ? `. ${count_text(no_room)} found no room: give the agent more with --memory` : "");
}

/** The day of what is not of today, with a space behind. @param {number} us */
function day_text(us) {
	const day = date_text(us);
	return day && day !== date_text(Date.now() * 1e3) ? `${day} ` : "";
}

/** @param {State} state @returns {string[]} as emphasized() takes it */
function state_pieces(state) {
	switch (state.kind) {
	case "live":
		return ["", "Live", ` ${count_text(state.behind_ms)} ms behind`];
	case "paused":
		return ["", "Paused", ` at ${clock_text(state.at_us)}, ${span_words(state.behind_us)} behind`];
	case "capture":
		return ["", name_escape(state.title || "Capture"),
			` ${day_text(state.from_us)}${clock_text(state.from_us)} to ${clock_text(state.to_us)}, ` +
			span_words(state.span_us) + (state.loading ? ", loading" : "")];
	case "connecting":
		return ["Connecting"];
	case "token":
		return [`Not connected: the token ${state.refused ? "was refused" : "is missing"}`];
	case "ended":
		return ["", state.why];
	case "lost":
		return ["", "Connection lost", ` ${span_words(state.since_s * 1e6)} ago, retrying`];
	}
}

export class StatusBar {
	/** @param {{ follow: () => void, theme: () => void, help: () => void, retry: () => void,
	 * stacks: () => void }} actions */
	constructor(actions) {
		this.row = by_id("status", HTMLElement);
		this.state = by_id("state", HTMLElement);
		this.state_words = /** @type {HTMLElement} */ (this.state.querySelector("[data-state]"));
		this.follow = by_id("follow", HTMLButtonElement);
		this.follow_label = /** @type {HTMLElement} */ (this.follow.querySelector("[data-label]"));
		this.retry = by_id("retry", HTMLButtonElement);
		this.follow.addEventListener("click", actions.follow);
		this.retry.addEventListener("click", actions.retry);
		by_id("theme", HTMLButtonElement).addEventListener("click", actions.theme);
		by_id("help", HTMLButtonElement).addEventListener("click", actions.help);
		by_id("stacks", HTMLButtonElement).addEventListener("click", actions.stacks);
		/** What each part says now, so that only changes touch the page. */
		this.shown = new Map();
	}

	/**
	 * @param {string} key
	 * @param {string[]} pieces
	 * @param {HTMLElement} target
	 * @param {Node[]} [before]
	 */
	write(key, pieces, target, before = []) {
		const text = pieces.join("\u0000");
		if (this.shown.get(key) === text)
			return;
		this.shown.set(key, text);
		target.replaceChildren(...(text ? before : []), ...emphasized(pieces));
	}

	/** @param {string} name */
	fact(name) {
		return /** @type {HTMLElement} */ (this.row.querySelector(`[data-fact="${name}"]`));
	}

	/** @param {Facts} facts */
	facts_show(facts) {
		const { frequency_hz, asked_hz, cpu_count, lost, gap_count } = facts;
		const lowered = asked_hz > frequency_hz ? ` of ${rate_text(asked_hz)}` : "";
		this.write("host", [name_escape(facts.host)], this.fact("host"));
		this.write("kernel", [name_escape(facts.kernel)], this.fact("kernel"));
		this.write("filter", [name_escape(facts.filter)], this.fact("filter"));
		this.write("rate", frequency_hz
			? ["", `${rate_text(frequency_hz)} Hz`, `${lowered} on ${cpu_count} CPU${cpu_count === 1 ? "" : "s"}`]
			: [], this.fact("rate"));
		this.write("samples", frequency_hz
			? ["", count_text(facts.samples_per_s), " samples/s"] : [], this.fact("samples"));
		const lost_fact = this.fact("lost");
		const some = lost > 0 || gap_count > 0;
		lost_fact.classList.toggle("some", some);
		const gaps = `${count_text(gap_count)} gap${gap_count === 1 ? "" : "s"}`;
		this.write("lost", lost ? ["", `${count_text(lost)} lost`, ` in ${gaps}`]
			: some ? ["", gaps, " without data"]
			: frequency_hz ? ["0 lost"] : [], lost_fact, some ? [warning_icon()] : []);
		this.stacks_show(facts.stacks);
		const agent = this.fact("agent");
		const agent_text = facts.agent_cpus === null ? "" :
			`${(100 * facts.agent_cpus).toFixed(facts.agent_cpus < 0.0995 ? 2 : 1)}\u2009%`;
		agent.title = unwind_words(facts.unwind);
		if (this.shown.get("agent") !== agent_text) {
			this.shown.set("agent", agent_text);
			agent.replaceChildren(...(agent_text ? ["agent ", element("b", "", agent_text),
				element("span", "give-way", " of a CPU")] : []));
		}
	}

	/** @param {Facts["stacks"]} stacks */
	stacks_show({ stacks, complete }) {
		const fact = this.fact("stacks");
		const some = complete < complete_least * stacks;
		fact.classList.toggle("some", some);
		this.write("stacks", stacks
			? ["stacks ", complete_text(complete, stacks), " complete"] : [], fact,
		some ? [warning_icon()] : []);
	}

	/**
	 * @param {State} state
	 * @param {boolean} following
	 */
	state_show(state, following) {
		if (this.state.dataset.kind !== state.kind)
			announce(state_pieces(state).join(""));
		this.state.dataset.kind = state.kind;
		this.write("state", state_pieces(state), this.state_words);
		this.retry.hidden = state.kind !== "lost";
		const live = state.kind === "live" || state.kind === "paused" || state.kind === "lost";
		this.follow.hidden = !live;
		this.follow.setAttribute("aria-pressed", String(!following));
		text_set(this.follow_label, following ? "Pause" : "Follow");
	}
}
