/* SPDX-License-Identifier: Apache-2.0 */
/* A panel that a button opens: below it, closed by Esc or by a click beside it. */

const edge = 8, distance = 4;

/**
 * @param {HTMLButtonElement} button
 * @param {HTMLElement} panel with the attribute "popover"
 * @param {() => void} [opened]
 */
export function popover_join(button, panel, opened = () => {}) {
	button.popoverTargetElement = panel;
	panel.addEventListener("beforetoggle", (event) => {
		const open = /** @type {ToggleEvent} */ (event).newState === "open";
		button.setAttribute("aria-expanded", String(open));
		if (!open)
			return;
		const { left, right, bottom } = button.getBoundingClientRect();
		const { style } = panel;
		style.top = `${bottom + distance}px`;
		style.maxHeight = `${innerHeight - bottom - distance - edge}px`;
		const at_left = left + right < innerWidth;
		style.left = at_left ? `${left}px` : "auto";
		style.right = at_left ? "auto" : `${innerWidth - right}px`;
		opened();
	});
	/* Not by the attribute: a page whose keyboard is elsewhere complains of that. */
	panel.addEventListener("toggle", (event) => {
		if (/** @type {ToggleEvent} */ (event).newState === "open")
			/** @type {HTMLElement | null} */ (panel.querySelector("input, select, button"))?.focus();
	});
}

/** Whether one is open: then keys are meant for it. */
export function popover_is_open() {
	return document.querySelector(":popover-open") !== null;
}
