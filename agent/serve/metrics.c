/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "wire.h"

enum {
	LINE_SIZE_MAX = 256,
	MICRO_DIGITS = 6, /* of microseconds as seconds */
	MILLI_DIGITS = 3,
};

/* One value; rows of one metric with different labels stand next to each other. */
struct metric {
	const char *name; /* behind "flickerscope_"; "_total" makes it a counter, else a gauge */
	const char *labels;
	const char *help; /* of the metric's first row */
	enum wire_counter counter;
	unsigned int digits; /* behind the point, of a value that is told as a whole number */
};

static const struct metric metrics[] = {
	{ "samples_total", "", "Samples written to the profile.", WIRE_COUNTER_SAMPLES, 0 },
	{ "lost_samples_total", "{reason=\"ring_full\"}",
	  "Samples that were taken and lost: the ring was full, was in use, or the agent's tables "
	  "were.",
	  WIRE_COUNTER_LOST_RING_FULL, 0 },
	{ "lost_samples_total", "{reason=\"ring_busy\"}", NULL, WIRE_COUNTER_LOST_RING_BUSY,
	  false },
	{ "lost_samples_total", "{reason=\"overload\"}", NULL, WIRE_COUNTER_LOST_OVERLOAD, 0 },
	{ "lost_process_events_total", "", "Events of processes and mappings that the kernel lost.",
	  WIRE_COUNTER_LOST_SIDE_BAND, 0 },
	{ "ticks_total", "", "Timer interrupts on all sampled CPUs, idle ones included.",
	  WIRE_COUNTER_TICKS, 0 },
	{ "filtered_ticks_total", "", "Ticks in processes that are not sampled.",
	  WIRE_COUNTER_FILTERED, 0 },
	{ "frequency_asked_hertz", "", "Samples a second on each CPU that were asked for.",
	  WIRE_COUNTER_FREQUENCY_ASKED_MHZ, MILLI_DIGITS },
	{ "cpu_seconds_total", "", "CPU time of all processes of the agent.",
	  WIRE_COUNTER_AGENT_CPU_US, MICRO_DIGITS },
	{ "bpf_seconds_total", "",
	  "Run time of the BPF programs; 0 unless kernel.bpf_stats_enabled counts it.",
	  WIRE_COUNTER_AGENT_BPF_US, MICRO_DIGITS },
	{ "resident_memory_bytes", "", "Resident memory of the main process.",
	  WIRE_COUNTER_AGENT_RSS_BYTES, 0 },
	{ "window_bytes", "", "What the rolling window holds.", WIRE_COUNTER_WINDOW_BYTES, 0 },
	{ "clients", "", "Pages that are connected.", WIRE_COUNTER_CLIENTS, 0 },
	{ "requests_refused_total", "", "Requests and connections that were turned away.",
	  WIRE_COUNTER_CLIENTS_REFUSED, 0 },
	{ "tokens_refused_total", "", "Wrong tokens, and those of addresses that are held off.",
	  WIRE_COUNTER_TOKENS_REFUSED, 0 },
	{ "segments_skipped_total", "", "Segments that left the window before a page had them.",
	  WIRE_COUNTER_CLIENTS_SKIPPED, 0 },
	{ "parse_failures_total", "", "Files and texts of processes that could not be read.",
	  WIRE_COUNTER_PARSE_FAILED, 0 },
	{ "worker_restarts_total", "", "Worker processes that were started again.",
	  WIRE_COUNTER_WORKER_RESTARTS, 0 },
	{ "file_written_bytes_total", "", "Written to the capture file.", WIRE_COUNTER_FILE_BYTES,
	  false },
	{ "file_lost_bytes_total", "", "Not written: the disk was full or too slow.",
	  WIRE_COUNTER_FILE_LOST_BYTES, 0 },
	{ "unwind_tables", "", "Files of which the kernel has an unwind table.",
	  WIRE_COUNTER_UNWIND_TABLES, 0 },
	{ "unwind_table_bytes", "", "What the unwind tables take.", WIRE_COUNTER_UNWIND_BYTES,
	  false },
	{ "unwind_tables_building", "", "Unwind tables that are being made.",
	  WIRE_COUNTER_UNWIND_BUILDING, 0 },
	{ "unwind_tables_evicted_total", "", "Unwind tables given up to make room for others.",
	  WIRE_COUNTER_UNWIND_EVICTED, 0 },
	{ "unwind_tables_no_room_total", "", "Unwind tables left out because all room was in use.",
	  WIRE_COUNTER_UNWIND_NO_ROOM, 0 },
	{ "unwind_tables_failed_total", "", "Files whose unwind rows could not be read.",
	  WIRE_COUNTER_UNWIND_FAILED, 0 },
	{ "names_left_out_total", "", "Functions without a name because of a limit.",
	  WIRE_COUNTER_NAMES_LEFT_OUT, 0 },
	{ "lines_left_out_total", "", "Debug information that was left out because of a limit.",
	  WIRE_COUNTER_LINES_LEFT_OUT, 0 },
	{ "name_tables_evicted_total", "", "Files whose names made room for those of others.",
	  WIRE_COUNTER_NAMES_EVICTED, 0 },
	{ "reads_deferred_total", "",
	  "Files and processes that were not read yet: too many wait, or descriptors or memory ran "
	  "out.",
	  WIRE_COUNTER_READS_DEFERRED, 0 },
	{ "accepts_deferred_total", "", "Times that new connections waited for descriptors.",
	  WIRE_COUNTER_ACCEPTS_DEFERRED, 0 },
};

/* All but 0, which is none, and what only foreign files have. */
_Static_assert(ARRAY_SIZE(metrics) == WIRE_COUNTER_COUNT - 2, "a counter has no row here");

static bool is_total(const char *name)
{
	size_t size = strlen(name);

	return size > 6 && strcmp(name + size - 6, "_total") == 0;
}

static void put(struct bytes_writer *text, const char *line)
{
	bytes_write(text, line, strlen(line));
}

static void put_head(struct bytes_writer *text, const char *name, const char *help)
{
	char line[LINE_SIZE_MAX];

	snprintf(line, sizeof(line), "# HELP flickerscope_%s %s\n# TYPE flickerscope_%s %s\n", name,
		 help, name, is_total(name) ? "counter" : "gauge");
	put(text, line);
}

static uint64_t unit_of(const struct metric *metric)
{
	return metric->digits == MICRO_DIGITS ? 1000000 : 1000;
}

void metrics_write(const uint64_t *counters, struct bytes_writer *text)
{
	put_head(text, "build_info", "1, with the version.");
	put(text, "flickerscope_build_info{version=\"" FLICKERSCOPE_VERSION "\"} 1\n");
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
		const struct metric *metric = &metrics[i];
		uint64_t value = counters[metric->counter];
		char line[LINE_SIZE_MAX];

		if (metric->help)
			put_head(text, metric->name, metric->help);
		if (metric->digits)
			snprintf(line, sizeof(line),
				 "flickerscope_%s%s %" PRIu64 ".%0*" PRIu64 "\n", metric->name,
				 metric->labels, value / unit_of(metric), (int)metric->digits,
				 value % unit_of(metric));
		else
			snprintf(line, sizeof(line), "flickerscope_%s%s %" PRIu64 "\n",
				 metric->name, metric->labels, value);
		put(text, line);
	}
}
