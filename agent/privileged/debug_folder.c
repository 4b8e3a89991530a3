/* SPDX-License-Identifier: Apache-2.0 */
#include "privileged/debug_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

enum { NAME_SIZE = DEBUG_FOLDER_ID_DIGITS_MAX + 32 };

static bool is_id(const char *text)
{
	size_t size = strlen(text);

	return size && size % 2 == 0 && size <= DEBUG_FOLDER_ID_DIGITS_MAX &&
	       strspn(text, "0123456789abcdef") == size;
}

static void part_name_of(const char *id, char ret_name[NAME_SIZE])
{
	/* Others may use the folder too. */
	snprintf(ret_name, NAME_SIZE, "%s.%d.part", id, getpid());
}

static void name_of(const char *id, const char *ending, char ret_name[NAME_SIZE])
{
	snprintf(ret_name, NAME_SIZE, "%s.%s", id, ending);
}

static bool is_recent(const struct stat *status)
{
	return time(NULL) - status->st_mtime < DEBUG_FOLDER_NONE_KEPT_S;
}

/* --- room -------------------------------------------------------------------------------------- */

struct kept_file {
	char name[NAME_SIZE];
	uint64_t size;
	time_t used;
};

static int compare_use(const void *left, const void *right)
{
	const struct kept_file *first = left, *second = right;

	return (first->used > second->used) - (first->used < second->used);
}

static bool ends_with(const char *name, const char *ending)
{
	size_t size = strlen(name), ending_size = strlen(ending);

	return size > ending_size && strcmp(name + size - ending_size, ending) == 0;
}

/* Lists the folder's files, without those that are over: marks and parts of an hour ago. */
static size_t list_files(int folder_fd, struct kept_file *files)
{
	CLEANUP(dir_close) DIR *folder = NULL;
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	size_t count = 0;

	folder = fd < 0 ? NULL : fdopendir(fd);
	if (!folder)
		fd_close(fd);
	while (folder && count <= DEBUG_FOLDER_FILES_MAX && (entry = readdir(folder))) {
		const char *name = entry->d_name;
		bool is_kept = ends_with(name, ".debug");
		struct stat status;

		if ((!is_kept && !ends_with(name, ".none") && !ends_with(name, ".part")) ||
		    strlen(name) >= NAME_SIZE ||
		    fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* not ours */
		if (!is_kept && !is_recent(&status)) {
			unlinkat(folder_fd, name, 0);
			continue;
		}
		strcpy(files[count].name, name);
		files[count].size = (uint64_t)status.st_size;
		files[count++].used = status.st_mtime;
	}
	return count;
}

static void make_room(int folder_fd)
{
	CLEANUP(memory_free)
	struct kept_file *files = calloc(DEBUG_FOLDER_FILES_MAX + 1, sizeof(*files));
	size_t count = files ? list_files(folder_fd, files) : 0;
	uint64_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += files[i].size;
	if (count)
		qsort(files, count, sizeof(*files), compare_use);
	for (size_t i = 0;
	     i < count && (size > DEBUG_FOLDER_SIZE_MAX || count - i > DEBUG_FOLDER_FILES_MAX);
	     i++) {
		unlinkat(folder_fd, files[i].name, 0);
		size -= files[i].size;
	}
}

/* --- files ------------------------------------------------------------------------------------- */

int debug_folder_open(const char *path, int *ret_folder_fd)
{
	CLEANUP(fd_close) int fd = -1;
	struct stat status;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return log_errno(-errno, "make %s for debug files", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) < 0)
		return log_errno(-errno, "open %s for debug files", path);
	if (status.st_uid != geteuid() || (status.st_mode & 077)) {
		log_error("%s: others can write or read there; make it yours alone (chmod 700), or "
			  "choose another folder with --debuginfod-cache",
			  path);
		return -EPERM;
	}
	make_room(fd);
	*ret_folder_fd = TAKE_FD(fd);
	return 0;
}

static bool is_known_missing(int folder_fd, const char *id)
{
	char name[NAME_SIZE];
	struct stat status;

	name_of(id, "none", name);
	return fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && is_recent(&status);
}

int debug_folder_find(int folder_fd, const char *id, int *ret_fd)
{
	char name[NAME_SIZE];
	int fd;

	if (!is_id(id))
		return -EINVAL;
	name_of(id, "debug", name);
	fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && is_known_missing(folder_fd, id))
		return DEBUG_FOLDER_LACKING;
	if (fd < 0)
		return -errno;
	futimens(fd, NULL); /* used just now: it goes last */
	*ret_fd = fd;
	return 0;
}

int debug_folder_begin(int folder_fd, const char *id, int *ret_fd)
{
	char name[NAME_SIZE];
	int fd;

	if (!is_id(id))
		return -EINVAL;
	part_name_of(id, name);
	unlinkat(folder_fd, name, 0);
	fd = openat(folder_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static void mark_missing(int folder_fd, const char *id)
{
	CLEANUP(fd_close) int fd = -1;
	char name[NAME_SIZE];

	name_of(id, "none", name);
	unlinkat(folder_fd, name, 0);
	fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

int debug_folder_end(int folder_fd, const char *id, enum debug_folder_end end)
{
	char part[NAME_SIZE], name[NAME_SIZE];

	if (!is_id(id))
		return -EINVAL;
	part_name_of(id, part);
	name_of(id, "debug", name);
	if (end == DEBUG_FOLDER_CAME && renameat(folder_fd, part, folder_fd, name) == 0) {
		make_room(folder_fd);
		return 0;
	}
	unlinkat(folder_fd, part, 0);
	if (end == DEBUG_FOLDER_NONE_HAD_IT)
		mark_missing(folder_fd, id);
	return end == DEBUG_FOLDER_CAME ? -EIO : 0;
}
