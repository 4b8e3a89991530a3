/* SPDX-License-Identifier: Apache-2.0 */
/* The sheet over the page: its title, the button that closes it, and what it is opened with. */

import { by_id, element } from "views/elements";

/**
 * Opens it; Esc closes it, as with any dialog.
 * @param {string} words its title
 * @param {() => Node[]} content made when it opens
 */
export function sheet_open(words, content) {
	const sheet = by_id("sheet", HTMLDialogElement);
	if (sheet.open)
		return;
	const title = element("h2", "", words);
	title.id = "sheet-title";
	const close = element("button", "button", "Close", element("kbd", "", "Esc"));
	close.type = "button";
	close.addEventListener("click", () => sheet.close());
	sheet.replaceChildren(element("header", "", title, close), ...content());
	sheet.showModal();
}
