/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/record_encoder.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "profile/profile.h"
#include "stream/chunk_builder.h"
#include "stream/sample_records.h"
#include "stream/table_records.h"
#include "stream/varint.h"

enum {
	LATE_NAMES_MAX = 16384, /* between two flushes */
	LATE_NAME_SIZE_MAX = 2 * 8 + VARINT32_SIZE_MAX,
	META_TEXT_MAX = 4096,
	/* The encoder closes a segment before a flush could bring it over the wire's limit. */
	CHUNKS_SPARE = 256,
};

struct late_name_row {
	uint64_t key;
	uint64_t function_key;
	uint32_t name;
};

struct record_encoder {
	struct profile *profile; /* borrowed */
	uint64_t instance_id;
	struct chunk_builder *builder;
	struct sample_records *samples;
	struct table_records_written written;
	struct bytes_writer notes; /* rows {kind u8, size u32, payload}: records in waiting */
	struct late_name_row late_names[LATE_NAMES_MAX];
	uint32_t late_name_count;
	uint32_t segment; /* number of the open one, or of the last */
	bool is_open;
	bool is_broken; /* memory was missing: nothing more goes into this segment */
	uint64_t start_us;
	uint64_t start_mono_ns;
	uint32_t period_us;
	uint64_t stored_max; /* bytes of the segment: then it should be closed */
	struct record_encoder_counters counters; /* bytes: of the segments that were closed */
};

int record_encoder_new(const struct record_encoder_options *options,
		       struct record_encoder **ret_encoder)
{
	CLEANUP(record_encoder_free) struct record_encoder *encoder = calloc(1, sizeof(*encoder));
	struct chunk_builder_options builder = {
		.kind = WIRE_CHUNK_SEGMENT,
		.sink = options->sink,
		.context = options->context,
	};
	int r;

	if (!encoder)
		return -ENOMEM;
	encoder->profile = options->profile;
	encoder->instance_id = options->instance_id;
	encoder->notes = bytes_writer_with_max(RECORD_ENCODER_NOTES_MAX);
	r = chunk_builder_new(&builder, &encoder->builder);
	if (r < 0)
		return r;
	r = sample_records_new(&encoder->samples);
	if (r < 0)
		return r;
	*ret_encoder = TAKE(encoder);
	return 0;
}

void record_encoder_free(struct record_encoder *encoder)
{
	if (!encoder)
		return;
	chunk_builder_free(encoder->builder);
	sample_records_free(encoder->samples);
	bytes_writer_free(&encoder->notes);
	free(encoder);
}

/* --- a segment's head ---------------------------------------------------------------------- */

static int write_head(struct record_encoder *encoder, const struct segment_start *start)
{
	struct wire_segment_head head = {
		.instance_id = htole64(encoder->instance_id),
		.start_us = htole64(start->start_us),
		.start_mono_ns = htole64(start->start_mono_ns),
		.segment = htole32(encoder->segment),
		.wall_shift_s = htole32(start->wall_shift_s),
		.frequency_mhz = htole32(start->frequency_mhz),
		.cpu_count = htole32(start->cpu_count),
		.event = htole32(start->event),
	};

	return chunk_builder_add(encoder->builder, WIRE_RECORD_SEGMENT, &head, sizeof(head));
}

static int write_meta(struct record_encoder *encoder, const struct segment_start *start)
{
	uint8_t payload[CHUNK_BUILDER_RECORD_MAX], *at = payload;

	_Static_assert((META_TEXT_MAX + 2 * VARINT32_SIZE_MAX) * (RECORD_ENCODER_META_MAX - 1) <=
			       sizeof(payload),
		       "all texts fit");
	for (uint32_t meta = 1; meta < RECORD_ENCODER_META_MAX; meta++) {
		size_t size = start->meta[meta] ? strnlen(start->meta[meta], META_TEXT_MAX) : 0;

		if (!size)
			continue;
		at = varint_put(at, meta);
		at = varint_put(at, size);
		memcpy(at, start->meta[meta], size);
		at += size;
	}
	return chunk_builder_add(encoder->builder, WIRE_RECORD_META, payload,
				 (uint32_t)(at - payload));
}

static int end_with(struct record_encoder *encoder, int error)
{
	encoder->is_broken = true;
	return error;
}

/* Where many CPUs fill a segment in a second, its tables would be most of it. */
static uint64_t stored_max_of(uint32_t cpu_count)
{
	uint64_t size = (uint64_t)cpu_count * WIRE_SEGMENT_STORED_CPU;

	if (size > WIRE_SEGMENT_STORED_MAX)
		return WIRE_SEGMENT_STORED_MAX;
	return size < WIRE_SEGMENT_STORED_LEAST ? WIRE_SEGMENT_STORED_LEAST : size;
}

int record_encoder_open(struct record_encoder *encoder, const struct segment_start *start)
{
	int r;

	assert(!encoder->is_open);
	profile_reset(encoder->profile, start->start_mono_ns);
	encoder->segment++;
	encoder->is_open = true;
	encoder->is_broken = false;
	encoder->start_us = start->start_us;
	encoder->start_mono_ns = start->start_mono_ns;
	encoder->stored_max = stored_max_of(start->cpu_count);
	encoder->period_us = start->frequency_mhz ? (uint32_t)(1000000000 / start->frequency_mhz)
						  : 0;
	encoder->written = (struct table_records_written){ 0 };
	encoder->late_name_count = 0;
	bytes_writer_clear(&encoder->notes);
	chunk_builder_open(encoder->builder, encoder->segment, start->start_us);
	r = write_head(encoder, start);
	if (!r)
		r = write_meta(encoder, start);
	return r < 0 ? end_with(encoder, r) : 0;
}

/* --- flush --------------------------------------------------------------------------------- */

/* Time since the segment's start; 0 for what lies before it. */
static uint64_t since_start_us(const struct record_encoder *encoder, uint64_t mono_ns)
{
	return mono_ns > encoder->start_mono_ns ? (mono_ns - encoder->start_mono_ns) / 1000 : 0;
}

static void remember_late_name(struct record_encoder *encoder, const struct late_name_row *row)
{
	const void *name;
	size_t size;

	if (!row->name)
		return; /* only says that two keys are one function: not what later segments need */
	name = string_table_string(&encoder->profile->strings, row->name, &size);
	chunk_builder_late_name(encoder->builder, row->key, row->function_key, name,
				(uint32_t)size);
}

static int write_late_names(struct record_encoder *encoder)
{
	enum { ROWS_MAX = (CHUNK_BUILDER_RECORD_MAX - VARINT32_SIZE_MAX) / LATE_NAME_SIZE_MAX };
	uint8_t payload[CHUNK_BUILDER_RECORD_MAX];

	for (uint32_t begin = 0; begin < encoder->late_name_count; begin += ROWS_MAX) {
		uint32_t left = encoder->late_name_count - begin;
		uint32_t count = left < ROWS_MAX ? left : ROWS_MAX;
		uint8_t *at = varint_put(payload, count);
		int r;

		for (uint32_t i = begin; i < begin + count; i++) {
			const struct late_name_row *row = &encoder->late_names[i];
			uint64_t keys[] = { htole64(row->key), htole64(row->function_key) };

			memcpy(at, keys, sizeof(keys));
			at = varint_put(at + sizeof(keys), row->name);
		}
		r = chunk_builder_add(encoder->builder, WIRE_RECORD_LATE_NAMES, payload,
				      (uint32_t)(at - payload));
		if (r < 0)
			return r;
		for (uint32_t i = begin; i < begin + count; i++)
			remember_late_name(encoder, &encoder->late_names[i]);
	}
	encoder->late_name_count = 0;
	return 0;
}

static int write_notes(struct record_encoder *encoder)
{
	struct bytes_reader notes = bytes_reader_of(encoder->notes.bytes, encoder->notes.size);

	while (bytes_left(&notes)) {
		uint8_t kind = bytes_read_u8(&notes);
		uint32_t size = bytes_read_u32(&notes);
		int r = chunk_builder_add(encoder->builder, kind, bytes_read(&notes, size), size);

		if (r < 0)
			return r;
	}
	bytes_writer_clear(&encoder->notes);
	return 0;
}

static int write_tick(struct record_encoder *encoder, uint64_t time_us)
{
	uint8_t payload[VARINT_SIZE_MAX];

	return chunk_builder_add(encoder->builder, WIRE_RECORD_TICK, payload,
				 (uint32_t)(varint_put(payload, time_us) - payload));
}

static int write_pending(struct record_encoder *encoder)
{
	struct profile_pending *pending = &encoder->profile->pending;
	uint64_t before = chunk_builder_samples(encoder->builder), written;
	int r = table_records_write(encoder->builder, encoder->profile, &encoder->written);

	if (!r)
		r = sample_records_write(encoder->samples, encoder->builder, pending,
					 encoder->start_us, encoder->period_us);
	if (!r)
		r = write_late_names(encoder);
	if (!r)
		r = write_notes(encoder);
	/* Written, or lost with the rest of a broken segment: in both cases they're gone. */
	written = chunk_builder_samples(encoder->builder) - before;
	encoder->counters.samples += written;
	encoder->counters.samples_lost += pending->sample_count - written;
	pending->sample_count = 0;
	return r;
}

static int flush(struct record_encoder *encoder, uint64_t mono_ns, bool last)
{
	uint64_t time_us = since_start_us(encoder, mono_ns);
	int r;

	assert(encoder->is_open);
	r = write_pending(encoder);
	if (!r)
		r = write_tick(encoder, time_us);
	if (!r)
		r = chunk_builder_flush(encoder->builder, encoder->start_us + time_us, last);
	return r < 0 ? end_with(encoder, r) : 0;
}

int record_encoder_flush(struct record_encoder *encoder, uint64_t mono_ns)
{
	return flush(encoder, mono_ns, false);
}

static void count_builder(const struct record_encoder *encoder,
			  struct record_encoder_counters *counters)
{
	counters->raw_bytes += chunk_builder_raw_bytes(encoder->builder);
	counters->stored_bytes += chunk_builder_stored_bytes(encoder->builder);
	counters->chunks += chunk_builder_chunk_count(encoder->builder);
}

int record_encoder_close(struct record_encoder *encoder, uint64_t mono_ns)
{
	int r = flush(encoder, mono_ns, true);

	encoder->is_open = false;
	count_builder(encoder, &encoder->counters);
	return r;
}

uint32_t record_encoder_segment(const struct record_encoder *encoder)
{
	return encoder->is_open ? encoder->segment : 0;
}

bool record_encoder_should_close(const struct record_encoder *encoder, uint64_t mono_ns)
{
	if (!encoder->is_open)
		return false;
	return encoder->is_broken || since_start_us(encoder, mono_ns) >= WIRE_SEGMENT_SPAN_MAX_US ||
	       chunk_builder_stored_bytes(encoder->builder) >= encoder->stored_max ||
	       chunk_builder_chunk_count(encoder->builder) >=
		       WIRE_SEGMENT_CHUNKS_MAX - CHUNKS_SPARE ||
	       profile_nearly_full(encoder->profile);
}

/* --- records with a time of their own ------------------------------------------------------- */

static void add_note(struct record_encoder *encoder, enum wire_record_kind kind,
		     const uint8_t *payload, const uint8_t *end)
{
	uint32_t size = htole32((uint32_t)(end - payload));
	uint8_t *at =
		bytes_writer_extend(&encoder->notes, 1 + sizeof(size) + (size_t)(end - payload));

	/* Whole or not at all; the next one may have room again. */
	if (!at) {
		encoder->notes.failed = false;
		encoder->counters.notes_lost++;
		return;
	}
	*at = (uint8_t)kind;
	memcpy(at + 1, &size, sizeof(size));
	memcpy(at + 1 + sizeof(size), payload, (size_t)(end - payload));
}

void record_encoder_add_clock(struct record_encoder *encoder, uint64_t mono_ns, uint64_t wall_ns)
{
	uint8_t payload[3 * VARINT_SIZE_MAX], *at;

	at = varint_put(payload, since_start_us(encoder, mono_ns));
	at = varint_put(at, mono_ns);
	at = varint_put(at, wall_ns);
	add_note(encoder, WIRE_RECORD_CLOCK, payload, at);
}

void record_encoder_add_gap_us(struct record_encoder *encoder, uint64_t start_us, uint64_t end_us,
			       enum wire_gap_reason reason, uint64_t lost_count)
{
	uint8_t payload[4 * VARINT_SIZE_MAX], *at;

	at = zigzag_put(payload, (int64_t)(start_us - encoder->start_us));
	/* A gap that ended before the segment began ends with its beginning: that is when it's told. */
	at = varint_put(at, end_us > encoder->start_us ? end_us - encoder->start_us : 0);
	at = varint_put(at, reason);
	at = varint_put(at, lost_count);
	add_note(encoder, WIRE_RECORD_GAP, payload, at);
}

void record_encoder_add_gap(struct record_encoder *encoder, uint64_t start_ns, uint64_t end_ns,
			    enum wire_gap_reason reason, uint64_t lost_count)
{
	int64_t start_us = (int64_t)(start_ns - encoder->start_mono_ns) / 1000;

	record_encoder_add_gap_us(encoder, encoder->start_us + (uint64_t)start_us,
				  encoder->start_us + since_start_us(encoder, end_ns), reason,
				  lost_count);
}

void record_encoder_add_rates(struct record_encoder *encoder, uint64_t mono_ns,
			      const struct record_rate *rates, uint32_t rate_count)
{
	uint8_t payload[2 * VARINT_SIZE_MAX + WIRE_CPUS_MAX * 2 * VARINT32_SIZE_MAX], *at;

	if (rate_count > WIRE_CPUS_MAX)
		rate_count = WIRE_CPUS_MAX;
	at = varint_put(payload, since_start_us(encoder, mono_ns));
	at = varint_put(at, rate_count);
	for (uint32_t i = 0; i < rate_count; i++) {
		at = varint_put(at, rates[i].cpu);
		at = varint_put(at, rates[i].rate_mhz);
	}
	add_note(encoder, WIRE_RECORD_RATE, payload, at);
}

void record_encoder_add_counters(struct record_encoder *encoder, uint64_t mono_ns,
				 const uint64_t *counters)
{
	uint8_t payload[VARINT_SIZE_MAX * (2 * WIRE_COUNTER_COUNT + 1)], *at;

	at = varint_put(payload, since_start_us(encoder, mono_ns));
	for (uint32_t counter = 1; counter < WIRE_COUNTER_COUNT; counter++) {
		at = varint_put(at, counter);
		at = varint_put(at, counters[counter]);
	}
	add_note(encoder, WIRE_RECORD_COUNTERS, payload, at);
}

int record_encoder_add_late_name(struct record_encoder *encoder, uint64_t key,
				 uint64_t function_key, const char *name)
{
	struct late_name_row row = { .key = key, .function_key = function_key };
	int r = profile_string(encoder->profile, name, &row.name);

	if (r)
		return r;
	if (encoder->late_name_count == LATE_NAMES_MAX)
		r = write_pending(encoder);
	if (r < 0)
		return end_with(encoder, r);
	/* Without a name it may still say whose part the key is. */
	if (row.name || key != function_key)
		encoder->late_names[encoder->late_name_count++] = row;
	return 0;
}

struct record_encoder_counters record_encoder_counters(const struct record_encoder *encoder)
{
	struct record_encoder_counters counters = encoder->counters;
	uint64_t lost = chunk_builder_samples_lost(encoder->builder);

	counters.samples -= lost;
	counters.samples_lost += lost;
	if (encoder->is_open)
		count_builder(encoder, &counters);
	return counters;
}
