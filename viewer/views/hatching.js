/* SPDX-License-Identifier: Apache-2.0 */
/* No data, where there are no cells to say it: lines over a ground, as on the map. */

/** @typedef {import("views/colors").Tokens} Tokens */

const distance = 5;

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Tokens} tokens
 * @param {{ x: number, y: number, width: number, height: number }} box
 */
export function hatch(context, tokens, { x, y, width, height }) {
	context.save();
	context.beginPath();
	context.rect(x, y, width, height);
	context.clip();
	context.fillStyle = tokens.sunken;
	context.fill();
	context.beginPath();
	for (let at = Math.floor((x - height) / distance) * distance; at < x + width; at += distance) {
		context.moveTo(at, y + height);
		context.lineTo(at + height, y);
	}
	context.strokeStyle = tokens.control;
	context.stroke();
	context.restore();
}
