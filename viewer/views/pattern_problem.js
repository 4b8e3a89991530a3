/* SPDX-License-Identifier: Apache-2.0 */
/* Why a pattern that somebody typed is none, and where. */

/**
 * What is wrong with a pattern, in words. Engines say it their own way: only the common ones are
 * told apart.
 * @param {string} pattern
 * @param {unknown} error
 */
export function pattern_problem(pattern, error) {
	const bracket = bracket_open(pattern);
	if (bracket >= 0)
		return `The bracket at letter ${bracket + 1} is never closed.`;
	const text = error instanceof Error ? error.message : "";
	if (/nothing to repeat/i.test(text))
		return "There is nothing before a *, + or ? to repeat.";
	if (/unmatched|unterminated|missing/i.test(text))
		return "A bracket closes that was never opened.";
	return /\\$/.test(pattern) ? "A \\ at the end has nothing to escape."
		: "This pattern cannot be read.";
}

/**
 * @param {string} pattern
 * @returns {number} index of a bracket that is never closed, -1: none
 */
function bracket_open(pattern) {
	const open = [];
	let set = -1;
	for (let i = 0; i < pattern.length; i++) {
		if (pattern[i] === "\\")
			i++;
		else if (set >= 0)
			set = pattern[i] === "]" ? -1 : set;
		else if (pattern[i] === "[")
			set = i;
		else if (pattern[i] === "(")
			open.push(i);
		else if (pattern[i] === ")")
			open.pop();
	}
	return set >= 0 ? set : open.pop() ?? -1;
}
