/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a large `perf script` text opens, and what it takes: a file of 1.2 million samples and some
 * 890 MB is made from a pattern (chains of callers from a tree that they share, leaves at many
 * addresses, as in a recording of a busy host) and opened as `view` opens it.
 *
 *	bench_import [SAMPLES]
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "convert/input.h"
#include "stream/capture_reader.h"
#include "stream/record_decoder.h"

enum {
	SAMPLES = 1200000,
	CPUS = 32,
	RATE_HZ = 99,
	FUNCTIONS = 8192,
	STACKS = 30000,
	DEPTH_LEAST = 4,
	DEPTH_SPREAD = 12,
	LEAF_ADDRESSES = 64, /* in one function */
	THREADS = 400,
	RUNS = 3,
};

static uint64_t state = 88172645463325252;

static uint32_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32);
}

/* Few are taken often, many now and then. */
static uint32_t skewed(uint32_t count)
{
	double uniform = (next_random() + 1.0) / 4294967296.0;

	return (uint32_t)(uniform * uniform * uniform * count);
}

struct stack {
	uint32_t depth;
	uint32_t leaf;
	char *callers; /* text of all lines but the first */
};

static struct stack stacks[STACKS];

static uint32_t hash_of(uint32_t a, uint32_t b)
{
	uint64_t mixed = (a * UINT64_C(0x9e3779b97f4a7c15)) ^ (b * UINT64_C(0xc2b2ae3d27d4eb4f));

	return (uint32_t)(mixed >> 29);
}

static int put_frame(char *text, size_t size, uint32_t function, uint32_t offset)
{
	static const char *const modules[] = {
		"/usr/lib/x86_64-linux-gnu/libc.so.6",
		"/usr/bin/server",
		"/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30",
		"[kernel.kallsyms]",
	};
	static const char *const words[] = { "request",	     "buffer_append",
					     "hash_find",    "io_submit",
					     "Parser::next", "std::vector<int>::push_back" };
	uint32_t module = function % 4;
	unsigned long long base = module == 3 ? 0xffffffff81000000ull : 0x7f3a10000000ull;

	return snprintf(text, size, "\t%16llx %s_%u+0x%x (%s)\n", base + function * 512ull + offset,
			words[function % 6], function, offset, modules[module]);
}

/* The deeper a caller, the fewer different ones there are: chains share their beginnings. */
static void make_stacks(void)
{
	for (uint32_t i = 0; i < STACKS; i++) {
		char text[64 * 160];
		size_t at = 0;

		stacks[i].depth = DEPTH_LEAST + next_random() % DEPTH_SPREAD;
		stacks[i].leaf = next_random() % FUNCTIONS;
		for (uint32_t j = 1; j < stacks[i].depth; j++) {
			uint32_t above = stacks[i].depth - j;
			uint32_t path = i % (3u << (above < 12 ? above : 12));

			at += (size_t)put_frame(text + at, sizeof(text) - at,
						hash_of(path, above) % FUNCTIONS,
						16 + hash_of(above, path) % 400);
		}
		stacks[i].callers = strdup(text);
	}
}

static uint64_t make_file(int fd, uint32_t sample_count)
{
	FILE *file = fdopen(dup(fd), "w");
	uint64_t time_us = UINT64_C(441995133575), size;

	if (!file)
		exit(1);
	setvbuf(file, NULL, _IOFBF, 1 << 20);
	make_stacks();
	for (uint32_t i = 0; i < sample_count; i++) {
		const struct stack *stack = &stacks[skewed(STACKS)];
		uint32_t thread = skewed(THREADS);
		char leaf[256];

		put_frame(leaf, sizeof(leaf), stack->leaf, next_random() % LEAF_ADDRESSES * 4);
		fprintf(file,
			"worker-%u %5u/%-5u [%03u] %" PRIu64 ".%06" PRIu64
			":   10101010 cpu-clock:pppH: \n%s%s\n",
			thread % 7, 1000 + thread / 8, 1000 + thread, i % CPUS, time_us / 1000000,
			time_us % 1000000, leaf, stack->callers);
		time_us += 1000000 / (RATE_HZ * CPUS) + (i % CPUS == 0);
	}
	fclose(file);
	size = (uint64_t)lseek(fd, 0, SEEK_END);
	lseek(fd, 0, SEEK_SET);
	return size;
}

static double clock_s(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t peak_rss(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_maxrss * 1024;
}

static void count_samples(void *context, const struct record_samples *samples)
{
	*(uint64_t *)context += samples->count;
}

static uint64_t samples_in(struct capture_reader *reader)
{
	static const struct record_visitor visitor = { .samples = count_samples };
	uint64_t count = 0;

	for (uint32_t i = 0; i < capture_reader_segment_count(reader); i++)
		capture_reader_visit(reader, i, &visitor, &count);
	return count;
}

static void open_once(int fd, uint64_t size, uint32_t sample_count)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	double cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID), wall = clock_s(CLOCK_MONOTONIC);
	uint64_t rss = peak_rss(), capture;

	lseek(fd, 0, SEEK_SET);
	if (input_open_fd(dup(fd), "bench", NULL, &reader))
		exit(1);
	cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = clock_s(CLOCK_MONOTONIC) - wall;
	rss = peak_rss() - rss;
	capture = capture_reader_size(reader);
	if (samples_in(reader) != sample_count)
		exit(1);
	printf("| %.2f | %.2f | %.0f | %.0f | %.1f | %.1f |\n", wall, cpu,
	       (double)size / 1e6 / wall, (double)size / 1e6 / cpu, (double)rss / sample_count,
	       (double)capture / sample_count);
}

int main(int argc, char **argv)
{
	uint32_t sample_count = argc > 1 ? (uint32_t)atoi(argv[1]) : SAMPLES;
	int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint64_t size;

	if (fd < 0)
		return 1;
	size = make_file(fd, sample_count);
	printf("perf script text, %u samples, %.0f MB; targets: 600 MB/s, 1.5 s, 60 bytes a "
	       "sample\n\n"
	       "| s | CPU s | MB/s | MB/s of CPU | peak RSS, bytes a sample | capture, bytes a "
	       "sample |\n| --- | --- | --- | --- | --- | --- |\n",
	       sample_count, (double)size / 1e6);
	for (int i = 0; i < RUNS; i++)
		open_once(fd, size, sample_count);
	return 0;
}
