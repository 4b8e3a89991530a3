/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "convert/call_tree.h"
#include "convert/merged_profile.h"

const char *const report_by_names[REPORT_BY_COUNT] = {
	[REPORT_BY_FUNCTION] = "function",
	[REPORT_BY_MODULE] = "module",
	[REPORT_BY_PROCESS] = "process",
	[REPORT_BY_THREAD] = "thread",
};

struct counting {
	const struct call_tree *tree;
	struct row_table rows;	/* struct report_row, by all before `self_weight` */
	uint32_t *row_of_label; /* owned; by label, the row; or of threads, by thread */
};

static void counting_close(struct counting *counting)
{
	row_table_free(&counting->rows);
	free(counting->row_of_label);
}

static inline void cleanup_counting_close(struct counting *counting)
{
	counting_close(counting);
}

static struct report_row *row_at(const struct counting *counting, uint32_t id)
{
	/* The table is ours: only the key must stay. */
	return (struct report_row *)row_table_row(&counting->rows, id);
}

/* --- functions and modules ----------------------------------------------------------------------- */

/* What the calls of the range add to their rows. */
static void add_calls(struct counting *counting, enum call_flag outermost)
{
	const struct call_tree *tree = counting->tree;
	const struct merged_call *calls = (const void *)tree->profile->calls.rows;

	for (uint32_t id = 1; id <= tree->profile->calls.row_count; id++) {
		const struct merged_call *call = &calls[id - 1];
		uint64_t self = tree->self[id];
		struct report_row *row;

		if (!tree->total[id])
			continue;
		if (!(call->label & MERGED_PROCESS)) {
			row = row_at(counting, counting->row_of_label[call->label]);
			row->self_weight += self;
			if (tree->flags[id] & outermost)
				row->total_weight += tree->total[id];
		} else if (self) {
			/* Nothing is known of these but their process. */
			row = row_at(counting, counting->row_of_label[1]);
			row->self_weight += self;
			row->total_weight += self;
		}
	}
}

static int count_calls(struct counting *counting, enum report_by by)
{
	const struct merged_profile *profile = counting->tree->profile;
	int r = 0;

	for (uint32_t id = 1; id <= profile->labels.row_count && !r; id++) {
		const struct merged_label *label = merged_label(profile, id);
		struct report_row row = { .name = label->name, .module = label->module };

		if (by == REPORT_BY_MODULE)
			row = (struct report_row){ .name = label->module };
		r = row_table_add(&counting->rows, &row, &counting->row_of_label[id]);
	}
	if (r)
		return -ENOMEM;
	add_calls(counting, by == REPORT_BY_MODULE ? CALL_OUTERMOST_MODULE : CALL_OUTERMOST_LABEL);
	return 0;
}

/* --- processes and threads ----------------------------------------------------------------------- */

static int count_threads(struct counting *counting, enum report_by by, int64_t from_us,
			 int64_t to_us)
{
	const struct merged_profile *profile = counting->tree->profile;

	for (uint32_t id = 0; id <= profile->threads.row_count; id++) {
		const struct merged_thread *thread = merged_thread(profile, id);
		struct report_row row = {
			.name = thread->comm,
			.process = thread->process_name,
			.pid = thread->pid,
			.tid = thread->tid,
			.process_start_ns = thread->process_start_ns,
		};

		if (by == REPORT_BY_PROCESS) {
			row.name = thread->process_name ? thread->process_name : thread->comm;
			row.process = row.tid = 0;
		}
		if (row_table_add(&counting->rows, &row, &counting->row_of_label[id]))
			return -ENOMEM;
	}
	for (uint64_t i = 0; i < profile->sample_count; i++) {
		const struct merged_sample *sample = &profile->samples[i];

		if (sample->time_us >= from_us && sample->time_us < to_us)
			row_at(counting, counting->row_of_label[sample->thread])->self_weight +=
				merged_weight(profile, sample);
	}
	for (uint32_t id = 1; id <= counting->rows.row_count; id++)
		row_at(counting, id)->total_weight = row_at(counting, id)->self_weight;
	return 0;
}

/* --- the report ---------------------------------------------------------------------------------- */

static int compare_names(const struct merged_profile *profile, uint32_t left, uint32_t right)
{
	size_t left_size, right_size;
	const char *left_text = merged_string(profile, left, &left_size);
	const char *right_text = merged_string(profile, right, &right_size);
	int r = memcmp(left_text, right_text, left_size < right_size ? left_size : right_size);

	return r ? r : (left_size > right_size) - (left_size < right_size);
}

static int compare_rows(const void *left, const void *right, void *context)
{
	const struct report_row *a = left, *b = right;
	int r;

	if (a->self_weight != b->self_weight)
		return a->self_weight < b->self_weight ? 1 : -1;
	if (a->total_weight != b->total_weight)
		return a->total_weight < b->total_weight ? 1 : -1;
	r = compare_names(context, a->name, b->name);
	if (!r)
		r = compare_names(context, a->module, b->module);
	if (!r)
		r = (a->pid > b->pid) - (a->pid < b->pid);
	return r ? r : (a->tid > b->tid) - (a->tid < b->tid);
}

/* Takes the rows that have samples. */
static int take_rows(struct counting *counting, struct report *report)
{
	const struct merged_profile *profile = counting->tree->profile;

	report->rows = calloc((size_t)counting->rows.row_count + 1, sizeof(*report->rows));
	if (!report->rows)
		return -ENOMEM;
	for (uint32_t id = 1; id <= counting->rows.row_count; id++) {
		struct report_row row = *row_at(counting, id);

		if (!row.total_weight)
			continue;
		row.self = merged_samples(profile, row.self_weight);
		row.total = merged_samples(profile, row.total_weight);
		report->rows[report->row_count++] = row;
	}
	qsort_r(report->rows, report->row_count, sizeof(*report->rows), compare_rows,
		(void *)profile);
	return 0;
}

int report_make(struct call_tree *tree, enum report_by by, int64_t from_us, int64_t to_us,
		struct report *ret_report)
{
	const struct merged_profile *profile = tree->profile;
	struct report report = { .tree = tree, .by = by };
	bool of_threads = by == REPORT_BY_PROCESS || by == REPORT_BY_THREAD;
	uint32_t count = of_threads ? profile->threads.row_count : profile->labels.row_count;
	CLEANUP(counting_close)
	struct counting counting = {
		.tree = tree,
		.rows = row_table_of(sizeof(struct report_row),
				     offsetof(struct report_row, self_weight), MERGED_ROWS_MAX),
		.row_of_label = calloc((size_t)count + 1, sizeof(uint32_t)),
	};
	int r = counting.row_of_label ? 0 : -ENOMEM;

	call_tree_count(tree, from_us, to_us);
	report.sample_count = tree->sample_count;
	report.weight = tree->total[0];
	if (!r)
		r = of_threads ? count_threads(&counting, by, from_us, to_us)
			       : count_calls(&counting, by);
	if (!r)
		r = take_rows(&counting, &report);
	if (r < 0)
		return r;
	*ret_report = report;
	return 0;
}

void report_close(struct report *report)
{
	free(TAKE(report->rows));
}
