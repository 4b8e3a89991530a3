/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/profile_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "base/confined_child.h"
#include "base/escape.h"
#include "base/log.h"
#include "convert/input.h"
#include "stream/capture_reader.h"

struct converted {
	struct profile_identity identity;
	int fd;	       /* of the capture in memory; -1: this place is free */
	uint64_t used; /* when, counted in openings */
};

struct named_file {
	int fd;	       /* of the capture */
	int source_fd; /* of the file that it was made of; -1: it is one, or came through a pipe */
	char name[PROFILE_STORE_NAME_SIZE_MAX];
};

struct profile_store {
	struct named_file *files; /* NULL: a folder */
	size_t file_count;
	DIR *folder;
	char folder_name[PROFILE_STORE_NAME_SIZE_MAX];
	struct converted converted[PROFILE_STORE_CONVERTED_MAX];
	uint64_t openings;
};

struct entry {
	char name[PROFILE_STORE_NAME_SIZE_MAX];
	struct stat status;
};

static void copy_name(char ret_name[PROFILE_STORE_NAME_SIZE_MAX], const char *path)
{
	const char *slash = strrchr(path, '/');

	snprintf(ret_name, PROFILE_STORE_NAME_SIZE_MAX, "%s", slash && slash[1] ? slash + 1 : path);
}

static uint64_t us_of(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_nsec / 1000;
}

/* --- opening --------------------------------------------------------------------------------- */

static int open_beneath(int folder_fd, const char *name)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	struct stat status;
	long fd = syscall(SYS_openat2, folder_fd, name, &how, sizeof(how));

	if (fd < 0)
		return -errno;
	if (fstat((int)fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		close((int)fd);
		return -ENOENT;
	}
	return (int)fd;
}

static bool is_capture(int fd)
{
	static const uint8_t magic[WIRE_MAGIC_SIZE] = {
		0x89, 'F', 'L', 'K', '\r', '\n', 0x1a, '\n'
	};
	uint8_t bytes[WIRE_MAGIC_SIZE];

	return pread(fd, bytes, sizeof(bytes), 0) == sizeof(bytes) &&
	       memcmp(bytes, magic, sizeof(magic)) == 0;
}

static bool is_same(const struct profile_identity *one, const struct profile_identity *other)
{
	return one->device == other->device && one->inode == other->inode &&
	       one->size == other->size && us_of(&one->changed) == us_of(&other->changed) &&
	       strcmp(one->event, other->event) == 0;
}

/* What was made of it before; -1: nothing. Borrowed. */
static int find_converted(struct profile_store *store, const struct profile_identity *identity)
{
	for (size_t i = 0; i < PROFILE_STORE_CONVERTED_MAX; i++) {
		struct converted *place = &store->converted[i];

		if (place->fd >= 0 && is_same(&place->identity, identity)) {
			place->used = ++store->openings;
			return place->fd;
		}
	}
	return -1;
}

void profile_store_keep(struct profile_store *store, const struct stored_profile *profile, int fd)
{
	struct converted *oldest = &store->converted[0];

	for (size_t i = 1; i < PROFILE_STORE_CONVERTED_MAX; i++)
		if (store->converted[i].used < oldest->used)
			oldest = &store->converted[i];
	fd_close(oldest->fd);
	*oldest = (struct converted){
		.identity = profile->identity,
		.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0),
		.used = ++store->openings,
	};
}

/* Of the foreign file in profile->fd: what was made of it, or the file. */
static int open_foreign(struct profile_store *store, const char *event,
			struct stored_profile *profile)
{
	struct stat status;
	int fd;

	if (fstat(profile->fd, &status) < 0)
		return -errno;
	profile->identity = (struct profile_identity){
		.device = status.st_dev,
		.inode = status.st_ino,
		.size = status.st_size,
		.changed = status.st_mtim,
	};
	snprintf(profile->identity.event, sizeof(profile->identity.event), "%s", event);
	fd = find_converted(store, &profile->identity);
	profile->is_foreign = fd < 0;
	if (fd < 0)
		return 0;
	close(profile->fd);
	profile->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return profile->fd < 0 ? -errno : 0;
}

/* --- ids ------------------------------------------------------------------------------------- */

static size_t id_of(const char *name, char ret_id[PROFILE_STORE_ID_SIZE_MAX])
{
	return escape_hex(name, strlen(name), ret_id, PROFILE_STORE_ID_SIZE_MAX);
}

static bool name_of(const char *id, size_t size, char ret_name[PROFILE_STORE_NAME_SIZE_MAX])
{
	return size && unescape_hex(id, size, ret_name, PROFILE_STORE_NAME_SIZE_MAX) &&
	       !strchr(ret_name, '/');
}

static int open_named(struct profile_store *store, const char *event,
		      struct stored_profile *profile)
{
	for (size_t i = 0; i < store->file_count; i++) {
		const struct named_file *file = &store->files[i];
		bool again = event[0] && file->source_fd >= 0;

		if (strcmp(file->name, profile->name) != 0)
			continue;
		profile->fd = fcntl(again ? file->source_fd : file->fd, F_DUPFD_CLOEXEC, 0);
		if (profile->fd < 0)
			return -errno;
		return again ? open_foreign(store, event, profile) : 0;
	}
	return -ENOENT;
}

static int open_in_folder(struct profile_store *store, const char *event,
			  struct stored_profile *profile)
{
	profile->fd = open_beneath(dirfd(store->folder), profile->name);
	if (profile->fd < 0)
		return profile->fd == -ELOOP || profile->fd == -EXDEV ? -ENOENT : profile->fd;
	return is_capture(profile->fd) ? 0 : open_foreign(store, event, profile);
}

int profile_store_open(struct profile_store *store, const char *id, size_t id_size,
		       const char *event, struct stored_profile *ret_profile)
{
	struct stored_profile profile = { .fd = -1 };
	struct stat status;
	int r;

	if (!name_of(id, id_size, profile.name))
		return -ENOENT;
	r = store->folder ? open_in_folder(store, event, &profile)
			  : open_named(store, event, &profile);
	if (r == 0 && fstat(profile.fd, &status) < 0)
		r = -errno;
	if (r < 0) {
		fd_close(profile.fd);
		return r;
	}
	profile.size = (uint64_t)status.st_size;
	*ret_profile = profile;
	return 0;
}

/* --- the list -------------------------------------------------------------------------------- */

static void json_text(struct bytes_writer *json, const char *text)
{
	size_t size = strlen(text);
	char *escaped = malloc(size * 6 + 1);

	if (!escaped) {
		json->failed = true;
		return;
	}
	bytes_write(json, "\"", 1);
	bytes_write(json, escaped, escape_json(text, size, escaped, size * 6));
	bytes_write(json, "\"", 1);
	free(escaped);
}

__attribute__((format(printf, 2, 3))) static void json_print(struct bytes_writer *json,
							     const char *format, ...)
{
	char text[256];
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	bytes_write(json, text, (size_t)size);
}

/* When it began, how long it is, how much is in it: what a capture's index tells. */
static bool json_outline(struct bytes_writer *json, int fd)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	const struct capture_segment *first, *last;
	uint64_t sample_count = 0;
	uint32_t count;

	if (capture_reader_open_index(fd, &reader))
		return false;
	count = capture_reader_segment_count(reader);
	if (!capture_reader_ended(reader) || !count)
		return false;
	first = capture_reader_segment(reader, 0);
	last = capture_reader_segment(reader, count - 1);
	for (uint32_t i = 0; i < count; i++)
		sample_count += capture_reader_segment(reader, i)->sample_count;
	json_print(
		json, ",\"start_us\":%" PRIu64 ",\"duration_us\":%" PRIu64 ",\"samples\":%" PRIu64,
		first->start_us,
		last->end_us > first->start_us ? last->end_us - first->start_us : 0, sample_count);
	return true;
}

/* @fd: taken; -1: nobody looks into it. */
static void json_profile(struct bytes_writer *json, const struct entry *entry, int fd)
{
	char id[PROFILE_STORE_ID_SIZE_MAX];
	size_t id_size = id_of(entry->name, id);

	json_print(json, "{\"id\":\"");
	bytes_write(json, id, id_size);
	json_print(json, "\",\"name\":");
	json_text(json, entry->name);
	json_print(json, ",\"bytes\":%" PRIu64 ",\"changed_us\":%" PRIu64,
		   (uint64_t)entry->status.st_size, us_of(&entry->status.st_mtim));
	if (fd < 0 || !json_outline(json, fd))
		json_print(json, ",\"start_us\":null,\"duration_us\":null,\"samples\":null");
	json_print(json, "}");
}

/* Whether a name is one that profiles have; what is behind it is seen when it is opened. */
static bool name_is_a_profile(const char *name)
{
	static const char *const ENDINGS[] = { ".flk",	      ".flick",	      ".folded",
					       ".collapsed",  ".stacks",      ".txt",
					       ".perf",	      ".script",      ".pprof",
					       ".pb",	      ".gz",	      ".json",
					       ".cpuprofile", ".nflxprofile", ".prof" };
	size_t size = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(ENDINGS); i++) {
		size_t ending = strlen(ENDINGS[i]);

		if (size > ending && strcasecmp(name + size - ending, ENDINGS[i]) == 0)
			return true;
	}
	return false;
}

static bool is_profile(int folder_fd, const char *name)
{
	CLEANUP(fd_close) int fd = -1;

	if (name_is_a_profile(name))
		return true;
	fd = open_beneath(folder_fd, name);
	return fd >= 0 && is_capture(fd);
}

static int newer_first(const void *one, const void *other)
{
	uint64_t left = us_of(&((const struct entry *)one)->status.st_mtim);
	uint64_t right = us_of(&((const struct entry *)other)->status.st_mtim);

	return left < right ? 1 : left > right ? -1 : 0;
}

/* Regular files with a profile's name or content; @ret_cut: there are more names than are looked at. */
static int scan(struct profile_store *store, struct bytes_writer *ret_entries, bool *ret_cut)
{
	const struct dirent *found;
	uint32_t scanned = 0;

	rewinddir(store->folder);
	while ((found = readdir(store->folder))) {
		struct entry entry;

		if (++scanned > PROFILE_STORE_SCANNED_MAX) {
			*ret_cut = true;
			break;
		}
		if (found->d_name[0] == '.' ||
		    fstatat(dirfd(store->folder), found->d_name, &entry.status,
			    AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(entry.status.st_mode) ||
		    !is_profile(dirfd(store->folder), found->d_name))
			continue;
		copy_name(entry.name, found->d_name);
		bytes_write(ret_entries, &entry, sizeof(entry));
	}
	return ret_entries->failed ? -ENOMEM : 0;
}

static int list_folder(struct profile_store *store, struct bytes_writer *json)
{
	CLEANUP(bytes_writer_free)
	struct bytes_writer entries =
		bytes_writer_with_max(PROFILE_STORE_SCANNED_MAX * sizeof(struct entry));
	const uint64_t until_ms = monotonic_ms() + PROFILE_STORE_OUTLINE_TIME_MAX_MS;
	bool cut = false;
	size_t count;
	int r = scan(store, &entries, &cut);

	if (r < 0)
		return r;
	count = entries.size / sizeof(struct entry);
	if (count)
		qsort(entries.bytes, count, sizeof(struct entry), newer_first);
	if (count > PROFILE_STORE_LISTED_MAX) {
		count = PROFILE_STORE_LISTED_MAX;
		cut = true;
	}
	json_print(json, "{\"folder\":");
	json_text(json, store->folder_name);
	json_print(json, ",\"cut\":%s,\"profiles\":[", cut ? "true" : "false");
	for (size_t i = 0; i < count; i++) {
		const struct entry *entry = (const struct entry *)entries.bytes + i;

		if (i)
			json_print(json, ",\n");
		json_profile(json, entry,
			     monotonic_ms() < until_ms
				     ? open_beneath(dirfd(store->folder), entry->name)
				     : -1);
	}
	json_print(json, "]}\n");
	return json->failed ? -ENOMEM : 0;
}

int profile_store_list(struct profile_store *store, struct bytes_writer *ret_json)
{
	struct entry entry;

	if (store->folder)
		return list_folder(store, ret_json);
	json_print(ret_json, "{\"folder\":null,\"cut\":false,\"profiles\":[");
	for (size_t i = 0; i < store->file_count; i++) {
		if (fstat(store->files[i].fd, &entry.status) < 0)
			return -errno;
		copy_name(entry.name, store->files[i].name);
		if (i)
			json_print(ret_json, ",\n");
		json_profile(ret_json, &entry, fcntl(store->files[i].fd, F_DUPFD_CLOEXEC, 0));
	}
	json_print(ret_json, "]}\n");
	return ret_json->failed ? -ENOMEM : 0;
}

/* --- life ------------------------------------------------------------------------------------ */

static struct profile_store *store_make(void)
{
	struct profile_store *store = calloc(1, sizeof(*store));

	for (size_t i = 0; store && i < PROFILE_STORE_CONVERTED_MAX; i++)
		store->converted[i].fd = -1;
	return store;
}

/* Two files of one name, from two folders, are two profiles. */
static void name_file(const struct profile_store *store, struct named_file *file, const char *path)
{
	char name[PROFILE_STORE_NAME_SIZE_MAX];
	int others = 0;

	copy_name(name, path);
	copy_name(file->name, name);
	for (const struct named_file *other = store->files; other < file; other++)
		if (strcmp(other->name, file->name) == 0)
			snprintf(file->name, sizeof(file->name), "%.*s (%d)",
				 PROFILE_STORE_NAME_SIZE_MAX - 16, name, ++others + 1);
}

struct reading {
	const char *name;
	const struct input_options *options;
	int source_fd;
	int capture_fd; /* a memfd for the capture that is made; left empty of what is one already */
	bool is_capture;
};

static bool is_regular(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* In a process of its own: says what is wrong with the file, and makes a capture of what is none. */
static int read_confined(void *context)
{
	CLEANUP(capture_reader_free) struct capture_reader *reader = NULL;
	const struct reading *reading = context;
	int r = reading->is_capture ? 0
				    : input_write(reading->source_fd, reading->name,
						  reading->options, reading->capture_fd);

	if (r == 0)
		r = input_open_fd(reading->is_capture ? reading->source_fd : reading->capture_fd,
				  reading->name, reading->options, &reader);
	return r == -ENOMEM ? log_errno(r, "read %s", reading->name) : r;
}

/* Opens a file, converting what is foreign, and keeps what it was made of where that can be read again. */
static int open_file(struct named_file *file, const char *path, const struct input_options *options)
{
	static const struct input_options none = { 0 };
	CLEANUP(fd_close) int source_fd = -1;
	CLEANUP(fd_close) int capture_fd = memfd_create("flickerscope-input", MFD_CLOEXEC);
	struct reading reading = { .name = input_name(path), .options = options ? options : &none };
	int r = capture_fd < 0 ? log_errno(-errno, "memory for the file's content")
			       : input_open_file(path, &source_fd);
	pid_t pid;

	if (r < 0)
		return r;
	reading.source_fd = source_fd;
	reading.capture_fd = capture_fd;
	reading.is_capture = is_regular(source_fd) && is_capture(source_fd);
	r = confined_child_start(read_confined, &reading, reading.name, &pid);
	if (r == 0)
		r = confined_child_wait(pid, reading.name);
	if (r < 0)
		return r;
	file->fd = reading.is_capture ? TAKE_FD(source_fd) : TAKE_FD(capture_fd);
	/* The one that read it has left its place somewhere, which is shared. */
	if (!reading.is_capture && strcmp(path, "-") != 0 && is_regular(source_fd) &&
	    lseek(source_fd, 0, SEEK_SET) == 0)
		file->source_fd = TAKE_FD(source_fd);
	return 0;
}

int profile_store_new_files(char *const *paths, size_t count, const struct input_options *input,
			    struct profile_store **ret_store)
{
	CLEANUP(profile_store_free) struct profile_store *store = store_make();

	if (store)
		store->files = calloc(count, sizeof(*store->files));
	if (!store || !store->files)
		return log_errno(-ENOMEM, "open the profiles");
	for (size_t i = 0; i < count; i++) {
		struct named_file *file = &store->files[i];
		int r;

		name_file(store, file, paths[i]);
		file->fd = file->source_fd = -1;
		store->file_count++;
		r = open_file(file, paths[i], input);
		if (r < 0)
			return r;
	}
	*ret_store = TAKE(store);
	return 0;
}

int profile_store_folder_fd(const struct profile_store *store)
{
	return store->folder ? dirfd(store->folder) : -1;
}

int profile_store_new_folder(const char *path, struct profile_store **ret_store)
{
	CLEANUP(profile_store_free) struct profile_store *store = store_make();
	CLEANUP(memory_free) char *real = realpath(path, NULL);

	if (!store)
		return log_errno(-ENOMEM, "open %s", path);
	store->folder = opendir(path);
	if (!store->folder)
		return log_errno(-errno, "open %s", path);
	copy_name(store->folder_name, real ? real : path);
	*ret_store = TAKE(store);
	return 0;
}

void profile_store_start(const struct profile_store *store,
			 char ret_path[PROFILE_STORE_START_SIZE_MAX])
{
	char ids[2][PROFILE_STORE_ID_SIZE_MAX] = { "", "" };

	for (size_t i = 0; i < 2 && i < store->file_count; i++)
		ids[i][id_of(store->files[i].name, ids[i])] = 0;
	if (store->folder || store->file_count > 2)
		snprintf(ret_path, PROFILE_STORE_START_SIZE_MAX, "/list.html");
	else if (store->file_count == 2)
		snprintf(ret_path, PROFILE_STORE_START_SIZE_MAX,
			 "/compare.html?profile=%s&profile=%s", ids[0], ids[1]);
	else
		snprintf(ret_path, PROFILE_STORE_START_SIZE_MAX, "/?profile=%s", ids[0]);
}

void profile_store_free(struct profile_store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->file_count; i++) {
		fd_close(store->files[i].fd);
		fd_close(store->files[i].source_fd);
	}
	for (size_t i = 0; i < PROFILE_STORE_CONVERTED_MAX; i++)
		fd_close(store->converted[i].fd);
	dir_close(store->folder);
	free(store->files);
	free(store);
}
