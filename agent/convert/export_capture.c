/* SPDX-License-Identifier: Apache-2.0 */
/* An own capture: of the range, with final names, closed in order. */
#include "convert/formats.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "convert/merged_capture.h"
#include "convert/output.h"

enum { PIECE_SIZE = 65536 };

int export_capture(struct merged_profile *profile, const char *title, struct output *output)
{
	CLEANUP(fd_close) int fd = memfd_create("capture", MFD_CLOEXEC);
	uint8_t piece[PIECE_SIZE];
	off_t offset = 0;
	int r = fd < 0 ? -errno : merged_capture_write(profile, fd);

	while (!r && !output_error(output)) {
		ssize_t size = pread(fd, piece, sizeof(piece), offset);

		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0)
			return size < 0 ? -errno : 0;
		output_bytes(output, piece, (size_t)size);
		offset += size;
	}
	return r;
}
