/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that processes execute from, each once, whoever maps it.
 *
 * A file is known by what the kernel says of it: its build id where the event has one, else device
 * and inode with the inode's generation, for as long as nobody writes it anew. Memory that is no file (vDSO, vsyscall, anonymous) is
 * an executable too, one of each kind, so that every mapping has one.
 *
 * Files are opened when they are first seen, since the process may be gone by the time a sample
 * asks for them; the descriptors are closed again when nothing asked for EXECUTABLE_FD_KEPT_MS, or
 * when there are more than their share. Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_EXECUTABLE_TABLE_H
#define FLICKERSCOPE_EXECUTABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct build_id;
struct process_files;
struct executable_table;

enum executable_limits {
	EXECUTABLES_MAX = 16384,
	EXECUTABLE_FDS_PARTS = 4, /* of the process's descriptors, one of so many parts ... */
	EXECUTABLE_FDS_MAX = 256,
	EXECUTABLE_FDS_LEAST = 16,
	EXECUTABLE_FD_KEPT_MS = 10000,
	EXECUTABLE_OPEN_RETRY_MS = 100,
	EXECUTABLE_CHECK_MS = 1000, /* between two looks at when a file was written */
	EXECUTABLE_BUILD_ID_SIZE_MAX = 20,
	EXECUTABLE_PATH_SIZE_MAX = 4096,
};

enum executable_kind {
	EXECUTABLE_FILE = 1,
	EXECUTABLE_VDSO,
	EXECUTABLE_VSYSCALL,
	EXECUTABLE_ANONYMOUS, /* memory that the process filled itself: a JIT's, a trampoline's */
};

struct executable_identity {
	uint64_t inode;
	uint64_t inode_generation; /* 0: not told, as in /proc/PID/maps */
	uint32_t device_major;
	uint32_t device_minor;
	uint64_t changed_ns; /* since the epoch, when it was last written; 0: not known */
	uint8_t build_id[EXECUTABLE_BUILD_ID_SIZE_MAX];
	uint8_t build_id_size; /* 0: not told; else the numbers above don't matter */
};

struct executable {
	uint64_t id;   /* never used twice */
	uint32_t slot; /* 1 to EXECUTABLES_MAX, used again: for arrays beside this table */
	enum executable_kind kind;
	struct executable_identity identity;
	const char *path; /* as it was told first, without " (deleted)"; never NULL; owned */
	bool is_memory;	  /* a memfd: lives in memory alone, and may be no ELF file at all */

	/* The table's own. */
	uint32_t reference_count;
	bool is_indexed;     /* can be found; else it was written since */
	uint64_t checked_ns; /* when it was last looked whether it had been */
	bool was_used;	     /* since the search for a free slot passed by */
	int fd;
	uint64_t fd_opened_ns;
	uint64_t open_failed_ns; /* when it last could not be opened; 0: never */
};

struct executable_counters {
	uint64_t executables;	   /* now, those that nobody maps any more included */
	uint64_t fds;		   /* open now */
	uint64_t opened;	   /* files opened */
	uint64_t open_failed;	   /* files that could not be opened */
	uint64_t refused_full;	   /* mappings left out: EXECUTABLES_MAX are in use */
	uint64_t fds_closed_early; /* closed to keep to that share: opened again when asked for */
	uint64_t fds_short;	   /* not opened, as there was no descriptor; tried again */
};

/* @files: borrowed, outlives the table. */
int executable_table_new(struct process_files *files, struct executable_table **ret_table);
void executable_table_free(struct executable_table *table); /* NULL is fine */
DEFINE_CLEANUP(struct executable_table *, executable_table_free);

/*
 * Finds or adds an executable and takes a reference for the caller.
 *
 * @path: as the kernel tells it, which also says what is no file: "[vdso]", "//anon", "". Copied.
 * @ret_is_new: whether it was added just now; NULL is fine.
 *
 * Returns NULL (and counts) when the table is full or memory is short.
 */
struct executable *executable_table_take(struct executable_table *table,
					 const struct executable_identity *identity,
					 const char *path, size_t path_size, bool *ret_is_new);

/*
 * Whether it should be looked when the file was last written: nothing else tells a file without a build id from
 * one that was there before, and it has not been looked for EXECUTABLE_CHECK_MS.
 */
bool executable_table_wants_time(const struct executable_table *table,
				 const struct executable_identity *identity, const char *path,
				 size_t path_size, uint64_t now_ns);

/* A file as a process maps it. */
struct executable_sight {
	uint64_t changed_ns; /* since the epoch, when it was last written; 0: nobody looked */
	uint64_t now_ns;
};

/*
 * The same for a file that a process maps. One that was written anew since it was known is another
 * executable.
 */
struct executable *executable_table_take_mapped(struct executable_table *table,
						const struct executable_identity *identity,
						const char *path, size_t path_size,
						const struct executable_sight *sight,
						bool *ret_is_new);

void executable_take_again(struct executable *executable);

/* Those without a reference stay known until their slot is needed. */
void executable_release(struct executable *executable);

/*
 * Opens the file unless it is open. A process that maps it leads to it (@pid, mapped at @start to
 * @end); when that process is gone, the path does, if device and inode agree or the build id can
 * be compared afterwards (see executable_table_fd).
 *
 * Returns 0; an outcome of process_files.h; or -errno: -EAGAIN when it failed less than
 * EXECUTABLE_OPEN_RETRY_MS ago, -ENXIO for memory that is no file.
 */
int executable_table_open(struct executable_table *table, struct executable *executable,
			  uint32_t pid, uint64_t start, uint64_t end, uint64_t now_ns);

/*
 * The open file, borrowed until executable_table_close_fd(); -1 when it is not open. When the
 * identity has a build id, the contents have to be checked against it: the file may have been
 * found by its path alone.
 */
int executable_table_fd(const struct executable_table *table, const struct executable *executable);

/* Whether a file that was read may be the one that was mapped: it has the build id that was told, if one was. */
bool executable_may_be(const struct executable *executable, const struct build_id *build_id);

/* The executable that has the slot now, or NULL. */
struct executable *executable_table_at(const struct executable_table *table, uint32_t slot);

void executable_table_close_fd(struct executable_table *table, struct executable *executable);

/* Closes descriptors that nobody asked for. */
void executable_table_expire(struct executable_table *table, uint64_t now_ns);

const struct executable_counters *executable_table_counters(struct executable_table *table);

#endif
