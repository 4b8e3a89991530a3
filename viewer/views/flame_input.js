/* SPDX-License-Identifier: Apache-2.0 */
/* Pointer and keys on the flame graph. */

import { say } from "views/elements";
import { row_height } from "views/flame_graph";

/** @typedef {import("views/flame_graph").FlameGraph} FlameGraph */
/** @typedef {import("views/flame_layout").FlameRect} FlameRect */

/** @param {FlameGraph} graph */
export function flame_input_listen(graph) {
	const { canvas } = graph;
	canvas.addEventListener("pointermove", (event) => {
		hover_set(graph, graph.rect_at(event.clientX, event.clientY),
			{ x: event.clientX, y: event.clientY });
	});
	canvas.addEventListener("pointerleave", () => hover_set(graph, -1, { x: 0, y: 0 }));
	graph.scroller.addEventListener("scroll", () => {
		if (graph.hover >= 0)
			hover_set(graph, -1, { x: 0, y: 0 });
	});
	canvas.addEventListener("click", (event) => {
		const rect = graph.rects[graph.rect_at(event.clientX, event.clientY)];
		if (rect)
			graph.events.chosen(rect);
	});
	canvas.addEventListener("contextmenu", (event) => {
		/* The key for menus, and Shift+F10, have no place of their own. */
		const by_key = event.button !== 2;
		const index = by_key ? graph.cursor_rect() : graph.rect_at(event.clientX, event.clientY);
		const rect = graph.rects[index];
		if (!rect || rect.node < 0)
			return;
		event.preventDefault();
		hover_set(graph, -1, { x: 0, y: 0 });
		graph.events.menu(rect, by_key ? rect_point(graph, rect) : { x: event.clientX, y: event.clientY });
	});
	canvas.addEventListener("keydown", (event) => {
		if (key_take(graph, event))
			event.preventDefault();
	});
	canvas.addEventListener("focus", () => {
		if (canvas.matches(":focus-visible") && graph.cursor_rect() < 0)
			graph.cursor = 0;
		cursor_show(graph);
	});
	canvas.addEventListener("blur", () => {
		hover_set(graph, -1, { x: 0, y: 0 });
		/* The cursor had a card as well. */
		graph.events.hover(null, { x: 0, y: 0 });
		graph.repaint();
	});
}

/**
 * @param {FlameGraph} graph
 * @param {number} index
 * @param {{ x: number, y: number }} point
 */
function hover_set(graph, index, point) {
	const changed = graph.hover !== index;
	graph.hover = index;
	graph.canvas.style.cursor = index >= 0 ? "pointer" : "default";
	if (index >= 0 || changed)
		graph.events.hover(graph.rects[index] ?? null, point);
	if (changed)
		graph.repaint();
}

/**
 * @param {FlameGraph} graph
 * @param {KeyboardEvent} event
 * @returns {boolean} whether the key was meant for the graph
 */
function key_take(graph, event) {
	if (event.ctrlKey || event.metaKey || event.altKey)
		return false;
	const at = graph.cursor_rect();
	if (event.key === "Enter") {
		if (at >= 0)
			graph.events.chosen(graph.rects[at]);
		return true;
	}
	if (event.key === "c" || event.key === "C") {
		if (at >= 0)
			graph.events.callers(graph.rects[at]);
		return true;
	}
	const next = arrow_target(graph, at, event.key);
	if (next === null)
		return false;
	const rect = graph.rects[next];
	if (rect && graph.tree) {
		graph.cursor = rect.node > 0 ? graph.tree.identity(rect.node) : 0;
		cursor_show(graph);
	}
	return true;
}

/**
 * To the caller, to the widest callee, left and right along the row.
 * @param {FlameGraph} graph
 * @param {number} at
 * @param {string} key
 * @returns {number | null} index of a rectangle, -1: there is none, null: no arrow
 */
function arrow_target(graph, at, key) {
	const { rects } = graph;
	if (!/^Arrow/.test(key))
		return null;
	if (at < 0)
		return 0;
	const rect = rects[at];
	/* On the screen: towards the root is down when that is at the bottom. */
	if (key === (graph.flipped ? "ArrowDown" : "ArrowUp"))
		return rects.findIndex((other) => other.node === rect.parent);
	if (key === "ArrowDown" || key === "ArrowUp") {
		return rects.findIndex((other) =>
			other.parent === rect.node && other.node >= 0);
	}
	const step = key === "ArrowLeft" ? -1 : 1;
	for (let i = at + step; rects[i] && rects[i].depth === rect.depth; i += step) {
		if (rects[i].node >= 0)
			return i;
	}
	return -1;
}

/** Brings the cursor's frame into sight, says it and shows its card. @param {FlameGraph} graph */
function cursor_show(graph) {
	const rect = graph.rects[graph.cursor_rect()];
	if (!rect) {
		graph.repaint();
		return;
	}
	const y = graph.row_top(rect.depth);
	const { scroller } = graph;
	if (y < scroller.scrollTop)
		scroller.scrollTop = y;
	else if (y + 2 * row_height > scroller.scrollTop + graph.view_height)
		scroller.scrollTop = y + 2 * row_height - graph.view_height;
	say(graph.words, graph.rect_words(rect));
	if (graph.canvas.matches(":focus-visible"))
		graph.events.hover(rect, rect_point(graph, rect));
	graph.repaint();
}

/** Below the start of a rectangle, in the window. @param {FlameGraph} graph @param {FlameRect} rect */
function rect_point(graph, rect) {
	const bounds = graph.canvas.getBoundingClientRect();
	return { x: bounds.left + 16 + Math.max(0, rect.x0),
		y: bounds.top + graph.row_top(rect.depth) - graph.scroller.scrollTop + row_height };
}
