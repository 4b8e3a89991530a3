/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in the source an address is, and which functions were inlined there: a flat table of what
 * the debug information says of some ranges of addresses. Made by inline_frames, read in place.
 *
 *   header, ranges, rows, scopes, functions, files, strings
 *
 * Ranges are sorted and do not overlap; everything is known of an address in one, which may be that
 * there is nothing. A range's rows are sorted by their distance from its start, and hold up to the
 * next one. A scope is a function at one place where it was inlined; its parent is the scope that
 * this place is in. Ids are positions from 1; 0 is none. An address is an offset in the file. All
 * numbers are in the machine's byte order; the bytes never leave it.
 *
 * A view may be used by any number of threads.
 */
#ifndef FLICKERSCOPE_SOURCE_TABLE_H
#define FLICKERSCOPE_SOURCE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/build_id.h"

enum source_table_limits {
	SOURCE_TABLE_RANGES_MAX = 1 << 20,
	SOURCE_TABLE_ROWS_MAX = 4 << 20,
	SOURCE_TABLE_SCOPES_MAX = 2 << 20,
	SOURCE_TABLE_FUNCTIONS_MAX = 1 << 20,
	SOURCE_TABLE_FILES_MAX = 1 << 18,
	SOURCE_TABLE_STRINGS_SIZE_MAX = 64 << 20,
	SOURCE_NAME_SIZE_MAX = 16384, /* of a function; longer ones are cut */
	SOURCE_FRAMES_MAX = 32, /* of one address: inlined functions and the one around them */
};

enum source_table_magic {
	SOURCE_TABLE_MAGIC = 0x31435253, /* "SRC1" */
};

struct source_table_header {
	uint32_t magic;
	uint32_t range_count;
	uint32_t row_count;
	uint32_t scope_count;
	uint32_t function_count;
	uint32_t file_count;
	uint32_t strings_size;
	uint32_t
		left_out_count; /* units of the file that a limit kept out: nothing in their ranges */
	struct build_id build_id;
};

struct source_table_range {
	uint64_t start;
	uint64_t end;
	uint32_t first_row;
	uint32_t row_count; /* 0: nothing is known, and nothing will be */
};

struct source_table_row {
	uint32_t distance; /* from the range's start */
	uint32_t scope;
	uint32_t file;
	uint32_t line; /* 0: the compiler's own code */
};

/* What was inlined somewhere. Of a function without a name the code counts as the parent's, at the call. */
struct source_table_scope {
	uint32_t parent;   /* before this one in the table */
	uint32_t function; /* 0: nobody told its name */
	uint32_t call_file;
	uint32_t call_line;
};

struct source_table_function {
	uint64_t key;  /* of the function within its module */
	uint32_t name; /* offset in the strings */
	uint32_t name_size;
};

struct source_table_file {
	uint32_t name;
	uint32_t name_size;
};

/* A checked table; points into the bytes it was opened on, which must outlive it. */
struct source_table_view {
	const struct source_table_header *header;
	const struct source_table_range *ranges;
	const struct source_table_row *rows;
	const struct source_table_scope *scopes;
	const struct source_table_function *functions;
	const struct source_table_file *files;
	const char *strings;
};

/* One frame; strings point into the table and are not zero-terminated. */
struct source_frame {
	uint64_t key; /* of an inlined function; 0 of the function that has the address */
	const char *name;
	const char *file; /* NULL: unknown */
	uint32_t name_size;
	uint32_t file_size;
	uint32_t line;
};

/*
 * Checks everything once, in one pass, so that lookups need no checks.
 *
 * @bytes: aligned to 8.
 *
 * Returns 0 or -EBADMSG.
 */
int source_table_view_open(const void *bytes, size_t size, struct source_table_view *ret_view);

/*
 * The frames of an address within a range of the table, innermost first. The last one is the
 * function that was not inlined, of which only the place is told.
 *
 * Returns their number: 1 to SOURCE_FRAMES_MAX, 0 when nothing is known.
 */
unsigned int source_table_frames(const struct source_table_view *view,
				 const struct source_table_range *range, uint64_t address,
				 struct source_frame ret_frames[SOURCE_FRAMES_MAX]);

#endif
