/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executable mappings of one address space, sorted, without overlaps.
 *
 * Shared by reference after a fork and copied by the first of the sharers that changes: a loop of
 * short processes costs no copies. Bounded by MAPPINGS_MAX for one, and by a budget for all.
 * Owned by the loop thread.
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
	MAPPING_UNCHANGED = 2, /* the very same mapping was there already, or a newer one */
};

struct mapping {
	uint64_t start;
	uint64_t end;		       /* first address beyond */
	uint64_t file_offset;	       /* of start */
	uint64_t time_ns;	       /* CLOCK_MONOTONIC: when it was made, or seen first */
	struct executable *executable; /* a reference */
	bool is_main_executable;       /* the program itself, not a library */
};

/* What all tables together hold; outlives them. */
struct mapping_budget {
	uint64_t rows; /* allocated */
	uint64_t rows_max;
};

struct mapping_table;

/* The mapping that holds @address, or NULL. @table: NULL is an empty one. */
const struct mapping *mapping_table_find(const struct mapping_table *table, uint64_t address);

/* All of them, sorted; valid until the table changes. */
const struct mapping *mapping_table_rows(const struct mapping_table *table, uint32_t *ret_count);

/*
 * The table for a child that was forked at @time_ns: the same one, unless some of it is newer (as
 * read from /proc meanwhile): then a copy, in which nothing is newer than the fork, so that an
 * exec of the child clears all of it. NULL for none, and when memory is short.
 */
struct mapping_table *mapping_table_fork(struct mapping_table *table, uint64_t time_ns);
void mapping_table_release(struct mapping_table *table); /* NULL is fine */

/*
 * Puts one mapping over whatever was there: covered ones go, overlapping ones are cut. One that
 * is newer than @mapping stays, and @mapping is dropped.
 *
 * @place: replaced by a copy when it is shared, made when it is NULL.
 * @mapping: its reference is taken, also on failure.
 *
 * Returns 0, MAPPING_UNCHANGED, MAPPING_TABLE_FULL or -ENOMEM.
 */
int mapping_table_put(struct mapping_table **place, struct mapping_budget *budget,
		      const struct mapping *mapping);

/* Removes what is older than @time_ns. Returns 0 or -ENOMEM. */
int mapping_table_clear_before(struct mapping_table **place, struct mapping_budget *budget,
			       uint64_t time_ns);

/* Marks the mappings of @executable as the program itself, the others as not. Returns 0 or -ENOMEM. */
int mapping_table_set_main(struct mapping_table **place, struct mapping_budget *budget,
			   const struct executable *executable);

#endif
