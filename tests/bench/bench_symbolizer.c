/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one address and one process event cost, with this process as the subject: its own program,
 * libc, the kernel; and the memory of the tables.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "privileged/process_files.h"
#include "process/process_table.h"
#include "symbolize/symbolizer.h"
#include "worker/worker.h"

enum { LOOKUPS = 2000000, ADDRESSES = 256, PROCESSES = 20000, LIBRARIES = 20, TICK_MS = 100 };

static struct loop *loop;
static struct worker *worker, *debug_worker;
static struct process_files *files;
static struct process_table *table;
static struct symbolizer *symbolizer;

static double cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void require(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "bench_symbolizer: %s: %s\n", what, strerror(-result));
	exit(1);
}

/* Stands for the kernel, whose answers are remembered: how long it takes to remember is measured. */
static const char *name_in_kernel(void *context, uint64_t address)
{
	return "vfs_read";
}

static void start(void)
{
	struct symbolizer_options options = { .kernel_names = { name_in_kernel, NULL } };
	size_t count;
	const struct worker_job_type *types = symbolizer_job_types(&count);
	size_t debug_count;
	const struct worker_job_type *debug = symbolizer_debug_job_types(&debug_count);

	require(loop_new(&loop), "loop");
	require(worker_new(loop, types, count, &worker), "worker");
	require(worker_new(loop, debug, debug_count, &debug_worker), "worker");
	require(process_files_new(&files), "/proc");
	require(process_table_new(files, &table), "processes");
	options.worker = worker;
	options.debug_worker = debug_worker;
	options.processes = table;
	options.files = files;
	require(symbolizer_new(&options, &symbolizer), "symbolizer");
}

static void settle(void)
{
	struct late_name late;

	for (int idle = 0; idle < 3; idle++) {
		symbolizer_tick(symbolizer, monotonic_ns());
		for (; worker_pending(worker) || worker_pending(debug_worker); idle = 0)
			loop_dispatch(loop, TICK_MS);
		while (symbolizer_next_late_name(symbolizer, &late))
			;
	}
}

/* @first: of ADDRESSES addresses, @step apart. */
static void measure_user(const char *what, uint64_t first, uint64_t step)
{
	struct process *process = process_table_find(table, (uint32_t)getpid(), 0);
	struct frame_description frame;
	uint64_t named = 0;
	double begin;

	for (uint64_t i = 0; i < ADDRESSES; i++)
		symbolizer_user(symbolizer, process, first + i * step, true, &frame, 1);
	settle();
	begin = cpu_ns();
	for (uint64_t i = 0; i < LOOKUPS; i++) {
		symbolizer_user(symbolizer, process, first + i * 7 % ADDRESSES * step, true, &frame,
				1);
		named += frame.name != NULL;
	}
	printf("%-44s %8.1f ns  (%.0f%% named)\n", what, (cpu_ns() - begin) / LOOKUPS,
	       100.0 * (double)named / LOOKUPS);
}

static void measure_kernel(void)
{
	const uint64_t first = UINT64_C(0xffffffff81000000);
	struct frame_description frame;
	uint64_t named = 0;
	double begin;

	begin = cpu_ns();
	for (uint64_t i = 0; i < LOOKUPS; i++) {
		symbolizer_kernel(symbolizer, first + i * 7 % ADDRESSES * 4096, true, &frame, 1);
		named += frame.name != NULL;
	}
	printf("%-44s %8.1f ns  (%.0f%% named)\n", "kernel address", (cpu_ns() - begin) / LOOKUPS,
	       100.0 * (double)named / LOOKUPS);
}

static void measure_find(void)
{
	uint32_t pid = (uint32_t)getpid();
	double begin = cpu_ns();

	for (uint64_t i = 0; i < LOOKUPS; i++)
		process_table_find(table, pid, 0);
	printf("%-44s %8.1f ns\n", "process of a sample", (cpu_ns() - begin) / LOOKUPS);
}

/* Fork, exec, the program and its libraries mapped, exit: known files, as in a loop of compiles. */
static void measure_events(void)
{
	const uint32_t parent = 4000000;
	uint64_t time_ns = 100;
	double begin;

	process_table_exec(table, parent, "make", time_ns);
	begin = cpu_ns();
	for (uint32_t i = 1; i <= PROCESSES; i++) {
		process_table_fork(table, parent, parent + i, ++time_ns);
		process_table_exec(table, parent + i, "cc1", ++time_ns);
		for (uint64_t library = 0; library < LIBRARIES; library++) {
			const struct process_mmap event = {
				.time_ns = ++time_ns,
				.pid = parent + i,
				.tid = parent + i,
				.address = (library + 1) << 24,
				.length = 1 << 20,
				.identity = { .inode = library + 1, .device_major = 250 },
				.path = "/usr/lib/library.so",
				.executable = true,
			};

			process_table_mmap(table, &event);
		}
		process_table_exit(table, parent + i, parent + i, ++time_ns);
	}
	printf("%-44s %8.1f ns\n", "a process's events (20 libraries), each",
	       (cpu_ns() - begin) / PROCESSES);
}

int main(void)
{
	const struct symbolizer_counters *counters;

	start();
	settle();
	measure_find();
	measure_user("address in a program", (uint64_t)(uintptr_t)measure_user, 16);
	measure_user("address in libc", (uint64_t)(uintptr_t)strerror, 64);
	measure_user("address that nothing maps", 0x1000, 16);
	measure_kernel();
	measure_events();
	counters = symbolizer_counters(symbolizer);
	printf("%-44s %8" PRIu64 " KiB\n", "tables of two files and the kernel",
	       counters->tables_bytes >> 10);
	worker_free(worker);
	symbolizer_free(symbolizer);
	process_table_free(table);
	process_files_free(files);
	loop_free(loop);
	return 0;
}
