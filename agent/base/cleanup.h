/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership of locals: CLEANUP frees at every return, TAKE gives the value away.
 *
 *	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
 *	CLEANUP(fd_close) int fd = -1;
 *	...
 *	*ret_reader = TAKE(reader);
 *	*ret_fd = TAKE_FD(fd);
 */
#ifndef FLICKERSCOPE_CLEANUP_H
#define FLICKERSCOPE_CLEANUP_H

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Makes `function(type)` usable with CLEANUP; stands behind each `_free` in a header. */
#define DEFINE_CLEANUP(type, function)                                                             \
	static inline void cleanup_##function(type *place)                                         \
	{                                                                                          \
		function(*place);                                                                  \
	}                                                                                          \
	struct cleanup_semicolon

#define CLEANUP(function) __attribute__((cleanup(cleanup_##function)))

#define TAKE(pointer)                                                                              \
	({                                                                                         \
		__typeof__(pointer) take_value = (pointer);                                        \
		(pointer) = NULL;                                                                  \
		take_value;                                                                        \
	})

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int take_value = (fd);                                                             \
		(fd) = -1;                                                                         \
		take_value;                                                                        \
	})

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Closes @fd; anything below 0 is "not open". */
static inline void fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

static inline void file_close(FILE *file)
{
	if (file)
		fclose(file);
}

static inline void dir_close(DIR *dir)
{
	if (dir)
		closedir(dir);
}

static inline void memory_free(void *memory)
{
	free(memory);
}

DEFINE_CLEANUP(int, fd_close);
DEFINE_CLEANUP(FILE *, file_close);
DEFINE_CLEANUP(DIR *, dir_close);

/* For any pointer from malloc: CLEANUP(memory_free) char *text = NULL; */
static inline void cleanup_memory_free(void *place)
{
	memory_free(*(void **)place);
}

#endif
