/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capture that a page holds itself: one that `flickerscope convert` wrote, and that somebody opens
 * from a disk. The page of an agent holds none.
 */

/** Letters of base64 that are taken at a time: a multiple of 4. */
const piece_size = 1 << 20;

/** @param {string} text @returns {Uint8Array<ArrayBuffer>} */
function base64_read(text) {
	return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** @returns {File | null} */
export function embedded_capture() {
	const data = document.getElementById("capture");
	const name = document.getElementById("capture-name");
	if (!data || !name)
		return null;
	const text = data.textContent ?? "";
	const pieces = [];
	for (let at = 0; at < text.length; at += piece_size)
		pieces.push(base64_read(text.slice(at, at + piece_size)));
	/* As text it is of no use any more. */
	data.remove();
	return new File(pieces, new TextDecoder().decode(base64_read(name.textContent ?? "")));
}
