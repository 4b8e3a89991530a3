/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A symbol table together with the worker's bytes that it lies in. All zero is an empty one, in
 * which nothing is found.
 */
#ifndef FLICKERSCOPE_SYMBOL_BYTES_H
#define FLICKERSCOPE_SYMBOL_BYTES_H

#include <errno.h>

#include "elf/symbol_table.h"
#include "worker/worker.h"

struct symbol_bytes {
	struct worker_result bytes; /* owned */
	struct symbol_table_view view;
};

static inline void symbol_bytes_free(struct symbol_bytes *table)
{
	worker_result_free(&table->bytes);
	*table = (struct symbol_bytes){ 0 };
}

/* Checks the worker's bytes, which are taken also on failure. Returns 0 or -EBADMSG. */
static inline int symbol_bytes_open(struct worker_result bytes, struct symbol_bytes *ret_table)
{
	struct symbol_bytes table = { .bytes = bytes };

	if (symbol_table_view_open(bytes.bytes, bytes.size, &table.view) < 0) {
		symbol_bytes_free(&table);
		return -EBADMSG;
	}
	*ret_table = table;
	return 0;
}

static inline bool symbol_bytes_find(const struct symbol_bytes *table, uint64_t address,
				     struct symbol *ret_symbol)
{
	return table->bytes.bytes && symbol_table_find(&table->view, address, ret_symbol);
}

#endif
