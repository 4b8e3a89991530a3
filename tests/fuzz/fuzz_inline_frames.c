/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ways, by the first byte: an ELF file with debug information of any bytes gives a table that its
 * reader accepts, or an outcome; and a finished table, as a worker that was taken over may send
 * one, can be asked about any address.
 */
#include <stdlib.h>
#include <string.h>

#include "elf/executable_file.h"
#include "elf/inline_frames.h"
#include "elf/source_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { ADDRESS_COUNT = 64, ADDRESS_STEP = 16, TEXT_OFFSET = 0x1000 };

static volatile unsigned int sink;

static void look_up(const struct source_table_view *view)
{
	struct source_frame frames[SOURCE_FRAMES_MAX];

	for (uint32_t i = 0; i < view->header->range_count; i++) {
		const struct source_table_range *range = &view->ranges[i];
		const uint64_t addresses[] = { range->start,
					       range->start + (range->end - range->start) / 2,
					       range->end - 1 };

		for (size_t k = 0; k < ARRAY_SIZE(addresses); k++) {
			unsigned int count = source_table_frames(view, range, addresses[k], frames);

			for (unsigned int f = 0; f < count; f++)
				sink += (frames[f].name_size ? (unsigned char)frames[f].name[0]
							     : 0) +
					(frames[f].file_size ? (unsigned char)frames[f].file[0]
							     : 0);
		}
	}
}

static void read_file(const uint8_t *bytes, size_t size)
{
	CLEANUP(bytes_writer_free) struct bytes_writer table = bytes_writer_with_max(64 << 20);
	uint64_t addresses[ADDRESS_COUNT];
	struct source_table_view view;

	for (size_t i = 0; i < ADDRESS_COUNT; i++)
		addresses[i] = TEXT_OFFSET + i * ADDRESS_STEP;
	if (inline_frames_table(bytes, size, bytes_reader_of(addresses, sizeof(addresses)), &table))
		return;
	if (source_table_view_open(table.bytes, table.size, &view) < 0)
		abort();
	look_up(&view);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct source_table_view view;
	uint8_t *aligned;

	if (!size)
		return 0;
	/* Sections' bytes count as aligned by their address. */
	aligned = malloc(size);
	memcpy(aligned, bytes + 1, size - 1);
	if (bytes[0] % 2)
		read_file(aligned, size - 1);
	else if (source_table_view_open(aligned, size - 1, &view) == 0)
		look_up(&view);
	free(aligned);
	return 0;
}
