/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/commands.h"

#include "base/cleanup.h"

const struct command commands[] = {
	{ &usage_live, "sample this host and serve the page (the default)", command_live },
	{ &usage_record, "sample into a capture file", command_record },
	{ &usage_dump, "write what a running agent holds to a capture file", command_dump },
	{ &usage_view, "serve the page for a capture file", command_view },
	{ &usage_report, "tell who took the time, as tables", command_report },
	{ &usage_convert, "write a profile in another format, or a part of it", command_convert },
	{ &usage_info, "tell what is in a capture file", command_info },
	{ &usage_doctor, "tell whether this host can be profiled, and if not, what to change",
	  command_doctor },
	{ &usage_manual, "write manual pages and completions for shells", command_manual },
};

const size_t command_count = ARRAY_SIZE(commands);
