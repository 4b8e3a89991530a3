/* SPDX-License-Identifier: Apache-2.0 */
/* Asks for the token in words, when the page has none or the agent refused it. */

import { by_id, element } from "views/elements";
import { token_keep, token_of, token_pattern } from "views/token";

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
