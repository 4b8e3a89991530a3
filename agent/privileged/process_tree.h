/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processes there are and who started them, from /proc.
 */
#ifndef FLICKERSCOPE_PROCESS_TREE_H
#define FLICKERSCOPE_PROCESS_TREE_H

#include <stddef.h>
#include <stdint.h>

/* The process that the thread or process @pid belongs to. Returns 0, -ESRCH, or another -errno. */
int process_tree_process_of(uint32_t pid, uint32_t *ret_process_pid);

/*
 * Adds to @pids, a set of processes, those of their descendants that are not in it yet.
 *
 * @count: of @pids, in and out.
 * @pids_max: further ones are left out.
 *
 * Returns how many were added, or -errno.
 */
int process_tree_add_descendants(uint32_t *pids, size_t *count, size_t pids_max);

#endif
