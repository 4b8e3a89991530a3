/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of a profile's tables as records (include/wire.h): strings, modules, functions, frames,
 * stacks, threads. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_TABLE_RECORDS_H
#define FLICKERSCOPE_TABLE_RECORDS_H

#include <stdint.h>

struct chunk_builder;
struct profile;

/* How many rows of each table have been written. */
struct table_records_written {
	uint32_t strings;
	uint32_t modules;
	uint32_t functions;
	uint32_t frames;
	uint32_t stacks;
	uint32_t threads;
};

/*
 * Writes the rows that are new, in an order that has each before its first use.
 *
 * Returns 0 or -ENOMEM.
 */
int table_records_write(struct chunk_builder *builder, const struct profile *profile,
			struct table_records_written *written);

#endif
