/* SPDX-License-Identifier: Apache-2.0 */
/* A file dropped anywhere on the page is opened. */

import { by_id } from "views/elements";

/** @param {(file: File) => void} dropped */
export function drop_listen(dropped) {
	const mark = by_id("drop", HTMLElement);
	const has_files = (/** @type {DragEvent} */ event) =>
		event.dataTransfer?.types.includes("Files") ?? false;
	addEventListener("dragover", (event) => {
		if (!has_files(event))
			return;
		event.preventDefault();
		mark.hidden = false;
	});
	addEventListener("dragleave", (event) => {
		if (!event.relatedTarget)
			mark.hidden = true;
	});
	addEventListener("drop", (event) => {
		mark.hidden = true;
		if (!has_files(event))
			return;
		event.preventDefault();
		const file = event.dataTransfer?.files[0];
		if (file)
			dropped(file);
	});
}
