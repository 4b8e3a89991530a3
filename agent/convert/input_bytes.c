/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/input_bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/log.h"

enum {
	GZIP_WINDOW_BITS = 15 + 16, /* zlib's way to say: gzip, 32 KiB */
	PROBLEM_SIZE_MAX = 512,
	PAGE_SIZE = 4096,
	BUFFER_ROOM = INPUT_BUFFER_SIZE + PAGE_SIZE,
};

struct input_source {
	int fd; /* -1: from memory */
	const uint8_t *bytes;
	size_t size;
	size_t block_size;
	uint64_t stored_size;
	uint64_t stored_read;
	bool ended;
};

struct input_reader {
	struct input_bytes public; /* first: the one is the other */
	char *name;
	struct input_source source;
	bool started; /* it is known whether the file is packed */
	bool packed;
	bool ended; /* nothing comes behind public.end */
	z_stream stream;
	uint64_t buffer_offset; /* of the buffer's first byte in the unpacked bytes */
	uint8_t *packed_block;	/* owned; INPUT_BLOCK_SIZE */
	uint8_t *buffer;	/* owned; BUFFER_ROOM, at the start of a page */
};

static struct input_reader *reader_of(struct input_bytes *input)
{
	return (struct input_reader *)input;
}

static const struct input_reader *const_reader_of(const struct input_bytes *input)
{
	return (const struct input_reader *)input;
}

static int reader_new(const struct input_source *source, const char *name, bool quiet,
		      struct input_bytes **ret_input)
{
	struct input_reader *reader = calloc(1, sizeof(*reader));

	if (reader) {
		reader->source = *source;
		reader->name = strdup(name);
		reader->buffer = aligned_alloc(PAGE_SIZE, BUFFER_ROOM);
	}
	if (!reader || !reader->name || !reader->buffer) {
		fd_close(source->fd);
		if (reader)
			reader->source.fd = -1;
		input_bytes_free(reader ? &reader->public : NULL);
		return -ENOMEM;
	}
	reader->public.name = reader->name;
	reader->public.quiet = quiet;
	reader->public.at = reader->public.end = reader->buffer;
	*ret_input = &reader->public;
	return 0;
}

int input_bytes_new(int fd, const char *name, bool quiet, struct input_bytes **ret_input)
{
	struct input_source source = { .fd = fd, .block_size = INPUT_BLOCK_SIZE };
	struct stat status;

	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		source.stored_size = (uint64_t)status.st_size;
	return reader_new(&source, name, quiet, ret_input);
}

int input_bytes_of(const void *bytes, size_t size, size_t block_size, bool quiet,
		   struct input_bytes **ret_input)
{
	struct input_source source = {
		.fd = -1,
		.bytes = bytes,
		.size = size,
		.block_size = block_size < INPUT_BLOCK_SIZE ? block_size : INPUT_BLOCK_SIZE,
		.stored_size = size,
	};

	return reader_new(&source, "input", quiet, ret_input);
}

void input_bytes_free(struct input_bytes *input)
{
	struct input_reader *reader = reader_of(input);

	if (!input)
		return;
	if (reader->packed)
		inflateEnd(&reader->stream);
	fd_close(reader->source.fd);
	free(reader->packed_block);
	free(reader->buffer);
	free(reader->name);
	free(reader);
}

bool input_bytes_is_packed(const struct input_bytes *input)
{
	return const_reader_of(input)->packed;
}

uint64_t input_bytes_offset(const struct input_bytes *input)
{
	const struct input_reader *reader = const_reader_of(input);

	return reader->buffer_offset + (uint64_t)(input->at - reader->buffer);
}

uint64_t input_bytes_stored_size(const struct input_bytes *input)
{
	return const_reader_of(input)->source.stored_size;
}

uint64_t input_bytes_stored_read(const struct input_bytes *input)
{
	return const_reader_of(input)->source.stored_read;
}

/* --- what is wrong ----------------------------------------------------------------------------- */

int input_bytes_bad_line(const struct input_bytes *input, const char *format, ...)
{
	char problem[PROBLEM_SIZE_MAX];
	va_list arguments;

	if (input->quiet)
		return -EBADMSG;
	va_start(arguments, format);
	vsnprintf(problem, sizeof(problem), format, arguments);
	va_end(arguments);
	log_error("%s: line %" PRIu64 ": %s", input->name, input->line, problem);
	return -EBADMSG;
}

int input_bytes_bad_offset(const struct input_bytes *input, uint64_t offset, const char *format,
			   ...)
{
	char problem[PROBLEM_SIZE_MAX];
	va_list arguments;

	if (input->quiet)
		return -EBADMSG;
	va_start(arguments, format);
	vsnprintf(problem, sizeof(problem), format, arguments);
	va_end(arguments);
	log_error("%s: at byte %" PRIu64 ": %s", input->name, offset, problem);
	return -EBADMSG;
}

/* --- reading ----------------------------------------------------------------------------------- */

/* Up to @size bytes as they are stored; 0 at the end. */
static int read_source(struct input_reader *reader, uint8_t *target, size_t size, size_t *ret_size)
{
	struct input_source *source = &reader->source;
	ssize_t count;

	if (size > source->block_size)
		size = source->block_size;
	if (source->fd < 0) {
		count = (ssize_t)(size < source->size ? size : source->size);
		memcpy(target, source->bytes, (size_t)count);
		source->bytes += count;
		source->size -= (size_t)count;
	} else {
		do
			count = read(source->fd, target, size);
		while (count < 0 && errno == EINTR);
	}
	if (count < 0)
		return reader->public.quiet ? -errno : log_errno(-errno, "read %s", reader->name);
	source->ended = !count;
	source->stored_read += (uint64_t)count;
	if (reader->public.progress)
		reader->public.progress(reader->public.progress_context, source->stored_read,
					source->stored_size);
	*ret_size = (size_t)count;
	return 0;
}

static int packed_problem(const struct input_reader *reader, const char *problem)
{
	if (!reader->public.quiet)
		log_error("%s: at byte %" PRIu64 " of what gzip packed: %s", reader->name,
			  reader->source.stored_read - reader->stream.avail_in, problem);
	return -EBADMSG;
}

static int refill_packed(struct input_reader *reader)
{
	size_t size;
	int r;

	if (reader->stream.avail_in || reader->source.ended)
		return 0;
	r = read_source(reader, reader->packed_block, INPUT_BLOCK_SIZE, &size);
	if (r < 0)
		return r;
	reader->stream.next_in = reader->packed_block;
	reader->stream.avail_in = (uInt)size;
	return 0;
}

/* Several packed files one behind the other are one (RFC 1952, 2.2). */
static int end_member(struct input_reader *reader)
{
	int r = refill_packed(reader);

	if (r < 0)
		return r;
	/* Padding behind the last one is what tapes and some writers leave. */
	while (reader->stream.avail_in && !*reader->stream.next_in) {
		reader->stream.next_in++;
		reader->stream.avail_in--;
		r = refill_packed(reader);
		if (r < 0)
			return r;
	}
	reader->ended = !reader->stream.avail_in;
	return reader->ended || inflateReset(&reader->stream) == Z_OK ? 0 : -EIO;
}

/* Up to @size unpacked bytes; 0 at the end. */
static int read_packed(struct input_reader *reader, uint8_t *target, size_t size, size_t *ret_size)
{
	z_stream *stream = &reader->stream;
	uint64_t unpacked;
	int r = 0, result = Z_OK;

	stream->next_out = target;
	stream->avail_out = (uInt)(size < INPUT_BLOCK_SIZE ? size : INPUT_BLOCK_SIZE);
	size = stream->avail_out;
	while (stream->avail_out == size && !reader->ended) {
		r = refill_packed(reader);
		if (r < 0)
			return r;
		result = inflate(stream, Z_NO_FLUSH);
		if (result == Z_STREAM_END)
			r = end_member(reader);
		else if (result == Z_BUF_ERROR && reader->source.ended)
			return packed_problem(reader, "it ends in the middle: the file was cut");
		else if (result != Z_OK && result != Z_BUF_ERROR)
			return packed_problem(reader, stream->msg ? stream->msg : "damaged");
		if (r < 0)
			return r;
	}
	*ret_size = size - stream->avail_out;
	unpacked = reader->buffer_offset + (uint64_t)(reader->public.end - reader->buffer);
	if (unpacked > INPUT_RATIO_FREE && unpacked / INPUT_RATIO_MAX > reader->source.stored_read)
		return packed_problem(reader, "it swells beyond all measure: no profile does that");
	return 0;
}

static int start_packed(struct input_reader *reader, const uint8_t *bytes, size_t size)
{
	reader->packed_block = malloc(INPUT_BLOCK_SIZE);
	if (!reader->packed_block || inflateInit2(&reader->stream, GZIP_WINDOW_BITS) != Z_OK)
		return -ENOMEM;
	reader->packed = true;
	memcpy(reader->packed_block, bytes, size);
	reader->stream.next_in = reader->packed_block;
	reader->stream.avail_in = (uInt)size;
	return 0;
}

/* Reads the first block, and looks whether it is packed. */
static int start(struct input_reader *reader)
{
	size_t size = 0, count;
	int r;

	reader->started = true;
	while (size < 2 && !reader->source.ended) {
		r = read_source(reader, reader->buffer + size, INPUT_BLOCK_SIZE - size, &count);
		if (r < 0)
			return r;
		size += count;
	}
	if (size >= 2 && reader->buffer[0] == 0x1f && reader->buffer[1] == 0x8b)
		return start_packed(reader, reader->buffer, size);
	reader->public.end = reader->buffer + size;
	return 0;
}

/*
 * Makes room behind what is there: moves it to the buffer's front, so that it ends with a page. The
 * kernel copies four times as fast to where a page starts as to a few bytes behind it.
 */
static void move_to_front(struct input_reader *reader)
{
	struct input_bytes *public = &reader->public;
	size_t left = (size_t)(public->end - public->at);
	uint8_t *end = reader->buffer + (left + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
	uint64_t offset = input_bytes_offset(public);

	memmove(end - left, public->at, left);
	public->at = end - left;
	public->end = end;
	reader->buffer_offset = offset - (uint64_t)(public->at - reader->buffer);
}

/* Reads one block behind what is there. */
static int read_block(struct input_reader *reader)
{
	size_t room = BUFFER_ROOM - (size_t)(reader->public.end - reader->buffer), count = 0;
	uint8_t *end = reader->buffer + (reader->public.end - reader->buffer);
	int r = reader->packed ? read_packed(reader, end, room, &count)
			       : read_source(reader, end, room, &count);

	if (r < 0)
		return r;
	reader->public.end += count;
	if (!reader->packed)
		reader->ended = reader->source.ended;
	return 0;
}

int input_bytes_need(struct input_bytes *input, size_t size)
{
	struct input_reader *reader = reader_of(input);
	int r = 0;

	if ((size_t)(input->end - input->at) >= size)
		return 0;
	/* Little is moved for each block; a long line, only when there is no room behind it. */
	if (input->end - input->at <= INPUT_BLOCK_SIZE ||
	    input->end - reader->buffer > BUFFER_ROOM - INPUT_BLOCK_SIZE)
		move_to_front(reader);
	if (!reader->started)
		r = start(reader);
	while (!r && (size_t)(input->end - input->at) < size && !reader->ended)
		r = read_block(reader);
	if (r < 0)
		return r;
	return (size_t)(input->end - input->at) < size ? INPUT_BYTES_END : 0;
}

int input_bytes_whole(struct input_bytes *input, struct bytes_writer *ret_bytes)
{
	struct bytes_writer whole = bytes_writer_with_max(INPUT_WHOLE_MAX);
	int r;

	do {
		bytes_write(&whole, input->at, (size_t)(input->end - input->at));
		input->at = input->end;
		r = whole.failed ? input_bytes_bad_offset(input, input_bytes_offset(input),
							  "more than %d bytes", INPUT_WHOLE_MAX)
				 : input_bytes_need(input, 1);
	} while (!r);
	if (r < 0) {
		bytes_writer_free(&whole);
		return r;
	}
	*ret_bytes = whole;
	return 0;
}

int input_bytes_long_line(struct input_bytes *input, const char **ret_line, size_t *ret_size)
{
	const uint8_t *newline = NULL;
	size_t left;
	int r = 0;

	while (!newline && !r) {
		left = (size_t)(input->end - input->at);
		if (left >= INPUT_BUFFER_SIZE) {
			input->line++;
			return input_bytes_bad_line(input, "longer than %d bytes",
						    INPUT_BUFFER_SIZE);
		}
		r = input_bytes_need(input, left + 1);
		newline = memchr(input->at + left, '\n', (size_t)(input->end - input->at) - left);
	}
	if (r < 0)
		return r;
	/* The last line may lack its end. */
	if (!newline && input->at == input->end)
		return INPUT_BYTES_END;
	*ret_line = (const char *)input->at;
	*ret_size = (size_t)((newline ? newline : input->end) - input->at);
	input->at += *ret_size + (newline ? 1 : 0);
	input->line++;
	return 0;
}
