/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/debuginfod.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "symbolize/debuginfod_fetch.h"
#include "worker/worker.h"

enum { FILE_NAME_SIZE_MAX = BUILD_ID_TEXT_SIZE + 32 };

struct request {
	struct build_id build_id;
	debuginfod_callback callback;
	void *context;
};

struct debuginfod {
	struct debuginfod_options options;
	int folder_fd;
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

static int open_folder(const char *path, int *ret_fd)
{
	CLEANUP(fd_close) int fd = -1;
	struct stat status;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return log_errno(-errno, "make %s for debug files", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) < 0)
		return log_errno(-errno, "open %s for debug files", path);
	if (status.st_uid != geteuid() || (status.st_mode & 077)) {
		log_error("%s: others can write or read there; make it yours alone (chmod 700), or "
			  "choose another folder with --debuginfod-cache",
			  path);
		return -EPERM;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void name_of(const struct build_id *build_id, const char *ending, char *ret_name)
{
	char id[BUILD_ID_TEXT_SIZE];

	build_id_text(build_id, id);
	snprintf(ret_name, FILE_NAME_SIZE_MAX, "%s%s", id, ending);
}

static void part_name_of(const struct build_id *build_id, char *ret_name)
{
	char ending[16];

	snprintf(ending, sizeof(ending), ".%d.part", getpid()); /* others may use the folder too */
	name_of(build_id, ending, ret_name);
}

static bool is_recent(const struct stat *status)
{
	return time(NULL) - status->st_mtime < DEBUGINFOD_NONE_KEPT_S;
}

static bool is_known_missing(const struct debuginfod *debuginfod, const struct build_id *build_id)
{
	char name[FILE_NAME_SIZE_MAX];
	struct stat status;

	name_of(build_id, ".none", name);
	return fstatat(debuginfod->folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       is_recent(&status);
}

static void mark_missing(const struct debuginfod *debuginfod, const struct build_id *build_id)
{
	CLEANUP(fd_close) int fd = -1;
	char name[FILE_NAME_SIZE_MAX];

	name_of(build_id, ".none", name);
	unlinkat(debuginfod->folder_fd, name, 0);
	fd = openat(debuginfod->folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static int open_cached(const struct debuginfod *debuginfod, const struct build_id *build_id)
{
	char name[FILE_NAME_SIZE_MAX];
	int fd;

	name_of(build_id, ".debug", name);
	fd = openat(debuginfod->folder_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		futimens(fd, NULL); /* used just now: it goes last */
	return fd;
}

static int open_part(const struct debuginfod *debuginfod, const struct build_id *build_id)
{
	char name[FILE_NAME_SIZE_MAX];

	part_name_of(build_id, name);
	unlinkat(debuginfod->folder_fd, name, 0);
	return openat(debuginfod->folder_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

/* The part becomes the file, or goes. */
static void close_part(struct debuginfod *debuginfod, const struct build_id *build_id, bool is_good)
{
	char part[FILE_NAME_SIZE_MAX], name[FILE_NAME_SIZE_MAX];

	fd_close(TAKE_FD(debuginfod->running_fd));
	part_name_of(build_id, part);
	name_of(build_id, ".debug", name);
	if (!is_good || renameat(debuginfod->folder_fd, part, debuginfod->folder_fd, name) < 0)
		unlinkat(debuginfod->folder_fd, part, 0);
}

struct cached_file {
	char name[FILE_NAME_SIZE_MAX];
	uint64_t size;
	time_t used;
};

static int compare_use(const void *left, const void *right)
{
	const struct cached_file *first = left, *second = right;

	return (first->used > second->used) - (first->used < second->used);
}

static bool ends_with(const char *name, const char *ending)
{
	size_t size = strlen(name), ending_size = strlen(ending);

	return size > ending_size && strcmp(name + size - ending_size, ending) == 0;
}

/* Lists the folder's files, without those that are over: marks and parts of an hour ago. */
static size_t list_files(const struct debuginfod *debuginfod, struct cached_file *files)
{
	CLEANUP(dir_close) DIR *folder = NULL;
	int fd = openat(debuginfod->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	size_t count = 0;

	folder = fd < 0 ? NULL : fdopendir(fd);
	if (!folder)
		fd_close(fd);
	while (folder && count <= DEBUGINFOD_CACHE_FILES_MAX && (entry = readdir(folder))) {
		const char *name = entry->d_name;
		bool is_kept = ends_with(name, ".debug");
		struct stat status;

		if ((!is_kept && !ends_with(name, ".none") && !ends_with(name, ".part")) ||
		    strlen(name) >= FILE_NAME_SIZE_MAX ||
		    fstatat(debuginfod->folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* not ours */
		if (!is_kept && !is_recent(&status)) {
			unlinkat(debuginfod->folder_fd, name, 0);
			continue;
		}
		strcpy(files[count].name, name);
		files[count].size = (uint64_t)status.st_size;
		files[count++].used = status.st_mtime;
	}
	return count;
}

static void make_room(const struct debuginfod *debuginfod)
{
	CLEANUP(memory_free)
	struct cached_file *files = calloc(DEBUGINFOD_CACHE_FILES_MAX + 1, sizeof(*files));
	size_t count = files ? list_files(debuginfod, files) : 0;
	uint64_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += files[i].size;
	if (count)
		qsort(files, count, sizeof(*files), compare_use);
	for (size_t i = 0; i < count && (size > DEBUGINFOD_CACHE_SIZE_MAX ||
					 count - i > DEBUGINFOD_CACHE_FILES_MAX);
	     i++) {
		unlinkat(debuginfod->folder_fd, files[i].name, 0);
		size -= files[i].size;
	}
}

/* --- requests -------------------------------------------------------------------------------- */

int debuginfod_new(const struct debuginfod_options *options, struct debuginfod **ret_debuginfod)
{
	CLEANUP(debuginfod_free) struct debuginfod *debuginfod = calloc(1, sizeof(*debuginfod));
	int r;

	if (!debuginfod)
		return -ENOMEM;
	debuginfod->options = *options;
	if (!options->size_max)
		debuginfod->options.size_max = DEBUGINFOD_FILE_SIZE_MAX;
	if (!options->silence_max_s)
		debuginfod->options.silence_max_s = DEBUGINFOD_SILENCE_MAX_S;
	debuginfod->running_fd = -1;
	debuginfod->folder_fd = -1;
	r = open_folder(options->folder, &debuginfod->folder_fd);
	if (r < 0)
		return r;
	make_room(debuginfod);
	*ret_debuginfod = TAKE(debuginfod);
	return 0;
}

void debuginfod_free(struct debuginfod *debuginfod)
{
	if (!debuginfod)
		return;
	if (debuginfod->is_running)
		close_part(debuginfod, &debuginfod->waiting[0].build_id, false);
	fd_close(debuginfod->folder_fd);
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

static void on_fetched(int outcome, struct worker_result result, void *context)
{
	struct debuginfod *debuginfod = context;
	const struct build_id build_id = debuginfod->waiting[0].build_id;
	CLEANUP(fd_close) int debug_fd = -1;

	worker_result_free(&result);
	debuginfod->is_running = false;
	count_outcome(debuginfod, outcome);
	close_part(debuginfod, &build_id, outcome == 0);
	if (outcome == DEBUGINFOD_NO_LIBRARY) {
		log_warning("debuginfod: libcurl is not installed (libcurl4, or libcurl3-gnutls): "
			    "nothing is downloaded");
		debuginfod->is_off = true;
	} else if (outcome == DEBUGINFOD_UNREACHABLE || outcome >= WORKER_OUTCOME_FIRST) {
		if (!debuginfod->pause_end_ns)
			log_warning("debuginfod: no server gives an answer; asked again in %d s",
				    DEBUGINFOD_UNREACHABLE_PAUSE_S);
		debuginfod->pause_end_ns =
			debuginfod->now_ns + DEBUGINFOD_UNREACHABLE_PAUSE_S * NS_PER_S;
	} else if (outcome != 0) {
		mark_missing(debuginfod, &build_id);
	} else {
		make_room(debuginfod);
		debug_fd = open_cached(debuginfod, &build_id);
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
	debuginfod->running_fd = open_part(debuginfod, build_id);
	if (debuginfod->running_fd < 0 || argument.failed)
		return -EIO;
	r = worker_submit(debuginfod->options.worker, 0, debuginfod->running_fd, argument.bytes,
			  argument.size, on_fetched, debuginfod);
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
	while (debuginfod->waiting_count && !debuginfod->is_running) {
		const struct build_id build_id = debuginfod->waiting[0].build_id;
		CLEANUP(fd_close) int debug_fd = open_cached(debuginfod, &build_id);

		if (debug_fd >= 0) {
			debuginfod->counters.cached++;
			answer(debuginfod, debug_fd);
		} else if (is_known_missing(debuginfod, &build_id) || !may_ask(debuginfod)) {
			answer(debuginfod, -1);
		} else if (submit(debuginfod, &build_id) != 0) {
			close_part(debuginfod, &build_id, false);
			answer(debuginfod, -1);
		}
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
