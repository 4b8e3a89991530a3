/* SPDX-License-Identifier: Apache-2.0 */
/* Light or dark: as the system says, until somebody chooses; the choice is kept in the browser. */

/** @typedef {import("views/colors").Theme} Theme */

const storage_key = "flickerscope-theme";
const system_dark = matchMedia("(prefers-color-scheme: dark)");

/** @returns {Theme} */
export function theme_shown() {
	const chosen = document.documentElement.dataset.theme;
	if (chosen === "light" || chosen === "dark")
		return chosen;
	return system_dark.matches ? "dark" : "light";
}

/** @type {() => void} */
let changed = () => {};

function shown_mark() {
	document.documentElement.dataset.shown = theme_shown();
}

/** Takes what the system says now, should its change not have been told. */
export function theme_check() {
	if (document.documentElement.dataset.shown === theme_shown())
		return;
	shown_mark();
	changed();
}

/** @param {() => void} listener called after each change */
export function theme_watch(listener) {
	changed = listener;
	try {
		const kept = localStorage.getItem(storage_key);
		if (kept === "light" || kept === "dark")
			document.documentElement.dataset.theme = kept;
	} catch {
		/* Storage is switched off: the system's choice stands. */
	}
	shown_mark();
	/* Chosen in another tab, or in the frame beside this one. */
	addEventListener("storage", ({ key, newValue }) => {
		if (key !== storage_key || (newValue !== "light" && newValue !== "dark"))
			return;
		document.documentElement.dataset.theme = newValue;
		shown_mark();
		changed();
	});
	system_dark.addEventListener("change", () => {
		shown_mark();
		changed();
	});
}

export function theme_toggle() {
	const theme = theme_shown() === "dark" ? "light" : "dark";
	document.documentElement.dataset.theme = theme;
	try {
		localStorage.setItem(storage_key, theme);
	} catch {
		/* It lasts as long as the page. */
	}
	shown_mark();
	changed();
}
