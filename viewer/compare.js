/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two profiles side by side: each is the whole page in a frame of its own, with its map, its
 * selection and its graph.
 */

import { element } from "views/elements";
import { theme_watch } from "views/theme";
import { token_take } from "views/token";

const token = token_take();
const ids = new URLSearchParams(location.search).getAll("profile").slice(0, 2);

theme_watch(() => {});
document.body.append(...ids.map((id, i) => {
	const frame = element("iframe", "");
	frame.title = i ? "Right profile" : "Left profile";
	frame.src = `./?profile=${encodeURIComponent(id)}${token ? `#${token}` : ""}`;
	return frame;
}));
