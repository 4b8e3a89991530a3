/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/debug_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/descriptors.h"
#include "privileged/process_files.h"
#include "process/executable_table.h"
#include "symbolize/debuginfod.h"
#include "symbolize/symbol_jobs.h"
#include "worker/worker.h"

enum { PATHS_SIZE_MAX = 4 * (EXECUTABLE_PATH_SIZE_MAX + DEBUG_LINK_NAME_SIZE_MAX + 32) };

static const char debug_folder[] = "/usr/lib/debug";

/* Where a search is. Each goes through these in order, over some of them. */
enum search_place {
	SEARCH_NONE, /* the slot is free */
	SEARCH_REFERENCE,
	SEARCH_PROCESS,
	SEARCH_HOST,
	SEARCH_DEBUGINFOD,
	SEARCH_END,
};

struct search {
	struct debug_files *owner;
	enum search_place place;
	bool waits; /* for a tick, since the worker's queue was full or something was short */
	uint64_t retry_ns;  /* not before */
	uint32_t shortages; /* that its jobs ended with */
	bool was_crash;	    /* ... and a crash, which may have been somebody else's doing */
	enum debug_part wanted;
	struct build_id build_id;
	struct bytes_writer paths; /* of the candidates: see process_files_open_first() */
	unsigned int next_path;
	uint64_t tag;
	debug_files_callback callback;
	void *context;
	char *folder; /* of the executable; "" in the root */
	uid_t owner_id;
	int process_fd; /* -1: there is no such process any more, or it sees what we see */
	int file_fd;
	int debug_fd; /* the candidate that the worker has; -1: none */
};

struct debug_files {
	struct worker *worker;
	struct process_files *files;
	struct debuginfod *debuginfod;
	struct search searches[DEBUG_FILES_SEARCHES_MAX];
	bool some_wait; /* mostly none does, and all of them are much to look at */
	uint64_t now_ns;
	struct debug_files_counters counters;
};

int debug_files_new(struct worker *worker, struct process_files *files,
		    struct debuginfod *debuginfod, struct debug_files **ret_files)
{
	struct debug_files *debug_files = calloc(1, sizeof(*debug_files));

	if (!debug_files)
		return -ENOMEM;
	debug_files->worker = worker;
	debug_files->files = files;
	debug_files->debuginfod = debuginfod;
	*ret_files = debug_files;
	return 0;
}

static void close_search(struct search *search)
{
	fd_close(search->process_fd);
	fd_close(search->file_fd);
	fd_close(search->debug_fd);
	bytes_writer_free(&search->paths);
	free(search->folder);
	*search = (struct search){ .owner = search->owner };
}

void debug_files_free(struct debug_files *files)
{
	if (!files)
		return;
	for (size_t i = 0; i < DEBUG_FILES_SEARCHES_MAX; i++)
		if (files->searches[i].place != SEARCH_NONE)
			close_search(&files->searches[i]);
	free(files);
}

/* The callback may begin another search: the slot is free before it. */
static void finish(struct search *search, int debug_fd)
{
	CLEANUP(fd_close) int file_fd = TAKE_FD(search->file_fd);
	struct search ended = *search;

	close_search(search);
	search->owner->counters.searches--;
	ended.callback(ended.tag, file_fd, debug_fd, ended.context);
}

/* --- candidates ------------------------------------------------------------------------------ */

static void add_path(struct bytes_writer *paths, const char *start, const char *folder,
		     const char *middle, const char *name)
{
	const char *const parts[] = { start, folder, middle, name };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		bytes_write(paths, parts[i], strlen(parts[i]));
	bytes_write_u8(paths, 0);
}

static void add_paths(struct search *search, const struct debug_reference *reference)
{
	if (reference->build_id.size > 1) {
		char text[BUILD_ID_TEXT_SIZE],
			name[sizeof("/.build-id/xx/") + sizeof(".debug") + BUILD_ID_TEXT_SIZE];

		build_id_text(&reference->build_id, text);
		snprintf(name, sizeof(name), "/.build-id/%.2s/%s.debug", text, text + 2);
		add_path(&search->paths, debug_folder, name, "", "");
	}
	if (reference->link[0]) {
		add_path(&search->paths, "", search->folder, "/", reference->link);
		add_path(&search->paths, "", search->folder, "/.debug/", reference->link);
		add_path(&search->paths, debug_folder, search->folder, "/", reference->link);
	}
	bytes_write_u8(&search->paths, 0);
}

static void step(struct search *search);

static void wait_for_tick(struct search *search)
{
	search->waits = true;
	search->owner->some_wait = true;
}

/* True: it stays where it is, and goes on there later. */
static bool wait_for_shortage(struct search *search, int error)
{
	bool is_first_crash = error == WORKER_CRASHED && !search->was_crash;
	uint64_t pause_ns;

	search->was_crash |= is_first_crash;
	pause_ns = shortage_pause_ns(&search->shortages, is_first_crash ? -ENOMEM : error);
	if (!pause_ns)
		return false;
	search->owner->counters.deferred++;
	search->retry_ns = search->owner->now_ns + pause_ns;
	wait_for_tick(search);
	return true;
}

static void on_checked(int outcome, struct worker_result result, void *context)
{
	struct search *search = context;
	CLEANUP(fd_close) int debug_fd = -1;

	worker_result_free(&result);
	if (wait_for_shortage(search, outcome))
		return;
	debug_fd = TAKE_FD(search->debug_fd);
	if (outcome == 0) {
		search->owner->counters.found++;
		finish(search, debug_fd);
		return;
	}
	search->owner->counters.refused++;
	step(search);
}

/* Gives what was opened to the worker, which says whether it is the right one. */
static void check(struct search *search)
{
	uint32_t wanted = search->wanted;
	int r = worker_submit_pair(search->owner->worker, SYMBOL_JOB_CHECK_DEBUG_FILE,
				   search->file_fd, search->debug_fd, &wanted, sizeof(wanted),
				   on_checked, search);

	if (r == WORKER_QUEUE_FULL)
		wait_for_tick(search);
	else if (r != 0)
		finish(search, -1);
}

/* Returns 0, an outcome of process_files.h, or -errno. */
static int open_next(struct search *search)
{
	const struct process_file_rules rules = {
		.size_max = PROCESS_EXECUTABLE_SIZE_MAX,
		.owner_matters = true,
		.owner = search->owner_id,
	};
	int process_fd = search->place == SEARCH_PROCESS ? search->process_fd : -1;
	unsigned int index;
	int r = process_files_open_first(search->owner->files, process_fd,
					 (const char *)search->paths.bytes, search->next_path,
					 &rules, &index, &search->debug_fd);

	if (r == 0)
		search->next_path = index + 1;
	return r;
}

static void on_fetched(int debug_fd, void *context)
{
	struct search *search = context;

	if (debug_fd >= 0)
		search->debug_fd = fcntl(debug_fd, F_DUPFD_CLOEXEC, 0);
	if (debug_fd >= 0 && search->debug_fd < 0 && wait_for_shortage(search, -errno))
		search->place = SEARCH_DEBUGINFOD; /* which keeps it */
	else
		step(search);
}

static void ask_for_reference(struct search *search);

/* Goes on with the search until the worker or debuginfod has the next word. */
static void step(struct search *search)
{
	struct debug_files *files = search->owner;
	int r;

	search->waits = false;
	if (search->place == SEARCH_REFERENCE) {
		ask_for_reference(search);
		return;
	}
	if (search->debug_fd >= 0) {
		check(search);
		return;
	}
	while (search->place == SEARCH_PROCESS || search->place == SEARCH_HOST) {
		r = open_next(search);
		if (r == 0) {
			check(search);
			return;
		}
		if (is_shortage(r)) {
			wait_for_tick(search);
			return;
		}
		search->place++;
		search->next_path = 0;
		fd_close(TAKE_FD(search->process_fd));
	}
	if (search->place == SEARCH_DEBUGINFOD && files->debuginfod && search->build_id.size) {
		struct debuginfod *debuginfod = files->debuginfod;

		search->place++; /* its answer is the last one */
		if (debuginfod_find(debuginfod, &search->build_id, on_fetched, search) == 0)
			return;
	}
	files->counters.not_found++;
	finish(search, -1);
}

/* --- the beginning --------------------------------------------------------------------------- */

static void on_reference(int outcome, struct worker_result result, void *context)
{
	struct search *search = context;
	struct debug_reference reference;

	if (outcome == 0)
		outcome = debug_reference_read(result.bytes, result.size, &reference);
	worker_result_free(&result);
	if (outcome == 0 && !reference.parts) {
		bytes_writer_free(&search->paths);
		search->paths = bytes_writer_with_max(PATHS_SIZE_MAX);
		add_paths(search, &reference);
		outcome = bytes_writer_error(&search->paths);
	}
	if (wait_for_shortage(search, outcome))
		return;
	if (outcome != 0 || reference.parts) {
		finish(search, -1); /* unreadable, or complete by itself */
		return;
	}
	search->build_id = reference.build_id;
	search->place = search->process_fd >= 0 ? SEARCH_PROCESS : SEARCH_HOST;
	step(search);
}

static int submit_reference(struct search *search)
{
	uint32_t argument = search->wanted;

	return worker_submit(search->owner->worker, SYMBOL_JOB_DEBUG_REFERENCE, search->file_fd,
			     &argument, sizeof(argument), on_reference, search);
}

/* Once more, as there was no memory for it. */
static void ask_for_reference(struct search *search)
{
	int r = submit_reference(search);

	if (r == WORKER_QUEUE_FULL)
		wait_for_tick(search);
	else if (r != 0)
		finish(search, -1);
}

static int open_process(struct search *search, uint32_t pid)
{
	CLEANUP(fd_close) int process_fd = -1;
	int r = process_files_open_process(search->owner->files, pid, &process_fd);

	if (r == 0 &&
	    !process_files_shares_root(search->owner->files, process_place_of(process_fd)))
		search->process_fd = TAKE_FD(process_fd);
	/* Without that process its files are looked for here. */
	return is_shortage(r) ? r : 0;
}

static int begin(struct search *search, const struct executable *executable, uint32_t pid,
		 int file_fd)
{
	const char *slash = strrchr(executable->path, '/');
	struct stat status;

	search->folder = strndup(executable->path, slash ? (size_t)(slash - executable->path) : 0);
	if (!search->folder)
		return -ENOMEM;
	search->file_fd = fcntl(file_fd, F_DUPFD_CLOEXEC, 0);
	if (search->file_fd < 0 || fstat(search->file_fd, &status) < 0)
		return -errno;
	search->owner_id = status.st_uid;
	return open_process(search, pid);
}

int debug_files_find(struct debug_files *files, const struct executable *executable, uint32_t pid,
		     int file_fd, enum debug_part wanted, uint64_t tag,
		     debug_files_callback callback, void *context)
{
	struct search *search = files->searches;
	int r;

	while (search->place != SEARCH_NONE)
		if (++search == files->searches + DEBUG_FILES_SEARCHES_MAX)
			return DEBUG_FILES_BUSY;
	*search = (struct search){ .owner = files,
				   .wanted = wanted,
				   .tag = tag,
				   .callback = callback,
				   .context = context,
				   .process_fd = -1,
				   .file_fd = -1,
				   .debug_fd = -1 };
	r = begin(search, executable, pid, file_fd);
	if (r == 0)
		r = submit_reference(search);
	if (r != 0) {
		close_search(search);
		return r == WORKER_QUEUE_FULL ? DEBUG_FILES_BUSY : r;
	}
	search->place = SEARCH_REFERENCE;
	files->counters.searches++;
	return 0;
}

void debug_files_tick(struct debug_files *files, uint64_t now_ns)
{
	files->now_ns = now_ns;
	if (!files->some_wait)
		return;
	files->some_wait = false;
	for (size_t i = 0; i < DEBUG_FILES_SEARCHES_MAX; i++) {
		struct search *search = &files->searches[i];

		if (search->waits && search->retry_ns > now_ns)
			files->some_wait = true;
		else if (search->waits)
			step(search);
	}
}

const struct debug_files_counters *debug_files_counters(const struct debug_files *files)
{
	return &files->counters;
}
