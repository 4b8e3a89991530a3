/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jit_loads.h"

#include <errno.h>

#include "elf/symbol_table.h"

enum { NAMES_SIZE_MAX = 32 << 20 };

struct jit_loads_writer jit_loads_writer_new(void)
{
	return (struct jit_loads_writer){
		.rows = bytes_writer_with_max(JIT_LOADS_MAX * sizeof(struct jit_load)),
		.names = bytes_writer_with_max(NAMES_SIZE_MAX),
	};
}

void jit_loads_writer_free(struct jit_loads_writer *writer)
{
	bytes_writer_free(&writer->rows);
	bytes_writer_free(&writer->names);
}

static bool is_code(const struct jit_load *load)
{
	return load->size && load->start + load->size > load->start;
}

void jit_loads_writer_add(struct jit_loads_writer *writer, struct jit_load load, const char *name,
			  size_t name_size)
{
	if (!is_code(&load) || jit_loads_writer_is_full(writer))
		return;
	if (name_size > SYMBOL_NAME_SIZE_MAX)
		name_size = SYMBOL_NAME_SIZE_MAX;
	load.name_offset = (uint32_t)writer->names.size;
	load.name_size = (uint32_t)name_size;
	if (name_size)
		bytes_write(&writer->names, name, name_size);
	bytes_write(&writer->rows, &load, sizeof(load));
}

int jit_loads_writer_finish(struct jit_loads_writer *writer, struct jit_position position,
			    uint32_t flags, struct bytes_writer *ret_result)
{
	const struct jit_loads_header header = {
		.position = position,
		.count = (uint32_t)(writer->rows.size / sizeof(struct jit_load)),
		.names_size = (uint32_t)writer->names.size,
		.flags = flags,
	};

	if (writer->rows.failed || writer->names.failed)
		return -ENOMEM;
	bytes_write(ret_result, &header, sizeof(header));
	if (writer->rows.size)
		bytes_write(ret_result, writer->rows.bytes, writer->rows.size);
	if (writer->names.size)
		bytes_write(ret_result, writer->names.bytes, writer->names.size);
	return ret_result->failed ? -EFBIG : 0;
}

int jit_loads_view_open(const void *bytes, size_t size, struct jit_loads_view *ret_view)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	struct jit_loads_view view;

	view.header = bytes_read(&reader, sizeof(*view.header));
	if (!view.header || view.header->count > JIT_LOADS_MAX)
		return -EBADMSG;
	view.rows = bytes_read(&reader, view.header->count * sizeof(*view.rows));
	view.names = bytes_read(&reader, view.header->names_size);
	if (reader.failed || bytes_left(&reader))
		return -EBADMSG;
	for (uint32_t i = 0; i < view.header->count; i++) {
		const struct jit_load *load = &view.rows[i];

		if (!is_code(load) || load->name_size > SYMBOL_NAME_SIZE_MAX ||
		    load->name_offset > view.header->names_size ||
		    load->name_size > view.header->names_size - load->name_offset)
			return -EBADMSG;
	}
	*ret_view = view;
	return 0;
}
