/* SPDX-License-Identifier: Apache-2.0 */
/* What axe-core finds in a page of ours. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What axe finds in a part of the page, in both themes: in the second one only what colours can be. */
export async function axeFindings(where, part = ":root") {
	await where.evaluate(axe);
	const found = [];
	for (const theme of ["light", "dark"]) {
		await where.emulateMedia({ colorScheme: theme });
		await where.waitForFunction((theme) => document.documentElement.dataset.shown === theme, theme);
		const run_only = theme === "light" ? { type: "tag", values: tags } : { type: "rule", values: ["color-contrast"] };
		const violations = await where.evaluate(async ([part, run_only]) => (await window.axe.run(part,
			{ runOnly: run_only, resultTypes: ["violations"] })).violations, [part, run_only]);
		for (const { id, nodes } of violations)
			for (const { html, failureSummary } of nodes)
				found.push(`${theme} ${id}: ${html.slice(0, 160)} ${failureSummary.replace(/\s+/g, " ").slice(0, 300)}`);
	}
	await where.emulateMedia({ colorScheme: null });
	return found;
}
