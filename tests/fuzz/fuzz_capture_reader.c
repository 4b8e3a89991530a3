/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture of any bytes: opened, visited, summed up and shown, as `info` does; loaded, reported and
 * written in every format, as `report` and `convert` do. The checksums of its chunks are made right
 * first: with wrong ones nothing behind the first check would ever be reached.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "convert/call_tree.h"
#include "convert/formats.h"
#include "convert/merged_profile.h"
#include "convert/output.h"
#include "convert/report.h"
#include "profile/chunk.h"
#include "profile/sample_window.h"
#include "stream/capture_reader.h"
#include "stream/capture_summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void fix_checksums(uint8_t *bytes, size_t size)
{
	const uint32_t magic = WIRE_CHUNK_MAGIC;
	struct wire_chunk_header header;
	uint8_t *at = bytes;

	while ((at = memmem(at, size - (size_t)(at - bytes), &magic, sizeof(magic)))) {
		size_t left = size - (size_t)(at - bytes);

		if (left < sizeof(header))
			return;
		memcpy(&header, at, sizeof(header));
		header.crc32c = 0;
		memcpy(at, &header, sizeof(header));
		if (header.stored_size <= left - sizeof(header)) {
			header.crc32c = crc32c(0, at, sizeof(header) + header.stored_size);
			memcpy(at, &header, sizeof(header));
			at += sizeof(header) + header.stored_size;
		} else {
			at++;
		}
	}
}

static int add_to_window(struct chunk *chunk, void *context)
{
	return sample_window_add(context, chunk);
}

static void read_capture(struct capture_reader *reader, struct sample_window *window, FILE *nowhere)
{
	struct capture_summary summary;

	if (capture_summary_read(reader, &summary) < 0)
		return;
	capture_summary_print(nowhere, "capture", &summary);
	capture_summary_print_json(nowhere, "capture", &summary);
	for (uint32_t i = 0; i < capture_reader_segment_count(reader); i++)
		if (capture_reader_chunks(reader, i, add_to_window, window) < 0)
			return;
}

static void write_reports(const struct merged_profile *profile, struct output *output)
{
	CLEANUP(call_tree_free) struct call_tree *tree = NULL;
	const struct report_view view = { .title = "capture" };

	if (call_tree_new(profile, &tree))
		return;
	for (unsigned int by = 0; by < REPORT_BY_COUNT; by++) {
		struct report report = { 0 };

		if (!report_make(tree, by, INT64_MIN, INT64_MAX, &report)) {
			report_print(&report, &view, output);
			report_print_json(&report, 0, output);
		}
		report_close(&report);
	}
}

static void convert(struct capture_reader *reader, int nowhere)
{
	const struct merged_profile_options options = { .name = "capture" };
	CLEANUP(merged_profile_free) struct merged_profile *profile = NULL;
	CLEANUP(output_free) struct output *output = NULL;

	if (merged_profile_load(reader, &options, &profile) < 0 || output_new(nowhere, &output) < 0)
		return;
	write_reports(profile, output);
	/* html is the page around what flicker writes, and slow. */
	for (size_t i = 0; i < format_count; i++)
		if (strcmp(formats[i].name, "html") != 0)
			formats[i].write(profile, "capture", output);
	output_finish(output);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct sample_window_options options = { .bytes_max = 1 << 20 };
	static FILE *nowhere;
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	uint8_t *copy = malloc(size + 1);
	int fd = memfd_create("capture", MFD_CLOEXEC);

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	if (!copy || fd < 0 || !nowhere)
		abort();
	memcpy(copy, bytes, size);
	fix_checksums(copy, size);
	if (write(fd, copy, size) != (ssize_t)size)
		abort();
	free(copy);
	if (capture_reader_open_fd(fd, "capture", true, &reader))
		return 0;
	if (sample_window_new(&options, &window) < 0)
		abort();
	read_capture(reader, window, nowhere);
	convert(reader, fileno(nowhere));
	return 0;
}
