/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the fuzzers of importers: the first byte says how many bytes are read at a time, the rest is the
 * file. What is accepted must become a capture that reads back whole.
 */
#ifndef FLICKERSCOPE_IMPORT_FUZZ_H
#define FLICKERSCOPE_IMPORT_FUZZ_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "convert/foreign_capture.h"
#include "convert/foreign_profile.h"
#include "convert/input_bytes.h"
#include "stream/capture_reader.h"
#include "stream/record_decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { FUZZ_SAMPLES_MAX = 4096 }; /* more are not worth the time */

static inline void fuzz_count(void *context, const struct record_samples *samples)
{
	*(uint64_t *)context += samples->count;
}

static inline void fuzz_read_back(int fd, uint64_t expected)
{
	static const struct record_visitor visitor = { .samples = fuzz_count };
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	uint64_t count = 0;

	if (capture_reader_open_fd(fd, "fuzz", true, &reader))
		abort();
	for (uint32_t i = 0; i < capture_reader_segment_count(reader); i++)
		if (capture_reader_visit(reader, i, &visitor, &count))
			abort();
	if (count != expected)
		abort();
}

static inline int fuzz_import(const uint8_t *bytes, size_t size,
			      int (*import)(struct input_bytes *input,
					    struct foreign_profile *profile))
{
	CLEANUP(foreign_profile_free) struct foreign_profile *profile = NULL;
	CLEANUP(input_bytes_free) struct input_bytes *input = NULL;
	const struct foreign_sample *samples;
	uint64_t expected = 0;
	int fd;

	if (!size || foreign_profile_new(&profile) ||
	    input_bytes_of(bytes + 1, size - 1, 1 + 16 * (size_t)bytes[0], true, &input) ||
	    import(input, profile) || !profile->event_count)
		return 0;
	samples = (const struct foreign_sample *)profile->samples.bytes;
	for (uint32_t i = 0; i < foreign_profile_sample_count(profile); i++)
		if (strcmp(profile->events[samples[i].event].name, profile->events[0].name) == 0)
			expected += samples[i].count;
	if (expected > FUZZ_SAMPLES_MAX)
		return 0;
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0)
		abort();
	if (foreign_capture_write(profile, profile->events[0].name, fd))
		abort();
	fuzz_read_back(fd, expected);
	return 0;
}

#endif
