/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What names cost: building the table of a file, its size, one lookup, one demangled name, and the
 * way through the worker process.
 *
 *	bench_symbol_table [FILE...]
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/loop.h"
#include "elf/demangle.h"
#include "elf/elf_symbols.h"
#include "elf/symbol_table.h"
#include "worker/worker.h"

enum { LOOKUPS = 4000000, NEARBY = 4096, DEMANGLED = 20000, JOBS = 2000, BUILDS = 3 };

static double clock_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Processor time, so that other work on the machine disturbs less. */
static double cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* @spread: how many rows the looked-up addresses are spread over; a profile's are few. */
static double measure_lookups(const struct symbol_table_view *view, uint32_t spread)
{
	uint64_t state = 88172645463325252, found = 0;
	struct symbol symbol;
	double start = cpu_ns();

	for (int i = 0; i < LOOKUPS; i++)
		found += symbol_table_find(view, view->starts[next_random(&state) % spread],
					   &symbol);
	if (found != LOOKUPS) {
		fprintf(stderr, "bench_symbol_table: only %" PRIu64 " found\n", found);
		exit(1);
	}
	return (cpu_ns() - start) / LOOKUPS;
}

static double measure_demangling(const struct symbol_table_view *view)
{
	char text[DEMANGLED_SIZE_MAX];
	double start = cpu_ns();
	uint64_t count = 0;

	for (uint32_t i = 0; i < view->header->row_count && count < DEMANGLED; i++) {
		const char *name = view->strings + view->rows[i].name;

		if (!demangle_is_mangled(name, view->rows[i].name_size))
			continue;
		demangle_name(name, view->rows[i].name_size, text);
		count++;
	}
	return count ? (cpu_ns() - start) / (double)count : 0;
}

static void measure_file(const char *path)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP(bytes_writer_free) struct bytes_writer table = { 0 };
	struct symbol_table_view view;
	double best_ns = 1e18;
	uint32_t rows;

	for (int i = 0; i < BUILDS; i++) {
		double start = cpu_ns();

		bytes_writer_free(&table);
		table = bytes_writer_with_max(WORKER_RESULT_SIZE_MAX);
		if (elf_symbols_job(fd, -1, bytes_reader_of("", 0), &table) ||
		    symbol_table_view_open(table.bytes, table.size, &view))
			return;
		if (cpu_ns() - start < best_ns)
			best_ns = cpu_ns() - start;
	}
	rows = view.header->row_count;
	if (!rows)
		return;
	printf("%-26s %8u %9.1f %9.0f %9zu %8.0f %9.1f %9.1f %9.0f\n", strrchr(path, '/') + 1, rows,
	       best_ns / 1e6, best_ns / rows, table.size >> 10, (double)table.size / rows,
	       measure_lookups(&view, rows < NEARBY ? rows : NEARBY), measure_lookups(&view, rows),
	       measure_demangling(&view));
}

static int run_nothing(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	bytes_write_u64(ret_result, 1);
	return 0;
}

static void count_job(int outcome, struct worker_result result, void *context)
{
	*(int *)context += outcome == 0;
	worker_result_free(&result);
}

static void measure_worker(struct loop *loop, struct worker *worker)
{
	CLEANUP(fd_close) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	double start = clock_ns(CLOCK_MONOTONIC);
	int done = 0;

	for (int i = 0; i < JOBS; i++) {
		worker_submit(worker, 0, fd, NULL, 0, count_job, &done);
		while (done <= i)
			loop_dispatch(loop, 1000);
	}
	printf("\nthe way to the worker and back, a job that does nothing: %.1f us, one at a "
	       "time\n",
	       (clock_ns(CLOCK_MONOTONIC) - start) / JOBS / 1e3);
}

int main(int argument_count, char **arguments)
{
	static const struct worker_job_type type = { .name = "nothing",
						     .time_limit_ms = 1000,
						     .run = run_nothing };
	static const char *const files[] = {
		"/lib/x86_64-linux-gnu/libc.so.6",
		"/usr/bin/python3.11",
		"/usr/bin/perl",
		"/usr/lib/gcc/x86_64-linux-gnu/12/cc1",
		"/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1",
		"/usr/bin/node",
	};
	CLEANUP(loop_free) struct loop *loop = NULL;
	CLEANUP(worker_free) struct worker *worker = NULL;
	struct rusage usage;

	if (loop_new(&loop) < 0 || worker_new(loop, &type, 1, &worker) < 0)
		return 1;
	printf("%-26s %8s %9s %9s %9s %8s %9s %9s %9s\n", "file", "rows", "build ms", "ns a row",
	       "KiB", "B a row", "find near", "find all", "demangle");
	for (int i = 1; i < argument_count; i++)
		measure_file(arguments[i]);
	for (size_t i = 0; i < ARRAY_SIZE(files) && argument_count < 2; i++)
		measure_file(files[i]);
	printf("find near: ns for addresses within %d rows, find all: within the whole table, in "
	       "random "
	       "order;\ndemangle: ns a name\n",
	       NEARBY);
	getrusage(RUSAGE_SELF, &usage);
	printf("memory at most while building: %ld MiB\n", usage.ru_maxrss >> 10);
	measure_worker(loop, worker);
	return 0;
}
