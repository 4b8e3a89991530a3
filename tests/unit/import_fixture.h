/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of importers: a foreign file from memory, opened as any file is, and its samples as text.
 *
 *	TIME [CPU] COMM PID/TID root;...;leaf
 *
 * TIME is seconds of the timeline. A frame's module stands behind it as "@module", and what kind of
 * code it is in one letter: k kernel, j JIT, i inlined, l library, u unresolved; none for a program.
 */
#ifndef FLICKERSCOPE_IMPORT_FIXTURE_H
#define FLICKERSCOPE_IMPORT_FIXTURE_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bytes.h"
#include "check.h"
#include "convert/input.h"
#include "stream/capture_reader.h"
#include "stream/capture_summary.h"
#include "stream/record_decoder.h"

struct import_text {
	struct bytes_writer text;
	uint64_t start_us;
	/* Of the segment: an element for each id, from 1. */
	char *strings[65536];
	struct record_module modules[65536];
	struct record_function functions[65536];
	struct record_frame frames[65536];
	struct record_stack stacks[65536];
	struct record_thread threads[65536];
};

static inline void import_segment(void *context, const struct wire_segment_head *head)
{
	((struct import_text *)context)->start_us = head->start_us;
}

static inline void import_string(void *context, uint32_t id, const char *bytes, uint32_t size)
{
	struct import_text *text = context;

	free(text->strings[id]);
	text->strings[id] = strndup(bytes, size);
}

static inline void import_module(void *context, uint32_t id, const struct record_module *module)
{
	((struct import_text *)context)->modules[id] = *module;
}

static inline void import_function(void *context, uint32_t id,
				   const struct record_function *function)
{
	((struct import_text *)context)->functions[id] = *function;
}

static inline void import_frame(void *context, uint32_t id, const struct record_frame *frame)
{
	((struct import_text *)context)->frames[id] = *frame;
}

static inline void import_stack(void *context, uint32_t id, const struct record_stack *stack)
{
	((struct import_text *)context)->stacks[id] = *stack;
}

static inline void import_thread(void *context, uint32_t id, const struct record_thread *thread)
{
	((struct import_text *)context)->threads[id] = *thread;
}

static inline void import_put(struct import_text *text, const char *string)
{
	bytes_write(&text->text, string, strlen(string));
}

static inline void import_put_stack(struct import_text *text, uint32_t stack)
{
	static const char *const kinds[WIRE_FRAME_KIND_COUNT] = {
		[WIRE_FRAME_PROGRAM] = "",   [WIRE_FRAME_LIBRARY] = "'l",
		[WIRE_FRAME_INLINED] = "'i", [WIRE_FRAME_JIT] = "'j",
		[WIRE_FRAME_KERNEL] = "'k",  [WIRE_FRAME_UNRESOLVED] = "'u",
	};
	const struct record_frame *frame = &text->frames[text->stacks[stack].frame];
	const struct record_function *function = &text->functions[frame->function];
	const char *module = text->strings[text->modules[function->module].name];

	if (text->stacks[stack].parent) {
		import_put_stack(text, text->stacks[stack].parent);
		import_put(text, ";");
	}
	import_put(text, text->strings[function->name] ? text->strings[function->name] : "");
	if (function->module) {
		import_put(text, "@");
		import_put(text, module ? module : "");
	}
	import_put(text, kinds[frame->kind]);
}

static inline void import_samples(void *context, const struct record_samples *samples)
{
	struct import_text *text = context;
	char line[256];

	for (uint32_t i = 0; i < samples->count; i++) {
		const struct record_thread *thread = &text->threads[samples->thread[i]];
		uint64_t us = text->start_us + (uint64_t)samples->time_us[i];

		snprintf(line, sizeof(line), "%" PRIu64 ".%06" PRIu64 " [%u] %s %u/%u ",
			 us / 1000000, us % 1000000, samples->cpu[i],
			 text->strings[thread->comm] ? text->strings[thread->comm] : "",
			 thread->pid, thread->tid);
		import_put(text, line);
		if (samples->stack[i])
			import_put_stack(text, samples->stack[i]);
		import_put(text, "\n");
	}
}

static const struct record_visitor import_visitor = {
	.segment = import_segment,
	.string = import_string,
	.module = import_module,
	.function = import_function,
	.frame = import_frame,
	.stack = import_stack,
	.thread = import_thread,
	.samples = import_samples,
};

static inline int import_memory(const void *bytes, size_t size, const char *event,
				struct capture_reader **ret_reader)
{
	struct input_options options = { .event = event, .quiet = true };
	int fd = memfd_create("import", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET))
		check_give_up();
	return input_open_fd(fd, "/some/file.txt", &options, ret_reader);
}

/* The samples of what was opened; the caller frees it. */
static inline char *import_text_of(struct capture_reader *reader)
{
	struct import_text *text = calloc(1, sizeof(*text));
	char *result;

	text->text = bytes_writer_with_max(1 << 24);
	for (uint32_t i = 0; i < capture_reader_segment_count(reader); i++)
		if (capture_reader_visit(reader, i, &import_visitor, text))
			check_give_up();
	bytes_write_u8(&text->text, 0);
	if (text->text.failed)
		check_give_up();
	result = (char *)text->text.bytes;
	for (size_t i = 0; i < ARRAY_SIZE(text->strings); i++)
		free(text->strings[i]);
	free(text);
	return result;
}

/* The samples of a file with these bytes; NULL when it is refused. The caller frees it. */
static inline char *import_bytes(const void *bytes, size_t size, const char *event)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;

	return import_memory(bytes, size, event, &reader) ? NULL : import_text_of(reader);
}

static inline char *import_string_of(const char *text)
{
	return import_bytes(text, strlen(text), NULL);
}

/* What `info` tells of it. */
static inline struct capture_summary import_summary(const void *bytes, size_t size,
						    const char *event)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	struct capture_summary summary = { 0 };

	if (!import_memory(bytes, size, event, &reader) &&
	    capture_summary_read(reader, &summary) < 0)
		check_give_up();
	return summary;
}

/* gzip's format (RFC 1952); the caller frees it. */
static inline void *import_pack(const void *bytes, size_t size, size_t *ret_size)
{
	z_stream stream = { .next_in = (Bytef *)bytes, .avail_in = (uInt)size };
	size_t room = compressBound(size) + 64;
	void *packed = malloc(room);

	stream.next_out = packed;
	stream.avail_out = (uInt)room;
	if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
	    deflate(&stream, Z_FINISH) != Z_STREAM_END)
		check_give_up();
	*ret_size = room - stream.avail_out;
	deflateEnd(&stream);
	return packed;
}

/* Writers of the wire format of Protocol Buffers, for files in it. */
static inline void protobuf_put_varint(struct bytes_writer *message, uint32_t number,
				       uint64_t value)
{
	bytes_write_uleb128(message, (uint64_t)number << 3);
	bytes_write_uleb128(message, value);
}

static inline void protobuf_put_bytes(struct bytes_writer *message, uint32_t number,
				      const void *bytes, size_t size)
{
	bytes_write_uleb128(message, (uint64_t)number << 3 | 2);
	bytes_write_uleb128(message, size);
	bytes_write(message, bytes, size);
}

static inline void protobuf_put_string(struct bytes_writer *message, uint32_t number,
				       const char *string)
{
	protobuf_put_bytes(message, number, string, strlen(string));
}

/* Adds @part and empties it. */
static inline void protobuf_put_message(struct bytes_writer *message, uint32_t number,
					struct bytes_writer *part)
{
	protobuf_put_bytes(message, number, part->bytes, part->size);
	bytes_writer_clear(part);
}

static inline void protobuf_put_double(struct bytes_writer *message, uint32_t number, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	bytes_write_uleb128(message, (uint64_t)number << 3 | 1);
	bytes_write_u64(message, bits);
}

#endif
