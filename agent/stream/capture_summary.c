/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/capture_summary.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash_index.h"
#include "profile/row_table.h"
#include "stream/capture_reader.h"
#include "stream/record_decoder.h"

enum {
	NAMES_SIZE_MAX = 67108864, /* bytes of the strings of one segment; the rest has no name */
	PROCESS_NAME_MAX = 64,
};

struct process_row {
	uint64_t start_ns;
	uint32_t pid;
	uint32_t reserved;
	uint64_t sample_count;
	uint64_t weight;
	char name[PROCESS_NAME_MAX];
};

struct thread_row {
	uint64_t process_start_ns;
	uint32_t pid;
	uint32_t tid;
};

/* Of one stack of the segment: what it is everywhere, and how deep. */
struct stack_row {
	uint64_t key;
	uint32_t depth;
};

/* Where a string of the segment is kept. */
struct name_row {
	uint32_t offset;
	uint32_t size;
};

struct summing {
	struct capture_summary *summary;
	bool has_samples;
	/* Of the whole capture. */
	struct row_table processes; /* struct process_row */
	struct row_table threads;   /* struct thread_row */
	struct row_table stacks;    /* uint64_t: keys */
	uint64_t rate_sum_mhz;
	uint64_t rate_count;
	bool no_memory;
	struct frame_names *frame_names;
	/* Of the segment in hand. */
	uint64_t start_us;
	uint64_t weight; /* of a sample */
	struct bytes_writer name_bytes;
	struct bytes_writer names;	   /* struct name_row */
	struct bytes_writer function_keys; /* uint64_t */
	struct bytes_writer frame_keys;	   /* uint64_t */
	struct bytes_writer stack_rows;	   /* struct stack_row */
	struct bytes_writer process_ids;   /* uint32_t, by thread */
};

/* --- tables of the segment, filled in the order of ids ----------------------------------------- */

/* The element of id @id; NULL when memory was missing. The decoder has checked the id. */
static void *element(const struct bytes_writer *array, uint32_t id, size_t size)
{
	return id && (size_t)id * size <= array->size ? array->bytes + (size_t)(id - 1) * size
						      : NULL;
}

static uint64_t key_of(const struct bytes_writer *keys, uint32_t id)
{
	const uint64_t *key = element(keys, id, sizeof(*key));

	return key ? *key : 0;
}

static void copy_text(char *target, size_t target_size, const char *text, size_t size)
{
	if (size > target_size - 1)
		size = target_size - 1;
	memcpy(target, text, size);
	target[size] = '\0';
}

static void on_segment(void *context, const struct wire_segment_head *head)
{
	struct summing *summing = context;
	struct capture_summary *summary = summing->summary;

	if (!summary->segment_count++) {
		summary->frequency_mhz = summary->frequency_least_mhz = head->frequency_mhz;
		summary->event = head->event;
		summary->wall_shift_s = head->wall_shift_s;
		summary->start_us = summary->end_us = head->start_us;
	}
	if (summary->cpu_count < head->cpu_count)
		summary->cpu_count = head->cpu_count; /* some may have come or gone */
	if (summary->frequency_mhz < head->frequency_mhz)
		summary->frequency_mhz = head->frequency_mhz;
	if (summary->frequency_least_mhz > head->frequency_mhz)
		summary->frequency_least_mhz = head->frequency_mhz;
	summing->start_us = head->start_us;
	summing->weight = head->event == WIRE_EVENT_CPU_CLOCK && head->frequency_mhz
				  ? UINT64_C(1000000000000) / head->frequency_mhz
				  : 1;
	bytes_writer_clear(&summing->name_bytes);
	bytes_writer_clear(&summing->names);
	bytes_writer_clear(&summing->function_keys);
	bytes_writer_clear(&summing->frame_keys);
	bytes_writer_clear(&summing->stack_rows);
	bytes_writer_clear(&summing->process_ids);
	frame_names_segment(summing->frame_names);
}

static void on_meta(void *context, uint32_t meta, const char *text, uint32_t size)
{
	struct capture_summary *summary = ((struct summing *)context)->summary;
	char *const places[] = {
		[WIRE_META_HOST] = summary->host,	[WIRE_META_KERNEL] = summary->kernel,
		[WIRE_META_VERSION] = summary->version, [WIRE_META_EVENT] = summary->event_name,
		[WIRE_META_FILTER] = summary->filter,	[WIRE_META_TITLE] = summary->title,
		[WIRE_META_NOTE] = summary->note,
	};

	if (meta == WIRE_META_EVENTS)
		copy_text(summary->events, sizeof(summary->events), text, size);
	else if (meta < ARRAY_SIZE(places) && places[meta])
		copy_text(places[meta], CAPTURE_SUMMARY_TEXT_MAX, text, size);
}

static void on_string(void *context, uint32_t id, const char *bytes, uint32_t size)
{
	struct summing *summing = context;
	struct name_row row = { .offset = (uint32_t)summing->name_bytes.size };

	/* Process names are short: of a long string the beginning is enough. */
	row.size = size < PROCESS_NAME_MAX ? size : PROCESS_NAME_MAX;
	if (row.size > NAMES_SIZE_MAX - summing->name_bytes.size)
		row.size = 0;
	bytes_write(&summing->name_bytes, bytes, row.size);
	if (summing->name_bytes.failed)
		row.size = 0; /* without memory: it is not there */
	bytes_write(&summing->names, &row, sizeof(row));
	frame_names_string(summing->frame_names, bytes, size);
}

static void on_function(void *context, uint32_t id, const struct record_function *function)
{
	struct summing *summing = context;

	bytes_write(&summing->function_keys, &function->key, sizeof(function->key));
	frame_names_function(summing->frame_names, function);
}

static void on_frame(void *context, uint32_t id, const struct record_frame *frame)
{
	struct summing *summing = context;
	uint32_t rest[] = { frame->kind, frame->line };
	uint64_t key =
		stable_key(rest, sizeof(rest), key_of(&summing->function_keys, frame->function));

	bytes_write(&summing->frame_keys, &key, sizeof(key));
	frame_names_frame(summing->frame_names, frame->function);
}

/* Finds or adds a distinct row; 0 when there are too many. */
static uint32_t add_distinct(struct summing *summing, struct row_table *table, const void *row)
{
	uint32_t id = 0;
	int r = row_table_add(table, row, &id);

	if (r == ROW_TABLE_FULL)
		summing->summary->distinct_full = true;
	else if (r < 0)
		summing->no_memory = true;
	return id;
}

static void on_stack(void *context, uint32_t id, const struct record_stack *stack)
{
	struct summing *summing = context;
	const struct stack_row *parent =
		element(&summing->stack_rows, stack->parent, sizeof(*parent));
	uint64_t frame_key = key_of(&summing->frame_keys, stack->frame);
	struct stack_row row = {
		.key = stable_key(&frame_key, sizeof(frame_key), parent ? parent->key : 0),
		.depth = stack->depth,
	};

	bytes_write(&summing->stack_rows, &row, sizeof(row));
	frame_names_stack(summing->frame_names, stack);
}

static void on_thread(void *context, uint32_t id, const struct record_thread *thread)
{
	struct summing *summing = context;
	struct thread_row thread_row = {
		.process_start_ns = thread->process_start_ns,
		.pid = thread->pid,
		.tid = thread->tid,
	};
	struct process_row row = { .start_ns = thread->process_start_ns, .pid = thread->pid };
	const struct name_row *name =
		element(&summing->names, thread->process_name ? thread->process_name : thread->comm,
			sizeof(*name));
	uint32_t process_id = add_distinct(summing, &summing->processes, &row);

	add_distinct(summing, &summing->threads, &thread_row);
	if (process_id && name && name->size) {
		/* The table is ours: only the key must stay. A later name is the better one. */
		struct process_row *process =
			(struct process_row *)row_table_row(&summing->processes, process_id);

		copy_text(process->name, sizeof(process->name),
			  (const char *)summing->name_bytes.bytes + name->offset, name->size);
	}
	bytes_write(&summing->process_ids, &process_id, sizeof(process_id));
}

/* --- what is summed ---------------------------------------------------------------------------- */

static void note_time(struct summing *summing, int64_t time_us)
{
	struct capture_summary *summary = summing->summary;
	uint64_t absolute_us = summing->start_us + (uint64_t)time_us;

	if (!summing->has_samples || absolute_us < summary->start_us)
		summary->start_us = absolute_us;
	if (absolute_us > summary->end_us)
		summary->end_us = absolute_us;
	summing->has_samples = true;
}

static void count_status(uint64_t *counts, uint8_t status)
{
	if (status < STACK_STATUS_COUNT)
		counts[status]++;
}

static void on_samples(void *context, const struct record_samples *samples)
{
	struct summing *summing = context;
	struct capture_summary *summary = summing->summary;

	summary->sample_count += samples->count;
	summary->weight += samples->count * summing->weight;
	frame_names_samples(summing->frame_names, samples);
	for (uint32_t i = 0; i < samples->count; i++) {
		const struct stack_row *stack =
			element(&summing->stack_rows, samples->stack[i], sizeof(*stack));
		const uint32_t *process_id =
			element(&summing->process_ids, samples->thread[i], sizeof(*process_id));

		note_time(summing, samples->time_us[i]);
		count_status(summary->user_status, samples->user_status[i]);
		count_status(summary->kernel_status, samples->kernel_status[i]);
		if (stack) {
			summary->depth_sum += stack->depth;
			add_distinct(summing, &summing->stacks, &stack->key);
		}
		if (process_id && *process_id) {
			struct process_row *process = (struct process_row *)row_table_row(
				&summing->processes, *process_id);

			process->sample_count++;
			process->weight += summing->weight;
		}
	}
}

static void on_tick(void *context, int64_t time_us)
{
	struct summing *summing = context;
	uint64_t absolute_us = summing->start_us + (uint64_t)time_us;

	if (absolute_us > summing->summary->end_us)
		summing->summary->end_us = absolute_us;
}

static void on_gap(void *context, const struct record_gap *gap)
{
	struct capture_summary *summary = ((struct summing *)context)->summary;

	if (gap->reason == WIRE_GAP_CLOCK_STEP) {
		summary->clock_step_count++;
		summary->clock_step_us += (uint64_t)(gap->end_us - gap->start_us);
		return;
	}
	summary->gap_count++;
	summary->gap_us += (uint64_t)(gap->end_us - gap->start_us);
	summary->lost_count += gap->lost_count;
}

static void on_rate(void *context, int64_t time_us, uint32_t cpu, uint32_t rate_mhz)
{
	struct summing *summing = context;

	if (!rate_mhz)
		return;
	summing->rate_sum_mhz += rate_mhz;
	summing->rate_count++;
}

static void on_counter(void *context, int64_t time_us, uint32_t counter, uint64_t value)
{
	struct capture_summary *summary = ((struct summing *)context)->summary;

	switch (counter) {
	case WIRE_COUNTER_IDLE:
		summary->idle_count = value;
		break;
	case WIRE_COUNTER_NAMES_LEFT_OUT:
		summary->names_left_out = value;
		break;
	case WIRE_COUNTER_LINES_LEFT_OUT:
		summary->lines_left_out = value;
		break;
	case WIRE_COUNTER_NAMES_EVICTED:
		summary->names_evicted = value;
		break;
	case WIRE_COUNTER_UNWIND_NO_ROOM:
		summary->unwind_left_out = value;
		break;
	}
}

static void on_late_name(void *context, const struct record_late_name *late_name)
{
	struct summing *summing = context;

	summing->summary->late_name_count++;
	frame_names_late(summing->frame_names, late_name);
}

static const struct record_visitor visitor = {
	.segment = on_segment,
	.meta = on_meta,
	.string = on_string,
	.function = on_function,
	.frame = on_frame,
	.stack = on_stack,
	.thread = on_thread,
	.samples = on_samples,
	.tick = on_tick,
	.gap = on_gap,
	.rate = on_rate,
	.counter = on_counter,
	.late_name = on_late_name,
};

/* Keeps the busiest processes, the first of them on top. */
static void rank(struct capture_summary *summary, const struct process_row *process)
{
	struct capture_summary_process row = {
		.pid = process->pid,
		.sample_count = process->sample_count,
		.weight = process->weight,
	};
	uint32_t at = summary->process_rows;

	while (at && summary->processes[at - 1].weight < row.weight)
		at--;
	if (at == CAPTURE_SUMMARY_PROCESSES || !row.sample_count)
		return;
	if (summary->process_rows < CAPTURE_SUMMARY_PROCESSES)
		summary->process_rows++;
	memmove(&summary->processes[at + 1], &summary->processes[at],
		(summary->process_rows - at - 1) * sizeof(row));
	copy_text(row.name, sizeof(row.name), process->name, strlen(process->name));
	summary->processes[at] = row;
}

static void finish(struct summing *summing)
{
	struct capture_summary *summary = summing->summary;

	summary->process_count = summing->processes.row_count;
	summary->thread_count = summing->threads.row_count;
	summary->stack_count = summing->stacks.row_count;
	if (summing->rate_count)
		summary->rate_mhz = (uint32_t)(summing->rate_sum_mhz / summing->rate_count);
	for (uint32_t id = 1; id <= summing->processes.row_count; id++)
		rank(summary, row_table_row(&summing->processes, id));
}

static struct summing summing_of(struct capture_summary *summary)
{
	/* The decoder bounds rows; the limits here only have to be above that. */
	const size_t rows_max = WIRE_ROWS_MAX;

	return (struct summing){
		.summary = summary,
		.processes = row_table_of(sizeof(struct process_row),
					  offsetof(struct process_row, sample_count),
					  CAPTURE_SUMMARY_DISTINCT_MAX / 8),
		.threads = row_table_of(sizeof(struct thread_row), sizeof(struct thread_row),
					CAPTURE_SUMMARY_DISTINCT_MAX),
		.stacks = row_table_of(sizeof(uint64_t), sizeof(uint64_t),
				       CAPTURE_SUMMARY_DISTINCT_MAX),
		.name_bytes = bytes_writer_with_max(NAMES_SIZE_MAX),
		.names = bytes_writer_with_max(rows_max * sizeof(struct name_row)),
		.function_keys = bytes_writer_with_max(rows_max * sizeof(uint64_t)),
		.frame_keys = bytes_writer_with_max(rows_max * sizeof(uint64_t)),
		.stack_rows = bytes_writer_with_max(rows_max * sizeof(struct stack_row)),
		.process_ids = bytes_writer_with_max(rows_max * sizeof(uint32_t)),
	};
}

static void summing_free(struct summing *summing)
{
	row_table_free(&summing->processes);
	row_table_free(&summing->threads);
	row_table_free(&summing->stacks);
	bytes_writer_free(&summing->name_bytes);
	bytes_writer_free(&summing->names);
	bytes_writer_free(&summing->function_keys);
	bytes_writer_free(&summing->frame_keys);
	bytes_writer_free(&summing->stack_rows);
	bytes_writer_free(&summing->process_ids);
	frame_names_free(summing->frame_names);
}

int capture_summary_read(struct capture_reader *reader, struct capture_summary *ret_summary)
{
	struct capture_summary summary = {
		.file_size = capture_reader_size(reader),
		.ended = capture_reader_ended(reader),
	};
	struct summing summing = summing_of(&summary);
	int r = frame_names_new(&summing.frame_names);

	for (uint32_t i = 0; i < capture_reader_segment_count(reader) && r >= 0; i++) {
		r = capture_reader_visit(reader, i, &visitor, &summing);
		if (r == CAPTURE_DAMAGED)
			summary.damaged_segments++;
	}
	if (r >= 0 && (summing.no_memory || summing.names.failed || summing.stack_rows.failed))
		r = -ENOMEM;
	if (r >= 0)
		r = frame_names_finish(summing.frame_names, &summary.frame_names);
	if (r >= 0)
		finish(&summing);
	summing_free(&summing);
	if (r < 0)
		return r;
	*ret_summary = summary;
	return 0;
}
