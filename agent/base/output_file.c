/* SPDX-License-Identifier: Apache-2.0 */
#include "base/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/log.h"

#define FLAGS (O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

struct output_file {
	char *path;	  /* NULL: standard output */
	char *unfinished; /* where it is until it is complete; NULL: it is */
	int fd;
	bool force;
};

static int refuse_link(const char *path)
{
	log_error("%s is a symbolic link: name the file itself", path);
	return -ELOOP;
}

static int check_regular(const char *path, mode_t mode)
{
	if (S_ISREG(mode))
		return 0;
	if (S_ISLNK(mode))
		return refuse_link(path);
	log_error("%s is not a regular file: nothing is written there", path);
	return S_ISDIR(mode) ? -EISDIR : -EINVAL;
}

/* Something stands at the path, and may not be replaced. */
static int refuse_existing(const char *path)
{
	struct stat status;
	int r = lstat(path, &status) < 0 ? 0 : check_regular(path, status.st_mode);

	if (r < 0)
		return r;
	log_error("%s exists already; --force replaces it", path);
	return -EEXIST;
}

/* So that a power cut leaves the name too. Best effort: some file systems refuse it. */
static void sync_folder(const char *path)
{
	CLEANUP(memory_free) char *copy = strdup(path);
	CLEANUP(fd_close)
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0)
		fsync(fd);
}

int output_file_create(const char *path, bool force, int *ret_fd)
{
	CLEANUP(fd_close) int fd = open(path, O_WRONLY | FLAGS | (force ? 0 : O_EXCL), 0600);
	struct stat status;
	int r;

	if (fd < 0 && errno == EEXIST)
		return refuse_existing(path);
	if (fd < 0 && errno == ELOOP)
		return refuse_link(path);
	if (fd < 0)
		return log_errno(-errno, "open %s for writing", path);
	if (fstat(fd, &status) < 0)
		return log_errno(-errno, "look at %s", path);
	r = check_regular(path, status.st_mode);
	if (r < 0)
		return r;
	/* One that was there may be readable to others. */
	if (fchmod(fd, 0600) < 0 || ftruncate(fd, 0) < 0)
		return log_errno(-errno, "empty %s", path);
	sync_folder(path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Whether the file may be put at its path: asked before the work and again by the system after it. */
static int check_path(const struct output_file *file)
{
	struct stat status;

	if (lstat(file->path, &status) < 0)
		return errno == ENOENT ? 0 : log_errno(-errno, "look at %s", file->path);
	return file->force ? check_regular(file->path, status.st_mode)
			   : refuse_existing(file->path);
}

/* A name beside the path that nobody else has: the same folder, so that it can be moved there. */
static int open_unfinished(struct output_file *file)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) < 0)
		return log_errno(-errno, "pick a name for %s", file->path);
	if (asprintf(&file->unfinished, "%s.%08x.unfinished", file->path, random) < 0) {
		file->unfinished = NULL;
		return log_errno(-ENOMEM, "open %s", file->path);
	}
	file->fd = open(file->unfinished, O_RDWR | O_EXCL | FLAGS, 0600);
	if (file->fd < 0) {
		int error = -errno;

		free(TAKE(file->unfinished));
		return log_errno(error, "open %s for writing", file->path);
	}
	return 0;
}

int output_file_open(const char *path, bool force, struct output_file **ret_file)
{
	CLEANUP(output_file_free) struct output_file *file = calloc(1, sizeof(*file));
	int r;

	if (!file)
		return log_errno(-ENOMEM, "open %s", path);
	*file = (struct output_file){ .fd = -1, .force = force };
	if (strcmp(path, "-") == 0) {
		file->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
		if (file->fd < 0)
			return log_errno(-errno, "open standard output");
		*ret_file = TAKE(file);
		return 0;
	}
	file->path = strdup(path);
	if (!file->path)
		return log_errno(-ENOMEM, "open %s", path);
	r = check_path(file);
	if (r == 0)
		r = open_unfinished(file);
	if (r < 0)
		return r;
	*ret_file = TAKE(file);
	return 0;
}

int output_file_fd(const struct output_file *file)
{
	return file->fd;
}

int output_file_commit(struct output_file *file)
{
	int r;

	if (!file->path)
		return 0;
	if (fdatasync(file->fd) < 0)
		return log_errno(-errno, "write %s", file->path);
	r = check_path(file);
	if (r < 0)
		return r;
	if (renameat2(AT_FDCWD, file->unfinished, AT_FDCWD, file->path,
		      file->force ? 0 : RENAME_NOREPLACE) < 0) {
		if (errno == EEXIST)
			return refuse_existing(file->path);
		/* Some file systems cannot refuse by themselves: it was looked at a moment ago. */
		if (errno != EINVAL || rename(file->unfinished, file->path) < 0)
			return log_errno(-errno, "write %s", file->path);
	}
	free(TAKE(file->unfinished));
	sync_folder(file->path);
	return 0;
}

void output_file_free(struct output_file *file)
{
	if (!file)
		return;
	if (file->unfinished)
		unlink(file->unfinished);
	fd_close(file->fd);
	free(file->unfinished);
	free(file->path);
	free(file);
}
