/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/perf_map_text.h"

#include <string.h>

#include "base/cleanup.h"
#include "elf/symbol_table.h"
#include "process/text_line.h"
#include "symbolize/jit_input.h"
#include "symbolize/jit_loads.h"
#include "symbolize/jit_name.h"

static bool parse_number(struct bytes_reader *line, uint64_t *ret_number)
{
	text_skip_prefix(line, "0x");
	return text_hex(line, ret_number);
}

static void parse_line(struct bytes_reader line, struct jit_loads_writer *loads)
{
	char name[SYMBOL_NAME_SIZE_MAX + JIT_NAME_ADDED_MAX];
	struct jit_load load = { 0 };
	size_t size;

	if (!parse_number(&line, &load.start) || !text_skip(&line, ' ') ||
	    !parse_number(&line, &load.size) || !text_skip(&line, ' ') || !bytes_left(&line))
		return;
	size = bytes_left(&line) < SYMBOL_NAME_SIZE_MAX ? bytes_left(&line) : SYMBOL_NAME_SIZE_MAX;
	jit_loads_writer_add(loads, load, name, jit_name_write(name, (const char *)line.at, size));
}

size_t perf_map_text_parse(const char *text, size_t size, struct jit_loads_writer *loads)
{
	const char *end = size ? memrchr(text, '\n', size) : NULL;
	struct bytes_reader lines, line;

	if (!end)
		return size < JIT_INPUT_PART_SIZE_MAX ? 0 : size;
	size = (size_t)(end + 1 - text);
	lines = bytes_reader_of(text, size);
	while (!jit_loads_writer_is_full(loads) && text_line_next(&lines, &line))
		parse_line(line, loads);
	return bytes_offset(&lines);
}

int perf_map_text_job(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	CLEANUP(jit_loads_writer_free) struct jit_loads_writer loads = jit_loads_writer_new();
	CLEANUP(jit_input_free) struct jit_input input = { 0 };
	size_t used;
	int r = jit_input_read(input_fd, argument, PERF_MAP_SIZE_MAX, &input);

	if (r < 0)
		return r;
	used = perf_map_text_parse((const char *)input.bytes.bytes, input.bytes.size, &loads);
	return jit_input_answer(&input, used, 0, &loads, ret_result);
}
