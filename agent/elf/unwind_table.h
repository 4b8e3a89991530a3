/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How to find the caller's frame at every offset of an executable file: a flat table of the rows
 * that sample_abi.h describes, in pages of 64 KiB of the file.
 *
 *   header, rows, pages
 *
 * Page i stands for offsets from (first_page + i) << UNWIND_PAGE_BITS on. Its rows are sorted by
 * pc_low and the first one has pc_low 0, so any offset inside the pages has its row in one
 * bisection. No page is without rows. Numbers are in the machine's byte order.
 *
 * A view may be used by any number of threads.
 */
#ifndef FLICKERSCOPE_UNWIND_TABLE_H
#define FLICKERSCOPE_UNWIND_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "elf/build_id.h"
#include "sample_abi.h"

enum unwind_table_limits {
	UNWIND_TABLE_PAGES_MAX = 65536,	  /* 4 GiB of text */
	UNWIND_TABLE_ROWS_MAX = 16 << 20, /* 128 MiB; a large browser has 3 million */
	UNWIND_PAGE_ROWS_MAX = 65536,	  /* one for each byte */
};

enum unwind_table_magic {
	UNWIND_TABLE_MAGIC = 0x31574e55, /* "UNW1" */
};

struct unwind_table_header {
	uint32_t magic;
	uint32_t page_count;
	uint64_t first_page;
	uint32_t row_count;
	uint32_t function_count;    /* descriptions that went into it */
	uint32_t unsupported_count; /* rows of UNWIND_CFA_UNSUPPORTED */
	uint32_t left_out_count; /* descriptions that could not be read, overlap, or lie outside */
	uint64_t covered_size;	 /* bytes of code with a description ... */
	uint64_t code_size;	 /* ... of so many */
	struct build_id build_id;
};

_Static_assert(sizeof(struct unwind_table_header) == 72, "no padding");

struct unwind_page {
	uint32_t first; /* index of its first row */
	uint32_t count; /* at least 1 */
};

struct unwind_table_view {
	const struct unwind_table_header *header;
	const struct unwind_page *pages;
	const struct unwind_row *rows;
};

/*
 * Checks everything once, in one pass.
 *
 * @bytes: aligned to 8; borrowed.
 *
 * Returns 0 or -EBADMSG.
 */
int unwind_table_view_open(const void *bytes, size_t size, struct unwind_table_view *ret_view);

/* The row for the code at @offset of the file; NULL outside the table's pages. */
const struct unwind_row *unwind_table_find(const struct unwind_table_view *view, uint64_t offset);

static inline enum unwind_cfa_kind unwind_row_cfa_kind(const struct unwind_row *row)
{
	return (enum unwind_cfa_kind)(row->kinds & 15);
}

static inline enum unwind_fp_kind unwind_row_fp_kind(const struct unwind_row *row)
{
	return (enum unwind_fp_kind)(row->kinds >> 4);
}

/* The halves of cfa_offset, for the kinds that have two numbers in it. */
static inline int32_t unwind_row_low(const struct unwind_row *row)
{
	return (int16_t)(row->cfa_offset & 0xffff);
}

static inline int32_t unwind_row_high(const struct unwind_row *row)
{
	return row->cfa_offset >> 16;
}

/*
 * The same rule without steps: what a row with steps says @distance bytes behind its start. Other
 * rows are given back as they are.
 */
struct unwind_row unwind_row_at(const struct unwind_row *row, uint32_t distance);

#endif
