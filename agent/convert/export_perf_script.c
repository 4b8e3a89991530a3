/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `perf script` text, as FlameScope, stackcollapse-perf.pl and this program's own reader take it:
 *
 *   comm  pid/tid  [cpu]  seconds.microseconds:  period  event:
 *   <tab> address name (module)                             one line a frame, the leaf first
 *   <blank line>
 *
 * Times are those of the wall clock, in seconds since 1970, so that columns stand where they stood.
 * The address is where the function starts in its module: captures hold no other (and none of the
 * kernel). Readers cut "+0x1f" from a name, as perf writes it for the place within the function:
 * names that end like that themselves get a "+0x0" behind it. Inlined functions have "(inlined)"
 * for a module, and code made at run time "/tmp/perf-PID.map", as perf prints them. Control bytes
 * become "?".
 */
#include "convert/formats.h"

#include <ctype.h>
#include <stdio.h>

#include "convert/merged_profile.h"
#include "convert/output.h"

enum { US_PER_S = 1000000 };

struct printing {
	struct merged_profile *profile;
	struct output *output;
	const char *event;
	size_t event_size;
};

/* Without what would end a line or a field. */
static void write_name(struct output *output, const char *name, size_t size)
{
	size_t begin = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char byte = (unsigned char)name[i];

		if (byte >= 0x20 && byte != 0x7f)
			continue;
		output_bytes(output, name + begin, i - begin);
		output_bytes(output, "?", 1);
		begin = i + 1;
	}
	output_bytes(output, name + begin, size - begin);
}

/* Whether it ends as perf writes a place within a function: "+0x1f". */
static bool ends_with_place(const char *name, size_t size)
{
	size_t at = size;

	while (at && isxdigit((unsigned char)name[at - 1]))
		at--;
	return at < size && at > 3 && name[at - 1] == 'x' && name[at - 2] == '0' &&
	       name[at - 3] == '+';
}

/* What perf shows as the file of code that was made at run time. */
static bool is_perf_map(const char *module, size_t size)
{
	return size > 4 && memcmp(module + size - 4, ".map", 4) == 0;
}

static void write_module(const struct printing *printing, const struct merged_frame *frame,
			 uint32_t label, uint32_t pid)
{
	const struct merged_profile *profile = printing->profile;
	const struct merged_function *function = merged_function(profile, frame->function);
	const struct merged_module *module = function ? merged_module(profile, function->module)
						      : NULL;
	uint32_t kind = module ? module->kind : WIRE_MODULE_UNKNOWN;
	size_t size;
	const char *name = merged_string(profile, merged_label(profile, label)->module, &size);
	bool bracketed = kind != WIRE_MODULE_FILE && kind != WIRE_MODULE_JIT && size &&
			 name[0] != '[';

	if (frame->kind == WIRE_FRAME_INLINED) {
		output_text(printing->output, "(inlined)\n");
	} else if (frame->kind == WIRE_FRAME_JIT && !is_perf_map(name, size)) {
		output_text(printing->output, "(/tmp/perf-");
		output_u64(printing->output, pid);
		output_text(printing->output, ".map)\n");
	} else if (!size) {
		output_text(printing->output, "([unknown])\n");
	} else {
		output_text(printing->output, bracketed ? "([" : "(");
		write_name(printing->output, name, size);
		output_text(printing->output, bracketed ? "])\n" : ")\n");
	}
}

static void write_frame(const struct printing *printing, uint32_t id, uint32_t pid)
{
	const struct merged_profile *profile = printing->profile;
	struct output *output = printing->output;
	const struct merged_frame *frame = merged_frame(profile, id);
	const struct merged_function *function = merged_function(profile, frame->function);
	uint32_t label = merged_frame_label(profile, id);
	size_t size;
	const char *name = merged_string(profile, merged_label(profile, label)->name, &size);

	output_bytes(output, "\t", 1);
	output_hex(output, function ? function->start : 0);
	output_bytes(output, " ", 1);
	write_name(output, name, size);
	output_text(output, ends_with_place(name, size) ? "+0x0 " : " ");
	write_module(printing, frame, label, pid);
}

static void write_sample(const struct printing *printing, const struct merged_sample *sample,
			 uint32_t wall_shift_s)
{
	const struct merged_profile *profile = printing->profile;
	const struct merged_thread *thread = merged_thread(profile, sample->thread);
	uint64_t wall_us = (uint64_t)sample->time_us - (uint64_t)wall_shift_s * US_PER_S;
	struct output *output = printing->output;
	char text[96];
	size_t size;
	const char *comm = merged_string(profile, thread->comm, &size);

	if (size)
		write_name(output, comm, size);
	else
		output_text(output, ":-1");
	snprintf(text, sizeof(text), " %u/%u [%03u] %llu.%06u: ", thread->pid, thread->tid,
		 sample->cpu, (unsigned long long)(wall_us / US_PER_S),
		 (unsigned int)(wall_us % US_PER_S));
	output_text(output, text);
	output_u64(output, merged_weight(profile, sample));
	output_bytes(output, " ", 1);
	write_name(output, printing->event, printing->event_size);
	output_text(output, ": \n");
	for (const struct merged_stack *stack = merged_stack(profile, sample->stack);
	     !(stack->frame & MERGED_PROCESS); stack = merged_stack(profile, stack->parent))
		write_frame(printing, stack->frame, thread->pid);
	output_text(output, "\n");
}

/* How far the timeline is ahead of the wall clock at a time: in order, for one sample after another. */
static uint32_t shift_at(const struct merged_segment *segments, size_t count, size_t *at,
			 int64_t time_us)
{
	while (*at + 1 < count && (int64_t)segments[*at + 1].head.start_us <= time_us)
		++*at;
	return count ? segments[*at].head.wall_shift_s : 0;
}

int export_perf_script(struct merged_profile *profile, const char *title, struct output *output)
{
	size_t segment_count, at = 0;
	const struct merged_segment *segments = merged_segments(profile, &segment_count);
	struct printing printing = {
		.profile = profile,
		.output = output,
	};

	printing.event =
		merged_string(profile, profile->meta[WIRE_META_EVENT], &printing.event_size);
	if (!printing.event_size) {
		printing.event = "cpu-clock";
		printing.event_size = strlen(printing.event);
	}
	merged_profile_sort(profile);
	for (uint64_t i = 0; i < profile->sample_count && !output_error(output); i++)
		write_sample(&printing, &profile->samples[i],
			     shift_at(segments, segment_count, &at, profile->samples[i].time_us));
	return 0;
}
