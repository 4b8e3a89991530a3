/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jit_symbols.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash_index.h"
#include "base/log.h"
#include "privileged/process_files.h"
#include "process/process_table.h"
#include "symbolize/jit_code.h"
#include "symbolize/jit_files.h"
#include "symbolize/jit_loads.h"
#include "symbolize/provisional_names.h"
#include "symbolize/symbol_jobs.h"
#include "symbolize/symbolizer.h"
#include "worker/worker.h"

static const char jit_name[] = "[jit]";
static const char unknown_name[] = "[anon]";

/* In the order in which they are asked. */
enum source_kind {
	SOURCE_DUMP,
	SOURCE_MAP,
	SOURCE_COUNT,
};

struct source_type {
	const char *name; /* in the log */
	enum symbol_job job;
	int (*open)(struct process_files *files, const struct process *process, int *ret_fd);
	bool is_buffered; /* what is written today may be in the file tomorrow */
};

static const struct source_type source_types[SOURCE_COUNT] = {
	[SOURCE_DUMP] = { "jitdump", SYMBOL_JOB_JITDUMP, jit_files_open_dump, true },
	[SOURCE_MAP] = { "perf map", SYMBOL_JOB_PERF_MAP, jit_files_open_map, false },
};

/* One file in which a process names its code. */
struct source {
	struct row *row;
	int fd; /* -1: there is none, or it was closed to make room */
	dev_t device;
	ino_t inode;
	off_t size; /* when it was last given to the worker */
	struct timespec modified;
	struct jit_position position;
	struct jit_code *code; /* NULL: nothing was read yet */
	bool reading;	       /* the worker reads it; the row stays until it answers */
	bool has_more;
	bool is_over; /* closed by the process, or unreadable from here on */
	bool complained;
	uint32_t failures; /* of the worker */
};

struct row {
	struct jit_symbols *owner;
	uint64_t process_id; /* 0: free */
	uint64_t start_ns;
	uint32_t pid;
	uint32_t slot; /* of the process */
	struct source sources[SOURCE_COUNT];
	struct provisional_names provisional;
	struct provisional_names kept; /* those of a drain that still wait */
	uint64_t generation;	       /* of the process, when its mappings were looked at */
	uint64_t
		checked_ns; /* when its files were last looked at: what was written before is known */
	uint64_t next_check_ns;
	uint64_t written;    /* bytes in its files, when a name was last missed ... */
	uint64_t written_ns; /* ... and when there was first that much */
	uint64_t interval_ms;
	uint64_t last_used;
	bool ended;    /* the process is no more ... */
	bool is_final; /* ... and all that it left behind was read */
	bool due;      /* a round of late names can be given */
	bool draining; /* it has begun */
};

struct jit_symbols {
	struct worker *worker;
	struct process_files *files;
	struct process_table *processes;
	size_t bytes_max;
	struct hash_index index; /* by process id; ids are places in rows, from 1 */
	struct row rows[JIT_PROCESSES_MAX + 1];
	uint32_t row_count;   /* ever used */
	uint32_t drain_place; /* where the search for late names goes on */
	uint32_t file_count;  /* open now */
	uint64_t use_count;
	uint64_t now_ns;
	struct jit_symbols_counters counters;
};

int jit_symbols_new(struct worker *worker, struct process_files *files,
		    struct process_table *processes, size_t bytes_max,
		    struct jit_symbols **ret_symbols)
{
	struct jit_symbols *symbols = calloc(1, sizeof(*symbols));

	if (!symbols)
		return -ENOMEM;
	symbols->worker = worker;
	symbols->files = files;
	symbols->processes = processes;
	symbols->bytes_max = bytes_max;
	symbols->drain_place = 1;
	symbols->index = hash_index_with_max(JIT_PROCESSES_MAX);
	*ret_symbols = symbols;
	return 0;
}

static void close_file(struct source *source)
{
	if (source->fd < 0)
		return;
	fd_close(source->fd);
	source->fd = -1;
	source->row->owner->file_count--;
}

/* What was read holds no more, or has to make room: the next read starts anew. */
static void drop_code(struct source *source)
{
	jit_code_free(source->code);
	source->code = NULL;
	source->position = (struct jit_position){ 0 };
	source->size = 0;
	source->modified = (struct timespec){ 0 };
}

static void release_row(struct row *row)
{
	for (int i = 0; i < SOURCE_COUNT; i++) {
		close_file(&row->sources[i]);
		drop_code(&row->sources[i]);
	}
	provisional_names_free(&row->provisional);
	provisional_names_free(&row->kept);
}

void jit_symbols_free(struct jit_symbols *symbols)
{
	if (!symbols)
		return;
	for (uint32_t place = 1; place <= symbols->row_count; place++)
		release_row(&symbols->rows[place]);
	hash_index_free(&symbols->index);
	free(symbols);
}

/* --- rows by process ------------------------------------------------------------------------- */

static bool row_is(uint32_t place, const void *wanted, const void *owner)
{
	const struct jit_symbols *symbols = owner;

	return symbols->rows[place].process_id == *(const uint64_t *)wanted;
}

static uint32_t place_of(const struct jit_symbols *symbols, const struct row *row)
{
	return (uint32_t)(row - symbols->rows);
}

static bool is_reading(const struct row *row)
{
	return row->sources[SOURCE_DUMP].reading || row->sources[SOURCE_MAP].reading;
}

static bool has_file(const struct row *row)
{
	return row->sources[SOURCE_DUMP].fd >= 0 || row->sources[SOURCE_MAP].fd >= 0;
}

static size_t code_bytes(const struct row *row)
{
	size_t bytes = 0;

	for (int i = 0; i < SOURCE_COUNT; i++)
		if (row->sources[i].code)
			bytes += jit_code_bytes(row->sources[i].code);
	return bytes;
}

static bool is_any(const struct row *row)
{
	return true;
}

static bool has_code(const struct row *row)
{
	return code_bytes(row) > 0;
}

/* The row used longest ago that the worker is not busy with. */
static struct row *least_used(struct jit_symbols *symbols, bool (*is_candidate)(const struct row *))
{
	struct row *found = NULL;

	for (uint32_t place = 1; place <= symbols->row_count; place++) {
		struct row *row = &symbols->rows[place];

		if (!row->process_id || is_reading(row) || !is_candidate(row))
			continue;
		if (!found || row->last_used < found->last_used)
			found = row;
	}
	return found;
}

static void forget(struct jit_symbols *symbols, struct row *row)
{
	hash_index_remove(&symbols->index, hash_u64(row->process_id), place_of(symbols, row));
	symbols->counters.evicted += has_code(row);
	symbols->counters.provisional_lost += row->provisional.count;
	symbols->counters.bytes -= code_bytes(row);
	release_row(row);
	*row = (struct row){ .owner = symbols };
}

static struct row *add_row(struct jit_symbols *symbols, const struct process *process)
{
	struct row *row = symbols->rows + symbols->row_count + 1;

	if (symbols->row_count == JIT_PROCESSES_MAX) {
		row = least_used(symbols, is_any);
		if (!row)
			return NULL;
		forget(symbols, row); /* and the index has room for one again */
	}
	if (hash_index_add(&symbols->index, hash_u64(process->id), place_of(symbols, row)) != 0)
		return NULL;
	if (place_of(symbols, row) > symbols->row_count)
		symbols->row_count++;
	*row = (struct row){
		.owner = symbols,
		.process_id = process->id,
		.pid = process->pid,
		.slot = process->slot,
		.start_ns = process->start_ns,
		.interval_ms = JIT_CHECK_INTERVAL_LEAST_MS,
	};
	for (int i = 0; i < SOURCE_COUNT; i++)
		row->sources[i] = (struct source){ .row = row, .fd = -1 };
	return row;
}

static struct row *find_row(struct jit_symbols *symbols, const struct process *process)
{
	uint32_t place = hash_index_find(&symbols->index, hash_u64(process->id), row_is,
					 &process->id, symbols);
	struct row *row = place ? &symbols->rows[place] : add_row(symbols, process);

	if (row)
		row->last_used = ++symbols->use_count;
	return row;
}

/* --- reading --------------------------------------------------------------------------------- */

static const struct source_type *type_of(const struct source *source)
{
	return &source_types[source - source->row->sources];
}

static void complain(struct source *source, const char *reason)
{
	source->row->owner->counters.failed++;
	if (source->complained)
		return;
	source->complained = true;
	log_warning("the %s of process %u %s; functions stay without names", type_of(source)->name,
		    source->row->pid, reason);
}

static void keep_bytes(struct jit_symbols *symbols, const struct row *spared)
{
	while (symbols->counters.bytes > symbols->bytes_max) {
		struct row *row = least_used(symbols, has_code);

		if (!row || row == spared)
			return;
		symbols->counters.bytes -= code_bytes(row);
		for (int i = 0; i < SOURCE_COUNT; i++)
			drop_code(&row->sources[i]);
		row->interval_ms = JIT_CHECK_INTERVAL_MOST_MS;
		row->next_check_ns = symbols->now_ns + row->interval_ms * NS_PER_MS;
		symbols->counters.evicted++;
	}
}

/* Adds what the worker has read. Returns 0 or -errno. */
static int add_loads(struct source *source, const struct jit_loads_view *loads)
{
	struct jit_symbols *symbols = source->row->owner;
	uint32_t flags = loads->header->flags;
	size_t bytes_before;
	int r = 0;

	bytes_before = code_bytes(source->row);
	if (flags & JIT_LOADS_RESTARTED) {
		jit_code_free(source->code);
		source->code = NULL;
	}
	if (!source->code)
		r = jit_code_new(symbols->bytes_max / SOURCE_COUNT, &source->code);
	if (r == 0)
		r = jit_code_add(source->code, loads);
	symbols->counters.bytes += code_bytes(source->row) - bytes_before;
	if (r < 0)
		return r;
	source->position = loads->header->position;
	source->has_more = flags & JIT_LOADS_MORE;
	source->is_over = flags & (JIT_LOADS_CLOSED | JIT_LOADS_DAMAGED);
	if (flags & JIT_LOADS_DAMAGED)
		complain(source, "is damaged");
	if (jit_code_forgotten(source->code))
		complain(source, "names more functions than there is memory for (see --memory)");
	/* What was known of an address may be wrong now. */
	if (loads->header->count)
		process_table_code_changed(symbols->processes, source->row->slot,
					   source->row->process_id);
	keep_bytes(symbols, source->row);
	return 0;
}

static void on_loads(int outcome, struct worker_result result, void *context)
{
	struct source *source = context;
	struct jit_loads_view loads;

	source->reading = false;
	source->row->due = true;
	if (outcome == 0)
		outcome = jit_loads_view_open(result.bytes, result.size, &loads);
	if (outcome == 0)
		outcome = add_loads(source, &loads);
	worker_result_free(&result);
	if (outcome != 0) {
		const char *text = worker_outcome_text(outcome);

		/* A worker's end is forgiven once: it may have been killed by somebody. */
		source->is_over = !text || ++source->failures >= JIT_FAILURES_MAX;
		source->has_more = !source->is_over;
		complain(source, text ? text : "cannot be read");
	}
}

/* Takes a file that was opened; another one than before is read from its start. */
static void take_file(struct source *source, int taken_fd)
{
	struct jit_symbols *symbols = source->row->owner;
	struct stat status;

	close_file(source);
	if (symbols->file_count >= JIT_FILES_MAX) {
		struct row *row = least_used(symbols, has_file);

		for (int i = 0; row && i < SOURCE_COUNT; i++)
			close_file(&row->sources[i]);
	}
	if (symbols->file_count >= JIT_FILES_MAX || fstat(taken_fd, &status) < 0) {
		fd_close(taken_fd);
		return;
	}
	source->fd = taken_fd;
	symbols->file_count++;
	if (status.st_dev == source->device && status.st_ino == source->inode)
		return;
	source->device = status.st_dev;
	source->inode = status.st_ino;
	symbols->counters.bytes -= code_bytes(source->row);
	drop_code(source);
	symbols->counters.bytes += code_bytes(source->row);
	source->is_over = false;
}

static void open_file(struct source *source, const struct process *process)
{
	int fd = -1, r;

	r = type_of(source)->open(source->row->owner->files, process, &fd);
	if (r == 0)
		take_file(source, fd);
	else if (r > 0 && r != JIT_FILES_NONE)
		complain(source, process_file_outcome_text(r));
}

static bool is_changed(const struct source *source, const struct stat *status)
{
	return source->has_more || status->st_size != source->size ||
	       status->st_mtim.tv_sec != source->modified.tv_sec ||
	       status->st_mtim.tv_nsec != source->modified.tv_nsec;
}

/* Asks the worker to read on. Returns whether all that was written is on its way. */
static bool read_on(struct source *source)
{
	struct jit_symbols *symbols = source->row->owner;
	struct stat status;

	if (source->fd < 0 || source->is_over || fstat(source->fd, &status) < 0 ||
	    !is_changed(source, &status))
		return true;
	if (worker_submit(symbols->worker, type_of(source)->job, source->fd, &source->position,
			  sizeof(source->position), on_loads, source) != 0)
		return false;
	source->size = status.st_size;
	source->modified = status.st_mtim;
	source->has_more = false;
	source->reading = true;
	symbols->counters.reads++;
	return true;
}

/* Whether the file has to be looked for: there is none, or another one may have its name. */
static bool should_open(const struct source *source, const struct process *process)
{
	struct stat status;

	if (source->fd >= 0)
		return fstat(source->fd, &status) == 0 && status.st_nlink == 0 &&
		       !type_of(source)->is_buffered;
	/* A jitdump is found among the mappings. */
	return !type_of(source)->is_buffered || source->row->generation != process->generation;
}

static void check(struct row *row, const struct process *process)
{
	bool all_comes = true;

	for (int i = 0; i < SOURCE_COUNT; i++) {
		struct source *source = &row->sources[i];

		if (process && should_open(source, process))
			open_file(source, process);
		all_comes &= read_on(source);
	}
	if (all_comes)
		row->checked_ns = row->owner->now_ns;
	if (process)
		row->generation = process->generation;
}

/* A file that is open costs little to look at. */
static void plan_next(struct row *row)
{
	row->interval_ms = has_file(row) ? JIT_CHECK_INTERVAL_LEAST_MS : row->interval_ms * 2;
	if (row->interval_ms > JIT_CHECK_INTERVAL_MOST_MS)
		row->interval_ms = JIT_CHECK_INTERVAL_MOST_MS;
	row->next_check_ns = row->owner->now_ns + row->interval_ms * NS_PER_MS;
}

/* The process has ended: nothing will come any more. */
static void finish(struct row *row)
{
	row->is_final = row->due = true;
	for (int i = 0; i < SOURCE_COUNT; i++)
		close_file(&row->sources[i]);
}

static void check_when_due(struct jit_symbols *symbols, struct row *row)
{
	const struct process *process;

	if (!row->process_id || row->is_final || is_reading(row) || row->due)
		return;
	process = process_table_at(symbols->processes, row->slot);
	if (process && process->id != row->process_id)
		process = NULL;
	if ((!process || process->exit_ns) && !row->ended)
		row->ended = true; /* what it wrote last is read now */
	else if (symbols->now_ns < row->next_check_ns)
		return;
	check(row, process);
	plan_next(row);
	if (is_reading(row))
		return;
	row->due = true; /* for those that wait in vain */
	if (!process)
		finish(row);
}

void jit_symbols_tick(struct jit_symbols *symbols, uint64_t now_ns)
{
	symbols->now_ns = now_ns;
	for (uint32_t place = 1; place <= symbols->row_count; place++)
		check_when_due(symbols, &symbols->rows[place]);
}

void jit_symbols_hurry(struct jit_symbols *symbols)
{
	for (uint32_t place = 1; place <= symbols->row_count; place++)
		if (symbols->rows[place].provisional.count)
			symbols->rows[place].next_check_ns = 0;
}

bool jit_symbols_is_behind(const struct jit_symbols *symbols)
{
	for (uint32_t place = 1; place <= symbols->row_count; place++) {
		const struct row *row = &symbols->rows[place];

		if (row->process_id && !row->is_final && !row->next_check_ns)
			return true;
	}
	return false;
}

/* --- descriptions ---------------------------------------------------------------------------- */

static void describe(const char *module, const char *name, uint32_t name_size,
		     struct frame_description *frame)
{
	frame->module_name = module;
	frame->module_name_size = (uint32_t)strlen(module);
	frame->module_kind = WIRE_MODULE_JIT;
	frame->module_key = stable_key(module, frame->module_name_size, WIRE_MODULE_JIT);
	frame->name = name;
	frame->name_size = name_size;
	frame->function_key = stable_key(name, name_size, frame->module_key);
}

/* One function for all of it: its addresses say nothing, and are others in each run. */
void jit_symbols_describe_unknown(struct frame_description *ret_frame)
{
	*ret_frame = (struct frame_description){ .kind = WIRE_FRAME_UNRESOLVED };
	describe(unknown_name, unknown_name, sizeof(unknown_name) - 1, ret_frame);
}

static bool find(const struct row *row, uint64_t address, uint64_t time_ns,
		 struct jit_function *ret_function)
{
	for (int i = 0; i < SOURCE_COUNT; i++)
		if (row->sources[i].code &&
		    jit_code_find(row->sources[i].code, address, time_ns, ret_function))
			return true;
	return false;
}

/* How much the process has written, and whether that is more than is known here. */
static uint64_t written_bytes(const struct row *row, bool *ret_is_behind)
{
	uint64_t written = 0;

	*ret_is_behind = false;
	for (int i = 0; i < SOURCE_COUNT; i++) {
		const struct source *source = &row->sources[i];
		struct stat status = { .st_size = source->size };

		*ret_is_behind |= source->reading || source->has_more;
		if (source->fd >= 0 && !source->is_over && fstat(source->fd, &status) == 0)
			*ret_is_behind |= status.st_size != source->size;
		written += (uint64_t)status.st_size;
	}
	return written;
}

/*
 * Which function may be meant by an address: after the process has written more there may be another one.
 * Of a moment before it was seen to have written that much nobody knows on which side it is; it
 * matters where loads have times.
 */
static uint64_t era_of(struct row *row, uint64_t time_ns, uint64_t written)
{
	if (row->written != written) {
		row->written = written;
		row->written_ns = monotonic_ns();
	}
	if (row->sources[SOURCE_DUMP].fd >= 0 && time_ns < row->written_ns)
		return ~time_ns; /* no number of bytes */
	return written;
}

/* 0, or the key until a name comes. */
static uint64_t provisional_key(struct row *row, uint64_t address, uint64_t time_ns,
				uint64_t written)
{
	const uint64_t place[] = { row->process_id, row->start_ns, address, time_ns };
	struct provisional_name name = { .place = address, .time_ns = time_ns };

	/* While the names of a round are taken, no new ones can be added. */
	if (row->draining || row->is_final)
		return 0;
	/* Before the first look there may be a file. */
	if (row->next_check_ns && !has_file(row) && !is_reading(row))
		return 0;
	name.era = era_of(row, time_ns, written);
	name.key = provisional_names_find_in(&row->provisional, address, name.era);
	if (name.key)
		return name.key;
	name.key = stable_key(place, sizeof(place), row->pid);
	if (!provisional_names_put(&row->provisional, &name)) {
		row->owner->counters.provisional_lost++;
		return 0;
	}
	return name.key;
}

bool jit_symbols_describe(struct jit_symbols *symbols, const struct process *process,
			  uint64_t address, uint64_t time_ns, struct frame_description *ret_frame)
{
	struct row *row = find_row(symbols, process);
	struct jit_function function;
	bool is_found, is_behind;
	uint64_t key = 0, written;

	if (!row)
		return false;
	*ret_frame = (struct frame_description){ .kind = WIRE_FRAME_JIT };
	is_found = find(row, address, time_ns, &function);
	written = written_bytes(row, &is_behind);
	if (!is_found || is_behind)
		key = provisional_key(row, address, time_ns, written);
	if (!key && !is_found)
		return false;
	if (is_found)
		describe(jit_name, function.name, function.name_size, ret_frame);
	else
		describe(jit_name, jit_name, sizeof(jit_name) - 1, ret_frame);
	if (!key)
		return true;
	ret_frame->function_key = key;
	ret_frame->provisional = true;
	return true;
}

/*
 * Whether all that the process had written when it ran there is known. Until then a name that is
 * found may be that of an older function at this address. Who told no time wants the newest.
 */
static bool is_decided(const struct row *row, uint64_t time_ns)
{
	if (row->is_final)
		return true;
	for (int i = 0; i < SOURCE_COUNT; i++)
		if (row->sources[i].has_more || row->sources[i].reading)
			return false;
	return time_ns == UINT64_MAX || time_ns <= row->checked_ns;
}

/* Whether the process may have named it already, and only not written it yet. */
static bool may_come(const struct row *row)
{
	for (int i = 0; i < SOURCE_COUNT; i++) {
		const struct source *source = &row->sources[i];

		if (source->has_more || source->reading ||
		    (source->fd >= 0 && !source->is_over && type_of(source)->is_buffered))
			return true;
	}
	return false;
}

/* The next name of a row; those that still wait are kept for later. */
static bool next_of_row(struct row *row, struct late_name *ret_late_name)
{
	struct frame_description frame = { .kind = WIRE_FRAME_JIT };
	struct jit_function function;
	struct provisional_name name;

	row->draining = true;
	while (provisional_names_take(&row->provisional, &name)) {
		bool is_found = find(row, name.place, name.time_ns, &function);

		if ((!is_decided(row, name.time_ns) || (!is_found && may_come(row))) &&
		    provisional_names_put(&row->kept, &name))
			continue;
		if (is_found)
			describe(jit_name, function.name, function.name_size, &frame);
		else
			jit_symbols_describe_unknown(&frame);
		*ret_late_name = (struct late_name){
			.key = name.key,
			.canonical_key = frame.function_key,
			.name = frame.name,
			.name_size = frame.name_size,
		};
		return true;
	}
	row->provisional = row->kept;
	row->kept = (struct provisional_names){ 0 };
	row->due = row->draining = false;
	return false;
}

bool jit_symbols_next(struct jit_symbols *symbols, struct late_name *ret_late_name)
{
	for (; symbols->drain_place <= symbols->row_count; symbols->drain_place++) {
		struct row *row = &symbols->rows[symbols->drain_place];

		if (row->due && next_of_row(row, ret_late_name))
			return true;
	}
	symbols->drain_place = 1;
	return false;
}

const struct jit_symbols_counters *jit_symbols_counters(const struct jit_symbols *symbols)
{
	return &symbols->counters;
}
