/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of debug files that were downloaded. It belongs to us and is closed to others. In it HEX.debug
 * is a file that came, HEX being its build id, HEX.none a build id that no server had, for
 * DEBUG_FOLDER_NONE_KEPT_S, and HEX.PID.part what is being written. The files used longest ago make room.
 *
 * An id is text of hexadecimal digits, small ones, an even number of them: whatever else is refused, so
 * that none leads elsewhere. One thread.
 */
#ifndef FLICKERSCOPE_DEBUG_FOLDER_H
#define FLICKERSCOPE_DEBUG_FOLDER_H

#include <stdint.h>

enum debug_folder_limits {
	DEBUG_FOLDER_NONE_KEPT_S = 3600,
	DEBUG_FOLDER_FILES_MAX = 4096,
	DEBUG_FOLDER_ID_DIGITS_MAX = 40,
};

#define DEBUG_FOLDER_SIZE_MAX (UINT64_C(4) << 30)

enum debug_folder_outcome {
	DEBUG_FOLDER_LACKING =
		100, /* no server had it, not long ago; above those of process_files.h */
};

/* What became of a download. */
enum debug_folder_end {
	DEBUG_FOLDER_CAME,
	DEBUG_FOLDER_NONE_HAD_IT,
	DEBUG_FOLDER_FAILED, /* as if it had never begun */
	DEBUG_FOLDER_ENDS,
};

/* Makes it when it is missing. Returns 0 or -errno, -EPERM when others may use it; logged. */
int debug_folder_open(const char *path, int *ret_folder_fd);

/* Opens a file that came, for reading. Returns 0, DEBUG_FOLDER_LACKING, -ENOENT or another -errno. */
int debug_folder_find(int folder_fd, const char *id, int *ret_fd);

/* An empty file for a download. One that was begun before and did not end is gone. Returns 0 or -errno. */
int debug_folder_begin(int folder_fd, const char *id, int *ret_fd);

/* Puts it in its place, or remembers that there is none, or forgets it. Returns 0 or -errno. */
int debug_folder_end(int folder_fd, const char *id, enum debug_folder_end end);

#endif
