/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the function at an address: one flat format for the symbols of ELF files and perf
 * maps. Made by symbol_table_builder, read in place from a mapped or copied buffer.
 *
 *   header, starts (u64 each), rows, strings
 *
 * Starts are strictly increasing, and row i covers [start, start + length) where length ends at
 * the next start or before: so one bisection over 8-byte numbers answers. A function with another
 * one inside it has a row before and a row behind that one; `lead` leads both to its start.
 *
 * What an address is, the maker says: an offset in the file for ELF, a process's address
 * for perf maps. All numbers are in the machine's byte order; the bytes never leave it.
 *
 * A view may be used by any number of threads.
 */
#ifndef FLICKERSCOPE_SYMBOL_TABLE_H
#define FLICKERSCOPE_SYMBOL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/build_id.h"

enum symbol_table_limits {
	SYMBOL_TABLE_ROWS_MAX = 8 << 20,
	SYMBOL_TABLE_STRINGS_SIZE_MAX = 192 << 20, /* names of the finished table */
	SYMBOL_NAME_SIZE_MAX = 16384,		   /* longer names are cut here */
};

enum symbol_table_magic {
	SYMBOL_TABLE_MAGIC = 0x314c4253, /* "SBL1" */
};

struct symbol_table_header {
	uint32_t magic;
	uint32_t row_count;
	uint32_t strings_size;
	uint32_t cut_name_count; /* names cut at SYMBOL_NAME_SIZE_MAX */
	uint64_t left_out_count; /* symbols that a limit kept out */
	uint64_t address_min;	 /* no row covers anything below ... */
	uint64_t address_end;	 /* ... or from here on; both 0 in an empty table */
	struct build_id build_id;
};

_Static_assert(sizeof(struct symbol_table_header) == 64, "no padding");

struct symbol_table_row {
	uint32_t length; /* bytes covered */
	uint32_t lead;	 /* bytes from the function's start to the row's start */
	uint32_t name;	 /* offset in the strings; not zero-terminated */
	uint32_t name_size;
};

_Static_assert(sizeof(struct symbol_table_row) == 16, "no padding");

/* A checked table; points into the bytes it was opened on, which must outlive it. */
struct symbol_table_view {
	const struct symbol_table_header *header;
	const uint64_t *starts;
	const struct symbol_table_row *rows;
	const char *strings;
};

/*
 * What was found; the name points into the table and is not zero-terminated. A name_size of 0 is a
 * function that nobody named, of which only the place is known.
 */
struct symbol {
	uint64_t start; /* of the function */
	uint64_t size;	/* from there to the end of the row that was hit */
	const char *name;
	uint32_t name_size;
};

/*
 * Checks everything once, in one pass, so that lookups need no checks.
 *
 * @bytes: aligned to 8, as mapped and allocated memory is.
 *
 * Returns 0 or -EBADMSG.
 */
int symbol_table_view_open(const void *bytes, size_t size, struct symbol_table_view *ret_view);

/* Finds the function that covers @address. Returns false and writes nothing when none does. */
bool symbol_table_find(const struct symbol_table_view *view, uint64_t address,
		       struct symbol *ret_symbol);

#endif
