/* SPDX-License-Identifier: Apache-2.0 */
/* `flickerscope info FILE`: what is in a capture, or in any file that a capture can be made of. */
#include <stdio.h>

#include "base/log.h"
#include "commands/commands.h"
#include "commands/loading.h"
#include "commands/options.h"
#include "stream/capture_reader.h"
#include "stream/capture_reader.h"
#include "stream/capture_summary.h"

const struct options_usage usage_info = {
	.name = "info",
	.arguments = "FILE",
	.summary = "Tells what is in a profile: span, rate, samples, lost, top processes.",
	.groups = OPTIONS_JSON | OPTIONS_EVENT,
	.arguments_least = 1,
	.arguments_most = 1,
};

int command_info(int argc, char **argv)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	struct capture_summary summary;
	struct options options;
	const char *path;
	int fd, r = options_parse(&usage_info, argc, argv, &options);

	if (r)
		return r == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	path = options.arguments[0];
	r = load_confined(&options, &fd);
	if (!r)
		r = load_capture(fd, &options, &reader);
	if (r)
		return EXIT_CODE_FAILED;
	r = capture_summary_read(reader, &summary);
	if (r < 0) {
		log_errno(r, "%s", path);
		return EXIT_CODE_FAILED;
	}
	if (options.json)
		capture_summary_print_json(stdout, path, &summary);
	else
		capture_summary_print(stdout, path, &summary);
	return EXIT_CODE_OK;
}
