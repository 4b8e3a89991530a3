/* SPDX-License-Identifier: Apache-2.0 */
/* How `report` shows its rows: for people, and as JSON. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/count_text.h"
#include "base/escape.h"
#include "convert/call_tree.h"
#include "convert/merged_profile.h"
#include "convert/output.h"
#include "convert/report.h"
#include "profile/timeline.h"

enum {
	US_PER_S = 1000000,
	CELL_SIZE_MAX = 4096, /* bytes of a name that are shown, its escapes included */
	LETTERS_MAX = 100,    /* of a name in a table for no terminal */
	LETTERS_LEAST = 16,   /* of a name in a narrow terminal */
	GAP = 2,	      /* blanks between columns */
	NUMBERS_WIDTH = 42,   /* of the columns of self and total */
	SHARE_WIDTH = 7,
};

/* --- text ---------------------------------------------------------------------------------------- */

/* Letters, counted as characters of UTF-8: what is escaped is ASCII. */
static uint32_t letter_count(const char *text, size_t size)
{
	uint32_t count = 0;

	for (size_t i = 0; i < size; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

/* Bytes of the first @letters letters. */
static size_t letters_size(const char *text, size_t size, uint32_t letters)
{
	size_t at = 0;

	while (at < size && letters) {
		at++;
		while (at < size && ((unsigned char)text[at] & 0xc0) == 0x80)
			at++;
		letters--;
	}
	return at;
}

/* A name for people, cut in the middle to @width letters: both ends tell something. */
struct cell {
	char text[CELL_SIZE_MAX];
	size_t size;
	uint32_t width;
};

static struct cell cell_of(const struct merged_profile *profile, uint32_t string, uint32_t width)
{
	struct cell cell;
	size_t size;
	const char *text = merged_string(profile, string, &size);
	uint32_t letters, front;

	cell.size = escape_terminal(text, size, cell.text, sizeof(cell.text) - 4);
	letters = letter_count(cell.text, cell.size);
	if (letters > width && width > 1) {
		size_t front_size, back;

		front = (width - 1) * 2 / 3;
		front_size = letters_size(cell.text, cell.size, front);
		back = letters_size(cell.text, cell.size, letters - (width - 1 - front));
		memmove(cell.text + front_size + 3, cell.text + back, cell.size - back);
		memcpy(cell.text + front_size, "\xe2\x80\xa6", 3);
		cell.size = front_size + 3 + cell.size - back;
		letters = width;
	}
	cell.width = letters;
	return cell;
}

static void pad(struct output *output, uint32_t used, uint32_t width)
{
	for (; used < width; used++)
		output_bytes(output, " ", 1);
}

/* @is_last: nothing stands to the right of it. */
static void print_cell(struct output *output, const struct merged_profile *profile, uint32_t string,
		       uint32_t width, bool is_last)
{
	struct cell cell = cell_of(profile, string, width);

	output_bytes(output, cell.text, cell.size);
	if (!is_last)
		pad(output, cell.width, width + GAP);
}

static void print_right(struct output *output, const char *text, uint32_t width)
{
	pad(output, (uint32_t)strlen(text), width);
	output_text(output, text);
}

static void print_share(struct output *output, uint64_t part, uint64_t whole)
{
	char text[32];

	snprintf(text, sizeof(text), "%.1f%%", whole ? 100.0 * (double)part / (double)whole : 0);
	print_right(output, text, SHARE_WIDTH);
}

/* --- above the table ----------------------------------------------------------------------------- */

static void print_moment(struct output *output, int64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / US_PER_S);
	char date[64], micros[16];
	struct tm local;

	if (!localtime_r(&seconds, &local) ||
	    !strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &local))
		return;
	snprintf(micros, sizeof(micros), ".%06u", (unsigned int)(wall_us % US_PER_S));
	output_text(output, date);
	output_text(output, micros);
}

/* "capture.flk: 2,970 samples in 12.500000 s from 2026-11-22 12:04:31.250000 (0.250000 s) on". */
static void print_head(const struct report *report, const struct report_view *view,
		       struct output *output)
{
	const struct merged_profile *profile = report->tree->profile;
	int64_t wall_us = merged_profile_wall_us(profile);
	char text[COUNT_TEXT_SIZE], number[64];
	char *title = malloc(4 * strlen(view->title) + 1);

	if (title)
		output_bytes(output, title,
			     escape_terminal(view->title, strlen(view->title), title,
					     4 * strlen(view->title)));
	else
		output_fail(output, -ENOMEM);
	free(title);
	output_text(output, ": ");
	output_text(output, count_text(report->sample_count, text));
	snprintf(number, sizeof(number), " sample%s in %.6f s from ",
		 report->sample_count == 1 ? "" : "s",
		 (double)merged_profile_duration_us(profile) / US_PER_S);
	output_text(output, number);
	if (timeline_is_dated(wall_us))
		print_moment(output, wall_us);
	snprintf(number, sizeof(number),
		 timeline_is_dated(wall_us) ? " (T = %.6f) on" : "T = %.6f on",
		 (double)(profile->from_us - profile->zero_us) / US_PER_S);
	output_text(output, number);
	if (profile->weights.row_count > 1 && profile->least_weight > 1) {
		snprintf(number, sizeof(number), "; counted as at %g Hz, the highest rate of it",
			 (double)((UINT64_C(1000000000000) + profile->least_weight / 2) /
				  profile->least_weight) /
				 1e3);
		output_text(output, number);
	}
	if (profile->lost_count) {
		output_text(output, "; ");
		output_text(output, count_text(profile->lost_count, text));
		output_text(output, " lost");
	}
	output_text(output, "\n");
}

/* --- the table ----------------------------------------------------------------------------------- */

/* Columns of names: which string of a row, and how wide. */
struct name_column {
	const char *title;
	size_t offset; /* in struct report_row */
	uint32_t width;
};

static uint32_t string_of(const struct report_row *row, const struct name_column *column)
{
	uint32_t string;

	memcpy(&string, (const char *)row + column->offset, sizeof(string));
	return string;
}

static void measure(const struct report *report, uint32_t row_count, struct name_column *column)
{
	column->width = (uint32_t)strlen(column->title);
	for (uint32_t i = 0; i < row_count; i++) {
		struct cell cell = cell_of(report->tree->profile,
					   string_of(&report->rows[i], column), LETTERS_MAX);

		if (cell.width > column->width)
			column->width = cell.width;
	}
}

/* Makes the columns fit into @width, the second giving way first. */
static void fit(struct name_column *first, struct name_column *second, uint32_t width)
{
	uint32_t half = width / 2;

	if (width < 2 * LETTERS_LEAST + GAP || first->width + GAP + second->width <= width)
		return;
	if (second->width > half)
		second->width = first->width < half ? width - GAP - first->width : half - GAP;
	if (first->width > width - GAP - second->width)
		first->width = width - GAP - second->width;
}

static void print_numbers(struct output *output, uint64_t samples, uint64_t part, uint64_t whole)
{
	char text[COUNT_TEXT_SIZE];

	print_right(output, count_text(samples, text), 12);
	print_share(output, part, whole);
}

static void print_calls(const struct report *report, uint32_t row_count, uint32_t columns_max,
			struct output *output)
{
	const struct merged_profile *profile = report->tree->profile;
	struct name_column name = { "FUNCTION", offsetof(struct report_row, name), 0 };
	struct name_column module = { "MODULE", offsetof(struct report_row, module), 0 };
	bool has_module = report->by == REPORT_BY_FUNCTION;

	if (!has_module)
		name.title = "MODULE";
	measure(report, row_count, &name);
	if (has_module)
		measure(report, row_count, &module);
	else
		module.width = 0;
	if (columns_max > NUMBERS_WIDTH)
		fit(&name, &module, columns_max - NUMBERS_WIDTH);
	output_text(output, "        SELF              TOTAL           ");
	output_text(output, name.title);
	if (has_module) {
		pad(output, (uint32_t)strlen(name.title), name.width + GAP);
		output_text(output, module.title);
	}
	output_text(output, "\n");
	for (uint32_t i = 0; i < row_count; i++) {
		const struct report_row *row = &report->rows[i];

		print_numbers(output, row->self, row->self_weight, report->weight);
		print_numbers(output, row->total, row->total_weight, report->weight);
		pad(output, 2 * (12 + SHARE_WIDTH), NUMBERS_WIDTH);
		print_cell(output, profile, row->name, name.width, !has_module || !row->module);
		if (has_module)
			print_cell(output, profile, row->module, module.width, true);
		output_text(output, "\n");
	}
}

static void print_threads(const struct report *report, uint32_t row_count, struct output *output)
{
	bool of_threads = report->by == REPORT_BY_THREAD;
	const struct merged_profile *profile = report->tree->profile;
	struct name_column name = { of_threads ? "THREAD" : "PROCESS",
				    offsetof(struct report_row, name), 0 };
	char text[32];

	measure(report, row_count, &name);
	output_text(output, "     SAMPLES  SHARE        PID  ");
	output_text(output, of_threads ? "       TID  THREAD" : "PROCESS");
	if (of_threads) {
		pad(output, (uint32_t)strlen(name.title), name.width + GAP);
		output_text(output, "PROCESS");
	}
	output_text(output, "\n");
	for (uint32_t i = 0; i < row_count; i++) {
		const struct report_row *row = &report->rows[i];

		print_numbers(output, row->self, row->self_weight, report->weight);
		snprintf(text, sizeof(text), "%11u  ", row->pid);
		output_text(output, text);
		snprintf(text, sizeof(text), "%10u  ", row->tid);
		if (of_threads)
			output_text(output, text);
		print_cell(output, profile, row->name, name.width, !of_threads);
		if (of_threads)
			print_cell(output, profile, row->process, LETTERS_MAX, true);
		output_text(output, "\n");
	}
}

void report_print(const struct report *report, const struct report_view *view,
		  struct output *output)
{
	uint32_t count = report->row_count;
	char text[64];

	print_head(report, view, output);
	if (!count) {
		output_text(output, "nothing ran: the CPUs were idle\n");
		return;
	}
	if (view->rows_max && count > view->rows_max)
		count = view->rows_max;
	output_text(output, "\n");
	if (report->by == REPORT_BY_FUNCTION || report->by == REPORT_BY_MODULE)
		print_calls(report, count, view->columns_max, output);
	else
		print_threads(report, count, output);
	if (count == report->row_count)
		return;
	snprintf(text, sizeof(text), "... and %u more; --limit 0 shows all\n",
		 report->row_count - count);
	output_text(output, text);
}

/* --- as JSON ------------------------------------------------------------------------------------- */

static void json_string(const struct report *report, const char *key, uint32_t string,
			struct output *output)
{
	size_t size;
	const char *text = merged_string(report->tree->profile, string, &size);

	output_text(output, key);
	output_json_string(output, text, size);
}

static void json_number(const char *key, uint64_t value, struct output *output)
{
	output_text(output, key);
	output_u64(output, value);
}

void report_print_json(const struct report *report, uint32_t rows_max, struct output *output)
{
	uint32_t count = rows_max && report->row_count > rows_max ? rows_max : report->row_count;

	output_text(output, "[");
	for (uint32_t i = 0; i < count; i++) {
		const struct report_row *row = &report->rows[i];

		output_text(output, i ? ",\n" : "\n");
		json_string(report, "{\"name\":", row->name, output);
		if (report->by == REPORT_BY_FUNCTION)
			json_string(report, ",\"module\":", row->module, output);
		if (report->by == REPORT_BY_THREAD) {
			json_number(",\"tid\":", row->tid, output);
			json_string(report, ",\"process\":", row->process, output);
		}
		if (report->by == REPORT_BY_PROCESS || report->by == REPORT_BY_THREAD)
			json_number(",\"pid\":", row->pid, output);
		json_number(",\"self\":", row->self, output);
		json_number(",\"total\":", row->total, output);
		output_text(output, "}");
	}
	output_text(output, "\n]\n");
}
