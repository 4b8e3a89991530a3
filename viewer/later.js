/* SPDX-License-Identifier: Apache-2.0 */
/* What the page's first column does not need: a file of its own, which comes a moment after that. */

export { FileFeed } from "file_feed";
export { import_file } from "import_file";
export { JoinedFeed } from "joined_feed";
export { baseline_before, baseline_rest } from "model/baselines";
export { Changes } from "model/changes";
export { Shape } from "model/shape";
export { Unusual } from "model/unusual";
export { PageTools } from "page_tools";
export { callers_panel_make } from "views/callers_panel";
export { ChangesPanel } from "views/changes_panel";
export { export_menu_open } from "views/exporting";
export { FunctionTable, table_rows } from "views/function_table";
export { keys_sheet_open } from "views/keys_sheet";
export { ModuleColors } from "views/module_colors";
export { TokenForm } from "views/token_form";
export { pattern_problem } from "views/pattern_problem";
export { save, stamp_text } from "views/saving";
export { stacks_sheet_open } from "views/stacks_sheet";
export { frame_menu_open, view_panel_fill } from "views/view_panel";
