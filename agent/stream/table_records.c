/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/table_records.h"

#include <endian.h>
#include <string.h>

#include "base/hash_index.h"
#include "profile/profile.h"
#include "stream/chunk_builder.h"
#include "stream/varint.h"

enum {
	/* A row's room: the largest one is a thread's or a function's ... */
	ROW_SIZE_MAX = 64,
	/* ... except for strings. */
	STRING_ROW_SIZE_MAX = WIRE_STRING_SIZE_MAX + VARINT32_SIZE_MAX,
};

/* One record in the making. */
struct table_record {
	const struct profile *profile;
	uint32_t row_count;
	uint32_t previous; /* what the row before left for differences; 0 at the start */
	uint32_t size;
	uint8_t rows[CHUNK_BUILDER_RECORD_MAX - VARINT32_SIZE_MAX];
};

struct table_record_kind {
	enum wire_record_kind kind;
	uint32_t row_size_max;
	/* Writes the row with @id at @at, where row_size_max fits; returns the place behind it. */
	uint8_t *(*put)(struct table_record *record, uint32_t id, uint8_t *at);
};

static uint8_t *key_put(uint8_t *at, uint64_t key)
{
	key = htole64(key);
	memcpy(at, &key, sizeof(key));
	return at + sizeof(key);
}

static uint8_t *put_string(struct table_record *record, uint32_t id, uint8_t *at)
{
	size_t size;
	const void *bytes = string_table_string(&record->profile->strings, id, &size);

	at = varint_put(at, size);
	memcpy(at, bytes, size);
	return at + size;
}

static uint8_t *put_module(struct table_record *record, uint32_t id, uint8_t *at)
{
	const struct profile_module *module = row_table_row(&record->profile->modules, id);

	at = key_put(at, module->key);
	at = varint_put(at, module->name);
	return varint_put(at, module->kind);
}

/* The key that readers give to a function at @start of the module; wire.h has the formula. */
static uint64_t derived_key(const struct profile *profile, const struct profile_function *function)
{
	uint64_t start = htole64(function->start);
	const struct profile_module *module;

	if (!function->module)
		return 0;
	module = row_table_row(&profile->modules, function->module);
	return stable_key(&start, sizeof(start), module->key);
}

/* 0 for none, else 1 + the zigzag of the difference to the last name. */
static uint8_t *put_name(struct table_record *record, uint32_t name, uint8_t *at)
{
	int64_t difference = (int64_t)name - record->previous;

	if (!name)
		return varint_put(at, 0);
	record->previous = name;
	return varint_put(at, 1 + ((uint64_t)difference << 1 ^ (uint64_t)(difference >> 63)));
}

static uint8_t *put_function(struct table_record *record, uint32_t id, uint8_t *at)
{
	const struct profile_function *function = row_table_row(&record->profile->functions, id);
	bool has_key = function->key != derived_key(record->profile, function);
	/* A start with the highest bit set is no place in a file; there is no room for it. */
	uint64_t start = function->start >> 63 ? 0 : function->start;

	has_key |= start != function->start;
	at = varint_put(at, function->module);
	at = put_name(record, function->name, at);
	at = varint_put(at, start << 1 | has_key);
	return has_key ? key_put(at, function->key) : at;
}

static uint8_t *put_frame(struct table_record *record, uint32_t id, uint8_t *at)
{
	const struct profile_frame *frame = row_table_row(&record->profile->frames, id);

	at = zigzag_put(at, (int64_t)frame->function - record->previous);
	record->previous = frame->function;
	at = varint_put(at, frame->kind);
	at = varint_put(at, frame->file);
	return varint_put(at, frame->line);
}

static uint8_t *put_stack(struct table_record *record, uint32_t id, uint8_t *at)
{
	const struct profile_stack *stack = row_table_row(&record->profile->stacks, id);

	at = varint_put(at, id - stack->parent);
	return varint_put(at, stack->frame);
}

static uint8_t *put_thread(struct table_record *record, uint32_t id, uint8_t *at)
{
	const struct profile_thread *thread = row_table_row(&record->profile->threads, id);

	at = varint_put(at, thread->tid);
	at = varint_put(at, thread->pid);
	at = varint_put(at, thread->process_start_ns);
	at = varint_put(at, thread->comm);
	at = varint_put(at, thread->process_name);
	at = varint_put(at, thread->cgroup);
	return varint_put(at, thread->container);
}

static const struct table_record_kind string_rows = { WIRE_RECORD_STRINGS, STRING_ROW_SIZE_MAX,
						      put_string };
static const struct table_record_kind module_rows = { WIRE_RECORD_MODULES, ROW_SIZE_MAX,
						      put_module };
static const struct table_record_kind function_rows = { WIRE_RECORD_FUNCTIONS, ROW_SIZE_MAX,
							put_function };
static const struct table_record_kind frame_rows = { WIRE_RECORD_FRAMES, ROW_SIZE_MAX, put_frame };
static const struct table_record_kind stack_rows = { WIRE_RECORD_STACKS, ROW_SIZE_MAX, put_stack };
static const struct table_record_kind thread_rows = { WIRE_RECORD_THREADS, ROW_SIZE_MAX,
						      put_thread };

static int finish_record(struct chunk_builder *builder, enum wire_record_kind kind,
			 struct table_record *record)
{
	uint8_t payload[CHUNK_BUILDER_RECORD_MAX];
	uint8_t *at = varint_put(payload, record->row_count);

	memcpy(at, record->rows, record->size);
	return chunk_builder_add(builder, kind, payload, (uint32_t)(at - payload) + record->size);
}

static int write_table(struct chunk_builder *builder, const struct profile *profile,
		       const struct table_record_kind *kind, uint32_t row_count,
		       uint32_t *written_count)
{
	while (*written_count < row_count) {
		struct table_record record;
		uint32_t id = *written_count;
		int r;

		record.profile = profile;
		record.row_count = record.previous = record.size = 0;
		while (id < row_count && record.size + kind->row_size_max <= sizeof(record.rows)) {
			uint8_t *end = kind->put(&record, ++id, record.rows + record.size);

			record.size = (uint32_t)(end - record.rows);
			record.row_count++;
		}
		r = finish_record(builder, kind->kind, &record);
		if (r < 0)
			return r;
		*written_count = id;
	}
	return 0;
}

int table_records_write(struct chunk_builder *builder, const struct profile *profile,
			struct table_records_written *written)
{
	int r = write_table(builder, profile, &string_rows, profile->strings.string_count,
			    &written->strings);

	if (!r)
		r = write_table(builder, profile, &module_rows, profile->modules.row_count,
				&written->modules);
	if (!r)
		r = write_table(builder, profile, &function_rows, profile->functions.row_count,
				&written->functions);
	if (!r)
		r = write_table(builder, profile, &frame_rows, profile->frames.row_count,
				&written->frames);
	if (!r)
		r = write_table(builder, profile, &stack_rows, profile->stacks.row_count,
				&written->stacks);
	if (!r)
		r = write_table(builder, profile, &thread_rows, profile->threads.row_count,
				&written->threads);
	return r;
}
