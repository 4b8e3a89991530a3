/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture file in the making: header, whole chunks, index and trailer (include/wire.h).
 *
 * Each call writes at once, everything or nothing: what stands in the file is whole chunks at any
 * time, whatever happens. Where nobody may wait for a disk, stream/capture_writer.h does this in a
 * thread. Owned by one thread.
 */
#ifndef FLICKERSCOPE_CAPTURE_FILE_H
#define FLICKERSCOPE_CAPTURE_FILE_H

#include <stdint.h>

#include "base/cleanup.h"
#include "wire.h"

struct capture_file;
struct chunk;

/*
 * @fd: an empty regular file or memfd, open for writing, or a pipe, which may block and where an
 *	error is the last one; borrowed. Nothing is written yet.
 */
int capture_file_new(int fd, uint64_t instance_id, struct capture_file **ret_file);
void capture_file_free(struct capture_file *file); /* NULL is fine */
DEFINE_CLEANUP(struct capture_file *, capture_file_free);

/* What stands in front of every capture. */
struct wire_file_header capture_file_header(uint64_t instance_id);

/* Writes the header, unless that has been done. Returns 0 or -errno. */
int capture_file_begin(struct capture_file *file);

/* Writes @chunk, behind the header. Returns 0, or -errno: then the file is as it was before. */
int capture_file_add(struct capture_file *file, const struct chunk *chunk);

/*
 * Writes index and trailer, or neither: a file without them opens too, by walking through it.
 * Nothing may be added behind them. Returns 0 or -errno.
 */
int capture_file_end(struct capture_file *file);

/* Bytes written: all of them whole. */
uint64_t capture_file_size(const struct capture_file *file);

#endif
