/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/unwind_tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/file_reading.h"
#include "base/log.h"
#include "collect/unwind_upload.h"
#include "elf/elf_unwind.h"
#include "elf/executable_file.h"
#include "elf/unwind_table.h"
#include "process/executable_table.h"
#include "process/mapping_table.h"
#include "symbolize/debug_files.h"
#include "worker/worker.h"

enum row_state {
	ROW_NEW,      /* no table yet */
	ROW_BUILDING, /* the worker has it */
	ROW_READY,
	ROW_FAILED,
};

/* A table where the kernel reads it. */
struct unwind_table_use {
	struct unwind_upload_table place;
	struct build_id build_id;
	uint32_t row_count;    /* of executables that have it */
	uint32_t process_uses; /* not given back */
	uint64_t last_used;
};

struct row {
	struct unwind_tables *owner;
	uint64_t executable_id;	     /* whose row this is now; 0: nobody's */
	uint64_t building_id;	     /* which executable the worker has; 0: none */
	struct file_reading reading; /* ... of its file, while it has it ... */
	struct file_reading debug;   /* ... and of this one */
	enum row_state state;
	struct unwind_table_use *table; /* when it is ready */
	uint64_t retry_ns;		/* not before */
	uint32_t tries;			/* to open and read the file */
	uint32_t crashes;
	uint32_t shortages;
	uint32_t pid;  /* a process that maps it */
	bool searched; /* its debug file was looked for */
	bool waits;    /* somebody wants it, and should ask again at retry_ns */
};

struct unwind_tables {
	struct unwind_tables_options options;
	struct row rows[EXECUTABLES_MAX + 1]; /* by slot of the executable */
	uint32_t highest_row;
	uint32_t building_count; /* jobs in the worker's hands */
	uint64_t evict_ns;	 /* not before: all were in use */
	uint64_t retry_ns;	 /* the earliest of the rows that wait; 0: none */
	uint64_t use_count;
	uint64_t generation;
	uint64_t now_ns;
	struct unwind_tables_counters counters;
};

const struct worker_job_type *unwind_tables_job_type(void)
{
	static const struct worker_job_type type = {
		.name = "unwind table",
		.process_name = "flicker-unwind",
		.time_limit_ms = ELF_UNWIND_TIME_LIMIT_MS,
		.run_pair = unwind_table_job,
	};

	return &type;
}

int unwind_tables_new(const struct unwind_tables_options *options,
		      struct unwind_tables **ret_tables)
{
	struct unwind_tables *tables = calloc(1, sizeof(*tables));

	if (!tables)
		return -ENOMEM;
	tables->options = *options;
	*ret_tables = tables;
	return 0;
}

/* --- tables ---------------------------------------------------------------------------------- */

/* When neither an executable nor a process has it any more. */
static void drop_unused(struct unwind_tables *tables, struct unwind_table_use *table)
{
	if (table->row_count || table->process_uses)
		return;
	unwind_upload_remove_table(tables->options.upload, &table->place);
	tables->counters.tables--;
	free(table);
}

static void empty_row(struct row *row)
{
	struct unwind_table_use *table = row->table;

	row->table = NULL;
	if (!table)
		return;
	table->row_count--;
	drop_unused(row->owner, table);
}

static void end_reading(struct row *row)
{
	file_reading_end(&row->reading);
	file_reading_end(&row->debug);
}

void unwind_tables_free(struct unwind_tables *tables)
{
	if (!tables)
		return;
	for (uint32_t i = 1; i <= tables->highest_row; i++) {
		if (tables->rows[i].owner)
			empty_row(&tables->rows[i]);
		if (tables->rows[i].building_id)
			end_reading(&tables->rows[i]);
	}
	free(tables);
}

static struct row *row_of(struct unwind_tables *tables, const struct executable *executable)
{
	struct row *row = &tables->rows[executable->slot];

	if (row->executable_id != executable->id) {
		struct row fresh = {
			.owner = tables,
			.executable_id = executable->id,
			.building_id = row->building_id,
			.reading = row->reading,
			.debug = row->debug,
		};

		if (row->owner)
			empty_row(row);
		*row = fresh;
		if (executable->slot > tables->highest_row)
			tables->highest_row = executable->slot;
	}
	return row;
}

/* Gives up the table used longest ago that no process uses. Returns its size; 0: there is none. */
static uint64_t evict_one(struct unwind_tables *tables)
{
	struct unwind_table_use *oldest = NULL;
	uint64_t bytes;

	for (uint32_t i = 1; i <= tables->highest_row; i++) {
		struct unwind_table_use *table = tables->rows[i].table;

		if (table && !table->process_uses &&
		    (!oldest || table->last_used < oldest->last_used))
			oldest = table;
	}
	if (!oldest)
		return 0;
	bytes = oldest->place.bytes;
	tables->counters.evicted++;
	oldest->row_count++; /* so that it lives until the last row has left it */
	for (uint32_t i = 1; i <= tables->highest_row; i++) {
		if (tables->rows[i].table != oldest)
			continue;
		empty_row(&tables->rows[i]);
		tables->rows[i].state = ROW_NEW;
	}
	oldest->row_count--;
	drop_unused(tables, oldest);
	return bytes ? bytes : 1;
}

static void retry_later(struct row *row, uint64_t pause_ms)
{
	struct unwind_tables *tables = row->owner;

	row->state = ROW_NEW;
	row->waits = true;
	row->retry_ns = tables->now_ns + pause_ms * NS_PER_MS;
	if (!tables->retry_ns || row->retry_ns < tables->retry_ns)
		tables->retry_ns = row->retry_ns;
}

static void fail(struct row *row)
{
	row->state = ROW_FAILED;
	row->owner->counters.failed++;
	row->owner->generation++; /* nobody needs to wait any more */
}

static void try_again(struct row *row)
{
	if (++row->tries >= UNWIND_TABLES_TRIES_MAX)
		fail(row);
	else
		retry_later(row, UNWIND_TABLES_RETRY_MS);
}

/* A table of the same contents that is there already, or NULL. */
static struct unwind_table_use *find_equal(const struct unwind_tables *tables,
					   const struct build_id *build_id)
{
	for (uint32_t i = 1; i <= tables->highest_row; i++) {
		struct unwind_table_use *table = tables->rows[i].table;

		if (table && build_id_equal(&table->build_id, build_id))
			return table;
	}
	return NULL;
}

/* Room for a table, once that has rested. False: there is not enough that nobody uses. */
static bool make_room(struct unwind_tables *tables, uint64_t bytes)
{
	uint64_t made = 0;

	while (made < bytes) {
		uint64_t evicted = evict_one(tables);

		if (!evicted)
			return false;
		made += evicted;
	}
	return true;
}

/* A table of its own for the row, or the one of the same contents that is there. */
static int put_table(struct row *row, const struct unwind_table_view *view)
{
	struct unwind_tables *tables = row->owner;
	struct unwind_table_use *table = calloc(1, sizeof(*table));
	int r;

	if (!table)
		return -ENOMEM;
	table->build_id = view->header->build_id;
	r = unwind_upload_add_table(tables->options.upload, view, &table->place);
	if (r != 0) {
		free(table);
		return r;
	}
	table->row_count = 1;
	row->table = table;
	tables->counters.tables++;
	tables->counters.built++;
	return 0;
}

static void take_table(struct row *row, struct executable *executable,
		       const struct unwind_table_view *view)
{
	struct unwind_tables *tables = row->owner;
	const struct build_id *build_id = &view->header->build_id;
	struct unwind_table_use *equal = build_id->size ? find_equal(tables, build_id) : NULL;
	int r = 0;

	if (!executable_may_be(executable, build_id)) {
		tables->counters.open_failed++;
		executable_table_close_fd(tables->options.executables, executable);
		try_again(row); /* another process may lead to it */
		return;
	}
	if (equal) {
		equal->row_count++;
		row->table = equal;
	} else {
		r = put_table(row, view);
	}
	if (r != 0) {
		bool has_room =
			r == UNWIND_UPLOAD_FULL &&
			make_room(tables, view->header->row_count * sizeof(struct unwind_row));

		tables->counters.refused += !has_room;
		retry_later(row, has_room ? UNWIND_TABLES_REST_MS : UNWIND_TABLES_FULL_PAUSE_MS);
		return;
	}
	row->state = ROW_READY;
	tables->generation++;
	unwind_upload_teach_file(tables->options.upload,
				 executable->kind == EXECUTABLE_FILE ? row->reading.fd : -1,
				 &row->table->place);
}

/* --- building -------------------------------------------------------------------------------- */

/* The executable of a row, if it still is that of the row. */
static struct executable *executable_of(const struct row *row)
{
	uint32_t slot = (uint32_t)(row - row->owner->rows);
	struct executable *executable = executable_table_at(row->owner->options.executables, slot);

	return executable && executable->id == row->executable_id ? executable : NULL;
}

static void on_table(int outcome, struct worker_result result, void *context);

/* Gives a file to the worker, with its debug file or -1. Both are borrowed. */
static void submit(struct row *row, int file_fd, int debug_fd)
{
	struct unwind_tables *tables = row->owner;
	int r = WORKER_QUEUE_FULL;

	row->reading = row->debug = file_reading_none();
	if (tables->building_count < UNWIND_TABLES_BUILDING_MAX)
		r = file_reading_begin(file_fd, &row->reading);
	if (r == 0)
		r = file_reading_begin(debug_fd, &row->debug);
	if (r == 0)
		r = worker_submit_pair(row->reading.version.size <= UNWIND_TABLES_SMALL_FILE_MAX
					       ? tables->options.worker
					       : tables->options.large_worker,
				       0, file_fd, debug_fd, NULL, 0, on_table, row);
	if (r != 0)
		end_reading(row);
	/* The file stays open: its symbols will be asked for next. */
	if (r == WORKER_QUEUE_FULL || is_shortage(r)) {
		retry_later(row, 0);
	} else if (r != 0) {
		fail(row);
	} else {
		row->state = ROW_BUILDING;
		row->building_id = row->executable_id;
		tables->building_count++;
	}
}

/* --- debug files ----------------------------------------------------------------------------- */

static void on_debug_file(uint64_t executable_id, int file_fd, int debug_fd, void *context)
{
	struct row *row = context;

	if (row->executable_id != executable_id || row->state != ROW_BUILDING || row->building_id)
		return;
	submit(row, file_fd, debug_fd);
	if (row->state == ROW_NEW)
		row->searched = false; /* the worker's queue was full: all anew, later */
}

/* Little of its code: not so when all that is left out begins and ends every program. */
static bool describes_little(const struct unwind_table_view *view)
{
	uint64_t covered = view->header->covered_size, all = view->header->code_size;

	return covered < all / 2 && all - covered > UNWIND_TABLES_START_CODE_MAX;
}

/*
 * Whether the table has to wait for a search: the file describes little of its code, as one that was
 * built without .eh_frame, whose .debug_frame went into a debug file.
 */
static bool search(struct row *row, const struct executable *executable, int outcome,
		   const struct unwind_table_view *view)
{
	struct unwind_tables *tables = row->owner;
	int r;
	bool is_sparse = outcome == EXECUTABLE_NO_SECTION ||
			 (outcome == 0 && describes_little(view));

	if (!is_sparse || row->searched || !tables->options.debug_files ||
	    executable->kind != EXECUTABLE_FILE)
		return false;
	r = debug_files_find(tables->options.debug_files, executable, row->pid, row->reading.fd,
			     DEBUG_PART_FRAMES, row->executable_id, on_debug_file, row);
	if (is_shortage(r))
		retry_later(row, UNWIND_TABLES_RETRY_MS); /* all anew */
	else
		row->searched = true; /* also where too many search */
	return r == 0 || is_shortage(r);
}

/* True: the file is read once more, later. */
static bool count_shortage(struct row *row, int outcome)
{
	uint64_t pause_ns = shortage_pause_ns(&row->shortages, outcome);

	if (!pause_ns)
		return false;
	row->owner->counters.deferred++;
	retry_later(row, pause_ns / NS_PER_MS);
	return true;
}

static void on_table(int outcome, struct worker_result result, void *context)
{
	struct row *row = context;
	struct executable *executable = executable_of(row);
	bool is_current = row->building_id == row->executable_id && executable;
	struct unwind_table_view view;

	row->building_id = 0;
	row->owner->building_count--;
	if (is_current && row->state == ROW_BUILDING) {
		if (outcome == 0)
			outcome = unwind_table_view_open(result.bytes, result.size, &view);
		if (!file_reading_is_same(&row->reading) || !file_reading_is_same(&row->debug))
			try_again(row); /* what came out may be of neither state */
		else if (search(row, executable, outcome, &view))
			; /* it stays in the building until that has ended */
		else if (outcome == 0)
			take_table(row, executable, &view);
		else if (outcome == WORKER_CRASHED && ++row->crashes < UNWIND_TABLES_CRASHES_MAX)
			retry_later(row, UNWIND_TABLES_RETRY_MS); /* somebody else's doing, maybe */
		else if (!count_shortage(row, outcome))
			fail(row);
	}
	end_reading(row);
	worker_result_free(&result);
}

static void build(struct row *row, uint32_t pid, const struct mapping *mapping)
{
	struct unwind_tables *tables = row->owner;
	int r;

	row->waits = false;
	if (row->building_id) { /* for the executable before, which had the same slot */
		retry_later(row, UNWIND_TABLES_RETRY_MS);
		return;
	}
	r = executable_table_open(tables->options.executables, mapping->executable, pid,
				  mapping->start, mapping->end, tables->now_ns);
	if (r == 0) {
		row->pid = pid;
		submit(row, executable_table_fd(tables->options.executables, mapping->executable),
		       -1);
		return;
	}
	tables->counters.open_failed += r != -EAGAIN;
	if (r == -ENXIO)
		fail(row);
	else if (is_shortage(r))
		retry_later(row, UNWIND_TABLES_RETRY_MS);
	else
		try_again(row);
}

/* --- questions ------------------------------------------------------------------------------- */

enum unwind_tables_answer unwind_tables_take(struct unwind_tables *tables, uint32_t pid,
					     const struct mapping *mapping,
					     struct unwind_table_use **ret_use)
{
	struct row *row;

	if (mapping->executable->kind != EXECUTABLE_FILE &&
	    mapping->executable->kind != EXECUTABLE_VDSO)
		return UNWIND_TABLES_NONE;
	row = row_of(tables, mapping->executable);
	if (row->state == ROW_NEW && tables->now_ns >= row->retry_ns)
		build(row, pid, mapping);
	if (row->state == ROW_FAILED)
		return UNWIND_TABLES_NONE;
	if (row->state != ROW_READY)
		return UNWIND_TABLES_PENDING;
	row->table->process_uses++;
	row->table->last_used = ++tables->use_count;
	*ret_use = row->table;
	return UNWIND_TABLES_READY;
}

void unwind_tables_give(struct unwind_tables *tables, struct unwind_table_use *use)
{
	use->process_uses--;
	drop_unused(tables, use);
}

const struct unwind_upload_table *unwind_table_use_place(const struct unwind_table_use *use)
{
	return &use->place;
}

void unwind_tables_tick(struct unwind_tables *tables, uint64_t now_ns)
{
	tables->now_ns = now_ns;
	if (unwind_upload_is_tight(tables->options.upload) && now_ns >= tables->evict_ns &&
	    !evict_one(tables))
		tables->evict_ns = now_ns + UNWIND_TABLES_REST_MS * NS_PER_MS;
	if (!tables->retry_ns || now_ns < tables->retry_ns)
		return;
	tables->retry_ns = 0;
	for (uint32_t i = 1; i <= tables->highest_row; i++) {
		struct row *row = &tables->rows[i];

		if (row->state != ROW_NEW || !row->waits)
			continue;
		if (row->retry_ns <= now_ns)
			tables->generation++; /* those who wait ask again */
		else if (!tables->retry_ns || row->retry_ns < tables->retry_ns)
			tables->retry_ns = row->retry_ns;
	}
}

uint64_t unwind_tables_generation(const struct unwind_tables *tables)
{
	return tables->generation;
}

const struct unwind_tables_counters *unwind_tables_counters(struct unwind_tables *tables)
{
	tables->counters.building = tables->building_count;
	return &tables->counters;
}
