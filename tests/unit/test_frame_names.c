/* SPDX-License-Identifier: Apache-2.0 */
/* How well frames are named, with names that come late and from other segments. */
#include "stream/frame_names.h"

#include "check.h"
#include "stream/record_decoder.h"

/* A segment of one string and one function, frame and stack for each name, all called by the first. */
static void add_segment(struct frame_names *names, const char *const *texts, const uint64_t *keys,
			const uint32_t *samples, uint32_t count)
{
	static struct record_samples all;

	all.count = 0;
	frame_names_segment(names);
	for (uint32_t i = 0; i < count; i++)
		frame_names_string(names, texts[i], (uint32_t)strlen(texts[i]));
	for (uint32_t i = 0; i < count; i++) {
		const struct record_function function = {
			.key = keys[i],
			.name = texts[i][0] ? i + 1 : 0,
		};
		const struct record_stack stack = { .parent = i > 0, .frame = i + 1 };

		frame_names_function(names, &function);
		frame_names_frame(names, i + 1);
		frame_names_stack(names, &stack);
		for (uint32_t j = 0; j < samples[i]; j++)
			all.stack[all.count++] = i + 1;
	}
	frame_names_samples(names, &all);
}

static void check_counts(struct frame_names *names, uint64_t named, uint64_t module_only,
			 uint64_t anonymous, uint64_t no_mapping)
{
	struct frame_names_counts counts;

	CHECK_OR_RETURN(frame_names_finish(names, &counts) == 0);
	CHECK_EQ(counts.frames[FRAME_NAMED], named);
	CHECK_EQ(counts.frames[FRAME_MODULE_ONLY], module_only);
	CHECK_EQ(counts.frames[FRAME_ANONYMOUS], anonymous);
	CHECK_EQ(counts.frames[FRAME_NO_MAPPING], no_mapping);
}

static const uint64_t keys[] = { 1, 2, 3, 4, 5 };

static void frames_are_counted_by_what_their_name_says(void)
{
	static const char *const texts[] = { "main", "", "[anon]", "[no mapping]", "[kernel]" };
	static const uint32_t samples[] = { 1, 2, 3, 4, 5 };
	CLEANUP(frame_names_free) struct frame_names *names = NULL;

	CHECK_OR_RETURN(frame_names_new(&names) == 0);
	add_segment(names, texts, keys, samples, 5);
	/* main is in all fifteen stacks. */
	check_counts(names, 15, 2 + 5, 3, 4);
}

static void a_late_name_counts_for_all_segments(void)
{
	static const char *const texts[] = { "main", "", "[jit]", "later", "[anon]" };
	static const uint32_t samples[] = { 0, 2, 3, 0, 0 };
	const struct record_late_name named = { .key = 2, .function_key = 20, .name = 4 };
	const struct record_late_name unnamed = { .key = 3, .function_key = 30, .name = 5 };
	CLEANUP(frame_names_free) struct frame_names *names = NULL;

	CHECK_OR_RETURN(frame_names_new(&names) == 0);
	add_segment(names, texts, keys, samples, 5);
	add_segment(names, texts, keys, samples, 5);
	frame_names_late(names, &named);
	frame_names_late(names, &unnamed);
	add_segment(names, texts, keys, samples, 5);
	check_counts(names, 3 * 5 + 3 * 2, 0, 3 * 3, 0);
}

static void a_part_without_a_name_is_its_function(void)
{
	static const char *const texts[] = { "main", "", "" };
	static const uint32_t samples[] = { 0, 7, 0 };
	/* Of a function that is known by name, by way of another part, and around. */
	const struct record_late_name rows[] = {
		{ .key = 2, .function_key = 3 },
		{ .key = 3, .function_key = 1 },
		{ .key = 1, .function_key = 2 },
	};
	CLEANUP(frame_names_free) struct frame_names *names = NULL;

	CHECK_OR_RETURN(frame_names_new(&names) == 0);
	add_segment(names, texts, keys, samples, 3);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		frame_names_late(names, &rows[i]);
	check_counts(names, 14, 0, 0, 0);
}

static void nothing_is_counted_of_nothing(void)
{
	CLEANUP(frame_names_free) struct frame_names *names = NULL;

	CHECK_OR_RETURN(frame_names_new(&names) == 0);
	check_counts(names, 0, 0, 0, 0);
}

TESTS(TEST(frames_are_counted_by_what_their_name_says), TEST(a_late_name_counts_for_all_segments),
      TEST(a_part_without_a_name_is_its_function), TEST(nothing_is_counted_of_nothing))
