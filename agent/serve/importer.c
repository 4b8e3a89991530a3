/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/importer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/log.h"
#include "convert/capture_cut.h"
#include "convert/input.h"
#include "worker/worker.h"

struct importer {
	struct worker *worker;
};

struct import {
	struct importer *importer; /* borrowed */
	import_callback callback;
	void *context;
	int fd; /* of the capture in the making */
};

/* --- in the child ---------------------------------------------------------------------------- */

/* The order as it is sent: numbers, then the two names, terminated; an empty event is none. */
struct import_argument {
	int64_t from_us;
	int64_t to_us;
	uint64_t is_cut;
};

static int run(int input_fd, const struct import_argument *argument, const char *name,
	       const char *event, int output_fd)
{
	const struct input_options options = { .event = event[0] ? event : NULL };
	int fd = fcntl(input_fd, F_DUPFD_CLOEXEC, 0);

	/* Both ends may have been used by others: a copy of a descriptor shares its place. */
	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0) {
		int r = -errno;

		fd_close(fd);
		return r;
	}
	return argument->is_cut
		       ? capture_cut(fd, name, argument->from_us, argument->to_us, output_fd)
		       : input_write(fd, name, &options, output_fd);
}

/* The last of what was said on standard error, without what stands before each line there. */
static void read_words(int fd, struct bytes_writer *ret_text)
{
	static const char prefix[] = "flickerscope: error: ";
	char text[4 * IMPORTER_TEXT_SIZE_MAX + 1];
	ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
	char *error;

	text[size > 0 ? size : 0] = '\0';
	error = strstr(text, prefix);
	if (!error)
		return;
	error += strlen(prefix);
	size = (ssize_t)strcspn(error, "\n");
	bytes_write(ret_text, error,
		    size < IMPORTER_TEXT_SIZE_MAX ? (size_t)size : IMPORTER_TEXT_SIZE_MAX);
}

/* Whoever reads a file says on standard error what is wrong with it: here that is for the page. */
static int run_import(int input_fd, int output_fd, struct bytes_reader argument,
		      struct bytes_writer *ret_result)
{
	CLEANUP(fd_close) int words_fd = memfd_create("words", MFD_CLOEXEC);
	CLEANUP(fd_close) int error_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	struct import_argument numbers;
	const char *name, *event;
	int r;

	bytes_read_into(&argument, &numbers, sizeof(numbers));
	name = bytes_read_string(&argument);
	event = bytes_read_string(&argument);
	if (argument.failed || input_fd < 0 || output_fd < 0 || words_fd < 0 || error_fd < 0)
		return -EINVAL;
	signal(SIGXFSZ, SIG_IGN); /* a capture beyond the limit is an error of that write */
	dup2(words_fd, STDERR_FILENO);
	r = run(input_fd, &numbers, name, event, output_fd);
	dup2(error_fd, STDERR_FILENO);
	bytes_write_u32(ret_result, (uint32_t)r);
	if (r < 0)
		read_words(words_fd, ret_result);
	return 0;
}

static const struct worker_job_type jobs[] = {
	{
		.name = "import",
		.process_name = "flicker-import",
		.time_limit_ms = IMPORTER_TIME_MAX_MS,
		.run_pair = run_import,
		.file_size_max = IMPORTER_CAPTURE_SIZE_MAX,
	},
};

/* --- on the loop ----------------------------------------------------------------------------- */

static const char *words_of(int error)
{
	const char *text = worker_outcome_text(error);

	if (error == -ENOMEM)
		return "There is not enough memory to read it.";
	if (error == WORKER_TIMED_OUT)
		return "It took too long to read: open it with 'flickerscope view FILE'.";
	return text ? "It cannot be read: it ended the process that read it."
		    : "It cannot be read.";
}

static void on_result(int outcome, struct worker_result bytes, void *context)
{
	struct import *import = context;
	struct bytes_reader reader = bytes_reader_of(bytes.bytes, bytes.size);
	struct import_result result = { .error = -EIO, .fd = import->fd };
	char text[IMPORTER_TEXT_SIZE_MAX + 1] = "";

	if (!outcome) {
		result.error = (int32_t)bytes_read_u32(&reader);
		if (reader.failed || result.error > 0)
			result.error = -EIO;
		snprintf(text, sizeof(text), "%.*s", (int)bytes_left(&reader),
			 bytes_left(&reader) ? (const char *)reader.at : "");
		outcome = result.error;
	}
	worker_result_free(&bytes);
	result.text = text[0] ? text : words_of(outcome);
	import->callback(&result, import->context);
}

int import_new(struct importer *importer, const struct import_order *order,
	       import_callback callback, void *context, struct import **ret_import)
{
	CLEANUP(import_free) struct import *import = calloc(1, sizeof(*import));
	CLEANUP(bytes_writer_free)
	struct bytes_writer argument = bytes_writer_with_max(WORKER_ARGUMENT_SIZE_MAX);
	const struct import_argument numbers = { order->from_us, order->to_us, order->is_cut };
	const char *event = order->event ? order->event : "";
	int r;

	if (!import)
		return -ENOMEM;
	*import = (struct import){ importer, callback, context, -1 };
	import->fd = memfd_create("flickerscope-capture", MFD_CLOEXEC);
	if (import->fd < 0)
		return -errno;
	bytes_write(&argument, &numbers, sizeof(numbers));
	bytes_write(&argument, order->name, strnlen(order->name, IMPORTER_NAME_SIZE_MAX));
	bytes_write_u8(&argument, 0);
	bytes_write(&argument, event, strnlen(event, IMPORTER_NAME_SIZE_MAX));
	bytes_write_u8(&argument, 0);
	if (argument.failed)
		return -ENOMEM;
	r = worker_submit_pair(importer->worker, 0, order->fd, import->fd, argument.bytes,
			       argument.size, on_result, import);
	if (r)
		return r > 0 ? -EBUSY : r;
	*ret_import = TAKE(import);
	return 0;
}

void import_free(struct import *import)
{
	if (!import)
		return;
	worker_cancel(import->importer->worker, on_result, import);
	fd_close(import->fd);
	free(import);
}

int importer_new(struct loop *loop, struct importer **ret_importer)
{
	CLEANUP(importer_free) struct importer *importer = calloc(1, sizeof(*importer));
	int r;

	if (!importer)
		return log_errno(-ENOMEM, "start the process that reads files");
	r = worker_new(loop, jobs, ARRAY_SIZE(jobs), &importer->worker);
	if (r < 0)
		return r;
	*ret_importer = TAKE(importer);
	return 0;
}

void importer_free(struct importer *importer)
{
	if (!importer)
		return;
	worker_free(importer->worker);
	free(importer);
}
