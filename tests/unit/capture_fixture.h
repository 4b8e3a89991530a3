/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of captures: a file made of a fixture's chunks, in a folder of its own.
 */
#ifndef FLICKERSCOPE_CAPTURE_FIXTURE_H
#define FLICKERSCOPE_CAPTURE_FIXTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "stream/capture_reader.h"
#include "stream/capture_writer.h"
#include "stream_fixture.h"

enum { CAPTURE_WAIT_MS = 20000 };

struct capture_fixture {
	struct stream_fixture stream;
	char folder[64];
	char path[96];
	uint8_t *bytes; /* of the file, once read */
	size_t size;
};

static const char *const fixture_stack[] = { "main", "run", "work", NULL };
static const char *const fixture_other_stack[] = { "main", "run", "wait", NULL };

static inline void capture_fixture_init(struct capture_fixture *capture)
{
	memset(capture, 0, sizeof(*capture));
	snprintf(capture->folder, sizeof(capture->folder), "/tmp/flickerscope-test-XXXXXX");
	if (!mkdtemp(capture->folder))
		check_give_up();
	snprintf(capture->path, sizeof(capture->path), "%s/capture", capture->folder);
	fixture_init(&capture->stream);
}

static inline void capture_fixture_free(struct capture_fixture *capture)
{
	fixture_free(&capture->stream);
	unlink(capture->path);
	rmdir(capture->folder);
	free(capture->bytes);
}

static inline void cleanup_capture_fixture_free(struct capture_fixture *capture)
{
	capture_fixture_free(capture);
}

/* @segments of @seconds each, a flush a second, @per_second samples in each. */
static inline void capture_fixture_fill(struct capture_fixture *capture, uint32_t segments,
					uint32_t seconds, uint32_t per_second)
{
	uint64_t second = 0, now_ns;

	for (uint32_t segment = 0; segment < segments; segment++) {
		if (segment)
			fixture_open_segment(&capture->stream, second);
		for (uint32_t i = 0; i < seconds; i++, second++) {
			now_ns = FIXTURE_START_NS + second * 1000000000;
			for (uint32_t j = 0; j < per_second; j++)
				fixture_sample(&capture->stream, now_ns + j * 1000000, j % 2, "sh",
					       j % 3 ? fixture_stack : fixture_other_stack);
			if (i == seconds / 2 &&
			    record_encoder_add_late_name(capture->stream.encoder, second + 1, 0x11,
							 "late::name"))
				check_give_up();
			now_ns += 1000000000;
			if (i + 1 < seconds)
				fixture_flush(&capture->stream, now_ns);
			else
				fixture_close(&capture->stream, now_ns);
		}
	}
}

static inline struct capture_writer *capture_fixture_writer(struct capture_fixture *capture,
							    bool force)
{
	struct capture_writer_options options = {
		.path = capture->path,
		.fd = -1,
		.force = force,
		.instance_id = 0x1122334455667788,
	};
	struct capture_writer *writer;

	if (capture_writer_open(&options, &writer))
		check_give_up();
	return writer;
}

static inline void capture_fixture_read(struct capture_fixture *capture)
{
	struct stat status;
	int fd = open(capture->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) < 0)
		check_give_up();
	free(capture->bytes);
	capture->size = (size_t)status.st_size;
	capture->bytes = malloc(capture->size + 1);
	if (read(fd, capture->bytes, capture->size) != (ssize_t)capture->size)
		check_give_up();
	close(fd);
}

/* All chunks, in order, closed in order; the file's bytes are read back. */
static inline void capture_fixture_write(struct capture_fixture *capture)
{
	struct capture_writer *writer = capture_fixture_writer(capture, true);

	for (uint32_t i = 0; i < capture->stream.chunk_count; i++)
		capture_writer_add(writer, capture->stream.chunks[i]);
	if (capture_writer_finish_wait(writer, CAPTURE_WAIT_MS) < 0 ||
	    capture_writer_status(writer).lost_bytes)
		check_give_up();
	capture_writer_free(writer);
	capture_fixture_read(capture);
}

/* A file of @bytes, opened; removed at once. Returns what opening said. */
static inline int capture_open_bytes(const void *bytes, size_t size,
				     struct capture_reader **ret_reader)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		check_give_up();
	return capture_reader_open_fd(fd, "capture", true, ret_reader);
}

struct capture_totals {
	uint64_t samples;
	uint64_t ticks;
	uint32_t segments;
	uint32_t damaged;
	uint32_t gaps;
	struct record_gap last_gap;
	uint32_t last_segment;
};

static inline void total_segment(void *context, const struct wire_segment_head *head)
{
	struct capture_totals *totals = context;

	totals->segments++;
	totals->last_segment = head->segment;
}

static inline void total_samples(void *context, const struct record_samples *samples)
{
	((struct capture_totals *)context)->samples += samples->count;
}

static inline void total_tick(void *context, int64_t time_us)
{
	((struct capture_totals *)context)->ticks++;
}

static inline void total_gap(void *context, const struct record_gap *gap)
{
	struct capture_totals *totals = context;

	totals->gaps++;
	totals->last_gap = *gap;
}

static const struct record_visitor totals_visitor = {
	.segment = total_segment,
	.samples = total_samples,
	.tick = total_tick,
	.gap = total_gap,
};

static inline struct capture_totals capture_read_totals(struct capture_reader *reader)
{
	struct capture_totals totals = { 0 };

	for (uint32_t i = 0; i < capture_reader_segment_count(reader); i++) {
		int r = capture_reader_visit(reader, i, &totals_visitor, &totals);

		if (r < 0)
			check_give_up();
		totals.damaged += r == CAPTURE_DAMAGED;
	}
	return totals;
}

#endif
