/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where dumps are made, each a new file that is named by the time. Any thread.
 */
#ifndef FLICKERSCOPE_DUMP_FOLDER_H
#define FLICKERSCOPE_DUMP_FOLDER_H

#include <stdbool.h>

enum { DUMP_NAME_SIZE_MAX = 80 };

/* A file name of the present: "flickerscope-20261122T183412.123Z.flk". */
void dump_name(char ret_name[DUMP_NAME_SIZE_MAX]);

/* Returns 0 or -errno; logged. */
int dump_folder_open(const char *path, int *ret_folder_fd);

/* Whether root may make files there only because it may do so everywhere. */
bool dump_folder_is_of_others(int folder_fd);

/* Makes an empty file for writing, for its owner alone. Returns 0 or -errno. */
int dump_folder_create(int folder_fd, char ret_name[DUMP_NAME_SIZE_MAX], int *ret_fd);

#endif
