/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executable mappings of one address space, sorted, without overlaps.
 *
 * Shared by reference after a fork and copied by the first of the sharers that changes: a loop of
 * short processes costs no copies. Bounded by MAPPINGS_MAX. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_MAPPING_TABLE_H
#define FLICKERSCOPE_MAPPING_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct executable;

enum mapping_limits {
	MAPPINGS_MAX = 8192, /* of one address space */
};

enum mapping_outcome {
	MAPPING_TABLE_FULL = 1,
	MAPPING_UNCHANGED = 2, /* the very same mapping was there already */
};

struct mapping {
	uint64_t start;
	uint64_t end; /* first address beyond */
	uint64_t file_offset; /* of start */
	uint64_t time_ns; /* CLOCK_MONOTONIC: when it was made, or seen first */
	struct executable *executable; /* a reference */
	bool is_main_executable; /* the program itself, not a library */
};

struct mapping_table {
	uint32_t reference_count;
	uint32_t count;
	uint32_t capacity;
	struct mapping *rows; /* owned, by start */
};

/* The mapping that holds @address, or NULL. @table: NULL is an empty one. */
const struct mapping *mapping_table_find(const struct mapping_table *table, uint64_t address);

struct mapping_table *mapping_table_share(struct mapping_table *table); /* NULL is fine */
void mapping_table_release(struct mapping_table *table);		 /* NULL is fine */

/*
 * Puts one mapping over whatever was there: covered ones go, overlapping ones are cut. The
 * reference in @mapping is taken, also on failure.
 *
 * @place: replaced by a copy when it is shared, made when it is NULL.
 *
 * Returns 0, MAPPING_UNCHANGED, MAPPING_TABLE_FULL or -ENOMEM.
 */
int mapping_table_put(struct mapping_table **place, const struct mapping *mapping);

/* Removes the range @start to @end. Returns 0, MAPPING_TABLE_FULL (a split) or -ENOMEM. */
int mapping_table_cut(struct mapping_table **place, uint64_t start, uint64_t end);

/* Removes the mappings older than @time_ns. Returns 0 or -ENOMEM. */
int mapping_table_clear_before(struct mapping_table **place, uint64_t time_ns);

#endif
