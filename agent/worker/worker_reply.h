/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks what the worker sends before anything of it is believed. A hostile file may have taken the
 * worker over; the most that it can do here is to give a wrong table, whose reader checks it too.
 */
#ifndef FLICKERSCOPE_WORKER_REPLY_H
#define FLICKERSCOPE_WORKER_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "worker/worker.h"

/*
 * @bytes: the packet.
 * @fd: what came along, borrowed; -1: nothing.
 * @job: the number of the job that is running.
 * @ret_result: mapped when *ret_outcome is 0, else empty. The memfd must have the size that was
 *	told and be sealed against writing, growing, shrinking and further seals, so that nothing
 *	changes under the reader and no page of it can be missing.
 *
 * Returns 0, WORKER_BAD_REPLY, or -errno when it could not be mapped.
 */
int worker_reply_accept(const void *bytes, size_t size, int fd, uint32_t job, int *ret_outcome,
			struct worker_result *ret_result);

/*
 * The other side: puts a result into a sealed memfd.
 *
 * Returns the descriptor, owned by the caller, or -errno.
 */
int worker_result_seal(const void *bytes, size_t size);

#endif
