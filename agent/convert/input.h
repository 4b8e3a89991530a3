/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens any file that holds a profile: a capture of ours as it is, every other format as a capture
 * made of it in memory. What stands behind this reads captures only (stream/capture_reader.h).
 *
 * The format is found by the file's content, never by its name; what gzip packed is unpacked. The
 * file is hostile: memory is bounded by the limits of foreign_profile.h and input_bytes.h, and
 * what is wrong is said in one line with the place where it stands.
 */
#ifndef FLICKERSCOPE_INPUT_H
#define FLICKERSCOPE_INPUT_H

#include <stdbool.h>
#include <stdint.h>

struct capture_reader;

struct input_options {
	const char *event; /* which one of several in the file; NULL: what tells most of CPU time */
	bool quiet;	   /* say nothing; for fuzzers */
	/* Called now and then with the bytes read of a foreign file and of all, 0: not known; or NULL. */
	void (*progress)(void *context, uint64_t done, uint64_t all);
	void *progress_context;
};

/*
 * @path: a regular file or a pipe; "-" is standard input.
 * @options: NULL for none.
 *
 * Returns 0 or -errno; everything but -ENOMEM has been logged.
 */
int input_open(const char *path, const struct input_options *options,
	       struct capture_reader **ret_reader);

/*
 * The file alone, for who wants to be confined before anything of it is read. Returns 0 or -errno;
 * logged.
 */
int input_open_file(const char *path, int *ret_fd);

/* What a path is called in messages. */
const char *input_name(const char *path);

/* @fd: taken. @name: for messages, and the capture's title. */
int input_open_fd(int fd, const char *name, const struct input_options *options,
		  struct capture_reader **ret_reader);

/*
 * Writes the capture that input_open_fd() would read.
 *
 * @fd: taken. @output_fd: an empty regular file or memfd; borrowed.
 */
int input_write(int fd, const char *name, const struct input_options *options, int output_fd);

#endif
