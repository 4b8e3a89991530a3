/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which separate debug file belongs to a file: by build id, or by the section .gnu_debuglink, which
 * has a file name and a CRC-32 of the whole debug file (GDB's manual, "Separate Debug Files").
 *
 * Two jobs for the worker process: what a file says about its debug file, and whether a file that was
 * found is that one.
 */
#ifndef FLICKERSCOPE_DEBUG_REFERENCE_H
#define FLICKERSCOPE_DEBUG_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "elf/build_id.h"

struct executable_file;

enum debug_reference_limits {
	DEBUG_LINK_NAME_SIZE_MAX = 255,
	DEBUG_REFERENCE_TIME_LIMIT_MS = 10000, /* for struct worker_job_type */
};

/* What may be wanted of a debug file, because the file itself lacks it. */
enum debug_part {
	DEBUG_PART_SYMBOLS = 1, /* functions that .dynsym does not name */
	DEBUG_PART_FRAMES = 2,	/* call frame information for most of the code */
	DEBUG_PART_LINES = 4,	/* .debug_info */
};

struct debug_reference {
	struct build_id build_id;
	uint32_t parts; /* enum debug_part: which of those asked for the file has itself */
	uint32_t link_crc;
	char link[DEBUG_LINK_NAME_SIZE_MAX + 1]; /* a name without a slash; "": none */
};

/*
 * What a file says: ret_result is a struct debug_reference.
 *
 * @argument: u32, the parts (enum debug_part) that it is asked for.
 *
 * Returns 0, one of enum executable_file_outcome, or -errno.
 */
int debug_reference_job(int input_fd, struct bytes_reader argument,
			struct bytes_writer *ret_result);

/*
 * Whether @debug_fd belongs to @file_fd: the same build id in both, or else the CRC-32 of the link.
 *
 * @argument: u32, the parts (enum debug_part) of which it must have one.
 *
 * Returns 0, EXECUTABLE_OTHER, EXECUTABLE_NO_SECTION (it lacks the parts), another outcome or
 * -errno.
 */
int debug_file_check_job(int file_fd, int debug_fd, struct bytes_reader argument,
			 struct bytes_writer *ret_result);

/* The same for files that are open already. */
struct debug_reference debug_reference_of(const struct executable_file *file, uint32_t wanted);
int debug_file_check(const struct executable_file *file, const struct executable_file *debug_file,
		     uint32_t wanted);

/* Checks a result of debug_reference_job(), which comes from the worker. Returns 0 or -EBADMSG. */
int debug_reference_read(const void *bytes, size_t size, struct debug_reference *ret_reference);

#endif
