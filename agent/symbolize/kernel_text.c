/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/kernel_text.h"

#include <string.h>

#include "elf/symbol_table_builder.h"
#include "process/text_line.h"

struct kernel_line {
	uint64_t address;
	char type;
	struct bytes_reader name;
	struct bytes_reader module; /* empty: the kernel itself */
};

/* "ffffffffc0a1b2c0 t nft_do_chain\t[nf_tables]" */
static bool parse_line(struct bytes_reader line, struct kernel_line *ret_line)
{
	struct bytes_reader type;

	if (!text_hex(&line, &ret_line->address) || !text_skip(&line, ' '))
		return false;
	type = text_word(&line);
	if (bytes_left(&type) != 1 || !text_skip(&line, ' '))
		return false;
	ret_line->type = (char)*type.at;
	ret_line->name = text_word(&line);
	if (!bytes_left(&ret_line->name))
		return false;
	text_skip_blanks(&line);
	ret_line->module = text_word(&line);
	if (bytes_left(&ret_line->module) > 2 && *ret_line->module.at == '[' &&
	    ret_line->module.end[-1] == ']') {
		ret_line->module.at++;
		ret_line->module.end--;
	} else {
		ret_line->module = bytes_reader_of(NULL, 0);
	}
	return true;
}

static bool is_function(char type)
{
	return type == 't' || type == 'T' || type == 'w' || type == 'W';
}

static enum symbol_binding binding_of(char type)
{
	if (type == 'T')
		return SYMBOL_GLOBAL;
	return type == 't' ? SYMBOL_LOCAL : SYMBOL_WEAK;
}

/* Trampolines of the kernel itself are listed as if they were modules. */
static bool is_module(const struct bytes_reader *module)
{
	static const char builtin[] = "__builtin__";

	return bytes_left(module) > 0 && !(bytes_left(module) > sizeof(builtin) &&
					   memcmp(module->at, builtin, sizeof(builtin) - 1) == 0);
}

static int add_line(struct symbol_table_builder *builder, const struct kernel_line *line)
{
	struct symbol_source source = {
		.start = line->address,
		.limit = line->address + KERNEL_FUNCTION_SIZE_MAX,
		.binding = binding_of(line->type),
	};

	if (source.limit < source.start)
		source.limit = UINT64_MAX;
	/* Others only say where the function before them ends. */
	if (is_function(line->type)) {
		source.name = (const char *)line->name.at;
		source.name_size = bytes_left(&line->name);
		if (is_module(&line->module))
			source.module = symbol_table_builder_module(
				builder, (const char *)line->module.at, bytes_left(&line->module));
	}
	return symbol_table_builder_add(builder, &source);
}

int kernel_text_parse(const char *text, size_t size, struct bytes_writer *ret_table)
{
	CLEANUP(symbol_table_builder_free) struct symbol_table_builder *builder = NULL;
	struct bytes_reader reader = bytes_reader_of(text, size), line;
	size_t understood = 0, shown = 0;
	int r = symbol_table_builder_new(&builder);

	while (r == 0 && text_line_next(&reader, &line)) {
		struct kernel_line parsed;

		if (!parse_line(line, &parsed))
			continue;
		understood++;
		if (!parsed.address)
			continue;
		shown++;
		r = add_line(builder, &parsed);
	}
	if (r < 0)
		return r;
	if (!shown)
		return understood ? KERNEL_TEXT_HIDDEN : KERNEL_TEXT_EMPTY;
	return symbol_table_builder_finish(builder, NULL, ret_table);
}

int kernel_text_job(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer text = bytes_writer_with_max(KERNEL_TEXT_SIZE_MAX);
	int r = bytes_writer_read(&text, input_fd);

	return r < 0 ? r : kernel_text_parse((const char *)text.bytes, text.size, ret_result);
}
