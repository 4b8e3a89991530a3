/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token that opens the agent's stream. It comes in the address's fragment, which no server,
 * log or Referer sees, and is kept for this tab only. Without one the page asks in words.
 */

import { by_id, element } from "views/elements";

const storage_key = "flickerscope-token";
const token_pattern = /^[A-Za-z0-9_-]{16,256}$/;

/** The token in a fragment is the part that is no name=value. @param {string} fragment */
function token_of(fragment) {
	return fragment.split("&").find((part) => token_pattern.test(part)) ?? "";
}

/**
 * Moves the token out of the address bar into the tab's storage. Call it before anything else.
 * @returns {string | null}
 */
export function token_take() {
	const fragment = location.hash.slice(1);
	const token = token_of(fragment);
	if (fragment) {
		const rest = fragment.split("&").filter((part) => part.includes("=")).join("&");
		history.replaceState(null, "", location.pathname + location.search + (rest && `#${rest}`));
	}
	if (token) {
		token_keep(token);
		return token;
	}
	try {
		return sessionStorage.getItem(storage_key);
	} catch {
		return null; /* storage is switched off: the token is asked for */
	}
}

/** @param {string} token */
export function token_keep(token) {
	try {
		sessionStorage.setItem(storage_key, token);
	} catch {
		/* Storage is switched off: it lasts as long as the page. */
	}
}

export function token_forget() {
	try {
		sessionStorage.removeItem(storage_key);
	} catch {
		/* Nothing was kept. */
	}
}

/** What somebody pasted: the token, or a whole address with it. @param {string} text */
function token_find(text) {
	const trimmed = text.trim();
	return trimmed.includes("#") ? token_of(trimmed.slice(trimmed.indexOf("#") + 1)) : trimmed;
}

export class TokenForm {
	/** @param {(token: string) => void} given */
	constructor(given) {
		this.section = by_id("token", HTMLElement);
		this.panels = by_id("panels", HTMLElement);
		const title = element("h2", "", "This page needs the token of the agent");
		title.id = "token-title";
		this.reason = element("p", "");
		this.field = element("input", "field");
		this.field.type = "password";
		this.field.autocomplete = "off";
		this.field.placeholder = "Paste the token, or the whole address";
		this.field.setAttribute("aria-label", "Token");
		this.problem = element("p", "problem");
		this.problem.setAttribute("role", "alert");
		const open = element("button", "button primary", "Open");
		open.type = "submit";
		const form = element("form", "", this.field, open);
		form.addEventListener("submit", (event) => {
			event.preventDefault();
			const token = token_find(this.field.value);
			if (!token_pattern.test(token)) {
				this.problem.textContent = token
					? "This is no token: one has at least 16 letters, digits, - or _."
					: "Paste the token first.";
				this.field.focus();
				return;
			}
			this.field.value = "";
			this.problem.textContent = "";
			token_keep(token);
			given(token);
		});
		this.section.append(title, this.reason, form, this.problem,
			element("p", "", "The agent printed the address with the token when it started. ",
				"On its host, root reads it with ",
				element("code", "", "sudo cat /run/flickerscope/token"), "."),
			element("p", "", "A capture needs no token: drop the file onto this page."));
	}

	/** @param {"missing" | "refused"} why */
	show(why) {
		this.reason.textContent = why === "missing"
			? "It keeps other users of this machine from seeing what runs on it."
			: "The agent refused the token this page had. It may have been made anew.";
		this.section.hidden = false;
		this.panels.hidden = true;
		this.field.focus();
	}

	hide() {
		this.section.hidden = true;
		this.panels.hidden = false;
	}
}
