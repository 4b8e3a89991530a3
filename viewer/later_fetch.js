/* SPDX-License-Identifier: Apache-2.0 */
/* Fetches later.js, once, and says whether it is here. */

/** @typedef {typeof import("later")} Later */

/** @type {Later | null} */
let here = null;

/** @returns {Promise<Later>} @throws {TypeError} the agent does not answer */
export async function later_fetch() {
	return here ??= await import("later");
}

/** As long as it is not: null. */
export function later_here() {
	return here;
}

/**
 * Uses it, at once when it is here.
 * @param {(later: Later) => void} use
 * @param {(problem: string) => void} fail
 */
export function later_use(use, fail) {
	if (here)
		use(here);
	else
		later_fetch().then(use, () => fail("This could not be fetched: flickerscope does not answer any more."));
}
