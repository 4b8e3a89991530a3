/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profiles that `view` serves: files that were named, or those of a folder, each by an id that
 * holds nothing but letters and digits.
 *
 * Nothing outside of the folder is opened, however it is called: one component, resolved beneath it
 * and through no link (openat2(2)). Only regular files. What is foreign has to be converted by whoever
 * opens it first (serve/importer.h); the store keeps the last PROFILE_STORE_CONVERTED_MAX captures
 * that were made so. Loop thread.
 */
#ifndef FLICKERSCOPE_PROFILE_STORE_H
#define FLICKERSCOPE_PROFILE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/cleanup.h"

struct input_options;
struct profile_store;

enum profile_store_limit {
	PROFILE_STORE_SCANNED_MAX = 65536,	 /* names looked at in a folder */
	PROFILE_STORE_LISTED_MAX = 1000,	 /* the newest ones */
	PROFILE_STORE_OUTLINE_TIME_MAX_MS = 300, /* for looking into all of them; then names only */
	PROFILE_STORE_CONVERTED_MAX = 4,
	PROFILE_STORE_NAME_SIZE_MAX = 256,
	PROFILE_STORE_EVENT_SIZE_MAX = 512,
	PROFILE_STORE_ID_SIZE_MAX = 2 * PROFILE_STORE_NAME_SIZE_MAX,
	PROFILE_STORE_START_SIZE_MAX = 2 * PROFILE_STORE_ID_SIZE_MAX + 64,
};

/*
 * Opens the files that are named, converting what is foreign, each in a confined process of its own
 * (base/confined_child.h): before any thread exists.
 *
 * @input: how they are read (convert/input.h); NULL: as if it were all zeros.
 *
 * Returns 0 or -errno; logged.
 */
int profile_store_new_files(char *const *paths, size_t count, const struct input_options *input,
			    struct profile_store **ret_store);

/* Returns 0 or -errno; logged. */
int profile_store_new_folder(const char *path, struct profile_store **ret_store);

void profile_store_free(struct profile_store *store); /* NULL is fine */
DEFINE_CLEANUP(struct profile_store *, profile_store_free);

/* Of the folder that is served, borrowed; -1: it is files. */
int profile_store_folder_fd(const struct profile_store *store);

/* The page to begin with: of the only file, of two side by side, or the list. */
void profile_store_start(const struct profile_store *store,
			 char ret_path[PROFILE_STORE_START_SIZE_MAX]);

/*
 * All profiles as one JSON object: {"folder": NAME or null, "cut": whether there are more,
 * "profiles": [{"id", "name", "bytes", "changed_us", "start_us", "duration_us", "samples"}]}, the
 * newest first. The last three are null for files that would have to be read for it.
 *
 * Returns 0 or -ENOMEM.
 */
int profile_store_list(struct profile_store *store, struct bytes_writer *ret_json);

/* What a file was when it was opened: another one is converted again. */
struct profile_identity {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
	char event[PROFILE_STORE_EVENT_SIZE_MAX]; /* that is to be shown of it */
};

/* A profile that was opened. */
struct stored_profile {
	int fd;		 /* owned by the caller */
	bool is_foreign; /* the file as it is: make a capture of it, and keep that */
	uint64_t size;	 /* at this moment */
	char name[PROFILE_STORE_NAME_SIZE_MAX];
	struct profile_identity identity; /* of a foreign one */
};

/*
 * @event: which one of several in a foreign file; "": choose.
 *
 * Returns 0, -ENOENT when there is no such profile, or -errno.
 */
int profile_store_open(struct profile_store *store, const char *id, size_t id_size,
		       const char *event, struct stored_profile *ret_profile);

/* Keeps the capture that was made of a foreign profile. @fd: of the capture; borrowed. */
void profile_store_keep(struct profile_store *store, const struct stored_profile *profile, int fd);

#endif
