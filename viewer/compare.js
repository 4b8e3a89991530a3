/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two profiles side by side: each is the whole page in a frame of its own, with its map, its
 * selection and its graph. Or what changed from the first to the second, which is one page of both.
 */

import { by_id, element } from "views/elements";
import { theme_watch } from "views/theme";
import { token_take } from "views/token";

const token = token_take();
const ids = new URLSearchParams(location.search).getAll("profile").slice(0, 2);

/** A page of ours that knows the token. @param {string} query */
const address = (query) => `./?${query}${token ? `#${token}` : ""}`;
const [left, right] = ids.map(encodeURIComponent);

theme_watch(() => {});
by_id("difference", HTMLAnchorElement).href = address(`profile=${right}&before=${left}`);
by_id("frames", HTMLElement).append(...ids.map((_, i) => {
	const frame = element("iframe", "");
	frame.title = i ? "Right profile" : "Left profile";
	frame.src = address(`profile=${i ? right : left}`);
	return frame;
}));
