/* SPDX-License-Identifier: Apache-2.0 */
/* Text to the clipboard, also where a page has no access to it of its own: over plain HTTP from another host. */

import { element } from "views/elements";

/** @param {string} text @returns {Promise<boolean>} whether it is there */
export async function text_copy(text) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		const before = /** @type {HTMLElement | null} */ (document.activeElement);
		const area = element("textarea", "unseen");
		area.value = text;
		document.body.append(area);
		area.select();
		const copied = document.execCommand("copy");
		area.remove();
		before?.focus();
		return copied;
	}
}
