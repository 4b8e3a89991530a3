/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the text of /proc/PID/maps (proc(5)), line by line. The file names in it are chosen by
 * strangers; any bytes may come. A pure function, any thread.
 */
#ifndef FLICKERSCOPE_PROC_MAPS_H
#define FLICKERSCOPE_PROC_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum proc_maps_outcome {
	PROC_MAPS_END = 1,
	PROC_MAPS_BAD_LINE = 2, /* passed over; go on */
};

struct proc_maps_row {
	uint64_t start;
	uint64_t end; /* above start */
	uint64_t file_offset;
	uint64_t inode; /* 0: no file */
	uint32_t device_major;
	uint32_t device_minor;
	bool executable;
	const char *path; /* borrowed, not zero-terminated; may be empty, may end in " (deleted)" */
	size_t path_size;
};

/* Returns 0 and the next row, or an outcome. */
int proc_maps_next(struct bytes_reader *text, struct proc_maps_row *ret_row);

#endif
