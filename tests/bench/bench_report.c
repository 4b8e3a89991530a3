/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a capture of 1.2 million samples costs once it is on a disk: to load it, to report any range of it,
 * to write it in each format; and the size of the page that holds a minute of 2 CPUs.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "convert/call_tree.h"
#include "convert/formats.h"
#include "convert/merged_profile.h"
#include "convert/output.h"
#include "convert/report.h"
#include "synthetic_feed.h"

enum { RANGES = 40 };

static struct merged_profile *load(struct capture_reader *reader)
{
	struct merged_profile_options options = { .name = "bench" };
	struct merged_profile *profile;

	if (merged_profile_load(reader, &options, &profile) < 0)
		fail("the capture is not loaded");
	return profile;
}

static size_t memory_of(const struct merged_profile *profile)
{
	return string_table_memory(&profile->strings) + row_table_memory(&profile->modules) +
	       row_table_memory(&profile->functions) + row_table_memory(&profile->frames) +
	       row_table_memory(&profile->stacks) + row_table_memory(&profile->threads) +
	       row_table_memory(&profile->labels) + row_table_memory(&profile->calls) +
	       profile->stacks.row_count * sizeof(*profile->call_of_stack) +
	       profile->sample_capacity * sizeof(*profile->samples);
}

/* The slowest of many ranges, short and long. */
static void bench_ranges(const struct merged_profile *profile)
{
	int64_t span_us = profile->to_us - profile->from_us;
	struct call_tree *tree;

	if (call_tree_new(profile, &tree))
		fail("no memory");
	for (unsigned int by = 0; by < REPORT_BY_COUNT; by++) {
		double worst_s = 0;

		for (int i = 0; i < RANGES; i++) {
			int64_t from_us = profile->from_us + span_us * i / RANGES / 2;
			int64_t to_us = from_us + span_us * (RANGES - i) / RANGES;
			struct report report;
			double begin = cpu_s();

			if (report_make(tree, by, from_us, to_us, &report))
				fail("no memory");
			worst_s = cpu_s() - begin > worst_s ? cpu_s() - begin : worst_s;
			report_close(&report);
		}
		printf("any range by %-28s %8.1f ms (target 50)\n", report_by_names[by],
		       worst_s * 1e3);
	}
	call_tree_free(tree);
}

static uint64_t write_format(struct merged_profile *profile, const struct format *format)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);
	struct output *output;
	uint64_t size;

	if (fd < 0 || output_new(fd, &output) || format->write(profile, "bench", output) ||
	    output_finish(output))
		fail("the format is not written");
	size = output_size(output);
	output_free(output);
	close(fd);
	return size;
}

static void bench_formats(struct merged_profile *profile)
{
	for (size_t i = 0; i < format_count; i++) {
		double begin = cpu_s();
		uint64_t size = write_format(profile, &formats[i]);

		printf("written as %-30s %8.2f s, %.1f MiB\n", formats[i].name, cpu_s() - begin,
		       (double)size / 1048576);
	}
}

static void bench_page(const char *name, const struct synthetic_options *options)
{
	struct capture_reader *reader =
		feed_capture(options, 60 * options->cpu_count * options->frequency_hz);
	struct merged_profile *profile = load(reader);

	printf("%-41s %8.1f kB (target 450)\n", name,
	       (double)write_format(profile, format_by_name("html")) / 1e3);
	merged_profile_free(profile);
	capture_reader_free(reader);
}

int main(void)
{
	struct capture_reader *reader = feed_capture(&busy_host, 1200000);
	double begin = cpu_s();
	struct merged_profile *profile = load(reader);

	printf("capture of 1.2 million samples, loaded    %8.2f s, %u stacks, %.1f bytes a "
	       "sample\n",
	       cpu_s() - begin, profile->stacks.row_count,
	       (double)memory_of(profile) / (double)profile->sample_count);
	bench_ranges(profile);
	bench_page("page of a minute, 2 CPUs of compilers", &varied);
	bench_formats(profile);
	merged_profile_free(profile);
	capture_reader_free(reader);
	return 0;
}
