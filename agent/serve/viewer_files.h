/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page's files as they are in the program: a constant table that packaging/embed-viewer.sh
 * writes to build/gen/viewer_files.c. The page holds no data and needs no token.
 */
#ifndef FLICKERSCOPE_VIEWER_FILES_H
#define FLICKERSCOPE_VIEWER_FILES_H

#include <stddef.h>
#include <stdint.h>

struct viewer_body {
	const uint8_t *bytes;
	size_t size;
	const char *etag; /* with its quotes: SHA-256 of the bytes, first 128 bits */
};

struct viewer_file {
	const char *path; /* as asked for: "/index.html" */
	const char *type; /* Content-Type */
	struct viewer_body plain;
	struct viewer_body gzip; /* the same by RFC 1952; size 0 where it would not be smaller */
};

extern const struct viewer_file viewer_files[];
extern const size_t viewer_file_count;

#endif
