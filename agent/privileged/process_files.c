/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/process_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "privileged/mount_info.h"
#include "privileged/privileged_process.h"
#include "privileged/privileged_server.h"

enum {
	FUSE_MAGIC = 0x65735546, /* statfs(2) */
	PROC_PATH_SIZE_MAX = 256,
	MAPPED_NAME_SIZE = 64,
};

struct process_files {
	struct process_files_counters counters;
	struct privileged_process *process; /* borrowed; NULL: we follow paths ourselves */
	int proc_fd;
	int vdso_fd;			/* a copy of it; -1: there is none yet */
	int own_mounts_fd;		/* polls as changed whenever our list of mounts does */
	struct bytes_writer own_mounts; /* the list, as read when it last changed */
};

/* The [vdso] of this process, by its own maps: start and size. */
static int find_vdso(const char **ret_start, size_t *ret_size)
{
	CLEANUP(file_close) FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long vdso = getauxval(AT_SYSINFO_EHDR), start, end;
	char line[PROC_PATH_SIZE_MAX];

	if (!maps)
		return -errno;
	while (vdso && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx", &start, &end) != 2 || start != vdso)
			continue;
		if (end - start > PROCESS_VDSO_SIZE_MAX)
			return -EFBIG;
		*ret_start = (const char *)start; /* NOLINT(performance-no-int-to-ptr) */
		*ret_size = end - start;
		return 0;
	}
	return -ENOENT;
}

static int copy_vdso(int *ret_fd)
{
	CLEANUP(fd_close) int fd = memfd_create("vdso", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const char *start;
	size_t size;
	int r;

	if (fd < 0)
		return -errno;
	r = find_vdso(&start, &size);
	if (r < 0)
		return r;
	if (write(fd, start, size) != (ssize_t)size)
		return -EIO;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int process_files_new(struct process_files **ret_files)
{
	return process_files_new_at("/proc", ret_files);
}

int process_files_new_at(const char *proc_path, struct process_files **ret_files)
{
	CLEANUP(process_files_free) struct process_files *files = calloc(1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	files->vdso_fd = -1;
	files->own_mounts = bytes_writer_with_max(PROCESS_MOUNTINFO_SIZE_MAX);
	files->own_mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	files->proc_fd = open(proc_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (files->proc_fd < 0 || files->own_mounts_fd < 0)
		return -errno;
	*ret_files = TAKE(files);
	return 0;
}

void process_files_free(struct process_files *files)
{
	if (!files)
		return;
	fd_close(files->proc_fd);
	fd_close(files->vdso_fd);
	fd_close(files->own_mounts_fd);
	bytes_writer_free(&files->own_mounts);
	free(files);
}

bool process_files_is_folder(const struct process_files *files, int fd)
{
	struct stat proc, status;

	return fstat(files->proc_fd, &proc) == 0 && fstat(fd, &status) == 0 &&
	       S_ISDIR(status.st_mode) && status.st_dev == proc.st_dev &&
	       status.st_ino != proc.st_ino;
}

/* --- texts --------------------------------------------------------------------------------------- */

static int read_exe(int process_fd, char ret_path[PROCESS_USER_PATH_SIZE_MAX])
{
	ssize_t size = readlinkat(process_fd, "exe", ret_path, PROCESS_USER_PATH_SIZE_MAX);

	if (size < 0)
		return -errno;
	if (size == PROCESS_USER_PATH_SIZE_MAX)
		size = 0; /* no name that fits: as if there were none */
	ret_path[size] = '\0';
	return 0;
}

/* A thread's folder says about its process what the main thread's does; /proc does not list it. */
static int open_task(struct process_files *files, const char *tid,
		     char ret_exe[PROCESS_USER_PATH_SIZE_MAX], int *ret_fd)
{
	CLEANUP(fd_close) int fd = openat(files->proc_fd, tid, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || read_exe(fd, ret_exe) < 0)
		return -ESRCH;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* When the main thread has ended before the others: one of them, and its memory. */
static int open_other_task(struct process_files *files, int process_fd,
			   char ret_exe[PROCESS_USER_PATH_SIZE_MAX], int *ret_fd)
{
	CLEANUP(dir_close) DIR *tasks = NULL;
	int fd = openat(process_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	const struct dirent *entry;

	if (fd < 0)
		return -errno;
	tasks = fdopendir(fd);
	if (!tasks) {
		fd_close(fd);
		return -ENOMEM;
	}
	for (int looked_at = 0; looked_at < PROCESS_TASKS_LOOKED_AT_MAX; looked_at++) {
		entry = readdir(tasks);
		if (!entry)
			break;
		if (entry->d_name[0] != '.' &&
		    open_task(files, entry->d_name, ret_exe, ret_fd) == 0)
			return 0;
	}
	return -ESRCH;
}

static int open_text(int process_fd, const char *name, int *ret_fd)
{
	int fd = openat(process_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int read_text(int process_fd, const char *name, struct bytes_writer *ret_text)
{
	CLEANUP(fd_close) int fd = -1;
	int r = open_text(process_fd, name, &fd);

	return r < 0 ? r : bytes_writer_read(ret_text, fd);
}

static int read_start(int process_fd, const char *name, char *ret_text, size_t size_max)
{
	CLEANUP(fd_close) int fd = -1;
	int r = open_text(process_fd, name, &fd);
	ssize_t size;

	if (r < 0)
		return r;
	size = read(fd, ret_text, size_max - 1);
	if (size < 0)
		return -errno;
	ret_text[size] = '\0';
	return 0;
}

void process_look_close(struct process_look *look)
{
	fd_close(TAKE_FD(look->process_fd));
	fd_close(TAKE_FD(look->maps_fd));
}

static int look_at(struct process_files *files, uint32_t pid, struct process_look *ret_look)
{
	CLEANUP(process_look_close)
	struct process_look look = { .process_fd = -1, .maps_fd = -1 };
	struct process_look_texts *texts = &look.texts;
	int task_fd, r = process_files_open_process(files, pid, &look.process_fd);

	if (r == 0)
		r = read_start(look.process_fd, "stat", texts->stat, sizeof(texts->stat));
	if (r == 0)
		r = read_start(look.process_fd, "comm", texts->comm, sizeof(texts->comm));
	/* Kernel threads have none either, and no other threads. */
	if (r == 0 && read_exe(look.process_fd, texts->exe) < 0 &&
	    open_other_task(files, look.process_fd, texts->exe, &task_fd) == 0) {
		fd_close(look.process_fd);
		look.process_fd = task_fd;
	}
	if (r == 0)
		r = open_text(look.process_fd, "maps", &look.maps_fd);
	if (r < 0)
		return r;
	*ret_look = look;
	look.process_fd = look.maps_fd = -1;
	return 0;
}

/* --- files --------------------------------------------------------------------------------------- */

/* Our own list of mounts, read when it has changed (proc(5): poll() tells by POLLERR). */
static int refresh_own_mounts(struct process_files *files)
{
	struct pollfd changed = { .fd = files->own_mounts_fd, .events = POLLPRI };

	if (files->own_mounts.size && poll(&changed, 1, 0) == 0)
		return 0;
	bytes_writer_clear(&files->own_mounts);
	if (lseek(files->own_mounts_fd, 0, SEEK_SET) < 0)
		return -errno;
	return bytes_writer_read(&files->own_mounts, files->own_mounts_fd);
}

/* The list of mounts that a process sees; our own with @process_fd -1. Borrowed from @buffer. */
static int read_mounts(struct process_files *files, int process_fd, struct bytes_writer *buffer,
		       const struct bytes_writer **ret_mounts)
{
	int r;

	if (process_fd >= 0) {
		bytes_writer_clear(buffer);
		r = read_text(process_fd, "mountinfo", buffer);
		*ret_mounts = buffer;
	} else {
		r = refresh_own_mounts(files);
		*ret_mounts = &files->own_mounts;
	}
	return r;
}

/*
 * Whether the file is on FUSE, told by lists of mounts: statfs() would ask the FUSE daemon, and
 * is left for what is in no list (the kernel's own mounts, as of a memfd; detached ones).
 */
static bool is_on_fuse(struct process_files *files, int process_fd, int path_fd,
		       const struct statx *status)
{
	const int sources[] = { process_fd, -1 };
	struct statfs file_system;

	/* FUSE has no block device behind it, but for "fuseblk", which only root can mount. */
	if (status->stx_dev_major != 0)
		return false;
	for (size_t i = process_fd < 0 ? 1 : 0; i < ARRAY_SIZE(sources); i++) {
		CLEANUP(bytes_writer_free)
		struct bytes_writer buffer = bytes_writer_with_max(PROCESS_MOUNTINFO_SIZE_MAX);
		const struct bytes_writer *mounts;
		enum mount_kind kind;

		if (read_mounts(files, sources[i], &buffer, &mounts) < 0)
			continue;
		kind = mount_info_kind((const char *)mounts->bytes, mounts->size,
				       status->stx_mnt_id, status->stx_dev_major,
				       status->stx_dev_minor);
		if (kind != MOUNT_UNKNOWN)
			return kind == MOUNT_FUSE;
	}
	return fstatfs(path_fd, &file_system) < 0 || file_system.f_type == FUSE_MAGIC;
}

static int check(struct process_files *files, int process_fd, int path_fd,
		 const struct process_file_rules *rules)
{
	struct statx status;

	/* Without DONT_SYNC a network or FUSE file system would be asked. */
	if (statx(path_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS | STATX_MNT_ID,
		  &status) < 0)
		return -errno;
	if (!S_ISREG(status.stx_mode))
		return PROCESS_FILE_NOT_REGULAR;
	if (rules->identity_matters &&
	    (status.stx_ino != rules->inode || status.stx_dev_major != rules->device_major ||
	     status.stx_dev_minor != rules->device_minor))
		return PROCESS_FILE_OTHER;
	if (rules->owner_matters && status.stx_uid != 0 && status.stx_uid != rules->owner)
		return PROCESS_FILE_WRONG_OWNER;
	if (status.stx_size > rules->size_max)
		return PROCESS_FILE_TOO_LARGE;
	if (is_on_fuse(files, process_fd, path_fd, &status))
		return PROCESS_FILE_ON_FUSE;
	return 0;
}

/* From the O_PATH descriptor, which is taken, to one that can be read. */
static int check_and_open(struct process_files *files, int process_fd, int taken_path_fd,
			  const struct process_file_rules *rules, int *ret_fd)
{
	CLEANUP(fd_close) int path_fd = taken_path_fd;
	char name[32];
	int fd, r;

	r = check(files, process_fd, path_fd, rules);
	if (r != 0) {
		files->counters.refused += r > 0;
		return r;
	}
	/* The link leads to the very file that was looked at, wherever its path leads by now. */
	snprintf(name, sizeof(name), "/proc/self/fd/%d", path_fd);
	fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	files->counters.opened++;
	*ret_fd = fd;
	return 0;
}

static void mapped_name(struct process_range range, char ret_name[MAPPED_NAME_SIZE])
{
	snprintf(ret_name, MAPPED_NAME_SIZE, "map_files/%llx-%llx", (unsigned long long)range.start,
		 (unsigned long long)range.end);
}

static uint64_t time_changed(int process_fd, struct process_range range)
{
	char name[MAPPED_NAME_SIZE];
	struct statx status;

	mapped_name(range, name);
	if (statx(process_fd, name, AT_STATX_DONT_SYNC, STATX_MTIME, &status) < 0)
		return 0;
	return (uint64_t)status.stx_mtime.tv_sec * NS_PER_S + status.stx_mtime.tv_nsec;
}

static int open_mapped(struct process_files *files, int process_fd, struct process_range range,
		       const struct process_file_rules *rules, int *ret_fd)
{
	char name[MAPPED_NAME_SIZE];
	int path_fd;

	mapped_name(range, name);
	path_fd = openat(process_fd, name, O_PATH | O_CLOEXEC);
	if (path_fd < 0)
		return -errno;
	return check_and_open(files, process_fd, path_fd, rules, ret_fd);
}

static int open_below(int root_fd, const char *path, uint64_t resolve)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_MAGICLINKS | resolve,
	};
	long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* @mounts: those that the process sees. */
static int open_by_mounts(struct process_files *files, const struct bytes_writer *mounts,
			  int process_fd, int root_fd, const char *path, uint64_t resolve,
			  const struct process_file_rules *rules, int *ret_fd)
{
	int path_fd;

	/* Before the walk: even looking a name up asks the daemon of a FUSE folder. */
	if (mount_info_path_is_fuse((const char *)mounts->bytes, mounts->size, path)) {
		files->counters.refused++;
		return PROCESS_FILE_ON_FUSE;
	}
	path_fd = open_below(root_fd, path, resolve);
	if (path_fd < 0)
		return path_fd;
	return check_and_open(files, process_fd, path_fd, rules, ret_fd);
}

static int open_in_root(struct process_files *files, int process_fd, int root_fd, const char *path,
			uint64_t resolve, const struct process_file_rules *rules, int *ret_fd)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer buffer = bytes_writer_with_max(PROCESS_MOUNTINFO_SIZE_MAX);
	const struct bytes_writer *mounts;
	int r = read_mounts(files, process_fd, &buffer, &mounts);

	return r < 0 ? r
		     : open_by_mounts(files, mounts, process_fd, root_fd, path, resolve, rules,
				      ret_fd);
}

static int walk_in_root(struct process_files *files, int process_fd, const char *path,
			const struct process_file_rules *rules, int *ret_fd)
{
	CLEANUP(fd_close)
	int root_fd = openat(process_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0)
		return -errno;
	return open_in_root(files, process_fd, root_fd, path, RESOLVE_IN_ROOT, rules, ret_fd);
}

static bool is_same_place(int left_fd, const char *left, int right_fd, const char *right)
{
	struct statx first, second;

	return statx(left_fd, left, AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID, &first) == 0 &&
	       statx(right_fd, right, AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID, &second) == 0 &&
	       first.stx_ino == second.stx_ino && first.stx_mnt_id == second.stx_mnt_id &&
	       first.stx_dev_major == second.stx_dev_major &&
	       first.stx_dev_minor == second.stx_dev_minor;
}

static bool shares_root(int process_fd)
{
	return is_same_place(process_fd, "root", AT_FDCWD, "/") &&
	       is_same_place(process_fd, "ns/mnt", AT_FDCWD, "/proc/self/ns/mnt");
}

static int walk_first(struct process_files *files, int process_fd, const char *paths,
		      unsigned int first, const struct process_file_rules *rules,
		      unsigned int *ret_index, int *ret_fd)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer buffer = bytes_writer_with_max(PROCESS_MOUNTINFO_SIZE_MAX);
	CLEANUP(fd_close)
	int root_fd = process_fd < 0 ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)
				     : openat(process_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct bytes_writer *mounts;
	unsigned int index = 0;
	int r;

	if (root_fd < 0)
		return -errno;
	r = read_mounts(files, process_fd, &buffer, &mounts);
	if (r < 0)
		return r;
	for (; *paths; paths += strlen(paths) + 1, index++) {
		if (index < first || open_by_mounts(files, mounts, process_fd, root_fd, paths,
						    RESOLVE_IN_ROOT, rules, ret_fd) != 0)
			continue;
		*ret_index = index;
		return 0;
	}
	return -ENOENT;
}

static int walk_path(struct process_files *files, const char *path,
		     const struct process_file_rules *rules, int *ret_fd)
{
	CLEANUP(fd_close) int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0)
		return -errno;
	/* The kernel told the path with all links followed: a link in it now is something else. */
	return open_in_root(files, -1, root_fd, path, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS, rules,
			    ret_fd);
}

/* --- programs ------------------------------------------------------------------------------------ */

size_t process_path_size_undeleted(const char *path, size_t size)
{
	static const char mark[] = " (deleted)";
	size_t mark_size = sizeof(mark) - 1;

	if (size > mark_size && memcmp(path + size - mark_size, mark, mark_size) == 0)
		return size - mark_size;
	return size;
}

/*
 * Whether the file that was found at a process's mapping is the one that is meant: the process may
 * have mapped another one there since. Device numbers are no help: btrfs and overlay file
 * systems give a file another one than its mappings.
 */
static bool is_meant(int fd, const char *path, const struct process_file_rules *rules)
{
	char name[32], found[PROCESS_USER_PATH_SIZE_MAX];
	struct stat status;
	ssize_t size;

	if (!rules->identity_matters)
		return true; /* compared by whoever reads it */
	if (fstat(fd, &status) == 0 && status.st_ino == rules->inode)
		return true;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	size = readlinkat(AT_FDCWD, name, found, sizeof(found));
	if (size < 0 || (size_t)size == sizeof(found))
		return false;
	return process_path_size_undeleted(found, (size_t)size) == strlen(path) &&
	       memcmp(found, path, strlen(path)) == 0;
}

static int open_meant(struct process_files *files, int process_fd, struct process_range range,
		      const char *path, const struct process_file_rules *rules, int *ret_fd)
{
	const struct process_file_rules of_mapped = { .size_max = rules->size_max };
	CLEANUP(fd_close) int fd = -1;
	int r = open_mapped(files, process_fd, range, &of_mapped, &fd);

	if (r != 0)
		return r;
	if (!is_meant(fd, path, rules))
		return PROCESS_FILE_OTHER;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int open_executable(struct process_files *files, uint32_t pid, struct process_range range,
			   const char *path, const struct process_file_rules *rules, int *ret_fd)
{
	CLEANUP(fd_close) int process_fd = -1, task_fd = -1;
	char exe[PROCESS_USER_PATH_SIZE_MAX];
	int r = process_files_open_process(files, pid, &process_fd);

	if (r == 0)
		r = open_meant(files, process_fd, range, path, rules, ret_fd);
	if (r < 0 && process_fd >= 0 && open_other_task(files, process_fd, exe, &task_fd) == 0)
		r = open_meant(files, task_fd, range, path, rules, ret_fd);
	/* The mapping may have been split since: then the path leads there, seen by the process. */
	if (r < 0 && process_fd >= 0)
		r = walk_in_root(files, task_fd >= 0 ? task_fd : process_fd, path, rules, ret_fd);
	return r < 0 ? walk_path(files, path, rules, ret_fd) : r;
}

/* --- whom to ask --------------------------------------------------------------------------------- */

void process_files_ask(struct process_files *files, struct privileged_process *process)
{
	files->process = process;
	/* Whoever asks may soon read nothing itself. 32-bit kernels have none. */
	if (files->vdso_fd < 0)
		copy_vdso(&files->vdso_fd);
}

static struct privileged_request request_of(enum privileged_kind kind, struct process_place place,
					    const struct process_file_rules *rules)
{
	struct privileged_request request = { .kind = kind };

	if (rules)
		privileged_rules_write(rules, request.numbers);
	request.numbers[PRIVILEGED_NUMBER_PID] = place.pid;
	return request;
}

/* For one descriptor. */
static int ask(struct process_files *files, struct privileged_request request,
	       struct process_place place, const char *text, size_t text_size, uint32_t *ret_number,
	       int *ret_fd)
{
	CLEANUP(privileged_result_close) struct privileged_result result;
	int r = privileged_process_ask(files->process, &request, place.fd, text, text_size,
				       &result);

	if (r != 0)
		return r;
	if (result.fds[0] < 0)
		return -EPROTO;
	if (ret_number)
		*ret_number = result.packet.reply.number;
	*ret_fd = TAKE_FD(result.fds[0]);
	return 0;
}

/* The same for a file: counts as opening it here would have. */
static int ask_for_file(struct process_files *files, struct privileged_request request,
			struct process_place place, const char *text, size_t text_size,
			uint32_t *ret_number, int *ret_fd)
{
	int r = ask(files, request, place, text, text_size, ret_number, ret_fd);

	files->counters.opened += r == 0;
	files->counters.refused += r > 0;
	return r;
}

static int ask_for_look(struct process_files *files, uint32_t pid, struct process_look *ret_look)
{
	const struct process_place place = process_place_of_pid(pid);
	const struct privileged_request request = request_of(PRIVILEGED_LOOK, place, NULL);
	CLEANUP(privileged_result_close) struct privileged_result result;
	int r = privileged_process_ask(files->process, &request, -1, NULL, 0, &result);

	if (r < 0)
		return r;
	if (result.fds[0] < 0 || result.fds[1] < 0 || result.body_size != sizeof(ret_look->texts))
		return -EPROTO;
	memcpy(&ret_look->texts, result.packet.body, sizeof(ret_look->texts));
	ret_look->process_fd = TAKE_FD(result.fds[0]);
	ret_look->maps_fd = TAKE_FD(result.fds[1]);
	return 0;
}

/* The folder of the process, borrowed from the place or opened for now. */
static int enter(struct process_files *files, struct process_place place, int *to_close,
		 int *ret_process_fd)
{
	int r = place.fd < 0 ? process_files_open_process(files, place.pid, to_close) : 0;

	*ret_process_fd = place.fd < 0 ? *to_close : place.fd;
	return r;
}

int process_files_open_process(struct process_files *files, uint32_t pid, int *ret_process_fd)
{
	const struct process_place place = process_place_of_pid(pid);
	char name[16];
	int fd;

	if (files->process)
		return ask(files, request_of(PRIVILEGED_OPEN_PROCESS, place, NULL), place, NULL, 0,
			   NULL, ret_process_fd);
	snprintf(name, sizeof(name), "%u", pid);
	fd = openat(files->proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_process_fd = fd;
	return 0;
}

int process_files_look(struct process_files *files, uint32_t pid, struct process_look *ret_look)
{
	return files->process ? ask_for_look(files, pid, ret_look) : look_at(files, pid, ret_look);
}

int process_files_open_text(struct process_files *files, struct process_place place,
			    const char *name, int *ret_fd)
{
	CLEANUP(fd_close) int opened = -1;
	int process_fd, r;

	if (files->process)
		return ask(files, request_of(PRIVILEGED_OPEN_TEXT, place, NULL), place, name,
			   strlen(name) + 1, NULL, ret_fd);
	r = enter(files, place, &opened, &process_fd);
	return r < 0 ? r : open_text(process_fd, name, ret_fd);
}

int process_files_read(struct process_files *files, struct process_place place, const char *name,
		       struct bytes_writer *ret_text)
{
	CLEANUP(fd_close) int fd = -1;
	int r = process_files_open_text(files, place, name, &fd);

	return r < 0 ? r : bytes_writer_read(ret_text, fd);
}

static int ask_for_times(struct process_files *files, struct process_place place,
			 const struct process_range *ranges, uint32_t count, uint64_t *ret_times_ns)
{
	const struct privileged_request request = request_of(PRIVILEGED_TIMES_CHANGED, place, NULL);
	CLEANUP(privileged_result_close) struct privileged_result result;
	int r = privileged_process_ask(files->process, &request, place.fd, ranges,
				       count * sizeof(*ranges), &result);

	if (r == 0 && result.body_size != count * sizeof(*ret_times_ns))
		return -EPROTO;
	if (r == 0)
		memcpy(ret_times_ns, result.packet.body, result.body_size);
	return r;
}

int process_files_times_changed(struct process_files *files, struct process_place place,
				const struct process_range *ranges, uint32_t count,
				uint64_t *ret_times_ns)
{
	uint32_t looked_at = count < PROCESS_RANGES_MAX ? count : PROCESS_RANGES_MAX;
	CLEANUP(fd_close) int opened = -1;
	int process_fd, r;

	memset(ret_times_ns, 0, count * sizeof(*ret_times_ns));
	if (files->process)
		return ask_for_times(files, place, ranges, looked_at, ret_times_ns);
	r = enter(files, place, &opened, &process_fd);
	for (uint32_t i = 0; r == 0 && i < looked_at; i++)
		ret_times_ns[i] = time_changed(process_fd, ranges[i]);
	return r;
}

static struct privileged_request with_range(struct privileged_request request,
					    struct process_range range)
{
	request.numbers[5] = range.start;
	request.numbers[6] = range.end;
	return request;
}

int process_files_open_mapped(struct process_files *files, struct process_place place,
			      struct process_range range, const struct process_file_rules *rules,
			      int *ret_fd)
{
	CLEANUP(fd_close) int opened = -1;
	int process_fd, r;

	if (files->process)
		return ask_for_file(
			files, with_range(request_of(PRIVILEGED_OPEN_MAPPED, place, rules), range),
			place, NULL, 0, NULL, ret_fd);
	r = enter(files, place, &opened, &process_fd);
	return r < 0 ? r : open_mapped(files, process_fd, range, rules, ret_fd);
}

int process_files_open_executable(struct process_files *files, uint32_t pid,
				  struct process_range range, const char *path,
				  const struct process_file_rules *rules, int *ret_fd)
{
	const struct process_place place = process_place_of_pid(pid);

	if (!files->process)
		return open_executable(files, pid, range, path, rules, ret_fd);
	return ask_for_file(files,
			    with_range(request_of(PRIVILEGED_OPEN_EXECUTABLE, place, rules), range),
			    place, path, strlen(path) + 1, NULL, ret_fd);
}

int process_files_open_in_root(struct process_files *files, struct process_place place,
			       const char *path, const struct process_file_rules *rules,
			       int *ret_fd)
{
	CLEANUP(fd_close) int opened = -1;
	int process_fd, r;

	if (files->process)
		return ask_for_file(files, request_of(PRIVILEGED_OPEN_IN_ROOT, place, rules), place,
				    path, strlen(path) + 1, NULL, ret_fd);
	r = enter(files, place, &opened, &process_fd);
	return r < 0 ? r : walk_in_root(files, process_fd, path, rules, ret_fd);
}

bool process_files_shares_root(struct process_files *files, struct process_place place)
{
	CLEANUP(privileged_result_close) struct privileged_result result;
	const struct privileged_request request = request_of(PRIVILEGED_SHARES_ROOT, place, NULL);
	CLEANUP(fd_close) int opened = -1;
	int process_fd;

	privileged_result_init(&result);
	if (files->process)
		return privileged_process_ask(files->process, &request, place.fd, NULL, 0,
					      &result) == 0 &&
		       result.packet.reply.number;
	return enter(files, place, &opened, &process_fd) == 0 && shares_root(process_fd);
}

int process_files_open_path(struct process_files *files, const char *path,
			    const struct process_file_rules *rules, int *ret_fd)
{
	const struct process_place none = process_place_of(-1);

	return files->process ? ask_for_file(files, request_of(PRIVILEGED_OPEN_PATH, none, rules),
					     none, path, strlen(path) + 1, NULL, ret_fd)
			      : walk_path(files, path, rules, ret_fd);
}

/* With the zero that ends the list. */
static size_t size_of_paths(const char *paths)
{
	const char *at = paths;

	while (*at)
		at += strlen(at) + 1;
	return (size_t)(at - paths) + 1;
}

int process_files_open_first(struct process_files *files, int process_fd, const char *paths,
			     unsigned int first, const struct process_file_rules *rules,
			     unsigned int *ret_index, int *ret_fd)
{
	const struct process_place place = process_place_of(process_fd);
	struct privileged_request request;

	if (!files->process)
		return walk_first(files, process_fd, paths, first, rules, ret_index, ret_fd);
	request = request_of(PRIVILEGED_OPEN_FIRST, place, rules);
	request.numbers[5] = first;
	return ask_for_file(files, request, place, paths, size_of_paths(paths), ret_index, ret_fd);
}

int process_files_open_vdso(struct process_files *files, int *ret_fd)
{
	int fd, r = files->vdso_fd < 0 && !files->process ? copy_vdso(&files->vdso_fd) : 0;

	if (r < 0 || files->vdso_fd < 0)
		return -ENOENT;
	fd = fcntl(files->vdso_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

const struct process_files_counters *process_files_counters(const struct process_files *files)
{
	return &files->counters;
}

const char *process_file_outcome_text(int outcome)
{
	switch (outcome) {
	case PROCESS_FILE_NOT_REGULAR:
		return "is not a regular file";
	case PROCESS_FILE_WRONG_OWNER:
		return "belongs neither to root nor to the user of the process";
	case PROCESS_FILE_TOO_LARGE:
		return "is too large";
	case PROCESS_FILE_ON_FUSE:
		return "is on a FUSE file system";
	case PROCESS_FILE_OTHER:
		return "is another file than the one that was mapped";
	case PROCESS_FILE_FOREIGN:
		return "is neither a program nor what tells about one";
	default:
		return "cannot be read";
	}
}
