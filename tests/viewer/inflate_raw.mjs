/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives node 18 the DecompressionStream that browsers and newer nodes have: before 20.12 it knows no
 * "deflate-raw".
 */

import { Duplex } from "node:stream";
import { createInflateRaw } from "node:zlib";

function deflate_raw_is_known() {
	try {
		return new DecompressionStream("deflate-raw") !== null;
	} catch {
		return false;
	}
}

if (!deflate_raw_is_known()) {
	globalThis.DecompressionStream = class {
		constructor() {
			const { readable, writable } = Duplex.toWeb(createInflateRaw());
			this.readable = readable;
			this.writable = writable;
		}
	};
}
