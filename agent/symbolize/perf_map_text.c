/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/perf_map_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf/symbol_table.h"
#include "elf/symbol_table_builder.h"
#include "process/text_line.h"
#include "symbolize/input_text.h"

struct function {
	uint64_t start;
	uint64_t end;
	const char *name;
	uint32_t name_size;
	uint32_t line; /* later ones hide earlier ones */
};

/* Functions that cover the address of the sweep, as a heap with the latest line on top. */
struct covering {
	const struct function **functions;
	size_t count;
};

static bool parse_number(struct bytes_reader *line, uint64_t *ret_number)
{
	text_skip_prefix(line, "0x");
	return text_hex(line, ret_number);
}

static bool parse_line(struct bytes_reader line, struct function *ret_function)
{
	uint64_t size;

	if (!parse_number(&line, &ret_function->start) || !text_skip(&line, ' ') ||
	    !parse_number(&line, &size) || !text_skip(&line, ' '))
		return false;
	if (!size || !bytes_left(&line) ||
	    __builtin_add_overflow(ret_function->start, size, &ret_function->end))
		return false;
	ret_function->name = (const char *)line.at;
	ret_function->name_size = bytes_left(&line) > SYMBOL_NAME_SIZE_MAX
					  ? SYMBOL_NAME_SIZE_MAX
					  : (uint32_t)bytes_left(&line);
	return true;
}

/* The last PERF_MAP_LINES_MAX lines of the text, whole ones only. */
static struct bytes_reader whole_lines(const char *text, size_t size)
{
	const char *end = size ? memrchr(text, '\n', size) : NULL, *at = end;

	for (size_t lines = 0; at; lines++) {
		if (lines == PERF_MAP_LINES_MAX)
			return bytes_reader_of(at + 1, (size_t)(end - at));
		at = at == text ? NULL : memrchr(text, '\n', (size_t)(at - text));
	}
	return bytes_reader_of(text, end ? (size_t)(end + 1 - text) : 0);
}

static size_t count_lines(struct bytes_reader text)
{
	struct bytes_reader line;
	size_t count = 0;

	while (text_line_next(&text, &line))
		count++;
	return count;
}

static int compare_starts(const void *left, const void *right)
{
	const struct function *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

static void covering_push(struct covering *covering, const struct function *function)
{
	size_t at = covering->count++;

	while (at && covering->functions[(at - 1) / 2]->line < function->line) {
		covering->functions[at] = covering->functions[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	covering->functions[at] = function;
}

static void covering_pop(struct covering *covering)
{
	const struct function *last = covering->functions[--covering->count];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= covering->count)
			break;
		if (child + 1 < covering->count &&
		    covering->functions[child + 1]->line > covering->functions[child]->line)
			child++;
		if (covering->functions[child]->line < last->line)
			break;
		covering->functions[at] = covering->functions[child];
		at = child;
	}
	covering->functions[at] = last;
}

static int add_piece(struct symbol_table_builder *builder, const struct function *function,
		     uint64_t start, uint64_t end)
{
	const struct symbol_source source = {
		.start = start,
		.size = end - start,
		.limit = end,
		.name = function->name,
		.name_size = function->name_size,
	};

	return symbol_table_builder_add(builder, &source);
}

/* Gives out what is visible from @at on up to @limit, the start of the next function. */
static int sweep(struct covering *covering, struct symbol_table_builder *builder, uint64_t at,
		 uint64_t limit)
{
	while (covering->count && at < limit) {
		const struct function *top = covering->functions[0];
		uint64_t end = top->end < limit ? top->end : limit;
		int r;

		if (top->end <= at) {
			covering_pop(covering);
			continue;
		}
		r = add_piece(builder, top, at, end);
		if (r < 0)
			return r;
		at = end;
	}
	return 0;
}

static int add_visible(struct symbol_table_builder *builder, const struct function *functions,
		       size_t count)
{
	CLEANUP(memory_free)
	const struct function **heap = calloc(count + 1, sizeof(const struct function *));
	struct covering covering = { .functions = heap };

	if (!heap)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		uint64_t limit = i + 1 < count ? functions[i + 1].start : UINT64_MAX;
		int r;

		covering_push(&covering, &functions[i]);
		r = sweep(&covering, builder, functions[i].start, limit);
		if (r < 0)
			return r;
	}
	return 0;
}

int perf_map_text_parse(const char *text, size_t size, struct bytes_writer *ret_table)
{
	CLEANUP(symbol_table_builder_free) struct symbol_table_builder *builder = NULL;
	CLEANUP(memory_free) struct function *functions = NULL;
	struct bytes_reader lines = whole_lines(text, size), line;
	uint32_t number = 0;
	size_t count = 0;
	int r = symbol_table_builder_new(&builder);

	if (r < 0)
		return r;
	functions = calloc(count_lines(lines) + 1, sizeof(*functions));
	if (!functions)
		return -ENOMEM;
	while (text_line_next(&lines, &line)) {
		functions[count].line = number++;
		count += parse_line(line, &functions[count]);
	}
	qsort(functions, count, sizeof(*functions), compare_starts);
	r = add_visible(builder, functions, count);
	if (r < 0)
		return r;
	return symbol_table_builder_finish(builder, NULL, ret_table);
}

int perf_map_text_job(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer text = bytes_writer_with_max(PERF_MAP_TEXT_SIZE_MAX);
	int r = input_text_read(input_fd, &text);

	return r < 0 ? r : perf_map_text_parse((const char *)text.bytes, text.size, ret_result);
}
