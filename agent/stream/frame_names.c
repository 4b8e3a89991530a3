/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/frame_names.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "profile/row_table.h"
#include "stream/record_decoder.h"
#include "wire.h"

/* What a string says as the name of a function. */
enum naming {
	NAME_NONE, /* the empty one, of id 0 */
	NAME_TEXT,
	NAME_MODULE,
	NAME_ANONYMOUS,
	NAME_NO_MAPPING,
};

/* What agents call what they cannot name (agent/symbolize/README.md). */
static const struct {
	const char *text;
	enum naming naming;
} placeholders[] = {
	{ "[anon]", NAME_ANONYMOUS },
	{ "[jit]", NAME_ANONYMOUS },
	{ "[kernel]", NAME_MODULE },
	{ "[no mapping]", NAME_NO_MAPPING },
};

struct function_row {
	uint64_t key;
	uint64_t frames;
	uint32_t owner;	 /* the function that it was found to be a part of; 0: itself */
	uint32_t naming; /* of its name */
};

struct segment_stack {
	uint64_t frames; /* samples in which it is a part of the stack */
	uint32_t parent;
	uint32_t frame;
};

struct frame_names {
	struct row_table functions; /* struct function_row */
	uint64_t left_out;	    /* frames of functions beyond the limit */
	/* Of the segment in hand, by id. */
	struct bytes_writer strings;   /* uint8_t: enum naming */
	struct bytes_writer by_number; /* uint32_t: functions of the whole capture */
	struct bytes_writer frames;    /* uint32_t: functions of the segment */
	struct bytes_writer stacks;    /* struct segment_stack */
	bool no_memory;
};

int frame_names_new(struct frame_names **ret_names)
{
	/* The decoder bounds rows; the limits here only have to be above that. */
	const size_t rows_max = WIRE_ROWS_MAX;
	struct frame_names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	names->functions = row_table_of(sizeof(struct function_row),
					offsetof(struct function_row, frames), FRAME_NAMES_MAX);
	names->strings = bytes_writer_with_max(rows_max);
	names->by_number = bytes_writer_with_max(rows_max * sizeof(uint32_t));
	names->frames = bytes_writer_with_max(rows_max * sizeof(uint32_t));
	names->stacks = bytes_writer_with_max(rows_max * sizeof(struct segment_stack));
	*ret_names = names;
	return 0;
}

void frame_names_free(struct frame_names *names)
{
	if (!names)
		return;
	row_table_free(&names->functions);
	bytes_writer_free(&names->strings);
	bytes_writer_free(&names->by_number);
	bytes_writer_free(&names->frames);
	bytes_writer_free(&names->stacks);
	free(names);
}

/* The element of id @id; NULL for 0, and when memory was missing. The decoder has checked ids. */
static void *element(const struct bytes_writer *array, uint32_t id, size_t size)
{
	return id && (size_t)id * size <= array->size ? array->bytes + (size_t)(id - 1) * size
						      : NULL;
}

/* The table is ours: only the key must stay. */
static struct function_row *function_row(const struct frame_names *names, uint32_t id)
{
	return (struct function_row *)row_table_row(&names->functions, id);
}

/* The function with @key, 0 when there are too many. */
static uint32_t function_by_key(struct frame_names *names, uint64_t key)
{
	const struct function_row row = { .key = key };
	uint32_t id = 0;

	if (row_table_add(&names->functions, &row, &id) < 0)
		names->no_memory = true;
	return id;
}

static uint32_t function_root(const struct frame_names *names, uint32_t id)
{
	while (function_row(names, id)->owner)
		id = function_row(names, id)->owner;
	return id;
}

static uint32_t naming_of(const struct frame_names *names, uint32_t string)
{
	const uint8_t *naming = element(&names->strings, string, sizeof(*naming));

	return naming ? *naming : NAME_NONE;
}

/* --- one segment ------------------------------------------------------------------------------- */

static void count_frames(struct frame_names *names, uint32_t frame, uint64_t count)
{
	const uint32_t *function = element(&names->frames, frame, sizeof(*function));
	const uint32_t *id = function ? element(&names->by_number, *function, sizeof(*id)) : NULL;

	if (id && *id)
		function_row(names, *id)->frames += count;
	else
		names->left_out += count;
}

/* Adds up what was counted of the segment: a stack's samples are its callers' as well. */
static void end_segment(struct frame_names *names)
{
	struct segment_stack *stacks = (struct segment_stack *)names->stacks.bytes;

	for (size_t id = names->stacks.size / sizeof(*stacks); id > 0; id--) {
		const struct segment_stack *stack = &stacks[id - 1];

		count_frames(names, stack->frame, stack->frames);
		if (stack->parent)
			stacks[stack->parent - 1].frames += stack->frames;
	}
}

void frame_names_segment(struct frame_names *names)
{
	end_segment(names);
	names->no_memory |= names->strings.failed || names->by_number.failed ||
			    names->frames.failed || names->stacks.failed;
	bytes_writer_clear(&names->strings);
	bytes_writer_clear(&names->by_number);
	bytes_writer_clear(&names->frames);
	bytes_writer_clear(&names->stacks);
}

void frame_names_string(struct frame_names *names, const char *bytes, uint32_t size)
{
	uint8_t naming = size ? NAME_TEXT : NAME_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(placeholders); i++)
		if (size == strlen(placeholders[i].text) &&
		    memcmp(bytes, placeholders[i].text, size) == 0)
			naming = placeholders[i].naming;
	bytes_write_u8(&names->strings, naming);
}

void frame_names_function(struct frame_names *names, const struct record_function *function)
{
	uint32_t id = function_by_key(names, function->key), naming;

	if (id) {
		/* One that is known already stays: it may have come late and be better. */
		naming = naming_of(names, function->name);
		if (function_row(names, id)->naming == NAME_NONE)
			function_row(names, id)->naming = naming;
	}
	bytes_write(&names->by_number, &id, sizeof(id));
}

void frame_names_frame(struct frame_names *names, uint32_t function)
{
	bytes_write(&names->frames, &function, sizeof(function));
}

void frame_names_stack(struct frame_names *names, const struct record_stack *stack)
{
	const struct segment_stack row = { .parent = stack->parent, .frame = stack->frame };

	bytes_write(&names->stacks, &row, sizeof(row));
}

void frame_names_samples(struct frame_names *names, const struct record_samples *samples)
{
	for (uint32_t i = 0; i < samples->count; i++) {
		struct segment_stack *stack =
			element(&names->stacks, samples->stack[i], sizeof(*stack));

		if (stack)
			stack->frames++;
	}
}

void frame_names_late(struct frame_names *names, const struct record_late_name *late_name)
{
	uint32_t part = function_by_key(names, late_name->key);
	uint32_t owner = function_by_key(names, late_name->function_key);
	uint32_t naming = naming_of(names, late_name->name);

	if (!part || !owner)
		return;
	part = function_root(names, part);
	owner = function_root(names, owner);
	/* Roots only, so there is never a circle. */
	if (part != owner)
		function_row(names, part)->owner = owner;
	if (naming != NAME_NONE)
		function_row(names, owner)->naming = naming;
}

/* --- the whole --------------------------------------------------------------------------------- */

int frame_names_finish(struct frame_names *names, struct frame_names_counts *ret_counts)
{
	static const enum frame_naming namings[] = {
		[NAME_NONE] = FRAME_MODULE_ONLY,      [NAME_TEXT] = FRAME_NAMED,
		[NAME_MODULE] = FRAME_MODULE_ONLY,    [NAME_ANONYMOUS] = FRAME_ANONYMOUS,
		[NAME_NO_MAPPING] = FRAME_NO_MAPPING,
	};
	struct frame_names_counts counts = { { 0 } };

	frame_names_segment(names);
	if (names->no_memory)
		return -ENOMEM;
	counts.frames[FRAME_MODULE_ONLY] = names->left_out;
	for (uint32_t id = 1; id <= names->functions.row_count; id++) {
		const struct function_row *root = function_row(names, function_root(names, id));

		counts.frames[namings[root->naming]] += function_row(names, id)->frames;
	}
	*ret_counts = counts;
	return 0;
}
