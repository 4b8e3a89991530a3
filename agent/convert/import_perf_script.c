/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/import_perf_script.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash_index.h"
#include "base/log.h"
#include "convert/foreign_profile.h"
#include "convert/import_step.h"
#include "convert/input_bytes.h"
#include "convert/perf_script_text.h"
#include "convert/timeless.h"
#include "profile/id_cache.h"

enum {
	/* Not larger than needed: what does not fit into the CPU's caches costs more than it brings. */
	FUNCTION_CACHE_SIZE = 32768,
	STACK_CACHE_SIZE = 131072,
	CHAIN_CACHE_SIZE = 65536,
	THREAD_CACHE_SIZE = 4096,
	SOURCE_CACHE_SIZE = 16384,
	SOURCES_MAX = 65536,  /* then all are forgotten */
	EVENT_TEXT_MAX = 256, /* longer ones are read anew each time */
	/* Frames of one line: those that a JIT put into one another, "caller->callee". */
	LINE_FRAMES_MAX = 32,
	/* Callers that are kept of a chain, so that there is always room for the leaf's line. */
	CALLERS_MAX = WIRE_STACK_DEPTH_MAX - LINE_FRAMES_MAX,
};

enum idleness {
	IDLENESS_UNKNOWN,
	IDLENESS_BUSY,
	IDLENESS_IDLE,
};

/* Frames of one or more lines, leaf first. */
struct frame_list {
	uint32_t count;
	uint32_t ids[WIRE_STACK_DEPTH_MAX];
};

/* Who was sampled where: what stands before the time of a sample's line. */
struct source {
	uint32_t thread;
	uint16_t cpu;
	bool is_idle_process;
};

struct perf_script {
	struct input_bytes *input;	 /* borrowed */
	struct foreign_profile *profile; /* borrowed */
	struct id_cache function_ids;	 /* frame by name and module */
	struct id_cache chain_ids;	 /* stack of the callers by the bytes of all their lines */
	struct id_cache stack_ids;	 /* the same, and the leaf's function */
	struct id_cache thread_ids;
	struct id_cache source_ids;  /* place in `sources`, from 1, by the text before the time */
	struct bytes_writer sources; /* struct source */
	char event_text[EVENT_TEXT_MAX];    /* what stood behind the time, of the last event */
	size_t event_text_size;		    /* 0: nothing is kept of it */
	struct bytes_writer stack_idleness; /* uint8_t by stack id */
	uint32_t last_event;
	int64_t last_time_us;
	bool has_times;
	bool mixed; /* samples follow indented frames without an empty line between them */
	uint64_t sample_count;
	uint64_t passed_over; /* lines */
	uint64_t passed_over_line;
	/* The sample in hand. */
	struct foreign_sample sample;
	bool is_idle_process;
	struct frame_list leaf;
	struct frame_list callers;
};

/* --- frames -------------------------------------------------------------------------------------- */

/* Beyond @frames_max, the outermost callers are lost. */
static void push_frame(struct frame_list *list, uint32_t frames_max, uint32_t frame)
{
	if (list->count < frames_max)
		list->ids[list->count++] = frame;
}

static int add_frame(struct perf_script *script, const struct foreign_frame *frame,
		     uint32_t *ret_id)
{
	int r = foreign_profile_frame(script->profile, frame, ret_id);

	return r ? import_step_failed(script->input, script->profile, r) : 0;
}

/* Where "->" splits @name from behind; never that of "operator->". */
static const char *last_arrow(struct foreign_text name)
{
	static const char member[] = "operator";
	const size_t member_size = sizeof(member) - 1;

	for (size_t at = name.size < 3 ? 0 : name.size - 2; at > 0; at--)
		if (name.bytes[at] == '-' && name.bytes[at + 1] == '>' &&
		    (at < member_size ||
		     memcmp(name.bytes + at - member_size, member, member_size) != 0))
			return name.bytes + at;
	return NULL;
}

/* What perf-map-agent of Java writes: the innermost of the inlined functions is the last. */
static int add_inlined(struct perf_script *script, struct foreign_frame frame,
		       struct frame_list *list, uint32_t frames_max)
{
	struct foreign_text names = frame.name;
	const char *arrow;
	uint32_t id;
	int r = 0;

	for (uint32_t i = 0; i + 1 < LINE_FRAMES_MAX && !r && (arrow = last_arrow(names)); i++) {
		struct foreign_frame inlined = frame;

		inlined.kind = WIRE_FRAME_INLINED;
		inlined.name.bytes = arrow + 2;
		inlined.name.size = (size_t)(names.bytes + names.size - inlined.name.bytes);
		names.size = (size_t)(arrow - names.bytes);
		if (!inlined.name.size)
			continue;
		r = add_frame(script, &inlined, &id);
		if (!r)
			push_frame(list, frames_max, id);
	}
	frame.name = names;
	if (!r)
		r = add_frame(script, &frame, &id);
	if (!r)
		push_frame(list, frames_max, id);
	return r;
}

/* By name and module: the address and the offset differ from line to line, the function does not. */
static int find_function(struct perf_script *script, const struct perf_frame *frame,
			 struct frame_list *list, uint32_t frames_max)
{
	uint64_t hash = hash_next(hash_bytes(frame->name.bytes, frame->name.size),
				  hash_bytes(frame->module.bytes, frame->module.size) +
					  frame->kernel_address);
	uint32_t id = id_cache_find(&script->function_ids, hash);
	struct foreign_frame foreign;
	int r;

	if (!id) {
		foreign = perf_frame_of(frame);
		if (foreign.kind == WIRE_FRAME_JIT && last_arrow(foreign.name))
			return add_inlined(script, foreign, list, frames_max);
		r = add_frame(script, &foreign, &id);
		if (r < 0)
			return r;
		id_cache_put(&script->function_ids, hash, id);
	}
	push_frame(list, frames_max, id);
	return 0;
}

enum {
	LINE_IS_NO_FRAME = 1,
};

/* Adds the frames of one line. Returns 0, LINE_IS_NO_FRAME or -errno. */
static int take_frame(struct perf_script *script, const char *line, size_t size,
		      struct frame_list *list, uint32_t frames_max)
{
	struct perf_frame frame;

	if (!perf_frame_parse(line, size, &frame))
		return LINE_IS_NO_FRAME;
	return find_function(script, &frame, list, frames_max);
}

static void pass_over(struct perf_script *script, uint64_t line)
{
	if (!script->passed_over++)
		script->passed_over_line = line;
}

/* --- stacks -------------------------------------------------------------------------------------- */

static int add_to_stack(struct perf_script *script, const struct frame_list *list, uint32_t *stack)
{
	int r = 0;

	for (uint32_t i = list->count; i-- && !r;)
		r = foreign_profile_stack(script->profile, *stack, list->ids[i], stack);
	return r ? import_step_failed(script->input, script->profile, r) : 0;
}

/* --- chains of callers --------------------------------------------------------------------------- */

/* A part of the input behind its next byte; offsets hold when the buffer moves. */
struct chain {
	size_t begin;
	size_t end;
	uint32_t line_count;
};

static bool is_indented(uint8_t byte)
{
	return byte == '\t' || byte == ' ';
}

/* Whether an indented line begins a sample: without -g, names of processes are padded with spaces. */
static bool is_header_line(const char *line, size_t size)
{
	struct perf_header header;
	struct perf_frame frame;

	if (*line == ' ' && perf_header_parse(line, size, &header) && header.time_us >= 0)
		return true;
	return !perf_frame_parse(line, size, &frame) && perf_header_parse(line, size, &header);
}

/* The line at @begin, read whole. Returns 0, INPUT_BYTES_END where there is none, or -errno. */
static int line_at(struct input_bytes *input, size_t begin, const char **ret_line, size_t *ret_size)
{
	const uint8_t *newline = NULL;
	size_t left = (size_t)(input->end - input->at);
	int r = 0;

	if (begin < left)
		newline = memchr(input->at + begin, '\n', left - begin);
	while (!newline && !r) {
		if (left >= INPUT_BUFFER_SIZE)
			return input_bytes_bad_line(input, "a stack of more than %d bytes",
						    INPUT_BUFFER_SIZE);
		r = input_bytes_need(input, left + 1);
		if (r < 0)
			return r;
		newline = memchr(input->at + left, '\n', (size_t)(input->end - input->at) - left);
		left = (size_t)(input->end - input->at);
	}
	if (begin >= left)
		return INPUT_BYTES_END;
	*ret_line = (const char *)input->at + begin;
	*ret_size = newline ? (size_t)(newline - input->at) - begin : left - begin;
	return 0;
}

/* Behind a line and its end, which the last line of a file may lack. */
static size_t behind(const struct input_bytes *input, const char *line, size_t size)
{
	const uint8_t *end = (const uint8_t *)line + size;

	return (size_t)(end - input->at) + (end < input->end ? 1 : 0);
}

/* Indented lines that are whole in the buffer. Returns whether they end there. */
static bool skip_whole_lines(const struct input_bytes *input, struct chain *chain)
{
	const uint8_t *at = input->at + chain->end, *newline;

	while (at < input->end && is_indented(*at)) {
		newline = memchr(at, '\n', (size_t)(input->end - at));
		if (!newline)
			return false;
		at = newline + 1;
		chain->end = (size_t)(at - input->at);
		chain->line_count++;
	}
	return at < input->end;
}

/* Finds the end of the indented lines from @chain->begin on. */
static int find_chain(struct perf_script *script, struct chain *chain)
{
	struct input_bytes *input = script->input;
	const char *line;
	size_t size;
	int r = 0;

	chain->end = chain->begin;
	chain->line_count = 0;
	if (!script->mixed && skip_whole_lines(input, chain))
		return 0;
	while (!r) {
		r = line_at(input, chain->end, &line, &size);
		if (r)
			break;
		if (!size || !is_indented((uint8_t)*line) ||
		    (script->mixed && is_header_line(line, size)))
			break;
		chain->end = behind(input, line, size);
		chain->line_count++;
	}
	return r < 0 ? r : 0;
}

/* A chain that was not seen before, line by line. @chain: cut short where a sample begins in it. */
static int read_chain(struct perf_script *script, struct chain *chain, bool *ret_whole)
{
	struct input_bytes *input = script->input;
	const char *at = (const char *)input->at + chain->begin;
	const char *end = (const char *)input->at + chain->end;

	*ret_whole = true;
	script->callers.count = 0;
	for (uint32_t i = 0; i < chain->line_count; i++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t size = newline ? (size_t)(newline - at) : (size_t)(end - at);
		int r = take_frame(script, at, size, &script->callers, CALLERS_MAX);

		if (r < 0)
			return r;
		if (r == LINE_IS_NO_FRAME && is_header_line(at, size)) {
			script->mixed = true;
			*ret_whole = false;
			chain->end = (size_t)((const uint8_t *)at - input->at);
			chain->line_count = i;
			return 0;
		}
		if (r == LINE_IS_NO_FRAME) {
			*ret_whole = false;
			pass_over(script, input->line + 1 + i);
		}
		at += size + 1;
	}
	return 0;
}

/* @hash: of the chain's bytes. @ret_whole: the bytes tell all of it. */
static int take_callers(struct perf_script *script, struct chain *chain, uint64_t hash,
			uint32_t *ret_stack, bool *ret_whole)
{
	int r;

	*ret_whole = true;
	*ret_stack = id_cache_find(&script->chain_ids, hash);
	if (*ret_stack || chain->end == chain->begin)
		return 0;
	r = read_chain(script, chain, ret_whole);
	if (!r)
		r = add_to_stack(script, &script->callers, ret_stack);
	if (!r && *ret_whole && *ret_stack)
		id_cache_put(&script->chain_ids, hash, *ret_stack);
	return r;
}

/* The stack of the leaf's frames and the lines of the chain behind them. */
static int find_stack(struct perf_script *script, struct chain *chain)
{
	const uint8_t *bytes = script->input->at + chain->begin;
	uint64_t chain_hash = hash_bytes(bytes, chain->end - chain->begin), hash = chain_hash;
	bool whole;
	int r;

	for (uint32_t i = 0; i < script->leaf.count; i++)
		hash = hash_next(hash, script->leaf.ids[i]);
	script->sample.stack = id_cache_find(&script->stack_ids, hash);
	if (script->sample.stack)
		return 0;
	r = take_callers(script, chain, chain_hash, &script->sample.stack, &whole);
	if (!r)
		r = add_to_stack(script, &script->leaf, &script->sample.stack);
	if (!r && whole && script->sample.stack)
		id_cache_put(&script->stack_ids, hash, script->sample.stack);
	return r;
}

/*
 * The indented lines behind the one that begins a sample. The leaf is at another address nearly each
 * time; the callers behind it are often, to the byte, those of another sample.
 */
static int take_stack(struct perf_script *script)
{
	struct input_bytes *input = script->input;
	struct chain chain = { 0 };
	const char *line;
	size_t size;
	int r = line_at(input, 0, &line, &size);

	if (r || !size || !is_indented((uint8_t)*line) ||
	    (*line == ' ' && is_header_line(line, size)))
		return r < 0 ? r : 0;
	r = take_frame(script, line, size, &script->leaf, LINE_FRAMES_MAX);
	if (r == LINE_IS_NO_FRAME && is_header_line(line, size))
		return 0;
	if (r == LINE_IS_NO_FRAME)
		pass_over(script, input->line + 1);
	if (r < 0)
		return r;
	input->at += behind(input, line, size);
	input->line++;
	r = find_chain(script, &chain);
	if (!r)
		r = find_stack(script, &chain);
	input->at += chain.end;
	input->line += chain.line_count;
	return r;
}

/* --- idle ---------------------------------------------------------------------------------------- */

/* The functions of an idle CPU, by kernel: the loop itself, its drivers, and halting in a guest. */
static bool is_idle_name(const char *name, size_t size)
{
	static const char *const parts[] = {
		"idle",
		"safe_halt",
		"cpu_startup_entry",
		"xen_hypercall_sched_op",
		"xen_hypercall_vcpu_op",
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (memmem(name, size, parts[i], strlen(parts[i])))
			return true;
	return false;
}

/* Of a stack, that is of any of its frames. */
static bool is_idle_stack(struct perf_script *script, uint32_t stack)
{
	struct bytes_writer *known = &script->stack_idleness;
	const struct foreign_stack_row *row;
	const struct foreign_frame_row *frame;
	const char *name;
	bool idle;
	size_t size;

	if (!stack)
		return false;
	while (known->size < stack && !known->failed)
		bytes_write_u8(known, IDLENESS_UNKNOWN);
	if (known->failed)
		return false;
	if (known->bytes[stack - 1] == IDLENESS_UNKNOWN) {
		row = row_table_row(&script->profile->stacks, stack);
		frame = row_table_row(&script->profile->frames, row->frame);
		name = string_table_string(&script->profile->strings, frame->name, &size);
		idle = is_idle_name(name, size) || is_idle_stack(script, row->parent);
		known->bytes[stack - 1] = idle ? IDLENESS_IDLE : IDLENESS_BUSY;
	}
	return known->bytes[stack - 1] == IDLENESS_IDLE;
}

/* --- samples ------------------------------------------------------------------------------------- */

static int end_sample(struct perf_script *script)
{
	int r;

	if (script->is_idle_process &&
	    (!script->sample.stack || is_idle_stack(script, script->sample.stack))) {
		foreign_profile_idle(script->profile, script->sample.event);
		return 0;
	}
	r = foreign_profile_sample(script->profile, &script->sample);
	return r ? import_step_failed(script->input, script->profile, r) : 0;
}

static int find_thread(struct perf_script *script, const struct perf_header *header)
{
	uint64_t hash = hash_bytes(header->who.bytes, header->who.size);
	uint32_t id = id_cache_find(&script->thread_ids, hash);
	int r = 0;

	if (!id) {
		r = foreign_profile_thread(script->profile,
					   header->has_ids ? header->pid : FOREIGN_PID_UNKNOWN,
					   header->tid, header->comm, &id);
		if (!r)
			id_cache_put(&script->thread_ids, hash, id);
	}
	script->sample.thread = id;
	return r;
}

static int find_event(struct perf_script *script, const struct perf_header *header)
{
	struct foreign_text name = header->event.size ? header->event : foreign_text_of("samples");
	uint32_t event = script->last_event;
	int r = 0;

	/* As a rule it is that of the sample before. */
	if (!script->sample_count || !foreign_text_is(name, script->profile->events[event].name))
		r = foreign_profile_event(script->profile, name, &event);
	script->sample.event = (uint16_t)event;
	script->last_event = event;
	return r;
}

/* The period of a clock is the time between its interrupts, in ns. */
static void note_period(struct perf_script *script, const struct perf_header *header)
{
	struct foreign_event *event = &script->profile->events[script->sample.event];

	if (!event->frequency_mhz && header->period >= 1000 &&
	    (foreign_text_is(header->event, "cpu-clock") ||
	     foreign_text_is(header->event, "task-clock") ||
	     foreign_text_is(header->event, "cpu-clock:u") ||
	     foreign_text_is(header->event, "cpu-clock:k")))
		event->frequency_mhz =
			(uint32_t)((UINT64_C(1000000000000) + header->period / 2) / header->period);
}

static bool is_idle_process(const struct perf_header *header)
{
	static const char idle[] = "swapper";
	const size_t size = sizeof(idle) - 1;

	return header->comm.size >= size && memcmp(header->comm.bytes, idle, size) == 0 &&
	       (header->comm.size == size || header->comm.bytes[size] == '/') &&
	       (!header->has_ids || header->pid == 0);
}

/*
 * Other records than samples, with --show-mmap-events and the like: "PERF_RECORD_COMM: ...",
 * "PERF_RECORD_LOST lost 12".
 */
static bool is_record(const struct perf_header *header, const char *start)
{
	struct foreign_text text = header->event.size ? header->event : header->rest;

	return text.size >= strlen(start) && memcmp(text.bytes, start, strlen(start)) == 0;
}

/* What perf could not keep, at the time when it noticed. */
static int take_loss(struct perf_script *script, const struct perf_header *header)
{
	uint64_t count;
	int r;

	if (header->time_us < 0 || header->time_us > FOREIGN_TIME_MAX_US ||
	    !perf_last_number(header->rest, &count)) {
		pass_over(script, script->input->line);
		return 0;
	}
	r = foreign_profile_loss(script->profile, header->time_us, count);
	return r ? import_step_failed(script->input, script->profile, r) : 0;
}

/* Keeps what the lines of this thread on this CPU, and of this event, have in common. */
static void keep_source(struct perf_script *script, const struct perf_header *header)
{
	const struct source source = { script->sample.thread, header->cpu,
				       script->is_idle_process };

	if (script->sources.size / sizeof(source) == SOURCES_MAX) {
		id_cache_clear(&script->source_ids);
		bytes_writer_clear(&script->sources);
	}
	bytes_write(&script->sources, &source, sizeof(source));
	if (!script->sources.failed)
		id_cache_put(&script->source_ids,
			     hash_bytes(header->before.bytes, header->before.size),
			     (uint32_t)(script->sources.size / sizeof(source)));
	script->event_text_size = 0;
	if (!header->rest.size && header->behind.size <= EVENT_TEXT_MAX) {
		memcpy(script->event_text, header->behind.bytes, header->behind.size);
		script->event_text_size = header->behind.size;
	}
}

static void begin_sample(struct perf_script *script, int64_t time_us, uint16_t cpu)
{
	if (time_us >= 0) {
		script->has_times = true;
		script->last_time_us = time_us;
	}
	script->leaf.count = 0;
	script->sample = (struct foreign_sample){
		.time_us = script->last_time_us,
		.count = 1,
		.cpu = cpu,
	};
}

/*
 * A sample of which only the time and the stack are new, as nearly all are. Returns false when it is
 * none; then nothing has happened.
 */
static bool take_known(struct perf_script *script, const char *line, size_t size, int *ret_r)
{
	struct perf_header header;
	const struct source *source;
	uint32_t id;

	if (!script->event_text_size || !perf_header_split(line, size, &header) ||
	    header.behind.size != script->event_text_size ||
	    memcmp(header.behind.bytes, script->event_text, header.behind.size) != 0 ||
	    header.time_us > FOREIGN_TIME_MAX_US)
		return false;
	id = id_cache_find(&script->source_ids,
			   hash_bytes(header.before.bytes, header.before.size));
	if (!id)
		return false;
	source = (const struct source *)script->sources.bytes + id - 1;
	begin_sample(script, header.time_us, source->cpu);
	script->sample.thread = source->thread;
	script->sample.event = (uint16_t)script->last_event;
	script->is_idle_process = source->is_idle_process;
	script->sample_count++;
	*ret_r = take_stack(script);
	if (*ret_r >= 0)
		*ret_r = end_sample(script);
	return true;
}

static int take_sample(struct perf_script *script, const struct perf_header *header)
{
	int r;

	if (header->time_us > FOREIGN_TIME_MAX_US)
		return input_bytes_bad_line(script->input, "no such time can be");
	begin_sample(script, header->time_us, header->cpu);
	script->is_idle_process = is_idle_process(header);
	r = find_event(script, header);
	if (!r)
		r = find_thread(script, header);
	if (r)
		return import_step_failed(script->input, script->profile, r);
	script->sample_count++;
	note_period(script, header);
	if (header->behind.size)
		keep_source(script, header);
	if (header->rest.size)
		r = take_frame(script, header->rest.bytes, header->rest.size, &script->leaf,
			       LINE_FRAMES_MAX);
	/* What a tracepoint says of itself is no frame; its stack follows. */
	if (r >= 0)
		r = script->leaf.count ? add_to_stack(script, &script->leaf, &script->sample.stack)
				       : take_stack(script);
	return r < 0 ? r : end_sample(script);
}

/* A line that is no part of a stack. */
static int take_line(struct perf_script *script, const char *line, size_t size)
{
	struct perf_header header;
	int r;

	if (!size || (size == 1 && line[0] == '\r'))
		return 0;
	if (line[0] == '#') {
		perf_comment_parse(script->profile, line, size);
		return 0;
	}
	if (take_known(script, line, size, &r))
		return r;
	if (!perf_header_parse(line, size, &header)) {
		pass_over(script, script->input->line);
		return 0;
	}
	if (is_record(&header, "PERF_RECORD_LOST"))
		return take_loss(script, &header);
	if (is_record(&header, "PERF_RECORD_")) {
		pass_over(script, script->input->line);
		return 0;
	}
	return take_sample(script, &header);
}

/* --- the whole ----------------------------------------------------------------------------------- */

static int perf_script_open(struct perf_script *script)
{
	int r = id_cache_open(FUNCTION_CACHE_SIZE, &script->function_ids);

	if (!r)
		r = id_cache_open(STACK_CACHE_SIZE, &script->stack_ids);
	if (!r)
		r = id_cache_open(CHAIN_CACHE_SIZE, &script->chain_ids);
	if (!r)
		r = id_cache_open(THREAD_CACHE_SIZE, &script->thread_ids);
	if (!r)
		r = id_cache_open(SOURCE_CACHE_SIZE, &script->source_ids);
	script->sources = bytes_writer_with_max(SOURCES_MAX * sizeof(struct source));
	script->stack_idleness = bytes_writer_with_max(FOREIGN_STACKS_MAX);
	return r;
}

static void perf_script_close(struct perf_script *script)
{
	id_cache_close(&script->function_ids);
	id_cache_close(&script->stack_ids);
	id_cache_close(&script->chain_ids);
	id_cache_close(&script->thread_ids);
	id_cache_close(&script->source_ids);
	bytes_writer_free(&script->sources);
	bytes_writer_free(&script->stack_idleness);
}

static int read_lines(struct perf_script *script)
{
	const char *line;
	size_t size;
	int r = 0;

	while (!r) {
		r = input_bytes_line(script->input, &line, &size);
		if (!r)
			r = take_line(script, line, size);
	}
	return r < 0 ? r : 0;
}

/* Samples without times: each has a count of one. */
static int lay_out(struct perf_script *script)
{
	struct foreign_profile *profile = script->profile;
	struct timeless timeless = timeless_open(profile);
	uint32_t count = foreign_profile_sample_count(profile);
	const uint64_t one = 1;
	int r;

	for (uint32_t i = 0; i < profile->event_count; i++)
		timeless.totals[i] = profile->events[i].sample_count;
	for (uint32_t i = 0; i < count; i++)
		bytes_write(&timeless.counts, &one, sizeof(one));
	r = timeless.counts.failed ? -ENOMEM : 0;
	if (!r)
		timeless_lay_out(&timeless, TIMELESS_HZ * 1000, "The samples have");
	timeless_close(&timeless);
	return r;
}

bool import_perf_script_is_line(const char *line, size_t size)
{
	struct perf_header header;

	return perf_header_parse(line, size, &header);
}

int import_perf_script(struct input_bytes *input, struct foreign_profile *profile)
{
	struct perf_script *script = calloc(1, sizeof(*script));
	int r = -ENOMEM;

	if (script) {
		script->input = input;
		script->profile = profile;
		r = perf_script_open(script);
		if (!r)
			r = read_lines(script);
		if (!r && !script->has_times)
			r = lay_out(script);
		if (!r && script->passed_over && !input->quiet)
			log_warning("%s: %" PRIu64
				    " lines are no part of a sample, the first is line %" PRIu64
				    ": passed over",
				    input->name, script->passed_over, script->passed_over_line);
		perf_script_close(script);
	}
	free(script);
	return r;
}
