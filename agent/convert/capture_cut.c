/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/capture_cut.h"

#include <errno.h>

#include "base/log.h"
#include "convert/merged_capture.h"
#include "convert/merged_profile.h"
#include "stream/capture_reader.h"

int capture_cut(int fd, const char *name, int64_t from_us, int64_t to_us, int output_fd)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;
	const struct merged_profile_options options = {
		.name = name,
		.range = { { .kind = TIME_POINT_TIMELINE, .us = from_us },
			   { .kind = TIME_POINT_TIMELINE, .us = to_us } },
	};
	int r = capture_reader_open_fd(fd, name, false, &reader);

	if (r)
		return r > 0 ? -EBADMSG : r;
	r = merged_profile_load(reader, &options, &profile);
	if (r < 0)
		return r;
	r = merged_capture_write(profile, output_fd);
	return r < 0 && r != -ENOMEM ? log_errno(r, "%s: write a part of it", name) : r;
}
