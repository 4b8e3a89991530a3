/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/capture_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/log.h"
#include "base/output_file.h"
#include "profile/chunk.h"
#include "stream/capture_file.h"

enum {
	SYNC_INTERVAL_S = 1,
	RETRY_INTERVAL_S = 1,
	FREE_TIME_MAX_MS = 200, /* for the write that is under way */
};

struct queued_chunk {
	struct queued_chunk *next;
	struct chunk *chunk;
};

struct capture_writer {
	char *path;
	int fd;
	int end_fd; /* eventfd: the thread has ended */
	uint64_t queue_max;
	pthread_t thread;
	bool has_thread;

	/* The loop's alone: what was queued last, and the segment that was cut last. */
	uint32_t last_segment;
	uint32_t next_sequence;
	uint32_t cut_segment;

	/* Both threads', under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct queued_chunk *first;
	struct queued_chunk **last;
	bool finish; /* write what waits, then end */
	bool stop;   /* end now */
	struct capture_writer_status status;

	/* The thread's alone. */
	struct capture_file *file;
	struct timespec sync_time;
	uint64_t synced_size;
};

/* --- the thread ------------------------------------------------------------------------------ */

static struct timespec seconds_from_now(time_t seconds)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += seconds;
	return time;
}

static bool has_passed(const struct timespec *time)
{
	struct timespec now = seconds_from_now(0);

	return now.tv_sec > time->tv_sec ||
	       (now.tv_sec == time->tv_sec && now.tv_nsec >= time->tv_nsec);
}

/* Tells a change between working and failing once, and keeps it for the status. */
static void note_outcome(struct capture_writer *writer, int error)
{
	bool again;
	int before;

	pthread_mutex_lock(&writer->lock);
	again = !writer->finish;
	before = writer->status.error;
	writer->status.error = error;
	writer->status.written_bytes = capture_file_size(writer->file);
	pthread_mutex_unlock(&writer->lock);
	if (error == before)
		return;
	if (error < 0)
		log_errno(error, "write the capture %s%s", writer->path,
			  again ? " (trying again each second)" : "");
	else
		log_warning("the capture %s is being written again", writer->path);
}

static bool is_synced(const struct capture_writer *writer)
{
	return writer->synced_size == capture_file_size(writer->file);
}

static void sync_file(struct capture_writer *writer)
{
	if (is_synced(writer))
		return;
	if (fdatasync(writer->fd) < 0 && errno != EINVAL) /* a pipe has nothing to sync */
		note_outcome(writer, -errno);
	writer->synced_size = capture_file_size(writer->file);
	writer->sync_time = seconds_from_now(SYNC_INTERVAL_S);
}

/* Waits for a chunk, the time to sync, or the end; returns the chunk that is first in the queue. */
static struct chunk *wait_for_chunk(struct capture_writer *writer, bool *ret_finish, bool *ret_stop)
{
	struct timespec until = is_synced(writer) ? seconds_from_now(SYNC_INTERVAL_S)
						  : writer->sync_time;
	struct chunk *chunk;
	int r = 0;

	pthread_mutex_lock(&writer->lock);
	while (!writer->first && !writer->finish && !writer->stop && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&writer->wake, &writer->lock, &until);
	chunk = writer->first ? writer->first->chunk : NULL;
	*ret_finish = writer->finish;
	*ret_stop = writer->stop;
	pthread_mutex_unlock(&writer->lock);
	return chunk;
}

static void wait_for_retry(struct capture_writer *writer)
{
	struct timespec until = seconds_from_now(RETRY_INTERVAL_S);
	int r = 0;

	pthread_mutex_lock(&writer->lock);
	while (!writer->finish && !writer->stop && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&writer->wake, &writer->lock, &until);
	pthread_mutex_unlock(&writer->lock);
}

static void pop_chunk(struct capture_writer *writer, bool was_written)
{
	struct queued_chunk *queued;

	pthread_mutex_lock(&writer->lock);
	queued = writer->first;
	writer->first = queued->next;
	if (!writer->first)
		writer->last = &writer->first;
	writer->status.queued_bytes -= chunk_memory(queued->chunk);
	if (!was_written)
		writer->status.lost_bytes += queued->chunk->size;
	pthread_mutex_unlock(&writer->lock);
	chunk_unref(queued->chunk);
	free(queued);
}

/* Returns whether everything got into the file: then it can be ended in order. */
static bool write_queue(struct capture_writer *writer)
{
	bool finish = false, stop = false;

	for (;;) {
		struct chunk *chunk = wait_for_chunk(writer, &finish, &stop);
		int r;

		if (stop)
			return false;
		/* Without a chunk: the header, if it could not be written before. */
		r = chunk ? capture_file_add(writer->file, chunk)
			  : capture_file_begin(writer->file);
		note_outcome(writer, r);
		if (r < 0 && finish)
			return false;
		if (r < 0) {
			wait_for_retry(writer);
			continue;
		}
		if (has_passed(&writer->sync_time))
			sync_file(writer);
		if (chunk)
			pop_chunk(writer, true);
		else if (finish)
			return true;
	}
}

static void *write_capture(void *context)
{
	struct capture_writer *writer = context;
	const uint64_t one = 1;

	note_outcome(writer, capture_file_begin(writer->file));
	if (write_queue(writer))
		note_outcome(writer, capture_file_end(writer->file));
	sync_file(writer);
	while (writer->first)
		pop_chunk(writer, false);
	pthread_mutex_lock(&writer->lock);
	writer->status.finished = true;
	writer->status.written_bytes = capture_file_size(writer->file);
	pthread_mutex_unlock(&writer->lock);
	if (write(writer->end_fd, &one, sizeof(one)) < 0)
		log_errno(-errno, "tell that the capture %s has ended", writer->path);
	return NULL;
}

/* --- the loop's side ------------------------------------------------------------------------- */

static int start_thread(struct capture_writer *writer)
{
	sigset_t all, before;
	int r;

	/* Signals are the loop's; SIGXFSZ, sent at a file size limit, becomes an error to retry. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&writer->thread, NULL, write_capture, writer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		return log_errno(-r, "start the thread that writes %s", writer->path);
	writer->has_thread = true;
	return 0;
}

static void init_wake(pthread_cond_t *wake)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(wake, &attributes);
	pthread_condattr_destroy(&attributes);
}

int capture_writer_open(const struct capture_writer_options *options,
			struct capture_writer **ret_writer)
{
	CLEANUP(fd_close) int fd = options->fd;
	CLEANUP(capture_writer_free) struct capture_writer *writer = calloc(1, sizeof(*writer));
	int r;

	if (!writer)
		return log_errno(-ENOMEM, "write the capture %s", options->path);
	writer->fd = writer->end_fd = -1;
	writer->last = &writer->first;
	pthread_mutex_init(&writer->lock, NULL);
	init_wake(&writer->wake);
	writer->queue_max = options->queue_max ? options->queue_max : CAPTURE_WRITER_QUEUE_MAX;
	writer->path = strdup(options->path);
	if (!writer->path)
		return log_errno(-ENOMEM, "write the capture %s", options->path);
	if (fd < 0) {
		r = output_file_create(options->path, options->force, &fd);
		if (r < 0)
			return r;
	}
	writer->fd = TAKE_FD(fd);
	r = capture_file_new(writer->fd, options->instance_id, &writer->file);
	if (r < 0)
		return log_errno(r, "write the capture %s", options->path);
	writer->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (writer->end_fd < 0)
		return log_errno(-errno, "eventfd");
	r = start_thread(writer);
	if (r < 0)
		return r;
	*ret_writer = TAKE(writer);
	return 0;
}

/* Returns whether the thread has ended. */
static bool wait_for_end(const struct capture_writer *writer, int timeout_ms)
{
	struct pollfd end = { .fd = writer->end_fd, .events = POLLIN };
	int r;

	do
		r = poll(&end, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	return r > 0;
}

void capture_writer_free(struct capture_writer *writer)
{
	if (!writer)
		return;
	if (writer->has_thread) {
		pthread_mutex_lock(&writer->lock);
		writer->stop = true;
		pthread_cond_signal(&writer->wake);
		pthread_mutex_unlock(&writer->lock);
		if (!wait_for_end(writer, FREE_TIME_MAX_MS)) {
			/* A disk or a pipe that hangs holds the thread, and the thread all this. */
			log_warning("%s takes nothing: it is left as it is", writer->path);
			pthread_detach(writer->thread);
			return;
		}
		pthread_join(writer->thread, NULL);
	}
	pthread_cond_destroy(&writer->wake);
	pthread_mutex_destroy(&writer->lock);
	capture_file_free(writer->file);
	fd_close(writer->fd);
	fd_close(writer->end_fd);
	free(writer->path);
	free(writer);
}

/* Whether @chunk can be inflated with what is in the file: it begins a segment or continues it. */
static bool follows(const struct capture_writer *writer, const struct chunk *chunk)
{
	return chunk->sequence == 0 ||
	       (chunk->segment == writer->last_segment && chunk->sequence == writer->next_sequence);
}

/* Takes what is left of its memory into account; false when there is no room for it. */
static bool enqueue(struct capture_writer *writer, struct queued_chunk *queued)
{
	size_t memory = chunk_memory(queued->chunk);
	bool fits;

	pthread_mutex_lock(&writer->lock);
	fits = writer->status.queued_bytes + memory <= writer->queue_max && !writer->finish;
	if (fits) {
		*writer->last = queued;
		writer->last = &queued->next;
		writer->status.queued_bytes += memory;
		pthread_cond_signal(&writer->wake);
	}
	pthread_mutex_unlock(&writer->lock);
	return fits;
}

static void count_lost(struct capture_writer *writer, const struct chunk *chunk)
{
	pthread_mutex_lock(&writer->lock);
	writer->status.lost_bytes += chunk->size;
	if (chunk->segment != writer->cut_segment)
		writer->status.lost_segments++;
	pthread_mutex_unlock(&writer->lock);
	writer->cut_segment = chunk->segment;
}

void capture_writer_add(struct capture_writer *writer, struct chunk *chunk)
{
	struct queued_chunk *queued = follows(writer, chunk) ? malloc(sizeof(*queued)) : NULL;

	if (queued) {
		*queued = (struct queued_chunk){ .chunk = chunk_ref(chunk) };
		if (enqueue(writer, queued)) {
			writer->last_segment = chunk->segment;
			writer->next_sequence = chunk->sequence + 1;
			return;
		}
		chunk_unref(chunk);
		free(queued);
	}
	count_lost(writer, chunk);
}

bool capture_writer_wants_segment(struct capture_writer *writer)
{
	/* A segment repeats what the one before said: not while most of it would be lost as well. */
	return writer->cut_segment && writer->cut_segment >= writer->last_segment &&
	       capture_writer_status(writer).queued_bytes <= writer->queue_max / 2;
}

void capture_writer_finish(struct capture_writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	writer->finish = true;
	pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&writer->lock);
}

struct capture_writer_status capture_writer_status(struct capture_writer *writer)
{
	struct capture_writer_status status;

	pthread_mutex_lock(&writer->lock);
	status = writer->status;
	pthread_mutex_unlock(&writer->lock);
	return status;
}

int capture_writer_fd(const struct capture_writer *writer)
{
	return writer->end_fd;
}

int capture_writer_finish_wait(struct capture_writer *writer, int timeout_ms)
{
	capture_writer_finish(writer);
	return wait_for_end(writer, timeout_ms) ? capture_writer_status(writer).error : -ETIMEDOUT;
}
