/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/import_pprof.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "convert/foreign_profile.h"
#include "convert/import_step.h"
#include "convert/input_bytes.h"
#include "convert/perf_script_text.h"
#include "convert/protobuf_reader.h"
#include "convert/timeless.h"

enum {
	STRINGS_MAX = 16777216,
	ROWS_MAX = 16777216,
	LINES_MAX = 64, /* functions that one location is in: inlined ones */
	FIELD_MAX = 14,
	INNER_FIELD_MAX = 10,
	PERIOD_HZ_MAX = 10000,
};

/* Numbers of fields. */
enum profile_field {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE,
	PROFILE_MAPPING,
	PROFILE_LOCATION,
	PROFILE_FUNCTION,
	PROFILE_STRING_TABLE,
	PROFILE_TIME_NANOS = 9,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD,
	PROFILE_COMMENT,
};

enum value_type_field { VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT };
enum sample_field { SAMPLE_LOCATION_ID = 1, SAMPLE_VALUE, SAMPLE_LABEL };
enum label_field { LABEL_KEY = 1, LABEL_STR, LABEL_NUM };
enum mapping_field { MAPPING_ID = 1, MAPPING_FILENAME = 5 };
enum location_field { LOCATION_ID = 1, LOCATION_MAPPING_ID, LOCATION_ADDRESS, LOCATION_LINE };
enum line_field { LINE_FUNCTION_ID = 1, LINE_LINE };
enum function_field { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_FILENAME = 4 };

struct pprof_mapping {
	uint64_t id;
	uint32_t filename; /* index of a string */
	uint32_t reserved;
};

struct pprof_function {
	uint64_t id;
	uint32_t name;
	uint32_t filename;
};

/* The frames of a location are next to one another in pprof.frames, leaf first. */
struct pprof_location {
	uint64_t id;
	uint32_t first_frame;
	uint32_t frame_count;
};

struct value_type {
	uint64_t type; /* indices of strings */
	uint64_t unit;
};

struct pprof {
	struct input_bytes *input;	 /* borrowed */
	struct foreign_profile *profile; /* borrowed */
	struct bytes_reader message;	 /* the whole */
	struct bytes_writer strings;	 /* struct foreign_text each: into the message */
	struct row_table mappings;
	struct row_table functions;
	struct row_table locations;
	struct bytes_writer frames; /* uint32_t: of the foreign profile */
	struct value_type types[FOREIGN_EVENTS_MAX];
	uint32_t type_count;
	struct value_type period_type;
	int64_t period;
	int64_t time_ns;
	struct timeless timeless;
};

static int bad(const struct pprof *pprof, const char *problem)
{
	return input_bytes_bad_offset(pprof->input, bytes_offset(&pprof->message), "no pprof: %s",
				      problem);
}

static int stepped(const struct pprof *pprof, int r)
{
	return r ? import_step_failed(pprof->input, pprof->profile, r) : 0;
}

static struct foreign_text string_at(const struct pprof *pprof, uint64_t index)
{
	const struct foreign_text *strings = (const struct foreign_text *)pprof->strings.bytes;

	return index < pprof->strings.size / sizeof(*strings) ? strings[index]
							      : (struct foreign_text){ 0 };
}

static uint32_t index_of(uint64_t value)
{
	return value <= UINT32_MAX ? (uint32_t)value : 0;
}

/* --- tables -------------------------------------------------------------------------------------- */

static struct value_type read_value_type(struct bytes_reader *message)
{
	struct value_type type = { 0 };
	struct protobuf_field field;

	while (protobuf_next(message, &field)) {
		if (field.number == VALUE_TYPE_TYPE)
			type.type = field.value;
		else if (field.number == VALUE_TYPE_UNIT)
			type.unit = field.value;
	}
	return type;
}

static int add_row(struct pprof *pprof, struct row_table *table, const void *row)
{
	uint32_t id;
	int r = row_table_add(table, row, &id);

	return r > 0 ? bad(pprof, "more than can be held: split it") : r;
}

static int read_mapping(struct pprof *pprof, struct bytes_reader *message)
{
	struct pprof_mapping mapping = { 0 };
	struct protobuf_field field;

	while (protobuf_next(message, &field)) {
		if (field.number == MAPPING_ID)
			mapping.id = field.value;
		else if (field.number == MAPPING_FILENAME)
			mapping.filename = index_of(field.value);
	}
	return message->failed ? bad(pprof, "a mapping that does not hold")
			       : add_row(pprof, &pprof->mappings, &mapping);
}

static int read_function(struct pprof *pprof, struct bytes_reader *message)
{
	struct pprof_function function = { 0 };
	struct protobuf_field field;

	while (protobuf_next(message, &field)) {
		if (field.number == FUNCTION_ID)
			function.id = field.value;
		else if (field.number == FUNCTION_NAME)
			function.name = index_of(field.value);
		else if (field.number == FUNCTION_FILENAME)
			function.filename = index_of(field.value);
	}
	return message->failed ? bad(pprof, "a function that does not hold")
			       : add_row(pprof, &pprof->functions, &function);
}

/* Strings, value types, mappings and functions: what locations and samples refer to. */
static int read_table(struct pprof *pprof, struct protobuf_field *field)
{
	struct foreign_text text = {
		.bytes = (const char *)field->bytes.at,
		.size = bytes_left(&field->bytes),
	};

	switch (field->number) {
	case PROFILE_STRING_TABLE:
		bytes_write(&pprof->strings, &text, sizeof(text));
		return pprof->strings.failed ? bad(pprof, "more strings than can be held") : 0;
	case PROFILE_SAMPLE_TYPE:
		if (pprof->type_count == FOREIGN_EVENTS_MAX)
			return bad(pprof, "more types of values than can be held");
		pprof->types[pprof->type_count++] = read_value_type(&field->bytes);
		return 0;
	case PROFILE_PERIOD_TYPE:
		pprof->period_type = read_value_type(&field->bytes);
		return 0;
	case PROFILE_PERIOD:
		pprof->period = (int64_t)field->value;
		return 0;
	case PROFILE_TIME_NANOS:
		pprof->time_ns = (int64_t)field->value;
		return 0;
	case PROFILE_MAPPING:
		return read_mapping(pprof, &field->bytes);
	case PROFILE_FUNCTION:
		return read_function(pprof, &field->bytes);
	default:
		return 0;
	}
}

/* --- locations ----------------------------------------------------------------------------------- */

struct pprof_line {
	uint64_t function_id;
	uint64_t line;
};

static struct pprof_line read_line(struct bytes_reader *message)
{
	struct pprof_line line = { 0 };
	struct protobuf_field field;

	while (protobuf_next(message, &field)) {
		if (field.number == LINE_FUNCTION_ID)
			line.function_id = field.value;
		else if (field.number == LINE_LINE)
			line.line = field.value;
	}
	return line;
}

static int add_frame(struct pprof *pprof, const struct pprof_line *line, struct foreign_text module,
		     uint64_t address, bool inlined)
{
	struct pprof_function wanted = { .id = line ? line->function_id : 0 };
	uint32_t row = line ? row_table_find(&pprof->functions, &wanted) : 0, id;
	const struct pprof_function *function = row ? row_table_row(&pprof->functions, row) : NULL;
	struct perf_frame place = {
		.module = module,
		.inlined = inlined,
		.kernel_address = address >> 47 == 0x1ffff,
	};
	struct foreign_frame frame;
	char text[32];
	int r;

	if (function)
		place.name = string_at(pprof, function->name);
	frame = perf_frame_of(&place);
	/* Most writers name no modules: then it is the program, as far as one knows. */
	if (!module.size && !inlined && !place.kernel_address) {
		frame.kind = WIRE_FRAME_PROGRAM;
		frame.module_kind = WIRE_MODULE_UNKNOWN;
	}
	if (function)
		frame.file = string_at(pprof, function->filename);
	if (line && line->line <= UINT32_MAX)
		frame.line = (uint32_t)line->line;
	if (!frame.name.size) {
		snprintf(text, sizeof(text), "0x%" PRIx64, address);
		frame.name = foreign_text_of(text);
	}
	r = foreign_profile_frame(pprof->profile, &frame, &id);
	if (!r)
		bytes_write(&pprof->frames, &id, sizeof(id));
	return r ? stepped(pprof, r)
		 : (pprof->frames.failed ? bad(pprof, "more functions than can be held") : 0);
}

static int read_location(struct pprof *pprof, struct bytes_reader *message)
{
	struct pprof_location location = {
		.first_frame = (uint32_t)(pprof->frames.size / sizeof(uint32_t)),
	};
	struct pprof_line lines[LINES_MAX];
	struct pprof_mapping wanted = { 0 };
	struct protobuf_field field;
	struct foreign_text module = { 0 };
	uint32_t line_count = 0, row;
	uint64_t address = 0;
	int r = 0;

	while (protobuf_next(message, &field)) {
		if (field.number == LOCATION_ID)
			location.id = field.value;
		else if (field.number == LOCATION_MAPPING_ID)
			wanted.id = field.value;
		else if (field.number == LOCATION_ADDRESS)
			address = field.value;
		else if (field.number == LOCATION_LINE && line_count < LINES_MAX)
			lines[line_count++] = read_line(&field.bytes);
	}
	if (message->failed)
		return bad(pprof, "a location that does not hold");
	row = row_table_find(&pprof->mappings, &wanted);
	if (row)
		module = string_at(
			pprof, ((const struct pprof_mapping *)row_table_row(&pprof->mappings, row))
				       ->filename);
	if (!line_count)
		r = add_frame(pprof, NULL, module, address, false);
	/* All but the last have been put into the one behind them. */
	for (uint32_t i = 0; i < line_count && !r; i++)
		r = add_frame(pprof, &lines[i], module, address, i + 1 < line_count);
	location.frame_count =
		(uint32_t)(pprof->frames.size / sizeof(uint32_t)) - location.first_frame;
	return r ? r : add_row(pprof, &pprof->locations, &location);
}

/* --- samples ------------------------------------------------------------------------------------- */

struct pprof_labels {
	struct foreign_text process;
	struct foreign_text thread;
	uint64_t pid;
	uint64_t tid;
	bool has_pid;
};

static void read_label(const struct pprof *pprof, struct bytes_reader *message,
		       struct pprof_labels *labels)
{
	struct protobuf_field field;
	struct foreign_text key = { 0 }, string = { 0 };
	uint64_t number = 0;

	while (protobuf_next(message, &field)) {
		if (field.number == LABEL_KEY)
			key = string_at(pprof, field.value);
		else if (field.number == LABEL_STR)
			string = string_at(pprof, field.value);
		else if (field.number == LABEL_NUM)
			number = field.value;
	}
	if (foreign_text_is(key, "process") || foreign_text_is(key, "comm"))
		labels->process = string;
	else if (foreign_text_is(key, "thread"))
		labels->thread = string;
	else if (foreign_text_is(key, "tid"))
		labels->tid = number;
	else if (foreign_text_is(key, "pid")) {
		labels->pid = number;
		labels->has_pid = true;
	}
}

static int add_stack(struct pprof *pprof, struct bytes_reader locations, uint32_t *ret_stack)
{
	uint32_t path[WIRE_STACK_DEPTH_MAX], count = 0, stack = 0;
	const uint32_t *frames = (const uint32_t *)pprof->frames.bytes;
	int r = 0;

	/* Leaf first; what does not fit are the outermost callers. */
	while (bytes_left(&locations)) {
		struct pprof_location wanted = { .id = bytes_read_u64(&locations) };
		uint32_t row = row_table_find(&pprof->locations, &wanted);
		const struct pprof_location *location = row ? row_table_row(&pprof->locations, row)
							    : NULL;

		for (uint32_t i = 0; location && i < location->frame_count; i++)
			if (count < WIRE_STACK_DEPTH_MAX)
				path[count++] = frames[location->first_frame + i];
	}
	while (count && !r)
		r = foreign_profile_stack(pprof->profile, stack, path[--count], &stack);
	*ret_stack = stack;
	return stepped(pprof, r);
}

static int add_thread(struct pprof *pprof, const struct pprof_labels *labels, uint32_t *ret_thread)
{
	struct foreign_text name = labels->thread.size ? labels->thread : labels->process;
	uint32_t pid = labels->has_pid ? (uint32_t)(labels->pid & INT32_MAX) : FOREIGN_PID_UNKNOWN;
	uint32_t tid = labels->tid ? (uint32_t)(labels->tid & INT32_MAX) : pid;

	if (!name.size)
		name = foreign_text_of(pprof->profile->facts.title);
	return stepped(pprof, foreign_profile_thread(pprof->profile, pid, tid, name, ret_thread));
}

/* How many samples a value stands for. */
static uint64_t count_of(const struct pprof *pprof, uint32_t type, int64_t value)
{
	const struct value_type *own = &pprof->types[type];
	uint64_t period = pprof->period > 0 ? (uint64_t)pprof->period : 1;

	if (value <= 0)
		return 0; /* of a comparison of two profiles; there is no such time */
	if (own->type != pprof->period_type.type || own->unit != pprof->period_type.unit)
		period = 1;
	return ((uint64_t)value + period / 2) / period;
}

static int add_values(struct pprof *pprof, struct foreign_sample *sample,
		      struct bytes_reader values)
{
	int r = 0;

	for (uint32_t type = 0; type < pprof->type_count && bytes_left(&values) && !r; type++) {
		int64_t value = (int64_t)bytes_read_u64(&values);

		sample->event = (uint16_t)type;
		r = timeless_add(&pprof->timeless, sample, count_of(pprof, type, value));
	}
	if (r == TIMELESS_OVERFLOW)
		return bad(pprof, "its values add up to too much");
	return r == -EFBIG ? stepped(pprof, FOREIGN_PROFILE_FULL) : r;
}

static int read_sample(struct pprof *pprof, struct bytes_reader *message)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer locations = bytes_writer_with_max(ROWS_MAX);
	CLEANUP(bytes_writer_free)
	struct bytes_writer values = bytes_writer_with_max(FOREIGN_EVENTS_MAX * sizeof(uint64_t));
	struct foreign_sample sample = { .cpu = 0 };
	struct pprof_labels labels = { 0 };
	struct protobuf_field field;
	uint64_t number;
	int r;

	while (protobuf_next(message, &field)) {
		if (field.number == SAMPLE_LABEL)
			read_label(pprof, &field.bytes, &labels);
		else if (field.number == SAMPLE_LOCATION_ID || field.number == SAMPLE_VALUE)
			while (protobuf_next_varint(&field, &number))
				bytes_write_u64(field.number == SAMPLE_VALUE ? &values : &locations,
						number);
	}
	if (message->failed || locations.failed || values.failed)
		return bad(pprof, "a sample that does not hold");
	r = add_stack(pprof, bytes_reader_of(locations.bytes, locations.size), &sample.stack);
	if (!r)
		r = add_thread(pprof, &labels, &sample.thread);
	return r ? r : add_values(pprof, &sample, bytes_reader_of(values.bytes, values.size));
}

/* --- the whole ----------------------------------------------------------------------------------- */

/* Fields come in any order, so what they refer to is read in passes of its own. */
static int pass(struct pprof *pprof, struct bytes_reader whole, uint32_t number,
		int (*read)(struct pprof *pprof, struct bytes_reader *message))
{
	struct protobuf_field field;
	int r = 0;

	pprof->message = whole;
	while (!r && protobuf_next(&pprof->message, &field)) {
		if (!number)
			r = read_table(pprof, &field);
		else if (field.number == number)
			r = read(pprof, &field.bytes);
	}
	return r || !pprof->message.failed ? r : bad(pprof, "damaged, or cut");
}

static int name_events(struct pprof *pprof)
{
	int r = 0;

	for (uint32_t i = 0; i < pprof->type_count && !r; i++) {
		struct foreign_text name = string_at(pprof, pprof->types[i].type);
		char text[32];
		uint32_t event;

		snprintf(text, sizeof(text), "value %u", i);
		r = foreign_profile_event(pprof->profile, name.size ? name : foreign_text_of(text),
					  &event);
		/* Of two types with one name, the second must not count for the first. */
		if (!r && event != i) {
			r = foreign_profile_event(pprof->profile, foreign_text_of(text), &event);
			if (!r && event != i)
				return bad(pprof, "two types of values with one name");
		}
	}
	return stepped(pprof, r);
}

/* The rate at which one sample a period is taken; the nominal one where that says nothing. */
static uint32_t frequency_of(const struct pprof *pprof)
{
	struct foreign_text unit = string_at(pprof, pprof->period_type.unit);
	int64_t period_ns = pprof->period;

	if (foreign_text_is(unit, "microseconds"))
		period_ns = period_ns < INT64_MAX / 1000 ? period_ns * 1000 : 0;
	else if (!foreign_text_is(unit, "nanoseconds"))
		period_ns = 0;
	return period_ns >= 1000000000 / PERIOD_HZ_MAX && period_ns <= 1000000000
		       ? (uint32_t)(1000000000000 / period_ns)
		       : TIMELESS_HZ * 1000;
}

static int read_all(struct pprof *pprof, struct bytes_reader whole)
{
	int r = pass(pprof, whole, 0, NULL);

	if (!r && (!pprof->type_count || !pprof->strings.size))
		r = bad(pprof, "no types of values, or no strings");
	if (!r)
		r = name_events(pprof);
	if (!r)
		r = pass(pprof, whole, PROFILE_LOCATION, read_location);
	if (!r)
		r = pass(pprof, whole, PROFILE_SAMPLE, read_sample);
	if (r)
		return r;
	timeless_lay_out(&pprof->timeless, frequency_of(pprof), "Profiles of pprof have");
	if (pprof->time_ns > 0)
		pprof->profile->facts.wall_end_us =
			pprof->time_ns / 1000 + pprof->profile->last_time_us;
	return 0;
}

int import_pprof(struct input_bytes *input, struct foreign_profile *profile)
{
	CLEANUP(bytes_writer_free) struct bytes_writer whole = { 0 };
	struct pprof pprof = {
		.input = input,
		.profile = profile,
		.strings = bytes_writer_with_max((size_t)STRINGS_MAX * sizeof(struct foreign_text)),
		.mappings = row_table_of(sizeof(struct pprof_mapping), sizeof(uint64_t), ROWS_MAX),
		.functions =
			row_table_of(sizeof(struct pprof_function), sizeof(uint64_t), ROWS_MAX),
		.locations =
			row_table_of(sizeof(struct pprof_location), sizeof(uint64_t), ROWS_MAX),
		.frames = bytes_writer_with_max((size_t)ROWS_MAX * sizeof(uint32_t)),
		.timeless = timeless_open(profile),
	};
	int r = input_bytes_whole(input, &whole);

	if (!r)
		r = read_all(&pprof, bytes_reader_of(whole.bytes, whole.size));
	bytes_writer_free(&pprof.strings);
	row_table_free(&pprof.mappings);
	row_table_free(&pprof.functions);
	row_table_free(&pprof.locations);
	bytes_writer_free(&pprof.frames);
	timeless_close(&pprof.timeless);
	return r;
}

/* Whether what a message holds are fields of low numbers: text is not. */
static bool is_message(struct bytes_reader message)
{
	struct protobuf_field field;

	while (protobuf_next(&message, &field))
		if (field.number > INNER_FIELD_MAX)
			return false;
	return !message.failed;
}

/* Only fields that a profile has, each of its type, up to the end of what is seen. */
bool import_pprof_knows(const struct foreign_text *front)
{
	/* As bits: those that are messages, and all of PROTOBUF_BYTES. */
	static const uint32_t messages = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 11;
	static const uint32_t of_bytes = messages | 1 << PROFILE_STRING_TABLE;
	struct bytes_reader message = bytes_reader_of(front->bytes, front->size);
	struct protobuf_field field;
	bool seen = false;

	while (protobuf_next(&message, &field)) {
		/* Comments are numbers: packed as a rule; only messages and strings are longer. */
		if (field.number > FIELD_MAX ||
		    (field.type !=
			     (of_bytes >> field.number & 1 ? PROTOBUF_BYTES : PROTOBUF_VARINT) &&
		     field.number != PROFILE_COMMENT))
			return false;
		if (messages >> field.number & 1) {
			if (!is_message(field.bytes))
				return false;
			seen = true;
		}
	}
	return seen;
}
