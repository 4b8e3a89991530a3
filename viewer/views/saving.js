/* SPDX-License-Identifier: Apache-2.0 */
/* Gives a capture to the browser's downloads, and says on its button how far it is. */

import { announce, text_set } from "views/elements";
import { size_text } from "views/format";

/** "20261122T183412Z" of microseconds of the wall clock. @param {number} wall_us */
export function stamp_text(wall_us) {
	return new Date(wall_us / 1000).toISOString().replace(/[-:]|\.\d+/g, "");
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
export function give(blob, name) {
	const link = document.createElement("a");
	link.href = URL.createObjectURL(blob);
	link.download = name;
	link.click();
	/* The browser takes it in its own time. */
	setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/**
 * @param {HTMLButtonElement} button
 * @param {string} name of the file
 * @param {(progress: (bytes: number) => void) => Promise<Blob>} get
 */
export async function save(button, name, get) {
	const label = button.querySelector("[data-label]") ?? button;
	const words = label.textContent ?? "";
	button.disabled = true;
	try {
		const blob = await get((bytes) => text_set(label, size_text(bytes)));
		give(blob, name);
		announce(`Saved ${size_text(blob.size)} as ${name}`);
		return blob.size;
	} finally {
		text_set(label, words);
		button.disabled = false;
	}
}
