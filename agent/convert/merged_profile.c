/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/merged_profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "convert/segment_merger.h"
#include "stream/capture_reader.h"
#include "stream/record_decoder.h"

enum {
	NOTES_SIZE_MAX = 1073741824,
	TEXT_SIZE_MAX = 2 * WIRE_STRING_SIZE_MAX,
};

void merged_profile_free(struct merged_profile *profile)
{
	if (!profile)
		return;
	string_table_free(&profile->strings);
	row_table_free(&profile->modules);
	row_table_free(&profile->functions);
	row_table_free(&profile->frames);
	row_table_free(&profile->stacks);
	row_table_free(&profile->threads);
	row_table_free(&profile->labels);
	row_table_free(&profile->calls);
	row_table_free(&profile->weights);
	bytes_writer_free(&profile->notes);
	bytes_writer_free(&profile->segments);
	free(profile->call_of_stack);
	free(profile->samples);
	free(profile);
}

static struct row_table whole_key(size_t row_size)
{
	return row_table_of((uint32_t)row_size, (uint32_t)row_size, MERGED_ROWS_MAX);
}

static struct merged_profile *profile_new_empty(void)
{
	struct merged_profile *profile = calloc(1, sizeof(*profile));

	if (!profile)
		return NULL;
	profile->strings = string_table_with_max(MERGED_STRINGS_MAX, MERGED_STRING_BYTES_MAX);
	profile->modules =
		row_table_of(sizeof(struct merged_module), sizeof(uint64_t), MERGED_ROWS_MAX);
	profile->functions =
		row_table_of(sizeof(struct merged_function), sizeof(uint64_t), MERGED_ROWS_MAX);
	profile->frames = whole_key(sizeof(struct merged_frame));
	profile->stacks = whole_key(sizeof(struct merged_stack));
	profile->threads = whole_key(sizeof(struct merged_thread));
	profile->labels = whole_key(sizeof(struct merged_label));
	profile->calls = whole_key(sizeof(struct merged_call));
	profile->weights = row_table_of(sizeof(uint64_t), sizeof(uint64_t), MERGED_WEIGHTS_MAX);
	profile->notes = bytes_writer_with_max(NOTES_SIZE_MAX);
	profile->segments =
		bytes_writer_with_max(CAPTURE_SEGMENTS_MAX * sizeof(struct merged_segment));
	return profile;
}

/* --- loading ------------------------------------------------------------------------------------ */

/* The first sample of the first segment that has any. */
struct first_sample {
	struct wire_segment_head head;
	int64_t time_us;
	bool found;
};

static void first_segment(void *context, const struct wire_segment_head *head)
{
	((struct first_sample *)context)->head = *head;
}

static void first_samples(void *context, const struct record_samples *samples)
{
	struct first_sample *first = context;

	for (uint32_t i = 0; i < samples->count; i++) {
		int64_t time_us = (int64_t)first->head.start_us + samples->time_us[i];

		if (!first->found || time_us < first->time_us)
			first->time_us = time_us;
		first->found = true;
	}
}

static int find_zero(struct capture_reader *reader, struct merged_profile *profile)
{
	static const struct record_visitor visitor = {
		.segment = first_segment,
		.samples = first_samples,
	};
	struct first_sample first = { 0 };
	bool was_quiet = capture_reader_set_quiet(reader, true);
	int r = 0;

	for (uint32_t i = 0; i < capture_reader_segment_count(reader) && !first.found && r >= 0;
	     i++)
		r = capture_reader_visit(reader, i, &visitor, &first);
	capture_reader_set_quiet(reader, was_quiet);
	if (r < 0)
		return r;
	if (first.found) {
		profile->zero_us = time_point_zero_us(first.time_us);
		profile->zero_shift_s = first.head.wall_shift_s;
	}
	return 0;
}

/*
 * Whether a segment can be left out: what the index says of it lies outside of the range. Samples
 * may lie a little before their segment.
 */
static bool is_outside(const struct capture_reader *reader, uint32_t index,
		       const struct merged_profile *profile, const struct time_range *range)
{
	const struct capture_segment *segment = capture_reader_segment(reader, index);
	int64_t margin_us = WIRE_CHUNK_SPAN_MAX_US;

	/* By dates: each segment's own head says what the wall clock was. */
	if (range->from.kind > TIME_POINT_OFFSET || range->to.kind > TIME_POINT_OFFSET ||
	    !capture_reader_ended(reader))
		return false;
	return time_point_us(&range->to, profile->zero_us, 0, 0, INT64_MAX) <=
		       (int64_t)segment->start_us - margin_us ||
	       time_point_us(&range->from, profile->zero_us, 0, 0, INT64_MIN) >=
		       (int64_t)segment->end_us + margin_us;
}

static int visit_segments(struct capture_reader *reader,
			  const struct merged_profile_options *options,
			  struct merged_profile *profile, struct segment_merger *merger)
{
	uint32_t count = capture_reader_segment_count(reader);
	int r = 0;

	for (uint32_t i = 0; i < count && r >= 0; i++) {
		if (options->progress)
			options->progress(options->context, i, count);
		if (is_outside(reader, i, profile, &options->range))
			continue;
		segment_merger_begin(merger);
		r = capture_reader_visit(reader, i, &segment_merger_visitor, merger);
		if (r == CAPTURE_DAMAGED)
			profile->damaged_segments++;
		if (r >= 0)
			r = segment_merger_finish(merger);
	}
	if (r < 0 || time_range_is_whole(&options->range))
		return r;
	/* Names that came in segments that were left out. */
	segment_merger_begin(merger);
	r = capture_reader_visit_index(reader, &segment_merger_visitor, merger);
	return r < 0 ? r : segment_merger_finish(merger);
}

/* How much of the range is the clock's being set. */
static uint64_t clock_steps_us(const struct merged_profile *profile)
{
	const struct merged_note *notes = (const struct merged_note *)profile->notes.bytes;
	size_t count = profile->notes.size / sizeof(*notes);
	uint64_t steps_us = 0;

	for (size_t i = 0; i < count; i++) {
		int64_t from_us = notes[i].time_us, to_us = notes[i].value;

		if (notes[i].kind != WIRE_RECORD_GAP || notes[i].what != WIRE_GAP_CLOCK_STEP)
			continue;
		from_us = from_us < profile->from_us ? profile->from_us : from_us;
		to_us = to_us > profile->to_us ? profile->to_us : to_us;
		steps_us += to_us > from_us ? (uint64_t)(to_us - from_us) : 0;
	}
	return steps_us;
}

/* The part of the range that something is known of. */
static void find_span(struct merged_profile *profile)
{
	size_t count;
	const struct merged_segment *segments = merged_segments(profile, &count);
	int64_t from_us = INT64_MAX, to_us = INT64_MIN;

	for (size_t i = 0; i < count; i++) {
		int64_t begin_us = (int64_t)segments[i].head.start_us;
		int64_t end_us = segments[i].end_us;

		if (begin_us < segments[i].from_us)
			begin_us = segments[i].from_us;
		if (end_us > segments[i].to_us)
			end_us = segments[i].to_us;
		if (begin_us >= end_us)
			continue;
		if (begin_us < from_us) {
			from_us = begin_us;
			profile->from_shift_s = segments[i].head.wall_shift_s;
		}
		to_us = end_us > to_us ? end_us : to_us;
	}
	for (uint64_t i = 0; i < profile->sample_count; i++) {
		int64_t time_us = profile->samples[i].time_us;

		from_us = time_us < from_us ? time_us : from_us;
		to_us = time_us >= to_us ? time_us + 1 : to_us;
	}
	/* A segment may open a moment before T = 0; there is nothing to see then. */
	if (from_us < profile->zero_us)
		from_us = profile->zero_us;
	if (from_us >= to_us)
		from_us = to_us = profile->zero_us;
	profile->from_us = from_us;
	profile->to_us = to_us;
	profile->clock_step_us = clock_steps_us(profile);
}

/* --- labels and calls --------------------------------------------------------------------------- */

/* The part of a path behind the last slash. */
static const char *base_name(const char *path, size_t size, size_t *ret_size)
{
	const char *slash = size ? memrchr(path, '/', size) : NULL;
	const char *base = slash && slash + 1 < path + size ? slash + 1 : path;

	*ret_size = size - (size_t)(base - path);
	return base;
}

/* "module+0xstart"; NULL memory and full tables are -ENOMEM and -E2BIG. */
static int add_place_name(struct merged_profile *profile, uint32_t module, uint64_t start,
			  uint32_t *ret_name)
{
	char text[TEXT_SIZE_MAX];
	size_t size;
	const char *path = merged_string(profile, module, &size);
	int written, r;

	path = base_name(path, size, &size);
	written =
		snprintf(text, sizeof(text), "%.*s+0x%" PRIx64, (int)size, size ? path : "", start);
	if (!size)
		written = snprintf(text, sizeof(text), "[unknown]");
	r = string_table_add(&profile->strings, text, (size_t)written, ret_name);
	return r > 0 ? -E2BIG : r;
}

static int add_label(struct merged_profile *profile, uint32_t id)
{
	uint32_t owner_id = merged_function_find(profile, id);
	struct merged_function *functions = (void *)profile->functions.rows;
	struct merged_function *function = &functions[id - 1], *owner = &functions[owner_id - 1];
	const struct merged_module *module = merged_module(profile, owner->module);
	struct merged_label label = { .name = owner->name };
	uint64_t start = owner->start;
	int r = 0;

	/* From here on one step leads to the owner. */
	if (function != owner)
		function->owner = owner_id;
	/* An owner that no sample was in is known by its parts. */
	if (!module) {
		module = merged_module(profile, function->module);
		owner->module = function->module;
		owner->start = start = function->start;
	}
	label.module = module ? module->name : 0;
	if (!label.name)
		r = add_place_name(profile, label.module, start, &label.name);
	if (!r)
		r = row_table_add(&profile->labels, &label, &function->label);
	return r > 0 ? -E2BIG : r;
}

static int add_labels(struct merged_profile *profile)
{
	struct merged_label unknown = { 0 };
	uint32_t id;
	int r = add_place_name(profile, 0, 0, &unknown.name);

	/* The first label is that of no function at all. */
	if (!r)
		r = row_table_add(&profile->labels, &unknown, &id);
	for (uint32_t i = 1; i <= profile->functions.row_count && !r; i++)
		r = add_label(profile, i);
	return r;
}

static int add_calls(struct merged_profile *profile)
{
	uint32_t count = profile->stacks.row_count;

	profile->call_of_stack = calloc((size_t)count + 1, sizeof(*profile->call_of_stack));
	if (!profile->call_of_stack)
		return -ENOMEM;
	for (uint32_t id = 1; id <= count; id++) {
		const struct merged_stack *stack = merged_stack(profile, id);
		struct merged_call call = { .parent = profile->call_of_stack[stack->parent] };
		int r;

		call.label = stack->frame;
		if (!(stack->frame & MERGED_PROCESS)) {
			call.label = merged_frame_label(profile, stack->frame);
			call.kind = merged_frame(profile, stack->frame)->kind;
		}
		r = row_table_add(&profile->calls, &call, &profile->call_of_stack[id]);
		if (r)
			return r > 0 ? -E2BIG : r;
	}
	return 0;
}

/* Everything has come: half of the memory and more was for what may come. */
static void seal(struct merged_profile *profile)
{
	size_t size = profile->sample_count * sizeof(*profile->samples);
	struct merged_sample *samples = size ? realloc(profile->samples, size) : NULL;

	row_table_seal(&profile->modules);
	row_table_seal(&profile->functions);
	row_table_seal(&profile->frames);
	row_table_seal(&profile->stacks);
	row_table_seal(&profile->threads);
	if (!samples)
		return;
	profile->samples = samples;
	profile->sample_capacity = profile->sample_count;
}

/* After seal(), so that there is room: calls are nearly as many as stacks. */
static int add_labels_and_calls(struct merged_profile *profile)
{
	int r = add_labels(profile);

	if (!r)
		r = add_calls(profile);
	hash_index_free(&profile->strings.index);
	row_table_seal(&profile->labels);
	row_table_seal(&profile->calls);
	return r;
}

int merged_profile_load(struct capture_reader *reader, const struct merged_profile_options *options,
			struct merged_profile **ret_profile)
{
	CLEANUP(merged_profile_free) struct merged_profile *profile = profile_new_empty();
	CLEANUP(segment_merger_free) struct segment_merger *merger = NULL;
	int r;

	if (!profile)
		return log_errno(-ENOMEM, "read %s", options->name);
	r = segment_merger_new(profile, &options->range, &merger);
	if (!r)
		r = find_zero(reader, profile);
	if (!r)
		profile->instance_id = capture_reader_header(reader)->instance_id;
	if (!r)
		r = visit_segments(reader, options, profile, merger);
	segment_merger_free(TAKE(merger));
	seal(profile);
	if (!r)
		r = add_labels_and_calls(profile);
	if (r == -E2BIG)
		log_error("%s: it has more samples, names or stacks than are taken at once; take "
			  "a part of it with --from and --to",
			  options->name);
	else if (r < 0)
		log_errno(r, "read %s", options->name);
	if (r < 0)
		return r;
	find_span(profile);
	*ret_profile = TAKE(profile);
	return 0;
}

/* --- looking ------------------------------------------------------------------------------------ */

static int compare_samples(const void *left, const void *right)
{
	const struct merged_sample *a = left, *b = right;

	if (a->time_us != b->time_us)
		return a->time_us < b->time_us ? -1 : 1;
	if (a->cpu != b->cpu)
		return a->cpu < b->cpu ? -1 : 1;
	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	return a->stack < b->stack ? -1 : a->stack > b->stack;
}

void merged_profile_sort(struct merged_profile *profile)
{
	if (!profile->sorted && profile->sample_count)
		qsort(profile->samples, profile->sample_count, sizeof(*profile->samples),
		      compare_samples);
	profile->sorted = true;
}

const char *merged_string(const struct merged_profile *profile, uint32_t id, size_t *ret_size)
{
	if (id)
		return string_table_string(&profile->strings, id, ret_size);
	*ret_size = 0;
	return "";
}

const struct merged_thread *merged_thread(const struct merged_profile *profile, uint32_t id)
{
	static const struct merged_thread unknown;

	return id ? row_table_row(&profile->threads, id) : &unknown;
}

const struct merged_frame *merged_frame(const struct merged_profile *profile, uint32_t id)
{
	static const struct merged_frame unknown = { .kind = WIRE_FRAME_UNRESOLVED };

	return id ? row_table_row(&profile->frames, id) : &unknown;
}

uint32_t merged_function_id(const struct merged_profile *profile, uint32_t id)
{
	const struct merged_function *functions = (const void *)profile->functions.rows;

	while (id && functions[id - 1].owner)
		id = functions[id - 1].owner;
	return id;
}

uint32_t merged_function_find(struct merged_profile *profile, uint32_t id)
{
	struct merged_function *functions = (void *)profile->functions.rows;

	while (id && functions[id - 1].owner) {
		uint32_t owner = functions[id - 1].owner;

		/* Halves the way for the next one who asks: a file may make it as long as it likes. */
		if (functions[owner - 1].owner)
			functions[id - 1].owner = functions[owner - 1].owner;
		id = owner;
	}
	return id;
}

const struct merged_function *merged_function(const struct merged_profile *profile, uint32_t id)
{
	return id ? row_table_row(&profile->functions, merged_function_id(profile, id)) : NULL;
}

const struct merged_module *merged_module(const struct merged_profile *profile, uint32_t id)
{
	return id ? row_table_row(&profile->modules, id) : NULL;
}

uint32_t merged_frame_label(const struct merged_profile *profile, uint32_t frame)
{
	uint32_t function = merged_frame(profile, frame)->function;
	const struct merged_function *functions = (const void *)profile->functions.rows;

	return function ? functions[function - 1].label : 1;
}

uint32_t merged_call_name(const struct merged_profile *profile, const struct merged_call *call)
{
	return call->label & MERGED_PROCESS ? call->label & ~MERGED_PROCESS
					    : merged_label(profile, call->label)->name;
}
