/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that we make where somebody says: for their owner alone (0600), never through a symbolic
 * link, never in place of a file that is there unless asked to. Any thread.
 *
 * Two ways: output_file_create() makes a file that is of use while it is being written (a capture);
 * a struct output_file is there whole or not at all (what is made of something else).
 */
#ifndef FLICKERSCOPE_OUTPUT_FILE_H
#define FLICKERSCOPE_OUTPUT_FILE_H

#include <stdbool.h>

#include "base/cleanup.h"

/*
 * Makes an empty file at @path. With @force, what a regular file there held is gone; without, it
 * is -EEXIST. Returns 0 or -errno; logged in one line.
 */
int output_file_create(const char *path, bool force, int *ret_fd);

struct output_file;

/*
 * Opens a file to be written whole: what stood at @path stays there until it is complete, and
 * without @force is -EEXIST. "-" is standard output, which is not undone.
 *
 * Returns 0 or -errno; logged in one line.
 */
int output_file_open(const char *path, bool force, struct output_file **ret_file);

int output_file_fd(const struct output_file *file); /* to write to; borrowed */

/* Its folder, beneath which all is done from now on, borrowed; -1 for standard output. */
int output_file_folder_fd(const struct output_file *file);

/* All is written: puts the file at its path. Once. Returns 0 or -errno; logged in one line. */
int output_file_commit(struct output_file *file);

/* Leaves nothing behind of a file that was not committed. NULL is fine. */
void output_file_free(struct output_file *file);
DEFINE_CLEANUP(struct output_file *, output_file_free);

#endif
