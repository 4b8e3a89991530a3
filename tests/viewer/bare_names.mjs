/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolves the viewer's bare module names ("views/names") under node, as the page's import map does
 * in a browser. Import it first, then the modules with `await import()`.
 */

import "./inflate_raw.mjs";
import { register } from "node:module";

const hooks = `
import { existsSync } from "node:fs";
const root = ${JSON.stringify(new URL("../../viewer/", import.meta.url).href)};
export async function resolve(specifier, context, next) {
	if (/^[a-z0-9_]+(\\/[a-z0-9_]+)*$/.test(specifier)) {
		const url = new URL(specifier + ".js", root);
		if (existsSync(url))
			return { url: url.href, format: "module", shortCircuit: true };
	}
	return next(specifier, context);
}`;

register(`data:text/javascript,${encodeURIComponent(hooks)}`, import.meta.url);
