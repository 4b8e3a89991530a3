/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/segment_merger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "convert/merged_profile.h"
#include "stream/record_decoder.h"

enum {
	SEGMENT_BYTES_MAX =
		1073741824, /* of the rows of one kind: above what the decoder lets by */
	SAMPLES_LEAST = 4096,
};

/* Rows of the segment with the ids they got when they were merged; 0: not yet. */
struct string_row {
	uint32_t offset;
	uint32_t size;
	uint32_t id;
};

struct module_row {
	struct record_module row;
	uint32_t id;
};

struct function_row {
	struct record_function row;
	uint32_t id;
};

struct frame_row {
	struct record_frame row;
	uint32_t id;
};

struct stack_row {
	uint32_t parent;
	uint32_t frame;
	uint32_t process; /* for which it was merged last */
	uint32_t id;
};

struct thread_row {
	struct record_thread row;
	uint32_t id;
	uint32_t process; /* merged name */
};

struct segment_merger {
	struct merged_profile *profile; /* borrowed */
	const struct time_range *range; /* borrowed */
	struct wire_segment_head head;
	uint64_t weight; /* of its samples */
	uint32_t weight_id;
	int64_t start_us;
	int64_t from_us;
	int64_t to_us;
	struct bytes_writer string_bytes;
	struct bytes_writer strings;   /* struct string_row */
	struct bytes_writer modules;   /* struct module_row */
	struct bytes_writer functions; /* struct function_row */
	struct bytes_writer frames;    /* struct frame_row */
	struct bytes_writer stacks;    /* struct stack_row */
	struct bytes_writer threads;   /* struct thread_row */
	int error;
};

int segment_merger_new(struct merged_profile *profile, const struct time_range *range,
		       struct segment_merger **ret_merger)
{
	struct segment_merger *merger = calloc(1, sizeof(*merger));
	struct bytes_writer empty = bytes_writer_with_max(SEGMENT_BYTES_MAX);

	if (!merger)
		return -ENOMEM;
	*merger = (struct segment_merger){
		.profile = profile,
		.range = range,
		.string_bytes = empty,
		.strings = empty,
		.modules = empty,
		.functions = empty,
		.frames = empty,
		.stacks = empty,
		.threads = empty,
	};
	*ret_merger = merger;
	return 0;
}

void segment_merger_free(struct segment_merger *merger)
{
	if (!merger)
		return;
	bytes_writer_free(&merger->string_bytes);
	bytes_writer_free(&merger->strings);
	bytes_writer_free(&merger->modules);
	bytes_writer_free(&merger->functions);
	bytes_writer_free(&merger->frames);
	bytes_writer_free(&merger->stacks);
	bytes_writer_free(&merger->threads);
	free(merger);
}

void segment_merger_begin(struct segment_merger *merger)
{
	bytes_writer_clear(&merger->string_bytes);
	bytes_writer_clear(&merger->strings);
	bytes_writer_clear(&merger->modules);
	bytes_writer_clear(&merger->functions);
	bytes_writer_clear(&merger->frames);
	bytes_writer_clear(&merger->stacks);
	bytes_writer_clear(&merger->threads);
}

/* The row with @id, which the decoder has checked; NULL when memory for it was missing. */
static void *row_of(const struct bytes_writer *rows, uint32_t id, size_t size)
{
	return id && id <= rows->size / size ? rows->bytes + (size_t)(id - 1) * size : NULL;
}

static void fail(struct segment_merger *merger, int outcome)
{
	if (!merger->error)
		merger->error = outcome < 0 ? outcome : -E2BIG;
}

/* Finds or adds a row of the profile; 0 and the error are kept when there is no room. */
static uint32_t add_row(struct segment_merger *merger, struct row_table *table, const void *row)
{
	uint32_t id = 0;
	int r = row_table_add(table, row, &id);

	if (r)
		fail(merger, r);
	return id;
}

static uint32_t add_string(struct segment_merger *merger, const void *text, size_t size)
{
	uint32_t id = 0;
	int r = size ? string_table_add(&merger->profile->strings, text, size, &id) : 0;

	if (r)
		fail(merger, r);
	return id;
}

/* --- merging, on first use ---------------------------------------------------------------------- */

static uint32_t merge_string(struct segment_merger *merger, uint32_t id)
{
	struct string_row *string = row_of(&merger->strings, id, sizeof(*string));

	if (!string)
		return 0;
	if (!string->id)
		string->id = add_string(merger, merger->string_bytes.bytes + string->offset,
					string->size);
	return string->id;
}

static uint32_t merge_module(struct segment_merger *merger, uint32_t id)
{
	struct module_row *module = row_of(&merger->modules, id, sizeof(*module));
	struct merged_module row = { 0 };

	if (!module)
		return 0;
	if (module->id)
		return module->id;
	row.key = module->row.key;
	row.name = merge_string(merger, module->row.name);
	row.kind = module->row.kind;
	module->id = add_row(merger, &merger->profile->modules, &row);
	return module->id;
}

static struct merged_function *function_by_key(struct segment_merger *merger, uint64_t key,
					       uint32_t *ret_id)
{
	struct merged_function row = { .key = key };

	*ret_id = add_row(merger, &merger->profile->functions, &row);
	/* The table is ours: only the key must stay. */
	return *ret_id ? (struct merged_function *)row_table_row(&merger->profile->functions,
								 *ret_id)
		       : NULL;
}

static uint32_t merge_function(struct segment_merger *merger, uint32_t id)
{
	struct function_row *function = row_of(&merger->functions, id, sizeof(*function));
	uint32_t name, module;
	struct merged_function *merged;

	if (!function || function->id)
		return function ? function->id : 0;
	name = merge_string(merger, function->row.name);
	module = merge_module(merger, function->row.module);
	merged = function_by_key(merger, function->row.key, &function->id);
	if (!merged)
		return 0;
	/* A name that is there may have come late and be the better one. */
	if (!merged->name)
		merged->name = name;
	if (!merged->module)
		merged->module = module;
	merged->start = function->row.start;
	return function->id;
}

static uint32_t merge_frame(struct segment_merger *merger, uint32_t id)
{
	struct frame_row *frame = row_of(&merger->frames, id, sizeof(*frame));
	struct merged_frame row = { 0 };

	if (!frame)
		return 0;
	if (frame->id)
		return frame->id;
	row.function = merge_function(merger, frame->row.function);
	row.kind = frame->row.kind;
	row.file = merge_string(merger, frame->row.file);
	row.line = frame->row.line;
	frame->id = add_row(merger, &merger->profile->frames, &row);
	return frame->id;
}

/* The stack @id in a process; from the process down to it, what is not there yet. */
static uint32_t merge_stack(struct segment_merger *merger, uint32_t id, uint32_t process)
{
	struct merged_stack node = { .frame = MERGED_PROCESS | process };
	struct stack_row *stack = row_of(&merger->stacks, id, sizeof(*stack));
	uint32_t way[WIRE_STACK_DEPTH_MAX];
	int depth = 0;

	while (stack && !(stack->id && stack->process == process) && depth < WIRE_STACK_DEPTH_MAX) {
		way[depth++] = id;
		id = stack->parent;
		stack = row_of(&merger->stacks, id, sizeof(*stack));
	}
	node.parent = stack ? stack->id : add_row(merger, &merger->profile->stacks, &node);
	while (depth) {
		stack = row_of(&merger->stacks, way[--depth], sizeof(*stack));
		node.frame = merge_frame(merger, stack->frame);
		stack->process = process;
		stack->id = add_row(merger, &merger->profile->stacks, &node);
		node.parent = stack->id;
	}
	return node.parent;
}

static const struct thread_row *merge_thread(struct segment_merger *merger, uint32_t id)
{
	struct thread_row *thread = row_of(&merger->threads, id, sizeof(*thread));
	static const struct thread_row nobody;
	struct merged_thread row = { 0 };

	if (!thread || thread->id)
		return thread ? thread : &nobody;
	row.process_start_ns = thread->row.process_start_ns;
	row.tid = thread->row.tid;
	row.pid = thread->row.pid;
	row.comm = merge_string(merger, thread->row.comm);
	row.process_name = merge_string(merger, thread->row.process_name);
	row.cgroup = merge_string(merger, thread->row.cgroup);
	row.container = merge_string(merger, thread->row.container);
	thread->id = add_row(merger, &merger->profile->threads, &row);
	thread->process = row.process_name ? row.process_name : row.comm;
	return thread;
}

/* --- records ------------------------------------------------------------------------------------ */

/* What a sample of the segment stands for. */
static uint64_t weight_of(const struct wire_segment_head *head)
{
	return head->event == WIRE_EVENT_CPU_CLOCK && head->frequency_mhz
		       ? UINT64_C(1000000000000) / head->frequency_mhz
		       : 1;
}

static void on_segment(void *context, const struct wire_segment_head *head)
{
	struct segment_merger *merger = context;
	const struct merged_profile *profile = merger->profile;
	const struct time_range *range = merger->range;
	struct merged_segment segment = { .head = *head };
	int r;

	merger->head = *head;
	merger->start_us = (int64_t)head->start_us;
	merger->from_us = time_point_us(&range->from, profile->zero_us, profile->zero_shift_s,
					head->wall_shift_s, INT64_MIN);
	merger->to_us = time_point_us(&range->to, profile->zero_us, profile->zero_shift_s,
				      head->wall_shift_s, INT64_MAX);
	segment.from_us = merger->from_us;
	segment.to_us = merger->to_us;
	segment.end_us = merger->start_us;
	segment.first_note = profile->notes.size / sizeof(struct merged_note);
	bytes_write(&merger->profile->segments, &segment, sizeof(segment));
	merger->weight = weight_of(head);
	r = row_table_add(&merger->profile->weights, &merger->weight, &merger->weight_id);
	if (r)
		fail(merger, r > 0 ? -E2BIG : r);
}

static void on_meta(void *context, uint32_t meta, const char *text, uint32_t size)
{
	struct segment_merger *merger = context;

	if (meta < MERGED_META_MAX)
		merger->profile->meta[meta] = add_string(merger, text, size);
}

static void on_string(void *context, uint32_t id, const char *bytes, uint32_t size)
{
	struct segment_merger *merger = context;
	struct string_row row = { .offset = (uint32_t)merger->string_bytes.size, .size = size };

	bytes_write(&merger->string_bytes, bytes, size);
	if (merger->string_bytes.failed) {
		fail(merger, bytes_writer_error(&merger->string_bytes));
		row.size = 0; /* it has its number, and nothing to read */
	}
	bytes_write(&merger->strings, &row, sizeof(row));
}

static void on_module(void *context, uint32_t id, const struct record_module *module)
{
	struct module_row row = { .row = *module };

	bytes_write(&((struct segment_merger *)context)->modules, &row, sizeof(row));
}

static void on_function(void *context, uint32_t id, const struct record_function *function)
{
	struct function_row row = { .row = *function };

	bytes_write(&((struct segment_merger *)context)->functions, &row, sizeof(row));
}

static void on_frame(void *context, uint32_t id, const struct record_frame *frame)
{
	struct frame_row row = { .row = *frame };

	bytes_write(&((struct segment_merger *)context)->frames, &row, sizeof(row));
}

static void on_stack(void *context, uint32_t id, const struct record_stack *stack)
{
	struct stack_row row = { .parent = stack->parent, .frame = stack->frame };

	bytes_write(&((struct segment_merger *)context)->stacks, &row, sizeof(row));
}

static void on_thread(void *context, uint32_t id, const struct record_thread *thread)
{
	struct thread_row row = { .row = *thread };

	bytes_write(&((struct segment_merger *)context)->threads, &row, sizeof(row));
}

static bool make_room(struct segment_merger *merger)
{
	struct merged_profile *profile = merger->profile;
	uint64_t capacity = profile->sample_capacity ? profile->sample_capacity * 2 : SAMPLES_LEAST;
	struct merged_sample *samples;

	if (profile->sample_count < profile->sample_capacity)
		return true;
	if (profile->sample_count >= MERGED_SAMPLES_MAX) {
		fail(merger, -E2BIG);
		return false;
	}
	samples = reallocarray(profile->samples, capacity, sizeof(*samples));
	if (!samples) {
		fail(merger, -ENOMEM);
		return false;
	}
	profile->samples = samples;
	profile->sample_capacity = capacity;
	return true;
}

static void on_samples(void *context, const struct record_samples *samples)
{
	struct segment_merger *merger = context;
	struct merged_profile *profile = merger->profile;

	for (uint32_t i = 0; i < samples->count && !merger->error; i++) {
		int64_t time_us = merger->start_us + samples->time_us[i];
		const struct thread_row *thread;

		if (time_us < merger->from_us || time_us >= merger->to_us)
			continue;
		if (!make_room(merger))
			return;
		thread = merge_thread(merger, samples->thread[i]);
		profile->samples[profile->sample_count++] = (struct merged_sample){
			.time_us = time_us,
			.stack = merge_stack(merger, samples->stack[i], thread->process),
			.thread = thread->id,
			.cpu = samples->cpu[i],
			.user_status = samples->user_status[i],
			.kernel_status = samples->kernel_status[i],
			.event = samples->event[i],
			.busy = samples->busy[i],
			.weight = (uint16_t)merger->weight_id,
		};
		if (!profile->least_weight || merger->weight < profile->least_weight)
			profile->least_weight = merger->weight;
	}
}

static struct merged_segment *current_segment(struct segment_merger *merger)
{
	const struct bytes_writer *segments = &merger->profile->segments;

	return row_of(segments, (uint32_t)(segments->size / sizeof(struct merged_segment)),
		      sizeof(struct merged_segment));
}

static void add_note(struct segment_merger *merger, const struct merged_note *note)
{
	struct merged_segment *segment = current_segment(merger);

	bytes_write(&merger->profile->notes, note, sizeof(*note));
	if (segment && !merger->profile->notes.failed)
		segment->note_count++;
}

static bool in_range(const struct segment_merger *merger, int64_t time_us)
{
	return time_us >= merger->from_us && time_us < merger->to_us;
}

static void on_tick(void *context, int64_t time_us)
{
	struct segment_merger *merger = context;
	struct merged_segment *segment = current_segment(merger);

	if (segment && merger->start_us + time_us > segment->end_us)
		segment->end_us = merger->start_us + time_us;
}

static void on_clock(void *context, int64_t time_us, uint64_t mono_ns, uint64_t wall_ns)
{
	struct segment_merger *merger = context;
	struct merged_note note = {
		.time_us = merger->start_us + time_us,
		.kind = WIRE_RECORD_CLOCK,
		.value = (int64_t)mono_ns,
		.second = wall_ns,
	};

	if (in_range(merger, note.time_us))
		add_note(merger, &note);
}

/* A gap is cut to the range; its lost samples count when any of it is inside. */
static void on_gap(void *context, const struct record_gap *gap)
{
	struct segment_merger *merger = context;
	struct merged_note note = {
		.time_us = merger->start_us + gap->start_us,
		.kind = WIRE_RECORD_GAP,
		.what = gap->reason,
		.value = merger->start_us + gap->end_us,
		.second = gap->lost_count,
	};

	if (note.value < merger->from_us || note.time_us >= merger->to_us)
		return;
	if (note.time_us < merger->from_us)
		note.time_us = merger->from_us;
	if (note.value > merger->to_us)
		note.value = merger->to_us;
	merger->profile->lost_count += gap->lost_count;
	add_note(merger, &note);
}

static void on_rate(void *context, int64_t time_us, uint32_t cpu, uint32_t rate_mhz)
{
	struct segment_merger *merger = context;
	struct merged_note note = {
		.time_us = merger->start_us + time_us,
		.kind = WIRE_RECORD_RATE,
		.what = cpu,
		.value = rate_mhz,
	};

	if (in_range(merger, note.time_us))
		add_note(merger, &note);
}

static void on_counter(void *context, int64_t time_us, uint32_t counter, uint64_t value)
{
	struct segment_merger *merger = context;
	struct merged_note note = {
		.time_us = merger->start_us + time_us,
		.kind = WIRE_RECORD_COUNTERS,
		.what = counter,
		.value = (int64_t)value,
	};

	if (in_range(merger, note.time_us))
		add_note(merger, &note);
}

static void on_late_name(void *context, const struct record_late_name *late_name)
{
	struct segment_merger *merger = context;
	uint32_t part, owner, name = merge_string(merger, late_name->name);
	struct merged_function *function;

	if (!function_by_key(merger, late_name->key, &part) ||
	    !function_by_key(merger, late_name->function_key, &owner))
		return;
	part = merged_function_find(merger->profile, part);
	owner = merged_function_find(merger->profile, owner);
	function = (struct merged_function *)row_table_row(&merger->profile->functions, owner);
	if (name)
		function->name = name;
	if (part == owner)
		return;
	/* Roots only, so there is never a circle. */
	((struct merged_function *)row_table_row(&merger->profile->functions, part))->owner = owner;
}

const struct record_visitor segment_merger_visitor = {
	.segment = on_segment,
	.meta = on_meta,
	.string = on_string,
	.module = on_module,
	.function = on_function,
	.frame = on_frame,
	.stack = on_stack,
	.thread = on_thread,
	.samples = on_samples,
	.tick = on_tick,
	.clock = on_clock,
	.gap = on_gap,
	.rate = on_rate,
	.counter = on_counter,
	.late_name = on_late_name,
};

int segment_merger_finish(struct segment_merger *merger)
{
	const struct merged_profile *profile = merger->profile;

	if (merger->string_bytes.failed || merger->strings.failed || merger->modules.failed ||
	    merger->functions.failed || merger->frames.failed || merger->stacks.failed ||
	    merger->threads.failed || profile->notes.failed || profile->segments.failed)
		fail(merger, -ENOMEM);
	return merger->error;
}
