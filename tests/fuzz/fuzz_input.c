/* SPDX-License-Identifier: Apache-2.0 */
/* Any file as it is opened by view, report, convert and info: found by content, unpacked, read. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "convert/input.h"
#include "stream/capture_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { SIZE_MAX_FUZZED = 4096 }; /* what folded stacks count may be great; time is short */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct input_options options = { .quiet = true };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (size > SIZE_MAX_FUZZED)
		size = SIZE_MAX_FUZZED;
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET))
		abort();
	if (!input_open_fd(fd, "fuzz", &options, &reader) && !reader)
		abort();
	return 0;
}
