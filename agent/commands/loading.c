/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/loading.h"

#include <errno.h>

#include "base/log.h"
#include "commands/options.h"
#include "commands/progress.h"
#include "convert/input.h"
#include "convert/merged_profile.h"
#include "stream/capture_reader.h"

int load_profile(const char *path, const struct options *options,
		 struct merged_profile **ret_profile)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	struct progress progress = progress_begin("Reading");
	struct merged_profile_options loading = {
		.name = path,
		.range = options->range,
		.progress = progress_update,
		.context = &progress,
	};
	struct input_options input = {
		.event = options->event,
		.progress = progress_update,
		.progress_context = &progress,
	};
	int r = input_open(path, &input, &reader);

	progress_end(&progress);
	if (r == -ENOMEM)
		return log_errno(r, "read %s", path);
	if (r < 0)
		return r;
	r = merged_profile_load(reader, &loading, ret_profile);
	progress_end(&progress);
	return r;
}
