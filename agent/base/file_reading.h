/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a file stayed the same while somebody read it, by what the kernel says of it: which it is, its size and
 * when its contents and its inode were changed last. The owner can set the second to anything, but not
 * the third, which also follows a new link or another mode: then a file seems changed that is not.
 */
#ifndef FLICKERSCOPE_FILE_READING_H
#define FLICKERSCOPE_FILE_READING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct file_version {
	uint64_t device, inode;
	uint64_t size;
	uint64_t modified_s, modified_ns;
	uint64_t changed_s, changed_ns;
};

/* Returns 0 or -errno. */
int file_version_read(int fd, struct file_version *ret_version);

bool file_version_equal(const struct file_version *version, const struct file_version *other);

/* A file that is being read, and what it was before. */
struct file_reading {
	int fd; /* owned; -1: none is read */
	struct file_version version;
};

static inline struct file_reading file_reading_none(void)
{
	return (struct file_reading){ .fd = -1 };
}

/* @fd: a duplicate is kept; -1: there is no file. Returns 0 or -errno. */
int file_reading_begin(int fd, struct file_reading *ret_reading);

/* Whether the file is still what it was before. No file has not changed. */
bool file_reading_is_same(const struct file_reading *reading);

void file_reading_end(struct file_reading *reading); /* none is fine */

#endif
