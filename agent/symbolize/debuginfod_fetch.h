/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job for a worker process of its own: asks debuginfod servers for the debug file with a build id and
 * writes it to a file that the agent made (debuginfod(8), "WEBAPI": GET URL/buildid/HEX/debuginfo).
 *
 * By libcurl, which is loaded in that process when it is first needed, so that nobody else pays for it
 * or needs it. HTTP and HTTPS alone, a few redirections, never from HTTPS to HTTP. Servers are
 * hostile: size, time and speed are bounded, and what came must be an ELF file with the build id.
 */
#ifndef FLICKERSCOPE_DEBUGINFOD_FETCH_H
#define FLICKERSCOPE_DEBUGINFOD_FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "elf/build_id.h"

enum debuginfod_fetch_limits {
	DEBUGINFOD_URLS_MAX = 8,
	DEBUGINFOD_URL_SIZE_MAX = 1024,
	DEBUGINFOD_FETCH_TIME_LIMIT_MS = 180000, /* for struct worker_job_type */
	DEBUGINFOD_TRANSFER_TIME_MAX_S = 80,	 /* of one server */
	DEBUGINFOD_CONNECT_TIME_MAX_S = 10,
	DEBUGINFOD_SILENCE_MAX_S = 15, /* with less than DEBUGINFOD_SPEED_LEAST, unless told */
	DEBUGINFOD_SPEED_LEAST = 1024, /* bytes a second */
	DEBUGINFOD_REDIRECTIONS_MAX = 4,
};

enum debuginfod_fetch_outcome {
	DEBUGINFOD_NOT_FOUND = 100, /* above those of executable_file.h, which come back as well */
	DEBUGINFOD_UNREACHABLE,	    /* no server gave an answer */
	DEBUGINFOD_TOO_LARGE,
	DEBUGINFOD_NO_LIBRARY, /* libcurl is not installed */
};

struct debuginfod_request {
	struct build_id build_id;
	uint64_t size_max;
	uint32_t silence_max_s;
	const char *const *urls; /* asked in this order, until one has it */
	size_t url_count;	 /* up to DEBUGINFOD_URLS_MAX */
};

/* Writes the job's argument. */
void debuginfod_request_write(const struct debuginfod_request *request,
			      struct bytes_writer *ret_argument);

/*
 * @output_fd: an empty file, open for reading and writing.
 * @argument: a request.
 *
 * Returns 0 when the file is there and right; an outcome of these or of executable_file.h; or
 * -errno.
 */
int debuginfod_fetch_job(int output_fd, struct bytes_reader argument,
			 struct bytes_writer *ret_result);

#endif
