/* SPDX-License-Identifier: Apache-2.0 */
/* Makes elements. Text is always text: nothing here or elsewhere on the page parses markup. */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} class_name
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, class_name, ...children) {
	const made = document.createElement(tag);
	if (class_name)
		made.className = class_name;
	made.append(...children);
	return made;
}

/**
 * The element of the page with an id.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new (...args: any[]) => T} type
 * @returns {T}
 */
export function by_id(id, type) {
	const found = document.getElementById(id);
	if (!(found instanceof type))
		throw new Error(`the page has no ${type.name} called ${id}`);
	return found;
}

/**
 * Text with bold parts: pieces at odd places are bold.
 * @param {string[]} pieces
 * @returns {(Node | string)[]}
 */
export function emphasized(pieces) {
	return pieces.map((piece, i) => (i % 2 ? element("b", "", piece) : piece));
}

const svg_space = "http://www.w3.org/2000/svg";

/**
 * A picture of one path, for eyes only.
 * @param {string} shape
 * @param {string} [view_box]
 */
export function icon(shape, view_box = "0 0 16 16") {
	const svg = document.createElementNS(svg_space, "svg");
	const path = document.createElementNS(svg_space, "path");
	svg.setAttribute("viewBox", view_box);
	svg.setAttribute("aria-hidden", "true");
	path.setAttribute("d", shape);
	svg.append(path);
	return svg;
}

/** A triangle with an exclamation mark. */
export function warning_icon() {
	return icon("M8 2.2L14.5 13.5H1.5zM8 6.5v3.2M8 11.6v.1");
}

/**
 * Changes a text only when it is another one, so that nothing is laid out or announced again.
 * @param {Element} target
 * @param {string} text
 */
export function text_set(target, text) {
	if (target.textContent !== text)
		target.textContent = text;
}

/** No more is said to those who don't see the page than once in this time. */
const say_ms = 1000;

/** What is yet to be said, by where. @type {Map<Element, string>} */
const waiting = new Map();

/**
 * Says something to those who don't see the page: at once, or when the time for it has come; then the last
 * that there was to say.
 * @param {Element} target that is read out when it changes
 * @param {string} text
 */
export function say(target, text) {
	if (waiting.has(target)) {
		waiting.set(target, text);
		return;
	}
	text_set(target, text);
	waiting.set(target, text);
	setTimeout(() => {
		const last = waiting.get(target) ?? "";
		waiting.delete(target);
		if (target.textContent !== last)
			say(target, last);
	}, say_ms);
}

/**
 * Only what they would want to be interrupted for.
 * @param {string} text
 */
export function announce(text) {
	say(by_id("announce", HTMLElement), text);
}

/** A sentence, and a button behind it that leads out of what it says. It stays while figures change: a click on it is not lost. */
export class Said {
	/** @param {HTMLElement} target */
	constructor(target) {
		this.text = element("span", "");
		this.way_out = element("button", "link");
		this.way_out.type = "button";
		this.way_out.hidden = true;
		target.append(this.text, this.way_out);
	}

	/** @param {string} text @param {string} [action] empty: no button @param {() => void} [act] */
	show(text, action = "", act = () => {}) {
		text_set(this.text, text + (action && " "));
		text_set(this.way_out, action);
		this.way_out.hidden = action === "";
		this.way_out.onclick = act;
	}
}
