/* SPDX-License-Identifier: Apache-2.0 */
/*
 * speedscope's own format (its file-format-spec.ts): a profile for each thread, the busiest first,
 * of its samples in the order of time, outermost frame first.
 *
 * A sample weighs the CPU time that it stands for, in nanoseconds, or 1 where samples are just
 * counted; one after another with the same stack are one row with the sum. The file of a frame is its
 * module. The process is in the name of its threads' profiles.
 */
#include "convert/formats.h"

#include <errno.h>
#include <stdlib.h>

#include "convert/merged_profile.h"
#include "convert/output.h"

/* Samples of one thread, in a list each. */
struct thread_samples {
	uint32_t thread;
	uint32_t count;
	uint64_t weight; /* of all */
	uint64_t first;	 /* in the order of `rows` */
};

struct writing {
	const struct merged_profile *profile;
	struct output *output;
	uint32_t *rows; /* indices of samples, by thread */
};

static void write_frames(const struct writing *writing)
{
	const struct merged_profile *profile = writing->profile;

	output_text(writing->output, "\"shared\":{\"frames\":[");
	for (uint32_t id = 1; id <= profile->labels.row_count; id++) {
		const struct merged_label *label = merged_label(profile, id);
		size_t size;
		const char *text = merged_string(profile, label->name, &size);

		output_text(writing->output, id > 1 ? ",\n{\"name\":" : "\n{\"name\":");
		output_json_string(writing->output, text, size);
		text = merged_string(profile, label->module, &size);
		if (size) {
			output_text(writing->output, ",\"file\":");
			output_json_string(writing->output, text, size);
		}
		output_text(writing->output, "}");
	}
	output_text(writing->output, "]}");
}

/* The labels of a stack, outermost first. */
static void write_stack(const struct writing *writing, uint32_t id)
{
	uint32_t labels[WIRE_STACK_DEPTH_MAX], count = 0;
	const struct merged_stack *stack = merged_stack(writing->profile, id);

	for (; !(stack->frame & MERGED_PROCESS) && count < WIRE_STACK_DEPTH_MAX;
	     stack = merged_stack(writing->profile, stack->parent))
		labels[count++] = merged_frame_label(writing->profile, stack->frame);
	output_text(writing->output, "[");
	while (count) {
		output_u64(writing->output, labels[--count] - 1);
		if (count)
			output_text(writing->output, ",");
	}
	output_text(writing->output, "]");
}

/* The end of a run of samples with one stack, and what they weigh. */
static uint32_t run_end(const struct writing *writing, const uint32_t *rows, uint32_t begin,
			uint32_t count, uint64_t *ret_weight)
{
	const struct merged_profile *profile = writing->profile;
	const struct merged_sample *samples = profile->samples;
	uint32_t end = begin;

	*ret_weight = 0;
	for (; end < count && samples[rows[end]].stack == samples[rows[begin]].stack; end++)
		*ret_weight += merged_weight(profile, &samples[rows[end]]);
	return end;
}

static void write_name(const struct writing *writing, const struct merged_thread *thread)
{
	const struct merged_profile *profile = writing->profile;
	char numbers[64];
	size_t process_size, comm_size, size;
	const char *process = merged_string(
		profile, thread->process_name ? thread->process_name : thread->comm, &process_size);
	const char *comm = merged_string(profile, thread->comm, &comm_size);
	char *text = malloc(process_size + comm_size + 2 * sizeof(numbers));

	if (!text) {
		output_fail(writing->output, -ENOMEM);
		return;
	}
	size = (size_t)sprintf(text, "%.*s %u", (int)process_size, process, thread->pid);
	if (thread->tid != thread->pid)
		size += (size_t)sprintf(text + size, ", %.*s %u", (int)comm_size, comm,
					thread->tid);
	output_json_string(writing->output, text, size);
	free(text);
}

static void write_profile(const struct writing *writing, const struct thread_samples *thread)
{
	const struct merged_profile *profile = writing->profile;
	const uint32_t *rows = writing->rows + thread->first;
	struct output *output = writing->output;
	uint64_t weight;

	output_text(output, "\n{\"type\":\"sampled\",\"name\":");
	write_name(writing, merged_thread(profile, thread->thread));
	output_text(output, ",\"unit\":");
	output_text(output, merged_profile_period_ns(profile) ? "\"nanoseconds\"" : "\"none\"");
	output_text(output, ",\"startValue\":0,\"endValue\":");
	output_u64(output, thread->weight);
	output_text(output, ",\n\"samples\":[");
	for (uint32_t i = 0, end; i < thread->count; i = end) {
		end = run_end(writing, rows, i, thread->count, &weight);
		write_stack(writing, profile->samples[rows[i]].stack);
		output_text(output, end < thread->count ? "," : "],\n\"weights\":[");
	}
	for (uint32_t i = 0, end; i < thread->count; i = end) {
		end = run_end(writing, rows, i, thread->count, &weight);
		output_u64(output, weight);
		output_text(output, end < thread->count ? "," : "]}");
	}
}

static int busiest_first(const void *left, const void *right)
{
	const struct thread_samples *a = left, *b = right;

	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	return a->thread < b->thread ? -1 : a->thread > b->thread;
}

/* Sorts the samples by thread, in each as they are. */
static void group(struct writing *writing, struct thread_samples *threads)
{
	const struct merged_profile *profile = writing->profile;
	uint32_t thread_count = profile->threads.row_count + 1;
	uint64_t first = 0;

	for (uint32_t i = 0; i < thread_count; i++)
		threads[i].thread = i;
	for (uint64_t i = 0; i < profile->sample_count; i++)
		threads[profile->samples[i].thread].count++;
	for (uint32_t i = 0; i < thread_count; i++) {
		threads[i].first = first;
		first += threads[i].count;
		threads[i].count = 0;
	}
	for (uint64_t i = 0; i < profile->sample_count; i++) {
		struct thread_samples *thread = &threads[profile->samples[i].thread];

		writing->rows[thread->first + thread->count++] = (uint32_t)i;
		thread->weight += merged_weight(profile, &profile->samples[i]);
	}
	qsort(threads, thread_count, sizeof(*threads), busiest_first);
}

static void write_all(const struct writing *writing, const struct thread_samples *threads,
		      const char *title)
{
	struct output *output = writing->output;

	output_text(output, "{\"$schema\":"
			    "\"https://www.speedscope.app/file-format-schema.json\",\n\"name\":");
	output_json_string(output, title, strlen(title));
	output_text(output, ",\"exporter\":\"flickerscope@" FLICKERSCOPE_VERSION
			    "\",\"activeProfileIndex\":0,\n");
	write_frames(writing);
	output_text(output, ",\n\"profiles\":[");
	/* The busiest first: those without samples, such as the one of nobody, are last. */
	for (uint32_t i = 0; i <= writing->profile->threads.row_count && threads[i].count; i++) {
		if (i)
			output_text(output, ",");
		write_profile(writing, &threads[i]);
	}
	output_text(output, "]}\n");
}

int export_speedscope(struct merged_profile *profile, const char *title, struct output *output)
{
	CLEANUP(memory_free)
	struct thread_samples *threads = calloc(profile->threads.row_count + 1, sizeof(*threads));
	CLEANUP(memory_free)
	uint32_t *rows = malloc((profile->sample_count + 1) * sizeof(*rows));
	struct writing writing = {
		.profile = profile,
		.output = output,
		.rows = rows,
	};

	if (!threads || !rows)
		return -ENOMEM;
	merged_profile_sort(profile);
	group(&writing, threads);
	write_all(&writing, threads, title);
	return 0;
}
