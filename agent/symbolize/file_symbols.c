/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/file_symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/file_reading.h"
#include "base/hash_index.h"
#include "base/log.h"
#include "elf/executable_file.h"
#include "privileged/process_files.h"
#include "process/executable_table.h"
#include "process/mapping_table.h"
#include "symbolize/debug_files.h"
#include "symbolize/provisional_names.h"
#include "symbolize/symbol_bytes.h"
#include "symbolize/symbol_jobs.h"

enum row_state {
	ROW_NEW,      /* no table yet: asked for when it is sampled */
	ROW_BUILDING, /* the worker has it */
	ROW_READY,
	ROW_FAILED,
};

/* Keys of modules that have no build id must not meet those that have one. */
enum module_key_seed { SEED_BUILD_ID = 1, SEED_IDENTITY = 2 };

struct shared_table {
	uint32_t reference_count;
	struct symbol_bytes table;
};

struct row {
	struct file_symbols *owner;
	uint64_t executable_id; /* whose row this is now; 0: nobody's */
	uint64_t building_id;	/* which executable the worker has; 0: none */
	enum row_state state;
	uint64_t module_key;
	struct shared_table *shared; /* a reference, when it is ready */
	struct provisional_names provisional;
	uint64_t debug_search;		  /* number of the one that goes on; 0: none does */
	uint64_t better_search;		  /* whose files the worker has; 0: none */
	struct file_reading reading;	  /* of the file, while the worker has it ... */
	struct file_reading better;	  /* ... for the second time ... */
	struct file_reading better_debug; /* ... with this one */
	struct provisional_names unnamed; /* went out without a name, while a search goes on */
	struct file_version version;	  /* of the file that the table is of */
	uint64_t opened_ns;
	uint64_t checked_ns;
	uint64_t retry_ns; /* not before */
	uint64_t last_used;
	uint64_t start, end; /* where the process below maps it */
	uint32_t pid;	     /* that was sampled in it last, while it has no table */
	uint32_t tries;	     /* to open it since then */
	uint32_t crashes;
	uint32_t shortages;
	uint32_t changes;   /* while it was read */
	bool search_missed; /* too many went on: the next sample begins one */
	bool draining;	    /* the provisional and unnamed ones get their names */
	bool not_elf;
	bool complained;
};

struct file_symbols {
	struct file_symbols_options options;
	struct row rows[EXECUTABLES_MAX + 1]; /* by slot of the executable */
	uint32_t highest_row;
	uint32_t building_count; /* jobs in the worker's hands */
	bool retry_wanted;	 /* some row could not be built at once */
	uint32_t drain_row;	 /* where the search for late names goes on */
	uint64_t use_count;
	uint64_t search_count;
	uint64_t generation;
	uint64_t now_ns;
	uint64_t complaints_from_ns; /* the second in which complaints are counted */
	uint32_t complaint_count;
	struct file_symbols_counters counters;
};

int file_symbols_new(const struct file_symbols_options *options, struct file_symbols **ret_symbols)
{
	struct file_symbols *symbols = calloc(1, sizeof(*symbols));

	if (!symbols)
		return -ENOMEM;
	symbols->options = *options;
	symbols->drain_row = 1;
	*ret_symbols = symbols;
	return 0;
}

static void release_table(struct row *row)
{
	struct shared_table *shared = row->shared;

	row->shared = NULL;
	if (!shared || --shared->reference_count)
		return;
	row->owner->counters.tables--;
	row->owner->counters.bytes -= shared->table.bytes.size;
	symbol_bytes_free(&shared->table);
	free(shared);
}

static void drop_provisional(struct row *row)
{
	row->owner->counters.provisional_lost += row->provisional.count;
	provisional_names_free(&row->provisional);
}

/* Whatever still comes of a search is not waited for any more. */
static void end_search(struct row *row)
{
	row->debug_search = 0;
	provisional_names_free(&row->unnamed);
}

static void end_better_reading(struct row *row)
{
	file_reading_end(&row->better);
	file_reading_end(&row->better_debug);
}

static void empty_row(struct row *row)
{
	drop_provisional(row);
	end_search(row);
	release_table(row);
}

void file_symbols_free(struct file_symbols *symbols)
{
	if (!symbols)
		return;
	for (uint32_t i = 1; i <= symbols->highest_row; i++) {
		struct row *row = &symbols->rows[i];

		if (!row->owner)
			continue;
		empty_row(row);
		file_reading_end(&row->reading);
		end_better_reading(row);
	}
	free(symbols);
}

/* --- keys ------------------------------------------------------------------------------------ */

static uint64_t key_of_build_id(const uint8_t *build_id, size_t size)
{
	return stable_key(build_id, size, SEED_BUILD_ID);
}

/* Until a table tells the build id. */
static uint64_t key_of_identity(const struct executable *executable)
{
	const struct executable_identity *identity = &executable->identity;
	const uint64_t numbers[] = {
		identity->inode,
		identity->inode_generation,
		(uint64_t)identity->device_major << 32 | identity->device_minor,
		identity->changed_ns,
		executable->kind,
	};

	if (identity->build_id_size)
		return key_of_build_id(identity->build_id, identity->build_id_size);
	return stable_key(numbers, sizeof(numbers), SEED_IDENTITY);
}

static struct row *row_of(struct file_symbols *symbols, const struct executable *executable)
{
	struct row *row = &symbols->rows[executable->slot];

	if (row->executable_id != executable->id) {
		struct row fresh = {
			.owner = symbols,
			.executable_id = executable->id,
			.building_id = row->building_id,
			.better_search = row->better_search,
			.reading = row->owner ? row->reading : file_reading_none(),
			.better = row->owner ? row->better : file_reading_none(),
			.better_debug = row->owner ? row->better_debug : file_reading_none(),
			.module_key = key_of_identity(executable),
		};

		if (row->owner)
			empty_row(row);
		*row = fresh;
		if (executable->slot > symbols->highest_row)
			symbols->highest_row = executable->slot;
	}
	row->last_used = ++symbols->use_count;
	return row;
}

/* --- what goes wrong ------------------------------------------------------------------------- */

/* Once for each file, and not more than a few a second: files are strangers'. */
static void complain(struct row *row, const char *path, const char *reason)
{
	struct file_symbols *symbols = row->owner;

	if (row->complained)
		return;
	row->complained = true;
	if (symbols->now_ns - symbols->complaints_from_ns >= NS_PER_S) {
		symbols->complaints_from_ns = symbols->now_ns;
		symbols->complaint_count = 0;
	}
	if (symbols->complaint_count++ < FILE_SYMBOLS_COMPLAINTS_PER_S)
		log_warning("%s %s; its functions stay without names", path, reason);
}

static const char *reason_of(int outcome)
{
	const char *text = worker_outcome_text(outcome);

	if (text)
		return text;
	if (outcome > 0)
		return executable_file_outcome_text(outcome);
	if (is_shortage(outcome))
		return "needs more memory than there is to read it";
	return outcome == -EBADMSG ? "gave a damaged table" : "cannot be read";
}

static void fail(struct row *row, const struct executable *executable, const char *reason)
{
	row->state = ROW_FAILED;
	row->owner->counters.failed++;
	drop_provisional(row); /* they stay what they are */
	end_search(row);
	complain(row, executable->path, reason);
}

/* Its code may have been made at run time, and be named elsewhere. */
static void fail_not_elf(struct row *row, const struct executable *executable, const char *reason)
{
	row->not_elf = true;
	if (executable->is_memory)
		row->state = ROW_FAILED; /* a JIT's memory, and nobody's mistake */
	else
		fail(row, executable, reason);
}

/* --- tables ---------------------------------------------------------------------------------- */

static void evict(struct row *row)
{
	row->state = ROW_NEW;
	row->draining = false;
	empty_row(row);
	row->retry_ns = row->owner->now_ns + FILE_SYMBOLS_EVICTED_PAUSE_MS * NS_PER_MS;
	row->owner->counters.evicted++;
}

static void keep_bytes(struct file_symbols *symbols, const struct row *spared)
{
	while (symbols->counters.bytes > symbols->options.bytes_max) {
		struct row *oldest = NULL;

		for (uint32_t i = 1; i <= symbols->highest_row; i++) {
			struct row *row = &symbols->rows[i];

			if (row->state == ROW_READY && row != spared &&
			    (!oldest || row->last_used < oldest->last_used))
				oldest = row;
		}
		if (!oldest)
			return;
		evict(oldest);
	}
}

static const struct build_id *build_id_of(const struct symbol_bytes *table)
{
	return &table->view.header->build_id;
}

/*
 * A table of the same contents that is there already, or NULL. The build id alone will not do: a
 * file may claim any, and would give its names to another's functions.
 */
static struct shared_table *find_equal(const struct file_symbols *symbols,
				       const struct symbol_bytes *table)
{
	for (uint32_t i = 1; i <= symbols->highest_row; i++) {
		struct shared_table *shared = symbols->rows[i].shared;

		if (shared && shared->table.bytes.size == table->bytes.size &&
		    build_id_equal(build_id_of(&shared->table), build_id_of(table)) &&
		    memcmp(shared->table.bytes.bytes, table->bytes.bytes, table->bytes.size) == 0)
			return shared;
	}
	return NULL;
}

/* Takes the table, or drops it for an equal one. */
static int share_table(struct row *row, struct symbol_bytes *table)
{
	struct file_symbols *symbols = row->owner;
	struct shared_table *shared = build_id_of(table)->size ? find_equal(symbols, table) : NULL;

	if (shared) {
		symbol_bytes_free(table);
		shared->reference_count++;
		row->shared = shared;
		return 0;
	}
	shared = calloc(1, sizeof(*shared));
	if (!shared) {
		symbol_bytes_free(table);
		return -ENOMEM;
	}
	shared->reference_count = 1;
	shared->table = *table;
	row->shared = shared;
	symbols->counters.tables++;
	symbols->counters.built++;
	symbols->counters.left_out += table->view.header->left_out_count;
	symbols->counters.bytes += table->bytes.size;
	return 0;
}

static void take_table(struct row *row, const struct executable *executable,
		       struct symbol_bytes *table)
{
	struct file_symbols *symbols = row->owner;
	const struct build_id build_id = *build_id_of(table);

	if (!executable_may_be(executable, &build_id)) {
		symbol_bytes_free(table);
		symbols->counters.open_failed++;
		row->state = ROW_NEW;
		row->tries = FILE_SYMBOLS_TRIES_MAX; /* another process may lead to it */
		row->retry_ns = symbols->now_ns + FILE_SYMBOLS_RETRY_MS * NS_PER_MS;
		return;
	}
	if (table->bytes.size > symbols->options.bytes_max) {
		symbol_bytes_free(table);
		fail(row, executable, "has more symbols than there is memory for");
		return;
	}
	if (share_table(row, table) < 0) {
		row->state = ROW_NEW;
		return;
	}
	if (build_id.size)
		row->module_key = key_of_build_id(build_id.bytes, build_id.size);
	row->state = ROW_READY;
	row->draining = true;
	symbols->generation++;
	keep_bytes(symbols, row);
}

/* The executable of a row, if it still is that of the row. */
static struct executable *executable_of(const struct row *row)
{
	uint32_t slot = (uint32_t)(row - row->owner->rows);
	struct executable *executable = executable_table_at(row->owner->options.executables, slot);

	return executable && executable->id == row->executable_id ? executable : NULL;
}

/* --- files that change ----------------------------------------------------------------------- */

/* Forgets all about the file: another one has its place. */
static void begin_anew(struct row *row, const struct executable *executable)
{
	release_table(row);
	provisional_names_free(&row->provisional);
	end_search(row);
	row->module_key = key_of_identity(executable);
	row->state = ROW_NEW;
	row->draining = false;
	row->complained = false;
	row->not_elf = false;
	row->crashes = 0;
	row->shortages = 0;
	row->retry_ns = 0;
}

/* What was read may be of neither state of the file. True: it is to be read once more. */
static bool count_change(struct row *row)
{
	row->owner->counters.changed++;
	return ++row->changes < FILE_SYMBOLS_CHANGES_MAX;
}

/* True: the file may be read once more, later. */
static bool count_shortage(struct row *row, int outcome)
{
	struct file_symbols *symbols = row->owner;
	uint64_t pause_ns = shortage_pause_ns(&row->shortages, outcome);

	if (!pause_ns)
		return false;
	symbols->counters.deferred++;
	row->retry_ns = symbols->now_ns + pause_ns;
	return true;
}

/* --- better tables, with a debug file -------------------------------------------------------- */

/* Takes the better table, or drops it. */
static void take_better_table(struct row *row, const struct executable *executable,
			      struct symbol_bytes *table)
{
	struct file_symbols *symbols = row->owner;
	const struct build_id build_id = *build_id_of(table);

	if (!executable_may_be(executable, &build_id) ||
	    table->bytes.size > symbols->options.bytes_max) {
		symbol_bytes_free(table);
		return;
	}
	release_table(row);
	if (share_table(row, table) < 0) {
		row->state = ROW_NEW;
		return;
	}
	symbols->counters.better++;
	symbols->generation++;
	keep_bytes(symbols, row);
}

static void on_better_table(int outcome, struct worker_result result, void *context)
{
	struct row *row = context;
	const struct executable *executable = executable_of(row);
	bool is_current = row->better_search == row->debug_search && row->debug_search &&
			  executable && row->state == ROW_READY;
	/* One program, known by its build id, may have several files. */
	bool is_same = file_reading_is_same(&row->better) &&
		       file_reading_is_same(&row->better_debug) &&
		       ((executable && executable->identity.build_id_size) ||
			file_version_equal(&row->better.version, &row->version));
	struct symbol_bytes table;

	row->better_search = 0;
	end_better_reading(row);
	if (!is_current || !is_same)
		worker_result_free(&result);
	if (!is_current)
		return; /* for a file that made room meanwhile */
	row->debug_search = 0;
	if (!is_same) {
		if (count_change(row))
			begin_anew(row, executable);
		else
			end_search(row);
		return;
	}
	if (outcome == 0)
		outcome = symbol_bytes_open(result, &table);
	if (outcome == 0) {
		take_better_table(row, executable, &table);
		row->draining = row->state == ROW_READY;
	}
	row->search_missed |= count_shortage(row, outcome);
	if (!row->draining)
		provisional_names_free(&row->unnamed); /* they stay what they are */
}

/* Asks the worker for the table of the two. */
static int read_better(struct row *row, int file_fd, int debug_fd)
{
	int r = file_reading_begin(file_fd, &row->better);

	if (r == 0)
		r = file_reading_begin(debug_fd, &row->better_debug);
	if (r == 0)
		r = worker_submit_pair(row->owner->options.worker, SYMBOL_JOB_ELF, file_fd,
				       debug_fd, NULL, 0, on_better_table, row);
	return r;
}

static void on_debug_file(uint64_t search, int file_fd, int debug_fd, void *context)
{
	struct row *row = context;
	int r;

	if (row->debug_search != search)
		return;
	if (debug_fd >= 0 && !row->better_search) {
		r = read_better(row, file_fd, debug_fd);
		if (r == 0) {
			row->better_search = search;
			return;
		}
		end_better_reading(row);
		row->search_missed = r == WORKER_QUEUE_FULL || is_shortage(r);
	}
	end_search(row);
}

/* For a file that is open. */
static void search_debug_file(struct row *row, const struct executable *executable, int fd)
{
	struct file_symbols *symbols = row->owner;
	uint64_t search = ++symbols->search_count;
	int r;

	end_search(row);
	if (executable->kind != EXECUTABLE_FILE || executable->is_memory)
		return;
	r = debug_files_find(symbols->options.debug_files, executable, row->pid, fd,
			     DEBUG_PART_SYMBOLS, search, on_debug_file, row);
	row->search_missed = r == DEBUG_FILES_BUSY || is_shortage(r);
	if (r == 0)
		row->debug_search = search;
}

/* Whoever is sampled in it leads to the file once more. */
static void search_again(struct row *row, uint32_t pid, const struct mapping *mapping)
{
	struct file_symbols *symbols = row->owner;

	if (!row->search_missed || row->better_search || symbols->now_ns < row->retry_ns)
		return;
	row->retry_ns = symbols->now_ns + FILE_SYMBOLS_RETRY_MS * NS_PER_MS;
	row->pid = pid;
	if (executable_table_open(symbols->options.executables, mapping->executable, pid,
				  mapping->start, mapping->end, symbols->now_ns) != 0)
		return;
	search_debug_file(row, mapping->executable,
			  executable_table_fd(symbols->options.executables, mapping->executable));
	executable_table_close_fd(symbols->options.executables, mapping->executable);
}

/* --- building -------------------------------------------------------------------------------- */

static void on_table(int outcome, struct worker_result result, void *context)
{
	struct row *row = context;
	const struct executable *executable = executable_of(row);
	bool is_current = row->building_id == row->executable_id && executable;
	bool is_same = file_reading_is_same(&row->reading);
	struct symbol_bytes table;

	row->building_id = 0;
	row->owner->building_count--;
	file_reading_end(&row->reading);
	if (!is_current || row->state != ROW_BUILDING) {
		worker_result_free(&result); /* for a file that made room meanwhile */
		return;
	}
	if (!is_same && count_change(row)) {
		worker_result_free(&result);
		row->state = ROW_NEW;
		row->owner->retry_wanted = true;
		return;
	}
	if (!is_same) {
		worker_result_free(&result);
		fail(row, executable, "changes all the time");
		return;
	}
	if (outcome == 0)
		outcome = symbol_bytes_open(result, &table);
	if (outcome == 0) {
		take_table(row, executable, &table);
	} else if (count_shortage(row, outcome)) {
		row->state = ROW_NEW;
		row->owner->retry_wanted = true;
	} else if (outcome == WORKER_CRASHED && ++row->crashes < FILE_SYMBOLS_CRASHES_MAX) {
		row->state = ROW_NEW; /* the worker may have been killed by somebody else */
		row->owner->retry_wanted = true;
	} else if (outcome == EXECUTABLE_NOT_ELF) {
		fail_not_elf(row, executable, reason_of(outcome));
	} else {
		fail(row, executable, reason_of(outcome));
	}
}

/* Asks the worker for the table, of a file that is open. */
static void submit(struct row *row, struct executable *executable)
{
	struct file_symbols *symbols = row->owner;
	int fd = executable_table_fd(symbols->options.executables, executable);
	int r = WORKER_QUEUE_FULL;

	if (symbols->building_count < FILE_SYMBOLS_BUILDING_MAX)
		r = file_reading_begin(fd, &row->reading);
	if (r == 0)
		r = worker_submit(symbols->options.worker, SYMBOL_JOB_ELF, fd, NULL, 0, on_table,
				  row);
	if (r != 0)
		file_reading_end(&row->reading);
	if (r == WORKER_QUEUE_FULL || is_shortage(r)) {
		symbols->retry_wanted = true; /* the file stays open until then */
		return;
	}
	if (r == 0)
		search_debug_file(row, executable, fd);
	executable_table_close_fd(symbols->options.executables, executable);
	if (r != 0) {
		fail(row, executable, reason_of(r));
		return;
	}
	row->state = ROW_BUILDING;
	row->building_id = row->executable_id;
	row->version = row->reading.version;
	row->opened_ns = symbols->now_ns;
	row->checked_ns = symbols->now_ns;
	symbols->building_count++;
}

static void build(struct row *row, struct executable *executable)
{
	struct file_symbols *symbols = row->owner;
	int r;

	if (symbols->now_ns < row->retry_ns || row->building_id) {
		symbols->retry_wanted = true;
		return;
	}
	row->retry_ns = symbols->now_ns + FILE_SYMBOLS_RETRY_MS * NS_PER_MS;
	r = executable_table_open(symbols->options.executables, executable, row->pid, row->start,
				  row->end, symbols->now_ns);
	if (r == 0) {
		submit(row, executable);
		return;
	}
	if (r == PROCESS_FILE_FOREIGN) {
		fail_not_elf(row, executable, process_file_outcome_text(r));
		return;
	}
	if (r > 0 && r != PROCESS_FILE_OTHER) {
		fail(row, executable, process_file_outcome_text(r));
		return;
	}
	symbols->counters.open_failed += r != -EAGAIN;
	symbols->retry_wanted |= is_shortage(r) || ++row->tries < FILE_SYMBOLS_TRIES_MAX;
}

/* Whoever is sampled in it leads to the file. */
static void build_for(struct row *row, uint32_t pid, const struct mapping *mapping)
{
	row->pid = pid;
	row->start = mapping->start;
	row->end = mapping->end;
	row->tries = 0;
	build(row, mapping->executable);
}

/* Stacks that are known are not described again: what they wait for is tried again from here. */
static void build_again(struct file_symbols *symbols)
{
	if (!symbols->retry_wanted)
		return;
	symbols->retry_wanted = false;
	for (uint32_t i = 1; i <= symbols->highest_row; i++) {
		struct row *row = &symbols->rows[i];
		struct executable *executable;

		if (row->state != ROW_NEW || !row->provisional.count ||
		    row->tries >= FILE_SYMBOLS_TRIES_MAX)
			continue;
		executable = executable_of(row);
		if (executable)
			build(row, executable);
	}
}

/*
 * A file that was written over keeps its inode; only somebody who maps it afterwards may tell. With
 * a build id from the kernel that is another executable already.
 */
static void check_version(struct row *row, uint32_t pid, const struct mapping *mapping)
{
	struct file_symbols *symbols = row->owner;
	struct file_version version;

	if (mapping->executable->identity.build_id_size ||
	    mapping->executable->kind != EXECUTABLE_FILE || mapping->time_ns <= row->opened_ns ||
	    symbols->now_ns < row->checked_ns + FILE_SYMBOLS_CHECK_MS * NS_PER_MS)
		return;
	row->checked_ns = symbols->now_ns;
	if (executable_table_open(symbols->options.executables, mapping->executable, pid,
				  mapping->start, mapping->end, symbols->now_ns) != 0)
		return;
	if (file_version_read(
		    executable_table_fd(symbols->options.executables, mapping->executable),
		    &version) < 0 ||
	    file_version_equal(&version, &row->version)) {
		executable_table_close_fd(symbols->options.executables, mapping->executable);
		return;
	}
	row->changes = 0;
	begin_anew(row, mapping->executable);
}

/* --- questions ------------------------------------------------------------------------------- */

/* While a better table may come. */
static void remember_unnamed(struct row *row, uint64_t offset)
{
	if (row->debug_search && !provisional_names_find(&row->unnamed, offset))
		provisional_names_add(&row->unnamed, offset,
				      file_place_key(row->module_key, offset));
}

static enum file_symbols_answer find_named(struct row *row, uint64_t offset,
					   struct symbol *ret_symbol)
{
	if (!symbol_table_find(&row->shared->table.view, offset, ret_symbol)) {
		remember_unnamed(row, offset);
		return FILE_SYMBOLS_UNNAMED;
	}
	if (!ret_symbol->name_size)
		remember_unnamed(row, ret_symbol->start);
	return FILE_SYMBOLS_NAMED;
}

static enum file_symbols_answer find_provisional(struct row *row, uint64_t offset, uint64_t key)
{
	if (provisional_names_find(&row->provisional, offset))
		return FILE_SYMBOLS_PROVISIONAL;
	if (provisional_names_add(&row->provisional, offset, key))
		return FILE_SYMBOLS_PROVISIONAL;
	row->owner->counters.provisional_lost++;
	return FILE_SYMBOLS_UNNAMED;
}

enum file_symbols_answer file_symbols_find(struct file_symbols *symbols, uint32_t pid,
					   const struct mapping *mapping, uint64_t address,
					   struct file_place *ret_place, struct symbol *ret_symbol)
{
	uint64_t offset = address - mapping->start + mapping->file_offset;
	struct row *row = row_of(symbols, mapping->executable);

	if (row->state == ROW_READY || row->state == ROW_FAILED)
		check_version(row, pid, mapping);
	if (row->state == ROW_NEW)
		build_for(row, pid, mapping);
	*ret_place = (struct file_place){ .module_key = row->module_key, .offset = offset };
	if (row->state == ROW_READY) {
		search_again(row, pid, mapping);
		return find_named(row, offset, ret_symbol);
	}
	if (row->state == ROW_FAILED)
		return row->not_elf ? FILE_SYMBOLS_NOT_ELF : FILE_SYMBOLS_UNNAMED;
	return find_provisional(row, offset, file_place_key(row->module_key, offset));
}

void file_symbols_tick(struct file_symbols *symbols, uint64_t now_ns)
{
	symbols->now_ns = now_ns;
	build_again(symbols);
}

static bool take_due(struct row *row, struct provisional_name *ret_name)
{
	return provisional_names_take(&row->provisional, ret_name) ||
	       (!row->debug_search && provisional_names_take(&row->unnamed, ret_name));
}

static bool next_of_row(struct row *row, struct file_late_name *ret_late)
{
	struct provisional_name name;

	while (take_due(row, &name)) {
		if (find_named(row, name.place, &ret_late->symbol) != FILE_SYMBOLS_NAMED)
			continue; /* stays module+0xoffset */
		ret_late->key = name.key;
		ret_late->module_key = row->module_key;
		ret_late->executable = executable_of(row);
		return true;
	}
	row->draining = false;
	return false;
}

bool file_symbols_next(struct file_symbols *symbols, struct file_late_name *ret_late)
{
	for (; symbols->drain_row <= symbols->highest_row; symbols->drain_row++) {
		struct row *row = &symbols->rows[symbols->drain_row];

		if (row->draining && next_of_row(row, ret_late))
			return true;
	}
	symbols->drain_row = 1;
	return false;
}

uint64_t file_symbols_generation(const struct file_symbols *symbols)
{
	return symbols->generation;
}

const struct file_symbols_counters *file_symbols_counters(const struct file_symbols *symbols)
{
	return &symbols->counters;
}
