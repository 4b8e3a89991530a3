/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/loading.h"

#include <errno.h>

#include "base/confinement.h"
#include "base/log.h"
#include "commands/options.h"
#include "commands/progress.h"
#include "convert/input.h"
#include "convert/merged_profile.h"
#include "stream/capture_reader.h"

int load_confined(const struct options *options, int *ret_fd)
{
	CLEANUP(fd_close) int fd = -1;
	int r = input_open_file(options->arguments[0], &fd);

	if (r < 0)
		return r;
	r = confine_process(CONFINED_TO_READING, -1);
	if (r < 0)
		return log_errno(r, "give up what is not needed to read a file");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int load_capture(int fd, const struct options *options, struct capture_reader **ret_reader)
{
	const char *name = input_name(options->arguments[0]);
	struct progress progress = progress_begin("Reading");
	const struct input_options input = {
		.event = options->event,
		.progress = progress_update,
		.progress_context = &progress,
	};
	int r = input_open_fd(fd, name, &input, ret_reader);

	progress_end(&progress);
	return r == -ENOMEM ? log_errno(r, "read %s", name) : r;
}

int load_profile(int fd, const struct options *options, struct merged_profile **ret_profile)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	struct progress progress;
	const struct merged_profile_options loading = {
		.name = input_name(options->arguments[0]),
		.range = options->range,
		.progress = progress_update,
		.context = &progress,
	};
	int r = load_capture(fd, options, &reader);

	if (r < 0)
		return r;
	progress = progress_begin("Reading"); /* anew: opening it has shown its own */
	r = merged_profile_load(reader, &loading, ret_profile);
	progress_end(&progress);
	return r;
}
