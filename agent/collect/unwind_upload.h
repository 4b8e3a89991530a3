/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts finished unwind tables and the mappings of processes where the walks in the kernel read
 * them, and takes them back.
 *
 * Nothing is changed in place: a process's mappings are written into a new range, then the process
 * is pointed to it, and the old range loses its generation and rests before its memory is used
 * again. So do the rows of a table, which must not be in use by any process when it is removed.
 * One thread.
 */
#ifndef FLICKERSCOPE_UNWIND_UPLOAD_H
#define FLICKERSCOPE_UNWIND_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "sample_abi.h"

struct unwind_maps;
struct unwind_table_view;
struct unwind_upload;

enum unwind_upload_limits {
	UNWIND_UPLOAD_REST_MS = 500,	/* at least; a walk takes microseconds */
	UNWIND_UPLOAD_CHUNK_ROWS = 256, /* rows are handed out by this many: 2 KiB */
	UNWIND_UPLOAD_SLABS_AHEAD = 3,	/* made together with one that is needed */
	UNWIND_UPLOAD_KEPT_FREE = 4,	/* one part of so many, for tables that come */
};

enum unwind_upload_outcome {
	UNWIND_UPLOAD_FULL = 1,
};

/* Where a file's table lies; pages of 0 stand for an empty table. */
struct unwind_upload_table {
	uint64_t file_page; /* of the file: which the first one is */
	uint32_t serial;    /* never used twice */
	uint32_t first_page;
	uint32_t page_count;
	uint64_t bytes; /* of rows and pages */
};

/* One mapping as it was made; its table may be NULL. */
struct unwind_upload_mapping {
	uint64_t start;
	uint64_t end;
	uint64_t file_offset; /* of start */
	const struct unwind_upload_table *table;
};

/* Which mappings are a process's; all zero for none. */
struct unwind_upload_range {
	uint32_t first;
	uint32_t count;
	uint32_t generation;
};

struct unwind_upload_counters {
	uint64_t table_bytes;	 /* in use now, resting ones included */
	uint64_t slab_bytes;	 /* ... and the memory that was taken from the kernel for rows */
	uint64_t tables_full;	 /* tables that found no room */
	uint64_t mappings_full;	 /* processes whose mappings found no room */
	uint64_t processes_full; /* ... or they themselves */
	uint64_t files_taught;	 /* ... that the walks know by themselves */
	uint64_t mappings_truncated; /* mappings beyond UNWIND_PROCESS_MAPPINGS_MAX */
};

/*
 * @maps: taken, also on failure.
 * @bytes_max: of rows.
 */
int unwind_upload_new(struct unwind_maps *maps, uint64_t bytes_max,
		      struct unwind_upload **ret_upload);
void unwind_upload_free(struct unwind_upload *upload); /* NULL is fine */
DEFINE_CLEANUP(struct unwind_upload *, unwind_upload_free);

/* Returns 0, UNWIND_UPLOAD_FULL or -errno. */
int unwind_upload_add_table(struct unwind_upload *upload, const struct unwind_table_view *view,
			    struct unwind_upload_table *ret_table);
void unwind_upload_remove_table(struct unwind_upload *upload,
				const struct unwind_upload_table *table);

/* Whether tables should be removed before others need their room, which has to rest first. */
bool unwind_upload_is_tight(const struct unwind_upload *upload);

/*
 * Whoever maps the file has his stacks walked by this table from now on, until it is removed. @fd:
 * -1 stands for the vDSO.
 */
void unwind_upload_teach_file(struct unwind_upload *upload, int fd,
			      const struct unwind_upload_table *table);

/*
 * Gives a process these mappings instead of those before.
 *
 * @mappings: sorted, without overlaps.
 * @range: those before, and then the new ones; all zero when it has none, also on failure.
 *
 * Returns 0, UNWIND_UPLOAD_FULL or -errno.
 */
int unwind_upload_set_process(struct unwind_upload *upload, uint32_t pid, uint64_t start_ns,
			      const struct unwind_upload_mapping *mappings, uint32_t count,
			      struct unwind_upload_range *range);
void unwind_upload_remove_process(struct unwind_upload *upload, uint32_t pid,
				  struct unwind_upload_range *range);

/* Memory that has rested may be used again. Call it often; it looks at @now_ns. */
void unwind_upload_tick(struct unwind_upload *upload, uint64_t now_ns);

const struct unwind_upload_counters *unwind_upload_counters(struct unwind_upload *upload);

#endif
