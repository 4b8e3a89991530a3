/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens what belongs to other processes: their /proc texts, the files they map, the perf maps
 * they write. The one module that follows a path somebody else chose.
 *
 * A path inside another process's root is walked with openat2(RESOLVE_IN_ROOT |
 * RESOLVE_NO_MAGICLINKS), so that no symbolic link leads out of it. Every file is first taken
 * with O_PATH, which opens nothing, and looked at: it must be regular, under a size and, where
 * asked for, owned by root or the process's user; not on FUSE, where a stranger's daemon would
 * decide how long we wait. Only then it is opened for reading, without blocking. What cannot be ruled out: a
 * FUSE mount that was detached from its tree, or put there between the check and the walk.
 *
 * Owned by the loop thread.
 */
#ifndef FLICKERSCOPE_PROCESS_FILES_H
#define FLICKERSCOPE_PROCESS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/cleanup.h"

struct privileged_process;
struct process_files;

enum process_files_limits {
	PROCESS_TEXT_SIZE_MAX = 16 << 20, /* of a file in /proc: maps of some 100,000 lines */
	PROCESS_MOUNTINFO_SIZE_MAX = 4 << 20,
	PROCESS_TASKS_LOOKED_AT_MAX = 16, /* threads that are asked for maps */
	PROCESS_VDSO_SIZE_MAX = 64 << 10,
	PROCESS_USER_PATH_SIZE_MAX = 4096,
};

#define PROCESS_EXECUTABLE_SIZE_MAX (UINT64_C(8) << 30) /* with debug information */
#define PROCESS_PERF_MAP_SIZE_MAX (UINT64_C(256) << 20)

/* Why a file was refused. */
enum process_file_outcome {
	PROCESS_FILE_NOT_REGULAR = 1,
	PROCESS_FILE_WRONG_OWNER,
	PROCESS_FILE_TOO_LARGE,
	PROCESS_FILE_ON_FUSE,
	PROCESS_FILE_OTHER,   /* not the file that was meant: device or inode differ */
	PROCESS_FILE_FOREIGN, /* neither a program nor what tells about one: when it is asked for */
};

struct process_file_rules {
	uint64_t size_max;
	bool owner_matters; /* owner must be root or @owner */
	uid_t owner;
	bool identity_matters; /* must be this inode on this device */
	uint32_t device_major;
	uint32_t device_minor;
	uint64_t inode;
};

struct process_files_counters {
	uint64_t opened;
	uint64_t refused; /* by one of the outcomes above */
};

int process_files_new(struct process_files **ret_files);

/* The same over a folder that looks like /proc, for tests. */
int process_files_new_at(const char *proc_path, struct process_files **ret_files);

void process_files_free(struct process_files *files); /* NULL is fine */
DEFINE_CLEANUP(struct process_files *, process_files_free);

/*
 * From now on paths are followed by the privileged process, which gives programs, debug files, perf maps and
 * dumps of JIT compilers alone. @process: borrowed.
 */
void process_files_ask(struct process_files *files, struct privileged_process *process);

/*
 * Opens the folder of a process. The descriptor stays with this one process even when its pid is
 * used again: reading from it fails then. Returns 0 or -errno (-ENOENT: there is none).
 */
int process_files_open_process(struct process_files *files, uint32_t pid, int *ret_process_fd);

/* Whether the descriptor is one of a folder below that of all processes. */
bool process_files_is_folder(const struct process_files *files, int fd);

/*
 * When the main thread has ended before the others: the folder of one of them, where what the
 * process maps is to be seen. Returns 0 or -errno (-ESRCH: there is none).
 */
int process_files_open_other_task(struct process_files *files, int process_fd, int *ret_fd);

/*
 * Reads one of its texts: "maps", "stat", "status", "comm", "cgroup". Appends to @ret_text.
 * Returns 0, -EFBIG above the writer's maximum, or -errno (-ESRCH: it has ended).
 */
int process_files_read(int process_fd, const char *name, struct bytes_writer *ret_text);

/* Where a link of the folder leads ("exe"), zero-terminated. Returns 0 or -errno. */
int process_files_read_link(int process_fd, const char *name,
			    char ret_path[PROCESS_USER_PATH_SIZE_MAX]);

/*
 * When the file that the process maps at @start to @end was last written, in ns since the epoch. No
 * network or FUSE daemon is asked. Returns 0 or -errno.
 */
int process_files_time_changed(int process_fd, uint64_t start, uint64_t end, uint64_t *ret_ns);

/* The file mapped at exactly @start to @end, deleted or not. Returns 0, an outcome or -errno. */
int process_files_open_mapped(struct process_files *files, int process_fd, uint64_t start,
			      uint64_t end, const struct process_file_rules *rules, int *ret_fd);

/* The file at an absolute path as the process sees it. Returns 0, an outcome or -errno. */
int process_files_open_in_root(struct process_files *files, int process_fd, const char *path,
			       const struct process_file_rules *rules, int *ret_fd);

/* Whether a process sees the same files under the same paths as we do: no container, no chroot. */
bool process_files_shares_root(int process_fd);

/*
 * The first of several absolute paths at which there is a file that the rules allow.
 *
 * @process_fd: as this process sees them; -1: as we do. Symbolic links are followed, and stay inside.
 * @paths: zero-terminated ones, one after another; an empty one ends the list.
 * @first: how many of them to pass over: for going on after one that was not the right file.
 * @ret_index: which one was opened.
 *
 * Returns 0, or -ENOENT when there is none.
 */
int process_files_open_first(struct process_files *files, int process_fd, const char *paths,
			     unsigned int first, const struct process_file_rules *rules,
			     unsigned int *ret_index, int *ret_fd);

/* The file at an absolute path as we see it, which no symbolic link may be part of. */
int process_files_open_path(struct process_files *files, const char *path,
			    const struct process_file_rules *rules, int *ret_fd);

/* A copy of the kernel's vDSO for 64-bit processes, an ELF file, in a memfd. */
int process_files_open_vdso(int *ret_fd, size_t *ret_size);

const struct process_files_counters *process_files_counters(const struct process_files *files);

/* What an outcome means, as the end of a sentence: "is not a regular file". */
const char *process_file_outcome_text(int outcome);

#endif
