/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/debuginfod.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "privileged/privileged_process.h"
#include "symbolize/debuginfod_fetch.h"
#include "worker/worker.h"

struct request {
	struct build_id build_id;
	debuginfod_callback callback;
	void *context;
	uint64_t retry_ns; /* not before */
	uint32_t shortages;
};

struct debuginfod {
	struct debuginfod_options options;
	struct request waiting[DEBUGINFOD_WAITING_MAX]; /* in the order they came */
	size_t waiting_count;
	bool is_running; /* the worker has the first of them ... */
	int running_fd;	 /* ... and writes to this */
	bool is_off;	 /* for good: there is no libcurl */
	uint64_t now_ns;
	uint64_t pause_end_ns;
	uint64_t hour_start_ns;
	uint64_t hour_requests;
	struct debuginfod_counters counters;
};

const struct worker_job_type *debuginfod_job_type(void)
{
	static const struct worker_job_type type = {
		.name = "debuginfod",
		.process_name = "flicker-fetch",
		.time_limit_ms = DEBUGINFOD_FETCH_TIME_LIMIT_MS,
		.run = debuginfod_fetch_job,
		.file_size_max = DEBUGINFOD_FILE_SIZE_MAX,
		.downloads = true,
	};

	return &type;
}

/* --- the folder ------------------------------------------------------------------------------ */

_Static_assert((int)DEBUG_FOLDER_ID_DIGITS_MAX >= BUILD_ID_TEXT_SIZE - 1, "each build id is one");

/* Returns 0, DEBUG_FOLDER_LACKING or -errno, -ENOENT when nothing is known of it. */
static int find_file(struct debuginfod *debuginfod, const struct build_id *build_id, int *ret_fd)
{
	char id[BUILD_ID_TEXT_SIZE];

	build_id_text(build_id, id);
	return privileged_process_find_debug_file(debuginfod->options.privileged, id, ret_fd);
}

static int begin_download(struct debuginfod *debuginfod, const struct build_id *build_id)
{
	char id[BUILD_ID_TEXT_SIZE];

	build_id_text(build_id, id);
	return privileged_process_begin_debug_file(debuginfod->options.privileged, id,
						   &debuginfod->running_fd);
}

static void end_download(struct debuginfod *debuginfod, const struct build_id *build_id,
			 enum debug_folder_end end)
{
	char id[BUILD_ID_TEXT_SIZE];

	fd_close(TAKE_FD(debuginfod->running_fd));
	build_id_text(build_id, id);
	privileged_process_end_debug_file(debuginfod->options.privileged, id, end);
}

/* --- requests -------------------------------------------------------------------------------- */

int debuginfod_new(const struct debuginfod_options *options, struct debuginfod **ret_debuginfod)
{
	CLEANUP(debuginfod_free) struct debuginfod *debuginfod = calloc(1, sizeof(*debuginfod));

	if (!debuginfod)
		return -ENOMEM;
	debuginfod->options = *options;
	if (!options->size_max)
		debuginfod->options.size_max = DEBUGINFOD_FILE_SIZE_MAX;
	if (!options->silence_max_s)
		debuginfod->options.silence_max_s = DEBUGINFOD_SILENCE_MAX_S;
	debuginfod->running_fd = -1;
	*ret_debuginfod = TAKE(debuginfod);
	return 0;
}

void debuginfod_free(struct debuginfod *debuginfod)
{
	if (!debuginfod)
		return;
	if (debuginfod->is_running)
		end_download(debuginfod, &debuginfod->waiting[0].build_id, DEBUG_FOLDER_FAILED);
	free(debuginfod);
}

int debuginfod_find(struct debuginfod *debuginfod, const struct build_id *build_id,
		    debuginfod_callback callback, void *context)
{
	if (debuginfod->waiting_count == DEBUGINFOD_WAITING_MAX)
		return -EAGAIN;
	debuginfod->waiting[debuginfod->waiting_count++] =
		(struct request){ .build_id = *build_id, .callback = callback, .context = context };
	return 0;
}

/* The first one has its answer. */
static void answer(struct debuginfod *debuginfod, int debug_fd)
{
	struct request request = debuginfod->waiting[0];

	debuginfod->waiting_count--;
	memmove(debuginfod->waiting, debuginfod->waiting + 1,
		debuginfod->waiting_count * sizeof(debuginfod->waiting[0]));
	request.callback(debug_fd, request.context);
}

static void count_outcome(struct debuginfod *debuginfod, int outcome)
{
	struct debuginfod_counters *counters = &debuginfod->counters;

	if (outcome == 0)
		counters->fetched++;
	else if (outcome == DEBUGINFOD_NOT_FOUND)
		counters->not_found++;
	else if (outcome == DEBUGINFOD_UNREACHABLE || outcome >= WORKER_OUTCOME_FIRST)
		counters->unreachable++;
	else
		counters->refused++;
}

static void answer_next(struct debuginfod *debuginfod);

/* True: the first one stays the first, and is asked for once more, later. */
static bool wait_for_shortage(struct debuginfod *debuginfod, int error)
{
	struct request *request = &debuginfod->waiting[0];
	uint64_t pause_ns = shortage_pause_ns(&request->shortages, error);

	if (!pause_ns)
		return false;
	debuginfod->counters.deferred++;
	request->retry_ns = debuginfod->now_ns + pause_ns;
	return true;
}

static enum debug_folder_end end_of(int outcome)
{
	if (outcome == 0)
		return DEBUG_FOLDER_CAME;
	return outcome == DEBUGINFOD_NO_LIBRARY || outcome == DEBUGINFOD_UNREACHABLE ||
			       outcome >= WORKER_OUTCOME_FIRST || is_shortage(outcome)
		       ? DEBUG_FOLDER_FAILED
		       : DEBUG_FOLDER_NONE_HAD_IT;
}

static void on_fetched(int outcome, struct worker_result result, void *context)
{
	struct debuginfod *debuginfod = context;
	const struct build_id build_id = debuginfod->waiting[0].build_id;
	CLEANUP(fd_close) int debug_fd = -1;

	worker_result_free(&result);
	debuginfod->is_running = false;
	end_download(debuginfod, &build_id, end_of(outcome));
	if (wait_for_shortage(debuginfod, outcome))
		return;
	count_outcome(debuginfod, outcome);
	if (outcome == DEBUGINFOD_NO_LIBRARY) {
		log_warning("debuginfod: libcurl is not installed (libcurl4, or libcurl3-gnutls): "
			    "nothing is downloaded");
		debuginfod->is_off = true;
	} else if (end_of(outcome) == DEBUG_FOLDER_FAILED && !is_shortage(outcome)) {
		if (!debuginfod->pause_end_ns)
			log_warning("debuginfod: no server gives an answer; asked again in %d s",
				    DEBUGINFOD_UNREACHABLE_PAUSE_S);
		debuginfod->pause_end_ns =
			debuginfod->now_ns + DEBUGINFOD_UNREACHABLE_PAUSE_S * NS_PER_S;
	} else if (outcome == 0 &&
		   wait_for_shortage(debuginfod, find_file(debuginfod, &build_id, &debug_fd))) {
		return; /* it is in the folder by now */
	}
	answer(debuginfod, debug_fd);
	answer_next(debuginfod);
}

static bool may_ask(struct debuginfod *debuginfod)
{
	if (debuginfod->now_ns - debuginfod->hour_start_ns >= 3600 * NS_PER_S) {
		debuginfod->hour_start_ns = debuginfod->now_ns;
		debuginfod->hour_requests = 0;
	}
	return !debuginfod->is_off && debuginfod->now_ns >= debuginfod->pause_end_ns &&
	       debuginfod->hour_requests < DEBUGINFOD_REQUESTS_PER_HOUR_MAX;
}

static int submit(struct debuginfod *debuginfod, const struct build_id *build_id)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer argument = bytes_writer_with_max(WORKER_ARGUMENT_SIZE_MAX);
	const struct debuginfod_request request = {
		.build_id = *build_id,
		.size_max = debuginfod->options.size_max,
		.silence_max_s = debuginfod->options.silence_max_s,
		.urls = debuginfod->options.urls,
		.url_count = debuginfod->options.url_count,
	};
	int r;

	debuginfod_request_write(&request, &argument);
	r = bytes_writer_error(&argument);
	if (r == 0)
		r = begin_download(debuginfod, build_id);
	if (r < 0)
		return r;
	r = worker_submit(debuginfod->options.worker, 0, debuginfod->running_fd, argument.bytes,
			  argument.size, on_fetched, debuginfod);
	if (r == WORKER_QUEUE_FULL) /* there is one at a time */
		return -EMFILE;
	if (r != 0)
		return r;
	debuginfod->is_running = true;
	debuginfod->counters.requests++;
	debuginfod->hour_requests++;
	return 0;
}

/* Until the worker has to be waited for. */
static void answer_next(struct debuginfod *debuginfod)
{
	while (debuginfod->waiting_count && !debuginfod->is_running &&
	       debuginfod->waiting[0].retry_ns <= debuginfod->now_ns) {
		const struct build_id build_id = debuginfod->waiting[0].build_id;
		CLEANUP(fd_close) int debug_fd = -1;
		int r = find_file(debuginfod, &build_id, &debug_fd);

		if (r == 0) {
			debuginfod->counters.cached++;
			answer(debuginfod, debug_fd);
			continue;
		}
		if (r == -ENOENT && may_ask(debuginfod)) {
			r = submit(debuginfod, &build_id);
			if (r == 0)
				return;
			end_download(debuginfod, &build_id, DEBUG_FOLDER_FAILED);
		}
		if (!wait_for_shortage(debuginfod, r))
			answer(debuginfod, -1);
	}
}

void debuginfod_tick(struct debuginfod *debuginfod, uint64_t now_ns)
{
	debuginfod->now_ns = now_ns;
	answer_next(debuginfod);
}

const struct debuginfod_counters *debuginfod_counters(const struct debuginfod *debuginfod)
{
	return &debuginfod->counters;
}
