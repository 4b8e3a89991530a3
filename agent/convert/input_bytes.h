/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a foreign file, a block at a time; what gzip packed is unpacked on the way.
 *
 * The file may be a pipe, may change or shrink while it is read, and may be made to harm: it is read
 * with read() into one buffer of INPUT_BUFFER_SIZE, never mapped, and a gzip stream that swells
 * beyond all measure is refused. Offsets and lines are those of the unpacked bytes. Owned by one
 * thread.
 */
#ifndef FLICKERSCOPE_INPUT_BYTES_H
#define FLICKERSCOPE_INPUT_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"

enum input_bytes_limits {
	INPUT_BUFFER_SIZE = 4194304, /* also the longest line */
	INPUT_WHOLE_MAX = 1073741824,
	INPUT_BLOCK_SIZE = 65536,    /* read at a time: it stays in the CPU's cache */
	INPUT_RATIO_MAX = 400,	     /* unpacked by packed bytes; text comes near 60 ... */
	INPUT_RATIO_FREE = 67108864, /* ... and nobody asks before so many were unpacked */
};

enum input_bytes_outcome {
	INPUT_BYTES_END = 1,
};

struct input_bytes {
	const uint8_t *at;  /* the next byte; the reader moves it on, up to `end` */
	const uint8_t *end; /* of what is in the buffer */
	uint64_t line;	    /* number of the line that input_bytes_line() gave last, from 1 */
	const char *name;   /* of the file, for messages; owned */
	bool quiet;	    /* say nothing; for fuzzers */
	/* Called for each block with the bytes read of the file, and of all of it, 0: not known. */
	void (*progress)(void *context, uint64_t done, uint64_t all);
	void *progress_context;
};

/*
 * @fd: taken.
 * @quiet: say nothing of what is wrong; for fuzzers.
 *
 * Returns 0 or -ENOMEM.
 */
int input_bytes_new(int fd, const char *name, bool quiet, struct input_bytes **ret_input);

/* The same from memory, borrowed for its life, @block_size at a time: for tests and fuzzers. */
int input_bytes_of(const void *bytes, size_t size, size_t block_size, bool quiet,
		   struct input_bytes **ret_input);

void input_bytes_free(struct input_bytes *input); /* NULL is fine */
DEFINE_CLEANUP(struct input_bytes *, input_bytes_free);

/*
 * Reads more, so that at least @size bytes are there, or all that come until the end.
 *
 * @size: at most INPUT_BUFFER_SIZE.
 *
 * Pointers into the buffer are void afterwards. Returns 0; INPUT_BYTES_END when fewer are left; or
 * -errno, logged.
 */
int input_bytes_need(struct input_bytes *input, size_t size);

/*
 * All that is left, for formats that cannot be read from the front: up to INPUT_WHOLE_MAX bytes.
 *
 * @ret_bytes: an empty writer.
 *
 * Returns 0 or -errno, logged.
 */
int input_bytes_whole(struct input_bytes *input, struct bytes_writer *ret_bytes);

/* Whether gzip packed the file; known once something was read. */
bool input_bytes_is_packed(const struct input_bytes *input);

/* Of the next byte, from the start. */
uint64_t input_bytes_offset(const struct input_bytes *input);

/* Of a regular file, as it is stored; 0 where it is not known. And how much of it was read. */
uint64_t input_bytes_stored_size(const struct input_bytes *input);
uint64_t input_bytes_stored_read(const struct input_bytes *input);

/* The rest of input_bytes_line(), for a line that is not whole in the buffer. */
int input_bytes_long_line(struct input_bytes *input, const char **ret_line, size_t *ret_size);

/*
 * The next line, without its end, borrowed until the next call.
 *
 * Returns 0; INPUT_BYTES_END; or -errno, logged (also for a line of more than INPUT_BUFFER_SIZE).
 */
static inline int input_bytes_line(struct input_bytes *input, const char **ret_line,
				   size_t *ret_size)
{
	const uint8_t *newline = memchr(input->at, '\n', (size_t)(input->end - input->at));

	if (!newline)
		return input_bytes_long_line(input, ret_line, ret_size);
	*ret_line = (const char *)input->at;
	*ret_size = (size_t)(newline - input->at);
	input->at = newline + 1;
	input->line++;
	return 0;
}

/* Says what is wrong with the file, at the line given last or at an offset. Returns -EBADMSG. */
int input_bytes_bad_line(const struct input_bytes *input, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int input_bytes_bad_offset(const struct input_bytes *input, uint64_t offset, const char *format,
			   ...) __attribute__((format(printf, 3, 4)));

#endif
