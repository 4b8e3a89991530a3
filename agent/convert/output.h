/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text and numbers on their way to a file, through one buffer.
 *
 * An error sticks, and nothing is written after it: write everything, then look at what
 * output_finish() returns. Owned by one thread.
 */
#ifndef FLICKERSCOPE_OUTPUT_H
#define FLICKERSCOPE_OUTPUT_H

#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

struct output;

enum output_limits {
	OUTPUT_BUFFER_SIZE = 262144,
};

/* @fd: borrowed; written to from where it stands. Returns 0 or -ENOMEM. */
int output_new(int fd, struct output **ret_output);
void output_free(struct output *output); /* without what waits; NULL is fine */
DEFINE_CLEANUP(struct output *, output_free);

/* Writes what waits. Returns 0, or the first error that there was. */
int output_finish(struct output *output);

/* Something could not be written: from now on an error, unless there was one. */
void output_fail(struct output *output, int error);

/* The first error that there was, or 0: whether going on makes sense. */
int output_error(const struct output *output);

uint64_t output_size(const struct output *output);

void output_bytes(struct output *output, const void *bytes, size_t size);
void output_u64(struct output *output, uint64_t value);
void output_hex(struct output *output, uint64_t value);

/* With its quotes (RFC 8259, 7). */
void output_json_string(struct output *output, const char *text, size_t size);

/* RFC 4648, 4, of a part of the whole: all parts but the last have a multiple of 3 bytes. */
void output_base64(struct output *output, const void *bytes, size_t size);

static inline void output_text(struct output *output, const char *text)
{
	output_bytes(output, text, strlen(text));
}

#endif
