/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens what belongs to other processes: their /proc texts, the files they map, the perf maps
 * they write. The one module that follows a path somebody else chose; the agent has that done by the privileged
 * process, which runs the same code.
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
	PROCESS_STAT_SIZE_MAX = 1536, /* 52 numbers */
	PROCESS_COMM_TEXT_SIZE_MAX = 128,
	PROCESS_RANGES_MAX = 512, /* of a process that are looked at at once */
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

/* Which process: by the descriptor of its folder, or, -1, by its pid. */
struct process_place {
	int fd; /* borrowed */
	uint32_t pid;
};

static inline struct process_place process_place_of(int process_fd)
{
	return (struct process_place){ .fd = process_fd };
}

static inline struct process_place process_place_of_pid(uint32_t pid)
{
	return (struct process_place){ .fd = -1, .pid = pid };
}

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
 * From now on everything is opened by the privileged process, one question each, which gives programs, debug
 * files, perf maps and dumps of JIT compilers alone. @process: borrowed.
 */
void process_files_ask(struct process_files *files, struct privileged_process *process);

/*
 * Opens the folder of a process. The descriptor stays with this one process even when its pid is
 * used again: reading from it fails then. Returns 0 or -errno (-ENOENT: there is none).
 */
int process_files_open_process(struct process_files *files, uint32_t pid, int *ret_process_fd);

/* Whether the descriptor is one of a folder below that of all processes. */
bool process_files_is_folder(const struct process_files *files, int fd);

/* Some of what /proc says about a process (proc(5)). Zero-terminated; longer ones are cut. */
struct process_look_texts {
	char stat[PROCESS_STAT_SIZE_MAX];
	char comm[PROCESS_COMM_TEXT_SIZE_MAX];
	char exe[PROCESS_USER_PATH_SIZE_MAX]; /* where that link leads; "": it has no memory */
};

struct process_look {
	int process_fd; /* its folder; when its main thread has ended, that of another one */
	int maps_fd;	/* /proc/PID/maps */
	struct process_look_texts
		texts; /* exe of the same as maps, the others of the main thread */
};

/*
 * All that is needed of a process at once, of one and the same process. Returns 0, which owns
 * descriptors, or -errno (-ENOENT, -ESRCH: it is gone).
 */
int process_files_look(struct process_files *files, uint32_t pid, struct process_look *ret_look);
void process_look_close(struct process_look *look);

static inline void cleanup_process_look_close(struct process_look *look)
{
	process_look_close(look);
}

/* One of the texts "status", "cgroup". Returns 0 or -errno. */
int process_files_open_text(struct process_files *files, struct process_place place,
			    const char *name, int *ret_fd);

/*
 * Reads it. Appends to @ret_text. Returns 0, -EFBIG above the writer's maximum, or -errno (-ESRCH: it has ended).
 */
int process_files_read(struct process_files *files, struct process_place place, const char *name,
		       struct bytes_writer *ret_text);

struct process_range {
	uint64_t start, end;
};

/*
 * When the files that the process maps at exactly these ranges were last written, in ns since the epoch; 0: that
 * cannot be told, also of ranges beyond PROCESS_RANGES_MAX. No network or FUSE daemon is asked.
 * Returns 0 or -errno.
 */
int process_files_times_changed(struct process_files *files, struct process_place place,
				const struct process_range *ranges, uint32_t count,
				uint64_t *ret_times_ns);

/* The file mapped at exactly @range, deleted or not. Returns 0, an outcome or -errno. */
int process_files_open_mapped(struct process_files *files, struct process_place place,
			      struct process_range range, const struct process_file_rules *rules,
			      int *ret_fd);

/*
 * The program or library that the process maps at @range, by whatever way leads to it: the mapping, which its
 * other threads have as well when its main one has ended; else the path, as it sees it; else as we do, when it is gone.
 *
 * @path: as the kernel told it, without " (deleted)".
 * @rules: where the identity matters, it is told by the mapping, and may have another device by its path.
 *
 * Returns 0, an outcome or -errno.
 */
int process_files_open_executable(struct process_files *files, uint32_t pid,
				  struct process_range range, const char *path,
				  const struct process_file_rules *rules, int *ret_fd);

/* The file at an absolute path as the process sees it. Returns 0, an outcome or -errno. */
int process_files_open_in_root(struct process_files *files, struct process_place place,
			       const char *path, const struct process_file_rules *rules,
			       int *ret_fd);

/* Whether a process sees the same files under the same paths as we do: no container, no chroot. */
bool process_files_shares_root(struct process_files *files, struct process_place place);

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

/* A copy of the kernel's vDSO for 64-bit processes, an ELF file, in a memfd. Never asks: the same for all. */
int process_files_open_vdso(struct process_files *files, int *ret_fd);

/* The size of a path that the kernel told, without the mark of a file that was deleted. */
size_t process_path_size_undeleted(const char *path, size_t size);

const struct process_files_counters *process_files_counters(const struct process_files *files);

/* What an outcome means, as the end of a sentence: "is not a regular file". */
const char *process_file_outcome_text(int outcome);

#endif
