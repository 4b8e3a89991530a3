/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/source_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/file_reading.h"
#include "base/log.h"
#include "elf/debug_reference.h"
#include "elf/executable_file.h"
#include "elf/inline_frames.h"
#include "process/executable_table.h"
#include "process/mapping_table.h"
#include "symbolize/debug_files.h"
#include "symbolize/provisional_names.h"
#include "worker/worker.h"

enum file_state {
	FILE_OPEN,	/* can be asked */
	FILE_SEARCHING, /* for its debug file */
	FILE_BUILDING,	/* the worker has it */
	FILE_CLOSED,	/* failed or full: keeps what it has and gets no more */
};

/* A stretch of addresses of which all that there is to know is known. */
struct known {
	uint64_t start;
	uint64_t end;
	uint32_t table; /* index */
	uint32_t range; /* of the table */
};

enum { NO_TABLE = UINT32_MAX };

struct table {
	struct worker_result bytes; /* owned */
	struct source_table_view view;
};

struct file {
	struct source_lines *owner;
	uint32_t slot;			   /* of the executable */
	uint64_t executable_id;		   /* whose it is now; 0: nobody's */
	uint64_t building_id;		   /* which executable the worker has; 0: none */
	struct file_reading reading;	   /* of the file, while the worker has it ... */
	struct file_reading debug_reading; /* ... and of its debug file */
	enum file_state state;
	uint64_t search;     /* the number of the search that goes on; 0: none */
	bool is_searched;    /* where the debug information is, is known: ... */
	int debug_fd;	     /* ... here; -1: in the file itself */
	struct known *known; /* sorted, without overlaps */
	size_t known_count;
	struct table *tables;
	struct file_version version;	   /* of the file that they are of, if there are any ... */
	struct file_version debug_version; /* ... and of its debug file */
	uint32_t table_count;
	uint64_t bytes;			 /* of the tables */
	struct provisional_names wanted; /* addresses that wait; the keys mean nothing */
	uint64_t *asked;		 /* those that the worker has, sorted */
	uint32_t asked_count;
	uint64_t submitted_ns;
	uint64_t seen_ns;  /* of CPU time in it */
	uint64_t spent_ns; /* of the worker's time, so far */
	uint64_t pause_ns; /* after the last time */
	uint64_t next_ns;  /* not asked again before */
	uint64_t last_used;
	uint64_t start, end; /* where the process below maps it */
	uint32_t pid;
	bool is_program; /* of some process, and no library */
	uint32_t tries;
	uint32_t crashes;
	uint32_t shortages;
	uint32_t changes; /* while it was read */
	bool complained;
};

struct source_lines {
	struct worker *worker;
	uint32_t job_type;
	struct executable_table *executables;
	struct debug_files *debug_files;
	size_t bytes_max;
	struct file *files[EXECUTABLES_MAX + 1]; /* by slot of the executable */
	uint32_t highest_slot;
	uint32_t building_count;
	uint32_t debug_fd_count;
	uint64_t search_count;
	bool is_wanted; /* some file may be asked now or later */
	uint64_t use_count;
	uint64_t generation;
	uint64_t now_ns;
	int64_t credit_ns; /* of the worker's time; below 0: more was taken than had been saved */
	uint64_t worker_end_ns; /* when it ended its last job */
	struct source_lines_counters counters;
};

int source_lines_new(const struct source_lines_options *options, struct source_lines **ret_lines)
{
	struct source_lines *lines = calloc(1, sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	lines->worker = options->worker;
	lines->job_type = options->job_type;
	lines->executables = options->executables;
	lines->debug_files = options->debug_files;
	lines->bytes_max = options->bytes_max;
	lines->credit_ns = SOURCE_LINES_CREDIT_MS * NS_PER_MS;
	*ret_lines = lines;
	return 0;
}

static void drop_tables(struct file *file)
{
	struct source_lines_counters *counters = &file->owner->counters;

	counters->files -= file->table_count > 0;
	counters->tables -= file->table_count;
	counters->bytes -= file->bytes;
	for (uint32_t i = 0; i < file->table_count; i++)
		worker_result_free(&file->tables[i].bytes);
	free(TAKE(file->tables));
	free(TAKE(file->known));
	file->table_count = 0;
	file->known_count = 0;
	file->bytes = 0;
}

static void forget_debug_file(struct file *file)
{
	file->owner->debug_fd_count -= file->debug_fd >= 0;
	fd_close(TAKE_FD(file->debug_fd));
	file->is_searched = false;
}

static void end_reading(struct file *file)
{
	file_reading_end(&file->reading);
	file_reading_end(&file->debug_reading);
}

static void empty_file(struct file *file)
{
	drop_tables(file);
	forget_debug_file(file);
	provisional_names_free(&file->wanted);
	free(TAKE(file->asked));
	file->asked_count = 0;
}

void source_lines_free(struct source_lines *lines)
{
	if (!lines)
		return;
	for (uint32_t i = 1; i <= lines->highest_slot; i++) {
		if (!lines->files[i])
			continue;
		empty_file(lines->files[i]);
		end_reading(lines->files[i]);
		free(lines->files[i]);
	}
	free(lines);
}

/* The file of an executable; NULL when memory is short. */
static struct file *file_of(struct source_lines *lines, const struct executable *executable)
{
	struct file *file = lines->files[executable->slot];

	if (!file) {
		file = calloc(1, sizeof(*file));
		if (!file)
			return NULL;
		file->owner = lines;
		file->debug_fd = -1;
		file->reading = file->debug_reading = file_reading_none();
		lines->files[executable->slot] = file;
		if (executable->slot > lines->highest_slot)
			lines->highest_slot = executable->slot;
	}
	if (file->executable_id != executable->id) {
		const struct file fresh = { .owner = lines,
					    .slot = executable->slot,
					    .executable_id = executable->id,
					    .building_id = file->building_id,
					    .reading = file->reading,
					    .debug_reading = file->debug_reading,
					    .debug_fd = -1 };

		empty_file(file);
		*file = fresh;
	}
	file->last_used = ++lines->use_count;
	return file;
}

/* --- what is known --------------------------------------------------------------------------- */

/* The number of stretches that start at or before @address. */
static size_t known_before(const struct file *file, uint64_t address)
{
	size_t low = 0, high = file->known_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (file->known[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct known *find_known(const struct file *file, uint64_t address)
{
	size_t before = known_before(file, address);

	return before && address < file->known[before - 1].end ? &file->known[before - 1] : NULL;
}

/* Merges stretches that are sorted into those that are known; what overlaps is left out. */
static int merge_known(struct file *file, const struct known *added, size_t added_count)
{
	size_t i = 0, k = 0, count = 0;
	struct known *merged;

	if (added_count + file->known_count > SOURCE_LINES_KNOWN_MAX)
		return -E2BIG;
	merged = calloc(file->known_count + added_count + 1, sizeof(*merged));
	if (!merged)
		return -ENOMEM;
	while (i < file->known_count || k < added_count) {
		uint64_t end = count ? merged[count - 1].end : 0;

		if (k == added_count ||
		    (i < file->known_count && file->known[i].start <= added[k].start)) {
			merged[count++] = file->known[i++];
		} else if (added[k].start >= end &&
			   (i == file->known_count || added[k].end <= file->known[i].start)) {
			merged[count++] = added[k++];
		} else {
			k++;
		}
	}
	free(file->known);
	file->known = merged;
	file->known_count = count;
	return 0;
}

static int add_ranges(struct file *file, const struct source_table_view *view, uint32_t table)
{
	CLEANUP(memory_free)
	struct known *added = calloc(view->header->range_count + 1, sizeof(*added));

	if (!added)
		return -ENOMEM;
	for (uint32_t i = 0; i < view->header->range_count; i++)
		added[i] = (struct known){ .start = view->ranges[i].start,
					   .end = view->ranges[i].end,
					   .table = table,
					   .range = i };
	return merge_known(file, added, view->header->range_count);
}

/* --- what goes wrong, and what is too much --------------------------------------------------- */

static struct executable *executable_of(const struct source_lines *lines, uint32_t slot)
{
	struct executable *executable = executable_table_at(lines->executables, slot);

	return executable && executable->id == lines->files[slot]->executable_id ? executable
										 : NULL;
}

static void close_file(struct file *file)
{
	file->state = FILE_CLOSED;
	forget_debug_file(file);
	provisional_names_free(&file->wanted);
}

static void fail(struct file *file, const struct executable *executable, int outcome)
{
	const char *reason = worker_outcome_text(outcome);

	close_file(file);
	/* Nothing to be read is no failure; and of a bad file its symbols tell. */
	if (outcome > 0 && outcome < WORKER_OUTCOME_FIRST)
		return;
	file->owner->counters.failed++;
	log_warning("the debug information of %s %s; it goes without lines and inlined functions",
		    executable->path, reason ? reason : "cannot be read");
}

/* It keeps what it has. */
static void refuse(struct file *file, const struct executable *executable)
{
	close_file(file);
	file->owner->counters.refused++;
	if (!file->complained)
		log_warning(
			"the lines and inlined functions of %s are more than there is memory for "
			"(--memory); some of its code goes without",
			executable->path);
	file->complained = true;
}

/* Makes room by the tables of the file used longest ago; @spared keeps its own. */
static void keep_bytes(struct source_lines *lines, const struct file *spared)
{
	while (lines->counters.bytes > lines->bytes_max) {
		struct file *oldest = NULL;

		for (uint32_t i = 1; i <= lines->highest_slot; i++) {
			struct file *file = lines->files[i];

			if (file && file != spared && file->bytes &&
			    (!oldest || file->last_used < oldest->last_used))
				oldest = file;
		}
		if (!oldest)
			return;
		drop_tables(oldest);
		if (oldest->state == FILE_CLOSED)
			oldest->state = FILE_OPEN;
		oldest->next_ns = lines->now_ns + SOURCE_LINES_EVICTED_PAUSE_MS * NS_PER_MS;
		lines->counters.evicted++;
	}
}

/* --- building -------------------------------------------------------------------------------- */

static int take_table(struct file *file, const struct executable *executable,
		      struct worker_result result)
{
	struct source_lines *lines = file->owner;
	struct table table = { .bytes = result };
	struct table *tables;
	int r;

	r = source_table_view_open(result.bytes, result.size, &table.view);
	if (r == 0 && !executable_may_be(executable, &table.view.header->build_id))
		r = -ESTALE; /* another file has its path by now */
	if (r == 0 && (file->table_count == SOURCE_LINES_TABLES_MAX ||
		       file->bytes + result.size > lines->bytes_max))
		r = -E2BIG;
	/* Room for the table is there before anything points to it. */
	tables = r == 0 ? reallocarray(file->tables, file->table_count + 1, sizeof(*tables)) : NULL;
	if (tables)
		file->tables = tables;
	else if (r == 0)
		r = -ENOMEM;
	if (r == 0)
		r = add_ranges(file, &table.view, file->table_count);
	if (r != 0) {
		worker_result_free(&result);
		return r;
	}
	lines->counters.files += !file->table_count;
	file->tables[file->table_count++] = table;
	file->bytes += result.size;
	lines->counters.tables++;
	lines->counters.built++;
	lines->counters.bytes += result.size;
	lines->counters.left_out += table.view.header->left_out_count;
	lines->generation++;
	keep_bytes(lines, file);
	return 0;
}

static void want(struct file *file, uint64_t address)
{
	if (provisional_names_find(&file->wanted, address))
		return;
	if (file->wanted.count == INLINE_FRAMES_ADDRESSES_MAX ||
	    !provisional_names_add(&file->wanted, address, 1))
		file->owner->counters.forgotten++;
}

/* What was left over comes next after a pause as short as at first. */
static void set_pause(struct file *file, bool is_left_over)
{
	const uint64_t least_ns = SOURCE_LINES_PAUSE_LEAST_MS * NS_PER_MS;
	const uint64_t most_ns = SOURCE_LINES_PAUSE_MOST_MS * NS_PER_MS;

	file->pause_ns = is_left_over ? least_ns : 2 * file->pause_ns;
	if (file->pause_ns > most_ns)
		file->pause_ns = most_ns;
}

/* Those that the job did not come to are asked for again, if it came to any; else there is nothing. */
static int settle_asked(struct file *file, size_t known_before_count)
{
	bool has_come_on = file->known_count > known_before_count, is_left_over = false;
	CLEANUP(memory_free)
	struct known *nothing = calloc(file->asked_count + 1, sizeof(*nothing));
	size_t count = 0;

	if (!nothing)
		return -ENOMEM;
	for (uint32_t i = 0; i < file->asked_count; i++) {
		uint64_t address = file->asked[i];

		if (find_known(file, address))
			continue;
		is_left_over |= has_come_on;
		if (has_come_on)
			want(file, address);
		else
			nothing[count++] = (struct known){ .start = address,
							   .end = address + 1,
							   .table = NO_TABLE };
	}
	set_pause(file, is_left_over);
	return merge_known(file, nothing, count);
}

static int take_answer(struct file *file, const struct executable *executable,
		       struct worker_result result)
{
	size_t known_count = file->known_count;
	int r = take_table(file, executable, result);

	return r < 0 ? r : settle_asked(file, known_count);
}

static void want_again(struct file *file)
{
	for (uint32_t i = 0; i < file->asked_count; i++)
		want(file, file->asked[i]);
	file->owner->is_wanted = true;
}

/* The file changed while it was read. False: too often. */
static bool ask_again(struct file *file)
{
	want_again(file);
	file->owner->counters.changed++;
	return ++file->changes < SOURCE_LINES_CHANGES_MAX;
}

/* What the worker took for a job that ends now: it does one after the other. */
static uint64_t take_time(struct source_lines *lines, uint64_t submitted_ns)
{
	uint64_t now_ns = monotonic_ns();
	uint64_t took_ns = now_ns - (submitted_ns > lines->worker_end_ns ? submitted_ns
									 : lines->worker_end_ns);

	lines->worker_end_ns = now_ns;
	lines->credit_ns -= (int64_t)took_ns;
	return took_ns;
}

static void on_table(int outcome, struct worker_result result, void *context)
{
	struct file *file = context;
	struct source_lines *lines = file->owner;
	const struct executable *executable =
		file->building_id == file->executable_id ? executable_of(lines, file->slot) : NULL;
	uint64_t took_ns = take_time(lines, file->submitted_ns);
	bool is_same = file_reading_is_same(&file->reading) &&
		       file_reading_is_same(&file->debug_reading);
	uint64_t shortage_ns;

	file->building_id = 0;
	lines->building_count--;
	end_reading(file);
	if (!executable || file->state != FILE_BUILDING) {
		worker_result_free(&result); /* of a file that made room meanwhile */
		return;
	}
	file->state = FILE_OPEN;
	file->spent_ns += took_ns;
	shortage_ns = is_same ? shortage_pause_ns(&file->shortages, outcome) : 0;
	if (shortage_ns) {
		lines->counters.deferred++;
		want_again(file);
	}
	if (is_same && outcome == 0)
		outcome = take_answer(file, executable, result);
	else
		worker_result_free(&result);
	if (!is_same)
		outcome = ask_again(file) ? 0 : -ESTALE;
	if (outcome == -E2BIG) {
		refuse(file, executable);
	} else if (outcome && !shortage_ns &&
		   (outcome != WORKER_CRASHED || ++file->crashes == SOURCE_LINES_CRASHES_MAX)) {
		fail(file, executable, outcome);
	}
	file->next_ns = monotonic_ns() + file->pause_ns + shortage_ns;
	free(TAKE(file->asked));
	file->asked_count = 0;
}

static int compare_addresses(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

/* Moves what waits to what is asked. */
static int take_wanted(struct file *file)
{
	struct provisional_name name;

	file->asked = calloc(INLINE_FRAMES_ADDRESSES_MAX, sizeof(*file->asked));
	if (!file->asked)
		return -ENOMEM;
	while (provisional_names_take(&file->wanted, &name))
		file->asked[file->asked_count++] = name.place;
	qsort(file->asked, file->asked_count, sizeof(*file->asked), compare_addresses);
	return 0;
}

/*
 * What is known of the files as they were before is void, unless a build id says that it is the
 * same program: then it may have several files, of which any is read.
 */
static int begin_reading(struct file *file, int file_fd, int debug_fd)
{
	const struct executable *executable = executable_of(file->owner, file->slot);
	bool has_build_id = executable && executable->identity.build_id_size;
	int r = file_reading_begin(file_fd, &file->reading);

	if (r == 0)
		r = file_reading_begin(debug_fd, &file->debug_reading);
	if (r < 0)
		return r;
	if (!has_build_id &&
	    (!file_version_equal(&file->version, &file->reading.version) ||
	     !file_version_equal(&file->debug_version, &file->debug_reading.version)))
		drop_tables(file);
	file->version = file->reading.version;
	file->debug_version = file->debug_reading.version;
	return 0;
}

/* Asks the worker, with files that are open. */
static void submit(struct file *file, int file_fd, int debug_fd)
{
	struct source_lines *lines = file->owner;
	int r = take_wanted(file);

	file->state = FILE_OPEN;
	if (r == 0)
		r = begin_reading(file, file_fd, debug_fd);
	if (r == 0)
		r = worker_submit_pair(lines->worker, lines->job_type, file_fd, debug_fd,
				       file->asked, file->asked_count * sizeof(*file->asked),
				       on_table, file);
	if (r) {
		end_reading(file);
		want_again(file);
		free(TAKE(file->asked));
		file->asked_count = 0;
		file->next_ns = lines->now_ns + SOURCE_LINES_PAUSE_LEAST_MS * NS_PER_MS;
		return;
	}
	file->state = FILE_BUILDING;
	file->building_id = file->executable_id;
	file->submitted_ns = monotonic_ns();
	/* Who was silent for long does something new, of which more will come soon. */
	if (file->submitted_ns > file->next_ns + file->pause_ns)
		file->pause_ns = SOURCE_LINES_PAUSE_LEAST_MS * NS_PER_MS / 2;
	lines->building_count++;
}

static void on_debug_file(uint64_t search, int file_fd, int debug_fd, void *context)
{
	struct file *file = context;
	struct source_lines *lines = file->owner;

	lines->building_count--;
	if (search != file->search)
		return; /* for a file that made room meanwhile */
	file->search = 0;
	if (debug_fd >= 0 && lines->debug_fd_count < SOURCE_LINES_FDS_MAX) {
		file->debug_fd = fcntl(debug_fd, F_DUPFD_CLOEXEC, 0);
		lines->debug_fd_count += file->debug_fd >= 0;
	}
	file->is_searched = debug_fd < 0 || file->debug_fd >= 0;
	submit(file, file_fd, debug_fd);
}

/* Goes on with a file that is open. Returns 0 or why it cannot. */
static int read_file(struct file *file, const struct executable *executable, int fd)
{
	struct source_lines *lines = file->owner;
	uint64_t search = ++lines->search_count;
	int r;

	if (file->is_searched) {
		submit(file, fd, file->debug_fd);
		return 0;
	}
	r = debug_files_find(lines->debug_files, executable, file->pid, fd, DEBUG_PART_LINES,
			     search, on_debug_file, file);
	if (r)
		return r;
	file->search = search;
	file->state = FILE_SEARCHING;
	lines->building_count++;
	return 0;
}

static void build(struct file *file, struct executable *executable)
{
	struct source_lines *lines = file->owner;
	int r = executable_table_open(lines->executables, executable, file->pid, file->start,
				      file->end, lines->now_ns);

	if (r == 0) {
		r = read_file(file, executable,
			      executable_table_fd(lines->executables, executable));
		executable_table_close_fd(lines->executables, executable);
		if (r == 0)
			return;
	}
	file->next_ns = lines->now_ns + SOURCE_LINES_PAUSE_LEAST_MS * NS_PER_MS;
	if (r == DEBUG_FILES_BUSY || is_shortage(r))
		return;
	/* Whoever is sampled in it next leads to it again. */
	if (++file->tries == SOURCE_LINES_TRIES_MAX)
		provisional_names_free(&file->wanted);
}

/* Who has had least so far comes first, and of those the programs, not the libraries. */
static bool comes_before(const struct file *file, const struct file *other)
{
	if (file->spent_ns != other->spent_ns)
		return file->spent_ns < other->spent_ns;
	return file->is_program && !other->is_program;
}

/* Whether what reading it has taken is little beside what ran in it. */
static bool is_worth_reading(const struct file *file)
{
	return file->spent_ns + SOURCE_LINES_FIRST_MS * NS_PER_MS <=
	       file->seen_ns / SOURCE_LINES_SHARE;
}

/* The next file to be read now, or NULL. Notes whether others will be. */
static struct file *next_file(struct source_lines *lines)
{
	struct file *next = NULL;

	for (uint32_t i = 1; i <= lines->highest_slot; i++) {
		struct file *file = lines->files[i];

		if (!file || !file->wanted.count)
			continue;
		lines->is_wanted = true;
		if (file->state == FILE_OPEN && !file->building_id &&
		    lines->now_ns >= file->next_ns && is_worth_reading(file) &&
		    executable_of(lines, i) && (!next || comes_before(file, next)))
			next = file;
	}
	return next;
}

static void close_debug_files(struct source_lines *lines)
{
	for (uint32_t i = 1; lines->debug_fd_count && i <= lines->highest_slot; i++) {
		struct file *file = lines->files[i];

		if (file && file->debug_fd >= 0 && file->state == FILE_OPEN &&
		    lines->now_ns >= file->submitted_ns + SOURCE_LINES_FD_KEPT_MS * NS_PER_MS)
			forget_debug_file(file);
	}
}

static void earn_credit(struct source_lines *lines, uint64_t now_ns)
{
	const int64_t most_ns = SOURCE_LINES_CREDIT_MS * NS_PER_MS;

	if (lines->now_ns)
		lines->credit_ns += (int64_t)((now_ns - lines->now_ns) / SOURCE_LINES_SHARE);
	if (lines->credit_ns > most_ns)
		lines->credit_ns = most_ns;
	lines->now_ns = now_ns;
}

void source_lines_tick(struct source_lines *lines, uint64_t now_ns)
{
	earn_credit(lines, now_ns);
	close_debug_files(lines);
	/* Few at a time: who comes later may have had less. */
	while (lines->is_wanted && lines->building_count < SOURCE_LINES_BUILDING_MAX &&
	       lines->credit_ns > 0) {
		struct file *file;

		lines->is_wanted = false;
		file = next_file(lines);
		if (!file)
			break;
		build(file, executable_of(lines, file->slot));
	}
}

/* --- questions ------------------------------------------------------------------------------- */

unsigned int source_lines_find(struct source_lines *lines, const struct source_address *address,
			       struct source_frame ret_frames[SOURCE_FRAMES_MAX])
{
	struct file *file = file_of(lines, address->mapping->executable);
	const struct known *known;
	const struct table *table;

	if (!file)
		return 0;
	known = find_known(file, address->offset);
	if (known) {
		if (known->table == NO_TABLE)
			return 0;
		table = &file->tables[known->table];
		return source_table_frames(&table->view, &table->view.ranges[known->range],
					   address->offset, ret_frames);
	}
	if (file->state == FILE_CLOSED)
		return 0;
	file->pid = address->pid;
	file->start = address->mapping->start;
	file->end = address->mapping->end;
	file->is_program |= address->mapping->is_main_executable;
	file->tries = 0;
	want(file, address->offset);
	lines->is_wanted = true;
	return 0;
}

void source_lines_see(struct source_lines *lines, const struct executable *executable,
		      uint64_t cpu_ns)
{
	struct file *file = lines->files[executable->slot];

	if (file && file->executable_id == executable->id)
		file->seen_ns += cpu_ns;
}

uint64_t source_lines_generation(const struct source_lines *lines)
{
	return lines->generation;
}

const struct source_lines_counters *source_lines_counters(const struct source_lines *lines)
{
	return &lines->counters;
}
