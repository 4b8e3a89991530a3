/* SPDX-License-Identifier: Apache-2.0 */
/* The card beside the pointer: what a cell of the map or a frame of the graph stands for. */

import { by_id, element } from "views/elements";

const pointer_distance = 20;
const delay_ms = 80;
const edge = 8;

export class HoverCard {
	constructor() {
		this.card = by_id("card", HTMLElement);
		/** @type {ReturnType<typeof setTimeout> | undefined} */
		this.timer = undefined;
		/** Who asked for the card: a card goes when its owner says so. */
		this.owner = "";
		this.key = "";
		this.point = { x: 0, y: 0 };
	}

	/**
	 * Shows a card after a moment, at once when one shows already.
	 * @param {string} owner
	 * @param {string} key what the card is about: the same key only moves the card
	 * @param {{ x: number, y: number }} point of the pointer, in the window
	 * @param {DOMRect} bounds the panel that the card stays in
	 * @param {() => Node[]} content made when the card shows
	 */
	show(owner, key, point, bounds, content) {
		const showing = !this.card.hidden;
		this.point = point;
		if (this.owner === owner && this.key === key) {
			if (showing)
				this.place(point, bounds);
			return;
		}
		clearTimeout(this.timer);
		this.owner = owner;
		this.key = key;
		const fill = () => {
			this.card.replaceChildren(...content());
			this.card.hidden = false;
			this.place(this.point, bounds);
		};
		if (showing)
			fill();
		else
			this.timer = setTimeout(fill, delay_ms);
	}

	/** @param {string} [owner] only this one's */
	hide(owner) {
		if (owner && this.owner !== owner)
			return;
		clearTimeout(this.timer);
		this.owner = this.key = "";
		this.card.hidden = true;
	}

	/**
	 * Beside the pointer; on its other side when there is no room.
	 * @param {{ x: number, y: number }} point
	 * @param {DOMRect} bounds
	 */
	place(point, bounds) {
		const { width, height } = this.card.getBoundingClientRect();
		const right = Math.min(innerWidth, bounds.right) - edge;
		/* Inside the panel, unless the panel is lower than the card. */
		const bottom = Math.min(innerHeight, Math.max(bounds.bottom, bounds.top + height + edge)) - edge;
		let x = point.x + pointer_distance;
		if (x + width > right)
			x = point.x - pointer_distance - width;
		const y = Math.min(point.y + pointer_distance / 2, bottom - height);
		this.card.style.transform =
			`translate(${Math.round(Math.max(edge, x))}px, ${Math.round(Math.max(edge, y))}px)`;
	}
}

/**
 * A row of a card: swatch, function, process, share.
 * @param {{ color: string, name: string, inlined: boolean, process: string, share: string }} row
 */
export function card_row({ color, name, inlined, process, share }) {
	const swatch = element("i", "");
	swatch.style.background = color;
	return element("div", "top", swatch,
		element("span", inlined ? "name inlined" : "name", name),
		element("span", "process", process), element("span", "share", share));
}
