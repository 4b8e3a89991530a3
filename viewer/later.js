/* SPDX-License-Identifier: Apache-2.0 */
/* What the page's first column does not need: a file of its own, which comes a moment after that. */

export { FileFeed } from "file_feed";
export { import_file } from "import_file";
export { Changes } from "model/changes";
export { Unusual } from "model/unusual";
export { PageTools } from "page_tools";
export { ChangesPanel } from "views/changes_panel";
export { keys_sheet_open } from "views/keys_sheet";
export { stacks_sheet_open } from "views/stacks_sheet";
