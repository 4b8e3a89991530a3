/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/profile.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The tables' outcomes are one to the callers of the profile. */
_Static_assert((int)ROW_TABLE_FULL == (int)PROFILE_FULL, "forwarded");
_Static_assert((int)STRING_TABLE_FULL == (int)PROFILE_FULL, "forwarded");

static int pending_open(struct profile_pending *pending)
{
	*pending = (struct profile_pending){
		.time_us = calloc(PROFILE_PENDING_MAX, sizeof(*pending->time_us)),
		.thread_id = calloc(PROFILE_PENDING_MAX, sizeof(*pending->thread_id)),
		.stack_id = calloc(PROFILE_PENDING_MAX, sizeof(*pending->stack_id)),
		.cpu = calloc(PROFILE_PENDING_MAX, sizeof(*pending->cpu)),
		.user_status = calloc(PROFILE_PENDING_MAX, sizeof(*pending->user_status)),
		.kernel_status = calloc(PROFILE_PENDING_MAX, sizeof(*pending->kernel_status)),
		.busy = calloc(PROFILE_PENDING_MAX, sizeof(*pending->busy)),
	};
	if (!pending->time_us || !pending->thread_id || !pending->stack_id || !pending->cpu ||
	    !pending->user_status || !pending->kernel_status || !pending->busy)
		return -ENOMEM;
	return 0;
}

static void pending_close(struct profile_pending *pending)
{
	free(pending->time_us);
	free(pending->thread_id);
	free(pending->stack_id);
	free(pending->cpu);
	free(pending->user_status);
	free(pending->kernel_status);
	free(pending->busy);
}

int profile_new(struct profile **ret_profile)
{
	CLEANUP(profile_free) struct profile *profile = calloc(1, sizeof(*profile));
	int r;

	if (!profile)
		return -ENOMEM;
	profile->strings = string_table_with_max(PROFILE_STRINGS_MAX, PROFILE_STRING_BYTES_MAX);
	profile->modules =
		row_table_of(sizeof(struct profile_module), sizeof(uint64_t), PROFILE_MODULES_MAX);
	profile->functions = row_table_of(sizeof(struct profile_function), sizeof(uint64_t),
					  PROFILE_FUNCTIONS_MAX);
	profile->frames = row_table_of(sizeof(struct profile_frame), sizeof(struct profile_frame),
				       PROFILE_FRAMES_MAX);
	profile->stacks = row_table_of(sizeof(struct profile_stack),
				       offsetof(struct profile_stack, depth), PROFILE_STACKS_MAX);
	profile->threads = row_table_of(sizeof(struct profile_thread),
					sizeof(struct profile_thread), PROFILE_THREADS_MAX);
	r = pending_open(&profile->pending);
	if (r < 0)
		return r;
	*ret_profile = TAKE(profile);
	return 0;
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	string_table_free(&profile->strings);
	row_table_free(&profile->modules);
	row_table_free(&profile->functions);
	row_table_free(&profile->frames);
	row_table_free(&profile->stacks);
	row_table_free(&profile->threads);
	pending_close(&profile->pending);
	free(profile);
}

void profile_reset(struct profile *profile, uint64_t start_mono_ns)
{
	string_table_clear(&profile->strings);
	row_table_clear(&profile->modules);
	row_table_clear(&profile->functions);
	row_table_clear(&profile->frames);
	row_table_clear(&profile->stacks);
	row_table_clear(&profile->threads);
	profile->pending.sample_count = 0;
	profile->start_mono_ns = start_mono_ns;
}

int profile_string(struct profile *profile, const char *string, uint32_t *ret_string_id)
{
	if (!string || !*string) {
		*ret_string_id = 0;
		return 0;
	}
	return string_table_add(&profile->strings, string, strlen(string), ret_string_id);
}

static int add_module(struct profile *profile, const struct profile_frame_row *row,
		      uint32_t *ret_module_id)
{
	struct profile_module module = { .key = row->module_key, .kind = row->module_kind };
	int r;

	*ret_module_id = row->module_key ? row_table_find(&profile->modules, &module) : 0;
	if (*ret_module_id || !row->module_key)
		return 0;
	r = profile_string(profile, row->module_name, &module.name);
	if (r)
		return r;
	return row_table_add(&profile->modules, &module, ret_module_id);
}

int profile_function(struct profile *profile, const struct profile_frame_row *row,
		     uint32_t *ret_function_id)
{
	struct profile_function function = { .key = row->function_key, .start = row->start };
	int r;

	*ret_function_id = row->function_key ? row_table_find(&profile->functions, &function) : 0;
	if (*ret_function_id || !row->function_key)
		return 0;
	r = add_module(profile, row, &function.module);
	if (r)
		return r;
	r = profile_string(profile, row->name, &function.name);
	if (r)
		return r;
	return row_table_add(&profile->functions, &function, ret_function_id);
}

int profile_frame(struct profile *profile, const struct profile_frame_row *row,
		  uint32_t *ret_frame_id)
{
	struct profile_frame frame = { .kind = row->kind, .line = row->line };
	int r;

	r = profile_function(profile, row, &frame.function);
	if (r)
		return r;
	r = profile_string(profile, row->file, &frame.file);
	if (r)
		return r;
	return row_table_add(&profile->frames, &frame, ret_frame_id);
}

int profile_thread(struct profile *profile, const struct profile_thread_row *row,
		   uint32_t *ret_thread_id)
{
	struct profile_thread thread = {
		.process_start_ns = row->process_start_ns,
		.tid = row->tid,
		.pid = row->pid,
	};
	int r;

	r = profile_string(profile, row->comm, &thread.comm);
	if (!r)
		r = profile_string(profile, row->process_name, &thread.process_name);
	if (!r)
		r = profile_string(profile, row->cgroup, &thread.cgroup);
	if (!r)
		r = profile_string(profile, row->container, &thread.container);
	if (r)
		return r;
	return row_table_add(&profile->threads, &thread, ret_thread_id);
}

int profile_stack(struct profile *profile, uint32_t parent_id, uint32_t frame_id,
		  uint32_t *ret_stack_id)
{
	struct profile_stack stack = { .parent = parent_id, .frame = frame_id, .depth = 1 };

	assert(frame_id && frame_id <= profile->frames.row_count);
	if (parent_id) {
		const struct profile_stack *parent = row_table_row(&profile->stacks, parent_id);

		assert(parent_id <= profile->stacks.row_count);
		if (parent->depth >= WIRE_STACK_DEPTH_MAX)
			return PROFILE_STACK_TOO_DEEP;
		stack.depth = parent->depth + 1;
	}
	return row_table_add(&profile->stacks, &stack, ret_stack_id);
}

int profile_sample(struct profile *profile, const struct profile_sample *sample)
{
	struct profile_pending *pending = &profile->pending;
	uint32_t row = pending->sample_count;

	if (row >= PROFILE_PENDING_MAX)
		return PROFILE_FULL;
	pending->time_us[row] = (int64_t)(sample->time_ns - profile->start_mono_ns) / 1000;
	pending->thread_id[row] = sample->thread_id;
	pending->stack_id[row] = sample->stack_id;
	pending->cpu[row] = sample->cpu < PROFILE_CPUS_MAX ? (uint16_t)sample->cpu
							   : PROFILE_CPUS_MAX - 1;
	pending->user_status[row] = sample->user_status;
	pending->kernel_status[row] = sample->kernel_status;
	pending->busy[row] = sample->busy;
	pending->sample_count = row + 1;
	profile->sample_count++;
	return 0;
}

static bool above_seven_eighths(uint64_t value, uint64_t max)
{
	return value > max - max / 8;
}

bool profile_nearly_full(const struct profile *profile)
{
	return above_seven_eighths(profile->strings.string_count, PROFILE_STRINGS_MAX) ||
	       above_seven_eighths(profile->strings.bytes.size, PROFILE_STRING_BYTES_MAX) ||
	       above_seven_eighths(profile->modules.row_count, PROFILE_MODULES_MAX) ||
	       above_seven_eighths(profile->functions.row_count, PROFILE_FUNCTIONS_MAX) ||
	       above_seven_eighths(profile->frames.row_count, PROFILE_FRAMES_MAX) ||
	       above_seven_eighths(profile->stacks.row_count, PROFILE_STACKS_MAX) ||
	       above_seven_eighths(profile->threads.row_count, PROFILE_THREADS_MAX);
}

size_t profile_memory(const struct profile *profile)
{
	const size_t pending_row_size =
		sizeof(int64_t) + 2 * sizeof(uint32_t) + sizeof(uint16_t) + 2 * sizeof(uint8_t);

	return sizeof(*profile) + string_table_memory(&profile->strings) +
	       row_table_memory(&profile->modules) + row_table_memory(&profile->functions) +
	       row_table_memory(&profile->frames) + row_table_memory(&profile->stacks) +
	       row_table_memory(&profile->threads) + PROFILE_PENDING_MAX * pending_row_size;
}
