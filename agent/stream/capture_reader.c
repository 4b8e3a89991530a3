/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/capture_reader.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/bytes.h"
#include "base/log.h"
#include "profile/chunk.h"
#include "stream/capture_scan.h"
#include "stream/chunk_reader.h"
#include "stream/record_decoder.h"
#include "stream/segment_bytes.h"

enum {
	HEADER_SIZE_MAX = 4096,
	TIME_TEXT_SIZE = 40,
};

static const uint8_t magic[WIRE_MAGIC_SIZE] = { 0x89, 'F', 'L', 'K', '\r', '\n', 0x1a, '\n' };

/* A place in a segment's chunks, or in the index's. */
struct cursor {
	struct chunk_reader *chunks; /* borrowed */
	enum wire_chunk_kind kind;
	uint32_t number;
	uint64_t offset;
	uint64_t end;
	uint32_t next_sequence;
	bool at_last;	 /* the stream's last chunk has been read */
	uint64_t end_us; /* of the last whole chunk */
	const char *problem;
};

/* The chunks of one stream from @begin on, as far as they could be read and inflated at once. */
struct gathered {
	struct cursor begin;
	struct cursor cursor; /* behind them */
	struct segment_bytes *bytes;
	int outcome;	  /* 0, CAPTURE_DAMAGED or -errno */
	bool is_inflated; /* else it is to be done chunk by chunk */
};

/*
 * The segment that is likely to be visited next, inflated in a thread while the visitor is busy with
 * this one. The thread has a reader and room of its own and touches nothing else.
 */
struct ahead {
	pthread_t thread;
	bool is_running;
	uint32_t index; /* of the segment */
	struct chunk_reader *chunks;
	struct gathered gathered;
};

struct capture_reader {
	char *name;
	bool quiet;
	bool index_only;
	struct chunk_reader *chunks;
	struct segment_bytes *bytes;
	struct ahead ahead;
	uint32_t next_index;		/* behind the segment that was visited last */
	struct wire_file_header header; /* in the machine's byte order */
	uint64_t size;
	bool has_trailer;
	bool ended; /* and its index holds */
	uint64_t index_offset;
	uint64_t index_end;
	struct bytes_writer segments; /* struct capture_segment each */
};

/* --- open ------------------------------------------------------------------------------------- */

static void ahead_wait(struct capture_reader *reader)
{
	if (reader->ahead.is_running)
		pthread_join(reader->ahead.thread, NULL);
	reader->ahead.is_running = false;
}

void capture_reader_free(struct capture_reader *reader)
{
	if (!reader)
		return;
	ahead_wait(reader);
	chunk_reader_free(reader->ahead.chunks);
	segment_bytes_free(reader->ahead.gathered.bytes);
	chunk_reader_free(reader->chunks);
	segment_bytes_free(reader->bytes);
	bytes_writer_free(&reader->segments);
	free(reader->name);
	free(reader);
}

static int header_problem(const struct capture_reader *reader, const char *problem)
{
	if (!reader->quiet)
		log_error("%s: its header is damaged: %s", reader->name, problem);
	return -EBADMSG;
}

static int read_header(struct capture_reader *reader)
{
	struct wire_file_header *header = &reader->header;
	const uint8_t *bytes;
	int r = chunk_reader_bytes(reader->chunks, 0, sizeof(magic), &bytes);

	if (r < 0)
		return r;
	if (r || memcmp(bytes, magic, sizeof(magic)) != 0)
		return CAPTURE_NOT_ONE;
	r = chunk_reader_bytes(reader->chunks, 0, sizeof(*header), &bytes);
	if (r)
		return r < 0 ? r : 0; /* cut inside the header: a capture of nothing */
	memcpy(header, bytes, sizeof(*header));
	header->version_major = le16toh(header->version_major);
	header->version_minor = le16toh(header->version_minor);
	header->header_size = le32toh(header->header_size);
	header->instance_id = le64toh(header->instance_id);
	header->source = le32toh(header->source);
	header->oldest_segment = le32toh(header->oldest_segment);
	header->open_segment = le32toh(header->open_segment);
	header->reserved = le32toh(header->reserved);
	if (header->version_major > WIRE_VERSION_MAJOR) {
		if (!reader->quiet)
			log_error(
				"%s is in version %u of the format; this flickerscope reads up to "
				"version %u: use a newer one",
				reader->name, header->version_major, WIRE_VERSION_MAJOR);
		return CAPTURE_VERSION;
	}
	if (header->header_size < sizeof(*header) || header->header_size > HEADER_SIZE_MAX)
		return header_problem(reader, "its size cannot be right");
	return 0;
}

struct segment_list {
	struct bytes_writer *segments; /* struct capture_segment each */
	uint64_t end;		       /* of the last one; they follow one another */
	uint64_t limit;
	uint32_t last_number;
	bool holds;
};

static void take_index_row(void *context, const struct record_index *row)
{
	struct segment_list *list = context;
	struct capture_segment *segment;

	list->holds = list->holds && row->segment > list->last_number && row->offset >= list->end &&
		      row->offset <= list->limit && row->size <= list->limit - row->offset;
	if (!list->holds)
		return;
	segment = bytes_writer_extend(list->segments, sizeof(*segment));
	if (!segment)
		return; /* the writer says so */
	*segment = (struct capture_segment){
		.number = row->segment,
		.offset = row->offset,
		.size = row->size,
		.start_us = row->start_us,
		.end_us = row->start_us + row->span_us,
		.sample_count = row->sample_count,
	};
	list->end = row->offset + row->size;
	list->last_number = row->segment;
}

/* Whether the file ends with a trailer that names a place inside it. */
static int find_index(struct capture_reader *reader)
{
	struct wire_file_trailer trailer;
	const uint8_t *bytes;
	int r;

	if (reader->size < reader->header.header_size + sizeof(trailer))
		return 0;
	r = chunk_reader_bytes(reader->chunks, reader->size - sizeof(trailer), sizeof(trailer),
			       &bytes);
	if (r)
		return r < 0 ? r : 0;
	memcpy(&trailer, bytes, sizeof(trailer));
	reader->index_offset = le64toh(trailer.index_offset);
	reader->index_end = reader->size - sizeof(trailer);
	reader->has_trailer = le32toh(trailer.magic) == WIRE_TRAILER_MAGIC;
	reader->ended = reader->has_trailer && reader->index_offset >= reader->header.header_size &&
			reader->index_offset < reader->index_end;
	return 0;
}

/* Takes the segments from the index; reader->ended tells whether it holds. */
static int load_index(struct capture_reader *reader)
{
	static const struct record_visitor visitor = { .index = take_index_row };
	struct segment_list list = {
		.segments = &reader->segments,
		.end = reader->header.header_size,
		.holds = true,
	};
	int r = find_index(reader);

	if (r < 0 || !reader->ended)
		return r;
	list.limit = reader->index_offset;
	r = capture_reader_visit_index(reader, &visitor, &list);
	if (r < 0 || bytes_writer_error(&reader->segments) == -ENOMEM)
		return r < 0 ? r : -ENOMEM;
	reader->ended = !r && list.holds && !reader->segments.failed;
	if (!reader->ended && !reader->quiet)
		log_warning("%s: its index is damaged: reading the whole file instead",
			    reader->name);
	return 0;
}

static int walk(struct capture_reader *reader)
{
	struct capture_scan scan = { 0 };
	int r;

	bytes_writer_clear(&reader->segments);
	r = capture_scan(reader->chunks, reader->header.header_size, &reader->segments, &scan);
	/* Segments that found no memory are there all the same. */
	if (!r && bytes_writer_error(&reader->segments) == -ENOMEM)
		r = -ENOMEM;
	if (r < 0 || reader->quiet)
		return r;
	if (scan.damage_count)
		log_warning("%s: damaged in %u places, the first at offset %" PRIu64
			    ": what they held is missing",
			    reader->name, scan.damage_count, scan.damage_offset);
	if (scan.gave_up)
		log_warning("%s: given up behind offset %" PRIu64
			    ": too many segments, or too much that is none",
			    reader->name, scan.end_offset);
	else if (scan.end_offset < reader->size && !reader->has_trailer)
		log_warning("%s: cut at offset %" PRIu64 ": opened up to there", reader->name,
			    scan.end_offset);
	return 0;
}

static int load(struct capture_reader *reader, int fd)
{
	struct stat status;
	int r;

	if (fstat(fd, &status) < 0) {
		r = -errno;
		fd_close(fd);
		return r;
	}
	if (!S_ISREG(status.st_mode)) {
		fd_close(fd);
		return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
	}
	reader->size = (uint64_t)status.st_size;
	r = chunk_reader_new(fd, &reader->chunks);
	if (!r)
		r = segment_bytes_new(&reader->bytes);
	if (r < 0)
		return r;
	r = read_header(reader);
	if (r || !reader->header.header_size)
		return r;
	r = load_index(reader);
	return r < 0 || reader->ended || reader->index_only ? r : walk(reader);
}

static int open_fd(int fd, const char *name, bool quiet, bool index_only,
		   struct capture_reader **ret_reader)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (reader) {
		reader->quiet = quiet;
		reader->index_only = index_only;
		reader->name = strdup(name);
		reader->segments = bytes_writer_with_max(CAPTURE_SEGMENTS_MAX *
							 sizeof(struct capture_segment));
	}
	if (!reader || !reader->name) {
		fd_close(fd);
		return -ENOMEM;
	}
	r = load(reader, fd);
	if (r < 0 && r != -EBADMSG && !quiet)
		log_errno(r, "read %s", name);
	if (r)
		return r;
	*ret_reader = TAKE(reader);
	return 0;
}

int capture_reader_open_fd(int fd, const char *name, bool quiet, struct capture_reader **ret_reader)
{
	return open_fd(fd, name, quiet, false, ret_reader);
}

int capture_reader_open_index(int fd, struct capture_reader **ret_reader)
{
	return open_fd(fd, "capture", true, true, ret_reader);
}

int capture_reader_open(const char *path, struct capture_reader **ret_reader)
{
	/* Not blocking, so that a FIFO does not hold us; it is refused by its kind. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return log_errno(-errno, "open %s", path);
	return capture_reader_open_fd(fd, path, false, ret_reader);
}

bool capture_reader_set_quiet(struct capture_reader *reader, bool quiet)
{
	bool was = reader->quiet;

	reader->quiet = quiet;
	return was;
}

const struct wire_file_header *capture_reader_header(const struct capture_reader *reader)
{
	return &reader->header;
}

bool capture_reader_ended(const struct capture_reader *reader)
{
	return reader->ended;
}

uint64_t capture_reader_size(const struct capture_reader *reader)
{
	return reader->size;
}

int capture_reader_fd(const struct capture_reader *reader)
{
	return chunk_reader_fd(reader->chunks);
}

uint32_t capture_reader_segment_count(const struct capture_reader *reader)
{
	return (uint32_t)(reader->segments.size / sizeof(struct capture_segment));
}

const struct capture_segment *capture_reader_segment(const struct capture_reader *reader,
						     uint32_t index)
{
	return (const struct capture_segment *)reader->segments.bytes + index;
}

/* --- walking through one stream of chunks ------------------------------------------------------ */

static int damaged(struct cursor *cursor, const char *problem)
{
	cursor->problem = problem;
	return CAPTURE_DAMAGED;
}

/* The next chunk, checked. Call while cursor->offset < cursor->end and not at_last. */
static int next_chunk(struct cursor *cursor, struct file_chunk *ret_chunk)
{
	struct chunk_reader *chunks = cursor->chunks;
	struct file_chunk chunk;
	int r = chunk_reader_read(chunks, cursor->offset, &chunk);

	if (r)
		return r < 0 ? r : damaged(cursor, chunk_reader_problem(chunks));
	if (chunk.header.kind != cursor->kind || chunk.header.segment != cursor->number ||
	    chunk.header.sequence != cursor->next_sequence ||
	    chunk.size > cursor->end - cursor->offset)
		return damaged(cursor, "a chunk of something else stands here");
	cursor->offset += chunk.size;
	cursor->next_sequence++;
	cursor->at_last = chunk.header.flags & WIRE_CHUNK_LAST;
	*ret_chunk = chunk;
	return 0;
}

static bool has_next(const struct cursor *cursor)
{
	return cursor->offset < cursor->end && !cursor->at_last;
}

/* Visits what one chunk inflated to. */
static int decode(struct cursor *cursor, struct record_decoder *decoder, const uint8_t *raw,
		  uint32_t size, uint64_t end_us)
{
	uint64_t offset;
	int r = record_decoder_read(decoder, raw, size);

	if (r == RECORD_DECODER_BAD)
		return damaged(cursor, record_decoder_problem(decoder, &offset));
	cursor->end_us = end_us;
	return r;
}

/* Chunk by chunk: what cannot be inflated at once, up to where it is damaged. */
static int visit_in_turn(struct cursor *cursor, struct record_decoder *decoder,
			 uint64_t *ret_start_us)
{
	struct chunk_reader *chunks = cursor->chunks;
	int r = 0;

	chunk_reader_restart(chunks);
	while (!r && has_next(cursor)) {
		struct file_chunk chunk;
		const uint8_t *raw;

		r = next_chunk(cursor, &chunk);
		if (r)
			return r;
		if (chunk_reader_inflate(chunks, &chunk, &raw))
			return damaged(cursor, chunk_reader_problem(chunks));
		if (chunk.header.sequence == 0)
			*ret_start_us = capture_scan_segment_start(raw, chunk.header.raw_size);
		r = decode(cursor, decoder, raw, chunk.header.raw_size, chunk.header.end_us);
	}
	return r;
}

/* Takes all chunks from the beginning on, up to the first that is damaged, and inflates them. */
static void gather(struct gathered *gathered)
{
	struct cursor *cursor = &gathered->cursor;
	bool fit = true;
	int r = 0;

	*cursor = gathered->begin;
	segment_bytes_clear(gathered->bytes);
	while (has_next(cursor) && fit) {
		struct file_chunk chunk;

		r = next_chunk(cursor, &chunk);
		if (r)
			break;
		fit = segment_bytes_add(gathered->bytes, &chunk);
	}
	gathered->outcome = r;
	gathered->is_inflated = r >= 0 && fit &&
				!segment_bytes_inflate(gathered->bytes, cursor->at_last);
}

/* Visits what was gathered and inflated. */
static int visit_gathered(struct gathered *gathered, struct record_decoder *decoder,
			  uint64_t *ret_start_us)
{
	const uint8_t *raw = segment_bytes_raw(gathered->bytes);
	uint32_t count;
	const struct segment_chunk *chunks = segment_bytes_chunks(gathered->bytes, &count);
	int r = 0;

	for (uint32_t i = 0; i < count && !r; i++) {
		if (i == 0)
			*ret_start_us = capture_scan_segment_start(raw, chunks[i].raw_size);
		r = decode(&gathered->cursor, decoder, raw + chunks[i].raw_offset,
			   chunks[i].raw_size, chunks[i].end_us);
		if (r)
			gathered->cursor.offset = chunks[i].end_offset;
	}
	return r ? r : gathered->outcome;
}

/* Visits all chunks of a stream; @ret_start_us: of the segment's head. */
static int visit_chunks(struct gathered *gathered, const struct record_visitor *visitor,
			void *context, uint64_t *ret_start_us)
{
	CLEANUP(record_decoder_free) struct record_decoder *decoder = NULL;
	int r = gathered->outcome < 0 ? gathered->outcome
				      : record_decoder_new(visitor, context, &decoder);

	if (r)
		return r;
	if (gathered->is_inflated)
		return visit_gathered(gathered, decoder, ret_start_us);
	gathered->cursor = gathered->begin;
	return visit_in_turn(&gathered->cursor, decoder, ret_start_us);
}

/* --- one segment while another is visited ------------------------------------------------------- */

static struct cursor segment_cursor(const struct capture_reader *reader,
				    struct chunk_reader *chunks, uint32_t index)
{
	const struct capture_segment *segment = capture_reader_segment(reader, index);

	return (struct cursor){
		.chunks = chunks,
		.kind = WIRE_CHUNK_SEGMENT,
		.number = segment->number,
		.offset = segment->offset,
		.end = segment->offset + segment->size,
	};
}

static void *gather_ahead(void *context)
{
	gather(context);
	return NULL;
}

/* The first time: a reader and room of its own. */
static bool ahead_open(struct capture_reader *reader)
{
	struct ahead *ahead = &reader->ahead;

	if (!ahead->chunks) {
		int fd = fcntl(chunk_reader_fd(reader->chunks), F_DUPFD_CLOEXEC, 0);

		if (fd < 0 || chunk_reader_new(fd, &ahead->chunks))
			return false;
	}
	return ahead->gathered.bytes || segment_bytes_new(&ahead->gathered.bytes) == 0;
}

/* Without memory or a thread, as in a worker, the segment is read when it is visited. */
static void ahead_start(struct capture_reader *reader, uint32_t index)
{
	struct ahead *ahead = &reader->ahead;
	sigset_t all, before;

	if (index >= capture_reader_segment_count(reader) || !ahead_open(reader))
		return;
	ahead->index = index;
	ahead->gathered.begin = segment_cursor(reader, ahead->chunks, index);
	/* Signals are for the thread that waits for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ahead->is_running = pthread_create(&ahead->thread, NULL, gather_ahead, &ahead->gathered) ==
			    0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* The segment at @index: as it was read ahead, or read now. */
static struct gathered gather_segment(struct capture_reader *reader, uint32_t index)
{
	struct ahead *ahead = &reader->ahead;
	bool is_here = ahead->is_running && ahead->index == index;
	struct gathered gathered = {
		.begin = segment_cursor(reader, reader->chunks, index),
		.bytes = reader->bytes,
	};

	ahead_wait(reader);
	if (!is_here) {
		gather(&gathered);
		return gathered;
	}
	/* The room of the two changes hands; what is left to be read is read by ours. */
	gathered = ahead->gathered;
	ahead->gathered.bytes = reader->bytes;
	reader->bytes = gathered.bytes;
	gathered.begin.chunks = gathered.cursor.chunks = reader->chunks;
	return gathered;
}

/* A capture that was cut, is being written, or was taken from a window ends within a segment. */
static bool may_be_open(const struct capture_reader *reader, uint32_t index)
{
	return index + 1 == capture_reader_segment_count(reader);
}

/* "2026-11-22T19:00:05.250Z", ISO 8601. */
static void format_time(uint64_t time_us, char ret_text[TIME_TEXT_SIZE])
{
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm when = { 0 };
	size_t size;

	gmtime_r(&seconds, &when);
	size = strftime(ret_text, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &when);
	snprintf(ret_text + size, TIME_TEXT_SIZE - size, ".%03uZ",
		 (unsigned int)(time_us / 1000 % 1000));
}

/* Says what is missing, once, and tells the visitor. */
static void report_damage(const struct capture_reader *reader, const struct cursor *cursor,
			  uint32_t index, uint64_t start_us, const struct record_visitor *visitor,
			  void *context)
{
	uint64_t until_us = index + 1 < capture_reader_segment_count(reader)
				    ? capture_reader_segment(reader, index + 1)->start_us
				    : capture_reader_segment(reader, index)->end_us;
	uint64_t from_us = cursor->end_us ? cursor->end_us
					  : capture_reader_segment(reader, index)->start_us;
	uint64_t missing_us = until_us > from_us ? until_us - from_us : 0;
	struct record_gap gap = { .reason = WIRE_GAP_DAMAGED };

	if (!reader->quiet) {
		char from[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE];

		format_time(from_us, from);
		format_time(until_us, until);
		log_warning("%s: segment %u is damaged at offset %" PRIu64
			    ": %s; %s to %s is missing (%.3f s)",
			    reader->name, cursor->number, cursor->offset, cursor->problem, from,
			    until, (double)missing_us / 1e6);
	}
	if (!visitor || !visitor->gap || !start_us || !missing_us)
		return;
	gap.start_us = (int64_t)(from_us - start_us);
	gap.end_us = (int64_t)(until_us - start_us);
	visitor->gap(context, &gap);
}

int capture_reader_visit(struct capture_reader *reader, uint32_t index,
			 const struct record_visitor *visitor, void *context)
{
	struct gathered gathered = gather_segment(reader, index);
	bool goes_on = index && index == reader->next_index;
	uint64_t start_us = 0;
	int r;

	reader->next_index = index + 1;
	if (goes_on)
		ahead_start(reader, index + 1);
	r = visit_chunks(&gathered, visitor, context, &start_us);
	if (!r && !gathered.cursor.at_last && !may_be_open(reader, index))
		r = damaged(&gathered.cursor, "the rest of it was not written");
	if (r == CAPTURE_DAMAGED)
		report_damage(reader, &gathered.cursor, index, start_us, visitor, context);
	return r;
}

int capture_reader_visit_index(struct capture_reader *reader, const struct record_visitor *visitor,
			       void *context)
{
	struct gathered gathered = {
		.begin = { .chunks = reader->chunks,
			   .kind = WIRE_CHUNK_INDEX,
			   .offset = reader->index_offset,
			   .end = reader->index_end },
		.bytes = reader->bytes,
	};
	uint64_t start_us;
	int r;

	if (!reader->ended)
		return 0;
	gather(&gathered);
	r = visit_chunks(&gathered, visitor, context, &start_us);
	return !r && !gathered.cursor.at_last ? CAPTURE_DAMAGED : r;
}

/* --- chunks as they are ------------------------------------------------------------------------ */

static int hand_over(const struct file_chunk *file_chunk, uint64_t start_us,
		     int (*each)(struct chunk *chunk, void *context), void *context)
{
	CLEANUP(chunk_unref) struct chunk *chunk = chunk_new(file_chunk->size, 0);

	if (!chunk)
		return -ENOMEM;
	chunk->segment = file_chunk->header.segment;
	chunk->sequence = file_chunk->header.sequence;
	chunk->flags = file_chunk->header.flags;
	chunk->start_us = start_us;
	chunk->end_us = file_chunk->header.end_us;
	memcpy(chunk->bytes, file_chunk->bytes, file_chunk->size);
	return each(chunk, context);
}

int capture_reader_chunks(struct capture_reader *reader, uint32_t index,
			  int (*each)(struct chunk *chunk, void *context), void *context)
{
	struct cursor cursor = segment_cursor(reader, reader->chunks, index);
	uint64_t start_us = capture_reader_segment(reader, index)->start_us;
	int r = 0;

	while (!r && has_next(&cursor)) {
		struct file_chunk chunk;

		r = next_chunk(&cursor, &chunk);
		if (r)
			break;
		cursor.end_us = chunk.header.end_us;
		r = hand_over(&chunk, start_us, each, context);
	}
	if (!r && !cursor.at_last && !may_be_open(reader, index))
		r = damaged(&cursor, "the rest of it was not written");
	if (r == CAPTURE_DAMAGED)
		report_damage(reader, &cursor, index, start_us, NULL, NULL);
	return r;
}
