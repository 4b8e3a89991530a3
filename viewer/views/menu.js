/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A menu at a point: Esc and whatever happens elsewhere closes it; the keyboard is then back where it was.
 */

import { by_id, element } from "views/elements";

/** @typedef {{ label: string, key?: string, act: () => void } | null} MenuItem null: a line */

const edge = 8;

/** Closes what is open. */
let close_open = () => {};

/**
 * @param {HTMLElement} popup
 * @param {{ x: number, y: number }} point of its corner, in the window; it is moved to have room
 * @returns {() => void} closes it
 */
function popup_open(popup, point) {
	close_open();
	const before = /** @type {HTMLElement | null} */ (document.activeElement);
	by_id("main", HTMLElement).append(popup);
	const { width, height } = popup.getBoundingClientRect();
	popup.style.left = `${Math.max(edge, Math.min(point.x, innerWidth - width - edge))}px`;
	popup.style.top = `${Math.max(edge, Math.min(point.y, innerHeight - height - edge))}px`;
	const close = () => {
		if (!popup.isConnected)
			return;
		const had_focus = popup.contains(document.activeElement);
		popup.remove();
		removeEventListener("pointerdown", pressed, true);
		removeEventListener("blur", close);
		removeEventListener("resize", close);
		if (had_focus)
			before?.focus();
	};
	const pressed = (/** @type {PointerEvent} */ event) => {
		const { target } = event;
		if (target instanceof Node && !popup.contains(target) )
			close();
	};
	popup.addEventListener("keydown", (event) => {
		/* Nothing of it is meant for the page. */
		event.stopPropagation();
		if (event.key === "Escape") {
			event.preventDefault();
			close();
		}
	});
	addEventListener("pointerdown", pressed, true);
	addEventListener("blur", close);
	addEventListener("resize", close);
	close_open = close;
	return close;
}

/**
 * @param {string} title
 * @param {MenuItem[]} items
 * @param {{ x: number, y: number }} point
 */
export function menu_open(title, items, point) {
	const menu = element("div", "popup menu-list");
	menu.setAttribute("role", "menu");
	menu.setAttribute("aria-label", title);
	const buttons = items.filter((item) => item !== null).map(({ label, key, act }) => {
		const button = element("button", "", element("span", "", label), ...key ? [element("kbd", "", key)] : []);
		button.type = "button";
		button.tabIndex = -1;
		button.setAttribute("role", "menuitem");
		button.addEventListener("click", () => {
			close();
			act();
		});
		return button;
	});
	let next = 0;
	const heading = element("div", "menu-title", title);
	heading.setAttribute("role", "presentation");
	menu.append(heading, ...items.map((item) => {
		if (item)
			return buttons[next++];
		const line = element("hr", "");
		line.setAttribute("role", "separator");
		return line;
	}));
	menu.addEventListener("keydown", (event) => {
		const at = buttons.findIndex((button) => button === document.activeElement);
		/** @type {Record<string, number>} */
		const targets = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 };
		const letter = event.key.length === 1 && !event.ctrlKey && !event.metaKey ? event.key.toLowerCase() : "";
		const named = letter.trim() ? [...buttons.slice(at + 1), ...buttons].find((button) =>
			button.textContent?.toLowerCase().startsWith(letter)) : undefined;
		if (event.key === "Tab")
			close();
		else if (event.key in targets)
			buttons.at(targets[event.key] % buttons.length)?.focus();
		else if (named)
			named.focus();
		else
			return;
		event.preventDefault();
	});
	menu.addEventListener("contextmenu", (event) => event.preventDefault());
	const close = popup_open(menu, point);
	buttons[0]?.focus();
}
