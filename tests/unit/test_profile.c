/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/profile.h"

#include "profile/id_cache.h"

#include "check.h"

static const struct profile_frame_row frame_row = {
	.function_key = 0x1234,
	.module_key = 0x5678,
	.kind = WIRE_FRAME_PROGRAM,
	.module_kind = WIRE_MODULE_FILE,
	.name = "main",
	.module_name = "/bin/true",
	.start = 0x1000,
};

static const void *row(const struct row_table *table, uint32_t id)
{
	return row_table_row(table, id);
}

static const char *string(const struct profile *profile, uint32_t id)
{
	static char text[WIRE_STRING_SIZE_MAX + 1];
	size_t size;
	const void *bytes = string_table_string(&profile->strings, id, &size);

	memcpy(text, bytes, size);
	text[size] = '\0';
	return text;
}

/* A frame brings its function, its module and their names; the same frame is found again. */
static void frame_is_added_once(void)
{
	CLEANUP(profile_free) struct profile *profile = NULL;
	const struct profile_function *function;
	const struct profile_module *module;
	uint32_t first = 0, second = 0;

	CHECK_EQ(profile_new(&profile), 0);
	CHECK_EQ(profile_frame(profile, &frame_row, &first), 0);
	CHECK_EQ(profile_frame(profile, &frame_row, &second), 0);
	CHECK_EQ(first, 1);
	CHECK_EQ(second, 1);
	CHECK_EQ(profile->frames.row_count, 1);
	CHECK_EQ(profile->functions.row_count, 1);
	CHECK_EQ(profile->modules.row_count, 1);
	function = row(&profile->functions, 1);
	module = row(&profile->modules, function->module);
	CHECK_EQ(function->key, 0x1234);
	CHECK_EQ(function->start, 0x1000);
	CHECK_STR_EQ(string(profile, function->name), "main");
	CHECK_STR_EQ(string(profile, module->name), "/bin/true");
	CHECK_EQ(module->kind, WIRE_MODULE_FILE);
}

/* The same function at another source line is another frame of the same function. */
static void lines_are_frames_of_one_function(void)
{
	CLEANUP(profile_free) struct profile *profile = NULL;
	struct profile_frame_row other = frame_row;
	uint32_t first = 0, second = 0;

	other.file = "main.c";
	other.line = 7;
	CHECK_EQ(profile_new(&profile), 0);
	CHECK_EQ(profile_frame(profile, &frame_row, &first), 0);
	CHECK_EQ(profile_frame(profile, &other, &second), 0);
	CHECK(first != second);
	CHECK_EQ(profile->functions.row_count, 1);
}

/* Where nothing is known there are no rows of functions and modules, only the frame's kind. */
static void unresolved_frames_are_one(void)
{
	CLEANUP(profile_free) struct profile *profile = NULL;
	struct profile_frame_row unknown = { .kind = WIRE_FRAME_UNRESOLVED };
	uint32_t id = 0;

	CHECK_EQ(profile_new(&profile), 0);
	CHECK_EQ(profile_frame(profile, &unknown, &id), 0);
	CHECK_EQ(profile_frame(profile, &unknown, &id), 0);
	CHECK_EQ(profile->frames.row_count, 1);
	CHECK_EQ(profile->functions.row_count, 0);
	CHECK_EQ(profile->modules.row_count, 0);
	CHECK_EQ(profile->strings.string_count, 0);
}

/* Stacks are a tree: a shared caller is one row. */
static void stacks_share_their_callers(void)
{
	CLEANUP(profile_free) struct profile *profile = NULL;
	uint32_t frame = 0, root = 0, left = 0, again = 0;

	CHECK_EQ(profile_new(&profile), 0);
	CHECK_EQ(profile_frame(profile, &frame_row, &frame), 0);
	CHECK_EQ(profile_stack(profile, 0, frame, &root), 0);
	CHECK_EQ(profile_stack(profile, root, frame, &left), 0);
	CHECK_EQ(profile_stack(profile, root, frame, &again), 0);
	CHECK_EQ(left, again);
	CHECK_EQ(profile->stacks.row_count, 2);
	CHECK_EQ(((const struct profile_stack *)row(&profile->stacks, left))->parent, root);
	CHECK_EQ(((const struct profile_stack *)row(&profile->stacks, left))->depth, 2);
}

/* A stack has at most WIRE_STACK_DEPTH_MAX frames; the one that is there stays usable. */
static void stack_depth_is_bounded(void)
{
	CLEANUP(profile_free) struct profile *profile = NULL;
	uint32_t frame = 0, stack = 0, untouched = 99;

	CHECK_EQ(profile_new(&profile), 0);
	CHECK_EQ(profile_frame(profile, &frame_row, &frame), 0);
	for (uint32_t depth = 0; depth < WIRE_STACK_DEPTH_MAX; depth++)
		CHECK_EQ(profile_stack(profile, stack, frame, &stack), 0);
	CHECK_EQ(profile_stack(profile, stack, frame, &untouched), PROFILE_STACK_TOO_DEEP);
	CHECK_EQ(untouched, 99);
	CHECK_EQ(stack, WIRE_STACK_DEPTH_MAX);
}

/* Any change of what is known of a thread makes a new row. */
static void renamed_thread_is_a_new_row(void)
{
	CLEANUP(profile_free) struct profile *profile = NULL;
	struct profile_thread_row thread = { .tid = 7, .pid = 7, .comm = "sh" };
	uint32_t first = 0, second = 0;

	CHECK_EQ(profile_new(&profile), 0);
	CHECK_EQ(profile_thread(profile, &thread, &first), 0);
	thread.comm = "cc1";
	CHECK_EQ(profile_thread(profile, &thread, &second), 0);
	CHECK(first != second);
	thread.comm = "sh";
	CHECK_EQ(profile_thread(profile, &thread, &second), 0);
	CHECK_EQ(first, second);
}

/* A full table refuses new rows, keeps serving known ones, and leaves the output alone. */
static void full_table_keeps_known_rows(void)
{
	CLEANUP(profile_free) struct profile *profile = NULL;
	struct profile_thread_row thread = { .pid = 1 };
	uint32_t id = 0, untouched = 99;

	CHECK_EQ(profile_new(&profile), 0);
	for (uint32_t i = 0; i < PROFILE_THREADS_MAX; i++) {
		thread.tid = i + 1;
		CHECK_EQ(profile_thread(profile, &thread, &id), 0);
	}
	CHECK(profile_nearly_full(profile));
	thread.tid = PROFILE_THREADS_MAX + 1;
	CHECK_EQ(profile_thread(profile, &thread, &untouched), PROFILE_FULL);
	CHECK_EQ(untouched, 99);
	thread.tid = 1;
	CHECK_EQ(profile_thread(profile, &thread, &id), 0);
	CHECK_EQ(id, 1);
}

/* A name that is too long is cut, with an ellipsis. */
static void long_name_is_cut(void)
{
	CLEANUP(profile_free) struct profile *profile = NULL;
	static char name[WIRE_STRING_SIZE_MAX + 2];
	const char *cut;
	uint32_t id = 0;

	memset(name, 'x', sizeof(name) - 1);
	CHECK_EQ(profile_new(&profile), 0);
	CHECK_EQ(profile_string(profile, name, &id), 0);
	cut = string(profile, id);
	CHECK_EQ(strlen(cut), WIRE_STRING_SIZE_MAX);
	CHECK_STR_EQ(cut + WIRE_STRING_SIZE_MAX - 4, "x\xe2\x80\xa6");
	CHECK_EQ(profile_string(profile, NULL, &id), 0);
	CHECK_EQ(id, 0);
}

/* All strings of a segment together are bounded. */
static void bytes_of_strings_are_bounded(void)
{
	CLEANUP(profile_free) struct profile *profile = NULL;
	static char name[WIRE_STRING_SIZE_MAX + 1];
	uint32_t id = 0, count = 0;
	int r = 0;

	memset(name, 'x', sizeof(name) - 1);
	CHECK_EQ(profile_new(&profile), 0);
	for (; !r && count < 10000; count++) {
		snprintf(name, 16, "%014u", count);
		name[14] = 'x';
		r = profile_string(profile, name, &id);
	}
	CHECK_EQ(r, PROFILE_FULL);
	CHECK_EQ(count - 1, PROFILE_STRING_BYTES_MAX / WIRE_STRING_SIZE_MAX);
	CHECK(profile_nearly_full(profile));
}

/* Samples wait as columns, in microseconds since the segment's start, before it included. */
static void samples_wait_as_columns(void)
{
	CLEANUP(profile_free) struct profile *profile = NULL;
	struct profile_sample sample = { .time_ns = 1002500, .cpu = 3, .user_status = 1 };

	CHECK_EQ(profile_new(&profile), 0);
	profile_reset(profile, 1000000);
	CHECK_EQ(profile_sample(profile, &sample), 0);
	sample.time_ns = 990000;
	CHECK_EQ(profile_sample(profile, &sample), 0);
	CHECK_EQ(profile->pending.sample_count, 2);
	CHECK_EQ(profile->pending.time_us[0], 2);
	CHECK_EQ(profile->pending.time_us[1], -10);
	CHECK_EQ(profile->pending.cpu[0], 3);
	CHECK_EQ(profile->sample_count, 2);
}

/* Waiting samples are bounded; the profile asks for a flush long before. */
static void waiting_samples_are_bounded(void)
{
	CLEANUP(profile_free) struct profile *profile = NULL;
	struct profile_sample sample = { .time_ns = 1 };

	CHECK_EQ(profile_new(&profile), 0);
	for (uint32_t i = 0; i < PROFILE_PENDING_MAX; i++) {
		CHECK_EQ(profile_should_flush(profile), i >= PROFILE_PENDING_MAX / 2);
		CHECK_EQ(profile_sample(profile, &sample), 0);
	}
	CHECK_EQ(profile_sample(profile, &sample), PROFILE_FULL);
	CHECK_EQ(profile->sample_count, PROFILE_PENDING_MAX);
}

/* A new segment starts with ids from 1, and needs no more memory than the last. */
static void reset_starts_ids_again(void)
{
	CLEANUP(profile_free) struct profile *profile = NULL;
	struct profile_frame_row other = frame_row;
	size_t memory;
	uint32_t id = 0;

	CHECK_EQ(profile_new(&profile), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		other.function_key = i + 1;
		CHECK_EQ(profile_frame(profile, &other, &id), 0);
	}
	memory = profile_memory(profile);
	profile_reset(profile, 5);
	for (uint32_t i = 0; i < 1000; i++) {
		other.function_key = 5000 + i;
		CHECK_EQ(profile_frame(profile, &other, &id), 0);
		CHECK_EQ(id, i + 1);
	}
	CHECK_EQ(profile_memory(profile), memory);
}

/* The cache knows what was put, forgets everything at once, and may forget one for another. */
static void id_cache_forgets_at_once(void)
{
	struct id_cache cache;

	CHECK_EQ(id_cache_open(16, &cache), 0);
	CHECK_EQ(id_cache_find(&cache, 0x100), 0);
	id_cache_put(&cache, 0x100, 7);
	id_cache_put(&cache, 0x200, 8);
	CHECK_EQ(id_cache_find(&cache, 0x100), 7);
	CHECK_EQ(id_cache_find(&cache, 0x200), 8);
	id_cache_put(&cache, 0x300, 9); /* all three have the same place: the oldest goes */
	CHECK_EQ(id_cache_find(&cache, 0x100), 0);
	CHECK_EQ(id_cache_find(&cache, 0x200), 8);
	CHECK_EQ(id_cache_find(&cache, 0x300), 9);
	id_cache_put(&cache, 0x300, 10);
	CHECK_EQ(id_cache_find(&cache, 0x300), 10);
	CHECK_EQ(id_cache_find(&cache, 0x200), 8);
	id_cache_clear(&cache);
	CHECK_EQ(id_cache_find(&cache, 0x200), 0);
	CHECK_EQ(id_cache_find(&cache, 0x300), 0);
	cache.generation = UINT32_MAX;
	id_cache_put(&cache, 0x100, 7);
	id_cache_clear(&cache);
	CHECK_EQ(cache.generation, 1);
	CHECK_EQ(id_cache_find(&cache, 0x100), 0);
	id_cache_close(&cache);
}

TESTS(TEST(frame_is_added_once), TEST(lines_are_frames_of_one_function),
      TEST(unresolved_frames_are_one), TEST(stacks_share_their_callers),
      TEST(stack_depth_is_bounded), TEST(renamed_thread_is_a_new_row),
      TEST(full_table_keeps_known_rows), TEST(long_name_is_cut), TEST(bytes_of_strings_are_bounded),
      TEST(samples_wait_as_columns), TEST(waiting_samples_are_bounded),
      TEST(reset_starts_ids_again), TEST(id_cache_forgets_at_once))
