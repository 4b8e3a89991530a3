/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/sample_window.h"

#include "profile/chunk.h"
#include "wire.h"

#include "check.h"

static const struct sample_window_options unbounded = { .bytes_max = UINT64_C(1) << 40 };

/* A chunk whose bytes say where they stand; the caller's reference goes to the window. */
static int add(struct sample_window *window, uint32_t segment, uint32_t sequence, uint32_t size,
	       bool last, uint64_t end_us)
{
	CLEANUP(chunk_unref) struct chunk *chunk = chunk_new(size, 0);

	if (!chunk)
		check_give_up();
	chunk->segment = segment;
	chunk->sequence = sequence;
	chunk->flags = last ? WIRE_CHUNK_LAST : 0;
	chunk->end_us = end_us;
	chunk->start_us = end_us - 10;
	chunk->sample_count = 3;
	memset(chunk->bytes, (int)(segment * 16 + sequence), size);
	return sample_window_add(window, chunk);
}

static void empty_window_has_nothing(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	struct sample_window_segment segment;
	const uint8_t *bytes;

	CHECK_EQ(sample_window_new(&unbounded, &window), 0);
	CHECK_EQ(sample_window_oldest(window), 0);
	CHECK_EQ(sample_window_newest(window), 0);
	CHECK_EQ(sample_window_open(window), 0);
	CHECK_EQ(sample_window_before(window, 5), 0);
	CHECK_EQ(sample_window_after(window, 0), 0);
	CHECK(!sample_window_segment(window, 1, &segment));
	CHECK_EQ(sample_window_read(window, 1, 0, &bytes), 0);
}

/* Every position gives the bytes up to the end of its chunk. */
static void bytes_are_read_at_any_position(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	const uint8_t *bytes;

	CHECK_EQ(sample_window_new(&unbounded, &window), 0);
	CHECK_EQ(add(window, 1, 0, 100, false, 1000), 0);
	CHECK_EQ(add(window, 1, 1, 50, false, 2000), 0);
	CHECK_EQ(add(window, 1, 2, 7, true, 3000), 0);
	for (uint32_t offset = 0; offset < 157; offset++) {
		uint32_t end = offset < 100 ? 100 : offset < 150 ? 150 : 157;

		CHECK_EQ(sample_window_read(window, 1, offset, &bytes), end - offset);
		CHECK_EQ(bytes[0], 16 + (offset >= 100) + (offset >= 150));
		CHECK_EQ(bytes[end - offset - 1], bytes[0]);
	}
	CHECK_EQ(sample_window_read(window, 1, 157, &bytes), 0);
	CHECK_EQ(sample_window_read(window, 1, UINT32_MAX, &bytes), 0);
	CHECK_EQ(sample_window_read(window, 2, 0, &bytes), 0);
}

/* A segment is open until its last chunk, or until the next one begins. */
static void segments_open_and_close(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	struct sample_window_segment segment;

	CHECK_EQ(sample_window_new(&unbounded, &window), 0);
	CHECK_EQ(add(window, 4, 0, 10, false, 1000), 0);
	CHECK_EQ(sample_window_open(window), 4);
	CHECK_EQ(add(window, 4, 1, 10, true, 2000), 0);
	CHECK_EQ(sample_window_open(window), 0);
	CHECK_EQ(add(window, 5, 0, 10, false, 3000), 0);
	CHECK_EQ(add(window, 6, 0, 10, false, 4000), 0);
	CHECK_EQ(sample_window_open(window), 6);
	CHECK(sample_window_segment(window, 4, &segment));
	CHECK_EQ(segment.size, 20);
	CHECK_EQ(segment.start_us, 990);
	CHECK_EQ(segment.end_us, 2000);
	CHECK_EQ(segment.sample_count, 6);
	CHECK(segment.closed);
	CHECK(sample_window_segment(window, 5, &segment));
	CHECK(segment.closed);
}

/* Neighbours are found across holes in the numbers. */
static void neighbours_are_found_across_holes(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	const uint32_t numbers[] = { 3, 4, 9, 20 };

	CHECK_EQ(sample_window_new(&unbounded, &window), 0);
	for (uint32_t i = 0; i < 4; i++)
		CHECK_EQ(add(window, numbers[i], 0, 10, true, i * 1000), 0);
	CHECK_EQ(sample_window_oldest(window), 3);
	CHECK_EQ(sample_window_newest(window), 20);
	CHECK_EQ(sample_window_before(window, 20), 9);
	CHECK_EQ(sample_window_before(window, 9), 4);
	CHECK_EQ(sample_window_before(window, 3), 0);
	CHECK_EQ(sample_window_before(window, UINT32_MAX), 20);
	CHECK_EQ(sample_window_after(window, 0), 3);
	CHECK_EQ(sample_window_after(window, 4), 9);
	CHECK_EQ(sample_window_after(window, 10), 20);
	CHECK_EQ(sample_window_after(window, 20), 0);
	CHECK_EQ(sample_window_after(window, UINT32_MAX), 0);
}

/* However much is added, memory stays below the limit, and the newest segments are there. */
static void memory_is_bounded(void)
{
	const struct sample_window_options options = { .bytes_max = 8000000 };
	CLEANUP(sample_window_free) struct sample_window *window = NULL;

	CHECK_EQ(sample_window_new(&options, &window), 0);
	for (uint32_t number = 1; number <= 300; number++) {
		for (uint32_t i = 0; i < 10; i++)
			CHECK_EQ(add(window, number, i, 20000, i == 9, number * 1000 + i), 0);
		CHECK(sample_window_bytes(window) <= options.bytes_max);
	}
	CHECK_EQ(sample_window_newest(window), 300);
	CHECK(sample_window_oldest(window) > 250);
	CHECK(sample_window_oldest(window) < 270);
	CHECK_EQ(sample_window_evicted_segments(window), sample_window_oldest(window) - 1);
}

/* Segments leave when all they hold is older than the window. */
static void old_segments_leave(void)
{
	const struct sample_window_options options = { .span_us = 10000000,
						       .bytes_max = UINT64_C(1) << 40 };
	CLEANUP(sample_window_free) struct sample_window *window = NULL;

	CHECK_EQ(sample_window_new(&options, &window), 0);
	for (uint32_t number = 1; number <= 100; number++)
		CHECK_EQ(add(window, number, 0, 100, true, (uint64_t)number * 1000000), 0);
	CHECK_EQ(sample_window_oldest(window), 90);
}

/* The number of segments is bounded too, so that a page can name what it has. */
static void number_of_segments_is_bounded(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	const uint8_t *bytes;

	CHECK_EQ(sample_window_new(&unbounded, &window), 0);
	for (uint32_t number = 1; number <= SAMPLE_WINDOW_SEGMENTS_MAX + 10; number++)
		CHECK_EQ(add(window, number, 0, 10, true, number), 0);
	CHECK_EQ(sample_window_oldest(window), 11);
	CHECK_EQ(sample_window_read(window, 11, 0, &bytes), 10);
	CHECK_EQ(sample_window_read(window, SAMPLE_WINDOW_SEGMENTS_MAX + 10, 0, &bytes), 10);
}

/* The open segment stays, even when it alone is larger than the window. */
static void open_segment_stays(void)
{
	const struct sample_window_options options = { .span_us = 1, .bytes_max = 1 };
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	struct sample_window_segment segment;

	CHECK_EQ(sample_window_new(&options, &window), 0);
	for (uint32_t i = 0; i < 100; i++)
		CHECK_EQ(add(window, 1, i, 66000, false, i * 1000000), 0);
	CHECK(sample_window_segment(window, 1, &segment));
	CHECK_EQ(segment.size, 6600000);
	CHECK_EQ(add(window, 2, 0, 100, false, 101000000), 0);
	CHECK_EQ(sample_window_oldest(window), 2);
}

/* What cannot be inflated without a chunk that is missing is refused, and counted. */
static void chunk_after_a_hole_is_refused(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	struct sample_window_segment segment;

	CHECK_EQ(sample_window_new(&unbounded, &window), 0);
	CHECK_EQ(add(window, 1, 0, 10, false, 1000), 0);
	CHECK_EQ(add(window, 1, 2, 20, false, 2000), SAMPLE_WINDOW_CUT);
	CHECK_EQ(add(window, 7, 1, 40, false, 3000), SAMPLE_WINDOW_CUT);
	CHECK_EQ(add(window, 1, 0, 80, false, 3000), SAMPLE_WINDOW_CUT);
	CHECK_EQ(sample_window_lost_bytes(window), 140);
	CHECK(sample_window_segment(window, 1, &segment));
	CHECK_EQ(segment.size, 10);
	CHECK_EQ(sample_window_newest(window), 1);
}

/* A window that is sealed has no open segment, and takes nothing more of it. */
static void sealed_window_is_closed(void)
{
	CLEANUP(sample_window_free) struct sample_window *window = NULL;

	CHECK_EQ(sample_window_new(&unbounded, &window), 0);
	sample_window_seal(window);
	CHECK_EQ(add(window, 1, 0, 10, false, 1000), 0);
	CHECK_EQ(sample_window_open(window), 1);
	sample_window_seal(window);
	CHECK_EQ(sample_window_open(window), 0);
	CHECK_EQ(add(window, 1, 1, 10, false, 2000), SAMPLE_WINDOW_CUT);
	CHECK_EQ(sample_window_lost_bytes(window), 10);
}

struct dumped {
	uint32_t count;
	uint32_t first_segment;
	struct chunk *kept;
};

static void dump(struct chunk *chunk, void *context)
{
	struct dumped *dumped = context;

	if (!dumped->count++) {
		dumped->first_segment = chunk->segment;
		dumped->kept = chunk_ref(chunk);
	}
}

/* A dump takes the segments that reach into its range, and may keep them after they have left. */
static void dump_keeps_chunks_that_leave(void)
{
	const struct sample_window_options options = { .span_us = 10000, .bytes_max = 1 << 30 };
	CLEANUP(sample_window_free) struct sample_window *window = NULL;
	struct dumped dumped = { 0 };

	CHECK_EQ(sample_window_new(&options, &window), 0);
	for (uint32_t number = 1; number <= 5; number++)
		for (uint32_t i = 0; i < 2; i++)
			CHECK_EQ(add(window, number, i, 100, i == 1, number * 1000 + i), 0);
	sample_window_each_chunk(window, 2500, dump, &dumped);
	CHECK_EQ(dumped.count, 6);
	CHECK_EQ(dumped.first_segment, 3);
	CHECK_EQ(add(window, 6, 0, 100, true, 1000000), 0);
	CHECK_EQ(sample_window_oldest(window), 6);
	CHECK_EQ(dumped.kept->bytes[99], 3 * 16);
	chunk_unref(dumped.kept);
}

TESTS(TEST(empty_window_has_nothing), TEST(bytes_are_read_at_any_position),
      TEST(segments_open_and_close), TEST(neighbours_are_found_across_holes),
      TEST(memory_is_bounded), TEST(old_segments_leave), TEST(number_of_segments_is_bounded),
      TEST(open_segment_stays), TEST(chunk_after_a_hole_is_refused), TEST(sealed_window_is_closed),
      TEST(dump_keeps_chunks_that_leave))
