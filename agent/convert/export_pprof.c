/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof's profile.proto (github.com/google/pprof, proto/profile.proto), gzipped: samples by thread and
 * stack, with the CPU time that they stand for where that is known.
 *
 * A location is a frame with those that were inlined into it, a mapping a module. The process and the
 * thread are labels: `go tool pprof -tagroot process` shows them. Addresses are where functions start
 * in their files: captures hold no other.
 */
#include "convert/formats.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/escape.h"
#include "convert/merged_profile.h"
#include "convert/output.h"
#include "profile/timeline.h"

enum {
	MESSAGE_SIZE_MAX = 1073741824,
	ROWS_MAX = 67108864,
	GZIP_PIECE = 65536,
	WINDOW_BITS_GZIP = 15 + 16, /* deflateInit2(): with gzip's header */
	MEMORY_LEVEL = 8,
};

/* Field numbers. */
enum profile_field {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING_TABLE = 6,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS = 10,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,
};

enum value_type_field { VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT = 2 };
enum sample_field { SAMPLE_LOCATION_ID = 1, SAMPLE_VALUE = 2, SAMPLE_LABEL = 3 };
enum label_field { LABEL_KEY = 1, LABEL_STR = 2, LABEL_NUM = 3 };
enum mapping_field { MAPPING_ID = 1, MAPPING_FILENAME = 5, MAPPING_HAS_FUNCTIONS = 7 };
enum location_field {
	LOCATION_ID = 1,
	LOCATION_MAPPING_ID = 2,
	LOCATION_ADDRESS = 3,
	LOCATION_LINE = 4,
};
enum line_field { LINE_FUNCTION_ID = 1, LINE_LINE = 2 };
enum function_field {
	FUNCTION_ID = 1,
	FUNCTION_NAME = 2,
	FUNCTION_SYSTEM_NAME = 3,
	FUNCTION_FILENAME = 4,
};

enum wire_type { WIRE_TYPE_VARINT = 0, WIRE_TYPE_BYTES = 2 };

/* Strings of our own, before those of the profile. */
static const char *const words[] = {
	"", "samples", "count", "cpu", "nanoseconds", "process", "pid", "thread", "tid",
};

enum word {
	WORD_EMPTY,
	WORD_SAMPLES,
	WORD_COUNT,
	WORD_CPU,
	WORD_NANOSECONDS,
	WORD_PROCESS,
	WORD_PID,
	WORD_THREAD,
	WORD_TID,
};

_Static_assert(ARRAY_SIZE(words) == WORD_TID + 1, "a text for each");

struct sample_key {
	uint32_t thread;
	uint32_t stack;
};

struct sample_row {
	struct sample_key key;
	uint64_t count;
	uint64_t weight; /* sum of merged_weight() */
};

/* A frame and, in front of it, those that were inlined into it: a part of one way up a stack. */
struct location_row {
	uint32_t frame;
	uint32_t inlined; /* location of what was inlined into it; 0: nothing */
	uint32_t is_part; /* of the location of what it was inlined into itself */
};

struct function_row {
	uint32_t label;
	uint32_t file;
};

struct encoding {
	const struct merged_profile *profile;
	uint64_t period_ns;
	struct row_table samples;
	struct row_table locations;
	struct row_table functions;
	struct row_table mappings; /* uint32_t: string of the module's name */
	struct bytes_writer message;
	struct bytes_writer part;  /* a message within */
	struct bytes_writer inner; /* and one within that */
	int error;
};

/* --- protobuf ----------------------------------------------------------------------------------- */

static void put_number(struct bytes_writer *writer, unsigned int field, uint64_t value)
{
	if (!value)
		return; /* what is absent is 0 */
	bytes_write_uleb128(writer, field << 3 | WIRE_TYPE_VARINT);
	bytes_write_uleb128(writer, value);
}

static void put_bytes(struct bytes_writer *writer, unsigned int field, const void *bytes,
		      size_t size)
{
	bytes_write_uleb128(writer, field << 3 | WIRE_TYPE_BYTES);
	bytes_write_uleb128(writer, size);
	bytes_write(writer, bytes, size);
}

/* What is not whole makes what it is put into not whole. */
static void pass_failure(struct bytes_writer *writer, const struct bytes_writer *part)
{
	if (!part->failed || writer->failed)
		return;
	writer->failed = true;
	writer->is_at_cap = part->is_at_cap;
}

/* Puts a message that was made into the one around it, and empties it. */
static void put_message(struct bytes_writer *writer, unsigned int field, struct bytes_writer *part)
{
	put_bytes(writer, field, part->bytes, part->size);
	pass_failure(writer, part);
	bytes_writer_clear(part);
}

static void put_value_type(struct encoding *encoding, unsigned int field, enum word type,
			   enum word unit)
{
	put_number(&encoding->part, VALUE_TYPE_TYPE, type);
	put_number(&encoding->part, VALUE_TYPE_UNIT, unit);
	put_message(&encoding->message, field, &encoding->part);
}

/* The index of one of the profile's strings; 0 is none in both. */
static uint64_t string_index(uint32_t string)
{
	return string ? string + WORD_TID : 0;
}

/* --- rows ---------------------------------------------------------------------------------------- */

static uint32_t add(struct encoding *encoding, struct row_table *table, const void *row)
{
	uint32_t id = 0;
	int r = row_table_add(table, row, &id);

	if (r)
		encoding->error = r < 0 ? r : -E2BIG;
	return id;
}

static void add_samples(struct encoding *encoding)
{
	const struct merged_profile *profile = encoding->profile;

	for (uint64_t i = 0; i < profile->sample_count && !encoding->error; i++) {
		struct sample_row row = {
			.key = { profile->samples[i].thread, profile->samples[i].stack },
		};
		uint32_t id = add(encoding, &encoding->samples, &row);
		struct sample_row *added;

		if (!id)
			continue;
		added = (struct sample_row *)row_table_row(&encoding->samples, id);
		added->count++;
		added->weight += merged_weight(profile, &profile->samples[i]);
	}
}

static void put_label(struct encoding *encoding, enum word key, uint32_t string, uint64_t number)
{
	put_number(&encoding->inner, LABEL_KEY, key);
	put_number(&encoding->inner, LABEL_STR, string_index(string));
	put_number(&encoding->inner, LABEL_NUM, number);
	put_message(&encoding->part, SAMPLE_LABEL, &encoding->inner);
}

/* The locations of a stack, leaf first: inlined frames belong to the one they were inlined into. */
static void put_locations(struct encoding *encoding, uint32_t stack_id)
{
	const struct merged_profile *profile = encoding->profile;
	const struct merged_stack *stack = merged_stack(profile, stack_id);
	uint32_t inlined = 0;

	for (; !(stack->frame & MERGED_PROCESS); stack = merged_stack(profile, stack->parent)) {
		const struct merged_stack *parent = merged_stack(profile, stack->parent);
		struct location_row row = { .frame = stack->frame, .inlined = inlined };
		uint32_t id;

		row.is_part = merged_frame(profile, stack->frame)->kind == WIRE_FRAME_INLINED &&
			      !(parent->frame & MERGED_PROCESS);
		id = add(encoding, &encoding->locations, &row);
		inlined = row.is_part ? id : 0;
		if (!row.is_part)
			bytes_write_uleb128(&encoding->inner, id);
	}
	if (encoding->inner.size)
		put_message(&encoding->part, SAMPLE_LOCATION_ID, &encoding->inner);
}

static void put_sample(struct encoding *encoding, const struct sample_row *row)
{
	const struct merged_thread *thread = merged_thread(encoding->profile, row->key.thread);

	put_locations(encoding, row->key.stack);
	bytes_write_uleb128(&encoding->inner, row->count);
	if (encoding->period_ns)
		bytes_write_uleb128(&encoding->inner, row->weight);
	put_message(&encoding->part, SAMPLE_VALUE, &encoding->inner);
	put_label(encoding, WORD_PROCESS,
		  thread->process_name ? thread->process_name : thread->comm, 0);
	put_label(encoding, WORD_PID, 0, thread->pid);
	put_label(encoding, WORD_THREAD, thread->comm, 0);
	put_label(encoding, WORD_TID, 0, thread->tid);
	put_message(&encoding->message, PROFILE_SAMPLE, &encoding->part);
}

static void put_line(struct encoding *encoding, const struct merged_frame *frame, uint32_t label)
{
	struct function_row function = { .label = label, .file = frame->file };

	put_number(&encoding->inner, LINE_FUNCTION_ID,
		   add(encoding, &encoding->functions, &function));
	put_number(&encoding->inner, LINE_LINE, frame->line);
	put_message(&encoding->part, LOCATION_LINE, &encoding->inner);
}

static void put_location(struct encoding *encoding, uint32_t id)
{
	const struct merged_profile *profile = encoding->profile;
	const struct location_row *row = row_table_row(&encoding->locations, id);
	const struct merged_frame *frame = merged_frame(profile, row->frame);
	const struct merged_function *function = merged_function(profile, frame->function);
	uint32_t label = merged_frame_label(profile, row->frame);
	uint32_t module = merged_label(profile, label)->module;
	uint32_t inlined[WIRE_STACK_DEPTH_MAX], count = 0;

	if (row->is_part)
		return;
	put_number(&encoding->part, LOCATION_ID, id);
	if (module)
		put_number(&encoding->part, LOCATION_MAPPING_ID,
			   add(encoding, &encoding->mappings, &module));
	put_number(&encoding->part, LOCATION_ADDRESS, function ? function->start : 0);
	/* The innermost first, the one they were inlined into last. */
	for (uint32_t at = row->inlined; at && count < ARRAY_SIZE(inlined);) {
		const struct location_row *inner = row_table_row(&encoding->locations, at);

		inlined[count++] = inner->frame;
		at = inner->inlined;
	}
	while (count) {
		uint32_t at = inlined[--count];

		put_line(encoding, merged_frame(profile, at), merged_frame_label(profile, at));
	}
	put_line(encoding, frame, label);
	put_message(&encoding->message, PROFILE_LOCATION, &encoding->part);
}

static void put_function(struct encoding *encoding, uint32_t id)
{
	const struct function_row *row = row_table_row(&encoding->functions, id);
	uint64_t name = string_index(merged_label(encoding->profile, row->label)->name);

	put_number(&encoding->part, FUNCTION_ID, id);
	put_number(&encoding->part, FUNCTION_NAME, name);
	put_number(&encoding->part, FUNCTION_SYSTEM_NAME, name);
	put_number(&encoding->part, FUNCTION_FILENAME, string_index(row->file));
	put_message(&encoding->message, PROFILE_FUNCTION, &encoding->part);
}

/* @name: index of a string. */
static void put_mapping(struct encoding *encoding, uint32_t id, uint64_t name)
{
	put_number(&encoding->part, MAPPING_ID, id);
	put_number(&encoding->part, MAPPING_FILENAME, name);
	put_number(&encoding->part, MAPPING_HAS_FUNCTIONS, 1);
	put_message(&encoding->message, PROFILE_MAPPING, &encoding->part);
}

/*
 * The first mapping is what readers call the profile, and nothing has to be in it: it is the profile's
 * own name, because of the modules of a whole host none is the one.
 */
static void put_mappings(struct encoding *encoding)
{
	uint32_t count = encoding->mappings.row_count;

	put_mapping(encoding, count + 1, string_index(encoding->profile->strings.string_count + 1));
	for (uint32_t id = 1; id <= count; id++) {
		const uint32_t *module = row_table_row(&encoding->mappings, id);

		put_mapping(encoding, id, string_index(*module));
	}
}

/* Strings are UTF-8 (proto3), and end on terminals: what is neither is written as \xNN. */
static void put_string(struct encoding *encoding, const char *text, size_t size)
{
	char *escaped = bytes_writer_extend(&encoding->part, 4 * size);

	if (escaped)
		put_bytes(&encoding->message, PROFILE_STRING_TABLE, escaped,
			  escape_terminal(text, size, escaped, 4 * size));
	pass_failure(&encoding->message, &encoding->part);
	bytes_writer_clear(&encoding->part);
}

/* Words, the profile's strings, and its name: as string_index() counts. */
static void put_strings(struct encoding *encoding, const char *title)
{
	const struct merged_profile *profile = encoding->profile;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		put_bytes(&encoding->message, PROFILE_STRING_TABLE, words[i], strlen(words[i]));
	for (uint32_t id = 1; id <= profile->strings.string_count; id++) {
		size_t size;
		const char *text = merged_string(profile, id, &size);

		put_string(encoding, text, size);
	}
	put_string(encoding, title, strlen(title));
}

static void put_all(struct encoding *encoding, const char *title)
{
	const struct merged_profile *profile = encoding->profile;
	int64_t wall_us = merged_profile_wall_us(profile);

	put_value_type(encoding, PROFILE_SAMPLE_TYPE, WORD_SAMPLES, WORD_COUNT);
	if (encoding->period_ns)
		put_value_type(encoding, PROFILE_SAMPLE_TYPE, WORD_CPU, WORD_NANOSECONDS);
	add_samples(encoding);
	for (uint32_t id = 1; id <= encoding->samples.row_count && !encoding->error; id++)
		put_sample(encoding, row_table_row(&encoding->samples, id));
	for (uint32_t id = 1; id <= encoding->locations.row_count && !encoding->error; id++)
		put_location(encoding, id);
	for (uint32_t id = 1; id <= encoding->functions.row_count; id++)
		put_function(encoding, id);
	put_mappings(encoding);
	put_strings(encoding, title);
	if (timeline_is_dated(wall_us))
		put_number(&encoding->message, PROFILE_TIME_NANOS, (uint64_t)wall_us * 1000);
	put_number(&encoding->message, PROFILE_DURATION_NANOS,
		   (uint64_t)merged_profile_duration_us(profile) * 1000);
	if (!encoding->period_ns)
		return;
	put_value_type(encoding, PROFILE_PERIOD_TYPE, WORD_CPU, WORD_NANOSECONDS);
	put_number(&encoding->message, PROFILE_PERIOD, encoding->period_ns);
	put_number(&encoding->message, PROFILE_DEFAULT_SAMPLE_TYPE, WORD_CPU);
}

/* --- gzip ----------------------------------------------------------------------------------------- */

static int write_gzipped(struct output *output, const struct bytes_writer *message)
{
	z_stream stream = { 0 };
	uint8_t piece[GZIP_PIECE];
	int r = Z_OK;

	if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS_GZIP, MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	stream.next_in = message->bytes;
	stream.avail_in = (uInt)message->size;
	while (r == Z_OK) {
		stream.next_out = piece;
		stream.avail_out = sizeof(piece);
		r = deflate(&stream, Z_FINISH);
		output_bytes(output, piece, sizeof(piece) - stream.avail_out);
	}
	deflateEnd(&stream);
	return r == Z_STREAM_END ? 0 : -EIO;
}

int export_pprof(struct merged_profile *profile, const char *title, struct output *output)
{
	struct encoding encoding = {
		.profile = profile,
		.period_ns = merged_profile_period_ns(profile),
		.samples = row_table_of(sizeof(struct sample_row), sizeof(struct sample_key),
					ROWS_MAX),
		.locations = row_table_of(sizeof(struct location_row), sizeof(struct location_row),
					  ROWS_MAX),
		.functions = row_table_of(sizeof(struct function_row), sizeof(struct function_row),
					  ROWS_MAX),
		.mappings = row_table_of(sizeof(uint32_t), sizeof(uint32_t), ROWS_MAX),
		.message = bytes_writer_with_max(MESSAGE_SIZE_MAX),
		.part = bytes_writer_with_max(MESSAGE_SIZE_MAX),
		.inner = bytes_writer_with_max(MESSAGE_SIZE_MAX),
	};
	int r;

	put_all(&encoding, title);
	r = encoding.error;
	if (!r)
		r = bytes_writer_error(&encoding.message);
	if (!r)
		r = write_gzipped(output, &encoding.message);
	row_table_free(&encoding.samples);
	row_table_free(&encoding.locations);
	row_table_free(&encoding.functions);
	row_table_free(&encoding.mappings);
	bytes_writer_free(&encoding.message);
	bytes_writer_free(&encoding.part);
	bytes_writer_free(&encoding.inner);
	return r;
}
