/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/dump.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "base/loop.h"
#include "profile/sample_window.h"
#include "stream/capture_writer.h"

struct dump {
	struct capture_writer *writer;
	struct loop_source *end;
	void (*done)(struct dump *dump, int error, uint64_t bytes, void *context);
	void *context;
};

static void add_chunk(struct chunk *chunk, void *context)
{
	capture_writer_add(context, chunk);
}

static void on_end(uint32_t events, void *context)
{
	struct dump *dump = context;
	struct capture_writer_status status = capture_writer_status(dump->writer);
	int error = status.error;

	if (!error && status.lost_bytes)
		error = -ENOMEM;
	/* It stays readable: once is enough. */
	loop_remove(dump->end);
	dump->end = NULL;
	dump->done(dump, error, status.written_bytes, dump->context);
}

static uint64_t first_us(const struct sample_window *window, uint64_t last_us)
{
	struct sample_window_segment newest;

	if (!last_us || !sample_window_segment(window, sample_window_newest(window), &newest) ||
	    newest.end_us < last_us)
		return 0;
	return newest.end_us - last_us;
}

int dump_start(const struct dump_options *options, struct dump **ret_dump)
{
	CLEANUP(dump_free) struct dump *dump = calloc(1, sizeof(*dump));
	struct capture_writer_options writer = {
		.path = options->name,
		.fd = options->fd,
		.instance_id = options->instance_id,
		.queue_max = UINT64_MAX, /* the window bounds it */
	};
	int r;

	if (!dump) {
		fd_close(options->fd);
		return log_errno(-ENOMEM, "write the window to %s", options->name);
	}
	dump->done = options->done;
	dump->context = options->context;
	r = capture_writer_open(&writer, &dump->writer);
	if (r < 0)
		return r;
	r = loop_add_fd(options->loop, capture_writer_fd(dump->writer), EPOLLIN, on_end, dump,
			&dump->end);
	if (r < 0)
		return log_errno(r, "wait for the end of %s", options->name);
	sample_window_each_chunk(options->window, first_us(options->window, options->last_us),
				 add_chunk, dump->writer);
	/* Asked at once: what cannot be written is then an error, and not tried again. */
	capture_writer_finish(dump->writer);
	*ret_dump = TAKE(dump);
	return 0;
}

void dump_free(struct dump *dump)
{
	if (!dump)
		return;
	loop_remove(dump->end);
	capture_writer_free(dump->writer);
	free(dump);
}
