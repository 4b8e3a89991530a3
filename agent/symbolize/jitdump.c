/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jitdump.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "elf/symbol_table.h"
#include "symbolize/jit_input.h"
#include "symbolize/jit_loads.h"
#include "symbolize/jit_name.h"

enum {
	MAGIC = 0x4a695444, /* "JiTD" */
	VERSION_MAX = 1,
	HEADER_SIZE = 40,
	RECORD_HEAD_SIZE = 16,
	LOAD_SIZE = RECORD_HEAD_SIZE + 40, /* name and code follow */
	FLAG_ARCH_TIMESTAMP = 1,
};

enum record_id {
	CODE_LOAD = 0,
	CODE_MOVE = 1,
	CODE_DEBUG_INFO = 2,
	CODE_CLOSE = 3,
	CODE_UNWINDING_INFO = 4,
};

struct record {
	uint32_t id;
	uint32_t size;
	uint64_t time_ns; /* 0: of another clock */
	struct bytes_reader body;
};

/* False: it is not all there yet. */
static bool read_header(struct bytes_reader *reader, struct jitdump_part *part, int *ret_outcome)
{
	uint32_t magic, version, size;
	uint64_t flags;

	if (bytes_left(reader) < HEADER_SIZE)
		return false;
	magic = bytes_read_u32(reader);
	version = bytes_read_u32(reader);
	size = bytes_read_u32(reader);
	bytes_read(reader, 20); /* machine, padding, pid, time */
	flags = bytes_read_u64(reader);
	if (magic != MAGIC || !version || version > VERSION_MAX || size < HEADER_SIZE)
		*ret_outcome = -EBADMSG;
	part->no_times = flags & FLAG_ARCH_TIMESTAMP;
	return bytes_read(reader, size - HEADER_SIZE);
}

static uint64_t time_of(uint64_t time_ns, const struct jitdump_part *part)
{
	if (part->no_times || time_ns > part->now_ns + JITDUMP_TIME_AHEAD_MAX_S * NS_PER_S)
		return 0;
	return time_ns;
}

static void read_load(struct record *record, struct jit_loads_writer *loads)
{
	char name[SYMBOL_NAME_SIZE_MAX + JIT_NAME_ADDED_MAX];
	struct jit_load load = { .time_ns = record->time_ns };
	const char *start;
	size_t size;

	bytes_read_u64(&record->body); /* pid, tid */
	bytes_read_u64(&record->body); /* address of the code in the file that perf makes of it */
	load.start = bytes_read_u64(&record->body);
	load.size = bytes_read_u64(&record->body);
	bytes_read_u64(&record->body); /* number of the code */
	start = bytes_read_string(&record->body);
	if (!start)
		return;
	size = strnlen(start, SYMBOL_NAME_SIZE_MAX);
	jit_loads_writer_add(loads, load, name, jit_name_write(name, start, size));
}

static void read_move(struct record *record, struct jit_loads_writer *loads)
{
	struct jit_load load = { .time_ns = record->time_ns };

	bytes_read_u64(&record->body); /* pid, tid */
	bytes_read_u64(&record->body); /* address of the code in the file that perf makes of it */
	load.moved_from = bytes_read_u64(&record->body);
	load.start = bytes_read_u64(&record->body);
	load.size = bytes_read_u64(&record->body);
	if (!record->body.failed && load.moved_from)
		jit_loads_writer_add(loads, load, NULL, 0);
}

static void read_record(struct record *record, struct jitdump_part *part,
			struct jit_loads_writer *loads)
{
	if (record->id == CODE_LOAD)
		read_load(record, loads);
	else if (record->id == CODE_MOVE)
		read_move(record, loads);
	else if (record->id == CODE_CLOSE)
		part->closed = true;
}

/* False: it is not all there yet. One that is too large for any part is taken without its end. */
static bool next_record(struct bytes_reader *reader, struct jitdump_part *part,
			struct record *ret_record)
{
	struct bytes_reader at = *reader;
	struct record record = { .id = bytes_read_u32(&at), .size = bytes_read_u32(&at) };
	size_t size;

	record.time_ns = time_of(bytes_read_u64(&at), part);
	if (at.failed)
		return false;
	if (record.size < RECORD_HEAD_SIZE) {
		part->damaged = true;
		return false;
	}
	size = record.size;
	if (size > part->size_max) {
		if (bytes_left(reader) < LOAD_SIZE + SYMBOL_NAME_SIZE_MAX ||
		    part->file_left - bytes_offset(reader) < size)
			return false;
		size = LOAD_SIZE + SYMBOL_NAME_SIZE_MAX;
	}
	record.body = bytes_read_part(reader, size);
	if (reader->failed)
		return false;
	bytes_read(&record.body, RECORD_HEAD_SIZE);
	*ret_record = record;
	return true;
}

int jitdump_parse(const void *bytes, size_t size, struct jitdump_part *part,
		  struct jit_loads_writer *loads)
{
	struct bytes_reader reader = bytes_reader_of(bytes, size);
	struct record record;
	int outcome = 0;

	part->used = 0;
	part->closed = part->damaged = false;
	if (part->is_start) {
		if (!read_header(&reader, part, &outcome))
			return outcome;
		part->used = bytes_offset(&reader);
	}
	while (outcome == 0 && !jit_loads_writer_is_full(loads) &&
	       next_record(&reader, part, &record)) {
		read_record(&record, part, loads);
		part->used += record.size;
		if (part->used > bytes_offset(&reader))
			break; /* the rest of this one is not here */
	}
	return outcome;
}

int jitdump_job(int input_fd, struct bytes_reader argument, struct bytes_writer *ret_result)
{
	CLEANUP(jit_loads_writer_free) struct jit_loads_writer loads = jit_loads_writer_new();
	CLEANUP(jit_input_free) struct jit_input input = { 0 };
	struct jitdump_part part = { .size_max = JIT_INPUT_PART_SIZE_MAX };
	uint32_t flags = 0;
	int r = jit_input_read(input_fd, argument, JITDUMP_SIZE_MAX, &input);

	if (r < 0)
		return r;
	if (input.file_size > JITDUMP_SIZE_MAX)
		return -EFBIG;
	part.now_ns = monotonic_ns();
	part.file_left = input.file_size - input.position.offset;
	part.is_start = input.position.offset == 0;
	part.no_times = input.position.flags & JIT_POSITION_NO_TIMES;
	r = jitdump_parse(input.bytes.bytes, input.bytes.size, &part, &loads);
	if (r < 0)
		return r;
	input.position.flags = part.no_times ? JIT_POSITION_NO_TIMES : 0;
	flags |= part.closed ? JIT_LOADS_CLOSED : 0;
	flags |= part.damaged ? JIT_LOADS_DAMAGED : 0;
	return jit_input_answer(&input, part.used, flags, &loads, ret_result);
}
