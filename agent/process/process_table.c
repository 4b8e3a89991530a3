/* SPDX-License-Identifier: Apache-2.0 */
#include "process/process_table.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/hash_index.h"
#include "base/log.h"
#include "privileged/process_files.h"
#include "process/proc_status.h"
#include "process/process_reader.h"

enum {
	CGROUP_TEXT_SIZE_MAX = 64 << 10,
	STATUS_TEXT_SIZE_MAX = 256 << 10, /* it lists the CPUs that are allowed */
	PROCESS_STALE = 1,
	EXPIRE_SLOTS_LEAST = 8, /* looked at in one call, and ... */
	EXPIRE_CALLS = 16,	/* ... so many that all have been looked at after these calls */
};

struct process_table {
	struct process_files *files;
	struct executable_table *executables; /* owned */
	struct process_cgroups *cgroups;      /* owned */
	struct process_reader reader;
	struct mapping_budget budget;
	struct hash_index index;		  /* by pid; ids are slots */
	struct process *slots[PROCESSES_MAX + 1]; /* owned */
	uint32_t free_slots[PROCESSES_MAX];
	uint32_t free_count;
	uint32_t oldest, newest; /* in the order of use */
	uint32_t highest_slot;	 /* ever used */
	uint32_t expire_hand;	 /* the last slot that was looked at */
	uint64_t last_id;
	uint64_t last_generation;
	uint32_t changed_slots[PROCESSES_MAX]; /* each once */
	uint32_t changed_count;
	bool is_changed[PROCESSES_MAX + 1]; /* by slot: it is among them */
	uint64_t lost_ns;		    /* when events were lost last */
	uint64_t reread_ns; /* from when on reading again would have kept to its share */
	struct process_table_counters counters;
};

/* --- the table of processes, in the order of use --------------------------------------------- */

static bool slot_has_pid(uint32_t slot, const void *wanted, const void *owner)
{
	const struct process_table *table = owner;

	return table->slots[slot]->pid == *(const uint32_t *)wanted;
}

static struct process *lookup(struct process_table *table, uint32_t pid)
{
	return table
		->slots[hash_index_find(&table->index, hash_u64(pid), slot_has_pid, &pid, table)];
}

static void unlink_use(struct process_table *table, struct process *process)
{
	if (process->older)
		table->slots[process->older]->newer = process->newer;
	else
		table->oldest = process->newer;
	if (process->newer)
		table->slots[process->newer]->older = process->older;
	else
		table->newest = process->older;
}

static void link_use(struct process_table *table, struct process *process)
{
	process->older = table->newest;
	process->newer = 0;
	if (table->newest)
		table->slots[table->newest]->newer = process->slot;
	else
		table->oldest = process->slot;
	table->newest = process->slot;
}

static void touch(struct process_table *table, struct process *process)
{
	if (table->newest == process->slot)
		return;
	unlink_use(table, process);
	link_use(table, process);
}

static void set_main(struct process *process, struct executable *executable)
{
	if (executable)
		executable_take_again(executable);
	if (process->main_executable)
		executable_release(process->main_executable);
	process->main_executable = executable;
	process->executable_path = executable ? executable->path : "";
}

static void forget(struct process_table *table, struct process *process)
{
	unlink_use(table, process);
	hash_index_remove(&table->index, hash_u64(process->pid), process->slot);
	mapping_table_release(process->mappings);
	set_main(process, NULL);
	table->slots[process->slot] = NULL;
	table->free_slots[table->free_count++] = process->slot;
	free(process);
}

static void evict_oldest(struct process_table *table)
{
	forget(table, table->slots[table->oldest]);
	table->counters.processes_evicted++;
}

static void changed(struct process_table *table, struct process *process)
{
	process->generation = ++table->last_generation;
	if (table->is_changed[process->slot])
		return;
	table->is_changed[process->slot] = true;
	table->changed_slots[table->changed_count++] = process->slot;
}

static struct process *add(struct process_table *table, uint32_t pid)
{
	struct process *process;

	if (!table->free_count)
		evict_oldest(table);
	process = calloc(1, sizeof(*process));
	if (!process)
		return NULL;
	process->slot = table->free_slots[table->free_count - 1];
	if (hash_index_add(&table->index, hash_u64(pid), process->slot) != 0) {
		free(process);
		return NULL;
	}
	table->free_count--;
	table->slots[process->slot] = process;
	if (process->slot > table->highest_slot)
		table->highest_slot = process->slot;
	process->id = ++table->last_id;
	process->pid = pid;
	process->executable_path = "";
	changed(table, process);
	link_use(table, process);
	return process;
}

int process_table_new(struct process_files *files, struct process_table **ret_table)
{
	CLEANUP(process_table_free) struct process_table *table = calloc(1, sizeof(*table));
	int r;

	if (!table)
		return -ENOMEM;
	table->files = files;
	table->index = hash_index_with_max(PROCESSES_MAX);
	table->budget.rows_max = PROCESS_MAPPING_ROWS_MAX;
	for (uint32_t slot = PROCESSES_MAX; slot > 0; slot--)
		table->free_slots[table->free_count++] = slot;
	r = executable_table_new(files, &table->executables);
	if (r < 0)
		return r;
	r = process_cgroups_new(&table->cgroups);
	if (r < 0)
		return r;
	table->reader.files = files;
	table->reader.executables = table->executables;
	table->reader.budget = &table->budget;
	*ret_table = TAKE(table);
	return 0;
}

void process_table_free(struct process_table *table)
{
	if (!table)
		return;
	while (table->oldest)
		forget(table, table->slots[table->oldest]);
	hash_index_free(&table->index);
	process_cgroups_free(table->cgroups);
	executable_table_free(table->executables);
	free(table);
}

/* --- what /proc says ------------------------------------------------------------------------- */

static void take_snapshot(struct process_table *table, struct process *process,
			  struct process_snapshot *snapshot)
{
	mapping_table_release(process->mappings);
	process->mappings = TAKE(snapshot->mappings);
	set_main(process, snapshot->main_executable);
	memcpy(process->comm, snapshot->comm, sizeof(process->comm));
	process->read_ns = snapshot->time_ns;
	process->main_is_next = false;
	table->counters.proc_reads++;
	table->counters.mappings_refused += snapshot->refused_rows;
	if (snapshot->bad_lines) {
		table->counters.parse_failed++;
		log_warning("/proc/%u/maps of %s has %u lines that cannot be understood; their "
			    "addresses stay without names",
			    process->pid, process->comm, snapshot->bad_lines);
	}
	changed(table, process);
}

/*
 * Where events are lost without end, reading everything again each time would be all that the agent
 * does. Returns whether that has had its share; what was known goes on being used.
 */
static bool rests(struct process_table *table, uint64_t now_ns)
{
	uint64_t ahead_ns = (uint64_t)PROCESS_REREAD_AHEAD_MS * NS_PER_MS;

	if (table->reread_ns < now_ns)
		table->reread_ns = now_ns;
	if (table->reread_ns <= now_ns + ahead_ns)
		return false;
	table->counters.proc_reads_put_off++;
	return true;
}

/*
 * Reads /proc when that has to be done first. What is known stays when the process is gone. Returns 0,
 * PROCESS_STALE when it has to wait, or -errno.
 */
static int refresh(struct process_table *table, struct process *process)
{
	CLEANUP(process_snapshot_release) struct process_snapshot snapshot = { 0 };
	uint64_t start_ns;
	bool again;
	int r;

	if (!process->maps_unknown)
		return 0;
	start_ns = monotonic_ns();
	again = process->mappings || process->read_again;
	if (again && rests(table, start_ns))
		return PROCESS_STALE;
	r = process_reader_read(&table->reader, process->pid, process->start_ns, process->mappings,
				&snapshot);
	if (again)
		table->reread_ns += (monotonic_ns() - start_ns) * PROCESS_REREAD_SHARE;
	process->read_again = process->maps_unknown = is_shortage(r);
	table->counters.proc_reads_short += process->read_again;
	if (r < 0) {
		table->counters.proc_reads_failed++;
		table->counters.parse_failed += r == -EBADMSG;
		return r;
	}
	take_snapshot(table, process, &snapshot);
	return 0;
}

/* The mappings of all processes are too many: those heard of longest ago make room. */
static void keep_budget(struct process_table *table)
{
	while (table->budget.rows >= table->budget.rows_max && table->oldest != table->newest)
		evict_oldest(table);
}

/* --- events ---------------------------------------------------------------------------------- */

static void set_comm(struct process *process, const char *comm)
{
	size_t size = strnlen(comm, sizeof(process->comm) - 1);

	memcpy(process->comm, comm, size);
	process->comm[size] = '\0';
}

/* The parent of a child, with its mappings; NULL when memory is short. */
static struct process *find_parent(struct process_table *table, uint32_t pid, bool *ret_known)
{
	struct process *parent = lookup(table, pid);

	if (!parent) {
		parent = add(table, pid);
		if (!parent)
			return NULL;
		parent->maps_unknown = true;
	}
	touch(table, parent);
	*ret_known = refresh(table, parent) == 0;
	return parent;
}

static struct process *replace(struct process_table *table, uint32_t pid)
{
	struct process *process = lookup(table, pid);

	if (process)
		forget(table, process);
	return add(table, pid);
}

void process_table_fork(struct process_table *table, uint32_t parent_pid, uint32_t child_pid,
			uint64_t time_ns)
{
	struct process *parent, *child;
	bool known = false;

	if (parent_pid == child_pid)
		return;
	keep_budget(table);
	parent = find_parent(table, parent_pid, &known);
	child = replace(table, child_pid);
	if (!parent || !child)
		return;
	child->maps_unknown = !known;
	child->mappings = mapping_table_fork(parent->mappings, time_ns);
	set_main(child, parent->main_executable);
	memcpy(child->comm, parent->comm, sizeof(child->comm));
	child->cgroup_id = parent->cgroup_id;
	child->cgroup = parent->cgroup;
	child->cgroup_unsure = parent->cgroup_unsure;
	child->main_is_next = parent->main_is_next;
}

/* The program itself among what was mapped after an exec: the kernel maps it first. */
static struct executable *first_mapped(const struct process *process)
{
	const struct mapping *first = NULL, *rows;
	uint32_t count;

	rows = mapping_table_rows(process->mappings, &count);
	for (uint32_t i = 0; i < count; i++)
		if (rows[i].executable->kind == EXECUTABLE_FILE &&
		    (!first || rows[i].time_ns < first->time_ns))
			first = &rows[i];
	return first ? first->executable : NULL;
}

void process_table_exec(struct process_table *table, uint32_t pid, const char *comm,
			uint64_t time_ns)
{
	struct process *process = lookup(table, pid);

	if (process && process->exit_ns && process->exit_ns < time_ns) {
		forget(table, process); /* its fork was lost */
		process = NULL;
	}
	if (!process)
		process = add(table, pid);
	if (!process)
		return;
	touch(table, process);
	set_comm(process, comm);
	process->cgroup_unsure = true; /* container managers move a process, then exec */
	process->maps_unknown = time_ns < table->lost_ns;
	/* No memory for that: better no names than those of the program before. */
	if (mapping_table_clear_before(&process->mappings, &table->budget, time_ns) < 0) {
		mapping_table_release(process->mappings);
		process->mappings = NULL;
	}
	if (process->read_ns <= time_ns) {
		set_main(process, first_mapped(process));
		mapping_table_set_main(&process->mappings, &table->budget,
				       process->main_executable);
		process->main_is_next = !process->main_executable;
	}
	changed(table, process);
}

void process_table_comm(struct process_table *table, uint32_t pid, uint32_t tid, const char *comm)
{
	struct process *process = pid == tid ? lookup(table, pid) : NULL;

	if (process)
		set_comm(process, comm);
}

/* A file that was never seen before: open it while the process lives. */
static void open_new(struct process_table *table, const struct process_mmap *event,
		     struct executable *executable)
{
	executable_table_open(table->executables, executable, event->pid, event->address,
			      event->address + event->length, monotonic_ns());
}

static struct executable *take_executable(struct process_table *table,
					  const struct process_mmap *event, bool *ret_is_new)
{
	const struct process_range range = { .start = event->address,
					     .end = event->address + event->length };
	struct executable_sight sight = { .now_ns = monotonic_ns() };

	/* It was mapped just now: however lately it was looked at. With a build id nobody looks at times. */
	if (!event->identity.build_id_size && event->identity.inode)
		process_files_times_changed(table->files, process_place_of_pid(event->pid), &range,
					    1, &sight.changed_ns);
	return executable_table_take_mapped(table->executables, &event->identity, event->path,
					    strlen(event->path), &sight, ret_is_new);
}

static void put_mapping(struct process_table *table, struct process *process,
			const struct process_mmap *event, struct executable *taken)
{
	const struct mapping mapping = {
		.start = event->address,
		.end = event->address + event->length,
		.file_offset = event->file_offset,
		.time_ns = event->time_ns,
		.executable = taken,
		.is_main_executable = taken == process->main_executable,
	};
	int r = mapping_table_put(&process->mappings, &table->budget, &mapping);

	if (r == 0)
		changed(table, process);
	else if (r != MAPPING_UNCHANGED)
		table->counters.mappings_refused++;
}

void process_table_mmap(struct process_table *table, const struct process_mmap *event)
{
	struct process *process = lookup(table, event->pid);
	struct executable *executable;
	bool is_new = false;

	if (!event->executable || !event->length || event->address + event->length < event->address)
		return;
	if (!process || process->maps_unknown) {
		table->counters.events_unknown_pid++;
		return; /* it will be read whole when it is asked for */
	}
	keep_budget(table);
	executable = take_executable(table, event, &is_new);
	if (!executable) {
		table->counters.mappings_refused++;
		return;
	}
	if (is_new)
		open_new(table, event, executable);
	if (process->main_is_next && executable->kind == EXECUTABLE_FILE) {
		process->main_is_next = false;
		set_main(process, executable);
	}
	touch(table, process);
	put_mapping(table, process, event, executable);
}

void process_table_exit(struct process_table *table, uint32_t pid, uint32_t tid, uint64_t time_ns)
{
	struct process *process = pid == tid ? lookup(table, pid) : NULL;

	/* Other threads may live on. Should they be sampled later, /proc is read through them. */
	if (process)
		process->exit_ns = time_ns;
}

void process_table_lost(struct process_table *table)
{
	table->lost_ns = monotonic_ns();
	for (uint32_t slot = 1; slot <= PROCESSES_MAX; slot++) {
		struct process *process = table->slots[slot];

		if (!process)
			continue;
		process->maps_unknown = true;
		/* Nothing would tell it from a later process with its pid. */
		if (!process->start_ns)
			forget(table, process);
	}
}

/* --- questions ------------------------------------------------------------------------------- */

struct process *process_table_find(struct process_table *table, uint32_t pid,
				   uint64_t process_start_ns)
{
	struct process *process = lookup(table, pid);

	if (process && process_start_ns && process->start_ns &&
	    process->start_ns != process_start_ns) {
		forget(table, process);
		process = NULL;
	}
	if (!process) {
		keep_budget(table);
		process = add(table, pid);
		if (!process)
			return NULL;
		process->maps_unknown = true;
	}
	if (process_start_ns)
		process->start_ns = process_start_ns;
	touch(table, process);
	if (process->maps_unknown) /* mostly not, and this is asked for each sample */
		refresh(table, process);
	return process;
}

/* Returns 0 or -errno. */
static int read_cgroup(struct process_table *table, uint32_t pid, uint64_t *ret_cgroup)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer text = bytes_writer_with_max(CGROUP_TEXT_SIZE_MAX * 2);
	int r = process_files_read(table->files, process_place_of_pid(pid), "cgroup", &text);

	if (r == 0)
		*ret_cgroup =
			process_cgroups_add(table->cgroups, (const char *)text.bytes, text.size);
	return r;
}

struct process_cgroup process_table_cgroup(struct process_table *table, struct process *process,
					   uint64_t cgroup_id)
{
	struct process_cgroup cgroup = { .path = "", .container = "" };
	uint64_t cgroup_read = 0;
	int r;

	if (process->cgroup_id == cgroup_id && !process->cgroup_unsure &&
	    process_cgroups_get(table->cgroups, process->cgroup, &cgroup))
		return cgroup;
	r = read_cgroup(table, process->pid, &cgroup_read);
	process->cgroup_id = cgroup_id;
	process->cgroup_unsure = is_shortage(r);
	/* When the process is gone, its parent's is the best guess. */
	if (cgroup_read)
		process->cgroup = cgroup_read;
	process_cgroups_get(table->cgroups, process->cgroup, &cgroup);
	return cgroup;
}

void process_table_code_changed(struct process_table *table, uint32_t slot, uint64_t process_id)
{
	struct process *process = slot <= PROCESSES_MAX ? table->slots[slot] : NULL;

	if (process && process->id == process_id)
		process->code_generation++;
}

/* Whether other threads have outlived the main one. */
static bool has_threads(struct process_table *table, uint32_t pid)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer text = bytes_writer_with_max(STATUS_TEXT_SIZE_MAX);
	struct proc_status status;

	return process_files_read(table->files, process_place_of_pid(pid), "status", &text) == 0 &&
	       proc_status_parse((const char *)text.bytes, text.size, &status) &&
	       status.thread_count > 1; /* one of them the main thread, which nobody waited for */
}

static bool is_over(struct process_table *table, struct process *process, uint64_t now_ns)
{
	if (!process->exit_ns ||
	    process->exit_ns + (uint64_t)PROCESS_EXITED_KEPT_MS * NS_PER_MS >= now_ns)
		return false;
	/* Who was never sampled is not missed. */
	if (!process->start_ns || !has_threads(table, process->pid))
		return true;
	process->exit_ns = now_ns; /* look again */
	return false;
}

void process_table_expire(struct process_table *table, uint64_t now_ns)
{
	uint32_t step = EXPIRE_SLOTS_LEAST + table->highest_slot / EXPIRE_CALLS;

	for (uint32_t i = 0; i < step; i++) {
		struct process *process;

		if (table->expire_hand++ >= table->highest_slot)
			table->expire_hand = 0; /* no process is there: a rest each round */
		process = table->slots[table->expire_hand];
		if (process && is_over(table, process, now_ns))
			forget(table, process);
	}
	executable_table_expire(table->executables, now_ns);
}

const struct mapping *process_find_mapping(const struct process *process, uint64_t address)
{
	return mapping_table_find(process->mappings, address);
}

const struct mapping *process_mappings(const struct process *process, uint32_t *ret_count)
{
	return mapping_table_rows(process->mappings, ret_count);
}

const struct process *process_table_at(const struct process_table *table, uint32_t slot)
{
	return slot <= PROCESSES_MAX ? table->slots[slot] : NULL;
}

uint32_t process_table_next_changed(struct process_table *table)
{
	uint32_t slot;

	if (!table->changed_count)
		return 0;
	slot = table->changed_slots[--table->changed_count];
	table->is_changed[slot] = false;
	return slot;
}

struct executable_table *process_table_executables(struct process_table *table)
{
	return table->executables;
}

const struct process_table_counters *process_table_counters(struct process_table *table)
{
	table->counters.processes = PROCESSES_MAX - table->free_count;
	table->counters.mapping_rows = table->budget.rows;
	table->counters.executables = *executable_table_counters(table->executables);
	return &table->counters;
}
