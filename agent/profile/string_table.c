/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/string_table.h"

#include <errno.h>
#include <string.h>

#include "wire.h"

/* What stands at the end of a string that was cut. */
static const char ellipsis[] = "\xe2\x80\xa6";

struct wanted_string {
	const uint8_t *bytes;
	size_t size;
};

struct string_table string_table_with_max(uint32_t strings_max, uint32_t bytes_max)
{
	return (struct string_table){
		.bytes = bytes_writer_with_max(bytes_max),
		.offsets = bytes_writer_with_max((size_t)strings_max * sizeof(uint32_t)),
		.strings_max = strings_max,
		.index = hash_index_with_max(strings_max),
	};
}

void string_table_free(struct string_table *table)
{
	bytes_writer_free(&table->bytes);
	bytes_writer_free(&table->offsets);
	hash_index_free(&table->index);
	table->string_count = 0;
}

void string_table_clear(struct string_table *table)
{
	bytes_writer_clear(&table->bytes);
	bytes_writer_clear(&table->offsets);
	hash_index_clear(&table->index);
	table->string_count = 0;
}

const void *string_table_string(const struct string_table *table, uint32_t id, size_t *ret_size)
{
	const uint32_t *ends = (const uint32_t *)table->offsets.bytes;
	uint32_t begin = id > 1 ? ends[id - 2] : 0;

	*ret_size = ends[id - 1] - begin;
	return table->bytes.bytes + begin;
}

static bool same_string(uint32_t id, const void *wanted, const void *owner)
{
	const struct wanted_string *string = wanted;
	size_t size;
	const void *bytes = string_table_string(owner, id, &size);

	return size == string->size && memcmp(bytes, string->bytes, size) == 0;
}

static int add_new(struct string_table *table, const struct wanted_string *string, uint64_t hash)
{
	size_t bytes_before = table->bytes.size, offsets_before = table->offsets.size;
	uint32_t end;
	int r;

	if (table->string_count >= table->strings_max ||
	    string->size > table->bytes.size_max - table->bytes.size)
		return STRING_TABLE_FULL;
	bytes_write(&table->bytes, string->bytes, string->size);
	end = (uint32_t)table->bytes.size;
	bytes_write(&table->offsets, &end, sizeof(end));
	r = table->bytes.failed || table->offsets.failed
		    ? -ENOMEM
		    : hash_index_add(&table->index, hash, table->string_count + 1);
	if (r < 0) {
		table->bytes.size = bytes_before;
		table->offsets.size = offsets_before;
		table->bytes.failed = table->offsets.failed = false;
		return r;
	}
	table->string_count++;
	return 0;
}

int string_table_add(struct string_table *table, const void *string, size_t size, uint32_t *ret_id)
{
	uint8_t cut[WIRE_STRING_SIZE_MAX];
	struct wanted_string wanted = { .bytes = string, .size = size };
	uint64_t hash;
	uint32_t id;
	int r;

	if (size > sizeof(cut)) {
		memcpy(cut, string, sizeof(cut));
		memcpy(cut + sizeof(cut) - strlen(ellipsis), ellipsis, strlen(ellipsis));
		wanted = (struct wanted_string){ .bytes = cut, .size = sizeof(cut) };
	}
	hash = hash_bytes(wanted.bytes, wanted.size);
	id = hash_index_find(&table->index, hash, same_string, &wanted, table);
	if (!id) {
		r = add_new(table, &wanted, hash);
		if (r)
			return r;
		id = table->string_count;
	}
	*ret_id = id;
	return 0;
}

size_t string_table_memory(const struct string_table *table)
{
	return table->bytes.capacity + table->offsets.capacity +
	       (size_t)table->index.slot_count * sizeof(*table->index.slots);
}
