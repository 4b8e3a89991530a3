/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a descriptor to its end, for jobs in the worker process.
 */
#ifndef FLICKERSCOPE_INPUT_TEXT_H
#define FLICKERSCOPE_INPUT_TEXT_H

#include "base/bytes.h"

/* Appends to @ret_text. Returns 0, -EFBIG beyond its maximum, or -errno. */
int input_text_read(int fd, struct bytes_writer *ret_text);

#endif
