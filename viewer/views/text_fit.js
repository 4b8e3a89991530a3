/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts labels to a width without asking the canvas about each: the widths of letters are measured
 * once for each font and added up, which is right but for kerning.
 */

const ellipsis = "…";
/** A label needs this many letters before its ellipsis to tell anything. */
const letters_min = 4;

export class TextFit {
	/** @param {CanvasRenderingContext2D} context */
	constructor(context) {
		this.context = context;
		/** @type {Map<string, Map<string, number>>} */
		this.fonts = new Map();
	}

	/**
	 * @param {string} font
	 * @param {string} letter
	 */
	letter_width(font, letter) {
		let widths = this.fonts.get(font);
		if (!widths)
			this.fonts.set(font, widths = new Map());
		let width = widths.get(letter);
		if (width === undefined) {
			this.context.font = font;
			width = this.context.measureText(letter).width;
			widths.set(letter, width);
		}
		return width;
	}

	/**
	 * @param {string} font
	 * @param {string} text
	 */
	width(font, text) {
		let width = 0;
		for (const letter of text)
			width += this.letter_width(font, letter);
		return width;
	}

	/**
	 * @param {string} font
	 * @param {string} text
	 * @param {number} room
	 * @returns {string} the text, its start with an ellipsis, or nothing
	 */
	fit(font, text, room) {
		let width = 0, kept = 0, kept_letters = 0, letters = 0, length = 0;
		const room_cut = room - this.letter_width(font, ellipsis);
		for (const letter of text) {
			width += this.letter_width(font, letter);
			if (width > room)
				return kept_letters >= letters_min ? text.slice(0, kept) + ellipsis : "";
			length += letter.length;
			letters++;
			if (width <= room_cut) {
				kept = length;
				kept_letters = letters;
			}
		}
		return text;
	}
}
