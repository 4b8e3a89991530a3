/* SPDX-License-Identifier: Apache-2.0 */
/* Files that other profilers wrote: the server makes captures of them. */

import { TransferError, event_query, hex } from "transfer";
import { name_escape } from "views/names";
import { size_text } from "views/format";
import * as wire from "wire";

/** How often it is said how far a file is. */
const progress_apart_ms = 100;

/**
 * @typedef {object} Importing
 * @property {string} token empty: there is nobody to ask
 * @property {string} event which one of several in the file; empty: the server chooses
 * @property {AbortSignal} signal
 * @property {(words: string) => void} say how far it is
 */

/**
 * Sends a file and takes what comes back.
 * @param {File} file
 * @param {Importing & { progress: (part: "sent" | "made", bytes: number) => void }} options
 * @returns {Promise<Blob>}
 * @throws {TransferError}
 */
function exchange(file, { token, event, signal, progress }) {
	/* fetch() does not tell how much was sent. */
	const request = new XMLHttpRequest();
	const query = [`name=${hex(file.name)}`, event_query(event)].filter(Boolean).join("&");
	return new Promise((resolve, reject) => {
		request.open("POST", new URL(`import?${query}`, location.href));
		request.setRequestHeader("Authorization", `Bearer ${token}`);
		request.responseType = "blob";
		request.upload.onprogress = ({ loaded }) => progress("sent", loaded);
		request.upload.onload = () => progress("sent", file.size);
		request.onprogress = ({ loaded }) => progress("made", loaded);
		request.onload = async () => {
			if (request.status === 200)
				resolve(request.response);
			else
				reject(new TransferError((await request.response.text()).trim() ||
					`${name_escape(file.name)} cannot be read here: the answer is ${request.status}`, request.status));
		};
		request.onerror = () => reject(new TransferError("flickerscope does not answer any more"));
		request.onabort = () => reject(new TransferError(""));
		signal.addEventListener("abort", () => request.abort());
		request.send(file);
	});
}

/**
 * A capture of a file.
 * @param {File} file
 * @param {Importing} options
 * @throws {TransferError}
 */
export async function import_file(file, options) {
	const name = name_escape(file.name), size = size_text(file.size);
	if (!options.token)
		throw new TransferError(`${name} is no capture, and this page has no agent that could read it: ` +
			"open it with 'flickerscope view FILE'");
	if (file.size > wire.WIRE_IMPORT_SIZE_MAX)
		throw new TransferError(`${name} is ${size}, and up to ${size_text(wire.WIRE_IMPORT_SIZE_MAX)} ` +
			"can be dropped: open it with 'flickerscope view FILE'");
	options.say(`Reading ${name}.`);
	let said_ms = performance.now();
	const blob = await exchange(file, { ...options, progress: (part, bytes) => {
		const is_sent = part === "sent" && bytes >= file.size;
		if (options.signal.aborted || (!is_sent && performance.now() - said_ms < progress_apart_ms))
			return;
		said_ms = performance.now();
		options.say(is_sent ? `Reading ${name}: ${size}.`
			: part === "sent" ? `Sending ${name}: ${size_text(bytes)} of ${size}.`
			: `Loading ${name}: ${size_text(bytes)}.`);
	} });
	return new File([blob], file.name);
}
