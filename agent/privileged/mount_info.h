/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the text of /proc/PID/mountinfo (proc(5)): where is FUSE, without asking the FUSE
 * daemon, which may be anybody's and may never answer; and where are the cgroups.
 *
 * Pure functions; lines that make no sense are passed over. Any thread.
 */
#ifndef FLICKERSCOPE_MOUNT_INFO_H
#define FLICKERSCOPE_MOUNT_INFO_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mount_kind {
	MOUNT_UNKNOWN, /* not in the list */
	MOUNT_FUSE,
	MOUNT_OTHER,
};

/*
 * The kind of the file system with mount @mount_id, or with the device @major:@minor. Both are
 * compared: bind mounts share the device, and a btrfs file has another device than its mount.
 */
enum mount_kind mount_info_kind(const char *text, size_t size, uint64_t mount_id, uint32_t major,
				uint32_t minor);

/* Whether @path leads through a FUSE mount: one is mounted at a prefix of it. */
bool mount_info_path_is_fuse(const char *text, size_t size, const char *path);

/*
 * Where all cgroups of version 2 are mounted, wherever an administrator has put them. False when they
 * are not, or only some.
 */
bool mount_info_cgroups(const char *text, size_t size, char ret_path[PATH_MAX]);

#endif
