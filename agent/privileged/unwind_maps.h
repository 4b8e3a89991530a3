/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF maps of the unwind tables, as sample_abi.h describes them: pages, mappings and slabs as
 * memory that is shared with the walks in the kernel, and which mappings are a process's. What
 * stands where is the caller's business. One thread.
 */
#ifndef FLICKERSCOPE_UNWIND_MAPS_H
#define FLICKERSCOPE_UNWIND_MAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "sample_abi.h"

struct privileged_process;
struct sampler_program;
struct unwind_maps;

/*
 * @program: borrowed, outlives the maps.
 * @privileged: borrowed, outlives the maps: it makes the slabs.
 *
 * Returns 0 or -errno.
 */
int unwind_maps_open(const struct sampler_program *program, struct privileged_process *privileged,
		     struct unwind_maps **ret_maps);
void unwind_maps_free(struct unwind_maps *maps); /* NULL is fine; the kernel keeps its side */
DEFINE_CLEANUP(struct unwind_maps *, unwind_maps_free);

struct unwind_page_rows *unwind_maps_pages(struct unwind_maps *maps);  /* [UNWIND_PAGES_MAX] */
struct unwind_mapping *unwind_maps_mappings(struct unwind_maps *maps); /* [UNWIND_MAPPINGS_MAX] */

/* A slab's UNWIND_SLAB_ROWS rows; NULL when there is none with that index. */
struct unwind_row *unwind_maps_slab(const struct unwind_maps *maps, uint32_t index);

/*
 * Makes the slabs @first to @first + @count - 1, as far as they are missing. The kernel waits for all
 * walks before it returns, some milliseconds: rather once for many.
 *
 * Returns 0 or -errno; some may have been made.
 */
int unwind_maps_add_slabs(struct unwind_maps *maps, uint32_t first, uint32_t count);
/* An empty slab that belongs to no map. Needs CAP_BPF. Returns 0 or -errno. */
int unwind_maps_create_slab(int *ret_fd);

void unwind_maps_remove_slab(struct unwind_maps *maps, uint32_t index);

/* Returns 0, -E2BIG when there are too many processes, or another -errno. */
int unwind_maps_set_process(struct unwind_maps *maps, const struct unwind_process *process);

/*
 * Tells the walks the table of a file, for whoever maps it. It is mapped for a moment, without
 * rights: nothing of it is read.
 *
 * @fd: -1 stands for the vDSO.
 *
 * Returns whether the kernel took it: those before 6.1 do not.
 */
bool unwind_maps_teach_file(const struct unwind_maps *maps, int fd,
			    const struct unwind_file_table *table);

/* Removes the process unless it has got another generation since. */
void unwind_maps_remove_process(struct unwind_maps *maps, uint32_t pid, uint32_t generation);

#endif
