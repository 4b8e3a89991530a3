/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the page gets from the server besides the live stream: captures of what an agent holds, and
 * the profiles that `view` serves, which are read piece by piece like a file.
 */

import { WireError } from "wire_bytes";

/** Of a file or an event, in an address. */
const name_size_max = 500;

/** What a file feed reads from: a Blob has it too. @typedef {{ size: number, slice: (start?: number,
 * end?: number) => { arrayBuffer: () => Promise<ArrayBuffer> } }} FileLike */

/** The server did not give what was asked for. */
export class TransferError extends Error {
	/**
	 * @param {string} message for people
	 * @param {number} [status] of HTTP; 0: there was no answer, or it broke off
	 */
	constructor(message, status = 0) {
		super(message);
		this.name = "TransferError";
		this.status = status;
	}
}

/**
 * Asks with the token.
 * @param {string} path relative to the page
 * @param {string} token
 * @param {Record<string, string>} [headers]
 * @throws {TransferError}
 */
async function ask(path, token, headers = {}) {
	let answer;
	try {
		answer = await fetch(new URL(path, location.href), {
			headers: { Authorization: `Bearer ${token}`, ...headers },
			cache: "no-store",
		});
	} catch {
		throw new TransferError("flickerscope does not answer any more");
	}
	if (!answer.ok)
		throw new TransferError((await answer.text()).trim(), answer.status);
	return answer;
}

/**
 * The content of an answer, whole.
 * @param {Response} answer
 * @param {(bytes: number) => void} [progress]
 * @throws {TransferError} when it breaks off
 */
async function content(answer, progress = () => {}) {
	/** @type {Uint8Array<ArrayBuffer>[]} */
	const parts = [];
	let bytes = 0;
	try {
		const reader = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (answer.body).getReader();
		for (let part = await reader.read(); !part.done; part = await reader.read()) {
			parts.push(part.value);
			progress(bytes += part.value.length);
		}
	} catch {
		throw new TransferError("It broke off before its end");
	}
	return new Blob(parts, { type: "application/octet-stream" });
}

/**
 * What an agent holds, as a capture.
 * @param {string} token
 * @param {{ from_us: number, to_us: number } | null} stretch timeline; null: all
 * @param {(bytes: number) => void} progress
 */
export async function download_window(token, stretch, progress) {
	const query = stretch ? `?from=${Math.max(0, Math.floor(stretch.from_us))}&to=${
		Math.ceil(stretch.to_us)}` : "";
	return content(await ask(`download${query}`, token), progress);
}

/** Any bytes of a name for an address: two digits each. @param {string} name */
export function hex(name) {
	/* What is cut is a file's name for messages; those of events are shorter. */
	return [...new TextEncoder().encode(name).subarray(0, name_size_max)]
		.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} event */
export function event_query(event) {
	return event && `event=${hex(event)}`;
}

/** A profile that `view` serves. @implements {FileLike} */
export class RemoteFile {
	/**
	 * @param {string} path
	 * @param {string} token
	 * @param {string} name
	 * @param {number} size
	 */
	constructor(path, token, name, size) {
		this.path = path;
		this.token = token;
		this.name = name;
		this.size = size;
	}

	/** @param {string} id @param {string} token @param {string} event of a file that holds several */
	static async open(id, token, event) {
		const query = event_query(event);
		const path = `profiles/${encodeURIComponent(id)}${query && `?${query}`}`;
		const answer = await ask(path, token, { Range: "bytes=0-0" });
		const size = /\/(\d+)$/.exec(answer.headers.get("Content-Range") ?? "");
		const name = /filename\*=UTF-8''(.*)$/.exec(answer.headers.get("Content-Disposition") ?? "");
		return new RemoteFile(path, token, name ? name_decode(name[1]) : id, size ? Number(size[1]) : 0);
	}

	/** @param {number} [start] @param {number} [end] */
	slice(start = 0, end = this.size) {
		return { arrayBuffer: () => this.read(start, Math.min(end, this.size)) };
	}

	/** @param {number} start @param {number} end */
	async read(start, end) {
		if (end <= start)
			return new ArrayBuffer(0);
		try {
			const answer = await ask(this.path, this.token, { Range: `bytes=${start}-${end - 1}` });
			return await (await content(answer)).arrayBuffer();
		} catch (error) {
			if (!(error instanceof TransferError))
				throw error;
			throw new WireError(`This file cannot be read any further: ${error.message}`, start);
		}
	}

	/** All of it. @param {(bytes: number) => void} progress */
	async save(progress) {
		return content(await ask(this.path, this.token), progress);
	}
}

/** A name of any bytes: what is no UTF-8 is shown as such. @param {string} text */
function name_decode(text) {
	const bytes = [];
	for (const [, encoded, plain] of text.matchAll(/%([0-9A-F]{2})|(.)/g))
		bytes.push(encoded ? parseInt(encoded, 16) : plain.charCodeAt(0));
	return new TextDecoder().decode(Uint8Array.from(bytes));
}

/**
 * @typedef {object} ListedProfile
 * @property {string} id
 * @property {string} name
 * @property {number} bytes
 * @property {number} changed_us
 * @property {number | null} start_us null: the file would have to be read for it
 * @property {number | null} duration_us
 * @property {number | null} samples
 */

/**
 * The profiles that `view` serves.
 * @param {string} token
 * @returns {Promise<{ folder: string | null, cut: boolean, profiles: ListedProfile[] }>}
 */
export async function profiles_list(token) {
	return (await ask("profiles", token)).json();
}
