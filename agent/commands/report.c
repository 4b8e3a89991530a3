/* SPDX-License-Identifier: Apache-2.0 */
/* `flickerscope report FILE`: who took the time, as tables. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "commands/commands.h"
#include "commands/loading.h"
#include "commands/options.h"
#include "convert/call_tree.h"
#include "convert/merged_profile.h"
#include "convert/output.h"
#include "convert/report.h"

enum { ROWS_SHOWN = 40 }; /* unless asked otherwise */

const struct options_usage usage_report = {
	.name = "report",
	.arguments = "FILE",
	.summary = "Tells who took the time: functions, modules, processes or threads.",
	.details =
		"Self are samples in the row itself, total those in it or in what it called.\n"
		"T is seconds from the start, with decimals (0 is the whole second in which the\n"
		"first sample is), or a time of the wall clock: 12:04:31.250, or with a date,\n"
		"2026-11-22T12:04:31.250. A sample at T is from T on, and not before T.",
	.groups = OPTIONS_RANGE | OPTIONS_REPORT | OPTIONS_JSON | OPTIONS_EVENT,
	.arguments_least = 1,
	.arguments_most = 1,
};

static uint32_t terminal_columns(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
}

static int print_report(const struct merged_profile *profile, const struct options *options)
{
	CLEANUP(call_tree_free) struct call_tree *tree = NULL;
	CLEANUP(report_close) struct report report = { 0 };
	CLEANUP(output_free) struct output *output = NULL;
	struct report_view view = {
		.title = strcmp(options->arguments[0], "-") == 0 ? "standard input"
								 : options->arguments[0],
		.rows_max = options->rows_max,
		.columns_max = terminal_columns(),
	};
	int r = call_tree_new(profile, &tree);

	if (view.rows_max == OPTIONS_ROWS_UNSET)
		view.rows_max = options->json ? 0 : ROWS_SHOWN;
	if (!r)
		r = report_make(tree, options->report_by, INT64_MIN, INT64_MAX, &report);
	if (!r)
		r = output_new(STDOUT_FILENO, &output);
	if (r < 0)
		return log_errno(r, "count the samples");
	if (options->json)
		report_print_json(&report, view.rows_max, output);
	else
		report_print(&report, &view, output);
	r = output_finish(output);
	return r < 0 ? log_errno(r, "write to standard output") : 0;
}

int command_report(int argc, char **argv)
{
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;
	struct options options;
	int fd, r = options_parse(&usage_report, argc, argv, &options);

	if (r)
		return r == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	r = load_confined(&options, &fd);
	if (!r)
		r = load_profile(fd, &options, &profile);
	if (!r)
		r = print_report(profile, &options);
	return r < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
