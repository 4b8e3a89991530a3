/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/record_decoder.h"

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash_index.h"

enum {
	ROWS_LEAST = 256,
	VARINT_BLOCK = 512, /* numbers that are read at once: an even number */
};

/* Times beyond this, 285 years from a segment's start, are damage: nobody's sums overflow. */
#define TIME_MAX_US (INT64_C(1) << 53)

struct record_decoder {
	const struct record_visitor *visitor;
	void *context;
	struct record_samples *samples; /* owned; room for one batch */
	uint16_t *stack_depths;		/* owned; of stack id - 1 */
	uint32_t stack_capacity;
	uint64_t *module_keys; /* owned; of module id - 1 */
	uint32_t module_capacity;
	uint32_t string_count;
	uint32_t module_count;
	uint32_t function_count;
	uint32_t frame_count;
	uint32_t stack_count;
	uint32_t thread_count;
	bool has_head;
	uint32_t period_us;
	uint64_t offset; /* of what is being read, within the segment inflated */
	const char *problem;
	uint64_t problem_offset;
};

int record_decoder_new(const struct record_visitor *visitor, void *context,
		       struct record_decoder **ret_decoder)
{
	CLEANUP(record_decoder_free) struct record_decoder *decoder = calloc(1, sizeof(*decoder));

	if (!decoder)
		return -ENOMEM;
	decoder->visitor = visitor;
	decoder->context = context;
	decoder->samples = malloc(sizeof(*decoder->samples));
	if (!decoder->samples)
		return -ENOMEM;
	*ret_decoder = TAKE(decoder);
	return 0;
}

void record_decoder_free(struct record_decoder *decoder)
{
	if (!decoder)
		return;
	free(decoder->samples);
	free(decoder->stack_depths);
	free(decoder->module_keys);
	free(decoder);
}

void record_decoder_reset(struct record_decoder *decoder)
{
	decoder->string_count = decoder->module_count = decoder->function_count = 0;
	decoder->frame_count = decoder->stack_count = decoder->thread_count = 0;
	decoder->has_head = false;
	decoder->period_us = 0;
	decoder->offset = 0;
	decoder->problem = NULL;
	decoder->problem_offset = 0;
}

const char *record_decoder_problem(const struct record_decoder *decoder, uint64_t *ret_offset)
{
	*ret_offset = decoder->problem_offset;
	return decoder->problem ? decoder->problem : "no problem";
}

/* The visitor's function, unless nobody asked; then the arguments are not evaluated. */
#define VISIT(decoder, function, ...)                                                              \
	do {                                                                                       \
		if ((decoder)->visitor->function)                                                  \
			(decoder)->visitor->function((decoder)->context, __VA_ARGS__);             \
	} while (0)

static int bad(struct record_decoder *decoder, const char *problem)
{
	decoder->problem = problem;
	decoder->problem_offset = decoder->offset;
	return RECORD_DECODER_BAD;
}

/* --- numbers with a bound ------------------------------------------------------------------- */

/* A varint of at most @max; larger ones fail. */
static uint64_t read_at_most(struct bytes_reader *reader, uint64_t max)
{
	uint64_t value = bytes_read_uleb128(reader);

	if (value > max) {
		reader->failed = true;
		return 0;
	}
	return value;
}

static uint32_t read_u32(struct bytes_reader *reader)
{
	return (uint32_t)read_at_most(reader, UINT32_MAX);
}

static int64_t of_zigzag(uint64_t value)
{
	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* The id that is @difference from the one before, if it is from 0 to @max. */
static uint32_t id_after(struct bytes_reader *reader, uint32_t previous, int64_t difference,
			 uint32_t max)
{
	/* Both sides are small: the sum cannot overflow. */
	if (difference < -(int64_t)previous || difference > (int64_t)max - previous) {
		reader->failed = true;
		return 0;
	}
	return (uint32_t)(previous + difference);
}

static uint32_t read_id_difference(struct bytes_reader *reader, uint32_t previous, uint32_t max)
{
	return id_after(reader, previous, bytes_read_zigzag(reader), max);
}

/* A function's name: 0, or 1 + the zigzag of a difference. */
static uint32_t read_name(struct bytes_reader *reader, uint32_t *last_name, uint32_t max)
{
	uint64_t value = bytes_read_uleb128(reader);

	if (!value)
		return 0;
	*last_name = id_after(reader, *last_name, of_zigzag(value - 1), max);
	return *last_name;
}

static int64_t read_time(struct bytes_reader *reader)
{
	return (int64_t)read_at_most(reader, TIME_MAX_US);
}

/* @base plus a zigzag difference. */
static int64_t read_time_difference(struct bytes_reader *reader, int64_t base)
{
	int64_t difference = bytes_read_zigzag(reader);

	if (difference > 2 * TIME_MAX_US || difference < -2 * TIME_MAX_US ||
	    base + difference > TIME_MAX_US || base + difference < -TIME_MAX_US) {
		reader->failed = true;
		return 0;
	}
	return base + difference;
}

/*
 * The number of rows of a table's record, each at least @row_size_least bytes, so that a claim of
 * millions costs nothing.
 */
static uint32_t read_row_count(struct bytes_reader *reader, uint32_t present, size_t row_size_least)
{
	uint64_t count = bytes_read_uleb128(reader);

	if (count > bytes_left(reader) / row_size_least || count > WIRE_ROWS_MAX - present) {
		reader->failed = true;
		return 0;
	}
	return (uint32_t)count;
}

/* Room for one more element; false without memory. */
static bool make_room(void **array, uint32_t *capacity, uint32_t count, size_t size)
{
	uint32_t wanted = *capacity ? *capacity * 2 : ROWS_LEAST;
	void *grown;

	if (count < *capacity)
		return true;
	grown = reallocarray(*array, wanted, size);
	if (!grown)
		return false;
	*array = grown;
	*capacity = wanted;
	return true;
}

/* --- many numbers at once ---------------------------------------------------------------------- */

/* The number in the varint of at most 5 bytes that @bytes holds, its first byte lowest. */
static inline uint64_t varint_value(uint64_t bytes)
{
	return (bytes & 0x7f) | (bytes >> 1 & 0x3f80) | (bytes >> 2 & 0x1fc000) |
	       (bytes >> 3 & 0xfe00000) | (bytes >> 4 & UINT64_C(0x7f0000000));
}

static inline uint64_t low_bits(uint64_t word, uint32_t bits)
{
	return word & ((UINT64_C(1) << bits) - 1);
}

/*
 * Reads up to VARINT_BLOCK of @count varints. Returns how many, at least 1 and an even number when
 * @count is even; on failure some are 0.
 *
 * Most numbers of a capture are of one or two bytes, in no order that a CPU could foresee. So eight
 * bytes are looked at together: they are eight numbers, or else their first three or four are cut
 * out without asking how long each is.
 */
static uint32_t varint_block(struct bytes_reader *reader, uint64_t *values, uint32_t count)
{
	const uint64_t tops = UINT64_C(0x8080808080808080);
	const uint8_t *at = reader->at, *end = reader->end; /* not through memory */
	uint32_t i = 0;

	if (count > VARINT_BLOCK)
		count = VARINT_BLOCK;
	while (count - i >= 8 && end - at >= 8) {
		uint64_t word, first, second, third, fourth; /* top bits of the last bytes */
		uint32_t ends[4];			     /* in bits */

		memcpy(&word, at, sizeof(word));
		word = le64toh(word);
		first = ~word & tops;
		if (first == tops) {
			for (uint32_t j = 0; j < 8; j++)
				values[i + j] = at[j];
			i += 8;
			at += 8;
			continue;
		}
		second = first & (first - 1);
		third = second & (second - 1);
		fourth = third & (third - 1);
		if (!third) {
			reader->at = at;
			values[i++] = bytes_read_uleb128(reader);
			at = reader->at;
			continue;
		}
		ends[0] = (uint32_t)__builtin_ctzll(first) + 1;
		ends[1] = (uint32_t)__builtin_ctzll(second) + 1;
		ends[2] = (uint32_t)__builtin_ctzll(third) + 1;
		values[i] = varint_value(low_bits(word, ends[0]));
		values[i + 1] = varint_value(low_bits(word >> ends[0], ends[1] - ends[0]));
		values[i + 2] = varint_value(low_bits(word >> ends[1], ends[2] - ends[1]));
		if (!fourth) {
			i += 3;
			at += ends[2] / 8;
			continue;
		}
		ends[3] = (uint32_t)__builtin_ctzll(fourth) + 1;
		values[i + 3] = varint_value(low_bits(word >> ends[2], ends[3] - ends[2]));
		i += 4;
		at += ends[3] / 8;
	}
	reader->at = at;
	while (i < count)
		values[i++] = bytes_read_uleb128(reader);
	return count;
}

/* --- the records ---------------------------------------------------------------------------- */

static int read_segment(struct record_decoder *decoder, struct bytes_reader *reader)
{
	struct wire_segment_head head = { 0 };

	head.instance_id = bytes_read_u64(reader);
	head.start_us = bytes_read_u64(reader);
	head.start_mono_ns = bytes_read_u64(reader);
	head.segment = bytes_read_u32(reader);
	head.wall_shift_s = bytes_read_u32(reader);
	head.frequency_mhz = bytes_read_u32(reader);
	head.cpu_count = bytes_read_u32(reader);
	head.event = bytes_read_u32(reader);
	head.reserved = bytes_read_u32(reader);

	if (decoder->has_head)
		return bad(decoder, "a second head in one segment");
	if (reader->failed)
		return bad(decoder, "a segment's head is cut short");
	if (head.start_us > (uint64_t)TIME_MAX_US)
		return bad(decoder, "a segment starts after the end of time");
	decoder->has_head = true;
	decoder->period_us = head.frequency_mhz ? 1000000000 / head.frequency_mhz : 0;
	VISIT(decoder, segment, &head);
	return 0;
}

static int read_meta(struct record_decoder *decoder, struct bytes_reader *reader)
{
	while (bytes_left(reader)) {
		uint32_t meta = read_u32(reader);
		uint32_t size = read_u32(reader);
		const char *text = bytes_read(reader, size);

		if (reader->failed)
			return bad(decoder, "a row of meta is cut short");
		VISIT(decoder, meta, meta, text, size);
	}
	return 0;
}

static int read_strings(struct record_decoder *decoder, struct bytes_reader *reader)
{
	uint32_t count = read_row_count(reader, decoder->string_count, 1);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t size = (uint32_t)read_at_most(reader, WIRE_STRING_SIZE_MAX);
		const char *bytes = bytes_read(reader, size);

		if (reader->failed)
			break;
		decoder->string_count++;
		VISIT(decoder, string, decoder->string_count, bytes, size);
	}
	return reader->failed ? bad(decoder, "strings that do not hold") : 0;
}

static int read_modules(struct record_decoder *decoder, struct bytes_reader *reader)
{
	uint32_t count = read_row_count(reader, decoder->module_count, 10);

	for (uint32_t i = 0; i < count; i++) {
		struct record_module module = { 0 };

		module.key = bytes_read_u64(reader);
		module.name = (uint32_t)read_at_most(reader, decoder->string_count);
		module.kind = read_u32(reader);
		if (reader->failed)
			break;
		if (!make_room((void **)&decoder->module_keys, &decoder->module_capacity,
			       decoder->module_count, sizeof(*decoder->module_keys)))
			return -ENOMEM;
		decoder->module_keys[decoder->module_count++] = module.key;
		VISIT(decoder, module, decoder->module_count, &module);
	}
	return reader->failed ? bad(decoder, "modules that do not hold") : 0;
}

/* What include/wire.h gives to functions without a key of their own. */
static uint64_t derived_key(const struct record_decoder *decoder, uint32_t module, uint64_t start)
{
	uint64_t little_endian = htole64(start);

	return module ? stable_key(&little_endian, sizeof(little_endian),
				   decoder->module_keys[module - 1])
		      : 0;
}

static int read_functions(struct record_decoder *decoder, struct bytes_reader *reader)
{
	uint32_t count = read_row_count(reader, decoder->function_count, 3);
	uint32_t last_name = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct record_function function = { 0 };
		uint64_t start_and_flag;

		function.module = (uint32_t)read_at_most(reader, decoder->module_count);
		function.name = read_name(reader, &last_name, decoder->string_count);
		start_and_flag = bytes_read_uleb128(reader);
		function.start = start_and_flag >> 1;
		function.key = start_and_flag & 1
				       ? bytes_read_u64(reader)
				       : derived_key(decoder, function.module, function.start);
		if (reader->failed)
			break;
		decoder->function_count++;
		VISIT(decoder, function, decoder->function_count, &function);
	}
	return reader->failed ? bad(decoder, "functions that do not hold") : 0;
}

static int read_frames(struct record_decoder *decoder, struct bytes_reader *reader)
{
	uint32_t count = read_row_count(reader, decoder->frame_count, 4);
	uint32_t function = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct record_frame frame = { 0 };

		function = read_id_difference(reader, function, decoder->function_count);
		frame.function = function;
		frame.kind = read_u32(reader);
		frame.file = (uint32_t)read_at_most(reader, decoder->string_count);
		frame.line = read_u32(reader);
		if (reader->failed)
			break;
		decoder->frame_count++;
		VISIT(decoder, frame, decoder->frame_count, &frame);
	}
	return reader->failed ? bad(decoder, "frames that do not hold") : 0;
}

/* Room for @count more stacks; false without memory. */
static bool make_stack_room(struct record_decoder *decoder, uint32_t count)
{
	uint32_t capacity = decoder->stack_capacity ? decoder->stack_capacity : ROWS_LEAST;
	uint16_t *depths;

	if (decoder->stack_count + count <= decoder->stack_capacity)
		return true;
	while (capacity < decoder->stack_count + count)
		capacity *= 2;
	depths = reallocarray(decoder->stack_depths, capacity, sizeof(*depths));
	if (!depths)
		return false;
	decoder->stack_depths = depths;
	decoder->stack_capacity = capacity;
	return true;
}

/* Rows {own id - parent's id, frame} that were read; the room for them is there. */
static int take_stacks(struct record_decoder *decoder, const uint64_t *values, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t id = decoder->stack_count + 1;
		uint64_t up = values[2 * i], frame = values[2 * i + 1];
		struct record_stack stack = { .frame = (uint32_t)frame, .depth = 1 };

		if (up > id || frame > decoder->frame_count)
			return bad(decoder, "stacks that do not hold");
		if (!up || !frame)
			return bad(decoder, "a stack that is its own parent, or has no frame");
		stack.parent = id - (uint32_t)up;
		if (stack.parent)
			stack.depth += decoder->stack_depths[stack.parent - 1];
		if (stack.depth > WIRE_STACK_DEPTH_MAX)
			return bad(decoder, "a stack that is too deep");
		decoder->stack_depths[decoder->stack_count++] = (uint16_t)stack.depth;
		VISIT(decoder, stack, id, &stack);
	}
	return 0;
}

static int read_stacks(struct record_decoder *decoder, struct bytes_reader *reader)
{
	uint32_t count = read_row_count(reader, decoder->stack_count, 2);
	uint64_t values[VARINT_BLOCK];

	if (!make_stack_room(decoder, count))
		return -ENOMEM;
	while (count && !reader->failed) {
		uint32_t rows = varint_block(reader, values, 2 * count) / 2;
		int r = reader->failed ? 0 : take_stacks(decoder, values, rows);

		if (r)
			return r;
		count -= rows;
	}
	return reader->failed ? bad(decoder, "stacks that do not hold") : 0;
}

static int read_threads(struct record_decoder *decoder, struct bytes_reader *reader)
{
	uint32_t count = read_row_count(reader, decoder->thread_count, 7);

	for (uint32_t i = 0; i < count; i++) {
		struct record_thread thread = { 0 };

		thread.tid = read_u32(reader);
		thread.pid = read_u32(reader);
		thread.process_start_ns = bytes_read_uleb128(reader);
		thread.comm = (uint32_t)read_at_most(reader, decoder->string_count);
		thread.process_name = (uint32_t)read_at_most(reader, decoder->string_count);
		thread.cgroup = (uint32_t)read_at_most(reader, decoder->string_count);
		thread.container = (uint32_t)read_at_most(reader, decoder->string_count);
		if (reader->failed)
			break;
		decoder->thread_count++;
		VISIT(decoder, thread, decoder->thread_count, &thread);
	}
	return reader->failed ? bad(decoder, "threads that do not hold") : 0;
}

/* Runs {value, length} that cover @count rows. */
static void read_runs(struct bytes_reader *reader, uint8_t *values, uint32_t count)
{
	for (uint32_t row = 0; row < count && !reader->failed;) {
		uint8_t value = (uint8_t)read_at_most(reader, UINT8_MAX);
		uint32_t length = (uint32_t)read_at_most(reader, count - row);

		if (!length)
			reader->failed = true;
		memset(values + row, value, length);
		row += length;
	}
}

/* Each block of a column is read at once, then looked at at once: both loops stay short. */
static void read_times(const struct record_decoder *decoder, struct bytes_reader *reader,
		       int64_t first_us)
{
	struct record_samples *samples = decoder->samples;
	uint64_t values[VARINT_BLOCK], period_us = 0, time_us = (uint64_t)first_us, wrong = 0;

	for (uint32_t at = 0; at < samples->count;) {
		uint32_t count = varint_block(reader, values, samples->count - at);

		for (uint32_t i = 0; i < count; i++) {
			uint64_t difference = (uint64_t)of_zigzag(values[i]);

			/* As for one alone, see read_time_difference(); unsigned, so that it may wrap. */
			time_us += period_us + difference;
			wrong |= difference + 2 * TIME_MAX_US > 4 * TIME_MAX_US;
			wrong |= time_us + TIME_MAX_US > 2 * TIME_MAX_US;
			samples->time_us[at + i] = (int64_t)time_us;
			period_us = decoder->period_us;
		}
		at += count;
	}
	reader->failed = reader->failed || wrong;
}

static void read_cpus(struct record_samples *samples, struct bytes_reader *reader)
{
	uint64_t values[VARINT_BLOCK], wrong = 0;

	for (uint32_t at = 0; at < samples->count;) {
		uint32_t count = varint_block(reader, values, samples->count - at);

		for (uint32_t i = 0; i < count; i++) {
			wrong |= values[i] >= WIRE_CPUS_MAX;
			samples->cpu[at + i] = (uint16_t)values[i];
		}
		at += count;
	}
	reader->failed = reader->failed || wrong;
}

static void read_thread_ids(const struct record_decoder *decoder, struct bytes_reader *reader)
{
	struct record_samples *samples = decoder->samples;
	uint64_t values[VARINT_BLOCK], wrong = 0;

	for (uint32_t at = 0; at < samples->count;) {
		uint32_t count = varint_block(reader, values, samples->count - at);

		for (uint32_t i = 0; i < count; i++) {
			wrong |= values[i] > decoder->thread_count;
			samples->thread[at + i] = (uint32_t)values[i];
		}
		at += count;
	}
	reader->failed = reader->failed || wrong;
}

static void read_stack_ids(const struct record_decoder *decoder, struct bytes_reader *reader)
{
	struct record_samples *samples = decoder->samples;
	uint64_t values[VARINT_BLOCK], stack = 0, wrong = 0;

	for (uint32_t at = 0; at < samples->count;) {
		uint32_t count = varint_block(reader, values, samples->count - at);

		for (uint32_t i = 0; i < count; i++) {
			stack += (uint64_t)of_zigzag(values[i]);
			wrong |= stack > decoder->stack_count;
			samples->stack[at + i] = (uint32_t)stack;
		}
		at += count;
	}
	reader->failed = reader->failed || wrong;
}

static void read_columns(const struct record_decoder *decoder, struct bytes_reader *reader,
			 int64_t time_us)
{
	struct record_samples *samples = decoder->samples;
	uint32_t count = samples->count;

	read_times(decoder, reader, time_us);
	read_cpus(samples, reader);
	read_thread_ids(decoder, reader);
	read_stack_ids(decoder, reader);
	read_runs(reader, samples->user_status, count);
	read_runs(reader, samples->kernel_status, count);
	read_runs(reader, samples->event, count);
	read_runs(reader, samples->busy, count);
}

static int read_samples(struct record_decoder *decoder, struct bytes_reader *reader)
{
	uint64_t count = bytes_read_uleb128(reader);
	int64_t time_us = read_time(reader);

	if (!decoder->has_head)
		return bad(decoder, "samples before the segment's head");
	if (reader->failed || count > WIRE_SAMPLES_MAX || count > bytes_left(reader) / 4)
		return bad(decoder, "more samples than the record holds");
	decoder->samples->count = (uint32_t)count;
	read_columns(decoder, reader, time_us);
	if (reader->failed)
		return bad(decoder, "columns of samples that do not hold");
	VISIT(decoder, samples, decoder->samples);
	return 0;
}

static int read_tick(struct record_decoder *decoder, struct bytes_reader *reader)
{
	int64_t time_us = read_time(reader);

	if (reader->failed)
		return bad(decoder, "a tick without a time");
	VISIT(decoder, tick, time_us);
	return 0;
}

static int read_clock(struct record_decoder *decoder, struct bytes_reader *reader)
{
	int64_t time_us = read_time(reader);
	uint64_t mono_ns = bytes_read_uleb128(reader);
	uint64_t wall_ns = bytes_read_uleb128(reader);
	if (reader->failed)
		return bad(decoder, "a clock that is cut short");
	VISIT(decoder, clock, time_us, mono_ns, wall_ns);
	return 0;
}

static int read_gap(struct record_decoder *decoder, struct bytes_reader *reader)
{
	struct record_gap gap = { 0 };

	gap.start_us = read_time_difference(reader, 0);
	gap.end_us = read_time(reader);
	gap.reason = read_u32(reader);
	gap.lost_count = bytes_read_uleb128(reader);
	if (reader->failed)
		return bad(decoder, "a gap that does not hold");
	if (gap.end_us < gap.start_us)
		gap.end_us = gap.start_us;
	VISIT(decoder, gap, &gap);
	return 0;
}

static int read_rate(struct record_decoder *decoder, struct bytes_reader *reader)
{
	int64_t time_us = read_time(reader);
	uint32_t count = read_row_count(reader, 0, 2);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t cpu = (uint32_t)read_at_most(reader, WIRE_CPUS_MAX - 1);
		uint32_t rate_mhz = read_u32(reader);
		if (reader->failed)
			break;
		VISIT(decoder, rate, time_us, cpu, rate_mhz);
	}
	return reader->failed ? bad(decoder, "rates that do not hold") : 0;
}

static int read_counters(struct record_decoder *decoder, struct bytes_reader *reader)
{
	int64_t time_us = read_time(reader);

	while (bytes_left(reader) && !reader->failed) {
		uint32_t counter = read_u32(reader);
		uint64_t value = bytes_read_uleb128(reader);

		if (!reader->failed)
			VISIT(decoder, counter, time_us, counter, value);
	}
	return reader->failed ? bad(decoder, "counters that do not hold") : 0;
}

static int read_late_names(struct record_decoder *decoder, struct bytes_reader *reader)
{
	uint32_t count = read_row_count(reader, 0, 17);

	for (uint32_t i = 0; i < count; i++) {
		struct record_late_name late_name = { 0 };

		late_name.key = bytes_read_u64(reader);
		late_name.function_key = bytes_read_u64(reader);
		late_name.name = (uint32_t)read_at_most(reader, decoder->string_count);
		if (reader->failed)
			break;
		VISIT(decoder, late_name, &late_name);
	}
	return reader->failed ? bad(decoder, "late names that do not hold") : 0;
}

static int read_index(struct record_decoder *decoder, struct bytes_reader *reader)
{
	uint32_t count = read_row_count(reader, 0, 6);

	for (uint32_t i = 0; i < count; i++) {
		struct record_index row = { 0 };

		row.segment = read_u32(reader);
		row.offset = bytes_read_uleb128(reader);
		row.size = bytes_read_uleb128(reader);
		row.start_us = read_at_most(reader, TIME_MAX_US);
		row.span_us = read_at_most(reader, TIME_MAX_US);
		row.sample_count = bytes_read_uleb128(reader);
		if (reader->failed)
			break;
		VISIT(decoder, index, &row);
	}
	return reader->failed ? bad(decoder, "an index that does not hold") : 0;
}

static int (*const read_record[WIRE_RECORD_KIND_COUNT])(struct record_decoder *decoder,
							struct bytes_reader *reader) = {
	[WIRE_RECORD_SEGMENT] = read_segment,
	[WIRE_RECORD_META] = read_meta,
	[WIRE_RECORD_STRINGS] = read_strings,
	[WIRE_RECORD_MODULES] = read_modules,
	[WIRE_RECORD_FUNCTIONS] = read_functions,
	[WIRE_RECORD_FRAMES] = read_frames,
	[WIRE_RECORD_STACKS] = read_stacks,
	[WIRE_RECORD_THREADS] = read_threads,
	[WIRE_RECORD_SAMPLES] = read_samples,
	[WIRE_RECORD_TICK] = read_tick,
	[WIRE_RECORD_CLOCK] = read_clock,
	[WIRE_RECORD_GAP] = read_gap,
	[WIRE_RECORD_RATE] = read_rate,
	[WIRE_RECORD_COUNTERS] = read_counters,
	[WIRE_RECORD_LATE_NAMES] = read_late_names,
	[WIRE_RECORD_INDEX] = read_index,
};

int record_decoder_read(struct record_decoder *decoder, const void *bytes, size_t size)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	uint64_t begin = decoder->offset;

	if (decoder->problem)
		return RECORD_DECODER_BAD;
	while (bytes_left(&reader)) {
		uint8_t kind = bytes_read_u8(&reader);
		uint64_t record_size = bytes_read_uleb128(&reader);
		struct bytes_reader record;
		int r;

		if (record_size > bytes_left(&reader))
			return bad(decoder, "a record that is cut short");
		record = bytes_read_part(&reader, record_size);
		if (reader.failed)
			return bad(decoder, "a record without a size");
		if (kind < WIRE_RECORD_KIND_COUNT && read_record[kind]) {
			r = read_record[kind](decoder, &record);
			if (r)
				return r;
		}
		decoder->offset = begin + bytes_offset(&reader);
	}
	return 0;
}
