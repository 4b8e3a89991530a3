/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What unwind tables cost: megabytes of call frame information read a second, size of the table for
 * each mebibyte of code, one lookup.
 *
 *	bench_unwind_table [FILE...]
 *	bench_unwind_table --compare FILE...	compare every row with libdw instead
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "elf/elf_unwind.h"
#include "elf/executable_file.h"
#include "elf/unwind_table.h"
#include "unwind_judge.h"

enum { BUILDS = 5, LOOKUPS = 2000000 };

#define TABLE_SIZE_MAX ((size_t)256 << 20)

static double cpu_s(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

struct sizes {
	size_t frame_information;
	size_t text; /* all code, described or not */
};

static struct sizes measure_sizes(int fd)
{
	CLEANUP(executable_file_free) struct executable_file *file = NULL;
	const Elf64_Shdr *sections;
	struct sizes sizes = { 0 };
	size_t count;

	if (executable_file_open(fd, &file))
		return sizes;
	sections = executable_file_sections(file, &count);
	for (size_t i = 0; i < count; i++) {
		const char *name = executable_file_section_name(file, &sections[i]);

		if (sections[i].sh_flags & SHF_EXECINSTR)
			sizes.text += sections[i].sh_size;
		if (strcmp(name, ".eh_frame") == 0 || strcmp(name, ".debug_frame") == 0)
			sizes.frame_information += sections[i].sh_size;
	}
	return sizes;
}

/* In the last page first, and so on: every lookup is in another one. */
static double measure_lookups(const struct unwind_table_view *view)
{
	uint64_t state = 88172645463325252, sum = 0;
	uint64_t pages = view->header->page_count;
	double start = cpu_s();

	for (int i = 0; i < LOOKUPS; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		sum += unwind_table_find(view, (view->header->first_page << UNWIND_PAGE_BITS) +
						       state % (pages << UNWIND_PAGE_BITS))
			       ->kinds;
	}
	if (!sum)
		exit(1);
	return (cpu_s() - start) / LOOKUPS * 1e9;
}

static void measure_file(const char *path, double *total_mb, double *total_s)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP(bytes_writer_free) struct bytes_writer table = { 0 };
	struct sizes sizes = measure_sizes(fd);
	struct unwind_table_view view;
	double best_s = 1e9, mb = (double)sizes.frame_information / 1e6;

	for (int i = 0; i < BUILDS; i++) {
		double start = cpu_s();

		bytes_writer_free(&table);
		table = bytes_writer_with_max(TABLE_SIZE_MAX);
		if (unwind_table_job(fd, -1, bytes_reader_of("", 0), &table))
			return;
		if (cpu_s() - start < best_s)
			best_s = cpu_s() - start;
	}
	if (unwind_table_view_open(table.bytes, table.size, &view))
		exit(1);
	if (!view.header->page_count)
		return;
	*total_mb += mb;
	*total_s += best_s;
	printf("%-26s %7.2f %7.2f %8.1f %8u %8u %8zu %9.1f %8.1f%% %8.1f\n",
	       strrchr(path, '/') ? strrchr(path, '/') + 1 : path, mb, best_s * 1e3, mb / best_s,
	       view.header->function_count, view.header->row_count, table.size >> 10,
	       (double)table.size / 1024 / ((double)sizes.text / 1048576),
	       100.0 * (double)view.header->covered_size / (double)sizes.text,
	       measure_lookups(&view));
}

static int compare_files(char **paths, int count)
{
	struct unwind_judgement sum = { 0 };
	int files = 0;

	for (int i = 0; i < count; i++) {
		struct unwind_judgement judgement = { 0 };

		if (!unwind_judge_file(paths[i], &judgement))
			continue;
		files++;
		if (judgement.differing_count || judgement.missing_count || judgement.refused_count)
			printf("%s: %" PRIu64 " rows differ, %" PRIu64
			       " functions are missing, %" PRIu64 " stretches libdw refuses\n",
			       paths[i], judgement.differing_count, judgement.missing_count,
			       judgement.refused_count);
		unwind_judgement_add(&sum, &judgement);
	}
	printf("%d files, %" PRIu64 " functions, %" PRIu64 " rows: %" PRIu64 " agree, %" PRIu64
	       " differ, %" PRIu64 " unsupported, %" PRIu64 " functions missing, %" PRIu64
	       " not judged, %" PRIu64 " stretches refused by libdw\n",
	       files, sum.function_count, sum.row_count, sum.agreeing_count, sum.differing_count,
	       sum.unsupported_count, sum.missing_count, sum.not_judged_count, sum.refused_count);
	return sum.differing_count || sum.missing_count;
}

int main(int argument_count, char **arguments)
{
	static const char *const files[] = {
		"/lib/x86_64-linux-gnu/libc.so.6",
		"/usr/bin/python3.11",
		"/usr/bin/perl",
		"/usr/lib/gcc/x86_64-linux-gnu/12/cc1",
		"/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1",
		"/usr/bin/node",
	};
	double total_mb = 0, total_s = 0;
	struct rusage usage;

	if (argument_count > 2 && strcmp(arguments[1], "--compare") == 0)
		return compare_files(arguments + 2, argument_count - 2);
	printf("%-26s %7s %7s %8s %8s %8s %8s %9s %9s %8s\n", "file", "CFI MB", "ms", "MB/s",
	       "functions", "rows", "KiB", "KiB/MiB", "described", "find ns");
	for (int i = 1; i < argument_count; i++)
		measure_file(arguments[i], &total_mb, &total_s);
	for (size_t i = 0; i < ARRAY_SIZE(files) && argument_count < 2; i++)
		measure_file(files[i], &total_mb, &total_s);
	getrusage(RUSAGE_SELF, &usage);
	printf("all: %.0f MB of call frame information a second (target 190); memory at most %ld "
	       "MiB\n",
	       total_mb / total_s, usage.ru_maxrss >> 10);
	printf("KiB/MiB: table for each MiB of code (target 100); find: at random in the whole "
	       "file\n");
	return 0;
}
