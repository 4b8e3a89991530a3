/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window, or a stretch of it, as a capture file that is made while it is sent: header, the whole
 * segments that the stretch touches, index and trailer. Up to its end at the moment of the request:
 * what comes later is not waited for.
 *
 * A cursor into the window and one reference to the chunk that is under way: a slow receiver keeps
 * nothing in memory. Segments that leave the window before they were sent are missing in the file;
 * one that leaves half sent ends there. Loop thread.
 */
#ifndef FLICKERSCOPE_DOWNLOAD_H
#define FLICKERSCOPE_DOWNLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct download;
struct sample_window;

/*
 * @from_us, @to_us: timeline, half open; 0 and UINT64_MAX for all. The window is borrowed.
 *
 * Returns 0, or -ENOMEM.
 */
int download_new(const struct sample_window *window, uint64_t instance_id, uint64_t from_us,
		 uint64_t to_us, struct download **ret_download);
void download_free(struct download *download); /* NULL is fine */
DEFINE_CLEANUP(struct download *, download_free);

/*
 * The next bytes of the file, @size_max at most; *ret_size is 0 at its end.
 *
 * Returns 0, or -ENOMEM: the file cannot be completed.
 */
int download_next(struct download *download, uint8_t *ret_bytes, size_t size_max, size_t *ret_size);

#endif
