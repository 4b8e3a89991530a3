/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jit_symbols.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash_index.h"
#include "base/log.h"
#include "privileged/process_files.h"
#include "process/proc_status.h"
#include "process/process_table.h"
#include "symbolize/provisional_names.h"
#include "symbolize/symbol_bytes.h"
#include "symbolize/symbol_jobs.h"
#include "symbolize/symbolizer.h"

enum { NS_PER_MS = 1000000, STATUS_SIZE_MAX = 256 << 10, PATH_SIZE_MAX = 64 };

static const char jit_name[] = "[jit]";
static const char unknown_name[] = "[anon]";

/* Which file a table was made of, and how far it was written then. */
struct map_version {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
};

struct row {
	struct jit_symbols *owner;
	uint64_t process_id; /* 0: free */
	uint64_t start_ns;
	uint32_t pid;
	struct symbol_bytes table;
	struct map_version version;
	struct provisional_names provisional;
	uint64_t next_check_ns;
	uint64_t interval_ms;
	uint64_t last_used;
	bool exists;  /* there was a map when it was last looked for */
	bool wanted;  /* an address is not in the table */
	bool reading; /* the worker reads it; the row stays until it answers */
	bool draining;
	bool complained;
};

struct jit_symbols {
	struct worker *worker;
	struct process_files *files;
	size_t bytes_max;
	struct hash_index index; /* by process id; ids are places in rows, from 1 */
	struct row rows[JIT_PROCESSES_MAX + 1];
	uint32_t row_count;   /* ever used */
	uint32_t drain_place; /* where the search for late names goes on */
	uint64_t use_count;
	uint64_t now_ns;
	struct jit_symbols_counters counters;
};

int jit_symbols_new(struct worker *worker, struct process_files *files, size_t bytes_max,
		    struct jit_symbols **ret_symbols)
{
	struct jit_symbols *symbols = calloc(1, sizeof(*symbols));

	if (!symbols)
		return -ENOMEM;
	symbols->worker = worker;
	symbols->files = files;
	symbols->bytes_max = bytes_max;
	symbols->drain_place = 1;
	symbols->index = hash_index_with_max(JIT_PROCESSES_MAX);
	*ret_symbols = symbols;
	return 0;
}

static void drop_table(struct row *row)
{
	row->owner->counters.bytes -= row->table.bytes.size;
	symbol_bytes_free(&row->table);
	row->version = (struct map_version){ 0 };
}

void jit_symbols_free(struct jit_symbols *symbols)
{
	if (!symbols)
		return;
	for (uint32_t place = 1; place <= symbols->row_count; place++) {
		symbol_bytes_free(&symbols->rows[place].table);
		provisional_names_free(&symbols->rows[place].provisional);
	}
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

static void forget(struct jit_symbols *symbols, struct row *row)
{
	hash_index_remove(&symbols->index, hash_u64(row->process_id), place_of(symbols, row));
	symbols->counters.provisional_lost += row->provisional.count;
	drop_table(row);
	provisional_names_free(&row->provisional);
	*row = (struct row){ .owner = symbols };
}

/* The row used longest ago that the worker is not busy with. */
static struct row *least_used(struct jit_symbols *symbols, bool with_table)
{
	struct row *found = NULL;

	for (uint32_t place = 1; place <= symbols->row_count; place++) {
		struct row *row = &symbols->rows[place];

		if (row->reading || (with_table && !row->table.bytes.size))
			continue;
		if (!found || row->last_used < found->last_used)
			found = row;
	}
	return found;
}

static struct row *add_row(struct jit_symbols *symbols, const struct process *process)
{
	struct row *row;

	if (symbols->row_count < JIT_PROCESSES_MAX) {
		row = &symbols->rows[++symbols->row_count];
	} else {
		row = least_used(symbols, false);
		if (!row)
			return NULL;
		symbols->counters.evicted += row->table.bytes.size > 0;
		forget(symbols, row);
	}
	if (hash_index_add(&symbols->index, hash_u64(process->id), place_of(symbols, row)) != 0)
		return NULL;
	*row = (struct row){
		.owner = symbols,
		.process_id = process->id,
		.pid = process->pid,
		.start_ns = process->start_ns,
		.interval_ms = JIT_CHECK_INTERVAL_LEAST_MS,
	};
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

static void keep_bytes(struct jit_symbols *symbols, const struct row *spared)
{
	while (symbols->counters.bytes > symbols->bytes_max) {
		struct row *row = least_used(symbols, true);

		if (!row || row == spared)
			return;
		drop_table(row);
		row->next_check_ns =
			symbols->now_ns + JIT_CHECK_INTERVAL_MOST_MS * (uint64_t)NS_PER_MS;
		symbols->counters.evicted++;
	}
}

static void complain(struct row *row, const char *reason)
{
	row->owner->counters.failed++;
	if (row->complained)
		return;
	row->complained = true;
	log_warning("the perf map of process %u %s; its functions stay without names", row->pid,
		    reason);
}

static void on_table(int outcome, struct worker_result result, void *context)
{
	struct row *row = context;
	struct jit_symbols *symbols = row->owner;
	struct symbol_bytes table;

	row->reading = false;
	row->draining = true;
	if (outcome == 0)
		outcome = symbol_bytes_open(result, &table);
	if (outcome != 0) {
		const char *text = worker_outcome_text(outcome);

		complain(row, text ? text : "cannot be read");
		return;
	}
	symbols->counters.bytes -= row->table.bytes.size;
	symbol_bytes_free(&row->table);
	row->table = table;
	symbols->counters.bytes += table.bytes.size;
	if (table.bytes.size > symbols->bytes_max) {
		drop_table(row);
		complain(row, "needs more memory than there is for all of them");
		return;
	}
	keep_bytes(symbols, row);
}

static bool is_same_version(const struct map_version *left, const struct map_version *right)
{
	return left->device == right->device && left->inode == right->inode &&
	       left->size == right->size && left->modified.tv_sec == right->modified.tv_sec &&
	       left->modified.tv_nsec == right->modified.tv_nsec;
}

/* Who the process is by its own account: its pid inside, and whose files count. */
static int read_status(int process_fd, struct proc_status *ret_status)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer text = bytes_writer_with_max(STATUS_SIZE_MAX);
	int r = process_files_read(process_fd, "status", &text);

	if (r < 0)
		return r;
	return proc_status_parse((const char *)text.bytes, text.size, ret_status) ? 0 : -EBADMSG;
}

static int open_map(struct jit_symbols *symbols, const struct row *row, int *ret_fd)
{
	struct process_file_rules rules = { .size_max = PROCESS_PERF_MAP_SIZE_MAX,
					    .owner_matters = true };
	CLEANUP(fd_close) int process_fd = -1;
	struct proc_status status;
	char path[PATH_SIZE_MAX];
	int r = process_files_open_process(symbols->files, row->pid, &process_fd);

	if (r == 0)
		r = read_status(process_fd, &status);
	if (r < 0)
		return r;
	rules.owner = status.effective_user;
	snprintf(path, sizeof(path), "/tmp/perf-%u.map",
		 status.namespace_pid ? status.namespace_pid : row->pid);
	return process_files_open_in_root(symbols->files, process_fd, path, &rules, ret_fd);
}

/* Asks the worker to read the map, when there is one and it changed. */
static void check(struct jit_symbols *symbols, struct row *row)
{
	CLEANUP(fd_close) int fd = -1;
	struct map_version version;
	struct stat status;
	int r = open_map(symbols, row, &fd);

	row->exists = r == 0;
	if (r > 0)
		complain(row, process_file_outcome_text(r));
	if (r != 0 || fstat(fd, &status) < 0)
		return;
	version = (struct map_version){ .device = status.st_dev,
					.inode = status.st_ino,
					.size = status.st_size,
					.modified = status.st_mtim };
	if (is_same_version(&version, &row->version))
		return;
	if (worker_submit(symbols->worker, SYMBOL_JOB_PERF_MAP, fd, NULL, 0, on_table, row) != 0)
		return;
	row->version = version;
	row->reading = true;
	symbols->counters.reads++;
}

/* The next look: after a pause that grows while there is nothing new. */
static void check_when_due(struct jit_symbols *symbols, struct row *row)
{
	if (!row->wanted || row->reading || row->draining || symbols->now_ns < row->next_check_ns)
		return;
	row->wanted = false;
	check(symbols, row);
	if (row->reading) {
		row->interval_ms = JIT_CHECK_INTERVAL_LEAST_MS;
	} else {
		row->draining = true; /* nothing will come for those that wait */
		row->interval_ms *= 2;
		if (row->interval_ms > JIT_CHECK_INTERVAL_MOST_MS)
			row->interval_ms = JIT_CHECK_INTERVAL_MOST_MS;
	}
	row->next_check_ns = symbols->now_ns + row->interval_ms * NS_PER_MS;
}

void jit_symbols_tick(struct jit_symbols *symbols, uint64_t now_ns)
{
	symbols->now_ns = now_ns;
	for (uint32_t place = 1; place <= symbols->row_count; place++)
		check_when_due(symbols, &symbols->rows[place]);
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
	if (name)
		frame->function_key = stable_key(name, name_size, frame->module_key);
}

/* One function for all of it: its addresses say nothing, and are others in each run. */
void jit_symbols_describe_unknown(struct frame_description *ret_frame)
{
	*ret_frame = (struct frame_description){ .kind = WIRE_FRAME_UNRESOLVED };
	describe(unknown_name, unknown_name, sizeof(unknown_name) - 1, ret_frame);
}

static uint64_t provisional_key(struct row *row, uint64_t address)
{
	const uint64_t place[] = { row->process_id, row->start_ns, address };
	uint64_t key = provisional_names_find(&row->provisional, address);

	if (key)
		return key;
	key = stable_key(place, sizeof(place), row->pid);
	if (!provisional_names_add(&row->provisional, address, key)) {
		row->owner->counters.provisional_lost++;
		return 0;
	}
	return key;
}

bool jit_symbols_describe(struct jit_symbols *symbols, const struct process *process,
			  uint64_t address, struct frame_description *ret_frame)
{
	struct row *row = find_row(symbols, process);
	struct symbol symbol;
	uint64_t key;

	if (!row)
		return false;
	*ret_frame = (struct frame_description){ .kind = WIRE_FRAME_JIT };
	if (symbol_bytes_find(&row->table, address, &symbol)) {
		describe(jit_name, symbol.name, symbol.name_size, ret_frame);
		return true;
	}
	row->wanted = true;
	check_when_due(symbols, row);
	/* While the names of a round are taken, no new ones can be added. */
	key = (row->reading || row->exists) && !row->draining ? provisional_key(row, address) : 0;
	if (!key)
		return false;
	describe(jit_name, NULL, 0, ret_frame);
	ret_frame->function_key = key;
	ret_frame->provisional = true;
	return true;
}

static bool next_of_row(struct row *row, struct late_name *ret_late_name)
{
	struct frame_description frame = { .kind = WIRE_FRAME_JIT };
	struct provisional_name name;
	struct symbol symbol;

	if (!provisional_names_take(&row->provisional, &name)) {
		row->draining = false;
		return false;
	}
	if (symbol_bytes_find(&row->table, name.place, &symbol))
		describe(jit_name, symbol.name, symbol.name_size, &frame);
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

bool jit_symbols_next(struct jit_symbols *symbols, struct late_name *ret_late_name)
{
	for (; symbols->drain_place <= symbols->row_count; symbols->drain_place++) {
		struct row *row = &symbols->rows[symbols->drain_place];

		if (row->draining && next_of_row(row, ret_late_name))
			return true;
	}
	symbols->drain_place = 1;
	return false;
}

const struct jit_symbols_counters *jit_symbols_counters(const struct jit_symbols *symbols)
{
	return &symbols->counters;
}
