/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of any bytes: whatever the decoder lets through must keep its word, so that a visitor may
 * index tables by ids and add up times.
 */
#include <stdlib.h>

#include "stream/record_decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct seen {
	uint32_t strings, modules, functions, frames, stacks, threads;
	uint8_t sum; /* reads every byte that is passed, for the sanitizers */
};

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void see_string(void *context, uint32_t id, const char *string, uint32_t size)
{
	struct seen *seen = context;

	require(id == ++seen->strings && size <= WIRE_STRING_SIZE_MAX);
	for (uint32_t i = 0; i < size; i++)
		seen->sum ^= (uint8_t)string[i];
}

static void see_meta(void *context, uint32_t meta, const char *text, uint32_t size)
{
	struct seen *seen = context;

	for (uint32_t i = 0; i < size; i++)
		seen->sum ^= (uint8_t)text[i];
}

static void see_module(void *context, uint32_t id, const struct record_module *module)
{
	struct seen *seen = context;

	require(id == ++seen->modules && module->name <= seen->strings);
}

static void see_function(void *context, uint32_t id, const struct record_function *function)
{
	struct seen *seen = context;

	require(id == ++seen->functions && function->module <= seen->modules &&
		function->name <= seen->strings);
}

static void see_frame(void *context, uint32_t id, const struct record_frame *frame)
{
	struct seen *seen = context;

	require(id == ++seen->frames && frame->function <= seen->functions &&
		frame->file <= seen->strings);
}

static void see_stack(void *context, uint32_t id, const struct record_stack *stack)
{
	struct seen *seen = context;

	require(id == ++seen->stacks && stack->parent < id && stack->frame &&
		stack->frame <= seen->frames && stack->depth >= 1 &&
		stack->depth <= WIRE_STACK_DEPTH_MAX);
}

static void see_thread(void *context, uint32_t id, const struct record_thread *thread)
{
	struct seen *seen = context;

	require(id == ++seen->threads && thread->comm <= seen->strings &&
		thread->process_name <= seen->strings && thread->cgroup <= seen->strings &&
		thread->container <= seen->strings);
}

static void see_samples(void *context, const struct record_samples *samples)
{
	const struct seen *seen = context;

	require(samples->count <= WIRE_SAMPLES_MAX);
	for (uint32_t i = 0; i < samples->count; i++)
		require(samples->thread[i] <= seen->threads && samples->stack[i] <= seen->stacks &&
			samples->cpu[i] < WIRE_CPUS_MAX &&
			llabs(samples->time_us[i]) <= INT64_C(1) << 53);
}

static void see_gap(void *context, const struct record_gap *gap)
{
	require(gap->start_us <= gap->end_us);
}

static void see_late_name(void *context, const struct record_late_name *late_name)
{
	require(late_name->name <= ((const struct seen *)context)->strings);
}

static const struct record_visitor visitor = {
	.meta = see_meta,
	.string = see_string,
	.module = see_module,
	.function = see_function,
	.frame = see_frame,
	.stack = see_stack,
	.thread = see_thread,
	.samples = see_samples,
	.gap = see_gap,
	.late_name = see_late_name,
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	/* Kept from one input to the next, as from one segment to the next: room for it is large. */
	static struct record_decoder *decoder;
	static struct seen seen;
	uint64_t offset;

	seen = (struct seen){ 0 };
	if (!decoder && record_decoder_new(&visitor, &seen, &decoder) < 0)
		abort();
	record_decoder_reset(decoder);
	if (record_decoder_read(decoder, bytes, size) == RECORD_DECODER_BAD)
		require(record_decoder_problem(decoder, &offset) && offset < size);
	return 0;
}
