/* SPDX-License-Identifier: Apache-2.0 */
#include "base/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/log.h"

#define FLAGS (O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

/* A path, taken apart: the folder is held, and what is done later is done there. */
struct place {
	const char *path; /* borrowed; for messages */
	const char *name; /* of the file: the path's end */
	int folder_fd;
};

struct output_file {
	char *path; /* NULL: standard output */
	struct place place;
	char *unfinished; /* what it is called until it is complete; NULL: it is */
	int fd;
	bool force;
};

static void place_close(struct place *place)
{
	fd_close(TAKE_FD(place->folder_fd));
}

static inline void cleanup_place_close(struct place *place)
{
	place_close(place);
}

static int place_open(const char *path, struct place *ret_place)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	CLEANUP(memory_free)
	char *folder = name == path ? strdup(".") : strndup(path, (size_t)(name - path));
	int fd = folder ? open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd < 0)
		return log_errno(-errno, "open %s for writing", path);
	*ret_place = (struct place){
		.path = path,
		.name = name[0] ? name : ".", /* which no file is called */
		.folder_fd = fd,
	};
	return 0;
}

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

/* Something stands there, and may not be replaced. */
static int refuse_existing(const struct place *place)
{
	struct stat status;
	int r = fstatat(place->folder_fd, place->name, &status, AT_SYMLINK_NOFOLLOW) < 0
			? 0
			: check_regular(place->path, status.st_mode);

	if (r < 0)
		return r;
	log_error("%s exists already; --force replaces it", place->path);
	return -EEXIST;
}

/* So that a power cut leaves the name too. Best effort: some file systems refuse it. */
static void sync_folder(const struct place *place)
{
	CLEANUP(fd_close)
	int fd = openat(place->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		fsync(fd);
}

int output_file_create(const char *path, bool force, int *ret_fd)
{
	CLEANUP(place_close) struct place place = { .folder_fd = -1 };
	CLEANUP(fd_close) int fd = -1;
	struct stat status;
	int r = place_open(path, &place);

	if (r < 0)
		return r;
	fd = openat(place.folder_fd, place.name, O_WRONLY | FLAGS | (force ? 0 : O_EXCL), 0600);
	if (fd < 0 && errno == EEXIST)
		return refuse_existing(&place);
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
	sync_folder(&place);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Whether the file may be put at its path: asked before the work and again by the system after it. */
static int check_place(const struct output_file *file)
{
	const struct place *place = &file->place;
	struct stat status;

	if (fstatat(place->folder_fd, place->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : log_errno(-errno, "look at %s", file->path);
	return file->force ? check_regular(file->path, status.st_mode) : refuse_existing(place);
}

/* A name beside it that nobody else has: the same folder, so that it can be moved. */
static int open_unfinished(struct output_file *file)
{
	const struct place *place = &file->place;
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) < 0)
		return log_errno(-errno, "pick a name for %s", file->path);
	if (asprintf(&file->unfinished, "%s.%08x.unfinished", place->name, random) < 0) {
		file->unfinished = NULL;
		return log_errno(-ENOMEM, "open %s", file->path);
	}
	file->fd = openat(place->folder_fd, file->unfinished, O_RDWR | O_EXCL | FLAGS, 0600);
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
	*file = (struct output_file){ .fd = -1, .place.folder_fd = -1, .force = force };
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
	r = place_open(file->path, &file->place);
	if (r == 0)
		r = check_place(file);
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

int output_file_folder_fd(const struct output_file *file)
{
	return file->place.folder_fd;
}

int output_file_commit(struct output_file *file)
{
	const struct place *place = &file->place;
	int r;

	if (!file->path)
		return 0;
	if (fdatasync(file->fd) < 0)
		return log_errno(-errno, "write %s", file->path);
	r = check_place(file);
	if (r < 0)
		return r;
	if (renameat2(place->folder_fd, file->unfinished, place->folder_fd, place->name,
		      file->force ? 0 : RENAME_NOREPLACE) < 0) {
		if (errno == EEXIST)
			return refuse_existing(place);
		/* Some file systems cannot refuse by themselves: it was looked at a moment ago. */
		if (errno != EINVAL ||
		    renameat(place->folder_fd, file->unfinished, place->folder_fd, place->name) < 0)
			return log_errno(-errno, "write %s", file->path);
	}
	free(TAKE(file->unfinished));
	sync_folder(place);
	return 0;
}

void output_file_free(struct output_file *file)
{
	if (!file)
		return;
	if (file->unfinished)
		unlinkat(file->place.folder_fd, file->unfinished, 0);
	place_close(&file->place);
	fd_close(file->fd);
	free(file->unfinished);
	free(file->path);
	free(file);
}
