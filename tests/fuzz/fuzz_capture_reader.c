/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture of any bytes: opened, visited, summed up and shown, as `info` does. The checksums of its
 * chunks are made right first: with wrong ones nothing behind the first check would ever be reached.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crc32c.h"
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
	return 0;
}
