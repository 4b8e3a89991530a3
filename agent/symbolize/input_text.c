/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/input_text.h"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

enum { READ_SIZE = 256 << 10 };

int input_text_read(int fd, struct bytes_writer *ret_text)
{
	for (;;) {
		size_t size = ret_text->size;
		void *place = bytes_writer_extend(ret_text, READ_SIZE);
		ssize_t got;

		if (!place)
			return -EFBIG;
		got = read(fd, place, READ_SIZE);
		ret_text->size = size + (got > 0 ? (size_t)got : 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : 0;
	}
}
