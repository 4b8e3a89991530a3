/* SPDX-License-Identifier: Apache-2.0 */
/* The list of the profiles that `view` serves: each opens by a click, two can be compared. */

import { TransferError, profiles_list } from "transfer";
import { by_id, element, text_set } from "views/elements";
import { clock_text, count_text, date_text, size_text, span_text } from "views/format";
import { name_escape } from "views/names";
import { theme_toggle, theme_watch } from "views/theme";
import { token_forget, token_take } from "views/token";
import { TokenForm } from "views/token_form";

/** @typedef {import("transfer").ListedProfile} ListedProfile */

class ListPage {
	/** @param {string | null} token */
	constructor(token) {
		this.note = by_id("note", HTMLElement);
		this.compare = by_id("compare", HTMLButtonElement);
		this.form = new TokenForm((given) => this.open(given));
		this.token = "";
		/** Ids, in the order in which they were chosen. @type {string[]} */
		this.chosen = [];
		this.compare.addEventListener("click", () => {
			location.href = this.address(`compare.html?${
				this.chosen.map((id) => `profile=${id}`).join("&")}`);
		});
		by_id("theme", HTMLButtonElement).addEventListener("click", theme_toggle);
		theme_watch(() => {});
		if (token)
			this.open(token);
		else
			this.form.show("missing");
	}

	/** A page of ours that knows the token, also in another tab. @param {string} path */
	address(path) {
		return `${path}#${this.token}`;
	}

	/** @param {string} token */
	async open(token) {
		this.token = token;
		this.form.hide();
		try {
			const { folder, cut, profiles } = await profiles_list(token);
			this.show(folder, profiles);
			text_set(this.note, `${profiles.length > 1 ? "Click a name to open it, or tick two to compare them." : ""}${
				cut ? " There are more files: these are the newest." : ""}`);
		} catch (error) {
			if (!(error instanceof TransferError))
				throw error;
			if (error.status === 401) {
				token_forget();
				this.form.show("refused");
			}
			text_set(this.note, `${error.message}.`.replace(/\.\.$/, "."));
		}
	}

	/**
	 * @param {string | null} folder
	 * @param {ListedProfile[]} profiles
	 */
	show(folder, profiles) {
		const name = folder === null ? "Profiles" : name_escape(folder);
		text_set(by_id("folder", HTMLElement), name);
		document.title = `${name} · flickerscope`;
		text_set(by_id("count", HTMLElement), profiles.length
			? `${count_text(profiles.length)} profile${profiles.length === 1 ? "" : "s"}`
			: "No profiles here");
		this.compare.hidden = profiles.length < 2;
		by_id("profiles", HTMLElement).replaceChildren(...profiles.map((profile) => this.row(profile)));
	}

	/** @param {ListedProfile} profile */
	row({ id, name, bytes, changed_us, duration_us, samples }) {
		const choice = element("input", "");
		choice.type = "checkbox";
		choice.setAttribute("aria-label", `Compare ${name_escape(name)}`);
		choice.addEventListener("change", () => this.choose(id, choice.checked));
		const link = element("a", "", name_escape(name));
		link.href = this.address(`./?profile=${id}`);
		/* Of what would have to be read first nothing is said. */
		return element("tr", "", element("td", "", choice), element("td", "name", link),
			element("td", "", `${date_text(changed_us)} ${clock_text(changed_us)}`), element("td", "number", size_text(bytes)),
			element("td", "number", duration_us === null ? "" : span_text(duration_us)),
			element("td", "number", samples === null ? "" : count_text(samples)));
	}

	/** @param {string} id @param {boolean} checked */
	choose(id, checked) {
		this.chosen = this.chosen.filter((other) => other !== id);
		if (checked)
			this.chosen.push(id);
		this.compare.disabled = this.chosen.length !== 2;
	}
}

new ListPage(token_take());
