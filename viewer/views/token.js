/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token that opens the agent's stream. It comes in the address's fragment, which no server,
 * log or Referer sees, and is kept for this tab only. Without one the page asks in words.
 */

const storage_key = "flickerscope-token";
export const token_pattern = /^[A-Za-z0-9_-]{16,256}$/;

/** The token in a fragment is the part that is no name=value. @param {string} fragment */
export function token_of(fragment) {
	return fragment.split("&").find((part) => token_pattern.test(part)) ?? "";
}

/**
 * Moves the token out of the address bar into the tab's storage. Call it before anything else.
 * @returns {string | null}
 */
export function token_take() {
	const fragment = location.hash.slice(1);
	const token = token_of(fragment);
	if (fragment) {
		const rest = fragment.split("&").filter((part) => part.includes("=")).join("&");
		history.replaceState(null, "", location.pathname + location.search + (rest && `#${rest}`));
	}
	if (token) {
		token_keep(token);
		return token;
	}
	try {
		return sessionStorage.getItem(storage_key);
	} catch {
		return null; /* storage is switched off: the token is asked for */
	}
}

/** @param {string} token */
export function token_keep(token) {
	try {
		sessionStorage.setItem(storage_key, token);
	} catch {
		/* Storage is switched off: it lasts as long as the page. */
	}
}

export function token_forget() {
	try {
		sessionStorage.removeItem(storage_key);
	} catch {
		/* Nothing was kept. */
	}
}
