/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which process maps what where, at the time of each sample.
 *
 * Fed by fork, exec, comm, mmap and exit events in the order of time, merged with the samples; a
 * process older than the events, or one that lost some, is read from /proc once, when its first
 * sample asks for it. A pid that is used again never inherits: processes are told apart by the time
 * of their start. An exec clears mappings older than itself only, since /proc may have been read
 * meanwhile. Exited processes stay PROCESS_EXITED_KEPT_MS, for samples still in flight; those
 * whose other threads live on stay with them.
 *
 * Every table is bounded; the process that was heard of longest ago makes room, and is read from
 * /proc again should it come back. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_PROCESS_TABLE_H
#define FLICKERSCOPE_PROCESS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "process/executable_table.h"
#include "process/mapping_table.h"
#include "process/process_cgroups.h"

struct process_table;
struct process_files;

enum process_table_limits {
	PROCESSES_MAX = 32768,
	PROCESS_MAPPING_ROWS_MAX = 1048576, /* of all processes */
	PROCESS_EXITED_KEPT_MS = 5000,
	PROCESS_REREAD_SHARE =
		5, /* one of so many parts of the time, for what was read before, ... */
	PROCESS_REREAD_AHEAD_MS = 1000, /* ... but that of so long at once */
	PROCESS_COMM_SIZE = 16,		/* TASK_COMM_LEN, the terminating zero included */
};

struct process {
	uint64_t id;	   /* never used twice: the key for what others remember about a process */
	uint64_t start_ns; /* CLOCK_BOOTTIME; 0 until its first sample told it */
	uint64_t generation; /* changes whenever an address may mean something else than before */
	uint64_t code_generation; /* changes when the process said what its code is, see below */
	uint32_t pid;
	uint32_t slot; /* 1 to PROCESSES_MAX, used again: for arrays beside this table */
	char comm[PROCESS_COMM_SIZE]; /* of the main thread: the process's name */
	const char *executable_path;  /* "" for kernel threads and while unknown; borrowed */

	/* CLOCK_MONOTONIC when the main thread ended, or when others were last seen to live on; 0:
	 * it lives */
	uint64_t exit_ns;

	/* The table's own. */
	uint32_t older, newer; /* neighbours in the order of use, by slot; 0: none */
	struct mapping_table *mappings;
	struct executable *main_executable; /* a reference */
	uint64_t read_ns;		    /* CLOCK_MONOTONIC when /proc was read; 0: never */
	uint64_t cgroup_id;		    /* as the kernel numbers it */
	uint64_t cgroup;		    /* as process_cgroups does; 0: not known */
	bool cgroup_unsure;		    /* it may have been moved since */
	bool maps_unknown;		    /* /proc has to be read before the next look-up ... */
	bool read_again;		    /* ... once more */
	bool main_is_next; /* the next file mapped for execution is the program itself */
};

/* One executable mapping, as mmap, mprotect or exec made it. Strings are borrowed for the call. */
struct process_mmap {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t pid;
	uint32_t tid;
	uint64_t address;
	uint64_t length;
	uint64_t file_offset;
	struct executable_identity identity; /* build id, or device and inode */
	const char *path; /* "//anon", "[vdso]", "/usr/bin/true", "/tmp/a.out (deleted)" */
	bool executable;
};

struct process_table_counters {
	uint64_t processes;	    /* now */
	uint64_t mapping_rows;	    /* now, shared ones counted once */
	uint64_t proc_reads;	    /* processes read from /proc */
	uint64_t proc_reads_failed; /* gone before they could be read */
	uint64_t
		proc_reads_put_off; /* questions answered by what was known before events were lost */
	uint64_t proc_reads_short;  /* there was no descriptor for it: read when asked again */
	uint64_t parse_failed;	    /* /proc texts that made no sense */
	uint64_t processes_evicted; /* to make room */
	uint64_t mappings_refused;  /* beyond MAPPINGS_MAX or memory */
	uint64_t
		events_unknown_pid; /* events of a process never seen before: read when asked for */
	struct executable_counters executables;
};

/* @files: borrowed, outlives the table. */
int process_table_new(struct process_files *files, struct process_table **ret_table);
void process_table_free(struct process_table *table); /* NULL is fine */
DEFINE_CLEANUP(struct process_table *, process_table_free);

/* A new process (threads are not: @parent_pid == @child_pid is ignored). */
void process_table_fork(struct process_table *table, uint32_t parent_pid, uint32_t child_pid,
			uint64_t time_ns);
void process_table_exec(struct process_table *table, uint32_t pid, const char *comm,
			uint64_t time_ns);
/* A thread's new name; the main thread's is the process's. */
void process_table_comm(struct process_table *table, uint32_t pid, uint32_t tid, const char *comm);
void process_table_mmap(struct process_table *table, const struct process_mmap *event);
/* The end of a thread; of the process when it is the main thread's and no other is left. */
void process_table_exit(struct process_table *table, uint32_t pid, uint32_t tid, uint64_t time_ns);
/* Events were lost: every process is read from /proc again when it is asked for next. */
void process_table_lost(struct process_table *table);

/*
 * The process of a sample; made, and read from /proc, when it is not known.
 *
 * @process_start_ns: of the sample; tells a pid used again. 0: unknown.
 *
 * Returns NULL only when memory is short. The pointer is valid until the next call that takes the
 * table; remember process->id instead.
 */
struct process *process_table_find(struct process_table *table, uint32_t pid,
				   uint64_t process_start_ns);

/* The cgroup of a sample's process; reads /proc/PID/cgroup when @cgroup_id is new for it. */
struct process_cgroup process_table_cgroup(struct process_table *table, struct process *process,
					   uint64_t cgroup_id);

/*
 * Code that the process makes at run time has other names, or is other code, than was known before.
 * Nothing happens when the slot belongs to another process by now.
 */
void process_table_code_changed(struct process_table *table, uint32_t slot, uint64_t process_id);

/* Forgets the exited, closes files that nobody asked for. Call it at each tick. */
void process_table_expire(struct process_table *table, uint64_t now_ns);

/* The executable mapping that holds @address, or NULL. Valid until the process changes. */
const struct mapping *process_find_mapping(const struct process *process, uint64_t address);

/* All of them, sorted, without overlaps. Valid until the process changes. */
const struct mapping *process_mappings(const struct process *process, uint32_t *ret_count);

/* The process that has the slot now (1 to PROCESSES_MAX), or NULL. */
const struct process *process_table_at(const struct process_table *table, uint32_t slot);

/*
 * A slot whose process got another generation, or is another, since it was told here; 0: no more. For one
 * who follows all of them: among thousands, few change.
 */
uint32_t process_table_next_changed(struct process_table *table);

struct executable_table *process_table_executables(struct process_table *table); /* borrowed */
const struct process_table_counters *process_table_counters(struct process_table *table);

#endif
