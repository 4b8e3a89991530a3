/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who our processes become when they leave root: a user of their own where the host has one, so that no other
 * program's process is the same user, else nobody.
 *
 * Read from the file itself: what getpwnam() asks beside it (nsswitch.conf(5)) is libraries and sockets of
 * others. Source: passwd(5). For a process with one thread, before its root directory changes.
 */
#ifndef FLICKERSCOPE_OWN_USER_H
#define FLICKERSCOPE_OWN_USER_H

#include <sys/types.h>

#define OWN_USER_NAME "flickerscope"
#define OWN_USER_FILE "/etc/passwd"

enum {
	/* Of the system's own; above are people (SYS_UID_MAX of login.defs(5)), whose name it may be by chance. */
	OWN_USER_MAX = 999,
	OWN_USER_NOBODY = 65534,
};

struct own_user {
	uid_t user;
	gid_t group;
};

/* @path: OWN_USER_FILE. Where it has no such user of the system, or cannot be read, it is nobody. */
struct own_user own_user_find(const char *path);

#endif
