/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives every distinct string an id.
 *
 * Ids count up from 1 in the order of adding; 0 means none. Strings are any bytes; those longer
 * than WIRE_STRING_SIZE_MAX are cut, with an ellipsis. Bounded by strings_max and bytes_max. Owned
 * by one thread.
 */
#ifndef FLICKERSCOPE_STRING_TABLE_H
#define FLICKERSCOPE_STRING_TABLE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/hash_index.h"

enum string_table_outcome {
	STRING_TABLE_FULL = 1,
};

struct string_table {
	struct bytes_writer bytes;   /* all strings, one after another */
	struct bytes_writer offsets; /* uint32_t each: where the string ends in `bytes` */
	uint32_t string_count;
	uint32_t strings_max;
	struct hash_index index;
};

struct string_table string_table_with_max(uint32_t strings_max, uint32_t bytes_max);
void string_table_free(struct string_table *table);
void string_table_clear(struct string_table *table); /* keeps the memory */

/* Finds or adds a string. Returns 0, STRING_TABLE_FULL or -ENOMEM. */
int string_table_add(struct string_table *table, const void *string, size_t size, uint32_t *ret_id);

/* The string with @id, from 1 to string_count; borrowed until the next is added; not terminated. */
const void *string_table_string(const struct string_table *table, uint32_t id, size_t *ret_size);

size_t string_table_memory(const struct string_table *table);

#endif
