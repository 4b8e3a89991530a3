/* SPDX-License-Identifier: Apache-2.0 */
/* How `info` shows a summary: for people, and as JSON. */
#include "stream/capture_summary.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/count_text.h"
#include "base/escape.h"
#include "profile/timeline.h"

enum {
	US_PER_S = 1000000,
	LABEL_WIDTH = 13,
};

/* --- for people -------------------------------------------------------------------------------- */

static void print_name(FILE *file, const char *name)
{
	size_t size = strlen(name);
	char *text = malloc(size * 4 + 1);

	if (!text)
		return;
	fwrite(text, 1, escape_terminal(name, size, text, size * 4), file);
	free(text);
}

static void print_label(FILE *file, const char *label)
{
	fprintf(file, "  %-*s", LABEL_WIDTH, label);
}

static void print_count(FILE *file, uint64_t value)
{
	char buffer[COUNT_TEXT_SIZE];

	fputs(count_text(value, buffer), file);
}

/* A count with its noun: "1 segment", "2 segments". */
static void print_counted(FILE *file, uint64_t value, const char *one, const char *many)
{
	print_count(file, value);
	fprintf(file, " %s", value == 1 ? one : many);
}

static void print_size(FILE *file, uint64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	unsigned int unit = 0;

	while (value >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1024;
		unit++;
	}
	fprintf(file, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void print_span(FILE *file, uint64_t us)
{
	uint64_t seconds = us / US_PER_S;

	if (seconds >= 3600)
		fprintf(file, "%" PRIu64 " h %" PRIu64 " min %" PRIu64 " s", seconds / 3600,
			seconds / 60 % 60, seconds % 60);
	else if (seconds >= 60)
		fprintf(file, "%" PRIu64 " min %" PRIu64 " s", seconds / 60, seconds % 60);
	else
		fprintf(file, "%.2f s", (double)us / US_PER_S);
}

static uint64_t span_us(const struct capture_summary *summary)
{
	return summary->end_us > summary->start_us ? summary->end_us - summary->start_us : 0;
}

/* Without the time that never was. */
static uint64_t recorded_us(const struct capture_summary *summary)
{
	uint64_t span = span_us(summary);

	return span > summary->clock_step_us ? span - summary->clock_step_us : 0;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_start(FILE *file, const struct capture_summary *summary)
{
	uint64_t wall_us = summary->start_us - (uint64_t)summary->wall_shift_s * US_PER_S;
	time_t seconds = (time_t)(wall_us / US_PER_S);
	struct tm local;
	char date[64], zone[16];

	print_label(file, "started");
	if (!timeline_is_dated((int64_t)wall_us)) {
		fprintf(file, "at %.6f s of a clock without a date\n", (double)wall_us / US_PER_S);
		return;
	}
	if (!localtime_r(&seconds, &local) ||
	    !strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &local) ||
	    !strftime(zone, sizeof(zone), "%z", &local)) {
		fprintf(file, "%" PRIu64 " us after 1970\n", wall_us);
		return;
	}
	fprintf(file, "%s.%03u %s\n", date, (unsigned int)(wall_us % US_PER_S / 1000), zone);
}

static void print_file(FILE *file, const struct capture_summary *summary)
{
	print_label(file, "span");
	print_span(file, recorded_us(summary));
	fputs(" in ", file);
	print_counted(file, summary->segment_count, "segment", "segments");
	if (!summary->ended)
		fputs("; not closed in order: cut, or still being written", file);
	fputc('\n', file);
	if (summary->clock_step_count) {
		print_label(file, "clock");
		fputs("set ", file);
		print_counted(file, summary->clock_step_count, "time", "times");
		fputs(" meanwhile: ", file);
		print_span(file, summary->clock_step_us);
		fputs(" never were\n", file);
	}
	if (summary->damaged_segments) {
		print_label(file, "damaged");
		print_counted(file, summary->damaged_segments, "segment", "segments");
		fputs(": a part of each is missing\n", file);
	}
	print_label(file, "size");
	print_size(file, summary->file_size);
	if (summary->sample_count)
		fprintf(file, ", %.1f bytes a sample",
			(double)summary->file_size / (double)summary->sample_count);
	fputc('\n', file);
}

static void print_text(FILE *file, const char *label, const char *text)
{
	if (!text[0])
		return;
	print_label(file, label);
	print_name(file, text);
	fputc('\n', file);
}

static void print_host(FILE *file, const struct capture_summary *summary)
{
	print_text(file, "title", summary->title);
	if (summary->host[0] || summary->kernel[0]) {
		print_label(file, "host");
		print_name(file, summary->host);
		fputs(summary->host[0] && summary->kernel[0] ? ", " : "", file);
		print_name(file, summary->kernel);
		fputc('\n', file);
	}
	print_text(file, "filter", summary->filter);
	print_text(file, "note", summary->note);
}

static void print_rate(FILE *file, const struct capture_summary *summary)
{
	print_label(file, "sampled");
	if (summary->event_name[0])
		print_name(file, summary->event_name);
	else
		fputs(summary->event == WIRE_EVENT_CPU_CLOCK ? "CPU time" : "an event", file);
	if (summary->frequency_least_mhz < summary->frequency_mhz)
		fprintf(file, " at %g to %g Hz on ", summary->frequency_least_mhz / 1e3,
			summary->frequency_mhz / 1e3);
	else
		fprintf(file, " at %g Hz on ", summary->frequency_mhz / 1e3);
	print_counted(file, summary->cpu_count, "CPU", "CPUs");
	if (summary->rate_mhz && summary->frequency_least_mhz == summary->frequency_mhz)
		fprintf(file, ", %.1f Hz reached on busy ones", summary->rate_mhz / 1e3);
	fputc('\n', file);
}

/* Of a foreign file with several: which there are, with their samples. */
static void print_events(FILE *file, const struct capture_summary *summary)
{
	const char *line = summary->events;

	if (!line[0])
		return;
	print_label(file, "events");
	for (;;) {
		size_t digits = strspn(line, "0123456789"), size = strcspn(line, "\n");
		char name[CAPTURE_SUMMARY_TEXT_MAX];

		snprintf(name, sizeof(name), "%.*s", (int)(size > digits ? size - digits - 1 : 0),
			 line + digits + 1);
		print_name(file, name);
		fputs(" (", file);
		print_count(file, strtoull(line, NULL, 10));
		fputc(')', file);
		if (!line[size])
			break;
		fputs(", ", file);
		line += size + 1;
	}
	fputs("; --event chooses\n", file);
}

static void print_samples(FILE *file, const struct capture_summary *summary)
{
	uint64_t span = recorded_us(summary);

	print_label(file, "samples");
	print_count(file, summary->sample_count);
	if (span && summary->frequency_mhz && summary->event == WIRE_EVENT_CPU_CLOCK)
		fprintf(file, ": %.2f CPUs busy on average",
			(double)summary->weight / 1e3 / (double)span);
	fputc('\n', file);
	if (summary->idle_count) {
		print_label(file, "idle");
		print_counted(file, summary->idle_count, "sample", "samples");
		fputs(" of idle CPUs, left out\n", file);
	}
	print_label(file, "lost");
	print_counted(file, summary->lost_count, "sample", "samples");
	if (summary->gap_count) {
		fputs(", ", file);
		print_span(file, summary->gap_us);
		fputs(" in ", file);
		print_counted(file, summary->gap_count, "gap", "gaps");
	}
	fputc('\n', file);
}

/* What limits kept out, if they did. */
static void print_left_out(FILE *file, const struct capture_summary *summary)
{
	const struct {
		uint64_t count;
		const char *one, *many;
	} rows[] = {
		{ summary->names_left_out, "function's name", "functions' names" },
		{ summary->lines_left_out, "piece of debug information",
		  "pieces of debug information" },
		{ summary->unwind_left_out, "unwind table", "unwind tables" },
		{ summary->names_evicted, "file's names to make room",
		  "files' names to make room" },
	};
	const char *separator = "";

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!rows[i].count)
			continue;
		if (!*separator)
			print_label(file, "left out");
		fputs(separator, file);
		print_counted(file, rows[i].count, rows[i].one, rows[i].many);
		separator = ", ";
	}
	if (*separator)
		fputs(summary->unwind_left_out || summary->names_evicted
			      ? "; --memory gives more room\n"
			      : "\n",
		      file);
}

static void print_stacks(FILE *file, const struct capture_summary *summary)
{
	static const char *const words[STACK_STATUS_COUNT] = {
		[STACK_COMPLETE] = "complete",
		[STACK_FRAME_POINTERS] = "by frame pointers alone",
		[STACK_TRUNCATED] = "longer than the limit",
		[STACK_UNREADABLE] = "in memory that was not there",
		[STACK_NO_MAPPING] = "with an address of no mapping",
		[STACK_NO_ROW] = "with an address of no unwind row",
		[STACK_UNSUPPORTED] = "of a kind not supported",
	};
	uint64_t all = 0;
	const char *separator = "";

	print_label(file, "stacks");
	print_count(file, summary->stack_count);
	fprintf(file, " distinct%s, %.1f frames deep on average\n",
		summary->distinct_full ? " or more" : "",
		summary->sample_count ? (double)summary->depth_sum / (double)summary->sample_count
				      : 0);
	for (uint32_t status = STACK_NONE + 1; status < STACK_STATUS_COUNT; status++)
		all += summary->user_status[status];
	if (!all)
		return;
	print_label(file, "user stacks");
	for (uint32_t status = STACK_NONE + 1; status < STACK_STATUS_COUNT; status++) {
		if (!summary->user_status[status])
			continue;
		fprintf(file, "%s%.1f%% %s", separator, percent(summary->user_status[status], all),
			words[status]);
		separator = ", ";
	}
	fputc('\n', file);
}

/* How the frames of all samples are named. */
static void print_frames(FILE *file, const struct capture_summary *summary)
{
	static const char *const words[FRAME_NAMING_COUNT] = {
		[FRAME_NAMED] = "named",
		[FRAME_MODULE_ONLY] = "by their file alone",
		[FRAME_ANONYMOUS] = "in code made at run time that nobody names",
		[FRAME_NO_MAPPING] = "in no known file",
	};
	const char *separator = "";

	if (!summary->depth_sum)
		return;
	print_label(file, "frames");
	for (unsigned int naming = 0; naming < FRAME_NAMING_COUNT; naming++) {
		if (!summary->frame_names.frames[naming])
			continue;
		fprintf(file, "%s%.2f%% %s", separator,
			percent(summary->frame_names.frames[naming], summary->depth_sum),
			words[naming]);
		separator = ", ";
	}
	fputc('\n', file);
}

static void print_processes(FILE *file, const struct capture_summary *summary)
{
	print_label(file, "threads");
	print_count(file, summary->thread_count);
	fputs(" of ", file);
	print_counted(file, summary->process_count, "process", "processes");
	fputc('\n', file);
	if (!summary->process_rows)
		return;
	fputs("\n  share of samples  process\n", file);
	for (uint32_t i = 0; i < summary->process_rows; i++) {
		const struct capture_summary_process *process = &summary->processes[i];

		fprintf(file, "  %15.1f%%  ", percent(process->weight, summary->weight));
		print_name(file, process->name[0] ? process->name : "(no name)");
		fprintf(file, " [%u]\n", process->pid);
	}
}

void capture_summary_print(FILE *file, const char *name, const struct capture_summary *summary)
{
	print_name(file, name);
	fputc('\n', file);
	if (!summary->segment_count) {
		fputs("  nothing: it was cut before the first samples were written\n", file);
		return;
	}
	print_host(file, summary);
	print_start(file, summary);
	print_file(file, summary);
	print_rate(file, summary);
	print_events(file, summary);
	print_samples(file, summary);
	print_stacks(file, summary);
	print_frames(file, summary);
	print_left_out(file, summary);
	print_processes(file, summary);
}

/* --- as JSON ------------------------------------------------------------------------------------ */

static void json_string(FILE *file, const char *string)
{
	size_t size = strlen(string);
	char *text = malloc(size * 6 + 1);

	fputc('"', file);
	if (text)
		fwrite(text, 1, escape_json(string, size, text, size * 6), file);
	fputc('"', file);
	free(text);
}

static void json_text(FILE *file, const char *name, const char *text)
{
	fprintf(file, ",\"%s\":", name);
	json_string(file, text);
}

static void json_number(FILE *file, const char *name, uint64_t value)
{
	fprintf(file, ",\"%s\":%" PRIu64, name, value);
}

static void json_statuses(FILE *file, const char *name, const uint64_t *counts)
{
	static const char *const names[STACK_STATUS_COUNT] = {
		[STACK_NONE] = "none",
		[STACK_COMPLETE] = "complete",
		[STACK_FRAME_POINTERS] = "frame_pointers",
		[STACK_TRUNCATED] = "truncated",
		[STACK_UNREADABLE] = "unreadable",
		[STACK_NO_MAPPING] = "no_mapping",
		[STACK_NO_ROW] = "no_row",
		[STACK_UNSUPPORTED] = "unsupported",
	};

	fprintf(file, ",\"%s\":{", name);
	for (uint32_t status = 0; status < STACK_STATUS_COUNT; status++)
		fprintf(file, "%s\"%s\":%" PRIu64, status ? "," : "", names[status],
			counts[status]);
	fputc('}', file);
}

static void json_events(FILE *file, const struct capture_summary *summary)
{
	const char *line = summary->events, *separator = "";

	fputs(",\"events\":[", file);
	while (line[0]) {
		size_t digits = strspn(line, "0123456789"), size = strcspn(line, "\n");
		char name[CAPTURE_SUMMARY_TEXT_MAX];

		snprintf(name, sizeof(name), "%.*s", (int)(size > digits ? size - digits - 1 : 0),
			 line + digits + 1);
		fprintf(file, "%s{\"samples\":%llu,\"name\":", separator, strtoull(line, NULL, 10));
		json_string(file, name);
		fputc('}', file);
		separator = ",";
		line += size + (line[size] ? 1 : 0);
	}
	fputc(']', file);
}

static void json_processes(FILE *file, const struct capture_summary *summary)
{
	fputs(",\"top_processes\":[", file);
	for (uint32_t i = 0; i < summary->process_rows; i++) {
		const struct capture_summary_process *process = &summary->processes[i];

		fprintf(file, "%s{\"pid\":%u,\"samples\":%" PRIu64 ",\"name\":", i ? "," : "",
			process->pid, process->sample_count);
		json_string(file, process->name);
		fputc('}', file);
	}
	fputc(']', file);
}

/* @value in units of 10^-digits, exactly: 1234567, 6 digits: 1.234567. */
static void json_decimal(FILE *file, const char *key, uint64_t value, int digits)
{
	uint64_t unit = 1;

	for (int i = 0; i < digits; i++)
		unit *= 10;
	fprintf(file, ",\"%s\":%" PRIu64 ".%0*" PRIu64, key, value / unit, digits, value % unit);
}

/* By the wall clock, in UTC (ISO 8601); null for a clock without a date. */
static void json_start_time(FILE *file, const struct capture_summary *summary)
{
	uint64_t wall_us = summary->start_us - (uint64_t)summary->wall_shift_s * US_PER_S;
	time_t seconds = (time_t)(wall_us / US_PER_S);
	char text[32] = "";
	struct tm when;

	if (!timeline_is_dated((int64_t)wall_us)) {
		fprintf(file, ",\"start_time\":null");
		return;
	}
	if (gmtime_r(&seconds, &when))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &when);
	fprintf(file, ",\"start_time\":\"%s.%06uZ\"", text, (unsigned int)(wall_us % US_PER_S));
}

/* Of the samples that have a user stack, those whose walk reached the thread's first frame. */
static uint64_t stacks_complete_ppm(const struct capture_summary *summary)
{
	uint64_t all = 0;

	for (unsigned int status = STACK_COMPLETE; status < STACK_STATUS_COUNT; status++)
		all += summary->user_status[status];
	return all ? summary->user_status[STACK_COMPLETE] * 1000000 / all : 0;
}

/* {"count":5,"share":0.001234,...}, open for what the count is made of. */
static void json_share(FILE *file, const char *name, uint64_t count, uint64_t all)
{
	fprintf(file, ",\"%s\":{\"count\":%" PRIu64, name, count);
	json_decimal(file, "share", all ? count * 1000000 / all : 0, 6);
}

static void json_frames(FILE *file, const struct capture_summary *summary)
{
	const uint64_t *frames = summary->frame_names.frames;
	uint64_t no_module = frames[FRAME_ANONYMOUS] + frames[FRAME_NO_MAPPING];

	json_share(file, "frames_module_only", frames[FRAME_MODULE_ONLY], summary->depth_sum);
	fputc('}', file);
	json_share(file, "frames_no_module", no_module, summary->depth_sum);
	json_number(file, "anonymous", frames[FRAME_ANONYMOUS]);
	json_number(file, "no_mapping", frames[FRAME_NO_MAPPING]);
	fputc('}', file);
}

static void json_left_out(FILE *file, const struct capture_summary *summary)
{
	fprintf(file, ",\"left_out\":{\"names\":%" PRIu64, summary->names_left_out);
	json_number(file, "lines", summary->lines_left_out);
	json_number(file, "unwind_tables", summary->unwind_left_out);
	json_number(file, "evicted", summary->names_evicted);
	fputc('}', file);
}

void capture_summary_print_json(FILE *file, const char *name, const struct capture_summary *summary)
{
	fputs("{\"file\":", file);
	json_string(file, name);
	json_text(file, "title", summary->title);
	json_text(file, "host", summary->host);
	json_text(file, "kernel", summary->kernel);
	json_text(file, "version", summary->version);
	json_text(file, "event", summary->event_name);
	json_text(file, "filter", summary->filter);
	json_text(file, "note", summary->note);
	json_events(file, summary);
	json_number(file, "bytes", summary->file_size);
	json_start_time(file, summary);
	json_decimal(file, "duration_s", span_us(summary), 6);
	json_number(file, "wall_shift_s", summary->wall_shift_s);
	json_decimal(file, "frequency_hz", summary->frequency_mhz, 3);
	json_decimal(file, "frequency_least_hz", summary->frequency_least_mhz, 3);
	json_decimal(file, "rate_hz", summary->rate_mhz, 3);
	json_number(file, "cpus", summary->cpu_count);
	json_number(file, "segments", summary->segment_count);
	json_number(file, "damaged_segments", summary->damaged_segments);
	fprintf(file, ",\"closed_in_order\":%s", summary->ended ? "true" : "false");
	json_number(file, "samples", summary->sample_count);
	json_number(file, "idle", summary->idle_count);
	json_number(file, "lost", summary->lost_count);
	json_number(file, "gaps", summary->gap_count);
	json_decimal(file, "gap_s", summary->gap_us, 6);
	json_number(file, "clock_steps", summary->clock_step_count);
	json_decimal(file, "clock_step_s", summary->clock_step_us, 6);
	json_number(file, "stacks", summary->stack_count);
	json_number(file, "threads", summary->thread_count);
	json_number(file, "processes", summary->process_count);
	json_number(file, "late_names", summary->late_name_count);
	json_left_out(file, summary);
	json_number(file, "frames", summary->depth_sum);
	json_frames(file, summary);
	json_decimal(file, "stacks_complete", stacks_complete_ppm(summary), 6);
	json_statuses(file, "user_stacks", summary->user_status);
	json_statuses(file, "kernel_stacks", summary->kernel_status);
	json_processes(file, summary);
	fputs("}\n", file);
}
