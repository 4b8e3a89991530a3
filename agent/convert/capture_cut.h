/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stretch of a capture as a capture of its own: what is from one microsecond on and before another,
 * with the names as they turned out to be.
 */
#ifndef FLICKERSCOPE_CAPTURE_CUT_H
#define FLICKERSCOPE_CAPTURE_CUT_H

#include <stdint.h>

/*
 * @fd: of the capture; taken. @name: for messages.
 * @from_us, @to_us: timeline, half open.
 * @output_fd: an empty regular file or memfd; borrowed.
 *
 * Returns 0 or -errno; everything but -ENOMEM has been logged.
 */
int capture_cut(int fd, const char *name, int64_t from_us, int64_t to_us, int output_fd);

#endif
